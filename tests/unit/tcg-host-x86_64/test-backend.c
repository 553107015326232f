/* SPDX-License-Identifier: MIT */
/*
 * Random blocks through the x86-64 back end and the IR interpreter, from the same state: registers,
 * memory, flags, destination and faulting instruction must agree.  Also: linking and leaving.
 */
#include "rhea/osdep.h"
#include <setjmp.h>
#include <sys/mman.h>
#include "rhea/bits.h"
#include "tcg/backend.h"
#include "tcg/interp.h"

enum {
    NX = 24,
    NW = 4,
    NF = 14,
    NGLOBALS = NX + NW + NF,
    RAM_BASE = 0x10000,
    RAM_SIZE = 0x8000,
    CODE_SIZE = 1 << 20,
    PC_PAGE = 0x40003000,
    PC_OFF = 0x100,
};

typedef struct TestEnv {
    TcgEnv tcg;
    uint64_t x[NX];
    uint32_t w[NW];
    uint64_t f[NF];
    uint8_t field[64];
} TestEnv;

/* One run's surroundings: what the runtime functions see. */
typedef struct Run {
    TestEnv *env;
    uint8_t ram[RAM_SIZE];
    const CodeBlock *block; /* NULL for the interpreter */
    sigjmp_buf fault;
    uint64_t fault_pc;
    uint64_t fault_va;
    bool quick; /* rt_addend() knows RAM */
    unsigned misses, quick_hits;
} Run;

static Run *current;
static GRand *rnd;

/* --- The target --- */

static IrGlobal globals[NGLOBALS];

static uint64_t helper_pure(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return a * 3 + (b ^ c) + d;
}

static uint64_t helper_state(void *opaque, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    TestEnv *env = opaque;

    env->x[1] += a;
    env->x[NX - 1] ^= env->x[2];
    env->f[0] = b;
    env->w[1]++;
    return env->x[0] + a;
}

static uint64_t helper_fp(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    ((TcgEnv *)env)->fp_flags |= IR_FP_DIVBYZERO;
    return a ^ ((uint64_t)((TcgEnv *)env)->fp_round << 52);
}

static NORETURN void leave_with_fault(uint64_t va)
{
    TcgEnv *env = &current->env->tcg;

    current->fault_va = va;
    current->fault_pc = env->pc;
    if (current->block) {
        uint32_t off = (uint32_t)(env->host_ra - (uintptr_t)current->block->rx);
        const CodeBlock *cb = current->block;

        current->fault_pc = ~0ULL;
        for (unsigned k = 0; k < cb->npoints; k++) {
            g_assert(k == 0 || cb->points[k].host_off > cb->points[k - 1].host_off);
            if (cb->points[k].host_off == off) {
                current->fault_pc = env->pc_page + (int64_t)cb->points[k].page_rel;
            }
        }
    }
    siglongjmp(current->fault, 1);
}

static uint64_t helper_raise(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    if (a & 1) {
        leave_with_fault(b);
    }
    return 0;
}

static const IrHelper helpers[] = {
    {"pure", helper_pure, IR_HELPER_PURE, IR_I64, {IR_I64, IR_I32, IR_I64, IR_I64}},
    {"state", helper_state, IR_HELPER_STATE, IR_I64, {IR_I64, IR_F64}},
    {"fp", helper_fp, IR_HELPER_FP, IR_F64, {IR_F64}},
    {"raise", helper_raise, IR_HELPER_STATE, IR_VOID, {IR_I64, IR_I64}},
};

static IrTarget target = {"test", globals, NGLOBALS, helpers, ARRAY_SIZE(helpers)};

static void init_target(void)
{
    for (unsigned k = 0; k < NX; k++) {
        globals[k] = (IrGlobal){"x", IR_I64, (int)(offsetof(TestEnv, x) + 8 * k), (uint8_t)k};
    }
    for (unsigned k = 0; k < NW; k++) {
        globals[NX + k] = (IrGlobal){"w", IR_I32, (int)(offsetof(TestEnv, w) + 4 * k), (uint8_t)k};
    }
    for (unsigned k = 0; k < NF; k++) {
        globals[NX + NW + k] =
            (IrGlobal){"f", IR_F64, (int)(offsetof(TestEnv, f) + 8 * k), (uint8_t)k};
    }
}

/* --- Runtime functions: plain RAM, anything else faults --- */

static TcgTlbEntry *enter_page(TcgEnv *env, uint64_t va, unsigned mmu, bool write)
{
    TcgTlbEntry *e = write ? tcg_tables(env)->tlb_write[mmu] : tcg_tables(env)->tlb_read[mmu];

    e += va >> TCG_PAGE_BITS & ((1 << TCG_TLB_BITS) - 1);
    e->tag = va & TCG_PAGE_MASK;
    e->addend = (uintptr_t)current->ram - RAM_BASE;
    return e;
}

