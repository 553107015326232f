/* SPDX-License-Identifier: MIT */
/*
 * Two cascaded 8259A interrupt controllers as a PC has them, with the edge/level registers of the PIIX.
 * Spec: Intel 8259A data sheet (231468); 82371FB/SB (PIIX) data sheet, ELCR1 and ELCR2.
 * Models initialisation, all OCW2 commands, special mask and special fully nested modes, polling,
 * automatic end of interrupt.  Not modelled: the MCS-80 call modes and buffered mode.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/irqchip/i8259.h"
#include "hw/isa/isa.h"
#include "rhea/bits.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum { MASTER_PORT = 0x20, SLAVE_PORT = 0xa0, ELCR_PORT = 0x4d0 };
enum { CASCADE = 2, SPURIOUS = 7, CHIPS = 2, LINES = 8 };
enum { ICW1_ICW4 = 0x01, ICW1_SINGLE = 0x02, ICW1 = 0x10 };
enum { ICW4_AUTO_EOI = 0x02, ICW4_NESTED = 0x10 };
enum { OCW3 = 0x08, OCW3_READ_ISR = 0x01, OCW3_READ = 0x02, OCW3_POLL = 0x04 };
enum { OCW3_MASK_ON = 0x20, OCW3_MASK = 0x40 };
/* Interrupts 0, 1, 2 of the master and 0 and 5 of the slave (RTC, FPU error) are edge-triggered. */
static const uint8_t elcr_writable[CHIPS] = {0xf8, 0xde};

typedef struct Pic {
    uint8_t level; /* of the inputs */
    uint8_t irr, imr, isr;
    uint8_t elcr;
    uint8_t base;   /* vector of input 0 */
    uint8_t lowest; /* the input of the lowest priority */
    uint8_t step;   /* the ICW that comes next: 2, 3, 4; 0: none */
    bool needs_icw4, single;
    bool read_isr, poll, special_mask, auto_eoi, rotate_auto, nested;
} Pic;

typedef struct I8259 {
    IsaDevice parent;
    IrqLine out;
    MemRegion ports[CHIPS], elcr_ports;
    /* guest-visible: all of it is in pic_snapshot */
    Pic pic[CHIPS];
} I8259;

/* --- Priorities --- */

/* The input of the highest priority among @bits; -1: none. */
static int pic_highest(const Pic *p, uint8_t bits)
{
    for (unsigned i = 1; i <= LINES; i++) {
        unsigned n = (p->lowest + i) % LINES;

        if (bits & BIT(n)) {
            return (int)n;
        }
    }
    return -1;
}

/* How far down @n is: 0 is the highest priority. */
static unsigned pic_rank(const Pic *p, int n)
{
    return n < 0 ? LINES : (unsigned)(n - p->lowest - 1) % LINES;
}

/* The input that interrupts now, or -1: requested, not masked, above everything in service. */
static int pic_pending(const Pic *p, bool master)
{
    uint8_t in_service = p->isr;
    int request = pic_highest(p, p->irr & ~p->imr);

    if (p->special_mask) {
        in_service &= ~p->imr;
    }
    if (p->nested && master) {
        in_service &= ~BIT(CASCADE); /* the slave may go on interrupting itself */
    }
    return pic_rank(p, request) < pic_rank(p, pic_highest(p, in_service)) ? request : -1;
}

static void pic_set_input(Pic *p, unsigned n, bool level)
{
    uint8_t bit = BIT(n);

    if (p->elcr & bit) {
        p->irr = level ? p->irr | bit : p->irr & ~bit;
    } else if (level && !(p->level & bit)) {
        p->irr |= bit;
    }
    p->level = level ? p->level | bit : p->level & ~bit;
}

static void pic_update(I8259 *s)
{
    pic_set_input(&s->pic[0], CASCADE, pic_pending(&s->pic[1], false) >= 0);
    if (pic_pending(&s->pic[1], false) < 0) {
        s->pic[0].irr &= ~BIT(CASCADE); /* the slave takes its request back */
    }
    irq_set(&s->out, pic_pending(&s->pic[0], true) >= 0);
}

