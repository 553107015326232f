/* SPDX-License-Identifier: MIT */
/* "-device help" and "-device X,help", in the layout that clients of QEMU parse. */
#include "rhea/osdep.h"

#include "qom/device.h"

#include "qom-int.h"

#define HELP_OTHER "Misc devices"

/* Headings in the order in which they are shown; a category that is not here comes last. */
static const char *const categories[] = {
    "Controller/Bridge/Hub devices",
    "USB devices",
    "Storage devices",
    "Network devices",
    "Input devices",
    "Display devices",
    "Sound devices",
    HELP_OTHER,
    "CPU devices",
    "Watchdog devices",
    NULL,
};

typedef struct DeviceHelp {
    FILE *out;
    const char *category;
    bool started; /* the heading has been printed */
} DeviceHelp;

static const char *help_category(const DeviceOps *ops)
{
    if (ops->category && g_strv_contains(categories, ops->category)) {
        return ops->category;
    }
    return HELP_OTHER;
}

static void help_print_device(const ObjectType *t, void *opaque)
{
    DeviceHelp *help = opaque;
    const DeviceOps *ops = qom_type_dev(t);
    const char *bus = device_type_bus(t);

    if (t->abstract || !ops->user_creatable || !g_str_equal(help_category(ops), help->category)) {
        return;
    }
    if (!help->started) {
        fprintf(help->out, "%s:\n", help->category);
        help->started = true;
    }
    fprintf(help->out, "name \"%s\"", t->name);
    if (bus) {
        fprintf(help->out, ", bus %s", bus);
    }
    if (g_str_has_prefix(t->name, "virtio-") && g_str_has_suffix(t->name, "-pci")) {
        fprintf(help->out, ", alias \"%.*s\"", (int)(strlen(t->name) - strlen("-pci")), t->name);
    }
    if (t->desc) {
        fprintf(help->out, ", desc \"%s\"", t->desc);
    }
    fputc('\n', help->out);
}

void device_print_help(FILE *out)
{
    bool first = true;

    for (const char *const *c = categories; *c; c++) {
        DeviceHelp help = {.out = out, .category = *c};
        g_autofree char *text = NULL;
        size_t len = 0;

        help.out = open_memstream(&text, &len);
        qom_type_foreach(TYPE_DEVICE, help_print_device, &help);
        fclose(help.out);
        if (help.started) {
            fprintf(out, "%s%s", first ? "" : "\n", text);
            first = false;
        }
    }
}

static bool help_collect_prop(const PropDesc *p, void *opaque)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autofree char *def = qom_prop_default_text(p);

    if (p->read_only) {
        return true;
    }
    g_string_printf(line, "  %s=<%s>", p->name, qom_prop_kind_name(p));
    if (p->help || def) {
        g_string_append_printf(line, "%*s - %s", MAX(0, 24 - (int)line->len), "",
                               p->help ? p->help : "");
    }
    if (def) {
        g_string_append_printf(line, " (default: %s)", def);
    }
    g_ptr_array_add(opaque, g_strdup(line->str));
    return true;
}

static int help_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool qom_print_props_help(const char *type_name, FILE *out, Error **errp)
{
    const ObjectType *t = qom_type_find(type_name);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    if (!t) {
        return error_fail(errp, "type '%s' is not known", type_name);
    }
    qom_type_foreach_prop(t, help_collect_prop, lines);
    if (t->delegate) {
        qom_type_foreach_prop(qom_type_find(t->delegate), help_collect_prop, lines);
    }
    g_ptr_array_sort(lines, help_compare);
    if (!lines->len) {
        fprintf(out, "There are no options for %s.\n", type_name);
        return true;
    }
    fprintf(out, "%s options:\n", type_name);
    for (unsigned i = 0; i < lines->len; i++) {
        fprintf(out, "%s\n", (const char *)lines->pdata[i]);
    }
    return true;
}

static void help_collect_type(const ObjectType *t, void *opaque)
{
    if (!t->abstract && qom_type_dev(t)->user_creatable) {
        g_ptr_array_add(opaque, (char *)t->name);
    }
}

bool device_check_type(const char *type_name, Error **errp)
{
    const ObjectType *t = qom_type_find(type_name);
    g_autoptr(GPtrArray) names = NULL;

    if (t && qom_type_is(t, TYPE_DEVICE) && !t->abstract) {
        if (qom_type_dev(t)->user_creatable) {
            return true;
        }
        return error_fail(errp, "device type '%s' is part of a machine and cannot be added",
                          type_name);
    }
    names = g_ptr_array_new();
    qom_type_foreach(TYPE_DEVICE, help_collect_type, names);
    g_ptr_array_add(names, NULL);
    return error_unknown_name(errp, "device type", type_name, (const char *const *)names->pdata);
}

bool device_print_props_help(const char *type_name, FILE *out, Error **errp)
{
    return device_check_type(type_name, errp) && qom_print_props_help(type_name, out, errp);
}
