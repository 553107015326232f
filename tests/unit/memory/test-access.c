/* SPDX-License-Identifier: MIT */
/* Accesses by the size rules of regions (softmmu/memory/access.c). */
#include "rhea/osdep.h"

#include <sys/mman.h>

#include "memory/machine-lock.h"
#include "memory/memory.h"

/* A device that records what it is asked; offset n reads as 0xa0 + n in each byte. */
static GString *calls;

static uint64_t probe_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t v = 0;

    g_assert_true(machine_lock_held());
    g_string_append_printf(calls, "r%u@%u ", size, (unsigned)offset);
    for (unsigned i = 0; i < size; i++) {
        v |= (uint64_t)(0xa0 + offset + i) << (8 * i);
    }
    return v;
}

static void probe_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    g_assert_true(machine_lock_held());
    g_string_append_printf(calls, "w%u@%u=%" PRIx64 " ", size, (unsigned)offset, value);
}

static MemResult probe_fail(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    return MEM_ERROR;
}

static MemRegion root, device, ram, rom;
static AddressSpace *as;

static void map_device(const MemOps *ops)
{
    if (device.container) {
        mem_remove(&device);
        mem_fini(&device);
    }
    mem_init_io(&device, NULL, ops, NULL, "probe", 0x10);
    mem_add(&root, 0x1000, &device);
}

static void expect_calls(const char *text)
{
    g_assert_cmpstr(calls->str, ==, text);
    g_string_truncate(calls, 0);
}

static void expect_read(uint64_t pa, unsigned size, MemResult result, uint64_t value)
{
    uint64_t v = 0x55;

    g_assert_cmpint(mem_read_value(as, pa, size, &v), ==, result);
    g_assert_cmphex(v, ==, value);
}

static void test_plain(void)
{
    static const MemOps ops = {.read = probe_read, .write = probe_write};

    map_device(&ops);
    expect_read(0x1004, 4, MEM_OK, 0xa7a6a5a4);
    expect_read(0x1008, 8, MEM_OK, 0xafaeadacabaaa9a8);
    expect_calls("r4@4 r8@8 ");
    expect_read(0x1001, 2, MEM_ERROR, 0); /* not aligned */
    g_assert_cmpint(mem_write_value(as, 0x1002, 2, 0x12345), ==, MEM_OK);
    expect_calls("w2@2=2345 ");
    expect_read(0x1010, 4, MEM_UNASSIGNED, 0);
    expect_read(0x1000, 3, MEM_ERROR, 0);
}

static void test_rules(void)
{
    static const MemOps narrow = {
        .read = probe_read, .write = probe_write, .impl_min = 1, .impl_max = 2};
    static const MemOps wide = {
        .read = probe_read, .write = probe_write, .impl_min = 4, .impl_max = 4};
    static const MemOps strict = {
        .read = probe_read, .write = probe_write, .valid_min = 4, .valid_max = 4};
    static const MemOps loose = {.read = probe_read, .write = probe_write, .unaligned = true};

    map_device(&narrow);
    expect_read(0x1000, 4, MEM_OK, 0xa3a2a1a0);
    expect_calls("r2@0 r2@2 ");
    mem_write_value(as, 0x1000, 8, 0x1122334455667788);
    expect_calls("w2@0=7788 w2@2=5566 w2@4=3344 w2@6=1122 ");
    map_device(&wide);
    expect_read(0x1006, 1, MEM_OK, 0xa6);
    mem_write_value(as, 0x1006, 2, 0xbeef);
    expect_calls("r4@4 w4@4=beef0000 ");
    map_device(&strict);
    expect_read(0x1000, 8, MEM_ERROR, 0);
    expect_read(0x1000, 1, MEM_ERROR, 0);
    expect_read(0x1004, 4, MEM_OK, 0xa7a6a5a4);
    expect_calls("r4@4 ");
    map_device(&loose);
    expect_read(0x1001, 4, MEM_OK, 0xa4a3a2a1);
    expect_calls("r4@1 ");
}

