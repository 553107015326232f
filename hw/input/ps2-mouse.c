/* SPDX-License-Identifier: MIT */
/* PS/2 mouse with the IntelliMouse wheel and buttons; see ps2.h.  Not modelled: acceleration. */
#include "rhea/osdep.h"

#include "ps2.h"
#include "snapshot/snapshot.h"
#include "ui/input.h"

enum {
    SCALE_1 = 0xe6,
    SCALE_2 = 0xe7,
    RESOLUTION = 0xe8,
    STATUS = 0xe9,
    STREAM = 0xea,
    READ_DATA = 0xeb,
    RESET_WRAP = 0xec,
    WRAP = 0xee,
    REMOTE = 0xf0,
    IDENTIFY = 0xf2,
    RATE = 0xf3,
    ENABLE = 0xf4,
    DISABLE = 0xf5,
    DEFAULTS = 0xf6,
    RESEND = 0xfe,
    RESET = 0xff
};
enum { ID_PLAIN = 0, ID_WHEEL = 3, ID_BUTTONS = 4 };
enum { PACKET_ONE = 0x08, PACKET_DX_SIGN = 0x10, PACKET_DY_SIGN = 0x20, BUTTON_MASK = 0x07 };
/* No more than some reports wait: a guest that sleeps is not followed by old movements. */
enum { REPORTS_MAX = 16 * 4 };

static void answer(Ps2Mouse *m, uint8_t v)
{
    ps2_put(&m->queue, &v, 1);
}

/* One report of what has moved, as far as it fits; the rest stays for the next. */
static void put_report(Ps2Mouse *m)
{
    int dx = CLAMP(m->dx, -255, 255), dy = CLAMP(m->dy, -255, 255), dz = CLAMP(m->dz, -8, 7);
    uint8_t bytes[4];

    bytes[0] = PACKET_ONE | (m->buttons & BUTTON_MASK) | (dx < 0 ? PACKET_DX_SIGN : 0) |
               (dy < 0 ? PACKET_DY_SIGN : 0);
    bytes[1] = dx;
    bytes[2] = dy;
    bytes[3] = m->id == ID_BUTTONS ? dz & 15 : dz;
    m->dx -= dx;
    m->dy -= dy;
    m->dz = 0;
    ps2_put(&m->queue, bytes, m->id == ID_PLAIN ? 3 : 4);
}

static void mouse_pointer(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    Ps2Mouse *m = opaque;
    bool first = true;

    m->dx = CLAMP(m->dx + CLAMP(dx, -4096, 4096), -4096, 4096);
    m->dy = CLAMP(m->dy - CLAMP(dy, -4096, 4096), -4096, 4096); /* its y axis points up */
    m->dz += CLAMP(dz, -8, 7);
    m->buttons = buttons & BUTTON_MASK;
    if (!m->reporting || m->remote) {
        return;
    }
    while ((first || m->dx || m->dy) && m->queue.count < REPORTS_MAX) {
        put_report(m);
        first = false;
    }
}

static const InputSink mouse_sink = {.name = "PS/2 mouse", .pointer = mouse_pointer};

/* --- Commands --- */

static void mouse_defaults(Ps2Mouse *m)
{
    m->rate = 100;
    m->resolution = 2;
    m->reporting = m->remote = m->wrap = m->scale_2 = false;
    m->dx = m->dy = m->dz = 0;
}

/* Drivers ask for a wheel by setting the rates 200, 100, 80, for more buttons by 200, 200, 80. */
static void mouse_set_rate(Ps2Mouse *m, uint8_t rate)
{
    if (rate == 80 && m->knock[0] == 200) {
        if (m->knock[1] == 100) {
            m->id = ID_WHEEL;
        } else if (m->knock[1] == 200 && m->id == ID_WHEEL) {
            m->id = ID_BUTTONS;
        }
    }
    m->knock[0] = m->knock[1];
    m->knock[1] = rate;
    m->rate = rate;
}

static void put_status(Ps2Mouse *m)
{
    /* The buttons from the left: left, middle, right. */
    uint8_t left = m->buttons >> INPUT_LEFT & 1, right = m->buttons >> INPUT_RIGHT & 1;
    uint8_t middle = m->buttons >> INPUT_MIDDLE & 1;
    uint8_t bytes[] = {PS2_ACK,
                       right | middle << 1 | left << 2 | m->scale_2 << 4 | m->reporting << 5 |
                           m->remote << 6,
                       m->resolution, m->rate};

    ps2_put(&m->queue, bytes, sizeof(bytes));
}

static void mouse_argument(Ps2Mouse *m, uint8_t v)
{
    if (m->command == RATE) {
        mouse_set_rate(m, v);
    } else {
        m->resolution = v & 3;
    }
    m->command = 0;
    answer(m, PS2_ACK);
}

/* Commands that only set something; false: another. */
static bool mouse_setting(Ps2Mouse *m, uint8_t v)
{
    switch (v) {
    case SCALE_1:
    case SCALE_2: m->scale_2 = v == SCALE_2; break;
    case STREAM: m->remote = false; break;
    case REMOTE: m->remote = true; break;
    case WRAP: m->wrap = true; break;
    case RESET_WRAP: m->wrap = false; break;
    case ENABLE: m->reporting = true; break;
    case DISABLE: m->reporting = false; break;
    case DEFAULTS: mouse_defaults(m); break;
    case RATE:
    case RESOLUTION: m->command = v; break;
    default: return false;
    }
    return true;
}

static void mouse_command(Ps2Mouse *m, uint8_t v)
{
    if (mouse_setting(m, v)) {
        answer(m, PS2_ACK);
        return;
    }
    switch (v) {
    case STATUS: put_status(m); break;
    case READ_DATA:
        answer(m, PS2_ACK);
        put_report(m);
        break;
    case IDENTIFY: {
        uint8_t bytes[] = {PS2_ACK, m->id};

        ps2_put(&m->queue, bytes, sizeof(bytes));
        break;
    }
    case RESEND: answer(m, m->queue.last); break;
    case RESET: {
        static const uint8_t passed[] = {PS2_ACK, PS2_TEST_PASSED, ID_PLAIN};

        ps2_mouse_reset(m);
        ps2_put(&m->queue, passed, sizeof(passed));
        break;
    }
    default: answer(m, PS2_RESEND);
    }
}

void ps2_mouse_write(Ps2Mouse *m, uint8_t v)
{
    if (m->command) {
        mouse_argument(m, v);
    } else if (m->wrap && v != RESET_WRAP && v != RESET) {
        answer(m, v);
    } else {
        mouse_command(m, v);
    }
}

/* --- Life --- */

void ps2_mouse_reset(Ps2Mouse *m)
{
    ps2_clear(&m->queue);
    m->command = m->id = m->buttons = 0;
    memset(m->knock, 0, sizeof(m->knock));
    mouse_defaults(m);
}

void ps2_mouse_init(Ps2Mouse *m, void (*changed)(void *opaque), void *opaque)
{
    m->queue.changed = changed;
    m->queue.opaque = opaque;
    input_add_sink(&mouse_sink, m);
}

void ps2_mouse_fini(Ps2Mouse *m)
{
    input_remove_sink(m);
}

void ps2_mouse_snapshot(Snapshot *sn, Ps2Mouse *m)
{
    ps2_queue_snapshot(sn, &m->queue);
    snap_fields(sn, &m->command, &m->id, &m->rate, &m->resolution, &m->buttons, &m->knock[0],
                &m->knock[1]);
    snap_fields(sn, &m->reporting, &m->remote, &m->wrap, &m->scale_2, &m->dx, &m->dy, &m->dz);
}
