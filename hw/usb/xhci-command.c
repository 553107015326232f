/* SPDX-License-Identifier: MIT */
/* Commands of the xHCI (xHCI 1.2, 4.6): slots, contexts and the states of endpoints. */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "xhci.h"

/* An input context: flags to drop and to add, the slot's context, then the endpoints'. */
enum { IN_DROP = 0, IN_ADD = 4, IN_SLOT = CONTEXT_SIZE };
enum { IN_SIZE = (XHCI_ENDPOINTS + 1) * CONTEXT_SIZE };
/* Parts of contexts that are looked at (6.2.2, 6.2.3). */
enum { SLOT_PORT = 6, SLOT_STATE = 12, EP_TYPE = 4, EP_DEQUEUE = 8 };

/* The slot that a command is about; NULL: it is not enabled. */
static XhciSlot *command_slot(Xhci *s, const XhciTrb *trb)
{
    unsigned n = trb->control >> 24;

    return n && n <= XHCI_SLOTS && s->slot[n].enabled ? &s->slot[n] : NULL;
}

/* The endpoint too; 0: no such one. */
static unsigned command_endpoint(const XhciSlot *slot, const XhciTrb *trb)
{
    unsigned dci = trb->control >> 16 & 31;

    return slot->ep[dci].state == EP_DISABLED ? 0 : dci;
}

static void store_slot_state(Xhci *s, XhciSlot *slot)
{
    uint8_t word[4];

    if (xhci_read(s, slot->context + SLOT_STATE, word, sizeof(word))) {
        word[3] = slot->state << 3;
        word[0] = slot->state >= SLOT_ADDRESSED ? slot - s->slot : 0;
        xhci_write(s, slot->context + SLOT_STATE, word, sizeof(word));
    }
}

static void drop_endpoints(Xhci *s, XhciSlot *slot, unsigned from)
{
    for (unsigned i = from; i < XHCI_ENDPOINTS; i++) {
        if (slot->ep[i].state != EP_DISABLED) {
            slot->ep[i].state = EP_DISABLED;
            xhci_store_endpoint(s, slot, i);
        }
    }
}

static void add_endpoint(Xhci *s, XhciSlot *slot, unsigned dci, const uint8_t *context)
{
    XhciEndpoint *ep = &slot->ep[dci];
    uint64_t dequeue = ld64_le(context + EP_DEQUEUE);

    ep->type = context[EP_TYPE] >> 3 & 7;
    ep->state = EP_RUNNING;
    ep->ring = (XhciRing){dequeue & ~15ULL, dequeue & 1};
    xhci_write(s, slot->context + (uint64_t)dci * CONTEXT_SIZE, context, CONTEXT_SIZE);
    xhci_store_endpoint(s, slot, dci);
}

static unsigned enable_slot(Xhci *s, unsigned *slot)
{
    for (unsigned i = 1; i <= MIN(s->config & 0xff, XHCI_SLOTS); i++) {
        if (!s->slot[i].enabled) {
            s->slot[i] = (XhciSlot){.enabled = true};
            *slot = i;
            return CC_SUCCESS;
        }
    }
    return CC_NO_SLOTS;
}

static unsigned address_device(Xhci *s, XhciSlot *slot, const XhciTrb *trb)
{
    uint8_t in[3 * CONTEXT_SIZE], raw[8];
    UsbDevice *dev;
    unsigned port;

    if (!xhci_read(s, trb->parameter & ~15ULL, in, sizeof(in)) ||
        !xhci_read(s, s->dcbaap + 8 * (uint64_t)(slot - s->slot), raw, sizeof(raw))) {
        return CC_TRB;
    }
    if ((ld32_le(in + IN_ADD) & 3) != 3) {
        return CC_PARAMETER;
    }
    if (slot->state > SLOT_DEFAULT || (slot->state && trb->control & TRB_BSR)) {
        return CC_CONTEXT_STATE;
    }
    port = in[IN_SLOT + SLOT_PORT];
    if (!port || port > XHCI_PORTS) {
        return CC_PARAMETER;
    }
    slot->port = port;
    dev = xhci_device(s, slot);
    if (!dev) {
        slot->port = 0;
        return CC_TRANSACTION;
    }
    slot->context = ld64_le(raw) & ~63ULL;
    slot->state = trb->control & TRB_BSR ? SLOT_DEFAULT : SLOT_ADDRESSED;
    xhci_write(s, slot->context, in + IN_SLOT, CONTEXT_SIZE);
    store_slot_state(s, slot);
    add_endpoint(s, slot, 1, in + IN_SLOT + CONTEXT_SIZE);
    return CC_SUCCESS;
}

