/* SPDX-License-Identifier: MIT */
/* The x86_64 CPU device: its types, its life, its wires, its operations (CpuOps). */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "memory/irq.h"
#include "models.h"

#define CPU_SUFFIX "-x86_64-cpu"

/* --- Globals of the IR --- */

#define X86_G(n, name_, rank_)                                                                     \
    [X86_G_REG +                                                                                   \
        (n)] = {.name = name_, .type = IR_I64, .offset = offsetof(X86Env, regs[n]), .rank = rank_}
#define X86_GCC(id, name_, type_, field, rank_)                                                    \
    [X86_G_##id] = {.name = name_, .type = type_, .offset = offsetof(X86Env, field), .rank = rank_}

/* Both halves of vector register @n; of the ten places in host registers the low ones take eight. */
#define X86_GV(n, rank_)                                                                           \
    [X86_G_XMM + (n)] = {.name = "xmm" #n,                                                         \
                         .type = IR_V128,                                                          \
                         .offset = offsetof(X86Env, xmm[n]),                                       \
                         .rank = rank_},                                                           \
                 [X86_G_YMMH + (n)] = {.name = "ymmh" #n,                                          \
                                       .type = IR_V128,                                            \
                                       .offset = offsetof(X86Env, ymmh[n]),                        \
                                       .rank = 255}

/* Ten of these live in host registers.  The flags' operands are written far more often than read, so that
 * memory serves them as well; r12 and r13 are what compilers keep in loops after the old registers. */
static const IrGlobal x86_globals[X86_NGLOBALS] = {
    X86_G(0, "rax", 0),
    X86_G(1, "rcx", 2),
    X86_G(2, "rdx", 1),
    X86_G(3, "rbx", 5),
    X86_G(4, "rsp", 3),
    X86_G(5, "rbp", 6),
    X86_G(6, "rsi", 7),
    X86_G(7, "rdi", 4),
    X86_G(8, "r8", 11),
    X86_G(9, "r9", 12),
    X86_G(10, "r10", 13),
    X86_G(11, "r11", 14),
    X86_G(12, "r12", 8),
    X86_G(13, "r13", 9),
    X86_G(14, "r14", 15),
    X86_G(15, "r15", 16),
    X86_GCC(CC_DST, "cc_dst", IR_I64, cc_dst, 255),
    X86_GCC(CC_SRC, "cc_src", IR_I64, cc_src, 255),
    X86_GCC(CC_SRC2, "cc_src2", IR_I64, cc_src2, 255),
    X86_GCC(CC_OP, "cc_op", IR_I32, cc_op, 255),
    X86_GV(0, 0),
    X86_GV(1, 1),
    X86_GV(2, 2),
    X86_GV(3, 3),
    X86_GV(4, 4),
    X86_GV(5, 5),
    X86_GV(6, 6),
    X86_GV(7, 7),
    X86_GV(8, 255),
    X86_GV(9, 255),
    X86_GV(10, 255),
    X86_GV(11, 255),
    X86_GV(12, 255),
    X86_GV(13, 255),
    X86_GV(14, 255),
    X86_GV(15, 255),
};

const IrTarget x86_ir_target = {
    .name = "x86_64",
    .globals = x86_globals,
    .nglobals = ARRAY_SIZE(x86_globals),
    .helpers = x86_helpers,
    .nhelpers = X86_NHELPERS,
    .denormal_flag = true,
    .often_misaligned = true,
};

/* --- Operations --- */

static void x86_set_pc(CpuState *cpu, GuestVA pc)
{
    x86_env(cpu)->tcg.pc = pc;
}

const CpuOps x86_cpu_ops = {
    .ir = &x86_ir_target,
    .env_size = sizeof(X86Env),
    .min_insn_bytes = 1,
    .model_size = sizeof(X86Model),
    .translate = x86_translate,
    .key = x86_key,
    .space = x86_space,
    .tlb_fill = x86_tlb_fill,
    .misaligned = x86_misaligned,
    .deliver = x86_deliver,
    .take_interrupt = x86_take_interrupt,
    .has_work = x86_has_work,
    .reset = x86_reset,
    .set_pc = x86_set_pc,
    .dump = x86_dump,
    .print_mappings = x86_print_mappings,
    .disas = x86_disas,
    .gdb = x86_gdb,
};

/* --- Wires --- */

static void set_level(CpuState *cpu, uint32_t bit, bool level)
{
    if (level) {
        cpu_interrupt_set(cpu, bit);
    } else {
        cpu_interrupt_clear(cpu, bit);
    }
}

static void x86_irq_input(void *opaque, int n, bool level)
{
    CpuState *cpu = opaque;

    switch (n) {
    case X86_IRQ_INTR: set_level(cpu, X86_INT_HARD, level); break;
    case X86_IRQ_NMI:
        if (level) {
            cpu_interrupt_set(cpu, X86_INT_NMI);
        }
        break;
    case X86_IRQ_SMI:
        if (level) {
            cpu_interrupt_set(cpu, X86_INT_SMI);
        }
        break;
    case X86_IRQ_IGNNE: __atomic_store_n(&x86_cpu(cpu)->ignne, level, __ATOMIC_RELAXED); break;
    default:
        __atomic_store_n(&x86_cpu(cpu)->a20, level, __ATOMIC_RELAXED);
        cpu_interrupt_set(cpu, X86_INT_A20);
        break;
    }
}

CpuState *x86_cpu_current(void)
{
    return cpu_current();
}

void x86_cpu_init_signal(CpuState *cpu)
{
    cpu_interrupt_clear(cpu, X86_INT_SIPI);
    cpu_interrupt_set(cpu, X86_INT_INIT);
}

void x86_cpu_sipi(CpuState *cpu, uint8_t vector)
{
    x86_cpu(cpu)->sipi_vector = vector;
    cpu_interrupt_set(cpu, X86_INT_SIPI);
}

void x86_cpu_set_apic(CpuState *cpu, const X86ApicOps *ops, void *opaque)
{
    x86_cpu(cpu)->apic = ops;
    x86_cpu(cpu)->apic_opaque = opaque;
}

void x86_cpu_set_io(CpuState *cpu, AddressSpace *io)
{
    x86_cpu(cpu)->io = io;
}

MemRegion *x86_cpu_memory(CpuState *cpu)
{
    return &x86_cpu(cpu)->root;
}

MemRegion *x86_cpu_smm_memory(CpuState *cpu)
{
    return &x86_cpu(cpu)->smm;
}

uint32_t x86_cpu_apic_id(CpuState *cpu)
{
    return x86_cpu(cpu)->apic_id;
}

void x86_cpu_set_flat_start(CpuState *cpu, uint32_t eip, uint32_t eax, uint32_t ebx, uint32_t esi)
{
    X86Cpu *x = x86_cpu(cpu);

    x->flat_start = true;
    x->start_eip = eip;
    x->start_eax = eax;
    x->start_ebx = ebx;
    x->start_esi = esi;
}

/* --- Memory as the CPU sees it --- */

enum { PRIO_SYSTEM = 0, PRIO_SMM = 1000 };

static void init_memory(X86Cpu *x, Machine *m)
{
    Object *owner = &x->cpu.dev.obj;

    mem_init_container(&x->root, owner, "cpu-memory", UINT64_MAX);
    mem_init_alias(&x->system, owner, "cpu-system", m->system_memory, 0, UINT64_MAX);
    mem_init_container(&x->smm, owner, "cpu-smm", UINT64_MAX);
    x->smm.enabled = false;
    mem_add_overlap(&x->root, 0, &x->system, PRIO_SYSTEM);
    mem_add_overlap(&x->root, 0, &x->smm, PRIO_SMM);
    x->cpu.as = mem_as_new(&x->root, "cpu-memory");
}

static void fini_memory(X86Cpu *x)
{
    mem_remove(&x->smm);
    mem_remove(&x->system);
    mem_as_free(x->cpu.as);
    mem_fini(&x->smm);
    mem_fini(&x->system);
    mem_fini(&x->root);
}

/* --- The device --- */

static bool x86_resolve(Device *dev, Error **errp)
{
    return x86_features_resolve(qom_cast(dev, TYPE_X86_CPU), qom_type_ops(dev->obj.type), errp);
}

static bool x86_realize(Device *dev, Error **errp)
{
    X86Cpu *x = qom_cast(dev, TYPE_X86_CPU);
    CpuState *cpu = &x->cpu;

    if (!x86_resolve(dev, errp)) {
        return false;
    }
    x->env = (X86Env *)(void *)tcg_env_new(sizeof(X86Env));
    x->env->tcg.cpu = cpu;
    x->env->tcg.helpers = x86_helpers;
    cpu->env = &x->env->tcg;
    cpu->ops = &x86_cpu_ops;
    cpu->model = &x->model;
    x->a20 = true;
    init_memory(x, dev->machine);
    irq_inputs_init(dev, NULL, x86_irq_input, cpu, X86_IRQ_COUNT);
    irq_line_init(&x->ferr, dev, "ferr");
    return true;
}

static void x86_unrealize(Device *dev)
{
    X86Cpu *x = qom_cast(dev, TYPE_X86_CPU);

    fini_memory(x);
    tcg_env_free(x->cpu.env);
    x->cpu.env = NULL;
    x->env = NULL;
}

static void x86_device_reset(Device *dev)
{
    x86_reset(qom_cast(dev, TYPE_CPU));
}

/* --- Types: their ops are the models --- */

static const DeviceOps x86_device_ops =
    DEVICE_OPS(x86_snapshot, .resolve = x86_resolve, .realize = x86_realize,
               .unrealize = x86_unrealize, .reset = x86_device_reset, .after_load = x86_after_load);

QOM_TYPE(x86_type, .name = TYPE_X86_CPU, .parent = TYPE_CPU, .size = sizeof(X86Cpu),
         .desc = "x86 CPU", .abstract = true, .props = x86_cpu_props, .dev = &x86_device_ops);

enum {
#define X86_MODEL(ident, ...) MODEL_##ident,
#include "models.def"
#undef X86_MODEL
};

#define X86_MODEL(ident, name_, base, vendor, family, model, stepping, level, xlevel, brand,       \
                  desc_, features)                                                                 \
    QOM_TYPE(ident##_type, .name = name_ CPU_SUFFIX, .parent = TYPE_X86_CPU, .desc = desc_,        \
             .ops = &x86_model_defs[MODEL_##ident]);
#include "models.def"
#undef X86_MODEL

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
            fprintf(list->out, "  %-26s %s\n", name, t->desc);
        }
    }
}

