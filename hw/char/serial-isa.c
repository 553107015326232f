/* SPDX-License-Identifier: MIT */
/* A 16550A UART as a COM port of a PC ("isa-serial"). */
#include "rhea/osdep.h"

#include "uart-int.h"
#include "hw/char/uart-16550.h"
#include "hw/isa/isa.h"

typedef struct SerialIsa {
    IsaDevice parent;
    Uart uart;
    /* properties: fixed once realized */
    uint32_t index, iobase, irq;
} SerialIsa;

enum { COM_PORTS = 4, PORTS = 8, PORT_LAST = 0x10000 - PORTS };
static const uint16_t com_iobase[COM_PORTS] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
static const uint8_t com_irq[COM_PORTS] = {4, 3, 4, 3};

/* The number of COM ports on the bus: new ones come after them. */
static unsigned serial_isa_count(const Bus *bus)
{
    unsigned n = 0;

    for (guint i = 0; i < bus->devices->len; i++) {
        n += qom_is(bus->devices->pdata[i], TYPE_ISA_SERIAL);
    }
    return n;
}

static bool serial_isa_place(SerialIsa *s, Error **errp)
{
    unsigned n = s->index == UINT32_MAX ? serial_isa_count(s->parent.dev.parent_bus) : s->index;

    if (n >= COM_PORTS && (!s->iobase || s->irq == UINT32_MAX)) {
        return error_fail(errp,
                          "isa-serial: property 'index' must be 0 to %d, or 'iobase' and "
                          "'irq' be given",
                          COM_PORTS - 1);
    }
    s->iobase = s->iobase ? s->iobase : com_iobase[n];
    s->irq = s->irq == UINT32_MAX ? com_irq[n] : s->irq;
    return s->iobase <= PORT_LAST ||
           error_fail(errp, "isa-serial: property 'iobase' must be at most 0x%x", PORT_LAST);
}

static bool serial_isa_realize(Device *dev, Error **errp)
{
    SerialIsa *s = dev_state(dev, SerialIsa);

    if (!serial_isa_place(s, errp) || !uart_realize(&s->uart, dev, errp)) {
        return false;
    }
    if (!isa_connect_irq(&s->parent, &s->uart.irq, s->irq, errp)) {
        uart_unrealize(&s->uart);
        return false;
    }
    isa_add_ports(&s->parent, s->iobase, &s->uart.regs);
    return true;
}

static void serial_isa_unrealize(Device *dev)
{
    uart_unrealize(&dev_state(dev, SerialIsa)->uart);
}

static void serial_isa_reset(Device *dev)
{
    uart_reset(&dev_state(dev, SerialIsa)->uart);
}

static void serial_isa_snapshot(Device *dev, struct Snapshot *sn)
{
    uart_snapshot(&dev_state(dev, SerialIsa)->uart, sn);
}

static void serial_isa_after_load(Device *dev)
{
    uart_after_load(&dev_state(dev, SerialIsa)->uart);
}

static const PropDesc serial_isa_props[] = {
    PROP_STR("chardev", SerialIsa, uart.chardev, NULL, "character backend"),
    PROP_U32("index", SerialIsa, index, UINT32_MAX, "which COM port, from 0 [the first free one]"),
    PROP_U32("iobase", SerialIsa, iobase, 0, "first port [by index]"),
    PROP_U32("irq", SerialIsa, irq, UINT32_MAX, "interrupt line [by index]"),
    PROP_BOOL("firmware-console", SerialIsa, uart.firmware_console, false,
              "drop what firmware writes to reset the terminal"),
    PROP_U32("baudbase", SerialIsa, uart.baudbase, 115200, "input clock / 16, in Hz"),
    PROP_END};

static const DeviceOps serial_isa_ops = DEVICE_OPS(
    serial_isa_snapshot, .realize = serial_isa_realize, .unrealize = serial_isa_unrealize,
    .reset = serial_isa_reset, .after_load = serial_isa_after_load, .category = "Input devices",
    .user_creatable = true);
QOM_TYPE(serial_isa_type, .name = TYPE_ISA_SERIAL, .parent = TYPE_ISA_DEVICE,
         .size = sizeof(SerialIsa), .desc = "16550A UART of a PC", .props = serial_isa_props,
         .dev = &serial_isa_ops);
