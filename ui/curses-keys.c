/* SPDX-License-Identifier: MIT */
/*
 * What a terminal sends for keys, as keysyms.  Function keys with modifiers are named as terminfo(5) and xterm's
 * terminfo extensions have them: kf13 is F1 with shift, kUP5 is Up with ctrl.  Any thread.
 */
#include "rhea/osdep.h"

#include <xkbcommon/xkbcommon.h>

#include "curses-keys.h"
#include "curses-lib.h"
#include "ui/console.h"

enum { FUNCTION_KEYS = 12, FUNCTION_LAST = 63, DEL = 0x7f };

CursesKey curses_key_of_char(uint32_t c)
{
    switch (c) {
    case 0: return (CursesKey){XKB_KEY_space, CONSOLE_CTRL};
    case '\t': return (CursesKey){XKB_KEY_Tab, 0};
    case '\r': return (CursesKey){XKB_KEY_Return, 0};
    case '\033': return (CursesKey){XKB_KEY_Escape, 0};
    case DEL: return (CursesKey){XKB_KEY_BackSpace, 0};
    default: break;
    }
    if (c < ' ') {
        return (CursesKey){c + (c <= 26 ? 'a' - 1 : '@'), CONSOLE_CTRL};
    }
    return (CursesKey){xkb_utf32_to_keysym(c), 0};
}

static const struct {
    int code;
    CursesKey key;
} keys[] = {
    {KEY_UP, {XKB_KEY_Up, 0}},
    {KEY_DOWN, {XKB_KEY_Down, 0}},
    {KEY_LEFT, {XKB_KEY_Left, 0}},
    {KEY_RIGHT, {XKB_KEY_Right, 0}},
    {KEY_HOME, {XKB_KEY_Home, 0}},
    {KEY_END, {XKB_KEY_End, 0}},
    {KEY_IC, {XKB_KEY_Insert, 0}},
    {KEY_DC, {XKB_KEY_Delete, 0}},
    {KEY_PPAGE, {XKB_KEY_Page_Up, 0}},
    {KEY_NPAGE, {XKB_KEY_Page_Down, 0}},
    {KEY_BACKSPACE, {XKB_KEY_BackSpace, 0}},
    {KEY_ENTER, {XKB_KEY_KP_Enter, 0}},
    {KEY_B2, {XKB_KEY_KP_5, 0}},
    {KEY_BTAB, {XKB_KEY_Tab, CONSOLE_SHIFT}},
    {KEY_SR, {XKB_KEY_Up, CONSOLE_SHIFT}},
    {KEY_SF, {XKB_KEY_Down, CONSOLE_SHIFT}},
    {KEY_SLEFT, {XKB_KEY_Left, CONSOLE_SHIFT}},
    {KEY_SRIGHT, {XKB_KEY_Right, CONSOLE_SHIFT}},
    {KEY_SHOME, {XKB_KEY_Home, CONSOLE_SHIFT}},
    {KEY_SEND, {XKB_KEY_End, CONSOLE_SHIFT}},
    {KEY_SIC, {XKB_KEY_Insert, CONSOLE_SHIFT}},
    {KEY_SDC, {XKB_KEY_Delete, CONSOLE_SHIFT}},
    {KEY_SPREVIOUS, {XKB_KEY_Page_Up, CONSOLE_SHIFT}},
    {KEY_SNEXT, {XKB_KEY_Page_Down, CONSOLE_SHIFT}},
};

/* "kUP5": the digit is one more than shift (1), alt (2) and ctrl (4) together. */
static CursesKey key_of_name(const char *name)
{
    static const struct {
        const char *name;
        uint32_t keysym;
    } names[] = {
        {"kUP", XKB_KEY_Up},         {"kDN", XKB_KEY_Down},   {"kLFT", XKB_KEY_Left},
        {"kRIT", XKB_KEY_Right},     {"kHOM", XKB_KEY_Home},  {"kEND", XKB_KEY_End},
        {"kIC", XKB_KEY_Insert},     {"kDC", XKB_KEY_Delete}, {"kPRV", XKB_KEY_Page_Up},
        {"kNXT", XKB_KEY_Page_Down},
    };

    for (size_t i = 0; name && i < ARRAY_SIZE(names); i++) {
        size_t len = strlen(names[i].name);

        if (!strncmp(name, names[i].name, len) && name[len] >= '2' && name[len] <= '8') {
            unsigned held = (unsigned)(name[len] - '1');

            return (CursesKey){names[i].keysym, (held & 1 ? CONSOLE_SHIFT : 0) |
                                                    (held & 2 ? CONSOLE_ALT : 0) |
                                                    (held & 4 ? CONSOLE_CTRL : 0)};
        }
    }
    return (CursesKey){0};
}

CursesKey curses_key_of_code(int code, const char *name)
{
    /* F1 to F12 again and again: plain, and with these. */
    static const unsigned held[] = {0,
                                    CONSOLE_SHIFT,
                                    CONSOLE_CTRL,
                                    CONSOLE_CTRL | CONSOLE_SHIFT,
                                    CONSOLE_ALT,
                                    CONSOLE_ALT | CONSOLE_SHIFT};
    unsigned function = (unsigned)(code - KEY_F(1));

    if (code >= KEY_F(1) && code <= KEY_F(FUNCTION_LAST)) {
        return (CursesKey){XKB_KEY_F1 + function % FUNCTION_KEYS, held[function / FUNCTION_KEYS]};
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].code == code) {
            return keys[i].key;
        }
    }
    return key_of_name(name);
}
