/* SPDX-License-Identifier: MIT */
/*
 * Slow paths of guest memory accesses: what translated code and the interpreter call when the inline
 * TLB does not answer.  Faults leave through cpu_leave(); a page-crossing access has both pages
 * checked before a byte is written; device registers are reached under the machine lock.
 */
#include "rhea/osdep.h"

#include "accel/core/engine.h"
#include "rhea/atomic.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "tcg/tlb.h"

typedef struct Access {
    EngineCpu *ec;
    GuestVA va;
    unsigned size; /* bytes */
    unsigned mmu;
    MemAccess kind; /* as the MMU sees it */
    bool rmw;       /* the load of a read-modify-write */
} Access;

/* An access in one piece or two, each in a page that has been looked up. */
typedef struct AccessPart {
    TlbEntry te;
    GuestVA va;
    unsigned size;
} AccessPart;

typedef struct AccessParts {
    AccessPart part[2];
    unsigned n;
} AccessParts;

static NORETURN void access_leave(Access *a)
{
    cpu_leave(a->ec->base.cpu);
}

/* What a load needs of its page. */
static MemAccess access_of_load(uint32_t info)
{
    return info & IR_MEM_RMW ? ACCESS_WRITE : ACCESS_READ;
}

static Access access_begin(TcgEnv *env, GuestVA va, uint32_t info, MemAccess kind)
{
    Access a = {
        .ec = engine_env_cpu(env),
        .va = va,
        .size = 1u << (info & IR_MEM_SIZE),
        .mmu = info >> 8 & (TCG_MMU_MODES - 1),
        .kind = kind,
        .rmw = info & IR_MEM_RMW,
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
        debug_check_watch(a->ec, va, size, a->rmw ? ACCESS_READ : a->kind);
    }
    return te;
}

/* Nothing answers: leaves with an exception, unless this CPU's bus has no errors. */
static void access_bus_error(Access *a, GuestVA va, GuestPA pa)
{
    CpuState *cpu = a->ec->base.cpu;

    if (!cpu->ops->bus_error) {
        return;
    }
    cpu_sync_pc(cpu);
    cpu->ops->bus_error(cpu, va, pa, a->kind);
    access_leave(a);
}

static void access_before_io(Access *a)
{
    a->ec->stats.mmio++;
    if (a->ec->engine->icount.on) {
        engine_need_alone(a->ec);
    }
}

/* --- Loads --- */

/* @size bytes: a whole access, or a part of one that crosses pages. */
static uint64_t host_load(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;

    if (is_power_of_2(size)) {
        return tcg_host_load(p, __builtin_ctz(size));
    }
    for (unsigned i = 0; i < size; i++) {
        v |= (uint64_t)p[i] << 8 * i;
    }
    return v;
}

static uint64_t access_load_piece(Access *a, GuestVA va, GuestPA pa, unsigned size)
{
    uint64_t value = 0;

    if (mem_read_value(a->ec->base.cpu->as, pa, size, &value) != MEM_OK) {
        access_bus_error(a, va, pa);
        return MASK_ULL(8 * size);
    }
    return value;
}

static uint64_t access_load_io(Access *a, GuestVA va, GuestPA pa, unsigned size)
{
    uint64_t value = 0;

    access_before_io(a);
    if (is_power_of_2(size)) {
        return access_load_piece(a, va, pa, size);
    }
    for (unsigned i = 0; i < size; i++) {
        value |= access_load_piece(a, va + i, pa + i, 1) << 8 * i;
    }
    return value;
}

static uint64_t access_load_in_page(Access *a, const TlbEntry *te, GuestVA va, unsigned size)
{
    uint64_t off = va & ~TCG_PAGE_MASK;

    return te->host ? host_load(te->host + off, size) : access_load_io(a, va, te->pa + off, size);
}

static unsigned access_room(GuestVA va)
{
    return TCG_PAGE_SIZE - (va & ~TCG_PAGE_MASK);
}

/* Looks up the page of every byte: nothing faults behind it but a device. */
static void access_split(Access *a, AccessParts *p)
{
    unsigned first = MIN(a->size, access_room(a->va));

    *p = (AccessParts){.n = 1};
    p->part[0] = (AccessPart){*access_page(a, a->va, first), a->va, first};
    if (first < a->size) {
        GuestVA va = a->va + first;

        p->n = 2;
        p->part[1] = (AccessPart){*access_page(a, va, a->size - first), va, a->size - first};
    }
}

