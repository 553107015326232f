/* SPDX-License-Identifier: MIT */
/*
 * The border between C and translated code: the stub that enters it, and the thunks through which it
 * calls C and leaves.  Emitted once, reached through the runtime table.
 *
 * A thunk that calls C stores every pinned global to env, so C sees complete guest state and may
 * leave for good by siglongjmp: translated code keeps nothing on the host stack.  While translated
 * code runs, MXCSR holds the guest's rounding mode and the flags raised since they were last moved to
 * env->fp_flags; C runs with the default MXCSR.
 */
#include "rhea/osdep.h"
#include "codegen.h"

enum {
    MXCSR_DEFAULT = 0x1f80, /* all exceptions masked, nearest */
    MXCSR_FLAGS = 0x3f,
    MXCSR_DAZ = 1 << 6,
    MXCSR_ROUNDING = 0x6000,
    MXCSR_FTZ = 1 << 15,
    THUNK_RA = 8, /* what the call of a thunk has pushed above the frame */
};

/* Read by the thunks, relative to their own code. */
typedef struct AbiTables {
    uint32_t mxcsr[32]; /* by fp_round: IrRound, IR_ROUND_* */
    uint8_t flags[64];  /* IR_FP_* by MXCSR flags */
    uint32_t mxcsr_default;
} AbiTables;

static AbiTables abi_tables(const Backend *be)
{
    /* Rounding control: 0 nearest, 1 down, 2 up, 3 zero (SDM volume 1, 10.2.3.1). */
    static const uint8_t control[8] = {[IR_ROUND_ZERO] = 3, [IR_ROUND_DOWN] = 1, [IR_ROUND_UP] = 2};
    AbiTables t = {.mxcsr_default = MXCSR_DEFAULT};

    for (unsigned k = 0; k < ARRAY_SIZE(t.mxcsr); k++) {
        t.mxcsr[k] = MXCSR_DEFAULT | (uint32_t)control[k & IR_ROUND_MASK] << 13 |
                     (k & IR_ROUND_FTZ ? MXCSR_FTZ : 0) | (k & IR_ROUND_DAZ ? MXCSR_DAZ : 0);
    }
    for (unsigned k = 0; k < 64; k++) {
        t.flags[k] = (uint8_t)((k & 1 ? IR_FP_INVALID : 0) |
                               (k & 2 && be->target->denormal_flag ? IR_FP_DENORMAL : 0) |
                               (k & 4 ? IR_FP_DIVBYZERO : 0) | (k & 8 ? IR_FP_OVERFLOW : 0) |
                               (k & 16 ? IR_FP_UNDERFLOW : 0) | (k & 32 ? IR_FP_INEXACT : 0));
    }
    return t;
}

static Mem env_mem(size_t offset)
{
    return mem_at(RBP, (int32_t)offset - ENV_BIAS);
}

/* @reg := address of the tables, which lie at the buffer's start. */
static void emit_tables_address(Asm *a, unsigned reg, size_t field)
{
    emit_lea(a, X_W, reg, mem_at(NO_REG, 0));
    patch_rel32(a, asm_pos(a) - 4, (uint32_t)field);
}

/* --- Pinned globals --- */

static bool is_callee_saved(unsigned cls, unsigned reg)
{
    return cls == CLASS_GPR && (reg == RBX || (reg >= R12 && reg <= R15));
}

typedef enum PinnedSet { PINNED_ALL, PINNED_CALLER_SAVED } PinnedSet;

static void emit_pinned(const Backend *be, Asm *a, bool store, PinnedSet set)
{
    for (unsigned cls = 0; cls < NCLASSES; cls++) {
        for (unsigned k = 0; k < be->npinned[cls]; k++) {
            unsigned reg = cg_pinned_reg(cls, k);
            const IrGlobal *g = &be->target->globals[be->pinned[cls][k]];
            Mem m = env_mem((size_t)g->offset);

            if (set == PINNED_CALLER_SAVED && is_callee_saved(cls, reg)) {
                continue;
            }
            if (cls == CLASS_GPR && store) {
                emit_store(a, X_W, m, reg);
            } else if (cls == CLASS_GPR) {
                emit_load(a, X_W, reg, m);
            } else if (g->type == IR_V128) {
                emit_vex_rm(a, store ? OP_MOVUPS_STORE : OP_MOVUPS_LOAD, reg, 0, m);
            } else if (store) {
                emit_xstore(a, m, reg);
            } else {
                emit_xload(a, reg, m);
            }
        }
    }
}

/* --- Floating-point state --- */

/* MXCSR's flags go to env, the default value comes in when another is there.  @at: scratch memory.
 * Clobbers rcx and rdx. */
