/* SPDX-License-Identifier: MIT */
/*
 * RISC-V platform-level interrupt controller.
 * Spec: RISC-V PLIC 1.0.0 (ratified), memory map of section 3.
 * Level gateways: a source stays pending while its line is high and is forwarded again after
 * completion.  Not modelled: edge gateways (a pulse is remembered as one request).
 * Threading: every callback runs under the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/irqchip/sifive-plic.h"
#include "hw/mmio-device.h"
#include "rhea/bits.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum {
    PRIORITY = 0x000000,
    PENDING = 0x001000,
    ENABLE = 0x002000,
    ENABLE_STRIDE = 0x80,
    CONTEXT = 0x200000,
    CONTEXT_STRIDE = 0x1000,
    CONTEXT_THRESHOLD = 0,
    CONTEXT_CLAIM = 4,
    PLIC_WORDS = (PLIC_MAX_SOURCES + 1) / 32,
    PRIORITY_MASK = 7,
};

typedef struct Context {
    IrqLine irq;
    uint32_t enable[PLIC_WORDS];
    uint32_t threshold;
} Context;

typedef struct Plic {
    MmioDevice parent;
    /* wiring */
    MemRegion regs;
    Context *contexts;
    /* properties: fixed once realized */
    uint32_t num_sources;
    uint32_t num_contexts;
    /* guest-visible: all of it, with the contexts, is in plic_snapshot */
    uint32_t priority[PLIC_MAX_SOURCES + 1];
    uint32_t pending[PLIC_WORDS];
    uint32_t claimed[PLIC_WORDS];
    uint32_t level[PLIC_WORDS];
} Plic;

static bool bit_get(const uint32_t *words, unsigned n)
{
    return words[n / 32] >> (n % 32) & 1;
}

static void bit_put(uint32_t *words, unsigned n, bool on)
{
    words[n / 32] = (words[n / 32] & ~BIT(n % 32)) | (uint32_t)on << (n % 32);
}

/* The enabled pending source of the highest priority above the threshold, lowest number first; or 0. */
static unsigned plic_best(const Plic *s, const Context *c)
{
    uint32_t best_priority = c->threshold;
    unsigned best = 0;

    for (unsigned w = 0; w <= s->num_sources / 32; w++) {
        for (uint32_t m = s->pending[w] & c->enable[w]; m; m &= m - 1) {
            unsigned source = w * 32 + __builtin_ctz(m);

            if (s->priority[source] > best_priority) {
                best_priority = s->priority[source];
                best = source;
            }
        }
    }
    return best;
}

static void plic_update(Plic *s)
{
    for (uint32_t i = 0; i < s->num_contexts; i++) {
        irq_set(&s->contexts[i].irq, plic_best(s, &s->contexts[i]) != 0);
    }
}

static void plic_input(void *opaque, int n, bool level)
{
    Plic *s = opaque;

    if (!n) {
        return; /* source 0 does not exist (section 1) */
    }
    bit_put(s->level, n, level);
    if (level && !bit_get(s->claimed, n)) {
        bit_put(s->pending, n, true);
        plic_update(s);
    }
}

static uint32_t plic_claim(Plic *s, Context *c)
{
    unsigned source = plic_best(s, c);

    if (source) {
        bit_put(s->pending, source, false);
        bit_put(s->claimed, source, true);
        plic_update(s);
    }
    return source;
}

/* Completion of a source that is not enabled for the context is ignored (section 8). */
static void plic_complete(Plic *s, Context *c, uint32_t source)
{
    if (!source || source > s->num_sources || !bit_get(c->enable, source)) {
        log_guest("plic: completion of source %u, which is not enabled", source);
        return;
    }
    bit_put(s->claimed, source, false);
    if (bit_get(s->level, source)) {
        bit_put(s->pending, source, true);
    }
    plic_update(s);
}

/* --- Registers --- */

/* The bits of word @w that stand for existing sources. */
static uint32_t source_mask(const Plic *s, unsigned w)
{
    uint32_t mask = UINT32_MAX;

    if (w > s->num_sources / 32) {
        return 0;
    }
    if (w == s->num_sources / 32) {
        mask = (uint32_t)MASK_ULL(s->num_sources % 32 + 1);
    }
    return w ? mask : mask & ~1U;
}

static uint64_t plic_read(void *opaque, uint64_t offset, unsigned size)
{
    Plic *s = opaque;

    if (offset < PENDING) {
        return offset / 4 <= s->num_sources ? s->priority[offset / 4] : 0;
    }
    if (offset < ENABLE) {
        uint64_t w = (offset - PENDING) / 4;

        return w < PLIC_WORDS ? s->pending[w] : 0;
    }
    if (offset < CONTEXT) {
        uint64_t c = (offset - ENABLE) / ENABLE_STRIDE;

        return c < s->num_contexts ? s->contexts[c].enable[offset % ENABLE_STRIDE / 4] : 0;
    }
    if ((offset - CONTEXT) / CONTEXT_STRIDE < s->num_contexts) {
        Context *c = &s->contexts[(offset - CONTEXT) / CONTEXT_STRIDE];

        switch (offset % CONTEXT_STRIDE) {
        case CONTEXT_THRESHOLD: return c->threshold;
        case CONTEXT_CLAIM: return plic_claim(s, c);
        }
    }
    return 0;
}

