/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables of a PC but for the DSDT (pc-dsdt.c).  Spec: ACPI 6.5, 5.2; IA-PC HPET 1.0a, 3.2.4; PCI
 * Firmware 3.3, 4.1.2.
 * Firmware decides where extended configuration space and the power management ports lie, so the tables are made when it reads them;
 * their size is always the same.
 * Those of NUMA are in pc-numa.c.
 */
#include "rhea/osdep.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/piix4-pm.h"
#include "hw/firmware/acpi-tables.h"
#include "hw/firmware/fw-cfg.h"
#include "hw/irqchip/apic.h"
#include "hw/irqchip/ioapic.h"
#include "hw/timer/hpet.h"
#include "pc-acpi.h"
#include "target/x86_64.h"

enum { SCI_IRQ = 9, RESET_PORT = 0xcf9, RESET_VALUE = 6, CMOS_CENTURY = 0x32 };
enum { COM1_PORT = 0x3f8, COM1_IRQ = 4 };
enum { FACS_SIZE = 64, FACS_VERSION = 2 };

/* --- Fixed hardware --- */

enum { BOOT_LEGACY_DEVICES = 1, BOOT_I8042 = 2 };
enum {
    FADT_WBINVD = 1 << 0,
    FADT_C1 = 1 << 2,
    FADT_NO_SLEEP_BUTTON = 1 << 5,
    FADT_RESET_REGISTER = 1 << 10
};
enum { PM_BASE = 0x40, PM_BASE_MASK = 0xffc0 };
enum { LATENCY_NONE = 0xffff /* there is no C2, no C3 */ };

typedef struct PmPorts {
    uint16_t base, gpe;
    uint8_t gpe_len;
} PmPorts;

static PmPorts find_pm_ports(PcMachine *s)
{
    const PcAcpi *hw = pc_ops(s)->acpi;
    uint16_t base = pci_config_read(s->pci, hw->pm_devfn, PM_BASE, 2) & PM_BASE_MASK;
    PmPorts pm = {.base = base ? base : hw->pm_default, .gpe_len = hw->gpe_len};

    pm.gpe = hw->gpe_base ? hw->gpe_base : pm.base + hw->gpe_offset;
    return pm;
}

static uint32_t add_facs(AcpiTables *t)
{
    uint32_t start;

    acpi_align(t, FACS_SIZE);
    start = t->tables->len;
    g_byte_array_append(t->tables, (const uint8_t *)"FACS", 4);
    acpi_add(t, FACS_SIZE, 4);
    for (unsigned i = 8; i < FACS_SIZE; i++) {
        acpi_add(t, i == 32 ? FACS_VERSION : 0, 1);
    }
    return start;
}

/* Ports in the form of ACPI 1.0, then lengths. */
static void add_fadt_ports(AcpiTables *t, const PmPorts *pm)
{
    acpi_add(t, SMI_COMMAND_PORT, 4);
    acpi_add(t, ACPI_CMD_ENABLE, 1);
    acpi_add(t, ACPI_CMD_DISABLE, 1);
    acpi_add(t, 0, 2);
    acpi_add(t, pm->base + ACPI_PM_STATUS, 4);
    acpi_add(t, 0, 4);
    acpi_add(t, pm->base + ACPI_PM_CONTROL, 4);
    acpi_add(t, 0, 8);
    acpi_add(t, pm->base + ACPI_PM_TIMER, 4);
    acpi_add(t, pm->gpe, 4);
    acpi_add(t, 0, 4);
    acpi_add(t, 4, 1); /* events */
    acpi_add(t, 2, 1); /* control */
    acpi_add(t, 0, 1);
    acpi_add(t, 4, 1); /* timer */
    acpi_add(t, pm->gpe_len, 1);
    acpi_add(t, 0, 3);
}

/* The same ports, and what there is none of. */
static void add_fadt_addresses(AcpiTables *t, const PmPorts *pm)
{
    acpi_add_address(t, ACPI_SPACE_IO, 32, pm->base + ACPI_PM_STATUS);
    acpi_add_address(t, ACPI_SPACE_IO, 0, 0);
    acpi_add_address(t, ACPI_SPACE_IO, 16, pm->base + ACPI_PM_CONTROL);
    acpi_add_address(t, ACPI_SPACE_IO, 0, 0);
    acpi_add_address(t, ACPI_SPACE_IO, 0, 0);
    acpi_add_address(t, ACPI_SPACE_IO, 32, pm->base + ACPI_PM_TIMER);
    acpi_add_address(t, ACPI_SPACE_IO, 8 * pm->gpe_len, pm->gpe);
    acpi_add_address(t, ACPI_SPACE_IO, 0, 0);
}

