/* SPDX-License-Identifier: MIT */
/*
 * A guest that does nonsense with every privilege it has: random control registers, MSRs, descriptor and
 * page tables, tasks, gates, SMM, in every mode, on all its CPUs.  What becomes of it does not matter; the
 * emulator lives on.
 *
 * A round fills memory with tables that are nearly right and with random code, and jumps there.  Faults go
 * on with other random code, until something resets the machine: the next round.  The number of the round
 * is kept in CMOS memory.  A full stop on port 0xe9 says that a round begins.
 */
#include "guest.h"

enum {
    TABLES = 0x100000, /* PML4 and page directories: see fill_pages() */
    GDT = 0x110000,
    IDT = 0x112000,
    TSS = 0x114000,
    LDT = 0x116000,
    CODE = 0x120000,
    STACKS = 0x140000,
    DATA = 0x150000,
    SMI_CODE = 0x38000,
    AP_CODE = 0x20000,
    CHUNKS = 64,
    CHUNK = 256,
    GDT_ENTRIES = 64,
};

/* Selectors of what is right in the table, unless it was spoilt. */
enum {
    S_CODE32 = 0x08,
    S_DATA = 0x10,
    S_UCODE32 = 0x1b,
    S_UDATA = 0x23,
    S_CODE64 = 0x28,
    S_UCODE64 = 0x33,
    S_CODE16 = 0x38,
    S_DATA16 = 0x40,
    S_TSS = 0x48, /* 16 bytes in long mode */
    S_LDT = 0x58,
    S_CALL = 0x68,
    S_TASK = 0x78,
    S_TSS2 = 0x80,
};

enum { M_REAL, M_CODE16, M_CODE32, M_PAGED, M_PAE, M_LONG, M_COMPAT, M_V86, MODES };

enum { CMOS_ROUND = 0x60 };

void trap(void *frame);
void main(void) NORETURN;

/* The seed of the first round: whoever runs the guest writes it over the text (which is a number too). */
static volatile const char seed_text[16] = "SEED00000001";
static u32 state;

/* --- Random numbers --- */

