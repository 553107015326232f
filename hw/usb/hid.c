/* SPDX-License-Identifier: MIT */
/*
 * USB keyboard, mouse and tablet.  Specs: Device Class Definition for HID 1.11, HID Usage Tables 1.12.
 * Boot and report protocol have the same reports.  A device takes input only while it is configured.
 * Not modelled: LEDs are accepted and not shown.
 * Time base is the virtual clock.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/usb/usb.h"
#include "memory/clock.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"
#include "ui/input.h"

/* Class requests (7.2). */
enum {
    GET_REPORT = 1,
    GET_IDLE = 2,
    GET_PROTOCOL = 3,
    SET_REPORT = 9,
    SET_IDLE = 10,
    SET_PROTOCOL = 11
};
enum { CLASS_IN = 0xa1, CLASS_OUT = 0x21, EP_REPORTS = 1 };
enum { KEYS_SHOWN = 6, KEYBOARD_LEN = 8, MOUSE_LEN = 4, TABLET_LEN = 6, REPORT_MAX = 8 };
enum { USAGE_ERROR = 1, USAGE_MODIFIERS = 0xe0, USAGES = 0xe8 };
/* What waits for a guest that does not ask. */
enum { WAITING_MAX = 16 };
enum { IDLE_UNIT_NS = 4 * NS_PER_MS };

/* A state of the pointer, or (keyboard) a key's usage in x and whether it is down in buttons. */
typedef struct HidEvent {
    int32_t x, y, z;
    uint32_t buttons;
} HidEvent;

typedef struct UsbHid {
    UsbDevice parent;
    /* wiring */
    bool listening;
    ClockTimer idle_over;
    /* guest-visible: all of it is in hid_snapshot */
    uint8_t idle, protocol;
    int64_t told_ns; /* when the last report went */
    uint32_t count;
    HidEvent waiting[WAITING_MAX];
    uint8_t down[USAGES / 8]; /* keys as the guest has been told */
    uint8_t held[USAGES / 8]; /* keys as they are */
    HidEvent last;            /* of the pointer, as the guest has been told */
} UsbHid;

typedef struct HidKind {
    UsbDeviceOps usb;
    unsigned len;
    void (*report)(UsbHid *s, uint8_t *out);
    InputSink sink;
} HidKind;

static const HidKind *hid_kind(const UsbHid *s)
{
    return (const HidKind *)s->parent.dev.obj.type->ops;
}

/* Usages of the keyboard page by Linux's key numbers. */
static const uint8_t usages[128] = {
    [1] = 0x29,   [2] = 0x1e,   [3] = 0x1f,   [4] = 0x20,   [5] = 0x21,   [6] = 0x22,
    [7] = 0x23,   [8] = 0x24,   [9] = 0x25,   [10] = 0x26,  [11] = 0x27,  [12] = 0x2d,
    [13] = 0x2e,  [14] = 0x2a,  [15] = 0x2b,  [16] = 0x14,  [17] = 0x1a,  [18] = 0x08,
    [19] = 0x15,  [20] = 0x17,  [21] = 0x1c,  [22] = 0x18,  [23] = 0x0c,  [24] = 0x12,
    [25] = 0x13,  [26] = 0x2f,  [27] = 0x30,  [28] = 0x28,  [29] = 0xe0,  [30] = 0x04,
    [31] = 0x16,  [32] = 0x07,  [33] = 0x09,  [34] = 0x0a,  [35] = 0x0b,  [36] = 0x0d,
    [37] = 0x0e,  [38] = 0x0f,  [39] = 0x33,  [40] = 0x34,  [41] = 0x35,  [42] = 0xe1,
    [43] = 0x31,  [44] = 0x1d,  [45] = 0x1b,  [46] = 0x06,  [47] = 0x19,  [48] = 0x05,
    [49] = 0x11,  [50] = 0x10,  [51] = 0x36,  [52] = 0x37,  [53] = 0x38,  [54] = 0xe5,
    [55] = 0x55,  [56] = 0xe2,  [57] = 0x2c,  [58] = 0x39,  [59] = 0x3a,  [60] = 0x3b,
    [61] = 0x3c,  [62] = 0x3d,  [63] = 0x3e,  [64] = 0x3f,  [65] = 0x40,  [66] = 0x41,
    [67] = 0x42,  [68] = 0x43,  [69] = 0x53,  [70] = 0x47,  [71] = 0x5f,  [72] = 0x60,
    [73] = 0x61,  [74] = 0x56,  [75] = 0x5c,  [76] = 0x5d,  [77] = 0x5e,  [78] = 0x57,
    [79] = 0x59,  [80] = 0x5a,  [81] = 0x5b,  [82] = 0x62,  [83] = 0x63,  [86] = 0x64,
    [87] = 0x44,  [88] = 0x45,  [96] = 0x58,  [97] = 0xe4,  [98] = 0x54,  [99] = 0x46,
    [100] = 0xe6, [102] = 0x4a, [103] = 0x52, [104] = 0x4b, [105] = 0x50, [106] = 0x4f,
    [107] = 0x4d, [108] = 0x51, [109] = 0x4e, [110] = 0x49, [111] = 0x4c, [117] = 0x67,
    [119] = 0x48, [125] = 0xe3, [126] = 0xe7, [127] = 0x65};

