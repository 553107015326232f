/* SPDX-License-Identifier: MIT */
/*
 * Monitor commands: one table for HMP and QMP, filled by appending to a linker section from the module
 * that owns the subject.  Machine lock, main thread.
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

/* QMP: fills *ret (NULL: an empty object) or errp. @args may be NULL. */
typedef struct QmpCommand {
    const char *name;
    bool (*run)(Machine *m, JsonObject *args, JsonNode **ret, Error **errp);
    const char *const *args; /* accepted names, '*' prefix: optional; NULL-terminated */
    bool before_capabilities;
} QmpCommand;

#define HMP_COMMAND(ident, ...)                                                                    \
    static const HmpCommand ident = {__VA_ARGS__};                                                 \
    static const HmpCommand *const ident##_reg_ __attribute__((section("rhea_hmp"), used)) = &ident
#define QMP_COMMAND(ident, ...)                                                                    \
    static const QmpCommand ident = {__VA_ARGS__};                                                 \
    static const QmpCommand *const ident##_reg_ __attribute__((section("rhea_qmp"), used)) = &ident

/* "-mon chardev=ID,mode=readline|control", "-monitor SPEC", "-qmp SPEC". */
bool monitor_new(Machine *m, const char *chardev_id, bool control, bool pretty,
                 Error **errp) MUST_CHECK;
/* Runs one HMP line; the output (human-monitor-command). */
char *monitor_run_hmp(Machine *m, const char *line);
void monitor_cleanup_all(void);

#endif
