/* SPDX-License-Identifier: MIT */
/*
 * Keys, pointer and shortcuts of the window.  A relative pointer is grabbed by a click and released by the
 * shortcut; an absolute one goes in and out of the window.  Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <xkbcommon/xkbcommon.h>

#include "sdl-int.h"
#include "ui/input.h"

enum { GROW_DOTS = 50 };

/* --- Keys --- */

static void press(SdlDisplay *s, unsigned key, bool down)
{
    if (key && key < SDL_KEYS && (down || s->key_down[key])) {
        s->key_down[key] = down;
        input_key(key, down);
    }
}

void sdl_release_keys(SdlDisplay *s)
{
    for (unsigned key = 0; key < SDL_KEYS; key++) {
        press(s, key, false);
    }
}

static unsigned modifiers(SDL_Keymod mod)
{
    return (mod & KMOD_SHIFT ? CONSOLE_SHIFT : 0) | (mod & KMOD_CTRL ? CONSOLE_CTRL : 0) |
           (mod & KMOD_ALT ? CONSOLE_ALT : 0);
}

const char *sdl_grab_name(const SdlDisplay *s)
{
    static const char *const names[] = {
        [SDL_GRAB_CTRL_ALT] = "Ctrl-Alt",
        [SDL_GRAB_SHIFT_CTRL_ALT] = "Shift-Ctrl-Alt",
        [SDL_GRAB_RCTRL] = "Right-Ctrl",
    };

    return names[s->options.grab_keys];
}

/* The keys are held that make another one a shortcut. */
static bool is_shortcut(const SdlDisplay *s, SDL_Keymod mod)
{
    static const SDL_Keymod wanted[] = {
        [SDL_GRAB_CTRL_ALT] = KMOD_LCTRL | KMOD_LALT,
        [SDL_GRAB_SHIFT_CTRL_ALT] = KMOD_LSHIFT | KMOD_LCTRL | KMOD_LALT,
        [SDL_GRAB_RCTRL] = KMOD_RCTRL,
    };

    return (mod & wanted[s->options.grab_keys]) == wanted[s->options.grab_keys];
}

/* False: it is none. */
static bool shortcut(SdlDisplay *s, SDL_Scancode code)
{
    switch (code) {
    case SDL_SCANCODE_F: sdl_set_full_screen(s, !s->full_screen); return true;
    case SDL_SCANCODE_G: sdl_grab(s, !s->grabbed); return true;
    case SDL_SCANCODE_U: sdl_original_size(s); return true;
    case SDL_SCANCODE_EQUALS:
    case SDL_SCANCODE_KP_PLUS: sdl_grow(s, GROW_DOTS); return true;
    case SDL_SCANCODE_MINUS:
    case SDL_SCANCODE_KP_MINUS: sdl_grow(s, -GROW_DOTS); return true;
    default: break;
    }
    if (code >= SDL_SCANCODE_1 && code <= SDL_SCANCODE_9) {
        sdl_show_console(s, code - SDL_SCANCODE_1);
        return true;
    }
    return false;
}

static void take_key(SdlDisplay *s, const SDL_KeyboardEvent *ev)
{
    unsigned mod = modifiers(ev->keysym.mod);
    uint32_t keysym;

    if (ev->state == SDL_PRESSED && is_shortcut(s, ev->keysym.mod) &&
        shortcut(s, ev->keysym.scancode)) {
        sdl_release_keys(s);
        s->eat_text = true;
        return;
    }
    s->eat_text = false;
    if (!s->con || !console_is_terminal(s->con)) {
        press(s, sdl_key(ev->keysym.scancode), ev->state == SDL_PRESSED);
        return;
    }
    keysym = sdl_keysym(ev->keysym.sym, mod);
    if (ev->state == SDL_PRESSED && keysym) {
        console_type(s->con, keysym, mod);
        s->eat_text = mod & (CONSOLE_CTRL | CONSOLE_ALT);
    }
}

static void take_text(SdlDisplay *s, const char *text)
{
    if (s->eat_text || !s->con) {
        return;
    }
    for (const char *p = text; *p && console_is_terminal(s->con); p = g_utf8_next_char(p)) {
        console_type(s->con, xkb_utf32_to_keysym(g_utf8_get_char(p)), 0);
    }
}

/* --- The pointer --- */

void sdl_grab(SdlDisplay *s, bool on)
{
    if (s->grabbed == on) {
        return;
    }
    s->grabbed = on;
    s->lib->SDL_SetRelativeMouseMode(on && !input_is_absolute());
    s->lib->SDL_SetWindowGrab(s->window, on);
    s->draw_all = true;
    sdl_update_pointer(s);
}

