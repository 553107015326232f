/* SPDX-License-Identifier: MIT */
/*
 * Types of QMP arguments and answers, as the tables write them (monitor/monitor.h has the syntax):
 * parsed once, used to check what a peer sends and to describe the interface (query-qmp-schema).
 */
#ifndef SOFTMMU_MONITOR_QMP_TYPE_H
#define SOFTMMU_MONITOR_QMP_TYPE_H

#include "monitor/monitor.h"

typedef enum QmpKind {
    QMP_STR,
    QMP_INT,
    QMP_NUMBER,
    QMP_BOOL,
    QMP_ANY,
    QMP_ENUM,
    QMP_ARRAY,
    QMP_OBJECT,
} QmpKind;

typedef struct QmpMember {
    char *name;
    bool optional;
    QmpType *type;
} QmpMember;

/* Lives as long as the process. */
struct QmpType {
    QmpKind kind;
    QmpType *element;  /* array */
    GPtrArray *values; /* enum: char * */
    GArray *members;   /* object: QmpMember */
    const char *tag;   /* object with variants: the enum member that chooses one */
    GArray *variants;  /* QmpMember: the value, and the object with further members */
    bool open;         /* object: more members than the type says */
    char *id;          /* in the description, once it was visited */
};

/* Whether arguments (NULL: none) are of the type; the error names the member as QEMU does. */
bool qmp_type_check_args(QmpType *t, JsonObject *args, Error **errp) MUST_CHECK;

#endif
