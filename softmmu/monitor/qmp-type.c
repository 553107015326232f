/* SPDX-License-Identifier: MIT */
/* Parsing the types of QMP tables, and checking arguments by them. Machine lock, main thread. */
#include "rhea/osdep.h"

#include "qmp-type.h"

extern const QmpNamedType *const __start_rhea_qmp_types[] __attribute__((weak));
extern const QmpNamedType *const __stop_rhea_qmp_types[] __attribute__((weak));

static const char *const builtin_names[] = {
    [QMP_STR] = "str",   [QMP_INT] = "int", [QMP_NUMBER] = "number",
    [QMP_BOOL] = "bool", [QMP_ANY] = "any",
};

/* --- Making types --- */

static QmpType *type_new(QmpKind kind)
{
    QmpType *t = g_new0(QmpType, 1);

    t->kind = kind;
    return t;
}

QmpType *qmp_type_new_enum(void)
{
    QmpType *t = type_new(QMP_ENUM);

    t->values = g_ptr_array_new();
    return t;
}

void qmp_type_add_value(QmpType *t, const char *value)
{
    g_ptr_array_add(t->values, g_strdup(value));
}

QmpType *qmp_type_new_object(void)
{
    QmpType *t = type_new(QMP_OBJECT);

    t->members = g_array_new(FALSE, FALSE, sizeof(QmpMember));
    return t;
}

void qmp_type_add_member(QmpType *t, const char *name, bool optional, QmpType *type)
{
    QmpMember m = {.name = g_strdup(name), .optional = optional, .type = type};

    g_array_append_val(t->members, m);
}

void qmp_type_add_variant(QmpType *t, const char *tag, const char *value, QmpType *variant)
{
    QmpMember m = {.name = g_strdup(value), .type = variant};

    if (!t->variants) {
        t->variants = g_array_new(FALSE, FALSE, sizeof(QmpMember));
    }
    t->tag = tag;
    g_array_append_val(t->variants, m);
}

/* --- Parsing --- */

static QmpType *parse_type(const char **p);

static void skip_blanks(const char **p)
{
    *p += strspn(*p, " \n");
}

static bool take(const char **p, char c)
{
    skip_blanks(p);
    if (**p != c) {
        return false;
    }
    ++*p;
    return true;
}

static char *take_word(const char **p)
{
    const char *start;

    skip_blanks(p);
    start = *p;
    while (g_ascii_isalnum(**p) || (**p && strchr("-_.+", **p))) {
        ++*p;
    }
    g_assert(*p > start);
    return g_strndup(start, *p - start);
}

static QmpType *parse_enum(const char **p)
{
    QmpType *t = qmp_type_new_enum();

    do {
        g_autofree char *value = take_word(p);

        qmp_type_add_value(t, value);
    } while (take(p, '|'));
    g_assert(take(p, '>'));
    return t;
}

static QmpType *parse_object(const char **p)
{
    QmpType *t = qmp_type_new_object();

    while (!take(p, '}')) {
        bool optional = take(p, '*');
        g_autofree char *name = take_word(p);

        if (!strcmp(name, "...")) {
            t->open = true;
            continue;
        }
        g_assert(take(p, ':'));
        qmp_type_add_member(t, name, optional, parse_type(p));
        take(p, ',');
    }
    return t;
}

static QmpType *find_named(const char *name)
{
    static GHashTable *made;

    if (!made) {
        made = g_hash_table_new(g_str_hash, g_str_equal);
        for (int kind = QMP_STR; kind <= QMP_ANY; kind++) {
            g_hash_table_insert(made, (char *)builtin_names[kind], type_new(kind));
        }
    }
    for (const QmpNamedType *const *n = __start_rhea_qmp_types;
         n < __stop_rhea_qmp_types && !g_hash_table_lookup(made, name); n++) {
        if (!strcmp((*n)->name, name)) {
            g_hash_table_insert(made, (char *)(*n)->name,
                                (*n)->build ? (*n)->build() : qmp_type_get((*n)->text));
        }
    }
    g_assert(g_hash_table_lookup(made, name));
    return g_hash_table_lookup(made, name);
}

static QmpType *parse_type(const char **p)
{
    g_autofree char *name = NULL;

    if (take(p, '{')) {
        return parse_object(p);
    }
    if (take(p, '<')) {
        return parse_enum(p);
    }
    if (take(p, '[')) {
        QmpType *t = type_new(QMP_ARRAY);

        t->element = parse_type(p);
        g_assert(take(p, ']'));
        return t;
    }
    name = take_word(p);
    return find_named(name);
}

QmpType *qmp_type_get(const char *text)
{
    static GHashTable *parsed;
    const char *p = text ? text : "{}";
    QmpType *t;

    if (!parsed) {
        parsed = g_hash_table_new(g_str_hash, g_str_equal);
    }
    t = g_hash_table_lookup(parsed, p);
    if (!t) {
        const char *key = p;

        t = parse_type(&p);
        skip_blanks(&p);
        g_assert(!*p);
        g_hash_table_insert(parsed, g_strdup(key), t);
    }
    return t;
}

