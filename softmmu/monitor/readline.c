/* SPDX-License-Identifier: MIT */
/*
 * Line editing for the monitor: cursor movement, history, completion of command names.  Understands the
 * escape sequences of ANSI terminals; prints only carriage returns, characters and "erase to end".
 */
#include "rhea/osdep.h"

#include "monitor-int.h"

#define PROMPT "(qemu) "

enum { LINE_MAX_BYTES = 4096, HISTORY_MAX = 64 };

typedef enum EscState { ESC_NONE, ESC_ESC, ESC_CSI, ESC_SS3 } EscState;

struct Readline {
    void (*print)(void *opaque, const char *text);
    void (*line)(void *opaque, const char *text);
    void *opaque;
    GString *text;
    size_t cursor;
    EscState esc;
    unsigned esc_param;
    GPtrArray *history; /* char *, oldest first */
    guint history_pos;  /* == len: the line being typed */
    uint8_t last;       /* for CR LF */
};

Readline *readline_new(void (*print)(void *opaque, const char *text),
                       void (*line)(void *opaque, const char *text), void *opaque)
{
    Readline *rl = g_new0(Readline, 1);

    rl->print = print;
    rl->line = line;
    rl->opaque = opaque;
    rl->text = g_string_new(NULL);
    rl->history = g_ptr_array_new_with_free_func(g_free);
    return rl;
}

void readline_free(Readline *rl)
{
    g_string_free(rl->text, TRUE);
    g_ptr_array_unref(rl->history);
    g_free(rl);
}

void readline_show_prompt(Readline *rl)
{
    rl->print(rl->opaque, PROMPT);
    if (rl->text->len) {
        rl->print(rl->opaque, rl->text->str);
    }
}

void readline_restart(Readline *rl)
{
    g_string_truncate(rl->text, 0);
    rl->cursor = 0;
    rl->esc = ESC_NONE;
    rl->last = 0;
}

/* Redraws from the cursor's old place: the part before it is on the screen already. */
static void readline_redraw(Readline *rl)
{
    g_autoptr(GString) s = g_string_new("\r" PROMPT);

    g_string_append(s, rl->text->str);
    g_string_append(s, "\033[K");
    if (rl->cursor < rl->text->len) {
        g_string_append_printf(s, "\033[%zuD", rl->text->len - rl->cursor);
    }
    rl->print(rl->opaque, s->str);
}

static void readline_set(Readline *rl, const char *text)
{
    g_string_assign(rl->text, text);
    rl->cursor = rl->text->len;
    readline_redraw(rl);
}

static void readline_insert(Readline *rl, char c)
{
    char echo[2] = {c, '\0'};

    if (rl->text->len >= LINE_MAX_BYTES) {
        return;
    }
    g_string_insert_c(rl->text, (gssize)rl->cursor, c);
    rl->cursor++;
    if (rl->cursor == rl->text->len) {
        rl->print(rl->opaque, echo);
    } else {
        readline_redraw(rl);
    }
}

static void readline_erase(Readline *rl, size_t from, size_t to)
{
    if (to > from) {
        g_string_erase(rl->text, (gssize)from, (gssize)(to - from));
        rl->cursor = from;
        readline_redraw(rl);
    }
}

static size_t readline_word_start(const Readline *rl)
{
    size_t i = rl->cursor;

    while (i > 0 && rl->text->str[i - 1] == ' ') {
        i--;
    }
    while (i > 0 && rl->text->str[i - 1] != ' ') {
        i--;
    }
    return i;
}

/* --- History --- */

static void readline_remember(Readline *rl)
{
    GPtrArray *h = rl->history;

    if (rl->text->len && (!h->len || strcmp(g_ptr_array_index(h, h->len - 1), rl->text->str))) {
        g_ptr_array_add(h, g_strdup(rl->text->str));
        if (h->len > HISTORY_MAX) {
            g_ptr_array_remove_index(h, 0);
        }
    }
    rl->history_pos = h->len;
}

static void readline_walk_history(Readline *rl, int step)
{
    guint len = rl->history->len;

    if ((step < 0 && rl->history_pos == 0) || (step > 0 && rl->history_pos >= len)) {
        return;
    }
    rl->history_pos += (guint)step;
    readline_set(rl, rl->history_pos < len ? g_ptr_array_index(rl->history, rl->history_pos) : "");
}

/* --- Completion --- */

static size_t common_prefix(GPtrArray *names)
{
    const char *first = g_ptr_array_index(names, 0);
    size_t len = strlen(first);

    for (guint i = 1; i < names->len; i++) {
        const char *other = g_ptr_array_index(names, i);
        size_t n = 0;

        while (n < len && first[n] == other[n]) {
            n++;
        }
        len = n;
    }
    return len;
}