static void test_lengths(void)
{
    static const MemOps ops = {.read = probe_read, .write = probe_write, .valid_max = 4};
    uint8_t buf[24];

    map_device(&ops);
    g_assert_cmpint(mem_read(as, 0x1001, buf, 7), ==, MEM_OK);
    expect_calls("r1@1 r2@2 r4@4 ");
    g_assert_cmphex(buf[6], ==, 0xa7);
    memset(buf, 0xff, sizeof(buf));
    /* Two bytes of the device, then nothing. */
    g_assert_cmpint(mem_read(as, 0x100e, buf, 4), ==, MEM_UNASSIGNED);
    g_assert_cmphex(buf[1], ==, 0xaf);
    g_assert_cmphex(buf[2], ==, 0);
    g_assert_cmphex(buf[4], ==, 0xff);
    g_string_truncate(calls, 0);
    /* RAM runs into the device: the last byte of RAM and the first of the device. */
    expect_read(0xfff, 2, MEM_OK, 0xa000);
    expect_calls("r1@0 ");
    g_assert_cmpint(mem_read(as, UINT64_MAX - 1, buf, 8), ==, MEM_UNASSIGNED); /* wraps to RAM */
}

static void test_failing(void)
{
    static const MemOps ops = {.read_checked = probe_fail, .write = probe_write};
    uint8_t buf[4];

    map_device(&ops);
    expect_read(0x1000, 4, MEM_ERROR, 0);
    g_assert_cmpint(mem_read(as, 0x1000, buf, 4), ==, MEM_ERROR);
}

static void test_memory(void)
{
    uint64_t v;

    g_assert_cmpint(mem_write_value(as, 0x10, 4, 0xdeadbeef), ==, MEM_OK);
    expect_read(0x10, 8, MEM_OK, 0xdeadbeef);
    expect_read(0x11, 2, MEM_OK, 0xadbe);
    /* ROM ignores the guest and takes what loaders write. */
    g_assert_cmpint(mem_write(as, 0x2000, "abc", 3), ==, MEM_OK);
    expect_read(0x2000, 1, MEM_OK, 0);
    g_assert_cmpint(mem_write_rom(as, 0x2000, "abc", 3), ==, MEM_OK);
    expect_read(0x2000, 2, MEM_OK, 0x6261);
    g_assert_cmpint(mem_read_value(as, 0x9000, 4, &v), ==, MEM_UNASSIGNED);
    g_assert_cmpint(mem_write_value(as, 0x9000, 4, 1), ==, MEM_UNASSIGNED);
}

static void test_map(void)
{
    uint64_t len = 0x2000;
    uint8_t *host = mem_map(as, 0xff0, &len, true);

    g_assert_nonnull(host);
    g_assert_cmphex(len, ==, 0x10);
    memset(host, 7, len);
    mem_unmap(as, host, len, true, len);
    expect_read(0xff8, 8, MEM_OK, 0x0707070707070707);
    len = 8;
    g_assert_null(mem_map(as, 0x2000, &len, true)); /* ROM */
    len = 8;
    host = mem_map(as, 0x2000, &len, false);
    g_assert_nonnull(host);
    mem_unmap(as, host, len, false, 0);
    len = 8;
    g_assert_null(mem_map(as, 0x1000, &len, false)); /* I/O */
    g_assert_cmpuint(len, ==, 0);
}

/* In front of memory, until the access at its third byte. */
static uint64_t curtain_read(void *opaque, uint64_t offset, unsigned size)
{
    mem_set_enabled(&device, offset < 2);
    return 0xc0 + offset;
}

static void curtain_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    mem_set_enabled(&device, offset < 2);
}

static void test_region_that_goes(void)
{
    static const MemOps ops = {
        .read = curtain_read, .write = curtain_write, .valid_max = 1, .impl_max = 1};
    uint8_t bytes[8], twos[8];

    mem_set_enabled(&device, true);
    mem_remove(&device);
    mem_fini(&device);
    mem_init_io(&device, NULL, &ops, NULL, "curtain", 0x10);
    mem_add_overlap(&root, 0x100, &device, 1);
    memset(ram.ram->host + 0x100, 0x11, 0x10);
    g_assert_cmpint(mem_read(as, 0x100, bytes, sizeof(bytes)), ==, MEM_OK);
    g_assert_cmpmem(bytes, 8, "\xc0\xc1\xc2\x11\x11\x11\x11\x11", 8);
    mem_set_enabled(&device, true);
    memset(twos, 0x22, sizeof(twos));
    g_assert_cmpint(mem_write(as, 0x100, twos, sizeof(twos)), ==, MEM_OK);
    g_assert_cmpmem(ram.ram->host + 0x100, 8, "\x11\x11\x11\x22\x22\x22\x22\x22", 8);
    mem_remove(&device);
}

