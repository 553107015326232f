/* SPDX-License-Identifier: MIT */
/*
 * fw_cfg: named blobs from the host for firmware and kernels.  Spec: docs of the interface in Linux
 * (Documentation/devicetree/bindings/firmware/qemu,fw-cfg-mmio.yaml) and its driver's ABI text.
 * Over memory: region 0 with data at 0, selector at 8, DMA address at 16.  Over ports: region 0 with
 * the selector at 0, data at 1, DMA address at 4; a PC has it at 510h.
 */
#ifndef HW_FIRMWARE_FW_CFG_H
#define HW_FIRMWARE_FW_CFG_H

#include "qom/device.h"

#define TYPE_FW_CFG      "fw_cfg" /* either of the next */
#define TYPE_FW_CFG_MMIO "fw_cfg_mem"
#define TYPE_FW_CFG_IO   "fw_cfg_io"

enum { FW_CFG_MMIO_SIZE = 0x18, FW_CFG_IO_SIZE = 12, FW_CFG_IO_PORT = 0x510 };

/* Numbered items. */
enum {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_NUMA = 0x0d,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    /* of the PC */
    FW_CFG_LOCAL = 0x8000,
    FW_CFG_IRQ0_OVERRIDE = FW_CFG_LOCAL + 2,
};

/* Before the machine runs.  @data is kept (referenced). */
void fw_cfg_add_item(Device *fw_cfg, uint16_t key, GBytes *data);
void fw_cfg_add_u32(Device *fw_cfg, uint16_t key, uint32_t value);
void fw_cfg_add_u64(Device *fw_cfg, uint16_t key, uint64_t value);
/* A named file; false when there are too many, or the name is too long or taken. */
bool fw_cfg_add_file(Device *fw_cfg, const char *name, GBytes *data, Error **errp) MUST_CHECK;
/*
 * Items that are made anew each time the guest selects them, for what depends on what firmware has set
 * up.  The size must always be the same.
 */
typedef GBytes *(*FwCfgBuild)(void *opaque);
void fw_cfg_add_built_item(Device *fw_cfg, uint16_t key, FwCfgBuild build, void *opaque);
bool fw_cfg_add_built_file(Device *fw_cfg, const char *name, FwCfgBuild build, void *opaque,
                           Error **errp) MUST_CHECK;

/*
 * A file that the guest may write by DMA too: @store gets all of it, of the size that @build gives, and
 * takes of it what it likes.
 */
typedef void (*FwCfgStore)(void *opaque, const uint8_t *data);
bool fw_cfg_add_writable_file(Device *fw_cfg, const char *name, FwCfgBuild build, FwCfgStore store,
                              void *opaque, Error **errp) MUST_CHECK;

/* "-fw_cfg [name=]NAME,file=PATH|string=TEXT": kept until a fw_cfg device is realized. */
bool fw_cfg_add_option(const char *optarg, Error **errp) MUST_CHECK;

#endif
