/* SPDX-License-Identifier: MIT */
/*
 * SCSI logical units: the commands of disks and CD-ROM drives.  See hw/storage/scsi.h; what describes a
 * unit to its initiator is in scsi-info.c.
 * Specs: SPC-4, SBC-3, MMC-6 revision 2g.
 * Not modelled: reservations, queues of tagged commands in the unit, audio, writing to optical discs.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/storage/scsi.h"
#include "rhea/endian.h"
#include "rhea/iov.h"
#include "snapshot/snapshot.h"

enum {
    TEST_UNIT_READY = 0x00,
    REQUEST_SENSE = 0x03,
    READ_6 = 0x08,
    WRITE_6 = 0x0a,
    INQUIRY = 0x12,
    MODE_SELECT_6 = 0x15,
    RESERVE_6 = 0x16,
    RELEASE_6 = 0x17,
    MODE_SENSE_6 = 0x1a,
    START_STOP = 0x1b,
    PREVENT_REMOVAL = 0x1e,
    READ_CAPACITY_10 = 0x25,
    READ_10 = 0x28,
    WRITE_10 = 0x2a,
    SEEK_10 = 0x2b,
    WRITE_VERIFY_10 = 0x2e,
    VERIFY_10 = 0x2f,
    SYNCHRONIZE_10 = 0x35,
    WRITE_SAME_10 = 0x41,
    UNMAP = 0x42,
    READ_TOC = 0x43,
    GET_CONFIGURATION = 0x46,
    EVENT_STATUS = 0x4a,
    READ_DISC_INFORMATION = 0x51,
    MODE_SELECT_10 = 0x55,
    MODE_SENSE_10 = 0x5a,
    READ_16 = 0x88,
    WRITE_16 = 0x8a,
    WRITE_VERIFY_16 = 0x8e,
    VERIFY_16 = 0x8f,
    SYNCHRONIZE_16 = 0x91,
    WRITE_SAME_16 = 0x93,
    SERVICE_ACTION_IN_16 = 0x9e,
    REPORT_LUNS = 0xa0,
    READ_12 = 0xa8,
    WRITE_12 = 0xaa,
    READ_DVD_STRUCTURE = 0xad,
    SET_CD_SPEED = 0xbb,
    MECHANISM_STATUS = 0xbd,
    READ_CD = 0xbe,
};

enum { SAI_READ_CAPACITY_16 = 0x10, UNMAP_DESCRIPTOR = 16, MAX_UNMAP_DESCRIPTORS = 256 };
enum { SAME_UNMAP = 1 << 3, SAME_NO_DATA_OUT = 1 << 0 };

bool scsi_medium(const ScsiUnit *u)
{
    return u->blk && blk_inserted(u->blk) && !u->tray_open;
}

uint64_t scsi_blocks(const ScsiUnit *u)
{
    return scsi_medium(u) ? blk_size(u->blk) / u->block_size : 0;
}

/* --- Ends of a command --- */

void scsi_fail(ScsiCommand *c, uint32_t sense)
{
    c->unit->sense = sense;
    c->status = SCSI_CHECK_CONDITION;
    c->phase = SCSI_DONE;
}

static void succeed(ScsiCommand *c)
{
    c->status = SCSI_GOOD;
    c->phase = SCSI_DONE;
}

uint8_t *scsi_data_in(ScsiCommand *c, uint32_t len, uint32_t allocation)
{
    c->data = g_malloc0(MAX(len, 1));
    c->len = MIN(len, allocation);
    c->status = SCSI_GOOD;
    c->phase = c->len ? SCSI_DATA_IN : SCSI_DONE;
    return c->data;
}

static void expect_data(ScsiCommand *c, uint32_t len)
{
    if (len > SCSI_DATA_MAX) {
        scsi_fail(c, SENSE_BAD_FIELD);
    } else if (!len) {
        succeed(c);
    } else {
        c->data = g_malloc0(len);
        c->len = len;
        c->phase = SCSI_DATA_OUT;
    }
}

void scsi_finish(ScsiCommand *c)
{
    g_free(c->data);
    c->data = NULL;
    c->len = 0;
}

