/* SPDX-License-Identifier: MIT */
/*
 * What a hostile guest does to the devices (-append "fuzz=SEED rounds=N", "badqueue").
 * The guest itself may not survive its own writes (a device may be told to write over it); what
 * counts is that the emulator does.
 */
#include "guest.h"

enum { SCRATCH_SIZE = 4096, NEEDS_RESET = 64 };

static uint8_t scratch[SCRATCH_SIZE] __attribute__((aligned(4096)));
static uint64_t state;

static uint64_t random_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Values that find edges: zero, ones, small, an address in RAM, anything. */
static uint64_t random_value(void)
{
    uint64_t r = random_number();

    switch (r % 8) {
    case 0: return 0;
    case 1: return UINT64_MAX;
    case 2: return r >> 60;
    case 3: return 1ul << (r >> 58);
    case 4: return (uint64_t)scratch + (r >> 48) % SCRATCH_SIZE;
    case 5: return machine.memory.base + machine.memory.size - (r >> 56);
    default: return r;
    }
}

static Place random_place(void)
{
    /* Where PCI BARs may come to lie is fuzzed as well. */
    const Place windows[] = {{.base = 0x40000000, .size = 0x1000000},
                             {.base = 0x3000000, .size = 0x10000}};
    const Place places[] = {machine.uart,  machine.rtc, machine.plic, machine.clint, machine.fw_cfg,
                            machine.flash, machine.pci, windows[0],   windows[1]};
    uint64_t pick = random_number() % 16;

    if (pick < sizeof(places) / sizeof(places[0])) {
        return places[pick];
    }
    return machine.virtio[random_number() % 8];
}

static void access(uint64_t address, unsigned width, bool is_write, uint64_t value)
{
    trap_expect();
    switch (width | (unsigned)is_write << 4) {
    case 1: (void)in8(address); break;
    case 2: (void)in16(address); break;
    case 4: (void)in32(address); break;
    case 8: (void)in64(address); break;
    case 17: out8(address, (uint8_t)value); break;
    case 18: out16(address, (uint16_t)value); break;
    case 20: out32(address, (uint32_t)value); break;
    default: out64(address, value); break;
    }
}

static void restore_console(void)
{
    out8(machine.uart.base + 3, 3);
    out8(machine.uart.base + 1, 0);
    out8(machine.uart.base + 2, 0);
    out8(machine.uart.base + 4, 0);
}

void fuzz_registers(uint64_t seed, uint64_t rounds)
{
    uint64_t traps = 0;

    state = seed * 0x9e3779b97f4a7c15ul | 1;
    print("fuzz: seed %lu, %lu rounds\n", seed, rounds);
    for (uint64_t i = 0; i < rounds; i++) {
        Place place = random_place();
        uint64_t r = random_number(), offset;
        unsigned width = 1u << (r & 3);

        /* Most registers are near the start of a region, and aligned. */
        offset = (r >> 8 & 3 ? (r >> 16) % 0x200 : r >> 16) % place.size;
        if (r >> 4 & 7) {
            offset &= ~(uint64_t)(width - 1);
        }
        access(place.base + offset, width, r >> 7 & 1, random_value());
        traps += trap_log.seen;
    }
    restore_console();
    print("fuzz: done, %lu accesses trapped\n", traps);
}

/* --- queues that lie --- */

enum { V_DRIVER = 0x20, V_DRIVER_SEL = 0x24, V_PAGE_SIZE = 0x28, V_QUEUE_SEL = 0x30 };
enum { V_QUEUE_MAX = 0x34, V_QUEUE_NUM = 0x38, V_ALIGN = 0x3c, V_PFN = 0x40, V_READY = 0x44 };
enum { V_NOTIFY = 0x50, V_STATUS = 0x70, V_DESC = 0x80, V_AVAIL = 0x90, V_USED = 0xa0 };
enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4, QUEUE = 8 };

typedef struct Descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
} Descriptor;

/* Legacy layout; both page-aligned parts serve the modern transport too. */
static volatile struct {
    Descriptor desc[QUEUE];
    uint16_t avail[2 + QUEUE];
    uint16_t used[2 + 4 * QUEUE] __attribute__((aligned(4096)));
} queue __attribute__((aligned(4096)));

typedef struct Lie {
    const char *name;
    Descriptor desc[3];
    uint16_t first; /* what the available ring names */
    uint16_t index; /* and its index */
} Lie;

