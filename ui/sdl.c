/* SPDX-License-Identifier: MIT */
/*
 * -display sdl: one window, which shows one console at a time.  It has the console's size until the person gives
 * it another: a device that can change its mode is told, of others the picture is scaled.  Drawing is SDL's
 * window surface and pixman; a change is looked for less often the longer there is none.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <glib-unix.h>

#include "displays.h"
#include "rhea/opts.h"
#include "sdl-int.h"
#include "ui/input.h"

enum {
    FAST_MS = 15,
    SLOW_MS = 240,
    POLL_MS = 30, /* where events have no descriptor */
    EMPTY_WIDTH = 640,
    EMPTY_HEIGHT = 480,
    SIZE_MIN = 100,
    SIZE_MAX_DOTS = 16384,
    RECTS_MAX = 64,
};

static SdlDisplay *sdl;
static SdlOptions chosen;

/* --- Drawing --- */

static void console_size(const SdlDisplay *s, int *width, int *height)
{
    pixman_image_t *surface = s->con ? console_surface(s->con) : NULL;

    *width = surface ? pixman_image_get_width(surface) : EMPTY_WIDTH;
    *height = surface ? pixman_image_get_height(surface) : EMPTY_HEIGHT;
}

/* As large as the window lets it be with its proportions, in the middle. */
static void find_place(SdlDisplay *s)
{
    int width, height, w, h;

    console_size(s, &w, &h);
    s->lib->SDL_GetWindowSize(s->window, &width, &height);
    if (!s->full_screen && !s->scaled) {
        s->place = (SdlPlace){0, 0, w, h};
        return;
    }
    if ((int64_t)width * h < (int64_t)height * w) {
        s->place.width = width;
        s->place.height = MAX((int)((int64_t)width * h / w), 1);
    } else {
        s->place.height = height;
        s->place.width = MAX((int)((int64_t)height * w / h), 1);
    }
    s->place.x = (width - s->place.width) / 2;
    s->place.y = (height - s->place.height) / 2;
}

/* The window's memory as pixman has it; NULL: it is no 32-bit picture, or the window has gone. */
static pixman_image_t *window_image(SdlDisplay *s)
{
    SDL_Surface *out = s->lib->SDL_GetWindowSurface(s->window);

    if (!out || out->format->BytesPerPixel != 4 || out->format->Rmask != 0xff0000) {
        return NULL;
    }
    return pixman_image_create_bits_no_clear(PIXMAN_x8r8g8b8, out->w, out->h, out->pixels,
                                             out->pitch);
}

/* Where a part of the surface is in the window, rounded outwards. */
static SDL_Rect window_rect(const SdlDisplay *s, const pixman_box32_t *box, int w, int h)
{
    const SdlPlace *p = &s->place;
    bool scaled = p->width != w || p->height != h;
    int margin = scaled ? 1 : 0; /* a filter looks at the neighbours */
    int x1 = (int)((int64_t)box->x1 * p->width / w) - margin;
    int y1 = (int)((int64_t)box->y1 * p->height / h) - margin;
    int x2 = (int)(((int64_t)box->x2 * p->width + w - 1) / w) + margin;
    int y2 = (int)(((int64_t)box->y2 * p->height + h - 1) / h) + margin;

    x1 = MAX(x1, 0);
    y1 = MAX(y1, 0);
    return (SDL_Rect){p->x + x1, p->y + y1, MIN(x2, p->width) - x1, MIN(y2, p->height) - y1};
}

static void set_scale(pixman_image_t *surface, const SdlPlace *place, int w, int h)
{
    pixman_transform_t t;

    if (place->width == w && place->height == h) {
        pixman_image_set_transform(surface, NULL);
        return;
    }
    pixman_transform_init_scale(&t, pixman_double_to_fixed((double)w / place->width),
                                pixman_double_to_fixed((double)h / place->height));
    pixman_image_set_transform(surface, &t);
    pixman_image_set_filter(surface, PIXMAN_FILTER_BILINEAR, NULL, 0);
    pixman_image_set_repeat(surface, PIXMAN_REPEAT_PAD);
}

