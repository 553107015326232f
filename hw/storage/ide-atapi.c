/* SPDX-License-Identifier: MIT */
/*
 * ATAPI: the packet protocol around a SCSI unit (scsi.c).  See hw/storage/ide.h.
 * Specs: ATA/ATAPI-7 6.26 (PACKET), SFF-8020i for the interrupt reason.
 */
#include "rhea/osdep.h"

#include "hw/storage/ide.h"
#include "rhea/endian.h"

enum {
    PACKET = 0xa0,
    IDENTIFY_PACKET = 0xa1,
    IDENTIFY = 0xec,
    SET_FEATURES = 0xef,
    CHECK_POWER = 0xe5,
    STANDBY_NOW = 0xe0,
    IDLE_NOW = 0xe1,
    NOP = 0x00,
};
enum { PACKET_SIZE = 12, FEATURE_DMA = 1 };
/* Interrupt reason, in the sector count register. */
enum { REASON_COMMAND = 1, REASON_TO_HOST = 2 };

void ide_atapi_abandon(IdeDrive *d)
{
    scsi_finish(&d->packet);
    d->packet.phase = SCSI_DONE;
    d->packet_pos = 0;
}

/* The packet is through: status to the host. */
static void packet_end(IdeDrive *d)
{
    uint8_t sense = d->packet.status == SCSI_GOOD ? 0 : d->scsi.sense >> 16;

    ide_atapi_abandon(d);
    d->tf.count[0] = REASON_COMMAND | REASON_TO_HOST;
    if (d->packet.status == SCSI_GOOD) {
        ide_done(d);
    } else {
        ide_fail(d, sense << 4 | ATA_ABRT);
    }
}

/* --- PIO data: blocks of at most the byte count that the host has put into the task file --- */

static uint32_t block_limit(const IdeDrive *d)
{
    uint32_t limit = d->tf.lba_mid[1] | d->tf.lba_high[1] << 8;

    limit = limit ? limit : 0xfffe;
    return limit & 1 ? limit - 1 : limit; /* an odd limit is rounded down */
}

static uint64_t packet_total(const IdeDrive *d)
{
    bool transfer = d->packet.phase == SCSI_READ || d->packet.phase == SCSI_WRITE;

    return transfer ? d->packet.bytes : d->packet.len;
}

static void data_block(IdeDrive *d, IdeTransfer kind, uint32_t len)
{
    d->tf.count[0] = kind == IDE_PIO_IN ? REASON_TO_HOST : 0;
    d->tf.lba_mid[0] = len;
    d->tf.lba_high[0] = len >> 8;
    ide_pio_start(d, kind, len, true);
}

/* The next block, or the end. */
static void pio_next(IdeDrive *d)
{
    uint64_t left = packet_total(d) - MIN(d->packet_pos, packet_total(d));
    uint32_t len = MIN(left, MAX(block_limit(d), 2));

    if (!left) {
        packet_end(d);
    } else if (d->packet.phase == SCSI_READ) {
        struct iovec iov = {d->buf, len};

        scsi_transfer(&d->packet, d->packet_pos, &iov, 1); /* packet_done() goes on */
    } else {
        if (d->packet.phase == SCSI_DATA_IN) {
            memcpy(d->buf, d->packet.data + d->packet_pos, len);
        }
        data_block(d, d->packet.phase == SCSI_DATA_IN ? IDE_PIO_IN : IDE_PIO_OUT, len);
    }
}

static void run_packet(IdeDrive *d);

/* The host has taken or given a block. */
void ide_atapi_pio_block(IdeDrive *d)
{
    ScsiCommand *c = &d->packet;
    uint32_t len = d->end;

    d->transfer = IDE_IDLE;
    if (d->command == IDENTIFY_PACKET) {
        d->status = ATA_DRDY | ATA_DSC;
        return;
    }
    if (c->phase == SCSI_DONE) { /* it was the packet itself */
        run_packet(d);
        return;
    }
    if (c->phase == SCSI_DATA_OUT) {
        memcpy(c->data + d->packet_pos, d->buf, len);
    }
    d->packet_pos += len;
    if (c->phase == SCSI_DATA_OUT && d->packet_pos >= c->len) {
        scsi_data_out(c);
        if (c->phase != SCSI_BUSY) {
            packet_end(d);
        }
    } else {
        pio_next(d);
    }
}

/* --- DMA --- */

