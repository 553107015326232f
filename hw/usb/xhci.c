/* SPDX-License-Identifier: MIT */
/*
 * USB host controller of the xHCI kind.  Spec: eXtensible Host Controller Interface 1.2.
 * Models registers, command and event rings, interrupters with moderation (MSI-X, MSI or the line), slots and
 * endpoints; four USB 2 ports, and four USB 3 ports for which there are no devices yet.
 * Not modelled: streams, isochronous transfers, OUT endpoints other than 0, bandwidth, power states of links.
 * Rings and contexts are the guest's and hostile: what makes no sense stops the ring, and one access does a
 * bounded amount of work.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"
#include "xhci.h"

enum {
    SPAN = 0x4000,
    CAPABILITIES_END = 0x40,
    OPERATIONAL = 0x40,
    PORTS_AT = 0x440,
    PORT_SPAN = 0x10
};
enum { RUNTIME = 0x1000, INTERRUPTERS_AT = 0x1020, INTERRUPTER_SPAN = 0x20, DOORBELLS = 0x2000 };
enum { MSIX_BAR = 2, SBRN_AT = 0x60, USB_3_0 = 0x30 };
/* Operational registers (5.4), from OPERATIONAL. */
enum {
    USBCMD = 0x00,
    USBSTS = 0x04,
    PAGESIZE = 0x08,
    DNCTRL = 0x14,
    CRCR = 0x18,
    DCBAAP = 0x30,
    CONFIG = 0x38
};
enum { CMD_RUN = 1, CMD_RESET = 2, CMD_INTE = 4, CMD_WRITABLE = 0xf0d };
enum { STS_HALTED = 1, STS_EVENT = 8, STS_PORT = 16, STS_W1C = 0x41c };
enum { CRCR_CYCLE = 1, CRCR_STOP = 2, CRCR_ABORT = 4, CRCR_RUNNING = 8, CC_RING_STOPPED = 24 };
/* Ports (5.4.8). */
enum {
    PORT_CONNECT = 1 << 0,
    PORT_ENABLED = 1 << 1,
    PORT_RESET = 1 << 4,
    PORT_LINK = 15 << 5,
    PORT_POWER = 1 << 9,
    PORT_SPEED = 15 << 10,
    PORT_LINK_STROBE = 1 << 16,
    PORT_CONNECT_CHANGE = 1 << 17,
    PORT_RESET_CHANGE = 1 << 21,
    PORT_W1C = 0x7f << 17,
    PORT_WRITABLE = 0x0e00c000
};
enum { LINK_U0 = 0 << 5, LINK_RX_DETECT = 5 << 5, LINK_POLLING = 7 << 5, SPEED_FULL = 1 << 10 };
/* Interrupters (5.5.2). */
enum { IMAN = 0x00, IMOD = 0x04, ERSTSZ = 0x08, ERSTBA = 0x10, ERDP = 0x18 };
enum { IMAN_PENDING = 1, IMAN_ENABLE = 2, ERDP_BUSY = 8, ERDP_FLAGS = 15, ERST_LOG2_MAX = 4 };
enum { IMOD_UNIT_NS = 250, IMOD_DEFAULT = 4000, MICROFRAME_NS = 125000 };

/* --- Memory and rings --- */

bool xhci_running(const Xhci *s)
{
    return s->usbcmd & CMD_RUN && pci_master(&s->pci);
}

bool xhci_read(Xhci *s, uint64_t addr, void *buf, uint64_t len)
{
    return mem_read(s->pci.dev.machine->memory, addr, buf, len) == MEM_OK;
}

bool xhci_write(Xhci *s, uint64_t addr, const void *buf, uint64_t len)
{
    return mem_write(s->pci.dev.machine->memory, addr, buf, len) == MEM_OK;
}

