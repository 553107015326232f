/* SPDX-License-Identifier: MIT */
/*
 * Generic PCI Express host bridge with ECAM, as the device tree calls "pci-host-ecam-generic".
 * Spec: PCI Express Base 4.0, section 7.2.2.  One root bus; its functions are root-complex endpoints.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/mmio-device.h"
#include "hw/pci/gpex.h"
#include "hw/pci/pci.h"
#include "snapshot/snapshot.h"

typedef struct Gpex {
    MmioDevice parent;
    MemRegion ecam, memory, io;
    IrqLine irq[PCI_NUM_PINS];
    PciBus *bus;
} Gpex;

static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned size)
{
    return pci_ecam_read(((Gpex *)opaque)->bus, offset, size);
}

static void ecam_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    pci_ecam_write(((Gpex *)opaque)->bus, offset, value, size);
}

static const MemOps ecam_ops = {
    .read = ecam_read,
    .write = ecam_write,
    .valid_min = 1,
    .valid_max = 4,
    .impl_min = 1,
    .impl_max = 4,
};

static void gpex_set_line(void *opaque, int line, bool level)
{
    irq_set(&((Gpex *)opaque)->irq[line], level);
}

static bool gpex_realize(Device *dev, Error **errp)
{
    Gpex *s = dev_state(dev, Gpex);
    Device *root;

    mem_init_io(&s->ecam, &dev->obj, &ecam_ops, s, "pcie-ecam", GPEX_ECAM_SIZE);
    mem_init_container(&s->memory, &dev->obj, "pci-memory", UINT64_MAX);
    mem_init_container(&s->io, &dev->obj, "pci-io", GPEX_IO_SIZE);
    mmio_device_add_region(&s->parent, &s->ecam);
    mmio_device_add_region(&s->parent, &s->memory);
    mmio_device_add_region(&s->parent, &s->io);
    for (int i = 0; i < PCI_NUM_PINS; i++) {
        irq_line_init(&s->irq[i], dev, "irq");
    }
    s->bus = qom_cast(bus_new(dev, TYPE_PCIE_BUS, "pcie.0", 0), TYPE_PCI_BUS);
    s->bus->memory = &s->memory;
    s->bus->io = &s->io;
    s->bus->set_line = gpex_set_line;
    s->bus->opaque = s;

    root = qom_cast(qom_new("gpex-root"), TYPE_DEVICE);
    qom_add_child(&dev->obj, "gpex_root", &root->obj);
    qom_put(&root->obj); /* the tree holds it */
    return device_realize(root, dev->machine, &s->bus->bus, errp);
}

static const DeviceOps gpex_ops = DEVICE_OPS(device_no_state, .realize = gpex_realize);
QOM_TYPE(gpex_type, .name = TYPE_GPEX_HOST, .parent = TYPE_MMIO_DEVICE, .size = sizeof(Gpex),
         .desc = "Generic PCI Express host bridge", .dev = &gpex_ops);

/* The host bridge as function 00.0 of its own bus. */
static const PciDeviceOps root_pci_ops = {.vendor = 0x1b36, .device = 0x0008, .class_id = 0x0600};
static const DeviceOps root_ops = DEVICE_OPS(device_no_state);
QOM_TYPE(gpex_root_type, .name = "gpex-root", .parent = TYPE_PCI_DEVICE, .size = sizeof(PciDevice),
         .desc = "Generic PCI Express host bridge function", .dev = &root_ops,
         .ops = &root_pci_ops);
