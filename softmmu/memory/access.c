/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes of guest-physical memory by size rules of what lies there.
 *
 * RAM is reached under mem_reader_enter() alone.  For I/O the machine lock is taken, and the view is
 * searched again under it: it cannot change any more, so the region and its device are alive.
 */
#include "rhea/osdep.h"

#include "memory-int.h"
#include "memory/machine-lock.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

static const FlatView *space_view(AddressSpace *as)
{
    return __atomic_load_n(&as->view, __ATOMIC_SEQ_CST);
}

static MemResult worse(MemResult a, MemResult b)
{
    return MAX(a, b);
}

/* --- I/O --- */

static bool io_size_valid(const MemOps *ops, uint64_t offset, unsigned size)
{
    unsigned min = ops->valid_min ? ops->valid_min : 1;
    unsigned max = ops->valid_max ? ops->valid_max : 8;

    return size >= min && size <= max && (ops->unaligned || !(offset & (size - 1)));
}

static MemResult io_call_read(MemRegion *mr, uint64_t offset, unsigned size, uint64_t *value)
{
    *value = 0;
    if (mr->ops->read_checked) {
        return mr->ops->read_checked(mr->opaque, offset, size, value);
    }
    if (mr->ops->read) {
        *value = mr->ops->read(mr->opaque, offset, size);
    }
    return MEM_OK;
}

static MemResult io_call_write(MemRegion *mr, uint64_t offset, uint64_t value, unsigned size)
{
    if (mr->ops->write_checked) {
        return mr->ops->write_checked(mr->opaque, offset, value, size);
    }
    if (mr->ops->write) {
        mr->ops->write(mr->opaque, offset, value, size);
    }
    return MEM_OK;
}

/* The size that the callbacks do for an access of @size. */
static unsigned io_impl_size(const MemOps *ops, unsigned size)
{
    unsigned min = ops->impl_min ? ops->impl_min : 1;
    unsigned max = ops->impl_max ? ops->impl_max : 8;

    return CLAMP(size, min, max);
}

/*
 * One access of the guest.  A device that wants larger accesses is read at the aligned place around, and
 * written there with zeroes beside the value; one that wants smaller ones gets several in rising order.
 */
static MemResult io_read(MemRegion *mr, uint64_t offset, unsigned size, uint64_t *value)
{
    unsigned step = io_impl_size(mr->ops, size);
    MemResult result = MEM_OK;
    uint64_t part;

    *value = 0;
    if (!io_size_valid(mr->ops, offset, size)) {
        return MEM_ERROR;
    }
    if (step > size) {
        unsigned shift = 8 * (offset & (step - 1));

        result = io_call_read(mr, offset & ~(uint64_t)(step - 1), step, &part);
        *value = (part >> shift) & MASK_ULL(8 * size);
        return result;
    }
    for (unsigned done = 0; done < size; done += step) {
        result = worse(result, io_call_read(mr, offset + done, step, &part));
        *value |= (part & MASK_ULL(8 * step)) << (8 * done);
    }
    return result;
}

static MemResult io_write(MemRegion *mr, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned step = io_impl_size(mr->ops, size);
    MemResult result = MEM_OK;

    if (!io_size_valid(mr->ops, offset, size)) {
        return MEM_ERROR;
    }
    value &= MASK_ULL(8 * size);
    if (step > size) {
        unsigned shift = 8 * (offset & (step - 1));

        return io_call_write(mr, offset & ~(uint64_t)(step - 1), value << shift, step);
    }
    for (unsigned done = 0; done < size; done += step) {
        result = worse(result, io_call_write(mr, offset + done,
                                             (value >> (8 * done)) & MASK_ULL(8 * step), step));
    }
    return result;
}

/* The same where memory is by now, of as many bytes as there are of it. */
static MemResult memory_access(const FlatRange *r, GuestPA pa, uint64_t *value, unsigned size,
                               bool write, unsigned *done)
{
    uint64_t offset = r->ram_offset + (pa - r->start);
    uint8_t bytes[8] = {0};

    *done = MIN(size, r->last - pa + 1);
    if (!write) {
        memcpy(bytes, r->ram->host + offset, *done);
        *value = ld64_le(bytes);
    } else if (r->kind == MEM_RAM && !r->ram->readonly) {
        st64_le(bytes, *value);
        memcpy(r->ram->host + offset, bytes, *done);
        ram_set_dirty(r->ram, offset, *done);
    }
    return MEM_OK;
}

/*
 * One access at @pa of at most @size bytes that the region there takes at once; *done says how many.
 * Searches again under the machine lock, and may find memory: a device that was accessed has taken itself away.
 */
