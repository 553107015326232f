/* SPDX-License-Identifier: MIT */
/* The terminals of the web page: each keeps the last output.  Machine lock. */
#include "rhea/osdep.h"

#include "web-int.h"

enum { KEPT = 128 * 1024 };

struct WebTerminal {
    char *label;
    WebTyped *typed;
    void *opaque;
    uint64_t total; /* bytes of output ever */
    uint8_t kept[KEPT];
};

static WebTerminal *terminals[WEB_TERMINALS]; /* the process's */
static void (*watch)(void *opaque);
static void *watch_opaque;

WebTerminal *web_terminal_new(const char *label, WebTyped *typed, void *opaque)
{
    for (unsigned i = 0; i < WEB_TERMINALS; i++) {
        if (!terminals[i]) {
            terminals[i] = g_new0(WebTerminal, 1);
            terminals[i]->label = g_strdup(label);
            terminals[i]->typed = typed;
            terminals[i]->opaque = opaque;
            return terminals[i];
        }
    }
    return NULL;
}

void web_terminal_free(WebTerminal *t)
{
    for (unsigned i = 0; i < WEB_TERMINALS; i++) {
        if (terminals[i] == t) {
            terminals[i] = NULL;
        }
    }
    g_free(t->label);
    g_free(t);
}

void web_terminals_watch(void (*fn)(void *opaque), void *opaque)
{
    watch = fn;
    watch_opaque = opaque;
}

void web_terminal_put(WebTerminal *t, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        t->kept[t->total++ % KEPT] = buf[i];
    }
    if (watch) {
        watch(watch_opaque);
    }
}

WebTerminal *web_terminal(unsigned i)
{
    return i < WEB_TERMINALS ? terminals[i] : NULL;
}

const char *web_terminal_label(const WebTerminal *t)
{
    return t->label;
}

void web_terminal_type(WebTerminal *t, const uint8_t *buf, size_t len)
{
    t->typed(t->opaque, buf, len);
}

bool web_terminal_has(const WebTerminal *t, uint64_t at)
{
    return at != t->total;
}

void web_terminal_read(const WebTerminal *t, uint64_t *at, GByteArray *out)
{
    uint64_t oldest = t->total > KEPT ? t->total - KEPT : 0;

    if (*at < oldest || *at > t->total) { /* lost, or another terminal's */
        *at = oldest;
    }
    for (; *at < t->total; (*at)++) {
        g_byte_array_append(out, &t->kept[*at % KEPT], 1);
    }
}
