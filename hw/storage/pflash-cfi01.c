/* SPDX-License-Identifier: MIT */
/*
 * Parallel NOR flash.  Specs: JEDEC JESD68.01 (CFI); Intel StrataFlash J3 data sheet (command set
 * 0001h): read array, identifier, query and status, program, buffered program, block erase, lock bits.
 * Not modelled: program and erase times, suspend, one-time-programmable area, real lock bits (all
 * blocks are unlocked).
 * Chips of device-width bytes stand side by side across the bank: they hear each command together and
 * answer in their own lanes.
 * Programmed and erased data goes to the drive at once, from the thread of the write; a write that the
 * host refuses is reported in the status register, as worn-out flash would.
 * Threading: every callback runs under the machine lock; reads of the array are plain memory.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/mmio-device.h"
#include "hw/storage/pflash-cfi01.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum {
    CMD_PROGRAM_ALT = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM = 0x40,
    CMD_CLEAR = 0x50,
    CMD_LOCK = 0x60,
    CMD_STATUS = 0x70,
    CMD_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_CONFIRM = 0xd0,
    CMD_BUFFER = 0xe8,
    CMD_ARRAY = 0xff,
    CMD_LOCK_SET = 0x01
};
enum { STATUS_READY = 0x80, STATUS_ERASE_ERROR = 0x20, STATUS_PROGRAM_ERROR = 0x10 };
enum { MODE_ARRAY, MODE_STATUS, MODE_ID, MODE_QUERY, MODE_MAX = MODE_QUERY };
enum { ID_MANUFACTURER = 0x89, ID_DEVICE = 0x18, BUFFER_MAX = 2048, QUERY_SIZE = 0x40 };

typedef struct Pflash {
    MmioDevice parent;
    /* wiring */
    MemRegion mem;
    BlockBackend *blk;
    /* properties: fixed once realized */
    char *drive, *name;
    uint32_t num_blocks;
    uint64_t sector_len;
    uint8_t width, device_width;
    bool secure;
    /* guest-visible: all of it is in pflash_snapshot; the array is RAM of its own */
    uint8_t mode;    /* what reads see */
    uint8_t command; /* a command that waits for its second cycle; 0: none */
    uint8_t status;
    uint32_t buffer_left; /* bytes still to come of a buffered program; UINT32_MAX: count comes */
    uint64_t buffer_start;
    uint32_t buffer_len;
    uint8_t buffer[BUFFER_MAX];
    /* host-side */
    uint8_t query[QUERY_SIZE];
} Pflash;

bool pflash_is_secure(Device *dev)
{
    return dev_state(dev, Pflash)->secure;
}

static uint8_t *array_of(Pflash *s)
{
    return s->mem.ram->host;
}

/* --- Array changes --- */

/* Makes [offset, offset + len) of the array permanent. */
static bool pflash_save(Pflash *s, uint64_t offset, uint64_t len)
{
    ram_set_dirty(s->mem.ram, offset, len);
    return !s->blk || !blk_pwrite(s->blk, offset, array_of(s) + offset, len);
}

/* Programming clears bits only (data sheet, "Programming"). */
static void pflash_program(Pflash *s, uint64_t offset, const uint8_t *data, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++) {
        array_of(s)[offset + i] &= data[i];
    }
    if (!pflash_save(s, offset, len)) {
        s->status |= STATUS_PROGRAM_ERROR;
    }
}

static void pflash_erase(Pflash *s, uint64_t offset)
{
    uint64_t start = offset - offset % s->sector_len;

    memset(array_of(s) + start, 0xff, s->sector_len);
    if (!pflash_save(s, start, s->sector_len)) {
        s->status |= STATUS_ERASE_ERROR;
    }
}

/* --- Reading --- */

static void pflash_set_mode(Pflash *s, uint8_t mode)
{
    s->mode = mode;
    mem_set_romd(&s->mem, mode == MODE_ARRAY && !s->command);
}

