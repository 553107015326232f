/* SPDX-License-Identifier: MIT */
/* Graphics cards of a PC with a VGA in them, by the names of -vga. */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#include <stdio.h>

#include "rhea/error.h"

#define TYPE_VGA        "VGA"
#define TYPE_CIRRUS_VGA "cirrus-vga"
#define TYPE_VIRTIO_VGA "virtio-vga"

/* Whether -vga knows @name. */
bool vga_card_check(const char *name, Error **errp) MUST_CHECK;
/* The type of device that @name is, which has been checked; NULL: none. */
const char *vga_card_type(const char *name);
void vga_cards_print_help(FILE *out);

#endif
