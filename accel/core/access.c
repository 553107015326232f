/* SPDX-License-Identifier: MIT */
/*
 * Slow paths of guest memory accesses: what translated code and the interpreter call when the inline
 * TLB does not answer.  Faults leave through cpu_leave(); a page-crossing access has both pages
 * checked before a byte is written; device registers are reached under the machine lock.
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

typedef struct Access {
    EngineCpu *ec;
    GuestVA va;
    unsigned size; /* bytes */
    unsigned mmu;
    MemAccess kind;
} Access;

static NORETURN void access_leave(Access *a)
{
    cpu_leave(a->ec->base.cpu);
}

static Access access_begin(TcgEnv *env, GuestVA va, uint32_t info, MemAccess kind)
{
    Access a = {
        .ec = engine_env_cpu(env),
        .va = va,
        .size = 1u << (info & IR_MEM_SIZE),
        .mmu = info >> 8 & (TCG_MMU_MODES - 1),
        .kind = kind,
    };

    a.ec->stats.tlb_slow++;
    if (info & IR_MEM_ALIGN && va & (a.size - 1)) {
        CpuState *cpu = a.ec->base.cpu;

        cpu_sync_pc(cpu);
        cpu->ops->misaligned(cpu, va, kind, a.size);
        access_leave(&a);
    }
    return a;
}

/* The page at a->va, for @size bytes. */
static TlbEntry *access_page(Access *a, GuestVA va, unsigned size)
{
    TlbEntry *te = tlb_get(a->ec, va, size, a->kind, a->mmu);

    if (!te) {
        access_leave(a);
    }
    if (te->watched) {
        debug_check_watch(a->ec, va, size, a->kind);
    }
    return te;
}

static NORETURN void access_bus_error(Access *a, GuestVA va, GuestPA pa)
{
    CpuState *cpu = a->ec->base.cpu;

    cpu_sync_pc(cpu);
    cpu->ops->bus_error(cpu, va, pa, a->kind);
    access_leave(a);
}

/* --- Loads --- */

static uint64_t host_load(const uint8_t *p, unsigned size)
{
    switch (size) {
    case 1: return *p;
    case 2: return ld16_le(p);
    case 4: return ld32_le(p);
    case 8: return ld64_le(p);
    default: break;
    }
    uint64_t v = 0; /* a part of a page-crossing access */

    for (unsigned i = 0; i < size; i++) {
        v |= (uint64_t)p[i] << 8 * i;
    }
    return v;
}

static uint64_t access_load_io(Access *a, GuestVA va, GuestPA pa, unsigned size)
{
    AddressSpace *as = a->ec->base.cpu->as;
    uint64_t value = 0, byte;

    a->ec->stats.mmio++;
    if (is_power_of_2(size)) {
        if (mem_read_value(as, pa, size, &value) != MEM_OK) {
            access_bus_error(a, va, pa);
        }
        return value;
    }
    for (unsigned i = 0; i < size; i++) {
        if (mem_read_value(as, pa + i, 1, &byte) != MEM_OK) {
            access_bus_error(a, va + i, pa + i);
        }
        value |= byte << 8 * i;
    }
    return value;
}

static uint64_t access_load_in_page(Access *a, const TlbEntry *te, GuestVA va, unsigned size)
{
    uint64_t off = va & ~TCG_PAGE_MASK;

    return te->host ? host_load(te->host + off, size) : access_load_io(a, va, te->pa + off, size);
}

static uint64_t rt_load(TcgEnv *env, uint64_t va, uint32_t info)
{
    Access a = access_begin(env, va, info, ACCESS_READ);
    uint64_t room = TCG_PAGE_SIZE - (va & ~TCG_PAGE_MASK);
    TlbEntry first, *te;
    uint64_t low;

    if (a.size <= room) {
        te = access_page(&a, va, a.size);
        tlb_fill_inline(a.ec, va, a.mmu, ACCESS_READ, te);
        return access_load_in_page(&a, te, va, a.size);
    }
    first = *access_page(&a, va, room);
    te = access_page(&a, va + room, a.size - room);
    low = access_load_in_page(&a, &first, va, room);
    return low | access_load_in_page(&a, te, va + room, a.size - room) << 8 * room;
}

/* --- Stores --- */

