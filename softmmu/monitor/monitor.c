/* SPDX-License-Identifier: MIT */
/* The list of monitors, and the HMP kind: prompt, dispatch by the table, help. */
#include "rhea/osdep.h"

#include "monitor-int.h"

static GPtrArray *monitors; /* Monitor * */

bool monitor_new(Machine *m, const char *chardev_id, bool control, bool pretty, Error **errp)
{
    Monitor *mon = control ? qmp_new(m, pretty) : hmp_new(m);

    if (!chr_attach(&mon->fe, chardev_id, errp)) {
        error_prepend(errp, "-mon: ");
        mon->free(mon);
        return false;
    }
    if (!monitors) {
        monitors = g_ptr_array_new();
    }
    g_ptr_array_add(monitors, mon);
    chr_set_handlers(&mon->fe, control ? qmp_handlers() : hmp_handlers(), mon);
    return true;
}

void monitor_cleanup_all(void)
{
    while (monitors && monitors->len) {
        Monitor *mon = g_ptr_array_index(monitors, monitors->len - 1);

        g_ptr_array_set_size(monitors, (gint)monitors->len - 1);
        chr_detach(&mon->fe);
        mon->free(mon);
    }
}

/* --- HMP: commands --- */

/* The rest of @line when one of the '|'-separated @names begins it as whole words. */
static const char *hmp_match(const char *names, const char *line)
{
    g_auto(GStrv) list = g_strsplit(names, "|", -1);

    for (char **n = list; *n; n++) {
        size_t len = strlen(*n);

        if (!strncmp(line, *n, len) && (!line[len] || line[len] == ' ' || line[len] == '/')) {
            return line + len;
        }
    }
    return NULL;
}

/* The longest match, so that "info" alone does not hide "info status". */
static const HmpCommand *hmp_find(const char *line, const char **args)
{
    const HmpCommand *found = NULL;

    for (const HmpCommand *const *c = __start_rhea_hmp; c < __stop_rhea_hmp; c++) {
        const char *rest = hmp_match((*c)->name, line);

        if (rest && (!found || rest > *args)) {
            found = *c;
            *args = rest;
        }
    }
    return found;
}

static void hmp_unknown(const char *line, GString *out)
{
    g_autoptr(GPtrArray) names = hmp_complete("");
    g_autofree char *word = NULL;
    const char *near;

    if (g_str_has_prefix(line, "info ")) {
        word = g_strndup(line, 5 + strcspn(line + 5, " "));
    } else {
        word = g_strndup(line, strcspn(line, " "));
    }
    g_ptr_array_add(names, NULL);
    near = nearest_name(word, (const char *const *)names->pdata);
    g_string_append_printf(out, "unknown command: '%s'", word);
    if (near) {
        g_string_append_printf(out, "; did you mean '%s'?", near);
    }
    g_string_append_c(out, '\n');
}

char *monitor_run_hmp(Machine *m, const char *line)
{
    g_autofree char *stripped = g_strstrip(g_strdup(line));
    GString *out = g_string_new(NULL);
    const HmpCommand *cmd;
    const char *args = NULL;

    if (!*stripped) {
        return g_string_free(out, FALSE);
    }
    cmd = hmp_find(stripped, &args);
    if (cmd) {
        while (*args == ' ') {
            args++;
        }
        cmd->run(m, args, out);
    } else {
        hmp_unknown(stripped, out);
    }
    return g_string_free(out, FALSE);
}

static int name_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *hmp_complete(const char *prefix)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (const HmpCommand *const *c = __start_rhea_hmp; c < __stop_rhea_hmp; c++) {
        g_auto(GStrv) list = g_strsplit((*c)->name, "|", -1);

        for (char **n = list; *n; n++) {
            if (g_str_has_prefix(*n, prefix)) {
                g_ptr_array_add(names, g_strdup(*n));
            }
        }
    }
    g_ptr_array_sort(names, name_compare);
    return names;
}

static int command_compare(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const HmpCommand *const *)a)->name, (*(const HmpCommand *const *)b)->name);
}

