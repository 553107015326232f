/* SPDX-License-Identifier: MIT */
/*
 * Registers as gdb knows them: of i386:x86-64, or of i386 when the CPU has no long mode; SSE, AVX, segment
 * bases, and control registers in a feature of our own.  Ids are gdb's register numbers of i386:x86-64.
 * The program counter is linear in every mode, CS.base + EIP: gdb does not know segments.
 */
#include "rhea/osdep.h"

#include "fpu.h"
#include "rhea/endian.h"
#include "target/gdb.h"

enum {
    GDB_RIP = 16,
    GDB_EFLAGS = 17,
    GDB_SEG = 18,
    GDB_ST = 24,
    GDB_FCTRL = 32,
    GDB_XMM = 40,
    GDB_MXCSR = 56,
    GDB_FS_BASE = 57,
    GDB_GS_BASE = 58,
    GDB_YMMH = 59,
    GDB_SYSTEM = 75, /* system_field()'s order */
    GDB_BASE = 81,   /* of cs ss ds es fs gs */
};
/* Where the numbers of i386 are others. */
enum { GDB32_EIP = 8, GDB32_XMM = 32, GDB32_MXCSR = 40, GDB32_YMMH = 41, GDB32_SYSTEM = 49 };

#define REG_AS(n, id_, name_, bits_, type_, group_)                                                \
    {                                                                                              \
        .name = name_, .bits = bits_, .type = type_, .group = group_, .regnum = n, .id = id_       \
    }
#define REG(n, ...)        REG_AS(n, n, __VA_ARGS__)
#define G(n, name_, type_) REG(n, name_, 64, type_, "general")
#define SEG(n, name_)      REG(GDB_SEG + n, name_, 32, "int32", "general")
#define ST(n, name_)       REG(GDB_ST + n, name_, 80, "i387_ext", "float")
#define FCTL(n, name_)     REG(GDB_FCTRL + n, name_, 32, "int", "float")
#define XMM(n, name_)      REG(GDB_XMM + n, name_, 128, "vec128", "vector")
#define YMMH(n, name_)     REG(GDB_YMMH + n, name_, 128, "uint128", "vector")
#define SYS(n, name_)      REG(GDB_SYSTEM + n, name_, 64, "int64", "system")

static const GdbReg core_regs[] = {
    G(0, "rax", "int64"),
    G(1, "rbx", "int64"),
    G(2, "rcx", "int64"),
    G(3, "rdx", "int64"),
    G(4, "rsi", "int64"),
    G(5, "rdi", "int64"),
    G(6, "rbp", "data_ptr"),
    G(7, "rsp", "data_ptr"),
    G(8, "r8", "int64"),
    G(9, "r9", "int64"),
    G(10, "r10", "int64"),
    G(11, "r11", "int64"),
    G(12, "r12", "int64"),
    G(13, "r13", "int64"),
    G(14, "r14", "int64"),
    G(15, "r15", "int64"),
    G(GDB_RIP, "rip", "code_ptr"),
    REG(GDB_EFLAGS, "eflags", 32, "i386_eflags", "general"),
    SEG(0, "cs"),
    SEG(1, "ss"),
    SEG(2, "ds"),
    SEG(3, "es"),
    SEG(4, "fs"),
    SEG(5, "gs"),
    ST(0, "st0"),
    ST(1, "st1"),
    ST(2, "st2"),
    ST(3, "st3"),
    ST(4, "st4"),
    ST(5, "st5"),
    ST(6, "st6"),
    ST(7, "st7"),
    FCTL(0, "fctrl"),
    FCTL(1, "fstat"),
    FCTL(2, "ftag"),
    FCTL(3, "fiseg"),
    FCTL(4, "fioff"),
    FCTL(5, "foseg"),
    FCTL(6, "fooff"),
    FCTL(7, "fop"),
};

