/* SPDX-License-Identifier: MIT */
/* Option lists and single option values; see rhea/opts.h for the syntax. */
#include "rhea/osdep.h"

#include "rhea/json.h"
#include "rhea/opts.h"

typedef struct OptPair {
    char *key, *value;
    bool bare; /* no '=': value is "on" */
    bool taken;
} OptPair;

struct Opts {
    char *what;
    GArray *pairs; /* OptPair */
};

static void opt_pair_clear(gpointer p)
{
    OptPair *pair = p;

    g_free(pair->key);
    g_free(pair->value);
}

static void opts_append(Opts *o, char *key, char *value, bool bare)
{
    OptPair pair = {.key = key, .value = value, .bare = bare};

    g_array_append_val(o->pairs, pair);
}

/* --- Key=value syntax --- */

/* The text up to a single comma, ",," standing for one; *p is left behind the comma. */
static char *opts_item(const char **p)
{
    GString *s = g_string_new(NULL);
    const char *c = *p;

    for (; *c; c++) {
        if (*c == ',') {
            if (c[1] != ',') {
                c++;
                break;
            }
            c++;
        }
        g_string_append_c(s, *c);
    }
    *p = c;
    return g_string_free(s, FALSE);
}

static bool opts_parse_list(Opts *o, const char *text, const char *implied_key, Error **errp)
{
    const char *p = text;
    bool first = true;

    while (*p) {
        /* The key ends at '=' or ','; only a value may hold doubled commas. */
        size_t len = strcspn(p, "=,");

        if (p[len] == '=') {
            char *key = g_strndup(p, len);

            if (!len) {
                g_free(key);
                return error_fail(errp, "%s: '%s': a name is missing before '='", o->what, text);
            }
            p += len + 1;
            opts_append(o, key, opts_item(&p), false);
        } else if (first && implied_key) {
            opts_append(o, g_strdup(implied_key), opts_item(&p), false);
        } else {
            char *key = opts_item(&p);

            if (*key) {
                opts_append(o, key, g_strdup("on"), true);
            } else {
                g_free(key);
                return error_fail(errp, "%s: '%s': an item is empty", o->what, text);
            }
        }
        first = false;
    }
    return true;
}

/* --- JSON syntax --- */

static void opts_flatten(Opts *o, const char *key, JsonNode *node);

static void opts_flatten_object(Opts *o, const char *key, JsonObject *obj)
{
    JsonObjectIter it;
    const char *name;
    JsonNode *member;

    json_object_iter_init(&it, obj);
    while (json_object_iter_next(&it, &name, &member)) {
        g_autofree char *full = *key ? g_strconcat(key, ".", name, NULL) : g_strdup(name);

        opts_flatten(o, full, member);
    }
}

/* Lists of texts are written [{"str": TEXT}, ...]; on the command line the key is repeated. */
static JsonNode *opts_list_text(JsonNode *item)
{
    JsonObject *obj = JSON_NODE_HOLDS_OBJECT(item) ? json_node_get_object(item) : NULL;

    return obj && json_object_get_size(obj) == 1 ? json_object_get_member(obj, "str") : NULL;
}

static void opts_flatten(Opts *o, const char *key, JsonNode *node)
{
    if (JSON_NODE_HOLDS_NULL(node)) {
        opts_append(o, g_strdup(key), g_strdup(""), false);
    } else if (JSON_NODE_HOLDS_OBJECT(node)) {
        opts_flatten_object(o, key, json_node_get_object(node));
    } else if (JSON_NODE_HOLDS_ARRAY(node)) {
        JsonArray *a = json_node_get_array(node);

        for (guint i = 0; i < json_array_get_length(a); i++) {
            JsonNode *item = json_array_get_element(a, i), *text = opts_list_text(item);
            g_autofree char *full = g_strdup_printf("%s.%u", key, i);

            opts_flatten(o, text ? key : full, text ? text : item);
        }
    } else if (JSON_NODE_HOLDS_VALUE(node)) {
        GType t = json_node_get_value_type(node);
        char *value = t == G_TYPE_BOOLEAN  ? g_strdup(json_node_get_boolean(node) ? "on" : "off")
                      : t == G_TYPE_INT64  ? g_strdup_printf("%" PRId64, json_node_get_int(node))
                      : t == G_TYPE_DOUBLE ? g_strdup_printf("%.17g", json_node_get_double(node))
                                           : g_strdup(json_node_get_string(node));

        opts_append(o, g_strdup(key), value, false);
    }
}

static bool opts_parse_json(Opts *o, const char *text, Error **errp)
{
    g_autoptr(JsonNode) root = json_parse_limited(text, strlen(text), errp);

    if (!root) {
        error_prepend(errp, "%s: ", o->what);
        return false;
    }
    opts_flatten_object(o, "", json_node_get_object(root));
    return true;
}