static void host_store(uint8_t *p, uint64_t value, unsigned size)
{
    switch (size) {
    case 1: *p = value; return;
    case 2: st16_le(p, value); return;
    case 4: st32_le(p, value); return;
    case 8: st64_le(p, value); return;
    default: break;
    }
    for (unsigned i = 0; i < size; i++) {
        p[i] = value >> 8 * i;
    }
}

static void access_store_io(Access *a, const TlbEntry *te, GuestVA va, uint64_t value,
                            unsigned size)
{
    AddressSpace *as = a->ec->base.cpu->as;
    GuestPA pa = te->pa | (va & ~TCG_PAGE_MASK);
    unsigned step = is_power_of_2(size) ? size : 1;

    a->ec->stats.mmio++;
    for (unsigned i = 0; i < size; i += step) {
        MemResult r = mem_write_value(as, pa + i, step,
                                      step == 8 ? value : value >> 8 * i & MASK_ULL(8 * step));

        if (r != MEM_OK && !te->host) { /* a write into ROM is ignored */
            access_bus_error(a, va + i, pa + i);
        }
    }
}

static bool access_is_code(const TlbEntry *te)
{
    return !ram_test_dirty(te->rb, te->host - te->rb->host, DIRTY_CODE);
}

/* Before a write to RAM: a block that would change itself is left first (engine_retry_alone()). */
static void access_before_write(Access *a, const TlbEntry *te, GuestVA va, unsigned size)
{
    uint64_t off = te->host - te->rb->host + (va & ~TCG_PAGE_MASK);

    if (te->writable && access_is_code(te)) {
        a->ec->stats.code_writes++;
        if (smc_hits_running(a->ec, te->rb->ram_addr + off, size)) {
            engine_retry_alone(a->ec);
        }
    }
}

static void access_after_write(Access *a, const TlbEntry *te, GuestVA va, unsigned size)
{
    uint64_t off = te->host - te->rb->host + (va & ~TCG_PAGE_MASK);

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* see smc.c */
    if (ram_page_watched(te->rb, off)) {
        ram_set_dirty(te->rb, off, size); /* calls back into smc.c when there is code */
    } else {
        tlb_fill_inline(a->ec, va, a->mmu, ACCESS_WRITE, te);
    }
}

static void access_store_in_page(Access *a, const TlbEntry *te, GuestVA va, uint64_t value,
                                 unsigned size)
{
    if (!te->host || !te->writable) {
        access_store_io(a, te, va, value, size);
        return;
    }
    host_store(te->host + (va & ~TCG_PAGE_MASK), value, size);
    access_after_write(a, te, va, size);
}

static void rt_store(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    Access a = access_begin(env, va, info, ACCESS_WRITE);
    uint64_t room = TCG_PAGE_SIZE - (va & ~TCG_PAGE_MASK);
    TlbEntry first, *te;

    if (a.size <= room) {
        te = access_page(&a, va, a.size);
        if (te->host) {
            access_before_write(&a, te, va, a.size);
        }
        access_store_in_page(&a, te, va, value, a.size);
        return;
    }
    first = *access_page(&a, va, room);
    te = access_page(&a, va + room, a.size - room);
    if (first.host) {
        access_before_write(&a, &first, va, room);
    }
    if (te->host) {
        access_before_write(&a, te, va + room, a.size - room);
    }
    access_store_in_page(&a, &first, va, value & MASK_ULL(8 * room), room);
    access_store_in_page(&a, te, va + room, value >> 8 * room, a.size - room);
}

/* --- Atomics --- */

/* Host address for an atomic access: aligned, in plain RAM. */
static uint8_t *access_atomic(Access *a, TlbEntry **te)
{
    CpuState *cpu = a->ec->base.cpu;

    if (a->va & (a->size - 1)) {
        cpu_sync_pc(cpu);
        cpu->ops->misaligned(cpu, a->va, a->kind, a->size);
        access_leave(a);
    }
    *te = access_page(a, a->va, a->size);
    if (!(*te)->host || !(*te)->writable) {
        access_bus_error(a, a->va, (*te)->pa | (a->va & ~TCG_PAGE_MASK));
    }
    access_before_write(a, *te, a->va, a->size);
    return (*te)->host + (a->va & ~TCG_PAGE_MASK);
}

