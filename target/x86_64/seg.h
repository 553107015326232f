/* SPDX-License-Identifier: MIT */
/* Segments, descriptors and stacks: shared by the helpers that move between segments and levels. */
#ifndef TARGET_X86_64_SEG_H
#define TARGET_X86_64_SEG_H

#include "cpu.h"

/* System descriptor types, and code and data bits of an access-rights byte. */
enum {
    X86_DESC_TSS16 = 1,
    X86_DESC_LDT = 2,
    X86_DESC_TSS16_BUSY = 3,
    X86_DESC_CALL16 = 4,
    X86_DESC_TASK_GATE = 5,
    X86_DESC_INT16 = 6,
    X86_DESC_TRAP16 = 7,
    X86_DESC_TSS = 9,
    X86_DESC_TSS_BUSY = 11,
    X86_DESC_CALL = 12,
    X86_DESC_INT = 14,
    X86_DESC_TRAP = 15,
};

/* A descriptor as it lies in a table. */
typedef struct X86Desc {
    uint32_t lo, hi;
    GuestVA addr;
} X86Desc;

static inline unsigned x86_desc_type(const X86Desc *d)
{
    return d->hi >> 8 & 0xf;
}

static inline unsigned x86_desc_dpl(const X86Desc *d)
{
    return d->hi >> 13 & 3;
}

static inline bool x86_desc_present(const X86Desc *d)
{
    return d->hi >> 15 & 1;
}

/* Code or data, not a system descriptor. */
static inline bool x86_desc_is_memory(const X86Desc *d)
{
    return d->hi >> 12 & 1;
}

static inline bool x86_desc_is_code(const X86Desc *d)
{
    return (d->hi >> 11 & 3) == 3;
}

static inline bool x86_desc_conforming(const X86Desc *d)
{
    return d->hi >> 10 & 1;
}

static inline bool x86_desc_64(const X86Desc *d)
{
    return d->hi >> 21 & 1;
}

uint32_t x86_desc_limit(const X86Desc *d);
uint64_t x86_desc_base(const X86Desc *d);

static inline bool x86_sel_is_null(uint32_t sel)
{
    return !(sel & 0xfffc);
}

/* Error code for a selector, with EXT when the event under delivery is external. */
static inline uint32_t x86_sel_error(const X86Env *env, uint32_t sel)
{
    return (sel & 0xfffc) | (env->delivering != X86_NOT_DELIVERING && env->ext);
}

/* False: the selector is beyond its table. */
bool x86_desc_read(X86Env *env, uint32_t sel, X86Desc *d);
/* The same; raises @vector with the selector. */
void x86_desc_need(X86Env *env, uint32_t sel, unsigned vector, X86Desc *d);
/* The high half of a 16-byte descriptor; raises @vector when it is beyond the table or not zeroed. */
uint64_t x86_desc_high(X86Env *env, uint32_t sel, const X86Desc *d, unsigned vector);
/* Sets the accessed bit. */
void x86_desc_accessed(X86Env *env, X86Desc *d);
X86Seg x86_desc_seg(const X86Desc *d, uint32_t sel);

/* Real and virtual-8086 mode. */
X86Seg x86_real_seg(const X86Env *env, unsigned n, uint32_t sel);
/* Raises what loading @sel into SS at @cpl would, with @vector for a bad selector; see SDM vol. 3 5.7. */
X86Seg x86_check_ss(X86Env *env, uint32_t sel, unsigned cpl, unsigned vector);
/* Loads ES, DS, FS, GS (protected mode). */
void x86_load_data_seg(X86Env *env, unsigned n, uint32_t sel);
/* A return to an outer level empties data segments that it may not have. */
void x86_drop_data_segs(X86Env *env);
/* A flat segment as SYSCALL and the like make them. */
X86Seg x86_flat_seg(uint32_t sel, uint32_t attr);

/* CS for a new level: RPL becomes CPL. */
void x86_set_cs(X86Env *env, X86Seg cs, unsigned cpl);

/* Raises unless [offset, offset + size) may be accessed so in a segment (legacy modes). */
void x86_seg_check(X86Env *env, unsigned n, uint64_t offset, unsigned size, MemAccess access);

/* --- Stacks --- */

typedef struct X86Stack {
    X86Env *env;
    X86Seg ss;
    uint64_t sp, mask;
    unsigned mmu;
    bool long_mode;
    uint32_t error; /* of #SS */
} X86Stack;

/* The present one; or of segment @ss with stack pointer @sp, at level @cpl. */
X86Stack x86_stack(X86Env *env);
X86Stack x86_stack_new(X86Env *env, const X86Seg *ss, uint64_t sp, unsigned cpl);
/* That of 64-bit code: without base, limit and width of SS. */
static inline void x86_stack_make_flat(X86Stack *s)
{
    s->long_mode = true;
    s->mask = ~0ULL;
}
void x86_push(X86Stack *s, uint64_t v, unsigned size);
uint64_t x86_pop(X86Stack *s, unsigned size);
/* RSP becomes the stack's. */
void x86_stack_commit(const X86Stack *s);
/* Reads memory of the system (tables, TSS). */
uint64_t x86_sys_load(X86Env *env, GuestVA va, unsigned size);
void x86_sys_store(X86Env *env, GuestVA va, uint64_t v, unsigned size);

/* The stack for level @dpl from the TSS: *ss is null in long mode. */
void x86_tss_stack(X86Env *env, unsigned dpl, uint32_t *ss, uint64_t *sp);
/* In long mode, from the interrupt stack table (1..7). */
uint64_t x86_tss_ist(X86Env *env, unsigned ist);

/* Offset check of a transfer to @ip in @cs (new): raises #GP(0). */
void x86_check_ip(X86Env *env, const X86Seg *cs, uint64_t ip);

/* --- Task switches (helper/task.c) --- */

typedef enum X86TaskKind { X86_TASK_JMP, X86_TASK_CALL, X86_TASK_IRET, X86_TASK_EVENT } X86TaskKind;

/* To the task of TSS @sel (descriptor @d, checked for type by the caller); @ip is saved as the old task's.
 * The new task's state is loaded; raises in its context when that does not work. */
void x86_task_switch(X86Env *env, uint32_t sel, X86Desc *d, X86TaskKind kind, uint64_t ip);

/* IOPL and the TSS's permission bitmap: raises #GP(0). */
void x86_check_io(X86Env *env, unsigned port, unsigned size);

#endif
