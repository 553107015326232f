/* SPDX-License-Identifier: MIT */
/* Code page 437 in Unicode.  Any thread. */
#ifndef UI_CP437_H
#define UI_CP437_H

#include "rhea/base.h"

/* Control codes are the pictures that a PC shows for them; 0 is blank and stays 0. */
uint32_t cp437_unicode(uint8_t code);

#endif
