/* SPDX-License-Identifier: MIT */
/*
 * Trace events: the table is the linker section that the uses of TRACE() fill.  A name used in several
 * places has several entries, switched together.
 */
#include "rhea/osdep.h"

#include <time.h>

#include "rhea/log.h"

/* Weak: a program may have no event at all. */
extern TraceEvent *const __start_rhea_trace[] __attribute__((weak));
extern TraceEvent *const __stop_rhea_trace[] __attribute__((weak));

void trace_emit(const TraceEvent *ev, const char *fmt, ...)
{
    struct timespec now;
    FILE *f = log_lock();
    va_list ap;

    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(f, "%d@%lld.%06ld:%s ", (int)getpid(), (long long)now.tv_sec, now.tv_nsec / 1000,
            ev->name);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    log_unlock(f);
}

bool trace_enable(const char *pattern, Error **errp)
{
    bool off = *pattern == '-';
    bool found = false;

    pattern += off;
    for (TraceEvent *const *ev = __start_rhea_trace; ev < __stop_rhea_trace; ev++) {
        if (g_pattern_match_simple(pattern, (*ev)->name)) {
            (*ev)->enabled = !off;
            found = true;
        }
    }
    if (!found) {
        return error_fail(errp, "trace event '%s' is not known (see -trace help)", pattern);
    }
    if (!off) {
        log_mask |= LOG_TRACE;
    }
    return true;
}

static int trace_compare(const void *a, const void *b)
{
    return strcmp((*(TraceEvent *const *)a)->name, (*(TraceEvent *const *)b)->name);
}

void trace_print_help(FILE *out)
{
    size_t n = __stop_rhea_trace - __start_rhea_trace;
    g_autofree TraceEvent **sorted = g_new(TraceEvent *, n);

    memcpy(sorted, __start_rhea_trace, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), trace_compare);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(sorted[i]->name, sorted[i - 1]->name)) {
            fprintf(out, "%s\n", sorted[i]->name);
        }
    }
}
