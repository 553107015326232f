/* SPDX-License-Identifier: MIT */
/* Which memory modules make up how much RAM (hw/i2c/spd.c); JEDEC 21-C annex K has the formula. */
#include "rhea/osdep.h"

#include "hw/i2c/spd.h"
#include "snapshot/snapshot.h"

enum { ADDRESS = 0x50 };

void snap_u8(Snapshot *sn, uint8_t *v)
{
}

void snap_bytes(Snapshot *sn, void *buf, size_t len)
{
}

static uint64_t capacity(const SpdEeprom *e)
{
    uint64_t chip = (256 * MiB / 8) << (e->data[4] & 15);
    unsigned bus = 8u << (e->data[8] & 7), width = 4u << (e->data[7] & 7);

    return chip * (bus / width) * ((e->data[7] >> 3) + 1);
}

/* @gib: sizes in GiB, ends with 0. */
static void check(uint64_t ram_size, const unsigned *gib)
{
    SpdBus bus = {0};

    spd_init(&bus, ram_size);
    for (unsigned i = 0; gib[i]; i++) {
        SpdEeprom *e = spd_find(&bus, ADDRESS + i);

        g_assert_nonnull(e);
        g_assert_cmpuint(capacity(e), ==, gib[i] * GiB);
    }
    for (unsigned i = 0; i < bus.count; i++) {
        g_assert_cmpuint(gib[i], !=, 0);
    }
    g_assert_null(spd_find(&bus, ADDRESS + bus.count));
    g_assert_null(spd_find(&bus, ADDRESS - 1));
}

static void test_sizes(void)
{
    check(1 * GiB + MiB, (const unsigned[]){1, 0});
    check(4 * GiB, (const unsigned[]){4, 0});
    check(32 * GiB, (const unsigned[]){32, 0});
    check(80 * GiB, (const unsigned[]){64, 16, 0});
    check(255 * GiB, (const unsigned[]){64, 64, 64, 32, 16, 8, 4, 2, 0});
    check(4096 * GiB, (const unsigned[]){64, 64, 64, 64, 64, 64, 64, 64, 0});
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/spd/sizes", test_sizes);
    return g_test_run();
}
