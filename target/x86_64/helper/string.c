/* SPDX-License-Identifier: MIT */
/*
 * Repeated string instructions, INS and OUTS.  SDM vol. 2, REP.
 *
 * A run is as many elements as lie in one page of plain RAM on both sides and are reached without
 * wrapping; it goes over host memory.  What is not so goes element by element through the soft TLB.
 * Registers are brought up to date after each run and each element, so that a fault finds them at its
 * iteration.  After MAX_BYTES, or when the vCPU is asked to leave, the helper comes back with the
 * instruction not done yet.
 */
#include "rhea/osdep.h"

#include "../seg.h"
#include "../strings.h"
#include "../translate/flags.h"
#include "helper.h"
#include "rhea/endian.h"

enum { MAX_BYTES = 1 << 16, MIN_RUN = 4 };

typedef struct StringOp {
    X86Env *env;
    CpuState *cpu;
    X86StringInfo info;
    unsigned log2; /* of the size */
    uint64_t mask; /* of addresses and counts */
    bool down;
} StringOp;

static StringOp string_begin(X86Env *env, uint64_t packed)
{
    StringOp s = {.env = env,
                  .cpu = env->tcg.cpu,
                  .info = x86_string_unpack(packed),
                  .down = env->eflags & X86_DF};

    s.log2 = (unsigned)__builtin_ctz(s.info.size);
    s.mask = MASK_ULL(8 * s.info.adsize);
    return s;
}

/* Writes an index or count register: 32-bit ones clear the upper half, 16-bit ones leave the rest. */
static void put_reg(const StringOp *s, unsigned reg, uint64_t v)
{
    uint64_t *r = &s->env->regs[reg];

    *r = s->info.adsize == 2 ? (*r & ~s->mask) | (v & s->mask) : v & s->mask;
}

static uint64_t offset_of(const StringOp *s, unsigned reg)
{
    return s->env->regs[reg] & s->mask;
}

static uint64_t count_left(const StringOp *s)
{
    return s->info.rep ? offset_of(s, X86_RCX) : 1;
}

/* @n elements are done. */
static void advance(const StringOp *s, unsigned reg, uint64_t n)
{
    uint64_t bytes = n << s->log2;

    put_reg(s, reg, s->env->regs[reg] + (s->down ? -bytes : bytes));
}

static void count_down(const StringOp *s, uint64_t n)
{
    if (s->info.rep) {
        put_reg(s, X86_RCX, s->env->regs[X86_RCX] - n);
    }
}

static unsigned segment_of(const StringOp *s, unsigned reg)
{
    return reg == X86_RDI ? X86_ES : s->info.seg;
}

/* The linear address of the element that @reg points to, after the checks. */
static GuestVA element(const StringOp *s, unsigned reg, MemAccess access)
{
    unsigned seg = segment_of(s, reg);
    uint64_t offset = offset_of(s, reg);

    if (s->info.mode64) {
        return seg < X86_FS ? offset : offset + s->env->seg[seg].base;
    }
    if (s->info.flat && seg < X86_FS && seg != X86_CS) {
        return offset;
    }
    x86_seg_check(s->env, seg, offset, s->info.size, access);
    return (uint32_t)(offset + s->env->seg[seg].base);
}

/* Elements from @va on that one run may cover: in the page, in the segment, not over the wrap. */
static uint64_t run_length(const StringOp *s, unsigned reg, GuestVA va)
{
    const X86Seg *seg = &s->env->seg[segment_of(s, reg)];
    uint64_t room = TCG_PAGE_SIZE - (va & ~TCG_PAGE_MASK), offset = offset_of(s, reg);

    room = MIN(room, s->mask - offset);
    if (!s->info.mode64) {
        if (seg->attr & X86_ATTR_E && !(seg->attr & X86_ATTR_CODE)) {
            return 0; /* expand-down: the element's own check only */
        }
        room = MIN(room, offset < seg->limit ? seg->limit - offset : 0);
    }
    return room >> s->log2;
}

/* Host memory for a run of up to *n elements at @reg; NULL: go element by element. */
static uint8_t *run_begin(const StringOp *s, unsigned reg, MemAccess access, uint64_t *n)
{
    GuestVA va;

    if (s->down || s->info.one) {
        return NULL;
    }
    va = element(s, reg, access);
    *n = MIN(*n, run_length(s, reg, va));
    if (*n < MIN_RUN) {
        return NULL;
    }
    return cpu_host_ptr(s->cpu, va, *n << s->log2, access, s->info.mmu);
}

