/* SPDX-License-Identifier: MIT */
/*
 * The log: mask, file and rate limits; see rhea/log.h for the contract.  One per process, guarded by a
 * recursive stdio lock, so that pieces of one record stay together.
 */
#include "rhea/osdep.h"

#include <time.h>

#include "rhea/log.h"

uint32_t log_mask;
static FILE *log_file; /* NULL: stderr */

static const struct {
    const char *name, *help;
    uint32_t mask;
} log_items[] = {
    {"guest_errors", "what the guest did wrong (invalid register accesses and the like)",
     LOG_GUEST_ERROR},
    {"unimp", "what the guest wants and is not modelled", LOG_UNIMP},
    {"in_asm", "guest code of each block that is translated", LOG_IN_ASM},
    {"op", "IR of each block before optimisation", LOG_IR},
    {"op_opt", "IR of each block after optimisation", LOG_IR_OPT},
    {"out_asm", "host code of each block", LOG_OUT_ASM},
    {"int", "interrupts and exceptions", LOG_INT},
    {"mmu", "TLB fills, faults and flushes", LOG_MMU},
    {"exec", "each block that is entered from the loop", LOG_EXEC},
    {"cpu", "CPU registers at each of those", LOG_CPU},
    {"irq", "changes of interrupt lines", LOG_IRQ},
    {"cpu_reset", "CPU state at reset", LOG_RESET},
};

bool log_set_mask(const char *items, Error **errp)
{
    g_auto(GStrv) list = g_strsplit(items, ",", -1);
    uint32_t mask = 0;

    for (char **item = list; *item; item++) {
        uint32_t bit = 0;

        if (!strcmp(*item, "none") || !**item) {
            continue;
        }
        if (g_str_has_prefix(*item, "trace:")) {
            if (!trace_enable(*item + strlen("trace:"), errp)) {
                return false;
            }
            continue;
        }
        for (size_t i = 0; i < ARRAY_SIZE(log_items); i++) {
            if (!strcmp(log_items[i].name, *item) || !strcmp(*item, "all")) {
                bit |= log_items[i].mask;
            }
        }
        if (!bit) {
            const char *names[ARRAY_SIZE(log_items) + 1] = {NULL};

            for (size_t i = 0; i < ARRAY_SIZE(log_items); i++) {
                names[i] = log_items[i].name;
            }
            return error_unknown_name(errp, "log item", *item, names);
        }
        mask |= bit;
    }
    log_mask = (log_mask & LOG_TRACE) | mask;
    return true;
}

void log_print_help(FILE *out)
{
    fprintf(out, "Log items (comma-separated in -d and the monitor's \"log\"):\n");
    for (size_t i = 0; i < ARRAY_SIZE(log_items); i++) {
        fprintf(out, "%-15s %s\n", log_items[i].name, log_items[i].help);
    }
    fprintf(out, "%-15s %s\n%-15s %s\n%-15s %s\n", "trace:PATTERN", "trace events; see -trace help",
            "all", "everything above", "none", "nothing");
}

/* "%d" becomes the process id; any other '%' is refused: the text is not a format. */
static char *log_expand_path(const char *path, Error **errp)
{
    const char *percent = strchr(path, '%');

    if (!percent) {
        return g_strdup(path);
    }
    if (percent[1] != 'd' || strchr(percent + 1, '%')) {
        error_fail(errp, "log file '%s': only one %%d (the process id) may stand in the name",
                   path);
        return NULL;
    }
    return g_strdup_printf("%.*s%d%s", (int)(percent - path), path, (int)getpid(), percent + 2);
}

bool log_set_file(const char *path, Error **errp)
{
    g_autofree char *name = log_expand_path(path, errp);
    FILE *f, *old = log_file;

    if (!name) {
        return false;
    }
    f = fopen(name, "we");
    if (!f) {
        return error_fail_errno(errp, errno, "log file: cannot open '%s'", name);
    }
    setvbuf(f, NULL, _IOLBF, 0);
    __atomic_store_n(&log_file, f, __ATOMIC_RELEASE);
    /* Another thread may be writing to the old one; the lock waits for it. */
    if (old) {
        flockfile(old);
        fflush(old);
        funlockfile(old);
    }
    return true;
}

FILE *log_lock(void)
{
    FILE *f = __atomic_load_n(&log_file, __ATOMIC_ACQUIRE);

    if (!f) {
        f = stderr;
    }
    flockfile(f);
    return f;
}

void log_unlock(FILE *f)
{
    funlockfile(f);
}

void log_printf(const char *fmt, ...)
{
    FILE *f = log_lock();
    va_list ap;

    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    log_unlock(f);
}

/* --- Rate limit: a guest in a loop must not fill the disk --- */

enum { LOG_BURST = 200 }; /* lines a second */

static bool log_rate_ok(FILE *f)
{
    static time_t second;
    static unsigned count, dropped;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (now.tv_sec != second) {
        if (dropped) {
            fprintf(f, "(%u more lines of this kind were left out)\n", dropped);
        }
        second = now.tv_sec;
        count = dropped = 0;
    }
    if (++count <= LOG_BURST) {
        return true;
    }
    dropped++;
    return false;
}

static void log_limited(const char *kind, const char *fmt, va_list ap)
{
    FILE *f = log_lock();

    if (log_rate_ok(f)) {
        fputs(kind, f);
        vfprintf(f, fmt, ap);
        fputc('\n', f);
    }
    log_unlock(f);
}

void log_guest(const char *fmt, ...)
{
    va_list ap;

    if (log_enabled(LOG_GUEST_ERROR)) {
        va_start(ap, fmt);
        log_limited("guest error: ", fmt, ap);
        va_end(ap);
    }
}

void log_unimp(const char *fmt, ...)
{
    va_list ap;

    if (log_enabled(LOG_UNIMP)) {
        va_start(ap, fmt);
        log_limited("not modelled: ", fmt, ap);
        va_end(ap);
    }
}