static MemResult io_access(AddressSpace *as, GuestPA pa, uint64_t *value, unsigned size, bool write,
                           unsigned *done)
{
    bool mine = machine_lock_held();
    MemResult result = MEM_UNASSIGNED;
    const FlatRange *r;

    if (!mine) {
        machine_lock();
    }
    *done = size;
    r = flatview_find(space_view(as), pa, NULL);
    if (r && r->mr->ops) {
        uint64_t offset = r->offset + (pa - r->start);

        result =
            write ? io_write(r->mr, offset, *value, size) : io_read(r->mr, offset, size, value);
    } else if (r && r->ram) {
        result = memory_access(r, pa, value, size, write, done);
    }
    if (!mine) {
        machine_unlock();
    }
    return result;
}

/* The largest access for @len bytes at @offset of an I/O region that its rules allow. */
static unsigned io_chunk(const MemRegion *mr, uint64_t offset, uint64_t len)
{
    unsigned max = mr->ops && mr->ops->valid_max ? mr->ops->valid_max : 8;
    unsigned size = 8;

    while (size > 1 && (size > max || size > len || (offset & (size - 1)))) {
        size /= 2;
    }
    return size;
}

/* --- Any length --- */

/* What mem_read() and mem_write() find at a place, copied out of the view. */
typedef struct Spot {
    uint8_t *host; /* memory; NULL: I/O or a hole */
    RamBlock *ram;
    uint64_t ram_offset;
    uint64_t len; /* bytes of one kind from here */
    bool mapped;  /* something is here */
    bool writable;
} Spot;

/* Within mem_reader_enter(). */
static Spot spot_find(AddressSpace *as, GuestPA pa, bool write)
{
    uint64_t gap_last;
    const FlatRange *r = flatview_find(space_view(as), pa, &gap_last);
    Spot s = {0};

    if (!r) {
        s.len = gap_last - pa == UINT64_MAX ? UINT64_MAX : gap_last - pa + 1;
        return s;
    }
    s.mapped = true;
    s.len = r->last - pa == UINT64_MAX ? UINT64_MAX : r->last - pa + 1;
    s.writable = r->kind == MEM_RAM;
    if (write ? r->kind == MEM_RAM || r->kind == MEM_ROM : flat_range_readable(r)) {
        s.ram = r->ram;
        s.ram_offset = r->ram_offset + (pa - r->start);
        s.host = r->ram->host + s.ram_offset;
    }
    return s;
}

/* The naturally aligned size for an I/O access by mem_read() and mem_write(); region rules narrow it. */
static unsigned io_chunk_at(AddressSpace *as, GuestPA pa, uint64_t len)
{
    bool mine = machine_lock_held();
    unsigned size = 1;
    const FlatRange *r;

    if (!mine) {
        machine_lock();
    }
    r = flatview_find(space_view(as), pa, NULL);
    if (r) {
        size = io_chunk(r->mr, r->offset + (pa - r->start), len);
    }
    if (!mine) {
        machine_unlock();
    }
    return size;
}

static MemResult io_read_bytes(AddressSpace *as, GuestPA pa, uint8_t *buf, uint64_t len)
{
    MemResult result = MEM_OK;

    while (len) {
        unsigned size = io_chunk_at(as, pa, len), done;
        uint64_t value = 0;
        uint8_t bytes[8];

        result = worse(result, io_access(as, pa, &value, size, false, &done));
        st64_le(bytes, value);
        memcpy(buf, bytes, done);
        buf += done;
        pa += done;
        len -= done;
    }
    return result;
}

static MemResult io_write_bytes(AddressSpace *as, GuestPA pa, const uint8_t *buf, uint64_t len)
{
    MemResult result = MEM_OK;

    while (len) {
        unsigned size = io_chunk_at(as, pa, len), done;
        uint8_t bytes[8] = {0};
        uint64_t value;

        memcpy(bytes, buf, size);
        value = ld64_le(bytes);
        result = worse(result, io_access(as, pa, &value, size, true, &done));
        buf += done;
        pa += done;
        len -= done;
    }
    return result;
}

MemResult mem_read(AddressSpace *as, GuestPA pa, void *buf, uint64_t len)
{
    MemResult result = MEM_OK;
    uint8_t *to = buf;

    while (len) {
        uint64_t n;
        Spot s;

        mem_reader_enter();
        s = spot_find(as, pa, false);
        n = MIN(len, s.len);
        if (s.host) {
            memcpy(to, s.host, n);
        }
        mem_reader_exit();
        if (!s.mapped) {
            memset(to, 0, n);
            result = MEM_UNASSIGNED;
        } else if (!s.host) {
            result = worse(result, io_read_bytes(as, pa, to, n));
        }
        to += n;
        pa += n;
        len -= n;
    }
    return result;
}