static void plic_write_context(Plic *s, Context *c, unsigned reg, uint32_t value)
{
    switch (reg) {
    case CONTEXT_THRESHOLD:
        c->threshold = value & PRIORITY_MASK;
        plic_update(s);
        break;
    case CONTEXT_CLAIM: plic_complete(s, c, value); break;
    default: log_guest("plic: write of reserved context offset 0x%x", reg);
    }
}

static void plic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Plic *s = opaque;

    if (offset < PENDING) {
        if (offset && offset / 4 <= s->num_sources) {
            s->priority[offset / 4] = value & PRIORITY_MASK;
            plic_update(s);
        }
    } else if (offset < ENABLE) {
        log_guest("plic: write of read-only pending bits");
    } else if (offset < CONTEXT) {
        uint64_t c = (offset - ENABLE) / ENABLE_STRIDE;
        unsigned w = offset % ENABLE_STRIDE / 4;

        if (c < s->num_contexts) {
            s->contexts[c].enable[w] = value & source_mask(s, w);
            plic_update(s);
        }
    } else if ((offset - CONTEXT) / CONTEXT_STRIDE < s->num_contexts) {
        plic_write_context(s, &s->contexts[(offset - CONTEXT) / CONTEXT_STRIDE],
                           offset % CONTEXT_STRIDE, value);
    }
}

static const MemOps plic_mem_ops = {
    .read = plic_read,
    .write = plic_write,
    .valid_min = 4,
    .valid_max = 4,
    .impl_min = 4,
    .impl_max = 4,
};

/* --- Life --- */

static void plic_reset(Device *dev)
{
    Plic *s = dev_state(dev, Plic);

    memset(s->priority, 0, sizeof(s->priority));
    memset(s->claimed, 0, sizeof(s->claimed));
    memcpy(s->pending, s->level, sizeof(s->pending)); /* lines that are high ask again */
    for (uint32_t i = 0; i < s->num_contexts; i++) {
        memset(s->contexts[i].enable, 0, sizeof(s->contexts[i].enable));
        s->contexts[i].threshold = 0;
    }
    plic_update(s);
}

static bool plic_realize(Device *dev, Error **errp)
{
    Plic *s = dev_state(dev, Plic);

    if (!s->num_sources || s->num_sources > PLIC_MAX_SOURCES) {
        return error_fail(errp, "%s: property 'num-sources' must be 1 to %d", TYPE_SIFIVE_PLIC,
                          PLIC_MAX_SOURCES);
    }
    if (!s->num_contexts || s->num_contexts > PLIC_MAX_CONTEXTS) {
        return error_fail(errp, "%s: property 'num-contexts' must be 1 to %d", TYPE_SIFIVE_PLIC,
                          PLIC_MAX_CONTEXTS);
    }
    s->contexts = g_new0(Context, s->num_contexts);
    for (uint32_t i = 0; i < s->num_contexts; i++) {
        irq_line_init(&s->contexts[i].irq, dev, "context");
    }
    irq_inputs_init(dev, NULL, plic_input, s, s->num_sources + 1);
    mem_init_io(&s->regs, &dev->obj, &plic_mem_ops, s, "riscv.sifive.plic",
                CONTEXT + (uint64_t)CONTEXT_STRIDE * s->num_contexts);
    mmio_device_add_region(&s->parent, &s->regs);
    return true;
}

static void plic_snapshot(Device *dev, Snapshot *sn)
{
    Plic *s = dev_state(dev, Plic);

    snap_section(sn, "plic", 1);
    snap_u32_array(sn, s->priority, s->num_sources + 1);
    snap_u32_array(sn, s->pending, PLIC_WORDS);
    snap_u32_array(sn, s->claimed, PLIC_WORDS);
    snap_u32_array(sn, s->level, PLIC_WORDS);
    for (uint32_t i = 0; i < s->num_contexts; i++) {
        snap_u32_array(sn, s->contexts[i].enable, PLIC_WORDS);
        snap_u32(sn, &s->contexts[i].threshold);
    }
}

/* A snapshot is hostile: no bit may stand for a source that does not exist. */
static void plic_after_load(Device *dev)
{
    Plic *s = dev_state(dev, Plic);

    for (unsigned w = 0; w < PLIC_WORDS; w++) {
        s->pending[w] &= source_mask(s, w);
        for (uint32_t i = 0; i < s->num_contexts; i++) {
            s->contexts[i].enable[w] &= source_mask(s, w);
        }
    }
    plic_update(s);
}

static const PropDesc plic_props[] = {
    PROP_U32("num-sources", Plic, num_sources, 0, "highest interrupt source number"),
    PROP_U32("num-contexts", Plic, num_contexts, 0, "number of targets"), PROP_END};

static const DeviceOps plic_ops = DEVICE_OPS(plic_snapshot, .realize = plic_realize,
                                             .reset = plic_reset, .after_load = plic_after_load);
QOM_TYPE(plic_type, .name = TYPE_SIFIVE_PLIC, .parent = TYPE_MMIO_DEVICE, .size = sizeof(Plic),
         .desc = "RISC-V PLIC", .props = plic_props, .dev = &plic_ops);