bool xhci_fetch(Xhci *s, XhciRing *ring, XhciTrb *trb)
{
    for (unsigned links = 0; links <= XHCI_LINK_LIMIT; links++) {
        uint8_t raw[16];

        if (!xhci_read(s, ring->addr, raw, sizeof(raw))) {
            log_guest("xhci: no memory at 0x%" PRIx64 " for a ring", ring->addr);
            return false;
        }
        *trb = (XhciTrb){ld64_le(raw), ld32_le(raw + 8), ld32_le(raw + 12), ring->addr};
        if ((trb->control & TRB_CYCLE) != ring->cycle) {
            return false;
        }
        if (xhci_trb_type(trb) != TRB_LINK) {
            ring->addr += sizeof(raw);
            return true;
        }
        ring->addr = trb->parameter & ~15ULL;
        ring->cycle ^= (trb->control & TRB_TOGGLE) != 0;
    }
    log_guest("xhci: a ring of links only");
    return false;
}

/* A segment of an event ring. */
static bool read_segment(Xhci *s, const XhciInterrupter *in, uint64_t *base, uint32_t *size)
{
    uint8_t raw[16];

    if (in->segment >= in->erstsz ||
        !xhci_read(s, in->erstba + 16 * (uint64_t)in->segment, raw, sizeof(raw))) {
        return false;
    }
    *base = ld64_le(raw) & ~63ULL;
    *size = ld16_le(raw + 8);
    return in->index < *size;
}

static void advance(XhciInterrupter *in, uint32_t size)
{
    if (++in->index >= size) {
        in->index = 0;
        if (++in->segment >= in->erstsz) {
            in->segment = 0;
            in->cycle = !in->cycle;
        }
    }
}

/* Where the next event goes; 0: the guest's tables make no sense. */
static uint64_t enqueue_at(Xhci *s, const XhciInterrupter *in)
{
    uint64_t base;
    uint32_t size;

    return read_segment(s, in, &base, &size) ? base + 16 * (uint64_t)in->index : 0;
}

/* --- Interrupts --- */

static void send_interrupts(Xhci *s)
{
    bool level = false, one;

    for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
        XhciInterrupter *in = &s->intr[i];

        one = s->usbcmd & CMD_INTE &&
              (in->iman & (IMAN_ENABLE | IMAN_PENDING)) == (IMAN_ENABLE | IMAN_PENDING);
        if (one && pci_msix_enabled(&s->pci)) {
            in->iman &= ~IMAN_PENDING; /* the message has it (5.5.2.1) */
            pci_msix_notify(&s->pci, i);
        } else if (one && pci_msi_enabled(&s->pci)) {
            in->iman &= ~IMAN_PENDING;
            pci_set_intx(&s->pci, true);
            pci_set_intx(&s->pci, false);
        } else {
            level |= one;
        }
    }
    pci_set_intx(&s->pci, level);
}

/* Tells the guest about interrupter @in's events, once until it has looked and no sooner than it wants. */
static void raise_interrupt(Xhci *s, XhciInterrupter *in)
{
    int64_t now = clock_now_ns(s->moderation.clock);

    if (in->erdp & ERDP_BUSY) {
        return;
    }
    if (now < in->quiet_until_ns) {
        clock_timer_arm(&s->moderation, MIN(s->moderation.deadline_ns, in->quiet_until_ns));
        return;
    }
    in->quiet_until_ns = now + (int64_t)(in->imod & 0xffff) * IMOD_UNIT_NS;
    in->erdp |= ERDP_BUSY;
    in->iman |= IMAN_PENDING;
    s->usbsts |= STS_EVENT;
    send_interrupts(s);
}

static void raise_if_events(Xhci *s, XhciInterrupter *in)
{
    uint64_t at = enqueue_at(s, in);

    if (at && at != (in->erdp & ~(uint64_t)ERDP_FLAGS)) {
        raise_interrupt(s, in);
    }
}

static void moderation_over(void *opaque)
{
    Xhci *s = opaque;

    s->busy = true;
    for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
        raise_if_events(s, &s->intr[i]);
    }
    s->busy = false;
}