void x86_cpu_print_help(FILE *out)
{
    NameList list = {.names = g_ptr_array_new_with_free_func(g_free), .out = out};

    fprintf(out, "Available CPUs:\n");
    qom_type_foreach(TYPE_X86_CPU, collect_model, &list);
    fprintf(out,
            "\nRecognized CPUID flags, +NAME, -NAME or NAME=on|off after the CPU and a comma:\n");
    x86_features_print(out);
    g_ptr_array_free(list.names, true);
}

/* "Haswell-v4" is "Haswell": versions of a model differ in what is not modelled here. */
static char *model_type(const char *name)
{
    const char *version = g_strrstr(name, "-v");
    size_t len = strlen(name);

    if (version && g_ascii_isdigit(version[2]) &&
        version[2 + strspn(version + 2, "0123456789")] == 0) {
        len = version - name;
    }
    return g_strdup_printf("%.*s" CPU_SUFFIX, (int)len, name);
}

/* The type of model @name; NULL with a message. The caller frees. */
static char *find_model(const char *name, Error **errp)
{
    char *type = model_type(name);
    const ObjectType *t = qom_type_find(type);
    NameList list = {0};

    if (t && !t->abstract) {
        return type;
    }
    g_free(type);
    if (!strcmp(name, "host")) {
        error_fail(errp,
                   "-cpu: 'host' needs the host's own virtualisation, which is not supported; "
                   "'max' has everything that is modelled");
        return NULL;
    }
    list.names = g_ptr_array_new_with_free_func(g_free);
    qom_type_foreach(TYPE_X86_CPU, collect_model, &list);
    g_ptr_array_add(list.names, NULL);
    error_unknown_name(errp, "-cpu: model", name, (const char *const *)list.names->pdata);
    g_ptr_array_free(list.names, true);
    return NULL;
}

