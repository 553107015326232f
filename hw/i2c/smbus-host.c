/* SPDX-License-Identifier: MIT */
/*
 * SMBus host controller; see hw/i2c/smbus-host.h.  Specs: 82371AB data sheet, 290562, 7.3 (PIIX4); Intel I/O
 * Controller Hub 9 data sheet, 316972, 19.2; System Management Bus 2.0, 5.5.
 * Models quick, byte, word and block commands, I2C reads, blocks by buffer and byte by byte, the interrupt,
 * the semaphore of the ICH9.  Not modelled: process calls (nothing on the bus takes them), I2C reads into the
 * buffer, packet error checking, SMIs, the slave side (no other master is there: its registers keep what is
 * written).
 * A command takes no time; a block that goes byte by byte waits for software at each of them.
 */
#include "rhea/osdep.h"

#include "hw/i2c/smbus-host.h"
#include "rhea/bits.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum {
    STATUS = 0x00,
    CONTROL = 0x02,
    COMMAND = 0x03,
    ADDRESS = 0x04,
    DATA0 = 0x05,
    DATA1 = 0x06,
    BLOCK = 0x07,
    AUX_CONTROL = 0x0d
};
enum {
    BUSY = 1 << 0,
    DONE = 1 << 1,
    DEVICE_ERROR = 1 << 2,
    BUS_ERROR = 1 << 3,
    FAILED = 1 << 4,
    IN_USE = 1 << 6,
    BYTE_DONE = 1 << 7
};
enum { ENDS = DONE | DEVICE_ERROR | BUS_ERROR | FAILED };
enum { INTERRUPT = 1 << 0, KILL = 1 << 1, LAST_BYTE = 1 << 5, START = 1 << 6, USE_BUFFER = 1 << 1 };
enum { QUICK, BYTE, BYTE_DATA, WORD_DATA, BLOCK_DATA = 5, I2C_READ };

struct SmbusKind {
    uint8_t size;
    uint8_t cleared;  /* bits of the status that writing a one clears */
    bool semaphore;   /* reading the status takes it */
    bool byte_blocks; /* blocks and I2C reads go byte by byte, blocks unless USE_BUFFER */
    uint8_t reset[SMBUS_PORTS_MAX], writable[SMBUS_PORTS_MAX];
};

const SmbusKind SMBUS_PIIX4 = {.size = 16,
                               .cleared = ENDS,
                               .writable = {[CONTROL] = 0x1f,
                                            [COMMAND] = 0xff,
                                            [ADDRESS] = 0xff,
                                            [DATA0] = 0xff,
                                            [DATA1] = 0xff,
                                            [0x08] = 0x0f, /* slave control, events */
                                            [0x0a] = 0xff,
                                            [0x0b] = 0xff}};
const SmbusKind SMBUS_ICH9 = {.size = 32,
                              .cleared = ENDS | BYTE_DONE | IN_USE,
                              .semaphore = true,
                              .byte_blocks = true,
                              /* the slave's address; levels of pins */
                              .reset = {[0x09] = 0x44, [0x0e] = 0x07, [0x0f] = 0x07},
                              .writable = {[CONTROL] = 0x3f,
                                           [COMMAND] = 0xff,
                                           [ADDRESS] = 0xff,
                                           [DATA0] = 0xff,
                                           [DATA1] = 0xff,
                                           [BLOCK] = 0xff,
                                           [0x09] = 0x7f,
                                           [AUX_CONTROL] = USE_BUFFER,
                                           [0x0e] = 0x04,
                                           [0x0f] = 0x04,
                                           [0x11] = 0x07 /* slave command */}};

static unsigned protocol(const SmbusHost *s)
{
    return extract64(s->regs[CONTROL], 2, 3);
}

static bool is_block_length(unsigned n)
{
    return n >= 1 && n <= SMBUS_BLOCK_MAX;
}

/* The block's port is one byte, not the way into the buffer. */
static bool no_buffer(const SmbusHost *s)
{
    return s->kind->byte_blocks && !(s->regs[AUX_CONTROL] & USE_BUFFER);
}

/* --- Commands: false when something was not acknowledged --- */

/* What a block begins with: its length is in DATA0 then. */
static bool begin_block(SmbusHost *s, SpdEeprom *e, bool read)
{
    spd_select(e, s->regs[COMMAND]);
    if (read) {
        s->regs[DATA0] = spd_get(e);
    }
    return is_block_length(s->regs[DATA0]) && (read || s->i2c_blocks || spd_put(e, s->regs[DATA0]));
}

static bool whole_block(SmbusHost *s, SpdEeprom *e, bool read)
{
    if (!begin_block(s, e, read)) {
        return false;
    }
    for (unsigned i = 0; i < s->regs[DATA0]; i++) {
        if (read) {
            s->block[i] = spd_get(e);
        } else if (!spd_put(e, s->block[i])) {
            return false;
        }
    }
    return true;
}

static bool some_data(SmbusHost *s, SpdEeprom *e, bool read, unsigned bytes)
{
    spd_select(e, s->regs[COMMAND]);
    for (unsigned i = 0; i < bytes; i++) {
        if (read) {
            s->regs[DATA0 + i] = spd_get(e);
        } else if (!spd_put(e, s->regs[DATA0 + i])) {
            return false;
        }
    }
    return true;
}

