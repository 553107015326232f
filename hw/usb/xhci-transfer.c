/* SPDX-License-Identifier: MIT */
/*
 * Transfer rings of the xHCI (xHCI 1.2, 4.11).  A transfer is looked at as a whole and leaves the ring when it
 * is done; one that the device cannot serve yet stays, so that nothing but rings has to be saved.
 */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "rhea/log.h"
#include "xhci.h"

enum { DATA_MAX = 4096, TD_MAX = 64 };
enum { TRANSFER_LENGTH = 0x1ffff };

/* The blocks of one transfer. */
typedef struct Transfer {
    XhciTrb trb[TD_MAX];
    unsigned n;
} Transfer;

UsbDevice *xhci_device(Xhci *s, const XhciSlot *slot)
{
    return slot->port && slot->port <= s->bus->num_ports ? s->bus->ports[slot->port - 1] : NULL;
}

void xhci_store_endpoint(Xhci *s, XhciSlot *slot, unsigned dci)
{
    const XhciEndpoint *ep = &slot->ep[dci];
    uint64_t at = slot->context + (uint64_t)dci * CONTEXT_SIZE;
    uint8_t dequeue[8];

    st64_le(dequeue, ep->ring.addr | ep->ring.cycle);
    xhci_write(s, at, &ep->state, 1);
    xhci_write(s, at + 8, dequeue, sizeof(dequeue));
}

/* The next whole transfer; false: it is not there yet.  A control transfer ends with its status stage. */
static bool gather(Xhci *s, XhciRing *ring, bool control, Transfer *t)
{
    for (t->n = 0; t->n < TD_MAX;) {
        XhciTrb *trb = &t->trb[t->n];

        if (!xhci_fetch(s, ring, trb)) {
            return false;
        }
        t->n++;
        if (trb->control & TRB_CHAIN) {
            continue;
        }
        if (!control || xhci_trb_type(&t->trb[0]) != TRB_SETUP ||
            xhci_trb_type(trb) == TRB_STATUS) {
            return true;
        }
        /* Event data behind the status stage is chained to it; other stages follow unchained. */
        if (xhci_trb_type(trb) == TRB_TELL && t->n > 1 &&
            xhci_trb_type(&t->trb[t->n - 2]) == TRB_STATUS) {
            return true;
        }
    }
    log_guest("xhci: a transfer of more than %d blocks", TD_MAX);
    return true;
}

static bool has_data(const XhciTrb *trb)
{
    return xhci_trb_type(trb) == TRB_NORMAL || xhci_trb_type(trb) == TRB_DATA;
}

static unsigned trb_length(const XhciTrb *trb)
{
    return has_data(trb) ? trb->status & TRANSFER_LENGTH : 0;
}

static void tell(Xhci *s, unsigned slot, unsigned dci, const XhciTrb *trb, unsigned cc,
                 unsigned left)
{
    bool data = xhci_trb_type(trb) == TRB_TELL;

    xhci_event(s, trb->status >> 22,
               &(XhciTrb){.parameter = data ? trb->parameter : trb->addr,
                          .status = cc << 24 | (left & 0xffffff),
                          .control = TRB_TRANSFER_EVENT << 10 | dci << 16 | slot << 24 |
                                     (data ? TRB_EVENT_DATA : 0)});
}

/* Data from the buffers of a transfer; false: more than any request has, or not readable. */
static bool collect(Xhci *s, const Transfer *t, uint8_t *data, unsigned want)
{
    unsigned at = 0;

    for (unsigned i = 0; i < t->n && at < want; i++) {
        unsigned n = MIN(trb_length(&t->trb[i]), want - at);

        if (t->trb[i].control & TRB_IDT && n) {
            uint8_t raw[8];

            n = MIN(n, sizeof(raw));
            st64_le(raw, t->trb[i].parameter);
            memcpy(data + at, raw, n);
        } else if (n && !xhci_read(s, t->trb[i].parameter, data + at, n)) {
            return false;
        }
        at += n;
    }
    return at == want;
}