static void emit_fp_out(Asm *a, Mem at)
{
    uint32_t skip;

    emit_rm(a, OP_MXCSR, 3, at, 0);
    emit_load(a, 0, RCX, at);
    emit_rr(a, 0xf7, GRP3_TEST, RCX);
    emit32(a, MXCSR_FLAGS | MXCSR_ROUNDING | MXCSR_FTZ | MXCSR_DAZ);
    skip = emit_jcc(a, CC_E);
    emit_alu_ri(a, ALU_AND, 0, RCX, MXCSR_FLAGS);
    emit_tables_address(a, RDX, offsetof(AbiTables, flags));
    emit_rm(a, OP_MOVZX8, RCX, (Mem){RDX, RCX, 0}, 0);
    emit_rm(a, 0x09, RCX, env_mem(offsetof(TcgEnv, fp_flags)), 0); /* or [m], ecx */
    emit_rm(a, OP_MXCSR, 2,
            mem_at(RDX, (int)offsetof(AbiTables, mxcsr_default) - (int)offsetof(AbiTables, flags)),
            0);
    patch_rel32(a, skip, asm_pos(a));
}

/* The guest's rounding mode goes to MXCSR.  Clobbers rcx and rdx. */
static void emit_fp_in(Asm *a)
{
    emit_load(a, 0, RCX, env_mem(offsetof(TcgEnv, fp_round)));
    emit_alu_ri(a, ALU_AND, 0, RCX, IR_ROUND_MASK | IR_ROUND_FTZ | IR_ROUND_DAZ);
    emit_shift_ri(a, SHIFT_SHL, 0, RCX, 2);
    emit_tables_address(a, RDX, offsetof(AbiTables, mxcsr));
    emit_rm(a, OP_MXCSR, 2, (Mem){RDX, RCX, 0}, 0);
}

/* --- Calls of C --- */

static void emit_args(Asm *a, unsigned nargs)
{
    static const uint8_t regs[4] = {RSI, RDX, RCX, R8};

    for (unsigned k = 0; k < nargs; k++) {
        emit_load(a, X_W, regs[k], mem_at(RSP, THUNK_RA + FRAME_ARG0 + 8 * (int)k));
    }
    emit_lea(a, X_W, R9, mem_at(RSP, THUNK_RA + FRAME_VEC_RESULT));
    emit_lea(a, X_W, RDI, mem_at(RBP, -ENV_BIAS));
}

static void emit_call_rax(Asm *a)
{
    emit_alu_ri(a, ALU_SUB, X_W, RSP, 8);
    emit_rr(a, OP_GRP5, 2, RAX);
    emit_alu_ri(a, ALU_ADD, X_W, RSP, 8);
}

/* Runtime functions and STATE helpers (@rt < 0: the function is in rax). */
static void emit_state_thunk(const Backend *be, Asm *a, int rt, unsigned nargs, PinnedSet reload)
{
    emit_pinned(be, a, true, PINNED_ALL);
    emit_load(a, X_W, RDX, mem_at(RSP, 0));
    emit_store(a, X_W, env_mem(offsetof(TcgEnv, host_ra)), RDX);
    emit_fp_out(a, mem_at(RSP, THUNK_RA + FRAME_MXCSR));
    if (rt >= 0) {
        emit_load(a, X_W, RAX, env_mem(offsetof(TcgEnv, runtime)));
        emit_load(a, X_W, RAX, mem_at(RAX, 8 * rt));
    }
    emit_args(a, nargs);
    emit_call_rax(a);
    emit_fp_in(a);
    emit_pinned(be, a, false, reload);
    emit8(a, 0xc3);
}

/* --- Accesses that miss the inline TLB --- */

enum {
    /* Above rsp: padding, the return address, and what the stub has pushed. */
    ACCESS_RA = 8,
    ACCESS_INFO = 16,
    ACCESS_VA = 24, /* becomes the addend */
    ACCESS_FRAME = 32,
};

/* Temporaries to the frame or from it. */
static void emit_temps(Asm *a, bool store)
{
    Mem m = mem_at(RSP, ACCESS_FRAME + FRAME_TEMPS);

    for (unsigned reg = 0; reg < NTEMP_XMM; reg++, m.disp += 16) {
        emit_vex_rm(a, store ? OP_MOVUPS_STORE : OP_MOVUPS_LOAD, reg, 0, m);
    }
    for (unsigned reg = 0; reg < 16; reg++) {
        if (!(TEMP_GPRS >> reg & 1)) {
            continue;
        }
        if (store) {
            emit_store(a, X_W, m, reg);
        } else {
            emit_load(a, X_W, reg, m);
        }
        m.disp += 8;
    }
}

