/* SPDX-License-Identifier: MIT */
/*
 * Devices mapped into system memory by a board, and register tables: access rules, reset values, trace
 * names and the generic qtest come from the table.
 */
#ifndef HW_MMIO_DEVICE_H
#define HW_MMIO_DEVICE_H

#include "memory/irq.h"
#include "memory/memory.h"
#include "qom/device.h"

#define TYPE_MMIO_DEVICE "sys-bus-device"

enum { MMIO_MAX_REGIONS = 8 };

typedef struct MmioDevice {
    Device dev;
    MemRegion *regions[MMIO_MAX_REGIONS]; /* in the order of mmio_device_add_region() */
    unsigned nregions;
    /* register-table devices */
    MemRegion bank;
    const struct RegDesc *regs;
} MmioDevice;

/* From realize: announces a region that the board will map. */
void mmio_device_add_region(MmioDevice *d, MemRegion *mr);
/* Board: maps region @n into @container. */
void mmio_device_map(MmioDevice *d, unsigned n, MemRegion *container, uint64_t addr);

/* --- Register tables --- */

typedef enum RegKind {
    REG_KIND_RW,
    REG_KIND_RO,
    REG_KIND_WO,
    REG_KIND_W1C,
    REG_KIND_CONST
} RegKind;

typedef struct RegDesc {
    const char *name;
    uint32_t offset;
    uint8_t size; /* bytes in the state struct: 1, 2, 4, 8 */
    uint8_t kind;
    uint32_t field; /* offset in the state struct */
    uint64_t reset;
    uint64_t writable;                        /* mask; 0 means all bits for RW */
    void (*written)(Device *dev);             /* after the field has changed */
    uint64_t (*read)(Device *dev);            /* instead of the field */
    void (*write)(Device *dev, uint64_t val); /* instead of the field */
} RegDesc;

#define REG_(k, OFF, S, f, ...)                                                                    \
    {                                                                                              \
        .name = #OFF, .offset = (OFF), .size = sizeof(((S *)0)->f), .kind = (k),                   \
        .field = offsetof(S, f), ##__VA_ARGS__                                                     \
    }
#define REG_RW(OFF, S, f, ...)  REG_(REG_KIND_RW, OFF, S, f, ##__VA_ARGS__)
#define REG_RO(OFF, S, f, ...)  REG_(REG_KIND_RO, OFF, S, f, ##__VA_ARGS__)
#define REG_W1C(OFF, S, f, ...) REG_(REG_KIND_W1C, OFF, S, f, ##__VA_ARGS__)
/* No field: .read and/or .write do it all. */
#define REG_FN(OFF, bytes, ...)                                                                    \
    {                                                                                              \
        .name = #OFF, .offset = (OFF), .size = (bytes), .kind = REG_KIND_RW, .field = UINT32_MAX,  \
        ##__VA_ARGS__                                                                              \
    }
#define REG_CONST(OFF, bytes, value)                                                               \
    {                                                                                              \
        .name = #OFF, .offset = (OFF), .size = (bytes), .kind = REG_KIND_CONST,                    \
        .field = UINT32_MAX, .reset = (value)                                                      \
    }
#define REG_END                                                                                    \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* From realize: a bank of @span bytes served by @regs; other offsets read 0 and log a guest error. */
void mmio_device_add_bank(MmioDevice *d, const RegDesc *regs, const char *name, uint64_t span);
/* Puts the reset values of the table into the state (no callbacks). */
void mmio_device_reset_bank(MmioDevice *d);

#endif
