/* SPDX-License-Identifier: MIT */
/*
 * A Linux program without a C library: random code that loads segments, transfers far, and passes limits, run on
 * whatever processor there is, in 64-bit code, in compatibility mode and in 16-bit code with random LDT segments.
 * What each piece leads to (exception, error code, registers, flags, segments, memory) goes into a hash.
 *
 *   segments BITS          one hash for each block of pieces
 *   segments BITS BLOCK    a line for each piece of that block
 *
 * BITS is 16 or 32: whether there are 16-bit segments, which some kernels refuse.
 *
 * segments.py has it run by this host and by a guest.
 */
#include <asm/ldt.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum { CODE = 0x10000000, DATA = 0x20000000, DATA_BYTES = 8192, CODE_BYTES = 4096, START = 0x400 };
enum { BLOCKS = 100, PIECES = 200, SEGMENTS = 16 };
enum { USER32 = 0x23, USER_DATA = 0x2b, USER64 = 0x33 };
/* The first entries of the LDT; the others are random. */
enum { LDT_CODE16, LDT_DATA, LDT_CODE32, LDT_STACK16, LDT_FIXED };
enum { ARITHMETIC = 0x8d5, TF = 0x100, IF = 0x200, DF = 0x400, AC = 0x40000, VM = 0x20000 };
enum { MODE_64, MODE_32, MODE_16 };

/* --- System calls --- */

static long syscall4(long n, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long r;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return r;
}

static long map(uint64_t at, uint64_t bytes, int prot)
{
    register long r10 __asm__("r10") = 0x32, r8 __asm__("r8") = -1, r9 __asm__("r9") = 0;
    long r;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(SYS_mmap), "D"(at), "S"(bytes), "d"((long)prot), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}

void *memset(void *p, int c, size_t n)
{
    __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
    return p;
}

/* --- Text --- */

static char line[1024];
static unsigned line_len;

static void text(const char *s)
{
    while (*s && line_len < sizeof(line)) {
        line[line_len++] = *s++;
    }
}

static void hex(const char *name, uint64_t v, unsigned digits)
{
    text(name);
    while (digits--) {
        char c[2] = {"0123456789abcdef"[v >> (4 * digits) & 15]};

        text(c);
    }
}

static void end_line(void)
{
    text("\n");
    syscall4(SYS_write, 1, (long)line, line_len, 0);
    line_len = 0;
}

/* --- Random numbers --- */

static uint64_t rand_state;

static uint32_t rnd(void)
{
    rand_state = rand_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rand_state >> 33);
}

static uint32_t below(uint32_t n)
{
    return rnd() % n;
}

/* --- Segments --- */

typedef struct Segment {
    uint32_t base, limit; /* in bytes */
} Segment;

static Segment segments[SEGMENTS];
static unsigned modes; /* how many: MODE_16 is the last */

static void set_segment(unsigned n, uint32_t base, uint32_t limit, unsigned contents, int pages,
                        int wide, int locked, int absent)
{
    struct user_desc d = {.entry_number = n,
                          .base_addr = base,
                          .limit = limit,
                          .seg_32bit = modes <= MODE_16 || wide,
                          .contents = contents,
                          .read_exec_only = (unsigned)locked,
                          .limit_in_pages = (unsigned)pages,
                          .seg_not_present = (unsigned)absent,
                          .useable = 0};

    syscall4(SYS_modify_ldt, 0x11, (long)&d, sizeof(d), 0);
    segments[n] = (Segment){base, pages ? limit << 12 | 0xfff : limit};
}

static void empty_segment(unsigned n)
{
    struct user_desc d = {.entry_number = n, .read_exec_only = 1, .seg_not_present = 1};

    syscall4(SYS_modify_ldt, 0x11, (long)&d, sizeof(d), 0);
    segments[n] = (Segment){0, 0};
}

