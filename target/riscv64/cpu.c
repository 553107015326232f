/* SPDX-License-Identifier: MIT */
/* The riscv64 CPU device: its types, its life, its operations (CpuOps). */
#include "rhea/osdep.h"

#include "cpu.h"
#include "hw/machine.h"
#include "memory/irq.h"
#include "timer.h"

#define CPU_SUFFIX "-riscv-cpu"

/* --- Globals of the IR: the order of rank is how often compilers use a register --- */

#define RV_GX(n, name_, rank_)                                                                     \
    [RV_G_X(n)] = {.name = name_, .type = IR_I64, .offset = offsetof(RvEnv, x[n]), .rank = rank_}
#define RV_GF(n, name_, rank_)                                                                     \
    [RV_G_F(n)] = {.name = name_, .type = IR_F64, .offset = offsetof(RvEnv, f[n]), .rank = rank_}

const IrGlobal rv_globals[RV_NGLOBALS] = {
    RV_GX(1, "ra", 9),    RV_GX(2, "sp", 3),    RV_GX(3, "gp", 30),    RV_GX(4, "tp", 22),
    RV_GX(5, "t0", 19),   RV_GX(6, "t1", 14),   RV_GX(7, "t2", 23),    RV_GX(8, "s0", 5),
    RV_GX(9, "s1", 8),    RV_GX(10, "a0", 2),   RV_GX(11, "a1", 6),    RV_GX(12, "a2", 7),
    RV_GX(13, "a3", 4),   RV_GX(14, "a4", 1),   RV_GX(15, "a5", 0),    RV_GX(16, "a6", 11),
    RV_GX(17, "a7", 13),  RV_GX(18, "s2", 10),  RV_GX(19, "s3", 12),   RV_GX(20, "s4", 15),
    RV_GX(21, "s5", 16),  RV_GX(22, "s6", 17),  RV_GX(23, "s7", 18),   RV_GX(24, "s8", 20),
    RV_GX(25, "s9", 21),  RV_GX(26, "s10", 24), RV_GX(27, "s11", 25),  RV_GX(28, "t3", 26),
    RV_GX(29, "t4", 27),  RV_GX(30, "t5", 28),  RV_GX(31, "t6", 29),

    RV_GF(0, "ft0", 8),   RV_GF(1, "ft1", 9),   RV_GF(2, "ft2", 10),   RV_GF(3, "ft3", 11),
    RV_GF(4, "ft4", 12),  RV_GF(5, "ft5", 13),  RV_GF(6, "ft6", 14),   RV_GF(7, "ft7", 15),
    RV_GF(8, "fs0", 16),  RV_GF(9, "fs1", 17),  RV_GF(10, "fa0", 3),   RV_GF(11, "fa1", 4),
    RV_GF(12, "fa2", 5),  RV_GF(13, "fa3", 2),  RV_GF(14, "fa4", 1),   RV_GF(15, "fa5", 0),
    RV_GF(16, "fa6", 6),  RV_GF(17, "fa7", 7),  RV_GF(18, "fs2", 18),  RV_GF(19, "fs3", 19),
    RV_GF(20, "fs4", 20), RV_GF(21, "fs5", 21), RV_GF(22, "fs6", 22),  RV_GF(23, "fs7", 23),
    RV_GF(24, "fs8", 24), RV_GF(25, "fs9", 25), RV_GF(26, "fs10", 26), RV_GF(27, "fs11", 27),
    RV_GF(28, "ft8", 28), RV_GF(29, "ft9", 29), RV_GF(30, "ft10", 30), RV_GF(31, "ft11", 31),
};

const IrTarget rv_ir_target = {
    .name = "riscv64",
    .globals = rv_globals,
    .nglobals = RV_NGLOBALS,
    .helpers = rv_helpers,
    .nhelpers = RV_NHELPERS,
};

/* --- Operations --- */

static void rv_set_pc(CpuState *cpu, GuestVA pc)
{
    rv_env(cpu)->tcg.pc = pc;
}

static void dump_regs(const RvEnv *env, GString *out)
{
    for (unsigned i = 0; i < 32; i++) {
        g_string_append_printf(out, " x%-2u/%-4s %016" PRIx64 "%s", i,
                               i ? rv_globals[RV_G_X(i)].name : "zero", env->x[i],
                               i % 4 == 3 ? "\n" : "");
    }
}

