/* SPDX-License-Identifier: MIT */
/*
 * A terminal's screen (ECMA-48, and of DEC's VT102 what programs use: scroll regions, line drawing, origin mode,
 * insert mode; of xterm the second screen and sixteen colours).  Text is UTF-8.
 * Not modelled: double-size lines, 132 columns, the printer, the mouse, colours beyond sixteen (the nearest is
 * shown), underlining.
 */
#include "rhea/osdep.h"

#include "vt.h"

enum { GREY = 7, BRIGHT = 8, PARAMS_MAX = 16, PARAM_MAX = 9999, TAB = 8, UNKNOWN = 0xfffd };

typedef enum VtState {
    VT_GROUND,
    VT_ESCAPE,
    VT_CSI,
    VT_STRING,
    VT_STRING_ESCAPE,
    VT_CHARSET
} VtState;

/* What ESC 7 keeps. */
typedef struct VtPen {
    unsigned x, y;
    bool wrap_next; /* the last column is written: the next character goes to the next line */
    uint8_t ink, paper;
    bool bold, blink, reverse;
    bool drawing[2]; /* G0 and G1 are line drawing */
    unsigned charset;
    bool origin;
} VtPen;

struct Vt {
    unsigned columns, rows;
    void (*reply)(void *opaque, const char *text);
    void *opaque;
    /* The screen is the last @rows lines up to @end of a ring of rows + VT_SCROLLBACK lines. */
    ConsoleCell *cells;
    unsigned end, history, back; /* back: how far up it is shown */
    ConsoleCell *kept;           /* the first screen while the second is shown */
    VtPen pen, saved, first;     /* first: of the first screen */
    unsigned top, bottom;        /* the scroll region's first and last line */
    bool wrap, insert, hidden, application_keys, newline;
    bool *tabs;
    /* parser */
    VtState state;
    char private; /* '?' or '>' behind CSI */
    unsigned params[PARAMS_MAX], n_params;
    unsigned charset_of; /* which one is being designated */
    uint32_t utf8;
    unsigned utf8_left;
};

/* --- Lines --- */

static unsigned ring_lines(const Vt *vt)
{
    return vt->rows + VT_SCROLLBACK;
}

static ConsoleCell *line_at(const Vt *vt, unsigned back, unsigned y)
{
    unsigned lines = ring_lines(vt);

    return vt->cells + (size_t)((vt->end + lines - vt->rows - back + y) % lines) * vt->columns;
}

static ConsoleCell *line(const Vt *vt, unsigned y)
{
    return line_at(vt, 0, y);
}

static void blank(const Vt *vt, ConsoleCell *cells, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        cells[i] = (ConsoleCell){.ink = GREY, .paper = vt->pen.paper};
    }
}

/* The lines from @first to @last move up by @n; blank ones come in below. */
static void lines_up(Vt *vt, unsigned first, unsigned last, unsigned n)
{
    n = MIN(n, last - first + 1);
    for (unsigned y = first; y <= last; y++) {
        if (y + n <= last) {
            memcpy(line(vt, y), line(vt, y + n), vt->columns * sizeof(ConsoleCell));
        } else {
            blank(vt, line(vt, y), vt->columns);
        }
    }
}

static void lines_down(Vt *vt, unsigned first, unsigned last, unsigned n)
{
    n = MIN(n, last - first + 1);
    for (unsigned y = last + 1; y-- > first;) {
        if (y >= first + n) {
            memcpy(line(vt, y), line(vt, y - n), vt->columns * sizeof(ConsoleCell));
        } else {
            blank(vt, line(vt, y), vt->columns);
        }
    }
}

/* The whole screen's lines are kept above; those of a region and of the second screen are not. */
static void scroll_up(Vt *vt, unsigned n)
{
    if (vt->top || vt->bottom != vt->rows - 1 || vt->kept) {
        lines_up(vt, vt->top, vt->bottom, n);
        return;
    }
    for (n = MIN(n, vt->rows); n; n--) {
        vt->end = (vt->end + 1) % ring_lines(vt);
        vt->history = MIN(vt->history + 1, VT_SCROLLBACK);
        blank(vt, line(vt, vt->rows - 1), vt->columns);
    }
}

/* --- The cursor --- */

