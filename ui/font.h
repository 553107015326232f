/* SPDX-License-Identifier: MIT */
/* The characters of text consoles.  Any thread. */
#ifndef UI_FONT_H
#define UI_FONT_H

#include "rhea/base.h"

enum { FONT_WIDTH = 8, FONT_HEIGHT = 16 };

/* FONT_HEIGHT rows with the leftmost dot in bit 7; of a character that is not there the replacement's. */
const uint8_t *font_glyph(uint32_t c);

#endif
