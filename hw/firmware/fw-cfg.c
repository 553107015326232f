/* SPDX-License-Identifier: MIT */
/*
 * fw_cfg over memory or ports, with DMA; see hw/firmware/fw-cfg.h.
 * Threading: every callback runs under the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/firmware/fw-cfg.h"
#include "hw/machine.h"
#include "hw/mmio-device.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "rhea/opts.h"
#include "snapshot/snapshot.h"

enum {
    DATA = 0x00,
    SELECTOR = 0x08,
    DMA = 0x10,
    MAX_FILES = 256,
    NAME_MAX_LEN = 55,
    KEYS = FW_CFG_FILE_FIRST + MAX_FILES,
    LOCAL_KEYS = 8,
    DIR_ENTRY = 64
};
enum { IO_SELECTOR = 0, IO_DATA = 1, IO_DMA = 4 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { ID_TRADITIONAL = 1, ID_DMA = 2, DMA_CHUNK = 65536 };
#define DMA_SIGNATURE 0x51454d5520434647ULL /* "QEMU CFG" */

typedef struct FwCfg {
    MmioDevice parent;
    /* wiring */
    MemRegion regs;
    GBytes *items[KEYS];
    GBytes *local[LOCAL_KEYS]; /* FW_CFG_LOCAL and up */
    char *names[MAX_FILES];
    FwCfgBuild build[KEYS]; /* NULL: the item never changes */
    FwCfgStore store[KEYS]; /* NULL: the guest cannot write it */
    void *build_opaque[KEYS];
    unsigned nfiles;
    /* guest-visible: all of it is in fwcfg_snapshot */
    uint16_t selected;
    uint32_t offset;
    uint64_t dma_addr;
} FwCfg;

typedef struct UserItem {
    char *name;
    GBytes *data;
} UserItem;

static GArray *user_items; /* -fw_cfg */

/* --- Items --- */

/* Where item @key is kept; NULL: there is no such key. */
static GBytes **item_slot(FwCfg *s, uint16_t key)
{
    if (key >= FW_CFG_LOCAL) {
        return key - FW_CFG_LOCAL < LOCAL_KEYS ? &s->local[key - FW_CFG_LOCAL] : NULL;
    }
    return key < KEYS ? &s->items[key] : NULL;
}

void fw_cfg_add_item(Device *dev, uint16_t key, GBytes *data)
{
    GBytes **slot = item_slot(dev_state(dev, FwCfg), key);

    g_assert(slot && !*slot);
    *slot = g_bytes_ref(data);
}

void fw_cfg_add_u32(Device *dev, uint16_t key, uint32_t value)
{
    uint8_t raw[4];
    g_autoptr(GBytes) data = NULL;

    st32_le(raw, value);
    data = g_bytes_new(raw, sizeof(raw));
    fw_cfg_add_item(dev, key, data);
}

void fw_cfg_add_u64(Device *dev, uint16_t key, uint64_t value)
{
    uint8_t raw[8];
    g_autoptr(GBytes) data = NULL;

    st64_le(raw, value);
    data = g_bytes_new(raw, sizeof(raw));
    fw_cfg_add_item(dev, key, data);
}

/* The directory: count, then size, key, reserved, name of each, big-endian. */
static void build_directory(FwCfg *s)
{
    size_t len = 4 + s->nfiles * DIR_ENTRY;
    uint8_t *dir = g_malloc0(len);

    st32_be(dir, s->nfiles);
    for (unsigned i = 0; i < s->nfiles; i++) {
        uint8_t *e = dir + 4 + i * DIR_ENTRY;

        st32_be(e, g_bytes_get_size(s->items[FW_CFG_FILE_FIRST + i]));
        st16_be(e + 4, FW_CFG_FILE_FIRST + i);
        memcpy(e + 8, s->names[i], strlen(s->names[i]));
    }
    g_clear_pointer(&s->items[FW_CFG_FILE_DIR], g_bytes_unref);
    s->items[FW_CFG_FILE_DIR] = g_bytes_new_take(dir, len);
}

