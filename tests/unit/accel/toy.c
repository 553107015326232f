/* SPDX-License-Identifier: MIT */
/* The toy CPU and its machine; see toy.h. */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "toy.h"

#define TYPE_TOY "toy-cpu"

static ToyCpu *toy_cpu(CpuState *cpu)
{
    return container_of(cpu, ToyCpu, cpu);
}

/* --- Helpers --- */

enum { H_HALT, H_SPACE, H_FLUSH, H_HOOK, H_COUNT };

static uint64_t toy_halt(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    cpu_raise(((TcgEnv *)env)->cpu, TOY_HALTED);
}

static uint64_t toy_space_helper(void *opaque, uint64_t space, uint64_t b, uint64_t c, uint64_t d)
{
    ToyEnv *env = opaque;

    env->space = space;
    cpu_context_changed(env->tcg.cpu);
    return 0;
}

static uint64_t toy_flush(void *opaque, uint64_t va, uint64_t space, uint64_t every, uint64_t d)
{
    ToyEnv *env = opaque;

    cpu_tlb_flush_page(env->tcg.cpu, va, every ? ~0ULL : space);
    return 0;
}

static uint64_t toy_hook(void *opaque, uint64_t a, uint64_t b, uint64_t n, uint64_t d)
{
    ToyCpu *toy = toy_cpu(((ToyEnv *)opaque)->tcg.cpu);

    return toy->hooks[n](toy, a, b);
}

static const IrHelper toy_helpers[H_COUNT] = {
    [H_HALT] = {"halt", toy_halt, IR_HELPER_STATE | IR_HELPER_LAST, IR_VOID, {0}},
    [H_SPACE] = {"space", toy_space_helper, IR_HELPER_STATE, IR_VOID, {IR_I64}},
    [H_FLUSH] = {"flush", toy_flush, IR_HELPER_STATE, IR_VOID, {IR_I64, IR_I64, IR_I64}},
    [H_HOOK] = {"hook", toy_hook, IR_HELPER_STATE, IR_I64, {IR_I64, IR_I64, IR_I64}},
};

#define REG(n)                                                                                     \
    {                                                                                              \
        "r" #n, IR_I64, (int32_t)offsetof(ToyEnv, r[n]), n                                         \
    }
static const IrGlobal toy_globals[8] = {REG(0), REG(1), REG(2), REG(3),
                                        REG(4), REG(5), REG(6), REG(7)};

static const IrTarget toy_target = {"toy", toy_globals, 8, toy_helpers, H_COUNT};

/* --- Translation --- */

typedef struct ToyInsn {
    unsigned op, a, b;
    int64_t imm;
} ToyInsn;

/* Memory, branches and the rest; true when the block ends. */
static bool toy_translate_insn(Ir *ir, ToyInsn n, int64_t pc)
{
    switch (n.op) {
    case TOY_ADDI: ir_put(ir, n.a, ir_add(ir, ir_get(ir, n.b), ir_imm(ir, n.imm))); return false;
    case TOY_ADD: ir_put(ir, n.a, ir_add(ir, ir_get(ir, n.a), ir_get(ir, n.b))); return false;
    case TOY_LD:
        ir_put(ir, n.a, ir_load(ir, IR_I64, IR_MEM_64, 0, ir_get(ir, n.b), 8 * n.imm));
        return false;
    case TOY_ST:
        ir_store(ir, IR_MEM_64, 0, ir_get(ir, n.b), 8 * n.imm, ir_get(ir, n.a));
        return false;
    case TOY_ST_UNAL:
        ir_store(ir, IR_MEM_64, 0, ir_get(ir, n.b), n.imm, ir_get(ir, n.a));
        return false;
    case TOY_ST32:
        ir_store(ir, IR_MEM_32, 0, ir_get(ir, n.b), 4 * n.imm,
                 ir_un(ir, IR_TRUNC, ir_get(ir, n.a)));
        return false;
    case TOY_AMO:
    case TOY_AMO_ANY:
        ir_put(ir, n.a,
               ir_atomic(ir, IR_I64, IR_ATOMIC_ADD,
                         IR_MEM_64 | (n.op == TOY_AMO ? IR_MEM_ALIGN : 0), 0, ir_get(ir, n.b),
                         ir_imm(ir, n.imm)));
        return false;
    case TOY_CALL:
        ir_put(ir, n.a,
               ir_call(ir, H_HOOK, ir_get(ir, n.a), ir_get(ir, n.b), ir_imm(ir, n.imm), IR_NONE));
        return false;
    case TOY_BNE:
        ir_exit_if(ir, IR_NE, ir_get(ir, n.a), ir_get(ir, n.b), pc + 4 * n.imm);
        return false;
    case TOY_JR: ir_goto_ind(ir, IR_JUMP, ir_get(ir, n.a)); return true;
    case TOY_SPACE:
        ir_call(ir, H_SPACE, ir_get(ir, n.a), IR_NONE, IR_NONE, IR_NONE);
        ir_exit(ir, pc + 4);
        return true;
    case TOY_FLUSH:
        ir_call(ir, H_FLUSH, ir_get(ir, n.a), ir_get(ir, n.b), ir_imm(ir, n.b == 7), IR_NONE);
        ir_exit(ir, pc + 4);
        return true;
    default:
        ir_call(ir, H_HALT, IR_NONE, IR_NONE, IR_NONE, IR_NONE);
        ir_exit(ir, pc + 4);
        return true;
    }
}

