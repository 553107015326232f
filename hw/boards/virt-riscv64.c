/* SPDX-License-Identifier: MIT */
/*
 * RISC-V "virt" board: the memory map, interrupt numbers and device tree that firmware and kernels
 * for QEMU's board of that name expect (read from the device tree that it hands to its guests).
 * Boot protocol: hart id in a0, device tree in a1, OpenSBI's fw_dynamic_info in a2.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "chardev/chardev.h"
#include "virt-riscv64.h"
#include "hw/char/uart-16550.h"
#include "hw/firmware/fw-cfg.h"
#include "hw/irqchip/sifive-plic.h"
#include "hw/misc/sifive-test.h"
#include "hw/mmio-device.h"
#include "hw/pci/gpex.h"
#include "hw/pci/pci.h"
#include "hw/rtc/goldfish-rtc.h"
#include "hw/storage/pflash-cfi01.h"
#include "hw/timer/riscv-aclint.h"
#include "hw/virtio/virtio-mmio.h"
#include "net/net.h"
#include "target/riscv64.h"

const VirtRange virt_map[VIRT_RANGES] = {
    [VIRT_MROM] = {0x1000, 0xf000},
    [VIRT_TEST] = {0x100000, 0x1000},
    [VIRT_RTC] = {0x101000, 0x1000},
    [VIRT_CLINT] = {0x2000000, 0x10000},
    [VIRT_PLIC] = {0xc000000, 0x600000},
    [VIRT_UART0] = {0x10000000, 0x100},
    [VIRT_VIRTIO] = {0x10001000, 0x1000}, /* the first of VIRT_VIRTIO_SLOTS */
    [VIRT_FW_CFG] = {0x10100000, 0x18},
    [VIRT_FLASH] = {0x20000000, 0x2000000}, /* the first of VIRT_FLASH_BANKS */
    [VIRT_PCI_IO] = {0x3000000, 0x10000},
    [VIRT_PCI_ECAM] = {0x30000000, 0x10000000},
    [VIRT_PCI_MEM] = {0x40000000, 0x40000000},
    [VIRT_PCI_MEM64] = {0x400000000, 0x400000000},
    [VIRT_DRAM] = {0x80000000, 0},
};

/* --- Harts and their interrupt controllers --- */

static uint64_t time_ticks(void *opaque)
{
    return riscv_aclint_mtime(opaque);
}

static int64_t time_when_ns(void *opaque, uint64_t ticks)
{
    return riscv_aclint_when_ns(opaque, ticks);
}

static const RiscvTimeSource virt_time = {.ticks = time_ticks, .when_ns = time_when_ns};

static void virt_time_set(void *opaque)
{
    Machine *m = opaque;

    for (guint i = 0; i < m->cpus->len; i++) {
        riscv_cpu_time_changed(g_ptr_array_index(m->cpus, i));
    }
}

static bool virt_create_harts(VirtMachine *s, Error **errp)
{
    Machine *m = &s->machine;

    for (unsigned i = 0; i < m->smp.cpus; i++) {
        if (!riscv_cpu_new(m, m->cpu_model, i, errp)) {
            return false;
        }
    }
    return true;
}

/* A system device with one number property set, realized and mapped at @addr. */
static Device *virt_new_mapped(VirtMachine *s, const char *type, const char *prop, unsigned value,
                               uint64_t addr, Error **errp)
{
    Device *dev = qom_cast(qom_new(type), TYPE_DEVICE);
    g_autofree char *text = g_strdup_printf("%u", value);

    if ((prop && !qom_prop_set(&dev->obj, prop, text, errp)) ||
        !machine_realize_device(&s->machine, dev, NULL, errp)) {
        return NULL;
    }
    mmio_device_map(qom_cast(dev, TYPE_MMIO_DEVICE), 0, s->machine.system_memory, addr);
    return dev;
}

