/* SPDX-License-Identifier: MIT */
/* Properties: values between text and the fields of an instance, by the tables of its type. */
#include "rhea/osdep.h"

#include "qom/object.h"
#include "rhea/opts.h"

#include "qom-int.h"
#include "qom/device.h"

static void *prop_field(Object *obj, const PropDesc *p)
{
    return (char *)obj + p->offset;
}

/* --- Numbers --- */

static unsigned prop_bits(const PropDesc *p)
{
    switch (p->kind) {
    case PROP_KIND_U8: return 8;
    case PROP_KIND_U16: return 16;
    case PROP_KIND_U32:
    case PROP_KIND_I32: return 32;
    default: return 64;
    }
}

static void prop_store_number(Object *obj, const PropDesc *p, uint64_t v)
{
    void *field = prop_field(obj, p);

    switch (p->kind) {
    case PROP_KIND_BOOL: *(bool *)field = v; break;
    case PROP_KIND_U8: *(uint8_t *)field = v; break;
    case PROP_KIND_U16: *(uint16_t *)field = v; break;
    case PROP_KIND_U32: *(uint32_t *)field = v; break;
    case PROP_KIND_I32: *(int32_t *)field = v; break;
    case PROP_KIND_U64:
    case PROP_KIND_SIZE: *(uint64_t *)field = v; break;
    case PROP_KIND_ENUM:
    case PROP_KIND_ONOFFAUTO: *(int *)field = v; break;
    default: g_assert_not_reached();
    }
}