static void complete(void *opaque, int ret)
{
    ScsiCommand *c = opaque;
    ScsiPhase phase = c->phase;

    if (ret == -ENOMEDIUM) {
        scsi_fail(c, SENSE_NOT_READY_NO_MEDIUM);
    } else if (ret == -EPERM) {
        scsi_fail(c, SENSE_WRITE_PROTECTED);
    } else if (ret) {
        scsi_fail(c, phase == SCSI_WRITE ? SENSE_MEDIUM_WRITE_ERROR : SENSE_MEDIUM_READ_ERROR);
    } else {
        succeed(c);
        c->phase = phase == SCSI_BUSY ? SCSI_DONE : phase; /* a transfer may have more parts */
    }
    c->done(c);
}

void scsi_fetch_sense(ScsiUnit *u, uint8_t out[SCSI_SENSE_SIZE])
{
    memset(out, 0, SCSI_SENSE_SIZE);
    out[0] = 0x70; /* current error, fixed format (SPC-4 4.5.3) */
    out[2] = u->sense >> 16;
    out[7] = SCSI_SENSE_SIZE - 8;
    out[12] = u->sense >> 8;
    out[13] = u->sense;
    u->sense = SENSE_NONE;
}

/* --- Reads and writes --- */

/* Start block and number of blocks, by the length of the CDB (SPC-4 4.2). */
static void cdb_range(const uint8_t *cdb, uint64_t *lba, uint32_t *count)
{
    switch (scsi_cdb_length(cdb[0])) {
    case 6:
        *lba = ld32_be(cdb) & 0x1fffff;
        *count = cdb[4] ? cdb[4] : 256;
        break;
    case 10:
        *lba = ld32_be(cdb + 2);
        *count = ld16_be(cdb + 7);
        break;
    case 12:
        *lba = ld32_be(cdb + 2);
        *count = ld32_be(cdb + 6);
        break;
    default: *lba = ld64_be(cdb + 2); *count = ld32_be(cdb + 10);
    }
}

/* The range of the CDB in bytes of the backend; fails the command when it is not on the medium. */
static bool take_range(ScsiCommand *c)
{
    ScsiUnit *u = c->unit;
    uint64_t lba, blocks = scsi_blocks(u);
    uint32_t count;

    cdb_range(c->cdb, &lba, &count);
    if (lba > blocks || count > blocks - lba) {
        scsi_fail(c, SENSE_BAD_LBA);
        return false;
    }
    c->offset = lba * u->block_size;
    c->bytes = (uint64_t)count * u->block_size;
    return true;
}

static bool check_writable(ScsiCommand *c)
{
    if (c->unit->cd || blk_read_only(c->unit->blk)) {
        scsi_fail(c, SENSE_WRITE_PROTECTED);
        return false;
    }
    return true;
}

static void start_read(ScsiCommand *c)
{
    if (take_range(c)) {
        succeed(c);
        c->phase = c->bytes ? SCSI_READ : SCSI_DONE;
    }
}

static void start_write(ScsiCommand *c)
{
    if (check_writable(c) && take_range(c)) {
        succeed(c);
        c->fua = !c->unit->write_cache ||
                 (scsi_cdb_length(c->cdb[0]) > 6 && (c->cdb[1] & 1 << 3)); /* FUA */
        c->phase = c->bytes ? SCSI_WRITE : SCSI_DONE;
    }
}

/* READ CD (MMC-6 6.19): only plain user data of mode-1 sectors. */
static void start_read_cd(ScsiCommand *c)
{
    uint64_t lba = ld32_be(c->cdb + 2), blocks = scsi_blocks(c->unit);
    uint32_t count = ld32_be(c->cdb + 5) & 0xffffff;

    if (count && c->cdb[9] != 0x10) {
        scsi_fail(c, SENSE_BAD_FIELD);
    } else if (lba > blocks || count > blocks - lba) {
        scsi_fail(c, SENSE_BAD_LBA);
    } else {
        c->offset = lba * c->unit->block_size;
        c->bytes = (uint64_t)count * c->unit->block_size;
        succeed(c);
        c->phase = count ? SCSI_READ : SCSI_DONE;
    }
}

void scsi_transfer(ScsiCommand *c, uint64_t skip, const struct iovec *iov, int n)
{
    uint64_t len = iov_length(iov, n);

    if (skip > c->bytes || len > c->bytes - skip) {
        complete(c, -EIO);
    } else if (c->phase == SCSI_WRITE) {
        blk_pwritev(c->unit->blk, c->offset + skip, iov, n, c->fua, complete, c);
    } else {
        blk_preadv(c->unit->blk, c->offset + skip, iov, n, complete, c);
    }
}

