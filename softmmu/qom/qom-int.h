/* SPDX-License-Identifier: MIT */
/* Shared by the files of softmmu/qom only. */
#ifndef QOM_INT_H
#define QOM_INT_H

#include "qom/object.h"

const ObjectType *qom_type_parent(const ObjectType *t); /* NULL for "object" */
size_t qom_type_size(const ObjectType *t);

/* Fills in the defaults of the type's own and its ancestors' properties. */
void qom_props_init(Object *obj);
/* Frees what properties own: strings and links. */
void qom_props_fini(Object *obj);
/* Applies the -global values that concern the object's type. */
void qom_globals_apply(Object *obj);
/* How messages name the object: its id or its type. */
const char *qom_display_name(const Object *obj);
/* "uint32", "str", ...: what help and messages call the kind. */
const char *qom_prop_kind_name(const PropDesc *p);
/* The default as help shows it (g_malloc'd), NULL when there is none to show. */
char *qom_prop_default_text(const PropDesc *p);

#endif