static void make_segments(void)
{
    for (unsigned n = 0; n < SEGMENTS; n++) {
        empty_segment(n);
    }
    set_segment(LDT_CODE16, CODE, 0xffff, 2, 0, 0, 0, 0);
    set_segment(LDT_DATA, DATA, 0xfffff, 0, 1, 1, 0, 0);
    set_segment(LDT_CODE32, CODE, 0xfff, 2, 0, 1, 0, 0);
    set_segment(LDT_STACK16, DATA, 0x1fff, 0, 0, 0, 0, 0);
    for (unsigned n = LDT_FIXED; n < SEGMENTS; n++) {
        unsigned contents = below(5) % 4;
        uint32_t base = contents >= 2 ? CODE : DATA;
        int pages = below(4) == 0;
        uint32_t limit = pages ? below(3) : below(4) ? below(DATA_BYTES) : 0xfffff;

        base = below(8) ? base + below(3) * 16 : 0;
        set_segment(n, base, base ? limit : limit | 0xf0000, contents, pages || !base,
                    !base || below(2), (int)below(2), contents == 3 || below(8) == 0);
    }
}

static unsigned selector(void)
{
    static const uint16_t others[] = {0,    3,    1,    USER32, USER_DATA, USER64, 0x10,
                                      0x18, 0x08, 0x40, 0x50,   0xfffb,    0x2f7};

    switch (below(4)) {
    case 0: return others[below(sizeof(others) / 2)];
    case 1: return below(SEGMENTS) << 3 | 4 | below(4);
    default: return below(SEGMENTS) << 3 | 7;
    }
}

/* An offset to access in segment @sel: inside, or around its end. */
static uint32_t offset_in(unsigned sel)
{
    const Segment *s = &segments[sel >> 3 & (SEGMENTS - 1)];

    if (!(sel & 4)) {
        return DATA + below(DATA_BYTES);
    }
    switch (below(4)) {
    case 0: return s->limit - 16 + below(20);
    case 1: return DATA + below(DATA_BYTES) - s->base;
    default: return below(DATA_BYTES);
    }
}

/* --- One piece --- */

typedef struct Regs {
    uint64_t gpr[16], rip, flags;
    uint16_t cs, ss, ds, es, fs, gs;
} Regs;

Regs piece; /* how it begins ... */
static Regs result;
static uint64_t trap, error, address; /* ... and ends */
uint64_t own_stack;
static unsigned mode;
static uint8_t *code;

static uint32_t fetch_end;

static void put(uint64_t v, unsigned bytes)
{
    while (bytes--) {
        *code++ = (uint8_t)v;
        v >>= 8;
    }
}

static void store(uint32_t at, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        ((uint8_t *)(uint64_t)DATA)[(at + i) % DATA_BYTES] = (uint8_t)(v >> (8 * i));
    }
}

/* Operand size of what follows: 2 or 4 (8 in places of 64-bit code). */
static unsigned operand_size(void)
{
    int other = below(3) == 0;

    if (other) {
        put(0x66, 1);
    }
    return other == (mode == MODE_16) ? 4 : 2;
}

/* ModRM for register field @reg and the memory operand at @disp. */
static void memory(unsigned reg, uint32_t disp)
{
    if (mode == MODE_16) {
        put(0x06 | reg << 3, 1);
        put(disp, 2);
    } else if (mode == MODE_32) {
        put(0x05 | reg << 3, 1);
        put(disp, 4);
    } else {
        put(0x04 | reg << 3, 1);
        put(0x25, 1);
        put(disp, 4);
    }
}

/* Where data offset @at is for the segments that a piece begins with. */
static uint32_t data_at(uint32_t at)
{
    return mode == MODE_16 ? at : DATA + at;
}

static void access_through(unsigned sreg, unsigned sel)
{
    static const uint8_t prefix[6] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    static const uint16_t ops[] = {0x8b, 0x89, 0x8a, 0x88,   0x100f, 0x110f,
                                   0x03, 0x01, 0xdd, 0xc10f, 0x6f0f, 0x2b0f};
    uint16_t op = ops[below(sizeof(ops) / 2)];
    uint32_t at;

    put(prefix[sreg], 1);
    if (op < 256) {
        operand_size();
    }
    put(op, op < 256 ? 1 : 2);
    at = offset_in(sel);
    memory(op == 0xdd ? 0 : 1,
           op == 0x2b0f ? at & ~15u : at); /* what comes first, processors decide */
}