static void toy_translate(Translate *tx)
{
    uint32_t off = tx->page_off;
    bool ends = false;

    while (!ends && tx->ninsns < tx->max_insns) {
        uint8_t code[4];

        for (unsigned i = 0; i < 4; i++) {
            if (off + i >= 4096 && !tx->next_page) {
                tx->needs_next = true;
                break;
            }
            code[i] = off + i < 4096 ? tx->page[off + i] : tx->next_page[off + i - 4096];
        }
        if (tx->needs_next || off >= 4096) {
            break;
        }
        ir_insn(tx->ir, off);
        ends = toy_translate_insn(
            tx->ir, (ToyInsn){code[0], code[1] & 7, code[2] & 7, (int8_t)code[3]}, off);
        off += 4;
        tx->ninsns++;
    }
    tx->size = off - tx->page_off;
    if (!ends && tx->size) {
        ir_goto(tx->ir, off);
    }
}

static CpuKey toy_key(CpuState *cpu)
{
    return 0;
}

static uint64_t toy_space(CpuState *cpu)
{
    return toy_cpu(cpu)->env->space;
}

/* --- Memory --- */

static bool toy_fault(ToyCpu *toy, GuestVA va)
{
    toy->fault_va = va;
    toy->cpu.exception = TOY_FAULT;
    return false;
}

static bool toy_tlb_fill(CpuState *cpu, GuestVA va, unsigned size, MemAccess access, unsigned mmu,
                         bool probe, TlbFill *out)
{
    static const uint8_t need[] = {PROT_R, PROT_W, PROT_X};
    ToyCpu *toy = toy_cpu(cpu);

    toy->walks++;
    *out = (TlbFill){.pa = va, .page_size = 4096, .prot = PROT_R | PROT_W | PROT_X};
    if (!toy->maps->len) {
        return true;
    }
    for (guint i = 0; i < toy->maps->len; i++) {
        const ToyMap *map = &g_array_index(toy->maps, ToyMap, i);

        if ((map->va ^ va) < 4096 && (map->space == ~0ULL || map->space == toy->env->space)) {
            out->pa = map->pa + (va & 4095);
            out->prot = map->prot;
            out->global = map->space == ~0ULL;
            return map->prot & need[access] || probe || toy_fault(toy, va);
        }
    }
    return !probe && toy_fault(toy, va);
}

static void toy_bus_error(CpuState *cpu, GuestVA va, GuestPA pa, MemAccess access)
{
    toy_fault(toy_cpu(cpu), va);
}

static void toy_misaligned(CpuState *cpu, GuestVA va, MemAccess access, unsigned size)
{
    toy_fault(toy_cpu(cpu), va);
}

static void toy_deliver(CpuState *cpu)
{
    ToyCpu *toy = toy_cpu(cpu);

    __atomic_store_n(&toy->last_exception, cpu->exception, __ATOMIC_SEQ_CST);
    toy->fault_pc = cpu->env->pc;
    __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
}

static bool toy_take_interrupt(CpuState *cpu)
{
    cpu_interrupt_clear(cpu, ~0U);
    return false;
}

static bool toy_has_work(CpuState *cpu)
{
    return __atomic_load_n(&cpu->interrupt_pending, __ATOMIC_SEQ_CST);
}

static const CpuOps toy_ops = {
    .ir = &toy_target,
    .env_size = sizeof(ToyEnv),
    .min_insn_bytes = 4,
    .translate = toy_translate,
    .key = toy_key,
    .space = toy_space,
    .tlb_fill = toy_tlb_fill,
    .bus_error = toy_bus_error,
    .misaligned = toy_misaligned,
    .deliver = toy_deliver,
    .take_interrupt = toy_take_interrupt,
    .has_work = toy_has_work,
};

/* --- The machine --- */

