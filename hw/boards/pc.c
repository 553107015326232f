/* SPDX-License-Identifier: MIT */
/*
 * What all PC boards have: memory map, properties, order of construction.  The chipsets are in
 * pc-i440fx.c and pc-q35.c, the parts of the board in the other pc-*.c files.
 *
 *   0          RAM, below 640 KiB          0xfec00000 I/O APIC
 *   0xa0000    VGA window, SMRAM behind    0xfed00000 HPET
 *   0xc0000    shadow memory (PAM)         0xfee00000 local APIC, messages
 *   0x100000   RAM up to below_4g          4 GiB - n  firmware
 *   below_4g   PCI                         4 GiB      the rest of RAM
 */
#include "rhea/osdep.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/vmgenid.h"
#include "hw/firmware/fw-cfg.h"
#include "hw/firmware/smbios.h"
#include "hw/mmio-device.h"
#include "hw/rtc/mc146818.h"
#include "pc.h"
#include "target/x86_64.h"

#define FOUR_GIB (1ULL << 32)

static void create_memory_map(PcMachine *s)
{
    Machine *m = &s->machine;
    const PcMachineOps *ops = pc_ops(s);

    s->below_4g = m->ram_size < ops->low_if ? m->ram_size : ops->low;
    mem_init_alias(&s->ram_low, &m->obj, "ram-below-4g", m->ram, 0, s->below_4g);
    mem_add(m->system_memory, 0, &s->ram_low);
    if (m->ram_size > s->below_4g) {
        mem_init_alias(&s->ram_high, &m->obj, "ram-above-4g", m->ram, s->below_4g,
                       m->ram_size - s->below_4g);
        mem_add(m->system_memory, FOUR_GIB, &s->ram_high);
    }
}

static bool create_fw_cfg(PcMachine *s, Error **errp)
{
    s->fw_cfg = machine_new_device(&s->machine, TYPE_FW_CFG_IO, errp);
    if (!s->fw_cfg) {
        return false;
    }
    mem_add_overlap(s->machine.system_io, FW_CFG_IO_PORT, ((MmioDevice *)s->fw_cfg)->regions[0], 1);
    return true;
}

/* Properties that name what these boards do not have. */
static bool check_properties(PcMachine *s, Error **errp)
{
    if (s->vmport == ON_OFF_AUTO_ON) {
        return error_fail(errp, "-machine: vmport=on: this board has no VMware port");
    }
    if (s->machine.ram_size < MiB) {
        return error_fail(errp, "-m: a PC needs at least 1 MiB");
    }
    return true;
}

bool pc_init(Machine *m, Error **errp)
{
    PcMachine *s = (PcMachine *)m;

    machine_create_io(m);
    if (!check_properties(s, errp) || !machine_create_ram(m, errp)) {
        return false;
    }
    create_memory_map(s);
    if (!pc_create_cpus(s, errp) || !pc_ops(s)->create_chipset(s, errp) ||
        !pc_create_isa_devices(s, errp) || !create_fw_cfg(s, errp)) {
        return false;
    }
    pc_wire_cpus(s);
    s->acpi_bus = s->acpi_on ? bus_new(s->pm, TYPE_ACPI_BUS, "acpi.0", 1) : NULL;
    return pc_load_firmware(s, errp) && pc_create_default_cards(s, errp);
}

bool pc_ready(Machine *m, Error **errp)
{
    PcMachine *s = (PcMachine *)m;

    return pc_create_default_disc_drive(s, errp) && pc_load_kernel(s, errp) &&
           pc_tell_firmware(s, errp);
}

void pc_powerdown(Machine *m)
{
    PcMachine *s = (PcMachine *)m;

    acpi_pm_power_button(pc_acpi_pm(s));
}

/* Copies what is kept over a sleep from the functions into @saved, or back. */
static void keep_registers(PcMachine *s, uint8_t saved[PC_KEPT_MAX], bool back)
{
    for (const PcKept *k = pc_ops(s)->kept; k->size; k++) {
        for (unsigned i = 0; i < k->size; i++, saved++) {
            if (back) {
                pci_config_write(s->pci, k->devfn, k->offset + i, *saved, 1);
            } else {
                *saved = pci_config_read(s->pci, k->devfn, k->offset + i, 1);
            }
        }
    }
}

/* The CMOS tells firmware that this is no cold start. */
void pc_wakeup(Machine *m)
{
    enum { CMOS_SHUTDOWN = 0x0f, SHUTDOWN_RESUME = 0xfe };
    PcMachine *s = (PcMachine *)m;
    uint16_t events = acpi_pm_events(pc_acpi_pm(s));
    uint8_t saved[PC_KEPT_MAX];

    keep_registers(s, saved, false);
    machine_reset(m);
    keep_registers(s, saved, true);
    if (pc_ops(s)->woken) {
        pc_ops(s)->woken(s);
    }
    mc146818_set(s->rtc, CMOS_SHUTDOWN, SHUTDOWN_RESUME);
    acpi_pm_wake(pc_acpi_pm(s), events);
}

/* By SmbiosEntry. */
static const char *const smbios_entry_names[] = {"auto", "32", "64", NULL};

static const PropDesc pc_props[] = {
    PROP_BOOL("hpet", PcMachine, hpet_on, true, "the board has an HPET"),
    PROP_BOOL("acpi", PcMachine, acpi_on, true, "the board has ACPI tables"),
    PROP_BOOL("i8042", PcMachine, i8042_on, true, "the board has a keyboard controller"),
    PROP_ONOFFAUTO("vmport", PcMachine, vmport, ON_OFF_AUTO_AUTO, "VMware's port (not there)"),
    PROP_ONOFFAUTO("smm", PcMachine, smm, ON_OFF_AUTO_AUTO, "system management mode"),
    PROP_ENUM("smbios-entry-point-type", PcMachine, smbios_entry, SMBIOS_ENTRY_AUTO,
              smbios_entry_names,
              "how SMBIOS tables are found: by an entry point of 2.8 or of 3.0"),
    PROP_STR("pflash0", PcMachine, flash_drive[0], NULL, "block device of the firmware's flash"),
    PROP_STR("pflash1", PcMachine, flash_drive[1], NULL, "block device of the second flash"),
    PROP_END};

QOM_TYPE(pc_type, .name = TYPE_PC_MACHINE, .parent = TYPE_MACHINE, .size = sizeof(PcMachine),
         .abstract = true, .props = pc_props);