static void load_segment(void)
{
    unsigned sreg = below(12) ? below(6) : below(8), sel = selector();

    piece.gpr[0] = sel | (uint64_t)below(0x10000) << 16;
    put(0x8e, 1);
    put(0xc0 | sreg << 3, 1);
    if (below(2) && sreg < 6) {
        access_through(sreg, sel);
    }
}

static uint32_t stack_at(void)
{
    return (uint32_t)piece.gpr[4] - (mode == MODE_16 ? 0 : DATA);
}

static void pop_segment(void)
{
    static const uint16_t pops[] = {0x07, 0x17, 0x1f, 0xa10f, 0xa90f};
    unsigned n = below(5);

    store(stack_at(), selector(), 2);
    operand_size();
    put(pops[n], n < 3 ? 1 : 2);
}

static void load_far_pointer(void)
{
    static const uint16_t ops[] = {0xc4, 0xc5, 0xb20f, 0xb40f, 0xb50f};
    unsigned n = mode == MODE_64 ? 2 + below(3) : below(5), at = below(DATA_BYTES - 16);
    unsigned size = operand_size(), sel = selector();

    store(at, rnd(), size);
    store(at + size, sel, 2);
    put(ops[n], n < 2 ? 1 : 2);
    memory(1, data_at(at));
}

static void ask(void)
{
    static const uint8_t verify[] = {0xe0, 0xe8};

    piece.gpr[0] = selector();
    if (below(2)) {
        operand_size();
        put(below(2) ? 0x020f : 0x030f, 2);
        put(0xc8, 1);
    } else {
        put(0x000f, 2);
        put(verify[below(2)], 1);
    }
}

/* Of a call it is inside: whether a frame comes before a fault, processors decide. */
static uint32_t code_offset(unsigned sel, int call)
{
    uint32_t at = START + 0x100 + below(64);

    if (!call && below(8) == 0) {
        return below(2) ? rnd() : 0xfff0 + below(32);
    }
    return sel & 4 && segments[sel >> 3 & (SEGMENTS - 1)].base ? at : CODE + at;
}

static void far_direct(void)
{
    unsigned sel = selector(), size = operand_size();
    int call = below(2) == 0;

    put(call ? 0x9a : 0xea, 1);
    put(code_offset(sel, call), size);
    put(sel, 2);
}

static void far_indirect(void)
{
    unsigned at = below(DATA_BYTES - 16), sel = selector(), size = operand_size();
    int call = below(2) == 0;

    store(at, code_offset(sel, call), size);
    store(at + size, sel, 2);
    put(0xff, 1);
    memory(call ? 3 : 5, data_at(at));
}

static void far_return(void)
{
    unsigned sel = selector(), size = operand_size();

    store(stack_at(), code_offset(sel, 0), size);
    store(stack_at() + size, sel, size);
    if (below(2)) {
        put(0xcb, 1);
    } else {
        put(0xca, 1);
        put(below(64), 2);
    }
}

static uint32_t random_flags(void)
{
    uint32_t v = rnd() & 0x3f7fd5;

    return below(3) ? v & ~(uint32_t)(TF | AC | VM | 0x4000) : v & ~(uint32_t)(below(2) ? TF : AC);
}

static void interrupt_return(void)
{
    unsigned sel = selector(), at = stack_at(), size = operand_size();
    uint64_t frame[5] = {code_offset(sel, 0), sel, random_flags(), data_at(0x800), selector()};

    for (unsigned i = 0; i < 5; i++) {
        store(at + i * size, frame[i], size);
    }
    put(0xcf, 1);
}

static void pop_flags(void)
{
    unsigned size;

    store(stack_at(), random_flags(), 4);
    size = operand_size();
    put(0x9d, 1);
    put(size == 2 ? 0x9090 : 0x40c78b, size == 2 ? 2 : 3);
    if (below(2)) {
        put(0x8b, 1);
        memory(1, data_at(below(64)));
    }
    operand_size();
    put(0x9c, 1);
}

static void privileged(void)
{
    static const uint32_t ops[] = {0xfa, 0xfb, 0xf4, 0xcc, 0xce, 0xe4, 0xe7,
                                   0xec, 0xef, 0x6c, 0x6f, 0x9b, 0xcd};
    uint8_t op = (uint8_t)ops[below(sizeof(ops) / 4)];

    operand_size();
    put(op, 1);
    if (op == 0xcd) {
        unsigned n = below(256);

        put(n == 0x80 ? 0x81 : n, 1); /* 80h is a system call */
    } else if (op == 0xe4 || op == 0xe7) {
        put(below(256), 1);
    }
}

