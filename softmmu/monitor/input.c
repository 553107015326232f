/* SPDX-License-Identifier: MIT */
/* Monitor commands for keys and pointers: sendkey, mouse_move and so on; QMP send-key, input-send-event. */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "rhea/bits.h"
#include "rhea/opts.h"
#include "ui/input.h"

enum { KEYS_MAX = 16, HOLD_DEFAULT_MS = 100, HOLD_MAX_MS = 60000 };

/* "ctrl-alt-f1"; the count of keys, 0 and an error when one is not known. */
static unsigned keys_by_names(const char *text, unsigned codes[KEYS_MAX], Error **errp)
{
    g_auto(GStrv) names = g_strsplit(text, "-", -1);
    unsigned n = g_strv_length(names);

    if (!n || n > KEYS_MAX) {
        error_fail(errp, "sendkey: one to %d keys, joined by '-'", KEYS_MAX);
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        int code = input_key_by_name(names[i], errp);

        if (code < 0) {
            return 0;
        }
        codes[i] = (unsigned)code;
    }
    return n;
}

static void press(Machine *m, const unsigned *codes, unsigned n, int64_t hold_ms)
{
    input_press(m->clock[CLOCK_VIRTUAL], codes, n, CLAMP(hold_ms, 1, HOLD_MAX_MS) * NS_PER_MS);
}

static void hmp_sendkey(Machine *m, const char *args, GString *out)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 2);
    unsigned codes[KEYS_MAX], n;
    Error *err = NULL;

    if (!words[0]) {
        g_string_append(out, "Error: sendkey: which keys?\n");
        return;
    }
    n = keys_by_names(words[0], codes, &err);
    if (!n) {
        g_string_append_printf(out, "Error: %s\n", error_text(err));
        error_free(err);
        return;
    }
    press(m, codes, n, words[1] ? g_ascii_strtoll(words[1], NULL, 10) : HOLD_DEFAULT_MS);
}

HMP_COMMAND(hmp_sendkey_command, .name = "sendkey", .args = "keys [hold_ms]",
            .help = "press keys together, such as ctrl-alt-f1", .run = hmp_sendkey);

/* {"type": "qcode", "data": "a"} or {"type": "number", "data": 30}: a PC scan code. */
static int key_of_json(JsonNode *node, Error **errp)
{
    JsonObject *key = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    const char *type = key ? qmp_arg_str(key, "type") : NULL;
    g_autofree char *number = NULL;

    if (type && !strcmp(type, "number")) {
        number = g_strdup_printf("0x%" PRIx64, (uint64_t)qmp_arg_int(key, "data", 0));
        return input_key_by_name(number, errp);
    }
    if (!type || strcmp(type, "qcode") || !qmp_arg_str(key, "data")) {
        error_fail(errp, "send-key: a key is {type: qcode, data: NAME} or {type: number, data: N}");
        return -1;
    }
    return input_key_by_name(qmp_arg_str(key, "data"), errp);
}

static bool qmp_send_key(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *keys = json_object_get_array_member(args, "keys");
    unsigned n = json_array_get_length(keys), codes[KEYS_MAX];

    if (!n || n > KEYS_MAX) {
        return error_fail(errp, "send-key: one to %d keys", KEYS_MAX);
    }
    for (unsigned i = 0; i < n; i++) {
        int code = key_of_json(json_array_get_element(keys, i), errp);

        if (code < 0) {
            return false;
        }
        codes[i] = (unsigned)code;
    }
    press(m, codes, n, qmp_arg_int(args, "hold-time", HOLD_DEFAULT_MS));
    return true;
}

QMP_COMMAND(qmp_send_key_command, .name = "send-key", .run = qmp_send_key,
            .args = "{keys: [any], *hold-time: int}");

/* --- Pointers --- */

/* Numbers from a line of words; false when there are fewer than @least, more than @most or other words. */
static bool numbers(const char *args, int *values, unsigned least, unsigned most)
{
    unsigned flags, n;
    g_auto(GStrv) words = hmp_words(args, "", &flags);

    n = g_strv_length(words);
    for (unsigned i = 0; i < n && n <= most; i++) {
        gint64 v;

        if (!g_ascii_string_to_signed(words[i], 10, INT16_MIN, INT16_MAX, &v, NULL)) {
            return false;
        }
        values[i] = (int)v;
    }
    return n >= least && n <= most;
}