static bool parse_i64(const char *text, int64_t *v)
{
    bool negative = *text == '-';
    uint64_t magnitude;

    if (!parse_u64("", text + negative, INT64_MAX, &magnitude, NULL)) {
        return false;
    }
    *v = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

static bool prop_set_number(Object *obj, const PropDesc *p, const char *value)
{
    uint64_t max = UINT64_MAX >> (64 - prop_bits(p));
    int64_t i;
    uint64_t u;

    if (p->kind == PROP_KIND_I32) {
        if (!parse_i64(value, &i) || i < INT32_MIN || i > INT32_MAX) {
            return false;
        }
        u = (uint64_t)i;
    } else if (p->kind == PROP_KIND_SIZE) {
        if (!parse_size("", value, 1, &u, NULL)) {
            return false;
        }
    } else if (!parse_u64("", value, max, &u, NULL)) {
        return false;
    }
    prop_store_number(obj, p, u);
    return true;
}

/* --- Names --- */

static const char *const on_off_auto_names[] = {"auto", "on", "off", NULL};
static const char *const true_names[] = {"on", "yes", "true", "y", NULL};
static const char *const false_names[] = {"off", "no", "false", "n", NULL};

static bool prop_set_bool(Object *obj, const PropDesc *p, const char *value)
{
    bool on = g_strv_contains(true_names, value);

    if (!on && !g_strv_contains(false_names, value)) {
        return false;
    }
    prop_store_number(obj, p, on);
    return true;
}

static const char *const *prop_names(const PropDesc *p)
{
    return p->kind == PROP_KIND_ONOFFAUTO ? on_off_auto_names : p->names;
}

static bool prop_set_name(Object *obj, const PropDesc *p, const char *value)
{
    const char *const *names = prop_names(p);

    for (int i = 0; names[i]; i++) {
        if (g_str_equal(names[i], value)) {
            prop_store_number(obj, p, i);
            return true;
        }
    }
    return false;
}

/* --- Links --- */

static void prop_store_link(Object *obj, const PropDesc *p, Object *target)
{
    Object **field = prop_field(obj, p);
    Object *old = *field;

    *field = target ? qom_get_ref(target) : NULL;
    qom_put(old);
}

static bool prop_check_link(Object *obj, const PropDesc *p, Object *target, Error **errp)
{
    if (target && p->names && !qom_is(target, p->names[0])) {
        return error_fail(
            errp, "%s: property '%s' wants an object of type '%s', but '%s' is a '%s'",
            qom_display_name(obj), p->name, p->names[0], target->name, target->type->name);
    }
    return true;
}

/* A user names an object by id or by path. */
static Object *prop_find_target(const char *value)
{
    static const char *const homes[] = {"/objects", "/machine/peripheral", "/chardevs"};

    if (value[0] != '/') {
        for (unsigned i = 0; i < ARRAY_SIZE(homes); i++) {
            g_autofree char *path = g_strconcat(homes[i], "/", value, NULL);
            Object *found = qom_resolve(qom_root(), path);

            if (found) {
                return found;
            }
        }
    }
    return qom_resolve(qom_root(), value);
}

static bool prop_set_link_text(Object *obj, const PropDesc *p, const char *value, Error **errp)
{
    Object *target = NULL;

    if (*value) {
        target = prop_find_target(value);
        if (!target) {
            return error_fail(errp, "%s: property '%s': there is no object '%s'",
                              qom_display_name(obj), p->name, value);
        }
    }
    if (!prop_check_link(obj, p, target, errp)) {
        return false;
    }
    prop_store_link(obj, p, target);
    return true;
}

/* --- Messages and help --- */

const char *qom_prop_kind_name(const PropDesc *p)
{
    static const char *const kinds[] = {
        [PROP_KIND_BOOL] = "bool",
        [PROP_KIND_U8] = "uint8",
        [PROP_KIND_U16] = "uint16",
        [PROP_KIND_U32] = "uint32",
        [PROP_KIND_U64] = "uint64",
        [PROP_KIND_I32] = "int32",
        [PROP_KIND_SIZE] = "size",
        [PROP_KIND_STR] = "str",
        [PROP_KIND_ENUM] = "str",
        [PROP_KIND_LINK] = "str",
        [PROP_KIND_ONOFFAUTO] = "OnOffAuto",
        [PROP_KIND_CUSTOM] = "str",
    };

    return kinds[p->kind];
}

char *qom_prop_default_text(const PropDesc *p)
{
    switch (p->kind) {
    case PROP_KIND_BOOL: return g_strdup(p->def ? "true" : "false");
    case PROP_KIND_I32: return g_strdup_printf("%" PRId32, (int32_t)p->def);
    case PROP_KIND_STR: return p->def_str ? g_strdup_printf("\"%s\"", p->def_str) : NULL;
    case PROP_KIND_ENUM:
    case PROP_KIND_ONOFFAUTO: return g_strdup_printf("\"%s\"", prop_names(p)[p->def]);
    case PROP_KIND_LINK:
    case PROP_KIND_CUSTOM: return NULL;
    default: return g_strdup_printf("%" PRIu64, p->def);
    }
}

/* What a property takes, for messages. */
static char *prop_accepted(const PropDesc *p)
{
    switch (p->kind) {
    case PROP_KIND_BOOL: return g_strdup("on, off");
    case PROP_KIND_I32: return g_strdup_printf("a number from %d to %d", INT32_MIN, INT32_MAX);
    case PROP_KIND_SIZE: return g_strdup("a size in bytes, or with a suffix K, M, G, T, P or E");
    case PROP_KIND_ENUM:
    case PROP_KIND_ONOFFAUTO: return g_strjoinv(", ", (char **)prop_names(p));
    default:
        return g_strdup_printf("a number from 0 to %" PRIu64, UINT64_MAX >> (64 - prop_bits(p)));
    }
}

static bool collect_name(const PropDesc *p, void *opaque)
{
    if (!p->read_only) {
        g_ptr_array_add(opaque, (char *)p->name);
    }
    return true;
}

/* What @obj wraps, or NULL. */
static Object *prop_delegate(Object *obj)
{
    return obj->type->delegate ? *(Object **)((char *)obj + obj->type->delegate_offset) : NULL;
}

/* Property @name of *objp or of what it wraps, which then replaces *objp; NULL with an error. */
static const PropDesc *prop_find(Object **objp, const char *name, Error **errp)
{
    Object *obj = *objp, *inner = prop_delegate(obj);
    const PropDesc *p = qom_type_prop(obj->type, name);

    if (!p && inner && (p = qom_type_prop(inner->type, name))) {
        *objp = inner;
    }
    if (!p) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *what = g_strdup_printf("%s: property", qom_display_name(obj));

        qom_type_foreach_prop(obj->type, collect_name, names);
        if (inner) {
            qom_type_foreach_prop(inner->type, collect_name, names);
        }
        g_ptr_array_add(names, NULL);
        error_unknown_name(errp, what, name, (const char *const *)names->pdata);
    }
    return p;
}

static bool prop_check_settable(Object *obj, const PropDesc *p, Error **errp)
{
    if (p->read_only || (p->kind == PROP_KIND_CUSTOM && !p->set)) {
        return error_fail(errp, "%s: property '%s' cannot be set", qom_display_name(obj), p->name);
    }
    if (!p->runtime && qom_is(obj, TYPE_DEVICE) && ((Device *)obj)->realized) {
        return error_fail(errp, "%s: property '%s' cannot be changed while the device is in use",
                          qom_display_name(obj), p->name);
    }
    return true;
}