/* While the pointer is grabbed the host's is hidden, and the device's is drawn here. */
static void draw_cursor(SdlDisplay *s, pixman_image_t *out, const SDL_Rect *rects, unsigned n)
{
    const ConsoleCursor *cursor = console_cursor(s->con);
    pixman_region32_t clip;
    int w, h;

    if (!s->grabbed || !cursor->image || !cursor->visible) {
        return;
    }
    console_size(s, &w, &h);
    pixman_region32_init(&clip);
    for (unsigned i = 0; i < n; i++) {
        pixman_region32_union_rect(&clip, &clip, rects[i].x, rects[i].y, (unsigned)rects[i].w,
                                   (unsigned)rects[i].h);
    }
    pixman_image_set_clip_region32(out, &clip);
    pixman_image_composite32(PIXMAN_OP_OVER, cursor->image, NULL, out, 0, 0, 0, 0,
                             s->place.x + (cursor->x - (int)cursor->hot_x) * s->place.width / w,
                             s->place.y + (cursor->y - (int)cursor->hot_y) * s->place.height / h,
                             pixman_image_get_width(cursor->image),
                             pixman_image_get_height(cursor->image));
    pixman_image_set_clip_region32(out, NULL);
    pixman_region32_fini(&clip);
}

/* The bars beside the console, and all where nothing is shown yet. */
static void draw_background(SdlDisplay *s, pixman_image_t *out)
{
    static const pixman_color_t black = {.alpha = 0xffff};
    pixman_rectangle16_t all = {.width = (uint16_t)pixman_image_get_width(out),
                                .height = (uint16_t)pixman_image_get_height(out)};

    pixman_image_fill_rectangles(PIXMAN_OP_SRC, out, &black, 1, &all);
}

static void draw_parts(SdlDisplay *s, pixman_image_t *out)
{
    int w, h, n;
    const pixman_box32_t *boxes = pixman_region32_rectangles(&s->changed, &n);
    pixman_image_t *shared = console_surface(s->con), *surface;
    SDL_Rect rects[RECTS_MAX];

    if (n > RECTS_MAX) {
        boxes = pixman_region32_extents(&s->changed);
        n = 1;
    }
    console_size(s, &w, &h);
    /* The transform is ours alone. */
    surface = pixman_image_create_bits_no_clear(
        PIXMAN_x8r8g8b8, w, h, pixman_image_get_data(shared), pixman_image_get_stride(shared));
    set_scale(surface, &s->place, w, h);
    for (int i = 0; i < n; i++) {
        SDL_Rect r = window_rect(s, &boxes[i], w, h);

        pixman_image_composite32(PIXMAN_OP_SRC, surface, NULL, out, r.x - s->place.x,
                                 r.y - s->place.y, 0, 0, r.x, r.y, r.w, r.h);
        rects[i] = r;
    }
    pixman_image_unref(surface);
    draw_cursor(s, out, rects, (unsigned)n);
    if (!s->draw_all) {
        s->lib->SDL_UpdateWindowSurfaceRects(s->window, rects, n);
    }
}

/* Whether anything has changed. */
static bool draw(SdlDisplay *s)
{
    SDL_Rect all = {0, 0, SIZE_MAX_DOTS, SIZE_MAX_DOTS};
    pixman_image_t *out;
    int w, h;

    if (!s->visible || (!s->draw_all && !pixman_region32_not_empty(&s->changed))) {
        return false;
    }
    out = window_image(s);
    if (!out) {
        return false;
    }
    console_size(s, &w, &h);
    if (s->draw_all) {
        draw_background(s, out);
        pixman_region32_union_rect(&s->changed, &s->changed, 0, 0, (unsigned)w, (unsigned)h);
        all.w = pixman_image_get_width(out);
        all.h = pixman_image_get_height(out);
    }
    pixman_region32_intersect_rect(&s->changed, &s->changed, 0, 0, (unsigned)w, (unsigned)h);
    if (s->con && console_surface(s->con)) {
        draw_parts(s, out);
    }
    if (s->draw_all) {
        s->lib->SDL_UpdateWindowSurfaceRects(s->window, &all, 1);
    }
    s->draw_all = false;
    pixman_region32_clear(&s->changed);
    pixman_image_unref(out);
    return true;
}

/* --- The window's size --- */

/* As large as the console, unless the person wants another size. */
static void fit_window(SdlDisplay *s)
{
    int w, h, width, height;

    console_size(s, &w, &h);
    s->lib->SDL_GetWindowSize(s->window, &width, &height);
    if (width == w && height == h) {
        s->scaled = false;
    } else if (!s->scaled && !s->full_screen) {
        s->lib->SDL_SetWindowSize(s->window, w, h);
    }
    find_place(s);
    s->draw_all = true;
}

void sdl_window_resized(SdlDisplay *s, bool by_person)
{
    int w, h, width, height;

    console_size(s, &w, &h);
    s->lib->SDL_GetWindowSize(s->window, &width, &height);
    if (by_person && !s->full_screen) {
        s->scaled = width != w || height != h;
    }
    if (by_person && s->con && width >= SIZE_MIN && height >= SIZE_MIN) {
        console_wish_size(s->con, (unsigned)width, (unsigned)height);
    }
    find_place(s);
    s->draw_all = true;
    sdl_look_soon(s);
}