static uint8_t *ram_at(TcgEnv *env, uint64_t va, uint32_t info, bool write)
{
    unsigned size = 1U << (info & IR_MEM_SIZE), mmu = info >> 8 & 3;
    uint64_t off = va - RAM_BASE;

    current->misses++;
    if (off >= RAM_SIZE || RAM_SIZE - off < size || ((info & IR_MEM_ALIGN) && (va & (size - 1)))) {
        leave_with_fault(va);
    }
    enter_page(env, va, mmu, write);
    return current->ram + off;
}

static uint64_t rt_load(TcgEnv *env, uint64_t va, uint32_t info)
{
    uint64_t v = 0;

    memcpy(&v, ram_at(env, va, info, false), 1U << (info & IR_MEM_SIZE));
    return v;
}

static void rt_store(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    memcpy(ram_at(env, va, info, true), &value, 1U << (info & IR_MEM_SIZE));
}

static uint64_t rt_atomic(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info)
{
    uint64_t old = rt_load(env, va, info);
    unsigned bits = 8U << (info & IR_MEM_SIZE);
    int64_t a = (int64_t)(old << (64 - bits)), b = (int64_t)(value << (64 - bits));
    uint64_t ua = (uint64_t)a, ub = (uint64_t)b;

    switch ((IrAtomic)(info >> 16)) {
    case IR_XCHG: break;
    case IR_ATOMIC_ADD: value = old + value; break;
    case IR_ATOMIC_AND: value = old & value; break;
    case IR_ATOMIC_OR: value = old | value; break;
    case IR_ATOMIC_XOR: value = old ^ value; break;
    case IR_ATOMIC_MIN: value = a < b ? old : value; break;
    case IR_ATOMIC_MAX: value = a > b ? old : value; break;
    case IR_ATOMIC_MINU: value = ua < ub ? old : value; break;
    case IR_ATOMIC_MAXU: value = ua > ub ? old : value; break;
    }
    rt_store(env, va, value, info);
    return old;
}

static uint64_t rt_cas(TcgEnv *env, uint64_t va, uint64_t expect, uint64_t desired, uint32_t info)
{
    uint64_t old = rt_load(env, va, info), unused = 64 - (8U << (info & IR_MEM_SIZE));

    rt_store(env, va, (old ^ expect) << unused ? old : desired, info);
    return old;
}

static uint64_t rt_addend(TcgEnv *env, uint64_t va, uint32_t info)
{
    unsigned size = 1U << (info & IR_MEM_SIZE);

    g_assert_cmpuint(env->host_ra, !=, 0);
    if (!current->quick || va - RAM_BASE >= RAM_SIZE || (va ^ (va + size - 1)) >= TCG_PAGE_SIZE ||
        ((info & IR_MEM_ALIGN) && (va & (size - 1)))) {
        return 0;
    }
    current->quick_hits++;
    return enter_page(env, va, info >> 8 & 3, info & RT_WRITE)->addend;
}

static const void *lookup_result;

static const void *rt_lookup(TcgEnv *env, uint64_t pc)
{
    g_assert_cmphex(env->pc, ==, pc);
    g_assert_cmpuint(env->host_ra, ==, 0);
    return lookup_result;
}

static void *const runtime[RT_NFN] = {
    [RT_LOAD] = rt_load, [RT_STORE] = rt_store,           [RT_ATOMIC] = rt_atomic,
    [RT_CAS] = rt_cas,   [RT_LOOKUP] = (void *)rt_lookup, [RT_ADDEND] = rt_addend,
};

/* --- Code memory --- */

typedef struct Code {
    uint8_t *rw;
    const uint8_t *rx;
    size_t used;
    Backend *be;
} Code;

static Code code;

static void init_code(void)
{
    int fd = memfd_create("test-code", 0);

    g_assert(fd >= 0 && ftruncate(fd, CODE_SIZE) == 0);
    code.rw = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    code.rx = mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    g_assert(code.rw != MAP_FAILED && code.rx != MAP_FAILED);
    close(fd);
    code.be = backend_new(&target, code.rw, code.rx, &code.used);
}

static CodeBlock compile_at(const Ir *ir, size_t off)
{
    CodeBlock cb = {.rw = code.rw + off, .rx = code.rx + off};

    g_assert(backend_compile(code.be, ir, PC_OFF, CODE_SIZE - off, &cb));
    return cb;
}

static void free_block(CodeBlock *cb)
{
    g_free(cb->points);
    g_free(cb->exits);
}

/* --- Random blocks --- */

static uint32_t below(uint32_t n)
{
    return (uint32_t)g_rand_int_range(rnd, 0, (gint32)n);
}

static int64_t interesting(void)
{
    static const uint64_t v[] = {0,
                                 1,
                                 2,
                                 7,
                                 127,
                                 128,
                                 255,
                                 0x7fff,
                                 0x8000,
                                 0xffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x100000000,
                                 INT64_MAX,
                                 1ULL << 63,
                                 ~0ULL,
                                 ~1ULL,
                                 0x3ff0000000000000,
                                 0x7ff0000000000000,
                                 0x7ff8000000000000,
                                 0x7ff0000000000001,
                                 0xffffffff3f800000,
                                 0xffffffff7fa00000,
                                 0x8000000000000000,
                                 0x0000000000000001};

    if (below(3)) {
        return (int64_t)v[below(ARRAY_SIZE(v))];
    }
    return (int64_t)((uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd)) >> below(64);
}

