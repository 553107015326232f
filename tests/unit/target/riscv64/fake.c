/* SPDX-License-Identifier: MIT */
/* The fakes; see fake.h. */
#include "rhea/osdep.h"

#include "tests/unit/target/riscv64/fake.h"

Fake fake;
static RvEnv fake_env;
static RamBlock fake_block;

static uint64_t fake_ticks(void *opaque)
{
    return fake.time;
}

static int64_t fake_when(void *opaque, uint64_t ticks)
{
    return ticks > INT64_MAX / 100 ? CLOCK_NEVER : (int64_t)ticks * 100;
}

CpuState *fake_reset(void)
{
    static const RiscvTimeSource source = {fake_ticks, fake_when};
    Error *err = NULL;

    memset(&fake, 0, sizeof(fake));
    memset(&fake_env, 0, sizeof(fake_env));
    fake.armed_ns = CLOCK_NEVER;
    fake.cpu.env = &fake_env;
    fake.cpu.cpu.env = &fake_env.tcg;
    fake.cpu.cpu.model = &fake.cpu.model;
    fake.cpu.resetvec = 0x1000;
    fake_env.tcg.cpu = &fake.cpu.cpu;
    if (!rv_features_resolve(&fake.cpu, rv_default_rv64, &err)) {
        g_error("%s", error_text(err));
    }
    riscv_cpu_set_time_source(&fake.cpu.cpu, &source, NULL);
    rv_reset(&fake.cpu.cpu);
    fake.flushes = fake.contexts = 0;
    return &fake.cpu.cpu;
}

uint64_t *fake_word(GuestPA pa)
{
    g_assert(pa >= FAKE_RAM_BASE && pa - FAKE_RAM_BASE < FAKE_RAM_SIZE);
    return &fake.ram[(pa - FAKE_RAM_BASE) / 8];
}

/* --- Memory --- */

bool mem_lookup(AddressSpace *as, GuestPA pa, MemSection *out)
{
    if (pa < FAKE_RAM_BASE || pa - FAKE_RAM_BASE >= FAKE_RAM_SIZE) {
        return false;
    }
    *out = (MemSection){
        .offset = pa - FAKE_RAM_BASE,
        .len = FAKE_RAM_SIZE - (pa - FAKE_RAM_BASE),
        .host = (uint8_t *)fake.ram + (pa - FAKE_RAM_BASE),
        .ram = &fake_block,
        .ram_offset = pa - FAKE_RAM_BASE,
        .writable = !fake.ram_read_only,
    };
    return true;
}

void ram_set_dirty(RamBlock *rb, uint64_t offset, uint64_t len)
{
    g_assert(rb == &fake_block && offset + len <= FAKE_RAM_SIZE);
}

/* --- Accelerator --- */

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
    cpu_tlb_flush(cpu, space);
    fake.flushed_page = va;
}

/* --- Clock --- */

Clock *device_clock(Device *dev)
{
    return NULL;
}

int64_t clock_now_ns(Clock *c)
{
    return fake.clock_ns;
}

void clock_timer_init(ClockTimer *t, Clock *c, ClockCallback cb, void *opaque)
{
}

void clock_timer_arm(ClockTimer *t, int64_t deadline_ns)
{
    fake.armed_ns = deadline_ns;
}

void clock_timer_disarm(ClockTimer *t)
{
    fake.armed_ns = CLOCK_NEVER;
}
