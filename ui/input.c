/* SPDX-License-Identifier: MIT */
/* The way of input events; see ui/input.h. */
#include "rhea/osdep.h"

#include "memory/clock.h"
#include "ui/input.h"

typedef struct Sink {
    const InputSink *ops;
    void *opaque;
    unsigned index;
} Sink;

typedef struct Watch {
    void (*fn)(void *opaque);
    void *opaque;
} Watch;

/* The process's.  From the least wanted sink to the current one. */
static GArray *sinks, *watches;
static unsigned next_index;
/* The pointer as it was last told. */
static unsigned last_x, last_y, last_buttons;

static Sink *sink_at(guint i)
{
    return &g_array_index(sinks, Sink, i);
}

static guint sink_count(void)
{
    return sinks ? sinks->len : 0;
}

static bool is_mouse(const Sink *sink)
{
    return sink->ops->pointer || sink->ops->pointer_abs;
}

/* --- Who is there --- */

static void tell_watches(void)
{
    for (guint i = 0; watches && i < watches->len; i++) {
        const Watch *w = &g_array_index(watches, Watch, i);

        w->fn(w->opaque);
    }
}

void input_watch(void (*fn)(void *opaque), void *opaque)
{
    Watch w = {fn, opaque};

    if (!watches) {
        watches = g_array_new(FALSE, FALSE, sizeof(Watch));
    }
    g_array_append_val(watches, w);
}

void input_unwatch(void *opaque)
{
    for (guint i = watches ? watches->len : 0; i; i--) {
        if (g_array_index(watches, Watch, i - 1).opaque == opaque) {
            g_array_remove_index(watches, i - 1);
        }
    }
}

void input_add_sink(const InputSink *ops, void *opaque)
{
    Sink sink = {ops, opaque, 0};
    guint at = sink_count();

    if (!sinks) {
        sinks = g_array_new(FALSE, FALSE, sizeof(Sink));
    }
    if (is_mouse(&sink)) {
        sink.index = next_index++;
    }
    while (!ops->pointer_abs && at && sink_at(at - 1)->ops->pointer_abs) {
        at--; /* behind all absolute pointers */
    }
    g_array_insert_val(sinks, at, sink);
    tell_watches();
}

void input_remove_sink(void *opaque)
{
    for (guint i = sink_count(); i; i--) {
        if (sink_at(i - 1)->opaque == opaque) {
            g_array_remove_index(sinks, i - 1);
        }
    }
    tell_watches();
}

bool input_mouse(unsigned n, InputMouse *mouse)
{
    for (guint i = sink_count(); i; i--) {
        const Sink *sink = sink_at(i - 1);

        if (is_mouse(sink) && !n--) {
            *mouse = (InputMouse){sink->index, sink->ops->name, sink->ops->pointer_abs != NULL};
            return true;
        }
    }
    return false;
}

bool input_select_mouse(unsigned index, Error **errp)
{
    for (guint i = 0; i < sink_count(); i++) {
        Sink sink = *sink_at(i);

        if (is_mouse(&sink) && sink.index == index) {
            g_array_remove_index(sinks, i);
            g_array_append_val(sinks, sink);
            tell_watches();
            return true;
        }
    }
    return error_fail(errp, "Mouse at index '%u' not found", index);
}

bool input_is_absolute(void)
{
    InputMouse mouse;

    return input_mouse(0, &mouse) && mouse.absolute;
}

/* --- Events --- */

void input_key(unsigned code, bool down)
{
    for (guint i = sink_count(); i; i--) {
        const Sink *sink = sink_at(i - 1);

        if (sink->ops->key) {
            sink->ops->key(sink->opaque, code, down);
            return;
        }
    }
}

void input_pointer(int dx, int dy, int dz, unsigned buttons)
{
    last_buttons = buttons;
    for (guint i = sink_count(); i; i--) {
        const Sink *sink = sink_at(i - 1);

        if (sink->ops->pointer) {
            sink->ops->pointer(sink->opaque, dx, dy, dz, buttons);
            return;
        }
    }
}

void input_pointer_abs(unsigned x, unsigned y, int dz, unsigned buttons)
{
    last_x = MIN(x, INPUT_ABS_MAX);
    last_y = MIN(y, INPUT_ABS_MAX);
    last_buttons = buttons;
    for (guint i = sink_count(); i; i--) {
        const Sink *sink = sink_at(i - 1);

        if (sink->ops->pointer_abs) {
            sink->ops->pointer_abs(sink->opaque, last_x, last_y, dz, buttons);
            return;
        }
    }
}

void input_buttons(int dz, unsigned buttons)
{
    if (input_is_absolute()) {
        input_pointer_abs(last_x, last_y, dz, buttons);
    } else {
        input_pointer(0, 0, dz, buttons);
    }
}

unsigned input_buttons_now(void)
{
    return last_buttons;
}

void input_place_now(unsigned *x, unsigned *y)
{
    *x = last_x;
    *y = last_y;
}

/* --- Names --- */