Opts *opts_parse(const char *what, const char *text, const char *implied_key, Error **errp)
{
    Opts *o = g_new0(Opts, 1);

    o->what = g_strdup(what);
    o->pairs = g_array_new(FALSE, FALSE, sizeof(OptPair));
    g_array_set_clear_func(o->pairs, opt_pair_clear);
    if (!(*text == '{' ? opts_parse_json(o, text, errp)
                       : opts_parse_list(o, text, implied_key, errp))) {
        opts_free(o);
        return NULL;
    }
    return o;
}

Opts *opts_new(const char *what)
{
    return opts_parse(what, "", NULL, NULL);
}

void opts_add(Opts *o, const char *key, const char *value)
{
    opts_append(o, g_strdup(key), g_strdup(value), false);
}

Opts *opts_copy(const Opts *o, const char *const *without)
{
    Opts *copy = opts_new(o->what);

    for (guint i = 0; i < o->pairs->len; i++) {
        const OptPair *pair = &g_array_index(o->pairs, OptPair, i);

        if (!without || !g_strv_contains(without, pair->key)) {
            opts_append(copy, g_strdup(pair->key), g_strdup(pair->value), pair->bare);
        }
    }
    return copy;
}

Opts *opts_take_sub(Opts *o, const char *key)
{
    g_autofree char *prefix = g_strconcat(key, ".", NULL);
    g_autofree char *what = g_strdup_printf("%s: %s", o->what, key);
    Opts *sub = opts_new(what);

    for (guint i = 0; i < o->pairs->len; i++) {
        OptPair *pair = &g_array_index(o->pairs, OptPair, i);

        if (!pair->taken && g_str_has_prefix(pair->key, prefix)) {
            pair->taken = true;
            opts_append(sub, g_strdup(pair->key + strlen(prefix)), g_strdup(pair->value),
                        pair->bare);
        }
    }
    return sub;
}

static bool opts_key_among(const char *key, const char *const *names)
{
    for (; *names; names++) {
        size_t len = strlen(*names);

        if (!strncmp(key, *names, len) && (!key[len] || key[len] == '.')) {
            return true;
        }
    }
    return false;
}

Opts *opts_select(const Opts *o, const char *const *names)
{
    Opts *some = opts_new(o->what);

    for (guint i = 0; i < o->pairs->len; i++) {
        OptPair *pair = &g_array_index(o->pairs, OptPair, i);

        if (!pair->taken && opts_key_among(pair->key, names)) {
            opts_append(some, g_strdup(pair->key), g_strdup(pair->value), pair->bare);
        }
    }
    return some;
}

bool opts_empty(const Opts *o)
{
    return o->pairs->len == 0;
}

void opts_free(Opts *o)
{
    if (o) {
        g_array_unref(o->pairs);
        g_free(o->what);
        g_free(o);
    }
}

const char *opts_what(const Opts *o)
{
    return o->what;
}

/* --- Taking values --- */

/* The value that @pair has for @key, or NULL when it is about something else. */
static const char *opt_pair_value(const OptPair *pair, const char *key)
{
    if (!strcmp(pair->key, key)) {
        return pair->value;
    }
    if (pair->bare && g_str_has_prefix(pair->key, "no") && !strcmp(pair->key + 2, key)) {
        return "off";
    }
    return NULL;
}

static const char *opts_lookup(Opts *o, const char *key, bool take)
{
    const char *found = NULL;

    for (guint i = 0; i < o->pairs->len; i++) {
        OptPair *pair = &g_array_index(o->pairs, OptPair, i);
        const char *value = opt_pair_value(pair, key);

        if (value) {
            found = value;
            pair->taken |= take;
        }
    }
    return found;
}

const char *opts_take(Opts *o, const char *key)
{
    return opts_lookup(o, key, true);
}

const char *opts_peek(Opts *o, const char *key)
{
    return opts_lookup(o, key, false);
}

const char *opts_take_next(Opts *o, const char *key, unsigned *iter)
{
    while (*iter < o->pairs->len) {
        OptPair *pair = &g_array_index(o->pairs, OptPair, (*iter)++);

        if (!strcmp(pair->key, key)) {
            pair->taken = true;
            return pair->value;
        }
    }
    return NULL;
}

static char *opts_describe(Opts *o, const char *key)
{
    return g_strdup_printf("%s: %s", o->what, key);
}

bool opts_take_bool(Opts *o, const char *key, bool *out, Error **errp)
{
    g_autofree char *what = opts_describe(o, key);
    const char *text = opts_take(o, key);

    return !text || parse_bool(what, text, out, errp);
}

