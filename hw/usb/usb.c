/* SPDX-License-Identifier: MIT */
/* The USB core: ports, and the standard requests of chapter 9; see usb.h. */
#include "rhea/osdep.h"

#include "hw/usb/usb.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

/* Table 9-4 and 9-5. */
enum {
    GET_STATUS = 0,
    CLEAR_FEATURE = 1,
    SET_FEATURE = 3,
    SET_ADDRESS = 5,
    GET_DESCRIPTOR = 6,
    GET_CONFIGURATION = 8,
    SET_CONFIGURATION = 9,
    GET_INTERFACE = 10,
    SET_INTERFACE = 11
};
enum { DT_DEVICE = 1, DT_CONFIGURATION = 2, DT_STRING = 3, DT_HID = 0x21, DT_REPORT = 0x22 };
enum { TO_DEVICE = 0x00, TO_INTERFACE = 0x01, TO_ENDPOINT = 0x02, RECIPIENT = 0x1f, KIND = 0x60 };
enum { DEVICE_LEN = 18, CONFIG_VALUE_AT = 5, LANGUAGE_ENGLISH = 0x0409, EP_IN = 0x80 };

static const UsbDeviceOps *usb_ops(const UsbDevice *dev)
{
    return dev->dev.obj.type->ops;
}

/* --- Bus --- */

UsbBus *usb_bus_new(Device *owner, const UsbHostOps *ops, void *opaque, unsigned num_ports)
{
    g_autofree char *name = owner->id ? g_strdup_printf("%s.0", owner->id) : g_strdup("usb-bus.0");
    UsbBus *bus = (UsbBus *)bus_new(owner, TYPE_USB_BUS, name, num_ports);

    bus->ops = ops;
    bus->opaque = opaque;
    bus->num_ports = num_ports;
    return bus;
}

QOM_TYPE(usb_bus_type, .name = TYPE_USB_BUS, .parent = TYPE_BUS, .size = sizeof(UsbBus),
         .desc = "ports of a USB host controller");

const char *usb_product(const UsbDevice *dev)
{
    return usb_ops(dev)->strings[2];
}

void usb_wakeup(UsbDevice *dev, unsigned ep)
{
    UsbBus *bus = (UsbBus *)dev->dev.parent_bus;

    bus->ops->wakeup(bus->opaque, dev->port - 1, ep);
}

/* --- Standard requests --- */

static int give(const UsbSetup *setup, uint8_t *data, const void *from, size_t len)
{
    len = MIN(len, setup->length);
    memcpy(data, from, len);
    return (int)len;
}

static int give_string(const UsbDeviceOps *ops, const UsbSetup *setup, uint8_t *data)
{
    uint8_t out[2 + 2 * 64] = {0}, index = setup->value & 0xff;
    const char *text;

    out[1] = DT_STRING;
    if (!index) {
        out[0] = 4;
        st16_le(out + 2, LANGUAGE_ENGLISH);
        return give(setup, data, out, out[0]);
    }
    text = index < USB_STRINGS_MAX ? ops->strings[index] : NULL;
    if (!text) {
        return USB_STALL;
    }
    out[0] = 2 + 2 * MIN(strlen(text), 64);
    for (unsigned i = 2; i < out[0]; i += 2) {
        out[i] = text[i / 2 - 1];
    }
    return give(setup, data, out, out[0]);
}

/* The HID descriptor lies behind the interface's, which lies behind the configuration's own. */
static int give_descriptor(const UsbDeviceOps *ops, const UsbSetup *setup, uint8_t *data)
{
    const uint8_t *hid = ops->configuration + 9 + 9;

    switch (setup->value >> 8) {
    case DT_DEVICE: return give(setup, data, ops->device_descriptor, DEVICE_LEN);
    case DT_CONFIGURATION:
        return setup->value & 0xff
                   ? USB_STALL
                   : give(setup, data, ops->configuration, ld16_le(ops->configuration + 2));
    case DT_STRING: return give_string(ops, setup, data);
    case DT_HID: return ops->report ? give(setup, data, hid, hid[0]) : USB_STALL;
    case DT_REPORT:
        return ops->report ? give(setup, data, ops->report, ops->report_len) : USB_STALL;
    default: return USB_STALL;
    }
}

static int set_configuration(UsbDevice *dev, uint8_t value)
{
    const UsbDeviceOps *ops = usb_ops(dev);

    if (value && value != ops->configuration[CONFIG_VALUE_AT]) {
        return USB_STALL;
    }
    dev->configuration = value;
    dev->halted = 0;
    ops->configured(dev);
    return 0;
}