void xhci_event(Xhci *s, unsigned n, const XhciTrb *ev)
{
    XhciInterrupter *in = &s->intr[n < XHCI_INTERRUPTERS ? n : 0], next;
    uint64_t base;
    uint32_t size;
    uint8_t raw[16];

    if (!read_segment(s, in, &base, &size)) {
        log_guest("xhci: no event ring");
        return;
    }
    next = *in;
    advance(&next, size);
    if (enqueue_at(s, &next) == (in->erdp & ~(uint64_t)ERDP_FLAGS)) {
        log_guest("xhci: an event ring is full");
        return;
    }
    st64_le(raw, ev->parameter);
    st32_le(raw + 8, ev->status);
    st32_le(raw + 12, ev->control | in->cycle);
    xhci_write(s, base + 16 * (uint64_t)in->index, raw, sizeof(raw));
    advance(in, size);
    raise_interrupt(s, in);
}

/* --- Ports --- */

static UsbDevice *port_device(Xhci *s, unsigned port)
{
    return port < s->bus->num_ports ? s->bus->ports[port] : NULL;
}

static void port_event(Xhci *s, unsigned port)
{
    s->usbsts |= STS_PORT;
    if (xhci_running(s)) {
        xhci_event(s, 0,
                   &(XhciTrb){.parameter = (port + 1) << 24,
                              .status = CC_SUCCESS << 24,
                              .control = TRB_PORT_EVENT << 10});
    }
}

/* Whatever the port has been, it is now as after power on. */
static void port_restart(Xhci *s, unsigned port)
{
    s->portsc[port] =
        PORT_POWER |
        (port_device(s, port) ? PORT_CONNECT | PORT_CONNECT_CHANGE | LINK_POLLING : LINK_RX_DETECT);
}

static void xhci_port_changed(void *opaque, unsigned port)
{
    Xhci *s = opaque;

    s->busy = true;
    port_restart(s, port);
    s->portsc[port] |= PORT_CONNECT_CHANGE;
    port_event(s, port);
    s->busy = false;
}

static void port_reset(Xhci *s, unsigned port)
{
    UsbDevice *dev = port_device(s, port);

    if (dev) {
        usb_device_reset(dev);
        s->portsc[port] &= ~(PORT_LINK | PORT_SPEED);
        s->portsc[port] |= PORT_ENABLED | LINK_U0 | SPEED_FULL;
    }
    s->portsc[port] |= PORT_RESET_CHANGE;
    port_event(s, port);
}

static void port_write(Xhci *s, unsigned port, uint32_t value)
{
    uint32_t *sc = &s->portsc[port];

    *sc &= ~(value & PORT_W1C);
    *sc = (*sc & ~PORT_WRITABLE) | (value & PORT_WRITABLE);
    if (!(value & PORT_POWER)) {
        *sc &= ~(PORT_POWER | PORT_ENABLED | PORT_CONNECT);
    } else if (!(*sc & PORT_POWER)) {
        port_restart(s, port);
        port_event(s, port);
    } else if (value & PORT_RESET) {
        port_reset(s, port);
    } else if (value & PORT_ENABLED) {
        *sc &= ~PORT_ENABLED; /* written 1 it disables (5.4.8) */
    } else if (value & PORT_LINK_STROBE && *sc & PORT_ENABLED) {
        *sc = (*sc & ~PORT_LINK) | (value & PORT_LINK);
    }
}

static void xhci_wakeup(void *opaque, unsigned port, unsigned ep)
{
    Xhci *s = opaque;

    if (s->busy) {
        return;
    }
    s->busy = true;
    for (unsigned i = 1; i <= XHCI_SLOTS; i++) {
        XhciSlot *slot = &s->slot[i];

        if (slot->enabled && slot->port == port + 1 && slot->ep[2 * ep + 1].state == EP_RUNNING) {
            xhci_run_endpoint(s, i, 2 * ep + 1);
        }
    }
    s->busy = false;
}

static const UsbHostOps host_ops = {.port_changed = xhci_port_changed, .wakeup = xhci_wakeup};

/* --- Registers --- */

static void reset_controller(Xhci *s)
{
    clock_timer_disarm(&s->moderation);
    s->usbcmd = 0;
    s->usbsts = STS_HALTED;
    s->dnctrl = s->config = 0;
    s->dcbaap = 0;
    s->commands = (XhciRing){0};
    s->commands_running = false;
    memset(s->slot, 0, sizeof(s->slot));
    for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
        s->intr[i] = (XhciInterrupter){.imod = IMOD_DEFAULT, .cycle = true};
    }
    for (unsigned i = 0; i < XHCI_PORTS; i++) {
        port_restart(s, i);
    }
    send_interrupts(s);
}

