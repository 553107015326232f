# SPDX-License-Identifier: MIT
# Objects of ui/, one line a file; sub-folders have a rules.mk of their own.

obj-y += ui/console.o
obj-y += ui/http.o
obj-y += ui/cp437.o
obj-$(CONFIG_CURSES) += ui/curses.o
obj-$(CONFIG_CURSES) += ui/curses-keys.o
obj-$(CONFIG_CURSES) += ui/curses-lib.o
obj-y += ui/display.o
obj-y += ui/font.o
obj-y += ui/input.o
obj-y += ui/listen.o
obj-y += ui/keymap.o
obj-y += ui/screendump.o
obj-$(CONFIG_SDL) += ui/sdl.o
obj-$(CONFIG_SDL) += ui/sdl-input.o
obj-$(CONFIG_SDL) += ui/sdl-keys.o
obj-$(CONFIG_SDL) += ui/sdl-lib.o
obj-y += ui/text-console.o
obj-y += ui/vnc-auth.o
obj-y += ui/vnc-client.o
obj-y += ui/vnc-cursor.o
obj-y += ui/vnc-encode.o
obj-y += ui/vnc-hextile.o
obj-y += ui/vnc-info.o
obj-$(CONFIG_JPEG) += ui/vnc-jpeg.o
obj-y += ui/vnc-listen.o
obj-y += ui/vnc-message.o
obj-$(if $(CONFIG_JPEG),,y) += ui/vnc-nojpeg.o
obj-y += ui/vnc-options.o
obj-y += ui/vnc-palette.o
obj-y += ui/vnc-server.o
obj-y += ui/vnc-stream.o
obj-y += ui/vnc-tight.o
obj-y += ui/vnc-update.o
obj-y += ui/vnc-websocket.o
obj-y += ui/web.o
obj-y += ui/web-client.o
obj-y += ui/web-conn.o
obj-y += ui/web-files.o
obj-y += ui/web-picture.o
obj-y += ui/web-terminal.o
obj-y += ui/websocket.o
obj-y += ui/vnc-vencrypt.o
obj-y += ui/vnc-zlib.o
obj-y += ui/vnc-zrle.o

# The page is in the program itself.
ui/web-files.o: CPPFLAGS += -Wa,-I$(SRC)
ui/web-files.o: $(wildcard $(SRC)/ui/web/*)
obj-y += ui/vt.o
obj-y += ui/vt-keys.o