static const GdbReg sse_regs[] = {
    XMM(0, "xmm0"),
    XMM(1, "xmm1"),
    XMM(2, "xmm2"),
    XMM(3, "xmm3"),
    XMM(4, "xmm4"),
    XMM(5, "xmm5"),
    XMM(6, "xmm6"),
    XMM(7, "xmm7"),
    XMM(8, "xmm8"),
    XMM(9, "xmm9"),
    XMM(10, "xmm10"),
    XMM(11, "xmm11"),
    XMM(12, "xmm12"),
    XMM(13, "xmm13"),
    XMM(14, "xmm14"),
    XMM(15, "xmm15"),
    REG(GDB_MXCSR, "mxcsr", 32, "int", "vector"),
};

static const GdbReg base_regs[] = {
    REG(GDB_FS_BASE, "fs_base", 64, "int64", "general"),
    REG(GDB_GS_BASE, "gs_base", 64, "int64", "general"),
};

static const GdbReg avx_regs[] = {
    YMMH(0, "ymm0h"),   YMMH(1, "ymm1h"),   YMMH(2, "ymm2h"),   YMMH(3, "ymm3h"),
    YMMH(4, "ymm4h"),   YMMH(5, "ymm5h"),   YMMH(6, "ymm6h"),   YMMH(7, "ymm7h"),
    YMMH(8, "ymm8h"),   YMMH(9, "ymm9h"),   YMMH(10, "ymm10h"), YMMH(11, "ymm11h"),
    YMMH(12, "ymm12h"), YMMH(13, "ymm13h"), YMMH(14, "ymm14h"), YMMH(15, "ymm15h"),
};

static const GdbReg system_regs[] = {
    SYS(0, "k_gs_base"), SYS(1, "cr0"),     SYS(2, "cr2"),     SYS(3, "cr3"),     SYS(4, "cr4"),
    SYS(5, "efer"),      SYS(6, "cs_base"), SYS(7, "ss_base"), SYS(8, "ds_base"), SYS(9, "es_base"),
};

/* --- The same without long mode --- */

#define G32(n, id, name_, type_) REG_AS(n, id, name_, 32, type_, "general")
#define LATER32(n, name_, bits_, type_, group_)                                                    \
    REG_AS((n)-GDB_RIP + GDB32_EIP, n, name_, bits_, type_, group_)
#define SEG32(n, name_)     LATER32(GDB_SEG + n, name_, 32, "int32", "general")
#define ST32(n, name_)      LATER32(GDB_ST + n, name_, 80, "i387_ext", "float")
#define FCTL32(n, name_)    LATER32(GDB_FCTRL + n, name_, 32, "int", "float")
#define XMM32(n, name_)     REG_AS(GDB32_XMM + n, GDB_XMM + n, name_, 128, "vec128", "vector")
#define YMMH32(n, name_)    REG_AS(GDB32_YMMH + n, GDB_YMMH + n, name_, 128, "uint128", "vector")
#define SYS32(n, id, name_) REG_AS(GDB32_SYSTEM + n, id, name_, 32, "int32", "system")

static const GdbReg core32_regs[] = {
    G32(0, 0, "eax", "int32"),
    G32(1, 2, "ecx", "int32"),
    G32(2, 3, "edx", "int32"),
    G32(3, 1, "ebx", "int32"),
    G32(4, 7, "esp", "data_ptr"),
    G32(5, 6, "ebp", "data_ptr"),
    G32(6, 4, "esi", "int32"),
    G32(7, 5, "edi", "int32"),
    LATER32(GDB_RIP, "eip", 32, "code_ptr", "general"),
    LATER32(GDB_EFLAGS, "eflags", 32, "i386_eflags", "general"),
    SEG32(0, "cs"),
    SEG32(1, "ss"),
    SEG32(2, "ds"),
    SEG32(3, "es"),
    SEG32(4, "fs"),
    SEG32(5, "gs"),
    ST32(0, "st0"),
    ST32(1, "st1"),
    ST32(2, "st2"),
    ST32(3, "st3"),
    ST32(4, "st4"),
    ST32(5, "st5"),
    ST32(6, "st6"),
    ST32(7, "st7"),
    FCTL32(0, "fctrl"),
    FCTL32(1, "fstat"),
    FCTL32(2, "ftag"),
    FCTL32(3, "fiseg"),
    FCTL32(4, "fioff"),
    FCTL32(5, "foseg"),
    FCTL32(6, "fooff"),
    FCTL32(7, "fop"),
};