static void test_rom_device(void)
{
    static const MemOps ops = {.read = probe_read, .write = probe_write};
    MemRegion flash;

    g_assert_true(mem_init_rom_device(&flash, NULL, &ops, NULL, "flash", 0x1000, NULL));
    mem_add(&root, 0x4000, &flash);
    mem_write_rom(as, 0x4000, "flash", 5);
    expect_read(0x4000, 1, MEM_OK, 'f');
    mem_write_value(as, 0x4000, 1, 0x90);
    expect_calls("w1@0=90 ");
    mem_set_romd(&flash, false);
    expect_read(0x4000, 1, MEM_OK, 0xa0);
    expect_calls("r1@0 ");
    mem_set_romd(&flash, true);
    expect_read(0x4000, 1, MEM_OK, 'f');
    mem_remove(&flash);
    mem_fini(&flash);
}

/* Whole pages inside the range vanish, what is around them stays. */
/* What a machine restored from a file has. */
static void map_file(RamBlock *rb)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    g_autofree uint8_t *data = g_malloc(rb->size);

    memset(data, 0xee, rb->size);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, data, rb->size), ==, (ssize_t)rb->size);
    g_assert_true(ram_block_map_file(rb, 0, rb->size, fd, 0, NULL));
    close(fd);
    g_assert_cmphex(rb->host[0x1000], ==, 0xee);
}

static void discard_from(const char *id, bool share, bool mapped)
{
    RamOptions opts = {.share = share};
    RamBlock *rb = ram_block_new(id, 0x4000, &opts, NULL);
    uint64_t len = 0x3000;
    MemRegion mr;
    uint8_t *host;

    g_assert_nonnull(rb);
    mem_init_ram_block(&mr, NULL, id, rb);
    mem_add(&root, 0x10000, &mr);
    if (mapped) {
        map_file(rb);
    } else {
        memset(rb->host, 0xee, 0x4000);
    }
    host = mem_map(as, 0x10800, &len, true);
    g_assert_nonnull(host);
    g_assert_cmpuint(len, ==, 0x3000);
    mem_discard(host, len);
    mem_unmap(as, host, len, true, 0);
    g_assert_cmphex(rb->host[0xfff], ==, 0xee);
    g_assert_cmphex(rb->host[0x1000], ==, 0);
    g_assert_cmphex(rb->host[0x2fff], ==, 0);
    g_assert_cmphex(rb->host[0x3000], ==, 0xee);
    mem_remove(&mr);
    mem_fini(&mr);
    ram_block_put(rb);
}

static void test_discard(void)
{
    discard_from("private", false, false);
    discard_from("shared", true, false);
    discard_from("mapped", false, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    calls = g_string_new(NULL);
    mem_init_container(&root, NULL, "root", UINT64_MAX);
    as = mem_as_new(&root, "test");
    g_assert_true(mem_init_ram(&ram, NULL, "ram", 0x1000, NULL));
    g_assert_true(mem_init_rom(&rom, NULL, "rom", 0x1000, NULL));
    mem_add(&root, 0, &ram);
    mem_add(&root, 0x2000, &rom);
    g_test_add_func("/access/plain", test_plain);
    g_test_add_func("/access/rules", test_rules);
    g_test_add_func("/access/failing", test_failing);
    g_test_add_func("/access/lengths", test_lengths);
    g_test_add_func("/access/memory", test_memory);
    g_test_add_func("/access/map", test_map);
    g_test_add_func("/access/discard", test_discard);
    g_test_add_func("/access/region-that-goes", test_region_that_goes);
    g_test_add_func("/access/rom-device", test_rom_device);
    return g_test_run();
}
