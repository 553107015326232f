/* SPDX-License-Identifier: MIT */
/*
 * I/O APIC with 24 pins.  Spec: Intel 82093AA data sheet (290566); version 20h with the EOI register of
 * its successors (ICH9 data sheet, 13.5).
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/irqchip/apic.h"
#include "hw/irqchip/ioapic.h"
#include "hw/mmio-device.h"
#include "rhea/bits.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum { SELECT = 0x00, WINDOW = 0x10, EOI = 0x40 };
enum { REG_ID, REG_VERSION, REG_ARBITRATION, REG_TABLE = 0x10 };
enum { VERSION = 0x20, ID_SHIFT = 24, ID_MASK = 0x0f };
/* Redirection entries. */
#define RTE_VECTOR     0xffULL
#define RTE_LOGICAL    (1ULL << 11)
#define RTE_STATUS     (1ULL << 12)
#define RTE_LOW_ACTIVE (1ULL << 13)
#define RTE_REMOTE_IRR (1ULL << 14)
#define RTE_LEVEL      (1ULL << 15)
#define RTE_MASKED     (1ULL << 16)
#define RTE_READ_ONLY  (RTE_STATUS | RTE_REMOTE_IRR)
#define RTE_WRITABLE   (0xff000000000000ffULL | 0x1ffULL << 8)
enum { RTE_MODE_SHIFT = 8, RTE_DEST_SHIFT = 56 };

typedef struct IoApic {
    MmioDevice parent;
    /* wiring */
    MemRegion regs;
    Device *bus;
    /* guest-visible: all of it is in ioapic_snapshot */
    uint64_t table[IOAPIC_PINS];
    uint32_t levels;  /* of the pins */
    uint32_t pending; /* edges that came while masked do not count; these wait to be sent */
    uint8_t id, select;
} IoApic;

/* --- Delivery --- */

static bool ioapic_send(IoApic *s, unsigned pin)
{
    uint64_t rte = s->table[pin];
    ApicMessage msg = {
        .dest = rte >> RTE_DEST_SHIFT,
        .logical = rte & RTE_LOGICAL,
        .level = rte & RTE_LEVEL,
        .mode = extract64(rte, RTE_MODE_SHIFT, 3),
        .vector = rte & RTE_VECTOR,
    };

    return apic_bus_send(s->bus, &msg);
}

/*
 * Sends what is due: an edge once, a level until its end of interrupt has come.  A level that no APIC takes is
 * sent again when one may: its remote IRR says that somebody has it.
 */
static void ioapic_service(IoApic *s, unsigned pin)
{
    uint64_t *rte = &s->table[pin];

    if (!(s->pending & BIT(pin)) || (*rte & RTE_MASKED)) {
        return;
    }
    if (!(*rte & RTE_LEVEL)) {
        s->pending &= ~BIT(pin);
        ioapic_send(s, pin);
    } else if (!(*rte & RTE_REMOTE_IRR)) {
        *rte |= RTE_REMOTE_IRR; /* before: what takes it may end it at once */
        if (!ioapic_send(s, pin)) {
            *rte &= ~RTE_REMOTE_IRR;
        }
    }
}

static void ioapic_input(void *opaque, int n, bool level)
{
    IoApic *s = opaque;
    uint32_t bit = BIT(n);
    bool rose = level && !(s->levels & bit);

    s->levels = level ? s->levels | bit : s->levels & ~bit;
    if (s->table[n] & RTE_LEVEL) {
        s->pending = level ? s->pending | bit : s->pending & ~bit;
    } else if (rose && !(s->table[n] & RTE_MASKED)) {
        s->pending |= bit;
    }
    ioapic_service(s, n);
}

static void ioapic_eoi(void *opaque, uint8_t vector)
{
    IoApic *s = opaque;

    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t *rte = &s->table[pin];

        if ((*rte & RTE_LEVEL) && (*rte & RTE_REMOTE_IRR) && (*rte & RTE_VECTOR) == vector) {
            *rte &= ~RTE_REMOTE_IRR;
            ioapic_service(s, pin);
        }
    }
}

static void ioapic_again(void *opaque)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        ioapic_service(opaque, pin);
    }
}

/* --- Registers --- */

