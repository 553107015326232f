/* SPDX-License-Identifier: MIT */
/*
 * Power management function of the PIIX4.  Spec: 82371AB data sheet, 290562, chapter 7; ports 0xafe0 for
 * general purpose events are this machine's own, told to guests by its tables.
 * Models the ACPI block, the SMI command port, the SMBus controller (hw/i2c/smbus-host.c).  Not modelled:
 * device monitors, SMIs of the SMBus.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/piix4-pm.h"
#include "hw/i2c/smbus-host.h"
#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum { PM_BASE = 0x40, DEVACTB = 0x58, PM_MISC = 0x80, SMB_BASE = 0x90, SMB_CONFIG = 0xd2 };
enum { SMB_BASE_MASK = 0xfff0, SMB_ENABLE = 1 << 0, SMB_IRQ_MASK = 0x0e, SMB_IRQ9 = 4 << 1 };
enum { PM_SIZE = 64, PM_MISC_ENABLE = 1, PM_BASE_MASK = 0xffc0, DEVACTB_APMC = 1 << 25 };

typedef struct Piix4Pm {
    PciDevice pci;
    AcpiPm pm;
    SmbusHost smbus;
    IrqLine smi, smbus_irq;
    MemRegion pm_ports, gpe_ports, apm_ports, smbus_ports;
    bool no_smm;
    /* guest-visible, as are pm and smbus */
    uint8_t apm[2]; /* command, status */
} Piix4Pm;

/* --- Ports --- */

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    return acpi_pm_read(&((Piix4Pm *)opaque)->pm, offset, size);
}

static void pm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    acpi_pm_write(&((Piix4Pm *)opaque)->pm, offset, value, size);
}

/* Half of the bytes are status, half enable. */
static unsigned gpe_index(uint64_t offset)
{
    return offset < PIIX4_GPE_LEN / 2 ? offset : ACPI_GPE_BYTES + offset - PIIX4_GPE_LEN / 2;
}

static uint64_t gpe_read(void *opaque, uint64_t offset, unsigned size)
{
    return acpi_gpe_read(&((Piix4Pm *)opaque)->pm, gpe_index(offset));
}

static void gpe_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    acpi_gpe_write(&((Piix4Pm *)opaque)->pm, gpe_index(offset), value);
}

static uint64_t apm_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((Piix4Pm *)opaque)->apm[offset];
}

static void apm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *s = opaque;

    s->apm[offset] = value;
    if (offset) {
        return;
    }
    acpi_pm_command(&s->pm, value);
    if (!s->no_smm && (ld32_le(s->pci.config + DEVACTB) & DEVACTB_APMC)) {
        irq_pulse(&s->smi);
    }
}

static void update_smbus_irq(Piix4Pm *s)
{
    bool wired = (s->pci.config[SMB_CONFIG] & SMB_IRQ_MASK) == SMB_IRQ9;

    irq_set(&s->smbus_irq, wired && smbus_host_irq(&s->smbus));
}

static uint64_t smbus_read(void *opaque, uint64_t offset, unsigned size)
{
    return smbus_host_read(&((Piix4Pm *)opaque)->smbus, offset);
}

static void smbus_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *s = opaque;

    smbus_host_write(&s->smbus, offset, value);
    update_smbus_irq(s);
}

static const MemOps pm_ops = {
    .read = pm_read, .write = pm_write, .valid_max = 4, .impl_max = 4, .unaligned = true};
static const MemOps gpe_ops = {
    .read = gpe_read, .write = gpe_write, .impl_min = 1, .impl_max = 1, .unaligned = true};
static const MemOps apm_ops = {
    .read = apm_read, .write = apm_write, .impl_min = 1, .impl_max = 1, .unaligned = true};
static const MemOps smbus_ops = {
    .read = smbus_read, .write = smbus_write, .impl_min = 1, .impl_max = 1, .unaligned = true};

/* --- Configuration --- */

static void piix4_pm_place(Piix4Pm *s)
{
    uint16_t base = ld16_le(s->pci.config + PM_BASE) & PM_BASE_MASK;
    uint16_t smbus = ld16_le(s->pci.config + SMB_BASE) & SMB_BASE_MASK;

    s->smbus.enabled = s->pci.config[SMB_CONFIG] & SMB_ENABLE;
    mem_transaction_begin();
    mem_set_enabled(&s->pm_ports, (s->pci.config[PM_MISC] & PM_MISC_ENABLE) && base);
    mem_set_addr(&s->pm_ports, base);
    mem_set_enabled(&s->smbus_ports, (s->pci.config[PCI_COMMAND] & PCI_COMMAND_IO) && smbus);
    mem_set_addr(&s->smbus_ports, smbus);
    mem_transaction_commit();
    update_smbus_irq(s);
}

