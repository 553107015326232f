# SPDX-License-Identifier: MIT
# Objects of ui/, one line a file; sub-folders have a rules.mk of their own.

obj-y += ui/console.o
obj-y += ui/http.o
obj-y += ui/input.o
obj-y += ui/screendump.o
obj-y += ui/vnc-auth.o
obj-y += ui/vnc-client.o
obj-y += ui/vnc-encode.o
obj-y += ui/vnc-keys.o
obj-y += ui/vnc-message.o
obj-y += ui/vnc-server.o
obj-y += ui/vnc-stream.o
obj-y += ui/vnc-update.o
obj-y += ui/websocket.o