bool opts_take_u64(Opts *o, const char *key, uint64_t max, uint64_t *out, Error **errp)
{
    g_autofree char *what = opts_describe(o, key);
    const char *text = opts_take(o, key);

    return !text || parse_u64(what, text, max, out, errp);
}

bool opts_take_size(Opts *o, const char *key, uint64_t *out, Error **errp)
{
    g_autofree char *what = opts_describe(o, key);
    const char *text = opts_take(o, key);

    return !text || parse_size(what, text, 1, out, errp);
}

bool opts_take_enum(Opts *o, const char *key, const char *const *names, int *out, Error **errp)
{
    g_autofree char *what = opts_describe(o, key);
    const char *text = opts_take(o, key);

    if (!text) {
        return true;
    }
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], text)) {
            *out = i;
            return true;
        }
    }
    return error_unknown_name(errp, what, text, names);
}

bool opts_foreach_rest(Opts *o,
                       bool (*fn)(const char *key, const char *value, void *opaque, Error **errp),
                       void *opaque, Error **errp)
{
    for (guint i = 0; i < o->pairs->len; i++) {
        OptPair *pair = &g_array_index(o->pairs, OptPair, i);

        if (!pair->taken) {
            pair->taken = true;
            if (!fn(pair->key, pair->value, opaque, errp)) {
                return false;
            }
        }
    }
    return true;
}

bool opts_check_names(Opts *o, const char *const *accepted, Error **errp)
{
    for (guint i = 0; i < o->pairs->len; i++) {
        OptPair *pair = &g_array_index(o->pairs, OptPair, i);
        bool known = pair->taken;

        for (const char *const *a = accepted; *a && !known; a++) {
            known = opt_pair_value(pair, *a) != NULL;
        }
        if (!known) {
            g_autofree char *what = g_strdup_printf("%s: option", o->what);

            return error_unknown_name(errp, what, pair->key, accepted);
        }
    }
    return true;
}

bool opts_done(Opts *o, const char *const *accepted, Error **errp)
{
    static const char *const nothing[] = {NULL};

    for (guint i = 0; i < o->pairs->len; i++) {
        OptPair *pair = &g_array_index(o->pairs, OptPair, i);

        if (!pair->taken) {
            g_autofree char *what = g_strdup_printf("%s: option", o->what);

            return error_unknown_name(errp, what, pair->key, accepted ? accepted : nothing);
        }
    }
    return true;
}

/* --- Single values --- */

bool parse_bool(const char *what, const char *text, bool *out, Error **errp)
{
    static const char *const on[] = {"on", "yes", "true", "y"};
    static const char *const off[] = {"off", "no", "false", "n"};

    for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
        if (!strcmp(text, on[i]) || !strcmp(text, off[i])) {
            *out = !strcmp(text, on[i]);
            return true;
        }
    }
    return error_fail(errp, "%s: '%s' is not a switch (accepted: on, off)", what, text);
}

bool parse_u64(const char *what, const char *text, uint64_t max, uint64_t *out, Error **errp)
{
    char *end;
    uint64_t v;

    errno = 0;
    v = g_ascii_strtoull(text, &end, 0);
    if (!g_ascii_isdigit(*text) || *end) {
        return error_fail(errp, "%s: '%s' is not a number", what, text);
    }
    if (errno || v > max) {
        return error_fail(errp, "%s: '%s' is too large (at most %" PRIu64 ")", what, text, max);
    }
    *out = v;
    return true;
}

bool parse_size(const char *what, const char *text, uint64_t unit, uint64_t *out, Error **errp)
{
    static const char suffixes[] = "bkmgtpe";
    char *end;
    uint64_t whole;
    double fraction = 0;
    const char *s;

    errno = 0;
    whole = g_ascii_strtoull(text, &end, g_str_has_prefix(text, "0x") ? 16 : 10);
    if (!g_ascii_isdigit(*text) || errno) {
        return error_fail(errp,
                          "%s: '%s' is not a size (accepted: a number with k, M, G, T, P "
                          "or E behind it)",
                          what, text);
    }
    if (*end == '.') {
        fraction = g_ascii_strtod(end, &end);
    }
    s = *end ? strchr(suffixes, g_ascii_tolower(*end)) : NULL;
    if (s) {
        unit = 1ULL << (10 * (s - suffixes));
        end++;
    }
    if (*end || (fraction != 0 && unit == 1)) {
        return error_fail(errp,
                          "%s: '%s' is not a size (accepted: a number with k, M, G, T, P "
                          "or E behind it)",
                          what, text);
    }
    if (whole > UINT64_MAX / unit ||
        whole * unit > UINT64_MAX - (uint64_t)(fraction * (double)unit)) {
        return error_fail(errp, "%s: '%s' is too large", what, text);
    }
    *out = whole * unit + (uint64_t)(fraction * (double)unit);
    return true;
}