static u32 random32(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static u32 below(u32 n)
{
    return (random32() >> 3) % n;
}

static int chance(u32 percent)
{
    return below(100) < percent;
}

static u32 telling(void)
{
    static const u32 numbers[] = {
        0,          1,
        2,          3,
        7,          8,
        0x10,       0x7f,
        0x80,       0xff,
        0xffff,     0x10000,
        0x7fffffff, 0x80000000,
        0xffffffff, GDT,
        IDT,        TSS,
        LDT,        CODE,
        TABLES,     TABLES + 1,
        STACKS,     DATA,
        DATA + 1,   DATA + 0xffc,
        0xfee00000, 0xfee00300,
        0xfec00000, 0xa0000,
        0xf0000,    0x80000011,
        0x80000001, 0xe0000011,
        0x60000010, 0x20,
        0xb0,       0x30,
        0x6b0,      0x370678,
        0x20000,    0xd00,
        0x8000,     0x400,
        0x3000,     0x4000,
        0x100,      0x200,
        0x40000,    0x1f80,
        0x37f,      0x207,
        S_CODE32,   S_DATA,
        S_CODE64,   S_TSS,
        S_LDT,      S_CALL,
        S_TASK,     S_TSS2,
        S_UCODE32,  S_UDATA,
    };

    switch (below(6)) {
    case 0: return random32();
    case 1: return 1u << below(32);
    case 2: return DATA + below(0x2000);
    default: return numbers[below(ARRAY_SIZE(numbers))];
    }
}

static u32 telling_msr(void)
{
    static const u32 msrs[] = {
        0x10,       0x1b,       0x3a,       0x3b,       0x48,       0x49,
        0x8b,       0xfe,       0x174,      0x175,      0x176,      0x179,
        0x17a,      0x186,      0x198,      0x1a0,      0x1d9,      0x200,
        0x250,      0x277,      0x2ff,      0x400,      0x401,      0x6e0,
        0xc0000080, 0xc0000080, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083,
        0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010015};

    return chance(20)   ? 0x800 + below(0x40)
           : chance(10) ? below(0x500)
                        : msrs[below(ARRAY_SIZE(msrs))];
}

/* --- Code --- */

static u8 *out;

static void put(u32 v, u32 bytes)
{
    for (u32 i = 0; i < bytes; i++) {
        *out++ = v >> 8 * i;
    }
}

/* A register is loaded: the most frequent instruction, so that others have something to work with. */
static void put_load(u32 reg, u32 v, int mode)
{
    if (mode == M_LONG && chance(20)) {
        put(0xb848 | reg << 8, 2);
        put(v, 4);
        put(chance(50) ? 0 : telling(), 4);
    } else if (mode == M_REAL || mode == M_CODE16 || mode == M_V86) {
        put(0xb866 | reg << 8, 2);
        put(v, 4);
    } else {
        put(0xb8 | reg, 1);
        put(v, 4);
    }
}

/* One or two bytes of opcode and a ModRM byte whose register field is in the low digit, as in manuals. */
static void put_system(int mode)
{
    static const u8 with_modrm[][3] = {
        /* escape or 0, opcode, number of values of the register field */
        {0x0f, 0x00, 6}, {0x0f, 0x01, 8}, {0x0f, 0x20, 8}, {0x0f, 0x22, 8}, {0x0f, 0x22, 8},
        {0x0f, 0x21, 8}, {0x0f, 0x23, 8}, {0x0f, 0x02, 8}, {0x0f, 0x03, 8}, {0x0f, 0xae, 8},
        {0x0f, 0xc7, 8}, {0x0f, 0xb2, 8}, {0x0f, 0xb4, 8}, {0x0f, 0xb5, 8}, {0, 0x8e, 8},
        {0, 0x8c, 8},    {0, 0xc4, 8},    {0, 0xc5, 8},    {0, 0xff, 8},    {0, 0x63, 8},
        {0, 0x8f, 1},    {0, 0x62, 8},
    };
    static const u8 plain[][4] = {
        /* length, bytes */
        {2, 0x0f, 0x30},
        {2, 0x0f, 0x30},
        {2, 0x0f, 0x32},
        {2, 0x0f, 0x05},
        {2, 0x0f, 0x07},
        {2, 0x0f, 0x34},
        {2, 0x0f, 0x35},
        {2, 0x0f, 0xaa},
        {2, 0x0f, 0x09},
        {2, 0x0f, 0x06},
        {2, 0x0f, 0xa2},
        {2, 0x0f, 0x31},
        {2, 0x0f, 0x33},
        {2, 0x0f, 0x0b},
        {2, 0x0f, 0xa1},
        {2, 0x0f, 0xa9},
        {1, 0xcf},
        {1, 0xcf},
        {1, 0xcb},
        {1, 0xc3},
        {1, 0xcc},
        {1, 0xce},
        {1, 0xf1},
        {1, 0xfa},
        {1, 0xfb},
        {1, 0x9c},
        {1, 0x9d},
        {1, 0x9d},
        {1, 0x07},
        {1, 0x17},
        {1, 0x1f},
        {1, 0x60},
        {1, 0x61},
        {1, 0x9b},
        {1, 0xc9},
        {3, 0x0f, 0x01, 0xc8},
        {3, 0x0f, 0x01, 0xc9},
        {3, 0x0f, 0x01, 0xca},
        {3, 0x0f, 0x01, 0xcb},
        {3, 0x0f, 0x01, 0xd0},
        {3, 0x0f, 0x01, 0xd1},
        {3, 0x0f, 0x01, 0xee},
        {3, 0x0f, 0x01, 0xef},
        {3, 0x0f, 0x01, 0xf8},
        {3, 0x0f, 0x01, 0xf9},
    };

    if (chance(40)) {
        const u8 *op = with_modrm[below(ARRAY_SIZE(with_modrm))];

        if (op[0]) {
            put(op[0], 1);
        }
        put(op[1], 1);
        put((random32() & 0xc7) | below(op[2]) << 3, 1);
        put(telling(), chance(50) ? 4 : 1);
    } else {
        const u8 *op = plain[below(ARRAY_SIZE(plain))];

        if (op[1] == 0x0f && (op[2] == 0x30 || op[2] == 0x32)) {
            put_load(1, telling_msr(), mode);
        }
        for (u32 i = 0; i < op[0]; i++) {
            put(op[1 + i], 1);
        }
    }
}

static void put_far(int mode)
{
    static const u16 selectors[] = {S_CODE32, S_CODE64, S_CODE16,  S_CALL,   S_TASK,
                                    S_TSS,    S_TSS2,   S_UCODE32, S_UCODE64};
    u32 sel = chance(80) ? selectors[below(ARRAY_SIZE(selectors))] : random32() & 0xffff;

    put(chance(50) ? 0x9a : 0xea, 1);
    put(CODE + below(CHUNKS) * CHUNK, mode == M_REAL || mode == M_CODE16 || mode == M_V86 ? 2 : 4);
    put(sel, 2);
}

static void put_string(void)
{
    static const u8 strings[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac,
                                 0xad, 0xae, 0xaf, 0x6c, 0x6d, 0x6e, 0x6f};

    put(chance(50) ? 0xb1 : 0x90, 1); /* mov cl, ...: now and then a small count */
    put(below(64), 1);
    put(chance(60) ? 0xf3 : 0xf2, 1);
    put(strings[below(ARRAY_SIZE(strings))], 1);
}

/* Ports that stop the machine are left to chance. */
static void put_port(void)
{
    switch (below(4)) {
    case 0: put(0xb2e6, 2); break; /* an SMI */
    case 1: put(0xe4 | below(4), 1), put(random32(), 1); break;
    default: put(0xec | below(4), 1); break;
    }
}

/* A store to a table, or to code. */
static void put_spoil(int mode)
{
    u32 at = (chance(50) ? TABLES : chance(50) ? GDT : CODE) + below(0x6000);

    put(0xc7, 1);
    put(mode == M_LONG ? 0x2504 : 0x05, mode == M_LONG ? 2 : 1);
    put(at, 4);
    put(telling(), 4);
}

static void put_insn(int mode)
{
    static const u8 prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x64, 0x65, 0x48};

    if (chance(15)) {
        put(prefixes[below(ARRAY_SIZE(prefixes))], 1);
    }
    switch (below(16)) {
    case 0:
    case 1:
    case 2:
    case 3: put_load(below(8), telling(), mode); break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8: put_system(mode); break;
    case 9: put_far(mode); break;
    case 10: put_string(); break;
    case 11: put_port(); break;
    case 12: put_spoil(mode); break;
    case 13: put(0xcd | below(256) << 8, 2); break;
    case 14: put(0xd8 | below(8) | random32() << 8, 4); break;
    default: put(random32(), 4), put(random32(), 4); break;
    }
}

