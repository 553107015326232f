/* SPDX-License-Identifier: MIT */
/*
 * Started by PVH, multiboot 1 or 2, or as a plain ELF program: checks the state it was entered in and
 * prints what it was told, in the same words for each, for tests/boot/pc-kernels.py to compare.
 */
#include "guest.h"

enum { MAX_MAP = 64, RAM = 1, PAGE = 4096 };

typedef struct Told {
    const char *protocol, *cmdline, *loader;
    u32 lower, upper; /* KiB */
    u32 nmap;
    u64 map[MAX_MAP][3];
    u64 rsdp;
} Told;

extern u32 first_flags;
static u32 initialised = 0x600dda7a;
static u8 zeros[5000];

/* --- What is told --- */

static void add_memory(Told *t, u64 addr, u64 size, u32 type)
{
    if (t->nmap < MAX_MAP) {
        t->map[t->nmap][0] = addr;
        t->map[t->nmap][1] = size;
        t->map[t->nmap++][2] = type;
    }
}

static void report_module(const char *text, u32 start, u32 size)
{
    u32 sum = 0;

    for (u32 i = 0; i < size; i++) {
        sum = sum * 31 + ((u8 *)(word)start)[i];
    }
    check("module.aligned", start % PAGE == 0);
    print("module ");
    print_hex(size);
    print(" ");
    print_hex(sum);
    print(" ");
    print(text);
    print("\n");
}

static u64 num(const void *base, u32 offset, int bytes)
{
    u64 v = 0;

    memcpy(&v, (const u8 *)base + offset, bytes);
    return v;
}

static const char *text_at(u64 addr)
{
    return (const char *)(word)addr;
}

static void read_multiboot1(Told *t, const void *mbi)
{
    u32 flags = num(mbi, 0, 4), at = num(mbi, 48, 4), end = at + num(mbi, 44, 4);

    check_is("multiboot1.flags", flags & 0x24d, 0x24d);
    t->lower = num(mbi, 4, 4);
    t->upper = num(mbi, 8, 4);
    t->cmdline = text_at(num(mbi, 16, 4));
    t->loader = text_at(num(mbi, 64, 4));
    for (; at < end; at += num((void *)at, 0, 4) + 4) {
        const void *e = (void *)(at + 4);

        add_memory(t, num(e, 0, 8), num(e, 8, 8), num(e, 16, 4));
    }
    for (u32 i = 0; i < num(mbi, 20, 4); i++) {
        const void *m = (void *)(word)(num(mbi, 24, 4) + 16 * i);

        report_module(text_at(num(m, 8, 4)), num(m, 0, 4), num(m, 4, 4) - num(m, 0, 4));
    }
}

static void read_tag2(Told *t, const u8 *tag, u32 type, u32 size)
{
    switch (type) {
    case 1: t->cmdline = text_at((word)tag + 8); break;
    case 2: t->loader = text_at((word)tag + 8); break;
    case 3:
        report_module(text_at((word)tag + 16), num(tag, 8, 4), num(tag, 12, 4) - num(tag, 8, 4));
        break;
    case 4:
        t->lower = num(tag, 8, 4);
        t->upper = num(tag, 12, 4);
        break;
    case 6:
        for (u32 at = 16; at < size; at += num(tag, 8, 4)) {
            add_memory(t, num(tag, at, 8), num(tag, at + 8, 8), num(tag, at + 16, 4));
        }
        break;
    case 14:
    case 15: t->rsdp = (word)tag + 8; break;
    case 21: check_is("multiboot2.base", num(tag, 8, 4), 0x100000); break;
    default: check_is("multiboot2.tag", type, ~0ull);
    }
}

static void read_multiboot2(Told *t, const u8 *info)
{
    u32 total = num(info, 0, 4), at = 8;

    check("multiboot2.aligned", (word)info % 8 == 0);
    while (at < total && num(info, at, 4)) {
        u32 size = num(info, at + 4, 4);

        read_tag2(t, info + at, num(info, at, 4), size);
        at += (size + 7) & ~7u;
    }
    check_is("multiboot2.end", at + 8, total);
}

static void read_pvh(Told *t, const void *info)
{
    u32 map = num(info, 40, 8);

    check_is("pvh.version", num(info, 4, 4), 1);
    t->cmdline = text_at(num(info, 24, 8));
    t->rsdp = num(info, 32, 8);
    for (u32 i = 0; i < num(info, 48, 4); i++, map += 24) {
        add_memory(t, num((void *)map, 0, 8), num((void *)map, 8, 8), num((void *)map, 16, 4));
    }
    for (u32 i = 0; i < num(info, 12, 4); i++) {
        const void *m = (void *)(word)(num(info, 16, 8) + 32 * i);

        report_module("", num(m, 0, 8), num(m, 8, 8));
    }
}

/* --- The state at entry --- */

static u32 selector_limit(u16 selector)
{
    u32 limit;

    __asm__("lsl %1, %0" : "=r"(limit) : "r"((u32)selector));
    return limit;
}

static void check_state(void)
{
    u16 cs, ds, ss, tr;

    __asm__("mov %%cs, %0; mov %%ds, %1; mov %%ss, %2; str %3"
            : "=r"(cs), "=r"(ds), "=r"(ss), "=r"(tr));
    check_is("state.cr0", read_cr0() & 0x80000001, 1);
    check_is("state.interrupts", first_flags & (IF | VM), 0);
    check_is("state.cs", selector_limit(cs), ~0u);
    check_is("state.ds", selector_limit(ds), ~0u);
    check_is("state.ss", selector_limit(ss), ~0u);
    check("state.data", initialised == 0x600dda7a);
    for (u32 i = 0; i < sizeof(zeros); i++) {
        if (zeros[i]) {
            check("state.bss", 0);
            break;
        }
    }
    *(volatile u32 *)0x80000 = 1;
    *(volatile u32 *)0x180000 = 2;
    check_is("state.a20", *(volatile u32 *)0x80000, 1);
}

/* --- The report --- */

static void print_pair(const char *name, u64 a, u64 b)
{
    print(name);
    print(" ");
    print_hex(a);
    print(" ");
    print_hex(b);
    print("\n");
}

static void report(const Told *t)
{
    u64 ram = 0;

    print("protocol ");
    print(t->protocol);
    print("\ncmdline ");
    print(t->cmdline);
    print("\nloader ");
    print(t->loader ? t->loader : "-");
    print("\n");
    print_pair("memory", t->lower, t->upper);
    for (u32 i = 0; i < t->nmap; i++) {
        check("map.size", t->map[i][1] != 0);
        ram += t->map[i][2] == RAM ? t->map[i][1] : 0;
    }
    print_pair("map", t->nmap, ram);
    if (t->rsdp) {
        check("rsdp", num((void *)(word)t->rsdp, 0, 8) == 0x2052545020445352ull);
    }
}

void main(u32 eax, void *ebx)
{
    static Told t;

    check_state();
    if (eax == 0x2badb002) {
        t.protocol = "multiboot1";
        read_multiboot1(&t, ebx);
    } else if (eax == 0x36d76289) {
        t.protocol = "multiboot2";
        read_multiboot2(&t, ebx);
    } else if (num(ebx, 0, 4) == 0x336ec578) {
        t.protocol = "pvh";
        read_pvh(&t, ebx);
    } else {
        print_hex(eax);
        check("protocol", 0);
        finish("boot");
    }
    report(&t);
    finish("boot");
}
