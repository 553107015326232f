/* SPDX-License-Identifier: MIT */
/*
 * The vCPU's loop: deliver what is pending, find or make the block at pc, link the exit that led
 * here, run until translated code comes back.
 *
 * Translated code is left by returning, or from C below it by cpu_leave(), which lands in
 * engine_run() with the guest's registers in env.
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "rhea/log.h"

/* --- Leaving --- */

void cpu_sync_pc(CpuState *cpu)
{
    EngineCpu *ec = engine_cpu(cpu);
    const uint8_t *ra = (const uint8_t *)cpu->env->host_ra;
    unsigned lo = 0, hi;
    uint32_t off;
    Block *b;

    if (!ra || !ec) {
        return; /* pc is right already */
    }
    b = cache_block_at(ec->engine, ra);
    g_assert(b); /* host_ra is where a block called C */
    off = ra - b->code.rx;
    hi = b->code.npoints;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;

        if (b->code.points[mid].host_off < off) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    g_assert(lo < b->code.npoints && b->code.points[lo].host_off == off);
    cpu->env->pc = cpu->env->pc_page + b->code.points[lo].page_rel;
}

void cpu_leave(CpuState *cpu)
{
    EngineCpu *ec = engine_cpu(cpu);

    g_assert(ec && ec->in_loop);
    cpu_sync_pc(cpu);
    if (ec->exclusive) {
        cpu_exclusive_end(cpu);
    }
    longjmp(ec->leave, 1);
}

void cpu_raise(CpuState *cpu, int32_t exception)
{
    cpu->exception = exception;
    cpu_leave(cpu);
}

const Block *engine_running_block(const EngineCpu *ec)
{
    const void *ra = (const void *)ec->env->host_ra;

    return ra ? cache_block_at(ec->engine, ra) : ec->running;
}

void engine_retry_alone(EngineCpu *ec)
{
    ec->one_insn = true;
    cpu_leave(ec->base.cpu);
}

void cpu_retry_alone(CpuState *cpu)
{
    engine_retry_alone(engine_cpu(cpu));
}

void engine_need_alone(EngineCpu *ec)
{
    const Block *b = engine_running_block(ec);

    if (b && b->ninsns > 1) {
        engine_retry_alone(ec);
    }
}

void cpu_context_changed(CpuState *cpu)
{
    EngineCpu *ec = engine_cpu(cpu);

    if (ec) {
        context_update(ec);
        if (__atomic_load_n(&cpu->interrupt_pending, __ATOMIC_RELAXED)) {
            __atomic_store_n(&cpu->env->exit_request, 1, __ATOMIC_RELAXED);
        }
    }
}

/* --- Finding blocks --- */

static void loop_fill_jump(EngineCpu *ec, GuestVA pc, Block *b)
{
    TcgJumpEntry *je = &tcg_tables(ec->env)->jump[engine_jump_index(pc)];

    if (engine_unchained(ec->engine)) {
        return;
    }
    __atomic_store_n(&je->pc, ~0ULL, __ATOMIC_RELAXED);
    __atomic_store_n(&je->code, b->entry, __ATOMIC_RELAXED);
    je->ctx = ec->env->ctx;
    __atomic_store_n(&je->pc, pc, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&b->valid, __ATOMIC_SEQ_CST)) { /* killed meanwhile */
        __atomic_store_n(&je->pc, ~0ULL, __ATOMIC_RELAXED);
    }
}

/* The block at @pc when it is made already and its pages are known. */
static Block *loop_find(EngineCpu *ec, const ExecPage *page, GuestVA pc)
{
    uint64_t ram = page->ram + (pc & ~TCG_PAGE_MASK);
    Block *b = cache_find(ec->engine, ram, ec->key, NO_RAM);
    const ExecPage *next;

    if (!b && (pc & ~TCG_PAGE_MASK) > TCG_PAGE_SIZE - 16) {
        next = context_exec_page(ec, (pc & TCG_PAGE_MASK) + TCG_PAGE_SIZE, false);
        if (next && next->ram != NO_RAM) {
            b = cache_find(ec->engine, ram, ec->key, next->ram);
        }
    }
    return b;
}

