/* SPDX-License-Identifier: MIT */
/* Scatter lists of storage controllers: see hw/storage/dma-list.h. */
#include "rhea/osdep.h"

#include "hw/storage/dma-list.h"

void dma_list_init(DmaList *l, AddressSpace *as, bool to_guest)
{
    *l = (DmaList){
        .as = as, .to_guest = to_guest, .iov = g_array_new(false, false, sizeof(struct iovec))};
}

bool dma_list_add(DmaList *l, GuestPA pa, uint64_t len)
{
    while (len) {
        uint64_t part = len;
        struct iovec iov = {.iov_base = mem_map(l->as, pa, &part, l->to_guest)};

        if (!iov.iov_base) {
            return false;
        }
        iov.iov_len = part;
        g_array_append_val(l->iov, iov);
        l->bytes += part;
        pa += part;
        len -= part;
    }
    return true;
}

void dma_list_clear(DmaList *l)
{
    if (!l->iov) {
        return;
    }
    for (guint i = 0; i < l->iov->len; i++) {
        struct iovec *v = &g_array_index(l->iov, struct iovec, i);

        mem_unmap(l->as, v->iov_base, v->iov_len, l->to_guest, l->to_guest ? v->iov_len : 0);
    }
    g_array_free(l->iov, true);
    l->iov = NULL;
    l->bytes = 0;
}
