/* SPDX-License-Identifier: MIT */
/*
 * EEPROMs of memory modules; see hw/i2c/spd.h.  Specs: JEDEC 21-C annex K (contents for DDR3 SDRAM), 4.1.4
 * (EE1002: the part itself).
 * The lower half is write-protected, as it is in modules that are sold.  Not modelled: the commands that
 * protect it (the addresses 0x30 to 0x37 do not answer), the temperature sensor.
 * Modules are powers of two from 128 MiB to 64 GiB; RAM beside them is in no module.
 */
#include "rhea/osdep.h"

#include "hw/i2c/spd.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum { FIRST_ADDRESS = 0x50, PROTECTED = SPD_SIZE / 2, PAGE = 16 };
#define SMALLEST_MODULE (128 * MiB)
#define LARGEST_MODULE  (64 * GiB)

/* Bytes of the contents. */
enum {
    DENSITY = 4,
    ADDRESSING = 5,
    ORGANIZATION = 7,
    REFRESH_TIME = 24,
    MAKER = 117,
    SERIAL = 122,
    CRC = 126,
    PART = 128,
    PART_LEN = 18
};
enum { WIDTH_8 = 1, WIDTH_16 = 2, RANKS_SHIFT = 3, ROWS_SHIFT = 3 };
/* Logarithms of 2 of the bits of the smallest and the largest chip. */
enum { CHIP_MIN = 28, CHIP_MAX = 34 };

/* What all modules have in common: DDR3-1600, unbuffered, 64 bits wide, times in units of 1/8 ns. */
static const uint8_t common[] = {
    [0] = 0x92, /* 256 bytes, 176 of them used, checked up to the maker */
    [1] = 0x10,  [2] = 0x0b,  [3] = 0x02,  [8] = 0x03,  [9] = 0x52,  [10] = 0x01, [11] = 0x08,
    [12] = 0x0a, [14] = 0xfc, [16] = 0x69, [17] = 0x78, [18] = 0x69, [19] = 0x30, [20] = 0x69,
    [21] = 0x11, [22] = 0x18, [23] = 0x81, [26] = 0x3c, [27] = 0x3c, [29] = 0xf0};

/* CRC-16 of polynomial 0x1021. */
static uint16_t crc(const uint8_t *data, size_t len)
{
    uint16_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum ^= data[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++) {
            sum = sum & 0x8000 ? sum << 1 ^ 0x1021 : sum << 1;
        }
    }
    return sum;
}

/*
 * A rank of eight chips has as many bytes as a chip has bits.  The smallest module has four chips instead, the
 * largest have several ranks.
 */
static void fill(SpdEeprom *e, uint64_t size, unsigned number)
{
    static const struct {
        uint8_t rows, columns; /* beyond 12 and 9 bits */
        uint16_t refresh;
    } chips[] = {{0, 1, 720},  {1, 1, 720},  {2, 1, 880}, {3, 1, 1280},
                 {4, 1, 2080}, {4, 2, 2800}, {4, 3, 2800}};
    int log = __builtin_ctzll(size), density = CLAMP(log, CHIP_MIN, CHIP_MAX) - CHIP_MIN;
    unsigned ranks = 1U << (MAX(log, CHIP_MAX) - CHIP_MAX);
    bool four = log < CHIP_MIN;

    memcpy(e->data, common, sizeof(common));
    e->data[DENSITY] = density;
    e->data[ADDRESSING] = chips[density].rows << ROWS_SHIFT | (chips[density].columns - four);
    e->data[ORGANIZATION] = (ranks - 1) << RANKS_SHIFT | (four ? WIDTH_16 : WIDTH_8);
    st16_le(e->data + REFRESH_TIME, chips[density].refresh);
    e->data[SERIAL + 3] = number + 1; /* the maker is 0: one that has no number */
    st16_le(e->data + CRC, crc(e->data, MAKER));
    memset(e->data + PART, ' ', PART_LEN);
    memcpy(e->data + PART, "RHEA", 4);
}

void spd_init(SpdBus *bus, uint64_t ram_size)
{
    while (bus->count < SPD_MAX_MODULES && ram_size >= SMALLEST_MODULE) {
        uint64_t size = MIN(1ULL << (63 - __builtin_clzll(ram_size)), LARGEST_MODULE);

        fill(&bus->modules[bus->count], size, bus->count);
        bus->count++;
        ram_size -= size;
    }
}

/* What is stored stays. */
void spd_reset(SpdBus *bus)
{
    for (unsigned i = 0; i < bus->count; i++) {
        bus->modules[i].at = 0;
    }
}

void spd_snapshot(SpdBus *bus, Snapshot *sn)
{
    for (unsigned i = 0; i < bus->count; i++) {
        snap_u8(sn, &bus->modules[i].at);
        snap_bytes(sn, bus->modules[i].data + PROTECTED, SPD_SIZE - PROTECTED);
    }
}

SpdEeprom *spd_find(SpdBus *bus, uint8_t address)
{
    unsigned n = address - FIRST_ADDRESS;

    return n < bus->count ? &bus->modules[n] : NULL;
}

void spd_select(SpdEeprom *e, uint8_t at)
{
    e->at = at;
}

/* A message writes within one page. */
bool spd_put(SpdEeprom *e, uint8_t v)
{
    if (e->at < PROTECTED) {
        return false;
    }
    e->data[e->at] = v;
    e->at = (e->at & ~(PAGE - 1)) | ((e->at + 1) & (PAGE - 1));
    return true;
}

uint8_t spd_get(SpdEeprom *e)
{
    return e->data[e->at++];
}