bool fw_cfg_add_file(Device *dev, const char *name, GBytes *data, Error **errp)
{
    FwCfg *s = dev_state(dev, FwCfg);

    if (strlen(name) > NAME_MAX_LEN) {
        return error_fail(errp, "fw_cfg: the name '%s' has more than %d characters", name,
                          NAME_MAX_LEN);
    }
    if (s->nfiles == MAX_FILES) {
        return error_fail(errp, "fw_cfg: more than %d files", MAX_FILES);
    }
    for (unsigned i = 0; i < s->nfiles; i++) {
        if (!strcmp(s->names[i], name)) {
            return error_fail(errp, "fw_cfg: there is a file '%s' already", name);
        }
    }
    s->names[s->nfiles] = g_strdup(name);
    s->items[FW_CFG_FILE_FIRST + s->nfiles++] = g_bytes_ref(data);
    build_directory(s);
    return true;
}

static void set_build(FwCfg *s, uint16_t key, FwCfgBuild build, void *opaque)
{
    g_assert(key < KEYS);
    s->build[key] = build;
    s->build_opaque[key] = opaque;
}

bool fw_cfg_add_built_file(Device *dev, const char *name, FwCfgBuild build, void *opaque,
                           Error **errp)
{
    FwCfg *s = dev_state(dev, FwCfg);
    g_autoptr(GBytes) data = build(opaque);

    if (!fw_cfg_add_file(dev, name, data, errp)) {
        return false;
    }
    set_build(s, FW_CFG_FILE_FIRST + s->nfiles - 1, build, opaque);
    return true;
}

bool fw_cfg_add_writable_file(Device *dev, const char *name, FwCfgBuild build, FwCfgStore store,
                              void *opaque, Error **errp)
{
    FwCfg *s = dev_state(dev, FwCfg);

    if (!fw_cfg_add_built_file(dev, name, build, opaque, errp)) {
        return false;
    }
    s->store[FW_CFG_FILE_FIRST + s->nfiles - 1] = store;
    return true;
}

void fw_cfg_add_built_item(Device *dev, uint16_t key, FwCfgBuild build, void *opaque)
{
    g_autoptr(GBytes) data = build(opaque);

    fw_cfg_add_item(dev, key, data);
    set_build(dev_state(dev, FwCfg), key, build, opaque);
}

bool fw_cfg_add_option(const char *optarg, Error **errp)
{
    static const char *const keys[] = {"name", "file", "string", NULL};
    g_autoptr(Opts) o = opts_parse("-fw_cfg", optarg, "name", errp);
    const char *name, *file, *text;
    UserItem item = {0};

    if (!o) {
        return false;
    }
    name = opts_take(o, "name");
    file = opts_take(o, "file");
    text = opts_take(o, "string");
    if (!name || !*name || !file == !text) {
        return error_fail(errp, "-fw_cfg: '%s' needs a name and one of file= and string=", optarg);
    }
    if (!opts_done(o, keys, errp)) {
        return false;
    }
    if (file) {
        g_autoptr(GError) gerr = NULL;
        char *data;
        gsize len;

        if (!g_file_get_contents(file, &data, &len, &gerr)) {
            return error_fail(errp, "-fw_cfg: cannot read '%s': %s", file, gerr->message);
        }
        item.data = g_bytes_new_take(data, len);
    } else {
        item.data = g_bytes_new(text, strlen(text));
    }
    item.name = g_strdup(name);
    if (!user_items) {
        user_items = g_array_new(FALSE, FALSE, sizeof(UserItem));
    }
    g_array_append_val(user_items, item);
    return true;
}

/* --- Access --- */

/* Copies from the selected item at the offset, zeroes past its end; advances. */
static void take(FwCfg *s, uint8_t *buf, uint32_t len)
{
    GBytes **slot = item_slot(s, s->selected);
    GBytes *item = slot ? *slot : NULL;
    gsize size = 0;
    const uint8_t *data = item ? g_bytes_get_data(item, &size) : NULL;
    uint32_t n = s->offset < size ? MIN(len, size - s->offset) : 0;

    if (n) {
        memcpy(buf, data + s->offset, n);
    }
    memset(buf + n, 0, len - n);
    s->offset = s->offset > UINT32_MAX - len ? UINT32_MAX : s->offset + len;
}

/* Makes the selected item anew where it is one that is made. */
static void fwcfg_rebuild(FwCfg *s)
{
    unsigned n = s->selected;

    if (n < KEYS && s->build[n]) {
        GBytes *data = s->build[n](s->build_opaque[n]);

        g_assert(g_bytes_get_size(data) == g_bytes_get_size(s->items[s->selected]));
        g_bytes_unref(s->items[s->selected]);
        s->items[s->selected] = data;
    }
}

