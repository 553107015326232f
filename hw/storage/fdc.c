/* SPDX-License-Identifier: MIT */
/*
 * Floppy controller of a PC: an 82077AA in AT mode.  Spec: Intel 82077AA data sheet (290166).
 * Models all commands but the three scans, by DMA and by programmed I/O, with implied seeks.  Images hold
 * the data of 512-byte sectors and nothing else: deleted marks are not kept, sectors with foreign numbers
 * cannot be formatted.  Not modelled: time (heads arrive at once), tape drives, FM, the FIFO's threshold.
 * Threading: the machine lock; sectors are read and written asynchronously.
 */
#include "rhea/osdep.h"

#include "floppy.h"
#include "hw/dma/i8237.h"
#include "hw/isa/isa.h"
#include "hw/storage/fdc.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

enum { IO_BASE = 0x3f0, LOW_PORTS = 6, HIGH_PORT = 7, IRQ = 6, DMA_CHANNEL = 2 };
enum { REG_DOR = 2, REG_TDR = 3, REG_STATUS = 4 /* data rate on writes */, REG_FIFO = 5 };
enum { DOR_RUN = 0x04, DOR_GATE = 0x08, DOR_MOTOR = 0x10, DSR_RESET = 0x80, RATE_MASK = 3 };
enum { MSR_READY = 0x80, MSR_TO_HOST = 0x40, MSR_PIO = 0x20, MSR_BUSY = 0x10, DIR_CHANGED = 0x80 };
enum { CMD_MT = 0x80, CMD_MFM = 0x40, CMD_UP = 0x40, CMD_LOCK = 0x80, CMD_CODE = 0x1f };
enum { HLT_PIO = 0x01, CONFIG_IMPLIED_SEEK = 0x40, CONFIG_RESET = 0x20, VERIFY_COUNT = 0x80 };
enum {
    ST0_ABNORMAL = 0x40,
    ST0_INVALID = 0x80,
    ST0_RESET = 0xc0,
    ST0_SEEK = 0x20,
    ST0_CHECK = 0x10
};
enum {
    ST1_END = 0x80,
    ST1_DATA = 0x20,
    ST1_OVERRUN = 0x10,
    ST1_NO_DATA = 0x04,
    ST1_PROTECTED = 0x02,
    ST1_NO_MARK = 0x01
};
enum { ST2_MARK = 0x40, ST2_DATA = 0x20, ST2_CYLINDER = 0x10 };
enum { ST3_PROTECTED = 0x40, ST3_READY = 0x20, ST3_TRACK0 = 0x10, ST3_TWO_SIDES = 0x08 };
enum { UNITS = 4, COMMAND_MAX = 9, RESULT_MAX = 10, SIZE_CODE = 2 /* 512 bytes */, ID_BYTES = 4 };
/* Bytes of a command. */
enum { P_UNIT = 1, P_CYLINDER, P_HEAD, P_SECTOR, P_SIZE, P_LAST, P_GAP, P_COUNT };
enum { F_SIZE = 2, F_COUNT, F_GAP, F_FILL };
enum {
    READ_TRACK = 0x02,
    WRITE = 0x05,
    WRITE_DELETED = 0x09,
    READ_DELETED = 0x0c,
    FORMAT = 0x0d,
    VERIFY = 0x16
};

typedef enum FdcPhase { FDC_COMMAND, FDC_EXECUTION, FDC_RESULT } FdcPhase;

typedef struct Fdc {
    IsaDevice parent;
    /* wiring */
    FloppyBus *bus;
    Device *dma;
    IrqLine irq;
    MemRegion low, high;
    /* guest-visible: everything from here on is in fdc_snapshot */
    uint8_t dor, rate, tape, config, pretrack, perpendicular, srt_hut, hlt_nd, last_count;
    bool lock, interrupt; /* interrupt: of a result, or of a reset */
    uint8_t sense[UNITS]; /* status 0 for SENSE INTERRUPT STATUS; 0: nothing to tell */
    uint8_t cylinder_of[UNITS];
    uint32_t phase, ncommand, nresult, result_pos;
    uint8_t command[COMMAND_MAX], result[RESULT_MAX];
    /* the transfer: address in sector numbers as the guest gave them, side as the heads are */
    uint8_t cylinder, head, sector, side, left, turn;
    bool to_host, pio_ready, terminal;
    uint32_t pos, len;
    uint8_t buf[FLOPPY_SECTOR];
} Fdc;

