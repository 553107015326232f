/* SPDX-License-Identifier: MIT */
/*
 * SDL's keys: scan codes, which are the usages of the keyboard page of USB's HID usage tables, as Linux's KEY_*;
 * and what is typed at text consoles as keysyms.  Any thread.
 */
#include "rhea/osdep.h"

#include <xkbcommon/xkbcommon.h>

#include "sdl-int.h"

/* By scan code. */
static const uint8_t keys[] = {
    0,   0,   0,   0,   30,  48,  46,  32,  18,  33,  34,  35,  23,  36,  37,  38,  50,  49,
    24,  25,  16,  19,  31,  20,  22,  47,  17,  45,  21,  44,  2,   3,   4,   5,   6,   7,
    8,   9,   10,  11,  28,  1,   14,  15,  57,  12,  13,  26,  27,  43,  43,  39,  40,  41,
    51,  52,  53,  58,  59,  60,  61,  62,  63,  64,  65,  66,  67,  68,  87,  88,  99,  70,
    119, 110, 102, 104, 111, 107, 109, 106, 105, 108, 103, 69,  98,  55,  74,  78,  96,  79,
    80,  81,  75,  76,  77,  71,  72,  73,  82,  83,  86,  127, 116, 117, 183, 184, 185, 186,
    187, 188, 189, 190, 191, 192, 193, 194, 134, 138, 130, 132, 128, 129, 131, 137, 133, 135,
    136, 113, 115, 114, 0,   0,   0,   121, 0,   89,  93,  124, 92,  94,  95,
};

/* Left ctrl, shift, alt, meta and the right ones. */
static const uint8_t modifier_keys[] = {29, 42, 56, 125, 97, 54, 100, 126};

unsigned sdl_key(SDL_Scancode code)
{
    if (code >= SDL_SCANCODE_LCTRL && code <= SDL_SCANCODE_RGUI) {
        return modifier_keys[code - SDL_SCANCODE_LCTRL];
    }
    return code < ARRAY_SIZE(keys) ? keys[code] : 0;
}

/* Keys that are no text. */
static const struct {
    SDL_Keycode sym;
    uint32_t keysym;
} function_keys[] = {
    {SDLK_RETURN, XKB_KEY_Return},
    {SDLK_KP_ENTER, XKB_KEY_Return},
    {SDLK_ESCAPE, XKB_KEY_Escape},
    {SDLK_BACKSPACE, XKB_KEY_BackSpace},
    {SDLK_TAB, XKB_KEY_Tab},
    {SDLK_UP, XKB_KEY_Up},
    {SDLK_DOWN, XKB_KEY_Down},
    {SDLK_LEFT, XKB_KEY_Left},
    {SDLK_RIGHT, XKB_KEY_Right},
    {SDLK_HOME, XKB_KEY_Home},
    {SDLK_END, XKB_KEY_End},
    {SDLK_INSERT, XKB_KEY_Insert},
    {SDLK_DELETE, XKB_KEY_Delete},
    {SDLK_PAGEUP, XKB_KEY_Page_Up},
    {SDLK_PAGEDOWN, XKB_KEY_Page_Down},
};

uint32_t sdl_keysym(SDL_Keycode sym, unsigned modifiers)
{
    for (size_t i = 0; i < ARRAY_SIZE(function_keys); i++) {
        if (function_keys[i].sym == sym) {
            return function_keys[i].keysym;
        }
    }
    if (sym >= SDLK_F1 && sym <= SDLK_F12) {
        return XKB_KEY_F1 + (uint32_t)(sym - SDLK_F1);
    }
    /* Other characters come as text unless ctrl or alt is held. */
    return modifiers & (CONSOLE_CTRL | CONSOLE_ALT) && sym >= ' ' && sym < 0x7f ? (uint32_t)sym : 0;
}
