/* SPDX-License-Identifier: MIT */
/* "tci": blocks are kept as IR and interpreted.  The oracle of the JIT, and the way to run where there is none. */
#include "rhea/osdep.h"

#include "accel/core/engine.h"

static bool interp_compile(Engine *e, Region *r, Block *b, Ir *ir)
{
    size_t size = sizeof(Block) + sizeof(Ir) + ir->n * sizeof(IrInsn);

    if (r->used + size > e->region_size) {
        return false;
    }
    b->ir = ir_dup(ir);
    b->entry = b;
    r->used += size;
    return true;
}

static const void *interp_run_block(EngineCpu *ec, const void *entry)
{
    const Block *b = entry;

    ec->running = b;
    interp_run(b->ir, ec->env, ec->engine->runtime);
    ec->running = NULL;
    return NULL;
}

static void interp_left(EngineCpu *ec)
{
    ec->running = NULL;
}

static const EngineOps interp_engine = {
    .compile = interp_compile,
    .run = interp_run_block,
    .left = interp_left,
};

static bool interp_init(Accel *a, Machine *m, Error **errp)
{
    return engine_init((Engine *)a, &interp_engine, errp);
}

static const AccelOps interp_ops = {
    .name = "tci",
    .help = "interprets translated blocks; slow, on every host",
    .thread_name = "TCI",
    .init = interp_init,
    ENGINE_ACCEL_OPS,
};

QOM_TYPE(interp_type, .name = "tci-accel", .parent = TYPE_ENGINE_ACCEL, .desc = "IR interpreter",
         .ops = &interp_ops);
