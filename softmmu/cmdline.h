/* SPDX-License-Identifier: MIT */
/*
 * The command line as tables: an option is its names, its argument, its help and one function.  Parsing
 * collects them; they take effect phase by phase, in the order given within a phase.
 */
#ifndef SOFTMMU_CMDLINE_H
#define SOFTMMU_CMDLINE_H

#include "hw/machine.h"

typedef enum OptionPhase {
    PHASE_EARLY,   /* before the machine exists: logs, choices of type */
    PHASE_MACHINE, /* machine properties */
    PHASE_OBJECT,
    PHASE_CHARDEV,
    PHASE_BACKEND, /* drives, netdevs, serial ports */
    PHASE_DEVICE,  /* the board is there */
    PHASE_LATE,    /* monitors, debugger */
    PHASES
} OptionPhase;

/* What the options decide and main.c carries out. */
typedef struct Setup {
    Machine *m; /* from PHASE_MACHINE on */
    const char *machine_type;
    GPtrArray *machine_props; /* char *, name and value in turns */
    GString *accels;          /* "kvm:tcg" */
    char *pidfile, *loadvm;
    char *chroot, *user; /* given up to at the end of set-up */
    bool daemonize, start_paused;
    bool nodefaults, nographic;
    bool has_serial, has_monitor;
    unsigned serial_count;
    GArray *monitors; /* MonitorSetup */
} Setup;

/* -monitor, -qmp, -mon: connected last, so that serial ports come first on a mux. */
typedef struct MonitorSetup {
    char *chardev;
    bool control, pretty;
} MonitorSetup;

/* What -serial and -monitor default to. PHASE_BACKEND has run. */
bool setup_default_backends(Setup *s, Error **errp) MUST_CHECK;

typedef struct Option {
    const char *names; /* "machine|M" */
    const char *arg;   /* "TYPE[,prop=value...]"; NULL: none */
    OptionPhase phase;
    const char *help; /* lines */
    /* May print help and set errp to nothing: see OPTION_EXIT. */
    bool (*run)(Setup *s, const char *arg, Error **errp);
} Option;

typedef struct OptionGroup {
    const char *title;
    int order;             /* in -help */
    const Option *options; /* up to names == NULL */
} OptionGroup;

#define OPTION_GROUP(ident, ...)                                                                   \
    static const OptionGroup ident = {__VA_ARGS__};                                                \
    static const OptionGroup *const ident##_reg_ __attribute__((section("rhea_options"), used)) =  \
        &ident

/* Ends the process with status 0 after an option has printed what was asked for. */
void cmdline_exit_ok(void) NORETURN;

/*
 * Splits argv into options; false for what is no option of ours.  -set and -readconfig take effect here,
 * as they are about options themselves.
 */
bool cmdline_parse(int argc, char **argv, Error **errp) MUST_CHECK;
/* Every option, in the order of -help. */
void cmdline_foreach_option(void (*fn)(const Option *o, void *opaque), void *opaque);
/* An option by its name with its dashes, or NULL. */
const Option *cmdline_find(const char *arg);
/* Runs one phase. */
bool cmdline_run(Setup *s, OptionPhase phase, Error **errp) MUST_CHECK;
void cmdline_print_help(FILE *out);
void cmdline_print_version(FILE *out);

#endif