/* --- Setting and getting --- */

static bool prop_set_text(Object *obj, const PropDesc *p, const char *value, Error **errp)
{
    bool ok;

    switch (p->kind) {
    case PROP_KIND_CUSTOM: return p->set(obj, value, errp);
    case PROP_KIND_LINK: return prop_set_link_text(obj, p, value, errp);
    case PROP_KIND_STR:
        g_free(*(char **)prop_field(obj, p));
        *(char **)prop_field(obj, p) = g_strdup(value);
        return true;
    case PROP_KIND_BOOL: ok = prop_set_bool(obj, p, value); break;
    case PROP_KIND_ENUM:
    case PROP_KIND_ONOFFAUTO: ok = prop_set_name(obj, p, value); break;
    default: ok = prop_set_number(obj, p, value); break;
    }
    if (!ok) {
        g_autofree char *accepted = prop_accepted(p);
        const char *near = prop_names(p) ? nearest_name(value, prop_names(p)) : NULL;

        error_fail(errp, "%s: property '%s' does not take '%s'%s%s%s (accepted: %s)",
                   qom_display_name(obj), p->name, value, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "", accepted);
    }
    return ok;
}

bool qom_prop_set(Object *obj, const char *name, const char *value, Error **errp)
{
    const PropDesc *p = prop_find(&obj, name, errp);

    return p && prop_check_settable(obj, p, errp) && prop_set_text(obj, p, value, errp) &&
           (!p->check || p->check(obj, errp));
}

bool qom_prop_set_link(Object *obj, const char *name, Object *target, Error **errp)
{
    const PropDesc *p = prop_find(&obj, name, errp);

    if (!p || !prop_check_settable(obj, p, errp)) {
        return false;
    }
    if (p->kind != PROP_KIND_LINK) {
        return error_fail(errp, "%s: property '%s' is not a link", qom_display_name(obj), name);
    }
    if (!prop_check_link(obj, p, target, errp)) {
        return false;
    }
    prop_store_link(obj, p, target);
    return !p->check || p->check(obj, errp);
}

char *qom_prop_get(Object *obj, const char *name, Error **errp)
{
    const PropDesc *p = prop_find(&obj, name, errp);
    void *field;

    if (!p) {
        return NULL;
    }
    field = prop_field(obj, p);
    switch (p->kind) {
    case PROP_KIND_BOOL: return g_strdup(*(bool *)field ? "on" : "off");
    case PROP_KIND_U8: return g_strdup_printf("%u", *(uint8_t *)field);
    case PROP_KIND_U16: return g_strdup_printf("%u", *(uint16_t *)field);
    case PROP_KIND_U32: return g_strdup_printf("%" PRIu32, *(uint32_t *)field);
    case PROP_KIND_I32: return g_strdup_printf("%" PRId32, *(int32_t *)field);
    case PROP_KIND_U64:
    case PROP_KIND_SIZE: return g_strdup_printf("%" PRIu64, *(uint64_t *)field);
    case PROP_KIND_STR: return g_strdup(*(char **)field ? *(char **)field : "");
    case PROP_KIND_ENUM:
    case PROP_KIND_ONOFFAUTO: return g_strdup(prop_names(p)[*(int *)field]);
    case PROP_KIND_LINK: return *(Object **)field ? qom_path(*(Object **)field) : g_strdup("");
    case PROP_KIND_CUSTOM: break;
    }
    if (!p->get) {
        error_fail(errp, "%s: property '%s' cannot be read", qom_display_name(obj), name);
        return NULL;
    }
    return p->get(obj);
}

/* --- Life --- */

static bool prop_set_default(const PropDesc *p, void *opaque)
{
    Object *obj = opaque;

    if (p->kind == PROP_KIND_STR) {
        *(char **)prop_field(obj, p) = g_strdup(p->def_str);
    } else if (p->kind != PROP_KIND_LINK && p->kind != PROP_KIND_CUSTOM) {
        prop_store_number(obj, p, p->def);
    }
    return true;
}

void qom_props_init(Object *obj)
{
    qom_type_foreach_prop(obj->type, prop_set_default, obj);
}

static bool prop_release(const PropDesc *p, void *opaque)
{
    Object *obj = opaque;

    if (p->kind == PROP_KIND_STR) {
        g_clear_pointer((char **)prop_field(obj, p), g_free);
    } else if (p->kind == PROP_KIND_LINK) {
        prop_store_link(obj, p, NULL);
    }
    return true;
}

void qom_props_fini(Object *obj)
{
    qom_type_foreach_prop(obj->type, prop_release, obj);
}
