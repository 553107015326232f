/* SPDX-License-Identifier: MIT */
/*
 * Instructions on this host's own processor and through our translator, from the same state.
 *
 * Both run in one address space: guest addresses are host addresses, guest memory is the data area.
 * The code page and the data area are mapped at fixed places below 2 GiB, the page behind the data
 * area never.  Single-threaded.
 */
#ifndef TESTS_INSN_X86_64_JUDGE_H
#define TESTS_INSN_X86_64_JUDGE_H

#include <asm/ldt.h>

#include "target/x86_64/decode.h"

#define JUDGE_CODE_PAGE 0x10000000ULL
#define JUDGE_CODE      (JUDGE_CODE_PAGE + 0x800)
#define JUDGE_DATA      0x20000000ULL
enum { JUDGE_CODE_BYTES = 4096, JUDGE_DATA_BYTES = 2 * 4096 };

/* How a run ended. */
typedef enum JudgeEnd {
    JUDGE_STEP,  /* at the end of the code, or where a jump led */
    JUDGE_FAULT, /* with exception "vector" */
} JudgeEnd;

typedef struct JudgeState {
    uint64_t regs[16];
    uint64_t rip;    /* linear */
    uint32_t eflags; /* the arithmetic flags */
    JudgeEnd end;
    unsigned vector;
    uint32_t error;          /* code of a #GP, #SS or #NP */
    uint16_t seg[X86_NSEGS]; /* selectors; of those before, GS counts alone */
    uint64_t fault_address;  /* of a page fault ... */
    bool fault_write;        /* ... and W of its error code */
    X86Xmm xmm[16], ymmh[16];
    uint32_t mxcsr;
    X86Fp80 st[8]; /* from the top */
    uint16_t fpu_cw, fpu_sw;
    uint8_t fpu_tags;
    uint8_t data[JUDGE_DATA_BYTES];
} JudgeState;

/* What the judged processor has. */
extern X86Model judge_model;
/* The mode of the code: X86_KEY_CS64, X86_KEY_CS32 (compatibility mode), or JUDGE_16: 16-bit code and stack,
 * with segments of base JUDGE_CODE_PAGE and JUDGE_DATA. */
#define JUDGE_16 (X86_KEY_CSBASE | X86_KEY_SEGS)
extern CpuKey judge_mode;

/* The LDT, from entry 0: code and data of 16-bit code, then segments to load, of any kind. */
enum { JUDGE_LDT_CODE, JUDGE_LDT_DATA, JUDGE_LDT_ENTRIES = 12 };
extern const struct user_desc judge_ldt[JUDGE_LDT_ENTRIES];

/* What CS, and what DS, ES and SS hold: Linux' selectors for user programs, ours in the LDT.  FS is
 * null. */
static inline unsigned judge_code_selector(void)
{
    return judge_mode == JUDGE_16 ? 7 : judge_mode & X86_KEY_CS32 ? 0x23 : 0x33;
}

static inline unsigned judge_data_selector(void)
{
    return judge_mode == JUDGE_16 ? 15 : 0x2b;
}

static inline uint64_t judge_code_base(void)
{
    return judge_mode == JUDGE_16 ? JUDGE_CODE_PAGE : 0;
}

static inline uint64_t judge_data_base(void)
{
    return judge_mode == JUDGE_16 ? JUDGE_DATA : 0;
}

/* native.c: maps code and data; learns the host's features.  False: not on this host. */
bool native_init(void);
/* Does it have the LDT? */
bool native_has_ldt(void);
/* Runs what is at JUDGE_CODE, up to @end or out of the code, from @before. */
void native_run(const JudgeState *before, uint64_t end, JudgeState *after);

/* emulated.c: the same by the translator, the interpreter and, if @jit, host code. */
void emulated_init(void);
bool emulated_has_jit(void);
void emulated_run(const JudgeState *before, uint64_t end, bool jit, JudgeState *after);
/* The IR of the instruction at JUDGE_CODE. */
void emulated_print(uint64_t pc, FILE *out);

/* random-insn.c */
typedef struct Span {
    unsigned from, to;
} Span;

enum { RANDOM_MAX_INSNS = 6 };
typedef struct RandomCode {
    uint8_t bytes[RANDOM_MAX_INSNS * 16];
    unsigned size, n;
    uint8_t start[RANDOM_MAX_INSNS]; /* of each */
    bool approximate;                /* RCPPS and the like are among them */
    bool jumps;                      /* the last one goes anywhere */
    Span unjudged[2];                /* bytes of the data area in which processors differ */
    uint8_t undefined; /* flags (X86_FLAG_*) that the last instructions leave undefined */
} RandomCode;

/* The rows that are judged, by number: false for what is left out. */
bool random_row_is_judged(const X86Row *row);
/* @n instructions, the first of them of @row if that is not NULL, and a state for them to start from. */
bool random_code(GRand *rand, const X86Row *row, unsigned n, RandomCode *code, JudgeState *state);

#endif
