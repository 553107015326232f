/* SPDX-License-Identifier: MIT */
/*
 * SMBus controller of the ICH9.  Spec: Intel I/O Controller Hub 9 data sheet, 316972, chapter 19.
 * Not modelled beside what smbus-host.c leaves out: the soft reset, SMIs instead of interrupts.
 * The interrupt pin, which the chipset lets firmware choose, is A.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/i2c/ich9-smbus.h"
#include "hw/i2c/smbus-host.h"
#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "snapshot/snapshot.h"

enum { MEMORY_BAR = 0, MEMORY_SIZE = 256, IO_BAR = 4, HOST_CONFIG = 0x40 };
enum { HOST_ENABLE = 1 << 0, I2C_ENABLE = 1 << 2 };

typedef struct Ich9Smbus {
    PciDevice pci;
    SmbusHost host;
    MemRegion memory, ports;
} Ich9Smbus;

static uint64_t ich9_smbus_read(void *opaque, uint64_t offset, unsigned size)
{
    Ich9Smbus *s = opaque;

    return offset < smbus_host_size(&s->host) ? smbus_host_read(&s->host, offset) : 0;
}

static void ich9_smbus_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Ich9Smbus *s = opaque;

    if (offset < smbus_host_size(&s->host)) {
        smbus_host_write(&s->host, offset, value);
        pci_set_intx(&s->pci, smbus_host_irq(&s->host));
    }
}

static const MemOps ich9_smbus_mem_ops = {.read = ich9_smbus_read,
                                          .write = ich9_smbus_write,
                                          .impl_min = 1,
                                          .impl_max = 1,
                                          .unaligned = true};

static void ich9_smbus_update(Ich9Smbus *s)
{
    s->host.enabled = s->pci.config[HOST_CONFIG] & HOST_ENABLE;
    s->host.i2c_blocks = s->pci.config[HOST_CONFIG] & I2C_ENABLE;
}

static void ich9_smbus_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    ich9_smbus_update((Ich9Smbus *)pci);
}

static void ich9_smbus_reset(Device *dev)
{
    Ich9Smbus *s = dev_state(dev, Ich9Smbus);

    smbus_host_reset(&s->host);
    ich9_smbus_update(s);
}

static bool ich9_smbus_realize(Device *dev, Error **errp)
{
    Ich9Smbus *s = dev_state(dev, Ich9Smbus);

    s->pci.writable[HOST_CONFIG] = HOST_ENABLE | I2C_ENABLE;
    smbus_host_init(&s->host, &SMBUS_ICH9, dev->machine->ram_size);
    mem_init_io(&s->memory, &dev->obj, &ich9_smbus_mem_ops, s, "smbus-memory", MEMORY_SIZE);
    mem_init_io(&s->ports, &dev->obj, &ich9_smbus_mem_ops, s, "smbus", smbus_host_size(&s->host));
    pci_register_bar(&s->pci, MEMORY_BAR, PCI_BAR_64, &s->memory);
    pci_register_bar(&s->pci, IO_BAR, PCI_BAR_IO, &s->ports);
    return true;
}

static void ich9_smbus_snapshot(Device *dev, Snapshot *sn)
{
    snap_section(sn, "ich9-smbus", 1);
    smbus_host_snapshot(&dev_state(dev, Ich9Smbus)->host, sn);
}

static void ich9_smbus_after_load(Device *dev)
{
    Ich9Smbus *s = dev_state(dev, Ich9Smbus);

    ich9_smbus_update(s);
    pci_set_intx(&s->pci, smbus_host_irq(&s->host));
}

static const PciDeviceOps ich9_smbus_pci = {.vendor = 0x8086,
                                            .device = 0x2930,
                                            .class_id = 0x0c05,
                                            .revision = 2,
                                            .subsystem_vendor = 0x1af4,
                                            .subsystem = 0x1100,
                                            .intx = true,
                                            .config_written = ich9_smbus_config_written};
static const DeviceOps ich9_smbus_ops =
    DEVICE_OPS(ich9_smbus_snapshot, .realize = ich9_smbus_realize, .reset = ich9_smbus_reset,
               .after_load = ich9_smbus_after_load);
QOM_TYPE(ich9_smbus_type, .name = TYPE_ICH9_SMBUS, .parent = TYPE_PCI_DEVICE,
         .size = sizeof(Ich9Smbus), .desc = "ICH9 SMBus controller", .dev = &ich9_smbus_ops,
         .ops = &ich9_smbus_pci);