typedef struct FdcCommand {
    uint8_t code, mask, params;
    void (*run)(Fdc *s);
} FdcCommand;

static FloppyDrive *fdc_drive(const Fdc *s, unsigned unit)
{
    return unit < FLOPPY_DRIVES ? s->bus->drive[unit] : NULL;
}

static unsigned fdc_unit(const Fdc *s)
{
    return s->command[P_UNIT] % UNITS;
}

static unsigned fdc_code(const Fdc *s)
{
    return s->command[0] & CMD_CODE;
}

/* --- Interrupt and phases --- */

/* A reset's four reports come with one interrupt, those of seeks with one each. */
static void fdc_update_irq(Fdc *s)
{
    bool level = s->interrupt || s->pio_ready;

    for (unsigned i = 0; i < UNITS; i++) {
        level |= s->sense[i] && (s->sense[i] & ST0_RESET) != ST0_RESET;
    }
    irq_set(&s->irq, level && (s->dor & DOR_GATE) && (s->dor & DOR_RUN));
}

static void fdc_idle(Fdc *s)
{
    s->phase = FDC_COMMAND;
    s->ncommand = s->nresult = s->result_pos = 0;
}

static void fdc_give(Fdc *s, unsigned n)
{
    s->phase = FDC_RESULT;
    s->nresult = n;
    s->result_pos = 0;
}

/* The result of a command that works on a medium, with its interrupt. */
static void fdc_finish(Fdc *s, uint8_t st0, uint8_t st1, uint8_t st2)
{
    const uint8_t result[] = {
        st0 | s->side << 2 | fdc_unit(s), st1, st2, s->cylinder, s->head, s->sector, SIZE_CODE};

    memcpy(s->result, result, sizeof(result));
    s->pio_ready = false;
    s->interrupt = true;
    fdc_give(s, sizeof(result));
    fdc_update_irq(s);
}

static void fdc_fail(Fdc *s, uint8_t st1, uint8_t st2)
{
    fdc_finish(s, ST0_ABNORMAL, st1, st2);
}

/* --- Where the heads are --- */

static void fdc_move_heads(Fdc *s, unsigned unit, unsigned cylinder)
{
    FloppyDrive *d = fdc_drive(s, unit);

    s->cylinder_of[unit] = cylinder;
    if (d) {
        floppy_seek(d, cylinder);
    }
}

/* Status 1 of a command that finds no readable medium under its heads; 0: there is one. */
static uint8_t fdc_check_medium(const Fdc *s, const FloppyDrive *d, const FloppyFormat *f)
{
    bool readable = f && (s->command[0] & CMD_MFM) && s->rate == floppy_rate(d, f) &&
                    d->track < f->cylinders && s->side < f->heads;

    return readable ? 0 : ST1_NO_MARK;
}

static uint64_t fdc_offset(const Fdc *s, const FloppyDrive *d, const FloppyFormat *f)
{
    unsigned track = d->track * f->heads + s->side;

    return ((uint64_t)track * f->sectors + s->sector - 1) * FLOPPY_SECTOR;
}

/* The sector that the command names is on the track; statuses 1 and 2 say what is wrong. */
static bool fdc_find_sector(Fdc *s, uint8_t *st1, uint8_t *st2)
{
    const FloppyDrive *d = fdc_drive(s, fdc_unit(s));
    const FloppyFormat *f = floppy_format(d);
    bool write = fdc_code(s) == WRITE || fdc_code(s) == WRITE_DELETED;

    *st2 = 0;
    *st1 = fdc_check_medium(s, d, f);
    if (*st1) {
        return false;
    }
    if (write && blk_read_only(d->blk)) {
        *st1 = ST1_PROTECTED;
    } else if (s->cylinder != d->track) {
        *st1 = ST1_NO_DATA;
        *st2 = ST2_CYLINDER;
    } else if (s->head != s->side || s->command[P_SIZE] != SIZE_CODE || s->sector < 1 ||
               s->sector > f->sectors || fdc_offset(s, d, f) + FLOPPY_SECTOR > blk_size(d->blk)) {
        *st1 = ST1_NO_DATA;
    }
    return !*st1;
}

