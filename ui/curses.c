/* SPDX-License-Identifier: MIT */
/*
 * -display curses: text modes and text consoles in the terminal.  Characters come from the console, which is
 * read less often the longer nothing happens; what a terminal sends are characters, so each is a key that is
 * pressed and released.
 *
 * ncurses is not asked to handle signals: they are blocked in all threads and read in the main loop.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <glib-unix.h>
#include <linux/input-event-codes.h>
#include <locale.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <wchar.h>
#include <xkbcommon/xkbcommon-keysyms.h>

#include "curses-keys.h"
#include "curses-lib.h"
#include "displays.h"
#include "rhea/opts.h"
#include "rhea/terminal.h"
#include "ui/console.h"
#include "ui/input.h"
#include "ui/keymap.h"

enum {
    FAST_MS = 20,
    SLOW_MS = 240,
    HOLD_NS = 5 * 1000 * 1000,
    PRESSES_MAX = 64, /* what is typed beyond vanishes */
    ESCAPE_DELAY_MS = 10,
    SIZE_MAX_CELLS = 1000,
    GREY = 7,
    PAIRS = CONSOLE_COLOURS * CONSOLE_COLOURS + 1,
};

typedef struct CursesDisplay {
    const CursesLib *lib;
    const DisplayHost *host;
    WINDOW *win;
    unsigned columns, rows; /* of the terminal */
    int colours;
    bool *pair_made; /* by ink and paper */
    Console *con;
    ConsoleText text, drawn;
    bool draw_all;
    char *said;         /* instead of a text, when there is none */
    unsigned top, left; /* of the part that the terminal shows */
    guint timer, input, signals;
    int signal_fd;
    unsigned interval_ms;
} CursesDisplay;

static CursesDisplay *curses;
static sigset_t curses_signals;

/* --- Drawing --- */

/* A character of its looks where the terminal has no more than ASCII. */
static wchar_t plain_char(uint32_t c)
{
    switch (c) {
    case 0x2500:
    case 0x2550: return '-';
    case 0x2502:
    case 0x2551: return '|';
    default: break;
    }
    return c >= 0x2500 && c < 0x2580 ? '+' : c >= 0x2580 && c < 0x25a0 ? '#' : '?';
}

static wchar_t shown_char(uint32_t c)
{
    char bytes[MB_LEN_MAX];
    mbstate_t state = {0};

    if (c < ' ') {
        return ' ';
    }
    if (wcrtomb(bytes, (wchar_t)c, &state) == (size_t)-1) {
        return plain_char(c);
    }
    return wcwidth((wchar_t)c) == 1 ? (wchar_t)c : '?';
}

/* A terminal counts red, green, blue from bit 0. */
static short terminal_colour(const CursesDisplay *s, unsigned vga)
{
    unsigned c = (vga & 2) | (vga & 1) << 2 | (vga >> 2 & 1) | (vga & 8);

    return (short)(s->colours >= CONSOLE_COLOURS ? c : c & 7);
}

/*
 * Pairs are numbered so that grey on black is pair 0, which is always there; in a terminal of sixteen colours it
 * gets a number of its own, as pair 0 is whatever the terminal's defaults are.
 */
static short colour_pair(CursesDisplay *s, const ConsoleCell *cell)
{
    unsigned colours = s->colours >= CONSOLE_COLOURS ? CONSOLE_COLOURS : 8, mask = colours - 1;
    unsigned n = (cell->paper & mask) * colours + ((cell->ink & mask) ^ GREY);

    if (!n && colours == CONSOLE_COLOURS) {
        n = PAIRS - 1;
    }
    if (n && !s->pair_made[n]) {
        s->lib->init_pair((short)n, terminal_colour(s, cell->ink), terminal_colour(s, cell->paper));
        s->pair_made[n] = true;
    }
    return (short)n;
}

