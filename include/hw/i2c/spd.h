/* SPDX-License-Identifier: MIT */
/*
 * The EEPROMs of memory modules on an SMBus, whose contents say what the modules are (serial presence
 * detect).  Part of the controller that owns the bus.  Threading: the machine lock.
 */
#ifndef HW_I2C_SPD_H
#define HW_I2C_SPD_H

#include "qom/device.h"

enum { SPD_SIZE = 256, SPD_MAX_MODULES = 8 };

typedef struct SpdEeprom {
    uint8_t data[SPD_SIZE]; /* the upper half is guest-visible: spd_snapshot */
    uint8_t at;             /* where the next byte comes from or goes to; guest-visible */
} SpdEeprom;

typedef struct SpdBus {
    unsigned count;
    SpdEeprom modules[SPD_MAX_MODULES];
} SpdBus;

/* Modules that have @ram_size together, as far as eight of them can. */
void spd_init(SpdBus *bus, uint64_t ram_size);
void spd_reset(SpdBus *bus);
void spd_snapshot(SpdBus *bus, struct Snapshot *sn);

/* Who answers at the bus address; NULL: nobody. */
SpdEeprom *spd_find(SpdBus *bus, uint8_t address);
/* The first byte of a message to the module. */
void spd_select(SpdEeprom *e, uint8_t at);
/* A further byte; false: it is not acknowledged, and nothing has changed. */
bool spd_put(SpdEeprom *e, uint8_t v) MUST_CHECK;
uint8_t spd_get(SpdEeprom *e);

#endif