static void fwcfg_select(FwCfg *s, uint16_t key)
{
    s->selected = key;
    s->offset = 0;
    fwcfg_rebuild(s);
}

/* Reads @len bytes into guest memory in pieces; false when it is not memory. */
static bool dma_read(FwCfg *s, uint64_t addr, uint32_t len)
{
    g_autofree uint8_t *buf = g_malloc(DMA_CHUNK);
    AddressSpace *as = s->parent.dev.machine->memory;

    while (len) {
        uint32_t n = MIN(len, DMA_CHUNK);

        take(s, buf, n);
        if (mem_write(as, addr, buf, n) != MEM_OK) {
            return false;
        }
        addr += n;
        len -= n;
    }
    return true;
}

/* Puts @len bytes of guest memory into the selected item; false when they do not fit or are not memory. */
static bool dma_write(FwCfg *s, uint64_t addr, uint32_t len)
{
    FwCfgStore store = s->selected < KEYS ? s->store[s->selected] : NULL;
    g_autofree uint8_t *data = NULL;
    gsize size;

    if (!store) {
        return false;
    }
    data = g_bytes_unref_to_data(g_bytes_ref(s->items[s->selected]), &size);
    if (s->offset > size || len > size - s->offset ||
        mem_read(s->parent.dev.machine->memory, addr, data + s->offset, len) != MEM_OK) {
        return false;
    }
    store(s->build_opaque[s->selected], data);
    s->offset += len;
    fwcfg_rebuild(s);
    return true;
}

/* The control block: control, length, address, big-endian; control becomes 0 or DMA_ERROR. */
static void dma_run(FwCfg *s)
{
    AddressSpace *as = s->parent.dev.machine->memory;
    uint64_t block = s->dma_addr;
    uint8_t raw[16];
    uint32_t control, len;
    bool ok = true;

    s->dma_addr = 0;
    if (mem_read(as, block, raw, sizeof(raw)) != MEM_OK) {
        log_guest("fw_cfg: DMA control block at 0x%" PRIx64 " is not memory", block);
        return;
    }
    control = ld32_be(raw);
    len = ld32_be(raw + 4);
    if (control & DMA_SELECT) {
        fwcfg_select(s, control >> 16);
    }
    if (control & DMA_READ) {
        ok = dma_read(s, ld64_be(raw + 8), len);
    } else if (control & DMA_SKIP) {
        s->offset = s->offset > UINT32_MAX - len ? UINT32_MAX : s->offset + len;
    } else if (control & DMA_WRITE) {
        ok = dma_write(s, ld64_be(raw + 8), len);
    }
    st32_be(raw, ok ? 0 : DMA_ERROR);
    if (mem_write(as, block, raw, 4) != MEM_OK) {
        log_guest("fw_cfg: DMA control block at 0x%" PRIx64 " is not writable", block);
    }
}

/* Data bytes come in string order whatever the access size; the DMA register reads as a signature. */
static uint64_t fwcfg_read(void *opaque, uint64_t offset, unsigned size)
{
    FwCfg *s = opaque;
    uint8_t raw[8] = {0};

    if (offset < SELECTOR) {
        take(s, raw, size);
        return ld64_le(raw);
    }
    if (offset >= DMA && offset + size <= DMA + 8) {
        uint8_t sig[16] = {0};

        st64_be(sig, DMA_SIGNATURE);
        memcpy(raw, sig + (offset - DMA), size);
        return ld64_le(raw);
    }
    return 0;
}

static uint64_t swap_to_be(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

static void fwcfg_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    FwCfg *s = opaque;

    if (offset == SELECTOR && size == 2) {
        fwcfg_select(s, swap_to_be(value, 2));
    } else if (offset == DMA && size == 4) {
        s->dma_addr = swap_to_be(value, 4) << 32;
    } else if (offset == DMA + 4 && size == 4) {
        s->dma_addr |= swap_to_be(value, 4);
        dma_run(s);
    } else if (offset == DMA && size == 8) {
        s->dma_addr = swap_to_be(value, 8);
        dma_run(s);
    } else {
        log_guest("fw_cfg: write of %u bytes at 0x%" PRIx64, size, offset);
    }
}

