/* SPDX-License-Identifier: MIT */
/*
 * ATA channels and their drives.  A controller (parallel ATA, AHCI port) owns a channel: it writes the
 * task file, moves data, and learns of interrupts through IdePortOps.  Specs: ATA8-ACS, ATA/ATAPI-7.
 * Threading: the machine lock.
 */
#ifndef HW_STORAGE_IDE_H
#define HW_STORAGE_IDE_H

#include "hw/storage/scsi.h"
#include "qom/device.h"

#define TYPE_IDE_BUS   "IDE"
#define TYPE_IDE_DRIVE "ide-device"

enum { IDE_UNITS = 2, IDE_BUFFER_SIZE = 65536 };

/* Status register. */
enum {
    ATA_BSY = 0x80,
    ATA_DRDY = 0x40,
    ATA_DF = 0x20,
    ATA_DSC = 0x10, /* also SERV */
    ATA_DRQ = 0x08,
    ATA_ERR = 0x01
};
/* Error register. */
enum { ATA_ABRT = 0x04, ATA_IDNF = 0x10, ATA_UNC = 0x40 };
/* Device and device control registers. */
enum {
    ATA_DEV_UNIT = 0x10,
    ATA_DEV_LBA = 0x40,
    ATA_CTL_NIEN = 0x02,
    ATA_CTL_SRST = 0x04,
    ATA_CTL_HOB = 0x80
};

typedef struct IdeBus IdeBus;
typedef struct IdeDrive IdeDrive;

/* The task file: [0] as last written, [1] as written before (48-bit commands). */
typedef struct IdeTaskFile {
    uint8_t feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2];
    uint8_t device;
} IdeTaskFile;

typedef enum IdeTransfer {
    IDE_IDLE,
    IDE_PIO_IN,  /* buf[pos..end) is read by the host */
    IDE_PIO_OUT, /* buf[pos..end) is filled by the host */
    IDE_DMA_IN,  /* dma_bytes go to the host when the controller is ready: ide_dma_run() */
    IDE_DMA_OUT,
} IdeTransfer;

/* What a controller supplies. */
typedef struct IdePortOps {
    /* The drive has status to tell: interrupt (unless nIEN is set, which the bus has looked at). */
    void (*interrupt)(IdeBus *bus, IdeDrive *d, bool level);
    /* A DMA transfer is wanted; ide_dma_run() may be called from inside. */
    void (*dma_request)(IdeBus *bus, IdeDrive *d);
    /* The transfer that ide_dma_run() started has ended, before the drive's interrupt. */
    void (*dma_ended)(IdeBus *bus, IdeDrive *d);
    /* A block of PIO data is there, or wanted; NULL: the host comes for it by itself. */
    void (*pio_ready)(IdeBus *bus, IdeDrive *d);
} IdePortOps;

struct IdeBus {
    Bus bus;
    const IdePortOps *ops;
    void *opaque;
    bool sata; /* a link of its own per drive, no cable with two */
    IdeDrive *drive[IDE_UNITS];
    uint8_t unit, control; /* selected drive, device control register */
};

struct IdeDrive {
    Device dev;
    IdeBus *ide;
    /* properties: fixed once realized */
    char *drive, *serial, *model, *version;
    uint32_t unit, logical_block_size;
    uint64_t wwn;
    uint32_t rotation_rate;
    int32_t bootindex;
    int on_read_error, on_write_error; /* BlockOnError */
    bool atapi;
    /* guest-visible */
    IdeTaskFile tf;
    uint8_t status, error, command;
    uint8_t multiple;             /* sectors in a block of READ MULTIPLE; 0: off */
    uint8_t udma, mdma, pio_mode; /* selected by SET FEATURES: bit masks */
    bool write_cache, interrupt, smart;
    /* of the command that runs */
    IdeTransfer transfer;
    uint32_t pos, end;  /* PIO: in buf */
    uint64_t lba;       /* next sector */
    uint32_t remaining; /* sectors; ATAPI: see packet */
    uint64_t dma_bytes;
    bool fua, dma_short; /* the controller's table holds less than dma_bytes */
    uint8_t buf[IDE_BUFFER_SIZE];
    ScsiUnit scsi; /* ATAPI */
    ScsiCommand packet;
    uint64_t packet_pos; /* bytes of the packet's data that have moved */
    /* host-side */
    BlockBackend *blk;
};

/* Channel number @n of @owner: "ide.N", or "ID.N" when the owner has an id. */
IdeBus *ide_bus_new(Device *owner, unsigned n, bool sata, const IdePortOps *ops, void *opaque);

/* Channel @n of the controller @owner, or NULL. */
IdeBus *ide_bus_find(Device *owner, unsigned n);

/* --- For parallel controllers: the registers of the channel, 0 to 7 --- */

uint32_t ide_read_register(IdeBus *bus, unsigned reg);
void ide_write_register(IdeBus *bus, unsigned reg, uint8_t value);
/* The data register, 2 or 4 bytes wide. */
uint32_t ide_read_data(IdeBus *bus, unsigned size);
void ide_write_data(IdeBus *bus, uint32_t value, unsigned size);
uint8_t ide_alternate_status(IdeBus *bus);
void ide_write_control(IdeBus *bus, uint8_t value);

/* --- For all controllers --- */

static inline IdeDrive *ide_selected(IdeBus *bus)
{
    return bus->drive[bus->unit];
}

/* Starts command @code with the task file as it stands. */
void ide_execute(IdeDrive *d, uint8_t code);
/* The block of PIO data has been moved. */
void ide_pio_block_done(IdeDrive *d);
/*
 * Moves the wanted DMA data to or from @iov (of at most dma_bytes; the controller's tables may be
 * shorter: the command then fails).  The memory stays until dma_ended().
 */
void ide_dma_run(IdeDrive *d, const struct iovec *iov, int n);
/* The controller gives up the transfer (bad tables). */
void ide_dma_abort(IdeDrive *d);
/* Hardware or software reset: signature in the task file, nothing under way. */
void ide_drive_reset(IdeDrive *d);

/* --- Between ide.c, ide-ata.c, ide-atapi.c --- */

void ide_done(IdeDrive *d);                /* success, with interrupt */
void ide_fail(IdeDrive *d, uint8_t error); /* with interrupt */
void ide_raise(IdeDrive *d);
void ide_pio_start(IdeDrive *d, IdeTransfer kind, uint32_t len, bool interrupt);
void ide_dma_want(IdeDrive *d, IdeTransfer kind, uint64_t bytes);
/* The controller's part of a DMA transfer is over; d->transfer is IDLE behind it. */
void ide_dma_end(IdeDrive *d);
bool ide_ata_execute(IdeDrive *d, uint8_t code); /* false: no such command */
void ide_ata_pio_block(IdeDrive *d);
void ide_ata_dma_run(IdeDrive *d, const struct iovec *iov, int n);
/* 512 bytes of IDENTIFY (PACKET) DEVICE data. */
void ide_identify(IdeDrive *d, uint8_t *out);
void ide_identify_packet(IdeDrive *d, uint8_t *out);
bool ide_set_features(IdeDrive *d); /* false: not such a feature */
bool ide_atapi_execute(IdeDrive *d, uint8_t code);
void ide_atapi_pio_block(IdeDrive *d);
void ide_atapi_dma_run(IdeDrive *d, const struct iovec *iov, int n);
void ide_atapi_wire(IdeDrive *d); /* the packet to its unit and to who waits for its end */
void ide_atapi_abandon(IdeDrive *d);

#endif