static void readline_complete(Readline *rl)
{
    g_autofree char *prefix = g_strndup(rl->text->str, rl->cursor);
    g_autoptr(GPtrArray) names = hmp_complete(prefix);
    size_t len;

    if (!names->len || rl->cursor != rl->text->len) {
        return;
    }
    len = common_prefix(names);
    if (len > rl->cursor) {
        g_autofree char *text = g_strndup(g_ptr_array_index(names, 0), len);
        g_autofree char *spaced = g_strconcat(text, names->len == 1 ? " " : "", NULL);

        readline_set(rl, spaced);
        return;
    }
    rl->print(rl->opaque, "\r\n");
    for (guint i = 0; i < names->len; i++) {
        rl->print(rl->opaque, g_ptr_array_index(names, i));
        rl->print(rl->opaque, i + 1 < names->len ? "  " : "\r\n");
    }
    readline_redraw(rl);
}

/* --- Keys --- */

static void readline_finish(Readline *rl)
{
    g_autofree char *line = g_strdup(rl->text->str);

    rl->print(rl->opaque, "\r\n");
    readline_remember(rl);
    g_string_truncate(rl->text, 0);
    rl->cursor = 0;
    rl->line(rl->opaque, line);
}

static void readline_move(Readline *rl, size_t to)
{
    rl->cursor = MIN(to, rl->text->len);
    readline_redraw(rl);
}

static void readline_csi(Readline *rl, uint8_t c)
{
    switch (c) {
    case 'A': readline_walk_history(rl, -1); break;
    case 'B': readline_walk_history(rl, 1); break;
    case 'C': readline_move(rl, rl->cursor + 1); break;
    case 'D': readline_move(rl, rl->cursor ? rl->cursor - 1 : 0); break;
    case 'H': readline_move(rl, 0); break;
    case 'F': readline_move(rl, rl->text->len); break;
    case '~':
        if (rl->esc_param == 3 && rl->cursor < rl->text->len) {
            readline_erase(rl, rl->cursor, rl->cursor + 1);
        } else if (rl->esc_param == 1 || rl->esc_param == 7) {
            readline_move(rl, 0);
        } else if (rl->esc_param == 4 || rl->esc_param == 8) {
            readline_move(rl, rl->text->len);
        }
        break;
    default: break;
    }
}

/* True when the byte belonged to an escape sequence. */
static bool readline_escape(Readline *rl, uint8_t c)
{
    switch (rl->esc) {
    case ESC_NONE:
        if (c != 27) {
            return false;
        }
        rl->esc = ESC_ESC;
        return true;
    case ESC_ESC:
        rl->esc = c == '[' ? ESC_CSI : c == 'O' ? ESC_SS3 : ESC_NONE;
        rl->esc_param = 0;
        return true;
    case ESC_CSI:
        if (g_ascii_isdigit(c)) {
            rl->esc_param = (rl->esc_param * 10 + (c - '0')) % 1000;
            return true;
        }
        break;
    case ESC_SS3: break;
    }
    rl->esc = ESC_NONE;
    readline_csi(rl, c);
    return true;
}

void readline_input(Readline *rl, uint8_t c)
{
    bool crlf = c == '\n' && rl->last == '\r';

    rl->last = c;
    if (crlf || readline_escape(rl, c)) {
        return;
    }
    switch (c) {
    case '\r':
    case '\n': readline_finish(rl); break;
    case '\t': readline_complete(rl); break;
    case 1: readline_move(rl, 0); break;
    case 2: readline_move(rl, rl->cursor ? rl->cursor - 1 : 0); break;
    case 4:
        if (rl->cursor < rl->text->len) {
            readline_erase(rl, rl->cursor, rl->cursor + 1);
        }
        break;
    case 5: readline_move(rl, rl->text->len); break;
    case 6: readline_move(rl, rl->cursor + 1); break;
    case 8:
    case 127:
        if (rl->cursor) {
            readline_erase(rl, rl->cursor - 1, rl->cursor);
        }
        break;
    case 11: readline_erase(rl, rl->cursor, rl->text->len); break;
    case 12: readline_redraw(rl); break;
    case 14: readline_walk_history(rl, 1); break;
    case 16: readline_walk_history(rl, -1); break;
    case 21: readline_erase(rl, 0, rl->cursor); break;
    case 23: readline_erase(rl, readline_word_start(rl), rl->cursor); break;
    default:
        if (c >= 32) {
            readline_insert(rl, (char)c);
        }
        break;
    }
}