/* The same byte from each chip side by side. */
static uint64_t spread(const Pflash *s, uint8_t value)
{
    uint64_t v = 0;

    for (unsigned lane = 0; lane < s->width; lane += s->device_width) {
        v |= (uint64_t)value << (lane * 8);
    }
    return v;
}

static uint64_t pflash_read_id(const Pflash *s, uint64_t word)
{
    switch (word & 0xff) {
    case 0: return spread(s, ID_MANUFACTURER);
    case 1: return spread(s, ID_DEVICE);
    default: return 0; /* block lock configuration: unlocked */
    }
}

static uint64_t pflash_read(void *opaque, uint64_t offset, unsigned size)
{
    Pflash *s = opaque;
    uint64_t word = offset / s->width, v;

    switch (s->mode) {
    case MODE_ID: v = pflash_read_id(s, word); break;
    case MODE_QUERY: v = spread(s, word < QUERY_SIZE ? s->query[word] : 0); break;
    case MODE_STATUS: v = spread(s, s->status); break;
    default: {
        uint8_t raw[8] = {0};

        memcpy(raw, array_of(s) + offset, size); /* aligned and inside: the region's rules */
        return ld64_le(raw);
    }
    }
    return extract64(v, offset % s->width * 8, size * 8);
}

/* --- Commands --- */

static void pflash_first_cycle(Pflash *s, uint8_t cmd)
{
    switch (cmd) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
    case CMD_ERASE:
    case CMD_LOCK:
        s->command = cmd;
        s->status |= STATUS_READY;
        pflash_set_mode(s, MODE_STATUS);
        break;
    case CMD_BUFFER:
        s->command = cmd;
        s->status |= STATUS_READY;
        s->buffer_left = UINT32_MAX;
        pflash_set_mode(s, MODE_STATUS);
        break;
    /* Nothing is left in it until the next operation is ready: EDK2 tells flash from ROM by that. */
    case CMD_CLEAR: s->status = 0; break;
    case CMD_STATUS: pflash_set_mode(s, MODE_STATUS); break;
    case CMD_ID: pflash_set_mode(s, MODE_ID); break;
    case CMD_QUERY: pflash_set_mode(s, MODE_QUERY); break;
    case 0x00: /* what some drivers write to get back to the array */
    case 0xf0: /* AMD's reset, sent by drivers that probe */
    case CMD_ARRAY: pflash_set_mode(s, MODE_ARRAY); break;
    case CMD_CONFIRM: break; /* resume, with nothing suspended */
    default: log_guest("pflash: unknown command 0x%02x", cmd); pflash_set_mode(s, MODE_ARRAY);
    }
}

/* Count, then that many bytes of one buffer, then the confirmation. */
static void pflash_buffer_cycle(Pflash *s, uint64_t offset, uint64_t value, unsigned size)
{
    uint8_t raw[8];

    if (s->buffer_left == UINT32_MAX) {
        uint64_t bytes = ((value & 0xffff) + 1) * s->width;

        if (bytes > BUFFER_MAX) {
            s->status |= STATUS_PROGRAM_ERROR;
            s->command = 0;
            return;
        }
        s->buffer_left = bytes;
        s->buffer_start = align_down(offset, BUFFER_MAX);
        s->buffer_len = 0;
        memset(s->buffer, 0xff, sizeof(s->buffer));
    } else if (s->buffer_left) {
        uint64_t at = offset - s->buffer_start;

        if (!s->buffer_len) {
            s->buffer_start = align_down(offset, BUFFER_MAX);
            at = offset - s->buffer_start;
        }
        if (offset < s->buffer_start || at + size > BUFFER_MAX) {
            log_guest("pflash: buffered program leaves its buffer");
            s->status |= STATUS_PROGRAM_ERROR;
            s->command = 0;
            return;
        }
        st64_le(raw, value);
        memcpy(s->buffer + at, raw, size);
        s->buffer_len = MAX(s->buffer_len, at + size);
        s->buffer_left -= MIN(size, s->buffer_left);
    } else {
        if ((value & 0xff) == CMD_CONFIRM) {
            pflash_program(s, s->buffer_start, s->buffer, s->buffer_len);
        } else {
            s->status |= STATUS_PROGRAM_ERROR;
        }
        s->command = 0;
    }
}

