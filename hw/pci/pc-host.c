/* SPDX-License-Identifier: MIT */
/*
 * Host bridges of PCs; see hw/pci/pc-host.h.
 * Spec: PCI Local Bus 3.0, 3.2.2.3.2 (configuration mechanism 1); 82441FX data sheet, 3.2.18 (PAM) and
 * 3.2.21 (SMRAM); 82371SB data sheet, reset control register.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pc-host.h"
#include "rhea/bits.h"
#include "snapshot/snapshot.h"

enum { ADDRESS_PORT = 0xcf8, DATA_PORT = 0xcfc, PORT_BYTES = 4, RESET_OFFSET = 1 };
enum { RESET_HARD = 2, RESET_CPU = 4 };
enum { PAM_READ = 1, PAM_WRITE = 2, PAM_LOW = 0xc0000, PAM_LOW_SIZE = 0x4000 };
enum { PAM_TOP = 0xf0000, PAM_TOP_SIZE = 0x10000, VGA = 0xa0000, VGA_SIZE = 0x20000 };
#define ADDRESS_ENABLE   0x80000000u
#define ADDRESS_WRITABLE 0x80fffffcu

/* --- Configuration and reset --- */

static uint64_t address_read(void *opaque, uint64_t offset, unsigned size)
{
    PcHost *s = opaque;

    if (offset == RESET_OFFSET && size == 1) {
        return s->reset_control;
    }
    return extract64(s->address, 8 * offset, 8 * size);
}

/* Only a write of all four bytes is one of the address; the second byte alone is another register. */
static void address_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PcHost *s = opaque;

    if (size == PORT_BYTES) {
        s->address = value & ADDRESS_WRITABLE;
    } else if (offset == RESET_OFFSET && size == 1) {
        bool reset = value & ~s->reset_control & RESET_CPU;

        s->reset_control = value & RESET_HARD;
        if (reset) {
            machine_request_reset(s->parent.dev.machine, SHUTDOWN_GUEST_RESET);
        }
    }
}

static const MemOps address_ops = {
    .read = address_read,
    .write = address_write,
    .valid_max = 4,
    .impl_max = 4,
};

/* The bus that the address selects, or NULL. */
static PciBus *selected_bus(PcHost *s)
{
    return (s->address & ADDRESS_ENABLE) ? pci_bus_by_number(s->bus, extract64(s->address, 16, 8))
                                         : NULL;
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    PcHost *s = opaque;
    PciBus *bus = selected_bus(s);

    return bus ? pci_config_read(bus, extract64(s->address, 8, 8), (s->address & 0xfc) + offset,
                                 size)
               : MASK_ULL(8 * size);
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PcHost *s = opaque;
    PciBus *bus = selected_bus(s);

    if (bus) {
        pci_config_write(bus, extract64(s->address, 8, 8), (s->address & 0xfc) + offset, value,
                         size);
    }
}

static const MemOps data_ops = {
    .read = data_read,
    .write = data_write,
    .valid_max = 4,
    .impl_max = 4,
};

/* --- Shadow memory --- */

/* Reads come from the bus, writes go to RAM behind. */
static uint64_t shadow_read(void *opaque, uint64_t offset, unsigned size)
{
    PamSegment *seg = opaque;
    uint64_t value;

    mem_read_value(seg->host->pci_space, seg->addr + offset, size, &value);
    return value;
}

static void shadow_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PamSegment *seg = opaque;
    RamBlock *ram = seg->host->parent.dev.machine->low_ram;

    for (unsigned i = 0; i < size; i++) {
        ram->host[seg->addr + offset + i] = value >> (8 * i);
    }
    ram_set_dirty(ram, seg->addr + offset, size);
}

static const MemOps shadow_ops = {.read = shadow_read, .write = shadow_write, .unaligned = true};

/* Nobody answers: without this region, RAM would show through the empty places of the windows. */
static uint64_t nobody_read(void *opaque, uint64_t offset, unsigned size)
{
    return UINT64_MAX;
}

static const MemOps nobody_ops = {.read = nobody_read, .unaligned = true};

static void init_segment(PcHost *s, PamSegment *seg, uint64_t addr, uint64_t size)
{
    Machine *m = s->parent.dev.machine;
    Object *owner = &s->parent.dev.obj;

    seg->host = s;
    seg->addr = addr;
    mem_init_alias(&seg->to_pci, owner, "pam-pci", &s->pci_memory, addr, size);
    mem_init_alias(&seg->read_only, owner, "pam-rom", m->ram, addr, size);
    mem_set_readonly(&seg->read_only, true);
    mem_init_io(&seg->write_only, owner, &shadow_ops, seg, "pam-shadow", size);
    mem_add_overlap(m->system_memory, addr, &seg->to_pci, 1);
    mem_add_overlap(m->system_memory, addr, &seg->read_only, 1);
    mem_add_overlap(m->system_memory, addr, &seg->write_only, 1);
}

