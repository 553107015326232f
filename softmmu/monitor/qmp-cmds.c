/* SPDX-License-Identifier: MIT */
/* QMP commands about the VM, its devices and objects.  Names and answers are QEMU's. */
#include "rhea/osdep.h"

#include "accel/accel.h"
#include "rhea/json.h"
#include "rhea/opts.h"
#include "softmmu/device-add.h"
#include "softmmu/runstate.h"
#include "monitor-int.h"

/* --- Helpers --- */

static JsonNode *node_of_object(JsonObject *obj)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, obj);
    return node;
}

static JsonNode *node_of_array(JsonArray *array)
{
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);

    json_node_take_array(node, array);
    return node;
}

/* A string argument; absent (when optional) gives NULL, another type an error. */
static bool arg_string(JsonObject *args, const char *name, const char **out, Error **errp)
{
    JsonNode *node = args ? json_object_get_member(args, name) : NULL;

    *out = NULL;
    if (!node) {
        return true;
    }
    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING) {
        return error_fail(errp, "Invalid parameter type for '%s', expected: string", name);
    }
    *out = json_node_get_string(node);
    return true;
}

/* A JSON value as the text that properties take; NULL for what is no scalar. */
static char *scalar_text(JsonNode *node)
{
    GType t;

    if (!JSON_NODE_HOLDS_VALUE(node)) {
        return NULL;
    }
    t = json_node_get_value_type(node);
    if (t == G_TYPE_BOOLEAN) {
        return g_strdup(json_node_get_boolean(node) ? "on" : "off");
    }
    if (t == G_TYPE_INT64) {
        return g_strdup_printf("%" PRId64, json_node_get_int(node));
    }
    if (t == G_TYPE_DOUBLE) {
        return g_strdup_printf("%.17g", json_node_get_double(node));
    }
    return g_strdup(json_node_get_string(node));
}

/* --- Start --- */

static bool qmp_capabilities(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonNode *enable = args ? json_object_get_member(args, "enable") : NULL;

    if (enable &&
        (!JSON_NODE_HOLDS_ARRAY(enable) || json_array_get_length(json_node_get_array(enable)))) {
        return error_fail(errp, "Capability is not available (accepted: an empty list)");
    }
    return true;
}

static const char *const capabilities_args[] = {"*enable", NULL};

QMP_COMMAND(qmp_capabilities_command, .name = "qmp_capabilities", .run = qmp_capabilities,
            .args = capabilities_args, .before_capabilities = true);

static bool query_version(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new(), *qemu = json_object_new();
    int v[3] = {0};

    sscanf(RHEA_QEMU_VERSION, "%d.%d.%d", &v[0], &v[1], &v[2]);
    json_object_set_int_member(qemu, "major", v[0]);
    json_object_set_int_member(qemu, "minor", v[1]);
    json_object_set_int_member(qemu, "micro", v[2]);
    json_object_set_object_member(obj, "qemu", qemu);
    json_object_set_string_member(obj, "package", "rhea " RHEA_VERSION);
    *ret = node_of_object(obj);
    return true;
}

QMP_COMMAND(query_version_command, .name = "query-version", .run = query_version);

static int string_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool query_commands(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    JsonArray *list = json_array_new();

    for (const QmpCommand *const *c = __start_rhea_qmp; c < __stop_rhea_qmp; c++) {
        g_ptr_array_add(names, (char *)(*c)->name);
    }
    g_ptr_array_sort(names, string_compare);
    for (guint i = 0; i < names->len; i++) {
        JsonObject *item = json_object_new();

        json_object_set_string_member(item, "name", g_ptr_array_index(names, i));
        json_array_add_object_element(list, item);
    }
    *ret = node_of_array(list);
    return true;
}

QMP_COMMAND(query_commands_command, .name = "query-commands", .run = query_commands);

static bool query_name(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();

    if (m->name) {
        json_object_set_string_member(obj, "name", m->name);
    }
    *ret = node_of_object(obj);
    return true;
}

