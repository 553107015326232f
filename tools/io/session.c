/* SPDX-License-Identifier: MIT */
/* Lines with commands, one after the other. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "io.h"
#include "rhea/report.h"

bool io_fail(Error *err)
{
    report("%s", error_text(err));
    error_free(err);
    return false;
}

bool io_failed(const char *what, int ret)
{
    printf("%s failed: %s\n", what, strerror(-ret));
    return false;
}

bool io_take_number(const char *text, uint64_t *out)
{
    Error *err = NULL;

    if (parse_size("number", text, 1, out, &err)) {
        return true;
    }
    printf("Parsing error: %s -- %s\n", error_text(err), text);
    error_free(err);
    return false;
}

bool io_check_count(const IoCommand *c, int count)
{
    if (count >= c->min_args && count <= c->max_args) {
        return true;
    }
    report("bad argument count %d to %s, expected %s %d arguments", count, c->name,
           count < c->min_args ? "at least" : "at most",
           count < c->min_args ? c->min_args : c->max_args);
    return false;
}

static const IoCommand *find(const char *name)
{
    const IoCommand *const tables[] = {io_image_commands, io_transfer_commands};

    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        for (const IoCommand *c = tables[t]; c->name; c++) {
            if (!strcmp(c->name, name) || (c->alias && !strcmp(c->alias, name))) {
                return c;
            }
        }
    }
    return NULL;
}

static bool run_words(IoSession *s, int argc, char **argv)
{
    const IoCommand *c = find(argv[0]);

    if (!c) {
        report("command \"%s\" not found", argv[0]);
        return false;
    }
    if (c->needs_image && !s->n) {
        report("no file open, try 'help open'");
        return false;
    }
    /* Options are the command's own affair, and it counts again without them. */
    if (argc - 1 < c->min_args || (argc - 1 > c->max_args && argv[1][0] != '-')) {
        return io_check_count(c, argc - 1);
    }
    optind = 0; /* glibc: from the beginning */
    return c->run(s, c, argc, argv);
}

static void run_line(IoSession *s, const char *line)
{
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) err = NULL;
    bool ok;
    int argc;

    if (g_shell_parse_argv(line, &argc, &words, &err)) {
        ok = run_words(s, argc, words);
    } else {
        ok = g_error_matches(err, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING);
        if (!ok) {
            report("%s", err->message);
        }
    }
    g_mutex_lock(&s->lock);
    s->status |= !ok;
    fflush(stdout);
    g_mutex_unlock(&s->lock);
}

/* Standard input, with a prompt on a terminal. */
static void run_input(IoSession *s)
{
    g_autofree char *line = NULL;
    bool prompt = isatty(STDIN_FILENO);
    size_t size = 0;

    while (!s->quit) {
        if (prompt) {
            printf("%s> ", g_get_prgname());
            fflush(stdout);
        }
        if (getline(&line, &size, stdin) <= 0) {
            break;
        }
        run_line(s, g_strchomp(line));
    }
}

int io_session(BlockNode *n, char *const *lines, unsigned n_lines)
{
    IoSession s = {.n = n};

    g_mutex_init(&s.lock);
    g_cond_init(&s.ended);
    for (unsigned i = 0; i < n_lines && !s.quit; i++) {
        run_line(&s, lines[i]);
    }
    if (!n_lines) {
        run_input(&s);
    }
    io_wait(&s);
    if (s.pool) {
        g_thread_pool_free(s.pool, FALSE, TRUE);
    }
    block_node_unref(s.n);
    g_mutex_clear(&s.lock);
    g_cond_clear(&s.ended);
    return s.status;
}
