/* SPDX-License-Identifier: MIT */
/* See fork-args.h. */
#include "rhea/osdep.h"

#include "rhea/opts.h"
#include "cmdline.h"
#include "fork-args.h"

/* --- Options of the machine's own --- */

static void fork_option_clear(gpointer p)
{
    g_free(((ForkOption *)p)->id);
}

static char *id_of(const Option *o, const char *arg)
{
    g_autoptr(Opts) opts = arg ? opts_parse(o->names, arg, "", NULL) : NULL;
    const char *id = opts ? opts_peek(opts, "id") : NULL;

    return g_strdup(id || !opts ? id : opts_peek(opts, "node-name"));
}

GArray *fork_options_parse(const char *const *words, Error **errp)
{
    g_autoptr(GArray) options = g_array_new(FALSE, FALSE, sizeof(ForkOption));

    g_array_set_clear_func(options, fork_option_clear);
    for (; *words; words++) {
        ForkOption f = {.name = *words};

        f.option = **words == '-' ? cmdline_find(*words) : NULL;
        if (!f.option || (f.option->arg && !words[1])) {
            error_fail(errp, "'%s' is no option%s", *words, f.option ? " without an argument" : "");
            return NULL;
        }
        f.arg = f.option->arg ? *++words : NULL;
        f.id = id_of(f.option, f.arg);
        g_array_append_val(options, f);
    }
    return g_steal_pointer(&options);
}

static const ForkOption *find_option(const GArray *options, const char *names, const char *id)
{
    for (guint i = 0; i < options->len; i++) {
        const ForkOption *f = &g_array_index(options, ForkOption, i);

        if (!strcmp(f->option->names, names) && (!id || !g_strcmp0(f->id, id))) {
            return f;
        }
    }
    return NULL;
}

bool fork_options_replace_disk(const GArray *options, const char *id)
{
    return find_option(options, "drive", id) || find_option(options, "blockdev", id);
}

/* --- The command line --- */

typedef struct Build {
    GPtrArray *argv;
    const GArray *options;
    GHashTable *placed; /* ForkOption * that stand where ours stood */
    char *number;
} Build;

/* @number NULL: nothing stands for it. */
static void add_words(Build *b, const char *name, const char *arg, const char *number)
{
    g_ptr_array_add(b->argv, g_strdup(name));
    if (arg && number) {
        g_auto(GStrv) parts = g_strsplit(arg, "{n}", -1);

        g_ptr_array_add(b->argv, g_strjoinv(number, parts));
    } else if (arg) {
        g_ptr_array_add(b->argv, g_strdup(arg));
    }
}

static void add_own(Build *b, const ForkOption *f)
{
    add_words(b, f->name, f->arg, b->number);
    g_hash_table_add(b->placed, (gpointer)f);
}

/* What is about this process, its terminal and its callers, or has taken effect in other options. */
static bool is_of_process(const Option *o)
{
    static const char *const names[] = {"serial",    "monitor",   "qmp",   "qmp-pretty", "mon",
                                        "nographic", "display",   "gdb",   "s",          "S",
                                        "D",         "loadvm",    "runas", "chroot",     "add-fd",
                                        "pidfile",   "daemonize", "set",   "readconfig", NULL};

    return g_strv_contains(names, o->names);
}

static void add_given(const Option *o, const char *name, const char *arg, void *opaque)
{
    g_autofree char *id = is_of_process(o) ? NULL : id_of(o, arg);
    Build *b = opaque;
    const ForkOption *f = id ? find_option(b->options, o->names, id) : NULL;

    if (f) {
        add_own(b, f);
    } else if (id && !strcmp(o->names, "chardev")) {
        /* The other end of ours has one machine to talk to. */
        g_autofree char *nobody = g_strdup_printf("null,id=%s", id);

        add_words(b, name, nobody, NULL);
    } else if (!is_of_process(o)) {
        add_words(b, name, arg, NULL);
    }
}

/* As many serial ports as this machine has: ports are hardware. */
static void add_serial_ports(Build *b, Machine *m)
{
    unsigned ports = 0;

    for (unsigned i = 0; i < MACHINE_SERIAL_PORTS; i++) {
        ports += machine_serial(m, i) != NULL;
    }
    for (guint i = 0; i < b->options->len; i++) {
        bool serial = !strcmp(g_array_index(b->options, ForkOption, i).option->names, "serial");

        ports -= serial && ports;
    }
    for (; ports; ports--) {
        add_words(b, "-serial", "null", NULL);
    }
}

char **fork_args(Machine *m, const GArray *options, unsigned n, const char *state)
{
    Build b = {.argv = g_ptr_array_new(), .options = options};

    b.placed = g_hash_table_new(NULL, NULL);
    b.number = g_strdup_printf("%u", n);
    g_ptr_array_add(b.argv, g_file_read_link("/proc/self/exe", NULL));
    cmdline_foreach_given(add_given, &b);
    for (guint i = 0; i < options->len; i++) {
        const ForkOption *f = &g_array_index(options, ForkOption, i);

        if (!g_hash_table_contains(b.placed, f)) {
            add_own(&b, f);
        }
    }
    add_serial_ports(&b, m);
    if (!m->graphics) {
        add_words(&b, "-machine", "graphics=off", NULL);
    }
    if (!find_option(options, "display", NULL)) {
        add_words(&b, "-display", "none", NULL);
    }
    add_words(&b, "-loadvm", state, NULL);
    g_ptr_array_add(b.argv, NULL);
    g_hash_table_unref(b.placed);
    g_free(b.number);
    return (char **)g_ptr_array_free(b.argv, FALSE);
}