static void bound_and_arpl(void)
{
    unsigned at = below(DATA_BYTES - 16);

    operand_size();
    if (below(2)) {
        store(at, below(4) ? 0x80000000 | rnd() : rnd(), 4);
        put(0x62, 1);
        memory(1, data_at(at));
    } else {
        piece.gpr[0] = selector();
        piece.gpr[1] = selector();
        put(0x63, 1);
        put(0xc8, 1);
    }
}

/* Pushes, pops, calls, frames on a stack of some segment. */
static void use_stack(void)
{
    static const uint16_t ops[] = {0x50, 0x58, 0x60, 0x9c, 0xc9, 0x6a,
                                   0x06, 0x0f, 0xc3, 0xe8, 0xc8};
    unsigned sel = below(2) ? below(SEGMENTS) << 3 | 7 : LDT_STACK16 << 3 | 7,
             op = ops[below(sizeof(ops) / 2)], size;

    piece.gpr[0] = sel;
    piece.gpr[3] = offset_in(sel);
    piece.gpr[5] = offset_in(sel);
    put(0xd08e, 2); /* mov %eax, %ss; mov %ebx, %esp */
    put(0xdc89, 2);
    /* 64-bit code: processors differ in what a prefix means for near transfers. */
    size = mode == MODE_64 && (op == 0xe8 || op == 0xc3) ? 4 : operand_size();
    switch (op) {
    case 0x0f: put(0xa00f, 2); break;
    case 0x6a: put(0x6a | below(256) << 8, 2); break;
    case 0xc8: put(0xc8 | below(64) << 8, 3), put(below(5), 1); break;
    case 0xe8: put(0xe8, 1), put(0, size); break;
    default: put(op, 1);
    }
}

static void use_string(void)
{
    static const uint8_t ops[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xd7};
    unsigned sreg = below(4), sel = below(SEGMENTS) << 3 | 7;

    sreg = sreg == 1 ? 4 : sreg == 2 ? 5 : sreg;
    piece.gpr[0] = sel;
    piece.gpr[1] = below(20);
    piece.gpr[6] = sreg == 0 ? data_at(below(4096)) : offset_in(sel);
    piece.gpr[7] = sreg == 0 ? offset_in(sel) : data_at(below(4096));
    put(0x8e, 1);
    put(0xc0 | sreg << 3, 1);
    if (sreg >= 4) {
        put(sreg == 4 ? 0x64 : 0x65, 1);
    }
    if (below(2)) {
        put(0xf3, 1);
    }
    operand_size();
    put(ops[below(sizeof(ops))], 1);
}

static void make_code(void)
{
    static void (*const makers[])(void) = {
        load_segment, load_segment, pop_segment, load_far_pointer, ask,
        far_direct,   far_indirect, far_return,  interrupt_return, pop_flags,
        privileged,   use_stack,    use_string,  bound_and_arpl,
    };

    memset((void *)(uint64_t)CODE, 0xcc, CODE_BYTES);
    code = (uint8_t *)(uint64_t)(CODE + START);
    makers[below(sizeof(makers) / sizeof(makers[0]))]();
    fetch_end = (uint32_t)(code - (uint8_t *)(uint64_t)CODE);
}

static void make_state(void)
{
    for (uint32_t i = 0; i < DATA_BYTES; i += 4) {
        store(i, rnd(), 4);
    }
    for (unsigned i = 0; i < 16; i++) {
        piece.gpr[i] = i < 8 || mode == MODE_64 ? below(2) ? rnd() : below(3) : 0;
    }
    piece.gpr[4] = data_at(0x1000 + below(16) * 4);
    piece.rip = mode == MODE_16 ? START : CODE + START;
    piece.flags = (rnd() & (ARITHMETIC | DF)) | IF | 2;
    piece.cs = mode == MODE_16 ? LDT_CODE16 << 3 | 7 : mode == MODE_32 ? USER32 : USER64;
    piece.ss = mode == MODE_16 ? LDT_DATA << 3 | 7 : USER_DATA;
    piece.ds = piece.es = mode == MODE_16 ? LDT_DATA << 3 | 7 : USER_DATA;
}

