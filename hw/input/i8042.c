/* SPDX-License-Identifier: MIT */
/*
 * Keyboard controller of the PC/AT and PS/2 at ports 60h and 64h.  Spec: IBM PS/2 hardware interface
 * technical reference, keyboard and auxiliary device controller.
 * Not modelled: the controller's RAM beyond the command byte, the test port.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/input/i8042.h"
#include "hw/isa/isa.h"
#include "hw/machine.h"
#include "ps2.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum { DATA_PORT = 0x60, COMMAND_PORT = 0x64, KEYBOARD_IRQ = 1, MOUSE_IRQ = 12 };
enum {
    ST_OUTPUT_FULL = 0x01,
    ST_SYSTEM = 0x04,
    ST_COMMAND = 0x08,
    ST_UNLOCKED = 0x10,
    ST_MOUSE = 0x20
};
enum {
    MODE_KEYBOARD_IRQ = 0x01,
    MODE_MOUSE_IRQ = 0x02,
    MODE_SYSTEM = 0x04,
    MODE_NO_KEYBOARD = 0x10,
    MODE_NO_MOUSE = 0x20,
    MODE_TRANSLATE = 0x40
};
enum {
    CMD_READ_MODE = 0x20,
    CMD_WRITE_MODE = 0x60,
    CMD_MOUSE_OFF = 0xa7,
    CMD_MOUSE_ON = 0xa8,
    CMD_MOUSE_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KEYBOARD_TEST = 0xab,
    CMD_KEYBOARD_OFF = 0xad,
    CMD_KEYBOARD_ON = 0xae,
    CMD_READ_INPUT = 0xc0,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_FAKE_KEYBOARD = 0xd2,
    CMD_FAKE_MOUSE = 0xd3,
    CMD_TO_MOUSE = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_PULSE = 0xf0
};
enum { OUT_NO_RESET = 0x01, OUT_A20 = 0x02, OUT_ALWAYS = 0xcc };
enum {
    TEST_PASSED = 0x55,
    INTERFACE_GOOD = 0x00,
    INPUT_PORT = 0x80,
    BREAK = 0xf0,
    BREAK_BIT = 0x80
};
/* Where the byte in the output buffer came from. */
enum { FROM_CONTROLLER, FROM_KEYBOARD, FROM_MOUSE };

typedef struct I8042 {
    IsaDevice parent;
    /* wiring */
    IrqLine keyboard_irq, mouse_irq, a20;
    MemRegion data_port, command_port;
    /* guest-visible: all of it is in i8042_snapshot */
    Ps2Keyboard keyboard;
    Ps2Mouse mouse;
    uint8_t status, mode, out_port, output;
    uint8_t command; /* whose argument comes to the data port; 0: none */
    bool got_break;  /* translating: the prefix of a release has been taken */
} I8042;

/* --- The output buffer --- */

static void i8042_update_irq(I8042 *s)
{
    bool full = s->status & ST_OUTPUT_FULL, mouse = s->status & ST_MOUSE;

    irq_set(&s->keyboard_irq, full && !mouse && (s->mode & MODE_KEYBOARD_IRQ));
    irq_set(&s->mouse_irq, full && mouse && (s->mode & MODE_MOUSE_IRQ));
}

static void i8042_output(I8042 *s, uint8_t v, bool mouse)
{
    s->output = v;
    s->status = (s->status & ~ST_MOUSE) | ST_OUTPUT_FULL | (mouse ? ST_MOUSE : 0);
    i8042_update_irq(s);
}

/* The next byte of the keyboard as the guest is to see it; false: only a prefix was there. */
static bool i8042_take_key(I8042 *s, uint8_t *v)
{
    *v = ps2_take(&s->keyboard.queue);
    if (!(s->mode & MODE_TRANSLATE)) {
        return true;
    }
    if (*v == BREAK) {
        s->got_break = true;
        return false;
    }
    *v = ps2_translate(*v) | (s->got_break ? BREAK_BIT : 0);
    s->got_break = false;
    return true;
}