QMP_COMMAND(query_name_command, .name = "query-name", .run = query_name);

static bool query_uuid(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();

    json_object_set_string_member(obj, "UUID",
                                  m->uuid ? m->uuid : "00000000-0000-0000-0000-000000000000");
    *ret = node_of_object(obj);
    return true;
}

QMP_COMMAND(query_uuid_command, .name = "query-uuid", .run = query_uuid);

static bool query_target(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();
    const MachineOps *ops = machine_ops(m);

    if (!ops->arch) {
        ops = qom_type_ops(machine_type_default());
    }
    json_object_set_string_member(obj, "arch", ops->arch);
    *ret = node_of_object(obj);
    return true;
}

QMP_COMMAND(query_target_command, .name = "query-target", .run = query_target);

static bool query_kvm(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();
    Accel *a = machine_accel(m);

    json_object_set_boolean_member(obj, "enabled", a && !strcmp(a->ops->name, "kvm"));
    json_object_set_boolean_member(obj, "present", qom_type_find("kvm-accel") != NULL);
    *ret = node_of_object(obj);
    return true;
}

QMP_COMMAND(query_kvm_command, .name = "query-kvm", .run = query_kvm);

static void add_accel(const ObjectType *t, void *opaque)
{
    if (!t->abstract && g_str_has_suffix(t->name, "-accel")) {
        g_autofree char *name = g_strndup(t->name, strlen(t->name) - strlen("-accel"));

        json_array_add_string_element(opaque, name);
    }
}

static bool query_accelerators(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();
    JsonArray *present = json_array_new();
    Accel *a = machine_accel(m);

    qom_type_foreach(TYPE_ACCEL, add_accel, present);
    json_object_set_array_member(obj, "present", present);
    json_object_set_string_member(obj, "enabled", a->ops->name);
    *ret = node_of_object(obj);
    return true;
}

QMP_COMMAND(query_accelerators_command, .name = "query-accelerators", .run = query_accelerators);

/* --- Running --- */

static bool query_status(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();

    json_object_set_boolean_member(obj, "running", runstate_is_running(m));
    json_object_set_string_member(obj, "status", runstate_name(runstate_get(m)));
    *ret = node_of_object(obj);
    return true;
}

QMP_COMMAND(query_status_command, .name = "query-status", .run = query_status);

static bool qmp_stop(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    if (runstate_is_running(m)) {
        vm_stop(m, RUN_PAUSED);
    }
    return true;
}

QMP_COMMAND(qmp_stop_command, .name = "stop", .run = qmp_stop);

static bool qmp_cont(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    if (runstate_needs_reset(m)) {
        return error_fail(errp, "Resetting the Virtual Machine is required");
    }
    vm_start(m);
    return true;
}

QMP_COMMAND(qmp_cont_command, .name = "cont", .run = qmp_cont);

static bool qmp_quit(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    machine_request_shutdown(m, SHUTDOWN_HOST_QMP_QUIT, 0);
    return true;
}

QMP_COMMAND(qmp_quit_command, .name = "quit", .run = qmp_quit);

static bool qmp_system_reset(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    machine_request_reset(m, SHUTDOWN_HOST_QMP_SYSTEM_RESET);
    return true;
}

QMP_COMMAND(qmp_system_reset_command, .name = "system_reset", .run = qmp_system_reset);

static bool qmp_system_powerdown(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    machine_request_powerdown(m);
    return true;
}

QMP_COMMAND(qmp_system_powerdown_command, .name = "system_powerdown", .run = qmp_system_powerdown);

static bool qmp_set_action(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    static const char *const names[] = {"reboot", "shutdown", "panic"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value;
        g_autofree char *text = NULL;

        if (!arg_string(args, names[i], &value, errp)) {
            return false;
        }
        text = value ? g_strdup_printf("%s=%s", names[i], value) : NULL;
        if (text && !runstate_set_action(m, text, errp)) {
            return false;
        }
    }
    return true;
}

static const char *const set_action_args[] = {"*reboot", "*shutdown", "*panic", NULL};

