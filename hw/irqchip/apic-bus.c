/* SPDX-License-Identifier: MIT */
/*
 * Who an interrupt message is for.  Spec: Intel SDM volume 3, 11.6.2 (destinations) and 11.11 (messages
 * of devices).  Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "apic-int.h"
#include "rhea/bits.h"

enum { BROADCAST_8 = 0xff, DFR_FLAT = 0x0f };
#define BROADCAST_32 UINT32_MAX

typedef struct EoiHook {
    void (*eoi)(void *opaque, uint8_t vector);
    void (*again)(void *opaque);
    void *opaque;
} EoiHook;

typedef struct ApicBus {
    MmioDevice parent;
    MemRegion messages;
    GPtrArray *apics; /* Apic * */
    GArray *eoi_hooks;
} ApicBus;

void apic_bus_add(Device *bus, Apic *apic)
{
    g_ptr_array_add(dev_state(bus, ApicBus)->apics, apic);
}

void apic_bus_on_eoi(Device *bus, void (*eoi)(void *opaque, uint8_t vector),
                     void (*again)(void *opaque), void *opaque)
{
    EoiHook hook = {eoi, again, opaque};

    g_array_append_val(dev_state(bus, ApicBus)->eoi_hooks, hook);
}

void apic_bus_eoi(Device *dev, uint8_t vector)
{
    ApicBus *s = dev_state(dev, ApicBus);

    for (guint i = 0; i < s->eoi_hooks->len; i++) {
        EoiHook *hook = &g_array_index(s->eoi_hooks, EoiHook, i);

        hook->eoi(hook->opaque, vector);
    }
}

void apic_bus_reachable(Device *dev)
{
    ApicBus *s = dev_state(dev, ApicBus);

    for (guint i = 0; i < s->eoi_hooks->len; i++) {
        EoiHook *hook = &g_array_index(s->eoi_hooks, EoiHook, i);

        hook->again(hook->opaque);
    }
}

/* --- Destinations --- */

static bool logical_match(const Apic *a, const ApicMessage *msg)
{
    uint32_t ldr = a->ldr >> 24;

    if (apic_is_x2(a)) {
        uint32_t x2 = apic_x2_ldr(a);

        /* A message in the old format reaches cluster 0 only. */
        return x2 >> 16 == (msg->wide ? msg->dest >> 16 : 0) && (x2 & msg->dest & 0xffff);
    }
    if (a->dfr >> 28 == DFR_FLAT) {
        return ldr & msg->dest & 0xff;
    }
    return ldr >> 4 == (msg->dest >> 4 & 15) && (ldr & msg->dest & 15);
}

static bool message_for(const Apic *a, const ApicMessage *msg)
{
    if (!apic_enabled(a)) {
        return false;
    }
    if (msg->dest == (msg->wide ? BROADCAST_32 : BROADCAST_8)) {
        return true;
    }
    return msg->logical ? logical_match(a, msg) : apic_current_id(a) == msg->dest;
}

/* The least busy of the CPUs addressed; the first among equals. */
static bool send_lowest(ApicBus *s, const ApicMessage *msg)
{
    Apic *best = NULL;

    for (guint i = 0; i < s->apics->len; i++) {
        Apic *a = g_ptr_array_index(s->apics, i);

        if (message_for(a, msg) && (!best || apic_priority(a) < apic_priority(best))) {
            best = a;
        }
    }
    return best && apic_take(best, msg);
}

bool apic_bus_send(Device *dev, const ApicMessage *msg)
{
    ApicBus *s = dev_state(dev, ApicBus);
    bool taken = false;

    if (msg->mode == APIC_LOWEST) {
        return send_lowest(s, msg);
    }
    for (guint i = 0; i < s->apics->len; i++) {
        Apic *a = g_ptr_array_index(s->apics, i);

        if (message_for(a, msg)) {
            taken |= apic_take(a, msg);
        }
    }
    return taken;
}

void apic_bus_send_shorthand(Device *dev, unsigned shorthand, Apic *self, const ApicMessage *msg)
{
    ApicBus *s = dev_state(dev, ApicBus);

    for (guint i = 0; i < s->apics->len; i++) {
        Apic *a = g_ptr_array_index(s->apics, i);
        bool is_self = a == self;

        if (shorthand == 2 || is_self == (shorthand == 1)) {
            apic_take(a, msg);
        }
    }
}

/* --- Messages of devices --- */

void apic_bus_send_msi(Device *bus, uint64_t addr, uint32_t data)
{
    ApicMessage msg = {
        .dest = extract64(addr, 12, 8),
        .logical = extract64(addr, 2, 1),
        .level = extract64(data, 15, 1),
        .mode = extract64(data, 8, 3),
        .vector = data,
    };

    apic_bus_send(bus, &msg);
}

static uint64_t messages_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void messages_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ApicBus *s = opaque;

    apic_bus_send_msi(&s->parent.dev, APIC_MSI_ADDR + offset, value);
}

static const MemOps messages_ops = {
    .read = messages_read,
    .write = messages_write,
    .impl_min = 4,
    .impl_max = 4,
};

static bool bus_realize(Device *dev, Error **errp)
{
    ApicBus *s = dev_state(dev, ApicBus);

    s->apics = g_ptr_array_new();
    s->eoi_hooks = g_array_new(FALSE, FALSE, sizeof(EoiHook));
    mem_init_io(&s->messages, &dev->obj, &messages_ops, s, "apic-messages", APIC_MSI_SIZE);
    mmio_device_add_region(&s->parent, &s->messages);
    return true;
}

static const DeviceOps bus_ops = DEVICE_OPS(device_no_state, .realize = bus_realize);
QOM_TYPE(apic_bus_type, .name = TYPE_APIC_BUS, .parent = TYPE_MMIO_DEVICE, .size = sizeof(ApicBus),
         .desc = "connects local APICs", .dev = &bus_ops);
