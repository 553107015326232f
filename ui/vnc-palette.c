/* SPDX-License-Identifier: MIT */
/* The colours of a rectangle, for the encodings that number them.  Any thread. */
#include "rhea/osdep.h"

#include "vnc-encode.h"

enum { EMPTY = -1, HASH_SHIFT = 22 };
G_STATIC_ASSERT(1 << (32 - HASH_SHIFT) == VNC_PALETTE_SLOTS);

/* The slot of a colour, or the one where it would go: fewer colours than slots leave some empty. */
static unsigned slot_of(const VncPalette *p, uint32_t colour)
{
    unsigned i = colour * 0x9e3779b1U >> HASH_SHIFT;

    while (p->slots[i] != EMPTY && p->colours[p->slots[i]] != colour) {
        i = (i + 1) % VNC_PALETTE_SLOTS;
    }
    return i;
}

static bool add(VncPalette *p, uint32_t colour, unsigned most)
{
    unsigned i = slot_of(p, colour);

    if (p->slots[i] != EMPTY) {
        return true;
    }
    if (p->n < most) {
        p->slots[i] = (int16_t)p->n;
        p->colours[p->n] = colour;
    }
    return ++p->n <= most;
}

bool vnc_palette_make(VncPalette *p, const VncPixels *px, unsigned most)
{
    uint32_t last = ~px->data[0];

    p->n = p->runs = 0;
    memset(p->slots, 0xff, sizeof(p->slots));
    for (unsigned y = 0; y < px->h; y++) {
        const uint32_t *line = px->data + (size_t)y * px->stride;

        for (unsigned x = 0; x < px->w; x++) {
            if (line[x] == last) {
                continue;
            }
            last = line[x];
            p->runs++;
            if (!add(p, last, most)) {
                return false;
            }
        }
    }
    return true;
}

unsigned vnc_palette_index(const VncPalette *p, uint32_t colour)
{
    return p->slots[slot_of(p, colour)];
}