static uint64_t load_element(const StringOp *s, unsigned reg)
{
    return cpu_load(s->cpu, element(s, reg, ACCESS_READ), s->log2, s->info.mmu);
}

static void store_element(const StringOp *s, uint64_t v)
{
    cpu_store(s->cpu, element(s, X86_RDI, ACCESS_WRITE), v, s->log2, s->info.mmu);
}

static uint64_t host_element(const StringOp *s, const uint8_t *p)
{
    switch (s->log2) {
    case 0: return *p;
    case 1: return ld16_le(p);
    case 2: return ld32_le(p);
    default: return ld64_le(p);
    }
}

/*
 * The loop that all share.  @step does up to *n elements and puts the number into *n; it returns false
 * when the instruction ends early.
 */
static uint64_t string_loop(StringOp *s, bool (*step)(StringOp *s, uint64_t *n))
{
    uint64_t budget = MAX_BYTES >> s->log2;

    while (count_left(s)) {
        uint64_t n = MIN(count_left(s), budget);
        bool more = step(s, &n);

        if (!more || !s->info.rep) {
            return 1;
        }
        budget -= n;
        if (s->info.one || !budget ||
            __atomic_load_n(&s->env->tcg.exit_request, __ATOMIC_RELAXED)) {
            return !count_left(s);
        }
    }
    return 1;
}

/* --- MOVS --- */

/* Forwards, element by element where the destination overlaps what is yet to be read. */
static void copy_run(const StringOp *s, uint8_t *to, const uint8_t *from, uint64_t n)
{
    uint64_t bytes = n << s->log2;

    if (to <= from || to >= from + bytes) {
        memmove(to, from, bytes);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t v = host_element(s, from + (i << s->log2));

        memcpy(to + (i << s->log2), &v, s->info.size);
    }
}

static bool movs_step(StringOp *s, uint64_t *n)
{
    uint8_t *from = run_begin(s, X86_RSI, ACCESS_READ, n);
    uint8_t *to = from ? run_begin(s, X86_RDI, ACCESS_WRITE, n) : NULL;

    if (to) {
        copy_run(s, to, from, *n);
    } else {
        *n = 1;
        store_element(s, load_element(s, X86_RSI));
    }
    advance(s, X86_RSI, *n);
    advance(s, X86_RDI, *n);
    count_down(s, *n);
    return true;
}

uint64_t x86_helper_movs(void *env, uint64_t info, uint64_t b, uint64_t c, uint64_t d)
{
    StringOp s = string_begin(env, info);

    return string_loop(&s, movs_step);
}

/* --- STOS --- */

/* Equal bytes, as when memory is cleared, are one memset; else what is there is doubled. */
static void fill_run(const StringOp *s, uint8_t *to, uint64_t v, uint64_t n)
{
    uint64_t bytes = n << s->log2, repeated = (v & 0xff) * 0x0101010101010101ULL;

    if (((v ^ repeated) & MASK_ULL(8 * s->info.size)) == 0) {
        memset(to, (int)(v & 0xff), bytes);
        return;
    }
    memcpy(to, &v, s->info.size);
    for (uint64_t done = s->info.size; done < bytes; done *= 2) {
        memcpy(to + done, to, MIN(done, bytes - done));
    }
}

static bool stos_step(StringOp *s, uint64_t *n)
{
    uint64_t v = s->env->regs[X86_RAX];
    uint8_t *to = run_begin(s, X86_RDI, ACCESS_WRITE, n);

    if (to) {
        fill_run(s, to, v, *n);
    } else {
        *n = 1;
        store_element(s, v);
    }
    advance(s, X86_RDI, *n);
    count_down(s, *n);
    return true;
}

uint64_t x86_helper_stos(void *env, uint64_t info, uint64_t b, uint64_t c, uint64_t d)
{
    StringOp s = string_begin(env, info);

    return string_loop(&s, stos_step);
}

/* --- LODS --- */

static bool lods_step(StringOp *s, uint64_t *n)
{
    uint64_t v = load_element(s, X86_RSI), mask = MASK_ULL(8 * s->info.size);
    uint64_t *rax = &s->env->regs[X86_RAX];

    *n = 1;
    *rax = s->info.size >= 4 ? v : (*rax & ~mask) | v;
    advance(s, X86_RSI, 1);
    count_down(s, 1);
    return true;
}

