/* SPDX-License-Identifier: MIT */
/* Monitor commands that press keys: sendkey (HMP), send-key (QMP). */
#include "rhea/osdep.h"

#include "monitor-int.h"
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
