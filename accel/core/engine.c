/* SPDX-License-Identifier: MIT */
/* The translating engine's life, its vCPUs, and "info jit". */
#include "rhea/osdep.h"

#include "accel/core/engine.h"

bool engine_init(Engine *e, const EngineOps *eops, Error **errp)
{
    if (e->tb_size_mib < 1 || e->tb_size_mib > 2047) {
        return error_fail(errp, "-accel %s: tb-size=%" PRIu64 " is out of range (1 to 2047 MiB)",
                          e->parent.ops->name, e->tb_size_mib);
    }
    e->eops = eops;
    e->max_cpus = MAX(e->parent.machine->smp.max_cpus, 1);
    e->cpus = g_new0(EngineCpu *, e->max_cpus);
    e->runtime = access_runtime();
    g_mutex_init(&e->lock);
    g_mutex_init(&e->exclusive_lock);
    g_cond_init(&e->exclusive_changed);
    if (!cache_init(e, errp) || !icount_init(e, errp)) {
        return false;
    }
    if (e->thread == THREAD_SINGLE || e->icount.on) {
        turns_init(&e->parent, e->icount.on);
    }
    if (e->perfmap) {
        g_autofree char *path = g_strdup_printf("/tmp/perf-%d.map", (int)getpid());

        e->perf_file = fopen(path, "w");
        if (!e->perf_file) {
            return error_fail_errno(errp, errno, "-accel %s: perfmap=on: cannot write '%s'",
                                    e->parent.ops->name, path);
        }
    }
    smc_set_engine(e);
    return true;
}

void engine_accel_fini(Accel *a)
{
    Engine *e = (Engine *)a;

    if (!e->eops) {
        return;
    }
    smc_set_engine(NULL);
    turns_fini(a);
    cache_fini(e);
    if (e->eops->fini) {
        e->eops->fini(e);
    }
    if (e->perf_file) {
        fclose(e->perf_file);
    }
    g_free(e->cpus);
    g_cond_clear(&e->exclusive_changed);
    g_mutex_clear(&e->exclusive_lock);
    g_mutex_clear(&e->lock);
}

/* --- vCPUs --- */

void engine_flush_soon(EngineCpu *ec)
{
    __atomic_store_n(&ec->tlb_stale, true, __ATOMIC_SEQ_CST);
    cpu_kick(ec->base.cpu);
}

/* Machine lock: the memory map changed, perhaps by the vCPU itself. */
static void engine_memory_changed(void *opaque)
{
    EngineCpu *ec = opaque;

    if (cpu_current() == ec->base.cpu) {
        tlb_flush_all(ec);
    } else {
        engine_flush_soon(ec);
    }
}

AccelCpu *engine_accel_cpu_new(Accel *a, CpuState *cpu, Error **errp)
{
    Engine *e = (Engine *)a;
    EngineCpu *ec;

    if (e->ncpus == e->max_cpus) {
        error_fail(errp, "CPU %u: -smp allows %u CPUs", cpu->index, e->ncpus);
        return NULL;
    }
    if (!e->ncpus && e->eops->prepare && !e->eops->prepare(e, cpu->ops->ir, errp)) {
        return NULL;
    }
    ec = g_new0(EngineCpu, 1);
    ec->base.cpu = cpu;
    ec->engine = e;
    ec->env = cpu->env;
    ec->epoch_seen = UINT64_MAX;
    ec->ir = ir_new(cpu->ops->ir);
    ec->ir->counting = e->icount.on;
    cpu->counts_insns = e->icount.on;
    ec->fetch_buf = g_malloc0(2 * TCG_PAGE_SIZE);
    tlb_init(ec);
    cpu->env->cpu = cpu;
    cpu->env->runtime = e->runtime;
    cpu->env->helpers = cpu->ops->ir->helpers;
    if (e->eops->cpu_init) {
        e->eops->cpu_init(ec);
    }
    mem_add_listener(cpu->as, engine_memory_changed, ec);
    g_mutex_lock(&e->lock);
    e->cpus[e->ncpus] = ec;
    __atomic_store_n(&e->ncpus, e->ncpus + 1, __ATOMIC_RELEASE);
    g_mutex_unlock(&e->lock);
    return &ec->base;
}

void engine_accel_cpu_free(Accel *a, CpuState *cpu)
{
    Engine *e = (Engine *)a;
    EngineCpu *ec = engine_cpu(cpu);

    mem_remove_listener(cpu->as, ec);
    g_mutex_lock(&e->lock);
    for (unsigned i = 0; i < e->ncpus; i++) {
        if (e->cpus[i] == ec) {
            e->cpus[i] = e->cpus[--e->ncpus];
            break;
        }
    }
    g_mutex_unlock(&e->lock);
    if (e->eops->cpu_fini) {
        e->eops->cpu_fini(ec);
    }
    ir_free(ec->ir);
    ir_free(ec->source);
    g_free(ec->fetch_buf);
    g_free(ec->l2);
    g_free(ec);
}