QMP_COMMAND(qmp_set_action_command, .name = "set-action", .run = qmp_set_action,
            .args = set_action_args);

static bool qmp_human_monitor_command(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *line;
    g_autofree char *output = NULL;

    if (!arg_string(args, "command-line", &line, errp)) {
        return false;
    }
    output = monitor_run_hmp(m, line);
    *ret = json_node_init_string(json_node_alloc(), output);
    return true;
}

static const char *const human_args[] = {"command-line", "*cpu-index", NULL};

QMP_COMMAND(qmp_human_monitor_command_command, .name = "human-monitor-command",
            .run = qmp_human_monitor_command, .args = human_args);

/* --- CPUs, machines, chardevs --- */

static bool query_cpus_fast(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);
        g_autofree char *path = qom_path(&cpu->dev.obj);
        JsonObject *item = json_object_new();

        json_object_set_int_member(item, "cpu-index", cpu->index);
        json_object_set_string_member(item, "qom-path", path);
        json_object_set_int_member(item, "thread-id", cpu_thread_id(cpu));
        json_object_set_string_member(item, "target", machine_ops(m)->arch);
        json_array_add_object_element(list, item);
    }
    *ret = node_of_array(list);
    return true;
}

QMP_COMMAND(query_cpus_fast_command, .name = "query-cpus-fast", .run = query_cpus_fast);

static void add_machine(const ObjectType *t, void *opaque)
{
    const MachineOps *ops = qom_type_ops(t);
    g_autofree char *name = NULL;
    JsonObject *item;

    if (t->abstract) {
        return;
    }
    name = machine_type_name(t);
    item = json_object_new();
    json_object_set_string_member(item, "name", name);
    json_object_set_int_member(item, "cpu-max", ops->max_cpus);
    json_object_set_boolean_member(item, "hotpluggable-cpus", false);
    json_object_set_boolean_member(item, "numa-mem-supported", false);
    json_object_set_boolean_member(item, "deprecated", false);
    if (ops->is_default) {
        json_object_set_boolean_member(item, "is-default", true);
    }
    if (ops->aliases && ops->aliases[0]) {
        json_object_set_string_member(item, "alias", ops->aliases[0]);
    }
    if (ops->default_ram_id) {
        json_object_set_string_member(item, "default-ram-id", ops->default_ram_id);
    }
    json_object_set_boolean_member(item, "acpi", false);
    json_array_add_object_element(opaque, item);
}

static bool query_machines(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    qom_type_foreach(TYPE_MACHINE, add_machine, list);
    *ret = node_of_array(list);
    return true;
}

QMP_COMMAND(query_machines_command, .name = "query-machines", .run = query_machines);

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
    *ret = node_of_array(list);
    return true;
}

QMP_COMMAND(query_chardev_command, .name = "query-chardev", .run = query_chardev);

static bool ringbuf_read(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *id, *format;
    gint64 size = json_object_get_int_member_with_default(args, "size", -1);
    g_autoptr(GByteArray) data = NULL;
    g_autofree char *text = NULL;

    if (!arg_string(args, "device", &id, errp) || !arg_string(args, "format", &format, errp)) {
        return false;
    }
    if (size <= 0) {
        return error_fail(errp, "size must be greater than zero");
    }
    data = chr_ringbuf_read(id, (size_t)size, errp);
    if (!data) {
        return false;
    }
    text = format && !strcmp(format, "base64")
               ? g_base64_encode(data->data, data->len)
               : g_utf8_make_valid(data->len ? (char *)data->data : "", (gssize)data->len);
    *ret = json_node_init_string(json_node_alloc(), text);
    return true;
}

static const char *const ringbuf_args[] = {"device", "size", "*format", NULL};

QMP_COMMAND(ringbuf_read_command, .name = "ringbuf-read", .run = ringbuf_read,
            .args = ringbuf_args);

static bool chardev_remove(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *id;

    return arg_string(args, "id", &id, errp) && chr_remove(id, errp);
}

static const char *const id_args[] = {"id", NULL};

