/* SPDX-License-Identifier: MIT */
/* 32-bit paging: rights, error codes, accessed and dirty flags, large pages, INVLPG. */
#include "p-guest.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, TEST = 0x400000 };

static u32 directory[1024] __attribute__((aligned(4096)));
static u32 low[1024] __attribute__((aligned(4096)));
static u32 table[1024] __attribute__((aligned(4096)));
static u8 page[2][4096] __attribute__((aligned(4096)));

static volatile u32 *at = (volatile u32 *)TEST;

static void read_it(void)
{
    (void)*at;
}

static void write_it(void)
{
    *at = 0x12345678;
}

static void call_it(void)
{
    ((void (*)(void))TEST)();
}

static void expect(const char *name, int vector, u32 error)
{
    check(name, vector == EXC_PF && last.error == error && read_cr2() == (word)at);
}

static void map(u32 entry)
{
    table[0] = entry;
    __asm__ volatile("invlpg (%0)" : : "r"(TEST) : "memory");
}

static void test_rights(void)
{
    expect("page.absent", try(read_it), 0);
    expect("page.absent-write", try(write_it), 2);
    expect("page.absent-user", try_user(read_it, IF), 4);
    map((u32)page[0] | P);
    check_is("page.read", try(read_it), -1);
    check_is("page.accessed", table[0] & (A | D), A);
    check_is("page.write", try(write_it), -1); /* WP is clear */
    check_is("page.dirty", table[0] & (A | D), A | D);
    check_is("page.written", *(u32 *)page[0], 0x12345678);
    write_cr0(read_cr0() | 0x10000);
    expect("page.write-protected", try(write_it), 1 | 2);
    expect("page.user-to-kernel", try_user(read_it, IF), 1 | 4);
    map((u32)page[0] | P | U);
    check_is("page.user-read", try_user(read_it, IF), -1);
    expect("page.user-write", try_user(write_it, IF), 1 | 2 | 4);
    map((u32)page[0] | P | U | W);
    check_is("page.user-write-allowed", try_user(write_it, IF), -1);
    directory[1] = (u32)table | P | W; /* the directory takes U away */
    write_cr3(read_cr3());
    expect("page.directory", try_user(read_it, IF), 1 | 4);
    directory[1] = (u32)table | P | W | U;
    write_cr3(read_cr3());
}

static void test_remap(void)
{
    *(u32 *)page[0] = 1;
    *(u32 *)page[1] = 2;
    map((u32)page[0] | P | W);
    check_is("page.first", *at, 1);
    map((u32)page[1] | P | W);
    check_is("page.invlpg", *at, 2);
    table[0] = (u32)page[0] | P | W;
    write_cr3(read_cr3());
    check_is("page.cr3", *at, 1);
    /* The code follows as well: "ret" in one, "ud2" in the other. */
    page[0][0] = 0xc3;
    page[1][0] = 0x0f;
    page[1][1] = 0x0b;
    check_is("page.code", try(call_it), -1);
    map((u32)page[1] | P | W);
    check_is("page.code-remapped", try(call_it), EXC_UD);
    check_is("page.code-eip", last.eip, TEST);
    page[1][0] = 0xc3; /* written through another address */
    check_is("page.code-written", try(call_it), -1);
}

static void test_large(void)
{
    directory[2] = 0 | P | W | PS;
    write_cr3(read_cr3());
    check_is("page.large", *(volatile u32 *)(0x800000 + (u32)page[0]), *(u32 *)page[0]);
    directory[2] = 1 << 21 | P | W | PS;
    write_cr3(read_cr3());
    at = (volatile u32 *)0x800000;
    expect("page.reserved", try(read_it), 1 | 8);
    at = (volatile u32 *)TEST;
}

void test_paging(void)
{
    for (u32 i = 0; i < 1024; i++) {
        low[i] = i << 12 | P | W | U;
    }
    directory[0] = (u32)low | P | W | U;
    directory[1] = (u32)table | P | W | U;
    write_cr4(read_cr4() | 0x10);
    write_cr3((u32)directory);
    write_cr0(read_cr0() | 0x80000000);
    test_rights();
    test_remap();
    test_large();
    write_cr0(read_cr0() & ~0x80010000u);
    check("page.off", 1);
}