/* --- Data: DMA at once, PIO as the host comes for it --- */

static void fdc_chunk_done(Fdc *s);

static void fdc_move(Fdc *s, uint32_t len, bool to_host)
{
    uint32_t moved;

    s->pos = 0;
    s->len = len;
    s->to_host = to_host;
    if (s->hlt_nd & HLT_PIO) {
        s->pio_ready = true;
        fdc_update_irq(s);
        return;
    }
    moved = s->dor & DOR_GATE
                ? i8237_transfer(s->dma, DMA_CHANNEL, s->buf, len, to_host, &s->terminal)
                : 0;
    if (moved < len && !s->terminal) {
        fdc_fail(s, ST1_OVERRUN, 0); /* nobody served the requests */
        return;
    }
    if (!to_host) {
        memset(s->buf + moved, 0, len - moved);
    }
    fdc_chunk_done(s);
}

/* --- Reading and writing sectors --- */

static void fdc_next_sector(Fdc *s);

/* To the number of the next sector (table 6-5); false: that was the last one of the command. */
static bool fdc_step_address(Fdc *s)
{
    bool other_side = (s->command[0] & CMD_MT) && !s->side;

    if (s->sector != s->command[P_LAST]) {
        s->sector++;
        return true;
    }
    s->sector = 1;
    if (s->command[0] & CMD_MT) {
        s->head ^= 1;
        s->side ^= 1;
    }
    s->cylinder += other_side ? 0 : 1;
    return other_side;
}

static void fdc_advance(Fdc *s)
{
    bool counted = fdc_code(s) == VERIFY && (s->command[P_UNIT] & VERIFY_COUNT) && --s->left == 0;
    bool more = fdc_step_address(s);

    if (s->terminal || counted) {
        fdc_finish(s, 0, 0, fdc_code(s) == READ_DELETED ? ST2_MARK : 0);
    } else if (fdc_code(s) == READ_DELETED) {
        fdc_finish(s, 0, 0, ST2_MARK); /* stops behind a sector with the other mark */
    } else if (!more) {
        fdc_fail(s, ST1_END, 0);
    } else {
        fdc_next_sector(s);
    }
}

static void fdc_read_done(void *opaque, int ret)
{
    Fdc *s = opaque;

    if (s->phase != FDC_EXECUTION) {
        return; /* reset meanwhile */
    }
    if (ret) {
        fdc_fail(s, ST1_DATA, ST2_DATA);
    } else if (fdc_code(s) == VERIFY) {
        fdc_advance(s);
    } else {
        fdc_move(s, FLOPPY_SECTOR, true);
    }
}

static void fdc_write_done(void *opaque, int ret)
{
    Fdc *s = opaque;

    if (s->phase != FDC_EXECUTION) {
        return; /* reset meanwhile */
    }
    if (ret) {
        fdc_fail(s, ST1_DATA, ST2_DATA);
    } else if (fdc_code(s) != FORMAT) {
        fdc_advance(s);
    } else if (--s->left == 0) {
        fdc_finish(s, 0, 0, 0);
    } else {
        fdc_move(s, ID_BYTES, false);
    }
}

static void fdc_next_sector(Fdc *s)
{
    const FloppyDrive *d = fdc_drive(s, fdc_unit(s));
    struct iovec iov = {s->buf, FLOPPY_SECTOR};
    uint8_t st1, st2;

    if (!fdc_find_sector(s, &st1, &st2)) {
        fdc_fail(s, st1, st2);
    } else if (fdc_code(s) == WRITE || fdc_code(s) == WRITE_DELETED) {
        fdc_move(s, FLOPPY_SECTOR, false);
    } else {
        blk_preadv(d->blk, fdc_offset(s, d, floppy_format(d)), &iov, 1, fdc_read_done, s);
    }
}

static void fdc_write_buffer(Fdc *s)
{
    const FloppyDrive *d = fdc_drive(s, fdc_unit(s));
    const FloppyFormat *f = floppy_format(d);
    struct iovec iov = {s->buf, FLOPPY_SECTOR};

    if (f) {
        blk_pwritev(d->blk, fdc_offset(s, d, f), &iov, 1, false, fdc_write_done, s);
    } else {
        fdc_fail(s, ST1_NO_MARK, 0); /* the medium is gone */
    }
}