QMP_COMMAND(chardev_remove_command, .name = "chardev-remove", .run = chardev_remove,
            .args = id_args);

/* --- Objects and properties --- */

static Object *find_object(const char *path, Error **errp)
{
    Object *obj = path ? qom_resolve(qom_root(), path) : NULL;

    if (!obj) {
        error_fail(errp, "Device '%s' not found", path ? path : "");
    }
    return obj;
}

static const char *prop_type_name(PropKind kind)
{
    switch (kind) {
    case PROP_KIND_BOOL: return "bool";
    case PROP_KIND_U8: return "uint8";
    case PROP_KIND_U16: return "uint16";
    case PROP_KIND_U32: return "uint32";
    case PROP_KIND_U64: return "uint64";
    case PROP_KIND_I32: return "int32";
    case PROP_KIND_SIZE: return "size";
    case PROP_KIND_ONOFFAUTO: return "OnOffAuto";
    case PROP_KIND_STR:
    case PROP_KIND_ENUM:
    case PROP_KIND_LINK:
    case PROP_KIND_CUSTOM: break;
    }
    return "str";
}

static bool add_prop(const PropDesc *p, void *opaque)
{
    JsonObject *item = json_object_new();

    json_object_set_string_member(item, "name", p->name);
    json_object_set_string_member(item, "type", prop_type_name(p->kind));
    if (p->help) {
        json_object_set_string_member(item, "description", p->help);
    }
    json_array_add_object_element(opaque, item);
    return true;
}

static bool qmp_qom_list(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *path;
    JsonArray *list;
    Object *obj;

    if (!arg_string(args, "path", &path, errp) || !(obj = find_object(path, errp))) {
        return false;
    }
    list = json_array_new();
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        Object *child = g_ptr_array_index(obj->children, i);
        g_autofree char *type = g_strdup_printf("child<%s>", child->type->name);
        JsonObject *item = json_object_new();

        json_object_set_string_member(item, "name", child->name);
        json_object_set_string_member(item, "type", type);
        json_array_add_object_element(list, item);
    }
    qom_type_foreach_prop(obj->type, add_prop, list);
    *ret = node_of_array(list);
    return true;
}

static const char *const path_args[] = {"path", NULL};

QMP_COMMAND(qmp_qom_list_command, .name = "qom-list", .run = qmp_qom_list, .args = path_args);

/* The property's text as the JSON type of its kind. */
static JsonNode *prop_value_node(const PropDesc *p, const char *text)
{
    JsonNode *node = json_node_alloc();

    switch (p ? p->kind : PROP_KIND_STR) {
    case PROP_KIND_BOOL: return json_node_init_boolean(node, !strcmp(text, "on"));
    case PROP_KIND_U8:
    case PROP_KIND_U16:
    case PROP_KIND_U32:
    case PROP_KIND_U64:
    case PROP_KIND_SIZE: return json_node_init_int(node, (gint64)g_ascii_strtoull(text, NULL, 0));
    case PROP_KIND_I32: return json_node_init_int(node, g_ascii_strtoll(text, NULL, 0));
    case PROP_KIND_STR:
    case PROP_KIND_ENUM:
    case PROP_KIND_LINK:
    case PROP_KIND_ONOFFAUTO:
    case PROP_KIND_CUSTOM: break;
    }
    return json_node_init_string(node, text);
}

static bool qmp_qom_get(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *path, *prop;
    g_autofree char *text = NULL;
    Object *obj;

    if (!arg_string(args, "path", &path, errp) || !arg_string(args, "property", &prop, errp) ||
        !(obj = find_object(path, errp))) {
        return false;
    }
    text = qom_prop_get(obj, prop, errp);
    if (text) {
        *ret = prop_value_node(qom_type_prop(obj->type, prop), text);
    }
    return text != NULL;
}

static const char *const qom_get_args[] = {"path", "property", NULL};

QMP_COMMAND(qmp_qom_get_command, .name = "qom-get", .run = qmp_qom_get, .args = qom_get_args);

