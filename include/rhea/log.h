/* SPDX-License-Identifier: MIT */
/*
 * Logging (-d, -D) and named trace events (-trace).  One mask for the process: logs are a debugging
 * aid of the program, not of a machine.
 */
#ifndef RHEA_LOG_H
#define RHEA_LOG_H

#include "rhea/base.h"
#include <stdio.h>

#include "rhea/error.h"

typedef enum LogMask {
    LOG_GUEST_ERROR = 1 << 0, /* the guest did something wrong; "guest_errors" */
    LOG_UNIMP = 1 << 1,       /* the guest wants what is not modelled; "unimp" */
    LOG_IN_ASM = 1 << 2,      /* guest code of each block translated */
    LOG_IR = 1 << 3,          /* "op": IR before optimisation */
    LOG_IR_OPT = 1 << 4,      /* "op_opt": IR after optimisation */
    LOG_OUT_ASM = 1 << 5,     /* host code */
    LOG_INT = 1 << 6,         /* interrupts and exceptions */
    LOG_MMU = 1 << 7,         /* TLB fills, faults and flushes */
    LOG_EXEC = 1 << 8,        /* each block entered from the loop */
    LOG_CPU = 1 << 9,         /* registers at each of those */
    LOG_IRQ = 1 << 10,        /* interrupt lines */
    LOG_RESET = 1 << 11,      /* "cpu_reset" */
    LOG_TRACE = 1 << 12,      /* any trace event is on */
} LogMask;

extern uint32_t log_mask; /* read without a lock; see log_enabled() */

static inline bool log_enabled(LogMask mask)
{
    return unlikely(log_mask & mask);
}

/* Sets the mask from a comma-separated list ("help" is the caller's business). */
bool log_set_mask(const char *items, Error **errp) MUST_CHECK;

/* Sends the log to @path instead of stderr; "%d" in it stands for the process id. */
bool log_set_file(const char *path, Error **errp) MUST_CHECK;

/* Prints the items of -d, one "name  description" a line. */
void log_print_help(FILE *out);

/* Writes one piece of text; pieces between log_lock() and log_unlock() stay together. */
void log_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
FILE *log_lock(void);
void log_unlock(FILE *f);

/* The guest did something wrong: one rate-limited line, shown with -d guest_errors. */
void log_guest(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_unimp(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * Trace events are named "module_what" and printed as "name key=value ...".  The name table is
 * built from the uses: TRACE(uart_write, "off=%u val=0x%x", off, val);
 */
typedef struct TraceEvent {
    const char *name;
    bool enabled;
} TraceEvent;

void trace_emit(const TraceEvent *ev, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Turns on all events that match the glob @pattern; false when none does. */
bool trace_enable(const char *pattern, Error **errp) MUST_CHECK;
void trace_print_help(FILE *out);

#define TRACE(event, ...)                                                                          \
    do {                                                                                           \
        static TraceEvent trace_ev_ = {#event, false};                                             \
        static TraceEvent *const trace_ref_ __attribute__((section("rhea_trace"), used)) =         \
            &trace_ev_;                                                                            \
        if (unlikely(trace_ref_->enabled)) {                                                       \
            trace_emit(&trace_ev_, __VA_ARGS__);                                                   \
        }                                                                                          \
    } while (0)

#endif
