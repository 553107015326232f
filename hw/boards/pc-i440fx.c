/* SPDX-License-Identifier: MIT */
/* PC with a 440FX and PIIX3: "pc", "pc-i440fx-X.Y". */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/acpi/piix4-pm.h"
#include "hw/isa/piix3.h"
#include "hw/mmio-device.h"
#include "hw/pci/pc-host.h"
#include "hw/storage/ide.h"
#include "pc.h"
#include "target/x86_64.h"

enum {
    PIIX3_DEVFN = 1 << 3,
    IDE_DEVFN = 1 << 3 | 1,
    IDE_IRQ = 14,
    PM_DEVFN = 1 << 3 | 3,
    SCI_IRQ = 9,
    SMBUS_IRQ = 9
};

static bool create_chipset(PcMachine *s, Error **errp)
{
    Machine *m = &s->machine;
    Device *piix3;

    s->host = machine_new_device(m, TYPE_I440FX_HOST, errp);
    if (!s->host) {
        return false;
    }
    s->pci = pc_host_bus(s->host);
    piix3 = pci_new_device(s->pci, TYPE_PIIX3, PIIX3_DEVFN, errp);
    if (!piix3) {
        return false;
    }
    s->isa = piix3_isa_bus(piix3);
    s->pm = pci_new_device(s->pci, TYPE_PIIX4_PM, PM_DEVFN, errp);
    s->ide = s->pm ? pci_new_device(s->pci, "piix3-ide", IDE_DEVFN, errp) : NULL;
    if (!s->ide) {
        return false;
    }
    s->ide_units = IDE_UNITS;
    irq_connect_fn(irq_find_out(s->ide, "irq", 0), isa_bus_set_irq, s->isa, IDE_IRQ);
    irq_connect_fn(irq_find_out(s->ide, "irq", 1), isa_bus_set_irq, s->isa, IDE_IRQ + 1);
    irq_connect_fn(irq_find_out(s->pm, "sci", 0), isa_bus_set_irq, s->isa, SCI_IRQ);
    irq_connect_fn(irq_find_out(s->pm, "smbus", 0), isa_bus_set_irq, s->isa, SMBUS_IRQ);
    piix4_pm_set_smm(s->pm, pc_has_smm(s));
    irq_connect_fn(irq_find_out(s->pm, "smi", 0), pc_smi_to_writer, s, 0);
    return true;
}

static const PcAcpi acpi = {.pm_devfn = PM_DEVFN,
                            .pm_default = PIIX4_PM_BASE,
                            .gpe_base = PIIX4_GPE_BASE,
                            .gpe_len = PIIX4_GPE_LEN,
                            .isa_devfn = PIIX3_DEVFN,
                            .links = PCI_NUM_PINS};

/* Shadow memory, where SeaBIOS goes on; whether the IDE channels are there. */
static const PcKept kept[] = {{0, 0x59, 7}, {IDE_DEVFN, 0x40, 4}, {0}};

#define I440FX_OPS(...)                                                                            \
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
                    .max_cpus = PC_MAX_CPUS,                                                       \
                    .default_bus = TYPE_PCI_BUS,                                                   \
                    .default_drive = BLK_IF_IDE,                                                   \
                    .cpu_help = x86_cpu_print_help,                                                \
                    __VA_ARGS__},                                                                  \
        .low_if = 0xe0000000, .low = 0xc0000000, .create_chipset = create_chipset,                 \
        .acpi_pm = piix4_pm, .acpi = &acpi, .kept = kept                                           \
    }

/* Guests see the same in all versions so far; the names are what management tools ask for. */
#define I440FX_VERSION(ident, VERSION, OPS)                                                        \
    QOM_TYPE(ident, .name = "pc-i440fx-" VERSION "-machine", .parent = TYPE_PC_MACHINE,            \
             .size = sizeof(PcMachine), .desc = "Standard PC (i440FX + PIIX, 1996)",               \
             .ops = &(OPS))

static const char *const newest_aliases[] = {"pc", NULL};
static const PcMachineOps newest_ops = I440FX_OPS(.aliases = newest_aliases, .is_default = true);
static const PcMachineOps older_ops = I440FX_OPS(.aliases = NULL);

I440FX_VERSION(i440fx_11_1, "11.1", newest_ops);
I440FX_VERSION(i440fx_11_0, "11.0", older_ops);
I440FX_VERSION(i440fx_10_2, "10.2", older_ops);
I440FX_VERSION(i440fx_10_1, "10.1", older_ops);
I440FX_VERSION(i440fx_10_0, "10.0", older_ops);
I440FX_VERSION(i440fx_9_2, "9.2", older_ops);
I440FX_VERSION(i440fx_9_1, "9.1", older_ops);
I440FX_VERSION(i440fx_9_0, "9.0", older_ops);
I440FX_VERSION(i440fx_8_2, "8.2", older_ops);
I440FX_VERSION(i440fx_8_1, "8.1", older_ops);
I440FX_VERSION(i440fx_8_0, "8.0", older_ops);
I440FX_VERSION(i440fx_7_2, "7.2", older_ops);
I440FX_VERSION(i440fx_7_1, "7.1", older_ops);
I440FX_VERSION(i440fx_7_0, "7.0", older_ops);
I440FX_VERSION(i440fx_6_2, "6.2", older_ops);
I440FX_VERSION(i440fx_6_1, "6.1", older_ops);
I440FX_VERSION(i440fx_6_0, "6.0", older_ops);
I440FX_VERSION(i440fx_5_2, "5.2", older_ops);