static const GdbReg sse32_regs[] = {
    XMM32(0, "xmm0"),
    XMM32(1, "xmm1"),
    XMM32(2, "xmm2"),
    XMM32(3, "xmm3"),
    XMM32(4, "xmm4"),
    XMM32(5, "xmm5"),
    XMM32(6, "xmm6"),
    XMM32(7, "xmm7"),
    REG_AS(GDB32_MXCSR, GDB_MXCSR, "mxcsr", 32, "int", "vector"),
};

static const GdbReg avx32_regs[] = {
    YMMH32(0, "ymm0h"), YMMH32(1, "ymm1h"), YMMH32(2, "ymm2h"), YMMH32(3, "ymm3h"),
    YMMH32(4, "ymm4h"), YMMH32(5, "ymm5h"), YMMH32(6, "ymm6h"), YMMH32(7, "ymm7h"),
};

static const GdbReg system32_regs[] = {
    SYS32(0, GDB_SYSTEM + 1, "cr0"),   SYS32(1, GDB_SYSTEM + 2, "cr2"),
    SYS32(2, GDB_SYSTEM + 3, "cr3"),   SYS32(3, GDB_SYSTEM + 4, "cr4"),
    SYS32(4, GDB_BASE + 0, "cs_base"), SYS32(5, GDB_BASE + 1, "ss_base"),
    SYS32(6, GDB_BASE + 2, "ds_base"), SYS32(7, GDB_BASE + 3, "es_base"),
    SYS32(8, GDB_FS_BASE, "fs_base"),  SYS32(9, GDB_GS_BASE, "gs_base"),
};

/* --- Features --- */

#define FLAG(n, name)           "<field name=\"" name "\" start=\"" #n "\" end=\"" #n "\"/>"
#define FIELD(name, type)       "<field name=\"" name "\" type=\"" type "\"/>"
#define VECTOR(id, type, count) "<vector id=\"" id "\" type=\"" type "\" count=\"" count "\"/>"

static const char eflags_type[] = "<flags id=\"i386_eflags\" size=\"4\">" FLAG(0, "CF")
    FLAG(2, "PF") FLAG(4, "AF") FLAG(6, "ZF") FLAG(7, "SF") FLAG(8, "TF") FLAG(9, "IF")
        FLAG(10, "DF") FLAG(11, "OF") FLAG(14, "NT") FLAG(16, "RF") FLAG(17, "VM") FLAG(18, "AC")
            FLAG(19, "VIF") FLAG(20, "VIP") FLAG(21, "ID") "</flags>";

static const char vector_types[] =
    VECTOR("v4f", "ieee_single", "4") VECTOR("v2d", "ieee_double", "2")
        VECTOR("v16i8", "int8", "16") VECTOR("v8i16", "int16", "8") VECTOR("v4i32", "int32", "4")
            VECTOR("v2i64", "int64", "2") "<union id=\"vec128\">" FIELD("v4_float", "v4f")
                FIELD("v2_double", "v2d") FIELD("v16_int8", "v16i8") FIELD("v8_int16", "v8i16")
                    FIELD("v4_int32", "v4i32") FIELD("v2_int64", "v2i64")
                        FIELD("uint128", "uint128") "</union>";

static const GdbFeature features[] = {
    {"org.gnu.gdb.i386.core", core_regs, ARRAY_SIZE(core_regs), eflags_type},
    {"org.gnu.gdb.i386.sse", sse_regs, ARRAY_SIZE(sse_regs), vector_types},
    {"org.gnu.gdb.i386.segments", base_regs, ARRAY_SIZE(base_regs)},
    {"org.gnu.gdb.i386.avx", avx_regs, ARRAY_SIZE(avx_regs)},
    {"org.rhea.x86.system", system_regs, ARRAY_SIZE(system_regs)},
    {NULL},
};

