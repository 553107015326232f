/* SPDX-License-Identifier: MIT */
/*
 * A VGA on a console: brings the surface up to date when somebody looks.  Lines are drawn again when the
 * registers say another picture than was drawn, when their memory is dirty, or when something in them blinks.
 * 32-bit VBE modes are not drawn: the surface is video memory.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "canvas.h"
#include "dirty-pages.h"
#include "pixels.h"
#include "vga-screen.h"

enum { FONT_BYTES = 0x40000, PIXEL_BYTES = 4 };

struct VgaConsole {
    Vga *vga;
    Console *own; /* NULL: the console is somebody else's */
    Canvas canvas;
    VgaScreen screen; /* as drawn */
    VgaPointer pointer;
    VgaPhase phase;
    bool drawn;          /* the above are true */
    uint64_t first, end; /* the memory that they show */
    DirtyPages dirty;
    uint32_t *line, *scratch;
};

/* The surface can be video memory itself. */
static bool screen_is_memory(const Vga *s, const VgaScreen *sc, const VgaPointer *pointer)
{
    uint64_t end =
        sc->linear_start + (sc->height - 1) * sc->linear_pitch + (uint64_t)sc->width * PIXEL_BYTES;

    return !pointer->side && sc->kind == VGA_LINEAR && sc->format == PIXELS_XRGB8888 &&
           end <= s->vram_size;
}

/* --- Which memory is shown --- */

static void find_memory(VgaConsole *vc)
{
    vc->first = UINT64_MAX;
    vc->end = 0;
    for (unsigned y = 0; y < vc->screen.height && vc->screen.kind != VGA_BLANK; y++) {
        uint64_t offset, len;

        vga_line_memory(vc->vga, &vc->screen, y, &offset, &len);
        vc->first = MIN(vc->first, offset);
        vc->end = MAX(vc->end, offset + len);
    }
    if (vc->screen.kind == VGA_TEXT) {
        vc->first = 0;
        vc->end = MAX(vc->end, FONT_BYTES);
    }
    vc->first = MIN(vc->first, vc->end);
    vc->end = MIN(vc->end, vc->vga->vram_size);
}

/* Characters and fonts share pages: a font that changes is a change of all lines. */
static bool fonts_dirty(const VgaConsole *vc)
{
    uint64_t font_bytes = 256 * 32 * 4;

    for (unsigned i = 0; vc->screen.kind == VGA_TEXT && i < 2; i++) {
        if (dirty_pages_touch(&vc->dirty, 4ULL * vc->screen.font[i], font_bytes)) {
            return true;
        }
    }
    return false;
}

/* --- Drawing --- */

static void new_screen(VgaConsole *vc, const VgaScreen *sc)
{
    Vga *s = vc->vga;

    vc->screen = *sc;
    vc->drawn = true;
    find_memory(vc);
    if (screen_is_memory(s, sc, &vc->pointer)) {
        canvas_show_memory(&vc->canvas, sc->width, sc->height, s->vram.ram->host + sc->linear_start,
                           sc->linear_pitch);
        return;
    }
    if (!canvas_try_resize(&vc->canvas, sc->width, sc->height)) {
        vc->drawn = false;
        return;
    }
    vc->line = g_renew(uint32_t, vc->line, sc->width);
    vc->scratch = g_renew(uint32_t, vc->scratch, vga_scratch_pixels(sc));
}

/* Nothing sensible to show: what was there goes black. */
static void keep_size_when_blank(const VgaConsole *vc, VgaScreen *sc)
{
    enum { WIDTH = 640, HEIGHT = 480 };

    if (sc->kind == VGA_BLANK) {
        sc->width = vc->canvas.image ? vc->canvas.width : WIDTH;
        sc->height = vc->canvas.image ? vc->canvas.height : HEIGHT;
    }
}

static bool line_dirty(const VgaConsole *vc, unsigned y)
{
    uint64_t offset, len;

    vga_line_memory(vc->vga, &vc->screen, y, &offset, &len);
    return dirty_pages_touch(&vc->dirty, offset, len);
}

static void touch_memory(VgaConsole *vc, bool all)
{
    unsigned from = 0, y;

    for (y = 0; y < vc->screen.height; y++) {
        if (!all && !line_dirty(vc, y)) {
            canvas_touch_lines(&vc->canvas, from, y);
            from = y + 1;
        }
    }
    canvas_touch_lines(&vc->canvas, from, y);
}

/* Lines of the row with the cursor; all of them when rows do not start at the top. */
static bool cursor_line(const VgaConsole *vc, unsigned y)
{
    const VgaScreen *sc = &vc->screen;
    unsigned cell;

    return sc->first_row_line || y >= sc->split ||
           (vga_text_cursor(sc, &cell) &&
            y / (sc->row_lines * sc->line_repeat) == cell / sc->chars);
}

static bool pointer_line(const VgaPointer *p, unsigned y)
{
    return (int64_t)y - p->y >= 0 && (int64_t)y - p->y < p->side;
}