static void pflash_second_cycle(Pflash *s, uint64_t offset, uint64_t value, unsigned size)
{
    uint8_t raw[8], cmd = value;

    switch (s->command) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
        st64_le(raw, value);
        pflash_program(s, offset, raw, size);
        s->command = 0;
        break;
    case CMD_ERASE:
        if (cmd == CMD_CONFIRM) {
            pflash_erase(s, offset);
        } else {
            s->status |= STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR; /* command sequence error */
        }
        s->command = 0;
        break;
    case CMD_LOCK: /* set (0x01) and clear (0xd0) lock bits: accepted, there are none */
        s->command = 0;
        break;
    case CMD_BUFFER: pflash_buffer_cycle(s, offset, value, size); break;
    }
}

static void pflash_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Pflash *s = opaque;

    if (s->command) {
        pflash_second_cycle(s, offset, value, size);
    } else {
        pflash_first_cycle(s, value);
    }
}

static const MemOps pflash_mem_ops = {
    .read = pflash_read,
    .write = pflash_write,
    .impl_min = 1,
    .impl_max = 8,
};

/* --- Life --- */

static void pflash_build_query(Pflash *s)
{
    unsigned chips = s->width / s->device_width;
    uint64_t chip_size = s->sector_len * s->num_blocks / chips;
    uint64_t chip_sector = s->sector_len / chips;
    uint8_t *q = s->query;

    memcpy(q + 0x10, "QRY", 3);
    st16_le(q + 0x13, 0x0001); /* Intel command set */
    st16_le(q + 0x15, 0x0031); /* its extended table */
    q[0x1b] = 0x45;            /* Vcc 4.5 to 5.5 V */
    q[0x1c] = 0x55;
    q[0x1f] = q[0x20] = 7;                           /* typical program times: 2^7 us */
    q[0x21] = 10;                                    /* typical erase time: 2^10 ms */
    q[0x23] = q[0x24] = q[0x25] = 4;                 /* maxima: 2^4 times that */
    q[0x27] = 64 - __builtin_clzll(chip_size - 1);   /* rounded up: firmware images of odd sizes */
    st16_le(q + 0x28, s->device_width == 1 ? 0 : 2); /* x8, x8/x16 */
    st16_le(q + 0x2a, __builtin_ctzll(BUFFER_MAX / chips));
    q[0x2c] = 1; /* one region of equal blocks */
    st16_le(q + 0x2d, s->num_blocks - 1);
    st16_le(q + 0x2f, chip_sector / 256);
    memcpy(q + 0x31, "PRI10", 5); /* extended table 1.0 with no optional feature */
}

static bool pflash_check_props(Pflash *s, Error **errp)
{
    if (!is_power_of_2(s->width) || s->width > 8 || !is_power_of_2(s->device_width) ||
        s->device_width > s->width) {
        return error_fail(errp, TYPE_PFLASH_CFI01 ": properties 'width' and 'device-width' must be "
                                                  "1, 2, 4 or 8, the second not above the first");
    }
    if (!is_power_of_2(s->sector_len) || s->sector_len < 4096 || s->sector_len > 16 * MiB ||
        !s->num_blocks || s->num_blocks > 65536) {
        return error_fail(errp,
                          TYPE_PFLASH_CFI01 ": properties 'sector-length' (4 KiB to 16 MiB) "
                                            "must be a power of two, 'num-blocks' 1 to 65536");
    }
    return true;
}

