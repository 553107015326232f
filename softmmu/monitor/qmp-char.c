/* SPDX-License-Identifier: MIT */
/* QMP commands about character devices. */
#include "rhea/osdep.h"

#include "rhea/json.h"
#include "monitor-int.h"

/* The guest opens or closes a virtio serial port. */
QMP_EVENT(vserport_change_event, "VSERPORT_CHANGE", "{id: str, open: bool}");

/* --- Information --- */

static void add_chardev(void *opaque, const char *id, const char *where, bool open)
{
    JsonObject *item = json_object_new();
    g_autofree char *filename = g_strconcat(open ? "" : "disconnected:", where, NULL);

    json_object_set_string_member(item, "label", id);
    json_object_set_string_member(item, "filename", filename);
    json_object_set_boolean_member(item, "frontend-open", open);
    json_array_add_object_element(opaque, item);
}

static bool query_chardev(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    chr_foreach_info(add_chardev, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_chardev_command, .name = "query-chardev", .run = query_chardev,
            .ret = "[{label: str, filename: str, frontend-open: bool}]");

static bool query_chardev_backends(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(GPtrArray) names = chr_backend_names();
    JsonArray *list = json_array_new();

    for (guint i = 0; g_ptr_array_index(names, i); i++) {
        JsonObject *item = json_object_new();

        json_object_set_string_member(item, "name", g_ptr_array_index(names, i));
        json_array_add_object_element(list, item);
    }
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_chardev_backends_command, .name = "query-chardev-backends",
            .run = query_chardev_backends, .ret = "[{name: str}]");

/* --- Ring buffers --- */

static bool is_base64(JsonObject *args)
{
    return !g_strcmp0(qmp_arg_str(args, "format"), "base64");
}

static bool ringbuf_read(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    int64_t size = qmp_arg_int(args, "size", 0);
    g_autoptr(GByteArray) data = NULL;
    g_autofree char *text = NULL;

    if (size <= 0) {
        return error_fail(errp, "size must be greater than zero");
    }
    data = chr_ringbuf_read(qmp_arg_str(args, "device"), (size_t)size, errp);
    if (!data) {
        return false;
    }
    text = is_base64(args)
               ? g_base64_encode(data->data, data->len)
               : g_utf8_make_valid(data->len ? (char *)data->data : "", (gssize)data->len);
    *ret = qmp_string(text);
    return true;
}

QMP_COMMAND(ringbuf_read_command, .name = "ringbuf-read", .run = ringbuf_read,
            .args = "{device: str, size: int, *format: <utf8|base64>}", .ret = "str");

static bool ringbuf_write(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *text = qmp_arg_str(args, "data"), *id = qmp_arg_str(args, "device");
    g_autofree guchar *decoded = NULL;
    gsize len = strlen(text);

    if (is_base64(args)) {
        decoded = g_base64_decode(text, &len);
    }
    return chr_ringbuf_write(id, decoded ? decoded : (const uint8_t *)text, len, errp);
}

QMP_COMMAND(ringbuf_write_command, .name = "ringbuf-write", .run = ringbuf_write,
            .args = "{device: str, data: str, *format: <utf8|base64>}");

/* --- Adding and removing --- */

/*
 * What chardev-add takes, by kind of backend.  Members of the data are options of the same name but for
 * those that chardev_options[] lists.
 */
static const char *const chardev_data[][2] = {
    {"null", "{*logfile: str, *logappend: bool}"},
    {"pty", "{*logfile: str, *logappend: bool}"},
    {"stdio", "{*signal: bool, *logfile: str, *logappend: bool}"},
    {"file", "{out: str, *in: str, *append: bool, *logfile: str, *logappend: bool}"},
    {"pipe", "{device: str, *logfile: str, *logappend: bool}"},
    {"ringbuf", "{*size: int, *logfile: str, *logappend: bool}"},
    {"mux", "{chardev: str, *logfile: str, *logappend: bool}"},
    {"socket", "{addr: ChardevAddress, *server: bool, *wait: bool, *nodelay: bool, *telnet: bool, "
               "*reconnect: int, *reconnect-ms: int, *logfile: str, *logappend: bool}"},
};

static const struct {
    const char *member, *option;
} chardev_options[] = {{"out", "path"}, {"in", "input-path"}, {"device", "path"}, {"str", "fd"}};

static QmpType *build_tagged_data(const char *const (*kinds)[2], size_t n)
{
    QmpType *t = qmp_type_new_object(), *types = qmp_type_new_enum();

    qmp_type_add_member(t, "type", false, types);
    for (size_t i = 0; i < n; i++) {
        QmpType *variant = qmp_type_new_object();

        qmp_type_add_value(types, kinds[i][0]);
        qmp_type_add_member(variant, "data", false, qmp_type_get(kinds[i][1]));
        qmp_type_add_variant(t, "type", kinds[i][0], variant);
    }
    return t;
}

static QmpType *build_address(void)
{
    static const char *const kinds[][2] = {
        {"inet", "{host: str, port: str}"},
        {"unix", "{path: str, *abstract: bool}"},
        {"fd", "{str: str}"},
    };

    return build_tagged_data(kinds, ARRAY_SIZE(kinds));
}

QMP_TYPE(chardev_address_type, .name = "ChardevAddress", .build = build_address);

static QmpType *build_backend(void)
{
    return build_tagged_data(chardev_data, ARRAY_SIZE(chardev_data));
}

QMP_TYPE(chardev_backend_type, .name = "ChardevBackend", .build = build_backend);

/* Copies the members of @data to @flat under the names of options. */
static void flatten_data(JsonObject *data, JsonObject *flat)
{
    JsonObjectIter it;
    const char *name;
    JsonNode *node;

    json_object_iter_init(&it, data);
    while (json_object_iter_next(&it, &name, &node)) {
        const char *option = name;

        if (!strcmp(name, "addr")) {
            flatten_data(json_object_get_object_member(json_node_get_object(node), "data"), flat);
            continue;
        }
        for (size_t i = 0; i < ARRAY_SIZE(chardev_options); i++) {
            option = strcmp(name, chardev_options[i].member) ? option : chardev_options[i].option;
        }
        json_object_set_member(flat, option, json_node_copy(node));
    }
}

static void find_pty(void *opaque, const char *id, const char *where, bool open)
{
    const char **wanted = opaque; /* the id, then what it is connected to */

    if (!strcmp(id, wanted[0]) && g_str_has_prefix(where, "pty:")) {
        wanted[1] = g_intern_string(where + strlen("pty:"));
    }
}

static bool chardev_add(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *backend = json_object_get_object_member(args, "backend");
    g_autoptr(JsonNode) flat = json_node_new(JSON_NODE_OBJECT);
    const char *id = qmp_arg_str(args, "id"), *type = qmp_arg_str(backend, "type");
    const char *pty[2] = {id, NULL};
    JsonObject *obj = json_object_new();
    g_autofree char *text = NULL;

    json_node_take_object(flat, obj);
    json_object_set_string_member(obj, "backend", type);
    json_object_set_string_member(obj, "id", id);
    if (!strcmp(type, "socket")) { /* the command line's default is the other one */
        json_object_set_boolean_member(obj, "server", true);
        json_object_set_boolean_member(obj, "wait", false);
    }
    flatten_data(json_object_get_object_member(backend, "data"), obj);
    text = json_text(flat, false);
    if (!chr_new_opts(text, errp)) {
        return false;
    }
    obj = json_object_new();
    chr_foreach_info(find_pty, pty);
    if (pty[1]) {
        json_object_set_string_member(obj, "pty", pty[1]);
    }
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(chardev_add_command, .name = "chardev-add", .run = chardev_add,
            .args = "{id: str, backend: ChardevBackend}", .ret = "{*pty: str}");

static bool chardev_remove(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return chr_remove(qmp_arg_str(args, "id"), errp);
}

QMP_COMMAND(chardev_remove_command, .name = "chardev-remove", .run = chardev_remove,
            .args = "{id: str}");

static bool chardev_send_break(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return chr_break_guest(qmp_arg_str(args, "id"), errp);
}

QMP_COMMAND(chardev_send_break_command, .name = "chardev-send-break", .run = chardev_send_break,
            .args = "{id: str}");
