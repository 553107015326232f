/* SPDX-License-Identifier: MIT */
/* The graphics cards of -vga.  Threading: none of its own. */
#include "rhea/osdep.h"

#include "hw/display/vga.h"
#include "rhea/error.h"

static const struct {
    const char *name, *type, *desc;
} cards[] = {
    {"none", NULL, "no graphics card"},
    {"std", TYPE_VGA, "standard VGA with Bochs VBE (default)"},
    {"cirrus", TYPE_CIRRUS_VGA, "Cirrus Logic CL-GD5446"},
    {"virtio", TYPE_VIRTIO_VGA, "virtio GPU with a VGA in front of it"},
};

static int find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cards); i++) {
        if (!strcmp(cards[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

bool vga_card_check(const char *name, Error **errp)
{
    const char *names[ARRAY_SIZE(cards) + 1] = {NULL};

    if (find(name) >= 0) {
        return true;
    }
    if (!strcmp(name, "qxl") || !strcmp(name, "vmware")) {
        return error_fail(errp, "-vga %s: this card is not modelled; virtio resizes as well", name);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(cards); i++) {
        names[i] = cards[i].name;
    }
    return error_unknown_name(errp, "-vga: type", name, names);
}

const char *vga_card_type(const char *name)
{
    return cards[find(name)].type;
}

void vga_cards_print_help(FILE *out)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cards); i++) {
        fprintf(out, "%-12s %s\n", cards[i].name, cards[i].desc);
    }
}