static void fill_chunk(u32 at, int mode)
{
    out = (u8 *)at;
    while (out < (u8 *)at + CHUNK - 48) {
        put_insn(mode);
    }
    put(0xe9, 1); /* on to another */
    put((below(CHUNKS) - below(CHUNKS)) * CHUNK, 4);
}

/* --- Tables --- */

static void put_desc(u32 sel, u32 base, u32 limit, u32 attr)
{
    u64 *at = (u64 *)(GDT + (sel & ~7u));

    *at = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)attr << 40 |
          (u64)(limit >> 16) << 48 | (u64)(base >> 24) << 56;
}

static void put_gate_desc(u32 sel, u32 target_sel, u32 target, u32 attr)
{
    u64 *at = (u64 *)(GDT + sel);

    *at = (target & 0xffff) | (u64)target_sel << 16 | (u64)attr << 40 | (u64)(target >> 16) << 48;
}

static void fill_gdt(int wide)
{
    u64 *gdt = (u64 *)GDT;

    for (u32 i = 0; i < GDT_ENTRIES; i++) {
        gdt[i] = (u64)random32() << 32 | random32();
    }
    gdt[0] = 0;
    put_desc(S_CODE32, 0, 0xfffff, 0xc09b);
    put_desc(S_DATA, 0, 0xfffff, 0xc093);
    put_desc(S_UCODE32, 0, 0xfffff, 0xc0fb);
    put_desc(S_UDATA, 0, 0xfffff, 0xc0f3);
    put_desc(S_CODE64, 0, 0xfffff, 0xa09b);
    put_desc(S_UCODE64, 0, 0xfffff, 0xa0fb);
    put_desc(S_CODE16, chance(50) ? 0 : CODE, 0xffff, 0x009b);
    put_desc(S_DATA16, DATA, 0xffff, 0x0093);
    put_desc(S_TSS, TSS, chance(90) ? 0x2fff : below(0x100), 0x89);
    gdt[S_TSS / 8 + 1] = chance(95) ? 0 : random32();
    put_desc(S_LDT, LDT, chance(90) ? 0xfff : below(64), 0x82);
    gdt[S_LDT / 8 + 1] = 0;
    put_gate_desc(S_CALL, wide ? S_CODE64 : S_CODE32, CODE + below(CHUNKS) * CHUNK,
                  0xec00 | below(32));
    gdt[S_CALL / 8 + 1] = 0;
    put_gate_desc(S_TASK, S_TSS2, 0, 0xe500);
    put_desc(S_TSS2, TSS + 0x1000, chance(80) ? 0xfff : below(0x80), chance(70) ? 0x89 : 0x81);
    memcpy((void *)LDT, gdt, 0x200);
}

