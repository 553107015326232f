/* SPDX-License-Identifier: MIT */
/* Parsing of the command line by the option tables, and -help from the same tables. */
#include "rhea/osdep.h"

#include "chardev/chardev.h"
#include "cmdline.h"

extern const OptionGroup *const __start_rhea_options[] __attribute__((weak));
extern const OptionGroup *const __stop_rhea_options[] __attribute__((weak));

typedef struct Given {
    const Option *option;
    char *name; /* as typed, with one dash */
    const char *arg;
} Given;

static GArray *given; /* Given, in order */

static int group_compare(const void *a, const void *b)
{
    return (*(const OptionGroup *const *)a)->order - (*(const OptionGroup *const *)b)->order;
}

/* In the order of -help; the caller frees. */
static const OptionGroup **sorted_groups(size_t *n)
{
    const OptionGroup **groups;

    *n = (size_t)(__stop_rhea_options - __start_rhea_options);
    groups = g_new(const OptionGroup *, *n);
    memcpy(groups, __start_rhea_options, *n * sizeof(*groups));
    qsort(groups, *n, sizeof(*groups), group_compare);
    return groups;
}

/* --- Parsing --- */

static bool option_has_name(const Option *o, const char *name)
{
    g_auto(GStrv) names = g_strsplit(o->names, "|", -1);

    return g_strv_contains((const char *const *)names, name);
}

static const Option *option_find(const char *name)
{
    for (const OptionGroup *const *g = __start_rhea_options; g < __stop_rhea_options; g++) {
        for (const Option *o = (*g)->options; o->names; o++) {
            if (option_has_name(o, name)) {
                return o;
            }
        }
    }
    return NULL;
}

static bool option_unknown(const char *arg, const char *name, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *near;

    for (const OptionGroup *const *g = __start_rhea_options; g < __stop_rhea_options; g++) {
        for (const Option *o = (*g)->options; o->names; o++) {
            g_auto(GStrv) split = g_strsplit(o->names, "|", -1);

            for (char **s = split; *s; s++) {
                g_ptr_array_add(names, g_strdup(*s));
            }
        }
    }
    g_ptr_array_add(names, NULL);
    near = nearest_name(name, (const char *const *)names->pdata);
    return error_fail(errp, "%s: invalid option%s%s%s (see -help)", arg,
                      near ? "; did you mean '-" : "", near ? near : "", near ? "'?" : "");
}

static void given_add(const Option *o, const char *name, const char *arg)
{
    Given g = {o, g_strconcat("-", name, NULL), arg};

    g_array_append_val(given, g);
}

bool cmdline_parse(int argc, char **argv, Error **errp)
{
    given = g_array_new(FALSE, FALSE, sizeof(Given));
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const Option *o;

        if (!*name) {
            continue; /* some scripts pass an empty argument */
        }
        if (*name != '-') {
            o = option_find("hda");
            if (!o) {
                return error_fail(errp, "'%s': this machine takes no disk image by position", name);
            }
            given_add(o, "hda", name);
            continue;
        }
        name += name[1] == '-' ? 2 : 1;
        o = option_find(name);
        if (!o) {
            return option_unknown(argv[i], name, errp);
        }
        if (o->arg && i + 1 >= argc) {
            return error_fail(errp, "%s: requires an argument (%s)", argv[i], o->arg);
        }
        given_add(o, name, o->arg ? argv[++i] : NULL);
    }
    return true;
}

bool cmdline_run(Setup *s, OptionPhase phase, Error **errp)
{
    for (guint i = 0; i < given->len; i++) {
        Given *g = &g_array_index(given, Given, i);

        if (g->option->phase == phase && !g->option->run(s, g->arg, errp)) {
            /* Parsers that know the option's name have said it already. */
            if (errp && *errp && !g_str_has_prefix(error_text(*errp), g->name)) {
                error_prepend(errp, "%s%s%s: ", g->name, g->arg ? " " : "", g->arg ? g->arg : "");
            }
            return false;
        }
    }
    return true;
}

void cmdline_exit_ok(void)
{
    chr_restore_terminal();
    exit(fflush(stdout) ? 1 : 0);
}

void cmdline_foreach_option(void (*fn)(const Option *o, void *opaque), void *opaque)
{
    size_t n;
    g_autofree const OptionGroup **groups = sorted_groups(&n);

    for (size_t i = 0; i < n; i++) {
        for (const Option *o = groups[i]->options; o->names; o++) {
            fn(o, opaque);
        }
    }
}

/* --- Help --- */

void cmdline_print_version(FILE *out)
{
    fprintf(out, "QEMU emulator version " RHEA_QEMU_VERSION " (rhea " RHEA_VERSION ")\n"
                 "Rhea is a full-system emulator with QEMU's command line; MIT licence\n");
}

static void option_print(const Option *o, FILE *out)
{
    g_auto(GStrv) names = g_strsplit(o->names, "|", -1);
    g_auto(GStrv) lines = g_strsplit(o->help, "\n", -1);
    g_autoptr(GString) left = g_string_new(NULL);

    for (char **n = names; *n; n++) {
        g_string_append_printf(left, "%s-%s", n == names ? "" : ", ", *n);
    }
    if (o->arg) {
        g_string_append_printf(left, " %s", o->arg);
    }
    if (left->len < 16) {
        fprintf(out, "%-15s %s\n", left->str, lines[0]);
    } else {
        fprintf(out, "%s\n%-15s %s\n", left->str, "", lines[0]);
    }
    for (char **l = lines + 1; *lines && *l; l++) {
        fprintf(out, "%-15s %s\n", "", *l);
    }
}

void cmdline_print_help(FILE *out)
{
    size_t n;
    g_autofree const OptionGroup **groups = sorted_groups(&n);

    cmdline_print_version(out);
    fprintf(out,
            "usage: %s [options] [disk_image]\n\n"
            "'disk_image' is a raw image of the first hard disk. Options are spelled as QEMU's;\n"
            "a comma inside a value is doubled.\n",
            g_get_prgname());
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "\n%s:\n", groups[i]->title);
        for (const Option *o = groups[i]->options; o->names; o++) {
            option_print(o, out);
        }
    }
    fprintf(out, "\nWith -nographic, Ctrl-A h shows the keys of the console, Ctrl-A x ends the "
                 "emulator and\nCtrl-A c switches to the monitor.\n");
}
