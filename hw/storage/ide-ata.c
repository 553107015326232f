/* SPDX-License-Identifier: MIT */
/*
 * Commands of ATA disks: see hw/storage/ide.h.  Spec: ATA8-ACS, chapter 7.
 * Not modelled: security, host-protected area, SMART logs, streaming, read/write long.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/storage/ide.h"
#include "rhea/endian.h"

enum { SECTOR = 512, IDENTIFY_SIZE = 512, MAX_MULTIPLE = 16, HEADS = 16, SECTORS = 63 };
#define LBA28_MAX 0x0fffffff

enum {
    NOP = 0x00,
    DATA_SET_MANAGEMENT = 0x06,
    RECALIBRATE = 0x10,
    READ_SECTORS = 0x20,
    READ_SECTORS_EXT = 0x24,
    READ_DMA_EXT = 0x25,
    READ_NATIVE_MAX_EXT = 0x27,
    READ_MULTIPLE_EXT = 0x29,
    WRITE_SECTORS = 0x30,
    WRITE_SECTORS_EXT = 0x34,
    WRITE_DMA_EXT = 0x35,
    WRITE_MULTIPLE_EXT = 0x39,
    WRITE_DMA_FUA_EXT = 0x3d,
    VERIFY = 0x40,
    VERIFY_EXT = 0x42,
    SEEK = 0x70,
    INIT_PARAMETERS = 0x91,
    SMART = 0xb0,
    READ_MULTIPLE = 0xc4,
    WRITE_MULTIPLE = 0xc5,
    SET_MULTIPLE = 0xc6,
    READ_DMA = 0xc8,
    WRITE_DMA = 0xca,
    WRITE_MULTIPLE_FUA_EXT = 0xce,
    STANDBY_NOW = 0xe0,
    IDLE_NOW = 0xe1,
    STANDBY = 0xe2,
    IDLE = 0xe3,
    CHECK_POWER = 0xe5,
    SLEEP = 0xe6,
    FLUSH = 0xe7,
    FLUSH_EXT = 0xea,
    IDENTIFY = 0xec,
    SET_FEATURES = 0xef,
    READ_NATIVE_MAX = 0xf8,
};

static uint64_t sectors_of(const IdeDrive *d)
{
    return blk_size(d->blk) / SECTOR;
}

/* The geometry that CHS addresses mean. */
static uint32_t cylinders_of(const IdeDrive *d)
{
    return CLAMP(sectors_of(d) / (HEADS * SECTORS), 1, 16383);
}

/* --- The address in the task file --- */

/* First sector and number of sectors; false when not on the disk. */
static bool take_range(IdeDrive *d, bool ext)
{
    const IdeTaskFile *tf = &d->tf;
    uint64_t total = sectors_of(d);

    if (ext) {
        d->lba = tf->lba_low[0] | tf->lba_mid[0] << 8 | (uint64_t)tf->lba_high[0] << 16 |
                 (uint64_t)tf->lba_low[1] << 24 | (uint64_t)tf->lba_mid[1] << 32 |
                 (uint64_t)tf->lba_high[1] << 40;
        d->remaining = tf->count[0] | tf->count[1] << 8;
        d->remaining = d->remaining ? d->remaining : 65536;
    } else {
        d->remaining = tf->count[0] ? tf->count[0] : 256;
        if (tf->device & ATA_DEV_LBA) {
            d->lba = tf->lba_low[0] | tf->lba_mid[0] << 8 | tf->lba_high[0] << 16 |
                     (uint32_t)(tf->device & 15) << 24;
        } else {
            uint32_t cylinder = tf->lba_mid[0] | tf->lba_high[0] << 8;

            if (tf->lba_low[0] < 1 || tf->lba_low[0] > SECTORS) {
                return false;
            }
            d->lba = ((uint64_t)cylinder * HEADS + (tf->device & 15)) * SECTORS;
            d->lba += tf->lba_low[0] - 1u; /* sectors count from 1 */
        }
    }
    return d->lba <= total && d->remaining <= total - d->lba;
}

/* Where the command stopped, for the host. */
static void show_lba(IdeDrive *d, uint64_t lba, bool ext)
{
    IdeTaskFile *tf = &d->tf;

    tf->lba_low[0] = lba;
    tf->lba_mid[0] = lba >> 8;
    tf->lba_high[0] = lba >> 16;
    if (ext) {
        tf->lba_low[1] = lba >> 24;
        tf->lba_mid[1] = lba >> 32;
        tf->lba_high[1] = lba >> 40;
    } else {
        tf->device = (tf->device & 0xf0) | (lba >> 24 & 15);
    }
}

