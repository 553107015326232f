/* SPDX-License-Identifier: MIT */
/* Object instances: creation, reference counts, casts.  See qom/object.h for the contract. */
#include "rhea/osdep.h"

#include "qom/object.h"

#include "qom-int.h"
#include "qom/device.h"

static void object_run_init(Object *obj, const ObjectType *t)
{
    const ObjectType *parent = qom_type_parent(t);

    if (parent) {
        object_run_init(obj, parent);
    }
    if (t->init) {
        t->init(obj);
    }
}

void qom_init(Object *obj, const char *type_name)
{
    const ObjectType *t = qom_type_find(type_name);

    g_assert(t && !t->abstract);
    memset(obj, 0, qom_type_size(t));
    obj->type = t;
    obj->refs = 1;
    obj->children = g_ptr_array_new();
    qom_props_init(obj);
    object_run_init(obj, t);
    qom_globals_apply(obj);
}

Object *qom_new(const char *type_name)
{
    const ObjectType *t = qom_type_find(type_name);
    Object *obj;

    g_assert(t && !t->abstract);
    obj = g_malloc(qom_type_size(t));
    qom_init(obj, type_name);
    obj->on_heap = true;
    return obj;
}

Object *qom_get_ref(Object *obj)
{
    g_atomic_int_inc(&obj->refs);
    return obj;
}

static void object_finalize(Object *obj)
{
    bool on_heap = obj->on_heap;

    g_assert(!obj->parent); /* the parent holds a reference */
    if (qom_is(obj, TYPE_DEVICE) && ((Device *)obj)->realized) {
        obj->refs = 1; /* unrealize may take and drop references */
        device_unrealize((Device *)obj);
    }
    while (obj->children->len) {
        qom_unparent(obj->children->pdata[obj->children->len - 1]);
    }
    for (const ObjectType *t = obj->type; t; t = qom_type_parent(t)) {
        if (t->fini) {
            t->fini(obj);
        }
    }
    qom_props_fini(obj);
    g_ptr_array_unref(obj->children);
    g_free(obj->name);
    if (on_heap) {
        g_free(obj);
    }
}

void qom_put(Object *obj)
{
    if (obj && g_atomic_int_dec_and_test(&obj->refs)) {
        object_finalize(obj);
    }
}

bool qom_is(const Object *obj, const char *type_name)
{
    return qom_type_is(obj->type, type_name);
}

Object *qom_first(Object *obj, const char *type_name)
{
    Object *found = qom_is(obj, type_name) ? obj : NULL;

    for (guint i = 0; !found && obj->children && i < obj->children->len; i++) {
        found = qom_first(g_ptr_array_index(obj->children, i), type_name);
    }
    return found;
}

void *qom_cast(void *obj, const char *type_name)
{
    g_assert(qom_is(obj, type_name));
    return obj;
}

const char *qom_display_name(const Object *obj)
{
    if (qom_is(obj, TYPE_DEVICE) && ((const Device *)obj)->id) {
        return ((const Device *)obj)->id;
    }
    return obj->type->name;
}

static char *object_get_type(Object *obj)
{
    return g_strdup(obj->type->name);
}

static const PropDesc object_props[] = {
    PROP_CUSTOM("type", object_get_type, NULL, "name of the object's type", .read_only = true),
    PROP_END,
};

QOM_TYPE(object_type, .name = "object", .size = sizeof(Object), .abstract = true,
         .props = object_props);
QOM_TYPE(container_type, .name = "container", .parent = "object",
         .desc = "Place in the object tree without behaviour");