static bool command(SmbusHost *s, SpdEeprom *e)
{
    bool read = s->regs[ADDRESS] & 1;

    switch (protocol(s)) {
    case QUICK: return true;
    case BYTE:
        if (read) {
            s->regs[DATA0] = spd_get(e);
        } else {
            spd_select(e, s->regs[COMMAND]);
        }
        return true;
    case BYTE_DATA: return some_data(s, e, read, 1);
    case WORD_DATA: return some_data(s, e, read, 2);
    case BLOCK_DATA: return whole_block(s, e, read);
    default: log_unimp("smbus: command of type %u", protocol(s)); return false;
    }
}

/* --- Blocks that go byte by byte --- */

static void end(SmbusHost *s, uint8_t how)
{
    s->regs[STATUS] = (s->regs[STATUS] & ~BUSY) | how;
}

/* The next byte.  LAST_BYTE, set before it, ends a read; nothing else ends an I2C read. */
static void move_byte(SmbusHost *s)
{
    SpdEeprom *e = spd_find(&s->spd, s->regs[ADDRESS] >> 1);
    bool i2c = protocol(s) == I2C_READ, read = i2c || (s->regs[ADDRESS] & 1);

    if (!e || (!read && !spd_put(e, s->regs[BLOCK]))) {
        end(s, DEVICE_ERROR);
        return;
    }
    if (read) {
        s->regs[BLOCK] = spd_get(e);
    }
    if (read && (s->regs[CONTROL] & LAST_BYTE)) {
        s->left = 0;
    } else if (!i2c) {
        s->left--;
    }
    s->regs[STATUS] |= BUSY | BYTE_DONE;
}

/* Software has seen to the byte. */
static void go_on(SmbusHost *s)
{
    if (s->left) {
        move_byte(s);
    } else {
        end(s, DONE);
    }
}

static void begin_bytes(SmbusHost *s, SpdEeprom *e)
{
    if (protocol(s) == I2C_READ) {
        spd_select(e, s->regs[DATA1]);
        s->left = 1; /* until LAST_BYTE */
    } else if (begin_block(s, e, s->regs[ADDRESS] & 1)) {
        s->left = s->regs[DATA0];
    } else {
        end(s, DEVICE_ERROR);
        return;
    }
    move_byte(s);
}

static void start(SmbusHost *s)
{
    SpdEeprom *e = spd_find(&s->spd, s->regs[ADDRESS] >> 1);

    if (!s->enabled || (s->regs[STATUS] & BUSY)) {
        return;
    }
    if (!e) {
        end(s, DEVICE_ERROR);
    } else if (no_buffer(s) && (protocol(s) == BLOCK_DATA || protocol(s) == I2C_READ)) {
        begin_bytes(s, e);
    } else {
        end(s, command(s, e) ? DONE : DEVICE_ERROR);
    }
}

/* --- Ports --- */

unsigned smbus_host_size(const SmbusHost *s)
{
    return s->kind->size;
}

bool smbus_host_irq(const SmbusHost *s)
{
    return (s->regs[CONTROL] & INTERRUPT) && (s->regs[STATUS] & (ENDS | BYTE_DONE));
}

/* The port of the buffer goes through it; reading the control register goes back to its start. */
static uint8_t *block_byte(SmbusHost *s)
{
    if (no_buffer(s)) {
        return &s->regs[BLOCK];
    }
    return &s->block[s->block_at++ % SMBUS_BLOCK_MAX];
}

uint8_t smbus_host_read(SmbusHost *s, unsigned offset)
{
    uint8_t v = s->regs[offset];

    switch (offset) {
    case STATUS: s->regs[STATUS] |= s->kind->semaphore ? IN_USE : 0; break;
    case CONTROL: s->block_at = 0; break;
    case BLOCK: return *block_byte(s);
    }
    return v;
}

static void write_status(SmbusHost *s, uint8_t v)
{
    bool seen = s->regs[STATUS] & v & BYTE_DONE;

    s->regs[STATUS] &= ~(v & s->kind->cleared);
    if (seen && (s->regs[STATUS] & BUSY)) {
        go_on(s);
    }
}

void smbus_host_write(SmbusHost *s, unsigned offset, uint8_t v)
{
    uint8_t may = s->kind->writable[offset];

    if (offset == BLOCK) {
        *block_byte(s) = v;
        return;
    }
    s->regs[offset] = (s->regs[offset] & ~may) | (v & may);
    if (offset == STATUS) {
        write_status(s, v);
    } else if (offset == CONTROL && (v & KILL)) {
        if (s->regs[STATUS] & BUSY) {
            end(s, FAILED);
        }
    } else if (offset == CONTROL && (v & START)) {
        start(s);
    }
}

/* --- Life --- */

void smbus_host_init(SmbusHost *s, const SmbusKind *kind, uint64_t ram_size)
{
    s->kind = kind;
    spd_init(&s->spd, ram_size);
}

void smbus_host_reset(SmbusHost *s)
{
    memcpy(s->regs, s->kind->reset, sizeof(s->regs));
    memset(s->block, 0, sizeof(s->block));
    s->block_at = s->left = 0;
    spd_reset(&s->spd);
}

void smbus_host_snapshot(SmbusHost *s, Snapshot *sn)
{
    snap_bytes(sn, s->regs, sizeof(s->regs));
    snap_bytes(sn, s->block, sizeof(s->block));
    snap_fields(sn, &s->block_at, &s->left);
    spd_snapshot(&s->spd, sn);
}