static void fail_io(IdeDrive *d, int ret)
{
    ide_fail(d, ret == -EPERM ? ATA_ABRT : ATA_UNC);
}

static void simple_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;

    if (ret) {
        fail_io(d, ret);
    } else {
        ide_done(d);
    }
}

/* --- PIO --- */

/* Sectors in a block between two interrupts. */
static uint32_t pio_block(const IdeDrive *d)
{
    bool multiple = d->command == READ_MULTIPLE || d->command == READ_MULTIPLE_EXT ||
                    d->command == WRITE_MULTIPLE || d->command == WRITE_MULTIPLE_EXT ||
                    d->command == WRITE_MULTIPLE_FUA_EXT;

    return MIN(multiple ? d->multiple : 1, d->remaining);
}

static void pio_read_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;

    if (ret) {
        fail_io(d, ret);
    } else {
        ide_pio_start(d, IDE_PIO_IN, pio_block(d) * SECTOR, true);
    }
}

static void pio_read_next(IdeDrive *d)
{
    struct iovec iov = {d->buf, pio_block(d) * SECTOR};

    blk_preadv(d->blk, d->lba * SECTOR, &iov, 1, pio_read_done, d);
}

static void pio_write_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    uint32_t n = pio_block(d);

    if (ret) {
        fail_io(d, ret);
        return;
    }
    d->lba += n;
    d->remaining -= n;
    if (d->remaining) {
        ide_pio_start(d, IDE_PIO_OUT, pio_block(d) * SECTOR, true);
    } else {
        ide_done(d);
    }
}

static void trim_data(IdeDrive *d);

void ide_ata_pio_block(IdeDrive *d)
{
    uint32_t n = pio_block(d);
    struct iovec iov = {d->buf, d->end};

    if (d->transfer == IDE_PIO_OUT) {
        blk_pwritev(d->blk, d->lba * SECTOR, &iov, 1, d->fua, pio_write_done, d);
        return;
    }
    if (d->command == IDENTIFY || d->command == SMART) {
        n = d->remaining;
    }
    d->lba += n;
    d->remaining -= n;
    if (d->remaining) {
        pio_read_next(d);
    } else {
        /* The last block's interrupt announced the data: there is none at the end. */
        d->transfer = IDE_IDLE;
        d->status = ATA_DRDY | ATA_DSC;
    }
}

static void pio_read(IdeDrive *d, bool ext)
{
    if (take_range(d, ext)) {
        pio_read_next(d);
    } else {
        ide_fail(d, ATA_IDNF);
    }
}

static void pio_write(IdeDrive *d, bool ext, bool fua)
{
    if (blk_read_only(d->blk)) {
        ide_fail(d, ATA_ABRT);
    } else if (take_range(d, ext)) {
        d->fua = fua || !d->write_cache;
        ide_pio_start(d, IDE_PIO_OUT, pio_block(d) * SECTOR, false);
    } else {
        ide_fail(d, ATA_IDNF);
    }
}

/* One block of data about the drive, in buf. */
static void pio_answer(IdeDrive *d)
{
    d->remaining = 1;
    ide_pio_start(d, IDE_PIO_IN, IDENTIFY_SIZE, true);
}

/* --- DMA --- */

static void dma_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    ide_dma_end(d);
    if (ret) {
        fail_io(d, ret);
    } else if (d->dma_short) {
        ide_fail(d, ATA_ABRT);
    } else {
        ide_done(d);
    }
}

void ide_ata_dma_run(IdeDrive *d, const struct iovec *iov, int n)
{
    if (d->command == DATA_SET_MANAGEMENT) {
        size_t at = 0;

        for (int i = 0; i < n; i++) {
            memcpy(d->buf + at, iov[i].iov_base, iov[i].iov_len);
            at += iov[i].iov_len;
        }
        trim_data(d);
    } else if (d->transfer == IDE_DMA_OUT) {
        blk_pwritev(d->blk, d->lba * SECTOR, iov, n, d->fua, dma_done, d);
    } else {
        blk_preadv(d->blk, d->lba * SECTOR, iov, n, dma_done, d);
    }
}

