/* SPDX-License-Identifier: MIT */
/* Devices of a PC's ISA bus, and the cards that the command line asks for without naming a device. */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/char/uart-16550.h"
#include "hw/display/vga.h"
#include "hw/dma/i8237.h"
#include "hw/input/i8042.h"
#include "hw/irqchip/apic.h"
#include "hw/irqchip/i8259.h"
#include "hw/irqchip/ioapic.h"
#include "hw/misc/fpu-error.h"
#include "hw/misc/port92.h"
#include "hw/mmio-device.h"
#include "hw/rtc/mc146818.h"
#include "hw/storage/fdc.h"
#include "hw/storage/ide.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "net/net.h"
#include "pc.h"
#include "target/x86_64.h"

enum { IRQ_TIMER = 0, IRQ_RTC = 8, IRQ_FPU = 13, DISC_INDEX = 2 };

/* An unnamed device of the board on @bus, realized after @prop (may be NULL) has got @value. */
static Device *new_on_bus(PcMachine *s, Bus *bus, const char *type, const char *prop,
                          const char *value, Error **errp)
{
    Device *dev = (Device *)qom_new(type);
    g_autofree char *name = g_strdup_printf("device[%u]", s->machine.unattached->children->len);

    qom_add_child(s->machine.unattached, name, &dev->obj);
    qom_put(&dev->obj); /* the tree holds it */
    if ((prop && !qom_prop_set(&dev->obj, prop, value, errp)) ||
        !device_realize(dev, &s->machine, bus, errp)) {
        return NULL;
    }
    return dev;
}

static Device *new_isa(PcMachine *s, const char *type, Error **errp)
{
    return new_on_bus(s, &s->isa->bus, type, NULL, NULL, errp);
}

/* --- Interrupts and timers --- */

static bool create_ioapic(PcMachine *s, Error **errp)
{
    Device *dev = (Device *)qom_new(TYPE_IOAPIC);

    if (!qom_prop_set_link(&dev->obj, "bus", &s->apic_bus->obj, errp) ||
        !machine_realize_device(&s->machine, dev, NULL, errp)) {
        return false;
    }
    s->ioapic = dev;
    mem_add_overlap(s->machine.system_memory, IOAPIC_ADDR, ((MmioDevice *)dev)->regions[0], 1);
    return true;
}

/* The HPET's outputs: those with an ISA number are shared with the bus. */
static void hpet_line(void *opaque, int n, bool level)
{
    PcMachine *s = opaque;

    if (n == IRQ_TIMER || n == IRQ_RTC) {
        isa_bus_set_irq(s->isa, n, level);
    } else {
        irq_drive_input(s->ioapic, NULL, n, level);
    }
}

static bool create_hpet(PcMachine *s, Device *pit, Error **errp)
{
    s->hpet = machine_new_device(&s->machine, TYPE_HPET, errp);
    if (!s->hpet) {
        return false;
    }
    mem_add_overlap(s->machine.system_memory, HPET_ADDR, ((MmioDevice *)s->hpet)->regions[0], 1);
    for (int n = 0; n < HPET_LINES; n++) {
        irq_connect_fn(irq_find_out(s->hpet, "irq", n), hpet_line, s, n);
    }
    irq_connect(irq_find_out(pit, "irq", 0), s->hpet, NULL, 0);
    irq_connect(irq_find_out(s->rtc, "irq", 0), s->hpet, NULL, 1);
    return true;
}

static bool create_timers(PcMachine *s, Error **errp)
{
    Device *pit = new_isa(s, TYPE_I8254, errp);

    s->rtc = pit ? new_isa(s, TYPE_MC146818_RTC, errp) : NULL;
    if (!s->rtc) {
        return false;
    }
    irq_connect(irq_find_out(s->rtc, "alarm", 0), s->pm, "rtc-alarm", 0);
    if (s->hpet_on) {
        return create_hpet(s, pit, errp);
    }
    irq_connect_fn(irq_find_out(pit, "irq", 0), isa_bus_set_irq, s->isa, IRQ_TIMER);
    return true;
}

/* --- Address line 20 --- */

