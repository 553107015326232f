/* SPDX-License-Identifier: MIT */
/* What a terminal sends for keys, as xterm does and its modifiers (1 + shift 1 + alt 2 + ctrl 4). */
#include "rhea/osdep.h"

#include <xkbcommon/xkbcommon.h>

#include "vt.h"

/* ESC [ LETTER, in application mode ESC O LETTER; ESC [ NUMBER ~. */
static const struct {
    uint32_t keysym;
    char letter;
    uint8_t number;
} keys[] = {
    {XKB_KEY_Up, 'A', 0},      {XKB_KEY_Down, 'B', 0},     {XKB_KEY_Right, 'C', 0},
    {XKB_KEY_Left, 'D', 0},    {XKB_KEY_Home, 'H', 0},     {XKB_KEY_End, 'F', 0},
    {XKB_KEY_KP_Up, 'A', 0},   {XKB_KEY_KP_Down, 'B', 0},  {XKB_KEY_KP_Right, 'C', 0},
    {XKB_KEY_KP_Left, 'D', 0}, {XKB_KEY_KP_Home, 'H', 0},  {XKB_KEY_KP_End, 'F', 0},
    {XKB_KEY_F1, 'P', 0},      {XKB_KEY_F2, 'Q', 0},       {XKB_KEY_F3, 'R', 0},
    {XKB_KEY_F4, 'S', 0},      {XKB_KEY_Insert, 0, 2},     {XKB_KEY_Delete, 0, 3},
    {XKB_KEY_Page_Up, 0, 5},   {XKB_KEY_Page_Down, 0, 6},  {XKB_KEY_KP_Insert, 0, 2},
    {XKB_KEY_KP_Delete, 0, 3}, {XKB_KEY_KP_Page_Up, 0, 5}, {XKB_KEY_KP_Page_Down, 0, 6},
    {XKB_KEY_F5, 0, 15},       {XKB_KEY_F6, 0, 17},        {XKB_KEY_F7, 0, 18},
    {XKB_KEY_F8, 0, 19},       {XKB_KEY_F9, 0, 20},        {XKB_KEY_F10, 0, 21},
    {XKB_KEY_F11, 0, 23},      {XKB_KEY_F12, 0, 24},
};

enum { APPLICATION_ALWAYS = 'P' }; /* F1 to F4 begin with ESC O in any mode */

static bool function_key(uint32_t keysym, unsigned modifiers, bool application, char *text)
{
    unsigned n = 1 + ((modifiers & CONSOLE_SHIFT) ? 1 : 0) + ((modifiers & CONSOLE_ALT) ? 2 : 0) +
                 ((modifiers & CONSOLE_CTRL) ? 4 : 0);

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char letter = keys[i].letter;

        if (keys[i].keysym != keysym) {
            continue;
        }
        if (letter && n > 1) {
            snprintf(text, VT_KEY_BYTES, "\033[1;%u%c", n, letter);
        } else if (letter) {
            snprintf(text, VT_KEY_BYTES, "\033%c%c",
                     application || letter >= APPLICATION_ALWAYS ? 'O' : '[', letter);
        } else if (n > 1) {
            snprintf(text, VT_KEY_BYTES, "\033[%u;%u~", keys[i].number, n);
        } else {
            snprintf(text, VT_KEY_BYTES, "\033[%u~", keys[i].number);
        }
        return true;
    }
    return false;
}

/* Whether ctrl makes another character of it. */
static bool make_control(uint32_t *c)
{
    bool can = (*c >= '@' && *c < 0x7f) || *c == ' ';

    *c = can ? *c & 0x1f : *c;
    return can;
}

size_t vt_key_bytes(uint32_t keysym, unsigned modifiers, bool application, char *text)
{
    uint32_t c = keysym == XKB_KEY_BackSpace ? 0x7f : xkb_keysym_to_utf32(keysym);
    size_t len = 0;

    if (keysym == XKB_KEY_ISO_Left_Tab || (keysym == XKB_KEY_Tab && modifiers & CONSOLE_SHIFT)) {
        return (size_t)snprintf(text, VT_KEY_BYTES, "\033[Z");
    }
    if (function_key(keysym, modifiers, application, text)) {
        return strlen(text);
    }
    if (!c) {
        return 0;
    }
    if (modifiers & CONSOLE_ALT) {
        text[len++] = '\033';
    }
    if (modifiers & CONSOLE_CTRL && make_control(&c)) {
        text[len] = (char)c;
        return len + 1;
    }
    return len + (size_t)g_unichar_to_utf8(c, text + len);
}
