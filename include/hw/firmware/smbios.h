/* SPDX-License-Identifier: MIT */
/*
 * SMBIOS tables: what a machine says about itself to firmware, which puts them into memory.  Spec: DMTF
 * DSP0134, SMBIOS 2.8 and 3.0.
 * A board describes itself in SmbiosBoard; the user's -smbios options change or replace what comes of it.
 * Not there: type 0 when nobody asks for it, as firmware has one of its own.
 */
#ifndef HW_FIRMWARE_SMBIOS_H
#define HW_FIRMWARE_SMBIOS_H

#include "qom/device.h"

/* What -smbios has said; NULL is nothing. */
typedef struct SmbiosOptions SmbiosOptions;

/* One -smbios option; *o is made when it is NULL. */
bool smbios_add_option(SmbiosOptions **o, const char *optarg, Error **errp) MUST_CHECK;

enum { SMBIOS_MAX_RANGES = 2 };

/* Where the table is found: the old entry point cannot reach above 64 KiB of it. */
typedef enum SmbiosEntry { SMBIOS_ENTRY_AUTO, SMBIOS_ENTRY_32, SMBIOS_ENTRY_64 } SmbiosEntry;

typedef struct SmbiosBoard {
    const char *product, *version;
    const char *uuid; /* NULL: none */
    SmbiosEntry entry;
    unsigned sockets, cores, threads; /* cores a socket, threads a core */
    uint32_t cpu_id[2]; /* EAX and EDX of CPUID 1; 0: the board's CPUs have no such thing */
    uint64_t ram_size;
    struct {
        uint64_t start, size;
    } ram[SMBIOS_MAX_RANGES]; /* size 0: unused */
} SmbiosBoard;

/* Adds the tables to fw_cfg. */
bool smbios_add_tables(Device *fw_cfg, const SmbiosBoard *b, const SmbiosOptions *o,
                       Error **errp) MUST_CHECK;

#define SMBIOS_FILE_ANCHOR "etc/smbios/smbios-anchor"
#define SMBIOS_FILE_TABLES "etc/smbios/smbios-tables"

#endif
