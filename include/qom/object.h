/* SPDX-License-Identifier: MIT */
/*
 * The object tree: types with single inheritance and interfaces, instances with reference counts,
 * properties as static tables, child and link properties, canonical paths.  What the user sees
 * through -device, -object, -global and QMP qom-*.
 *
 * Types are registered by appending a pointer to a linker section: no constructors, no order.
 * Threading: the tree is changed under the machine lock only.
 */
#ifndef QOM_OBJECT_H
#define QOM_OBJECT_H

#include <stdio.h>

#include "rhea/error.h"

typedef struct Object Object;
typedef struct ObjectType ObjectType;
struct Device;
struct DeviceOps;

typedef enum PropKind {
    PROP_KIND_BOOL, /* bool */
    PROP_KIND_U8,
    PROP_KIND_U16,
    PROP_KIND_U32,
    PROP_KIND_U64,
    PROP_KIND_I32,
    PROP_KIND_SIZE,      /* uint64_t, K/M/G suffixes */
    PROP_KIND_STR,       /* char *, owned */
    PROP_KIND_ENUM,      /* int, index into .names */
    PROP_KIND_LINK,      /* Object *, by id or path; .names[0] is the type it must have */
    PROP_KIND_ONOFFAUTO, /* int: OnOffAuto */
    PROP_KIND_CUSTOM,    /* .get/.set do it all, on text */
} PropKind;

typedef enum OnOffAuto { ON_OFF_AUTO_AUTO, ON_OFF_AUTO_ON, ON_OFF_AUTO_OFF } OnOffAuto;

/* One property.  Values travel as text (command line, HMP) or JSON (QMP converts by kind). */
typedef struct PropDesc {
    const char *name;
    PropKind kind;
    size_t offset;
    union {
        uint64_t def;        /* numbers, bools, enums */
        const char *def_str; /* STR */
    };
    const char *help;
    const char *const *names; /* ENUM: NULL-terminated */
    bool read_only;           /* not settable by users */
    bool runtime;             /* settable after realize (default: only before) */
    /* CUSTOM (others may add a .check, run after a set). */
    char *(*get)(Object *obj); /* g_malloc'd text */
    bool (*set)(Object *obj, const char *value, Error **errp);
    bool (*check)(Object *obj, Error **errp);
} PropDesc;

#define PROP_BOOL_(kind_, n, S, f, d, h, ...)                                                      \
    {                                                                                              \
        .name = (n), .kind = (kind_), .offset = offsetof(S, f), .def = (d), .help = (h),           \
        ##__VA_ARGS__                                                                              \
    }