/* The device's pointer as one of SDL's; NULL: it has none. */
static SDL_Cursor *device_cursor(SdlDisplay *s)
{
    const ConsoleCursor *cursor = s->con ? console_cursor(s->con) : NULL;
    SDL_Surface *surface;
    SDL_Cursor *out;

    if (!cursor || !cursor->image || !cursor->visible) {
        return NULL;
    }
    surface = s->lib->SDL_CreateRGBSurfaceFrom(
        pixman_image_get_data(cursor->image), pixman_image_get_width(cursor->image),
        pixman_image_get_height(cursor->image), 32, pixman_image_get_stride(cursor->image),
        0x00ff0000, 0x0000ff00, 0x000000ff, 0xff000000);
    out = surface ? s->lib->SDL_CreateColorCursor(surface, (int)cursor->hot_x, (int)cursor->hot_y)
                  : NULL;
    s->lib->SDL_FreeSurface(surface);
    return out;
}

void sdl_update_pointer(SdlDisplay *s)
{
    bool guest_draws = s->con && !console_is_terminal(s->con) && input_is_absolute();
    SDL_Cursor *cursor = guest_draws ? device_cursor(s) : NULL;

    if (cursor) {
        s->lib->SDL_SetCursor(cursor);
    }
    if (s->cursor) {
        s->lib->SDL_FreeCursor(s->cursor);
    }
    s->cursor = cursor;
    s->lib->SDL_ShowCursor(cursor || s->options.show_cursor || (!s->grabbed && !guest_draws));
}

static void move_to(SdlDisplay *s, int x, int y, int dz)
{
    const SdlPlace *p = &s->place;
    int w = MAX(p->width - 1, 1), h = MAX(p->height - 1, 1);

    input_pointer_abs((unsigned)((int64_t)CLAMP(x - p->x, 0, w) * INPUT_ABS_MAX / w),
                      (unsigned)((int64_t)CLAMP(y - p->y, 0, h) * INPUT_ABS_MAX / h), dz,
                      s->buttons);
}

static void take_motion(SdlDisplay *s, const SDL_MouseMotionEvent *ev)
{
    if (s->con && console_is_terminal(s->con)) {
        return;
    }
    if (input_is_absolute()) {
        move_to(s, ev->x, ev->y, 0);
    } else if (s->grabbed) {
        input_pointer(ev->xrel, ev->yrel, 0, s->buttons);
    }
}

static unsigned button_bit(uint8_t button)
{
    switch (button) {
    case SDL_BUTTON_LEFT: return 1 << INPUT_LEFT;
    case SDL_BUTTON_MIDDLE: return 1 << INPUT_MIDDLE;
    case SDL_BUTTON_RIGHT: return 1 << INPUT_RIGHT;
    case SDL_BUTTON_X1: return 1 << INPUT_SIDE;
    case SDL_BUTTON_X2: return 1 << INPUT_EXTRA;
    default: return 0;
    }
}

/* The click that grabs a relative pointer is not for the guest. */
static void take_button(SdlDisplay *s, const SDL_MouseButtonEvent *ev)
{
    unsigned bit = button_bit(ev->button);
    bool down = ev->state == SDL_PRESSED;

    if (s->con && console_is_terminal(s->con)) {
        return;
    }
    if (!input_is_absolute() && !s->grabbed) {
        if (down && ev->button == SDL_BUTTON_LEFT) {
            sdl_grab(s, true);
        }
        return;
    }
    if (down == ((s->buttons & bit) != 0)) {
        return; /* the release of a click that was not told */
    }
    s->buttons ^= bit;
    if (input_is_absolute()) {
        move_to(s, ev->x, ev->y, 0);
    } else {
        input_pointer(0, 0, 0, s->buttons);
    }
}

static void take_wheel(SdlDisplay *s, const SDL_MouseWheelEvent *ev)
{
    if (s->con && !console_is_terminal(s->con) && (s->grabbed || input_is_absolute())) {
        input_buttons(-ev->y, s->buttons);
    }
}

/* --- The window --- */

static void take_window_event(SdlDisplay *s, const SDL_WindowEvent *ev)
{
    switch (ev->event) {
    case SDL_WINDOWEVENT_EXPOSED: s->draw_all = true; break;
    case SDL_WINDOWEVENT_RESIZED: sdl_window_resized(s, true); break;
    case SDL_WINDOWEVENT_SIZE_CHANGED: sdl_window_resized(s, false); break;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED: s->visible = s->draw_all = true; break;
    case SDL_WINDOWEVENT_HIDDEN:
    case SDL_WINDOWEVENT_MINIMIZED: s->visible = false; break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        sdl_release_keys(s);
        sdl_grab(s, false);
        break;
    case SDL_WINDOWEVENT_CLOSE:
        if (!s->options.keep_open) {
            s->host->quit(s->host->opaque);
        }
        break;
    default: break;
    }
}

void sdl_take_event(SdlDisplay *s, const SDL_Event *ev)
{
    switch (ev->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP: take_key(s, &ev->key); break;
    case SDL_TEXTINPUT: take_text(s, ev->text.text); break;
    case SDL_MOUSEMOTION: take_motion(s, &ev->motion); break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: take_button(s, &ev->button); break;
    case SDL_MOUSEWHEEL: take_wheel(s, &ev->wheel); break;
    case SDL_WINDOWEVENT: take_window_event(s, &ev->window); break;
    default: break;
    }
}