static void rv_dump(CpuState *cpu, GString *out)
{
    static const struct {
        const char *name;
        unsigned csr;
    } csrs[] = {
        {"mhartid", 0xf14}, {"mstatus", 0x300}, {"mip", 0x344},      {"mie", 0x304},
        {"mideleg", 0x303}, {"medeleg", 0x302}, {"mtvec", 0x305},    {"stvec", 0x105},
        {"mepc", 0x341},    {"sepc", 0x141},    {"mcause", 0x342},   {"scause", 0x142},
        {"mtval", 0x343},   {"stval", 0x143},   {"mscratch", 0x340}, {"sscratch", 0x140},
        {"satp", 0x180},
    };
    const RvEnv *env = rv_env(cpu);
    static const char modes[] = "US?M";

    g_string_append_printf(out, " pc       %016" PRIx64 "  mode %c%s\n", env->tcg.pc,
                           modes[env->priv], cpu->halted ? " (halted)" : "");
    for (unsigned i = 0; i < ARRAY_SIZE(csrs); i++) {
        uint64_t v = 0;

        rv_csr_peek(cpu, csrs[i].csr, &v);
        g_string_append_printf(out, " %-8s %016" PRIx64 "\n", csrs[i].name, v);
    }
    dump_regs(env, out);
    if (env->mstatus & RV_MSTATUS_FS) {
        for (unsigned i = 0; i < 32; i++) {
            g_string_append_printf(out, " f%-2u/%-4s %016" PRIx64 "%s", i,
                                   rv_globals[RV_G_F(i)].name, env->f[i], i % 4 == 3 ? "\n" : "");
        }
    }
}

const CpuOps rv_cpu_ops = {
    .ir = &rv_ir_target,
    .env_size = sizeof(RvEnv),
    .min_insn_bytes = 2,
    .model_size = sizeof(RvModel),
    .translate = rv_translate,
    .key = rv_key,
    .space = rv_space,
    .tlb_fill = rv_tlb_fill,
    .bus_error = rv_bus_error,
    .misaligned = rv_misaligned,
    .deliver = rv_deliver,
    .take_interrupt = rv_take_interrupt,
    .has_work = rv_has_work,
    .reset = rv_reset,
    .set_pc = rv_set_pc,
    .dump = rv_dump,
    .disas = rv_disas,
    .gdb = rv_gdb,
};

/* --- The device --- */

static void rv_irq_input(void *opaque, int n, bool level)
{
    CpuState *cpu = opaque;
    const uint32_t lines = RV_MIP_MSIP | RV_MIP_MTIP | RV_MIP_SEIP | RV_MIP_MEIP;

    if (lines >> n & 1) {
        if (level) {
            cpu_interrupt_set(cpu, 1u << n);
        } else {
            cpu_interrupt_clear(cpu, 1u << n);
        }
    } else if (n == RISCV_IRQ_SSI && level) {
        cpu_interrupt_set(cpu, RV_MIP_SSIP); /* an edge: software clears the bit */
    }
}

static bool rv_resolve(Device *dev, Error **errp)
{
    return rv_features_resolve(qom_cast(dev, TYPE_RISCV_CPU), qom_type_ops(dev->obj.type), errp);
}

static bool rv_realize(Device *dev, Error **errp)
{
    RvCpu *rv = qom_cast(dev, TYPE_RISCV_CPU);
    CpuState *cpu = &rv->cpu;

    if (!rv_resolve(dev, errp)) {
        return false;
    }
    rv->env = (RvEnv *)(void *)tcg_env_new(sizeof(RvEnv));
    rv->env->tcg.cpu = cpu;
    rv->env->tcg.helpers = rv_helpers;
    cpu->env = &rv->env->tcg;
    cpu->ops = &rv_cpu_ops;
    cpu->model = &rv->model;
    cpu->as = dev->machine->memory;
    rv_timer_init(rv);
    irq_inputs_init(dev, NULL, rv_irq_input, cpu, RISCV_IRQ_COUNT);
    return true;
}

static void rv_unrealize(Device *dev)
{
    RvCpu *rv = qom_cast(dev, TYPE_RISCV_CPU);

    rv_timer_fini(rv);
    tcg_env_free(rv->cpu.env);
    rv->cpu.env = NULL;
    rv->env = NULL;
}

static void rv_device_reset(Device *dev)
{
    rv_reset(qom_cast(dev, TYPE_CPU));
}

/* --- Types: their ops are the defaults of the extensions --- */

static const DeviceOps rv_device_ops =
    DEVICE_OPS(rv_snapshot, .resolve = rv_resolve, .realize = rv_realize, .unrealize = rv_unrealize,
               .reset = rv_device_reset, .after_load = rv_after_load);

QOM_TYPE(rv_type, .name = TYPE_RISCV_CPU, .parent = TYPE_CPU, .size = sizeof(RvCpu),
         .desc = "RISC-V CPU", .abstract = true, .props = rv_cpu_props, .dev = &rv_device_ops);
QOM_TYPE(rv64_type, .name = "rv64" CPU_SUFFIX, .parent = TYPE_RISCV_CPU,
         .desc = "RV64GC with the extensions that Linux uses", .ops = rv_default_rv64);
