/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues, the device's side.  Spec: Virtual I/O Device 1.2, section 2.7.
 * Not modelled: packed rings.
 * Rings are read through the device's address space at every step: nothing that the guest can change
 * or unmap is cached between two requests.  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/virtio/virtio.h"
#include "rhea/endian.h"

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };
enum { DESC_SIZE = 16, AVAIL_F_NO_INTERRUPT = 1, USED_F_NO_NOTIFY = 1, USED_ELEM_SIZE = 8 };

typedef struct VirtqDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} VirtqDesc;

/* --- Guest memory; a failure breaks the device --- */

static bool vq_read(VirtQueue *vq, uint64_t addr, void *buf, uint64_t len)
{
    if (mem_read(vq->vdev->as, addr, buf, len) != MEM_OK) {
        virtio_error(vq->vdev, "queue %u: ring at 0x%" PRIx64 " is not memory", vq->index, addr);
        return false;
    }
    return true;
}

static bool vq_read16(VirtQueue *vq, uint64_t addr, uint16_t *v)
{
    uint8_t raw[2];

    if (!vq_read(vq, addr, raw, sizeof(raw))) {
        return false;
    }
    *v = ld16_le(raw);
    return true;
}

static void vq_write(VirtQueue *vq, uint64_t addr, const void *buf, uint64_t len)
{
    if (mem_write(vq->vdev->as, addr, buf, len) != MEM_OK) {
        virtio_error(vq->vdev, "queue %u: ring at 0x%" PRIx64 " is not memory", vq->index, addr);
    }
}

static void vq_write16(VirtQueue *vq, uint64_t addr, uint16_t v)
{
    uint8_t raw[2];

    st16_le(raw, v);
    vq_write(vq, addr, raw, sizeof(raw));
}

static uint64_t avail_ring(const VirtQueue *vq, uint16_t i)
{
    return vq->avail + 4 + 2 * (i % vq->size);
}

static uint64_t used_event(const VirtQueue *vq)
{
    return vq->avail + 4 + 2 * vq->size;
}

static uint64_t used_ring(const VirtQueue *vq, uint16_t i)
{
    return vq->used + 4 + USED_ELEM_SIZE * (i % vq->size);
}

static uint64_t avail_event(const VirtQueue *vq)
{
    return vq->used + 4 + USED_ELEM_SIZE * vq->size;
}

static bool vq_usable(const VirtQueue *vq)
{
    return vq->ready && vq->size && virtio_driver_ok(vq->vdev);
}

/* How many chains wait; 0 when there are none or the ring is nonsense. */
static unsigned vq_waiting(VirtQueue *vq)
{
    uint16_t idx;

    if (!vq_usable(vq) || !vq_read16(vq, vq->avail + 2, &idx)) {
        return 0;
    }
    if ((uint16_t)(idx - vq->last_avail) > vq->size) {
        virtio_error(vq->vdev, "queue %u: available index %u runs ahead of %u", vq->index, idx,
                     vq->last_avail);
        return 0;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE); /* ring entries are read after the index (2.7.13) */
    return (uint16_t)(idx - vq->last_avail);
}

bool vq_empty(VirtQueue *vq)
{
    return !vq_waiting(vq);
}

/* --- Taking chains --- */

/* Collects the pieces of one chain; grows with what is really there. */
typedef struct ChainBuilder {
    VirtQueue *vq;
    GArray *out, *in; /* struct iovec */
    size_t out_len, in_len;
} ChainBuilder;

/* Maps one descriptor, which may take several host pieces. */
static bool chain_add(ChainBuilder *b, const VirtqDesc *d)
{
    bool write = d->flags & DESC_F_WRITE;
    uint64_t addr = d->addr, left = d->len;

    if (!write && b->in->len) {
        virtio_error(b->vq->vdev, "queue %u: readable buffer after a writable one", b->vq->index);
        return false;
    }
    while (left) {
        uint64_t n = left;
        struct iovec iov = {.iov_base = mem_map(b->vq->vdev->as, addr, &n, write)};

        if (!iov.iov_base || !n) {
            virtio_error(b->vq->vdev, "queue %u: buffer at 0x%" PRIx64 " is not memory",
                         b->vq->index, addr);
            return false;
        }
        iov.iov_len = n;
        g_array_append_val(write ? b->in : b->out, iov);
        addr += n;
        left -= n;
    }
    *(write ? &b->in_len : &b->out_len) += d->len;
    return true;
}

static bool read_desc(VirtQueue *vq, uint64_t table, uint32_t i, VirtqDesc *d)
{
    uint8_t raw[DESC_SIZE];

    if (!vq_read(vq, table + (uint64_t)i * DESC_SIZE, raw, sizeof(raw))) {
        return false;
    }
    d->addr = ld64_le(raw);
    d->len = ld32_le(raw + 8);
    d->flags = ld16_le(raw + 12);
    d->next = ld16_le(raw + 14);
    return true;
}