/* A value of the type that is not too far back, or a constant. */
static IrVal some(Ir *ir, IrType type)
{
    for (unsigned tries = 0; ir->n && tries < 12; tries++) {
        unsigned back = 1 + below(below(4) ? 12 : 60);
        unsigned i = back <= ir->n ? ir->n - back : 0;
        const IrInsn *insn = &ir->insns[i];

        if (insn->type == type && !(ir_op_info[insn->op].props & IR_PROP_NORESULT)) {
            return (IrVal)i;
        }
    }
    switch (type) {
    case IR_I64: return below(3) ? ir_get(ir, below(NX)) : ir_imm(ir, interesting());
    case IR_I32:
        return below(3)   ? ir_un(ir, IR_TRUNC, some(ir, IR_I64))
               : below(2) ? ir_get(ir, NX + below(NW))
                          : ir_imm32(ir, (int32_t)interesting());
    case IR_F32: return ir_funbox(ir, some(ir, IR_F64));
    default:
        return below(4) ? ir_get(ir, NX + NW + below(NF))
                        : ir_emit(ir, IR_CONST, IR_F64, IR_NONE, IR_NONE, IR_NONE, IR_NONE,
                                  interesting());
    }
}

static IrType int_type(void)
{
    return below(3) ? IR_I64 : IR_I32;
}

/* Often the address of an access that is there already, or a constant away from it, as a stack pointer moves: groups
 * share their TLB probe. */
static IrVal some_address(Ir *ir)
{
    IrVal a;

    for (unsigned i = ir->n; i-- > 0 && below(16);) {
        if ((ir->insns[i].op == IR_LOAD || ir->insns[i].op == IR_STORE) && below(3)) {
            a = ir->insns[i].arg[0];
            if (!below(3)) {
                a = ir_add(ir, a, ir_imm(ir, 8 * (int)below(32) - 128));
                ir_put(ir, below(NX), a);
            }
            return a;
        }
    }
    a = below(40)
            ? ir_bin(ir, IR_AND, some(ir, IR_I64), ir_imm(ir, below(3) ? RAM_SIZE / 2 - 8 : 0x2ff8))
            : some(ir, IR_I64);

    return below(20) ? ir_add(ir, a, ir_imm(ir, RAM_BASE)) : a;
}

static int64_t some_disp(void)
{
    return below(3)   ? below(8) * 8
           : below(8) ? below(512)
           : below(4) ? (int)below(4096)
                      : interesting();
}

static IrMem some_mem(IrType type)
{
    IrMem m = type == IR_F32   ? IR_MEM_32
              : type == IR_F64 ? IR_MEM_64
              : type == IR_I32 ? below(3)
                               : below(4);

    if (type == IR_I32 || type == IR_I64) {
        m |= below(2) ? IR_MEM_SIGNED : 0;
    }
    return m | (below(8) ? 0 : IR_MEM_ALIGN);
}

static IrRound some_round(void)
{
    return below(2) ? IR_ROUND_CURRENT : below(5);
}

/* What the back end makes one instruction of: both halves of a product, a sum with a scaled index. */
static void random_int_pair(Ir *ir)
{
    IrType t = int_type();
    IrVal a = some(ir, below(2) ? IR_I64 : t), b = some(ir, ir_type(ir, a));

    if (ir_type(ir, a) == IR_I64 && below(2)) {
        ir_bin(ir, IR_MUL, a, b);
        ir_bin(ir, IR_MULHU, a, b);
    } else {
        IrVal count = ir_type(ir, b) == IR_I64 ? ir_imm(ir, below(5)) : ir_imm32(ir, below(5));

        b = ir_bin(ir, IR_SHL, b, count);
        if (below(3) == 0) {
            ir_put(ir, below(NX), some(ir, IR_I64));
        }
        ir_bin(ir, IR_ADD, below(2) ? a : b, below(2) ? a : b);
    }
}

static void random_int_op(Ir *ir)
{
    static const uint8_t binary[] = {IR_ADD,  IR_SUB,  IR_AND,  IR_OR,   IR_XOR,  IR_SHL,
                                     IR_SHR,  IR_SAR,  IR_MUL,  IR_DIVU, IR_DIVS, IR_REMU,
                                     IR_REMS, IR_ANDN, IR_ROTL, IR_ROTR};
    static const uint8_t wide[] = {IR_MULHU, IR_MULHS, IR_CLMUL, IR_CLMULH};
    static const uint8_t unary[] = {IR_NEG,   IR_NOT,   IR_CLZ,    IR_CTZ,   IR_POPCNT,
                                    IR_BSWAP, IR_SEXT8, IR_SEXT16, IR_ZEXT8, IR_ZEXT16};
    IrType t = int_type(), t2 = int_type();

    switch (below(11)) {
    case 10: random_int_pair(ir); break;
    case 0: ir_bin(ir, wide[below(ARRAY_SIZE(wide))], some(ir, IR_I64), some(ir, IR_I64)); break;
    case 1: ir_un(ir, unary[below(ARRAY_SIZE(unary))], some(ir, t)); break;
    case 2: ir_un(ir, below(2) ? IR_SEXT32 : IR_ZEXT32, some(ir, IR_I32)); break;
    case 3: ir_setcond(ir, t, below(10), some(ir, t2), some(ir, t2)); break;
    case 4: ir_movcond(ir, below(10), some(ir, t2), some(ir, t2), some(ir, t), some(ir, t)); break;
    default: ir_bin(ir, binary[below(ARRAY_SIZE(binary))], some(ir, t), some(ir, t)); break;
    }
}

