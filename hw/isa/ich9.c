/* SPDX-License-Identifier: MIT */
/*
 * ICH9 LPC bridge.  Spec: Intel I/O Controller Hub 9 data sheet, 316972, chapter 13.
 * Models the routing of PCI interrupts, the ACPI block, general purpose events, the SMI command port.
 * Not modelled: TCO, the chipset's configuration registers (RCBA reads as ones), GPIO.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

#include "ich9-int.h"

enum {
    PM_BASE = 0x40,
    ACPI_CONTROL = 0x44,
    ROUTE_A = 0x60,
    ROUTE_E = 0x68,
    PM_CONFIG = 0xa0,
    RCBA = 0xf0
};
enum { PM_CONFIG_SMI_LOCK = 0x10 };
enum {
    PM_SIZE = 128,
    PM_BASE_MASK = 0xff80,
    ACPI_ENABLE = 0x80,
    SMI_ENABLE = 0x30,
    SMI_STATUS = 0x34
};
enum { SMI_GLOBAL = 1, SMI_APMC = 1 << 5, APM_PORT = 0xb2 };

IsaBus *ich9_isa_bus(Device *dev)
{
    return dev_state(dev, Ich9)->router.bus;
}

AcpiPm *ich9_pm(Device *dev)
{
    return &dev_state(dev, Ich9)->pm;
}

void ich9_set_smm(Device *dev, bool on)
{
    dev_state(dev, Ich9)->no_smm = !on;
}

/* --- Interrupt lines --- */

static uint8_t route_of(const Ich9 *s, unsigned n)
{
    return s->pci.config[n < 4 ? ROUTE_A + n : ROUTE_E + n - 4];
}

static void ich9_set_line(void *opaque, int line, bool level)
{
    Ich9 *s = opaque;

    s->router.level[line] = level;
    pirq_update(&s->router, line, route_of(s, line));
    irq_set(&s->gsi[line], level);
}

/* --- Power management ports --- */

static bool is_gpe(uint64_t offset)
{
    return offset >= ICH9_GPE_OFFSET && offset < ICH9_GPE_OFFSET + 2 * ACPI_GPE_BYTES;
}

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    Ich9 *s = opaque;
    uint64_t v = 0;

    if (is_gpe(offset)) {
        for (unsigned i = 0; i < size; i++) {
            v |= (uint64_t)acpi_gpe_read(&s->pm, offset - ICH9_GPE_OFFSET + i) << (8 * i);
        }
        return v;
    }
    switch (offset) {
    case SMI_ENABLE: return s->smi_enable;
    case SMI_STATUS: return s->smi_status;
    default: return acpi_pm_read(&s->pm, offset, size);
    }
}

/* The lock keeps the global enable bit. */
static void write_smi_enable(Ich9 *s, uint32_t value)
{
    uint32_t kept = s->smi_locked ? SMI_GLOBAL : 0;

    s->smi_enable = (value & ~kept) | (s->smi_enable & kept) | (s->no_smm ? SMI_APMC : 0);
}

static void pm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Ich9 *s = opaque;

    if (is_gpe(offset)) {
        for (unsigned i = 0; i < size; i++) {
            acpi_gpe_write(&s->pm, offset - ICH9_GPE_OFFSET + i, value >> (8 * i));
        }
    } else if (offset == SMI_ENABLE) {
        write_smi_enable(s, value);
    } else if (offset == SMI_STATUS) {
        s->smi_status &= ~value;
    } else {
        acpi_pm_write(&s->pm, offset, value, size);
    }
}

static uint64_t apm_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((Ich9 *)opaque)->apm[offset];
}

static void apm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Ich9 *s = opaque;

    s->apm[offset] = value;
    if (offset) {
        return;
    }
    acpi_pm_command(&s->pm, value);
    if (!s->no_smm && (s->smi_enable & SMI_GLOBAL) && (s->smi_enable & SMI_APMC)) {
        s->smi_status |= SMI_APMC;
        irq_pulse(ich9_smi_line(s));
    }
}

static const MemOps pm_ops = {
    .read = pm_read, .write = pm_write, .valid_max = 4, .impl_max = 4, .unaligned = true};
static const MemOps apm_ops = ISA_BYTE_PORTS(apm_read, apm_write);

/* --- Configuration --- */