static const GdbFeature features32[] = {
    {"org.gnu.gdb.i386.core", core32_regs, ARRAY_SIZE(core32_regs), eflags_type},
    {"org.gnu.gdb.i386.sse", sse32_regs, ARRAY_SIZE(sse32_regs), vector_types},
    {"org.gnu.gdb.i386.avx", avx32_regs, ARRAY_SIZE(avx32_regs)},
    {"org.rhea.x86.system", system32_regs, ARRAY_SIZE(system32_regs)},
    {NULL},
};

/* gdb's order: rax rbx rcx rdx rsi rdi rbp rsp, and cs ss ds es fs gs. */
static const uint8_t gpr_order[16] = {X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI,
                                      X86_RBP, X86_RSP, 8,       9,       10,      11,
                                      12,      13,      14,      15};
static const uint8_t seg_order[6] = {X86_CS, X86_SS, X86_DS, X86_ES, X86_FS, X86_GS};

static uint64_t *system_field(X86Env *env, unsigned n)
{
    uint64_t *fields[] = {
        &env->seg_base_gs_kernel, &env->cr0, &env->cr2, &env->cr3, &env->cr4, &env->efer};

    return fields[n];
}

/* --- Reading --- */

static unsigned put32(uint8_t *buf, uint32_t v)
{
    st32_le(buf, v);
    return 4;
}

static unsigned put64(uint8_t *buf, uint64_t v)
{
    st64_le(buf, v);
    return 8;
}

/* The tag word with two bits a register; empty or valid is all that is known here. */
static uint32_t full_tags(const X86Env *env)
{
    uint32_t tags = 0;

    for (unsigned i = 0; i < 8; i++) {
        tags |= env->fpu_tags >> i & 1 ? 0 : 3u << 2 * i;
    }
    return tags;
}

static unsigned read_fpu(const X86Env *env, uint32_t id, uint8_t *buf)
{
    if (id < GDB_FCTRL) {
        const X86Fp80 *st = &env->st[((env->fpu_sw >> 11) + (id - GDB_ST)) & 7];

        put64(buf, st->sig);
        st16_le(buf + 8, st->se);
        return 10;
    }
    switch (id - GDB_FCTRL) {
    case 0: return put32(buf, env->fpu_cw);
    case 1: return put32(buf, env->fpu_sw);
    case 2: return put32(buf, full_tags(env));
    case 3: return put32(buf, env->fpu_cs);
    case 4: return put32(buf, env->fpu_ip);
    case 5: return put32(buf, env->fpu_ds);
    case 6: return put32(buf, env->fpu_dp);
    default: return put32(buf, env->fpu_op);
    }
}

static unsigned read_vector(uint8_t *buf, const X86Xmm *v)
{
    put64(buf, v->q[0]);
    put64(buf + 8, v->q[1]);
    return 16;
}

static unsigned x86_gdb_read(CpuState *cpu, uint32_t id, uint8_t *buf)
{
    X86Env *env = x86_env(cpu);

    if (id < GDB_RIP) {
        return put64(buf, env->regs[gpr_order[id]]);
    }
    if (id == GDB_RIP) {
        return put64(buf, env->tcg.pc);
    }
    if (id == GDB_EFLAGS) {
        return put32(buf, x86_eflags(env));
    }
    if (id < GDB_ST) {
        return put32(buf, env->seg[seg_order[id - GDB_SEG]].sel);
    }
    if (id < GDB_XMM) {
        return read_fpu(env, id, buf);
    }
    if (id < GDB_MXCSR) {
        return read_vector(buf, &env->xmm[id - GDB_XMM]);
    }
    if (id == GDB_MXCSR) {
        return put32(buf, x86_get_mxcsr(env));
    }
    if (id < GDB_YMMH) {
        return put64(buf, env->seg[id == GDB_FS_BASE ? X86_FS : X86_GS].base);
    }
    if (id < GDB_SYSTEM) {
        return read_vector(buf, &env->ymmh[id - GDB_YMMH]);
    }
    if (id < GDB_BASE) {
        return put64(buf, *system_field(env, id - GDB_SYSTEM));
    }
    return put64(buf, env->seg[seg_order[id - GDB_BASE]].base);
}