/* --- Running it --- */

#define ASM_LABEL __attribute__((visibility("hidden")))

void enter(void) ASM_LABEL;
void resume(void) ASM_LABEL;
void on_signal_entry(void) ASM_LABEL;
void on_signal_return(void) ASM_LABEL;
void on_signal(int sig, void *info, ucontext_t *uc);

__asm__(".text\n"
        "enter:\n"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "mov %rsp, own_stack(%rip)\n"
        "push $2; popfq\n" /* NT, which a system may let live, would end IRETQ */
        "lea piece(%rip), %rsi\n"
        "mov 148(%rsi), %ds\n"
        "mov 150(%rsi), %es\n"
        "movzwl 146(%rsi), %eax; push %rax\n"
        "push 32(%rsi); push 136(%rsi)\n"
        "movzwl 144(%rsi), %eax; push %rax\n"
        "push 128(%rsi)\n"
        "mov 0(%rsi), %rax; mov 8(%rsi), %rcx; mov 16(%rsi), %rdx; mov 24(%rsi), %rbx\n"
        "mov 40(%rsi), %rbp; mov 56(%rsi), %rdi\n"
        "mov 64(%rsi), %r8; mov 72(%rsi), %r9; mov 80(%rsi), %r10; mov 88(%rsi), %r11\n"
        "mov 96(%rsi), %r12; mov 104(%rsi), %r13; mov 112(%rsi), %r14; mov 120(%rsi), %r15\n"
        "mov 48(%rsi), %rsi\n"
        "iretq\n"
        "resume:\n"
        "mov own_stack(%rip), %rsp\n"
        "xor %eax, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %fs; mov %eax, %gs\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "ret\n"
        "on_signal_entry:\n" /* alignment checks would hit the handler, too */
        "pushfq; andq $~0x40000, (%rsp); popfq\n"
        "jmp on_signal\n"
        "on_signal_return:\n"
        "mov $15, %eax\n"
        "syscall\n"
        ".globl _start\n"
        "_start:\n"
        "mov %rsp, %rdi\n"
        "and $-16, %rsp\n"
        "call start\n");

#define READ_SEGMENT(name) __asm__ volatile("mov %%" #name ", %0" : "=r"(result.name))

void on_signal(int sig, void *info, ucontext_t *uc)
{
    static const uint8_t at[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                   REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                   REG_R12, REG_R13, REG_R14, REG_R15};
    greg_t *g = uc->uc_mcontext.gregs;

    (void)sig;
    (void)info;
    for (unsigned i = 0; i < 16; i++) {
        result.gpr[i] = (uint64_t)g[at[i]];
    }
    result.rip = (uint64_t)g[REG_RIP];
    result.flags = (uint64_t)g[REG_EFL];
    result.cs = (uint16_t)g[REG_CSGSFS];
    result.ss = (uint16_t)(g[REG_CSGSFS] >> 48);
    READ_SEGMENT(ds);
    READ_SEGMENT(es);
    READ_SEGMENT(fs);
    READ_SEGMENT(gs);
    trap = (uint64_t)g[REG_TRAPNO];
    error = (uint64_t)g[REG_ERR];
    address = trap == 14 ? (uint64_t)g[REG_CR2] : 0;
    g[REG_RIP] = (greg_t)resume;
    g[REG_RSP] = (greg_t)own_stack;
    g[REG_EFL] = IF | 2;
    g[REG_CSGSFS] = (greg_t)((uint64_t)USER_DATA << 48 | USER64);
}

static uint64_t hash_bytes(uint64_t h, const void *p, unsigned n)
{
    const uint8_t *b = p;

    while (n--) {
        h = (h ^ *b++) * 0x100000001b3;
    }
    return h;
}

static int is_16bit_stack(unsigned sel)
{
    uint64_t ar = 0;

    __asm__("lar %1, %0" : "+r"(ar) : "r"((uint64_t)sel));
    return !(ar >> 22 & 1);
}

