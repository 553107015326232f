/* SPDX-License-Identifier: MIT */
/*
 * QMP: JSON objects in, JSON objects out, one a line.  Peers are hostile: a message is at most
 * QMP_MAX_BYTES long and JSON_MAX_DEPTH deep, anything else is answered with an error and reading goes
 * on at the next line.
 */
#include "rhea/osdep.h"

#include "rhea/json.h"
#include "softmmu/runstate.h"
#include "monitor-int.h"
#include "qmp-type.h"

enum { QMP_MAX_BYTES = 16 * 1024 * 1024 };

typedef struct Qmp {
    Monitor mon;
    bool pretty;
    bool negotiated; /* qmp_capabilities was run */
    bool skip_line;  /* garbage: up to the next line feed */
    JsonFramer framer;
    GString *text; /* of the message so far */
} Qmp;

/* --- Output --- */

static void qmp_send(Qmp *q, JsonNode *node)
{
    g_autofree char *text = json_text(node, q->pretty);
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);

    chr_write_all(&q->mon.fe, line, strlen(line));
}

static void qmp_send_object(Qmp *q, JsonObject *obj)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, obj);
    qmp_send(q, node);
}

static void qmp_send_error(Qmp *q, JsonNode *id, const char *class, const char *desc)
{
    JsonObject *obj = json_object_new(), *error = json_object_new();

    json_object_set_string_member(error, "class", class);
    json_object_set_string_member(error, "desc", desc);
    json_object_set_object_member(obj, "error", error);
    if (id) {
        json_object_set_member(obj, "id", json_node_copy(id));
    }
    qmp_send_object(q, obj);
}

static void qmp_greet(Qmp *q)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(JsonNode) node = NULL;
    int v[3] = {0};

    sscanf(RHEA_QEMU_VERSION, "%d.%d.%d", &v[0], &v[1], &v[2]);
    {
        g_autofree char *text = g_strdup_printf(
            "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": %d, \"minor\": %d, \"major\": %d}, "
            "\"package\": \"rhea " RHEA_VERSION "\"}, \"capabilities\": []}}",
            v[2], v[1], v[0]);

        node = json_parse_limited(text, strlen(text), &err);
    }
    g_assert(node);
    qmp_send(q, node);
}

/* --- Dispatch --- */

static const QmpCommand *qmp_find(const char *name)
{
    for (const QmpCommand *const *c = __start_rhea_qmp; c < __stop_rhea_qmp; c++) {
        if (!strcmp((*c)->name, name)) {
            return *c;
        }
    }
    return NULL;
}

/* Clients tell what has gone from other errors by the class. */
static const char *qmp_error_class(const Error *err)
{
    const char *text = error_text(err);

    if (!g_str_has_suffix(text, "not found")) {
        return "GenericError";
    }
    return g_str_has_prefix(text, "Device '")      ? "DeviceNotFound"
           : g_str_has_prefix(text, "Block job '") ? "DeviceNotActive"
                                                   : "GenericError";
}

/* Whose command runs: for what came with it. Main thread. */
static Qmp *current;

int qmp_take_fd(void)
{
    return current ? chr_take_fd(&current->mon.fe) : -1;
}

static void qmp_run(Qmp *q, const QmpCommand *cmd, JsonObject *args, JsonNode *id)
{
    g_autoptr(Error) err = NULL;
    JsonNode *ret = NULL;
    JsonObject *answer;
    bool ok;

    current = q;
    ok = qmp_type_check_args(qmp_type_get(cmd->args), args, &err) &&
         (cmd->run ? cmd->run(q->mon.m, args, &ret, &err)
                   : cmd->run_like(q->mon.m, cmd->like, args, &err));
    current = NULL;
    if (!ok) {
        qmp_send_error(q, id, qmp_error_class(err), error_text(err));
        return;
    }
    answer = json_object_new();
    if (ret) {
        json_object_set_member(answer, "return", ret);
    } else {
        json_object_set_object_member(answer, "return", json_object_new());
    }
    if (id) {
        json_object_set_member(answer, "id", json_node_copy(id));
    }
    qmp_send_object(q, answer);
}

/* The command's name, after checking the shape of the message; NULL: *errp says why. */
static const char *qmp_check_message(JsonNode *root, JsonObject **args, Error **errp)
{
    JsonObject *obj;
    JsonNode *name, *arguments;
    JsonObjectIter it;
    const char *key;

    if (!JSON_NODE_HOLDS_OBJECT(root)) {
        error_fail(errp, "QMP input must be a JSON object");
        return NULL;
    }
    obj = json_node_get_object(root);
    json_object_iter_init(&it, obj);
    while (json_object_iter_next(&it, &key, NULL)) {
        if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id")) {
            error_fail(errp, "QMP input member '%s' is unexpected", key);
            return NULL;
        }
    }
    name = json_object_get_member(obj, "execute");
    if (!name) {
        error_fail(errp, "QMP input lacks member 'execute'");
        return NULL;
    }
    if (!JSON_NODE_HOLDS_VALUE(name) || json_node_get_value_type(name) != G_TYPE_STRING) {
        error_fail(errp, "QMP input member 'execute' must be a string");
        return NULL;
    }
    arguments = json_object_get_member(obj, "arguments");
    if (arguments && !JSON_NODE_HOLDS_OBJECT(arguments)) {
        error_fail(errp, "QMP input member 'arguments' must be an object");
        return NULL;
    }
    *args = arguments ? json_node_get_object(arguments) : NULL;
    return json_node_get_string(name);
}

