/* SPDX-License-Identifier: MIT */
/*
 * USB devices and the bus that a host controller has.  Spec: Universal Serial Bus 2.0, chapter 9.
 * The core answers the standard requests from descriptors; a kind of device supplies those, its class's
 * requests and its endpoints.  Threading: the machine lock.
 */
#ifndef HW_USB_USB_H
#define HW_USB_USB_H

#include "qom/device.h"

#define TYPE_USB_BUS    "usb-bus"
#define TYPE_USB_DEVICE "usb-device"

enum { USB_PORTS_MAX = 8, USB_STRINGS_MAX = 8 };
/* Instead of a number of bytes. */
enum { USB_NAK = -1, USB_STALL = -2 };

typedef struct UsbDevice UsbDevice;

/* Section 9.3. */
typedef struct UsbSetup {
    uint8_t type, request;
    uint16_t value, index, length;
} UsbSetup;

/* What a kind of device supplies; ObjectType.ops of its type. */
typedef struct UsbDeviceOps {
    const uint8_t *device_descriptor;     /* 18 bytes */
    const uint8_t *configuration;         /* the one, with all that belongs to it */
    const char *strings[USB_STRINGS_MAX]; /* by index, from 1; NULL ends */
    const uint8_t *report;                /* a HID report descriptor; NULL: none */
    uint16_t report_len;
    /* A class's request; @data has room for setup->length bytes, or has them.  Bytes given, or USB_STALL. */
    int (*control)(UsbDevice *dev, const UsbSetup *setup, uint8_t *data);
    /* Data of an IN endpoint, at most @len: their number, or USB_NAK while there are none. */
    int (*in)(UsbDevice *dev, unsigned ep, uint8_t *data, unsigned len);
    /* Bus reset, and after SET_CONFIGURATION. */
    void (*reset)(UsbDevice *dev);
    void (*configured)(UsbDevice *dev);
} UsbDeviceOps;

struct UsbDevice {
    Device dev;
    /* properties */
    uint32_t port; /* from 1; 0: the first free one */
    /* guest-visible: saved by the core */
    uint8_t configuration;
    uint32_t halted; /* bit per IN endpoint */
};

/* What a host controller supplies. */
typedef struct UsbHostOps {
    /* A device came to or left a port (from 0). */
    void (*port_changed)(void *opaque, unsigned port);
    /* An IN endpoint of the device on the port, which had nothing, has data. */
    void (*wakeup)(void *opaque, unsigned port, unsigned ep);
} UsbHostOps;

typedef struct UsbBus {
    Bus bus;
    const UsbHostOps *ops;
    void *opaque;
    unsigned num_ports;
    UsbDevice *ports[USB_PORTS_MAX];
} UsbBus;

/* --- For controllers --- */

UsbBus *usb_bus_new(Device *owner, const UsbHostOps *ops, void *opaque, unsigned num_ports);
void usb_device_reset(UsbDevice *dev);
/* A control transfer: bytes moved, or USB_STALL.  @data has room for setup->length bytes. */
int usb_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data);
/* An IN transfer of endpoint @ep (1 to 15): bytes, USB_NAK or USB_STALL. */
int usb_in(UsbDevice *dev, unsigned ep, uint8_t *data, unsigned len);

/* What it is, for people. */
const char *usb_product(const UsbDevice *dev);

/* --- For devices --- */

void usb_wakeup(UsbDevice *dev, unsigned ep);

#endif