static void add_fadt(PcMachine *s, AcpiTables *t, uint32_t facs, uint32_t dsdt)
{
    PmPorts pm = find_pm_ports(s);
    uint32_t start = acpi_table_begin(t, "FACP", 3);

    acpi_add_pointer(t, facs, 4);
    acpi_add_pointer(t, dsdt, 4);
    acpi_add(t, 0, 2); /* no profile */
    acpi_add(t, SCI_IRQ, 2);
    add_fadt_ports(t, &pm);
    acpi_add(t, LATENCY_NONE, 2);
    acpi_add(t, LATENCY_NONE, 2);
    acpi_add(t, 0, 8); /* cache flushing, duty cycle, alarms */
    acpi_add(t, CMOS_CENTURY, 1);
    acpi_add(t, BOOT_LEGACY_DEVICES | (s->i8042_on ? BOOT_I8042 : 0), 2);
    acpi_add(t, 0, 1);
    acpi_add(t, FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_RESET_REGISTER, 4);
    acpi_add_address(t, ACPI_SPACE_IO, 8, RESET_PORT);
    acpi_add(t, RESET_VALUE, 1);
    acpi_add(t, 0, 3);
    acpi_add(t, 0, 8); /* the FACS is below 4 GiB */
    acpi_add_pointer(t, dsdt, 8);
    add_fadt_addresses(t, &pm);
    acpi_table_end(t, start, true);
}

/* --- Interrupt controllers --- */

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4 };
enum { MADT_8259 = 1, LAPIC_ENABLED = 1, ALL_CPUS = 0xff, LINT_NMI = 1 };
enum { INTI_AS_BUS = 0, INTI_HIGH_LEVEL = 0x0d };

static void add_override(AcpiTables *t, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    acpi_add(t, MADT_OVERRIDE, 1);
    acpi_add(t, 10, 1);
    acpi_add(t, 0, 1); /* ISA */
    acpi_add(t, irq, 1);
    acpi_add(t, gsi, 4);
    acpi_add(t, flags, 2);
}

static void add_madt(PcMachine *s, AcpiTables *t)
{
    /* The SCI and those that PCI lines are led to. */
    static const uint8_t level_irqs[] = {5, SCI_IRQ, 10, 11};
    uint32_t start = acpi_table_begin(t, "APIC", 3);

    acpi_add(t, APIC_MSI_ADDR, 4);
    acpi_add(t, MADT_8259, 4);
    for (unsigned i = 0; i < s->machine.smp.cpus; i++) {
        acpi_add(t, MADT_LAPIC, 1);
        acpi_add(t, 8, 1);
        acpi_add(t, i, 1); /* _UID */
        acpi_add(t, x86_topology_apic_id(&s->machine, i), 1);
        acpi_add(t, LAPIC_ENABLED, 4);
    }
    acpi_add(t, MADT_IOAPIC, 1);
    acpi_add(t, 12, 1);
    acpi_add(t, 0, 2); /* id */
    acpi_add(t, IOAPIC_ADDR, 4);
    acpi_add(t, 0, 4); /* the first interrupt */
    add_override(t, 0, 2, INTI_AS_BUS);
    for (unsigned i = 0; i < ARRAY_SIZE(level_irqs); i++) {
        add_override(t, level_irqs[i], level_irqs[i], INTI_HIGH_LEVEL);
    }
    acpi_add(t, MADT_LAPIC_NMI, 1);
    acpi_add(t, 6, 1);
    acpi_add(t, ALL_CPUS, 1);
    acpi_add(t, INTI_AS_BUS, 2);
    acpi_add(t, LINT_NMI, 1);
    acpi_table_end(t, start, true);
}

/* --- Timer, configuration space --- */

enum { HPET_ID = 0x8086a201, HPET_MIN_TICK = 100 };

static void add_hpet(AcpiTables *t)
{
    uint32_t start = acpi_table_begin(t, "HPET", 1);

    acpi_add(t, HPET_ID, 4);
    acpi_add_address(t, ACPI_SPACE_MEMORY, 64, HPET_ADDR);
    acpi_add(t, 0, 1); /* number */
    acpi_add(t, HPET_MIN_TICK, 2);
    acpi_add(t, 0, 1);
    acpi_table_end(t, start, true);
}

