/* SPDX-License-Identifier: MIT */
/* The SCSI bus of a host adapter, and the units (scsi-hd, scsi-cd) that sit on it.  Machine lock. */
#ifndef HW_STORAGE_SCSI_BUS_H
#define HW_STORAGE_SCSI_BUS_H

#include "hw/storage/scsi.h"
#include "qom/device.h"

#define TYPE_SCSI_BUS "SCSI"

typedef enum ScsiChange {
    SCSI_UNIT_ADDED,
    SCSI_UNIT_REMOVED,
    SCSI_UNIT_RESIZED,
} ScsiChange;

typedef struct ScsiBus {
    Bus bus;
    unsigned max_target, max_lun; /* largest numbers that the adapter reaches */
    Object *iothread;             /* the adapter's, for the units' requests; NULL: none */
    /* Tells the guest; NULL: the adapter cannot. */
    void (*changed)(Device *adapter, unsigned target, unsigned lun, ScsiChange what);
} ScsiBus;

/* Bus "ID.0" (or "scsi.0") of @owner. */
ScsiBus *scsi_bus_new(Device *owner, unsigned max_target, unsigned max_lun);
/* The unit, or NULL. */
ScsiUnit *scsi_bus_unit(ScsiBus *bus, unsigned target, unsigned lun);
/* Some unit of the target is there: the one with the lowest number; NULL: none. */
ScsiUnit *scsi_bus_target(ScsiBus *bus, unsigned target);
/* Waits until no command of any unit is in the block layer; their completions have run. */
void scsi_bus_drain(ScsiBus *bus);

#endif