static void go_to(Vt *vt, unsigned x, unsigned y)
{
    vt->pen.x = MIN(x, vt->columns - 1);
    vt->pen.y = MIN(y, vt->rows - 1);
    vt->pen.wrap_next = false;
}

/* From 0, within the region in origin mode. */
static void go_to_row(Vt *vt, unsigned y)
{
    go_to(vt, vt->pen.x, vt->pen.origin ? MIN(vt->top + y, vt->bottom) : y);
}

/* Not beyond the region's edges if the cursor is within. */
static void go_up(Vt *vt, unsigned n)
{
    unsigned limit = vt->pen.y >= vt->top ? vt->top : 0;

    go_to(vt, vt->pen.x, vt->pen.y - MIN(n, vt->pen.y - limit));
}

static void go_down(Vt *vt, unsigned n)
{
    unsigned limit = vt->pen.y <= vt->bottom ? vt->bottom : vt->rows - 1;

    go_to(vt, vt->pen.x, MIN(vt->pen.y + n, limit));
}

static void line_feed(Vt *vt)
{
    vt->pen.wrap_next = false;
    if (vt->pen.y == vt->bottom) {
        scroll_up(vt, 1);
    } else if (vt->pen.y < vt->rows - 1) {
        vt->pen.y++;
    }
}

static void reverse_line_feed(Vt *vt)
{
    vt->pen.wrap_next = false;
    if (vt->pen.y == vt->top) {
        lines_down(vt, vt->top, vt->bottom, 1);
    } else if (vt->pen.y) {
        vt->pen.y--;
    }
}

static void tab(Vt *vt, unsigned n)
{
    unsigned x = vt->pen.x;

    while (n && x < vt->columns - 1) {
        n -= vt->tabs[++x];
    }
    go_to(vt, x, vt->pen.y);
}

static void tab_back(Vt *vt, unsigned n)
{
    unsigned x = vt->pen.x;

    while (n && x) {
        n -= vt->tabs[--x];
    }
    go_to(vt, x, vt->pen.y);
}

/* --- Characters --- */

/* DEC's special graphics from 60h on. */
static uint32_t drawing_char(uint32_t c)
{
    static const uint16_t drawing[] = {
        0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1, 0x2424, 0x240b, 0x2518,
        0x2510, 0x250c, 0x2514, 0x253c, 0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524,
        0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7};

    return c >= '`' && c < '`' + ARRAY_SIZE(drawing) ? drawing[c - '`'] : c;
}

static void insert_cells(Vt *vt, unsigned n)
{
    ConsoleCell *at = line(vt, vt->pen.y) + vt->pen.x;
    unsigned room = vt->columns - vt->pen.x;

    n = MIN(n, room);
    memmove(at + n, at, (room - n) * sizeof(*at));
    blank(vt, at, n);
}

static void delete_cells(Vt *vt, unsigned n)
{
    ConsoleCell *at = line(vt, vt->pen.y) + vt->pen.x;
    unsigned room = vt->columns - vt->pen.x;

    n = MIN(n, room);
    memmove(at, at + n, (room - n) * sizeof(*at));
    blank(vt, at + room - n, n);
}

static void put_char(Vt *vt, uint32_t c)
{
    VtPen *p = &vt->pen;
    uint8_t ink = p->ink | (p->bold ? BRIGHT : 0);

    if (p->wrap_next && vt->wrap) {
        p->x = 0;
        line_feed(vt);
    }
    if (vt->insert) {
        insert_cells(vt, 1);
    }
    line(vt, p->y)[p->x] = (ConsoleCell){
        .c = p->drawing[p->charset] ? drawing_char(c) : c,
        .ink = p->reverse ? p->paper : ink,
        .paper = p->reverse ? ink : p->paper,
        .blink = p->blink,
    };
    p->wrap_next = p->x == vt->columns - 1;
    p->x += !p->wrap_next;
}

