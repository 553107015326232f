/* SPDX-License-Identifier: MIT */
/*
 * -accel tcg,lockstep=on: the interpreter runs every block beside the JIT, from the same state.
 *
 * The JIT goes first, on the real CPU.  Whatever reaches beyond the CPU's own state is an *event*: guest
 * memory accesses (all of them: the inline TLB stays empty) and calls of helpers that are not pure.
 * Events are done once, by the JIT's run, and recorded with the state they found and their result.  Then
 * the interpreter runs the same block, on a copy of the state from before it, and is given the recorded
 * results; its events must be the same, in the same order, and find the same state.  A fault ends both.
 *
 * The interpreter is given the IR as the front end made it, so that the passes are under test as well
 * as the backend.  Its floating point is in software.
 *
 * State that is compared: the guest registers and FP flags, what STENV of the block writes, pc.  What
 * differs first is printed with the block's code, IR and registers, and ends the process.
 *
 * Not seen: a call of a wrong helper with right arguments; linking of blocks (none are linked); what
 * helpers do.  Threading: each vCPU has its own record.
 */
#include "rhea/osdep.h"

#include "jit.h"
#include "rhea/bits.h"

typedef enum EventKind { EVENT_LOAD, EVENT_STORE, EVENT_ATOMIC, EVENT_CAS, EVENT_HELPER } EventKind;

typedef struct Event {
    EventKind kind;
    uint32_t info;   /* of a memory access */
    uint64_t arg[4]; /* address and operands, or the helper's arguments ... */
    IrV128 vec[4];   /* ... those that are vectors */
    IrV128 vec_result;
    uint64_t result;
    const IrHelper *helper;
    bool has_state; /* it found the guest's registers in env */
    bool done;      /* it came back; false: it left the block */
} Event;

/* One per vCPU, EngineCpu.flavour. */
typedef struct Lockstep {
    EngineCpu *ec;
    const Block *block; /* what runs; NULL: nothing is recorded */
    size_t env_size;
    unsigned next_call; /* where in the block's IR the next helper event is */
    GArray *events;     /* Event */
    GByteArray *states; /* env as each event found it, then as it left it */
    uint8_t *before;    /* env at the block's start */
    TcgEnv *shadow;     /* the interpreter's, in which env->cpu is the real CPU */
    unsigned at;        /* the interpreter's next event */
    jmp_buf stop;       /* the interpreter has come to where the JIT left */
    GArray *fields;     /* EnvField: what is compared beside the globals */
} Lockstep;

typedef struct EnvField {
    int32_t offset;
    uint8_t size;
} EnvField;

/* Made once per engine, constant then. */
typedef struct LockstepShared {
    IrTarget replay_target; /* with helpers that replay */
    IrHelper *replay_helpers, *record_helpers;
    void *record[RT_NFN], *replay[RT_NFN];
} LockstepShared;

static Lockstep *lockstep_of(TcgEnv *env)
{
    return engine_env_cpu(env)->flavour;
}

static const char *const event_names[] = {"load", "store", "atomic", "compare-and-swap", "helper"};

static unsigned global_size(const IrGlobal *g)
{
    return g->type == IR_I32 || g->type == IR_F32 ? 4 : g->type == IR_V128 ? 16 : 8;
}

/* --- Reporting --- */

static void report_bytes(FILE *f, const uint8_t *p, unsigned size)
{
    fprintf(f, "  0x");
    while (size-- > 0) {
        fprintf(f, "%02x", p[size]);
    }
}

static void report_registers(const Lockstep *l, FILE *f, const uint8_t *jit, const uint8_t *interp)
{
    const IrTarget *t = l->ec->base.cpu->ops->ir;

    fprintf(f, "registers before, after the JIT, after the interpreter:\n");
    for (unsigned i = 0; i < t->nglobals; i++) {
        const IrGlobal *g = &t->globals[i];
        unsigned size = global_size(g);

        fprintf(f, "  %-8s", g->name);
        report_bytes(f, l->before + g->offset, size);
        report_bytes(f, jit + g->offset, size);
        report_bytes(f, interp + g->offset, size);
        fprintf(f, "%s\n", memcmp(jit + g->offset, interp + g->offset, size) ? "  <--" : "");
    }
}