static void mouse_move(Machine *m, const char *args, GString *out)
{
    int by[3] = {0};

    if (!numbers(args, by, 2, 3)) {
        g_string_append(out, "Error: mouse_move: dx dy [dz], each -32768 to 32767\n");
        return;
    }
    input_pointer(by[0], by[1], by[2], input_buttons_now());
}

HMP_COMMAND(mouse_move_command, .name = "mouse_move", .args = "dx dy [dz]",
            .help = "move the relative pointer, turn its wheel", .run = mouse_move);

static void mouse_button(Machine *m, const char *args, GString *out)
{
    int state = 0;

    if (!numbers(args, &state, 1, 1) || state & ~7) {
        g_string_append(out,
                        "Error: mouse_button: the sum of 1 (left), 2 (middle) and 4 (right)\n");
        return;
    }
    input_buttons(0, (state & 1) << INPUT_LEFT | (state >> 1 & 1) << INPUT_MIDDLE |
                         (state >> 2 & 1) << INPUT_RIGHT);
}

HMP_COMMAND(mouse_button_command, .name = "mouse_button", .args = "state",
            .help = "press these buttons (1 left, 2 middle, 4 right), release the others",
            .run = mouse_button);

static void mouse_set(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    uint64_t index;

    hmp_print_result(parse_u64("mouse_set", args, UINT32_MAX, &index, &err) &&
                         input_select_mouse((unsigned)index, &err),
                     &err, out);
}

HMP_COMMAND(mouse_set_command, .name = "mouse_set", .args = "index",
            .help = "let the pointer with that number (info mice) take events", .run = mouse_set);

static void info_mice(Machine *m, const char *args, GString *out)
{
    InputMouse mouse;

    if (!input_mouse(0, &mouse)) {
        g_string_append(out, "No mouse devices connected\n");
    }
    for (unsigned i = 0; input_mouse(i, &mouse); i++) {
        g_string_append_printf(out, "%c Mouse #%u: %s%s\n", i ? ' ' : '*', mouse.index, mouse.name,
                               mouse.absolute ? " (absolute)" : "");
    }
}

HMP_COMMAND(info_mice_command, .name = "info mice", .help = "pointers; * marks the one in use",
            .run = info_mice);

static bool query_mice(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *mice = json_array_new();
    InputMouse mouse;

    for (unsigned i = 0; input_mouse(i, &mouse); i++) {
        JsonObject *obj = json_object_new();

        json_object_set_string_member(obj, "name", mouse.name);
        json_object_set_int_member(obj, "index", mouse.index);
        json_object_set_boolean_member(obj, "current", i == 0);
        json_object_set_boolean_member(obj, "absolute", mouse.absolute);
        json_array_add_object_element(mice, obj);
    }
    *ret = qmp_array(mice);
    return true;
}

QMP_COMMAND(query_mice_command, .name = "query-mice", .run = query_mice,
            .ret = "[{name: str, index: int, current: bool, absolute: bool}]");

/* --- input-send-event --- */

enum { EVENTS_MAX = 1024 };

typedef struct Event {
    enum { EVENT_KEY, EVENT_BUTTON, EVENT_WHEEL, EVENT_REL, EVENT_ABS } kind;
    int code, value; /* a key, button or axis (0: x), and what becomes of it */
} Event;

/* Pointer events that are told to the device together. */
typedef struct Batch {
    bool relative, absolute, pressed;
    int by[2], wheel;
    unsigned at[2], buttons;
} Batch;

static bool button_of_json(JsonObject *data, Event *ev, Error **errp)
{
    static const char *const names[] = {"left",  "right",    "middle",     "side",
                                        "extra", "wheel-up", "wheel-down", NULL};
    const char *name = qmp_arg_str(data, "button");
    int i = 0;

    while (names[i] && g_strcmp0(names[i], name)) {
        i++;
    }
    if (!names[i]) {
        return error_unknown_name(errp, "button", name ? name : "", names);
    }
    ev->kind = i < INPUT_BUTTONS ? EVENT_BUTTON : EVENT_WHEEL;
    ev->code = i;
    ev->value = qmp_arg_bool(data, "down", false);
    if (ev->kind == EVENT_WHEEL && ev->value) {
        ev->value = i == INPUT_BUTTONS ? -1 : 1; /* up is away from the user */
    }
    return true;
}