/* Moves a byte of a device into the free buffer. Also the devices' call when they have one. */
static void i8042_refill(void *opaque)
{
    I8042 *s = opaque;
    uint8_t v;

    while (!(s->status & ST_OUTPUT_FULL) && !(s->mode & MODE_NO_KEYBOARD) &&
           ps2_pending(&s->keyboard.queue)) {
        if (i8042_take_key(s, &v)) {
            i8042_output(s, v, false);
        }
    }
    if (!(s->status & ST_OUTPUT_FULL) && !(s->mode & MODE_NO_MOUSE) &&
        ps2_pending(&s->mouse.queue)) {
        i8042_output(s, ps2_take(&s->mouse.queue), true);
    }
}

static uint64_t i8042_read_data(void *opaque, uint64_t offset, unsigned size)
{
    I8042 *s = opaque;
    uint8_t v = s->output;

    s->status &= ~(ST_OUTPUT_FULL | ST_MOUSE);
    i8042_update_irq(s); /* the lines fall even when the next byte is there: edges */
    i8042_refill(s);
    return v;
}

/* --- Commands --- */

static void i8042_write_mode(I8042 *s, uint8_t v)
{
    s->mode = v;
    s->status = (s->status & ~ST_SYSTEM) | (v & MODE_SYSTEM ? ST_SYSTEM : 0);
    i8042_update_irq(s);
    i8042_refill(s);
}

static void i8042_write_out_port(I8042 *s, uint8_t v)
{
    s->out_port = v | OUT_ALWAYS;
    irq_set(&s->a20, v & OUT_A20);
    if (!(v & OUT_NO_RESET)) {
        machine_request_reset(s->parent.dev.machine, SHUTDOWN_GUEST_RESET);
    }
}

/* Commands that switch a device off or on; false: another. */
static bool i8042_switch(I8042 *s, uint8_t v)
{
    switch (v) {
    case CMD_MOUSE_OFF: s->mode |= MODE_NO_MOUSE; break;
    case CMD_MOUSE_ON: s->mode &= ~MODE_NO_MOUSE; break;
    case CMD_KEYBOARD_OFF: s->mode |= MODE_NO_KEYBOARD; break;
    case CMD_KEYBOARD_ON: s->mode &= ~MODE_NO_KEYBOARD; break;
    default: return false;
    }
    i8042_refill(s);
    return true;
}

static void i8042_command(I8042 *s, uint8_t v)
{
    if (i8042_switch(s, v)) {
        return;
    }
    switch (v) {
    case CMD_READ_MODE: i8042_output(s, s->mode, false); break;
    case CMD_SELF_TEST:
        s->status |= ST_SYSTEM;
        s->mode |= MODE_SYSTEM;
        i8042_output(s, TEST_PASSED, false);
        break;
    case CMD_MOUSE_TEST:
    case CMD_KEYBOARD_TEST: i8042_output(s, INTERFACE_GOOD, false); break;
    case CMD_READ_INPUT: i8042_output(s, INPUT_PORT, false); break;
    case CMD_READ_OUTPUT: i8042_output(s, s->out_port, false); break;
    case CMD_A20_OFF: i8042_write_out_port(s, s->out_port & ~OUT_A20); break;
    case CMD_A20_ON: i8042_write_out_port(s, s->out_port | OUT_A20); break;
    case CMD_WRITE_MODE:
    case CMD_WRITE_OUTPUT:
    case CMD_FAKE_KEYBOARD:
    case CMD_FAKE_MOUSE:
    case CMD_TO_MOUSE: s->command = v; break;
    default:
        if (v < CMD_PULSE) {
            log_guest("i8042: unknown command 0x%02x", v);
        } else if (!(v & OUT_NO_RESET)) {
            machine_request_reset(s->parent.dev.machine, SHUTDOWN_GUEST_RESET);
        }
    }
}

static void i8042_write_command(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8042 *s = opaque;

    s->status |= ST_COMMAND;
    s->command = 0;
    i8042_command(s, value);
}

