/* SPDX-License-Identifier: MIT */
/*
 * The host controller that Intel's chipsets have for their SMBus, and the memory modules on that.  Part of a
 * PCI function, which maps the ports and drives the interrupt.  Threading: the machine lock.
 */
#ifndef HW_I2C_SMBUS_HOST_H
#define HW_I2C_SMBUS_HOST_H

#include "hw/i2c/spd.h"

enum { SMBUS_PORTS_MAX = 32, SMBUS_BLOCK_MAX = 32 };

/* What the generations differ in: SMBUS_PIIX4, SMBUS_ICH9. */
typedef struct SmbusKind SmbusKind;
extern const SmbusKind SMBUS_PIIX4, SMBUS_ICH9;

typedef struct SmbusHost {
    const SmbusKind *kind;
    SpdBus spd;
    /* bits of the function's configuration space: the owner sets them before the guest may run on */
    bool enabled;    /* commands are taken */
    bool i2c_blocks; /* blocks are written without their length */
    /* guest-visible, as is spd: all of it is in smbus_host_snapshot */
    uint8_t regs[SMBUS_PORTS_MAX];
    uint8_t block[SMBUS_BLOCK_MAX], block_at;
    uint8_t left; /* bytes still to come of a block that goes byte by byte */
} SmbusHost;

void smbus_host_init(SmbusHost *s, const SmbusKind *kind, uint64_t ram_size);
void smbus_host_reset(SmbusHost *s);
void smbus_host_snapshot(SmbusHost *s, struct Snapshot *sn);

/* Ports; smbus_host_irq() may have changed after a write. */
unsigned smbus_host_size(const SmbusHost *s);
uint8_t smbus_host_read(SmbusHost *s, unsigned offset);
void smbus_host_write(SmbusHost *s, unsigned offset, uint8_t v);
/* The level of the interrupt: a function of the registers. */
bool smbus_host_irq(const SmbusHost *s);

#endif
