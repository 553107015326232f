/* SPDX-License-Identifier: MIT */
/* Event indices between a driver and a device that run side by side (hw/virtio/virtqueue.c). */
#include "rhea/osdep.h"

#include "hw/virtio/virtio.h"
#include "rhea/endian.h"

enum { SIZE = 16, DESC = 0, AVAIL = 0x400, USED = 0x800, RAM = 0x1000 };
enum { ROUNDS = 100 * 1000, TIME_US = 5 * 1000 * 1000 };

static uint8_t ram[RAM] __attribute__((aligned(64)));
static bool kicks; /* the driver, for its second request */
static bool over;  /* atomic */

/* --- Memory --- */

MemResult mem_read(AddressSpace *as, GuestPA pa, void *buf, uint64_t len)
{
    if (len == 2) {
        uint16_t v = __atomic_load_n((uint16_t *)(void *)(ram + pa), __ATOMIC_RELAXED);

        memcpy(buf, &v, sizeof(v));
    } else {
        memcpy(buf, ram + pa, len);
    }
    return MEM_OK;
}

MemResult mem_write(AddressSpace *as, GuestPA pa, const void *buf, uint64_t len)
{
    if (len == 2) {
        uint16_t v;

        memcpy(&v, buf, sizeof(v));
        __atomic_store_n((uint16_t *)(void *)(ram + pa), v, __ATOMIC_RELAXED);
    } else {
        memcpy(ram + pa, buf, len);
    }
    return MEM_OK;
}

void *mem_map(AddressSpace *as, GuestPA pa, uint64_t *len, bool write)
{
    return ram + pa;
}

void mem_unmap(AddressSpace *as, void *host, uint64_t len, bool write, uint64_t written)
{
}

void virtio_error(VirtioDevice *vdev, const char *fmt, ...)
{
    g_assert_not_reached();
}

/* --- A driver and a device that meet before and after every step --- */

static unsigned arrived; /* atomic */

/* Both sides leave at nearly the same time, if the host runs both. */
static void meet(unsigned *meetings)
{
    unsigned all = 2 * ++*meetings;

    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    for (unsigned spins = 1; __atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < all; spins++) {
        if (spins % 1024 == 0) {
            g_thread_yield();
        }
    }
}

static uint16_t *field(unsigned offset)
{
    return (uint16_t *)(void *)(ram + offset);
}

/* Section 2.7.10.1; true: the driver kicks. */
static bool driver_publish(uint16_t idx)
{
    __atomic_store_n(field(AVAIL + 2), idx, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(field(USED + 4 + 8 * SIZE), __ATOMIC_RELAXED) == (uint16_t)(idx - 1);
}

/* The first of two requests is there when the device looks; the second comes meanwhile. */
static gpointer driver_thread(gpointer unused)
{
    unsigned meetings = 0;
    uint16_t idx = 0;

    for (unsigned delay = 0; !__atomic_load_n(&over, __ATOMIC_SEQ_CST); delay = (delay + 1) % 256) {
        driver_publish(++idx);
        meet(&meetings);
        for (unsigned i = 0; i < delay; i++) {
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
        }
        kicks = driver_publish(++idx);
        meet(&meetings);
        meet(&meetings);
    }
    return NULL;
}

static void device_serve(VirtQueue *vq, VirtqElement *e)
{
    g_assert_nonnull(e);
    vq_push(vq, e, 0);
}

static void test_no_lost_kick(void)
{
    VirtioDevice vdev = {.status = VIRTIO_STATUS_DRIVER_OK,
                         .host_features = VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX),
                         .features = VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX)};
    VirtQueue vq = {
        .vdev = &vdev, .size = SIZE, .ready = true, .desc = DESC, .avail = AVAIL, .used = USED};
    gint64 end_us = g_get_monotonic_time() + TIME_US;
    unsigned meetings = 0, lost = 0, rounds = 0;
    GThread *driver;

    st32_le(ram + DESC + 8, 16); /* one descriptor serves all: 16 readable bytes */
    driver = g_thread_new("driver", driver_thread, NULL);
    while (!over) {
        VirtqElement *e;
        bool empty;

        meet(&meetings);
        e = vq_pop(&vq);
        empty = vq_empty(&vq);
        meet(&meetings);
        lost += empty && !kicks;
        device_serve(&vq, e);
        device_serve(&vq, vq_pop(&vq));
        __atomic_store_n(&over, ++rounds == ROUNDS || g_get_monotonic_time() > end_us,
                         __ATOMIC_SEQ_CST);
        meet(&meetings);
    }
    g_thread_join(driver);
    g_test_message("%u rounds", rounds);
    g_assert_cmpuint(lost, ==,
                     0); /* the device thinks that the ring is empty, and nobody tells it */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtqueue/no-lost-kick", test_no_lost_kick);
    return g_test_run();
}
