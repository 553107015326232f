/* SPDX-License-Identifier: MIT */
/* PC with a Q35 and ICH9: "q35", "pc-q35-X.Y". */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/acpi/acpi-pm.h"
#include "hw/i2c/ich9-smbus.h"
#include "hw/isa/ich9.h"
#include "hw/mmio-device.h"
#include "hw/pci/pc-host.h"
#include "pc-acpi.h"
#include "target/x86_64.h"

enum { SCI_IRQ = 9, AHCI_DEVFN = 0x1f << 3 | 2, FIRST_GSI = 16, MCH_PCIEXBAR = 0x60 };

static bool create_chipset(PcMachine *s, Error **errp)
{
    Machine *m = &s->machine;

    s->host = machine_new_device(m, TYPE_Q35_HOST, errp);
    if (!s->host) {
        return false;
    }
    pc_host_set_ram_end(s->host, s->below_4g);
    s->pci = pc_host_bus(s->host);
    s->pm = pci_new_device(s->pci, TYPE_ICH9_LPC, ICH9_DEVFN, errp);
    if (!s->pm) {
        return false;
    }
    s->isa = ich9_isa_bus(s->pm);
    irq_connect_fn(irq_find_out(s->pm, "sci", 0), isa_bus_set_irq, s->isa, SCI_IRQ);
    ich9_set_smm(s->pm, pc_has_smm(s));
    irq_connect_fn(irq_find_out(s->pm, "smi", 0), pc_smi_to_writer, s, 0);
    irq_connect_fn(irq_find_out(s->pm, "smi", 1), pc_smi_to_all, s, 0);
    for (int n = 0; n < ICH9_LINES; n++) {
        irq_connect_fn(irq_find_out(s->pm, "gsi", n), pc_set_line, s, FIRST_GSI + n);
    }
    s->ide = pci_new_device(s->pci, "ich9-ahci", AHCI_DEVFN, errp);
    s->ide_units = 1;
    return s->ide && pci_new_device(s->pci, TYPE_ICH9_SMBUS, ICH9_SMBUS_DEVFN, errp);
}

static bool tell_chipset(PcMachine *s, Error **errp)
{
    return !pc_has_smm(s) || ich9_add_smi_files(s->pm, s->fw_cfg, errp);
}

/* The MCH's PCIEXBAR. */
static uint64_t ecam_base(PcMachine *s)
{
    uint64_t high = pci_config_read(s->pci, 0, MCH_PCIEXBAR + 4, 4);

    return (high << 32 | pci_config_read(s->pci, 0, MCH_PCIEXBAR, 4)) & ~(PC_ECAM_SIZE - 1);
}

static const PcAcpi acpi = {.pm_devfn = ICH9_DEVFN,
                            .pm_default = ICH9_PM_BASE,
                            .gpe_offset = ICH9_GPE_OFFSET,
                            .gpe_len = 2 * ACPI_GPE_BYTES,
                            .isa_devfn = ICH9_DEVFN,
                            .links = ICH9_LINES,
                            .first_gsi = FIRST_GSI,
                            .ecam_base = ecam_base};

/* Shadow memory, where SeaBIOS goes on; the power management ports. */
static const PcKept kept[] = {{0, 0x90, 7}, {ICH9_DEVFN, 0x40, 5}, {0}};

/* Firmware that goes on reaches the host bridge through ECAM.  SeaBIOS 1.16 itself turns that off after the
 * first time, and would not find it at the second. */
static void woken(PcMachine *s)
{
    q35_host_wake(s->host);
}

#define Q35_OPS(...)                                                                               \
    {                                                                                              \
        .machine = {.init = pc_init,                                                               \
                    .ready = pc_ready,                                                             \
                    .powerdown = pc_powerdown,                                                     \
                    .wakeup = pc_wakeup,                                                           \
                    .nmi = pc_nmi,                                                                 \
                    .arch = "x86_64",                                                              \
                    .default_cpu = "qemu64",                                                       \
                    .default_ram_id = "pc.ram",                                                    \
                    .default_ram_size = 128 * MiB,                                                 \
                    .has_smbios = true,                                                            \
                    .has_numa = true,                                                              \
                    .default_drive = BLK_IF_IDE,                                                   \
                    .max_cpus = PC_MAX_CPUS,                                                       \
                    .default_bus = TYPE_PCI_BUS,                                                   \
                    .cpu_help = x86_cpu_print_help,                                                \
                    __VA_ARGS__},                                                                  \
        .low_if = 0xb0000000, .low = 0x80000000, .create_chipset = create_chipset,                 \
        .tell_chipset = tell_chipset, .acpi_pm = ich9_pm, .acpi = &acpi, .kept = kept,             \
        .woken = woken                                                                             \
    }

/* Guests see the same in all versions so far; the names are what management tools ask for. */
#define Q35_VERSION(ident, VERSION, OPS)                                                           \
    QOM_TYPE(ident, .name = "pc-q35-" VERSION "-machine", .parent = TYPE_PC_MACHINE,               \
             .size = sizeof(PcMachine), .desc = "Standard PC (Q35 + ICH9, 2009)", .ops = &(OPS))

static const char *const newest_aliases[] = {"q35", NULL};
static const PcMachineOps newest_ops = Q35_OPS(.aliases = newest_aliases);
static const PcMachineOps older_ops = Q35_OPS(.aliases = NULL);

Q35_VERSION(q35_11_1, "11.1", newest_ops);
Q35_VERSION(q35_11_0, "11.0", older_ops);
Q35_VERSION(q35_10_2, "10.2", older_ops);
Q35_VERSION(q35_10_1, "10.1", older_ops);
Q35_VERSION(q35_10_0, "10.0", older_ops);
Q35_VERSION(q35_9_2, "9.2", older_ops);
Q35_VERSION(q35_9_1, "9.1", older_ops);
Q35_VERSION(q35_9_0, "9.0", older_ops);
Q35_VERSION(q35_8_2, "8.2", older_ops);
Q35_VERSION(q35_8_1, "8.1", older_ops);
Q35_VERSION(q35_8_0, "8.0", older_ops);
Q35_VERSION(q35_7_2, "7.2", older_ops);
Q35_VERSION(q35_7_1, "7.1", older_ops);
Q35_VERSION(q35_7_0, "7.0", older_ops);
Q35_VERSION(q35_6_2, "6.2", older_ops);
Q35_VERSION(q35_6_1, "6.1", older_ops);
Q35_VERSION(q35_6_0, "6.0", older_ops);
Q35_VERSION(q35_5_2, "5.2", older_ops);