static uint64_t fwcfg_io_read(void *opaque, uint64_t offset, unsigned size)
{
    if (offset >= IO_DMA) {
        return fwcfg_read(opaque, DMA + (offset - IO_DMA), size);
    }
    return offset == IO_DATA ? fwcfg_read(opaque, DATA, 1) : 0;
}

static void fwcfg_io_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset >= IO_DMA) {
        fwcfg_write(opaque, DMA + (offset - IO_DMA), value, size);
    } else if (offset == IO_SELECTOR && size == 2) {
        fwcfg_select(opaque, value);
    }
}

static const MemOps fwcfg_io_ops = {
    .read = fwcfg_io_read,
    .write = fwcfg_io_write,
    .impl_min = 1,
    .impl_max = 4,
    .valid_max = 4,
    .unaligned = true,
};

static const MemOps fwcfg_mem_ops = {
    .read = fwcfg_read,
    .write = fwcfg_write,
    .impl_min = 1,
    .impl_max = 8,
};

/* --- Life --- */

static void fwcfg_reset(Device *dev)
{
    FwCfg *s = dev_state(dev, FwCfg);

    fwcfg_select(s, 0);
    s->dma_addr = 0;
}

static bool fwcfg_realize(Device *dev, Error **errp)
{
    FwCfg *s = dev_state(dev, FwCfg);
    g_autoptr(GBytes) signature = g_bytes_new_static("QEMU", 4);

    fw_cfg_add_item(dev, FW_CFG_SIGNATURE, signature);
    fw_cfg_add_u32(dev, FW_CFG_ID, ID_TRADITIONAL | ID_DMA);
    fw_cfg_add_u64(dev, FW_CFG_RAM_SIZE, dev->machine->ram_size);
    fw_cfg_add_u32(dev, FW_CFG_NB_CPUS, dev->machine->smp.cpus);
    build_directory(s);
    for (guint i = 0; user_items && i < user_items->len; i++) {
        UserItem *item = &g_array_index(user_items, UserItem, i);

        if (!fw_cfg_add_file(dev, item->name, item->data, errp)) {
            return false;
        }
    }
    return true;
}

static bool fwcfg_mem_realize(Device *dev, Error **errp)
{
    FwCfg *s = dev_state(dev, FwCfg);

    mem_init_io(&s->regs, &dev->obj, &fwcfg_mem_ops, s, "fwcfg", FW_CFG_MMIO_SIZE);
    mmio_device_add_region(&s->parent, &s->regs);
    return true;
}

static bool fwcfg_io_realize(Device *dev, Error **errp)
{
    FwCfg *s = dev_state(dev, FwCfg);

    mem_init_io(&s->regs, &dev->obj, &fwcfg_io_ops, s, "fwcfg", FW_CFG_IO_SIZE);
    mmio_device_add_region(&s->parent, &s->regs);
    return true;
}

static void fwcfg_snapshot(Device *dev, Snapshot *sn)
{
    FwCfg *s = dev_state(dev, FwCfg);

    snap_section(sn, "fw-cfg", 1);
    snap_fields(sn, &s->selected, &s->offset, &s->dma_addr);
}

static void fwcfg_after_load(Device *dev)
{
    fwcfg_rebuild(dev_state(dev, FwCfg));
}

static const DeviceOps fwcfg_ops = DEVICE_OPS(fwcfg_snapshot, .realize = fwcfg_realize,
                                              .reset = fwcfg_reset, .after_load = fwcfg_after_load);
QOM_TYPE(fwcfg_type, .name = TYPE_FW_CFG, .parent = TYPE_MMIO_DEVICE, .size = sizeof(FwCfg),
         .abstract = true, .dev = &fwcfg_ops);

static const DeviceOps fwcfg_mem_dev = DEVICE_OPS(device_no_state, .realize = fwcfg_mem_realize);
QOM_TYPE(fwcfg_mem_type, .name = TYPE_FW_CFG_MMIO, .parent = TYPE_FW_CFG, .size = sizeof(FwCfg),
         .desc = "host-provided items for firmware", .dev = &fwcfg_mem_dev);

static const DeviceOps fwcfg_io_dev = DEVICE_OPS(device_no_state, .realize = fwcfg_io_realize);
QOM_TYPE(fwcfg_io_type, .name = TYPE_FW_CFG_IO, .parent = TYPE_FW_CFG, .size = sizeof(FwCfg),
         .desc = "host-provided items for firmware, at ports", .dev = &fwcfg_io_dev);