const void *engine_lookup(TcgEnv *env, GuestVA pc)
{
    EngineCpu *ec = engine_env_cpu(env);
    const ExecPage *page;
    Block *b;

    ec->stats.lookups++;
    env->pc = pc;
    if (engine_unchained(ec->engine) || __atomic_load_n(&env->exit_request, __ATOMIC_RELAXED) ||
        (__atomic_load_n(&ec->engine->debugging, __ATOMIC_RELAXED) &&
         debug_page_has_breakpoint(ec->base.cpu, pc))) {
        return NULL;
    }
    page = context_exec_page(ec, pc, false);
    if (!page || page->ram == NO_RAM) {
        return NULL;
    }
    b = loop_find(ec, page, pc);
    if (!b) {
        return NULL;
    }
    loop_fill_jump(ec, pc, b);
    cache_touch(ec->engine, b);
    env->pc_page = pc & TCG_PAGE_MASK;
    return b->entry;
}

/* --- What is pending --- */

static void loop_deliver(EngineCpu *ec)
{
    CpuState *cpu = ec->base.cpu;

    ec->stats.exceptions++;
    ec->left = NULL;
    if (ec->engine->icount.on) {
        icount_exception(ec);
    }
    cpu->ops->deliver(cpu);
    cpu->exception = -1;
    context_update(ec);
}

static void loop_interrupt(EngineCpu *ec)
{
    CpuState *cpu = ec->base.cpu;

    if (cpu->ops->take_interrupt(cpu)) {
        ec->stats.interrupts++;
        ec->left = NULL;
        context_update(ec);
    }
}

static void loop_memory_map_changed(EngineCpu *ec)
{
    if (__atomic_exchange_n(&ec->tlb_stale, false, __ATOMIC_SEQ_CST)) {
        tlb_flush_all(ec);
    }
}

/* After the instruction that was run on its own; true: the vCPU stops. */
static bool loop_stop_stepped(EngineCpu *ec)
{
    CpuState *cpu = ec->base.cpu;
    bool hit = ec->watch_stop && debug_watch_hit(cpu); /* not when a fault came first */

    ec->step_done = ec->watch_stop = false;
    if (!hit && !cpu->singlestep) {
        return false;
    }
    accel_cpu_stopped(&ec->base, hit ? CPU_STOP_WATCH : CPU_STOP_STEP);
    return true;
}

/* False: cpu_run() returns. */
static bool loop_poll(EngineCpu *ec)
{
    CpuState *cpu = ec->base.cpu;

    if (__atomic_load_n(&ec->env->exit_request, __ATOMIC_RELAXED)) {
        __atomic_exchange_n(&ec->env->exit_request, 0, __ATOMIC_SEQ_CST);
        loop_memory_map_changed(ec);
    }
    engine_online(ec);
    if (ec->engine->icount.on) {
        icount_account(ec);
    }
    if (cpu->exception >= 0) {
        loop_deliver(ec);
    }
    if (ec->engine->icount.on) {
        icount_poll(ec);
    }
    if (ec->step_done && loop_stop_stepped(ec)) {
        return false;
    }
    if (accel_cpu_wanted(&ec->base)) {
        return false;
    }
    if (unlikely(__atomic_load_n(&cpu->halted, __ATOMIC_RELAXED))) {
        if (!cpu->ops->has_work(cpu)) {
            return false;
        }
        __atomic_store_n(&cpu->halted, false, __ATOMIC_RELAXED);
    }
    /* A debugger's step is to the next instruction, not into a handler. */
    if (__atomic_load_n(&cpu->interrupt_pending, __ATOMIC_SEQ_CST) && !cpu->singlestep) {
        loop_interrupt(ec);
    }
    /* An interrupt can be one that stops the CPU, or have gone again while it halts. */
    return likely(!__atomic_load_n(&cpu->halted, __ATOMIC_RELAXED));
}

/* --- One turn --- */

/* A single instruction, interpreted and not kept. */
static void loop_run_one(EngineCpu *ec)
{
    bool stop = ec->watch_stop || ec->base.cpu->singlestep;

    ec->one_insn = false;
    ec->left = NULL;
    ec->running = NULL;
    if (!translate_one(ec)) {
        return;
    }
    ec->step_done = stop;
    ec->env->pc_page = ec->env->pc & TCG_PAGE_MASK;
    interp_run(ec->ir, ec->env, ec->engine->runtime);
}

/* The exit of @b whose stub was left at @at, or -1. */
static int loop_exit_at(const Block *b, const void *at)
{
    uint32_t off = (const uint8_t *)at - b->code.rx;

    for (unsigned i = 0; i < b->code.nexits; i++) {
        if (b->code.exits[i].leave_off == off) {
            return (int)i;
        }
    }
    return -1;
}