/* Either gate lets the line through. */
static void gate_a20(void *opaque, int gate, bool level)
{
    PcMachine *s = opaque;
    GPtrArray *cpus = s->machine.cpus;

    s->a20[gate] = level;
    for (guint i = 0; i < cpus->len; i++) {
        irq_drive_input(g_ptr_array_index(cpus, i), NULL, X86_IRQ_A20, s->a20[0] || s->a20[1]);
    }
}

/* --- Floating-point errors --- */

static bool create_fpu_error(PcMachine *s, Error **errp)
{
    Device *dev = new_isa(s, TYPE_FPU_ERROR, errp), *cpu = g_ptr_array_index(s->machine.cpus, 0);

    if (!dev) {
        return false;
    }
    irq_connect_fn(irq_find_out(dev, "irq", 0), isa_bus_set_irq, s->isa, IRQ_FPU);
    irq_connect(irq_find_out(dev, "ignne", 0), cpu, NULL, X86_IRQ_IGNNE);
    irq_connect(irq_find_out(cpu, "ferr", 0), dev, "ferr", 0);
    return true;
}

/* --- Ports --- */

static bool create_serial_ports(PcMachine *s, Error **errp)
{
    for (unsigned i = 0; i < MACHINE_SERIAL_PORTS; i++) {
        const char *chardev = machine_serial(&s->machine, i);
        g_autofree char *index = g_strdup_printf("%u", i);
        Device *dev;

        if (!chardev) {
            continue;
        }
        dev = (Device *)qom_new(TYPE_ISA_SERIAL);
        qom_add_child(s->machine.unattached, "serial[*]", &dev->obj);
        qom_put(&dev->obj); /* the tree holds it */
        if (!qom_prop_set(&dev->obj, "index", index, errp) ||
            !qom_prop_set(&dev->obj, "chardev", chardev, errp) ||
            !qom_prop_set(&dev->obj, "firmware-console", !i && pc_serial_console(s) ? "on" : "off",
                          errp) ||
            !device_realize(dev, &s->machine, &s->isa->bus, errp)) {
            return false;
        }
    }
    return true;
}

bool pc_create_isa_devices(PcMachine *s, Error **errp)
{
    Device *port92, *i8042;

    isa_bus_connect(s->isa, pc_set_line, s);
    s->pic = new_isa(s, TYPE_I8259, errp);
    if (!s->pic || !create_ioapic(s, errp) || !create_timers(s, errp)) {
        return false;
    }
    s->isa->dma = new_isa(s, TYPE_I8237, errp);
    s->fdc = s->isa->dma ? new_isa(s, TYPE_ISA_FDC, errp) : NULL;
    if (!s->fdc) {
        return false;
    }
    port92 = create_fpu_error(s, errp) ? new_isa(s, TYPE_PORT92, errp) : NULL;
    if (!port92) {
        return false;
    }
    irq_connect_fn(irq_find_out(port92, "a20", 0), gate_a20, s, 0);
    if (s->i8042_on) {
        i8042 = new_isa(s, TYPE_I8042, errp);
        if (!i8042) {
            return false;
        }
        irq_connect_fn(irq_find_out(i8042, "a20", 0), gate_a20, s, 1);
    } else {
        gate_a20(s, 1, true);
    }
    return create_serial_ports(s, errp);
}

/* --- Cards --- */

static bool create_nic(PcMachine *s, const NicConfig *nic, Error **errp)
{
    const char *type =
        machine_nic_type(&s->machine, nic->model ? nic->model : "e1000", "virtio-net-pci", errp);
    Device *dev;

    if (!type) {
        return false;
    }
    dev = (Device *)qom_new(type);
    qom_add_child(s->machine.unattached, "nic[*]", &dev->obj);
    qom_put(&dev->obj); /* the tree holds it */
    return (!nic->netdev || qom_prop_set(&dev->obj, "netdev", nic->netdev, errp)) &&
           (!nic->mac || qom_prop_set(&dev->obj, "mac", nic->mac, errp)) &&
           device_realize(dev, &s->machine, &s->pci->bus, errp);
}