/* Copies between the buffer of the command and @iov. */
static void copy_data(ScsiCommand *c, const struct iovec *iov, int n)
{
    size_t at = 0;

    for (int i = 0; i < n && at < c->len; i++) {
        size_t part = MIN(iov[i].iov_len, c->len - at);

        if (c->phase == SCSI_DATA_IN) {
            memcpy(iov[i].iov_base, c->data + at, part);
        } else {
            memcpy(c->data + at, iov[i].iov_base, part);
        }
        at += part;
    }
}

void ide_atapi_dma_run(IdeDrive *d, const struct iovec *iov, int n)
{
    ScsiCommand *c = &d->packet;

    if (c->phase == SCSI_READ || c->phase == SCSI_WRITE) {
        scsi_transfer(c, 0, iov, n); /* packet_done() */
        return;
    }
    copy_data(c, iov, n);
    ide_dma_end(d);
    if (c->phase == SCSI_DATA_OUT) {
        scsi_data_out(c);
        if (c->phase == SCSI_BUSY) {
            return;
        }
    }
    packet_end(d);
}

/* --- Packets --- */

/* Something asynchronous is over: a read for PIO, a DMA transfer, or a command without data. */
static void packet_done(ScsiCommand *c)
{
    IdeDrive *d = c->opaque;
    bool dma = d->transfer == IDE_DMA_IN || d->transfer == IDE_DMA_OUT;

    if (dma) {
        ide_dma_end(d);
    }
    if (dma && d->dma_short) {
        ide_atapi_abandon(d);
        ide_fail(d, ATA_ABRT);
    } else if (!dma && c->status == SCSI_GOOD && c->phase == SCSI_READ) {
        uint32_t len = MIN(packet_total(d) - d->packet_pos, MAX(block_limit(d), 2));

        data_block(d, IDE_PIO_IN, len);
    } else {
        packet_end(d);
    }
}

void ide_atapi_wire(IdeDrive *d)
{
    d->packet.unit = &d->scsi;
    d->packet.done = packet_done;
    d->packet.opaque = d;
}

/* The packet is in buf. */
static void run_packet(IdeDrive *d)
{
    ScsiCommand *c = &d->packet;
    bool out;

    scsi_finish(c);
    *c = (ScsiCommand){};
    ide_atapi_wire(d);
    memcpy(c->cdb, d->buf, PACKET_SIZE);
    d->packet_pos = 0;
    d->status = ATA_DRDY | ATA_BSY;
    scsi_start(c);
    if (c->phase == SCSI_BUSY) {
        return;
    }
    if (c->phase == SCSI_DONE) {
        packet_end(d);
        return;
    }
    out = c->phase == SCSI_DATA_OUT || c->phase == SCSI_WRITE;
    if (d->tf.feature[1] & FEATURE_DMA) {
        d->tf.count[0] = out ? 0 : REASON_TO_HOST;
        ide_dma_want(d, out ? IDE_DMA_OUT : IDE_DMA_IN, packet_total(d));
    } else {
        pio_next(d);
    }
}

/* The limits of the data phase are those of the PACKET command: kept in the second half of the file. */
static void start_packet(IdeDrive *d)
{
    d->tf.feature[1] = d->tf.feature[0];
    d->tf.lba_mid[1] = d->tf.lba_mid[0];
    d->tf.lba_high[1] = d->tf.lba_high[0];
    d->tf.count[0] = REASON_COMMAND;
    d->packet.phase = SCSI_DONE;
    ide_pio_start(d, IDE_PIO_OUT, PACKET_SIZE, false);
}

bool ide_atapi_execute(IdeDrive *d, uint8_t code)
{
    switch (code) {
    case PACKET: start_packet(d); return true;
    case IDENTIFY_PACKET:
        ide_identify_packet(d, d->buf);
        ide_pio_start(d, IDE_PIO_IN, 512, true);
        return true;
    case IDENTIFY: /* the signature and an abort tell that this is no disk */
        d->tf.count[0] = d->tf.lba_low[0] = 1;
        d->tf.lba_mid[0] = 0x14;
        d->tf.lba_high[0] = 0xeb;
        return false;
    case SET_FEATURES: return ide_set_features(d);
    case CHECK_POWER: d->tf.count[0] = 0xff; break;
    case STANDBY_NOW:
    case IDLE_NOW: break;
    default: return false;
    }
    ide_done(d);
    return true;
}