static void ich9_update(Ich9 *s)
{
    uint16_t base = ld16_le(s->pci.config + PM_BASE) & PM_BASE_MASK;

    s->smi_locked = s->pci.config[PM_CONFIG] & PM_CONFIG_SMI_LOCK;
    mem_transaction_begin();
    mem_set_enabled(&s->pm_ports, (s->pci.config[ACPI_CONTROL] & ACPI_ENABLE) && base);
    mem_set_addr(&s->pm_ports, base);
    mem_transaction_commit();
    for (unsigned n = 0; n < ICH9_LINES; n++) {
        pirq_update(&s->router, n, route_of(s, n));
    }
}

static void ich9_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    Ich9 *s = (Ich9 *)pci;

    if (s->smi_locked) {
        pci->config[PM_CONFIG] |= PM_CONFIG_SMI_LOCK; /* until the next reset */
    }
    ich9_update(s);
}

/* --- Life --- */

static void ich9_reset(Device *dev)
{
    Ich9 *s = dev_state(dev, Ich9);

    st32_le(s->pci.config + PM_BASE, 1);
    memset(s->pci.config + ROUTE_A, PIRQ_ROUTE_OFF, 4);
    memset(s->pci.config + ROUTE_E, PIRQ_ROUTE_OFF, 4);
    s->smi_enable = s->no_smm ? SMI_APMC : 0;
    s->smi_status = 0;
    ich9_smi_reset(s);
    memset(s->apm, 0, sizeof(s->apm));
    acpi_pm_reset(&s->pm);
    ich9_update(s);
}

static bool ich9_realize(Device *dev, Error **errp)
{
    Ich9 *s = dev_state(dev, Ich9);
    uint8_t *w = s->pci.writable;

    st16_le(s->pci.config + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    st16_le(w + PCI_COMMAND, 0);
    st16_le(w + PM_BASE, PM_BASE_MASK);
    w[ACPI_CONTROL] = ACPI_ENABLE | 7;
    memset(w + ROUTE_A, PIRQ_ROUTE_MASK, 4);
    memset(w + ROUTE_E, PIRQ_ROUTE_MASK, 4);
    st32_le(w + RCBA, 0xffffc001);
    acpi_pm_init(&s->pm, dev);
    w[PM_CONFIG] = PM_CONFIG_SMI_LOCK;
    for (unsigned n = 0; n < ICH9_SMI_LINES; n++) {
        irq_line_init(&s->smi[n], dev, "smi");
    }
    for (unsigned n = 0; n < ICH9_LINES; n++) {
        irq_line_init(&s->gsi[n], dev, "gsi");
    }
    mem_init_io(&s->pm_ports, &dev->obj, &pm_ops, s, "ich9-pm", PM_SIZE);
    mem_init_io(&s->apm_ports, &dev->obj, &apm_ops, s, "apm", sizeof(s->apm));
    mem_set_enabled(&s->pm_ports, false);
    mem_add_overlap(dev->machine->system_io, 0, &s->pm_ports, 1);
    mem_add_overlap(dev->machine->system_io, APM_PORT, &s->apm_ports, 1);
    s->router.bus = isa_bus_new(dev, dev->machine->system_io);
    s->pci.bus->set_line = ich9_set_line;
    s->pci.bus->opaque = s;
    return true;
}

static void ich9_snapshot(Device *dev, Snapshot *sn)
{
    Ich9 *s = dev_state(dev, Ich9);

    snap_section(sn, "ich9-lpc", 2);
    snap_fields(sn, &s->smi_enable, &s->smi_status, &s->apm[0], &s->apm[1]);
    ich9_smi_snapshot(s, sn);
    acpi_pm_snapshot(&s->pm, sn);
}

static void ich9_after_load(Device *dev)
{
    Ich9 *s = dev_state(dev, Ich9);

    ich9_update(s);
    acpi_pm_after_load(&s->pm);
}

static const PropDesc ich9_props[] = {ACPI_PM_PROPS(Ich9, pm), PROP_END};

static const PciDeviceOps ich9_pci = {.vendor = 0x8086,
                                      .device = 0x2918,
                                      .class_id = 0x0601,
                                      .revision = 2,
                                      .subsystem_vendor = 0x1af4,
                                      .subsystem = 0x1100,
                                      .config_written = ich9_config_written};
static const DeviceOps ich9_ops = DEVICE_OPS(ich9_snapshot, .realize = ich9_realize,
                                             .reset = ich9_reset, .after_load = ich9_after_load);
QOM_TYPE(ich9_type, .name = TYPE_ICH9_LPC, .parent = TYPE_PCI_DEVICE, .size = sizeof(Ich9),
         .desc = "ICH9 LPC bridge", .props = ich9_props, .dev = &ich9_ops, .ops = &ich9_pci);