static void add_mcfg(PcMachine *s, AcpiTables *t)
{
    uint32_t start = acpi_table_begin(t, "MCFG", 1);

    acpi_add(t, 0, 8);
    acpi_add(t, pc_acpi_ecam(s), 8);
    acpi_add(t, 0, 2); /* segment */
    acpi_add(t, 0, 1);
    acpi_add(t, 0xff, 1);
    acpi_add(t, 0, 4);
    acpi_table_end(t, start, true);
}

/* Only a place that leaves PCI memory around it is believed. */
uint64_t pc_acpi_ecam(PcMachine *s)
{
    uint64_t base = pc_ops(s)->acpi->ecam_base(s);

    return base > s->below_4g && base < PC_PCI_END - PC_ECAM_SIZE ? base : PC_ECAM_DEFAULT;
}

/* --- Serial console: Microsoft's Serial Port Console Redirection Table 1.08, revision 2 --- */

enum { SPCR_16550 = 0, SPCR_8259_AND_IOAPIC = 3, SPCR_115200 = 7, SPCR_ONE_STOP_BIT = 1 };
enum { SPCR_VT100 = 0, SPCR_NO_PCI_ID = 0xffff };

static void add_spcr(AcpiTables *t)
{
    uint32_t start = acpi_table_begin(t, "SPCR", 2);

    acpi_add(t, SPCR_16550, 4);
    acpi_add_address(t, ACPI_SPACE_IO, 8, COM1_PORT);
    acpi_add(t, SPCR_8259_AND_IOAPIC, 1);
    acpi_add(t, COM1_IRQ, 1);
    acpi_add(t, COM1_IRQ, 4); /* at the I/O APIC */
    acpi_add(t, SPCR_115200, 1);
    acpi_add(t, 0, 1); /* no parity */
    acpi_add(t, SPCR_ONE_STOP_BIT, 1);
    acpi_add(t, 0, 1); /* no flow control */
    acpi_add(t, SPCR_VT100, 1);
    acpi_add(t, 0, 1);
    acpi_add(t, SPCR_NO_PCI_ID, 2);
    acpi_add(t, SPCR_NO_PCI_ID, 2);
    acpi_add(t, 0, 3); /* bus, device, function */
    acpi_add(t, 0, 4);
    acpi_add(t, 0, 1);
    acpi_add(t, 0, 4);
    acpi_table_end(t, start, true);
}

/* --- Files --- */

static AcpiTables *build(PcMachine *s)
{
    AcpiTables *t = acpi_tables_new();
    uint32_t facs = add_facs(t), dsdt = pc_add_dsdt(s, t);

    add_fadt(s, t, facs, dsdt);
    add_madt(s, t);
    if (s->hpet_on) {
        add_hpet(t);
    }
    if (pc_ops(s)->acpi->ecam_base) {
        add_mcfg(s, t);
    }
    if (s->machine.numa) {
        pc_add_numa_tables(s, t);
    }
    if (machine_serial(&s->machine, 0)) {
        add_spcr(t);
    }
    pc_add_vmgenid_table(s, t);
    acpi_tables_finish(t);
    return t;
}

static GBytes *build_tables(void *opaque)
{
    AcpiTables *t = build(opaque);
    GBytes *data = g_bytes_new(t->tables->data, t->tables->len);

    acpi_tables_free(t);
    return data;
}

static bool add_files(PcMachine *s, const AcpiTables *t, Error **errp)
{
    g_autoptr(GBytes) rsdp = g_bytes_new(t->rsdp->data, t->rsdp->len);
    g_autoptr(GBytes) loader = g_bytes_new(t->loader->data, t->loader->len);

    return fw_cfg_add_file(s->fw_cfg, ACPI_FILE_RSDP, rsdp, errp) &&
           fw_cfg_add_built_file(s->fw_cfg, ACPI_FILE_TABLES, build_tables, s, errp) &&
           fw_cfg_add_file(s->fw_cfg, ACPI_FILE_LOADER, loader, errp);
}

bool pc_add_acpi(PcMachine *s, Error **errp)
{
    AcpiTables *t;
    bool ok;

    if (!s->acpi_on) {
        return true;
    }
    t = build(s);
    ok = pc_add_vmgenid(s, errp) && add_files(s, t, errp);
    acpi_tables_free(t);
    return ok;
}