static void random_fp_op(Ir *ir)
{
    static const uint8_t binary[] = {IR_FADD, IR_FSUB, IR_FMUL, IR_FDIV, IR_FMIN, IR_FMAX};
    IrType t = below(3) ? IR_F64 : IR_F32, ti = int_type();

    switch (below(12)) {
    case 0: ir_fp1(ir, IR_FSQRT, some(ir, t)); break;
    case 1:
    case 2: ir_fma(ir, (int)below(4), some(ir, t), some(ir, t), some(ir, t)); break;
    case 3: ir_fcmp(ir, below(5), some(ir, t), some(ir, t)); break;
    case 4: ir_fcvt(ir, IR_FCVT_F, t == IR_F64 ? IR_F32 : IR_F64, some_round(), some(ir, t)); break;
    case 5: ir_fcvt(ir, below(2) ? IR_FCVT_SI : IR_FCVT_UI, ti, some_round(), some(ir, t)); break;
    case 6: ir_fcvt(ir, below(2) ? IR_FCVT_SF : IR_FCVT_UF, t, some_round(), some(ir, ti)); break;
    case 7: ir_fbits(ir, t == IR_F64 ? IR_I64 : IR_I32, some(ir, t)); break;
    case 8: ir_fbits(ir, t, some(ir, t == IR_F64 ? IR_I64 : IR_I32)); break;
    case 9: ir_fbox(ir, some(ir, IR_F32)); break;
    default: ir_fp2(ir, binary[below(ARRAY_SIZE(binary))], some(ir, t), some(ir, t)); break;
    }
}

static void random_env_op(Ir *ir)
{
    static const IrType types[] = {IR_I32, IR_I64, IR_F32, IR_F64};
    IrType t = types[below(4)];
    IrMem m = some_mem(t) & ~IR_MEM_ALIGN;
    int32_t off = (int32_t)offsetof(TestEnv, field) + (int32_t)below(7) * 8;

    if (below(2)) {
        ir_ldenv(ir, t, m, off);
    } else {
        ir_stenv(ir, m, off, some(ir, t));
    }
}

static void random_mem_op(Ir *ir)
{
    static const IrType types[] = {IR_I32, IR_I64, IR_I64, IR_F32, IR_F64};
    IrType t = types[below(5)], ti = int_type();
    IrMem m = some_mem(t), mi = some_mem(ti);

    switch (below(8)) {
    case 0:
        ir_atomic(ir, ti, below(9),
                  (mi & ~IR_MEM_SIZE) | IR_MEM_ALIGN | (ti == IR_I32 ? 2 : 2 + below(2)), below(4),
                  some_address(ir), some(ir, ti));
        break;
    case 1:
        ir_cas(ir, ti, (mi & ~IR_MEM_SIZE) | IR_MEM_ALIGN | (ti == IR_I32 ? 2 : 2 + below(2)),
               below(4), some_address(ir), some(ir, ti), some(ir, ti));
        break;
    case 2:
    case 3:
    case 4: ir_store(ir, m, below(4), some_address(ir), some_disp(), some(ir, t)); break;
    default: ir_load(ir, t, m, below(4), some_address(ir), some_disp()); break;
    }
}

static void random_put(Ir *ir)
{
    unsigned g = below(NGLOBALS);

    ir_put(ir, g, some(ir, globals[g].type));
}

static void random_call(Ir *ir)
{
    switch (below(4)) {
    case 0:
        ir_call(ir, 0, some(ir, IR_I64), some(ir, IR_I32), some(ir, IR_I64), some(ir, IR_I64));
        break;
    case 1: ir_call(ir, 1, some(ir, IR_I64), some(ir, IR_F64), IR_NONE, IR_NONE); break;
    case 2: ir_call(ir, 2, some(ir, IR_F64), IR_NONE, IR_NONE, IR_NONE); break;
    default:
        ir_call(ir, 3, below(3) ? ir_imm(ir, 0) : some(ir, IR_I64), some(ir, IR_I64), IR_NONE,
                IR_NONE);
        break;
    }
}

static int64_t some_target(void)
{
    return below(3) ? below(0x1000) & ~1U : (int64_t)below(0x10000) - 0x8000;
}

