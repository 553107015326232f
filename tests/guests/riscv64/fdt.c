/* SPDX-License-Identifier: MIT */
/*
 * Finds the machine in the flattened device tree.  Spec: Devicetree Specification v0.4, chapter 5.
 * One pass over the structure block, no allocation.  Nodes are looked at when they end, which is
 * after all their properties.
 */
#include "guest.h"

enum { FDT_MAGIC = 0xd00dfeed, BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, MAX_DEPTH = 16 };

typedef struct Node {
    const char *name;
    const char *compatible;
    uint32_t compatible_len;
    const uint8_t *reg;
    uint32_t reg_len;
    uint32_t irq;
    uint32_t address_cells, size_cells; /* for the children */
} Node;

static uint64_t virtio_slots;

/* What this board has where, for a guest that was given no tree. */
Machine machine = {
    .timebase = 10000000,
    .harts = 1,
    .model = "unknown",
    .isa = "unknown",
    .bootargs = "",
    .memory = {.base = 0x80000000, .size = 0x8000000},
    .uart = {.base = 0x10000000, .size = 0x100, .irq = 10},
    .rtc = {.base = 0x101000, .size = 0x1000, .irq = 11},
    .plic = {.base = 0xc000000, .size = 0x600000},
    .clint = {.base = 0x2000000, .size = 0x10000},
    .fw_cfg = {.base = 0x10100000, .size = 0x18},
    .flash = {.base = 0x20000000, .size = 0x4000000},
    .test = {.base = 0x100000, .size = 0x1000},
    .pci = {.base = 0x30000000, .size = 0x10000000},
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t cells(const uint8_t *p, uint32_t n)
{
    uint64_t value = 0;

    while (n--) {
        value = value << 32 | be32(p);
        p += 4;
    }
    return value;
}

static bool starts_with(const char *s, const char *prefix)
{
    while (*prefix && *s == *prefix) {
        s++;
        prefix++;
    }
    return *prefix == '\0';
}

static bool is_compatible(const Node *n, const char *wanted)
{
    const char *p = n->compatible, *end = p + n->compatible_len;

    while (p && p < end) {
        if (str_compare(p, wanted) == 0) {
            return true;
        }
        while (p < end && *p) {
            p++;
        }
        p++;
    }
    return false;
}

static void take_place(Place *place, const Node *n, const Node *parent)
{
    uint32_t need = (parent->address_cells + parent->size_cells) * 4;

    if (n->reg && n->reg_len >= need) {
        place->base = cells(n->reg, parent->address_cells);
        place->size = cells(n->reg + parent->address_cells * 4, parent->size_cells);
        place->irq = n->irq;
        place->from_tree = true;
    }
}

/* Slots come in any order; the address orders them. */
static void take_virtio(const Node *n, const Node *parent)
{
    Place place = {0};
    uint64_t i;

    take_place(&place, n, parent);
    if (!place.from_tree || virtio_slots == 8) {
        return;
    }
    for (i = virtio_slots++; i > 0 && machine.virtio[i - 1].base > place.base; i--) {
        machine.virtio[i] = machine.virtio[i - 1];
    }
    machine.virtio[i] = place;
}

static void node_end(const Node *n, const Node *parent)
{
    static const struct {
        const char *compatible;
        Place *place;
    } known[] = {
        {"ns16550a", &machine.uart},           {"google,goldfish-rtc", &machine.rtc},
        {"riscv,plic0", &machine.plic},        {"sifive,clint0", &machine.clint},
        {"qemu,fw-cfg-mmio", &machine.fw_cfg}, {"cfi-flash", &machine.flash},
        {"sifive,test0", &machine.test},       {"pci-host-ecam-generic", &machine.pci},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (is_compatible(n, known[i].compatible)) {
            take_place(known[i].place, n, parent);
        }
    }
    if (is_compatible(n, "virtio,mmio")) {
        take_virtio(n, parent);
    }
    if (starts_with(n->name, "memory@")) {
        take_place(&machine.memory, n, parent);
    }
}

static void take_property(Node *n, const char *name, const uint8_t *data, uint32_t len)
{
    if (str_compare(name, "compatible") == 0) {
        n->compatible = (const char *)data;
        n->compatible_len = len;
    } else if (str_compare(name, "reg") == 0) {
        n->reg = data;
        n->reg_len = len;
    } else if (str_compare(name, "interrupts") == 0 && len >= 4) {
        n->irq = be32(data);
    } else if (str_compare(name, "#address-cells") == 0 && len == 4) {
        n->address_cells = be32(data) & 3;
    } else if (str_compare(name, "#size-cells") == 0 && len == 4) {
        n->size_cells = be32(data) & 3;
    } else if (str_compare(name, "timebase-frequency") == 0 && len == 4) {
        machine.timebase = be32(data);
    } else if (str_compare(name, "riscv,isa") == 0) {
        machine.isa = (const char *)data;
    } else if (str_compare(name, "bootargs") == 0) {
        machine.bootargs = (const char *)data;
    } else if (str_compare(name, "model") == 0) {
        machine.model = (const char *)data;
    }
}

static void walk(const uint8_t *p, const uint8_t *end, const char *strings)
{
    static Node stack[MAX_DEPTH];
    int depth = 0;
    unsigned harts = 0;

    while (p + 4 <= end) {
        uint32_t token = be32(p);

        p += 4;
        if (token == BEGIN_NODE) {
            if (++depth >= MAX_DEPTH) {
                return;
            }
            stack[depth] = (Node){.name = (const char *)p, .address_cells = 2, .size_cells = 1};
            harts += starts_with((const char *)p, "cpu@");
            while (p < end && *p) {
                p++;
            }
            p = (const uint8_t *)(((uint64_t)p + 4) & ~3ul);
        } else if (token == PROP) {
            uint32_t len = be32(p);

            if (p + 8 + len > end || depth < 1) {
                return;
            }
            take_property(&stack[depth], strings + be32(p + 4), p + 8, len);
            p = (const uint8_t *)(((uint64_t)p + 8 + len + 3) & ~3ul);
        } else if (token == END_NODE) {
            node_end(&stack[depth], &stack[depth - 1]);
            if (--depth < 1) {
                break;
            }
        } else if (token != NOP) {
            return;
        }
    }
    machine.harts = harts ? harts : 1;
    machine.tree_ok = depth == 0;
}

void machine_find(uint64_t hart, uint64_t tree)
{
    const uint8_t *p = (const uint8_t *)tree;

    machine.hart = hart;
    for (unsigned i = 0; i < 8; i++) {
        machine.virtio[i] = (Place){.base = 0x10001000 + i * 0x1000, .size = 0x1000, .irq = 1 + i};
    }
    if (tree == 0 || tree & 7 || be32(p) != FDT_MAGIC) {
        return;
    }
    walk(p + be32(p + 8), p + be32(p + 4), (const char *)p + be32(p + 12));
}