static bool axis_of_json(JsonObject *data, bool absolute, Event *ev, Error **errp)
{
    const char *axis = qmp_arg_str(data, "axis");
    int64_t value = qmp_arg_int(data, "value", INT64_MIN);
    int64_t least = absolute ? 0 : INT16_MIN;

    if (!axis || (strcmp(axis, "x") && strcmp(axis, "y"))) {
        return error_fail(errp, "input-send-event: an axis is x or y");
    }
    if (value < least || value > INPUT_ABS_MAX) {
        return error_fail(errp, "input-send-event: 'value' must be %d to %d", (int)least,
                          INPUT_ABS_MAX);
    }
    *ev = (Event){absolute ? EVENT_ABS : EVENT_REL, axis[0] == 'y', (int)value};
    return true;
}

static bool event_of_json(JsonNode *node, Event *ev, Error **errp)
{
    JsonObject *obj = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonNode *inner = obj ? json_object_get_member(obj, "data") : NULL;
    JsonObject *data = inner && JSON_NODE_HOLDS_OBJECT(inner) ? json_node_get_object(inner) : NULL;
    const char *type = obj ? qmp_arg_str(obj, "type") : NULL;

    if (data && !g_strcmp0(type, "btn")) {
        return button_of_json(data, ev, errp);
    }
    if (data && (!g_strcmp0(type, "rel") || !g_strcmp0(type, "abs"))) {
        return axis_of_json(data, type[0] == 'a', ev, errp);
    }
    if (data && !g_strcmp0(type, "key") && json_object_has_member(data, "key")) {
        *ev = (Event){EVENT_KEY, key_of_json(json_object_get_member(data, "key"), errp),
                      qmp_arg_bool(data, "down", false)};
        return ev->code >= 0;
    }
    return error_fail(errp, "input-send-event: an event is {type: key|btn|rel|abs, data: {...}}");
}

static void batch_flush(Batch *b)
{
    if (b->absolute) {
        input_pointer_abs(b->at[0], b->at[1], b->relative ? 0 : b->wheel, b->buttons);
    }
    if (b->relative) {
        input_pointer(b->by[0], b->by[1], b->wheel, b->buttons);
    }
    if (b->pressed && !b->absolute && !b->relative) {
        input_buttons(b->wheel, b->buttons);
    }
    *b = (Batch){.buttons = input_buttons_now()};
    input_place_now(&b->at[0], &b->at[1]);
}

/* Movements gather until a button changes: a click is where the pointer was then. */
static void send_event(Batch *b, const Event *ev)
{
    switch (ev->kind) {
    case EVENT_KEY: input_key((unsigned)ev->code, ev->value); break;
    case EVENT_BUTTON:
    case EVENT_WHEEL:
        if (ev->kind == EVENT_BUTTON) {
            b->buttons = ev->value ? b->buttons | 1U << ev->code : b->buttons & ~(1U << ev->code);
        }
        b->wheel = ev->kind == EVENT_WHEEL ? ev->value : 0;
        b->pressed = true;
        batch_flush(b);
        break;
    case EVENT_REL:
        b->relative = true;
        b->by[ev->code] = CLAMP(b->by[ev->code] + ev->value, INT16_MIN, INT16_MAX);
        break;
    case EVENT_ABS: b->absolute = true; b->at[ev->code] = (unsigned)ev->value;
    }
}

/* All events are looked at before the first is sent. */
static bool qmp_input_send_event(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_object_get_array_member(args, "events");
    unsigned n = json_array_get_length(list);
    g_autofree Event *events = NULL;
    Batch b = {0};

    if (n > EVENTS_MAX) {
        return error_fail(errp, "input-send-event: at most %d events", EVENTS_MAX);
    }
    events = g_new0(Event, n);
    for (unsigned i = 0; i < n; i++) {
        if (!event_of_json(json_array_get_element(list, i), &events[i], errp)) {
            return false;
        }
    }
    batch_flush(&b); /* begins with the pointer as it is */
    for (unsigned i = 0; i < n; i++) {
        send_event(&b, &events[i]);
    }
    batch_flush(&b);
    return true;
}

QMP_COMMAND(qmp_input_send_event_command, .name = "input-send-event", .run = qmp_input_send_event,
            .args = "{events: [any]}");
