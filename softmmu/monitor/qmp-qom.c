/* SPDX-License-Identifier: MIT */
/* QMP commands about the object tree: types, properties, devices and objects that come and go. */
#include "rhea/osdep.h"

#include "rhea/opts.h"
#include "softmmu/device-add.h"
#include "monitor-int.h"

/* --- Objects and properties --- */

QMP_TYPE(prop_info_type, .name = "ObjectPropertyInfo",
         .text = "{name: str, type: str, *description: str}");

static Object *find_object(const char *path, Error **errp)
{
    Object *obj = qom_resolve(qom_root(), path);

    if (!obj) {
        error_fail(errp, "Device '%s' not found", path);
    }
    return obj;
}

/* A wrapper has the properties of what it wraps as well. */
static void foreach_prop(const ObjectType *t, bool (*fn)(const PropDesc *, void *), void *opaque)
{
    qom_type_foreach_prop(t, fn, opaque);
    if (t->delegate) {
        qom_type_foreach_prop(qom_type_find(t->delegate), fn, opaque);
    }
}

static const PropDesc *find_prop(const ObjectType *t, const char *name)
{
    const PropDesc *p = qom_type_prop(t, name);

    return p || !t->delegate ? p : qom_type_prop(qom_type_find(t->delegate), name);
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
    Object *obj = find_object(qmp_arg_str(args, "path"), errp);
    JsonArray *list;

    if (!obj) {
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
    foreach_prop(obj->type, add_prop, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(qmp_qom_list_command, .name = "qom-list", .run = qmp_qom_list, .args = "{path: str}",
            .ret = "[ObjectPropertyInfo]");

JsonNode *qmp_prop_node(const PropDesc *p, const char *text)
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
    Object *obj = find_object(qmp_arg_str(args, "path"), errp);
    const char *prop = qmp_arg_str(args, "property");
    g_autofree char *text = obj ? qom_prop_get(obj, prop, errp) : NULL;

    if (text) {
        *ret = qmp_prop_node(find_prop(obj->type, prop), text);
    }
    return text != NULL;
}

QMP_COMMAND(qmp_qom_get_command, .name = "qom-get", .run = qmp_qom_get,
            .args = "{path: str, property: str}", .ret = "any");

char *qmp_scalar_text(JsonNode *node)
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

static bool qmp_qom_set(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    Object *obj = find_object(qmp_arg_str(args, "path"), errp);
    g_autofree char *text = qmp_scalar_text(json_object_get_member(args, "value"));

    if (obj && !text) {
        return error_fail(errp, "Invalid parameter type for 'value', expected: a scalar");
    }
    return obj && qom_prop_set(obj, qmp_arg_str(args, "property"), text, errp);
}

QMP_COMMAND(qmp_qom_set_command, .name = "qom-set", .run = qmp_qom_set,
            .args = "{path: str, property: str, value: any}");

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
    TypeList tl = {json_array_new(), qmp_arg_bool(args, "abstract", false)};

    qom_type_foreach(qmp_arg_str(args, "implements"), add_type, &tl);
    *ret = qmp_array(tl.list);
    return true;
}

QMP_COMMAND(qom_list_types_command, .name = "qom-list-types", .run = qom_list_types,
            .args = "{*implements: str, *abstract: bool}",
            .ret = "[{name: str, *abstract: bool, *parent: str}]");

static bool list_properties(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *type = qmp_arg_str(args, "typename");
    const ObjectType *t = qom_type_find(type);
    JsonArray *list;

    if (!t) {
        return error_fail(errp, "Device '%s' not found", type);
    }
    list = json_array_new();
    foreach_prop(t, add_prop, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(device_list_properties_command, .name = "device-list-properties",
            .run = list_properties, .args = "{typename: str}", .ret = "[ObjectPropertyInfo]");
QMP_COMMAND(qom_list_properties_command, .name = "qom-list-properties", .run = list_properties,
            .args = "{typename: str}", .ret = "[ObjectPropertyInfo]");

/* --- Devices and objects --- */

QMP_EVENT(device_deleted_event, "DEVICE_DELETED", "{*device: str, path: str}");

static bool qmp_device_add(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(Opts) o = qmp_args_to_opts("device_add", args, errp);

    return o && device_add_opts(m, o, true, errp);
}

QMP_COMMAND(qmp_device_add_command, .name = "device_add", .run = qmp_device_add,
            .args = "{driver: str, *bus: str, *id: str, ...}", .feature = "json-cli-hotplug");

static bool qmp_device_del(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return device_del(m, qmp_arg_str(args, "id"), errp);
}

QMP_COMMAND(qmp_device_del_command, .name = "device_del", .run = qmp_device_del,
            .args = "{id: str}");

/* The properties of one type of object, as members. */
static bool add_prop_member(const PropDesc *p, void *opaque)
{
    QmpType *t = opaque;

    if (p->read_only) {
        return true;
    }
    switch (p->kind) {
    case PROP_KIND_BOOL: qmp_type_add_member(t, p->name, true, qmp_type_get("bool")); break;
    case PROP_KIND_U8:
    case PROP_KIND_U16:
    case PROP_KIND_U32:
    case PROP_KIND_U64:
    case PROP_KIND_I32:
    case PROP_KIND_SIZE: qmp_type_add_member(t, p->name, true, qmp_type_get("int")); break;
    default: qmp_type_add_member(t, p->name, true, qmp_type_get("str"));
    }
    return true;
}

static void add_object_type(const ObjectType *t, void *opaque)
{
    if (!t->abstract && t->user_creatable) {
        g_ptr_array_add(opaque, (gpointer)t);
    }
}

/* What object-add takes: the type chooses the properties. */
static QmpType *build_object_options(void)
{
    QmpType *options = qmp_type_new_object(), *types = qmp_type_new_enum();
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    qmp_type_add_member(options, "qom-type", false, types);
    qmp_type_add_member(options, "id", false, qmp_type_get("str"));
    qom_type_foreach(NULL, add_object_type, list);
    for (guint i = 0; i < list->len; i++) {
        const ObjectType *t = g_ptr_array_index(list, i);
        QmpType *props = qmp_type_new_object();

        qom_type_foreach_prop(t, add_prop_member, props);
        qmp_type_add_value(types, t->name);
        qmp_type_add_variant(options, "qom-type", t->name, props);
    }
    return options;
}

QMP_TYPE(object_options_type, .name = "ObjectOptions", .build = build_object_options);

static bool qmp_object_add(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(Opts) o = qmp_args_to_opts("object-add", args, errp);

    return o && object_add_opts(o, errp);
}

QMP_COMMAND(qmp_object_add_command, .name = "object-add", .run = qmp_object_add,
            .args = "ObjectOptions");

static bool qmp_object_del(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return object_del(qmp_arg_str(args, "id"), errp);
}

QMP_COMMAND(qmp_object_del_command, .name = "object-del", .run = qmp_object_del,
            .args = "{id: str}");
