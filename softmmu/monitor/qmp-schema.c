/* SPDX-License-Identifier: MIT */
/*
 * query-qmp-schema: the description of the interface, from the tables of commands, events and types, in
 * the form that clients of QEMU read (its "introspection").  Types other than JSON's own have numbers for
 * names, as there: clients must not depend on them.  Machine lock, main thread.
 */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "qmp-type.h"

extern const QmpEvent *const __start_rhea_qmp_events[] __attribute__((weak));
extern const QmpEvent *const __stop_rhea_qmp_events[] __attribute__((weak));

typedef struct Schema {
    JsonArray *list;
    GPtrArray *visited; /* QmpType: to forget their ids afterwards */
    GHashTable *arrays; /* names that have their entry */
    unsigned next;
} Schema;

static const char *schema_type(Schema *s, QmpType *t);

static JsonObject *entry_new(Schema *s, const char *name, const char *meta_type)
{
    JsonObject *e = json_object_new();

    json_object_set_string_member(e, "name", name);
    json_object_set_string_member(e, "meta-type", meta_type);
    json_array_add_object_element(s->list, e);
    return e;
}

static void describe_enum(JsonObject *e, QmpType *t)
{
    JsonArray *members = json_array_new(), *values = json_array_new();

    for (guint i = 0; i < t->values->len; i++) {
        JsonObject *m = json_object_new();

        json_object_set_string_member(m, "name", g_ptr_array_index(t->values, i));
        json_array_add_object_element(members, m);
        json_array_add_string_element(values, g_ptr_array_index(t->values, i));
    }
    json_object_set_array_member(e, "members", members);
    json_object_set_array_member(e, "values", values);
}

static void describe_object(Schema *s, JsonObject *e, QmpType *t)
{
    JsonArray *members = json_array_new();

    for (guint i = 0; i < t->members->len; i++) {
        QmpMember *qm = &g_array_index(t->members, QmpMember, i);
        JsonObject *m = json_object_new();

        json_object_set_string_member(m, "name", qm->name);
        json_object_set_string_member(m, "type", schema_type(s, qm->type));
        if (qm->optional) {
            json_object_set_null_member(m, "default");
        }
        json_array_add_object_element(members, m);
    }
    json_object_set_array_member(e, "members", members);
    if (t->tag) {
        JsonArray *variants = json_array_new();

        for (guint i = 0; i < t->variants->len; i++) {
            QmpMember *qm = &g_array_index(t->variants, QmpMember, i);
            JsonObject *v = json_object_new();

            json_object_set_string_member(v, "case", qm->name);
            json_object_set_string_member(v, "type", schema_type(s, qm->type));
            json_array_add_object_element(variants, v);
        }
        json_object_set_string_member(e, "tag", t->tag);
        json_object_set_array_member(e, "variants", variants);
    }
}

/* JSON's own types keep their names. */
static bool describe_builtin(Schema *s, QmpType *t)
{
    static const struct {
        const char *name, *json;
    } builtin[] = {
        [QMP_STR] = {"str", "string"},       [QMP_INT] = {"int", "int"},
        [QMP_NUMBER] = {"number", "number"}, [QMP_BOOL] = {"bool", "boolean"},
        [QMP_ANY] = {"any", "value"},
    };
    JsonObject *e;

    if (t->kind > QMP_ANY) {
        return false;
    }
    t->id = g_strdup(builtin[t->kind].name);
    e = entry_new(s, t->id, "builtin");
    json_object_set_string_member(e, "json-type", builtin[t->kind].json);
    return true;
}

/* The name of the type in the description, which gets its entry on first use. */
static const char *schema_type(Schema *s, QmpType *t)
{
    JsonObject *e;

    if (t->id) {
        return t->id;
    }
    g_ptr_array_add(s->visited, t);
    if (describe_builtin(s, t)) {
        return t->id;
    }
    if (t->kind == QMP_ARRAY) {
        t->id = g_strdup_printf("[%s]", schema_type(s, t->element));
        if (g_hash_table_add(s->arrays, g_strdup(t->id))) {
            e = entry_new(s, t->id, "array");
            json_object_set_string_member(e, "element-type", t->element->id);
        }
        return t->id;
    }
    t->id = g_strdup_printf("%u", s->next++);
    e = entry_new(s, t->id, t->kind == QMP_ENUM ? "enum" : "object");
    if (t->kind == QMP_ENUM) {
        describe_enum(e, t);
    } else {
        describe_object(s, e, t);
    }
    return t->id;
}