static void fdc_transfer(Fdc *s)
{
    s->phase = FDC_EXECUTION;
    s->terminal = false;
    s->cylinder = s->command[P_CYLINDER];
    s->head = s->command[P_HEAD];
    s->sector = fdc_code(s) == READ_TRACK ? 1 : s->command[P_SECTOR];
    s->left = s->command[P_COUNT];
    s->last_count = s->command[P_LAST];
    if (s->config & CONFIG_IMPLIED_SEEK) {
        fdc_move_heads(s, fdc_unit(s), s->cylinder);
    }
    fdc_next_sector(s);
}

/* --- FORMAT TRACK: four bytes from the host for each sector --- */

static void fdc_format(Fdc *s)
{
    const FloppyDrive *d = fdc_drive(s, fdc_unit(s));
    uint8_t st1 = fdc_check_medium(s, d, floppy_format(d));

    s->phase = FDC_EXECUTION;
    s->terminal = false;
    s->left = s->last_count = s->command[F_COUNT];
    if (!st1 && blk_read_only(d->blk)) {
        st1 = ST1_PROTECTED;
    } else if (!st1 && s->command[F_SIZE] != SIZE_CODE) {
        st1 = ST1_NO_DATA;
    }
    if (st1) {
        fdc_fail(s, st1, 0);
    } else if (s->left) {
        fdc_move(s, ID_BYTES, false);
    } else {
        fdc_finish(s, 0, 0, 0);
    }
}

static void fdc_format_sector(Fdc *s)
{
    const FloppyDrive *d = fdc_drive(s, fdc_unit(s));
    const FloppyFormat *f = floppy_format(d);

    s->cylinder = s->buf[0];
    s->head = s->buf[1];
    s->sector = s->buf[2];
    if (!f || s->cylinder != d->track || s->head != s->side || s->buf[3] != SIZE_CODE ||
        s->sector < 1 || s->sector > f->sectors ||
        fdc_offset(s, d, f) + FLOPPY_SECTOR > blk_size(d->blk)) {
        fdc_fail(s, ST1_NO_DATA, 0);
        return;
    }
    memset(s->buf, s->command[F_FILL], FLOPPY_SECTOR);
    fdc_write_buffer(s);
}

static void fdc_chunk_done(Fdc *s)
{
    if (s->to_host) {
        fdc_advance(s);
    } else if (fdc_code(s) == FORMAT) {
        fdc_format_sector(s);
    } else {
        fdc_write_buffer(s);
    }
}

/* --- The other commands --- */

static void fdc_read_id(Fdc *s)
{
    const FloppyDrive *d = fdc_drive(s, fdc_unit(s));
    const FloppyFormat *f = floppy_format(d);
    uint8_t st1 = fdc_check_medium(s, d, f);

    if (st1) {
        fdc_fail(s, st1, 0);
        return;
    }
    s->turn = s->turn % f->sectors + 1; /* the disk turns on */
    s->cylinder = d->track;
    s->head = s->side;
    s->sector = s->turn;
    fdc_finish(s, 0, 0, 0);
}

static void fdc_seek_to(Fdc *s, unsigned cylinder)
{
    unsigned unit = fdc_unit(s);

    fdc_move_heads(s, unit, cylinder);
    s->sense[unit] = ST0_SEEK | s->side << 2 | unit;
    fdc_idle(s);
    fdc_update_irq(s);
}

static void fdc_seek(Fdc *s)
{
    fdc_seek_to(s, s->command[P_CYLINDER]);
}

static void fdc_relative_seek(Fdc *s)
{
    int by = s->command[P_CYLINDER], at = s->cylinder_of[fdc_unit(s)];

    fdc_seek_to(s, (unsigned)CLAMP(s->command[0] & CMD_UP ? at + by : at - by, 0, 255));
}

/* Without a drive, track 0 is never reported. */
static void fdc_recalibrate(Fdc *s)
{
    unsigned unit = fdc_unit(s);

    fdc_seek_to(s, 0);
    if (!fdc_drive(s, unit)) {
        s->sense[unit] |= ST0_ABNORMAL | ST0_CHECK;
    }
}

