/* SPDX-License-Identifier: MIT */
/* 64-bit paging: NX, SMEP, SMAP, protection keys, PCIDs, global and 1 GiB pages. */
#include "l-guest.h"

static volatile u64 *at = (volatile u64 *)TEST_VA;

static void read_it(void)
{
    (void)*at;
}

static void write_it(void)
{
    *at = 0x5555;
}

static void call_it(void)
{
    ((void (*)(void))TEST_VA)();
}

static void expect(const char *name, int vector, u32 error)
{
    check(name, vector == EXC_PF && last.error == error && read_cr2() == TEST_VA);
}

static void test_nx(void)
{
    page[0][0] = 0xc3;
    map((u64)page[0] | P | W | U);
    check_is("nx.runs", try(call_it), -1);
    map((u64)page[0] | P | W | U | NX);
    expect("nx.kernel", try(call_it), 1 | 16);
    check_is("nx.rip", last.rip, TEST_VA);
    expect("nx.user", try_user(call_it, IF), 1 | 4 | 16);
    check_is("nx.data", try(read_it), -1);
    map((u64)page[0] | P | 1ULL << 51);
    expect("page.reserved", try(read_it), 1 | 8);
    map(0);
    expect("page.absent", try(write_it), 2);
    map((u64)page[0] | P | W | U);
    check("page.accessed", !(pt[0] & A) && try(read_it) == -1 && (pt[0] & (A | D)) == A);
    check("page.dirty", try(write_it) == -1 && (pt[0] & (A | D)) == (A | D));
}

static void test_smep_smap(void)
{
    if (!has_feature(7, 1, 7) || !has_feature(7, 1, 20)) {
        return;
    }
    /* All but the page under test becomes the kernel's. */
    u64 *pd = (u64 *)(pdpt[0] & ~0xfffULL);

    pd[0] &= ~(u64)U;
    page[0][0] = 0xc3;
    write_cr3(read_cr3());
    map((u64)page[0] | P | W | U);
    write_cr4(read_cr4() | 1 << 20 | 1 << 21);
    expect("smep.fetch", try(call_it), 1 | 16);
    expect("smap.read", try(read_it), 1);
    expect("smap.write", try(write_it), 1 | 2);
    __asm__ volatile("stac");
    check_is("smap.stac", try(read_it), -1);
    __asm__ volatile("clac");
    expect("smap.clac", try(read_it), 1);
    write_cr4(read_cr4() & ~(3ULL << 20));
    check_is("smep.off", try(call_it), -1);
    pd[0] |= U;
    write_cr3(read_cr3());
}

static void set_pkru(u32 v)
{
    __asm__ volatile("wrpkru" : : "a"(v), "c"(0), "d"(0));
}

static void test_keys(void)
{
    if (!has_feature(7, 2, 3)) {
        return;
    }
    write_cr4(read_cr4() | 1 << 22);
    map((u64)page[0] | P | W | U | 5ULL << 59);
    set_pkru(2 << 10);
    check_is("pkey.read", try(read_it), -1);
    expect("pkey.write", try(write_it), 1 | 2 | 32);
    set_pkru(1 << 10);
    expect("pkey.no-read", try(read_it), 1 | 32);
    expect("pkey.user", try_user(read_it, IF), 1 | 4 | 32);
    set_pkru(0);
    check_is("pkey.allowed", try(write_it), -1);
    write_cr4(read_cr4() & ~(1ULL << 22));
}

static void invpcid(u64 type, u64 pcid, u64 va)
{
    u64 desc[2] = {pcid, va};

    __asm__ volatile("invpcid %0, %1" : : "m"(desc), "r"(type) : "memory");
}

/* The same address in two address spaces that have a tag each. */
static u64 other_pml4[512] __attribute__((aligned(4096)));
static u64 other_pdpt[512] __attribute__((aligned(4096)));
static u64 other_pd[512] __attribute__((aligned(4096)));
static u64 other_pt[512] __attribute__((aligned(4096)));

static void test_pcid(void)
{
    const u64 keep = 1ULL << 63;
    u64 first = (u64)pml4, second = (u64)other_pml4;

    *(u64 *)page[0] = 10;
    *(u64 *)page[1] = 20;
    map((u64)page[0] | P | W | U);
    other_pml4[0] = (u64)other_pdpt | P | W | U;
    other_pdpt[0] = pdpt[0];
    other_pdpt[1] = (u64)other_pd | P | W | U;
    other_pd[0] = (u64)other_pt | P | W | U;
    other_pt[0] = (u64)page[1] | P | W | U;
    check_is("space.first", *at, 10);
    write_cr3(second);
    check_is("space.second", *at, 20);
    write_cr3(first);
    check_is("space.back", *at, 10);
    if (!has_feature(1, 2, 17)) {
        return;
    }
    write_cr4(read_cr4() | 1 << 17);
    write_cr3(first | 1);
    check_is("pcid.first", *at, 10);
    write_cr3(second | 2);
    check_is("pcid.second", *at, 20);
    write_cr3(first | 1 | keep);
    check_is("pcid.kept", *at, 10);
    pt[0] = (u64)page[1] | P | W | U;
    if (has_feature(7, 1, 10)) {
        invpcid(0, 1, TEST_VA);
        check_is("invpcid.address", *at, 20);
        other_pt[0] = (u64)page[0] | P | W | U;
        invpcid(1, 2, 0);
        write_cr3(second | 2 | keep);
        check_is("invpcid.single", *at, 10);
        other_pt[0] = (u64)page[1] | P | W | U;
        invpcid(2, 0, 0);
        check_is("invpcid.all", *at, 20);
    }
    write_cr3(first);
    write_cr4(read_cr4() & ~(1ULL << 17));
}

static void test_global(void)
{
    *(u64 *)page[0] = 10;
    *(u64 *)page[1] = 20;
    write_cr4(read_cr4() | 0x80);
    map((u64)page[0] | P | W | U | G);
    check_is("global.first", *at, 10);
    pt[0] = (u64)page[1] | P | W | U | G;
    __asm__ volatile("invlpg (%0)" : : "r"(TEST_VA) : "memory");
    check_is("global.invlpg", *at, 20);
    pt[0] = (u64)page[0] | P | W | U | G;
    write_cr4(read_cr4() & ~0x80ULL);
    check_is("global.pge", *at, 10);
    if (has_feature(0x80000001, 3, 26)) {
        pdpt[2] = 0 | P | W | PS;
        write_cr3(read_cr3());
        check_is("huge.read", *(volatile u64 *)(0x80000000ULL + (u64)page[1]), 20);
        pdpt[2] = 1ULL << 20 | P | W | PS;
        write_cr3(read_cr3());
        at = (volatile u64 *)0x80000000ULL;
        check("huge.reserved", try(read_it) == EXC_PF && last.error == (1 | 8));
        at = (volatile u64 *)TEST_VA;
    }
}

void test_pages(void)
{
    test_nx();
    test_smep_smap();
    test_keys();
    test_pcid();
    test_global();
}
