/* SPDX-License-Identifier: MIT */
/* -accel tcg,cache=...: the store of translations as the engine uses it.  docs/translation-cache.md. */
#ifndef ACCEL_JIT_PERSIST_H
#define ACCEL_JIT_PERSIST_H

#include "accel/core/engine.h"
#include "accel/jit/store.h"

enum { PERSIST_MAX_MIB = 8192 };

typedef struct Persist {
    char *cache; /* property: "on", "off", or a folder; NULL: on, without a word */
    uint64_t cache_size_mib;
    bool tried; /* Engine.lock: to open the store */
    Store *store;
} Persist;

/* All with Engine.lock.  EngineOps.recall, .place and .remember, on one Persist. */
const void *persist_recall(Persist *p, Engine *e, const CpuState *cpu, const Translate *tx,
                           uint32_t *size, unsigned *ninsns);
bool persist_place(Engine *e, Region *r, Block *b, const void *record);
void persist_remember(Persist *p, const Block *b, const Translate *tx);
void persist_info(const Persist *p, GString *out);
void persist_save(Persist *p);
void persist_fini(Persist *p);

#endif
