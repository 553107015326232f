/* SPDX-License-Identifier: MIT */
/* What the two kinds of monitor share. */
#ifndef SOFTMMU_MONITOR_MONITOR_INT_H
#define SOFTMMU_MONITOR_MONITOR_INT_H

#include "chardev/chardev.h"
#include "monitor/monitor.h"
#include "softmmu/runstate.h"

/* The tables (linker sections). */
extern const HmpCommand *const __start_rhea_hmp[] __attribute__((weak));
extern const HmpCommand *const __stop_rhea_hmp[] __attribute__((weak));
extern const QmpCommand *const __start_rhea_qmp[] __attribute__((weak));
extern const QmpCommand *const __stop_rhea_qmp[] __attribute__((weak));

struct BackupSpec;
struct BlockNode;

/* A connected monitor of either kind; freed by its kind's free(). */
typedef struct Monitor Monitor;
struct Monitor {
    Machine *m;
    CharFront fe;
    void (*free)(Monitor *mon);
};

Monitor *hmp_new(Machine *m);
Monitor *qmp_new(Machine *m, bool pretty);
/* Connects after the kind has set itself up. */
const CharHandlers *hmp_handlers(void);
const CharHandlers *qmp_handlers(void);

/* The arguments of a backup command; @file: of drive-backup. */
bool monitor_backup_spec(JsonObject *args, bool file, struct BackupSpec *spec,
                         Error **errp) MUST_CHECK;

/* blockdev-snapshot-sync; the new node, without a reference. */
struct BlockNode *monitor_snapshot_sync(JsonObject *args, Error **errp);
/* The value of "io-status" for the error (-errno) that keeps a request waiting, 0: none. */
const char *monitor_io_status(int failed);
/* Adds "dirty-bitmaps" if there are any. */
void monitor_add_bitmaps(JsonObject *obj, struct BlockNode *n);

/* Runs @fn while the VM is stopped, in state @during (RUN_SAVE, RUN_RESTORE). */
typedef bool (*MonitorStoppedFn)(Machine *m, const void *what, Error **errp);
bool monitor_with_vm_stopped(Machine *m, RunState during, MonitorStoppedFn fn, const void *what,
                             Error **errp) MUST_CHECK;

/* Names (and aliases) of HMP commands that begin with @prefix; "info " ones too. Unref. */
GPtrArray *hmp_complete(const char *prefix);

/*
 * "Error: text" unless @ok.  The error by address: the call that makes @ok is an argument, too, and sets *err
 * whenever it is evaluated.
 */
void hmp_print_result(bool ok, Error **err, GString *out);

/*
 * The words of a line (g_strfreev).  Flags like "-n" are taken out; *flags has the bit of each one's place in
 * @known.
 */
char **hmp_words(const char *args, const char *known, unsigned *flags);

/* --- Properties in QMP --- */

/* A property's text as the JSON type of its kind; @p NULL: as a string. */
JsonNode *qmp_prop_node(const PropDesc *p, const char *text);
/* A JSON value as the text that properties take; NULL for what is no scalar.  The caller frees. */
char *qmp_scalar_text(JsonNode *node);
/* The name of the type of a CPU model, NULL: there is none. */
const char *qmp_cpu_type_name(const char *model);

/* --- Line editing (readline.c) --- */

typedef struct Readline Readline;

/* @print writes to the terminal, @line takes a finished line. */
Readline *readline_new(void (*print)(void *opaque, const char *text),
                       void (*line)(void *opaque, const char *text), void *opaque);
void readline_free(Readline *rl);
void readline_show_prompt(Readline *rl);
void readline_input(Readline *rl, uint8_t c);
/* Forgets a half-typed line (a new connection). */
void readline_restart(Readline *rl);

#endif