uint64_t x86_helper_lods(void *env, uint64_t info, uint64_t b, uint64_t c, uint64_t d)
{
    StringOp s = string_begin(env, info);

    return string_loop(&s, lods_step);
}

/* --- SCAS, CMPS --- */

/* Flags of a - b; false: the loop ends with this one. */
static bool compared(const StringOp *s, uint64_t a, uint64_t b)
{
    uint64_t mask = MASK_ULL(8 * s->info.size);

    s->env->cc_op = x86_cc_op(X86_CC_SUB, s->log2);
    s->env->cc_dst = a - b;
    s->env->cc_src = b;
    return (((a ^ b) & mask) == 0) == s->info.while_zero;
}

/* Elements of the run that keep the loop going and the one that ends it, if any. */
static uint64_t compare_run(const StringOp *s, const uint8_t *a, uint64_t v, const uint8_t *b,
                            uint64_t n)
{
    uint64_t mask = MASK_ULL(8 * s->info.size);

    for (uint64_t i = 0; i < n; i++) {
        uint64_t x = a ? host_element(s, a + (i << s->log2)) : v & mask;

        if ((x == host_element(s, b + (i << s->log2))) != s->info.while_zero) {
            return i + 1;
        }
    }
    return n;
}

static bool scas_step(StringOp *s, uint64_t *n)
{
    uint64_t v = s->env->regs[X86_RAX], last;
    const uint8_t *run = run_begin(s, X86_RDI, ACCESS_READ, n);

    if (run) {
        *n = compare_run(s, NULL, v, run, *n);
        last = host_element(s, run + ((*n - 1) << s->log2));
    } else {
        *n = 1;
        last = load_element(s, X86_RDI);
    }
    advance(s, X86_RDI, *n);
    count_down(s, *n);
    return compared(s, v, last);
}

uint64_t x86_helper_scas(void *env, uint64_t info, uint64_t b, uint64_t c, uint64_t d)
{
    StringOp s = string_begin(env, info);

    return string_loop(&s, scas_step);
}

static bool cmps_step(StringOp *s, uint64_t *n)
{
    const uint8_t *run_a = run_begin(s, X86_RSI, ACCESS_READ, n);
    const uint8_t *run_b = run_a ? run_begin(s, X86_RDI, ACCESS_READ, n) : NULL;
    uint64_t a, b;

    if (run_b) {
        *n = compare_run(s, run_a, 0, run_b, *n);
        a = host_element(s, run_a + ((*n - 1) << s->log2));
        b = host_element(s, run_b + ((*n - 1) << s->log2));
    } else {
        *n = 1;
        a = load_element(s, X86_RSI);
        b = load_element(s, X86_RDI);
    }
    advance(s, X86_RSI, *n);
    advance(s, X86_RDI, *n);
    count_down(s, *n);
    return compared(s, a, b);
}

uint64_t x86_helper_cmps(void *env, uint64_t info, uint64_t b, uint64_t c, uint64_t d)
{
    StringOp s = string_begin(env, info);

    return string_loop(&s, cmps_step);
}

/* --- INS, OUTS: the device is asked once, so memory is checked before --- */

static bool ins_step(StringOp *s, uint64_t *n)
{
    uint16_t port = s->env->regs[X86_RDX];
    GuestVA va;

    *n = 1;
    x86_check_io(s->env, port, s->info.size);
    va = element(s, X86_RDI, ACCESS_WRITE);
    cpu_probe(s->cpu, va, s->info.size, ACCESS_WRITE, s->info.mmu);
    cpu_store(s->cpu, va, x86_helper_in(s->env, port, s->info.size, 0, 0), s->log2, s->info.mmu);
    advance(s, X86_RDI, 1);
    count_down(s, 1);
    return true;
}

uint64_t x86_helper_ins(void *env, uint64_t info, uint64_t b, uint64_t c, uint64_t d)
{
    StringOp s = string_begin(env, info);

    return string_loop(&s, ins_step);
}

static bool outs_step(StringOp *s, uint64_t *n)
{
    uint16_t port = s->env->regs[X86_RDX];
    uint64_t v;

    *n = 1;
    x86_check_io(s->env, port, s->info.size);
    v = load_element(s, X86_RSI);
    x86_helper_out(s->env, port, v, s->info.size, 0);
    advance(s, X86_RSI, 1);
    count_down(s, 1);
    return true;
}

uint64_t x86_helper_outs(void *env, uint64_t info, uint64_t b, uint64_t c, uint64_t d)
{
    StringOp s = string_begin(env, info);

    return string_loop(&s, outs_step);
}