static void fill_idt(int wide)
{
    static const u8 types[] = {0x8e, 0x8f, 0xee, 0xef, 0x85, 0x86, 0x87, 0x0e, 0x8c};
    u32 bytes = wide ? 16 : 8;

    for (u32 i = 0; i < 256; i++) {
        u32 *gate = (u32 *)(IDT + i * bytes), target = CODE + below(CHUNKS) * CHUNK;
        u32 type = types[chance(75) ? below(4) : below(ARRAY_SIZE(types))];

        gate[0] = (target & 0xffff) | (type == 0x85 ? S_TSS2 : wide ? S_CODE64 : S_CODE32) << 16;
        gate[1] = (target & 0xffff0000) | type << 8 | (wide && chance(20) ? below(8) : 0);
        if (wide) {
            gate[2] = chance(98) ? 0 : random32();
            gate[3] = 0;
        }
    }
}

static void fill_tss(void)
{
    u32 *tss = (u32 *)TSS, *tss2 = (u32 *)(TSS + 0x1000);

    for (u32 i = 0; i < 0x2000 / 4; i++) {
        tss[i] = chance(50) ? STACKS + below(0x100) * 16 : telling();
    }
    tss[2] = tss[4] = tss[6] = S_DATA; /* and in long mode halves of addresses */
    if (chance(70)) {
        for (u32 i = 1; i < 26; i++) {
            tss2[i] = S_DATA;
        }
        tss2[1] = tss2[14] = STACKS + 0x800;
        tss2[7] = TABLES + 0x6000;
        tss2[8] = CODE + below(CHUNKS) * CHUNK;
        tss2[9] = random32() & (chance(80) ? 0xdd5 : 0x3f7fd5);
        tss2[19] = S_CODE32;
        tss2[24] = chance(70) ? 0 : S_LDT;
    }
}