/* What is not as it was drawn, apart from memory. */
typedef struct Changes {
    bool all, cursor, blink, pointer;
    VgaPointer old; /* the pointer as drawn */
} Changes;

static bool line_changed(const VgaConsole *vc, const Changes *c, unsigned y)
{
    return c->all || line_dirty(vc, y) || (c->cursor && cursor_line(vc, y)) ||
           (c->blink && vga_line_blinks(vc->vga, &vc->screen, y)) ||
           (c->pointer && (pointer_line(&c->old, y) || pointer_line(&vc->pointer, y)));
}

static void draw_lines(VgaConsole *vc, const Changes *c)
{
    for (unsigned y = 0; y < vc->screen.height; y++) {
        if (line_changed(vc, c, y)) {
            vga_draw_line(vc->vga, &vc->screen, vc->phase, y, vc->scratch, vc->line);
            vga_draw_pointer(&vc->pointer, y, vc->line, vc->screen.width);
            canvas_put_line(&vc->canvas, y, vc->line);
        }
    }
    canvas_flush(&vc->canvas);
}

/* Notes what the registers say now; a screen that is another one is made. */
static void find_changes(VgaConsole *vc, Changes *c)
{
    const Vga *s = vc->vga;
    VgaPhase phase = {true, true};
    VgaScreen sc;

    vga_screen(s, &sc);
    keep_size_when_blank(vc, &sc);
    if (sc.kind == VGA_TEXT) {
        phase = vga_phase(s);
    }
    c->old = vc->pointer;
    memset(&vc->pointer, 0, sizeof(vc->pointer));
    if (s->extension && sc.kind != VGA_BLANK) {
        s->extension->pointer(s, &vc->pointer);
    }
    c->pointer = memcmp(&c->old, &vc->pointer, sizeof(c->old));
    c->all = !vc->drawn || memcmp(&sc, &vc->screen, sizeof(sc)) || fonts_dirty(vc) ||
             !c->old.side != !vc->pointer.side; /* memory as it is, or drawn */
    if (c->all) {
        new_screen(vc, &sc);
    }
    c->blink = sc.blink && phase.text_on != vc->phase.text_on;
    c->cursor = phase.cursor_on != vc->phase.cursor_on;
    vc->phase = phase;
}

static void vga_console_update(void *opaque)
{
    VgaConsole *vc = opaque;
    RamBlock *ram = vc->vga->vram.ram;
    bool touched = dirty_pages_take(&vc->dirty, ram, vc->first, vc->end - vc->first);
    Changes c;

    find_changes(vc, &c); /* taking the pages has let go of the lock */
    if (!vc->drawn) {
        return; /* there is no memory for it */
    }
    if (!c.all && !touched && !c.cursor && !c.blink && !c.pointer) {
        return;
    }
    if (vc->canvas.direct) {
        touch_memory(vc, c.all);
    } else {
        draw_lines(vc, &c);
    }
}

static void vga_console_invalidate(void *opaque)
{
    ((VgaConsole *)opaque)->drawn = false;
}

/* --- Text --- */

static bool vga_console_text(void *opaque, ConsoleText *text)
{
    VgaConsole *vc = opaque;
    g_autofree uint16_t *line = NULL;
    VgaScreen sc;
    unsigned cell, row_lines;

    vga_screen(vc->vga, &sc);
    row_lines = sc.row_lines * sc.line_repeat;
    if (sc.kind != VGA_TEXT) {
        return false;
    }
    console_text_resize(text, sc.chars, (sc.height + row_lines - 1) / row_lines);
    line = g_new(uint16_t, sc.chars);
    for (unsigned row = 0; row < text->rows; row++) {
        vga_text_row(vc->vga, &sc, row, line);
        for (unsigned i = 0; i < sc.chars; i++) {
            text->cells[row * sc.chars + i] = console_vga_cell(line[i], sc.blink);
        }
    }
    text->cursor_visible = vga_text_cursor(&sc, &cell);
    if (text->cursor_visible) {
        text->cursor_x = cell % sc.chars;
        text->cursor_y = cell / sc.chars;
    }
    return true;
}

const ConsoleOps vga_console_ops = {
    .update = vga_console_update,
    .invalidate = vga_console_invalidate,
    .text = vga_console_text,
};

/* --- Life --- */

VgaConsole *vga_console_new_on(Vga *s, Console *con)
{
    VgaConsole *vc = g_new0(VgaConsole, 1);

    vc->vga = s;
    vc->canvas.con = con;
    ram_track(DIRTY_DISPLAY, true);
    return vc;
}

VgaConsole *vga_console_new(Vga *s, Object *device)
{
    VgaConsole *vc = vga_console_new_on(s, NULL);

    vc->canvas.con = vc->own = console_new(device, 0, &vga_console_ops, vc);
    return vc;
}

void vga_console_free(VgaConsole *vc)
{
    if (vc) {
        console_free(vc->own);
        canvas_fini(&vc->canvas);
        dirty_pages_fini(&vc->dirty);
        g_free(vc->line);
        g_free(vc->scratch);
        g_free(vc);
    }
}
