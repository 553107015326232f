/* SPDX-License-Identifier: MIT */
/*
 * The whole machine as a stream, into and out of a FILE.
 *
 *   "RHEASNAP", u32 version
 *   text machine type
 *   u32 number of RAM blocks; of each: text id, u64 size
 *   u32 length, state of the devices (stream.h)
 *   version 1: of each RAM block in that order: runs of pages that are not zero
 *       u64 offset, u32 bytes (at most RUN_MAX), data;  a run of no bytes ends the block
 *   "RHEADONE"
 *   version 2, of files alone: SHA-256 of all before it, "RHEADONE", and from the next page on each RAM block as
 *   it is, zeroes as holes.  (The memory has no sum: it is not read.)
 *
 * Numbers are little-endian, texts have a u16 length.  Nothing in a stream is trusted.
 */
#include "rhea/osdep.h"

#include "machine-stream.h"

#include "block/block.h"
#include "hw/machine.h"
#include "images.h"
#include "pages.h"
#include "rhea/endian.h"

#define FILE_MAGIC "RHEASNAP"
#define FILE_END   "RHEADONE"

enum { VERSION_RUNS = 1, VERSION_IMAGES = 2 };
enum { DIGEST_LEN = 32 /* SHA-256 */ };
enum { RUN_MAX = 1 << 20, TEXT_MAX = 255, DEVICES_MAX = 256 << 20 };

typedef struct SnapFile {
    FILE *f;
    const char *path;
    Error **errp;
    GChecksum *sum; /* of all bytes so far; NULL: not wanted */
} SnapFile;

static void collect_block(RamBlock *rb, void *opaque)
{
    g_ptr_array_add(opaque, rb);
}

/* What the sum says of the bytes so far; ends it. */
static void take_digest(SnapFile *sf, uint8_t digest[static DIGEST_LEN])
{
    gsize len = DIGEST_LEN;

    g_checksum_get_digest(sf->sum, digest, &len);
    sf->sum = NULL;
}

/* --- Writing --- */

static bool put(SnapFile *sf, const void *buf, size_t len)
{
    if (sf->sum) {
        g_checksum_update(sf->sum, buf, (gssize)len);
    }
    if (fwrite(buf, 1, len, sf->f) != len) {
        return error_fail_errno(sf->errp, errno, "snapshot: cannot write '%s'", sf->path);
    }
    return true;
}

static bool put_u32(SnapFile *sf, uint32_t v)
{
    uint8_t bytes[4];

    st32_le(bytes, v);
    return put(sf, bytes, 4);
}

static bool put_u64(SnapFile *sf, uint64_t v)
{
    uint8_t bytes[8];

    st64_le(bytes, v);
    return put(sf, bytes, 8);
}

static bool put_text(SnapFile *sf, const char *text)
{
    uint8_t bytes[2];

    g_assert(strlen(text) <= TEXT_MAX);
    st16_le(bytes, strlen(text));
    return put(sf, bytes, 2) && put(sf, text, strlen(text));
}

static bool put_block(SnapFile *sf, RamBlock *rb)
{
    for (uint64_t at = 0, end; at < rb->size; at = end) {
        at = ram_next_data(rb, at, rb->size);
        end = ram_next_zero(rb, at, MIN(at + RUN_MAX, rb->size));
        if (end > at &&
            (!put_u64(sf, at) || !put_u32(sf, end - at) || !put(sf, rb->host + at, end - at))) {
            return false;
        }
    }
    return put_u64(sf, 0) && put_u32(sf, 0);
}

/* All but the RAM. */
static bool put_head(SnapFile *sf, Machine *m, uint32_t version, GPtrArray *blocks)
{
    g_autoptr(GByteArray) devices = snapshot_save_devices(m, sf->errp);

    if (!devices || !put(sf, FILE_MAGIC, 8) || !put_u32(sf, version) ||
        !put_text(sf, m->obj.type->name) || !put_u32(sf, blocks->len)) {
        return false;
    }
    for (unsigned i = 0; i < blocks->len; i++) {
        RamBlock *rb = blocks->pdata[i];

        if (!put_text(sf, rb->id) || !put_u64(sf, rb->size)) {
            return false;
        }
    }
    return put_u32(sf, devices->len) && put(sf, devices->data, devices->len);
}