/* Walks the chain from @head; the count of steps bounds loops (2.7.5.1: no longer than the table). */
static bool chain_walk(ChainBuilder *b, uint16_t head)
{
    VirtQueue *vq = b->vq;
    uint64_t table = vq->desc;
    uint32_t table_size = vq->size, i = head;
    bool indirect = false;
    VirtqDesc d;

    for (unsigned steps = 0;; steps++) {
        if (i >= table_size || steps >= VIRTQ_MAX_SIZE + 1) {
            virtio_error(vq->vdev, "queue %u: descriptor %u of a chain from %u %s", vq->index, i,
                         head, i >= table_size ? "is outside its table" : "loops");
            return false;
        }
        if (!read_desc(vq, table, i, &d)) {
            return false;
        }
        if (d.flags & DESC_F_INDIRECT) {
            if (indirect || !virtio_has(vq->vdev, VIRTIO_F_INDIRECT_DESC) || !d.len ||
                d.len % DESC_SIZE || d.len / DESC_SIZE > VIRTQ_MAX_SIZE) {
                virtio_error(vq->vdev, "queue %u: bad indirect table of %u bytes", vq->index,
                             d.len);
                return false;
            }
            indirect = true;
            table = d.addr;
            table_size = d.len / DESC_SIZE;
            i = 0;
            continue;
        }
        if (!chain_add(b, &d)) {
            return false;
        }
        if (!(d.flags & DESC_F_NEXT)) {
            return true;
        }
        i = d.next;
    }
}

/* Gives mapped pieces back; @written bytes of the `in` ones were touched. */
static void unmap_all(VirtioDevice *vdev, const struct iovec *iov, unsigned n, bool write,
                      size_t written)
{
    for (unsigned i = 0; i < n; i++) {
        size_t touched = write ? MIN(written, iov[i].iov_len) : 0;

        mem_unmap(vdev->as, iov[i].iov_base, iov[i].iov_len, write, touched);
        written -= touched;
    }
}

VirtqElement *vq_pop(VirtQueue *vq)
{
    VirtioDevice *vdev = vq->vdev;
    ChainBuilder b = {.vq = vq};
    VirtqElement *e = NULL;
    uint16_t head;

    if (!vq_waiting(vq) || !vq_read16(vq, avail_ring(vq, vq->last_avail), &head)) {
        return NULL;
    }
    b.out = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    b.in = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    if (vq->in_flight >= vq->size) {
        virtio_error(vdev, "queue %u: more chains than descriptors", vq->index);
    } else if (chain_walk(&b, head)) {
        e = g_new0(VirtqElement, 1);
        e->head = head;
        e->out_num = b.out->len;
        e->in_num = b.in->len;
        e->out_len = b.out_len;
        e->in_len = b.in_len;
        e->out = (struct iovec *)(void *)g_array_free(b.out, FALSE);
        e->in = (struct iovec *)(void *)g_array_free(b.in, FALSE);
        vq->last_avail++;
        vq->in_flight++;
        if (virtio_has(vdev, VIRTIO_F_EVENT_IDX) && !vq->notify_disabled) {
            vq_write16(vq, avail_event(vq), vq->last_avail);
            /* Before the next look at the index: who adds behind it must see what to kick for. */
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
        }
        return e;
    }
    unmap_all(vdev, (struct iovec *)(void *)b.out->data, b.out->len, false, 0);
    unmap_all(vdev, (struct iovec *)(void *)b.in->data, b.in->len, true, 0);
    g_array_free(b.out, TRUE);
    g_array_free(b.in, TRUE);
    return NULL;
}

static void element_free(VirtQueue *vq, VirtqElement *e, size_t written)
{
    unmap_all(vq->vdev, e->out, e->out_num, false, 0);
    unmap_all(vq->vdev, e->in, e->in_num, true, written);
    g_free(e->out);
    g_free(e->in);
    g_free(e);
}

/* --- Giving chains back --- */

void vq_push(VirtQueue *vq, VirtqElement *e, uint32_t written)
{
    uint8_t raw[USED_ELEM_SIZE];

    st32_le(raw, e->head);
    st32_le(raw + 4, written);
    element_free(vq, e, written);
    vq->in_flight--;
    if (!vq_usable(vq)) {
        return;
    }
    vq_write(vq, used_ring(vq, vq->used_idx), raw, sizeof(raw));
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the entry before the index (2.7.8.2) */
    vq->used_idx++;
    vq_write16(vq, vq->used + 2, vq->used_idx);
}

void vq_unpop(VirtQueue *vq, VirtqElement *e)
{
    vq->last_avail--;
    vq_detach(vq, e);
}

void vq_detach(VirtQueue *vq, VirtqElement *e)
{
    element_free(vq, e, 0);
    vq->in_flight--;
}

/* --- Notifications --- */

/* Section 2.7.10: an event index asks for an interrupt when used_idx passes it. */
static bool vq_wants_interrupt(VirtQueue *vq)
{
    uint16_t old = vq->signalled_used, new = vq->used_idx;
    bool valid = vq->signalled_valid;
    uint16_t v;

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* used index before the driver's wish is read */
    if (!virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX)) {
        return vq_read16(vq, vq->avail, &v) && !(v & AVAIL_F_NO_INTERRUPT);
    }
    vq->signalled_used = new;
    vq->signalled_valid = true;
    if (!vq_read16(vq, used_event(vq), &v)) {
        return false;
    }
    return !valid || (uint16_t)(new - v - 1) < (uint16_t)(new - old);
}

void vq_notify(VirtQueue *vq)
{
    VirtioDevice *vdev = vq->vdev;

    if (vq_usable(vq) && vq_wants_interrupt(vq)) {
        vdev->isr |= VIRTIO_ISR_QUEUE;
        vdev->transport->notify(vdev->transport_opaque, vq);
    }
}

void vq_set_notification(VirtQueue *vq, bool on)
{
    uint16_t idx;

    vq->notify_disabled = !on;
    if (!vq_usable(vq)) {
        return;
    }
    if (!virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX)) {
        vq_write16(vq, vq->used, on ? 0 : USED_F_NO_NOTIFY);
    } else if (on && vq_read16(vq, vq->avail + 2, &idx)) {
        vq_write16(vq, avail_event(vq), idx);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the wish before the caller looks again */
}