static void random_end(Ir *ir)
{
    switch (below(3)) {
    case 0: ir_goto(ir, some_target()); break;
    case 1: ir_goto_ind(ir, below(3), some(ir, IR_I64)); break;
    default: ir_exit(ir, some_target()); break;
    }
}

static void random_block(Ir *ir, bool fp)
{
    unsigned n = 1 + below(40), pc = PC_OFF;

    ir_clear(ir);
    for (unsigned k = 0; k < n; k++) {
        IrType t = int_type();

        ir_insn(ir, pc);
        pc += 4;
        for (unsigned j = below(4); j-- > 0;) {
            random_int_op(ir);
        }
        switch (below(12)) {
        case 0:
        case 1:
        case 2: random_mem_op(ir); break;
        case 3: random_call(ir); break;
        case 4: random_env_op(ir); break;
        case 5: ir_pc(ir, (int)pc); break;
        case 6:
            below(4) ? ir_fence(ir, below(16))
                     : ir_exit_if(ir, below(10), some(ir, t), some(ir, t), some_target());
            break;
        case 7:
        case 8:
            if (fp) {
                random_fp_op(ir);
                break;
            }
            /* fall through */
        default: break;
        }
        for (unsigned j = below(3); j-- > 0;) {
            random_put(ir);
        }
    }
    random_end(ir);
    g_assert(!ir->overflow);
}

/* --- Comparing --- */

static Run *new_run(void)
{
    Run *r = g_new0(Run, 1);

    r->env = (TestEnv *)(void *)tcg_env_new(sizeof(TestEnv));
    r->env->tcg.helpers = helpers;
    r->env->tcg.ctx = 1;
    r->env->tcg.runtime = backend_runtime(code.be, runtime);
    return r;
}

static void free_run(Run *r)
{
    tcg_env_free(&r->env->tcg);
    g_free(r);
}

static void random_state(Run *r)
{
    TestEnv *e = r->env;

    for (unsigned k = 0; k < NX; k++) {
        e->x[k] = (uint64_t)interesting();
    }
    for (unsigned k = 0; k < NW; k++) {
        e->w[k] = (uint32_t)interesting();
    }
    for (unsigned k = 0; k < NF; k++) {
        e->f[k] = (uint64_t)interesting();
    }
    for (unsigned k = 0; k < sizeof(e->field); k += 8) {
        *(uint64_t *)(void *)(e->field + k) = (uint64_t)interesting();
    }
    for (unsigned k = 0; k < RAM_SIZE; k += 8) {
        *(uint64_t *)(void *)(r->ram + k) = (uint64_t)interesting();
    }
    e->tcg.fp_round = below(4);
    e->tcg.fp_flags = below(2) ? 0 : below(32);
    e->tcg.pc = PC_PAGE + PC_OFF;
    e->tcg.pc_page = PC_PAGE;
}

static void empty_tlb(Run *r)
{
    TcgTables *t = tcg_tables(&r->env->tcg);

    memset(t->tlb_read, 0xff, sizeof(t->tlb_read));
    memset(t->tlb_write, 0xff, sizeof(t->tlb_write));
}

static void copy_state(Run *to, const Run *from)
{
    memcpy(to->ram, from->ram, RAM_SIZE);
    memcpy(to->env->x, from->env->x, sizeof(TestEnv) - offsetof(TestEnv, x));
    to->env->tcg.fp_round = from->env->tcg.fp_round;
    to->env->tcg.fp_flags = from->env->tcg.fp_flags;
    to->env->tcg.pc = from->env->tcg.pc;
    to->env->tcg.pc_page = from->env->tcg.pc_page;
}

static void execute(Run *r, const Ir *ir, const CodeBlock *cb)
{
    current = r;
    r->block = cb;
    r->fault_pc = r->fault_va = 0;
    if (sigsetjmp(r->fault, 0)) {
        return;
    }
    if (cb) {
        backend_run(code.be, &r->env->tcg, cb->rx);
    } else {
        interp_run(ir, &r->env->tcg, runtime);
    }
}

static bool same_state(const Run *a, const Run *b)
{
    return !memcmp(a->env->x, b->env->x, sizeof(a->env->x)) &&
           !memcmp(a->env->w, b->env->w, sizeof(a->env->w)) &&
           !memcmp(a->env->f, b->env->f, sizeof(a->env->f)) &&
           !memcmp(a->env->field, b->env->field, sizeof(a->env->field)) &&
           !memcmp(a->ram, b->ram, RAM_SIZE) && a->fault_pc == b->fault_pc &&
           a->fault_va == b->fault_va && a->env->tcg.fp_flags == b->env->tcg.fp_flags &&
           (a->fault_pc || a->env->tcg.pc == b->env->tcg.pc);
}

