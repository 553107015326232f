/* SPDX-License-Identifier: MIT */
/* "tcg": blocks are compiled to host code by the host's backend (tcg/host). */
#include "rhea/osdep.h"

#include "jit.h"
#include "persist.h"
#include "rhea/log.h"

typedef struct Jit {
    Engine engine;
    bool lockstep;
    Persist persist;
} Jit;

bool jit_prepare_with(Engine *e, const IrTarget *target, void *const *functions, Error **errp)
{
    size_t used;

    e->backend = backend_new(target, e->rw_base, e->rx_base, &used);
    if (!e->backend) {
        return error_fail(errp, "-accel tcg: this host's processor lacks what the JIT needs");
    }
    e->runtime = backend_runtime(e->backend, functions);
    return true;
}

static bool jit_prepare(Engine *e, const IrTarget *target, Error **errp)
{
    return jit_prepare_with(e, target, access_runtime(), errp);
}

void jit_fini(Engine *e)
{
    if (e->backend) {
        backend_free(e->backend);
    }
}

static void jit_log(Engine *e, const Block *b)
{
    if (log_enabled(LOG_OUT_ASM)) {
        FILE *f = log_lock();

        fprintf(f, "OUT: %u bytes at %p\n", b->code.size, (const void *)b->code.rx);
        backend_print(e->backend, &b->code, f);
        fputc('\n', f);
        log_unlock(f);
    }
    if (e->perf_file) {
        fprintf(e->perf_file, "%" PRIxPTR " %x guest_%" PRIx64 "+%u\n", (uintptr_t)b->code.rx,
                b->code.size, b->ram, b->size);
        fflush(e->perf_file);
    }
}

bool jit_compile(Engine *e, Region *r, Block *b, Ir *ir)
{
    b->code.rw = r->rw + r->used;
    b->code.rx = r->rx + r->used;
    if (!backend_compile(e->backend, ir, b->ram & ~TCG_PAGE_MASK, e->region_size - r->used,
                         &b->code)) {
        return false;
    }
    b->entry = b->code.rx;
    r->used += b->code.size;
    jit_log(e, b);
    return true;
}

void jit_finish_ir(Engine *e, Ir *ir)
{
    ir_expand(ir, backend_ops(e->backend));
}

static bool jit_link(Engine *e, const Block *from, unsigned exit, const void *entry, uint64_t ctx)
{
    return backend_link(e->backend, &from->code, exit, entry, ctx, e->ncpus == 1);
}

static void jit_unlink(Engine *e, const Block *from, unsigned exit)
{
    backend_unlink(e->backend, &from->code, exit);
}

const void *jit_run(EngineCpu *ec, const void *entry)
{
    return backend_run(ec->engine->backend, ec->env, entry);
}

/* --- Blocks of earlier runs --- */

static const void *jit_recall(EngineCpu *ec, const Translate *tx, uint32_t *size, unsigned *ninsns)
{
    Jit *jit = (Jit *)ec->engine;

    return persist_recall(&jit->persist, ec->engine, ec->base.cpu, tx, size, ninsns);
}

static bool jit_place(Engine *e, Region *r, Block *b, const void *record)
{
    if (!persist_place(e, r, b, record)) {
        return false;
    }
    jit_log(e, b);
    return true;
}

static void jit_remember(Engine *e, const Block *b, const Translate *tx)
{
    persist_remember(&((Jit *)e)->persist, b, tx);
}

static void jit_info(Engine *e, GString *out)
{
    persist_info(&((Jit *)e)->persist, out);
}

static void jit_save(Engine *e)
{
    persist_save(&((Jit *)e)->persist);
}

static void jit_fini_all(Engine *e)
{
    persist_fini(&((Jit *)e)->persist);
    jit_fini(e);
}

static const EngineOps jit_engine = {
    .has_code = true,
    .prepare = jit_prepare,
    .fini = jit_fini_all,
    .recall = jit_recall,
    .place = jit_place,
    .remember = jit_remember,
    .info = jit_info,
    .save = jit_save,
    .finish_ir = jit_finish_ir,
    .compile = jit_compile,
    .link = jit_link,
    .unlink = jit_unlink,
    .run = jit_run,
};

static bool jit_init(Accel *a, Machine *m, Error **errp)
{
    Jit *jit = (Jit *)a;
    uint64_t size = jit->persist.cache_size_mib;

    if (size < 1 || size > PERSIST_MAX_MIB) {
        return error_fail(errp, "-accel tcg: cache-size=%" PRIu64 " is out of range (1 to %d MiB)",
                          size, PERSIST_MAX_MIB);
    }
    return engine_init(&jit->engine, jit->lockstep ? &lockstep_engine : &jit_engine, errp);
}

static const AccelOps jit_ops = {
    .name = "tcg",
    .help = "translates to host code (JIT)",
    .thread_name = "TCG",
    .init = jit_init,
    ENGINE_ACCEL_OPS,
};

static const PropDesc jit_props[] = {
    PROP_BOOL("lockstep", Jit, lockstep, false,
              "interpret every block as well and end at the first difference"),
    PROP_STR("cache", Jit, persist.cache, NULL,
             "keep translated code for the next run: on (in the user's cache folder: the default), "
             "off, or a folder"),
    PROP_U64("cache-size", Jit, persist.cache_size_mib, 128,
             "size of the file of translated code in MiB"),
    PROP_END,
};

QOM_TYPE(jit_type, .name = "tcg-accel", .parent = TYPE_ENGINE_ACCEL, .size = sizeof(Jit),
         .desc = "JIT", .ops = &jit_ops, .props = jit_props);