static void fdc_sense_interrupt(Fdc *s)
{
    unsigned unit = 0;

    while (unit < UNITS && !s->sense[unit]) {
        unit++;
    }
    if (unit == UNITS) {
        s->result[0] = ST0_INVALID;
        fdc_give(s, 1);
        return;
    }
    s->result[0] = s->sense[unit];
    s->result[1] = s->cylinder_of[unit];
    s->sense[unit] = 0;
    s->interrupt = false;
    fdc_give(s, 2);
    fdc_update_irq(s);
}

static void fdc_sense_drive(Fdc *s)
{
    const FloppyDrive *d = fdc_drive(s, fdc_unit(s));
    uint8_t st3 = ST3_READY | ST3_TWO_SIDES | (s->command[P_UNIT] & 7);

    if (d && !d->track) {
        st3 |= ST3_TRACK0;
    }
    if (d && d->blk && blk_read_only(d->blk)) {
        st3 |= ST3_PROTECTED;
    }
    s->result[0] = st3;
    fdc_give(s, 1);
}

static void fdc_specify(Fdc *s)
{
    s->srt_hut = s->command[1];
    s->hlt_nd = s->command[2];
    fdc_idle(s);
}

static void fdc_configure(Fdc *s)
{
    s->config = s->command[2];
    s->pretrack = s->command[3];
    fdc_idle(s);
}

static void fdc_set_perpendicular(Fdc *s)
{
    s->perpendicular = s->command[1] & 0x3f;
    fdc_idle(s);
}

static void fdc_set_lock(Fdc *s)
{
    s->lock = s->command[0] & CMD_LOCK;
    s->result[0] = s->lock << 4;
    fdc_give(s, 1);
}

static void fdc_version(Fdc *s)
{
    s->result[0] = 0x90; /* enhanced controller */
    fdc_give(s, 1);
}

static void fdc_dump_registers(Fdc *s)
{
    const uint8_t result[RESULT_MAX] = {
        s->cylinder_of[0], s->cylinder_of[1], s->cylinder_of[2], s->cylinder_of[3],
        s->srt_hut,        s->hlt_nd,         s->last_count,     s->lock << 7 | s->perpendicular,
        s->config,         s->pretrack};

    memcpy(s->result, result, sizeof(result));
    fdc_give(s, RESULT_MAX);
}

static const FdcCommand fdc_commands[] = {
    {READ_TRACK, 0xbf, 8, fdc_transfer},
    {0x03, 0xff, 2, fdc_specify},
    {0x04, 0xff, 1, fdc_sense_drive},
    {WRITE, 0x3f, 8, fdc_transfer},
    {0x06, 0x1f, 8, fdc_transfer},
    {0x07, 0xff, 1, fdc_recalibrate},
    {0x08, 0xff, 0, fdc_sense_interrupt},
    {WRITE_DELETED, 0x3f, 8, fdc_transfer},
    {0x0a, 0xbf, 1, fdc_read_id},
    {READ_DELETED, 0x1f, 8, fdc_transfer},
    {FORMAT, 0xbf, 5, fdc_format},
    {0x0e, 0xff, 0, fdc_dump_registers},
    {0x0f, 0xff, 2, fdc_seek},
    {0x10, 0xff, 0, fdc_version},
    {0x12, 0xff, 1, fdc_set_perpendicular},
    {0x13, 0xff, 3, fdc_configure},
    {0x14, 0x7f, 0, fdc_set_lock},
    {VERIFY, 0x1f, 8, fdc_transfer},
    {0x8f, 0xbf, 2, fdc_relative_seek},
};

static const FdcCommand *fdc_find_command(uint8_t byte)
{
    for (size_t i = 0; i < ARRAY_SIZE(fdc_commands); i++) {
        if ((byte & fdc_commands[i].mask) == fdc_commands[i].code) {
            return &fdc_commands[i];
        }
    }
    return NULL;
}

static void fdc_take_command(Fdc *s, uint8_t byte)
{
    const FdcCommand *c;

    s->command[s->ncommand++] = byte;
    c = fdc_find_command(s->command[0]);
    if (!c) {
        s->result[0] = ST0_INVALID;
        fdc_give(s, 1);
    } else if (s->ncommand >= 1u + c->params) {
        s->ncommand = 0;
        s->side = c->params ? s->command[P_UNIT] >> 2 & 1 : 0;
        c->run(s);
    }
}

/* --- Registers --- */