static void print_difference(const Run *want, const Run *got, const Ir *ir, const CodeBlock *cb)
{
    ir_print(ir, stderr);
    backend_print(code.be, cb, stderr);
    for (unsigned k = 0; k < NX; k++) {
        if (want->env->x[k] != got->env->x[k]) {
            fprintf(stderr, "x%u: %" PRIx64 " not %" PRIx64 "\n", k, want->env->x[k],
                    got->env->x[k]);
        }
    }
    for (unsigned k = 0; k < NW; k++) {
        if (want->env->w[k] != got->env->w[k]) {
            fprintf(stderr, "w%u: %x not %x\n", k, want->env->w[k], got->env->w[k]);
        }
    }
    for (unsigned k = 0; k < NF; k++) {
        if (want->env->f[k] != got->env->f[k]) {
            fprintf(stderr, "f%u: %" PRIx64 " not %" PRIx64 "\n", k, want->env->f[k],
                    got->env->f[k]);
        }
    }
    for (unsigned k = 0; k < RAM_SIZE; k++) {
        if (want->ram[k] != got->ram[k]) {
            fprintf(stderr, "ram %x: %x not %x\n", k, want->ram[k], got->ram[k]);
        }
    }
    fprintf(stderr,
            "pc %" PRIx64 " %" PRIx64 " fault %" PRIx64 " %" PRIx64 " flags %x %x round %u\n",
            want->env->tcg.pc, got->env->tcg.pc, want->fault_pc, got->fault_pc,
            want->env->tcg.fp_flags, got->env->tcg.fp_flags, want->env->tcg.fp_round);
}

static void random_blocks(unsigned count, uint32_t seed, bool fp, bool optimise)
{
    Ir *ir = ir_new(&target), *expanded = ir_new(&target);
    Run *want = new_run(), *got = new_run();

    count *= g_test_slow() ? 20 : 1;
    for (unsigned n = 0; n < count; n++) {
        CodeBlock cb;
        const char *why;

        rnd = g_rand_new_with_seed(seed + n);
        target.often_misaligned = n & 1;
        random_block(ir, fp);
        g_rand_set_seed(rnd, seed + n);
        random_block(expanded, fp);
        why = ir_verify(ir);
        g_assert_cmpstr(why, ==, NULL);
        if (optimise) {
            ir_optimise(expanded);
        }
        ir_expand(expanded, backend_ops(code.be));
        ir_dce(expanded);
        cb = compile_at(expanded, code.used);
        for (unsigned k = 0; k < 4; k++) {
            random_state(want);
            copy_state(got, want);
            if (below(2)) {
                empty_tlb(got);
            }
            got->quick = below(2);
            execute(want, ir, NULL);
            execute(got, ir, &cb);
            if (!same_state(want, got)) {
                print_difference(want, got, expanded, &cb);
                g_error("seed %u, state %u differs", seed + n, k);
            }
        }
        free_block(&cb);
        g_rand_free(rnd);
    }
    free_run(want);
    free_run(got);
    ir_free(ir);
    ir_free(expanded);
}

static void test_random_int(void)
{
    random_blocks(1000, 1, false, false);
    random_blocks(1000, 10000001, false, true);
}

static void test_random_fp(void)
{
    random_blocks(1000, 20000001, true, true);
}

/* Accesses that share a TLB probe: the first one's miss is the others' too, unless it could not ask for
 * all of them or the range has no common page. */
static void test_group_miss(void)
{
    static const struct {
        uint64_t base;
        bool quick;
        unsigned misses, quick_hits;
    } cases[] = {{RAM_BASE, false, 2, 0}, {RAM_BASE, true, 0, 2}, {RAM_BASE + 0xff8, true, 0, 3}};
    Ir *ir = ir_new(&target);
    Run *r = new_run();
    IrVal base, moved;
    CodeBlock cb;

    ir_insn(ir, PC_OFF);
    base = ir_get(ir, 0);
    ir_put(ir, 1, ir_load(ir, IR_I64, IR_MEM_64, 0, base, 0));
    ir_insn(ir, PC_OFF + 4);
    ir_put(ir, 2, ir_load(ir, IR_I64, IR_MEM_32 | IR_MEM_SIGNED, 0, base, 8));
    ir_insn(ir, PC_OFF + 8);
    ir_store(ir, IR_MEM_16, 0, ir_get(ir, 3), 0, ir_imm(ir, -2));
    ir_insn(ir, PC_OFF + 12);
    moved = ir_add(ir, base, ir_imm(ir, 24));
    ir_put(ir, 5, moved);
    ir_put(ir, 4, ir_load(ir, IR_I64, IR_MEM_8, 0, moved, -8));
    ir_exit(ir, PC_OFF + 16);
    cb = compile_at(ir, code.used);
    current = r;
    r->env->x[3] = RAM_BASE + 0x2000;
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        uint8_t *ram = r->ram + (cases[k].base - RAM_BASE);

        empty_tlb(r);
        memset(r->ram, 0, RAM_SIZE);
        memcpy(ram, "\1\2\3\4\5\6\7\x8\x9\xa\xb\xfc\xd\xe\xf\x10\x11", 17);
        r->env->x[0] = cases[k].base;
        r->env->tcg.pc = PC_PAGE + PC_OFF;
        r->quick = cases[k].quick;
        r->misses = r->quick_hits = 0;
        backend_run(code.be, &r->env->tcg, cb.rx);
        g_assert_cmpuint(r->misses, ==, cases[k].misses);
        g_assert_cmpuint(r->quick_hits, ==, cases[k].quick_hits);
        g_assert_cmphex(r->env->x[1], ==, 0x0807060504030201ULL);
        g_assert_cmphex(r->env->x[2], ==, 0xfffffffffc0b0a09ULL);
        g_assert_cmphex(r->env->x[4], ==, 0x11);
        g_assert_cmphex(r->ram[0x2000], ==, 0xfe);
        g_assert_cmphex(r->ram[0x2001], ==, 0xff);
        g_assert_cmphex(r->ram[0x2002], ==, 0);
    }
    free_block(&cb);
    free_run(r);
    ir_free(ir);
}