/* @cond picks the new value from old o and operand v. */
#define ATOMIC_PICK(T, S, cond)                                                                    \
    do {                                                                                           \
        T o = __atomic_load_n((T *)p, __ATOMIC_SEQ_CST);                                           \
        T v = (T)value;                                                                            \
        while (!__atomic_compare_exchange_n((T *)p, &o, ((S)o cond(S) v) ? o : v, false,           \
                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {                 \
        }                                                                                          \
        return o;                                                                                  \
    } while (0)

#define ATOMIC_OPS(bits)                                                                           \
    static uint64_t atomic_op##bits(void *p, uint64_t value, IrAtomic op)                          \
    {                                                                                              \
        typedef uint##bits##_t T;                                                                  \
        typedef int##bits##_t S;                                                                   \
                                                                                                   \
        switch (op) {                                                                              \
        case IR_XCHG: return __atomic_exchange_n((T *)p, (T)value, __ATOMIC_SEQ_CST);              \
        case IR_ATOMIC_ADD: return __atomic_fetch_add((T *)p, (T)value, __ATOMIC_SEQ_CST);         \
        case IR_ATOMIC_AND: return __atomic_fetch_and((T *)p, (T)value, __ATOMIC_SEQ_CST);         \
        case IR_ATOMIC_OR: return __atomic_fetch_or((T *)p, (T)value, __ATOMIC_SEQ_CST);           \
        case IR_ATOMIC_XOR: return __atomic_fetch_xor((T *)p, (T)value, __ATOMIC_SEQ_CST);         \
        case IR_ATOMIC_MIN: ATOMIC_PICK(T, S, <);                                                  \
        case IR_ATOMIC_MAX: ATOMIC_PICK(T, S, >);                                                  \
        case IR_ATOMIC_MINU: ATOMIC_PICK(T, T, <);                                                 \
        default: ATOMIC_PICK(T, T, >);                                                             \
        }                                                                                          \
    }

ATOMIC_OPS(8)
ATOMIC_OPS(16)
ATOMIC_OPS(32)
ATOMIC_OPS(64)

static uint64_t rt_atomic(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    Access a = access_begin(env, va, info & 0xffff, ACCESS_WRITE);
    IrAtomic op = info >> 16;
    TlbEntry *te;
    uint8_t *p = access_atomic(&a, &te);
    uint64_t old;

    switch (a.size) {
    case 1: old = atomic_op8(p, value, op); break;
    case 2: old = atomic_op16(p, value, op); break;
    case 4: old = atomic_op32(p, value, op); break;
    default: old = atomic_op64(p, value, op); break;
    }
    access_after_write(&a, te, va, a.size);
    return old;
}

static bool atomic_cas(uint8_t *p, unsigned size, uint64_t *expect, uint64_t desired)
{
    uint8_t e8 = *expect;
    uint16_t e16 = *expect;
    uint32_t e32 = *expect;
    bool done;

#define CAS(T, e)                                                                                  \
    done = __atomic_compare_exchange_n((T *)(void *)p, &e, (T)desired, false, __ATOMIC_SEQ_CST,    \
                                       __ATOMIC_SEQ_CST);                                          \
    *expect = e
    switch (size) {
    case 1: CAS(uint8_t, e8); break;
    case 2: CAS(uint16_t, e16); break;
    case 4: CAS(uint32_t, e32); break;
    default: CAS(uint64_t, *expect); break;
    }
#undef CAS
    return done;
}

static uint64_t rt_cas(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired, uint32_t info)
{
    Access a = access_begin(env, va, info, ACCESS_WRITE);
    TlbEntry *te;
    uint8_t *p = access_atomic(&a, &te);

    expect &= MASK_ULL(8 * a.size);
    if (atomic_cas(p, a.size, &expect, desired)) {
        access_after_write(&a, te, va, a.size);
    }
    return expect;
}

void *const *access_runtime(void)
{
    static void *const functions[RT_NFN] = {
        [RT_LOAD] = (void *)rt_load,         [RT_STORE] = (void *)rt_store,
        [RT_ATOMIC] = (void *)rt_atomic,     [RT_CAS] = (void *)rt_cas,
        [RT_LOOKUP] = (void *)engine_lookup,
    };

    return functions;
}