static void report_code(const Lockstep *l, FILE *f)
{
    const Block *b = l->block;
    const CodePage *p = b->page[0];
    unsigned in_page = MIN(b->size, TCG_PAGE_SIZE - (b->ram & ~TCG_PAGE_MASK));

    fprintf(f, "guest code, %u bytes:", b->size);
    if (!p) {
        fprintf(f, " rewritten meanwhile\n");
        return;
    }
    for (unsigned i = 0; i < in_page; i++) {
        fprintf(f, " %02x", p->rb->host[b->ram - p->rb->ram_addr + i]);
    }
    fprintf(f, "%s\n", in_page < b->size ? " (and the next page)" : "");
}

static NORETURN void report(Lockstep *l, const uint8_t *jit, const uint8_t *interp, const char *fmt,
                            ...) G_GNUC_PRINTF(4, 5);

static NORETURN void report(Lockstep *l, const uint8_t *jit, const uint8_t *interp, const char *fmt,
                            ...)
{
    const TcgEnv *before = (const TcgEnv *)(const void *)l->before;
    const Block *b = l->block;
    va_list args;

    fprintf(stderr, "lockstep: CPU %u, block at 0x%" PRIx64 ", key 0x%" PRIx64 ": ",
            l->ec->base.cpu->index, before->pc, b->key);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    report_code(l, stderr);
    report_registers(l, stderr, jit, interp);
    fprintf(stderr, "IR:\n");
    ir_print(b->ir, stderr);
    fprintf(stderr, "host code:\n");
    backend_print(l->ec->engine->backend, &b->code, stderr);
    abort();
}

/* --- Comparing --- */

/* What the two have as the state, at @where. */
static void compare_state(Lockstep *l, const uint8_t *jit, const uint8_t *interp, const char *where)
{
    const TcgEnv *j = (const TcgEnv *)(const void *)jit, *i = (const TcgEnv *)(const void *)interp;
    const IrTarget *t = l->ec->base.cpu->ops->ir;

    if (j->pc != i->pc) {
        report(l, jit, interp, "%s: pc is 0x%" PRIx64 ", interpreter: 0x%" PRIx64, where, j->pc,
               i->pc);
    }
    for (unsigned n = 0; n < t->nglobals; n++) {
        const IrGlobal *g = &t->globals[n];

        if (memcmp(jit + g->offset, interp + g->offset, global_size(g))) {
            report(l, jit, interp, "%s (pc 0x%" PRIx64 "): register %s differs", where, j->pc,
                   g->name);
        }
    }
    if (j->fp_flags != i->fp_flags || j->fp_round != i->fp_round) {
        report(l, jit, interp, "%s (pc 0x%" PRIx64 "): FP flags 0x%x, interpreter: 0x%x", where,
               j->pc, j->fp_flags, i->fp_flags);
    }
    for (guint n = 0; n < l->fields->len; n++) {
        const EnvField *field = &g_array_index(l->fields, EnvField, n);

        if (memcmp(jit + field->offset, interp + field->offset, field->size)) {
            report(l, jit, interp, "%s (pc 0x%" PRIx64 "): %u bytes at env + %d differ", where,
                   j->pc, field->size, field->offset);
        }
    }
}

static const uint8_t *state_found(const Lockstep *l, unsigned event)
{
    return l->states->data + (2 * event) * l->env_size;
}

static const uint8_t *state_left(const Lockstep *l, unsigned event)
{
    return l->states->data + (2 * event + 1) * l->env_size;
}

/* --- The JIT's run: events are done and recorded --- */

