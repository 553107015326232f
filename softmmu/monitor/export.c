/* SPDX-License-Identifier: MIT */
/* Commands about exports of disks to others, in HMP and QMP. */
#include "rhea/osdep.h"

#include "block/block.h"
#include "block/export.h"
#include "monitor-int.h"
#include "rhea/fdset.h"

enum { MAX_CONNECTIONS = 100, HANDSHAKE_SECONDS = 10 };

/* --- The server --- */

static JsonObject *object_member(JsonObject *obj, const char *name)
{
    return json_object_has_member(obj, name) ? json_object_get_object_member(obj, name) : NULL;
}

/* {type: T, data: {...}}, as other commands have addresses too. */
static bool take_address(JsonObject *addr, ExportServerSpec *spec, Error **errp)
{
    const char *type = qmp_arg_str(addr, "type");
    JsonObject *data = object_member(addr, "data");

    if (!strcmp(type, "inet")) {
        spec->host = qmp_arg_str(data, "host");
        spec->port = qmp_arg_str(data, "port");
        return spec->port || error_fail(errp, "Parameter 'addr.data.port' is missing");
    }
    if (!strcmp(type, "unix")) {
        spec->path = qmp_arg_str(data, "path");
        return spec->path || error_fail(errp, "Parameter 'addr.data.path' is missing");
    }
    if (!qmp_arg_str(data, "str")) {
        return error_fail(errp, "Parameter 'addr.data.str' is missing");
    }
    spec->fd = fd_named_take(qmp_arg_str(data, "str"));
    return spec->fd >= 0 ||
           error_fail(errp, "there is no file descriptor named '%s'", qmp_arg_str(data, "str"));
}

static bool server_start(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    int64_t connections = qmp_arg_int(args, "max-connections", MAX_CONNECTIONS);
    int64_t seconds = qmp_arg_int(args, "handshake-max-seconds", HANDSHAKE_SECONDS);
    ExportServerSpec spec = {.fd = -1, .tls = qmp_arg_str(args, "tls-creds")};

    if (connections < 0 || connections > UINT32_MAX || seconds < 0 || seconds > UINT32_MAX) {
        return error_fail(errp, "'max-connections' and 'handshake-max-seconds' are from 0 to "
                                "4294967295");
    }
    spec.max_connections = (unsigned)connections;
    spec.handshake_seconds = (unsigned)seconds;
    return take_address(object_member(args, "addr"), &spec, errp) &&
           export_server_start(&spec, errp);
}

QMP_COMMAND(
    server_start_command, .name = "nbd-server-start", .run = server_start,
    .args = "{addr: {type: <inet|unix|fd>, data: {*host: str, *port: str, *path: str, "
            "*str: str}}, *tls-creds: str, *max-connections: int, *handshake-max-seconds: int}");

static bool server_stop(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return export_server_stop(errp);
}

QMP_COMMAND(server_stop_command, .name = "nbd-server-stop", .run = server_stop);

/* --- Exports --- */

static bool add_export(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    ExportSpec spec = {.id = qmp_arg_str(args, "id"),
                       .image = qmp_arg_str(args, "node-name"),
                       .name = qmp_arg_str(args, "name"),
                       .description = qmp_arg_str(args, "description"),
                       .writable = qmp_arg_bool(args, "writable", false),
                       .writethrough = qmp_arg_bool(args, "writethrough", false)};
    g_autoptr(GPtrArray) bitmaps = g_ptr_array_new();
    JsonArray *names = args && json_object_has_member(args, "bitmaps")
                           ? json_object_get_array_member(args, "bitmaps")
                           : NULL;

    for (guint i = 0; names && i < json_array_get_length(names); i++) {
        g_ptr_array_add(bitmaps, (char *)json_array_get_string_element(names, i));
    }
    g_ptr_array_add(bitmaps, NULL);
    spec.bitmaps = names ? (const char *const *)bitmaps->pdata : NULL;
    return export_add(&spec, errp);
}

QMP_COMMAND(add_export_command, .name = "block-export-add", .run = add_export,
            .args = "{type: <nbd>, id: str, node-name: str, *writable: bool, "
                    "*writethrough: bool, *name: str, *description: str, *bitmaps: [str]}");

static bool is_hard(JsonObject *args)
{
    return !g_strcmp0(qmp_arg_str(args, "mode"), "hard");
}

static bool del_export(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return export_del(qmp_arg_str(args, "id"), is_hard(args), errp);
}

QMP_COMMAND(del_export_command, .name = "block-export-del", .run = del_export,
            .args = "{id: str, *mode: <safe|hard>}");
QMP_EVENT(deleted_event, "BLOCK_EXPORT_DELETED", "{id: str}");

static void add_info(void *opaque, const ExportInfo *info)
{
    JsonObject *item = json_object_new();

    json_object_set_string_member(item, "id", info->id);
    json_object_set_string_member(item, "type", "nbd");
    json_object_set_string_member(item, "node-name", info->node);
    json_object_set_boolean_member(item, "shutting-down", false);
    json_array_add_object_element(opaque, item);
}