/* One item after the model: "avx2=off" (or no, false), "+avx2", "-avx2", "avx2". */
static bool set_feature(X86Cpu *x, const char *item, Error **errp)
{
    const char *eq = strchr(item, '=');
    bool minus = !eq && item[0] == '-', sign = minus || (!eq && item[0] == '+');
    g_autofree char *raw = eq ? g_strndup(item, eq - item) : g_strdup(item + sign);
    g_autofree char *name = x86_feature_property(raw);
    const char *value = eq ? eq + 1 : minus ? "off" : "on";

    if (g_str_has_prefix(name, "hv-")) {
        if (x->cpu.index == 0) {
            warn_user("-cpu: '%s' has no effect: there are no Hyper-V enlightenments here", name);
        }
        return true;
    }
    if (!strcmp(value, "true") || !strcmp(value, "yes")) {
        value = "on";
    } else if (!strcmp(value, "false") || !strcmp(value, "no")) {
        value = "off";
    }
    if (!qom_prop_set(&x->cpu.dev.obj, name, value, errp)) {
        error_prepend(errp, "-cpu: ");
        return false;
    }
    return true;
}

CpuState *x86_cpu_new(Machine *m, const char *model, uint32_t apic_id, Error **errp)
{
    g_auto(GStrv) items = g_strsplit(model, ",", -1);
    g_autofree char *type = items[0] ? find_model(items[0], errp) : NULL;
    Object *obj;
    X86Cpu *x;

    if (!type) {
        if (!items[0]) {
            error_fail(errp, "-cpu: no model was given");
        }
        return NULL;
    }
    obj = qom_new(type);
    x = qom_cast(obj, TYPE_X86_CPU);
    x->apic_id = apic_id;
    x->cpu.index = m->cpus->len;
    for (char **item = items + 1; *item; item++) {
        if (**item && !set_feature(x, *item, errp)) {
            qom_put(obj);
            return NULL;
        }
    }
    if (!machine_realize_device(m, &x->cpu.dev, NULL, errp)) {
        return NULL;
    }
    g_ptr_array_add(m->cpus, x);
    return &x->cpu;
}