bool machine_stream_save(Machine *m, FILE *f, const char *name, Error **errp)
{
    SnapFile sf = {.f = f, .path = name, .errp = errp};
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();

    g_assert(machine_lock_held());
    ram_block_foreach(collect_block, blocks);
    if (!put_head(&sf, m, VERSION_RUNS, blocks)) {
        return false;
    }
    for (unsigned i = 0; i < blocks->len; i++) {
        if (!put_block(&sf, blocks->pdata[i])) {
            return false;
        }
    }
    return put(&sf, FILE_END, 8);
}

bool machine_file_save(Machine *m, FILE *f, const char *name, Error **errp)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    SnapFile sf = {.f = f, .path = name, .errp = errp, .sum = sum};
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    uint8_t digest[DIGEST_LEN];
    off_t end;

    g_assert(machine_lock_held());
    ram_block_foreach(collect_block, blocks);
    if (!put_head(&sf, m, VERSION_IMAGES, blocks)) {
        return false;
    }
    take_digest(&sf, digest);
    if (!put(&sf, digest, sizeof(digest)) || !put(&sf, FILE_END, 8)) {
        return false;
    }
    end = fflush(f) ? -1 : ftello(f);
    if (end < 0) {
        return error_fail_errno(errp, errno, "snapshot: cannot write '%s'", name);
    }
    return ram_images_save(fileno(f), ram_images_start((uint64_t)end), blocks, name, errp);
}

/* --- Reading --- */

static bool get(SnapFile *sf, void *buf, size_t len)
{
    if (fread(buf, 1, len, sf->f) == len) {
        if (sf->sum) {
            g_checksum_update(sf->sum, buf, (gssize)len);
        }
        return true;
    }
    if (ferror(sf->f)) {
        return error_fail_errno(sf->errp, errno, "snapshot: cannot read '%s'", sf->path);
    }
    return error_fail(sf->errp, "snapshot: '%s' ends too early", sf->path);
}

static bool get_u32(SnapFile *sf, uint32_t *v)
{
    uint8_t bytes[4];
    bool ok = get(sf, bytes, 4);

    *v = ok ? ld32_le(bytes) : 0;
    return ok;
}

static bool get_u64(SnapFile *sf, uint64_t *v)
{
    uint8_t bytes[8];
    bool ok = get(sf, bytes, 8);

    *v = ok ? ld64_le(bytes) : 0;
    return ok;
}

/* @text has room for TEXT_MAX + 1 bytes. */
static bool get_text(SnapFile *sf, char *text)
{
    uint8_t bytes[2];

    if (!get(sf, bytes, 2)) {
        return false;
    }
    if (ld16_le(bytes) > TEXT_MAX) {
        return error_fail(sf->errp, "snapshot: '%s' is damaged: a name is too long", sf->path);
    }
    text[ld16_le(bytes)] = '\0';
    return get(sf, text, ld16_le(bytes));
}

static bool check_header(SnapFile *sf, Machine *m, uint32_t *version)
{
    char magic[8], type[TEXT_MAX + 1];

    if (!get(sf, magic, 8)) {
        return false;
    }
    if (memcmp(magic, FILE_MAGIC, 8)) {
        return error_fail(sf->errp, "snapshot: '%s' is not a snapshot", sf->path);
    }
    if (!get_u32(sf, version) || !get_text(sf, type)) {
        return false;
    }
    if (*version != VERSION_RUNS && *version != VERSION_IMAGES) {
        return error_fail(sf->errp, "snapshot: '%s' has version %u, known are %u and %u", sf->path,
                          *version, VERSION_RUNS, VERSION_IMAGES);
    }
    if (!g_str_equal(type, m->obj.type->name)) {
        return error_fail(sf->errp, "snapshot: '%s' is of a machine '%s', this is a '%s'", sf->path,
                          type, m->obj.type->name);
    }
    return true;
}

/* The file's list of RAM blocks must be the machine's. */
static bool check_blocks(SnapFile *sf, GPtrArray *blocks)
{
    char id[TEXT_MAX + 1];
    uint32_t n;

    if (!get_u32(sf, &n)) {
        return false;
    }
    if (n != blocks->len) {
        return error_fail(sf->errp, "snapshot: '%s' has %u memories, this machine %u", sf->path, n,
                          blocks->len);
    }
    for (unsigned i = 0; i < n; i++) {
        RamBlock *rb = blocks->pdata[i];
        uint64_t size;

        if (!get_text(sf, id) || !get_u64(sf, &size)) {
            return false;
        }
        if (!g_str_equal(id, rb->id) || size != rb->size) {
            return error_fail(sf->errp,
                              "snapshot: '%s' has memory '%s' of %" PRIu64
                              " bytes where this machine has '%s' of %" PRIu64,
                              sf->path, id, size, rb->id, rb->size);
        }
    }
    return true;
}

