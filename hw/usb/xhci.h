/* SPDX-License-Identifier: MIT */
/* What the parts of the xHCI share: registers and rings (xhci.c), commands, transfers. */
#ifndef HW_USB_XHCI_H
#define HW_USB_XHCI_H

#include "hw/pci/pci.h"
#include "hw/usb/usb.h"
#include "memory/clock.h"

/* USB 2 ports come first; a port number counts from 1. */
enum { USB2_PORTS = 4, USB3_PORTS = 4, XHCI_PORTS = USB2_PORTS + USB3_PORTS };
enum { XHCI_SLOTS = 16, XHCI_INTERRUPTERS = 4, XHCI_ENDPOINTS = 32 };
/* A ring without an end of its own is given up after this many blocks. */
enum { XHCI_TRB_LIMIT = 256, XHCI_LINK_LIMIT = 16 };

/* Transfer request blocks (6.4); types in bits 10 to 15 of the control word. */
typedef struct XhciTrb {
    uint64_t parameter;
    uint32_t status, control;
    uint64_t addr; /* where it was */
} XhciTrb;
enum {
    TRB_CYCLE = 1 << 0,
    TRB_TOGGLE = 1 << 1,
    TRB_EVENT_DATA = 1 << 2, /* of an event */
    TRB_ISP = 1 << 2,
    TRB_CHAIN = 1 << 4,
    TRB_IOC = 1 << 5,
    TRB_IDT = 1 << 6,
    TRB_BSR = 1 << 9,
    TRB_DECONFIGURE = 1 << 9,
    TRB_DIR_IN = 1 << 16
};
enum {
    TRB_NORMAL = 1,
    TRB_SETUP = 2,
    TRB_DATA = 3,
    TRB_STATUS = 4,
    TRB_LINK = 6,
    TRB_TELL = 7, /* Event Data */
    TRB_NOOP = 8,
    TRB_ENABLE_SLOT = 9,
    TRB_DISABLE_SLOT = 10,
    TRB_ADDRESS_DEVICE = 11,
    TRB_CONFIGURE_ENDPOINT = 12,
    TRB_EVALUATE_CONTEXT = 13,
    TRB_RESET_ENDPOINT = 14,
    TRB_STOP_ENDPOINT = 15,
    TRB_SET_DEQUEUE = 16,
    TRB_RESET_DEVICE = 17,
    TRB_NOOP_COMMAND = 23,
    TRB_TRANSFER_EVENT = 32,
    TRB_COMMAND_EVENT = 33,
    TRB_PORT_EVENT = 34
};
/* Completion codes (6.4.5). */
enum {
    CC_SUCCESS = 1,
    CC_TRANSACTION = 4,
    CC_TRB = 5,
    CC_STALL = 6,
    CC_NO_SLOTS = 9,
    CC_SLOT_NOT_ENABLED = 11,
    CC_SHORT_PACKET = 13,
    CC_PARAMETER = 17,
    CC_CONTEXT_STATE = 19
};
/* States of endpoints and slots in their contexts (6.2). */
enum { EP_DISABLED, EP_RUNNING, EP_HALTED, EP_STOPPED, EP_ERROR };
enum { SLOT_DEFAULT = 1, SLOT_ADDRESSED = 2, SLOT_CONFIGURED = 3 };
enum { CONTEXT_SIZE = 32 };

/* A place in a ring that the guest fills. */
typedef struct XhciRing {
    uint64_t addr;
    bool cycle;
} XhciRing;

typedef struct XhciEndpoint {
    uint8_t state, type;
    XhciRing ring;
} XhciEndpoint;

typedef struct XhciSlot {
    bool enabled;
    uint8_t state, port;             /* from 1; 0: no device yet */
    uint64_t context;                /* the output context */
    XhciEndpoint ep[XHCI_ENDPOINTS]; /* by device context index, from 1 */
} XhciSlot;

typedef struct XhciInterrupter {
    uint32_t iman, imod, erstsz;
    uint64_t erstba, erdp;
    /* Where the next event goes. */
    uint32_t segment, index;
    bool cycle;
    int64_t quiet_until_ns; /* moderation */
} XhciInterrupter;

typedef struct Xhci {
    PciDevice pci;
    /* wiring */
    MemRegion mmio;
    UsbBus *bus;
    ClockTimer moderation;
    bool busy; /* an access or a ring is under way: DMA into our own registers goes nowhere */
    /* guest-visible: all of it is in xhci_snapshot */
    uint32_t usbcmd, usbsts, dnctrl, config;
    uint64_t dcbaap;
    XhciRing commands;
    bool commands_running;
    uint32_t portsc[XHCI_PORTS];
    XhciInterrupter intr[XHCI_INTERRUPTERS];
    XhciSlot slot[XHCI_SLOTS + 1]; /* from 1 */
} Xhci;

/* --- xhci.c --- */

bool xhci_running(const Xhci *s);
bool xhci_read(Xhci *s, uint64_t addr, void *buf, uint64_t len) MUST_CHECK;
bool xhci_write(Xhci *s, uint64_t addr, const void *buf, uint64_t len);
/*
 * The next block of a ring, links followed; the ring moves behind it.  False: there is none, or the ring makes
 * no sense.
 */
bool xhci_fetch(Xhci *s, XhciRing *ring, XhciTrb *trb) MUST_CHECK;
/* Puts an event into the ring of interrupter @n. */
void xhci_event(Xhci *s, unsigned n, const XhciTrb *ev);
static inline unsigned xhci_trb_type(const XhciTrb *trb)
{
    return trb->control >> 10 & 0x3f;
}

/* --- xhci-command.c --- */

void xhci_run_commands(Xhci *s);

/* --- xhci-transfer.c --- */

/* Runs what the ring of endpoint @dci has. */
void xhci_run_endpoint(Xhci *s, unsigned slot, unsigned dci);
/* The endpoint's state, and where its ring is, to the guest's context. */
void xhci_store_endpoint(Xhci *s, XhciSlot *slot, unsigned dci);
/* The device of a slot, NULL: it has none, or it has been pulled. */
UsbDevice *xhci_device(Xhci *s, const XhciSlot *slot);

#endif