bool engine_idle(Accel *a)
{
    Engine *e = (Engine *)a;

    return e->icount.on && icount_idle(e);
}

void engine_flush_code(Accel *a)
{
    Engine *e = (Engine *)a;

    g_mutex_lock(&e->lock);
    cache_flush(e);
    g_mutex_unlock(&e->lock);
}

bool engine_before_fork(Accel *a, Error **errp)
{
    Engine *e = (Engine *)a;
    bool ok;

    g_mutex_lock(&e->lock);
    ok = cache_before_fork(e, errp);
    g_mutex_unlock(&e->lock);
    return ok;
}

void engine_save(Accel *a)
{
    Engine *e = (Engine *)a;

    g_mutex_lock(&e->lock);
    if (e->eops->save) {
        e->eops->save(e);
    }
    g_mutex_unlock(&e->lock);
}

/* --- "info jit" --- */

static void engine_sum(EngineStats *sum, const EngineCpu *ec)
{
    const uint64_t *from = (const uint64_t *)&ec->stats;
    uint64_t *to = (uint64_t *)sum;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++) {
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}

static void engine_info_cache(Engine *e, GString *out)
{
    uint64_t used = 0;
    unsigned in_use = 0;

    g_mutex_lock(&e->lock);
    for (unsigned i = 0; i < e->nregions; i++) {
        used += e->regions[i].used;
        in_use += e->regions[i].state != REGION_FREE;
    }
    g_string_append_printf(
        out, "blocks              %" PRIu64 " (%" PRIu64 " made, %" PRIu64 " killed by writes)\n",
        e->blocks_live, e->blocks_made, e->blocks_killed);
    g_string_append_printf(out, "code size           %" PRIu64 " of %" PRIu64 " KiB\n", used >> 10,
                           (uint64_t)(e->nregions * e->region_size) >> 10);
    g_string_append_printf(out, "regions             %u of %u in use, %" PRIu64 " evictions\n",
                           in_use, e->nregions, e->evictions);
    if (e->eops->info) {
        e->eops->info(e, out);
    }
    g_mutex_unlock(&e->lock);
}

void engine_info(Accel *a, GString *out)
{
    Engine *e = (Engine *)a;
    EngineStats s = {0};

    for (unsigned i = 0; i < e->ncpus; i++) {
        engine_sum(&s, e->cpus[i]);
    }
    g_string_append_printf(out, "accelerator         %s\n", a->ops->name);
    engine_info_cache(e, out);
#define ROW(text, value) g_string_append_printf(out, "%-19s %" PRIu64 "\n", text, value)
    ROW("translations", s.translations);
    ROW("blocks recalled", s.recalled);
    ROW("guest instructions", s.guest_insns);
    ROW("IR instructions", s.ir_made);
    ROW("... after passes", s.ir_kept);
    g_string_append_printf(out, "translation time    %.3f s (decoding %.3f, passes %.3f)\n",
                           s.translate_ns / 1e9, s.decode_ns / 1e9, s.passes_ns / 1e9);
    ROW("exits linked", s.links);
    ROW("block lookups", s.lookups);
    ROW("loop turns", s.loops);
    ROW("contexts", s.contexts);
    ROW("TLB L1 misses", s.tlb_slow);
    ROW("TLB L2 hits", s.tlb_l2_hits);
    ROW("page walks", s.tlb_walks);
    ROW("TLB flushes", s.tlb_flushes);
    ROW("TLB page flushes", s.tlb_page_flushes);
    ROW("device accesses", s.mmio);
    ROW("writes near code", s.code_writes);
    ROW("exceptions", s.exceptions);
    ROW("interrupts", s.interrupts);
#undef ROW
}

/* --- Type --- */

static const char *const thread_names[] = {
    [THREAD_MULTI] = "multi", [THREAD_SINGLE] = "single", NULL};

static const PropDesc engine_props[] = {
    PROP_U64("tb-size", Engine, tb_size_mib, 256, "size of the block cache in MiB"),
    PROP_BOOL("one-insn-per-tb", Engine, one_insn, false, "one guest instruction per block"),
    PROP_BOOL("perfmap", Engine, perfmap, false, "write /tmp/perf-PID.map for perf"),
    PROP_ENUM("thread", Engine, thread, 0, thread_names,
              "vCPUs run side by side, or one at a time"),
    PROP_STR("icount", Engine, icount.mode, NULL,
             "count instructions: off, auto, or log2 of nanoseconds per instruction (see -icount)"),
    PROP_BOOL("icount-align", Engine, icount.align, false,
              "a guest that counts does not run ahead of the host's time"),
    PROP_BOOL("icount-sleep", Engine, icount.sleep, true,
              "a guest that counts and is idle waits for its timers in the host's time"),
    PROP_END,
};

QOM_TYPE(engine_type, .name = TYPE_ENGINE_ACCEL, .parent = TYPE_ACCEL, .size = sizeof(Engine),
         .desc = "translator", .abstract = true, .props = engine_props);