/* By key number; as QMP's QKeyCode spells them. */
static const char *const key_names[] = {
    [1] = "esc",
    [2] = "1",
    [3] = "2",
    [4] = "3",
    [5] = "4",
    [6] = "5",
    [7] = "6",
    [8] = "7",
    [9] = "8",
    [10] = "9",
    [11] = "0",
    [12] = "minus",
    [13] = "equal",
    [14] = "backspace",
    [15] = "tab",
    [16] = "q",
    [17] = "w",
    [18] = "e",
    [19] = "r",
    [20] = "t",
    [21] = "y",
    [22] = "u",
    [23] = "i",
    [24] = "o",
    [25] = "p",
    [26] = "bracket_left",
    [27] = "bracket_right",
    [28] = "ret",
    [29] = "ctrl",
    [30] = "a",
    [31] = "s",
    [32] = "d",
    [33] = "f",
    [34] = "g",
    [35] = "h",
    [36] = "j",
    [37] = "k",
    [38] = "l",
    [39] = "semicolon",
    [40] = "apostrophe",
    [41] = "grave_accent",
    [42] = "shift",
    [43] = "backslash",
    [44] = "z",
    [45] = "x",
    [46] = "c",
    [47] = "v",
    [48] = "b",
    [49] = "n",
    [50] = "m",
    [51] = "comma",
    [52] = "dot",
    [53] = "slash",
    [54] = "shift_r",
    [55] = "kp_multiply",
    [56] = "alt",
    [57] = "spc",
    [58] = "caps_lock",
    [59] = "f1",
    [60] = "f2",
    [61] = "f3",
    [62] = "f4",
    [63] = "f5",
    [64] = "f6",
    [65] = "f7",
    [66] = "f8",
    [67] = "f9",
    [68] = "f10",
    [69] = "num_lock",
    [70] = "scroll_lock",
    [71] = "kp_7",
    [72] = "kp_8",
    [73] = "kp_9",
    [74] = "kp_subtract",
    [75] = "kp_4",
    [76] = "kp_5",
    [77] = "kp_6",
    [78] = "kp_add",
    [79] = "kp_1",
    [80] = "kp_2",
    [81] = "kp_3",
    [82] = "kp_0",
    [83] = "kp_decimal",
    [86] = "less",
    [87] = "f11",
    [88] = "f12",
    [96] = "kp_enter",
    [97] = "ctrl_r",
    [98] = "kp_divide",
    [99] = "sysrq",
    [100] = "alt_r",
    [102] = "home",
    [103] = "up",
    [104] = "pgup",
    [105] = "left",
    [106] = "right",
    [107] = "end",
    [108] = "down",
    [109] = "pgdn",
    [110] = "insert",
    [111] = "delete",
    [117] = "kp_equals",
    [119] = "pause",
    [125] = "meta_l",
    [126] = "meta_r",
    [127] = "compose",
    [139] = "menu",
};

/* Other spellings in use. */
static const struct {
    const char *name;
    uint8_t code;
} key_aliases[] = {{"print", 99}, {"kp_equal", 117}, {"asterisk", 55}, {"altgr", 100}};

const char *input_key_name(unsigned code)
{
    return code < ARRAY_SIZE(key_names) ? key_names[code] : NULL;
}

/* A scan code of set 1: what follows 0xe0 has bit 7 set. */
static int key_by_scancode(const char *text)
{
    static const uint8_t extended[][2] = {
        {0x1c, 96},  {0x1d, 97},  {0x35, 98},  {0x37, 99},  {0x38, 100}, {0x47, 102},
        {0x48, 103}, {0x49, 104}, {0x4b, 105}, {0x4d, 106}, {0x4f, 107}, {0x50, 108},
        {0x51, 109}, {0x52, 110}, {0x53, 111}, {0x5b, 125}, {0x5c, 126}, {0x5d, 127}};
    char *end;
    unsigned long v = strtoul(text, &end, 16);

    if (*end || v > 0xff) {
        return -1;
    }
    if (v < 0x80) {
        return v && v <= 88 ? (int)v : -1; /* numbered alike */
    }
    for (size_t i = 0; i < ARRAY_SIZE(extended); i++) {
        if (extended[i][0] == (v & 0x7f)) {
            return extended[i][1];
        }
    }
    return -1;
}

int input_key_by_name(const char *name, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    int code = g_str_has_prefix(name, "0x") ? key_by_scancode(name) : -1;

    for (size_t i = 0; i < ARRAY_SIZE(key_names) && code < 0; i++) {
        if (key_names[i] && !strcmp(key_names[i], name)) {
            code = (int)i;
        } else if (key_names[i]) {
            g_ptr_array_add(names, (char *)key_names[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(key_aliases) && code < 0; i++) {
        if (!strcmp(key_aliases[i].name, name)) {
            code = key_aliases[i].code;
        }
    }
    if (code < 0) {
        g_ptr_array_add(names, NULL);
        error_unknown_name(errp, "key", name, (const char *const *)names->pdata);
    }
    return code;
}

/* --- Key presses with a length --- */

enum { PRESS_MAX = 16 };

typedef struct Press {
    unsigned codes[PRESS_MAX];
    unsigned n;
    int64_t hold_ns;
} Press;

static GQueue presses = G_QUEUE_INIT; /* Press *; the head's keys are down */
static ClockTimer press_timer;

static void press_begin(void)
{
    Press *p = g_queue_peek_head(&presses);

    for (unsigned i = 0; i < p->n; i++) {
        input_key(p->codes[i], true);
    }
    clock_timer_arm(&press_timer, clock_now_ns(press_timer.clock) + p->hold_ns);
}

static void press_end(void *opaque)
{
    Press *p = g_queue_pop_head(&presses);

    for (unsigned i = p->n; i; i--) {
        input_key(p->codes[i - 1], false);
    }
    g_free(p);
    if (!g_queue_is_empty(&presses)) {
        press_begin();
    }
}

unsigned input_presses(void)
{
    return g_queue_get_length(&presses);
}

void input_press(Clock *clock, const unsigned *codes, unsigned n, int64_t hold_ns)
{
    Press *p = g_new0(Press, 1);

    p->n = MIN(n, PRESS_MAX);
    p->hold_ns = hold_ns;
    memcpy(p->codes, codes, p->n * sizeof(*codes));
    g_queue_push_tail(&presses, p);
    if (g_queue_get_length(&presses) == 1) {
        clock_timer_init(&press_timer, clock, press_end, NULL);
        press_begin();
    }
}