static Event *record_begin(Lockstep *l, Event e)
{
    guint n = l->events->len;
    CpuState *cpu = l->ec->base.cpu;

    if (e.has_state) {
        cpu_sync_pc(cpu);
    }
    g_array_append_val(l->events, e);
    g_byte_array_set_size(l->states, 2 * (n + 1) * l->env_size);
    memcpy(l->states->data + 2 * n * l->env_size, cpu->env, l->env_size);
    return &g_array_index(l->events, Event, n);
}

static uint64_t record_end(Lockstep *l, uint64_t result)
{
    guint n = l->events->len - 1;
    Event *e = &g_array_index(l->events, Event, n);

    e->result = result;
    e->done = true;
    memcpy(l->states->data + (2 * n + 1) * l->env_size, l->ec->env, l->env_size);
    return result;
}

static uint64_t record_vec_end(Lockstep *l, uint64_t result, const IrV128 *vec)
{
    g_array_index(l->events, Event, l->events->len - 1).vec_result = *vec;
    return record_end(l, result);
}

static uint64_t record_load(TcgEnv *env, uint64_t va, uint32_t info)
{
    Lockstep *l = lockstep_of(env);

    if (!l->block) {
        return access_load(env, va, info);
    }
    record_begin(l, (Event){.kind = EVENT_LOAD, .info = info, .arg = {va}, .has_state = true});
    return record_end(l, access_load(env, va, info));
}

static void record_store(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    Lockstep *l = lockstep_of(env);

    if (!l->block) {
        access_store(env, va, value, info);
        return;
    }
    record_begin(l,
                 (Event){.kind = EVENT_STORE, .info = info, .arg = {va, value}, .has_state = true});
    access_store(env, va, value, info);
    record_end(l, 0);
}

static uint64_t record_atomic(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    Lockstep *l = lockstep_of(env);

    if (!l->block) {
        return access_rmw(env, va, value, info);
    }
    record_begin(
        l, (Event){.kind = EVENT_ATOMIC, .info = info, .arg = {va, value}, .has_state = true});
    return record_end(l, access_rmw(env, va, value, info));
}

static uint64_t record_cas(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired,
                           uint32_t info)
{
    Lockstep *l = lockstep_of(env);

    if (!l->block) {
        return access_cas(env, va, expect, desired, info);
    }
    record_begin(
        l,
        (Event){.kind = EVENT_CAS, .info = info, .arg = {va, expect, desired}, .has_state = true});
    return record_end(l, access_cas(env, va, expect, desired, info));
}

static void record_load128(TcgEnv *env, uint64_t va, uint32_t info, IrV128 *value)
{
    Lockstep *l = lockstep_of(env);

    if (!l->block) {
        access_load128(env, va, info, value);
        return;
    }
    record_begin(l, (Event){.kind = EVENT_LOAD, .info = info, .arg = {va}, .has_state = true});
    access_load128(env, va, info, value);
    record_vec_end(l, 0, value);
}

static void record_store128(TcgEnv *env, uint64_t va, uint32_t info, const IrV128 *value)
{
    Lockstep *l = lockstep_of(env);

    if (!l->block) {
        access_store128(env, va, info, value);
        return;
    }
    record_begin(l, (Event){.kind = EVENT_STORE,
                            .info = info,
                            .arg = {va},
                            .vec = {[1] = *value},
                            .has_state = true});
    access_store128(env, va, info, value);
    record_end(l, 0);
}

/* Helpers that only compute, on arguments and FP flags, run twice. */
static bool helper_is_event(const IrHelper *h)
{
    return !(h->flags & IR_HELPER_PURE) &&
           (h->flags & (IR_HELPER_STATE | IR_HELPER_LAST) || !(h->flags & IR_HELPER_FP));
}

static const IrHelper *next_helper(Lockstep *l)
{
    const Ir *ir = l->block->ir;
    const IrTarget *t = l->ec->base.cpu->ops->ir;

    while (l->next_call < ir->n) {
        const IrInsn *insn = &ir->insns[l->next_call++];

        if (insn->op == IR_CALL && helper_is_event(ir_helper(t, insn->imm))) {
            return ir_helper(t, insn->imm);
        }
    }
    return NULL;
}