/* Data to the buffers (@data NULL: they went the other way), and the events that the blocks ask for. */
static void complete(Xhci *s, unsigned slot, unsigned dci, const Transfer *t, const uint8_t *data,
                     unsigned moved)
{
    unsigned at = 0, since = 0;
    bool is_short = false;

    for (unsigned i = 0; i < t->n; i++) {
        const XhciTrb *trb = &t->trb[i];
        unsigned len = trb_length(trb), n = MIN(len, moved - at), cc = CC_SUCCESS;

        if (data && n) {
            xhci_write(s, trb->parameter, data + at, n);
        }
        at += n;
        since += n;
        if (has_data(trb) && n < len) {
            cc = CC_SHORT_PACKET;
        }
        if (trb->control & TRB_IOC ||
            (cc == CC_SHORT_PACKET && trb->control & TRB_ISP && !is_short)) {
            bool told = xhci_trb_type(trb) == TRB_TELL;

            tell(s, slot, dci, trb, told && is_short ? CC_SHORT_PACKET : cc,
                 told ? since : len - n);
        }
        if (xhci_trb_type(trb) == TRB_TELL) {
            since = 0;
        }
        is_short |= cc == CC_SHORT_PACKET;
    }
}

/* The transfer has failed at its block @at: the endpoint halts. */
static void halt(Xhci *s, unsigned slot, unsigned dci, const Transfer *t, unsigned at, unsigned cc)
{
    s->slot[slot].ep[dci].state = EP_HALTED;
    tell(s, slot, dci, &t->trb[at], cc, trb_length(&t->trb[at]));
}

static void run_control(Xhci *s, unsigned slot, UsbDevice *dev, const Transfer *t)
{
    const XhciTrb *first = &t->trb[0];
    uint8_t data[DATA_MAX];
    UsbSetup setup;
    bool in;
    int got;

    if (xhci_trb_type(first) != TRB_SETUP || t->n < 2) {
        halt(s, slot, 1, t, 0, CC_TRB);
        return;
    }
    setup = (UsbSetup){first->parameter, first->parameter >> 8, first->parameter >> 16,
                       first->parameter >> 32, first->parameter >> 48};
    in = setup.type & 0x80;
    if (in) {
        setup.length = MIN(setup.length, DATA_MAX);
    } else if (setup.length > DATA_MAX || !collect(s, t, data, setup.length)) {
        halt(s, slot, 1, t, 1, CC_TRB);
        return;
    }
    got = usb_control(dev, &setup, data);
    if (got < 0) {
        halt(s, slot, 1, t, 1, CC_STALL);
        return;
    }
    complete(s, slot, 1, t, in ? data : NULL, (unsigned)got);
}

/* Interrupt and bulk endpoints, into the guest.  False: the device has nothing yet. */
static bool run_in(Xhci *s, unsigned slot, unsigned dci, UsbDevice *dev, const Transfer *t)
{
    uint8_t data[DATA_MAX];
    unsigned len = 0;
    int got = 0;

    for (unsigned i = 0; i < t->n; i++) {
        len += trb_length(&t->trb[i]);
    }
    if (len || xhci_trb_type(&t->trb[0]) == TRB_NORMAL) {
        got = usb_in(dev, dci / 2, data, MIN(len, DATA_MAX));
    }
    if (got == USB_NAK) {
        return false;
    }
    if (got < 0) {
        halt(s, slot, dci, t, 0, CC_STALL);
    } else {
        complete(s, slot, dci, t, data, (unsigned)got);
    }
    return true;
}

/* One transfer; false: there is nothing more to do now. */
static bool run_transfer(Xhci *s, unsigned n, unsigned dci)
{
    XhciEndpoint *ep = &s->slot[n].ep[dci];
    XhciRing ring = ep->ring;
    UsbDevice *dev = xhci_device(s, &s->slot[n]);
    Transfer t;

    if (!gather(s, &ring, dci == 1, &t)) {
        return false;
    }
    if (!dev) {
        halt(s, n, dci, &t, 0, CC_TRANSACTION);
    } else if (dci == 1) {
        run_control(s, n, dev, &t);
    } else if (!(dci & 1)) {
        halt(s, n, dci, &t, 0, CC_STALL); /* no device here has an OUT endpoint */
    } else if (!run_in(s, n, dci, dev, &t)) {
        return false;
    }
    ep->ring = ring;
    return ep->state == EP_RUNNING;
}

void xhci_run_endpoint(Xhci *s, unsigned n, unsigned dci)
{
    XhciSlot *slot = &s->slot[n];
    XhciEndpoint *ep = &slot->ep[dci];

    if (ep->state == EP_STOPPED) {
        ep->state = EP_RUNNING;
    }
    for (unsigned i = 0; i < XHCI_TRB_LIMIT && ep->state == EP_RUNNING && xhci_running(s) &&
                         run_transfer(s, n, dci);
         i++) {
    }
    xhci_store_endpoint(s, slot, dci);
}