#define PROP_BOOL(n, S, f, d, h, ...) PROP_BOOL_(PROP_KIND_BOOL, n, S, f, d, h, ##__VA_ARGS__)
#define PROP_U8(n, S, f, d, h, ...)   PROP_BOOL_(PROP_KIND_U8, n, S, f, d, h, ##__VA_ARGS__)
#define PROP_U16(n, S, f, d, h, ...)  PROP_BOOL_(PROP_KIND_U16, n, S, f, d, h, ##__VA_ARGS__)
#define PROP_U32(n, S, f, d, h, ...)  PROP_BOOL_(PROP_KIND_U32, n, S, f, d, h, ##__VA_ARGS__)
#define PROP_U64(n, S, f, d, h, ...)  PROP_BOOL_(PROP_KIND_U64, n, S, f, d, h, ##__VA_ARGS__)
#define PROP_I32(n, S, f, d, h, ...)  PROP_BOOL_(PROP_KIND_I32, n, S, f, d, h, ##__VA_ARGS__)
#define PROP_SIZE(n, S, f, d, h, ...) PROP_BOOL_(PROP_KIND_SIZE, n, S, f, d, h, ##__VA_ARGS__)
#define PROP_ONOFFAUTO(n, S, f, d, h, ...)                                                         \
    PROP_BOOL_(PROP_KIND_ONOFFAUTO, n, S, f, d, h, ##__VA_ARGS__)
#define PROP_STR(n, S, f, d, h, ...)                                                               \
    {                                                                                              \
        .name = (n), .kind = PROP_KIND_STR, .offset = offsetof(S, f), .def_str = (d), .help = (h), \
        ##__VA_ARGS__                                                                              \
    }
#define PROP_ENUM(n, S, f, d, nm, h, ...)                                                          \
    PROP_BOOL_(PROP_KIND_ENUM, n, S, f, d, h, .names = (nm), ##__VA_ARGS__)
#define PROP_LINK(n, S, f, type_names, h, ...)                                                     \
    PROP_BOOL_(PROP_KIND_LINK, n, S, f, 0, h, .names = (type_names), ##__VA_ARGS__)
#define PROP_CUSTOM(n, getter, setter, h, ...)                                                     \
    {                                                                                              \
        .name = (n), .kind = PROP_KIND_CUSTOM, .get = (getter), .set = (setter), .help = (h),      \
        ##__VA_ARGS__                                                                              \
    }
#define PROP_END                                                                                   \
    {                                                                                              \
        .name = NULL                                                                               \
    }

struct ObjectType {
    const char *name;
    const char *parent; /* NULL for "object" itself */
    const char *desc;
    size_t size; /* 0: the parent's */
    bool abstract;
    bool user_creatable;           /* -object (devices: DeviceOps) */
    const char *const *interfaces; /* NULL-terminated names */
    const PropDesc *props;
    void (*init)(Object *obj); /* after zeroing and property defaults; parents first */
    void (*fini)(Object *obj); /* children first */
    bool (*complete)(Object *obj, Error **errp); /* -object: after properties are set */
    const struct DeviceOps *dev;                 /* devices; inherited when NULL */
    const void *ops; /* the family's own operations; inherited when NULL */
    /*
     * A wrapper (virtio-blk-pci) shows the properties of what it wraps: those of type @delegate are
     * set and read on the Object * at @delegate_offset, which init makes.
     */
    const char *delegate;
    size_t delegate_offset;
};

struct Object {
    const ObjectType *type;
    int refs;
    bool on_heap; /* made by qom_new() */
    Object *parent;
    char *name; /* in the parent */
    GPtrArray *children;
};

#define QOM_TYPE(ident, ...)                                                                       \
    static const ObjectType ident = {__VA_ARGS__};                                                 \
    static const ObjectType *const ident##_reg_ __attribute__((section("rhea_types"), used)) =     \
        &ident

/* --- Types --- */

const ObjectType *qom_type_find(const char *name);
bool qom_type_is(const ObjectType *t, const char *ancestor_or_interface);
/* Calls @fn for every type that is an @ancestor (NULL: any), by name. */
void qom_type_foreach(const char *ancestor, void (*fn)(const ObjectType *, void *), void *opaque);
/* The nearest non-NULL ops up the inheritance. */
const void *qom_type_ops(const ObjectType *t);
const struct DeviceOps *qom_type_dev(const ObjectType *t);
/* Property tables, the type's own first, then its ancestors': false from @fn stops. */
const PropDesc *qom_type_prop(const ObjectType *t, const char *name);
void qom_type_foreach_prop(const ObjectType *t, bool (*fn)(const PropDesc *, void *), void *opaque);

/* --- Instances --- */

/* A new instance with defaults and -global values applied; one reference, no parent. */
Object *qom_new(const char *type_name);
/* The same in the caller's memory (of type->size bytes). */
void qom_init(Object *obj, const char *type_name);
Object *qom_get_ref(Object *obj);
void qom_put(Object *obj);

/* The first object of that type among @obj and all below it, or NULL. */
Object *qom_first(Object *obj, const char *type_name);

bool qom_is(const Object *obj, const char *type_name);
/* Checked cast: aborts on a wrong type (our bug). */
void *qom_cast(void *obj, const char *type_name);

/*
 * @child becomes <parent>/<name>; the parent takes a reference of its own.  The name must be free;
 * "stem[*]" takes the first free number.
 */
void qom_add_child(Object *parent, const char *name, Object *child);
void qom_unparent(Object *child);
Object *qom_root(void);
/* The container object at an absolute path, made as needed. */
Object *qom_container(Object *root, const char *path);
char *qom_path(const Object *obj); /* "/machine/..." */
/* Absolute path, or a partial one when it is unambiguous. */
Object *qom_resolve(Object *root, const char *path);

bool qom_prop_set(Object *obj, const char *name, const char *value, Error **errp) MUST_CHECK;
char *qom_prop_get(Object *obj, const char *name, Error **errp) MUST_CHECK;
/* "-object X,help": one line a property, in QEMU's layout. */
bool qom_print_props_help(const char *type_name, FILE *out, Error **errp) MUST_CHECK;
bool qom_prop_set_link(Object *obj, const char *name, Object *target, Error **errp) MUST_CHECK;

/* -global DRIVER.PROP=VALUE: remembered, applied by qom_new(). */
void qom_global_add(const char *driver, const char *prop, const char *value);
/* False when a -global could not be applied to an object that it names (wrong property or value). */
bool qom_global_check(Error **errp) MUST_CHECK;
/* The first -global nobody used, or NULL (reported as a warning). */
const char *qom_global_unused(void);

#endif
