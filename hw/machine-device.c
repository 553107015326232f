/* SPDX-License-Identifier: MIT */
/* What a device asks of the machine that it belongs to; see qom/device.h. */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pci.h"

struct Clock *device_clock(Device *dev)
{
    return dev->machine->clock[CLOCK_VIRTUAL];
}

static const ObjectType *type_with_suffix(const char *name, const char *suffix)
{
    g_autofree char *full = g_strconcat(name, suffix, NULL);

    return qom_type_find(full);
}

const char *device_resolve_alias(Machine *machine, const char *name)
{
    const char *home = machine ? machine_ops(machine)->default_bus : NULL;
    bool pci_first = !home || g_str_equal(home, TYPE_PCI_BUS);
    const ObjectType *t = NULL;

    if (!qom_type_find(name)) {
        t = type_with_suffix(name, pci_first ? "-pci" : "-device");
        t = t ? t : type_with_suffix(name, pci_first ? "-device" : "-pci");
    }
    return t ? t->name : name;
}

/* --- Network cards of -nic and -net --- */

static void collect_nic(const ObjectType *t, void *opaque)
{
    if (device_is_nic(t)) {
        g_ptr_array_add(opaque, (char *)t->name);
    }
}

const char *machine_nic_type(Machine *m, const char *model, const char *virtio, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const ObjectType *t;

    if (!strcmp(model, "virtio")) {
        return virtio;
    }
    t = qom_type_find(device_resolve_alias(m, model));
    if (t && device_is_nic(t)) {
        return t->name;
    }
    g_ptr_array_add(names, (char *)"virtio");
    qom_type_foreach(TYPE_DEVICE, collect_nic, names);
    g_ptr_array_add(names, NULL);
    error_unknown_name(errp, "-nic: model", model, (const char *const *)names->pdata);
    return NULL;
}
