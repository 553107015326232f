/* SPDX-License-Identifier: MIT */
/* Allocation of what translated code sees of a CPU: tables in front, env and target state behind. */
#include "rhea/osdep.h"

#include "tcg/env.h"

enum { ENV_ALIGN = 64 }; /* a host cache line: hot fields start one */

TcgEnv *tcg_env_new(size_t size)
{
    size_t front = (sizeof(TcgTables) + ENV_ALIGN - 1) / ENV_ALIGN * ENV_ALIGN;
    size_t total = (front + size + ENV_ALIGN - 1) / ENV_ALIGN * ENV_ALIGN;
    char *mem = aligned_alloc(ENV_ALIGN, total);
    TcgEnv *env;

    g_assert(mem && size >= sizeof(TcgEnv));
    memset(mem, 0, total);
    env = (TcgEnv *)(void *)(mem + front);
    memset(tcg_tables(env)->tlb_read, 0xff, sizeof(tcg_tables(env)->tlb_read));
    memset(tcg_tables(env)->tlb_write, 0xff, sizeof(tcg_tables(env)->tlb_write));
    return env;
}

void tcg_env_free(TcgEnv *env)
{
    size_t front = (sizeof(TcgTables) + ENV_ALIGN - 1) / ENV_ALIGN * ENV_ALIGN;

    if (env) {
        free((char *)env - front);
    }
}