/* Identity for the first GiB. */
static void fill_pages(int mode)
{
    u64 *pml4 = (u64 *)TABLES, *pdpt = (u64 *)(TABLES + 0x1000), *pd = (u64 *)(TABLES + 0x2000);
    u64 *pt = (u64 *)(TABLES + 0x3000), *pdpte = (u64 *)(TABLES + 0x4000);
    u32 *pd32 = (u32 *)(TABLES + 0x6000);
    u64 flags = chance(70) ? 7 : 3;

    memset(pml4, 0, 0x7000);
    pml4[0] = (u32)pdpt | flags;
    pml4[511] = (u32)pml4 | flags; /* the tables themselves */
    pdpt[0] = (u32)pd | flags;
    pdpt[3] = (chance(50) ? 0xc0000000u : 0) | 0x83;
    pdpte[0] = (u32)pd | 1;
    pdpte[3] = (u32)(pd + 0) | 1;
    for (u32 i = 0; i < 512; i++) {
        pd[i] = i << 21 | 0x80 | flags | (chance(5) ? random32() & 0x1ff : 0);
        pt[i] = i << 12 | flags | (chance(3) ? random32() & 0xfff : 0);
    }
    pd[0] = (u32)pt | flags;
    for (u32 i = 0; i < 1024; i++) {
        pd32[i] = i << 22 | 0x80 | flags;
    }
    for (u32 n = chance(50) ? below(6) : 0; n--;) {
        pml4[below(0x7000 / 8)] = (u64)(chance(50) ? random32() : 0) << 32 | telling();
    }
    (void)mode;
}

/* --- Into the mode --- */

static void load_tables(void)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) gdtr = {GDT_ENTRIES * 8 - 1, GDT}, idtr = {0xfff, IDT};

    __asm__ volatile("lgdt %0" : : "m"(gdtr));
    __asm__ volatile("lidt %0" : : "m"(idtr));
    __asm__ volatile("ltr %w0" : : "r"(S_TSS));
    __asm__ volatile("lldt %w0" : : "r"(S_LDT));
}

static u32 random_cr4(void)
{
    static const u32 sets[] = {0, 0x10, 0x6b0, 0x30, 0x1, 0x3, 0x40600, 0x370678};
    u32 have[4], mask = 0x7ff;

    cpuid(7, 0, have);
    mask |= have[1] & 1 << 7 ? 1 << 20 : 0;
    mask |= have[1] & 1 << 20 ? 1 << 21 : 0;
    mask |= have[2] & 1 << 3 ? 1 << 22 : 0;
    mask |= have[2] & 1 << 2 ? 1 << 11 : 0;
    return (chance(40) ? random32() : sets[below(ARRAY_SIZE(sets))]) & mask & ~0x20u;
}

static void turn_paging_on(int mode)
{
    u32 cr4 = random_cr4();

    if (mode == M_PAGED) {
        write_cr4(cr4 | 0x10);
        write_cr3(TABLES + 0x6000);
    } else {
        write_cr4(cr4 | 0x30);
        write_cr3(mode == M_PAE ? TABLES + 0x4000 : TABLES);
    }
    if (mode == M_LONG || mode == M_COMPAT) {
        wrmsr(0xc0000080, 0x100 | (chance(70) ? 0x801 : 0));
        wrmsr(0xc0000081, (u64)S_CODE32 << 32 | (u64)(S_UCODE32 - 8) << 48);
        wrmsr(0xc0000082, CODE + below(CHUNKS) * CHUNK);
    }
    write_cr0(0x80000011 | (random32() & (chance(50) ? 0x5002e : 0x20)));
}

/* Far, by IRET: what is popped from @frame. */
static void enter(const u32 *frame, u32 count) NORETURN;
static void enter(const u32 *frame, u32 count)
{
    u32 *stack = (u32 *)(STACKS + 0x1000);

    for (u32 i = 0; i < count; i++) {
        stack[i] = frame[i];
    }
    __asm__ volatile("mov %0, %%esp; iret" : : "r"(stack) : "memory");
    __builtin_unreachable();
}

/* To 16-bit code at CODE that clears PE and jumps on. */
static const u32 *leave_protection(void)
{
    static u32 frame[] = {0, S_CODE16, 2};

    put_desc(S_CODE16, CODE, 0xffff, 0x009b);
    out = (u8 *)CODE;
    put(0x24c0200f, 4); /* mov %cr0, %eax */
    put(0x220ffe, 3);   /* and $0xfe, %al; mov %eax, %cr0 */
    put(0xeac0, 2);     /* ljmp */
    put(below(CHUNKS) * CHUNK, 2);
    put(CODE >> 4, 2);
    return frame;
}