static int endpoint_feature(UsbDevice *dev, const UsbSetup *setup)
{
    uint32_t bit = setup->index & EP_IN ? 1U << (setup->index & 15) : 0;

    if (setup->value) {
        return USB_STALL;
    }
    dev->halted = setup->request == SET_FEATURE ? dev->halted | bit : dev->halted & ~bit;
    return 0;
}

static int give_status(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    uint8_t out[2] = {0};

    if ((setup->type & RECIPIENT) == TO_ENDPOINT && (setup->index & EP_IN)) {
        out[0] = dev->halted >> (setup->index & 15) & 1;
    }
    return give(setup, data, out, sizeof(out));
}

int usb_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    const UsbDeviceOps *ops = usb_ops(dev);
    unsigned to = setup->type & RECIPIENT;

    if (setup->type & KIND) {
        return ops->control(dev, setup, data);
    }
    switch (setup->request) {
    case GET_STATUS: return give_status(dev, setup, data);
    case CLEAR_FEATURE:
    case SET_FEATURE: return to == TO_ENDPOINT ? endpoint_feature(dev, setup) : 0;
    case GET_DESCRIPTOR: return give_descriptor(ops, setup, data);
    case GET_CONFIGURATION: return give(setup, data, &dev->configuration, 1);
    case SET_CONFIGURATION:
        return to == TO_DEVICE ? set_configuration(dev, setup->value & 0xff) : USB_STALL;
    case GET_INTERFACE: return to == TO_INTERFACE ? give(setup, data, "", 1) : USB_STALL;
    case SET_INTERFACE: return to == TO_INTERFACE && !setup->value ? 0 : USB_STALL;
    default: return USB_STALL; /* SET_ADDRESS is the controller's */
    }
}

int usb_in(UsbDevice *dev, unsigned ep, uint8_t *data, unsigned len)
{
    if (!dev->configuration || dev->halted >> ep & 1) {
        return USB_STALL;
    }
    return usb_ops(dev)->in(dev, ep, data, len);
}

void usb_device_reset(UsbDevice *dev)
{
    dev->configuration = 0;
    dev->halted = 0;
    usb_ops(dev)->reset(dev);
}

/* --- Life --- */

static bool usb_realize(Device *dev, Error **errp)
{
    UsbDevice *usb = (UsbDevice *)dev;
    UsbBus *bus = qom_cast(dev->parent_bus, TYPE_USB_BUS);

    if (usb->port > bus->num_ports) {
        return error_fail(errp, "%s: property 'port' must be 1 to %u (0: any)", dev->obj.type->name,
                          bus->num_ports);
    }
    for (unsigned i = 0; !usb->port && i < bus->num_ports; i++) {
        usb->port = bus->ports[i] ? 0 : i + 1;
    }
    if (!usb->port || bus->ports[usb->port - 1]) {
        return error_fail(errp, "%s: port %u of %s is in use", dev->obj.type->name, usb->port,
                          bus->bus.name);
    }
    bus->ports[usb->port - 1] = usb;
    bus->ops->port_changed(bus->opaque, usb->port - 1);
    return true;
}

static void usb_unrealize(Device *dev)
{
    UsbDevice *usb = (UsbDevice *)dev;
    UsbBus *bus = qom_cast(dev->parent_bus, TYPE_USB_BUS);

    if (usb->port && bus->ports[usb->port - 1] == usb) {
        usb_device_reset(usb);
        bus->ports[usb->port - 1] = NULL;
        bus->ops->port_changed(bus->opaque, usb->port - 1);
    }
}

static void usb_reset(Device *dev)
{
    usb_device_reset((UsbDevice *)dev);
}

static void usb_snapshot(Device *dev, Snapshot *sn)
{
    UsbDevice *usb = (UsbDevice *)dev;

    snap_section(sn, "usb-device", 1);
    snap_fields(sn, &usb->configuration, &usb->halted);
}

static void usb_after_load(Device *dev)
{
    usb_ops((UsbDevice *)dev)->configured((UsbDevice *)dev);
}

static const PropDesc usb_props[] = {
    PROP_U32("port", UsbDevice, port, 0, "port of the bus, from 1 (0: the first free one)"),
    PROP_END};

static const DeviceOps usb_dev_ops =
    DEVICE_OPS(usb_snapshot, .realize = usb_realize, .unrealize = usb_unrealize, .reset = usb_reset,
               .after_load = usb_after_load, .bus = TYPE_USB_BUS);
QOM_TYPE(usb_device_type, .name = TYPE_USB_DEVICE, .parent = TYPE_DEVICE, .size = sizeof(UsbDevice),
         .abstract = true, .props = usb_props, .dev = &usb_dev_ops);