static const Lie lies[] = {
    {"loop", {{0x80000000, 16, F_NEXT, 1}, {0x80000000, 16, F_NEXT, 0}}, 0, 1},
    {"self", {{0x80000000, 16, F_NEXT, 0}}, 0, 1},
    {"outside-ram", {{0xffffffff00000000, 512, F_NEXT, 1}, {0x10, 1, F_WRITE, 0}}, 0, 1},
    {"wraps", {{UINT64_MAX - 4, 16, F_NEXT, 1}, {UINT64_MAX, 1, F_WRITE, 0}}, 0, 1},
    {"huge", {{0x80000000, UINT32_MAX, F_NEXT, 1}, {0x80000000, UINT32_MAX, F_NEXT, 2}}, 0, 1},
    {"device-memory", {{0x10000000, 16, F_NEXT, 1}, {0xc000000, 64, F_WRITE, 0}}, 0, 1},
    {"next-beyond", {{0x80000000, 16, F_NEXT, 60000}}, 0, 1},
    {"head-beyond", {{0}}, 60000, 1},
    {"index-ahead", {{0}}, 0, 40000},
    {"empty", {{0, 0, 0, 0}}, 0, 1},
    {"indirect-odd-size", {{0x80000000, 17, F_INDIRECT, 0}}, 0, 1},
    {"indirect-outside", {{0x10, 64, F_INDIRECT, 0}}, 0, 1},
    {"indirect-and-next", {{0x80000000, 64, F_INDIRECT | F_NEXT, 1}}, 0, 1},
};

static void set_address(uint64_t reg, volatile void *p)
{
    out32(reg, (uint32_t)(uint64_t)p);
    out32(reg + 4, (uint32_t)((uint64_t)p >> 32));
}

/* Brings the device up with queue number q; false if it has none. */
static bool queue_start(uint64_t v, unsigned q)
{
    bool legacy = in32(v + 4) == 1;

    out32(v + V_STATUS, 0);
    out32(v + V_STATUS, 3);
    out32(v + V_DRIVER_SEL, 0);
    out32(v + V_DRIVER, 1u << 28); /* indirect descriptors */
    out32(v + V_DRIVER_SEL, 1);
    out32(v + V_DRIVER, !legacy);
    out32(v + V_STATUS, legacy ? 3 : 11);
    out32(v + V_PAGE_SIZE, 4096);
    out32(v + V_QUEUE_SEL, q);
    if (in32(v + V_QUEUE_MAX) < QUEUE) {
        return false;
    }
    out32(v + V_QUEUE_NUM, QUEUE);
    if (legacy) {
        out32(v + V_ALIGN, 4096);
        out32(v + V_PFN, (uint32_t)((uint64_t)&queue >> 12));
    } else {
        set_address(v + V_DESC, queue.desc);
        set_address(v + V_AVAIL, queue.avail);
        set_address(v + V_USED, queue.used);
        out32(v + V_READY, 1);
    }
    out32(v + V_STATUS, legacy ? 7 : 15);
    return true;
}

static void queue_lie(uint64_t v, unsigned q, const Lie *lie)
{
    for (unsigned i = 0; i < 3; i++) {
        queue.desc[i] = lie->desc[i];
    }
    for (unsigned i = 0; i < 2 + 4 * QUEUE; i++) {
        queue.used[i] = 0;
    }
    queue.avail[0] = 0;
    queue.avail[1] = 0;
    if (!queue_start(v, q)) {
        return;
    }
    queue.avail[2] = lie->first;
    barrier();
    queue.avail[1] = lie->index;
    barrier();
    out32(v + V_NOTIFY, q);
    wait_ticks(machine.timebase / 200);
}

void fuzz_queues(void)
{
    bool resets = true;

    for (unsigned slot = 0; slot < 8; slot++) {
        uint64_t v = machine.virtio[slot].base;

        if (in32(v + 8) == 0) {
            continue;
        }
        for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
            for (unsigned q = 0; q < 3; q++) {
                queue_lie(v, q, &lies[i]);
            }
            print("# slot %u, id %u, %s: status %x\n", slot, in32(v + 8), lies[i].name,
                  in32(v + V_STATUS));
        }
        out32(v + V_STATUS, 0);
        resets = resets && in32(v + V_STATUS) == 0 && queue_start(v, 0) &&
                 !(in32(v + V_STATUS) & NEEDS_RESET);
        out32(v + V_STATUS, 0);
    }
    check("badqueue.reset-recovers", resets);
}
