/* SPDX-License-Identifier: MIT */
/* The fakes; see fake.h. */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "target/x86_64/models.h"
#include "tests/unit/target/x86_64/fake.h"

Fake fake;
static X86Env *fake_env;
static RamBlock fake_block;

/* --- The CPU --- */

static int fake_ack(void *opaque)
{
    return fake.irq_vector;
}

static uint8_t fake_get_tpr(void *opaque)
{
    return fake.tpr;
}

static void fake_set_tpr(void *opaque, uint8_t v)
{
    fake.tpr = v;
}

static bool fake_read_msr(void *opaque, uint32_t msr, uint64_t *v)
{
    *v = 0xfee00900;
    return msr == 0x1b;
}

static bool fake_write_msr(void *opaque, uint32_t msr, uint64_t v)
{
    return false;
}

static const X86ApicOps fake_apic = {
    .ack = fake_ack,
    .get_tpr = fake_get_tpr,
    .set_tpr = fake_set_tpr,
    .read_msr = fake_read_msr,
    .write_msr = fake_write_msr,
};

static const X86ModelDef *find_model(const char *name)
{
    const X86ModelDef *def = x86_model_defs;

    while (strcmp(def->name, name)) {
        def++;
    }
    return def;
}

static void set_features(const char *list)
{
    g_auto(GStrv) items = g_strsplit(list, ",", -1);

    for (char **item = items; *item; item++) {
        bool off = **item == '-';

        for (const PropDesc *p = x86_cpu_props; p->name; p++) {
            if (!strcmp(p->name, *item + off)) {
                *(int *)(void *)((char *)&fake.cpu + p->offset) =
                    off ? ON_OFF_AUTO_OFF : ON_OFF_AUTO_ON;
            }
        }
    }
}

X86Env *fake_reset(const char *model, const char *features)
{
    Error *err = NULL;

    memset(&fake, 0, sizeof(fake));
    if (!fake_env) {
        fake_env = (X86Env *)(void *)g_malloc0(sizeof(X86Env) + 16);
    }
    memset(fake_env, 0, sizeof(*fake_env));
    fake.cpu.env = fake_env;
    fake.cpu.cpu.env = &fake_env->tcg;
    fake.cpu.cpu.model = &fake.cpu.model;
    fake.cpu.cpu.dev.machine = &fake.machine;
    fake_env->tcg.cpu = &fake.cpu.cpu;
    fake.machine.smp = (SmpConfig){
        .cpus = 1, .sockets = 1, .dies = 1, .clusters = 1, .cores = 1, .threads = 1, .max_cpus = 1};
    fake.cpu.family = fake.cpu.model_number = fake.cpu.stepping = UINT32_MAX;
    fake.cpu.level = fake.cpu.xlevel = UINT32_MAX;
    fake.cpu.migratable = fake.cpu.l3_cache = fake.cpu.a20 = true;
    fake.irq_vector = -1;
    if (features) {
        set_features(features);
    }
    if (!x86_features_resolve(&fake.cpu, find_model(model), &err)) {
        g_error("%s", error_text(err));
    }
    fake.cpu.apic = &fake_apic;
    x86_reset(&fake.cpu.cpu);
    fake.flushes = fake.contexts = 0;
    return fake_env;
}

/* --- Modes --- */

enum {
    ATTR_CODE = X86_ATTR_P | X86_ATTR_S | X86_ATTR_CODE | X86_ATTR_W,
    ATTR_DATA = X86_ATTR_P | X86_ATTR_S | X86_ATTR_W,
    ATTR_DPL3 = 3 << X86_ATTR_DPL_SHIFT,
};

static void load_seg(X86Env *env, unsigned n, uint32_t sel)
{
    uint64_t raw = fake_get(FAKE_GDT + (sel & ~7), 8);
    X86Desc d = {.lo = raw, .hi = raw >> 32};

    env->seg[n] = x86_desc_seg(&d, sel);
}

static void make_tables(X86Env *env)
{
    fake_descriptor(SEL_CS0, 0, UINT32_MAX, ATTR_CODE | X86_ATTR_DB);
    fake_descriptor(SEL_DS0, 0, UINT32_MAX, ATTR_DATA | X86_ATTR_DB);
    fake_descriptor(SEL_CS3, 0, UINT32_MAX, ATTR_CODE | X86_ATTR_DB | ATTR_DPL3);
    fake_descriptor(SEL_DS3, 0, UINT32_MAX, ATTR_DATA | X86_ATTR_DB | ATTR_DPL3);
    fake_descriptor(SEL_CS64, 0, UINT32_MAX, ATTR_CODE | X86_ATTR_L);
    fake_descriptor(SEL_CS64_3, 0, UINT32_MAX, ATTR_CODE | X86_ATTR_L | ATTR_DPL3);
    fake_descriptor(SEL_TSS, FAKE_TSS, 0x1ff, X86_ATTR_P | 11);
    env->gdt.base = FAKE_GDT;
    env->gdt.limit = FAKE_GDT_LIMIT;
    env->idt.base = FAKE_IDT;
    env->idt.limit = 0xfff;
    env->tr = (X86Seg){.base = FAKE_TSS, .limit = 0x1ff, .attr = X86_ATTR_P | 11, .sel = SEL_TSS};
}