/* --- Linking --- */

/* x0 := x0 + 1; leave if x0 == x1; back to the start */
static void counting_block(Ir *ir, int64_t loop_to)
{
    IrVal v;

    ir_clear(ir);
    ir_insn(ir, PC_OFF);
    v = ir_add(ir, ir_get(ir, 0), ir_imm(ir, 1));
    ir_put(ir, 0, v);
    ir_insn(ir, PC_OFF + 4);
    ir_exit_if(ir, IR_EQ, v, ir_get(ir, 1), PC_OFF + 0x20);
    ir_goto(ir, loop_to);
}

static void test_link_page(void)
{
    Ir *ir = ir_new(&target);
    Run *r = new_run();
    CodeBlock cb;
    const void *leave;

    counting_block(ir, PC_OFF);
    cb = compile_at(ir, code.used);
    g_assert_cmpuint(cb.nexits, ==, 2);
    g_assert(cb.exits[1].backward && !cb.exits[0].backward);
    r->env->tcg.pc = PC_PAGE + PC_OFF;
    r->env->x[1] = 1000;
    current = r;

    leave = backend_run(code.be, &r->env->tcg, cb.rx);
    g_assert(leave == cb.rx + cb.exits[1].leave_off);
    g_assert_cmphex(r->env->tcg.pc, ==, PC_PAGE + PC_OFF);
    g_assert_cmpuint(r->env->x[0], ==, 1);

    g_assert_true(backend_link(code.be, &cb, 1, cb.rx, 0, false));
    leave = backend_run(code.be, &r->env->tcg, cb.rx);
    g_assert(leave == cb.rx + cb.exits[0].leave_off);
    g_assert_cmphex(r->env->tcg.pc, ==, PC_PAGE + PC_OFF + 0x20);
    g_assert_cmpuint(r->env->x[0], ==, 1000);

    r->env->tcg.pc = PC_PAGE + PC_OFF;
    r->env->tcg.exit_request = 1;
    leave = backend_run(code.be, &r->env->tcg, cb.rx);
    g_assert(leave == cb.rx + cb.exits[1].leave_off);
    g_assert_cmphex(r->env->tcg.pc, ==, PC_PAGE + PC_OFF);
    g_assert_cmpuint(r->env->x[0], ==, 1001);

    r->env->tcg.exit_request = 0;
    backend_unlink(code.be, &cb, 1);
    leave = backend_run(code.be, &r->env->tcg, cb.rx);
    g_assert(leave == cb.rx + cb.exits[1].leave_off);
    free_block(&cb);
    free_run(r);
    ir_free(ir);
}