static void emit_access_call(Asm *a, unsigned function)
{
    emit_load(a, X_W, RSI, mem_at(RSP, ACCESS_VA));
    emit_load(a, 0, RDX, mem_at(RSP, ACCESS_INFO));
    emit_lea(a, X_W, RCX, mem_at(RSP, ACCESS_FRAME + FRAME_ACCESS));
    emit_lea(a, X_W, RDI, mem_at(RBP, -ENV_BIAS));
    emit_load(a, X_W, RAX, env_mem(offsetof(TcgEnv, runtime)));
    emit_rm(a, OP_GRP5, 2, mem_at(RAX, 8 * (int)function), 0);
}

/*
 * The inline TLB may have the page all the same: of a misaligned access, of one whose group has no common
 * page.  The branches taken when it does not, or when a look at the address alone does not tell.
 */
static void emit_access_probe(Asm *a, uint32_t miss[3])
{
    enum { ENTRY_BITS = 4, LONGEST = 16, SAVED = 16, KIND_BITS = 7 << 8 };
    Mem va = mem_at(RSP, SAVED + ACCESS_VA - 8), info = mem_at(RSP, SAVED + ACCESS_INFO - 8);
    Mem group =
        mem_at(RSP, SAVED + ACCESS_FRAME - 8 + FRAME_ACCESS + (int)offsetof(AccessFrame, addend));
    int32_t tlb = (int32_t)offsetof(TcgTables, tlb_read) - (int32_t)sizeof(TcgTables) - ENV_BIAS;

    G_STATIC_ASSERT(sizeof(TcgTlbEntry) == 1 << ENTRY_BITS && TCG_MMU_MODES == 4 &&
                    RT_WRITE == TCG_MMU_MODES << 8 &&
                    offsetof(TcgTables, tlb_write) ==
                        offsetof(TcgTables, tlb_read) +
                            TCG_MMU_MODES * sizeof(TcgTlbEntry) * (1 << TCG_TLB_BITS));
    emit_push(a, RAX);
    emit_push(a, RCX);
    emit_rm(a, OP_MOV_IMM | X_W, 0, group, 4);
    emit32(a, 0);
    emit_load(a, 0, RAX, info);
    emit_rr(a, 0xf7, GRP3_TEST, RAX);
    emit32(a, IR_MEM_ALIGN);
    miss[0] = emit_jcc(a, CC_NE);
    emit_alu_ri(a, ALU_AND, 0, RAX, KIND_BITS);
    emit_shift_ri(a, SHIFT_SHL, 0, RAX, TCG_TLB_BITS + ENTRY_BITS - 8);
    emit_load(a, 0, RCX, va);
    emit_shift_ri(a, SHIFT_SHR, 0, RCX, TCG_PAGE_BITS - ENTRY_BITS);
    emit_alu_ri(a, ALU_AND, 0, RCX, ((1 << TCG_TLB_BITS) - 1) << ENTRY_BITS);
    emit_alu_rr(a, ALU_ADD, 0, RCX, RAX);
    emit_load(a, 0, RAX, va);
    emit_alu_ri(a, ALU_AND, 0, RAX, (int32_t)~TCG_PAGE_MASK);
    emit_alu_ri(a, ALU_CMP, 0, RAX, TCG_PAGE_SIZE - LONGEST);
    miss[1] = emit_jcc(a, CC_A);
    emit_load(a, X_W, RAX, va);
    emit_alu_ri(a, ALU_AND, X_W, RAX, (int32_t)TCG_PAGE_MASK);
    emit_alu_rm(a, ALU_CMP, X_W, RAX, (Mem){RBP, RCX, tlb + (int32_t)offsetof(TcgTlbEntry, tag)});
    miss[2] = emit_jcc(a, CC_NE);
    emit_load(a, X_W, RAX, (Mem){RBP, RCX, tlb + (int32_t)offsetof(TcgTlbEntry, addend)});
    emit_store(a, X_W, va, RAX);
    emit_pop(a, RCX);
    emit_pop(a, RAX);
}

static void emit_access_return(Asm *a)
{
    emit8(a, 0xc2); /* ret 8 */
    emit8(a, 8);
    emit8(a, 0);
}

/*
 * The stub has pushed the address and the kind of the access; the addend comes back in the former's
 * place, the latter is popped.  All registers are kept.  C that does no floating point is tried first.
 */
