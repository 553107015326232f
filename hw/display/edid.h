/* SPDX-License-Identifier: MIT */
/* What a display says of itself. */
#ifndef HW_DISPLAY_EDID_H
#define HW_DISPLAY_EDID_H

#include "rhea/base.h"

enum { EDID_SIZE = 128, EDID_MAX_SIDE = 4095 };

/* A block for a display that prefers @width by @height pixels (limited to EDID_MAX_SIDE). */
void edid_make(uint8_t out[EDID_SIZE], unsigned width, unsigned height);

#endif
