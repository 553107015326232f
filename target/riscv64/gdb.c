/* SPDX-License-Identifier: MIT */
/* Registers as gdb knows them; ids are gdb's register numbers. */
#include "rhea/osdep.h"

#include "cpu.h"
#include "rhea/endian.h"
#include "target/gdb.h"

enum { GDB_PC = 32, GDB_F0 = 33, GDB_CSR0 = 65, GDB_PRIV = GDB_CSR0 + 4096 };

#define X(n, name_, type_)                                                                         \
    {                                                                                              \
        .name = name_, .bits = 64, .type = type_, .group = "general", .regnum = n, .id = n         \
    }
#define F(n, name_)                                                                                \
    {                                                                                              \
        .name = name_, .bits = 64, .type = "ieee_double", .group = "float", .regnum = GDB_F0 + n,  \
        .id = GDB_F0 + n                                                                           \
    }
#define CSR(n, name_)                                                                              \
    {                                                                                              \
        .name = name_, .bits = 64, .type = "int", .group = "csr", .regnum = GDB_CSR0 + n,          \
        .id = GDB_CSR0 + n                                                                         \
    }
#define FCSR(n, name_)                                                                             \
    {                                                                                              \
        .name = name_, .bits = 32, .type = "int", .group = "float", .regnum = GDB_CSR0 + n,        \
        .id = GDB_CSR0 + n                                                                         \
    }

static const GdbReg x_regs[] = {
    X(0, "zero", "int"),    X(1, "ra", "code_ptr"), X(2, "sp", "data_ptr"),
    X(3, "gp", "data_ptr"), X(4, "tp", "data_ptr"), X(5, "t0", "int"),
    X(6, "t1", "int"),      X(7, "t2", "int"),      X(8, "fp", "data_ptr"),
    X(9, "s1", "int"),      X(10, "a0", "int"),     X(11, "a1", "int"),
    X(12, "a2", "int"),     X(13, "a3", "int"),     X(14, "a4", "int"),
    X(15, "a5", "int"),     X(16, "a6", "int"),     X(17, "a7", "int"),
    X(18, "s2", "int"),     X(19, "s3", "int"),     X(20, "s4", "int"),
    X(21, "s5", "int"),     X(22, "s6", "int"),     X(23, "s7", "int"),
    X(24, "s8", "int"),     X(25, "s9", "int"),     X(26, "s10", "int"),
    X(27, "s11", "int"),    X(28, "t3", "int"),     X(29, "t4", "int"),
    X(30, "t5", "int"),     X(31, "t6", "int"),     X(GDB_PC, "pc", "code_ptr"),
};

static const GdbReg f_regs[] = {
    F(0, "ft0"),   F(1, "ft1"),   F(2, "ft2"),       F(3, "ft3"),    F(4, "ft4"),     F(5, "ft5"),
    F(6, "ft6"),   F(7, "ft7"),   F(8, "fs0"),       F(9, "fs1"),    F(10, "fa0"),    F(11, "fa1"),
    F(12, "fa2"),  F(13, "fa3"),  F(14, "fa4"),      F(15, "fa5"),   F(16, "fa6"),    F(17, "fa7"),
    F(18, "fs2"),  F(19, "fs3"),  F(20, "fs4"),      F(21, "fs5"),   F(22, "fs6"),    F(23, "fs7"),
    F(24, "fs8"),  F(25, "fs9"),  F(26, "fs10"),     F(27, "fs11"),  F(28, "ft8"),    F(29, "ft9"),
    F(30, "ft10"), F(31, "ft11"), FCSR(1, "fflags"), FCSR(2, "frm"), FCSR(3, "fcsr"),
};

