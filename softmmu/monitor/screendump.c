/* SPDX-License-Identifier: MIT */
/* screendump: what a console shows to a file, in HMP and QMP. */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "ui/console.h"

static bool format_by_name(const char *name, PictureFormat *out, Error **errp)
{
    static const char *const names[] = {[PICTURE_PPM] = "ppm", [PICTURE_PNG] = "png", NULL};

    *out = PICTURE_PPM;
    for (unsigned i = 0; name && names[i]; i++) {
        if (!strcmp(name, names[i])) {
            *out = i;
            return true;
        }
    }
    return !name || error_unknown_name(errp, "screendump: format", name, names);
}

/* @device is an id, a path or NULL for the first display device. */
static bool dump(Machine *m, const char *path, const char *format_name, const char *device,
                 int64_t head, Error **errp)
{
    Object *obj = NULL;
    PictureFormat format;
    Console *con;

    if (!format_by_name(format_name, &format, errp)) {
        return false;
    }
    if (device) {
        g_autofree char *place =
            *device == '/' ? g_strdup(device) : g_strdup_printf("/machine/peripheral/%s", device);

        obj = qom_resolve(qom_root(), place);
        if (!obj) {
            return error_fail(errp, "screendump: there is no device '%s'", device);
        }
    }
    con = head >= 0 && head <= INT32_MAX ? console_find(obj, (unsigned)head) : NULL;
    if (!con) {
        return error_fail(errp, "screendump: there is no console %" PRId64 " of %s", head,
                          device ? device : "any device");
    }
    return console_dump(con, path, format, errp);
}

static bool qmp_screendump(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    if (json_object_has_member(args, "head") && !qmp_arg_str(args, "device")) {
        return error_fail(errp, "screendump: 'head' needs 'device'");
    }
    return dump(m, qmp_arg_str(args, "filename"), qmp_arg_str(args, "format"),
                qmp_arg_str(args, "device"), qmp_arg_int(args, "head", 0), errp);
}

QMP_COMMAND(qmp_screendump_command, .name = "screendump", .run = qmp_screendump,
            .args = "{filename: str, *device: str, *head: int, *format: str}");

/* FILE [-f FORMAT] [DEVICE [HEAD]], in any order of the option. */
static void hmp_screendump(Machine *m, const char *args, GString *out)
{
    g_auto(GStrv) words = g_strsplit_set(args, " ", -1);
    const char *given[3] = {NULL}, *format = NULL;
    unsigned n = 0;
    Error *err = NULL;

    for (unsigned i = 0; words[i]; i++) {
        if (!strcmp(words[i], "-f") && words[i + 1]) {
            format = words[++i];
        } else if (*words[i] && n < G_N_ELEMENTS(given)) {
            given[n++] = words[i];
        }
    }
    if (!n) {
        g_string_append(out, "Error: screendump: to which file?\n");
    } else if (!dump(m, given[0], format, given[1],
                     given[2] ? g_ascii_strtoll(given[2], NULL, 10) : 0, &err)) {
        g_string_append_printf(out, "Error: %s\n", error_text(err));
        error_free(err);
    }
}

HMP_COMMAND(hmp_screendump_command, .name = "screendump",
            .args = "file [-f ppm|png] [device [head]]",
            .help = "write what a console shows to a file", .run = hmp_screendump);
