/* SPDX-License-Identifier: MIT */
/*
 * Virtual machine generation ID ("vmgenid").  Spec: "Virtual Machine Generation ID", Microsoft 2012.
 * A random number in the guest's memory, which firmware finds room for and tells us about; it is another one in
 * every machine that goes on from a saved state, and the guest is notified (output "notify") that it is.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/acpi/vmgenid.h"

#include <sys/random.h>

#include "hw/machine.h"
#include "memory/irq.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

typedef struct VmGenId {
    Device dev;
    IrqLine notify;
    /* properties: fixed once realized */
    char *guid_text;
    /* guest-visible: where it is; the identifier itself is never loaded */
    uint64_t addr;
    uint8_t guid[UUID_BYTES];
} VmGenId;

const uint8_t *vmgenid_guid(Device *dev)
{
    return dev_state(dev, VmGenId)->guid;
}

uint64_t vmgenid_addr(Device *dev)
{
    return dev_state(dev, VmGenId)->addr;
}

void vmgenid_set_addr(Device *dev, uint64_t addr)
{
    dev_state(dev, VmGenId)->addr = addr;
}

static bool is_auto(const VmGenId *s)
{
    return g_str_equal(s->guid_text, "auto");
}

static bool choose(VmGenId *s, Error **errp)
{
    if (!is_auto(s)) {
        uuid_to_guid(s->guid_text, s->guid);
    } else if (getrandom(s->guid, UUID_BYTES, 0) != UUID_BYTES) {
        return error_fail_errno(errp, errno, "vmgenid: no random bytes from the host");
    }
    return true;
}

/* Into memory and nothing else, whatever address the guest has told. */
static void show(VmGenId *s)
{
    AddressSpace *as = s->dev.machine->memory;
    uint64_t len = UUID_BYTES;
    void *host = s->addr ? mem_map(as, s->addr, &len, true) : NULL;

    if (!host) {
        return;
    }
    if (len == UUID_BYTES) {
        memcpy(host, s->guid, UUID_BYTES);
    } else {
        log_guest("vmgenid: 0x%" PRIx64 " is no place for it", s->addr);
    }
    mem_unmap(as, host, len, true, len);
}

/* --- Life --- */

static void vmgenid_reset(Device *dev)
{
    dev_state(dev, VmGenId)->addr = 0; /* until firmware has found a place again */
}

static bool vmgenid_realize(Device *dev, Error **errp)
{
    VmGenId *s = dev_state(dev, VmGenId);

    if (!is_auto(s) && !g_uuid_string_is_valid(s->guid_text)) {
        return error_fail(errp, "vmgenid: property 'guid': '%s' is neither 'auto' nor a UUID",
                          s->guid_text);
    }
    irq_line_init(&s->notify, dev, "notify");
    return choose(s, errp);
}

static void vmgenid_snapshot(Device *dev, Snapshot *sn)
{
    snap_section(sn, "vmgenid", 1);
    snap_u64(sn, &dev_state(dev, VmGenId)->addr);
}

/* This is another machine than the one that was saved, even where it is the same process. */
static void vmgenid_another(Device *dev)
{
    VmGenId *s = dev_state(dev, VmGenId);
    g_autoptr(Error) err = NULL;

    if (!choose(s, &err)) {
        log_unimp("%s", error_text(err));
    }
    show(s);
    irq_pulse(&s->notify);
}

static const PropDesc vmgenid_props[] = {
    PROP_STR("guid", VmGenId, guid_text, "auto",
             "the identifier, or 'auto': a random one, and another after each load"),
    PROP_END};

static const DeviceOps vmgenid_ops =
    DEVICE_OPS(vmgenid_snapshot, .realize = vmgenid_realize, .reset = vmgenid_reset,
               .after_load = vmgenid_another, .forked = vmgenid_another, .bus = TYPE_ACPI_BUS,
               .category = "Misc devices", .user_creatable = true);
QOM_TYPE(vmgenid_type, .name = TYPE_VMGENID, .parent = TYPE_DEVICE, .size = sizeof(VmGenId),
         .desc = "virtual machine generation ID", .props = vmgenid_props, .dev = &vmgenid_ops);
QOM_TYPE(acpi_bus_type, .name = TYPE_ACPI_BUS, .parent = TYPE_BUS, .size = sizeof(Bus));