/* Capabilities (5.3) and, behind them, the supported protocols (7.2). */
static uint32_t capability(uint32_t offset)
{
    switch (offset) {
    case 0x00: return CAPABILITIES_END | 0x0100 << 16;
    case 0x04: return XHCI_SLOTS | XHCI_INTERRUPTERS << 8 | (uint32_t)XHCI_PORTS << 24;
    case 0x08: return ERST_LOG2_MAX << 4;
    case 0x10: return 1 | 0x20 / 4 << 16; /* addresses of 64 bits */
    case 0x14: return DOORBELLS;
    case 0x18: return RUNTIME;
    case 0x20: return 2 | 0x10 / 4 << 8 | 0x0200 << 16;
    case 0x30: return 2 | 0x0300 << 16;
    case 0x24:
    case 0x34: return 'U' | 'S' << 8 | 'B' << 16 | ' ' << 24;
    case 0x28: return 1 | USB2_PORTS << 8;
    case 0x38: return (USB2_PORTS + 1) | USB3_PORTS << 8;
    default: return 0;
    }
}

static uint32_t operational_read(Xhci *s, uint32_t offset)
{
    switch (offset) {
    case USBCMD: return s->usbcmd;
    case USBSTS: return s->usbsts;
    case PAGESIZE: return 1; /* 4 KiB */
    case DNCTRL: return s->dnctrl;
    case CRCR: return s->commands_running ? CRCR_RUNNING : 0;
    case DCBAAP: return (uint32_t)s->dcbaap;
    case DCBAAP + 4: return s->dcbaap >> 32;
    case CONFIG: return s->config;
    default: return 0;
    }
}

static void command_write(Xhci *s, uint32_t value)
{
    bool was = s->usbcmd & CMD_RUN;

    if (value & CMD_RESET) {
        reset_controller(s);
        return;
    }
    s->usbcmd = value & CMD_WRITABLE;
    if (!(value & CMD_RUN)) {
        s->usbsts |= STS_HALTED;
        s->commands_running = false;
    } else if (!was) {
        s->usbsts &= ~STS_HALTED;
        for (unsigned i = 0; i < XHCI_PORTS; i++) {
            if (s->portsc[i] & PORT_W1C) {
                port_event(s, i);
            }
        }
    }
    send_interrupts(s);
}

static void set_half(uint64_t *reg, bool high, uint32_t value)
{
    *reg = high ? (*reg & 0xffffffff) | (uint64_t)value << 32 : (*reg & ~0xffffffffULL) | value;
}

static void command_ring_write(Xhci *s, uint32_t value)
{
    if (!s->commands_running) {
        set_half(&s->commands.addr, false, value & ~63U);
        s->commands.cycle = value & CRCR_CYCLE;
    } else if (value & (CRCR_STOP | CRCR_ABORT)) {
        s->commands_running = false;
        xhci_event(s, 0,
                   &(XhciTrb){.parameter = s->commands.addr,
                              .status = (uint32_t)CC_RING_STOPPED << 24,
                              .control = TRB_COMMAND_EVENT << 10});
    }
}

static void operational_write(Xhci *s, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case USBCMD: command_write(s, value); break;
    case USBSTS: s->usbsts &= ~(value & STS_W1C); break;
    case DNCTRL: s->dnctrl = value & 0xffff; break;
    case CRCR: command_ring_write(s, value); break;
    case CRCR + 4:
        if (!s->commands_running) {
            set_half(&s->commands.addr, true, value);
        }
        break;
    case DCBAAP: set_half(&s->dcbaap, false, value & ~63U); break;
    case DCBAAP + 4: set_half(&s->dcbaap, true, value); break;
    case CONFIG: s->config = value & 0x3ff; break;
    default: log_guest("xhci: register 0x%x is read-only", offset);
    }
}