static void emit_access_thunk(const Backend *be, Asm *a)
{
    uint32_t known, miss[3];

    emit_access_probe(a, miss);
    emit_access_return(a);
    for (unsigned k = 0; k < ARRAY_SIZE(miss); k++) {
        patch_rel32(a, miss[k], asm_pos(a));
    }
    emit_pop(a, RCX);
    emit_pop(a, RAX);
    emit_alu_ri(a, ALU_SUB, X_W, RSP, 8);
    emit_temps(a, true);
    emit_pinned(be, a, true, PINNED_ALL);
    emit_load(a, X_W, RDX, mem_at(RSP, ACCESS_RA));
    emit_store(a, X_W, env_mem(offsetof(TcgEnv, host_ra)), RDX);
    emit_access_call(a, C_ACCESS);
    emit_rr(a, OP_TEST | X_W, RAX, RAX);
    known = emit_jcc(a, CC_NE);
    emit_fp_out(a, mem_at(RSP, ACCESS_FRAME + FRAME_MXCSR));
    emit_access_call(a, C_ACCESS_SLOW);
    emit_fp_in(a);
    patch_rel32(a, known, asm_pos(a));
    emit_store(a, X_W, mem_at(RSP, ACCESS_VA), RAX);
    emit_temps(a, false);
    emit_pinned(be, a, false, PINNED_CALLER_SAVED);
    emit_alu_ri(a, ALU_ADD, X_W, RSP, 8);
    emit_access_return(a);
}

static void emit_pure_thunk(const Backend *be, Asm *a, bool fp)
{
    emit_pinned(be, a, true, PINNED_CALLER_SAVED);
    if (fp) {
        emit_fp_out(a, mem_at(RSP, THUNK_RA + FRAME_MXCSR));
    }
    emit_args(a, 4);
    emit_call_rax(a);
    if (fp) {
        emit_fp_in(a);
    }
    emit_pinned(be, a, false, PINNED_CALLER_SAVED);
    emit8(a, 0xc3);
}

/* --- Entering and leaving --- */

static const uint8_t saved_regs[6] = {RBP, RBX, R12, R13, R14, R15};

/* const void *enter(TcgEnv *env, const void *entry) */
static void emit_enter(const Backend *be, Asm *a)
{
    for (unsigned k = 0; k < ARRAY_SIZE(saved_regs); k++) {
        emit_push(a, saved_regs[k]);
    }
    emit_alu_ri(a, ALU_SUB, X_W, RSP, FRAME_SIZE);
    emit_lea(a, X_W, RBP, mem_at(RDI, ENV_BIAS));
    emit_fp_in(a);
    emit_pinned(be, a, false, PINNED_ALL);
    emit_rr(a, OP_GRP5, 4, RSI);
}

/* Pinned globals are in env, r8 is what enter() returns. */
static void emit_return(Asm *a)
{
    emit_fp_out(a, mem_at(RSP, FRAME_MXCSR));
    emit_rm(a, OP_MOV_IMM | X_W, 0, env_mem(offsetof(TcgEnv, host_ra)), 4);
    emit32(a, 0);
    emit_mov(a, X_W, RAX, R8);
    emit_alu_ri(a, ALU_ADD, X_W, RSP, FRAME_SIZE);
    for (unsigned k = ARRAY_SIZE(saved_regs); k-- > 0;) {
        emit_pop(a, saved_regs[k]);
    }
    emit8(a, 0xc3);
}

static void emit_leave_thunk(const Backend *be, Asm *a, bool called)
{
    emit_store(a, X_W, env_mem(offsetof(TcgEnv, pc)), RAX);
    emit_pinned(be, a, true, PINNED_ALL);
    if (called) {
        emit_pop(a, R8);
    } else {
        emit_movi(a, R8, 0);
    }
    emit_return(a);
}

static void emit_enter_found(Asm *a)
{
    emit_alu_ri(a, ALU_AND, X_W, RAX, (int32_t)TCG_PAGE_MASK);
    emit_store(a, X_W, env_mem(offsetof(TcgEnv, pc_page)), RAX);
}

static void emit_cross_thunk(Backend *be, Asm *a)
{
    uint32_t request;
    JumpProbe probe;

    emit_alu_mi(a, ALU_CMP, 0, env_mem(offsetof(TcgEnv, exit_request)), 0);
    request = emit_jcc(a, CC_NE);
    probe = abi_emit_jump_probe(a);
    emit_alu_ri(a, ALU_ADD, X_W, RSP, 8);
    emit_enter_found(a);
    emit_rm(a, OP_GRP5, 4, (Mem){RBP, RCX, abi_jump_offset(offsetof(TcgJumpEntry, code))}, 0);
    patch_rel32(a, request, be->thunk_off[THUNK_EXIT]);
    patch_rel32(a, probe.miss[0], be->thunk_off[THUNK_EXIT]);
    patch_rel32(a, probe.miss[1], be->thunk_off[THUNK_EXIT]);
}

