/* SPDX-License-Identifier: MIT */
/* Floppy drives: the medium as the controller sees it.  Threading: the machine lock. */
#ifndef HW_STORAGE_FLOPPY_H
#define HW_STORAGE_FLOPPY_H

#include "block/block.h"
#include "hw/storage/fdc.h"
#include "qom/device.h"

#define TYPE_FLOPPY_DRIVE "floppy"

enum { FLOPPY_DRIVES = 2, FLOPPY_SECTOR = 512 };

/* What a medium's tracks hold, and the data rate (the controller's code) at which they are read. */
typedef struct FloppyFormat {
    uint8_t cylinders, heads, sectors;
    uint8_t rate[2]; /* in a 3.5" drive, in a 5.25" drive */
    bool five_inch;
} FloppyFormat;

typedef struct FloppyDrive FloppyDrive;

typedef struct FloppyBus {
    Bus bus;
    FloppyDrive *drive[FLOPPY_DRIVES];
} FloppyBus;

struct FloppyDrive {
    Device dev;
    /* properties: fixed once realized */
    char *drive;
    uint32_t unit;
    int32_t bootindex;
    int on_read_error, on_write_error; /* BlockOnError */
    int kind;                          /* FloppyKind */
    /* guest-visible */
    uint8_t track;
    bool changed; /* the disk-change line: until a step with a medium in the drive */
    /* host-side */
    BlockBackend *blk;
};

typedef enum FloppyKind {
    FLOPPY_144,
    FLOPPY_288,
    FLOPPY_120,
    FLOPPY_AUTO, /* as the medium wants it; no drive is left so */
} FloppyKind;

/* The format of the medium in the drive; NULL: no drive or no medium. */
const FloppyFormat *floppy_format(const FloppyDrive *d);
uint8_t floppy_rate(const FloppyDrive *d, const FloppyFormat *f);
/* Heads over @cylinder, as far as the drive goes. */
void floppy_seek(FloppyDrive *d, unsigned cylinder);

#endif
