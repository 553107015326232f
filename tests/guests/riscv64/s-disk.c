/* SPDX-License-Identifier: MIT */
/*
 * A disk by virtio-mmio, polled.  Spec: virtio 1.2, 4.2 (MMIO, and 4.2.4 for legacy), 5.2 (block).
 * Only a disk whose first sector says "rhea scratch disk" is written to.
 */
#include "s-guest.h"

enum { R_VERSION = 4, R_ID = 8, R_FEATURES = 0x10, R_FEATURES_SEL = 0x14, R_DRIVER = 0x20 };
enum { R_DRIVER_SEL = 0x24, R_PAGE_SIZE = 0x28, R_QUEUE_SEL = 0x30, R_QUEUE_MAX = 0x34 };
enum { R_QUEUE_NUM = 0x38, R_ALIGN = 0x3c, R_PFN = 0x40, R_READY = 0x44, R_NOTIFY = 0x50 };
enum { R_STATUS = 0x70, R_DESC = 0x80, R_AVAIL = 0x90, R_USED = 0xa0, R_CONFIG = 0x100 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, BLOCK_DEVICE = 2 };
enum { NEXT = 1, WRITE = 2, QUEUE = 8, SECTOR = 512, T_IN = 0, T_OUT = 1 };

typedef struct Descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
} Descriptor;

/* Legacy layout: used starts on the page after descriptors and available ring. */
typedef struct Queue {
    Descriptor desc[QUEUE];
    struct {
        uint16_t flags, index, ring[QUEUE];
    } avail;
    struct {
        uint16_t flags, index;
        struct {
            uint32_t id, length;
        } ring[QUEUE];
    } used __attribute__((aligned(4096)));
} Queue;

static volatile Queue queue __attribute__((aligned(4096)));
static uint64_t disk;

static uint64_t find_disk(void)
{
    for (unsigned i = 0; i < 8; i++) {
        if (in32(machine.virtio[i].base + R_ID) == BLOCK_DEVICE) {
            return machine.virtio[i].base;
        }
    }
    return 0;
}

static void set_address(uint64_t reg, volatile void *p)
{
    out32(disk + reg, (uint32_t)(uint64_t)p);
    out32(disk + reg + 4, (uint32_t)((uint64_t)p >> 32));
}

static bool disk_init(void)
{
    bool legacy = in32(disk + R_VERSION) == 1;

    out32(disk + R_STATUS, 0);
    out32(disk + R_STATUS, ACKNOWLEDGE);
    out32(disk + R_STATUS, ACKNOWLEDGE | DRIVER);
    out32(disk + R_DRIVER_SEL, 0);
    out32(disk + R_DRIVER, 0);
    out32(disk + R_DRIVER_SEL, 1);
    out32(disk + R_DRIVER, !legacy); /* VIRTIO_F_VERSION_1 and nothing else */
    if (!legacy) {
        out32(disk + R_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        if (!(in32(disk + R_STATUS) & FEATURES_OK)) {
            return false;
        }
    } else {
        out32(disk + R_PAGE_SIZE, 4096);
    }
    out32(disk + R_QUEUE_SEL, 0);
    if (in32(disk + R_QUEUE_MAX) < QUEUE) {
        return false;
    }
    out32(disk + R_QUEUE_NUM, QUEUE);
    if (legacy) {
        out32(disk + R_ALIGN, 4096);
        out32(disk + R_PFN, (uint32_t)((uint64_t)&queue >> 12));
    } else {
        set_address(R_DESC, queue.desc);
        set_address(R_AVAIL, &queue.avail);
        set_address(R_USED, &queue.used);
        out32(disk + R_READY, 1);
    }
    out32(disk + R_STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK | (legacy ? 0 : FEATURES_OK));
    return in32(disk + R_STATUS) & DRIVER_OK;
}

/* Transfers sectors and waits; returns virtio's status byte, or 255 if nothing came back. */
static uint8_t disk_transfer(uint32_t type, uint64_t sector, void *data, uint32_t length)
{
    static volatile struct {
        uint32_t type, reserved;
        uint64_t sector;
    } header;
    static volatile uint8_t status;
    uint16_t before = queue.used.index, at = queue.avail.index;
    uint64_t start = csr_read(time);

    header.type = type;
    header.sector = sector;
    status = 255;
    queue.desc[0] = (Descriptor){(uint64_t)&header, 16, NEXT, 1};
    queue.desc[1] = (Descriptor){(uint64_t)data, length, NEXT | (type == T_IN ? WRITE : 0), 2};
    queue.desc[2] = (Descriptor){(uint64_t)&status, 1, WRITE, 0};
    queue.avail.ring[at % QUEUE] = 0;
    barrier();
    queue.avail.index = (uint16_t)(at + 1);
    barrier();
    out32(disk + R_NOTIFY, 0);
    while (queue.used.index == before && csr_read(time) - start < 5 * machine.timebase) {
        barrier();
    }
    return queue.used.index == (uint16_t)(before + 1) ? status : 255;
}

static bool is_scratch(const uint8_t *sector)
{
    const char *mark = "rhea scratch disk";

    while (*mark && (uint8_t)*mark == *sector) {
        mark++;
        sector++;
    }
    return *mark == '\0';
}

void s_test_disk(void)
{
    static uint8_t buffer[8 * SECTOR], again[8 * SECTOR];
    uint64_t sectors;
    bool same = true;

    disk = find_disk();
    if (!disk) {
        note_skip("disk", "no virtio-mmio disk");
        return;
    }
    check("disk.init", disk_init());
    sectors = in32(disk + R_CONFIG) | (uint64_t)in32(disk + R_CONFIG + 4) << 32;
    print("# disk: %lu sectors\n", sectors);
    check("disk.read", disk_transfer(T_IN, 0, buffer, SECTOR) == 0);
    check("disk.beyond-end", disk_transfer(T_IN, sectors, again, SECTOR) == 1);
    if (!is_scratch(buffer)) {
        note_skip("disk.write", "the disk is not marked as scratch");
        return;
    }
    for (unsigned i = 0; i < sizeof(buffer); i++) {
        buffer[i] = (uint8_t)(i * 7 + i / SECTOR);
    }
    check("disk.write", disk_transfer(T_OUT, 1, buffer, sizeof(buffer)) == 0);
    check("disk.read-back", disk_transfer(T_IN, 1, again, sizeof(again)) == 0);
    for (unsigned i = 0; i < sizeof(buffer); i++) {
        same = same && buffer[i] == again[i];
    }
    check("disk.same", same);
}