static void draw_cell(CursesDisplay *s, unsigned x, unsigned y, const ConsoleCell *cell)
{
    wchar_t text[2] = {shown_char(cell->c), 0};
    bool bold = s->colours < CONSOLE_COLOURS && cell->ink & 8;
    cchar_t out;

    s->lib->setcchar(&out, text, (bold ? A_BOLD : 0) | (cell->blink ? A_BLINK : 0),
                     s->colours >= 8 ? colour_pair(s, cell) : 0, NULL);
    s->lib->wmove(s->win, (int)y, (int)x);
    s->lib->wadd_wch(s->win, &out); /* ERR in the last corner, where it cannot go on */
}

/* The first of @shown cells of @size that has the cursor in sight. */
static unsigned keep_in_sight(unsigned first, unsigned cursor, unsigned shown, unsigned size)
{
    if (size <= shown) {
        return 0;
    }
    first = cursor < first ? cursor : cursor >= first + shown ? cursor - shown + 1 : first;
    return MIN(first, size - shown);
}

static void show_cursor(CursesDisplay *s)
{
    const ConsoleText *t = &s->text;
    unsigned x = t->cursor_x - s->left, y = t->cursor_y - s->top;
    bool visible = t->cursor_visible && t->cursor_x >= s->left && t->cursor_y >= s->top &&
                   x < s->columns && y < s->rows;

    s->lib->curs_set(visible);
    if (visible) {
        s->lib->wmove(s->win, (int)y, (int)x);
    }
}

/* Whether anything has changed. */
static bool draw_text(CursesDisplay *s)
{
    const ConsoleText *t = &s->text, *old = &s->drawn;
    unsigned top = keep_in_sight(s->top, t->cursor_y, s->rows, t->rows);
    unsigned left = keep_in_sight(s->left, t->cursor_x, s->columns, t->columns);
    bool all = s->draw_all || top != s->top || left != s->left || old->columns != t->columns ||
               old->rows != t->rows;
    bool changed = all || t->cursor_visible != old->cursor_visible ||
                   t->cursor_x != old->cursor_x || t->cursor_y != old->cursor_y;

    s->top = top;
    s->left = left;
    if (all) {
        s->lib->werase(s->win);
    }
    for (unsigned y = 0; y < MIN(s->rows, t->rows - top); y++) {
        for (unsigned x = 0; x < MIN(s->columns, t->columns - left); x++) {
            size_t n = (size_t)(y + top) * t->columns + x + left;

            if (all || !console_same_cell(&t->cells[n], &old->cells[n])) {
                draw_cell(s, x, y, &t->cells[n]);
                changed = true;
            }
        }
    }
    show_cursor(s);
    return changed;
}

static void draw_line(CursesDisplay *s, const char *text)
{
    size_t len = strlen(text);
    unsigned x = s->columns > len ? (s->columns - (unsigned)len) / 2 : 0;

    s->lib->werase(s->win);
    for (size_t i = 0; i < len && x + i < s->columns; i++) {
        ConsoleCell cell = {.c = (uint8_t)text[i], .ink = GREY};

        draw_cell(s, x + (unsigned)i, s->rows / 2, &cell);
    }
    s->lib->curs_set(0);
}

/* There are no characters: says what there is instead. */
static bool draw_graphics(CursesDisplay *s)
{
    pixman_image_t *surface;
    g_autofree char *text = NULL;

    if (s->con) {
        console_refresh(s->con);
    }
    surface = s->con ? console_surface(s->con) : NULL;
    text = surface ? g_strdup_printf("%dx%d graphic mode", pixman_image_get_width(surface),
                                     pixman_image_get_height(surface))
                   : g_strdup("there is no screen yet");
    if (!s->draw_all && !g_strcmp0(text, s->said)) {
        return false;
    }
    draw_line(s, text);
    g_free(s->said);
    s->said = g_steal_pointer(&text);
    return true;
}

static void console_gone(void *opaque, Console *con)
{
    CursesDisplay *s = opaque;

    s->con = NULL;
    s->draw_all = true;
}

static const ConsoleListenerOps listener = {.gone = console_gone};

static void show_console(CursesDisplay *s, unsigned index)
{
    Console *con = console_nth(index);

    if (con && con != s->con) {
        if (s->con) {
            console_unlisten(s->con, s);
        }
        s->con = con;
        s->draw_all = true;
        console_listen(con, &listener, s);
    }
}