static uint32_t interrupter_read(const XhciInterrupter *in, uint32_t offset)
{
    switch (offset) {
    case IMAN: return in->iman;
    case IMOD: return in->imod;
    case ERSTSZ: return in->erstsz;
    case ERSTBA: return (uint32_t)in->erstba;
    case ERSTBA + 4: return in->erstba >> 32;
    case ERDP: return (uint32_t)in->erdp;
    case ERDP + 4: return in->erdp >> 32;
    default: return 0;
    }
}

/* The driver has looked; what came meanwhile is worth another interrupt. */
static void dequeue_write(Xhci *s, XhciInterrupter *in, uint32_t value)
{
    uint32_t busy = in->erdp & ERDP_BUSY & ~value;

    set_half(&in->erdp, false, (value & ~ERDP_BUSY) | busy);
    raise_if_events(s, in);
}

static void interrupter_write(Xhci *s, XhciInterrupter *in, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case IMAN:
        in->iman = (in->iman & IMAN_PENDING & ~value) | (value & IMAN_ENABLE);
        send_interrupts(s);
        break;
    case IMOD: in->imod = value; break;
    case ERSTSZ: in->erstsz = MIN(value & 0xffff, 1U << ERST_LOG2_MAX); break;
    case ERSTBA: set_half(&in->erstba, false, value & ~63U); break;
    case ERSTBA + 4: set_half(&in->erstba, true, value); break;
    case ERDP: dequeue_write(s, in, value); break;
    case ERDP + 4: set_half(&in->erdp, true, value); break;
    default: break;
    }
    if (offset == ERSTBA || offset == ERSTBA + 4) { /* the ring begins anew */
        in->segment = in->index = 0;
        in->cycle = true;
    }
}

static void ring_doorbell(Xhci *s, unsigned slot, uint32_t value)
{
    unsigned dci = value & 0xff;

    if (!xhci_running(s) || slot > XHCI_SLOTS) {
        return;
    }
    if (!slot) {
        s->commands_running = true;
        xhci_run_commands(s);
    } else if (dci && dci < XHCI_ENDPOINTS && s->slot[slot].enabled &&
               (s->slot[slot].ep[dci].state == EP_RUNNING ||
                s->slot[slot].ep[dci].state == EP_STOPPED)) {
        xhci_run_endpoint(s, slot, dci);
    }
}

static uint64_t xhci_mmio_read(void *opaque, uint64_t offset, unsigned size)
{
    Xhci *s = opaque;
    uint64_t at = offset - INTERRUPTERS_AT;

    if (offset < CAPABILITIES_END) {
        return capability(offset);
    }
    if (offset < PORTS_AT) {
        return operational_read(s, offset - OPERATIONAL);
    }
    if (offset < PORTS_AT + XHCI_PORTS * PORT_SPAN) {
        return offset % PORT_SPAN ? 0 : s->portsc[(offset - PORTS_AT) / PORT_SPAN];
    }
    if (offset == RUNTIME) {
        return clock_now_ns(s->moderation.clock) / MICROFRAME_NS & 0x3fff;
    }
    if (offset >= INTERRUPTERS_AT && at < XHCI_INTERRUPTERS * INTERRUPTER_SPAN) {
        return interrupter_read(&s->intr[at / INTERRUPTER_SPAN], at % INTERRUPTER_SPAN);
    }
    return 0;
}

static void xhci_mmio_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Xhci *s = opaque;
    uint64_t at = offset - INTERRUPTERS_AT;

    if (s->busy) {
        log_guest("xhci: its rings lead into its own registers");
        return;
    }
    s->busy = true;
    if (offset >= OPERATIONAL && offset < PORTS_AT) {
        operational_write(s, offset - OPERATIONAL, value);
    } else if (offset >= PORTS_AT && offset < PORTS_AT + XHCI_PORTS * PORT_SPAN) {
        if (offset % PORT_SPAN == 0) {
            port_write(s, (offset - PORTS_AT) / PORT_SPAN, value);
        }
    } else if (offset >= INTERRUPTERS_AT && at < XHCI_INTERRUPTERS * INTERRUPTER_SPAN) {
        interrupter_write(s, &s->intr[at / INTERRUPTER_SPAN], at % INTERRUPTER_SPAN, value);
    } else if (offset >= DOORBELLS) {
        ring_doorbell(s, (offset - DOORBELLS) / 4, value);
    }
    s->busy = false;
}