static void control(Vt *vt, uint8_t c)
{
    switch (c) {
    case '\b': go_to(vt, vt->pen.x ? vt->pen.x - 1 : 0, vt->pen.y); break;
    case '\t': tab(vt, 1); break;
    case '\n':
    case '\v':
    case '\f':
        line_feed(vt);
        if (vt->newline) {
            vt->pen.x = 0;
        }
        break;
    case '\r': go_to(vt, 0, vt->pen.y); break;
    case 0x0e:
    case 0x0f: vt->pen.charset = c == 0x0e; break;
    case 0x18:
    case 0x1a: vt->state = VT_GROUND; break;
    case '\033': vt->state = VT_ESCAPE; break;
    default: break;
    }
}

/* --- Erasing --- */

static void erase_in_line(Vt *vt, unsigned how)
{
    ConsoleCell *cells = line(vt, vt->pen.y);
    unsigned x = vt->pen.x;

    switch (how) {
    case 0: blank(vt, cells + x, vt->columns - x); break;
    case 1: blank(vt, cells, x + 1); break;
    case 2: blank(vt, cells, vt->columns); break;
    default: break;
    }
    vt->pen.wrap_next = false;
}

static void erase_lines(Vt *vt, unsigned first, unsigned end)
{
    for (unsigned y = first; y < end; y++) {
        blank(vt, line(vt, y), vt->columns);
    }
}

static void erase_in_screen(Vt *vt, unsigned how)
{
    switch (how) {
    case 0:
    case 1:
        erase_in_line(vt, how);
        erase_lines(vt, how ? 0 : vt->pen.y + 1, how ? vt->pen.y : vt->rows);
        break;
    case 2: erase_lines(vt, 0, vt->rows); break;
    case 3: vt->history = 0; break;
    default: break;
    }
}

/* --- Modes --- */

static void reset(Vt *vt)
{
    g_clear_pointer(&vt->kept, g_free);
    vt->pen = (VtPen){.ink = GREY};
    vt->saved = vt->pen;
    vt->top = 0;
    vt->bottom = vt->rows - 1;
    vt->wrap = true;
    vt->insert = vt->hidden = vt->application_keys = vt->newline = false;
    vt->state = VT_GROUND;
    vt->utf8_left = 0;
    for (unsigned x = 0; x < vt->columns; x++) {
        vt->tabs[x] = x % TAB == 0;
    }
    erase_lines(vt, 0, vt->rows);
}

/* The second screen is the same lines; those of the first are kept meanwhile. */
static void second_screen(Vt *vt, bool on)
{
    size_t bytes = vt->columns * sizeof(ConsoleCell);

    if (on == (vt->kept != NULL)) {
        return;
    }
    if (on) {
        vt->kept = g_malloc(vt->rows * bytes);
        vt->first = vt->pen;
    }
    for (unsigned y = 0; y < vt->rows; y++) {
        ConsoleCell *kept = vt->kept + y * vt->columns;

        memcpy(on ? kept : line(vt, y), on ? line(vt, y) : kept, bytes);
    }
    if (on) {
        erase_lines(vt, 0, vt->rows);
    } else {
        g_clear_pointer(&vt->kept, g_free);
        vt->pen = vt->first;
    }
}

static void set_private_mode(Vt *vt, unsigned mode, bool on)
{
    switch (mode) {
    case 1: vt->application_keys = on; break;
    case 6:
        vt->pen.origin = on;
        vt->pen.x = 0;
        go_to_row(vt, 0);
        break;
    case 7: vt->wrap = on; break;
    case 25: vt->hidden = !on; break;
    case 47:
    case 1047:
    case 1049: second_screen(vt, on); break;
    default: break;
    }
}

static void set_modes(Vt *vt, bool on)
{
    for (unsigned i = 0; i < vt->n_params; i++) {
        if (vt->private == '?') {
            set_private_mode(vt, vt->params[i], on);
        } else if (vt->params[i] == 4) {
            vt->insert = on;
        } else if (vt->params[i] == 20) {
            vt->newline = on;
        }
    }
}

/* ANSI counts red, green, blue from bit 0; a VGA blue, green, red. */
static uint8_t vga_colour(unsigned ansi)
{
    return (uint8_t)((ansi & 1) << 2 | (ansi & 2) | (ansi >> 2 & 1) | (ansi & BRIGHT));
}