static uint32_t ioapic_read_indirect(IoApic *s)
{
    unsigned i = s->select;

    switch (i) {
    case REG_ID:
    case REG_ARBITRATION: return (uint32_t)s->id << ID_SHIFT;
    case REG_VERSION: return VERSION | (IOAPIC_PINS - 1) << 16;
    }
    if (i >= REG_TABLE && i < REG_TABLE + 2 * IOAPIC_PINS) {
        return s->table[(i - REG_TABLE) / 2] >> (i & 1 ? 32 : 0);
    }
    return 0;
}

static void ioapic_write_entry(IoApic *s, unsigned pin, bool high, uint32_t v)
{
    uint64_t *rte = &s->table[pin];
    uint64_t wanted = deposit64(*rte, high ? 32 : 0, 32, v);

    *rte = (wanted & RTE_WRITABLE & ~RTE_READ_ONLY) | (*rte & RTE_READ_ONLY);
    if (*rte & RTE_LEVEL) {
        s->pending = (s->pending & ~BIT(pin)) | (s->levels & BIT(pin));
    } else {
        *rte &= ~RTE_REMOTE_IRR;
        s->pending &= ~BIT(pin);
    }
    ioapic_service(s, pin);
}

static void ioapic_write_indirect(IoApic *s, uint32_t v)
{
    unsigned i = s->select;

    if (i == REG_ID) {
        s->id = v >> ID_SHIFT & ID_MASK;
    } else if (i >= REG_TABLE && i < REG_TABLE + 2 * IOAPIC_PINS) {
        ioapic_write_entry(s, (i - REG_TABLE) / 2, i & 1, v);
    } else {
        log_guest("ioapic: write to read-only register 0x%02x", i);
    }
}

static uint64_t ioapic_read(void *opaque, uint64_t offset, unsigned size)
{
    IoApic *s = opaque;

    switch (offset) {
    case SELECT: return s->select;
    case WINDOW: return ioapic_read_indirect(s);
    default: return 0;
    }
}

static void ioapic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    IoApic *s = opaque;

    switch (offset) {
    case SELECT: s->select = value; break;
    case WINDOW: ioapic_write_indirect(s, value); break;
    case EOI: ioapic_eoi(s, value); break;
    }
}

static const MemOps ioapic_mem_ops = {
    .read = ioapic_read,
    .write = ioapic_write,
    .impl_min = 4,
    .impl_max = 4,
};

/* --- Life --- */

static void ioapic_reset(Device *dev)
{
    IoApic *s = dev_state(dev, IoApic);

    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        s->table[i] = RTE_MASKED;
    }
    s->pending = 0;
    s->id = s->select = 0;
}

static bool ioapic_realize(Device *dev, Error **errp)
{
    IoApic *s = dev_state(dev, IoApic);

    if (!s->bus) {
        return error_fail(errp, "ioapic: there is no APIC bus");
    }
    irq_inputs_init(dev, NULL, ioapic_input, s, IOAPIC_PINS);
    mem_init_io(&s->regs, &dev->obj, &ioapic_mem_ops, s, "ioapic", IOAPIC_SIZE);
    mmio_device_add_region(&s->parent, &s->regs);
    apic_bus_on_eoi(s->bus, ioapic_eoi, ioapic_again, s);
    return true;
}

static void ioapic_snapshot(Device *dev, Snapshot *sn)
{
    IoApic *s = dev_state(dev, IoApic);

    snap_section(sn, "ioapic", 1);
    snap_u64_array(sn, s->table, IOAPIC_PINS);
    snap_fields(sn, &s->levels, &s->pending, &s->id, &s->select);
}

static const char *const bus_types[] = {TYPE_APIC_BUS, NULL};
static const PropDesc ioapic_props[] = {
    PROP_LINK("bus", IoApic, bus, bus_types, "the APIC bus that messages go to"), PROP_END};

static const DeviceOps ioapic_ops =
    DEVICE_OPS(ioapic_snapshot, .realize = ioapic_realize, .reset = ioapic_reset);
QOM_TYPE(ioapic_type, .name = TYPE_IOAPIC, .parent = TYPE_MMIO_DEVICE, .size = sizeof(IoApic),
         .desc = "I/O APIC", .props = ioapic_props, .dev = &ioapic_ops);