static Event helper_event(const IrHelper *h, const uint64_t args[4])
{
    Event e = {.kind = EVENT_HELPER, .helper = h};

    for (unsigned i = 0; i < ARRAY_SIZE(e.arg) && h->args[i] != IR_VOID; i++) {
        if (h->args[i] == IR_V128) {
            e.vec[i] = *(const IrV128 *)(uintptr_t)args[i];
        } else {
            e.arg[i] = args[i];
        }
    }
    e.has_state = h->flags & (IR_HELPER_STATE | IR_HELPER_LAST);
    return e;
}

static const IrHelper *record_helper_begin(TcgEnv *env, const uint64_t args[4])
{
    Lockstep *l = lockstep_of(env);
    const IrHelper *h = next_helper(l);

    if (!h) {
        report(l, (uint8_t *)env, l->before, "a helper is called for which there is no CALL");
    }
    record_begin(l, helper_event(h, args));
    return h;
}

static uint64_t record_helper(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const IrHelper *h = record_helper_begin(env, (uint64_t[]){a, b, c, d});

    return record_end(lockstep_of(env), h->fn(env, a, b, c, d));
}

static uint64_t record_vec_helper(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                  IrV128 *r)
{
    const IrHelper *h = record_helper_begin(env, (uint64_t[]){a, b, c, d});
    IrHelperVecFn fn = (IrHelperVecFn)(void (*)(void))h->fn;
    uint64_t result = fn(env, a, b, c, d, r);

    return record_vec_end(lockstep_of(env), result, r);
}

/* --- The interpreter's run: events are compared --- */

static uint64_t event_mask(const Event *e, unsigned arg)
{
    if (e->kind == EVENT_HELPER) {
        IrType type = e->helper->args[arg];

        return type == IR_I32 || type == IR_F32 ? MASK_ULL(32) : ~0ULL;
    }
    return arg ? MASK_ULL(8u << (e->info & IR_MEM_SIZE)) : ~0ULL;
}

static bool event_same(const Event *jit, const Event *interp)
{
    bool same = jit->kind == interp->kind && jit->info == interp->info &&
                !memcmp(jit->vec, interp->vec, sizeof(jit->vec));

    for (unsigned i = 0; same && i < ARRAY_SIZE(jit->arg); i++) {
        same = !((jit->arg[i] ^ interp->arg[i]) & event_mask(jit, i));
    }
    return same;
}

static const char *event_text(const Event *e)
{
    static __thread char text[200];

    g_snprintf(text, sizeof(text),
               "%s%s%s(0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64 ") info 0x%x",
               event_names[e->kind], e->helper ? " " : "", e->helper ? e->helper->name : "",
               e->arg[0], e->arg[1], e->arg[2], e->arg[3], e->info);
    return text;
}

/* The interpreter has come to an event: the JIT's must be the same. */
static const Event *replay(Lockstep *l, const Event *interp)
{
    const uint8_t *shadow = (const uint8_t *)l->shadow;
    const Event *jit;
    unsigned at = l->at++;

    if (at >= l->events->len) {
        report(l, (uint8_t *)l->ec->env, shadow, "the JIT has left, the interpreter comes to %s",
               event_text(interp));
    }
    jit = &g_array_index(l->events, Event, at);
    if (!event_same(jit, interp)) {
        g_autofree char *text = g_strdup(event_text(jit));

        report(l, state_found(l, at), shadow, "event %u: %s, interpreter: %s", at, text,
               event_text(interp));
    }
    if (jit->has_state) {
        compare_state(l, state_found(l, at), shadow, event_text(jit));
    }
    if (!jit->done) {
        longjmp(l->stop, 1);
    }
    if (jit->helper && jit->has_state) {
        TcgEnv keep = *l->shadow;

        memcpy(l->shadow, state_left(l, at), l->env_size);
        l->shadow->runtime = keep.runtime;
        l->shadow->helpers = keep.helpers;
        l->shadow->pc = keep.pc;
    }
    return jit;
}