/* Levels of 0 to 255; the brightest decides what counts as there. */
static uint8_t nearest_colour(unsigned r, unsigned g, unsigned b)
{
    unsigned top = MAX(MAX(r, g), b), half = top / 2;
    unsigned bits = (r > half ? 1 : 0) | (g > half ? 2 : 0) | (b > half ? 4 : 0);

    return top < 64 ? 0 : vga_colour(bits | (top > 192 ? BRIGHT : 0));
}

/* Number @n of 256: sixteen, a cube with sides of six, and greys. */
static uint8_t indexed_colour(unsigned n)
{
    enum { CUBE = 16, GREYS = 232 };

    if (n < CUBE) {
        return vga_colour(n);
    }
    if (n < GREYS) {
        n -= CUBE;
        return nearest_colour(n / 36 * 51, n / 6 % 6 * 51, n % 6 * 51);
    }
    return nearest_colour((n - GREYS) * 11, (n - GREYS) * 11, (n - GREYS) * 11);
}

/* 38;5;N and 38;2;R;G;B from parameter @i on: the last one that is used. */
static unsigned extended_colour(Vt *vt, unsigned i, uint8_t *colour)
{
    const unsigned *p = vt->params + i;
    unsigned left = vt->n_params - i;

    if (left >= 3 && p[1] == 5) {
        *colour = indexed_colour(MIN(p[2], 255));
        return i + 2;
    }
    if (left >= 5 && p[1] == 2) {
        *colour = nearest_colour(p[2], p[3], p[4]);
        return i + 4;
    }
    return vt->n_params;
}

static void plain_attribute(VtPen *p, unsigned n)
{
    switch (n) {
    case 0:
        p->ink = GREY;
        p->paper = 0;
        p->bold = p->blink = p->reverse = false;
        break;
    case 1: p->bold = true; break;
    case 5: p->blink = true; break;
    case 7: p->reverse = true; break;
    case 21:
    case 22: p->bold = false; break;
    case 25: p->blink = false; break;
    case 27: p->reverse = false; break;
    case 39: p->ink = GREY; break;
    case 49: p->paper = 0; break;
    default: break;
    }
}

static void set_attributes(Vt *vt)
{
    VtPen *p = &vt->pen;

    for (unsigned i = 0; i < vt->n_params; i++) {
        unsigned n = vt->params[i];

        if (n == 38 || n == 48) {
            i = extended_colour(vt, i, n == 38 ? &p->ink : &p->paper);
        } else if (n >= 30 && n < 38) {
            p->ink = vga_colour(n - 30);
        } else if (n >= 40 && n < 48) {
            p->paper = vga_colour(n - 40);
        } else if (n >= 90 && n < 98) {
            p->ink = vga_colour(n - 90) | BRIGHT;
        } else if (n >= 100 && n < 108) {
            p->paper = vga_colour(n - 100) | BRIGHT;
        } else {
            plain_attribute(p, n);
        }
    }
}

/* --- Sequences --- */

static void report(Vt *vt, unsigned what)
{
    char text[32];

    if (what == 5) {
        vt->reply(vt->opaque, "\033[0n");
    } else if (what == 6) {
        snprintf(text, sizeof(text), "\033[%u;%uR",
                 vt->pen.y + 1 - (vt->pen.origin ? MIN(vt->top, vt->pen.y) : 0), vt->pen.x + 1);
        vt->reply(vt->opaque, text);
    }
}

static void window_report(Vt *vt, unsigned what)
{
    char text[32];

    if (what == 18) {
        snprintf(text, sizeof(text), "\033[8;%u;%ut", vt->rows, vt->columns);
        vt->reply(vt->opaque, text);
    }
}

static void set_region(Vt *vt, unsigned first, unsigned last)
{
    last = last ? MIN(last, vt->rows) : vt->rows;
    if (first < last) {
        vt->top = first - 1;
        vt->bottom = last - 1;
        vt->pen.x = 0;
        go_to_row(vt, 0);
    }
}

static void region_lines(Vt *vt, bool insert, unsigned n)
{
    if (vt->pen.y < vt->top || vt->pen.y > vt->bottom) {
        return;
    }
    if (insert) {
        lines_down(vt, vt->pen.y, vt->bottom, n);
    } else {
        lines_up(vt, vt->pen.y, vt->bottom, n);
    }
    go_to(vt, 0, vt->pen.y);
}