static void qmp_execute(Qmp *q, JsonNode *root)
{
    g_autoptr(Error) err = NULL;
    JsonObject *args = NULL;
    const char *name = qmp_check_message(root, &args, &err);
    JsonNode *id = JSON_NODE_HOLDS_OBJECT(root)
                       ? json_object_get_member(json_node_get_object(root), "id")
                       : NULL;
    const QmpCommand *cmd;

    if (!name) {
        qmp_send_error(q, id, "GenericError", error_text(err));
        return;
    }
    cmd = qmp_find(name);
    if (!cmd || (q->negotiated && !strcmp(name, "qmp_capabilities"))) {
        g_autofree char *text = g_strdup_printf("The command %s has not been found", name);

        qmp_send_error(q, id, "CommandNotFound", text);
        return;
    }
    if (!q->negotiated && !cmd->before_capabilities) {
        qmp_send_error(q, id, "CommandNotFound",
                       "Expecting capabilities negotiation with 'qmp_capabilities'");
        return;
    }
    qmp_run(q, cmd, args, id);
    if (!strcmp(name, "qmp_capabilities")) {
        q->negotiated = true;
    }
}

static void qmp_message(Qmp *q)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(JsonNode) root = json_parse_limited(q->text->str, q->text->len, &err);

    if (root) {
        qmp_execute(q, root);
    } else {
        qmp_send_error(q, NULL, "GenericError", error_text(err));
    }
    g_string_truncate(q->text, 0);
}

/* --- Input --- */

static void qmp_bad_input(Qmp *q, const char *why)
{
    qmp_send_error(q, NULL, "GenericError", why);
    g_string_truncate(q->text, 0);
    memset(&q->framer, 0, sizeof(q->framer));
    q->skip_line = true;
}

static void qmp_input(Qmp *q, char c)
{
    if (q->skip_line) {
        q->skip_line = c != '\n';
        return;
    }
    if (!q->text->len && g_ascii_isspace(c)) {
        return;
    }
    g_string_append_c(q->text, c);
    switch (json_framer_push(&q->framer, c)) {
    case JSON_FRAME_MORE:
        if (q->text->len > QMP_MAX_BYTES) {
            qmp_bad_input(q, "JSON message is too long");
        }
        break;
    case JSON_FRAME_DONE: qmp_message(q); break;
    case JSON_FRAME_BAD:
        qmp_bad_input(q, q->framer.depth > JSON_MAX_DEPTH ? "JSON is nested too deeply"
                                                          : "Invalid JSON syntax");
        q->skip_line = c != '\n';
        break;
    }
}

static size_t qmp_can_receive(void *opaque)
{
    return 4096;
}

static void qmp_receive(void *opaque, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        qmp_input(opaque, (char)buf[i]);
    }
}

static void qmp_event(void *opaque, CharEvent ev)
{
    Qmp *q = opaque;

    if (ev == CHAR_OPENED) {
        q->negotiated = false;
        q->skip_line = false;
        memset(&q->framer, 0, sizeof(q->framer));
        g_string_truncate(q->text, 0);
        qmp_greet(q);
    }
}

static const CharHandlers qmp_char_handlers = {
    .can_receive = qmp_can_receive,
    .receive = qmp_receive,
    .event = qmp_event,
};

const CharHandlers *qmp_handlers(void)
{
    return &qmp_char_handlers;
}

/* --- Events --- */

static void qmp_emit(void *opaque, const char *event, const char *data_json)
{
    Qmp *q = opaque;
    int64_t now_us = g_get_real_time();
    JsonObject *obj, *stamp;

    if (!q->negotiated) {
        return;
    }
    obj = json_object_new();
    stamp = json_object_new();
    json_object_set_int_member(stamp, "seconds", now_us / G_USEC_PER_SEC);
    json_object_set_int_member(stamp, "microseconds", now_us % G_USEC_PER_SEC);
    json_object_set_object_member(obj, "timestamp", stamp);
    json_object_set_string_member(obj, "event", event);
    if (data_json) {
        JsonNode *data = json_parse_limited(data_json, strlen(data_json), NULL);

        g_assert(data); /* our own text */
        json_object_set_member(obj, "data", data);
    }
    qmp_send_object(q, obj);
}

/* --- Life --- */

static void qmp_free(Monitor *mon)
{
    Qmp *q = (Qmp *)mon;

    event_remove_sink(qmp_emit, q);
    g_string_free(q->text, TRUE);
    g_free(q);
}

Monitor *qmp_new(Machine *m, bool pretty)
{
    Qmp *q = g_new0(Qmp, 1);

    q->mon.m = m;
    q->mon.free = qmp_free;
    q->pretty = pretty;
    q->text = g_string_new(NULL);
    event_add_sink(qmp_emit, q);
    return &q->mon;
}