/* --- Other commands with the medium --- */

static void read_capacity_10(ScsiCommand *c)
{
    uint64_t last = scsi_blocks(c->unit);
    uint8_t *d;

    last -= last != 0;
    d = scsi_data_in(c, 8, 8);
    st32_be(d, MIN(last, UINT32_MAX));
    st32_be(d + 4, c->unit->block_size);
}

static void read_capacity_16(ScsiCommand *c)
{
    uint64_t last = scsi_blocks(c->unit);
    uint8_t *d;

    if ((c->cdb[1] & 0x1f) != SAI_READ_CAPACITY_16) {
        scsi_fail(c, SENSE_BAD_FIELD);
        return;
    }
    last -= last != 0;
    d = scsi_data_in(c, 32, ld32_be(c->cdb + 10));
    st64_be(d, last);
    st32_be(d + 8, c->unit->block_size);
    d[14] = c->unit->cd ? 0 : 0x80; /* LBPME: unmap works */
}

static void synchronize(ScsiCommand *c)
{
    c->phase = SCSI_BUSY;
    blk_flush(c->unit->blk, complete, c);
}

static void verify(ScsiCommand *c)
{
    if (c->cdb[1] & 0x06) { /* BYTCHK: compare with data sent */
        scsi_fail(c, SENSE_BAD_FIELD);
    } else if (take_range(c)) {
        succeed(c);
    }
}

/* One block repeated; zeroes (or no data at all) become a write of zeroes. */
static void write_same(ScsiCommand *c)
{
    if (!check_writable(c) || !take_range(c)) {
        return;
    }
    if (c->cdb[0] == WRITE_SAME_16 && (c->cdb[1] & SAME_NO_DATA_OUT)) {
        c->phase = SCSI_BUSY;
        blk_write_zeroes(c->unit->blk, c->offset, c->bytes, c->cdb[1] & SAME_UNMAP, complete, c);
    } else {
        expect_data(c, c->unit->block_size);
    }
}

static void write_same_data(ScsiCommand *c)
{
    for (uint32_t i = 0; i < c->len; i++) {
        if (c->data[i]) {
            scsi_fail(c, SENSE_BAD_FIELD); /* only zeroes can be repeated */
            return;
        }
    }
    c->phase = SCSI_BUSY;
    blk_write_zeroes(c->unit->blk, c->offset, c->bytes, c->cdb[1] & SAME_UNMAP, complete, c);
}

/* The unmap parameter list (SBC-3 5.28) is walked one range a discard; offset counts what is done. */
static void unmap_next(void *opaque, int ret)
{
    ScsiCommand *c = opaque;
    ScsiUnit *u = c->unit;

    while (!ret && c->offset + UNMAP_DESCRIPTOR <= c->bytes) {
        const uint8_t *d = c->data + c->offset;
        uint64_t lba = ld64_be(d), blocks = scsi_blocks(u);
        uint32_t count = ld32_be(d + 8);

        c->offset += UNMAP_DESCRIPTOR;
        if (lba > blocks || count > blocks - lba) {
            scsi_fail(c, SENSE_BAD_LBA);
            c->done(c);
            return;
        }
        if (count) {
            blk_discard(u->blk, lba * u->block_size, (uint64_t)count * u->block_size, unmap_next,
                        c);
            return;
        }
    }
    complete(c, ret);
}

static void unmap_data(ScsiCommand *c)
{
    uint32_t list = c->len >= 8 ? ld16_be(c->data + 2) : 0;

    if (c->len < 8 || list > c->len - 8 || list / UNMAP_DESCRIPTOR > MAX_UNMAP_DESCRIPTORS) {
        scsi_fail(c, SENSE_BAD_PARAMETER);
        return;
    }
    c->offset = 8;
    c->bytes = 8 + list;
    c->phase = SCSI_BUSY;
    /* Through the flush path, so that done() is never called from inside scsi_data_out(). */
    blk_flush(c->unit->blk, unmap_next, c);
}