static bool virt_create_aclint(VirtMachine *s, Error **errp)
{
    Machine *m = &s->machine;
    uint64_t base = virt_map[VIRT_CLINT].base;
    Device *swi, *mtimer;

    swi = virt_new_mapped(s, TYPE_RISCV_ACLINT_SWI, "num-harts", m->smp.cpus, base, errp);
    if (!swi) {
        return false;
    }
    mtimer = virt_new_mapped(s, TYPE_RISCV_ACLINT_MTIMER, "num-harts", m->smp.cpus,
                             base + ACLINT_SWI_SIZE, errp);
    if (!mtimer) {
        return false;
    }
    for (unsigned i = 0; i < m->smp.cpus; i++) {
        struct CpuState *cpu = g_ptr_array_index(m->cpus, i);

        irq_connect(irq_find_out(swi, "msi", i), (Device *)cpu, NULL, RISCV_IRQ_MSI);
        irq_connect(irq_find_out(mtimer, "mti", i), (Device *)cpu, NULL, RISCV_IRQ_MTI);
        riscv_cpu_set_time_source(cpu, &virt_time, mtimer);
    }
    riscv_aclint_on_time_set(mtimer, virt_time_set, m);
    return true;
}

/* Contexts in the order of the device tree: machine then supervisor of each hart. */
static bool virt_create_plic(VirtMachine *s, Error **errp)
{
    Machine *m = &s->machine;
    Device *plic = qom_cast(qom_new(TYPE_SIFIVE_PLIC), TYPE_DEVICE);
    g_autofree char *contexts = g_strdup_printf("%u", 2 * m->smp.cpus);
    g_autofree char *sources = g_strdup_printf("%d", VIRT_NUM_SOURCES);

    if (!qom_prop_set(&plic->obj, "num-sources", sources, errp) ||
        !qom_prop_set(&plic->obj, "num-contexts", contexts, errp) ||
        !machine_realize_device(m, plic, NULL, errp)) {
        return false;
    }
    mmio_device_map(qom_cast(plic, TYPE_MMIO_DEVICE), 0, m->system_memory,
                    virt_map[VIRT_PLIC].base);
    for (unsigned i = 0; i < m->smp.cpus; i++) {
        Device *cpu = g_ptr_array_index(m->cpus, i);

        irq_connect(irq_find_out(plic, "context", 2 * i), cpu, NULL, RISCV_IRQ_MEI);
        irq_connect(irq_find_out(plic, "context", 2 * i + 1), cpu, NULL, RISCV_IRQ_SEI);
    }
    s->plic = plic;
    return true;
}

/* --- Devices --- */

static void virt_wire(VirtMachine *s, Device *dev, int source)
{
    irq_connect(irq_find_out(dev, "irq", 0), s->plic, NULL, source);
}

static bool virt_create_uart(VirtMachine *s, Error **errp)
{
    Device *uart = qom_cast(qom_new(TYPE_SERIAL_MM), TYPE_DEVICE);
    const char *chr = machine_serial(&s->machine, 0);

    if ((chr && !qom_prop_set(&uart->obj, "chardev", chr, errp)) ||
        !qom_prop_set(&uart->obj, "baudbase", "230400", errp) ||
        !machine_realize_device(&s->machine, uart, "serial0", errp)) {
        return false;
    }
    mmio_device_map(qom_cast(uart, TYPE_MMIO_DEVICE), 0, s->machine.system_memory,
                    virt_map[VIRT_UART0].base);
    virt_wire(s, uart, VIRT_UART0_IRQ);
    return true;
}

static bool virt_create_virtio_slots(VirtMachine *s, Error **errp)
{
    VirtRange slot = virt_map[VIRT_VIRTIO];

    for (unsigned i = 0; i < VIRT_VIRTIO_SLOTS; i++) {
        Device *dev = qom_cast(qom_new(TYPE_VIRTIO_MMIO), TYPE_DEVICE);
        g_autofree char *bus = g_strdup_printf(TYPE_VIRTIO_MMIO_BUS ".%u", i);

        if (!qom_prop_set(&dev->obj, "bus-name", bus, errp) ||
            !machine_realize_device(&s->machine, dev, NULL, errp)) {
            return false;
        }
        mmio_device_map(qom_cast(dev, TYPE_MMIO_DEVICE), 0, s->machine.system_memory,
                        slot.base + i * slot.size);
        virt_wire(s, dev, VIRT_VIRTIO_IRQ + i);
    }
    return true;
}