static void pic_input(void *opaque, int n, bool level)
{
    I8259 *s = opaque;

    pic_set_input(&s->pic[n / LINES], n % LINES, level);
    pic_update(s);
}

/* --- Acknowledge and end of interrupt --- */

static void pic_take(Pic *p, int n)
{
    if (p->auto_eoi) {
        if (p->rotate_auto) {
            p->lowest = n;
        }
    } else {
        p->isr |= BIT(n);
    }
    if (!(p->elcr & BIT(n))) {
        p->irr &= ~BIT(n);
    }
}

/* One INTA cycle of one chip; the input that it takes, SPURIOUS when there is none any more. */
static int pic_ack(Pic *p, bool master)
{
    int n = pic_pending(p, master);

    if (n < 0) {
        return SPURIOUS;
    }
    pic_take(p, n);
    return n;
}

uint8_t i8259_ack(Device *dev)
{
    I8259 *s = dev_state(dev, I8259);
    int n = pic_ack(&s->pic[0], true);
    uint8_t vector = s->pic[0].base + n;

    if (n == CASCADE) {
        vector = s->pic[1].base + pic_ack(&s->pic[1], false);
    }
    pic_update(s);
    return vector;
}

static void pic_eoi(Pic *p, int n, bool rotate)
{
    if (n < 0) {
        return;
    }
    p->isr &= ~BIT(n);
    if (rotate) {
        p->lowest = n;
    }
}

/* --- Registers --- */

static void pic_write_icw1(Pic *p, uint8_t v)
{
    uint8_t level = p->level, elcr = p->elcr;

    *p = (Pic){.level = level, .elcr = elcr, .irr = level & elcr, .lowest = LINES - 1, .step = 2};
    p->needs_icw4 = v & ICW1_ICW4;
    p->single = v & ICW1_SINGLE;
}

static void pic_write_ocw2(Pic *p, uint8_t v)
{
    int named = v & 7;

    switch (v >> 5) {
    case 0: p->rotate_auto = false; break;
    case 1: pic_eoi(p, pic_highest(p, p->isr), false); break;
    case 3: pic_eoi(p, named, false); break;
    case 4: p->rotate_auto = true; break;
    case 5: pic_eoi(p, pic_highest(p, p->isr), true); break;
    case 6: p->lowest = named; break;
    case 7: pic_eoi(p, named, true); break;
    default: break; /* 2: no operation */
    }
}

static void pic_write_ocw3(Pic *p, uint8_t v)
{
    if (v & OCW3_POLL) {
        p->poll = true;
    }
    if (v & OCW3_READ) {
        p->read_isr = v & OCW3_READ_ISR;
    }
    if (v & OCW3_MASK) {
        p->special_mask = v & OCW3_MASK_ON;
    }
}

static void pic_write_data(Pic *p, uint8_t v)
{
    switch (p->step) {
    case 2:
        p->base = v & 0xf8;
        p->step = p->single ? (p->needs_icw4 ? 4 : 0) : 3;
        break;
    case 3: p->step = p->needs_icw4 ? 4 : 0; break; /* where the slave is: wired on a PC */
    case 4:
        p->auto_eoi = v & ICW4_AUTO_EOI;
        p->nested = v & ICW4_NESTED;
        p->step = 0;
        break;
    default: p->imr = v;
    }
}

static void pic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8259 *s = opaque;
    Pic *p = &s->pic[offset / 2];
    uint8_t v = value;

    if (offset & 1) {
        pic_write_data(p, v);
    } else if (v & ICW1) {
        pic_write_icw1(p, v);
    } else if (v & OCW3) {
        pic_write_ocw3(p, v);
    } else {
        pic_write_ocw2(p, v);
    }
    pic_update(s);
}

