/* SPDX-License-Identifier: MIT */
/*
 * Q35 host bridge (MCH).  Spec: Intel 3 Series Express Chipset data sheet, 316966: PCIEXBAR (5.1.16), PAM
 * (5.1.20), SMRAM (5.1.30).
 * Models configuration ports, ECAM, PAM and SMRAM.  Not modelled: TSEG, the integrated graphics, DRAM
 * registers.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pc-host.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum { ECAM_BASE = 0x60, PAM0 = 0x90, SMRAM = 0x9d, SMRAM_INITIAL = 0x02, SMRAM_WRITABLE = 0x78 };
enum { ECAM_ENABLE = 1, ECAM_LENGTH_SHIFT = 1, ECAM_MAX = 256 << 20 };

typedef struct Mch {
    PciDevice pci;
    PcHost *host;
    MemRegion ecam;
} Mch;

/* --- ECAM --- */

static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned size)
{
    return pci_ecam_read(((Mch *)opaque)->host->bus, offset, size);
}

static void ecam_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    pci_ecam_write(((Mch *)opaque)->host->bus, offset, value, size);
}

static const MemOps ecam_ops = {
    .read = ecam_read, .write = ecam_write, .valid_max = 4, .impl_max = 4};

/* Length 0 is 256 MiB, 1 and 2 are the halves of it; 3 is reserved. */
static void mch_place_ecam(Mch *s)
{
    uint64_t reg = ld64_le(s->pci.config + ECAM_BASE);
    unsigned shift = extract64(reg, ECAM_LENGTH_SHIFT, 2);
    uint64_t size = ECAM_MAX >> shift;
    bool on = (reg & ECAM_ENABLE) && shift < 3;

    mem_transaction_begin();
    mem_set_enabled(&s->ecam, on);
    s->ecam.size = on ? size : ECAM_MAX;
    mem_set_addr(&s->ecam, align_down(extract64(reg, 0, 36), size));
    mem_transaction_commit();
}

/* --- Function 00.0 --- */

static void mch_update(Mch *s)
{
    pc_host_update_pam(s->host, s->pci.config + PAM0);
    s->pci.config[SMRAM] = pc_host_write_smram(s->host, s->pci.config[SMRAM]);
    mch_place_ecam(s);
}

static void mch_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    mch_update((Mch *)pci);
}

static void mch_reset(Device *dev)
{
    Mch *s = dev_state(dev, Mch);

    s->pci.config[SMRAM] = SMRAM_INITIAL;
    pc_host_unlock_smram(s->host);
    mch_update(s);
}

static bool mch_realize(Device *dev, Error **errp)
{
    Mch *s = dev_state(dev, Mch);

    s->host = (PcHost *)qom_cast(dev->parent_bus->owner, TYPE_PC_HOST);
    st64_le(s->pci.writable + ECAM_BASE, 0x0000000ff0000007ULL | 0x0c000000);
    memset(s->pci.writable + PAM0, 0x33, 7);
    s->pci.writable[PAM0] = 0x30;
    s->pci.config[SMRAM] = SMRAM_INITIAL;
    s->pci.writable[SMRAM] = SMRAM_WRITABLE;
    mem_init_io(&s->ecam, &dev->obj, &ecam_ops, s, "pcie-mmcfg", ECAM_MAX);
    mem_set_enabled(&s->ecam, false);
    mem_add_overlap(dev->machine->system_memory, 0, &s->ecam, 2);
    return true;
}

static void mch_after_load(Device *dev)
{
    Mch *s = dev_state(dev, Mch);

    pc_host_unlock_smram(s->host);
    mch_update(s);
}

static const PciDeviceOps mch_pci = {.vendor = 0x8086,
                                     .device = 0x29c0,
                                     .class_id = 0x0600,
                                     .subsystem_vendor = 0x1af4,
                                     .subsystem = 0x1100,
                                     .config_written = mch_config_written};
static const DeviceOps mch_ops = DEVICE_OPS(device_no_state, .realize = mch_realize,
                                            .reset = mch_reset, .after_load = mch_after_load);
QOM_TYPE(mch_type, .name = "mch", .parent = TYPE_PCI_DEVICE, .size = sizeof(Mch),
         .desc = "Q35 host bridge function", .dev = &mch_ops, .ops = &mch_pci);

/* --- The bridge --- */

/* Slots up to 24 rotate through lines E to H, the chipset's own begin with A. */
static unsigned q35_line_of(unsigned slot, unsigned pin)
{
    return slot < 25 ? PCI_NUM_PINS + (slot + pin) % PCI_NUM_PINS : pin;
}

static bool q35_host_realize(Device *dev, Error **errp)
{
    PcHost *s = dev_state(dev, PcHost);

    s->bus = qom_cast(bus_new(dev, TYPE_PCIE_BUS, "pcie.0", 0), TYPE_PCI_BUS);
    s->bus->memory = &s->pci_memory;
    s->bus->io = dev->machine->system_io;
    s->bus->line_of = q35_line_of;
    s->bus->num_lines = PCI_MAX_LINES;
    pc_host_init_memory(s);
    return pci_new_device(s->bus, "mch", 0, errp) != NULL;
}

static const DeviceOps q35_host_ops = DEVICE_OPS(device_no_state, .realize = q35_host_realize);
QOM_TYPE(q35_host_type, .name = TYPE_Q35_HOST, .parent = TYPE_PC_HOST, .size = sizeof(PcHost),
         .desc = "Q35 host bridge", .dev = &q35_host_ops);