static const MemOps xhci_ops = {
    .read = xhci_mmio_read, .write = xhci_mmio_write, .impl_min = 4, .impl_max = 4};

/* --- Life --- */

static void xhci_reset(Device *dev)
{
    reset_controller((Xhci *)dev);
}

static bool xhci_realize(Device *dev, Error **errp)
{
    Xhci *s = (Xhci *)dev;

    s->pci.config[PCI_CLASS_PROG] = 0x30;
    clock_timer_init(&s->moderation, device_clock(dev), moderation_over, s);
    mem_init_io(&s->mmio, &dev->obj, &xhci_ops, s, "xhci", SPAN);
    pci_register_bar(&s->pci, 0, PCI_BAR_64, &s->mmio);
    pci_msi_init(&s->pci);
    pci_msix_init(&s->pci, XHCI_INTERRUPTERS, MSIX_BAR);
    g_assert(s->pci.cap_end <= SBRN_AT);
    s->pci.config[SBRN_AT] = USB_3_0;
    s->bus = usb_bus_new(dev, &host_ops, s, USB2_PORTS);
    return true;
}

static void xhci_unrealize(Device *dev)
{
    clock_timer_disarm(&((Xhci *)dev)->moderation);
}

static void snapshot_slot(Snapshot *sn, XhciSlot *slot)
{
    snap_fields(sn, &slot->enabled, &slot->state, &slot->port, &slot->context);
    for (unsigned i = 0; i < XHCI_ENDPOINTS; i++) {
        XhciEndpoint *ep = &slot->ep[i];

        snap_fields(sn, &ep->state, &ep->type, &ep->ring.addr, &ep->ring.cycle);
        ep->state = MIN(ep->state, EP_ERROR);
    }
    if (slot->port > XHCI_PORTS || slot->state > SLOT_CONFIGURED) {
        snap_fail(sn, "a slot's port or state");
    }
}

static void xhci_snapshot(Device *dev, Snapshot *sn)
{
    Xhci *s = (Xhci *)dev;

    snap_section(sn, "xhci", 1);
    snap_fields(sn, &s->usbcmd, &s->usbsts, &s->dnctrl, &s->config, &s->dcbaap, &s->commands.addr,
                &s->commands.cycle, &s->commands_running);
    snap_u32_array(sn, s->portsc, XHCI_PORTS);
    for (unsigned i = 0; i < XHCI_INTERRUPTERS; i++) {
        XhciInterrupter *in = &s->intr[i];

        snap_fields(sn, &in->iman, &in->imod, &in->erstba, &in->erdp);
        snap_u32_max(sn, &in->erstsz, 1U << ERST_LOG2_MAX);
        snap_fields(sn, &in->segment, &in->index, &in->cycle, &in->quiet_until_ns);
    }
    for (unsigned i = 1; i <= XHCI_SLOTS; i++) {
        snapshot_slot(sn, &s->slot[i]);
    }
    snap_timer(sn, &s->moderation);
}

static const PciDeviceOps xhci_pci_ops = {.vendor = 0x1b36,
                                          .device = 0x000d,
                                          .class_id = 0x0c03,
                                          .subsystem_vendor = 0x1af4,
                                          .subsystem = 0x1100,
                                          .revision = 1,
                                          .intx = true};

static const DeviceOps xhci_dev_ops = DEVICE_OPS(
    xhci_snapshot, .realize = xhci_realize, .unrealize = xhci_unrealize, .reset = xhci_reset,
    .category = "Controller/Bridge/Hub devices", .user_creatable = true);
QOM_TYPE(xhci_type, .name = "qemu-xhci", .parent = TYPE_PCI_DEVICE, .size = sizeof(Xhci),
         .desc = "USB host controller (xHCI)", .ops = &xhci_pci_ops, .dev = &xhci_dev_ops);
