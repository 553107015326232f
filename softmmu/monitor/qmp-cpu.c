/* SPDX-License-Identifier: MIT */
/*
 * QMP commands about CPU models: which there are, and what one with its features comes to.  A model is
 * asked as an object that is resolved (DeviceOps.resolve) and thrown away.
 */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "target/cpu-ops.h"

/* A CPU type is called MODEL-ARCH-cpu. */
static char *cpu_model_name(const ObjectType *t)
{
    g_autofree char *stem = g_strndup(t->name, strlen(t->name) - strlen("-cpu"));
    const char *dash = strrchr(stem, '-');

    return g_strndup(stem, dash ? (gsize)(dash - stem) : strlen(stem));
}

typedef struct CpuSearch {
    const char *model;
    const ObjectType *type;
} CpuSearch;

static void match_cpu_model(const ObjectType *t, void *opaque)
{
    CpuSearch *search = opaque;
    g_autofree char *name = t->abstract ? NULL : cpu_model_name(t);

    if (name && !search->type && !strcmp(name, search->model)) {
        search->type = t;
    }
}

static const ObjectType *cpu_type_of_model(const char *model)
{
    CpuSearch search = {.model = model};

    qom_type_foreach(TYPE_CPU, match_cpu_model, &search);
    return search.type;
}

const char *qmp_cpu_type_name(const char *model)
{
    const ObjectType *t = cpu_type_of_model(model);

    return t ? t->name : NULL;
}

/* --- One model --- */

/* A CPU of type @t that nobody is warned about. */
static Object *new_quiet_cpu(const ObjectType *t)
{
    Object *obj = qom_new(t->name);

    if (qom_type_prop(t, "check") && !qom_prop_set(obj, "check", "off", NULL)) {
        qom_put(obj);
        return NULL;
    }
    return obj;
}

static bool set_props(Object *obj, JsonObject *props, Error **errp)
{
    g_autoptr(GList) names = props ? json_object_get_members(props) : NULL;

    for (GList *l = names; l; l = l->next) {
        g_autofree char *text = qmp_scalar_text(json_object_get_member(props, l->data));

        if (!text) {
            return error_fail(errp,
                              "Invalid parameter type for 'model.props.%s', expected: a scalar",
                              (const char *)l->data);
        }
        if (!qom_prop_set(obj, l->data, text, errp)) {
            return false;
        }
    }
    return true;
}

typedef struct PropList {
    Object *obj;
    JsonObject *out;
} PropList;

static bool add_prop(const PropDesc *p, void *opaque)
{
    PropList *list = opaque;
    g_autofree char *text = p->read_only ? NULL : qom_prop_get(list->obj, p->name, NULL);

    if (!text) {
        return true;
    }
    if (p->kind == PROP_KIND_ONOFFAUTO) {
        json_object_set_boolean_member(list->out, p->name, !strcmp(text, "on"));
    } else {
        json_object_set_member(list->out, p->name, qmp_prop_node(p, text));
    }
    return true;
}

/* What "model" in the arguments is: a CPU that was resolved, or NULL. */
static Object *cpu_of_model(Machine *m, JsonObject *model, Error **errp)
{
    const char *name = json_object_get_string_member(model, "name");
    const ObjectType *t = cpu_type_of_model(name);
    Object *obj = t ? new_quiet_cpu(t) : NULL;
    JsonNode *props = json_object_get_member(model, "props");

    if (!obj) {
        error_fail(errp, "unknown CPU model '%s'", name);
        return NULL;
    }
    if (props && !JSON_NODE_HOLDS_OBJECT(props)) {
        error_fail(errp, "Invalid parameter type for 'model.props', expected: object");
    } else if (set_props(obj, props ? json_node_get_object(props) : NULL, errp) &&
               device_resolve((Device *)obj, m, errp)) {
        return obj;
    }
    qom_put(obj);
    return NULL;
}

static bool query_cpu_model_expansion(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *model = json_object_get_object_member(args, "model"), *out, *wrapped;
    bool is_static = !strcmp(qmp_arg_str(args, "type"), "static");
    PropList list;

    /* A static expansion starts from a model without features. */
    if (is_static && !cpu_type_of_model("base")) {
        return error_fail(errp, "there is no static CPU model for this architecture: "
                                "'type' must be 'full'");
    }
    list = (PropList){.obj = cpu_of_model(m, model, errp)};
    if (!list.obj) {
        return false;
    }
    list.out = json_object_new();
    qom_type_foreach_prop(list.obj->type, add_prop, &list);
    qom_put(list.obj);
    out = json_object_new();
    json_object_set_string_member(
        out, "name", is_static ? "base" : json_object_get_string_member(model, "name"));
    json_object_set_object_member(out, "props", list.out);
    wrapped = json_object_new();
    json_object_set_object_member(wrapped, "model", out);
    *ret = json_node_init_object(json_node_alloc(), wrapped);
    json_object_unref(wrapped);
    return true;
}

QMP_COMMAND(query_cpu_model_expansion_command, .name = "query-cpu-model-expansion",
            .run = query_cpu_model_expansion,
            .args = "{type: <static|full>, model: {name: str, *props: any}}",
            .ret = "{model: {name: str, *props: any}}");

/* --- All of them --- */

/* Features of the model that are not modelled here; separated by commas in the property. */
static JsonArray *unavailable_features(Machine *m, const ObjectType *t)
{
    JsonArray *list = json_array_new();
    Object *obj = new_quiet_cpu(t);
    g_autofree char *text = NULL;

    if (obj && qom_type_prop(t, "unavailable-features") && device_resolve((Device *)obj, m, NULL)) {
        text = qom_prop_get(obj, "unavailable-features", NULL);
    }
    if (text && *text) {
        g_auto(GStrv) names = g_strsplit(text, ",", -1);

        for (char **name = names; *name; name++) {
            json_array_add_string_element(list, *name);
        }
    }
    if (obj) {
        qom_put(obj);
    }
    return list;
}

typedef struct DefinitionList {
    Machine *m;
    JsonArray *out;
} DefinitionList;

static void add_cpu_definition(const ObjectType *t, void *opaque)
{
    DefinitionList *list = opaque;
    g_autofree char *name = NULL;
    JsonObject *item;

    if (t->abstract || !g_str_has_suffix(t->name, "-cpu")) {
        return;
    }
    name = cpu_model_name(t);
    item = json_object_new();
    json_object_set_string_member(item, "name", name);
    json_object_set_string_member(item, "typename", t->name);
    json_object_set_boolean_member(item, "static", !strcmp(name, "base"));
    json_object_set_boolean_member(item, "deprecated", false);
    json_object_set_array_member(item, "unavailable-features", unavailable_features(list->m, t));
    json_array_add_object_element(list->out, item);
}

static bool query_cpu_definitions(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    DefinitionList list = {m, json_array_new()};

    qom_type_foreach(TYPE_CPU, add_cpu_definition, &list);
    *ret = qmp_array(list.out);
    return true;
}

QMP_COMMAND(query_cpu_definitions_command, .name = "query-cpu-definitions",
            .run = query_cpu_definitions,
            .ret = "[{name: str, typename: str, static: bool, deprecated: bool, "
                   "unavailable-features: [str]}]");