static uint64_t replay_load(TcgEnv *env, uint64_t va, uint32_t info)
{
    return replay(lockstep_of(env), &(Event){.kind = EVENT_LOAD, .info = info, .arg = {va}})
        ->result;
}

static void replay_store(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    replay(lockstep_of(env), &(Event){.kind = EVENT_STORE, .info = info, .arg = {va, value}});
}

static uint64_t replay_atomic(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    return replay(lockstep_of(env),
                  &(Event){.kind = EVENT_ATOMIC, .info = info, .arg = {va, value}})
        ->result;
}

static uint64_t replay_cas(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired,
                           uint32_t info)
{
    return replay(lockstep_of(env),
                  &(Event){.kind = EVENT_CAS, .info = info, .arg = {va, expect, desired}})
        ->result;
}

static void replay_load128(TcgEnv *env, uint64_t va, uint32_t info, IrV128 *value)
{
    *value = replay(lockstep_of(env), &(Event){.kind = EVENT_LOAD, .info = info, .arg = {va}})
                 ->vec_result;
}

static void replay_store128(TcgEnv *env, uint64_t va, uint32_t info, const IrV128 *value)
{
    replay(lockstep_of(env),
           &(Event){.kind = EVENT_STORE, .info = info, .arg = {va}, .vec = {[1] = *value}});
}

static uint64_t replay_helper(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    Lockstep *l = lockstep_of(env);
    Event e = helper_event(next_helper(l), (uint64_t[]){a, b, c, d});

    return replay(l, &e)->result;
}

static uint64_t replay_vec_helper(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                  IrV128 *r)
{
    Lockstep *l = lockstep_of(env);
    Event e = helper_event(next_helper(l), (uint64_t[]){a, b, c, d});
    const Event *jit = replay(l, &e);

    *r = jit->vec_result;
    return jit->result;
}

/* --- A block --- */

static void lockstep_begin(Lockstep *l, const Block *b)
{
    const Ir *ir = b->ir;

    l->block = b;
    l->next_call = 0;
    g_array_set_size(l->events, 0);
    memcpy(l->before, l->ec->env, l->env_size);
    g_array_set_size(l->fields, 0);
    for (unsigned i = 0; i < ir->n; i++) {
        if (ir->insns[i].op == IR_STENV) {
            EnvField field = {ir->insns[i].imm, 1u << (ir->insns[i].mem & IR_MEM_SIZE)};

            g_array_append_val(l->fields, field);
        }
    }
}

/* @left: by an event that did not come back. */
static void lockstep_end(Lockstep *l, bool left)
{
    EngineCpu *ec = l->ec;
    TcgEnv *env = ec->env;
    LockstepShared *shared = ec->engine->flavour;

    memcpy(l->shadow, l->before, l->env_size);
    l->shadow->pc_page = l->shadow->pc & TCG_PAGE_MASK;
    l->at = 0;
    l->next_call = 0;
    if (!_setjmp(l->stop)) {
        Ir ir = *l->block->ir;

        ir.target = &shared->replay_target;
        interp_run(&ir, l->shadow, shared->replay);
        if (left || l->at < l->events->len) {
            const Event *e = &g_array_index(l->events, Event, l->at);

            report(l, (uint8_t *)env, (uint8_t *)l->shadow,
                   "the interpreter has left, the JIT comes to %s", event_text(e));
        }
        compare_state(l, (uint8_t *)env, (uint8_t *)l->shadow, "at the end");
    }
    l->block = NULL;
}