static uint64_t access_load_parts(Access *a, const AccessParts *p)
{
    uint64_t v = 0;

    for (unsigned i = 0, shift = 0; i < p->n; i++) {
        const AccessPart *part = &p->part[i];

        v |= access_load_in_page(a, &part->te, part->va, part->size) << shift;
        shift += 8 * part->size;
    }
    return v;
}

uint64_t access_load(TcgEnv *env, uint64_t va, uint32_t info)
{
    Access a = access_begin(env, va, info, access_of_load(info));
    AccessParts parts;

    if (a.size <= access_room(va)) {
        TlbEntry *te = access_page(&a, va, a.size);

        tlb_fill_inline(a.ec, va, a.mmu, a.kind, te);
        return access_load_in_page(&a, te, va, a.size);
    }
    access_split(&a, &parts);
    return access_load_parts(&a, &parts);
}

/* --- Vectors: two halves where the bytes do not lie in one page of RAM --- */

/* Is the access in one page that the host has?  A page that crosses or is a device's is done in parts. */
static uint8_t *access_vec_ram(Access *a, TlbEntry **te)
{
    if (a->size > TCG_PAGE_SIZE - (a->va & ~TCG_PAGE_MASK)) {
        return NULL;
    }
    *te = access_page(a, a->va, a->size);
    return (*te)->host ? (*te)->host + (a->va & ~TCG_PAGE_MASK) : NULL;
}

void access_load128(TcgEnv *env, uint64_t va, uint32_t info, IrV128 *value)
{
    Access a = access_begin(env, va, info, ACCESS_READ);
    uint32_t half = (info & ~(uint32_t)(IR_MEM_SIZE | IR_MEM_ALIGN)) | IR_MEM_64;
    TlbEntry *te;
    const uint8_t *p = access_vec_ram(&a, &te);

    if (p) {
        tlb_fill_inline(a.ec, va, a.mmu, ACCESS_READ, te);
        memcpy(value, p, sizeof(*value));
        return;
    }
    value->u64[0] = access_load(env, va, half);
    value->u64[1] = access_load(env, va + 8, half);
}

/* --- Stores --- */