/* What -vga means; there is one unless -nodefaults. */
static bool create_vga(PcMachine *s, Error **errp)
{
    Machine *m = &s->machine;
    const char *type = m->vga ? vga_card_type(m->vga) : m->nodefaults ? NULL : TYPE_VGA;

    return !type || pci_new_device(s->pci, type, -1, errp);
}

/* The drives of -fda, -fdb and -drive if=floppy; without one, drive A is empty. */
static bool create_floppy_drives(PcMachine *s, Error **errp)
{
    static const char *const units[] = {"0", "1"};
    BlockBackend *blk[ARRAY_SIZE(units)];

    for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
        blk[i] = blk_by_interface(BLK_IF_FLOPPY, (int)i);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
        bool empty = !i && !blk[1] && !s->machine.nodefaults;
        Device *dev;

        if (!blk[i] && !empty) {
            continue;
        }
        dev = (Device *)qom_new("floppy");
        qom_add_child(s->machine.unattached, "floppy[*]", &dev->obj);
        qom_put(&dev->obj); /* the tree holds it */
        if ((blk[i] && !qom_prop_set(&dev->obj, "drive", blk_name(blk[i]), errp)) ||
            !qom_prop_set(&dev->obj, "unit", units[i], errp) ||
            !device_realize(dev, &s->machine, fdc_bus(s->fdc), errp)) {
            return false;
        }
    }
    return true;
}

/* The @index-th drive, two a channel or one; no @blk: an empty disc drive. */
static bool create_ide_drive(PcMachine *s, unsigned index, BlockBackend *blk, Error **errp)
{
    g_autofree char *unit = g_strdup_printf("%u", index % s->ide_units);
    IdeBus *bus = ide_bus_find(s->ide, index / s->ide_units);
    Device *dev = (Device *)qom_new(!blk || blk_is_cdrom(blk) ? "ide-cd" : "ide-hd");

    qom_add_child(s->machine.unattached, "ide[*]", &dev->obj);
    qom_put(&dev->obj); /* the tree holds it */
    return (!blk || qom_prop_set(&dev->obj, "drive", blk_name(blk), errp)) &&
           qom_prop_set(&dev->obj, "unit", unit, errp) &&
           device_realize(dev, &s->machine, &bus->bus, errp);
}

/* The drives of -hda, -cdrom and -drive if=ide. */
static bool create_ide_drives(PcMachine *s, Error **errp)
{
    BlockBackend *blk;

    for (unsigned i = 0; ide_bus_find(s->ide, i / s->ide_units); i++) {
        blk = blk_by_interface(BLK_IF_IDE, i);
        if (!blk) {
            continue;
        }
        if (!create_ide_drive(s, i, blk, errp)) {
            return false;
        }
    }
    return true;
}

static bool has_disc_drive(Object *obj)
{
    bool found = qom_is(obj, "ide-cd") || qom_is(obj, "scsi-cd");

    for (guint i = 0; !found && i < obj->children->len; i++) {
        found = has_disc_drive(g_ptr_array_index(obj->children, i));
    }
    return found;
}

/* An empty drive where -cdrom would be, when there is no other and its place is free. */
bool pc_create_default_disc_drive(PcMachine *s, Error **errp)
{
    IdeBus *bus = ide_bus_find(s->ide, DISC_INDEX / s->ide_units);

    return s->machine.nodefaults || bus->drive[DISC_INDEX % s->ide_units] ||
           has_disc_drive(&s->machine.obj) || create_ide_drive(s, DISC_INDEX, NULL, errp);
}

bool pc_create_default_cards(PcMachine *s, Error **errp)
{
    BlockBackend *blk;
    NicConfig *nic;

    if (!create_vga(s, errp) || !create_floppy_drives(s, errp) || !create_ide_drives(s, errp)) {
        return false;
    }
    if (!s->machine.nodefaults && !net_default_nic(errp)) {
        return false;
    }
    while ((nic = net_next_nic())) {
        if (!create_nic(s, nic, errp)) {
            return false;
        }
    }
    for (int i = 0; (blk = blk_by_interface(BLK_IF_VIRTIO, i)); i++) {
        if (!new_on_bus(s, &s->pci->bus, "virtio-blk-pci", "drive", blk_name(blk), errp)) {
            return false;
        }
    }
    return true;
}