static const void *lockstep_run(EngineCpu *ec, const void *entry)
{
    LockstepShared *shared = ec->engine->flavour;
    Lockstep *l = ec->flavour;
    const void *left;

    lockstep_begin(l, cache_block_at(ec->engine, entry));
    ec->env->helpers = shared->record_helpers;
    left = jit_run(ec, entry);
    ec->env->helpers = ec->base.cpu->ops->ir->helpers;
    lockstep_end(l, false);
    return left;
}

static void lockstep_left(EngineCpu *ec)
{
    Lockstep *l = ec->flavour;

    ec->env->helpers = ec->base.cpu->ops->ir->helpers;
    if (l->block) {
        lockstep_end(l, true);
    }
}

/* --- Life --- */

static IrHelper *helpers_with(const IrTarget *t, IrHelperFn fn, IrHelperVecFn vec_fn)
{
    IrHelper *helpers = g_memdup2(t->helpers, t->nhelpers * sizeof(IrHelper));

    for (unsigned i = 0; i < t->nhelpers; i++) {
        if (helper_is_event(&helpers[i])) {
            helpers[i].fn = helpers[i].ret == IR_V128 ? IR_VEC_FN(vec_fn) : fn;
        }
    }
    return helpers;
}

static bool lockstep_prepare(Engine *e, const IrTarget *t, Error **errp)
{
    LockstepShared *s = g_new0(LockstepShared, 1);

    e->flavour = s;
    s->record_helpers = helpers_with(t, record_helper, record_vec_helper);
    s->replay_helpers = helpers_with(t, replay_helper, replay_vec_helper);
    s->replay_target = *t;
    s->replay_target.helpers = s->replay_helpers;
    s->record[RT_LOAD] = (void *)record_load;
    s->record[RT_STORE] = (void *)record_store;
    s->record[RT_LOAD128] = (void *)record_load128;
    s->record[RT_STORE128] = (void *)record_store128;
    s->record[RT_ATOMIC] = (void *)record_atomic;
    s->record[RT_CAS] = (void *)record_cas;
    s->record[RT_LOOKUP] = (void *)engine_lookup;
    s->replay[RT_LOAD] = (void *)replay_load;
    s->replay[RT_STORE] = (void *)replay_store;
    s->replay[RT_LOAD128] = (void *)replay_load128;
    s->replay[RT_STORE128] = (void *)replay_store128;
    s->replay[RT_ATOMIC] = (void *)replay_atomic;
    s->replay[RT_CAS] = (void *)replay_cas;
    return jit_prepare_with(e, t, s->record, errp);
}

static void lockstep_fini(Engine *e)
{
    LockstepShared *s = e->flavour;

    if (s) {
        g_free(s->record_helpers);
        g_free(s->replay_helpers);
        g_free(s);
    }
    jit_fini(e);
}

static void lockstep_cpu_init(EngineCpu *ec)
{
    Lockstep *l = g_new0(Lockstep, 1);

    l->ec = ec;
    l->env_size = ec->base.cpu->ops->env_size;
    l->events = g_array_new(FALSE, FALSE, sizeof(Event));
    l->states = g_byte_array_new();
    l->fields = g_array_new(FALSE, FALSE, sizeof(EnvField));
    l->before = g_malloc0(l->env_size);
    l->shadow = tcg_env_new(l->env_size);
    ec->flavour = l;
}

static void lockstep_cpu_fini(EngineCpu *ec)
{
    Lockstep *l = ec->flavour;

    g_array_free(l->events, TRUE);
    g_byte_array_free(l->states, TRUE);
    g_array_free(l->fields, TRUE);
    g_free(l->before);
    tcg_env_free(l->shadow);
    g_free(l);
}

const EngineOps lockstep_engine = {
    .has_code = true,
    .alone = true,
    .keeps_source = true,
    .prepare = lockstep_prepare,
    .fini = lockstep_fini,
    .cpu_init = lockstep_cpu_init,
    .cpu_fini = lockstep_cpu_fini,
    .finish_ir = jit_finish_ir,
    .compile = jit_compile,
    .run = lockstep_run,
    .left = lockstep_left,
};
