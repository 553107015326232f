/* SPDX-License-Identifier: MIT */
/*
 * Which key a person has pressed: viewers and terminals tell keysyms, the guest wants keys.  The layout of -k,
 * as libxkbcommon has it, is turned round: each keysym's key on the lowest level that has it.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include <linux/input-event-codes.h>
#include <xkbcommon/xkbcommon.h>

#include "ui/keymap.h"

/* XKB numbers keys as the kernel does, from eight on. */
enum { XKB_OFFSET = 8, KEYS = 256, KEY_BITS = 8 };

static GHashTable *keys; /* keysym -> key, and the level above */

/* Names as -k has them where XKB's differ. */
static const struct {
    const char *name, *layout, *variant;
} layouts[] = {
    {"en-us", "us", NULL}, {"en-gb", "gb", NULL}, {"de-ch", "ch", NULL}, {"fr-ch", "ch", "fr"},
    {"fr-be", "be", NULL}, {"fr-ca", "ca", NULL}, {"pt-br", "br", NULL}, {"sv", "se", NULL},
    {"da", "dk", NULL},    {"sl", "si", NULL},    {"et", "ee", NULL},    {"ja", "jp", NULL},
    {"cz", "cz", NULL},    {"nl-be", "be", NULL},
};

static void keys_of_level(struct xkb_keymap *map, xkb_level_index_t level)
{
    xkb_keycode_t last = MIN(xkb_keymap_max_keycode(map), KEYS + XKB_OFFSET - 1);

    for (xkb_keycode_t k = MAX(xkb_keymap_min_keycode(map), XKB_OFFSET + 1); k <= last; k++) {
        const xkb_keysym_t *syms;
        int n = 0;

        if (level < xkb_keymap_num_levels_for_key(map, k, 0)) {
            n = xkb_keymap_key_get_syms_by_level(map, k, 0, level, &syms);
        }
        for (int i = 0; i < n; i++) {
            gpointer key = GUINT_TO_POINTER(syms[i]);

            if (!g_hash_table_contains(keys, key)) {
                g_hash_table_insert(keys, key,
                                    GUINT_TO_POINTER((k - XKB_OFFSET) | level << KEY_BITS));
            }
        }
    }
}

bool keymap_set(const char *name, Error **errp)
{
    enum { LEVELS = 4 };
    struct xkb_rule_names names = {.model = "pc105", .layout = name};
    struct xkb_context *ctx = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
    struct xkb_keymap *map;

    for (unsigned i = 0; i < G_N_ELEMENTS(layouts); i++) {
        if (!strcmp(name, layouts[i].name)) {
            names.layout = layouts[i].layout;
            names.variant = layouts[i].variant;
        }
    }
    if (ctx) {
        xkb_context_set_log_level(ctx, XKB_LOG_LEVEL_CRITICAL);
    }
    map = ctx ? xkb_keymap_new_from_names(ctx, &names, XKB_KEYMAP_COMPILE_NO_FLAGS) : NULL;
    xkb_context_unref(ctx);
    if (!map) {
        return error_fail(
            errp, "keyboard layout '%s' is not known (Debian package xkb-data has them)", name);
    }
    g_clear_pointer(&keys, g_hash_table_unref);
    keys = g_hash_table_new(NULL, NULL);
    for (xkb_level_index_t level = 0; level < LEVELS; level++) {
        keys_of_level(map, level);
    }
    xkb_keymap_unref(map);
    return true;
}

bool keymap_ready(Error **errp)
{
    return keys || keymap_set("en-us", errp);
}

static unsigned find(uint32_t keysym)
{
    return keys ? GPOINTER_TO_UINT(g_hash_table_lookup(keys, GUINT_TO_POINTER(keysym))) : 0;
}

unsigned keymap_key(uint32_t keysym)
{
    return find(keysym) & (KEYS - 1);
}

unsigned keymap_keys(uint32_t keysym, unsigned codes[KEYMAP_KEYS])
{
    unsigned found = find(keysym), level = found >> KEY_BITS, n = 0;

    if (!found) {
        return 0;
    }
    if (level & 1) {
        codes[n++] = KEY_LEFTSHIFT;
    }
    if (level & 2) {
        codes[n++] = KEY_RIGHTALT;
    }
    codes[n++] = found & (KEYS - 1);
    return n;
}