static bool query_exports(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    export_foreach(add_info, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_exports_command, .name = "query-block-exports", .run = query_exports,
            .ret = "[{id: str, type: <nbd>, node-name: str, shutting-down: bool}]");

/* The older commands: the export's id is its name. */
static bool server_add(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *device = qmp_arg_str(args, "device"), *name = qmp_arg_str(args, "name");
    ExportSpec spec = {.id = name ? name : device,
                       .image = device,
                       .name = name,
                       .description = qmp_arg_str(args, "description"),
                       .writable = qmp_arg_bool(args, "writable", false)};
    const char *bitmap[] = {qmp_arg_str(args, "bitmap"), NULL};

    spec.bitmaps = bitmap[0] ? bitmap : NULL;
    return export_add(&spec, errp);
}

QMP_COMMAND(server_add_command, .name = "nbd-server-add", .run = server_add,
            .args = "{device: str, *name: str, *description: str, *writable: bool, *bitmap: str}",
            .feature = "deprecated");

static bool server_remove(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return export_del(qmp_arg_str(args, "name"), is_hard(args), errp);
}

QMP_COMMAND(server_remove_command, .name = "nbd-server-remove", .run = server_remove,
            .args = "{name: str, *mode: <safe|hard>}", .feature = "deprecated");

/* --- HMP --- */

typedef struct ExportAll {
    bool writable, failed;
    GString *out;
} ExportAll;

static void export_drive(void *opaque, const BlockInfo *info)
{
    ExportAll *all = opaque;
    ExportSpec spec = {
        .id = info->drive, .image = info->drive, .writable = all->writable && !info->read_only};
    Error *err = NULL;

    if (!all->failed && info->driver) {
        all->failed = !export_add(&spec, &err);
        hmp_print_result(!all->failed, &err, all->out);
    }
}

static void hmp_server_start(Machine *m, const char *args, GString *out)
{
    enum { ALL = 1, WRITABLE = 2 };
    unsigned flags;
    g_auto(GStrv) words = hmp_words(args, "aw", &flags);
    ExportAll exports = {.writable = flags & WRITABLE, .out = out};
    ExportServerSpec spec = {
        .fd = -1, .max_connections = MAX_CONNECTIONS, .handshake_seconds = HANDSHAKE_SECONDS};
    char *colon = words[0] ? strrchr(words[0], ':') : NULL;
    Error *err = NULL;
    bool ok;

    if (!colon || words[1] || flags == WRITABLE) {
        g_string_append(out, "usage: nbd_server_start [-a [-w]] host:port|unix:path\n");
        return;
    }
    *colon = '\0';
    spec.host = words[0];
    spec.port = colon + 1;
    if (!strcmp(words[0], "unix")) {
        spec.path = colon + 1;
    }
    ok = export_server_start(&spec, &err);
    hmp_print_result(ok, &err, out);
    if (ok && flags & ALL) {
        blk_foreach_drive(export_drive, &exports);
    }
    if (exports.failed) {
        hmp_print_result(export_server_stop(&err), &err, out);
    }
}

HMP_COMMAND(hmp_server_start_command, .name = "nbd_server_start",
            .args = "[-a [-w]] host:port|unix:path",
            .help = "serve disks to NBD clients; -a: all there are, -w: to be written to",
            .run = hmp_server_start);

static void hmp_server_add(Machine *m, const char *args, GString *out)
{
    unsigned writable;
    g_auto(GStrv) words = hmp_words(args, "w", &writable);
    guint n = g_strv_length(words);
    ExportSpec spec = {.image = words[0], .writable = writable};
    Error *err = NULL;

    if (n < 1 || n > 2) {
        g_string_append(out, "usage: nbd_server_add [-w] device [name]\n");
        return;
    }
    spec.name = words[1];
    spec.id = words[n - 1];
    hmp_print_result(export_add(&spec, &err), &err, out);
}

HMP_COMMAND(hmp_server_add_command, .name = "nbd_server_add", .args = "[-w] device [name]",
            .help = "let NBD clients read (-w: and write) a disk", .run = hmp_server_add);

static void hmp_server_remove(Machine *m, const char *args, GString *out)
{
    unsigned hard;
    g_auto(GStrv) words = hmp_words(args, "f", &hard);
    Error *err = NULL;

    if (g_strv_length(words) != 1) {
        g_string_append(out, "usage: nbd_server_remove [-f] name\n");
        return;
    }
    hmp_print_result(export_del(words[0], hard, &err), &err, out);
}

HMP_COMMAND(hmp_server_remove_command, .name = "nbd_server_remove", .args = "[-f] name",
            .help = "end an export; -f: also one that has clients", .run = hmp_server_remove);

static void hmp_server_stop(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    hmp_print_result(export_server_stop(&err), &err, out);
}

HMP_COMMAND(hmp_server_stop_command, .name = "nbd_server_stop",
            .help = "end the NBD server and all exports", .run = hmp_server_stop);
