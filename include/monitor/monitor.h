/* SPDX-License-Identifier: MIT */
/*
 * Monitor commands: tables for HMP and QMP, filled by appending to a linker section from the module
 * that owns the subject.  Machine lock, main thread.
 *
 * The types of QMP arguments and answers are written as text:
 *
 *     str int number bool any        what JSON has
 *     <a|b|c>                        one of these strings
 *     [T]                            an array
 *     {name: T, *other: T}           an object, '*' before members that may be missing; with "..." at
 *                                    its end it may have more
 *     Name                           a type with a QMP_TYPE() row
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <json-glib/json-glib.h>

#include "hw/machine.h"

/* HMP: "name args...". @args is what follows the name; output goes to @out. */
typedef struct HmpCommand {
    const char *name; /* "info jit", "system_reset"; aliases after '|': "c|cont" */
    const char *args; /* for help: "[-f] file" */
    const char *help;
    void (*run)(Machine *m, const char *args, GString *out);
} HmpCommand;

/*
 * QMP: fills *ret (NULL: an empty object) or errp.  @args are of the type that the row says; they are
 * NULL when the peer sent none.
 */
typedef struct QmpCommand {
    const char *name;
    bool (*run)(Machine *m, JsonObject *args, JsonNode **ret, Error **errp);
    /* Instead of run: several commands with one function, which sees in @like what this one is about. */
    bool (*run_like)(Machine *m, const void *like, JsonObject *args, Error **errp);
    const void *like;
    const char *args;    /* type of an object; NULL: none are accepted */
    const char *ret;     /* type of the answer; NULL: an empty object */
    const char *feature; /* in the description of the interface; NULL: none */
    bool before_capabilities;
} QmpCommand;

/* An event that event_emit() sends, with the type of its data (NULL: none). */
typedef struct QmpEvent {
    const char *name, *data;
} QmpEvent;

typedef struct QmpType QmpType;

/* A type with a name: its text, or a function for what depends on what the binary has. */
typedef struct QmpNamedType {
    const char *name, *text;
    QmpType *(*build)(void);
} QmpNamedType;

#define HMP_COMMAND(ident, ...)                                                                    \
    static const HmpCommand ident = {__VA_ARGS__};                                                 \
    static const HmpCommand *const ident##_reg_ __attribute__((section("rhea_hmp"), used)) = &ident
#define QMP_COMMAND(ident, ...)                                                                    \
    static const QmpCommand ident = {__VA_ARGS__};                                                 \
    static const QmpCommand *const ident##_reg_ __attribute__((section("rhea_qmp"), used)) = &ident

#define QMP_EVENT(ident, NAME, DATA)                                                               \
    static const QmpEvent ident = {.name = (NAME), .data = (DATA)};                                \
    static const QmpEvent *const ident##_reg_ __attribute__((section("rhea_qmp_events"), used)) =  \
        &ident
#define QMP_TYPE(ident, ...)                                                                       \
    static const QmpNamedType ident = {__VA_ARGS__};                                               \
    static const QmpNamedType *const ident##_reg_                                                  \
        __attribute__((section("rhea_qmp_types"), used)) = &ident

/* --- Arguments and answers of QMP commands --- */

/* NULL when it is missing. */
const char *qmp_arg_str(JsonObject *args, const char *name);
int64_t qmp_arg_int(JsonObject *args, const char *name, int64_t missing);
bool qmp_arg_bool(JsonObject *args, const char *name, bool missing);
/* The arguments as an option list, as if they had stood on the command line. */
struct Opts *qmp_args_to_opts(const char *what, JsonObject *args, Error **errp);
/* Take over what they wrap. */
JsonNode *qmp_object(JsonObject *obj);
JsonNode *qmp_array(JsonArray *array);
JsonNode *qmp_string(const char *text);
/* The descriptor that came with the command by SCM_RIGHTS, the caller's now; -1: none. */
int qmp_take_fd(void);

/* For QmpNamedType.build(). */
QmpType *qmp_type_new_enum(void);
void qmp_type_add_value(QmpType *t, const char *value);
QmpType *qmp_type_new_object(void);
void qmp_type_add_member(QmpType *t, const char *name, bool optional, QmpType *type);
/* @tag is an enum member of @t; for @value the object has the members of @variant as well. */
void qmp_type_add_variant(QmpType *t, const char *tag, const char *value, QmpType *variant);
QmpType *qmp_type_get(const char *text);

/* "-mon chardev=ID,mode=readline|control", "-monitor SPEC", "-qmp SPEC". */
bool monitor_new(Machine *m, const char *chardev_id, bool control, bool pretty,
                 Error **errp) MUST_CHECK;
/* Runs one HMP line; the output (human-monitor-command). */
char *monitor_run_hmp(Machine *m, const char *line);
void monitor_cleanup_all(void);

#endif
