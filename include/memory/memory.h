/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory.  Regions (container, RAM, ROM, I/O, alias) form a tree per address space; the
 * tree is flattened into an immutable sorted view.  Writers (under the machine lock) replace the view;
 * readers on any thread use it without a lock.
 *
 * An address, length or index from the guest is hostile: every access is bounds-checked here and an
 * unassigned or wrong-sized one is answered, never asserted.
 */
#ifndef MEMORY_MEMORY_H
#define MEMORY_MEMORY_H

#include "rhea/error.h"
#include "qom/object.h"

typedef struct MemRegion MemRegion;
typedef struct AddressSpace AddressSpace;
typedef struct RamBlock RamBlock;

typedef enum MemResult { MEM_OK, MEM_ERROR, MEM_UNASSIGNED } MemResult;

/* Access-size rules: sizes in bytes; the fabric splits or widens what the device cannot do itself. */
typedef struct MemOps {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    /* Instead of the two above, for devices that can fail an access. */
    MemResult (*read_checked)(void *opaque, uint64_t offset, unsigned size, uint64_t *value);
    MemResult (*write_checked)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    uint8_t valid_min, valid_max; /* what the guest may do (0: 1 and 8); others give MEM_ERROR */
    uint8_t impl_min, impl_max;   /* what the callbacks do (0: 1 and 8) */
    bool unaligned;               /* accesses not aligned to their size are valid */
} MemOps;

typedef enum MemKind { MEM_CONTAINER, MEM_RAM, MEM_ROM, MEM_IO, MEM_ALIAS, MEM_ROM_DEVICE } MemKind;

struct MemRegion {
    /* fixed after init */
    const char *name;
    Object *owner;
    MemKind kind;
    uint64_t size; /* UINT64_MAX stands for 2^64 */
    const MemOps *ops;
    void *opaque;
    RamBlock *ram; /* RAM, ROM, ROM_DEVICE */
    uint64_t ram_offset;
    MemRegion *alias;
    uint64_t alias_offset;
    /* place in the tree; machine lock */
    MemRegion *container;
    uint64_t addr;
    int priority;
    bool enabled;
    bool readonly; /* ALIAS: memory below it is seen as ROM */
    bool romd;     /* ROM_DEVICE: reads go to memory (else to ops); writes always go to ops */
    GPtrArray *subregions;
};

void mem_init_container(MemRegion *mr, Object *owner, const char *name, uint64_t size);
void mem_init_io(MemRegion *mr, Object *owner, const MemOps *ops, void *opaque, const char *name,
                 uint64_t size);
void mem_init_alias(MemRegion *mr, Object *owner, const char *name, MemRegion *target,
                    uint64_t offset, uint64_t size);
/* RAM of its own; @name is the block's id. False when the host cannot give it. */
bool mem_init_ram(MemRegion *mr, Object *owner, const char *name, uint64_t size,
                  Error **errp) MUST_CHECK;
bool mem_init_rom(MemRegion *mr, Object *owner, const char *name, uint64_t size,
                  Error **errp) MUST_CHECK;
/* RAM of a memory backend (object memory-backend-*): @block is kept referenced. */
void mem_init_ram_block(MemRegion *mr, Object *owner, const char *name, RamBlock *block);
/* Flash-like: reads are plain memory while romd, writes are the device's. */
bool mem_init_rom_device(MemRegion *mr, Object *owner, const MemOps *ops, void *opaque,
                         const char *name, uint64_t size, Error **errp) MUST_CHECK;
/* Not in a tree any more; frees what init made. */
void mem_fini(MemRegion *mr);

/* Tree changes: each replaces the views of the address spaces concerned and tells their listeners. */
void mem_add(MemRegion *container, uint64_t addr, MemRegion *sub);
void mem_add_overlap(MemRegion *container, uint64_t addr, MemRegion *sub, int priority);
void mem_remove(MemRegion *sub);
void mem_set_enabled(MemRegion *mr, bool enabled);
void mem_set_addr(MemRegion *mr, uint64_t addr);
void mem_set_romd(MemRegion *mr, bool romd);
/* An alias through which memory cannot be written: flash below it is its array, whatever it is told. */
void mem_set_readonly(MemRegion *alias, bool readonly);
/* Where the region's start is in the space of its outermost container; aliases do not count. */
uint64_t mem_absolute_addr(const MemRegion *mr);
/* Several changes, one new view. */
void mem_transaction_begin(void);
void mem_transaction_commit(void);

/* --- RAM blocks --- */

typedef enum DirtyClient { DIRTY_CODE, DIRTY_DISPLAY, DIRTY_MIGRATION, DIRTY_CLIENTS } DirtyClient;

struct RamBlock {
    char *id; /* "virt.ram", unique in the machine: the name in snapshots */
    uint8_t *host;
    uint64_t size;
    int fd;                  /* memfd or file, -1: private memory */
    bool readonly;           /* the host mapping cannot be written */
    bool shared;             /* others see changes: memfd, or a file with share=on */
    bool mapped;             /* private memory of which parts were mapped by ram_block_map_file() */
    bool no_dump, mergeable; /* see ram_block_advise() */
    uint64_t ram_addr;       /* place in the global RAM numbering: identity of a page */
    unsigned long *dirty[DIRTY_CLIENTS]; /* bit per 4 KiB page; atomic access */
    int refs;
};

typedef struct RamOptions {
    const char *path; /* file or directory to back it, NULL: memory */
    bool share;       /* other processes may map it: memfd, or changes go to the file */
    bool memfd;       /* a memfd even when not shared */
    bool prealloc;    /* commit it now */
    bool readonly;
    bool hugepages;
} RamOptions;