static void test_link_cross(void)
{
    Ir *ir = ir_new(&target);
    Run *r = new_run();
    TcgEnv *env = &r->env->tcg;
    CodeBlock cb, other;
    const void *leave;
    TcgJumpEntry *jump;

    counting_block(ir, 0x1000 + PC_OFF);
    cb = compile_at(ir, code.used);
    ir_clear(ir);
    ir_insn(ir, PC_OFF);
    ir_put(ir, 5, ir_pc(ir, PC_OFF));
    ir_exit(ir, PC_OFF + 4);
    other = compile_at(ir, align_up(code.used + cb.size, 64));
    g_assert(cb.exits[1].kind == CODE_EXIT_CROSS);
    current = r;

    env->pc = PC_PAGE + PC_OFF;
    leave = backend_run(code.be, env, cb.rx);
    g_assert(leave == cb.rx + cb.exits[1].leave_off);
    g_assert_cmphex(env->pc, ==, PC_PAGE + 0x1000 + PC_OFF);

    env->pc = PC_PAGE + PC_OFF;
    env->ctx = 7;
    g_assert_true(backend_link(code.be, &cb, 1, other.rx, 7, false));
    leave = backend_run(code.be, env, cb.rx);
    g_assert(leave == NULL);
    g_assert_cmphex(r->env->x[5], ==, PC_PAGE + 0x1000 + PC_OFF);
    g_assert_cmphex(env->pc, ==, PC_PAGE + 0x1000 + PC_OFF + 4);

    env->pc = PC_PAGE + PC_OFF;
    env->ctx = 8; /* another context: unlinked, as long as the jump cache does not know */
    leave = backend_run(code.be, env, cb.rx);
    g_assert(leave == cb.rx + cb.exits[1].leave_off);
    jump = &tcg_tables(env)->jump[(PC_PAGE + 0x1000 + PC_OFF) >> 1 & ((1 << TCG_JUMP_BITS) - 1)];
    *jump = (TcgJumpEntry){.pc = PC_PAGE + 0x1000 + PC_OFF, .ctx = 8, .code = other.rx};
    env->pc = PC_PAGE + PC_OFF;
    r->env->x[5] = 0;
    leave = backend_run(code.be, env, cb.rx);
    g_assert(leave == NULL);
    g_assert_cmphex(r->env->x[5], ==, PC_PAGE + 0x1000 + PC_OFF);

    env->pc = PC_PAGE + PC_OFF; /* nor when an exit is asked for */
    env->exit_request = 1;
    leave = backend_run(code.be, env, cb.rx);
    g_assert(leave == cb.rx + cb.exits[1].leave_off);
    env->exit_request = 0;

    /* The same target for another context; another one only while no other vCPU is around. */
    g_assert_true(backend_link(code.be, &cb, 1, other.rx, 9, false));
    g_assert_false(backend_link(code.be, &cb, 1, cb.rx, 9, false));
    backend_unlink(code.be, &cb, 1);
    g_assert_false(backend_link(code.be, &cb, 1, cb.rx, 9, false));
    g_assert_true(backend_link(code.be, &cb, 1, cb.rx, 9, true));
    backend_unlink(code.be, &cb, 1);
    jump->ctx = 0;
    env->ctx = 7;
    env->pc = PC_PAGE + PC_OFF;
    leave = backend_run(code.be, env, cb.rx);
    g_assert(leave == cb.rx + cb.exits[1].leave_off);
    free_block(&cb);
    free_block(&other);
    free_run(r);
    ir_free(ir);
}

static void test_goto_ind(void)
{
    Ir *ir = ir_new(&target);
    Run *r = new_run();
    TcgEnv *env = &r->env->tcg;
    CodeBlock cb, other;
    const void *leave;

    ir_insn(ir, PC_OFF);
    ir_goto_ind(ir, IR_JUMP, ir_get(ir, 0));
    cb = compile_at(ir, code.used);
    ir_clear(ir);
    ir_insn(ir, 0x234);
    ir_put(ir, 5, ir_pc(ir, 0x234));
    ir_exit(ir, 0x238);
    other = compile_at(ir, align_up(code.used + cb.size, 64));
    current = r;
    r->env->x[0] = 0x77777234;

    env->pc = PC_PAGE + PC_OFF;
    leave = backend_run(code.be, env, cb.rx);
    g_assert(leave == NULL);
    g_assert_cmphex(env->pc, ==, 0x77777234);

    env->pc = PC_PAGE + PC_OFF;
    lookup_result = other.rx;
    backend_run(code.be, env, cb.rx);
    lookup_result = NULL;
    g_assert_cmphex(r->env->x[5], ==, 0x77777234);
    g_assert_cmphex(env->pc, ==, 0x77777238);

    env->pc = PC_PAGE + PC_OFF;
    env->exit_request = 1;
    r->env->x[5] = 0;
    backend_run(code.be, env, cb.rx);
    g_assert_cmphex(r->env->x[5], ==, 0);
    g_assert_cmphex(env->pc, ==, 0x77777234);
    free_block(&cb);
    free_block(&other);
    free_run(r);
    ir_free(ir);
}

/* Too little room is an answer, at every size. */
static void test_room(void)
{
    Ir *ir = ir_new(&target);

    rnd = g_rand_new_with_seed(42);
    random_block(ir, false);
    ir_optimise(ir);
    ir_expand(ir, backend_ops(code.be));
    for (size_t room = 0;; room += 7) {
        CodeBlock cb = {.rw = code.rw + code.used, .rx = code.rx + code.used};

        cb.rw[room] = 0xa5;
        if (backend_compile(code.be, ir, PC_OFF, room, &cb)) {
            g_assert_cmpuint(cb.size, <=, room);
            free_block(&cb);
            break;
        }
        g_assert_cmphex(cb.rw[room], ==, 0xa5);
    }
    g_rand_free(rnd);
    ir_free(ir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init_target();
    init_code();
    if (!code.be) {
        g_test_message("this host lacks BMI2");
        return 0;
    }
    g_test_add_func("/tcg/x86_64/random-int", test_random_int);
    g_test_add_func("/tcg/x86_64/random-fp", test_random_fp);
    g_test_add_func("/tcg/x86_64/group-miss", test_group_miss);
    g_test_add_func("/tcg/x86_64/link-page", test_link_page);
    g_test_add_func("/tcg/x86_64/link-cross", test_link_cross);
    g_test_add_func("/tcg/x86_64/goto-ind", test_goto_ind);
    g_test_add_func("/tcg/x86_64/room", test_room);
    return g_test_run();
}