static void describe_command(Schema *s, const QmpCommand *c)
{
    JsonObject *e = entry_new(s, c->name, "command");

    json_object_set_string_member(e, "arg-type", schema_type(s, qmp_type_get(c->args)));
    json_object_set_string_member(e, "ret-type", schema_type(s, qmp_type_get(c->ret)));
    if (c->feature) {
        JsonArray *features = json_array_new();

        json_array_add_string_element(features, c->feature);
        json_object_set_array_member(e, "features", features);
    }
}

static bool query_qmp_schema(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    Schema s = {
        .list = json_array_new(),
        .visited = g_ptr_array_new(),
        .arrays = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };

    for (const QmpCommand *const *c = __start_rhea_qmp; c < __stop_rhea_qmp; c++) {
        describe_command(&s, *c);
    }
    for (const QmpEvent *const *ev = __start_rhea_qmp_events; ev < __stop_rhea_qmp_events; ev++) {
        JsonObject *e = entry_new(&s, (*ev)->name, "event");

        json_object_set_string_member(e, "arg-type", schema_type(&s, qmp_type_get((*ev)->data)));
    }
    for (guint i = 0; i < s.visited->len; i++) {
        g_clear_pointer(&((QmpType *)g_ptr_array_index(s.visited, i))->id, g_free);
    }
    g_ptr_array_unref(s.visited);
    g_hash_table_unref(s.arrays);
    *ret = qmp_array(s.list);
    return true;
}

/* The entries' shape is given by their meta-type, which is more than a type here can say. */
QMP_COMMAND(query_qmp_schema_command, .name = "query-qmp-schema", .run = query_qmp_schema,
            .ret = "[{name: str, ...}]");

/* --- For people --- */

extern const QmpNamedType *const __start_rhea_qmp_types[] __attribute__((weak));
extern const QmpNamedType *const __stop_rhea_qmp_types[] __attribute__((weak));

static int line_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void append_sorted(GPtrArray *lines, GString *out)
{
    g_ptr_array_sort(lines, line_compare);
    for (guint i = 0; i < lines->len; i++) {
        g_string_append_printf(out, "%s\n", (char *)g_ptr_array_index(lines, i));
    }
    g_ptr_array_set_size(lines, 0);
}

static void info_qmp(Machine *m, const char *args, GString *out)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    for (const QmpCommand *const *c = __start_rhea_qmp; c < __stop_rhea_qmp; c++) {
        g_ptr_array_add(lines, g_strjoin("", (*c)->name, (*c)->args ? " " : "",
                                         (*c)->args ? (*c)->args : "", (*c)->ret ? " -> " : "",
                                         (*c)->ret ? (*c)->ret : "", NULL));
    }
    append_sorted(lines, out);
    g_string_append(out, "Events:\n");
    for (const QmpEvent *const *e = __start_rhea_qmp_events; e < __stop_rhea_qmp_events; e++) {
        g_ptr_array_add(lines, g_strjoin(" ", (*e)->name, (*e)->data, NULL));
    }
    append_sorted(lines, out);
    g_string_append(out, "Types that these name:\n");
    for (const QmpNamedType *const *t = __start_rhea_qmp_types; t < __stop_rhea_qmp_types; t++) {
        g_ptr_array_add(
            lines, g_strdup_printf("%s = %s", (*t)->name,
                                   (*t)->text ? (*t)->text : "(by kind; see query-qmp-schema)"));
    }
    append_sorted(lines, out);
}

HMP_COMMAND(info_qmp_command, .name = "info qmp",
            .help = "commands and events of QMP, with the types of their data", .run = info_qmp);