static bool bit_of(const uint8_t *bits, unsigned n)
{
    return bits[n / 8] >> n % 8 & 1;
}

/* --- Input --- */

static void hid_key(void *opaque, unsigned code, bool down)
{
    UsbHid *s = opaque;
    unsigned usage = code < ARRAY_SIZE(usages) ? usages[code] : 0;

    if (!usage || bit_of(s->held, usage) == down) {
        return;
    }
    s->held[usage / 8] ^= 1 << usage % 8;
    if (s->count < WAITING_MAX) {
        s->waiting[s->count++] = (HidEvent){.x = (int32_t)usage, .buttons = down};
    }
    usb_wakeup(&s->parent, EP_REPORTS);
}

/* The entry that the pointer's next state goes into; movements with the same buttons are one. */
static HidEvent *pointer_entry(UsbHid *s, unsigned buttons)
{
    HidEvent *tail = s->count ? &s->waiting[s->count - 1] : NULL;

    buttons &= 7;
    if (!tail || (tail->buttons != buttons && s->count < WAITING_MAX)) {
        s->waiting[s->count] = tail ? (HidEvent){.x = tail->x, .y = tail->y} : s->last;
        tail = &s->waiting[s->count++];
        tail->z = 0;
    }
    tail->buttons = buttons;
    return tail;
}

static void hid_movement(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    UsbHid *s = opaque;
    unsigned before = s->count;
    HidEvent *e = pointer_entry(s, buttons);

    if (s->count != before) {
        e->x = e->y = 0;
    }
    e->x = CLAMP(e->x + CLAMP(dx, -4096, 4096), -4096, 4096);
    e->y = CLAMP(e->y + CLAMP(dy, -4096, 4096), -4096, 4096);
    e->z = CLAMP(e->z - CLAMP(dz, -127, 127), -127, 127); /* positive is away from the user */
    usb_wakeup(&s->parent, EP_REPORTS);
}

static void hid_place(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons)
{
    UsbHid *s = opaque;
    HidEvent *e = pointer_entry(s, buttons);

    e->x = (int32_t)x;
    e->y = (int32_t)y;
    e->z = CLAMP(e->z - CLAMP(dz, -127, 127), -127, 127);
    usb_wakeup(&s->parent, EP_REPORTS);
}

/* --- Reports --- */

static void next_event(UsbHid *s)
{
    memmove(s->waiting, s->waiting + 1, --s->count * sizeof(HidEvent));
}

static bool hid_has_report(const UsbHid *s)
{
    return s->count || memcmp(s->down, s->held, sizeof(s->down));
}

/* Appendix B.1.  With more keys than fit all six places say so. */
static void keyboard_report(UsbHid *s, uint8_t *out)
{
    unsigned n = 2;

    if (s->count) {
        unsigned usage = (unsigned)s->waiting[0].x;

        s->down[usage / 8] = (s->down[usage / 8] & ~(1 << usage % 8)) | (s->waiting[0].buttons & 1)
                                                                            << usage % 8;
        next_event(s);
    } else {
        memcpy(s->down, s->held, sizeof(s->down)); /* what found no room among the events */
    }
    out[0] = s->down[USAGE_MODIFIERS / 8];
    for (unsigned usage = USAGE_ERROR + 1; usage < USAGE_MODIFIERS; usage++) {
        if (bit_of(s->down, usage)) {
            if (n == KEYBOARD_LEN) {
                memset(out + 2, USAGE_ERROR, KEYS_SHOWN);
                return;
            }
            out[n++] = usage;
        }
    }
}

static void mouse_report(UsbHid *s, uint8_t *out)
{
    HidEvent *e = &s->waiting[0];

    if (!s->count) {
        out[0] = s->last.buttons;
        return;
    }
    out[0] = e->buttons;
    out[1] = CLAMP(e->x, -127, 127);
    out[2] = CLAMP(e->y, -127, 127);
    out[3] = e->z;
    s->last.buttons = e->buttons;
    e->x -= (int8_t)out[1];
    e->y -= (int8_t)out[2];
    e->z = 0;
    if (!e->x && !e->y) {
        next_event(s);
    }
}

