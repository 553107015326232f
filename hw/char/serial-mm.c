/* SPDX-License-Identifier: MIT */
/* A 16550A UART on a memory bus ("serial-mm"). */
#include "rhea/osdep.h"

#include "uart-int.h"
#include "hw/char/uart-16550.h"
#include "hw/mmio-device.h"

typedef struct SerialMm {
    MmioDevice parent;
    Uart uart;
} SerialMm;

static bool serial_mm_realize(Device *dev, Error **errp)
{
    SerialMm *s = dev_state(dev, SerialMm);

    if (!uart_realize(&s->uart, dev, errp)) {
        return false;
    }
    mmio_device_add_region(&s->parent, &s->uart.regs);
    return true;
}

static void serial_mm_unrealize(Device *dev)
{
    uart_unrealize(&dev_state(dev, SerialMm)->uart);
}

static void serial_mm_reset(Device *dev)
{
    uart_reset(&dev_state(dev, SerialMm)->uart);
}

static void serial_mm_snapshot(Device *dev, struct Snapshot *sn)
{
    uart_snapshot(&dev_state(dev, SerialMm)->uart, sn);
}

static void serial_mm_after_load(Device *dev)
{
    uart_after_load(&dev_state(dev, SerialMm)->uart);
}

static const PropDesc serial_mm_props[] = {
    PROP_STR("chardev", SerialMm, uart.chardev, NULL, "character backend"),
    PROP_U8("regshift", SerialMm, uart.regshift, 0, "log2 of the distance between registers"),
    PROP_U32("baudbase", SerialMm, uart.baudbase, 115200, "input clock / 16, in Hz"), PROP_END};

static const DeviceOps serial_mm_ops = DEVICE_OPS(
    serial_mm_snapshot, .realize = serial_mm_realize, .unrealize = serial_mm_unrealize,
    .reset = serial_mm_reset, .after_load = serial_mm_after_load, .category = "Input devices");
QOM_TYPE(serial_mm_type, .name = TYPE_SERIAL_MM, .parent = TYPE_MMIO_DEVICE,
         .size = sizeof(SerialMm), .desc = "16550A UART", .props = serial_mm_props,
         .dev = &serial_mm_ops);