/*
 * What the way back from a signal leaves above a 16-bit stack pointer is the system's business; whether a far call
 * writes its frame before it finds the target beyond a limit is the processor's.
 */
static void leave_out_undecided(void)
{
    if (trap == 13 && !error) {
        for (unsigned i = 1; i <= 8; i++) {
            store(stack_at() - i, 0, 1);
        }
    }
    if (is_16bit_stack(piece.ss) || is_16bit_stack(result.ss)) {
        result.gpr[4] &= 0xffff;
    }
    if (mode != MODE_64) {
        memset(&result.gpr[8], 0, 64);
    }
}

static uint64_t run_piece(unsigned n, int tell)
{
    static const char *const names[8] = {" ax ", " cx ", " dx ", " bx ",
                                         " sp ", " bp ", " si ", " di "};
    uint64_t h = 0xcbf29ce484222325;

    mode = below(modes);
    make_state();
    make_code();
    enter();
    leave_out_undecided();
    h = hash_bytes(h, &result, offsetof(Regs, gs) + 2);
    h = hash_bytes(h, &trap, 8);
    h = hash_bytes(h, &error, 8);
    h = hash_bytes(h, &address, 8);
    h = hash_bytes(h, (void *)(uint64_t)DATA, DATA_BYTES);
    if (!tell) {
        return h;
    }
    hex("piece ", n, 3);
    hex(" mode ", mode, 1);
    text(" code");
    for (unsigned i = START; i < fetch_end; i++) {
        hex(" ", ((uint8_t *)(uint64_t)CODE)[i], 2);
    }
    hex(" from ax ", piece.gpr[0], 8);
    hex(" bx ", piece.gpr[3], 8);
    hex(" sp ", piece.gpr[4], 8);
    hex(": trap ", trap, 2);
    hex(" error ", error, 4);
    hex(" address ", address, 16);
    hex(" at ", result.cs, 4);
    hex(":", result.rip, 16);
    hex(" flags ", result.flags, 8);
    for (unsigned i = 0; i < 8; i++) {
        hex(names[i], result.gpr[i], 8);
    }
    hex(" ss ", result.ss, 4);
    hex(" ds ", result.ds, 4);
    hex(" es ", result.es, 4);
    hex(" fs ", result.fs, 4);
    hex(" gs ", result.gs, 4);
    hex(" all ", h, 16);
    end_line();
    return h;
}

static void run_block(unsigned block, int tell)
{
    uint64_t h = 0;

    rand_state = 0x9e3779b97f4a7c15u * (block + 1);
    make_segments();
    for (unsigned n = 0; n < PIECES; n++) {
        uint64_t one = run_piece(n, tell);

        h = hash_bytes(h, &one, 8);
    }
    if (!tell) {
        hex("block ", block, 3);
        hex(" ", h, 16);
        end_line();
    }
}

static void catch_signals(void)
{
    static uint8_t stack[65536];
    static const int signals[] = {4, 5, 7, 8, 11}; /* ILL, TRAP, BUS, FPE, SEGV */
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct {
        void (*handler)(void);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } action = {on_signal_entry, 0x4c000004, on_signal_return,
                0}; /* SIGINFO, RESTORER, ONSTACK, NODEFER */

    syscall4(SYS_sigaltstack, (long)&alt, 0, 0, 0);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        syscall4(SYS_rt_sigaction, signals[i], (long)&action, 0, 8);
    }
}

void start(uint64_t *stack)
{
    const char *arg = stack[0] > 2 ? (const char *)stack[3] : NULL;
    unsigned block = 0;

    modes = stack[0] > 1 && *(const char *)stack[2] == '3' ? MODE_16 : MODE_16 + 1;

    if (map(CODE, CODE_BYTES, 7) != CODE || map(DATA, DATA_BYTES, 3) != DATA) {
        syscall4(SYS_exit_group, 77, 0, 0, 0);
    }
    catch_signals();
    while (arg && *arg) {
        block = block * 10 + (unsigned)(*arg++ - '0');
    }
    for (unsigned i = 0; !arg && i < BLOCKS; i++) {
        run_block(i, 0);
    }
    if (arg) {
        run_block(block, 1);
    }
    syscall4(SYS_exit_group, 0, 0, 0, 0);
}