static void enter(X86Env *env, unsigned cpl, uint32_t cs)
{
    load_seg(env, X86_CS, cs);
    env->cpl = cpl;
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        if (i != X86_CS) {
            load_seg(env, i, cpl ? SEL_DS3 : SEL_DS0);
        }
    }
    env->regs[X86_RSP] = FAKE_STACK;
    env->tcg.pc = FAKE_CODE;
    x86_set_eflags(env, 2 | X86_IF);
}

X86Env *fake_protected(unsigned cpl)
{
    X86Env *env = fake_reset("max", NULL);

    make_tables(env);
    fake_put(FAKE_TSS + 4, FAKE_STACK0, 4);
    fake_put(FAKE_TSS + 8, SEL_DS0, 2);
    env->cr0 = X86_CR0_PE | X86_CR0_ET;
    enter(env, cpl, cpl ? SEL_CS3 : SEL_CS0);
    return env;
}

X86Env *fake_long(unsigned cpl)
{
    X86Env *env = fake_reset("max", "la57");

    make_tables(env);
    fake_put(FAKE_TSS + 4, FAKE_STACK0, 8);
    fake_put(FAKE_TABLES, (FAKE_TABLES + 0x1000) | 7, 8);
    fake_put(FAKE_TABLES + 0x1000, (FAKE_TABLES + 0x2000) | 7, 8);
    fake_put(FAKE_TABLES + 0x2000, 0x87, 8);
    fake_put(FAKE_TABLES + 0x2008, 0x200087, 8);
    env->cr3 = FAKE_TABLES;
    env->cr4 = X86_CR4_PAE;
    env->efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
    env->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_PG | X86_CR0_WP;
    enter(env, cpl, cpl ? SEL_CS64_3 : SEL_CS64);
    return env;
}

void fake_descriptor(uint32_t sel, uint64_t base, uint32_t limit, uint32_t attr)
{
    bool pages = limit > 0xfffff;
    uint32_t field = pages ? limit >> 12 : limit;
    uint64_t d = (field & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)attr << 40 |
                 (uint64_t)(field >> 16 & 15) << 48 | (uint64_t)pages << 55 |
                 (base >> 24 & 0xff) << 56;

    fake_put(FAKE_GDT + (sel & ~7), d, 8);
}

void fake_gate(unsigned vector, uint32_t sel, uint64_t offset, unsigned type, unsigned dpl,
               unsigned ist)
{
    bool wide = x86_long_mode(fake_env);
    uint64_t d = (offset & 0xffff) | (uint64_t)sel << 16 | (uint64_t)ist << 32 |
                 (uint64_t)type << 40 | (uint64_t)dpl << 45 | 1ULL << 47 |
                 (offset >> 16 & 0xffff) << 48;

    fake_put(FAKE_IDT + vector * (wide ? 16 : 8), d, 8);
    if (wide) {
        fake_put(FAKE_IDT + vector * 16 + 8, offset >> 32, 8);
    }
}

void fake_deliver(unsigned vector, X86EventKind kind, uint32_t error)
{
    CpuState *cpu = &fake.cpu.cpu;

    cpu->exception = vector;
    fake_env->exception_kind = kind;
    fake_env->error_code = error;
    setjmp(fake.raised);
    while (cpu->exception >= 0) {
        x86_deliver(cpu);
    }
}

/* --- Memory --- */

uint64_t fake_get(GuestPA pa, unsigned size)
{
    uint64_t v = 0;

    g_assert_cmpuint(pa + size, <=, FAKE_RAM_SIZE);
    memcpy(&v, fake.ram + pa, size);
    return v;
}

void fake_put(GuestPA pa, uint64_t v, unsigned size)
{
    g_assert_cmpuint(pa + size, <=, FAKE_RAM_SIZE);
    memcpy(fake.ram + pa, &v, size);
}

bool mem_lookup(AddressSpace *as, GuestPA pa, MemSection *out)
{
    if (pa >= FAKE_RAM_SIZE) {
        return false;
    }
    *out = (MemSection){.offset = pa,
                        .len = FAKE_RAM_SIZE - pa,
                        .host = fake.ram + pa,
                        .ram = &fake_block,
                        .ram_offset = pa,
                        .writable = true};
    return true;
}