static void piix4_pm_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    piix4_pm_place((Piix4Pm *)pci);
}

void piix4_pm_set_smm(Device *dev, bool on)
{
    dev_state(dev, Piix4Pm)->no_smm = !on;
}

AcpiPm *piix4_pm(Device *dev)
{
    return &dev_state(dev, Piix4Pm)->pm;
}

/* --- Life --- */

static void piix4_pm_reset(Device *dev)
{
    Piix4Pm *s = dev_state(dev, Piix4Pm);

    st16_le(s->pci.config + PM_BASE, 1);
    st16_le(s->pci.config + SMB_BASE, 1);
    st32_le(s->pci.config + DEVACTB, s->no_smm ? DEVACTB_APMC : 0);
    memset(s->apm, 0, sizeof(s->apm));
    acpi_pm_reset(&s->pm);
    smbus_host_reset(&s->smbus);
    piix4_pm_place(s);
}

static bool piix4_pm_realize(Device *dev, Error **errp)
{
    Piix4Pm *s = dev_state(dev, Piix4Pm);
    MemRegion *io = dev->machine->system_io;
    uint8_t *w = s->pci.writable;

    st16_le(w + PM_BASE, PM_BASE_MASK);
    memset(w + DEVACTB - 8, 0xff, 12);
    w[PM_MISC] = PM_MISC_ENABLE;
    st16_le(w + SMB_BASE, SMB_BASE_MASK);
    w[SMB_CONFIG] = SMB_ENABLE | SMB_IRQ_MASK;
    s->pci.config[PCI_INTERRUPT_PIN] = 1;
    acpi_pm_init(&s->pm, dev);
    smbus_host_init(&s->smbus, &SMBUS_PIIX4, dev->machine->ram_size);
    irq_line_init(&s->smi, dev, "smi");
    irq_line_init(&s->smbus_irq, dev, "smbus");
    mem_init_io(&s->pm_ports, &dev->obj, &pm_ops, s, "piix4-pm", PM_SIZE);
    mem_init_io(&s->gpe_ports, &dev->obj, &gpe_ops, s, "acpi-gpe0", PIIX4_GPE_LEN);
    mem_init_io(&s->apm_ports, &dev->obj, &apm_ops, s, "apm", sizeof(s->apm));
    mem_init_io(&s->smbus_ports, &dev->obj, &smbus_ops, s, "smbus", smbus_host_size(&s->smbus));
    mem_add_overlap(io, 0, &s->pm_ports, 1);
    mem_add_overlap(io, PIIX4_GPE_BASE, &s->gpe_ports, 1);
    mem_add_overlap(io, SMI_COMMAND_PORT, &s->apm_ports, 1);
    mem_add_overlap(io, 0, &s->smbus_ports, 1);
    mem_set_enabled(&s->pm_ports, false);
    mem_set_enabled(&s->smbus_ports, false);
    return true;
}

static void piix4_pm_snapshot(Device *dev, Snapshot *sn)
{
    Piix4Pm *s = dev_state(dev, Piix4Pm);

    snap_section(sn, "piix4-pm", 2);
    snap_fields(sn, &s->apm[0], &s->apm[1]);
    acpi_pm_snapshot(&s->pm, sn);
    smbus_host_snapshot(&s->smbus, sn);
}

static void piix4_pm_after_load(Device *dev)
{
    Piix4Pm *s = dev_state(dev, Piix4Pm);

    piix4_pm_place(s);
    acpi_pm_after_load(&s->pm);
}

static const PropDesc piix4_pm_props[] = {ACPI_PM_PROPS(Piix4Pm, pm), PROP_END};

static const PciDeviceOps piix4_pm_pci = {.vendor = 0x8086,
                                          .device = 0x7113,
                                          .class_id = 0x0680,
                                          .revision = 3,
                                          .subsystem_vendor = 0x1af4,
                                          .subsystem = 0x1100,
                                          .config_written = piix4_pm_config_written};
static const DeviceOps piix4_pm_ops =
    DEVICE_OPS(piix4_pm_snapshot, .realize = piix4_pm_realize, .reset = piix4_pm_reset,
               .after_load = piix4_pm_after_load);
QOM_TYPE(piix4_pm_type, .name = TYPE_PIIX4_PM, .parent = TYPE_PCI_DEVICE, .size = sizeof(Piix4Pm),
         .desc = "PIIX4 power management", .props = piix4_pm_props, .dev = &piix4_pm_ops,
         .ops = &piix4_pm_pci);
