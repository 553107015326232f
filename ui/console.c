/* SPDX-License-Identifier: MIT */
/* Consoles: their list, surfaces and listeners.  Threading: the machine lock, main loop. */
#include "rhea/osdep.h"

#include "cp437.h"
#include "ui/console.h"

typedef struct Listener {
    const ConsoleListenerOps *ops;
    void *opaque;
} Listener;

struct Console {
    Object *device;
    unsigned head;
    bool is_head;
    char *label;
    const ConsoleOps *ops;
    void *opaque;
    pixman_image_t *surface;
    ConsoleCursor cursor;
    GArray *listeners; /* of Listener */
};

/* Heads in the order in which they were made, then text consoles. */
static GPtrArray *consoles;
static unsigned heads; /* how many of them are heads */

/* Calls the ConsoleNotify at @member of each listener's table. */
static void notify(Console *con, size_t member)
{
    for (unsigned i = 0; i < con->listeners->len; i++) {
        const Listener *l = &g_array_index(con->listeners, Listener, i);
        ConsoleNotify *const *func = G_STRUCT_MEMBER_P(l->ops, member);

        if (*func) {
            (*func)(l->opaque, con);
        }
    }
}

static void unref_image(pixman_image_t *image)
{
    if (image) {
        pixman_image_unref(image);
    }
}

/* --- For devices --- */

static Console *add_console(unsigned at, const char *label, const ConsoleOps *ops, void *opaque)
{
    Console *con = g_new0(Console, 1);

    con->label = g_strdup(label);
    con->ops = ops;
    con->opaque = opaque;
    con->listeners = g_array_new(false, false, sizeof(Listener));
    if (!consoles) {
        consoles = g_ptr_array_new();
    }
    g_ptr_array_insert(consoles, (int)at, con);
    return con;
}

Console *console_new(Object *device, unsigned head, const ConsoleOps *ops, void *opaque)
{
    Console *con =
        add_console(heads++, device && device->type ? device->type->name : "screen", ops, opaque);

    con->device = device;
    con->is_head = true;
    con->head = head;
    return con;
}

Console *console_new_text(const char *label, const ConsoleOps *ops, void *opaque)
{
    return add_console(consoles ? consoles->len : 0, label, ops, opaque);
}

void console_free(Console *con)
{
    if (!con) {
        return;
    }
    heads -= con->is_head;
    g_ptr_array_remove(consoles, con);
    notify(con, offsetof(ConsoleListenerOps, gone));
    unref_image(con->surface);
    unref_image(con->cursor.image);
    g_array_free(con->listeners, true);
    g_free(con->label);
    g_free(con);
}

void console_set_surface(Console *con, pixman_image_t *surface)
{
    pixman_image_t *old = con->surface;

    con->surface = pixman_image_ref(surface);
    notify(con, offsetof(ConsoleListenerOps, surface));
    unref_image(old);
}

void console_dirty(Console *con, unsigned x, unsigned y, unsigned w, unsigned h)
{
    unsigned width = con->surface ? (unsigned)pixman_image_get_width(con->surface) : 0;
    unsigned height = con->surface ? (unsigned)pixman_image_get_height(con->surface) : 0;

    if (x >= width || y >= height) {
        return;
    }
    w = MIN(w, width - x);
    h = MIN(h, height - y);
    for (unsigned i = 0; i < con->listeners->len && w && h; i++) {
        const Listener *l = &g_array_index(con->listeners, Listener, i);

        if (l->ops->dirty) {
            l->ops->dirty(l->opaque, con, x, y, w, h);
        }
    }
}

void console_set_cursor(Console *con, pixman_image_t *image, unsigned hot_x, unsigned hot_y)
{
    pixman_image_t *old = con->cursor.image;

    con->cursor.image = image ? pixman_image_ref(image) : NULL;
    con->cursor.hot_x = hot_x;
    con->cursor.hot_y = hot_y;
    notify(con, offsetof(ConsoleListenerOps, cursor));
    unref_image(old);
}

void console_move_cursor(Console *con, int x, int y, bool visible)
{
    ConsoleCursor *cursor = &con->cursor;

    if (cursor->x == x && cursor->y == y && cursor->visible == visible) {
        return;
    }
    cursor->x = x;
    cursor->y = y;
    cursor->visible = visible;
    notify(con, offsetof(ConsoleListenerOps, cursor_moved));
}

void console_text_resize(ConsoleText *text, unsigned columns, unsigned rows)
{
    g_free(text->cells);
    text->columns = columns;
    text->rows = rows;
    text->cells = g_new0(ConsoleCell, (size_t)columns * rows);
    text->cursor_visible = false;
}

ConsoleCell console_vga_cell(uint16_t cell, bool blink)
{
    ConsoleCell out = {cp437_unicode(cell & 0xff), cell >> 8 & 0xf, cell >> 12, false};

    if (blink) {
        out.blink = out.paper >> 3;
        out.paper &= 7;
    }
    return out;
}

/* --- For front ends --- */

/* Whether @obj is @device or part of it, as the device behind a transport is. */
static bool belongs_to(const Object *obj, const Object *device)
{
    while (obj && obj != device) {
        obj = obj->parent;
    }
    return obj != NULL;
}

Console *console_find(const Object *device, unsigned head)
{
    for (unsigned i = 0; consoles && i < consoles->len; i++) {
        Console *con = g_ptr_array_index(consoles, i);

        if ((!device || belongs_to(con->device, device)) && con->head == head) {
            return con;
        }
    }
    return NULL;
}

Console *console_nth(unsigned n)
{
    return consoles && n < consoles->len ? g_ptr_array_index(consoles, n) : NULL;
}

const char *console_label(const Console *con)
{
    return con->label;
}

bool console_is_terminal(const Console *con)
{
    return con->ops->type != NULL;
}

void console_type(Console *con, uint32_t keysym, unsigned modifiers)
{
    if (con->ops->type) {
        con->ops->type(con->opaque, keysym, modifiers);
    }
}

void console_refresh(Console *con)
{
    if (con->ops->update) {
        con->ops->update(con->opaque);
    }
}

pixman_image_t *console_surface(const Console *con)
{
    return con->surface;
}

const ConsoleCursor *console_cursor(const Console *con)
{
    return &con->cursor;
}

bool console_text(Console *con, ConsoleText *text)
{
    return con->ops->text && con->ops->text(con->opaque, text);
}

void console_text_fini(ConsoleText *text)
{
    g_free(text->cells);
    memset(text, 0, sizeof(*text));
}

bool console_same_cell(const ConsoleCell *a, const ConsoleCell *b)
{
    return a->c == b->c && a->ink == b->ink && a->paper == b->paper && a->blink == b->blink;
}

bool console_wish_size(Console *con, unsigned width, unsigned height)
{
    if (con->ops->resize_wish) {
        con->ops->resize_wish(con->opaque, width, height);
    }
    return con->ops->resize_wish != NULL;
}

void console_listen(Console *con, const ConsoleListenerOps *ops, void *opaque)
{
    Listener l = {.ops = ops, .opaque = opaque};

    g_array_append_val(con->listeners, l);
    if (con->ops->invalidate) {
        con->ops->invalidate(con->opaque);
    }
}

void console_unlisten(Console *con, void *opaque)
{
    for (unsigned i = 0; i < con->listeners->len; i++) {
        if (g_array_index(con->listeners, Listener, i).opaque == opaque) {
            g_array_remove_index(con->listeners, i);
            return;
        }
    }
}