/* @rom: ROM takes the bytes as well. */
static MemResult write_bytes(AddressSpace *as, GuestPA pa, const uint8_t *from, uint64_t len,
                             bool rom)
{
    MemResult result = MEM_OK;

    while (len) {
        uint64_t n;
        Spot s;

        mem_reader_enter();
        s = spot_find(as, pa, !rom);
        n = MIN(len, s.len);
        if (s.host && (s.writable || rom) && !s.ram->readonly) {
            memcpy(s.host, from, n);
            ram_set_dirty(s.ram, s.ram_offset, n);
        }
        mem_reader_exit();
        if (!s.mapped) {
            result = MEM_UNASSIGNED;
        } else if (!s.host) {
            result = worse(result, io_write_bytes(as, pa, from, n));
        }
        from += n;
        pa += n;
        len -= n;
    }
    return result;
}

MemResult mem_write(AddressSpace *as, GuestPA pa, const void *buf, uint64_t len)
{
    return write_bytes(as, pa, buf, len, false);
}

MemResult mem_write_rom(AddressSpace *as, GuestPA pa, const void *buf, uint64_t len)
{
    return write_bytes(as, pa, buf, len, true);
}

/* --- Values --- */

static bool value_size_ok(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

MemResult mem_read_value(AddressSpace *as, GuestPA pa, unsigned size, uint64_t *value)
{
    uint8_t bytes[8] = {0};
    MemResult result = MEM_OK;
    unsigned done;
    Spot s;

    *value = 0;
    if (!value_size_ok(size)) {
        return MEM_ERROR;
    }
    mem_reader_enter();
    s = spot_find(as, pa, false);
    if (s.host && s.len >= size) {
        memcpy(bytes, s.host, size);
    }
    mem_reader_exit();
    if (s.mapped && !s.host && s.len >= size) {
        return io_access(as, pa, value, size, false, &done);
    }
    if (!s.host || s.len < size) {
        result = mem_read(as, pa, bytes, size);
    }
    *value = ld64_le(bytes);
    return result;
}

MemResult mem_write_value(AddressSpace *as, GuestPA pa, unsigned size, uint64_t value)
{
    uint8_t bytes[8];
    unsigned done;
    Spot s;

    if (!value_size_ok(size)) {
        return MEM_ERROR;
    }
    mem_reader_enter();
    s = spot_find(as, pa, true);
    mem_reader_exit();
    if (s.mapped && !s.host && s.len >= size) {
        return io_access(as, pa, &value, size, true, &done);
    }
    st64_le(bytes, value);
    return mem_write(as, pa, bytes, size);
}

/* --- Look-up and direct access --- */

bool mem_lookup(AddressSpace *as, GuestPA pa, MemSection *out)
{
    const FlatRange *r;
    bool found;

    mem_reader_enter();
    r = flatview_find(space_view(as), pa, NULL);
    found = r != NULL;
    if (found) {
        uint64_t skip = pa - r->start;

        *out = (MemSection){
            .mr = r->mr,
            .offset = r->offset + skip,
            .len = r->last - pa == UINT64_MAX ? UINT64_MAX : r->last - pa + 1,
            .writable = r->kind == MEM_RAM,
        };
        if (flat_range_readable(r)) {
            out->ram = r->ram;
            out->ram_offset = r->ram_offset + skip;
            out->host = r->ram->host + out->ram_offset;
        }
    }
    mem_reader_exit();
    return found;
}

void *mem_map(AddressSpace *as, GuestPA pa, uint64_t *len, bool write)
{
    void *host = NULL;
    Spot s;

    mem_reader_enter();
    s = spot_find(as, pa, write);
    if (s.host && (!write || s.writable) && *len) {
        *len = MIN(*len, s.len);
        host = s.host;
        ram_block_get(s.ram);
    } else {
        *len = 0;
    }
    mem_reader_exit();
    return host;
}

void mem_discard(void *host, uint64_t len)
{
    uint64_t start = align_up((uintptr_t)host, RAM_PAGE_SIZE);
    uint64_t end = align_down((uintptr_t)host + len, RAM_PAGE_SIZE);
    RamBlock *rb = ram_block_find_host(host);

    g_assert(rb); /* mem_map() holds a reference */
    if (end > start) {
        ram_block_discard(rb, start - (uintptr_t)rb->host, end - start);
    }
}

void mem_unmap(AddressSpace *as, void *host, uint64_t len, bool write, uint64_t written)
{
    RamBlock *rb = ram_block_find_host(host);

    g_assert(rb); /* mem_map() holds a reference */
    if (write) {
        ram_set_dirty(rb, (uint8_t *)host - rb->host, written);
    }
    ram_block_put(rb);
}