static void tablet_report(UsbHid *s, uint8_t *out)
{
    if (s->count) {
        s->last = s->waiting[0];
        next_event(s);
    }
    out[0] = s->last.buttons;
    st16_le(out + 1, s->last.x);
    st16_le(out + 3, s->last.y);
    out[5] = s->last.z;
    s->last.z = 0;
}

/*
 * Whether a report without news is due, which firmware repeats keys by; the host asks again when it is
 * (7.2.4).  No idle rate: never.
 */
static bool hid_is_due(UsbHid *s)
{
    int64_t due = s->told_ns + s->idle * (int64_t)IDLE_UNIT_NS;

    if (!s->idle || clock_now_ns(s->idle_over.clock) >= due) {
        return s->idle;
    }
    clock_timer_arm(&s->idle_over, due);
    return false;
}

static void hid_idle_over(void *opaque)
{
    usb_wakeup(opaque, EP_REPORTS);
}

static int hid_in(UsbDevice *dev, unsigned ep, uint8_t *data, unsigned len)
{
    UsbHid *s = (UsbHid *)dev;
    uint8_t out[REPORT_MAX] = {0};

    if (ep != EP_REPORTS) {
        return USB_STALL;
    }
    if (!hid_has_report(s) && !hid_is_due(s)) {
        return USB_NAK;
    }
    s->told_ns = clock_now_ns(s->idle_over.clock);
    hid_kind(s)->report(s, out);
    len = MIN(len, hid_kind(s)->len);
    memcpy(data, out, len);
    return (int)len;
}

static int hid_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    UsbHid *s = (UsbHid *)dev;
    uint8_t out[REPORT_MAX] = {0};
    unsigned len = 1;

    if (setup->type == CLASS_OUT) {
        switch (setup->request) {
        case SET_REPORT: return setup->length; /* LEDs */
        case SET_IDLE:
            s->idle = setup->value >> 8;
            s->told_ns = clock_now_ns(s->idle_over.clock);
            return 0;
        case SET_PROTOCOL: s->protocol = setup->value & 1; return 0;
        default: return USB_STALL;
        }
    }
    if (setup->type != CLASS_IN) {
        return USB_STALL;
    }
    switch (setup->request) {
    case GET_REPORT:
        hid_kind(s)->report(s, out);
        len = hid_kind(s)->len;
        break;
    case GET_IDLE: out[0] = s->idle; break;
    case GET_PROTOCOL: out[0] = s->protocol; break;
    default: return USB_STALL;
    }
    len = MIN(len, setup->length);
    memcpy(data, out, len);
    return (int)len;
}

/* --- Life --- */

static void hid_configured(UsbDevice *dev)
{
    UsbHid *s = (UsbHid *)dev;

    if (s->listening != (dev->configuration != 0)) {
        s->listening = dev->configuration != 0;
        if (s->listening) {
            input_add_sink(&hid_kind(s)->sink, s);
        } else {
            input_remove_sink(s);
        }
    }
}

static void hid_reset(UsbDevice *dev)
{
    UsbHid *s = (UsbHid *)dev;

    hid_configured(dev);
    clock_timer_disarm(&s->idle_over);
    s->idle = 0;
    s->told_ns = 0;
    s->protocol = 1;
    s->count = 0;
    memset(s->down, 0, sizeof(s->down));
    memset(s->held, 0, sizeof(s->held));
    s->last = (HidEvent){0};
}

static bool hid_realize(Device *dev, Error **errp)
{
    UsbHid *s = (UsbHid *)dev;

    clock_timer_init(&s->idle_over, device_clock(dev), hid_idle_over, s);
    return true;
}

static void hid_snapshot(Device *dev, Snapshot *sn)
{
    UsbHid *s = (UsbHid *)dev;

    snap_section(sn, "usb-hid", 1);
    snap_fields(sn, &s->idle, &s->protocol, &s->told_ns);
    snap_timer(sn, &s->idle_over);
    s->told_ns = CLAMP(s->told_ns, 0, INT64_MAX / 2);
    snap_u32_max(sn, &s->count, WAITING_MAX);
    for (unsigned i = 0; i < WAITING_MAX; i++) {
        HidEvent *e = &s->waiting[i];

        snap_fields(sn, &e->x, &e->y, &e->z, &e->buttons);
        /* A keyboard looks its usage up in the sets below. */
        e->x =
            hid_kind(s)->sink.key ? CLAMP(e->x, 0, USAGES - 1) : CLAMP(e->x, -4096, INPUT_ABS_MAX);
        e->y = CLAMP(e->y, -4096, INPUT_ABS_MAX);
    }
    snap_bytes(sn, s->down, sizeof(s->down));
    snap_bytes(sn, s->held, sizeof(s->held));
    snap_fields(sn, &s->last.x, &s->last.y, &s->last.z, &s->last.buttons);
}