/* --- Checking --- */

static bool check_value(QmpType *t, JsonNode *node, const char *path, Error **errp);

static const QmpMember *find_member(GArray *members, const char *name)
{
    for (guint i = 0; members && i < members->len; i++) {
        QmpMember *m = &g_array_index(members, QmpMember, i);

        if (!strcmp(m->name, name)) {
            return m;
        }
    }
    return NULL;
}

/* The further members that the tag's value asks for, or NULL. */
static QmpType *chosen_variant(QmpType *t, JsonObject *obj)
{
    JsonNode *tag = t->tag && obj ? json_object_get_member(obj, t->tag) : NULL;
    const QmpMember *m = NULL;

    if (tag && JSON_NODE_HOLDS_VALUE(tag) && json_node_get_value_type(tag) == G_TYPE_STRING) {
        m = find_member(t->variants, json_node_get_string(tag));
    }
    return m ? m->type : NULL;
}

/* "outer.inner", or "inner" at the top. */
static char *member_path(const char *path, const char *name)
{
    return *path ? g_strconcat(path, ".", name, NULL) : g_strdup(name);
}

static bool check_members(QmpType *t, JsonObject *obj, const char *path, Error **errp)
{
    for (guint i = 0; t && i < t->members->len; i++) {
        QmpMember *m = &g_array_index(t->members, QmpMember, i);
        JsonNode *node = obj ? json_object_get_member(obj, m->name) : NULL;
        g_autofree char *name = member_path(path, m->name);

        if (!node && !m->optional) {
            return error_fail(errp, "Parameter '%s' is missing", name);
        }
        if (node && !check_value(m->type, node, name, errp)) {
            return false;
        }
    }
    return true;
}

static bool check_object(QmpType *t, JsonObject *obj, const char *path, Error **errp)
{
    QmpType *variant = chosen_variant(t, obj);
    bool open = t->open || (variant && variant->open);
    JsonObjectIter it;
    const char *name;

    if (!check_members(t, obj, path, errp)) {
        return false;
    }
    if (obj && !open) {
        json_object_iter_init(&it, obj);
        while (json_object_iter_next(&it, &name, NULL)) {
            if (!find_member(t->members, name) &&
                !(variant && find_member(variant->members, name))) {
                g_autofree char *full = member_path(path, name);

                return error_fail(errp, "Parameter '%s' is unexpected", full);
            }
        }
    }
    return check_members(variant, obj, path, errp);
}

static bool check_array(QmpType *t, JsonArray *array, const char *path, Error **errp)
{
    for (guint i = 0; i < json_array_get_length(array); i++) {
        g_autofree char *item = g_strdup_printf("%s[%u]", path, i);

        if (!check_value(t->element, json_array_get_element(array, i), item, errp)) {
            return false;
        }
    }
    return true;
}

static bool is_kind(QmpKind kind, JsonNode *node)
{
    GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_INVALID;

    switch (kind) {
    case QMP_ANY: return true;
    case QMP_STR:
    case QMP_ENUM: return type == G_TYPE_STRING;
    case QMP_INT: return type == G_TYPE_INT64;
    case QMP_NUMBER: return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
    case QMP_BOOL: return type == G_TYPE_BOOLEAN;
    case QMP_ARRAY: return JSON_NODE_HOLDS_ARRAY(node);
    case QMP_OBJECT: return JSON_NODE_HOLDS_OBJECT(node);
    }
    return false;
}

static bool check_value(QmpType *t, JsonNode *node, const char *path, Error **errp)
{
    static const char *const expected[] = {
        [QMP_STR] = "string",    [QMP_ENUM] = "string",  [QMP_INT] = "integer",
        [QMP_NUMBER] = "number", [QMP_BOOL] = "boolean", [QMP_ARRAY] = "array",
        [QMP_OBJECT] = "object", [QMP_ANY] = "any",
    };

    if (!is_kind(t->kind, node)) {
        return error_fail(errp, "Invalid parameter type for '%s', expected: %s", path,
                          expected[t->kind]);
    }
    switch (t->kind) {
    case QMP_ENUM: {
        const char *value = json_node_get_string(node);

        return g_ptr_array_find_with_equal_func(t->values, value, g_str_equal, NULL) ||
               error_fail(errp, "Parameter '%s' does not accept value '%s'", path, value);
    }
    case QMP_ARRAY: return check_array(t, json_node_get_array(node), path, errp);
    case QMP_OBJECT: return check_object(t, json_node_get_object(node), path, errp);
    default: return true;
    }
}

bool qmp_type_check_args(QmpType *t, JsonObject *args, Error **errp)
{
    return check_object(t, args, "", errp);
}