/* Sequences without '?' that move the cursor; @n is the first parameter, at least 1. */
static bool csi_move(Vt *vt, char c, unsigned n, unsigned second)
{
    switch (c) {
    case 'A': go_up(vt, n); return true;
    case 'B':
    case 'e': go_down(vt, n); return true;
    case 'C':
    case 'a': go_to(vt, vt->pen.x + n, vt->pen.y); return true;
    case 'D': go_to(vt, vt->pen.x - MIN(n, vt->pen.x), vt->pen.y); return true;
    case 'E':
        go_down(vt, n);
        vt->pen.x = 0;
        return true;
    case 'F':
        go_up(vt, n);
        vt->pen.x = 0;
        return true;
    case 'G':
    case '`': go_to(vt, n - 1, vt->pen.y); return true;
    case 'd': go_to_row(vt, n - 1); return true;
    case 'H':
    case 'f':
        vt->pen.x = MIN(second - 1, vt->columns - 1);
        go_to_row(vt, n - 1);
        return true;
    case 'I': tab(vt, n); return true;
    case 'Z': tab_back(vt, n); return true;
    default: return false;
    }
}

static void erase_cells(Vt *vt, unsigned n)
{
    blank(vt, line(vt, vt->pen.y) + vt->pen.x, MIN(n, vt->columns - vt->pen.x));
}

static void clear_tabs(Vt *vt, unsigned how)
{
    if (how == 0) {
        vt->tabs[vt->pen.x] = false;
    } else if (how == 3) {
        memset(vt->tabs, 0, vt->columns * sizeof(*vt->tabs));
    }
}

static void csi_other(Vt *vt, char c, unsigned first, unsigned n)
{
    switch (c) {
    case 'J': erase_in_screen(vt, first); break;
    case 'K': erase_in_line(vt, first); break;
    case 'L': region_lines(vt, true, n); break;
    case 'M': region_lines(vt, false, n); break;
    case '@': insert_cells(vt, n); break;
    case 'P': delete_cells(vt, n); break;
    case 'X': erase_cells(vt, n); break;
    case 'S': lines_up(vt, vt->top, vt->bottom, n); break;
    case 'T': lines_down(vt, vt->top, vt->bottom, n); break;
    case 'm': set_attributes(vt); break;
    case 'r': set_region(vt, n, vt->n_params > 1 ? vt->params[1] : 0); break;
    case 'g': clear_tabs(vt, first); break;
    case 'n': report(vt, first); break;
    case 't': window_report(vt, first); break;
    case 'c': vt->reply(vt->opaque, "\033[?6c"); break; /* a VT102 */
    case 's': vt->saved = vt->pen; break;
    case 'u': vt->pen = vt->saved; break;
    default: break;
    }
}

static void csi_done(Vt *vt, char c)
{
    unsigned first = vt->params[0], second = vt->n_params > 1 ? MAX(vt->params[1], 1u) : 1;

    vt->state = VT_GROUND;
    if (c == 'h' || c == 'l') {
        set_modes(vt, c == 'h');
    } else if (!vt->private && !csi_move(vt, c, MAX(first, 1u), second)) {
        csi_other(vt, c, first, MAX(first, 1u));
    }
}

static void csi_byte(Vt *vt, uint8_t c)
{
    unsigned *last = &vt->params[vt->n_params - 1];

    if (c >= '0' && c <= '9') {
        *last = MIN(*last * 10 + c - '0', PARAM_MAX);
    } else if (c == ';' || c == ':') {
        vt->n_params = MIN(vt->n_params + 1, PARAMS_MAX);
        vt->params[vt->n_params - 1] = 0;
    } else if (c >= '<' && c <= '?') {
        vt->private = (char)c;
    } else if (c >= '@' && c < 0x7f) {
        csi_done(vt, (char)c);
    } else if (c >= ' ' && c < '0') {
        vt->private = (char)c; /* of a function that we have not */
    }
}