/* Bytes to a bit of the dirty bitmaps. */
#define RAM_PAGE_BITS 12
#define RAM_PAGE_SIZE (1ULL << RAM_PAGE_BITS)

RamBlock *ram_block_new(const char *id, uint64_t size, const RamOptions *opts, Error **errp);
/* What the host may do with it: leave it out of core dumps, merge equal pages of private memory. */
void ram_block_advise(RamBlock *rb, bool no_dump, bool mergeable);
/* Private memory (fd < 0) is zeroes, whatever it was. VM stopped. */
bool ram_block_empty(RamBlock *rb, Error **errp) MUST_CHECK;
/*
 * A part of private memory becomes a copy-on-write mapping of the file @fd, which is read as the guest touches
 * it. VM stopped; all offsets are multiples of RAM_PAGE_SIZE.
 */
bool ram_block_map_file(RamBlock *rb, uint64_t offset, uint64_t len, int fd, uint64_t file_offset,
                        Error **errp) MUST_CHECK;
/* The pages of [offset, offset + len) hold zeroes (or what the private file has) and take no room. */
void ram_block_discard(RamBlock *rb, uint64_t offset, uint64_t len);
RamBlock *ram_block_get(RamBlock *rb);
void ram_block_put(RamBlock *rb);
/* The block that holds global RAM address @ram_addr, or NULL. */
RamBlock *ram_block_find(uint64_t ram_addr);
void ram_block_foreach(void (*fn)(RamBlock *rb, void *opaque), void *opaque);

/*
 * Dirty tracking, one bitmap per client, any thread.  Writes to a page that is clean for a tracked client
 * take the slow path.  DIRTY_CODE is always tracked and starts dirty; clean means that the page holds
 * translations.
 *
 * Whoever writes guest RAM calls ram_set_dirty() afterwards: it marks the pages for the tracked clients
 * other than DIRTY_CODE, and calls the code hook when the range touches a page that is clean for
 * DIRTY_CODE.  The accelerator alone changes DIRTY_CODE (ram_clear_dirty(), ram_mark_dirty()).
 *
 * Another client clears first and reads then, in the main loop with the machine lock: ram_clear_dirty() stops
 * the vCPUs for a moment, without the lock, so that what they store afterwards sets the bits again.  Clear
 * ranges, not pages.
 */
void ram_set_dirty(RamBlock *rb, uint64_t offset, uint64_t len);
bool ram_test_dirty(RamBlock *rb, uint64_t offset, DirtyClient client);
void ram_clear_dirty(RamBlock *rb, uint64_t offset, uint64_t len, DirtyClient client);
void ram_mark_dirty(RamBlock *rb, uint64_t offset, uint64_t len, DirtyClient client);
/* True when some tracked client wants to hear of a write to the page. */
bool ram_page_watched(RamBlock *rb, uint64_t offset);
/* Turning a client on marks every page dirty for it. Machine lock. */
void ram_track(DirtyClient client, bool on);
/* The accelerator's hook for writes to pages with translations (also from DMA): ram address range. */
void ram_set_code_hook(void (*fn)(uint64_t ram_addr, uint64_t len));

/* The accelerator's: pages have become clean for another client. */
void ram_set_clean_hook(void (*fn)(void));

/* --- Address spaces --- */

AddressSpace *mem_as_new(MemRegion *root, const char *name);
void mem_as_free(AddressSpace *as);
const char *mem_as_name(const AddressSpace *as);

/* Any thread.  I/O regions are called under the machine lock, which is taken when not held. */
MemResult mem_read(AddressSpace *as, GuestPA pa, void *buf, uint64_t len);
MemResult mem_write(AddressSpace *as, GuestPA pa, const void *buf, uint64_t len);
/* Little-endian values of 1, 2, 4 or 8 bytes; one device access where it is one for the guest. */
MemResult mem_read_value(AddressSpace *as, GuestPA pa, unsigned size, uint64_t *value);
MemResult mem_write_value(AddressSpace *as, GuestPA pa, unsigned size, uint64_t value);
/* Writes into ROM as well (firmware loaders, gdb). */
MemResult mem_write_rom(AddressSpace *as, GuestPA pa, const void *buf, uint64_t len);

/* What lies at @pa.  host is NULL for I/O.  Valid until the next tree change (see listener). */
typedef struct MemSection {
    MemRegion *mr;
    uint64_t offset; /* in mr */
    uint64_t len;    /* bytes to the end of the section from pa */
    uint8_t *host;   /* RAM, ROM, ROM_DEVICE in romd: host address of pa */
    RamBlock *ram;
    uint64_t ram_offset; /* in ram */
    bool writable;       /* plain RAM */
} MemSection;

bool mem_lookup(AddressSpace *as, GuestPA pa, MemSection *out);

/*
 * Direct access for DMA: a host pointer to at most *len bytes at @pa, *len shortened to what is
 * contiguous; NULL when it is not RAM.  Unmap with what was really written (marks dirty).
 */
void *mem_map(AddressSpace *as, GuestPA pa, uint64_t *len, bool write);
void mem_unmap(AddressSpace *as, void *host, uint64_t len, bool write, uint64_t written);
/*
 * The guest does not need what is in mapped memory (mapped for writing): whole pages of it go back to the
 * host, and read as zeroes (from a private file: as the file) when they are used again.
 */
void mem_discard(void *host, uint64_t len);

/* Called under the machine lock after each view change (soft TLBs flush, KVM slots move). */
void mem_add_listener(AddressSpace *as, void (*changed)(void *opaque), void *opaque);
void mem_remove_listener(AddressSpace *as, void *opaque);

/* In a copy of the process, where only the caller is left: the others read no more. */
void mem_after_fork(void);

/* "info mtree" */
void mem_print_tree(AddressSpace *as, GString *out);

#endif
