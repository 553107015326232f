/* SPDX-License-Identifier: MIT */
/* The monitor's view of USB. */
#include "rhea/osdep.h"

#include "hw/usb/usb.h"
#include "monitor/monitor.h"

static void print_ports(Object *obj, GString *out)
{
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        Object *child = g_ptr_array_index(obj->children, i);

        if (qom_is(child, TYPE_USB_BUS)) {
            UsbBus *bus = (UsbBus *)child;

            for (unsigned p = 0; p < bus->num_ports; p++) {
                const UsbDevice *dev = bus->ports[p];

                if (dev) {
                    g_string_append_printf(out, "  Bus %s, Port %u, Product %s%s%s\n",
                                           bus->bus.name, p + 1, usb_product(dev),
                                           dev->dev.id ? ", ID: " : "",
                                           dev->dev.id ? dev->dev.id : "");
                }
            }
        }
        print_ports(child, out);
    }
}

static void info_usb(Machine *m, const char *args, GString *out)
{
    if (!bus_exists(m, TYPE_USB_BUS, NULL)) {
        g_string_append(out, "USB support not enabled\n");
        return;
    }
    print_ports(&m->obj, out);
}

HMP_COMMAND(info_usb_command, .name = "info usb", .help = "USB devices", .run = info_usb);