static bool qmp_qom_set(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *path, *prop;
    g_autofree char *text = NULL;
    Object *obj;

    if (!arg_string(args, "path", &path, errp) || !arg_string(args, "property", &prop, errp) ||
        !(obj = find_object(path, errp))) {
        return false;
    }
    text = scalar_text(json_object_get_member(args, "value"));
    if (!text) {
        return error_fail(errp, "Invalid parameter type for 'value', expected: a scalar");
    }
    return qom_prop_set(obj, prop, text, errp);
}

static const char *const qom_set_args[] = {"path", "property", "value", NULL};

QMP_COMMAND(qmp_qom_set_command, .name = "qom-set", .run = qmp_qom_set, .args = qom_set_args);

typedef struct TypeList {
    JsonArray *list;
    bool abstract;
} TypeList;

static void add_type(const ObjectType *t, void *opaque)
{
    TypeList *tl = opaque;
    JsonObject *item;

    if (t->abstract && !tl->abstract) {
        return;
    }
    item = json_object_new();
    json_object_set_string_member(item, "name", t->name);
    if (t->abstract) {
        json_object_set_boolean_member(item, "abstract", true);
    }
    if (t->parent) {
        json_object_set_string_member(item, "parent", t->parent);
    }
    json_array_add_object_element(tl->list, item);
}

static bool qom_list_types(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *implements;
    TypeList tl;

    if (!arg_string(args, "implements", &implements, errp)) {
        return false;
    }
    tl.list = json_array_new();
    tl.abstract = args && json_object_get_boolean_member_with_default(args, "abstract", FALSE);
    qom_type_foreach(implements, add_type, &tl);
    *ret = node_of_array(tl.list);
    return true;
}

static const char *const list_types_args[] = {"*implements", "*abstract", NULL};

QMP_COMMAND(qom_list_types_command, .name = "qom-list-types", .run = qom_list_types,
            .args = list_types_args);

static bool list_properties(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *type;
    const ObjectType *t;
    JsonArray *list;

    if (!arg_string(args, "typename", &type, errp)) {
        return false;
    }
    t = qom_type_find(type);
    if (!t) {
        return error_fail(errp, "Device '%s' not found", type);
    }
    list = json_array_new();
    qom_type_foreach_prop(t, add_prop, list);
    *ret = node_of_array(list);
    return true;
}

static const char *const typename_args[] = {"typename", NULL};

QMP_COMMAND(device_list_properties_command, .name = "device-list-properties",
            .run = list_properties, .args = typename_args);
QMP_COMMAND(qom_list_properties_command, .name = "qom-list-properties", .run = list_properties,
            .args = typename_args);

/* The arguments as an option list, as if they had stood on the command line. */
static Opts *args_to_opts(const char *what, JsonObject *args, Error **errp)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_set_object(node, args);
    text = json_text(node, false);
    return opts_parse(what, text, NULL, errp);
}

static bool qmp_device_add(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(Opts) o = args_to_opts("device_add", args, errp);

    return o && device_add_opts(m, o, true, errp);
}

static const char *const device_add_args[] = {"driver", "**", NULL};

QMP_COMMAND(qmp_device_add_command, .name = "device_add", .run = qmp_device_add,
            .args = device_add_args);

static bool qmp_device_del(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *id;

    return arg_string(args, "id", &id, errp) && device_del(m, id, errp);
}

QMP_COMMAND(qmp_device_del_command, .name = "device_del", .run = qmp_device_del, .args = id_args);

static bool qmp_object_add(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(Opts) o = args_to_opts("object-add", args, errp);

    return o && object_add_opts(o, errp);
}

static const char *const object_add_args[] = {"qom-type", "id", "**", NULL};

QMP_COMMAND(qmp_object_add_command, .name = "object-add", .run = qmp_object_add,
            .args = object_add_args);

static bool qmp_object_del(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *id;

    return arg_string(args, "id", &id, errp) && object_del(id, errp);
}

QMP_COMMAND(qmp_object_del_command, .name = "object-del", .run = qmp_object_del, .args = id_args);