/* A poll is an acknowledge by reading: bit 7 says that there was a request. */
static uint8_t pic_poll(I8259 *s, Pic *p)
{
    bool master = p == &s->pic[0];
    int n = pic_pending(p, master);

    p->poll = false;
    if (n < 0) {
        return 0;
    }
    pic_take(p, n);
    pic_update(s);
    return 0x80 | n;
}

static uint64_t pic_read(void *opaque, uint64_t offset, unsigned size)
{
    I8259 *s = opaque;
    Pic *p = &s->pic[offset / 2];

    if (p->poll) {
        return pic_poll(s, p);
    }
    if (offset & 1) {
        return p->imr;
    }
    return p->read_isr ? p->isr : p->irr;
}

/* The two chips are one region each; the offset in the device is 2 * chip + register. */
static uint64_t slave_read(void *opaque, uint64_t offset, unsigned size)
{
    return pic_read(opaque, 2 + offset, size);
}

static void slave_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    pic_write(opaque, 2 + offset, value, size);
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((I8259 *)opaque)->pic[offset].elcr;
}

static void elcr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8259 *s = opaque;
    Pic *p = &s->pic[offset];

    p->elcr = value & elcr_writable[offset];
    p->irr = (p->irr & ~p->elcr) | (p->level & p->elcr);
    pic_update(s);
}

static const MemOps master_ops = ISA_BYTE_PORTS(pic_read, pic_write);
static const MemOps slave_ops = ISA_BYTE_PORTS(slave_read, slave_write);
static const MemOps elcr_ops = ISA_BYTE_PORTS(elcr_read, elcr_write);

/* --- Life --- */

static void pic_reset(Device *dev)
{
    I8259 *s = dev_state(dev, I8259);

    for (unsigned i = 0; i < CHIPS; i++) {
        s->pic[i] = (Pic){.level = s->pic[i].level, .lowest = LINES - 1};
    }
    pic_update(s);
}

static bool pic_realize(Device *dev, Error **errp)
{
    I8259 *s = dev_state(dev, I8259);

    irq_line_init(&s->out, dev, "int");
    irq_inputs_init(dev, NULL, pic_input, s, CHIPS * LINES);
    mem_init_io(&s->ports[0], &dev->obj, &master_ops, s, "pic", 2);
    mem_init_io(&s->ports[1], &dev->obj, &slave_ops, s, "pic", 2);
    mem_init_io(&s->elcr_ports, &dev->obj, &elcr_ops, s, "elcr", CHIPS);
    isa_add_ports(&s->parent, MASTER_PORT, &s->ports[0]);
    isa_add_ports(&s->parent, SLAVE_PORT, &s->ports[1]);
    isa_add_ports(&s->parent, ELCR_PORT, &s->elcr_ports);
    return true;
}

static void pic_snapshot(Device *dev, Snapshot *sn)
{
    I8259 *s = dev_state(dev, I8259);

    snap_section(sn, "i8259", 1);
    for (unsigned i = 0; i < CHIPS; i++) {
        Pic *p = &s->pic[i];

        snap_fields(sn, &p->level, &p->irr, &p->imr, &p->isr, &p->elcr, &p->base, &p->lowest,
                    &p->step);
        snap_fields(sn, &p->needs_icw4, &p->single, &p->read_isr, &p->poll, &p->special_mask,
                    &p->auto_eoi, &p->rotate_auto, &p->nested);
        if (snap_loading(sn) && p->lowest >= LINES) {
            snap_fail(sn, "i8259: priority of input %u", p->lowest);
        }
    }
}

static void pic_after_load(Device *dev)
{
    pic_update(dev_state(dev, I8259));
}

static const DeviceOps pic_ops = DEVICE_OPS(pic_snapshot, .realize = pic_realize,
                                            .reset = pic_reset, .after_load = pic_after_load);
QOM_TYPE(pic_type, .name = TYPE_I8259, .parent = TYPE_ISA_DEVICE, .size = sizeof(I8259),
         .desc = "8259A interrupt controllers", .dev = &pic_ops);