static bool get_devices(SnapFile *sf, uint8_t **data, uint32_t *len)
{
    if (!get_u32(sf, len)) {
        return false;
    }
    *data = *len <= DEVICES_MAX ? g_try_malloc(*len) : NULL;
    if (*len && !*data) {
        return error_fail(sf->errp, "snapshot: '%s' is damaged: %u bytes of devices", sf->path,
                          *len);
    }
    return get(sf, *data, *len);
}

static bool get_block(SnapFile *sf, RamBlock *rb)
{
    uint64_t filled = 0; /* runs come in rising order */

    for (;;) {
        uint64_t offset;
        uint32_t len;

        if (!get_u64(sf, &offset) || !get_u32(sf, &len)) {
            return false;
        }
        if (!len) {
            break;
        }
        if (len > RUN_MAX || (len | offset) & (RAM_PAGE_SIZE - 1) || offset < filled ||
            offset > rb->size || len > rb->size - offset || rb->readonly) {
            return error_fail(sf->errp, "snapshot: '%s' is damaged: pages outside memory '%s'",
                              sf->path, rb->id);
        }
        ram_clear(rb, filled, offset);
        if (!get(sf, rb->host + offset, len)) {
            return false;
        }
        filled = offset + len;
    }
    if (!rb->readonly) {
        ram_clear(rb, filled, rb->size);
        ram_set_dirty(rb, 0, rb->size);
    }
    return true;
}

static bool get_end(SnapFile *sf)
{
    char end[8];

    return get(sf, end, 8) &&
           (!memcmp(end, FILE_END, 8) ||
            error_fail(sf->errp, "snapshot: '%s' is damaged: its end is missing", sf->path));
}

static bool get_runs(SnapFile *sf, GPtrArray *blocks)
{
    for (unsigned i = 0; i < blocks->len; i++) {
        if (!get_block(sf, blocks->pdata[i])) {
            return false;
        }
    }
    return get_end(sf);
}

static bool check_digest(SnapFile *sf)
{
    uint8_t wanted[DIGEST_LEN], found[DIGEST_LEN];

    take_digest(sf, found);
    return get(sf, wanted, sizeof(wanted)) &&
           (!memcmp(wanted, found, sizeof(wanted)) ||
            error_fail(sf->errp, "snapshot: '%s' is damaged: its checksum is another", sf->path));
}

static bool get_images(SnapFile *sf, GPtrArray *blocks)
{
    off_t end;

    if (!get_end(sf)) {
        return false;
    }
    end = ftello(sf->f);
    if (end < 0 || fileno(sf->f) < 0) {
        return error_fail(sf->errp, "snapshot: '%s' holds images of memory, which only a file can",
                          sf->path);
    }
    return ram_images_load(fileno(sf->f), ram_images_start((uint64_t)end), blocks, sf->path,
                           sf->errp);
}

static bool get_machine(SnapFile *sf, Machine *m)
{
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    g_autofree uint8_t *devices = NULL;
    uint32_t version, devices_len;

    ram_block_foreach(collect_block, blocks);
    if (!check_header(sf, m, &version) || !check_blocks(sf, blocks) ||
        !get_devices(sf, &devices, &devices_len)) {
        return false;
    }
    if (version == VERSION_IMAGES && !check_digest(sf)) {
        return false;
    }
    sf->sum = NULL;
    blk_give_up_failed();
    if (!(version == VERSION_IMAGES ? get_images : get_runs)(sf, blocks)) {
        return false;
    }
    /* Last: what follows a load of a device may look into memory. */
    return snapshot_load_devices(m, devices, devices_len, sf->errp);
}

bool machine_stream_check(Machine *m, FILE *f, const char *name, Error **errp)
{
    SnapFile sf = {.f = f, .path = name, .errp = errp};
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    uint32_t version;

    ram_block_foreach(collect_block, blocks);
    return check_header(&sf, m, &version) && check_blocks(&sf, blocks);
}

bool machine_stream_load(Machine *m, FILE *f, const char *name, Error **errp)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    SnapFile sf = {.f = f, .path = name, .errp = errp, .sum = sum};

    g_assert(machine_lock_held());
    return get_machine(&sf, m);
}
