/* SPDX-License-Identifier: MIT */
/* Parsing of the command line by the option tables, and -help from the same tables. */
#include "rhea/osdep.h"

#include "chardev/chardev.h"
#include "rhea/opts.h"
#include "rhea/terminal.h"
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

/* --- Options about options --- */

/* A value in an option list: its commas are doubled. */
static char *quote_value(const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);

    return g_strjoinv(",,", parts);
}

static bool given_has_id(const Given *g, const char *id)
{
    g_autoptr(Opts) o = g->arg && *g->arg != '{' ? opts_parse(g->name, g->arg, "", NULL) : NULL;

    return o && !g_strcmp0(opts_peek(o, "id"), id);
}

/* -set GROUP.ID.KEY=VALUE: one more item for the option -GROUP that has id=ID. */
static bool set_in_given(const char *text, Error **errp)
{
    const char *eq = strchr(text, '=');
    g_autofree char *name = g_strndup(text, eq ? (gsize)(eq - text) : 0);
    g_auto(GStrv) part = g_strsplit(name, ".", 3);
    const Option *o;

    if (g_strv_length(part) != 3) {
        return error_fail(errp, "-set: '%s' is not GROUP.ID.KEY=VALUE", text);
    }
    o = option_find(part[0]);
    for (guint i = 0; o && i < given->len; i++) {
        Given *g = &g_array_index(given, Given, i);

        if (g->option == o && given_has_id(g, part[1])) {
            g_autofree char *value = quote_value(eq + 1);

            g->arg = g_strdup_printf("%s,%s=%s", g->arg, part[2], value);
            return true;
        }
    }
    return error_fail(errp, "-set %s: no -%s with id=%s stands before it", text, part[0], part[1]);
}

/* The option that a section of a configuration file stands for. */
static const Option *section_option(const char *group)
{
    static const char *const other[][2] = {
        {"smp-opts", "smp"}, {"memory", "m"}, {"boot-opts", "boot"}};

    for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
        group = strcmp(group, other[i][0]) ? group : other[i][1];
    }
    return option_find(group);
}

/* A configuration file in the making: the option of the present section and its items. */
typedef struct Config {
    const char *file;
    unsigned line;
    const Option *option;
    char *section;
    GString *items;
} Config;

static void config_end_section(Config *c)
{
    if (c->option) {
        given_add(c->option, c->section, g_strdup(c->items->str));
    }
    c->option = NULL;
    g_clear_pointer(&c->section, g_free);
    g_string_truncate(c->items, 0);
}

/* [group] or [group "id"] */
static bool config_begin_section(Config *c, const char *text, Error **errp)
{
    g_autofree char *group = g_malloc(strlen(text) + 1);
    g_autofree char *id = g_malloc0(strlen(text) + 1);
    int end = 0;

    config_end_section(c);
    if ((sscanf(text, "[ %[^] \"] \"%[^\"]\" ]%n", group, id, &end) != 2 || !end) &&
        (sscanf(text, "[ %[^] \"] ]%n", group, &end) != 1 || !end)) {
        return error_fail(errp, "-readconfig %s: line %u: '%s' is no section", c->file, c->line,
                          text);
    }
    c->option = section_option(group);
    if (!c->option || !c->option->arg) {
        return error_fail(errp, "-readconfig %s: line %u: there is no group '%s'", c->file, c->line,
                          group);
    }
    c->section = g_strdup(group);
    if (*id) {
        g_string_append_printf(c->items, "id=%s", id);
    }
    return true;
}

/* key = "value" */
static bool config_item(Config *c, const char *text, Error **errp)
{
    const char *eq = strchr(text, '=');
    g_autofree char *key = g_strstrip(g_strndup(text, eq ? (gsize)(eq - text) : 0));
    g_autofree char *value = g_strstrip(g_strdup(eq ? eq + 1 : ""));
    size_t len = strlen(value);
    g_autofree char *inner = NULL;
    g_autofree char *quoted = NULL;

    if (!*key || len < 2 || *value != '"' || value[len - 1] != '"') {
        return error_fail(errp, "-readconfig %s: line %u: '%s' is not KEY = \"VALUE\"", c->file,
                          c->line, text);
    }
    if (!c->option) {
        return error_fail(errp, "-readconfig %s: line %u: no section has begun", c->file, c->line);
    }
    inner = g_strndup(value + 1, len - 2);
    quoted = quote_value(inner);
    g_string_append_printf(c->items, "%s%s=%s", c->items->len ? "," : "", key, quoted);
    return true;
}

static bool read_config(const char *file, Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) gerr = NULL;
    g_autoptr(GString) items = g_string_new(NULL);
    Config c = {.file = file, .items = items};
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(file, &text, NULL, &gerr)) {
        return error_fail(errp, "-readconfig %s: %s", file, gerr->message);
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        const char *line = g_strstrip(*l);

        c.line++;
        if (*line && *line != '#' &&
            !(*line == '[' ? config_begin_section(&c, line, errp) : config_item(&c, line, errp))) {
            return false;
        }
    }
    config_end_section(&c);
    return true;
}

static bool run_nothing(Setup *s, const char *arg, Error **errp)
{
    return true; /* cmdline_parse() has done it */
}

static const Option meta_options[] = {
    {"set", "GROUP.ID.KEY=VALUE", PHASE_EARLY,
     "one more item for the option -GROUP with id=ID that stands before", run_nothing},
    {"readconfig", "FILE", PHASE_EARLY,
     "options from a file: sections [GROUP \"ID\"], in them KEY = \"VALUE\"", run_nothing},
    {.names = NULL},
};

OPTION_GROUP(meta_group, .title = "Options about options", .order = 90, .options = meta_options);

static bool run_meta(const Option *o, const char *arg, Error **errp)
{
    return o->run != run_nothing ||
           (!strcmp(o->names, "set") ? set_in_given(arg, errp) : read_config(arg, errp));
}

const Option *cmdline_find(const char *arg)
{
    return option_find(arg + (arg[1] == '-' ? 2 : 1));
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
        o = cmdline_find(name);
        name += name[1] == '-' ? 2 : 1;
        if (!o) {
            return option_unknown(argv[i], name, errp);
        }
        if (o->arg && i + 1 >= argc) {
            return error_fail(errp, "%s: requires an argument (%s)", argv[i], o->arg);
        }
        given_add(o, name, o->arg ? argv[++i] : NULL);
        if (!run_meta(o, argv[i], errp)) {
            return false;
        }
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
    terminal_restore();
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