static void fdc_stop(Fdc *s)
{
    fdc_idle(s);
    s->pio_ready = s->interrupt = false;
    memset(s->sense, 0, sizeof(s->sense));
    memset(s->cylinder_of, 0, sizeof(s->cylinder_of));
    for (unsigned i = 0; i < FLOPPY_DRIVES; i++) {
        FloppyDrive *d = fdc_drive(s, i);

        if (d && d->blk) {
            blk_drain(d->blk);
        }
    }
    if (!s->lock) {
        s->config = CONFIG_RESET;
        s->pretrack = 0;
    }
    s->perpendicular &= ~3;
    fdc_update_irq(s);
}

/* Out of reset the controller polls its drives, and reports on each. */
static void fdc_restart(Fdc *s)
{
    for (unsigned i = 0; i < UNITS; i++) {
        s->sense[i] = ST0_RESET | i;
    }
    s->interrupt = true;
    fdc_update_irq(s);
}

static void fdc_write_dor(Fdc *s, uint8_t value)
{
    bool ran = s->dor & DOR_RUN;

    s->dor = value;
    if (ran && !(value & DOR_RUN)) {
        fdc_stop(s);
    } else if (!ran && (value & DOR_RUN)) {
        fdc_restart(s);
    }
    fdc_update_irq(s);
}

static uint8_t fdc_status(const Fdc *s)
{
    if (!(s->dor & DOR_RUN)) {
        return 0;
    }
    switch ((FdcPhase)s->phase) {
    case FDC_COMMAND: return MSR_READY | (s->ncommand ? MSR_BUSY : 0);
    case FDC_RESULT: return MSR_READY | MSR_TO_HOST | MSR_BUSY;
    default:
        return MSR_BUSY | (s->hlt_nd & HLT_PIO ? MSR_PIO : 0) | (s->pio_ready ? MSR_READY : 0) |
               (s->pio_ready && s->to_host ? MSR_TO_HOST : 0);
    }
}

/* One byte of the execution phase has moved. */
static void fdc_pio_moved(Fdc *s)
{
    if (++s->pos >= s->len) {
        s->pio_ready = false;
        fdc_update_irq(s);
        fdc_chunk_done(s);
    }
}

static uint8_t fdc_read_fifo(Fdc *s)
{
    uint8_t value = 0;

    if (s->phase == FDC_RESULT) {
        value = s->result[s->result_pos++];
        s->interrupt = false;
        if (s->result_pos >= s->nresult) {
            fdc_idle(s);
        }
        fdc_update_irq(s);
    } else if (s->pio_ready && s->to_host) {
        value = s->buf[s->pos];
        fdc_pio_moved(s);
    }
    return value;
}

static void fdc_write_fifo(Fdc *s, uint8_t value)
{
    if (!(s->dor & DOR_RUN)) {
        return;
    }
    if (s->phase == FDC_COMMAND) {
        fdc_take_command(s, value);
    } else if (s->pio_ready && !s->to_host) {
        s->buf[s->pos] = value;
        fdc_pio_moved(s);
    }
}

static uint64_t fdc_low_read(void *opaque, uint64_t offset, unsigned size)
{
    Fdc *s = opaque;

    switch (offset) {
    case REG_DOR: return s->dor;
    case REG_TDR: return s->tape | 0xfc;
    case REG_STATUS: return fdc_status(s);
    case REG_FIFO: return fdc_read_fifo(s);
    default: return 0xff; /* status registers A and B are not there in AT mode */
    }
}

static void fdc_low_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Fdc *s = opaque;

    switch (offset) {
    case REG_DOR: fdc_write_dor(s, value); break;
    case REG_TDR: s->tape = value & 3; break;
    case REG_STATUS:
        s->rate = value & RATE_MASK;
        if ((value & DSR_RESET) && (s->dor & DOR_RUN)) {
            fdc_stop(s);
            fdc_restart(s);
        }
        break;
    case REG_FIFO: fdc_write_fifo(s, value); break;
    default: break;
    }
}

static const MemOps fdc_low_ops = ISA_BYTE_PORTS(fdc_low_read, fdc_low_write);

/* The disk-change line of the selected drive, when its motor runs. */
static uint64_t fdc_high_read(void *opaque, uint64_t offset, unsigned size)
{
    const Fdc *s = opaque;
    unsigned unit = s->dor % UNITS;
    const FloppyDrive *d = fdc_drive(s, unit);

    return d && d->changed && (s->dor & DOR_MOTOR << unit) ? DIR_CHANGED : 0;
}

