/* SPDX-License-Identifier: MIT */
/* What a CPU model tells the gdb stub: features (target XML) and register access. */
#ifndef TARGET_GDB_H
#define TARGET_GDB_H

#include "rhea/base.h"

struct CpuState;

/* One register.  Numbers follow the order of features and registers. */
typedef struct GdbReg {
    const char *name;
    uint8_t bits;
    const char *type;  /* "int", "data_ptr", "code_ptr", "ieee_double" ... */
    const char *group; /* or NULL */
    uint32_t regnum;   /* what gdb expects of this feature */
    uint32_t id;       /* the model's own number, for the callbacks */
} GdbReg;

typedef struct GdbFeature {
    const char *name; /* "org.gnu.gdb.riscv.cpu"; NULL ends the list */
    const GdbReg *regs;
    unsigned nregs;
    const char *types; /* XML of the types that its registers use, or NULL */
} GdbFeature;

/*
 * The model's callbacks.  Values are little-endian, bits / 8 bytes; where a description shows less of a
 * register than the model has, the stub cuts what is read and extends what is written with zeroes.
 */
typedef struct GdbArch {
    const char *arch; /* "riscv:rv64" */
    const GdbFeature *features;
    unsigned (*read)(struct CpuState *cpu, uint32_t id, uint8_t *buf);
    bool (*write)(struct CpuState *cpu, uint32_t id, const uint8_t *buf);
} GdbArch;

#endif