static void hmp_help(Machine *m, const char *args, GString *out)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    for (const HmpCommand *const *c = __start_rhea_hmp; c < __stop_rhea_hmp; c++) {
        if (!*args || hmp_match((*c)->name, args) || g_str_has_prefix((*c)->name, args)) {
            g_ptr_array_add(sorted, (gpointer)*c);
        }
    }
    if (!sorted->len) {
        hmp_unknown(args, out);
        return;
    }
    g_ptr_array_sort(sorted, command_compare);
    for (guint i = 0; i < sorted->len; i++) {
        const HmpCommand *c = g_ptr_array_index(sorted, i);

        g_string_append_printf(out, "%s%s%s -- %s\n", c->name, c->args ? " " : "",
                               c->args ? c->args : "", c->help);
    }
}

HMP_COMMAND(hmp_help_command, .name = "help|?", .args = "[cmd]", .help = "show the commands",
            .run = hmp_help);

static void hmp_info(Machine *m, const char *args, GString *out)
{
    if (*args) {
        g_autofree char *line = g_strconcat("info ", args, NULL);

        hmp_unknown(line, out);
    } else {
        hmp_help(m, "info ", out);
    }
}

HMP_COMMAND(hmp_info_command, .name = "info", .args = "[subject]",
            .help = "show the state of a subject", .run = hmp_info);

/* --- HMP: the console --- */

typedef struct Hmp {
    Monitor mon;
    Readline *rl;
    bool greeted;
} Hmp;

static void hmp_print(void *opaque, const char *text)
{
    Hmp *h = opaque;

    chr_write_all(&h->mon.fe, text, strlen(text));
}

/* Terminals want a carriage return before each line feed. */
static void hmp_print_lines(Hmp *h, const char *text)
{
    g_autoptr(GString) s = g_string_new(text);

    g_string_replace(s, "\n", "\r\n", 0);
    hmp_print(h, s->str);
}

static void hmp_line(void *opaque, const char *line)
{
    Hmp *h = opaque;
    g_autofree char *output = monitor_run_hmp(h->mon.m, line);

    hmp_print_lines(h, output);
    readline_show_prompt(h->rl);
}

static size_t hmp_can_receive(void *opaque)
{
    return 1024;
}

static void hmp_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Hmp *h = opaque;

    for (size_t i = 0; i < len; i++) {
        readline_input(h->rl, buf[i]);
    }
}

static void hmp_greet(Hmp *h)
{
    hmp_print(h, "QEMU " RHEA_QEMU_VERSION " monitor (rhea " RHEA_VERSION
                 ") - type 'help' for more information\r\n");
    h->greeted = true;
}

static void hmp_event(void *opaque, CharEvent ev)
{
    Hmp *h = opaque;

    switch (ev) {
    case CHAR_OPENED:
        readline_restart(h->rl);
        /* On a mux the greeting waits until the monitor comes into focus. */
        if (h->mon.fe.mux_index == 0) {
            hmp_greet(h);
            readline_show_prompt(h->rl);
        }
        break;
    case CHAR_MUX_IN:
        hmp_print(h, "\r\n");
        if (!h->greeted) {
            hmp_greet(h);
        }
        readline_show_prompt(h->rl);
        break;
    case CHAR_MUX_OUT: hmp_print(h, "\r\n"); break;
    case CHAR_CLOSED:
    case CHAR_BREAK: break;
    }
}

static const CharHandlers hmp_char_handlers = {
    .can_receive = hmp_can_receive,
    .receive = hmp_receive,
    .event = hmp_event,
};

const CharHandlers *hmp_handlers(void)
{
    return &hmp_char_handlers;
}

static void hmp_free(Monitor *mon)
{
    Hmp *h = (Hmp *)mon;

    readline_free(h->rl);
    g_free(h);
}

Monitor *hmp_new(Machine *m)
{
    Hmp *h = g_new0(Hmp, 1);

    h->mon.m = m;
    h->mon.free = hmp_free;
    h->rl = readline_new(hmp_print, hmp_line, h);
    return &h->mon;
}