static bool virt_create_flash(VirtMachine *s, Error **errp)
{
    VirtRange bank = virt_map[VIRT_FLASH];

    for (unsigned i = 0; i < VIRT_FLASH_BANKS; i++) {
        Device *dev = qom_cast(qom_new(TYPE_PFLASH_CFI01), TYPE_DEVICE);
        BlockBackend *blk = blk_by_interface(BLK_IF_PFLASH, i);
        const char *drive = s->flash_drive[i];
        g_autofree char *name = g_strdup_printf("virt.flash%u", i);

        if (drive && !(blk = blk_by_name(drive))) {
            return error_fail(errp, "-machine: pflash%u=%s: there is no drive or node of that name",
                              i, drive);
        }
        if ((blk && !qom_prop_set(&dev->obj, "drive", blk_name(blk), errp)) ||
            !qom_prop_set(&dev->obj, "name", name, errp) ||
            !machine_realize_device(&s->machine, dev, name, errp)) {
            return false;
        }
        if (pflash_is_secure(dev)) {
            return error_fail(errp,
                              "cfi.pflash01: property 'secure': this board has no secure mode");
        }
        mmio_device_map(qom_cast(dev, TYPE_MMIO_DEVICE), 0, s->machine.system_memory,
                        bank.base + i * bank.size);
        s->flash[i] = dev;
    }
    return true;
}

/* Windows of the PCI memory space, one to one; RAM above 4 GiB may cover part of the upper one. */
static bool virt_create_pci(VirtMachine *s, Error **errp)
{
    Machine *m = &s->machine;
    VirtRange low = virt_map[VIRT_PCI_MEM], high = virt_map[VIRT_PCI_MEM64];
    Device *host = machine_new_device(m, TYPE_GPEX_HOST, errp);
    MmioDevice *mmio = (MmioDevice *)host;

    if (!host) {
        return false;
    }
    mmio_device_map(mmio, 0, m->system_memory, virt_map[VIRT_PCI_ECAM].base);
    mmio_device_map(mmio, 2, m->system_memory, virt_map[VIRT_PCI_IO].base);
    mem_init_alias(&s->pci_window, &m->obj, "pci-window", mmio->regions[1], low.base, low.size);
    mem_init_alias(&s->pci_window64, &m->obj, "pci-window-64", mmio->regions[1], high.base,
                   high.size);
    mem_add(m->system_memory, low.base, &s->pci_window);
    mem_add_overlap(m->system_memory, high.base, &s->pci_window64, -1);
    for (int i = 0; i < 4; i++) {
        irq_connect(irq_find_out(host, "irq", i), s->plic, NULL, VIRT_PCI_IRQ + i);
    }
    return true;
}

static bool virt_create_devices(VirtMachine *s, Error **errp)
{
    Device *rtc;

    if (!virt_new_mapped(s, TYPE_SIFIVE_TEST, NULL, 0, virt_map[VIRT_TEST].base, errp)) {
        return false;
    }
    rtc = virt_new_mapped(s, TYPE_GOLDFISH_RTC, NULL, 0, virt_map[VIRT_RTC].base, errp);
    if (!rtc) {
        return false;
    }
    virt_wire(s, rtc, VIRT_RTC_IRQ);
    s->fw_cfg = virt_new_mapped(s, TYPE_FW_CFG_MMIO, NULL, 0, virt_map[VIRT_FW_CFG].base, errp);
    return s->fw_cfg && virt_create_uart(s, errp) && virt_create_virtio_slots(s, errp) &&
           virt_create_flash(s, errp) && virt_create_pci(s, errp);
}

/* --- What -drive if=virtio, -nic and -net ask for without naming a device --- */