QOM_TYPE(max_type, .name = "max" CPU_SUFFIX, .parent = TYPE_RISCV_CPU,
         .desc = "everything that is modelled and goes together", .ops = rv_default_rv64);
QOM_TYPE(rva22_type, .name = "rva22s64" CPU_SUFFIX, .parent = TYPE_RISCV_CPU,
         .desc = "the RVA22S64 profile", .ops = rv_default_rva22s64);

/* --- For boards --- */

typedef struct NameList {
    GPtrArray *names;
    FILE *out;
} NameList;

static void collect_model(const ObjectType *t, void *opaque)
{
    NameList *list = opaque;

    if (!t->abstract && g_str_has_suffix(t->name, CPU_SUFFIX)) {
        char *name = g_strndup(t->name, strlen(t->name) - strlen(CPU_SUFFIX));

        g_ptr_array_add(list->names, name);
        if (list->out) {
            fprintf(list->out, "  %-12s %s\n", name, t->desc);
        }
    }
}

static bool print_prop(const PropDesc *p, void *opaque)
{
    if (p >= rv_cpu_props && p < rv_cpu_props + RV_EXT_COUNT + 3) {
        fprintf(opaque, "  %-12s %s\n", p->name, p->help);
    }
    return true;
}

void riscv_cpu_print_help(FILE *out)
{
    NameList list = {.names = g_ptr_array_new_with_free_func(g_free), .out = out};

    fprintf(out, "Available CPUs:\n");
    qom_type_foreach(TYPE_RISCV_CPU, collect_model, &list);
    fprintf(out, "Extensions, NAME=on|off after the CPU and a comma:\n");
    qom_type_foreach_prop(qom_type_find(TYPE_RISCV_CPU), print_prop, out);
    g_ptr_array_free(list.names, true);
}

static bool model_exists(const char *name, Error **errp)
{
    g_autofree char *type = g_strconcat(name, CPU_SUFFIX, NULL);
    const ObjectType *t = qom_type_find(type);
    NameList list = {.names = g_ptr_array_new_with_free_func(g_free)};

    if (t && !t->abstract) {
        g_ptr_array_free(list.names, true);
        return true;
    }
    qom_type_foreach(TYPE_RISCV_CPU, collect_model, &list);
    g_ptr_array_add(list.names, NULL);
    error_unknown_name(errp, "-cpu: model", name, (const char *const *)list.names->pdata);
    g_ptr_array_free(list.names, true);
    return false;
}

/* One item after the model: "zba=off" (or no, false), and the short forms "zba", "+zba", "-zba". */
static bool set_feature(Object *obj, const char *item, Error **errp)
{
    const char *eq = strchr(item, '=');
    g_autofree char *name = eq ? g_strndup(item, eq - item) : g_strdup(item);
    const char *value = eq ? eq + 1 : "on";
    bool ok;

    if (!strcmp(value, "true") || !strcmp(value, "yes")) {
        value = "on";
    } else if (!strcmp(value, "false") || !strcmp(value, "no")) {
        value = "off";
    }
    if (!eq && (name[0] == '+' || name[0] == '-')) {
        ok = qom_prop_set(obj, name + 1, name[0] == '+' ? "on" : "off", errp);
    } else {
        ok = qom_prop_set(obj, name, value, errp);
    }
    if (!ok) {
        error_prepend(errp, "-cpu: ");
    }
    return ok;
}

CpuState *riscv_cpu_new(Machine *m, const char *model, uint64_t hartid, Error **errp)
{
    g_auto(GStrv) items = g_strsplit(model, ",", -1);
    g_autofree char *type = NULL;
    Object *obj;
    RvCpu *rv;
    bool ok = true;

    if (!items[0] || !model_exists(items[0], errp)) {
        return items[0] ? NULL : (error_fail(errp, "-cpu: no model was given"), NULL);
    }
    type = g_strconcat(items[0], CPU_SUFFIX, NULL);
    obj = qom_new(type);
    rv = qom_cast(obj, TYPE_RISCV_CPU);
    rv->hartid = hartid;
    rv->cpu.index = m->cpus->len;
    for (char **item = items + 1; ok && *item; item++) {
        ok = set_feature(obj, *item, errp);
    }
    if (!ok) {
        qom_put(obj);
        return NULL;
    }
    if (!machine_realize_device(m, &rv->cpu.dev, NULL, errp)) {
        return NULL;
    }
    g_ptr_array_add(m->cpus, rv);
    return &rv->cpu;
}

void riscv_cpu_set_reset_vector(CpuState *cpu, uint64_t pc)
{
    rv_cpu(cpu)->resetvec = pc;
}