static void dma(IdeDrive *d, IdeTransfer kind, bool ext, bool fua)
{
    if (kind == IDE_DMA_OUT && blk_read_only(d->blk)) {
        ide_fail(d, ATA_ABRT);
    } else if (take_range(d, ext)) {
        d->fua = fua || !d->write_cache;
        ide_dma_want(d, kind, (uint64_t)d->remaining * SECTOR);
    } else {
        ide_fail(d, ATA_IDNF);
    }
}

/* --- TRIM: a list of ranges, 48 bits of address and 16 of length each (ACS 7.5) --- */

enum { TRIM_RANGE = 8 };

static void trim_next(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    uint32_t bytes = MIN(d->remaining * SECTOR, IDE_BUFFER_SIZE);

    while (!ret && d->end + TRIM_RANGE <= bytes) {
        uint64_t raw = ld64_le(d->buf + d->end), lba = raw & 0xffffffffffff, n = raw >> 48;

        d->end += TRIM_RANGE;
        if (n && lba <= sectors_of(d) && n <= sectors_of(d) - lba) {
            blk_discard(d->blk, lba * SECTOR, n * SECTOR, trim_next, d);
            return;
        }
        if (n) {
            ret = -EIO;
        }
    }
    dma_done(d, ret);
}

static void trim_data(IdeDrive *d)
{
    if (d->dma_short) {
        dma_done(d, 0);
        return;
    }
    d->end = 0;
    blk_flush(d->blk, trim_next, d);
}

static void data_set_management(IdeDrive *d)
{
    uint32_t blocks = d->tf.count[0] | d->tf.count[1] << 8;

    if (!(d->tf.feature[0] & 1) || blocks == 0 || blocks > IDE_BUFFER_SIZE / SECTOR ||
        blk_read_only(d->blk)) {
        ide_fail(d, ATA_ABRT);
    } else {
        d->remaining = blocks;
        ide_dma_want(d, IDE_DMA_OUT, blocks * SECTOR);
    }
}

/* --- IDENTIFY DEVICE (ACS 7.12) --- */

/* Text in words of two characters, first one high, padded with spaces. */
static void put_words(uint8_t *out, unsigned word, unsigned nwords, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < 2 * (size_t)nwords; i++) {
        out[2 * word + (i ^ 1)] = i < len ? text[i] : ' ';
    }
}

static void put_names(const IdeDrive *d, uint8_t *out, const char *model)
{
    put_words(out, 10, 10, d->serial ? d->serial : "RH00001");
    put_words(out, 23, 4, d->version ? d->version : "1.0");
    put_words(out, 27, 20, d->model ? d->model : model);
}

static inline void put_word(uint8_t *out, unsigned word, uint16_t value)
{
    st16_le(out + 2 * word, value);
}

/* Transfer modes, the same for disks and CD-ROM drives. */
static void put_modes(const IdeDrive *d, uint8_t *out)
{
    put_word(out, 53, 0x0006); /* words 64 to 70 and 88 are valid */
    put_word(out, 63, 0x0007 | d->mdma << 8);
    put_word(out, 64, 0x0003); /* PIO 3 and 4 */
    for (unsigned w = 65; w <= 68; w++) {
        put_word(out, w, 120); /* ns a cycle */
    }
    put_word(out, 80, 0x01f0); /* ATA/ATAPI-4 to ATA8-ACS */
    put_word(out, 88, 0x003f | d->udma << 8);
    if (d->ide->sata) {
        put_word(out, 75, 31);                               /* queue depth - 1 */
        put_word(out, 76, 0x0002 | (d->atapi ? 0 : 1 << 8)); /* generation 1, NCQ */
        put_word(out, 222, 0x101f);                          /* serial transport */
    } else {
        put_word(out, 93, 0x6001); /* 80-conductor cable */
    }
}

static void identify_features(const IdeDrive *d, uint8_t *out)
{
    put_word(out, 82, 1 << 14 | 1 << 5 | 1 << 0);                /* NOP, write cache, SMART */
    put_word(out, 83, 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10);    /* flush, flush ext, 48 bits */
    put_word(out, 84, 1 << 14 | (d->wwn ? 1 << 8 : 0) | 1 << 6); /* FUA */
    put_word(out, 85, 1 << 14 | (d->write_cache ? 1 << 5 : 0) | (d->smart ? 1 << 0 : 0));
    put_word(out, 86, 1 << 13 | 1 << 12 | 1 << 10);
    put_word(out, 87, 1 << 14 | (d->wwn ? 1 << 8 : 0) | 1 << 6);
}