static bool draw(CursesDisplay *s)
{
    bool changed;

    if (!s->con) {
        show_console(s, 0);
    }
    if (s->con && console_text(s->con, &s->text)) {
        ConsoleText old = s->drawn;

        changed = draw_text(s);
        s->drawn = s->text;
        s->text = old;
        g_clear_pointer(&s->said, g_free);
    } else {
        changed = draw_graphics(s);
        console_text_fini(&s->drawn); /* so that the next text is drawn as a whole */
    }
    s->draw_all = false;
    if (changed) {
        s->lib->wrefresh(s->win);
    }
    return changed;
}

static gboolean tick(gpointer opaque);

static void arm(CursesDisplay *s)
{
    s->timer = g_timeout_add(s->interval_ms, tick, s);
}

static gboolean tick(gpointer opaque)
{
    CursesDisplay *s = opaque;

    s->interval_ms = draw(s) ? FAST_MS : MIN(s->interval_ms * 2, SLOW_MS);
    arm(s);
    return G_SOURCE_REMOVE;
}

static void look_soon(CursesDisplay *s)
{
    if (s->interval_ms != FAST_MS) {
        g_source_remove(s->timer);
        s->interval_ms = FAST_MS;
        arm(s);
    }
}

/* --- Keys --- */

static void press_key(CursesDisplay *s, CursesKey key)
{
    unsigned codes[3 + KEYMAP_KEYS], n = 0;

    if (key.modifiers & CONSOLE_CTRL) {
        codes[n++] = KEY_LEFTCTRL;
    }
    if (key.modifiers & CONSOLE_ALT) {
        codes[n++] = KEY_LEFTALT;
    }
    if (key.modifiers & CONSOLE_SHIFT) {
        codes[n++] = KEY_LEFTSHIFT;
    }
    n += keymap_keys(key.keysym, codes + n);
    if (n && input_presses() < PRESSES_MAX) {
        input_press(s->host->clock, codes, n, HOLD_NS);
    }
}

static void take_key(CursesDisplay *s, CursesKey key)
{
    if (key.modifiers == CONSOLE_ALT && key.keysym >= '1' && key.keysym <= '9') {
        show_console(s, key.keysym - '1');
    } else if (key.keysym && s->con && console_is_terminal(s->con)) {
        console_type(s->con, key.keysym, key.modifiers);
    } else if (key.keysym) {
        press_key(s, key);
    }
}

/* False: nothing waits to be read. */
static bool next_key(CursesDisplay *s, CursesKey *key)
{
    wint_t c;
    int kind = s->lib->wget_wch(s->win, &c);

    if (kind == ERR) {
        return false;
    }
    *key = kind == KEY_CODE_YES ? curses_key_of_code((int)c, s->lib->keyname((int)c))
                                : curses_key_of_char(c);
    return true;
}

/* Escape with something right behind it is Alt. */
static gboolean take_input(gint fd, GIOCondition cond, gpointer opaque)
{
    CursesDisplay *s = opaque;
    CursesKey key, behind;
    bool any = false;

    while (next_key(s, &key)) {
        any = true;
        if (key.keysym == XKB_KEY_Escape && next_key(s, &behind)) {
            key = behind;
            key.modifiers |= CONSOLE_ALT;
        }
        take_key(s, key);
    }
    look_soon(s);
    if (!any && cond & (G_IO_HUP | G_IO_ERR)) {
        s->input = 0; /* the terminal has gone; SIGHUP ends us unless somebody wants otherwise */
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

/* --- The terminal --- */

/* What brings the terminal back when there is no time for endwin(): strings that need no delays. */
static void set_farewell(CursesDisplay *s)
{
    static const char *const names[] = {"sgr0", "op", "rmkx", "cnorm", "rmcup"};
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *part = s->lib->tigetstr(names[i]);

        if (part && part != (const char *)-1 && !strstr(part, "$<")) {
            g_string_append(text, part);
        }
    }
    terminal_set_farewell(text->str);
}

static void leave_screen(CursesDisplay *s)
{
    s->lib->endwin();
    terminal_set_farewell(NULL); /* said */
}

static void take_size(CursesDisplay *s)
{
    struct winsize size;

    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col) {
        s->lib->resizeterm(MIN(size.ws_row, SIZE_MAX_CELLS), MIN(size.ws_col, SIZE_MAX_CELLS));
    }
    s->rows = (unsigned)s->lib->getmaxy(s->win);
    s->columns = (unsigned)s->lib->getmaxx(s->win);
    s->draw_all = true;
}