void sdl_set_full_screen(SdlDisplay *s, bool on)
{
    s->full_screen = on;
    s->lib->SDL_SetWindowFullscreen(s->window, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    fit_window(s);
}

void sdl_original_size(SdlDisplay *s)
{
    s->scaled = false;
    fit_window(s);
}

void sdl_grow(SdlDisplay *s, int by)
{
    int w, h, width, height;

    if (s->full_screen) {
        return;
    }
    console_size(s, &w, &h);
    s->lib->SDL_GetWindowSize(s->window, &width, &height);
    width = CLAMP(width + by, SIZE_MIN, SIZE_MAX_DOTS);
    s->scaled = true;
    s->lib->SDL_SetWindowSize(s->window, width, MAX((int)((int64_t)width * h / w), 1));
    find_place(s);
    s->draw_all = true;
}

/* --- The console --- */

static void console_changed(void *opaque, Console *con, unsigned x, unsigned y, unsigned w,
                            unsigned h)
{
    SdlDisplay *s = opaque;

    pixman_region32_union_rect(&s->changed, &s->changed, (int)x, (int)y, w, h);
}

static void console_has_surface(void *opaque, Console *con)
{
    fit_window(opaque);
}

static void console_has_cursor(void *opaque, Console *con)
{
    SdlDisplay *s = opaque;

    sdl_update_pointer(s);
    s->draw_all |= s->grabbed;
}

static void console_cursor_moved(void *opaque, Console *con)
{
    SdlDisplay *s = opaque;

    s->draw_all |= s->grabbed;
    if (!s->grabbed) {
        sdl_update_pointer(s);
    }
}

static void console_gone(void *opaque, Console *con)
{
    SdlDisplay *s = opaque;

    s->con = NULL;
    fit_window(s);
}

static const ConsoleListenerOps listener = {
    .dirty = console_changed,
    .surface = console_has_surface,
    .cursor = console_has_cursor,
    .cursor_moved = console_cursor_moved,
    .gone = console_gone,
};

void sdl_show_console(SdlDisplay *s, unsigned n)
{
    Console *con = console_nth(n);

    if (!con || con == s->con) {
        return;
    }
    sdl_release_keys(s);
    sdl_grab(s, false);
    if (s->con) {
        console_unlisten(s->con, s);
    }
    s->con = con;
    console_listen(con, &listener, s);
    console_refresh(con);
    fit_window(s);
    sdl_update_pointer(s);
}

/* --- Turns --- */

static void set_title(SdlDisplay *s)
{
    const char *state = s->host->state(s->host->opaque), *name = s->host->name;
    g_autofree char *title = g_strdup_printf(
        "Rhea%s%s%s%s%s%s%s%s%s", name ? " (" : "", name ? name : "", name ? ")" : "",
        state ? " [" : "", state ? state : "", state ? "]" : "", s->grabbed ? " - Press " : "",
        s->grabbed ? sdl_grab_name(s) : "", s->grabbed ? "-G to release the pointer" : "");

    if (g_strcmp0(title, s->title)) {
        s->lib->SDL_SetWindowTitle(s->window, title);
        g_free(s->title);
        s->title = g_steal_pointer(&title);
    }
}

/* Whether there was any. */
static bool take_events(SdlDisplay *s)
{
    SDL_Event ev;
    bool any = false;

    while (s->lib->SDL_PollEvent(&ev)) {
        sdl_take_event(s, &ev);
        any = true;
    }
    return any;
}

static gboolean tick(gpointer opaque);

static void arm(SdlDisplay *s)
{
    s->timer = g_timeout_add(s->interval_ms, tick, s);
}

/* Drawing may read events from the connection, which then shows none: they are asked for behind it. */
static bool turn(SdlDisplay *s)
{
    bool busy = take_events(s);

    if (!s->con) {
        sdl_show_console(s, 0);
    }
    if (s->con && s->visible) {
        console_refresh(s->con);
    }
    set_title(s);
    busy |= draw(s);
    return take_events(s) || busy;
}

static gboolean tick(gpointer opaque)
{
    SdlDisplay *s = opaque;
    unsigned slow = s->events ? SLOW_MS : POLL_MS;

    s->timer = 0;
    s->interval_ms = turn(s) ? FAST_MS : MIN(s->interval_ms * 2, slow);
    if (!s->timer) {
        arm(s);
    }
    return G_SOURCE_REMOVE;
}

void sdl_look_soon(SdlDisplay *s)
{
    if (s->timer && s->interval_ms != FAST_MS) {
        g_source_remove(s->timer);
        s->timer = 0;
    }
    s->interval_ms = FAST_MS;
    if (!s->timer) {
        arm(s);
    }
}

static gboolean events_ready(gint fd, GIOCondition cond, gpointer opaque)
{
    SdlDisplay *s = opaque;

    if (cond & (G_IO_HUP | G_IO_ERR)) {
        s->events = 0;
        return G_SOURCE_REMOVE;
    }
    if (take_events(s)) {
        sdl_look_soon(s);
    }
    return G_SOURCE_CONTINUE;
}

/* --- Life --- */

static bool sdl_choose(struct Machine *m, const char *options, Error **errp)
{
    static const char *const accepted[] = {"full-screen", "gl",           "grab-mod",
                                           "show-cursor", "window-close", NULL};
    static const char *const gl_values[] = {"off", NULL};
    static const char *const grabs[] = {"lctrl-lalt", "lshift-lctrl-lalt", "rctrl", NULL};
    g_autoptr(Opts) o = opts_parse("-display sdl", options ? options : "", NULL, errp);
    bool closes = true, full_screen = false;
    int gl;

    if (!o || !opts_take_bool(o, "full-screen", &full_screen, errp) ||
        !opts_take_bool(o, "show-cursor", &chosen.show_cursor, errp) ||
        !opts_take_bool(o, "window-close", &closes, errp) ||
        !opts_take_enum(o, "gl", gl_values, &gl, errp) ||
        !opts_take_enum(o, "grab-mod", grabs, &chosen.grab_keys, errp) ||
        !opts_done(o, accepted, errp)) {
        return false;
    }
    chosen.keep_open = !closes;
    if (full_screen) {
        display_want_full_screen();
    }
    return true;
}

static bool open_window(SdlDisplay *s, Error **errp)
{
    static const char *const hints[][2] = {
        {SDL_HINT_NO_SIGNAL_HANDLERS, "1"},
        {SDL_HINT_FRAMEBUFFER_ACCELERATION, "0"},
        {SDL_HINT_GRAB_KEYBOARD, "1"},
        {SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0"},
        {SDL_HINT_WINDOWS_NO_CLOSE_ON_ALT_F4, "1"},
        {SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
        s->lib->SDL_SetHint(hints[i][0], hints[i][1]);
    }
    if (s->lib->SDL_Init(SDL_INIT_VIDEO)) {
        return error_fail(errp, "-display sdl: no window can be opened: %s",
                          s->lib->SDL_GetError());
    }
    s->lib->SDL_EnableScreenSaver();
    s->window = s->lib->SDL_CreateWindow("Rhea", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED,
                                         EMPTY_WIDTH, EMPTY_HEIGHT, SDL_WINDOW_RESIZABLE);
    if (!s->window) {
        error_fail(errp, "-display sdl: no window can be opened: %s", s->lib->SDL_GetError());
        s->lib->SDL_Quit();
        return false;
    }
    return true;
}

static void pointers_changed(void *opaque)
{
    SdlDisplay *s = opaque;

    if (s->grabbed && input_is_absolute()) {
        sdl_grab(s, false);
    }
    sdl_update_pointer(s);
}

static bool sdl_start(const DisplayHost *host, Error **errp)
{
    SdlDisplay *s = g_new0(SdlDisplay, 1);
    int fd;

    s->lib = sdl_lib(errp);
    s->host = host;
    s->options = chosen;
    if (!s->lib || !open_window(s, errp)) {
        g_free(s);
        return false;
    }
    pixman_region32_init(&s->changed);
    s->visible = s->draw_all = true;
    fd = sdl_event_fd(s->lib, s->window);
    s->events = fd < 0 ? 0 : g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, events_ready, s);
    input_watch(pointers_changed, s);
    find_place(s);
    sdl_show_console(s, 0);
    if (display_full_screen()) {
        sdl_set_full_screen(s, true);
    }
    sdl_update_pointer(s);
    sdl_look_soon(s);
    sdl = s;
    return true;
}

static void sdl_stop(void)
{
    SdlDisplay *s = g_steal_pointer(&sdl);

    sdl_release_keys(s);
    input_unwatch(s);
    if (s->con) {
        console_unlisten(s->con, s);
    }
    if (s->events) {
        g_source_remove(s->events);
    }
    g_source_remove(s->timer);
    if (s->cursor) {
        s->lib->SDL_FreeCursor(s->cursor);
    }
    s->lib->SDL_DestroyWindow(s->window);
    s->lib->SDL_Quit();
    pixman_region32_fini(&s->changed);
    g_free(s->title);
    g_free(s);
}

const DisplayType display_sdl = {
    .name = "sdl",
    .shows_consoles = true,
    .choose = sdl_choose,
    .start = sdl_start,
    .stop = sdl_stop,
};