static void emit_lookup_thunk(const Backend *be, Asm *a)
{
    uint32_t none;

    emit_store(a, X_W, env_mem(offsetof(TcgEnv, pc)), RAX);
    emit_pinned(be, a, true, PINNED_ALL);
    emit_mov(a, X_W, RSI, RAX);
    emit_rm(a, OP_MOV_IMM | X_W, 0, env_mem(offsetof(TcgEnv, host_ra)), 4);
    emit32(a, 0);
    emit_fp_out(a, mem_at(RSP, FRAME_MXCSR));
    emit_lea(a, X_W, RDI, mem_at(RBP, -ENV_BIAS));
    emit_load(a, X_W, RAX, env_mem(offsetof(TcgEnv, runtime)));
    emit_rm(a, OP_GRP5, 2, mem_at(RAX, 8 * RT_LOOKUP), 0);
    emit_rr(a, OP_TEST | X_W, RAX, RAX);
    none = emit_jcc(a, CC_E);
    emit_mov(a, X_W, RSI, RAX);
    emit_load(a, X_W, RAX, env_mem(offsetof(TcgEnv, pc)));
    emit_enter_found(a);
    emit_fp_in(a);
    emit_pinned(be, a, false, PINNED_CALLER_SAVED);
    emit_rr(a, OP_GRP5, 4, RSI);
    patch_rel32(a, none, asm_pos(a));
    emit_movi(a, R8, 0);
    emit_return(a);
}

int32_t abi_jump_offset(size_t field)
{
    return (int32_t)(offsetof(TcgTables, jump) + field) - (int32_t)sizeof(TcgTables) - ENV_BIAS;
}

JumpProbe abi_emit_jump_probe(Asm *a)
{
    enum { ENTRY_BITS = 5 };
    JumpProbe probe;

    G_STATIC_ASSERT(sizeof(TcgJumpEntry) == 1 << ENTRY_BITS);
    /* Entry number (pc >> 1) mod the size; what rotates in is masked. */
    emit_vex_rr(a, OP_RORX, RCX, 0, RAX);
    emit8(a, 32 - (ENTRY_BITS - 1));
    emit_alu_ri(a, ALU_AND, 0, RCX, ((1 << TCG_JUMP_BITS) - 1) << ENTRY_BITS);
    emit_alu_rm(a, ALU_CMP, X_W, RAX, (Mem){RBP, RCX, abi_jump_offset(offsetof(TcgJumpEntry, pc))});
    probe.miss[0] = emit_jcc(a, CC_NE);
    emit_load(a, X_W, RDX, (Mem){RBP, RCX, abi_jump_offset(offsetof(TcgJumpEntry, ctx))});
    emit_alu_rm(a, ALU_CMP, X_W, RDX, env_mem(offsetof(TcgEnv, ctx)));
    probe.miss[1] = emit_jcc(a, CC_NE);
    return probe;
}

void abi_emit(Backend *be, Asm *a)
{
    AbiTables tables = abi_tables(be);
    uint32_t *off = be->thunk_off;

    for (size_t k = 0; k < sizeof(tables); k++) {
        emit8(a, ((uint8_t *)&tables)[k]);
    }
    emit_nops(a, -asm_pos(a) & 15);
    be->enter_off = asm_pos(a);
    emit_enter(be, a);
    off[THUNK_ACCESS] = asm_pos(a);
    emit_access_thunk(be, a);
    off[THUNK_ATOMIC] = asm_pos(a);
    emit_state_thunk(be, a, RT_ATOMIC, 3, PINNED_CALLER_SAVED);
    off[THUNK_CAS] = asm_pos(a);
    emit_state_thunk(be, a, RT_CAS, 4, PINNED_CALLER_SAVED);
    off[THUNK_STATE] = asm_pos(a);
    emit_state_thunk(be, a, -1, 4, PINNED_ALL);
    off[THUNK_PURE] = asm_pos(a);
    emit_pure_thunk(be, a, false);
    off[THUNK_PURE_FP] = asm_pos(a);
    emit_pure_thunk(be, a, true);
    off[THUNK_EXIT] = asm_pos(a);
    emit_leave_thunk(be, a, true);
    off[THUNK_LEAVE] = asm_pos(a);
    emit_leave_thunk(be, a, false);
    off[THUNK_CROSS] = asm_pos(a);
    emit_cross_thunk(be, a);
    off[THUNK_LOOKUP] = asm_pos(a);
    emit_lookup_thunk(be, a);
}