static void fdc_high_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ((Fdc *)opaque)->rate = value & RATE_MASK;
}

static const MemOps fdc_high_ops = ISA_BYTE_PORTS(fdc_high_read, fdc_high_write);

/* --- Life --- */

Bus *fdc_bus(Device *fdc)
{
    return &dev_state(fdc, Fdc)->bus->bus;
}

uint8_t fdc_cmos_type(Device *fdc, unsigned unit)
{
    static const uint8_t types[] = {[FLOPPY_144] = 4, [FLOPPY_288] = 5, [FLOPPY_120] = 2};
    const FloppyDrive *d = fdc_drive(dev_state(fdc, Fdc), unit);

    return d ? types[d->kind] : 0;
}

static void fdc_reset(Device *dev)
{
    Fdc *s = dev_state(dev, Fdc);

    s->lock = false;
    fdc_stop(s);
    s->dor = s->rate = s->tape = s->perpendicular = s->srt_hut = s->hlt_nd = s->last_count = 0;
    fdc_update_irq(s);
}

static bool fdc_realize(Device *dev, Error **errp)
{
    Fdc *s = dev_state(dev, Fdc);
    IsaBus *isa = qom_cast(dev->parent_bus, TYPE_ISA_BUS);

    s->dma = isa->dma;
    if (!s->dma) {
        return error_fail(errp, TYPE_ISA_FDC ": this machine has no DMA controller");
    }
    irq_line_init(&s->irq, dev, "irq");
    if (!isa_connect_irq(&s->parent, &s->irq, IRQ, errp)) {
        return false;
    }
    s->bus =
        qom_cast(bus_new(dev, TYPE_FLOPPY_BUS, "floppy-bus.0", FLOPPY_DRIVES), TYPE_FLOPPY_BUS);
    mem_init_io(&s->low, &dev->obj, &fdc_low_ops, s, "fdc", LOW_PORTS);
    mem_init_io(&s->high, &dev->obj, &fdc_high_ops, s, "fdc-dir", 1);
    isa_add_ports(&s->parent, IO_BASE, &s->low);
    isa_add_ports(&s->parent, IO_BASE + HIGH_PORT, &s->high);
    return true;
}

static void fdc_snapshot(Device *dev, Snapshot *sn)
{
    Fdc *s = dev_state(dev, Fdc);

    snap_section(sn, "fdc", 1);
    snap_fields(sn, &s->dor, &s->rate, &s->tape, &s->config, &s->pretrack, &s->perpendicular);
    snap_fields(sn, &s->srt_hut, &s->hlt_nd, &s->last_count, &s->lock, &s->interrupt);
    snap_bytes(sn, s->sense, UNITS);
    snap_bytes(sn, s->cylinder_of, UNITS);
    snap_u32_max(sn, &s->phase, FDC_RESULT);
    snap_u32_max(sn, &s->ncommand, COMMAND_MAX - 1);
    snap_u32_max(sn, &s->nresult, RESULT_MAX);
    snap_u32_max(sn, &s->result_pos, RESULT_MAX - 1);
    snap_bytes(sn, s->command, COMMAND_MAX);
    snap_bytes(sn, s->result, RESULT_MAX);
    snap_fields(sn, &s->cylinder, &s->head, &s->sector, &s->side, &s->left, &s->turn);
    snap_fields(sn, &s->to_host, &s->pio_ready, &s->terminal);
    snap_u32_max(sn, &s->pos, FLOPPY_SECTOR - 1);
    snap_u32_max(sn, &s->len, FLOPPY_SECTOR);
    snap_bytes(sn, s->buf, FLOPPY_SECTOR);
}

static void fdc_after_load(Device *dev)
{
    fdc_update_irq(dev_state(dev, Fdc));
}

static const DeviceOps fdc_ops = DEVICE_OPS(fdc_snapshot, .realize = fdc_realize,
                                            .reset = fdc_reset, .after_load = fdc_after_load);
QOM_TYPE(fdc_type, .name = TYPE_ISA_FDC, .parent = TYPE_ISA_DEVICE, .size = sizeof(Fdc),
         .desc = "82077AA floppy controller", .dev = &fdc_ops);
