/* SPDX-License-Identifier: MIT */
/*
 * MSI-X.  Spec: PCI Local Bus 3.0, section 6.8.2.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

#include "pci-int.h"

enum {
    CAP_SIZE = 12,
    CAP_CONTROL = 2,
    CAP_TABLE = 4,
    CAP_PENDING = 8,
    ENTRY = 16,
    ENTRY_DATA = 8,
    ENTRY_CONTROL = 12,
    ENTRY_MASKED = 1,
    BAR_SIZE = 4096,
    PENDING_OFFSET = 2048,
    MAX_VECTORS = PENDING_OFFSET / ENTRY
};
enum { CONTROL_ENABLE = 0x8000, CONTROL_MASK_ALL = 0x4000 };

static uint16_t control_of(const PciDevice *pci)
{
    return ld16_le(pci->config + pci->msix.cap + CAP_CONTROL);
}

bool pci_msix_enabled(const PciDevice *pci)
{
    return pci->msix.vectors && (control_of(pci) & CONTROL_ENABLE);
}

static bool vector_masked(const PciDevice *pci, unsigned n)
{
    return (control_of(pci) & CONTROL_MASK_ALL) ||
           (pci->msix.table[n * ENTRY + ENTRY_CONTROL] & ENTRY_MASKED);
}

static void send(PciDevice *pci, unsigned n)
{
    const uint8_t *e = pci->msix.table + n * ENTRY;

    pci_send_message(pci, ld64_le(e), ld32_le(e + ENTRY_DATA));
}

void pci_msix_notify(PciDevice *pci, unsigned n)
{
    if (n >= pci->msix.vectors || !pci_msix_enabled(pci)) {
        return;
    }
    if (vector_masked(pci, n)) {
        pci->msix.pending[n / 64] |= BIT_ULL(n % 64);
    } else {
        send(pci, n);
    }
}

/* Pending vectors go out as soon as nothing masks them. */
static void send_pending(PciDevice *pci)
{
    for (unsigned n = 0; n < pci->msix.vectors; n++) {
        uint64_t bit = BIT_ULL(n % 64);

        if ((pci->msix.pending[n / 64] & bit) && pci_msix_enabled(pci) && !vector_masked(pci, n)) {
            pci->msix.pending[n / 64] &= ~bit;
            send(pci, n);
        }
    }
}

void pci_msix_config_written(PciDevice *pci)
{
    if (pci->msix.vectors) {
        send_pending(pci);
    }
}

/* --- Table and pending bits in the BAR --- */

static uint64_t table_read(void *opaque, uint64_t offset, unsigned size)
{
    PciDevice *pci = opaque;
    uint8_t raw[8] = {0};

    memcpy(raw, pci->msix.table + offset, size);
    return ld64_le(raw);
}

static void table_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PciDevice *pci = opaque;
    uint8_t raw[8];

    st64_le(raw, value);
    memcpy(pci->msix.table + offset, raw, size);
    send_pending(pci);
}

static uint64_t pending_read(void *opaque, uint64_t offset, unsigned size)
{
    PciDevice *pci = opaque;

    return pci->msix.pending[offset / 8] >> (offset % 8 * 8);
}

static void pending_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    /* Read-only (6.8.2.10). */
}

static const MemOps table_ops = {
    .read = table_read,
    .write = table_write,
    .valid_min = 4,
    .valid_max = 8,
    .impl_min = 4,
    .impl_max = 8,
};
static const MemOps pending_ops = {
    .read = pending_read,
    .write = pending_write,
    .valid_min = 4,
    .valid_max = 8,
    .impl_min = 4,
    .impl_max = 8,
};

/* --- Life --- */

void pci_msix_init(PciDevice *pci, unsigned vectors, unsigned bar)
{
    PciMsix *m = &pci->msix;
    Object *owner = &pci->dev.obj;
    uint8_t *cap;

    g_assert(vectors && vectors <= MAX_VECTORS);
    m->vectors = vectors;
    m->table = g_malloc0(vectors * ENTRY);
    m->pending = g_new0(uint64_t, (vectors + 63) / 64);
    mem_init_container(&m->bar, owner, "msix", BAR_SIZE);
    mem_init_io(&m->table_mr, owner, &table_ops, pci, "msix-table", vectors * ENTRY);
    mem_init_io(&m->pending_mr, owner, &pending_ops, pci, "msix-pending", (vectors + 63) / 64 * 8);
    mem_add(&m->bar, 0, &m->table_mr);
    mem_add(&m->bar, PENDING_OFFSET, &m->pending_mr);
    pci_register_bar(pci, bar, 0, &m->bar);
    m->cap = pci_add_capability(pci, PCI_CAP_MSIX, CAP_SIZE);
    cap = pci->config + m->cap;
    st16_le(cap + CAP_CONTROL, vectors - 1);
    st32_le(cap + CAP_TABLE, bar);
    st32_le(cap + CAP_PENDING, PENDING_OFFSET | bar);
    st16_le(pci->writable + m->cap + CAP_CONTROL, CONTROL_ENABLE | CONTROL_MASK_ALL);
    pci_msix_reset(pci);
}

void pci_msix_reset(PciDevice *pci)
{
    PciMsix *m = &pci->msix;

    for (unsigned n = 0; n < m->vectors; n++) {
        memset(m->table + n * ENTRY, 0, ENTRY);
        m->table[n * ENTRY + ENTRY_CONTROL] = ENTRY_MASKED;
    }
    if (m->vectors) {
        memset(m->pending, 0, (m->vectors + 63) / 64 * sizeof(*m->pending));
    }
}

void pci_msix_free(PciDevice *pci)
{
    PciMsix *m = &pci->msix;

    if (m->vectors) {
        mem_remove(&m->table_mr);
        mem_remove(&m->pending_mr);
        g_clear_pointer(&m->table, g_free);
        g_clear_pointer(&m->pending, g_free);
        m->vectors = 0;
    }
}

void pci_msix_snapshot(PciDevice *pci, Snapshot *sn)
{
    PciMsix *m = &pci->msix;

    if (m->vectors) {
        snap_bytes(sn, m->table, m->vectors * ENTRY);
        snap_u64_array(sn, m->pending, (m->vectors + 63) / 64);
    }
}