/* --- Writing --- */

/* In real and virtual-8086 mode a selector brings its base; otherwise descriptors are the guest's. */
static bool write_seg(X86Env *env, unsigned n, uint32_t sel)
{
    if (x86_protected(env)) {
        return env->seg[n].sel == sel;
    }
    env->seg[n].sel = sel;
    env->seg[n].base = (sel & 0xffff) << 4;
    return true;
}

static bool write_fpu(X86Env *env, uint32_t id, const uint8_t *buf)
{
    if (id < GDB_FCTRL) {
        X86Fp80 *st = &env->st[((env->fpu_sw >> 11) + (id - GDB_ST)) & 7];

        st->sig = ld64_le(buf);
        st->se = ld16_le(buf + 8);
        return true;
    }
    switch (id - GDB_FCTRL) {
    case 0: env->fpu_cw = ld32_le(buf); return true;
    case 1: env->fpu_sw = ld32_le(buf); return true;
    default: return false;
    }
}

static bool write_system(X86Env *env, unsigned n, uint64_t v)
{
    switch (n) {
    case 0: env->seg_base_gs_kernel = v; return true;
    case 1: return x86_write_cr0(env, v);
    case 2: env->cr2 = v; return true;
    case 3: return x86_write_cr3(env, v);
    case 4: return x86_write_cr4(env, v);
    default: return x86_write_efer(env, v);
    }
}

static void write_vector(X86Xmm *v, const uint8_t *buf)
{
    v->q[0] = ld64_le(buf);
    v->q[1] = ld64_le(buf + 8);
}

static bool x86_gdb_write(CpuState *cpu, uint32_t id, const uint8_t *buf)
{
    const uint32_t user_flags = X86_ARITH_FLAGS | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT |
                                X86_RF | X86_AC | X86_VIF | X86_VIP | X86_ID;
    X86Env *env = x86_env(cpu);

    if (id < GDB_RIP) {
        env->regs[gpr_order[id]] = ld64_le(buf);
    } else if (id == GDB_RIP) {
        env->tcg.pc = ld64_le(buf);
    } else if (id == GDB_EFLAGS) {
        x86_set_eflags(env, (x86_eflags(env) & ~user_flags) | (ld32_le(buf) & user_flags));
        cpu_context_changed(cpu);
    } else if (id < GDB_ST) {
        bool ok = write_seg(env, seg_order[id - GDB_SEG], ld32_le(buf));

        cpu_context_changed(cpu);
        return ok;
    } else if (id < GDB_XMM) {
        return write_fpu(env, id, buf);
    } else if (id < GDB_MXCSR) {
        write_vector(&env->xmm[id - GDB_XMM], buf);
    } else if (id == GDB_MXCSR) {
        return ld32_le(buf) == x86_get_mxcsr(env);
    } else if (id < GDB_YMMH) {
        env->seg[id == GDB_FS_BASE ? X86_FS : X86_GS].base = ld64_le(buf);
    } else if (id < GDB_SYSTEM) {
        write_vector(&env->ymmh[id - GDB_YMMH], buf);
    } else if (id < GDB_BASE) {
        return write_system(env, id - GDB_SYSTEM, ld64_le(buf));
    } else {
        return ld64_le(buf) == env->seg[seg_order[id - GDB_BASE]].base;
    }
    return true;
}

const GdbArch *x86_gdb(CpuState *cpu)
{
    static const GdbArch arch64 = {"i386:x86-64", features, x86_gdb_read, x86_gdb_write};
    static const GdbArch arch32 = {"i386", features32, x86_gdb_read, x86_gdb_write};

    return x86_has(cpu->model, X86_F_LM) ? &arch64 : &arch32;
}