static bool virt_add_default(VirtMachine *s, const char *type, const char *prop, const char *value,
                             const char *mac, Error **errp)
{
    Device *dev = qom_cast(qom_new(type), TYPE_DEVICE);
    Bus *bus = bus_find(&s->machine, device_type_bus(dev->obj.type), NULL, errp);
    g_autofree char *name = g_strdup_printf("device[%u]", s->machine.unattached->children->len);

    qom_add_child(s->machine.unattached, name, &dev->obj);
    qom_put(&dev->obj); /* the tree holds it */
    return bus && (!value || qom_prop_set(&dev->obj, prop, value, errp)) &&
           (!mac || qom_prop_set(&dev->obj, "mac", mac, errp)) &&
           device_realize(dev, &s->machine, bus, errp);
}

static bool virt_create_defaults(VirtMachine *s, Error **errp)
{
    BlockBackend *blk;
    NicConfig *nic;

    for (int i = 0; (blk = blk_by_interface(BLK_IF_VIRTIO, i)); i++) {
        if (!virt_add_default(s, "virtio-blk-device", "drive", blk_name(blk), NULL, errp)) {
            return false;
        }
    }
    while ((nic = net_next_nic())) {
        const char *type = machine_nic_type(&s->machine, nic->model ? nic->model : "virtio",
                                            "virtio-net-device", errp);

        if (!type || !virt_add_default(s, type, "netdev", nic->netdev, nic->mac, errp)) {
            return false;
        }
    }
    return true;
}

static bool virt_create_memory(VirtMachine *s, Error **errp)
{
    Machine *m = &s->machine;

    if (!machine_create_ram(m, errp) ||
        !mem_init_rom(&s->mrom, &m->obj, "riscv_virt_board.mrom", virt_map[VIRT_MROM].size, errp)) {
        return false;
    }
    mem_add(m->system_memory, virt_map[VIRT_DRAM].base, m->ram);
    mem_add(m->system_memory, virt_map[VIRT_MROM].base, &s->mrom);
    return true;
}

static bool virt_init(Machine *m, Error **errp)
{
    VirtMachine *s = (VirtMachine *)m;

    return virt_create_memory(s, errp) && virt_create_harts(s, errp) &&
           virt_create_aclint(s, errp) && virt_create_plic(s, errp) &&
           virt_create_devices(s, errp) && virt_create_defaults(s, errp) && virt_load(s, errp);
}

static const char *const virt_aliases[] = {NULL};

static bool virt_check_acpi(Object *obj, Error **errp)
{
    return ((VirtMachine *)obj)->acpi != ON_OFF_AUTO_ON ||
           error_fail(errp, "virt: property 'acpi': there are no ACPI tables, but a device tree "
                            "(accepted: off, auto)");
}

static const char *const virt_aia_names[] = {"none", NULL};

static const PropDesc virt_props[] = {
    PROP_STR("pflash0", VirtMachine, flash_drive[0], NULL, "drive or node behind the first flash"),
    PROP_STR("pflash1", VirtMachine, flash_drive[1], NULL, "drive or node behind the second flash"),
    PROP_ONOFFAUTO("acpi", VirtMachine, acpi, ON_OFF_AUTO_AUTO, "ACPI tables; off is all there is",
                   .check = virt_check_acpi),
    PROP_ENUM("aia", VirtMachine, aia, 0, virt_aia_names, "interrupt controllers of the AIA"),
    PROP_END};

static const MachineOps virt_ops = {
    .init = virt_init,
    .aliases = virt_aliases,
    .arch = "riscv64",
    .default_cpu = "rv64",
    .default_ram_id = "riscv_virt_board.ram",
    .default_ram_size = 128 * MiB,
    .max_cpus = VIRT_MAX_HARTS,
    .is_default = true,
    .default_bus = TYPE_PCI_BUS,
    .default_drive = BLK_IF_VIRTIO,
    .cpu_help = riscv_cpu_print_help,
};
QOM_TYPE(virt_type, .name = "virt-machine", .parent = TYPE_MACHINE, .size = sizeof(VirtMachine),
         .desc = "RISC-V VirtIO board", .props = virt_props, .ops = &virt_ops);