static void loop_link(EngineCpu *ec, Block *to)
{
    Engine *e = ec->engine;
    /* It is a return address, and may lie behind the block. */
    Block *from = cache_block_at(e, (const uint8_t *)ec->left - 1);
    int exit = from ? loop_exit_at(from, ec->left) : -1;

    if (exit < 0) {
        return;
    }
    if (from->code.exits[exit].kind == CODE_EXIT_PAGE &&
        (to->ram2 != NO_RAM || (to->ram ^ from->ram) >= TCG_PAGE_SIZE)) {
        return; /* such a link would not look at the second page */
    }
    g_mutex_lock(&e->lock);
    if (from->valid && to->valid) {
        cache_link(e, from, (unsigned)exit, to, ec->env->ctx);
        ec->stats.links++;
    }
    g_mutex_unlock(&e->lock);
}

static void loop_log(EngineCpu *ec, const void *entry)
{
    CpuState *cpu = ec->base.cpu;

    if (log_enabled(LOG_EXEC)) {
        log_printf("CPU %u: block %p at 0x%016" PRIx64 "\n", cpu->index, entry, ec->env->pc);
    }
    if (log_enabled(LOG_CPU)) {
        GString *regs = g_string_new(NULL);

        cpu->ops->dump(cpu, regs);
        log_printf("%s", regs->str);
        g_string_free(regs, TRUE);
    }
}

/* The block at env->pc, made when it is new; NULL: look at everything anew. */
static Block *loop_block(EngineCpu *ec)
{
    GuestVA pc = ec->env->pc;
    ExecPage *page = context_exec_page(ec, pc, true);
    Block *b;

    if (!page) {
        return NULL;
    }
    if (page->ram == NO_RAM) {
        ec->one_insn = true;
        return NULL;
    }
    ec->stats.lookups++;
    b = loop_find(ec, page, pc);
    return b ? b : translate_block(ec, page);
}

static void loop_turn(EngineCpu *ec)
{
    TcgEnv *env = ec->env;
    GuestVA pc = env->pc;
    const TcgJumpEntry *je = &tcg_tables(env)->jump[engine_jump_index(pc)];
    const void *entry;

    if (__atomic_load_n(&je->pc, __ATOMIC_ACQUIRE) == pc && je->ctx == env->ctx && !ec->left) {
        entry = __atomic_load_n(&je->code, __ATOMIC_RELAXED);
    } else {
        Block *b = loop_block(ec);

        if (!b) {
            ec->left = NULL;
            return;
        }
        if (ec->engine->icount.on && !icount_fits(ec, b->ninsns)) {
            ec->one_insn = true;
            return;
        }
        if (ec->left) {
            loop_link(ec, b);
        }
        loop_fill_jump(ec, pc, b);
        cache_touch(ec->engine, b);
        entry = b->entry;
    }
    env->pc_page = pc & TCG_PAGE_MASK;
    if (log_enabled(LOG_EXEC | LOG_CPU)) {
        loop_log(ec, entry);
    }
    ec->stats.loops++;
    ec->left = ec->engine->eops->run(ec, entry);
    if (engine_unchained(ec->engine)) {
        ec->left = NULL;
    }
    env->host_ra = 0;
}

/* Breakpoints and single steps; true when the turn is done. */
static bool loop_debug(EngineCpu *ec)
{
    CpuState *cpu = ec->base.cpu;

    if (cpu->singlestep || ec->one_insn) {
        loop_run_one(ec);
        return true;
    }
    if (__atomic_load_n(&ec->engine->debugging, __ATOMIC_RELAXED) &&
        debug_page_has_breakpoint(cpu, ec->env->pc)) {
        if (debug_has_breakpoint(cpu, ec->env->pc)) {
            accel_cpu_stopped(&ec->base, CPU_STOP_BREAKPOINT);
        } else {
            loop_run_one(ec);
        }
        return true;
    }
    return false;
}

void engine_run(Accel *a, CpuState *cpu)
{
    EngineCpu *ec = engine_cpu(cpu);

    engine_online(ec);
    loop_memory_map_changed(ec);
    context_update(ec);
    if (ec->engine->icount.on) {
        icount_begin(ec);
    }
    if (_setjmp(ec->leave)) {
        if (ec->engine->eops->left) {
            ec->engine->eops->left(ec);
        }
        ec->env->host_ra = 0;
    }
    ec->left = NULL;
    ec->in_loop = true;
    while (loop_poll(ec)) {
        if (!loop_debug(ec)) {
            loop_turn(ec);
        }
    }
    ec->in_loop = false;
    engine_offline(ec);
}