void pc_host_init_memory(PcHost *s)
{
    Machine *m = s->parent.dev.machine;
    Object *owner = &s->parent.dev.obj;

    mem_transaction_begin();
    mem_init_io(&s->nobody, owner, &nobody_ops, s, "pci-nobody", MiB - VGA);
    mem_add_overlap(&s->pci_memory, VGA, &s->nobody, -1);
    mem_init_alias(&s->vga_window, owner, "vga-window", &s->pci_memory, VGA, VGA_SIZE);
    mem_add_overlap(m->system_memory, VGA, &s->vga_window, 1);
    mem_init_container(&s->smram, owner, "smram", 1ULL << 32);
    mem_init_alias(&s->smram_low, owner, "smram-low", m->ram, VGA, VGA_SIZE);
    mem_add(&s->smram, VGA, &s->smram_low);
    for (unsigned i = 0; i < PAM_SEGMENTS - 1; i++) {
        init_segment(s, &s->pam[i], PAM_LOW + i * PAM_LOW_SIZE, PAM_LOW_SIZE);
    }
    init_segment(s, &s->pam[PAM_SEGMENTS - 1], PAM_TOP, PAM_TOP_SIZE);
    mem_transaction_commit();
}

/* The first register's high half is the top 64 KiB; the others are 16 KiB a half, from below. */
void pc_host_update_pam(PcHost *s, const uint8_t regs[7])
{
    mem_transaction_begin();
    for (unsigned i = 0; i < PAM_SEGMENTS; i++) {
        PamSegment *seg = &s->pam[i];
        uint8_t bits = i == PAM_SEGMENTS - 1 ? regs[0] >> 4 : regs[1 + i / 2] >> (i % 2 * 4);

        bits &= PAM_READ | PAM_WRITE;
        mem_set_enabled(&seg->to_pci, bits == 0);
        mem_set_enabled(&seg->read_only, bits == PAM_READ);
        mem_set_enabled(&seg->write_only, bits == PAM_WRITE);
    }
    mem_transaction_commit();
}

uint8_t pc_host_write_smram(PcHost *s, uint8_t control)
{
    bool on;

    if (s->smram_control & SMRAM_LOCK) {
        control = (s->smram_control & ~SMRAM_CLOSED) | (control & SMRAM_CLOSED);
    }
    if (control & SMRAM_LOCK) {
        control &= ~SMRAM_OPEN;
    }
    s->smram_control = control;
    on = control & SMRAM_ENABLE;
    mem_transaction_begin();
    mem_set_enabled(&s->vga_window, !(on && (control & SMRAM_OPEN)));
    mem_set_enabled(&s->smram_low, on && !(control & SMRAM_CLOSED));
    mem_transaction_commit();
    return control;
}

void pc_host_unlock_smram(PcHost *s)
{
    s->smram_control = 0;
}

/* For others there is nothing where TSEG is, unless SMRAM is open. */
void pc_host_set_tseg(PcHost *s, uint64_t size)
{
    Machine *m = s->parent.dev.machine;
    Object *owner = &s->parent.dev.obj;
    uint64_t base = s->ram_end - size;

    mem_transaction_begin();
    if (s->tseg.container) {
        mem_remove(&s->tseg);
        mem_remove(&s->tseg_cover);
    }
    if (size && size < s->ram_end) {
        mem_init_alias(&s->tseg, owner, "tseg", m->ram, base, size);
        mem_init_io(&s->tseg_cover, owner, &nobody_ops, s, "tseg-cover", size);
        mem_set_enabled(&s->tseg_cover, !(s->smram_control & SMRAM_OPEN));
        mem_add(&s->smram, base, &s->tseg);
        mem_add_overlap(m->system_memory, base, &s->tseg_cover, 1);
    }
    mem_transaction_commit();
}

/* --- Life --- */

static void pc_host_reset(Device *dev)
{
    PcHost *s = dev_state(dev, PcHost);

    s->address = 0;
    s->reset_control = 0;
}

static bool pc_host_realize(Device *dev, Error **errp)
{
    PcHost *s = dev_state(dev, PcHost);
    Machine *m = dev->machine;

    mem_init_container(&s->pci_memory, &dev->obj, "pci", UINT64_MAX);
    mmio_device_add_region(&s->parent, &s->pci_memory);
    mem_add_overlap(m->system_memory, 0, &s->pci_memory, -1);
    s->pci_space = mem_as_new(&s->pci_memory, "pci");
    mem_init_io(&s->address_port, &dev->obj, &address_ops, s, "pci-conf-idx", PORT_BYTES);
    mem_init_io(&s->data_port, &dev->obj, &data_ops, s, "pci-conf-data", PORT_BYTES);
    mem_add(m->system_io, ADDRESS_PORT, &s->address_port);
    mem_add(m->system_io, DATA_PORT, &s->data_port);
    return true;
}

static void pc_host_snapshot(Device *dev, Snapshot *sn)
{
    PcHost *s = dev_state(dev, PcHost);

    snap_section(sn, "pc-host", 1);
    snap_fields(sn, &s->address, &s->reset_control);
}

static const DeviceOps pc_host_ops =
    DEVICE_OPS(pc_host_snapshot, .realize = pc_host_realize, .reset = pc_host_reset);
QOM_TYPE(pc_host_type, .name = TYPE_PC_HOST, .parent = TYPE_MMIO_DEVICE, .size = sizeof(PcHost),
         .abstract = true, .dev = &pc_host_ops);