static uint64_t toy_io_read(void *opaque, uint64_t offset, unsigned size)
{
    g_assert_true(machine_lock_held());
    return ((ToyMachine *)opaque)->io_value + offset;
}

static void toy_io_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ToyMachine *t = opaque;

    g_assert_true(machine_lock_held());
    t->io_value = value;
    t->io_writes++;
}

static const MemOps toy_io_ops = {.read = toy_io_read, .write = toy_io_write};

static void toy_cpu_init(Object *obj)
{
    ToyCpu *toy = qom_cast(obj, TYPE_TOY);

    toy->env = (ToyEnv *)(void *)tcg_env_new(sizeof(ToyEnv));
    toy->maps = g_array_new(FALSE, FALSE, sizeof(ToyMap));
    toy->cpu.ops = &toy_ops;
    toy->cpu.env = &toy->env->tcg;
}

static void toy_cpu_fini(Object *obj)
{
    ToyCpu *toy = qom_cast(obj, TYPE_TOY);

    tcg_env_free(&toy->env->tcg);
    g_array_free(toy->maps, TRUE);
}

static const DeviceOps toy_device_ops = DEVICE_OPS(device_no_state);

QOM_TYPE(toy_type, .name = TYPE_TOY, .parent = TYPE_CPU, .size = sizeof(ToyCpu), .desc = "toy CPU",
         .init = toy_cpu_init, .fini = toy_cpu_fini, .dev = &toy_device_ops);

ToyMachine *toy_machine_new(const char *accel, unsigned ncpus)
{
    ToyMachine *t = g_new0(ToyMachine, 1);
    Error *err = NULL;
    bool ok;

    machine_lock();
    t->m = (Machine *)qom_new("none-machine");
    t->m->smp.max_cpus = ncpus;
    ok = mem_init_ram(&t->ram, NULL, "toy.ram", TOY_RAM_SIZE, &err);
    g_assert_true(ok);
    mem_init_io(&t->io, NULL, &toy_io_ops, t, "toy.io", 4096);
    mem_add(t->m->system_memory, 0, &t->ram);
    mem_add(t->m->system_memory, TOY_IO, &t->io);
    t->accel = accel_select(t->m, accel, &err);
    g_assert_nonnull(t->accel);
    for (unsigned i = 0; i < ncpus; i++) {
        ToyCpu *toy = (ToyCpu *)qom_new(TYPE_TOY);

        toy->cpu.index = i;
        toy->cpu.as = t->m->memory;
        g_ptr_array_add(t->m->cpus, toy);
        t->cpus[t->ncpus++] = toy;
    }
    ok = accel_start_cpus(t->m, &err);
    g_assert_true(ok);
    return t;
}

void toy_machine_free(ToyMachine *t)
{
    accel_free(t->accel);
    for (unsigned i = 0; i < t->ncpus; i++) {
        qom_put(&t->cpus[i]->cpu.dev.obj);
    }
    mem_remove(&t->io);
    mem_remove(&t->ram);
    mem_fini(&t->io);
    mem_fini(&t->ram);
    qom_put(&t->m->obj);
    machine_unlock();
    g_free(t);
}

void toy_map(ToyCpu *cpu, GuestVA va, GuestPA pa, uint64_t space, uint8_t prot)
{
    ToyMap map = {va, pa, space, prot};

    g_array_append_val(cpu->maps, map);
}

void toy_write_code(ToyMachine *t, GuestPA pa, const uint32_t *code, unsigned n)
{
    g_assert_cmpint(mem_write(t->m->memory, pa, code, 4 * n), ==, MEM_OK);
}

void toy_start_at(ToyCpu *cpu, GuestVA pc)
{
    cpu->env->tcg.pc = pc;
    cpu->cpu.halted = false;
    cpu->last_exception = -1;
}

static bool toy_all_halted(ToyMachine *t)
{
    for (unsigned i = 0; i < t->ncpus; i++) {
        if (!__atomic_load_n(&t->cpus[i]->cpu.halted, __ATOMIC_SEQ_CST)) {
            return false;
        }
    }
    return true;
}

void toy_run(ToyMachine *t)
{
    gint64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    cpus_resume_all(t->m);
    while (!toy_all_halted(t)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        machine_unlock();
        g_usleep(200);
        machine_lock();
    }
    cpus_pause_all(t->m);
}

uint64_t toy_peek(ToyMachine *t, GuestPA pa)
{
    uint64_t v = 0;

    g_assert_cmpint(mem_read(t->m->memory, pa, &v, 8), ==, MEM_OK);
    return v;
}

void toy_poke(ToyMachine *t, GuestPA pa, uint64_t v)
{
    g_assert_cmpint(mem_write(t->m->memory, pa, &v, 8), ==, MEM_OK);
}