static void escape_byte(Vt *vt, uint8_t c)
{
    vt->state = VT_GROUND;
    switch (c) {
    case '[':
        vt->state = VT_CSI;
        vt->private = 0;
        vt->params[0] = 0;
        vt->n_params = 1;
        break;
    case ']':
    case 'P':
    case '^':
    case '_': vt->state = VT_STRING; break;
    case '(':
    case ')':
        vt->state = VT_CHARSET;
        vt->charset_of = c == ')';
        break;
    case '7': vt->saved = vt->pen; break;
    case '8': vt->pen = vt->saved; break;
    case 'D': line_feed(vt); break;
    case 'E':
        line_feed(vt);
        vt->pen.x = 0;
        break;
    case 'M': reverse_line_feed(vt); break;
    case 'H': vt->tabs[vt->pen.x] = true; break;
    case 'Z': vt->reply(vt->opaque, "\033[?6c"); break;
    case 'c': reset(vt); break;
    default: break;
    }
}

/* Bytes of UTF-8; malformed ones become the replacement character. */
static void text_byte(Vt *vt, uint8_t c)
{
    if (vt->utf8_left && (c & 0xc0) == 0x80) {
        vt->utf8 = vt->utf8 << 6 | (c & 0x3f);
        if (!--vt->utf8_left) {
            put_char(vt, g_unichar_validate(vt->utf8) && vt->utf8 >= 0x80 ? vt->utf8 : UNKNOWN);
        }
        return;
    }
    if (vt->utf8_left) {
        put_char(vt, UNKNOWN);
    }
    vt->utf8_left = c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xc2 && c < 0xe0;
    vt->utf8 = c & (0x3f >> vt->utf8_left);
    if (c < 0x80) {
        put_char(vt, c);
    } else if (!vt->utf8_left) {
        put_char(vt, UNKNOWN);
    }
}

static void take_byte(Vt *vt, uint8_t c)
{
    if (vt->state == VT_STRING || vt->state == VT_STRING_ESCAPE) {
        /* Ends with BEL, or ESC and a backslash. */
        bool ends =
            c == '\a' || c == 0x18 || c == 0x1a || (vt->state == VT_STRING_ESCAPE && c == '\\');

        vt->state = ends ? VT_GROUND : c == '\033' ? VT_STRING_ESCAPE : VT_STRING;
    } else if (c < ' ' || c == 0x7f) {
        vt->utf8_left = 0;
        control(vt, c);
    } else if (vt->state == VT_ESCAPE) {
        escape_byte(vt, c);
    } else if (vt->state == VT_CSI) {
        csi_byte(vt, c);
    } else if (vt->state == VT_CHARSET) {
        vt->pen.drawing[vt->charset_of] = c == '0';
        vt->state = VT_GROUND;
    } else {
        text_byte(vt, c);
    }
}

/* --- Outside --- */

void vt_write(Vt *vt, const uint8_t *buf, size_t len)
{
    vt->back = 0;
    for (size_t i = 0; i < len; i++) {
        take_byte(vt, buf[i]);
    }
}

Vt *vt_new(unsigned columns, unsigned rows, void (*reply)(void *opaque, const char *text),
           void *opaque)
{
    Vt *vt = g_new0(Vt, 1);

    vt->columns = columns;
    vt->rows = rows;
    vt->reply = reply;
    vt->opaque = opaque;
    vt->end = rows;
    vt->cells = g_new0(ConsoleCell, (size_t)columns * ring_lines(vt));
    vt->tabs = g_new0(bool, columns);
    reset(vt);
    return vt;
}

void vt_free(Vt *vt)
{
    g_free(vt->cells);
    g_free(vt->kept);
    g_free(vt->tabs);
    g_free(vt);
}

unsigned vt_columns(const Vt *vt)
{
    return vt->columns;
}

unsigned vt_rows(const Vt *vt)
{
    return vt->rows;
}

const ConsoleCell *vt_line(const Vt *vt, unsigned row)
{
    return line_at(vt, vt->back, row);
}

bool vt_cursor(const Vt *vt, unsigned *x, unsigned *y)
{
    *x = vt->pen.x;
    *y = vt->pen.y + vt->back;
    return !vt->hidden && *y < vt->rows;
}

void vt_scroll_back(Vt *vt, int lines)
{
    int back = (int)vt->back + lines;

    vt->back = (unsigned)CLAMP(back, 0, vt->kept ? 0 : (int)vt->history);
}

bool vt_application_keys(const Vt *vt)
{
    return vt->application_keys;
}