void ide_identify(IdeDrive *d, uint8_t *out)
{
    uint64_t total = sectors_of(d);
    uint32_t chs = MIN(total, (uint64_t)cylinders_of(d) * HEADS * SECTORS);

    memset(out, 0, IDENTIFY_SIZE);
    put_word(out, 0, 0x0040); /* fixed disk */
    put_word(out, 1, cylinders_of(d));
    put_word(out, 3, HEADS);
    put_word(out, 6, SECTORS);
    put_names(d, out, "RHEA HARDDISK");
    put_word(out, 47, 0x8000 | MAX_MULTIPLE);
    put_word(out, 49, 1 << 11 | 1 << 9 | 1 << 8); /* IORDY, LBA, DMA */
    put_word(out, 50, 1 << 14);
    put_modes(d, out);
    put_word(out, 53, 0x0007); /* and 54 to 58: the present geometry */
    put_word(out, 54, cylinders_of(d));
    put_word(out, 55, HEADS);
    put_word(out, 56, SECTORS);
    st32_le(out + 2 * 57, chs);
    put_word(out, 59, d->multiple ? 0x100 | d->multiple : 0);
    st32_le(out + 2 * 60, MIN(total, LBA28_MAX));
    identify_features(d, out);
    st64_le(out + 2 * 100, total);
    for (unsigned i = 0; d->wwn && i < 4; i++) {
        put_word(out, 108 + i, d->wwn >> (48 - 16 * i));
    }
    put_word(out, 169, 1); /* TRIM */
    put_word(out, 105, IDE_BUFFER_SIZE / SECTOR);
    put_word(out, 217, d->rotation_rate);
}

void ide_identify_packet(IdeDrive *d, uint8_t *out)
{
    memset(out, 0, IDENTIFY_SIZE);
    put_word(out, 0, 0x85c0); /* ATAPI, CD-ROM, removable, DRQ within 50 us, packets of 12 bytes */
    put_names(d, out, "RHEA DVD-ROM");
    put_word(out, 49, 1 << 11 | 1 << 9 | 1 << 8);
    put_modes(d, out);
    put_word(out, 82, 1 << 14 | 1 << 9 | 1 << 4); /* NOP, DEVICE RESET, PACKET */
    put_word(out, 83, 1 << 14);
    put_word(out, 85, 1 << 14 | 1 << 9 | 1 << 4);
    put_word(out, 87, 1 << 14);
}

/* --- SET FEATURES, SMART --- */

/* Transfer mode: kind in bits 7..3, number in 2..0; the modes that IDENTIFY offers. */
static bool set_transfer_mode(IdeDrive *d, uint8_t mode)
{
    unsigned n = mode & 7;

    switch (mode >> 3) {
    case 0: /* default PIO */
    case 1:
        if (n > 4) {
            return false;
        }
        d->pio_mode = n;
        return true;
    case 4:
        if (n > 2) {
            return false;
        }
        d->mdma = 1 << n;
        d->udma = 0;
        return true;
    case 8:
        if (n > 5) {
            return false;
        }
        d->udma = 1 << n;
        d->mdma = 0;
        return true;
    }
    return false;
}

bool ide_set_features(IdeDrive *d)
{
    switch (d->tf.feature[0]) {
    case 0x02: d->write_cache = true; break;
    case 0x82: d->write_cache = false; break;
    case 0x03:
        if (!set_transfer_mode(d, d->tf.count[0])) {
            return false;
        }
        break;
    case 0x05: /* power management and read look-ahead change nothing here */
    case 0x85:
    case 0x55:
    case 0xaa:
    case 0x66:
    case 0xcc: break;
    default: return false;
    }
    if (d->blk && !d->write_cache && !d->atapi) {
        blk_flush(d->blk, simple_done, d);
    } else {
        ide_done(d);
    }
    return true;
}