/* Mode pages can be written back as they are; only the write cache of a disk can be changed. */
static void mode_select_data(ScsiCommand *c)
{
    bool ten = c->cdb[0] == MODE_SELECT_10;
    uint32_t at = ten ? 8 : 4, skip;

    if (c->len < at) {
        scsi_fail(c, SENSE_BAD_PARAMETER);
        return;
    }
    skip = ten ? ld16_be(c->data + 6) : c->data[3];
    for (at += skip; at + 2 <= c->len; at += 2 + c->data[at + 1]) {
        if ((c->data[at] & 0x3f) == 0x08 && at + 3 <= c->len && !c->unit->cd) {
            c->unit->write_cache = c->data[at + 2] & 1 << 2;
        }
    }
    succeed(c);
}

static void start_stop(ScsiCommand *c)
{
    ScsiUnit *u = c->unit;
    bool start = c->cdb[4] & 1, eject = c->cdb[4] & 2;

    if (c->cdb[4] >> 4 || !eject || !u->cd) {
        succeed(c); /* power conditions and spinning up change nothing here */
    } else if (!start && u->locked) {
        scsi_fail(c, SENSE_LOCKED);
    } else {
        if (u->tray_open && start) {
            u->unit_attention = SENSE_MEDIUM_CHANGED;
        }
        u->tray_open = !start;
        succeed(c);
    }
}

static void request_sense(ScsiCommand *c)
{
    ScsiUnit *u = c->unit;
    uint8_t raw[SCSI_SENSE_SIZE];

    if (u->sense == SENSE_NONE) {
        u->sense = u->unit_attention;
        u->unit_attention = SENSE_NONE;
    }
    scsi_fetch_sense(u, raw);
    memcpy(scsi_data_in(c, sizeof(raw), c->cdb[4]), raw, sizeof(raw));
}

static void report_luns(ScsiCommand *c)
{
    uint32_t allocation = ld32_be(c->cdb + 6);

    if (allocation < 16) {
        scsi_fail(c, SENSE_BAD_FIELD);
    } else {
        st32_be(scsi_data_in(c, 16, allocation), 8); /* one entry: LUN 0 */
    }
}

/* --- The table of commands --- */

enum { ANY = 0, NEED_MEDIUM = 1, NO_ATTENTION = 2, DISK_ONLY = 4, CD_ONLY = 8 };

typedef struct ScsiOp {
    uint8_t opcode, flags;
    void (*start)(ScsiCommand *c);
    void (*data_out)(ScsiCommand *c);
} ScsiOp;

static void lock_tray(ScsiCommand *c)
{
    c->unit->locked = c->cdb[4] & 1;
    succeed(c);
}

static void mode_select_6(ScsiCommand *c)
{
    expect_data(c, c->cdb[4]);
}

static void list_of_16_bits(ScsiCommand *c)
{
    expect_data(c, ld16_be(c->cdb + 7));
}

static void unmap(ScsiCommand *c)
{
    if (check_writable(c)) {
        list_of_16_bits(c);
    }
}

