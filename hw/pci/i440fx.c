/* SPDX-License-Identifier: MIT */
/*
 * Intel 440FX host bridge.  Spec: 82441FX (PMC) data sheet, 290549.
 * Models configuration ports, PAM and SMRAM.  Not modelled: DRAM timing and error registers.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pc-host.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum { PAM0 = 0x59, SMRAM = 0x72, SMRAM_INITIAL = 0x02, SMRAM_WRITABLE = 0x78 };

typedef struct I440Fx {
    PciDevice pci;
    PcHost *host;
} I440Fx;

/* --- Function 00.0 --- */

static void i440fx_update(I440Fx *s)
{
    pc_host_update_pam(s->host, s->pci.config + PAM0);
    s->pci.config[SMRAM] = pc_host_write_smram(s->host, s->pci.config[SMRAM]);
}

static void i440fx_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    I440Fx *s = (I440Fx *)pci;

    if (offset < PAM0 + 7 || (offset <= SMRAM && offset + size > SMRAM)) {
        i440fx_update(s);
    }
}

static void i440fx_reset(Device *dev)
{
    I440Fx *s = dev_state(dev, I440Fx);

    s->pci.config[SMRAM] = SMRAM_INITIAL;
    pc_host_unlock_smram(s->host);
    i440fx_update(s);
}

static bool i440fx_realize(Device *dev, Error **errp)
{
    I440Fx *s = dev_state(dev, I440Fx);

    s->host = (PcHost *)qom_cast(dev->parent_bus->owner, TYPE_PC_HOST);
    memset(s->pci.writable + PAM0, 0x33, 7);
    s->pci.writable[PAM0] = 0x30;
    s->pci.config[SMRAM] = SMRAM_INITIAL;
    s->pci.writable[SMRAM] = SMRAM_WRITABLE;
    return true;
}

static void i440fx_after_load(Device *dev)
{
    I440Fx *s = dev_state(dev, I440Fx);

    pc_host_unlock_smram(s->host);
    i440fx_update(s);
}

static const PciDeviceOps i440fx_pci = {.vendor = 0x8086,
                                        .device = 0x1237,
                                        .class_id = 0x0600,
                                        .revision = 2,
                                        .subsystem_vendor = 0x1af4,
                                        .subsystem = 0x1100,
                                        .config_written = i440fx_config_written};
static const DeviceOps i440fx_ops =
    DEVICE_OPS(device_no_state, .realize = i440fx_realize, .reset = i440fx_reset,
               .after_load = i440fx_after_load);
QOM_TYPE(i440fx_type, .name = "i440FX", .parent = TYPE_PCI_DEVICE, .size = sizeof(I440Fx),
         .desc = "440FX host bridge function", .dev = &i440fx_ops, .ops = &i440fx_pci);

/* --- The bridge --- */

/* Slot 1 begins with the first line (the PIIX sits there). */
static unsigned i440fx_line_of(unsigned slot, unsigned pin)
{
    return (slot - 1 + pin) % PCI_NUM_PINS;
}

static bool i440fx_host_realize(Device *dev, Error **errp)
{
    PcHost *s = dev_state(dev, PcHost);

    s->bus = qom_cast(bus_new(dev, TYPE_PCI_BUS, "pci.0", 0), TYPE_PCI_BUS);
    s->bus->memory = &s->pci_memory;
    s->bus->io = dev->machine->system_io;
    s->bus->line_of = i440fx_line_of;
    pc_host_init_memory(s);
    return pci_new_device(s->bus, "i440FX", 0, errp) != NULL;
}

static const DeviceOps i440fx_host_ops =
    DEVICE_OPS(device_no_state, .realize = i440fx_host_realize);
QOM_TYPE(i440fx_host_type, .name = TYPE_I440FX_HOST, .parent = TYPE_PC_HOST, .size = sizeof(PcHost),
         .desc = "440FX host bridge", .dev = &i440fx_host_ops);