static void i8042_write_data(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8042 *s = opaque;
    uint8_t command = s->command, v = value;

    s->status &= ~ST_COMMAND;
    s->command = 0;
    switch (command) {
    case CMD_WRITE_MODE: i8042_write_mode(s, v); break;
    case CMD_WRITE_OUTPUT: i8042_write_out_port(s, v); break;
    case CMD_FAKE_KEYBOARD: i8042_output(s, v, false); break;
    case CMD_FAKE_MOUSE: i8042_output(s, v, true); break;
    case CMD_TO_MOUSE:
        s->mode &= ~MODE_NO_MOUSE;
        ps2_mouse_write(&s->mouse, v);
        break;
    default:
        s->mode &= ~MODE_NO_KEYBOARD; /* a byte to the keyboard switches it on */
        ps2_keyboard_write(&s->keyboard, v);
    }
}

static uint64_t i8042_read_status(void *opaque, uint64_t offset, unsigned size)
{
    return ((I8042 *)opaque)->status;
}

static const MemOps data_ops = ISA_BYTE_PORTS(i8042_read_data, i8042_write_data);
static const MemOps command_ops = ISA_BYTE_PORTS(i8042_read_status, i8042_write_command);

/* --- Life --- */

static void i8042_reset(Device *dev)
{
    I8042 *s = dev_state(dev, I8042);

    s->status = ST_COMMAND | ST_UNLOCKED;
    s->mode = MODE_KEYBOARD_IRQ | MODE_MOUSE_IRQ;
    s->out_port = OUT_ALWAYS | OUT_NO_RESET | OUT_A20;
    s->output = s->command = 0;
    s->got_break = false;
    ps2_keyboard_reset(&s->keyboard);
    ps2_mouse_reset(&s->mouse);
    i8042_update_irq(s);
    irq_set(&s->a20, true);
}

static bool i8042_realize(Device *dev, Error **errp)
{
    I8042 *s = dev_state(dev, I8042);

    irq_line_init(&s->keyboard_irq, dev, "irq");
    irq_line_init(&s->mouse_irq, dev, "irq");
    irq_line_init(&s->a20, dev, "a20");
    mem_init_io(&s->data_port, &dev->obj, &data_ops, s, "i8042-data", 1);
    mem_init_io(&s->command_port, &dev->obj, &command_ops, s, "i8042-cmd", 1);
    if (!isa_connect_irq(&s->parent, &s->keyboard_irq, KEYBOARD_IRQ, errp) ||
        !isa_connect_irq(&s->parent, &s->mouse_irq, MOUSE_IRQ, errp)) {
        return false;
    }
    isa_add_ports(&s->parent, DATA_PORT, &s->data_port);
    isa_add_ports(&s->parent, COMMAND_PORT, &s->command_port);
    ps2_keyboard_init(&s->keyboard, i8042_refill, s);
    ps2_mouse_init(&s->mouse, i8042_refill, s);
    return true;
}

static void i8042_unrealize(Device *dev)
{
    I8042 *s = dev_state(dev, I8042);

    ps2_keyboard_fini(&s->keyboard);
    ps2_mouse_fini(&s->mouse);
}

static void i8042_snapshot(Device *dev, Snapshot *sn)
{
    I8042 *s = dev_state(dev, I8042);

    snap_section(sn, "i8042", 1);
    snap_fields(sn, &s->status, &s->mode, &s->out_port, &s->output, &s->command, &s->got_break);
    ps2_keyboard_snapshot(sn, &s->keyboard);
    ps2_mouse_snapshot(sn, &s->mouse);
}

static void i8042_after_load(Device *dev)
{
    I8042 *s = dev_state(dev, I8042);

    i8042_update_irq(s);
    irq_set(&s->a20, s->out_port & OUT_A20);
}

static const DeviceOps i8042_ops =
    DEVICE_OPS(i8042_snapshot, .realize = i8042_realize, .unrealize = i8042_unrealize,
               .reset = i8042_reset, .after_load = i8042_after_load);
QOM_TYPE(i8042_type, .name = TYPE_I8042, .parent = TYPE_ISA_DEVICE, .size = sizeof(I8042),
         .desc = "keyboard controller", .dev = &i8042_ops);