static bool smart(IdeDrive *d)
{
    enum { READ_DATA = 0xd0, AUTOSAVE = 0xd2, ENABLE = 0xd8, DISABLE = 0xd9, RETURN_STATUS = 0xda };

    if (d->tf.lba_mid[0] != 0x4f || d->tf.lba_high[0] != 0xc2 ||
        (!d->smart && d->tf.feature[0] != ENABLE)) {
        return false;
    }
    switch (d->tf.feature[0]) {
    case READ_DATA:
        memset(d->buf, 0, SECTOR);
        d->buf[0] = 1; /* structure revision; no attributes */
        d->buf[511] = -1;
        pio_answer(d);
        return true;
    case ENABLE: d->smart = true; break;
    case DISABLE: d->smart = false; break;
    case AUTOSAVE: break;
    case RETURN_STATUS: break; /* 4Fh and C2h stay: no threshold was exceeded */
    default: return false;
    }
    ide_done(d);
    return true;
}

/* --- All others --- */

static bool set_multiple(IdeDrive *d)
{
    uint8_t n = d->tf.count[0];

    if (n > MAX_MULTIPLE || (n & (n - 1))) {
        return false;
    }
    d->multiple = n;
    ide_done(d);
    return true;
}

static void verify(IdeDrive *d, bool ext)
{
    if (take_range(d, ext)) {
        ide_done(d);
    } else {
        ide_fail(d, ATA_IDNF);
    }
}

static bool is_multiple(uint8_t code)
{
    return code == READ_MULTIPLE || code == READ_MULTIPLE_EXT || code == WRITE_MULTIPLE ||
           code == WRITE_MULTIPLE_EXT || code == WRITE_MULTIPLE_FUA_EXT;
}

/* Commands that move sectors; false: it is another one. */
static bool execute_transfer(IdeDrive *d, uint8_t code)
{
    switch (code) {
    case READ_SECTORS:
    case READ_SECTORS + 1:
    case READ_MULTIPLE: pio_read(d, false); return true;
    case READ_SECTORS_EXT:
    case READ_MULTIPLE_EXT: pio_read(d, true); return true;
    case WRITE_SECTORS:
    case WRITE_SECTORS + 1:
    case WRITE_MULTIPLE: pio_write(d, false, false); return true;
    case WRITE_SECTORS_EXT:
    case WRITE_MULTIPLE_EXT: pio_write(d, true, false); return true;
    case WRITE_MULTIPLE_FUA_EXT: pio_write(d, true, true); return true;
    case READ_DMA:
    case READ_DMA + 1: dma(d, IDE_DMA_IN, false, false); return true;
    case WRITE_DMA:
    case WRITE_DMA + 1: dma(d, IDE_DMA_OUT, false, false); return true;
    case READ_DMA_EXT: dma(d, IDE_DMA_IN, true, false); return true;
    case WRITE_DMA_EXT: dma(d, IDE_DMA_OUT, true, false); return true;
    case WRITE_DMA_FUA_EXT: dma(d, IDE_DMA_OUT, true, true); return true;
    case DATA_SET_MANAGEMENT: data_set_management(d); return true;
    case VERIFY:
    case VERIFY + 1: verify(d, false); return true;
    case VERIFY_EXT: verify(d, true); return true;
    }
    return false;
}

bool ide_ata_execute(IdeDrive *d, uint8_t code)
{
    if (is_multiple(code) && !d->multiple) {
        return false;
    }
    if (execute_transfer(d, code)) {
        return true;
    }
    switch (code) {
    case IDENTIFY:
        ide_identify(d, d->buf);
        pio_answer(d);
        return true;
    case FLUSH:
    case FLUSH_EXT: blk_flush(d->blk, simple_done, d); return true;
    case SET_FEATURES: return ide_set_features(d);
    case SET_MULTIPLE: return set_multiple(d);
    case SMART: return smart(d);
    case READ_NATIVE_MAX: show_lba(d, MIN(sectors_of(d), LBA28_MAX + 1) - 1, false); break;
    case READ_NATIVE_MAX_EXT: show_lba(d, sectors_of(d) - 1, true); break;
    case CHECK_POWER: d->tf.count[0] = 0xff; break; /* active or idle */
    case INIT_PARAMETERS:
        if ((d->tf.device & 15) != HEADS - 1 || d->tf.count[0] != SECTORS) {
            return false; /* one geometry only */
        }
        break;
    case STANDBY_NOW:
    case IDLE_NOW:
    case STANDBY:
    case IDLE:
    case SLEEP: break;
    default:
        if ((code & 0xf0) != RECALIBRATE && (code & 0xf0) != SEEK) {
            return false;
        }
    }
    ide_done(d);
    return true;
}
