/* SPDX-License-Identifier: MIT */
/*
 * The bench guest: init of an initramfs.  $BENCH_ROWS (from the kernel command line) names rows,
 * separated by commas; without it all run.  Each row prints
 *     @start NAME
 *     @end NAME SECONDS CHECKSUM
 * on the console, so that the host can use its own clock; then the machine powers off.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int is_wanted(const char *list, const char *name)
{
    size_t len = strlen(name);

    if (!list || !*list) {
        return 1;
    }
    for (const char *p = list; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, name, len) == 0 && (p[len] == ',' || p[len] == '\0')) {
            return 1;
        }
    }
    return 0;
}

static void run_rows(const Row *rows, const char *wanted)
{
    for (; rows->name; rows++) {
        double start;
        uint64_t sum;

        if (!is_wanted(wanted, rows->name)) {
            continue;
        }
        printf("@start %s\n", rows->name);
        fflush(stdout);
        tcdrain(1);
        start = now();
        sum = rows->run();
        printf("@end %s %.4f %016" PRIx64 "\n", rows->name, now() - start, sum);
        fflush(stdout);
        tcdrain(1);
    }
}

int main(int argc, char **argv)
{
    const char *wanted = getenv("BENCH_ROWS");

    if (argc > 1 && strcmp(argv[1], "nothing") == 0) {
        return 3;
    }
    run_rows(rows_integer, wanted);
    run_rows(rows_float, wanted);
    run_rows(rows_system, wanted);
    if (wanted) { /* a disk is not always there */
        run_rows(rows_disk, wanted);
    }
    if (getpid() == 1) {
        printf("@done\n");
        fflush(stdout);
        tcdrain(1);
        reboot(RB_POWER_OFF);
    }
    return 0;
}