static const ScsiOp scsi_ops[] = {
    {TEST_UNIT_READY, NEED_MEDIUM, succeed},
    {REQUEST_SENSE, NO_ATTENTION, request_sense},
    {READ_6, NEED_MEDIUM | DISK_ONLY, start_read},
    {WRITE_6, NEED_MEDIUM | DISK_ONLY, start_write},
    {INQUIRY, NO_ATTENTION, scsi_inquiry},
    {MODE_SELECT_6, ANY, mode_select_6, mode_select_data},
    {RESERVE_6, ANY, succeed},
    {RELEASE_6, ANY, succeed},
    {MODE_SENSE_6, ANY, scsi_mode_sense},
    {START_STOP, ANY, start_stop},
    {PREVENT_REMOVAL, ANY, lock_tray},
    {READ_CAPACITY_10, NEED_MEDIUM, read_capacity_10},
    {READ_10, NEED_MEDIUM, start_read},
    {WRITE_10, NEED_MEDIUM, start_write},
    {SEEK_10, NEED_MEDIUM, succeed},
    {WRITE_VERIFY_10, NEED_MEDIUM, start_write},
    {VERIFY_10, NEED_MEDIUM, verify},
    {SYNCHRONIZE_10, NEED_MEDIUM, synchronize},
    {WRITE_SAME_10, NEED_MEDIUM | DISK_ONLY, write_same, write_same_data},
    {UNMAP, NEED_MEDIUM | DISK_ONLY, unmap, unmap_data},
    {READ_TOC, NEED_MEDIUM | CD_ONLY, scsi_read_toc},
    {GET_CONFIGURATION, NO_ATTENTION | CD_ONLY, scsi_get_configuration},
    {EVENT_STATUS, NO_ATTENTION | CD_ONLY, scsi_event_status},
    {READ_DISC_INFORMATION, NEED_MEDIUM | CD_ONLY, scsi_read_disc_information},
    {MODE_SELECT_10, ANY, list_of_16_bits, mode_select_data},
    {MODE_SENSE_10, ANY, scsi_mode_sense},
    {READ_16, NEED_MEDIUM | DISK_ONLY, start_read},
    {WRITE_16, NEED_MEDIUM | DISK_ONLY, start_write},
    {WRITE_VERIFY_16, NEED_MEDIUM | DISK_ONLY, start_write},
    {VERIFY_16, NEED_MEDIUM | DISK_ONLY, verify},
    {SYNCHRONIZE_16, NEED_MEDIUM | DISK_ONLY, synchronize},
    {WRITE_SAME_16, NEED_MEDIUM | DISK_ONLY, write_same, write_same_data},
    {SERVICE_ACTION_IN_16, NEED_MEDIUM | DISK_ONLY, read_capacity_16},
    {REPORT_LUNS, NO_ATTENTION, report_luns},
    {READ_12, NEED_MEDIUM, start_read},
    {WRITE_12, NEED_MEDIUM, start_write},
    {READ_DVD_STRUCTURE, NEED_MEDIUM | CD_ONLY, scsi_read_dvd_structure},
    {SET_CD_SPEED, CD_ONLY, succeed},
    {MECHANISM_STATUS, CD_ONLY, scsi_mechanism_status},
    {READ_CD, NEED_MEDIUM | CD_ONLY, start_read_cd},
};

static const ScsiOp *find_op(const ScsiCommand *c)
{
    uint8_t other = c->unit->cd ? DISK_ONLY : CD_ONLY;

    for (unsigned i = 0; i < ARRAY_SIZE(scsi_ops); i++) {
        if (scsi_ops[i].opcode == c->cdb[0]) {
            return scsi_ops[i].flags & other ? NULL : &scsi_ops[i];
        }
    }
    return NULL;
}

/* --- For transports --- */

unsigned scsi_cdb_length(uint8_t opcode)
{
    static const uint8_t by_group[8] = {6, 10, 10, 12, 16, 12, 12, 12};

    return by_group[opcode >> 5];
}

void scsi_start(ScsiCommand *c)
{
    ScsiUnit *u = c->unit;
    const ScsiOp *op = find_op(c);

    if (!op) {
        scsi_fail(c, SENSE_BAD_OPCODE);
    } else if (!(op->flags & NO_ATTENTION) && u->unit_attention) {
        scsi_fail(c, u->unit_attention);
        u->unit_attention = SENSE_NONE;
    } else if ((op->flags & NEED_MEDIUM) && !scsi_medium(u)) {
        scsi_fail(c, SENSE_NOT_READY_NO_MEDIUM);
    } else {
        op->start(c);
    }
}

void scsi_data_out(ScsiCommand *c)
{
    const ScsiOp *op = find_op(c);

    if (op && op->data_out) {
        op->data_out(c);
    } else {
        scsi_fail(c, SENSE_BAD_OPCODE);
    }
}

void scsi_unit_reset(ScsiUnit *u)
{
    u->sense = SENSE_NONE;
    u->unit_attention = SENSE_POWER_ON;
    u->tray_open = false;
    u->locked = false;
    u->write_cache = true;
}

void scsi_unit_snapshot(ScsiUnit *u, Snapshot *sn)
{
    snap_section(sn, "scsi-unit", 1);
    snap_fields(sn, &u->sense, &u->unit_attention, &u->tray_open, &u->locked, &u->write_cache);
}

void scsi_command_snapshot(ScsiCommand *c, Snapshot *sn)
{
    uint32_t phase = c->phase;

    snap_section(sn, "scsi-command", 1);
    snap_bytes(sn, c->cdb, sizeof(c->cdb));
    snap_u32_max(sn, &phase, SCSI_WRITE);
    snap_fields(sn, &c->status, &c->offset, &c->bytes, &c->fua);
    snap_buffer(sn, &c->data, &c->len, SCSI_DATA_MAX);
    c->phase = phase;
}
