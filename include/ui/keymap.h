/* SPDX-License-Identifier: MIT */
/*
 * From keysyms (X's, as in xkbcommon-keysyms.h) to the keys (KEY_* of input-event-codes.h) of a keyboard with
 * some layout.  Threading: the machine lock.
 */
#ifndef UI_KEYMAP_H
#define UI_KEYMAP_H

#include "rhea/error.h"

enum { KEYMAP_KEYS = 3 };

/* The layout that people have: "en-us", "de", "fr-ch". */
bool keymap_set(const char *name, Error **errp) MUST_CHECK;
/* There is a layout: en-us unless another was set. */
bool keymap_ready(Error **errp) MUST_CHECK;
/* The key that has it on its lowest level; 0: none. */
unsigned keymap_key(uint32_t keysym);
/* That key behind the modifiers that its level needs; how many they are, 0: no key has it. */
unsigned keymap_keys(uint32_t keysym, unsigned codes[KEYMAP_KEYS]);

#endif
