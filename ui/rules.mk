# SPDX-License-Identifier: MIT
# Objects of ui/, one line a file; sub-folders have a rules.mk of their own.

obj-y += ui/input.o