static void host_store(uint8_t *p, uint64_t value, unsigned size)
{
    if (is_power_of_2(size)) {
        tcg_host_store(p, value, __builtin_ctz(size));
        return;
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

    if (te->host) { /* A command to flash: the next read may be the device's, yet the block would go on
                     * with the array's address. */
        engine_need_alone(a->ec);
    }
    access_before_io(a);
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

/* Before the first byte of a write is written. */
static void access_before_write_parts(Access *a, const AccessParts *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        const AccessPart *part = &p->part[i];

        if (part->te.host) {
            access_before_write(a, &part->te, part->va, part->size);
        }
    }
}

static void access_store_parts(Access *a, const AccessParts *p, uint64_t value)
{
    for (unsigned i = 0, shift = 0; i < p->n; i++) {
        const AccessPart *part = &p->part[i];

        access_store_in_page(a, &part->te, part->va, value >> shift & MASK_ULL(8 * part->size),
                             part->size);
        shift += 8 * part->size;
    }
}

void access_store(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    Access a = access_begin(env, va, info, ACCESS_WRITE);
    AccessParts parts;

    if (a.size <= access_room(va)) {
        TlbEntry *te = access_page(&a, va, a.size);

        if (te->host) {
            access_before_write(&a, te, va, a.size);
        }
        access_store_in_page(&a, te, va, value, a.size);
        return;
    }
    access_split(&a, &parts);
    access_before_write_parts(&a, &parts);
    access_store_parts(&a, &parts, value);
}

void access_store128(TcgEnv *env, uint64_t va, uint32_t info, const IrV128 *value)
{
    Access a = access_begin(env, va, info, ACCESS_WRITE);
    uint32_t half = (info & ~(uint32_t)(IR_MEM_SIZE | IR_MEM_ALIGN)) | IR_MEM_64;
    TlbEntry *te;
    uint8_t *p = access_vec_ram(&a, &te);

    if (p && te->writable) {
        access_before_write(&a, te, va, a.size);
        memcpy(p, value, sizeof(*value));
        access_after_write(&a, te, va, a.size);
        return;
    }
    if (!p) { /* both pages answer before a byte is written */
        access_page(&a, va, 1);
        access_page(&a, (va + a.size - 1) & TCG_PAGE_MASK, 1);
    }
    access_store(env, va, value->u64[0], half);
    access_store(env, va + 8, value->u64[1], half);
}

/* --- Atomics --- */

/*
 * Host address for an atomic access, or NULL: it must be done alone (access_alone_begin()).  With
 * IR_MEM_ALIGN it is aligned, and a fault unless it is in plain RAM.
 */
static uint8_t *access_atomic(Access *a, uint32_t info, TlbEntry **te)
{
    if (a->va & (a->size - 1)) {
        return NULL;
    }
    *te = access_page(a, a->va, a->size);
    if (!(*te)->host || !(*te)->writable) {
        if (info & IR_MEM_ALIGN) {
            access_bus_error(a, a->va, (*te)->pa | (a->va & ~TCG_PAGE_MASK));
        }
        return NULL;
    }
    access_before_write(a, *te, a->va, a->size);
    return (*te)->host + (a->va & ~TCG_PAGE_MASK);
}

/* All vCPUs but this one stand still until cpu_exclusive_end(): any place can be read and written. */
static void access_alone_begin(Access *a, AccessParts *p)
{
    access_split(a, p);
    access_before_write_parts(a, p);
    cpu_exclusive_begin(a->ec->base.cpu);
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

static uint64_t atomic_op(uint8_t *p, unsigned size, uint64_t value, IrAtomic op)
{
    switch (size) {
    case 1: return atomic_op8(p, value, op);
    case 2: return atomic_op16(p, value, op);
    case 4: return atomic_op32(p, value, op);
    default: return atomic_op64(p, value, op);
    }
}

static uint64_t atomic_alone(Access *a, uint64_t value, IrAtomic op)
{
    uint64_t word, old;
    AccessParts parts;

    access_alone_begin(a, &parts);
    old = word = access_load_parts(a, &parts);
    atomic_op((uint8_t *)&word, a->size, value, op);
    access_store_parts(a, &parts, word);
    cpu_exclusive_end(a->ec->base.cpu);
    return old;
}

uint64_t access_rmw(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    Access a = access_begin(env, va, info & 0xffff, ACCESS_WRITE);
    IrAtomic op = info >> 16;
    TlbEntry *te;
    uint8_t *p = access_atomic(&a, info, &te);
    uint64_t old;

    if (!p) {
        return atomic_alone(&a, value, op);
    }
    old = atomic_op(p, a.size, value, op);
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

static uint64_t cas_alone(Access *a, uint64_t expect, uint64_t desired)
{
    AccessParts parts;
    uint64_t old;

    access_alone_begin(a, &parts);
    old = access_load_parts(a, &parts);
    if (old == expect) {
        access_store_parts(a, &parts, desired);
    }
    cpu_exclusive_end(a->ec->base.cpu);
    return old;
}

uint64_t access_cas(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired, uint32_t info)
{
    Access a = access_begin(env, va, info, ACCESS_WRITE);
    TlbEntry *te;
    uint8_t *p = access_atomic(&a, info, &te);

    expect &= MASK_ULL(8 * a.size);
    if (!p) {
        return cas_alone(&a, expect, desired);
    }
    if (atomic_cas(p, a.size, &expect, desired)) {
        access_after_write(&a, te, va, a.size);
    }
    return expect;
}

static bool cas128_in_ram(uint8_t *p, uint64_t expect[2], const uint64_t desired[2])
{
    AtomicWide e = atomic_wide(expect[0], expect[1]);
    AtomicWide old =
        atomic_wide_cas((AtomicWide *)(void *)p, e, atomic_wide(desired[0], desired[1]));

    expect[0] = atomic_wide_low(old);
    expect[1] = atomic_wide_high(old);
    return old == e;
}

/* Two halves, for any place. */
static bool cas128_alone(Access *a, uint64_t expect[2], const uint64_t desired[2])
{
    Access half[2] = {*a, *a};
    AccessParts parts[2];
    uint64_t old[2];
    bool same;

    for (unsigned i = 0; i < 2; i++) {
        half[i].va += 8 * i;
        half[i].size = 8;
        access_split(&half[i], &parts[i]);
    }
    access_before_write_parts(&half[0], &parts[0]);
    access_before_write_parts(&half[1], &parts[1]);
    cpu_exclusive_begin(a->ec->base.cpu);
    for (unsigned i = 0; i < 2; i++) {
        old[i] = access_load_parts(&half[i], &parts[i]);
    }
    same = old[0] == expect[0] && old[1] == expect[1];
    for (unsigned i = 0; same && i < 2; i++) {
        access_store_parts(&half[i], &parts[i], desired[i]);
    }
    cpu_exclusive_end(a->ec->base.cpu);
    memcpy(expect, old, sizeof(old));
    return same;
}

/* --- For CPU models: see cpu-ops.h --- */

uint64_t cpu_load(CpuState *cpu, GuestVA va, IrMem mem, unsigned mmu)
{
    const void *p;
    uint64_t v;

    tlb_own(engine_cpu(cpu), mmu);
    p = mem & IR_MEM_RMW ? NULL : tcg_tlb_probe(tcg_tables(cpu->env)->tlb_read[mmu], va, mem);
    v = p ? tcg_host_load(p, mem & IR_MEM_SIZE) : access_load(cpu->env, va, mem | mmu << 8);
    if (mem & IR_MEM_SIGNED) {
        v = sextract64(v, 0, 8u << (mem & IR_MEM_SIZE));
    }
    return v;
}

void cpu_store(CpuState *cpu, GuestVA va, uint64_t value, IrMem mem, unsigned mmu)
{
    void *p;

    tlb_own(engine_cpu(cpu), mmu);
    p = tcg_tlb_probe(tcg_tables(cpu->env)->tlb_write[mmu], va, mem);
    if (p) {
        tcg_host_store(p, value, mem & IR_MEM_SIZE);
    } else {
        access_store(cpu->env, va, value, mem | mmu << 8);
    }
}

uint64_t cpu_atomic(CpuState *cpu, GuestVA va, uint64_t value, IrAtomic op, IrMem mem, unsigned mmu)
{
    return access_rmw(cpu->env, va, value, mem | mmu << 8 | op << 16);
}

uint64_t cpu_cas(CpuState *cpu, GuestVA va, uint64_t expect, uint64_t desired, IrMem mem,
                 unsigned mmu)
{
    return access_cas(cpu->env, va, expect, desired, mem | mmu << 8);
}

bool cpu_cas128(CpuState *cpu, GuestVA va, uint64_t expect[2], const uint64_t desired[2],
                unsigned mmu)
{
    Access a = {engine_cpu(cpu), va, 16, mmu, ACCESS_WRITE};
    TlbEntry *te;
    uint8_t *p;

    a.ec->stats.tlb_slow++;
    p = access_atomic(&a, 0, &te);
    if (!p || !ATOMIC_WIDE) {
        return cas128_alone(&a, expect, desired);
    }
    if (!cas128_in_ram(p, expect, desired)) {
        return false;
    }
    access_after_write(&a, te, va, a.size);
    return true;
}

void cpu_probe(CpuState *cpu, GuestVA va, uint64_t len, MemAccess access, unsigned mmu)
{
    Access a = {engine_cpu(cpu), va, 0, mmu, access};

    for (; len; va += a.size, len -= a.size) {
        TlbEntry *te;

        a.size = MIN(len, access_room(va));
        te = access_page(&a, va, a.size);
        if (access == ACCESS_WRITE && te->host) {
            access_before_write(&a, te, va, a.size);
        }
    }
}

void *cpu_host_ptr(CpuState *cpu, GuestVA va, uint64_t len, MemAccess access, unsigned mmu)
{
    Access a = {engine_cpu(cpu), va, len, mmu, access};
    TlbEntry *te;

    if (!len || len > access_room(va)) {
        return NULL;
    }
    if (access == ACCESS_WRITE) { /* before the look at DIRTY_CODE: see tlb_protect() */
        __atomic_store_n(&a.ec->wrote_directly, true, __ATOMIC_SEQ_CST);
    }
    te = access_page(&a, va, len);
    if (!te->host || te->watched || (access == ACCESS_WRITE && !tlb_write_inline(te))) {
        return NULL;
    }
    return te->host + (va & ~TCG_PAGE_MASK);
}

/* --- For translated code and the interpreter --- */

static uint64_t access_addend(TcgEnv *env, uint64_t va, uint32_t info)
{
    EngineCpu *ec = engine_env_cpu(env);
    unsigned size = 1u << (info & IR_MEM_SIZE);
    uint64_t addend;

    if ((info & IR_MEM_ALIGN && va & (size - 1)) || size > access_room(va)) {
        return 0;
    }
    addend = tlb_addend(ec, va, info & RT_WRITE ? ACCESS_WRITE : ACCESS_READ,
                        info >> 8 & (TCG_MMU_MODES - 1));
    ec->stats.tlb_slow += addend != 0; /* others are counted where they go */
    return addend;
}

void *const *access_runtime(void)
{
    static void *const functions[RT_NFN] = {
        [RT_LOAD] = (void *)access_load,       [RT_STORE] = (void *)access_store,
        [RT_ATOMIC] = (void *)access_rmw,      [RT_CAS] = (void *)access_cas,
        [RT_LOAD128] = (void *)access_load128, [RT_STORE128] = (void *)access_store128,
        [RT_ADDEND] = (void *)access_addend,   [RT_LOOKUP] = (void *)engine_lookup,
    };

    return functions;
}