static void enter_mode(int mode) NORETURN;
static void enter_mode(int mode)
{
    u32 ip = CODE + below(CHUNKS) * CHUNK, user = chance(30);
    u32 flags = 2 | (random32() & (chance(60) ? 0x8d5 : 0x47fd5));
    u32 stack = STACKS + 0x2000;

    if (mode >= M_PAGED && mode <= M_COMPAT) {
        turn_paging_on(mode);
    } else if (mode != M_REAL) {
        write_cr4(random_cr4());
    }
    switch (mode) {
    case M_V86: {
        u32 frame[] = {0,         CODE >> 4, flags | VM, 0xfff0, STACKS >> 4,
                       DATA >> 4, DATA >> 4, 0,          0xffff};

        enter(frame, ARRAY_SIZE(frame));
    }
    case M_REAL: enter(leave_protection(), 3);
    default: {
        u32 cs = mode == M_LONG     ? user ? S_UCODE64 : S_CODE64
                 : mode == M_CODE16 ? S_CODE16
                 : user             ? S_UCODE32
                                    : S_CODE32;
        u32 frame[] = {mode == M_CODE16 ? ip & 0xffff : ip, cs, flags, stack,
                       cs & 3 ? S_UDATA : S_DATA};

        enter(frame, cs & 3 ? 5 : 3);
    }
    }
}

/* --- Rounds --- */

static u8 cmos(u32 reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static u32 next_round(void)
{
    u32 round = 0;

    for (u32 i = 0; i < 4; i++) {
        round |= cmos(CMOS_ROUND + i) << 8 * i;
    }
    round++;
    for (u32 i = 0; i < 4; i++) {
        outb(0x70, CMOS_ROUND + i);
        outb(0x71, round >> 8 * i);
    }
    return round;
}

static void seed(u32 round)
{
    state = 0x9e3779b9;
    for (u32 i = 0; i < sizeof(seed_text); i++) {
        state = (state ^ (u8)seed_text[i]) * 16777619;
    }
    state = (state + round) * 2654435761u | 1;
    for (u32 i = 0; i < 8; i++) {
        random32();
    }
}

/* The other CPUs run random code from real mode on. */
static void start_others(void)
{
    volatile u32 *icr = (u32 *)0xfee00300;

    *icr = 0xc4500;
    *icr = 0xc4600 | AP_CODE >> 12;
    if (chance(20)) {
        *icr = random32() & 0xc0fff; /* any interrupt to anybody */
    }
}

void trap(void *frame)
{
    (void)frame;
    for (;;) {
        outb(0x92, 1);
    }
}

void main(void)
{
    int mode, wide;

    seed(next_round());
    outb(0xe9, '.');
    mode = below(MODES);
    wide = mode == M_LONG || mode == M_COMPAT;
    fill_gdt(wide);
    fill_idt(wide);
    fill_tss();
    fill_pages(mode);
    for (u32 i = 0; i < 0x3000; i += 4) {
        *(u32 *)(DATA + i) = telling();
    }
    for (u32 i = 0; i < 0x800; i++) {
        ((u32 *)STACKS)[i] = chance(50) ? telling() : CODE + below(CHUNKS) * CHUNK;
    }
    for (u32 i = 0; i < CHUNKS; i++) {
        fill_chunk(CODE + i * CHUNK, wide && chance(95) ? M_LONG : mode);
    }
    fill_chunk(SMI_CODE, M_REAL);
    if (chance(70)) {
        *(u16 *)(SMI_CODE + below(40)) = 0xaa0f;
    }
    for (u32 i = 0; i < 16; i++) {
        fill_chunk(AP_CODE + i * CHUNK, M_REAL);
    }
    if (chance(50)) {
        start_others();
    }
    load_tables();
    enter_mode(mode);
}