/* Stopped with the terminal as the shell expects it; returns when the process goes on. */
static void stop_process(CursesDisplay *s)
{
    leave_screen(s);
    terminal_restore();
    raise(SIGSTOP);
    terminal_resume();
    s->lib->wrefresh(s->win);
    set_farewell(s);
    take_size(s);
}

static gboolean take_signal(gint fd, GIOCondition cond, gpointer opaque)
{
    CursesDisplay *s = opaque;
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTSTP) {
            stop_process(s);
        } else {
            take_size(s);
        }
        look_soon(s);
    }
    return G_SOURCE_CONTINUE;
}

static bool enter_screen(CursesDisplay *s, Error **errp)
{
    const char *term = g_getenv("TERM");
    struct termios state;

    s->lib->set_escdelay(ESCAPE_DELAY_MS);
    if (!term || !s->lib->newterm(term, stdout, stdin)) {
        return error_fail(errp, "-display curses: terminal type TERM=%s is not known",
                          term ? term : "");
    }
    s->win = *s->lib->stdscr;
    s->lib->raw();
    s->lib->noecho();
    s->lib->nonl();
    s->lib->keypad(s->win, true);
    s->lib->meta(s->win, true);
    s->lib->nodelay(s->win, true);
    s->colours = s->lib->start_color() == ERR ? 0 : s->lib->tigetnum("colors");
    s->pair_made = g_new0(bool, PAIRS);
    set_farewell(s);
    if (!tcgetattr(STDIN_FILENO, &state)) {
        terminal_set(&state);
    }
    return true;
}

/* --- Life --- */

static bool curses_choose(struct Machine *m, const char *options, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-display curses", options ? options : "", NULL, errp);

    if (!o || !opts_done(o, NULL, errp) || !keymap_ready(errp) || !curses_lib(errp)) {
        return false;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return error_fail(errp, "-display curses: standard input and output are no terminal");
    }
    if (!terminal_take("-display curses", errp)) {
        error_prepend(errp, "-display curses: ");
        return false;
    }
    /* Before there are other threads, which would get them. */
    sigemptyset(&curses_signals);
    sigaddset(&curses_signals, SIGWINCH);
    sigaddset(&curses_signals, SIGTSTP);
    pthread_sigmask(SIG_BLOCK, &curses_signals, NULL);
    return true;
}

static bool curses_start(const DisplayHost *host, Error **errp)
{
    CursesDisplay *s = g_new0(CursesDisplay, 1);

    setlocale(LC_CTYPE, "");
    s->lib = curses_lib(errp);
    s->host = host;
    if (!s->lib || !enter_screen(s, errp)) {
        g_free(s);
        return false;
    }
    take_size(s);
    s->signal_fd = signalfd(-1, &curses_signals, SFD_CLOEXEC | SFD_NONBLOCK);
    s->signals = g_unix_fd_add(s->signal_fd, G_IO_IN, take_signal, s);
    s->input = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, take_input, s);
    s->interval_ms = FAST_MS;
    arm(s);
    curses = s;
    return true;
}

static void curses_stop(void)
{
    CursesDisplay *s = g_steal_pointer(&curses);

    g_source_remove(s->timer);
    g_source_remove(s->signals);
    if (s->input) {
        g_source_remove(s->input);
    }
    close(s->signal_fd);
    if (s->con) {
        console_unlisten(s->con, s);
    }
    leave_screen(s);
    terminal_release();
    console_text_fini(&s->text);
    console_text_fini(&s->drawn);
    g_free(s->said);
    g_free(s->pair_made);
    g_free(s);
}

const DisplayType display_curses = {
    .name = "curses",
    .shows_consoles = true,
    .choose = curses_choose,
    .start = curses_start,
    .stop = curses_stop,
};
