/* SPDX-License-Identifier: MIT */
/* Kernel rows: system calls, process switches, fork, exec, page faults. */
#include "bench.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t run_getppid(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 400000; i++) {
        sum += (uint64_t)syscall(SYS_getppid);
    }
    return sum;
}

static uint64_t run_pipe(void)
{
    enum { ROUNDS = 4000 };
    int there[2], back[2];
    uint64_t sum = 0;
    char byte = 0;
    pid_t child;

    if (pipe(there) || pipe(back) || (child = fork()) < 0) {
        return 0;
    }
    if (child == 0) {
        for (unsigned i = 0; i < ROUNDS && read(there[0], &byte, 1) == 1; i++) {
            byte++;
            if (write(back[1], &byte, 1) != 1) {
                break;
            }
        }
        _exit(0);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) {
            break;
        }
        sum += (uint8_t)byte;
    }
    waitpid(child, NULL, 0);
    close(there[0]);
    close(there[1]);
    close(back[0]);
    close(back[1]);
    return sum;
}

static uint64_t run_fork(void)
{
    uint64_t done = 0;

    for (unsigned i = 0; i < 250; i++) {
        int status = -1;
        pid_t child = fork();

        if (child == 0) {
            _exit(3);
        }
        done += child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3;
    }
    return done;
}

static uint64_t run_exec(void)
{
    char *const argv[] = {"init", "nothing", NULL};
    uint64_t done = 0;

    for (unsigned i = 0; i < 100; i++) {
        int status = -1;
        pid_t child;

        if (posix_spawn(&child, "/init", NULL, NULL, argv, environ) == 0) {
            done += waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3;
        }
    }
    return done;
}

static uint64_t run_fault(void)
{
    enum { PAGES = 10000, ROUNDS = 2, PAGE = 4096 };
    uint64_t sum = 0;

    for (unsigned r = 0; r < ROUNDS; r++) {
        volatile char *p =
            mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED) {
            return 0;
        }
        madvise((void *)p, PAGES * PAGE, MADV_NOHUGEPAGE);
        for (unsigned i = 0; i < PAGES; i++) {
            p[i * PAGE] = (char)i;
            sum += (uint8_t)p[i * PAGE];
        }
        munmap((void *)p, PAGES * PAGE);
    }
    return sum;
}

const Row rows_system[] = {
    {"getppid", run_getppid}, {"pipe", run_pipe},   {"fork", run_fork},
    {"exec", run_exec},       {"fault", run_fault}, {0},
};