static bool pflash_load(Pflash *s, uint64_t size, Error **errp)
{
    int ret;

    if (!s->drive) {
        return true; /* all zeroes, not erased: flash that nobody uses costs no host memory */
    }
    s->blk = blk_by_name(s->drive);
    if (!s->blk) {
        return error_fail(errp, TYPE_PFLASH_CFI01 ": property 'drive': there is no drive '%s'",
                          s->drive);
    }
    if (!blk_attach(s->blk, s, s->name ? s->name : TYPE_PFLASH_CFI01, errp)) {
        s->blk = NULL;
        return false;
    }
    if (blk_size(s->blk) != size) {
        return error_fail(errp,
                          TYPE_PFLASH_CFI01 ": drive '%s' has %" PRIu64 " bytes, the flash has "
                                            "%" PRIu64 " (truncate -s %" PRIu64
                                            "M FILE makes it fit)",
                          s->drive, blk_size(s->blk), size, size / (uint64_t)MiB);
    }
    ret = blk_pread(s->blk, 0, array_of(s), size);
    return !ret ||
           error_fail_errno(errp, -ret, TYPE_PFLASH_CFI01 ": cannot read drive '%s'", s->drive);
}

static bool pflash_realize(Device *dev, Error **errp)
{
    Pflash *s = dev_state(dev, Pflash);
    uint64_t size = s->sector_len * s->num_blocks;

    if (!pflash_check_props(s, errp) ||
        !mem_init_rom_device(&s->mem, &dev->obj, &pflash_mem_ops, s,
                             s->name ? s->name : TYPE_PFLASH_CFI01, size, errp)) {
        return false;
    }
    if (!pflash_load(s, size, errp)) {
        return false;
    }
    pflash_build_query(s);
    mmio_device_add_region(&s->parent, &s->mem);
    return true;
}

static void pflash_unrealize(Device *dev)
{
    Pflash *s = dev_state(dev, Pflash);

    if (s->blk) {
        blk_detach(s->blk, s);
    }
}

static void pflash_reset(Device *dev)
{
    Pflash *s = dev_state(dev, Pflash);

    s->command = 0;
    s->status = STATUS_READY;
    pflash_set_mode(s, MODE_ARRAY);
}

static void pflash_snapshot(Device *dev, Snapshot *sn)
{
    Pflash *s = dev_state(dev, Pflash);

    snap_section(sn, "pflash", 1);
    snap_fields(sn, &s->mode, &s->command, &s->status, &s->buffer_left, &s->buffer_start);
    snap_u32_max(sn, &s->buffer_len, BUFFER_MAX);
    snap_bytes(sn, s->buffer, sizeof(s->buffer));
    if (snap_loading(sn) && (s->mode > MODE_MAX || s->buffer_start % BUFFER_MAX ||
                             s->buffer_start >= s->sector_len * s->num_blocks)) {
        snap_fail(sn, "pflash: impossible state");
    }
}

static void pflash_after_load(Device *dev)
{
    Pflash *s = dev_state(dev, Pflash);

    pflash_set_mode(s, s->mode);
}

static const PropDesc pflash_props[] = {
    PROP_STR("drive", Pflash, drive, NULL, "drive that keeps the contents"),
    PROP_STR("name", Pflash, name, NULL, "name of its memory"),
    PROP_U32("num-blocks", Pflash, num_blocks, 128, "number of erase blocks"),
    PROP_SIZE("sector-length", Pflash, sector_len, 256 * KiB, "bytes in an erase block"),
    PROP_U8("width", Pflash, width, 4, "bytes across the bank"),
    PROP_U8("device-width", Pflash, device_width, 2, "bytes across one chip"),
    PROP_BOOL("secure", Pflash, secure, false, "only a secure mode of the CPU may write it"),
    PROP_END};

static const DeviceOps pflash_ops = DEVICE_OPS(
    pflash_snapshot, .realize = pflash_realize, .unrealize = pflash_unrealize,
    .reset = pflash_reset, .after_load = pflash_after_load, .category = "Storage devices");
QOM_TYPE(pflash_type, .name = TYPE_PFLASH_CFI01, .parent = TYPE_MMIO_DEVICE, .size = sizeof(Pflash),
         .desc = "NOR flash, Intel command set", .props = pflash_props, .dev = &pflash_ops);