MemResult mem_read_value(AddressSpace *as, GuestPA pa, unsigned size, uint64_t *value)
{
    if (pa + size > FAKE_RAM_SIZE) {
        return MEM_UNASSIGNED;
    }
    *value = fake_get(pa, size);
    return MEM_OK;
}

MemResult mem_write_value(AddressSpace *as, GuestPA pa, unsigned size, uint64_t value)
{
    if (pa + size > FAKE_RAM_SIZE) {
        return MEM_UNASSIGNED;
    }
    fake_put(pa, value, size);
    return MEM_OK;
}

void ram_set_dirty(RamBlock *rb, uint64_t offset, uint64_t len)
{
    g_assert(rb == &fake_block && offset + len <= FAKE_RAM_SIZE);
}

void mem_set_enabled(MemRegion *mr, bool enabled)
{
    mr->enabled = enabled;
    fake.smm_switches++;
}

/* --- Accelerator --- */

static uint8_t *fake_access(CpuState *cpu, GuestVA va, unsigned size, MemAccess access,
                            unsigned mmu)
{
    TlbFill f;

    if (!x86_tlb_fill(cpu, va, size, access, mmu, false, &f)) {
        longjmp(fake.raised, 1);
    }
    g_assert_cmpuint(f.pa + size, <=, FAKE_RAM_SIZE);
    return fake.ram + f.pa;
}

uint64_t cpu_load(CpuState *cpu, GuestVA va, IrMem mem, unsigned mmu)
{
    unsigned size = 1u << (mem & IR_MEM_SIZE);
    uint64_t v = 0;

    memcpy(&v, fake_access(cpu, va, size, ACCESS_READ, mmu), size);
    return v;
}

void cpu_store(CpuState *cpu, GuestVA va, uint64_t value, IrMem mem, unsigned mmu)
{
    unsigned size = 1u << (mem & IR_MEM_SIZE);

    memcpy(fake_access(cpu, va, size, ACCESS_WRITE, mmu), &value, size);
}

void cpu_probe(CpuState *cpu, GuestVA va, uint64_t len, MemAccess access, unsigned mmu)
{
    for (uint64_t at = 0; at < len; at++) {
        fake_access(cpu, va + at, 1, access, mmu);
    }
}

uint64_t cpu_atomic(CpuState *cpu, GuestVA va, uint64_t value, IrAtomic op, IrMem mem, unsigned mmu)
{
    uint8_t *p = fake_access(cpu, va, 1, ACCESS_WRITE, mmu), old = *p;

    g_assert(op == IR_ATOMIC_OR && (mem & IR_MEM_SIZE) == IR_MEM_8);
    *p |= value;
    return old;
}

void cpu_interrupt_set(CpuState *cpu, uint32_t bits)
{
    cpu->interrupt_pending |= bits;
}

void cpu_interrupt_clear(CpuState *cpu, uint32_t bits)
{
    cpu->interrupt_pending &= ~bits;
}

void cpu_nap(CpuState *cpu, int64_t max_ns)
{
}

void cpu_kick(CpuState *cpu)
{
    fake.kicks++;
}

void cpu_sync_pc(CpuState *cpu)
{
}

void cpu_leave(CpuState *cpu)
{
    longjmp(fake.raised, 1);
}

void cpu_retry_alone(CpuState *cpu)
{
    cpu_leave(cpu);
}

void cpu_raise(CpuState *cpu, int32_t exception)
{
    cpu->exception = exception;
    longjmp(fake.raised, 1);
}

void cpu_context_changed(CpuState *cpu)
{
    fake.contexts++;
}

void cpu_tlb_flush(CpuState *cpu, uint64_t space)
{
    fake.flushes++;
    fake.flushed_space = space;
}

void cpu_tlb_flush_page(CpuState *cpu, GuestVA va, uint64_t space)
{
    fake.page_flushes++;
    fake.flushed_space = space;
}

/* --- Machine --- */

void machine_lock(void)
{
}

void machine_unlock(void)
{
}

bool machine_lock_held(void)
{
    return true;
}

void machine_request_reset(Machine *m, ShutdownCause cause)
{
    g_assert(m == &fake.machine && cause == SHUTDOWN_GUEST_RESET);
    fake.resets++;
}

void irq_set(IrqLine *line, bool level)
{
    line->level = level;
}

Clock *device_clock(Device *dev)
{
    return NULL;
}

int64_t clock_now_ns(Clock *c)
{
    return fake.clock_ns;
}

/* --- Decoder: no instruction to look at --- */

unsigned x86_noncanonical_vector(CpuState *cpu, MemAccess access)
{
    return X86_EXC_GP;
}

/* --- Flags: all of them in eflags --- */

uint32_t x86_eflags(const X86Env *env)
{
    return env->eflags;
}

void x86_set_eflags(X86Env *env, uint32_t eflags)
{
    env->eflags = eflags;
}
