/* SPDX-License-Identifier: MIT */
/*
 * The table of object types: the linker section rhea_types, indexed by name on first use.  Read-only
 * afterwards, so any thread may look types up.
 */
#include "rhea/osdep.h"

#include "qom/object.h"

#include "qom-int.h"

extern const ObjectType *const __start_rhea_types[];
extern const ObjectType *const __stop_rhea_types[];

static GHashTable *type_index_new(void)
{
    GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);

    for (const ObjectType *const *p = __start_rhea_types; p < __stop_rhea_types; p++) {
        bool fresh = g_hash_table_insert(index, (char *)(*p)->name, (ObjectType *)*p);

        g_assert(fresh); /* two types of one name */
    }
    return index;
}

static GHashTable *type_index(void)
{
    static GHashTable *index;

    if (g_once_init_enter(&index)) {
        g_once_init_leave(&index, type_index_new());
    }
    return index;
}

const ObjectType *qom_type_find(const char *name)
{
    return g_hash_table_lookup(type_index(), name);
}

const ObjectType *qom_type_parent(const ObjectType *t)
{
    const ObjectType *parent;

    if (!t->parent) {
        return NULL;
    }
    parent = qom_type_find(t->parent);
    g_assert(parent); /* a type names a parent that is not linked in */
    return parent;
}

size_t qom_type_size(const ObjectType *t)
{
    while (!t->size) {
        t = qom_type_parent(t);
    }
    return t->size;
}

bool qom_type_is(const ObjectType *t, const char *ancestor_or_interface)
{
    for (; t; t = qom_type_parent(t)) {
        if (g_str_equal(t->name, ancestor_or_interface) ||
            (t->interfaces && g_strv_contains(t->interfaces, ancestor_or_interface))) {
            return true;
        }
    }
    return false;
}

static int type_compare(const void *a, const void *b)
{
    return strcmp((*(const ObjectType *const *)a)->name, (*(const ObjectType *const *)b)->name);
}

void qom_type_foreach(const char *ancestor, void (*fn)(const ObjectType *, void *), void *opaque)
{
    g_autoptr(GPtrArray) types = g_ptr_array_new();

    for (const ObjectType *const *p = __start_rhea_types; p < __stop_rhea_types; p++) {
        if (!ancestor || qom_type_is(*p, ancestor)) {
            g_ptr_array_add(types, (ObjectType *)*p);
        }
    }
    g_ptr_array_sort(types, type_compare);
    for (unsigned i = 0; i < types->len; i++) {
        fn(types->pdata[i], opaque);
    }
}

const void *qom_type_ops(const ObjectType *t)
{
    while (t && !t->ops) {
        t = qom_type_parent(t);
    }
    return t ? t->ops : NULL;
}

const struct DeviceOps *qom_type_dev(const ObjectType *t)
{
    while (t && !t->dev) {
        t = qom_type_parent(t);
    }
    return t ? t->dev : NULL;
}

const PropDesc *qom_type_prop(const ObjectType *t, const char *name)
{
    for (; t; t = qom_type_parent(t)) {
        for (const PropDesc *p = t->props; p && p->name; p++) {
            if (g_str_equal(p->name, name)) {
                return p;
            }
        }
    }
    return NULL;
}

void qom_type_foreach_prop(const ObjectType *type, bool (*fn)(const PropDesc *, void *),
                           void *opaque)
{
    for (const ObjectType *t = type; t; t = qom_type_parent(t)) {
        for (const PropDesc *p = t->props; p && p->name; p++) {
            /* A redefinition further down hides the ancestor's. */
            if (qom_type_prop(type, p->name) == p && !fn(p, opaque)) {
                return;
            }
        }
    }
}