static const uint8_t keyboard_descriptor[] = {
    0x05, 0x01, 0x09, 0x06, 0xa1, 0x01,             /* generic desktop, keyboard, application */
    0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, /* modifiers: a bit each */
    0x25, 0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02, /* 8 variables */
    0x95, 0x01, 0x75, 0x08, 0x81, 0x01,             /* a byte of nothing */
    0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02, /* LEDs */
    0x95, 0x01, 0x75, 0x03, 0x91, 0x01,                                     /* padding */
    0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x25, 0xe7,                         /* six keys */
    0x05, 0x07, 0x19, 0x00, 0x29, 0xe7, 0x81, 0x00, 0xc0};

#define BUTTONS                                                                                    \
    0x05, 0x09, 0x19, 0x01, 0x29, 0x03, 0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, 0x81,      \
        0x02, 0x95, 0x01, 0x75, 0x05, 0x81, 0x01
#define WHEEL 0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x01, 0x81, 0x06

static const uint8_t mouse_descriptor[] = {
    0x05,    0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01,  0xa1, 0x00, /* mouse, pointer */
    BUTTONS, 0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15,  0x81, 0x25,
    0x7f,    0x75, 0x08, 0x95, 0x02, 0x81, 0x06, WHEEL, 0xc0, 0xc0};

static const uint8_t tablet_descriptor[] = {
    0x05,    0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01, 0xa1, 0x00, /* mouse, pointer */
    BUTTONS, 0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x00, 0x26, 0xff,  0x7f, 0x35,
    0x00,    0x46, 0xff, 0x7f, 0x75, 0x10, 0x95, 0x02, 0x81, 0x02, WHEEL, 0xc0, 0xc0};

static const DeviceOps hid_dev_ops = DEVICE_OPS(hid_snapshot, .realize = hid_realize);
QOM_TYPE(hid_type, .name = "usb-hid", .parent = TYPE_USB_DEVICE, .size = sizeof(UsbHid),
         .abstract = true, .dev = &hid_dev_ops);

/* One kind of device.  @SUBCLASS and @PROTOCOL are the interface's; the rest the events that it takes. */
#define HID_DEVICE(ident, NAME, PRODUCT, SUBCLASS, PROTOCOL, LEN, DESC, ...)                       \
    static const uint8_t ident##_device[] = {18,   1,         0x00, 0x02, 0, 0, 0, 8, 0x27,        \
                                             0x06, (PRODUCT), 0,    0,    0, 1, 2, 0, 1};          \
    static const uint8_t ident##_configuration[] = {9,          2,                                 \
                                                    34,         0,                                 \
                                                    1,          1,                                 \
                                                    0,          0xa0,                              \
                                                    50,         9,                                 \
                                                    4,          0,                                 \
                                                    0,          1,                                 \
                                                    3,          (SUBCLASS),                        \
                                                    (PROTOCOL), 0,                                 \
                                                    9,          0x21,                              \
                                                    0x11,       0x01,                              \
                                                    0,          1,                                 \
                                                    0x22,       sizeof(ident##_descriptor),        \
                                                    0,          7,                                 \
                                                    5,          0x80 | EP_REPORTS,                 \
                                                    3,          8,                                 \
                                                    0,          4};                                \
    static const HidKind ident##_kind = {                                                          \
        .usb = {.device_descriptor = ident##_device,                                               \
                .configuration = ident##_configuration,                                            \
                .strings = {NULL, "Rhea", DESC},                                                   \
                .report = ident##_descriptor,                                                      \
                .report_len = sizeof(ident##_descriptor),                                          \
                .control = hid_control,                                                            \
                .in = hid_in,                                                                      \
                .reset = hid_reset,                                                                \
                .configured = hid_configured},                                                     \
        .len = (LEN),                                                                              \
        .report = ident##_report,                                                                  \
        .sink = {.name = DESC, __VA_ARGS__},                                                       \
    };                                                                                             \
    static const DeviceOps ident##_ops = DEVICE_OPS(device_no_state, .category = "Input devices",  \
                                                    .user_creatable = true, .hotpluggable = true); \
    QOM_TYPE(ident##_type, .name = NAME, .parent = "usb-hid", .size = sizeof(UsbHid),              \
             .desc = DESC, .dev = &ident##_ops, .ops = &ident##_kind.usb)

HID_DEVICE(keyboard, "usb-kbd", 1, 1, 1, KEYBOARD_LEN, "USB Keyboard", .key = hid_key);
HID_DEVICE(mouse, "usb-mouse", 2, 1, 2, MOUSE_LEN, "USB Mouse", .pointer = hid_movement);
HID_DEVICE(tablet, "usb-tablet", 3, 0, 0, TABLET_LEN, "USB Tablet", .pointer_abs = hid_place);