static unsigned configure_endpoint(Xhci *s, XhciSlot *slot, const XhciTrb *trb)
{
    uint8_t in[IN_SIZE];
    uint32_t drop, add;

    if (slot->state < SLOT_ADDRESSED) {
        return CC_CONTEXT_STATE;
    }
    if (trb->control & TRB_DECONFIGURE) {
        drop_endpoints(s, slot, 2);
        slot->state = SLOT_ADDRESSED;
        store_slot_state(s, slot);
        return CC_SUCCESS;
    }
    if (!xhci_read(s, trb->parameter & ~15ULL, in, sizeof(in))) {
        return CC_TRB;
    }
    drop = ld32_le(in + IN_DROP);
    add = ld32_le(in + IN_ADD);
    if ((drop & 3) || (add & 2)) {
        return CC_PARAMETER;
    }
    for (unsigned i = 2; i < XHCI_ENDPOINTS; i++) {
        if (drop >> i & 1) {
            slot->ep[i].state = EP_DISABLED;
            xhci_store_endpoint(s, slot, i);
        }
        if (add >> i & 1) {
            add_endpoint(s, slot, i, in + IN_SLOT + i * CONTEXT_SIZE);
        }
    }
    if (add & 1) { /* the number of contexts */
        xhci_write(s, slot->context, in + IN_SLOT, 4);
    }
    slot->state = SLOT_CONFIGURED;
    store_slot_state(s, slot);
    return CC_SUCCESS;
}

/* The most that packets of endpoint 0 have, which full-speed devices tell late, and the interrupter. */
static unsigned evaluate_context(Xhci *s, XhciSlot *slot, const XhciTrb *trb)
{
    uint8_t in[3 * CONTEXT_SIZE];
    uint32_t add;

    if (slot->state < SLOT_DEFAULT) {
        return CC_CONTEXT_STATE;
    }
    if (!xhci_read(s, trb->parameter & ~15ULL, in, sizeof(in))) {
        return CC_TRB;
    }
    add = ld32_le(in + IN_ADD);
    if (add & 1) {
        xhci_write(s, slot->context + 8, in + IN_SLOT + 8, 4);
    }
    if (add & 2) {
        xhci_write(s, slot->context + CONTEXT_SIZE + 6, in + IN_SLOT + CONTEXT_SIZE + 6, 2);
    }
    return CC_SUCCESS;
}

/* From one of the states @from (bits) to "stopped". */
static unsigned stop_endpoint(Xhci *s, XhciSlot *slot, const XhciTrb *trb, unsigned from)
{
    unsigned dci = command_endpoint(slot, trb);

    if (!dci || !(from >> slot->ep[dci].state & 1)) {
        return CC_CONTEXT_STATE;
    }
    slot->ep[dci].state = EP_STOPPED;
    xhci_store_endpoint(s, slot, dci);
    return CC_SUCCESS;
}

static unsigned set_dequeue(Xhci *s, XhciSlot *slot, const XhciTrb *trb)
{
    unsigned cc = stop_endpoint(s, slot, trb, 1 << EP_STOPPED | 1 << EP_ERROR);
    unsigned dci = trb->control >> 16 & 31;

    if (cc == CC_SUCCESS) {
        slot->ep[dci].ring = (XhciRing){trb->parameter & ~15ULL, trb->parameter & 1};
        xhci_store_endpoint(s, slot, dci);
    }
    return cc;
}

static unsigned disable_slot(Xhci *s, XhciSlot *slot)
{
    if (slot->state) {
        drop_endpoints(s, slot, 1);
        slot->state = 0;
        store_slot_state(s, slot);
    }
    slot->enabled = false;
    return CC_SUCCESS;
}

static unsigned reset_device(Xhci *s, XhciSlot *slot)
{
    UsbDevice *dev = xhci_device(s, slot);

    if (slot->state < SLOT_ADDRESSED) {
        return CC_CONTEXT_STATE;
    }
    if (dev) {
        usb_device_reset(dev);
    }
    drop_endpoints(s, slot, 2);
    slot->state = SLOT_DEFAULT;
    store_slot_state(s, slot);
    return CC_SUCCESS;
}

static unsigned run_command(Xhci *s, const XhciTrb *trb, unsigned *number)
{
    unsigned type = xhci_trb_type(trb);
    XhciSlot *slot;

    if (type == TRB_NOOP_COMMAND) {
        return CC_SUCCESS;
    }
    if (type == TRB_ENABLE_SLOT) {
        return enable_slot(s, number);
    }
    *number = trb->control >> 24;
    slot = command_slot(s, trb);
    if (!slot) {
        return CC_SLOT_NOT_ENABLED;
    }
    switch (type) {
    case TRB_DISABLE_SLOT: return disable_slot(s, slot);
    case TRB_ADDRESS_DEVICE: return address_device(s, slot, trb);
    case TRB_CONFIGURE_ENDPOINT: return configure_endpoint(s, slot, trb);
    case TRB_EVALUATE_CONTEXT: return evaluate_context(s, slot, trb);
    case TRB_RESET_ENDPOINT: return stop_endpoint(s, slot, trb, 1 << EP_HALTED);
    case TRB_STOP_ENDPOINT: return stop_endpoint(s, slot, trb, 1 << EP_RUNNING);
    case TRB_SET_DEQUEUE: return set_dequeue(s, slot, trb);
    case TRB_RESET_DEVICE: return reset_device(s, slot);
    default: return CC_TRB;
    }
}

void xhci_run_commands(Xhci *s)
{
    XhciTrb trb;

    for (unsigned i = 0; i < XHCI_TRB_LIMIT && xhci_running(s) && xhci_fetch(s, &s->commands, &trb);
         i++) {
        unsigned slot = 0, cc = run_command(s, &trb, &slot);

        xhci_event(s, 0,
                   &(XhciTrb){.parameter = trb.addr,
                              .status = cc << 24,
                              .control = TRB_COMMAND_EVENT << 10 | slot << 24});
    }
}