static const GdbReg csr_regs[] = {
    CSR(0x100, "sstatus"),    CSR(0x104, "sie"),       CSR(0x105, "stvec"),
    CSR(0x106, "scounteren"), CSR(0x10a, "senvcfg"),   CSR(0x140, "sscratch"),
    CSR(0x141, "sepc"),       CSR(0x142, "scause"),    CSR(0x143, "stval"),
    CSR(0x144, "sip"),        CSR(0x14d, "stimecmp"),  CSR(0x180, "satp"),
    CSR(0x300, "mstatus"),    CSR(0x301, "misa"),      CSR(0x302, "medeleg"),
    CSR(0x303, "mideleg"),    CSR(0x304, "mie"),       CSR(0x305, "mtvec"),
    CSR(0x306, "mcounteren"), CSR(0x30a, "menvcfg"),   CSR(0x320, "mcountinhibit"),
    CSR(0x340, "mscratch"),   CSR(0x341, "mepc"),      CSR(0x342, "mcause"),
    CSR(0x343, "mtval"),      CSR(0x344, "mip"),       CSR(0x3a0, "pmpcfg0"),
    CSR(0x3a2, "pmpcfg2"),    CSR(0x3b0, "pmpaddr0"),  CSR(0x3b1, "pmpaddr1"),
    CSR(0x3b2, "pmpaddr2"),   CSR(0x3b3, "pmpaddr3"),  CSR(0x3b4, "pmpaddr4"),
    CSR(0x3b5, "pmpaddr5"),   CSR(0x3b6, "pmpaddr6"),  CSR(0x3b7, "pmpaddr7"),
    CSR(0x3b8, "pmpaddr8"),   CSR(0x3b9, "pmpaddr9"),  CSR(0x3ba, "pmpaddr10"),
    CSR(0x3bb, "pmpaddr11"),  CSR(0x3bc, "pmpaddr12"), CSR(0x3bd, "pmpaddr13"),
    CSR(0x3be, "pmpaddr14"),  CSR(0x3bf, "pmpaddr15"), CSR(0xb00, "mcycle"),
    CSR(0xb02, "minstret"),   CSR(0xc00, "cycle"),     CSR(0xc01, "time"),
    CSR(0xc02, "instret"),    CSR(0xf11, "mvendorid"), CSR(0xf12, "marchid"),
    CSR(0xf13, "mimpid"),     CSR(0xf14, "mhartid"),   CSR(0xf15, "mconfigptr"),
};

static const GdbReg virtual_regs[] = {
    {.name = "priv", .bits = 64, .type = "int", .regnum = GDB_PRIV, .id = GDB_PRIV},
};

static const GdbFeature features[] = {
    {"org.gnu.gdb.riscv.cpu", x_regs, ARRAY_SIZE(x_regs)},
    {"org.gnu.gdb.riscv.fpu", f_regs, ARRAY_SIZE(f_regs)},
    {"org.gnu.gdb.riscv.csr", csr_regs, ARRAY_SIZE(csr_regs)},
    {"org.gnu.gdb.riscv.virtual", virtual_regs, ARRAY_SIZE(virtual_regs)},
    {NULL, NULL, 0},
};

static bool is_fcsr(uint32_t id)
{
    return id > GDB_CSR0 && id <= GDB_CSR0 + 3;
}

static unsigned rv_gdb_read(CpuState *cpu, uint32_t id, uint8_t *buf)
{
    const RvEnv *env = rv_env(cpu);
    uint64_t v = 0;

    if (id < 32) {
        v = env->x[id];
    } else if (id == GDB_PC) {
        v = env->tcg.pc;
    } else if (id < GDB_CSR0) {
        v = env->f[id - GDB_F0];
    } else if (id < GDB_PRIV) {
        rv_csr_peek(cpu, id - GDB_CSR0, &v); /* zero when this CPU lacks it */
        if (is_fcsr(id)) {
            st32_le(buf, v);
            return 4;
        }
    } else {
        v = env->priv;
    }
    st64_le(buf, v);
    return 8;
}

static bool rv_gdb_write(CpuState *cpu, uint32_t id, const uint8_t *buf)
{
    RvEnv *env = rv_env(cpu);
    uint64_t v = is_fcsr(id) ? ld32_le(buf) : ld64_le(buf);

    if (id == 0) {
        return true;
    }
    if (id < 32) {
        env->x[id] = v;
    } else if (id == GDB_PC) {
        env->tcg.pc = v;
    } else if (id < GDB_CSR0) {
        env->f[id - GDB_F0] = v;
    } else if (id < GDB_PRIV) {
        return rv_csr_poke(cpu, id - GDB_CSR0, v);
    } else {
        if (v != RV_PRIV_U && v != RV_PRIV_S && v != RV_PRIV_M) {
            return false;
        }
        env->priv = v;
        cpu_context_changed(cpu);
    }
    return true;
}

const GdbArch *rv_gdb(CpuState *cpu)
{
    static const GdbArch arch = {
        .arch = "riscv:rv64",
        .features = features,
        .read = rv_gdb_read,
        .write = rv_gdb_write,
    };

    return &arch;
}
