/* SPDX-License-Identifier: MIT */
/*
 * A SCSI logical unit, as a transport sees it (ATAPI, virtio-scsi): disks and CD-ROM drives.
 * Specs: SPC-4, SBC-3, MMC-6.  Machine lock, main thread or vCPU; completions as in block/block.h.
 */
#ifndef HW_STORAGE_SCSI_H
#define HW_STORAGE_SCSI_H

#include <sys/uio.h>

#include "rhea/error.h"

typedef struct BlockBackend BlockBackend;
struct Snapshot;

enum { SCSI_GOOD = 0x00, SCSI_CHECK_CONDITION = 0x02 };
enum { SCSI_CDB_MAX = 16, SCSI_SENSE_SIZE = 18, SCSI_DATA_MAX = 65536 + 256 };

/* Sense key, additional code and qualifier in one number: 0xKKAAQQ. */
enum {
    SENSE_NONE = 0x000000,
    SENSE_NOT_READY_NO_MEDIUM = 0x023a00,
    SENSE_MEDIUM_READ_ERROR = 0x031100,
    SENSE_MEDIUM_WRITE_ERROR = 0x030c00,
    SENSE_BAD_OPCODE = 0x052000,
    SENSE_BAD_LBA = 0x052100,
    SENSE_BAD_FIELD = 0x052400,
    SENSE_BAD_LUN = 0x052500,
    SENSE_BAD_PARAMETER = 0x052600,
    SENSE_LOCKED = 0x055302,
    SENSE_MEDIUM_CHANGED = 0x062800,
    SENSE_POWER_ON = 0x062900,
    SENSE_CAPACITY_CHANGED = 0x062a09,
    SENSE_WRITE_PROTECTED = 0x072700,
    SENSE_ABORTED = 0x0b0000,
};

typedef struct ScsiUnit {
    /* fixed once the owner is realized */
    BlockBackend *blk; /* NULL: a CD-ROM drive that can hold no disc */
    bool cd;
    uint32_t block_size;
    const char *vendor, *product, *version, *serial; /* serial may be NULL */
    uint64_t wwn;                                    /* 0: none */
    uint16_t rotation_rate;                          /* 0: unknown, 1: no moving parts */
    /* guest-visible: scsi_unit_snapshot() */
    uint32_t sense;          /* of the last command that failed, until REQUEST SENSE */
    uint32_t unit_attention; /* what the next command will be told */
    bool tray_open, locked, write_cache;
} ScsiUnit;

/* What the transport does next. */
typedef enum ScsiPhase {
    SCSI_DONE,     /* nothing: status is set */
    SCSI_DATA_IN,  /* hands data[0..len) to the initiator; status is set */
    SCSI_DATA_OUT, /* fills data[0..len), then scsi_data_out() */
    SCSI_READ,     /* scsi_transfer(): @bytes at @offset of the backend go to the initiator */
    SCSI_WRITE,    /* the other way */
    SCSI_BUSY,     /* waits for done() */
} ScsiPhase;

typedef struct ScsiCommand {
    ScsiUnit *unit;
    uint8_t cdb[SCSI_CDB_MAX];
    /* The transport's: called when a BUSY or a transfer has ended; status is set then. */
    void (*done)(struct ScsiCommand *c);
    void *opaque;
    /* results */
    ScsiPhase phase;
    uint8_t status;
    uint8_t *data; /* owned by the command */
    uint32_t len;
    uint64_t offset, bytes;
    bool fua;
} ScsiCommand;

void scsi_unit_reset(ScsiUnit *u);
void scsi_unit_snapshot(ScsiUnit *u, struct Snapshot *sn);

/* Bytes of the CDB that begins with @opcode. */
unsigned scsi_cdb_length(uint8_t opcode);

/* Looks at c->cdb and sets phase and what belongs to it.  @c: zeroed but for unit, cdb, done, opaque. */
void scsi_start(ScsiCommand *c);
/* DATA_OUT is filled: phase becomes DONE or BUSY. */
void scsi_data_out(ScsiCommand *c);
/*
 * Moves the part of a READ or WRITE that lies @skip bytes in, as long as @iov is, then calls done(); the
 * phase stays.  The iovecs are copied, what they point to is not.
 */
void scsi_transfer(ScsiCommand *c, uint64_t skip, const struct iovec *iov, int n);
/* Gives back what the command holds. */
void scsi_finish(ScsiCommand *c);
/* A command that is not BUSY. */
void scsi_command_snapshot(ScsiCommand *c, struct Snapshot *sn);

/* Fixed-format sense data for the unit's present sense, which is then taken as reported. */
void scsi_fetch_sense(ScsiUnit *u, uint8_t out[SCSI_SENSE_SIZE]);
/* Fails the command with @sense. */
void scsi_fail(ScsiCommand *c, uint32_t sense);

/* For scsi.c's other half (scsi-info.c): data-in of @len bytes, cut to the allocation length. */
uint8_t *scsi_data_in(ScsiCommand *c, uint32_t len, uint32_t allocation);
void scsi_inquiry(ScsiCommand *c);
void scsi_mode_sense(ScsiCommand *c);
void scsi_read_toc(ScsiCommand *c);
void scsi_get_configuration(ScsiCommand *c);
void scsi_read_disc_information(ScsiCommand *c);
void scsi_mechanism_status(ScsiCommand *c);
void scsi_event_status(ScsiCommand *c);
void scsi_read_dvd_structure(ScsiCommand *c);

/* A disc or disk that can be read is there, and how many blocks it has (0: none). */
bool scsi_medium(const ScsiUnit *u);
uint64_t scsi_blocks(const ScsiUnit *u);

#endif
