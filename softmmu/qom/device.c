/* SPDX-License-Identifier: MIT */
/* The life of a device: realize, reset, unrealize along its chain of types.  Machine lock. */
#include "rhea/osdep.h"

#include "qom/device.h"

#include "qom-int.h"

/*
 * The types from @t up to TYPE_DEVICE that have operations of their own, most derived first.  Each
 * contributes its realize, reset and snapshot once.
 */
static GPtrArray *device_chain(const ObjectType *t)
{
    GPtrArray *chain = g_ptr_array_new();

    for (; t; t = qom_type_parent(t)) {
        if (t->dev) {
            g_ptr_array_add(chain, (DeviceOps *)t->dev);
        }
    }
    return chain;
}

void device_no_state(Device *dev, struct Snapshot *sn)
{
}

const char *device_type_bus(const ObjectType *t)
{
    for (; t; t = qom_type_parent(t)) {
        if (t->dev && t->dev->bus) {
            return t->dev->bus;
        }
    }
    return NULL;
}

bool device_is_nic(const ObjectType *t)
{
    const DeviceOps *ops = qom_type_is(t, TYPE_DEVICE) ? qom_type_dev(t) : NULL;

    return ops && !t->abstract && ops->user_creatable && ops->category &&
           !strcmp(ops->category, "Network devices");
}

static bool device_check_bus(Device *dev, Bus *bus, Error **errp)
{
    const char *wanted = device_type_bus(dev->obj.type);
    const char *name = qom_display_name(&dev->obj);

    if (!wanted) {
        return !bus || error_fail(errp, "%s: this device does not plug into a bus", name);
    }
    if (!bus) {
        return error_fail(errp, "%s: there is no '%s' bus for this device", name, wanted);
    }
    if (!qom_is(&bus->obj, wanted)) {
        return error_fail(errp, "%s: the device needs a bus of type '%s', but '%s' is a '%s'", name,
                          wanted, bus->name, bus->obj.type->name);
    }
    if (bus->max_devices && bus->devices->len >= bus->max_devices) {
        return error_fail(errp, "%s: bus '%s' has no free place", name, bus->name);
    }
    return true;
}

/* Undoes what the device made while it was being realized: buses and interrupt lines. */
static void device_drop_wiring(Device *dev)
{
    while (dev->buses->len) {
        Bus *bus = dev->buses->pdata[dev->buses->len - 1];

        g_ptr_array_set_size(dev->buses, dev->buses->len - 1);
        qom_unparent(&bus->obj);
        qom_put(&bus->obj);
    }
    g_clear_pointer(&dev->irq_outs, g_ptr_array_unref);
    g_clear_pointer(&dev->irq_ins, g_ptr_array_unref);
}

bool device_resolve(Device *dev, struct Machine *machine, Error **errp)
{
    const DeviceOps *ops = qom_type_dev(dev->obj.type);

    dev->machine = machine;
    return !ops || !ops->resolve || ops->resolve(dev, errp);
}

/* Also those of a device that is only partly realized. */
static void device_unrealize_children(Device *dev)
{
    for (unsigned i = 0; i < dev->buses->len; i++) {
        Bus *bus = dev->buses->pdata[i];

        while (bus->devices->len) {
            Device *child = bus->devices->pdata[bus->devices->len - 1];

            device_unrealize(child);
        }
    }
}

bool device_realize(Device *dev, struct Machine *machine, Bus *bus, Error **errp)
{
    g_autoptr(GPtrArray) chain = device_chain(dev->obj.type);
    unsigned done = chain->len;

    g_assert(!dev->realized);
    if (!qom_global_check(errp) || !device_check_bus(dev, bus, errp)) {
        return false;
    }
    dev->machine = machine;
    dev->parent_bus = bus;
    for (; done; done--) {
        const DeviceOps *ops = chain->pdata[done - 1];

        if (ops->realize && !ops->realize(dev, errp)) {
            break;
        }
    }
    if (done) {
        device_unrealize_children(dev);
        for (; done < chain->len; done++) {
            const DeviceOps *ops = chain->pdata[done];

            if (ops->unrealize) {
                ops->unrealize(dev);
            }
        }
        device_drop_wiring(dev);
        dev->parent_bus = NULL;
        return false;
    }
    if (bus) {
        g_ptr_array_add(bus->devices, qom_get_ref(&dev->obj));
    }
    dev->realized = true;
    return true;
}

void device_unrealize(Device *dev)
{
    g_autoptr(GPtrArray) chain = NULL;
    Bus *bus = dev->parent_bus;

    if (!dev->realized) {
        return;
    }
    chain = device_chain(dev->obj.type);
    dev->realized = false;
    device_unrealize_children(dev);
    for (unsigned i = 0; i < chain->len; i++) {
        const DeviceOps *ops = chain->pdata[i];

        if (ops->unrealize) {
            ops->unrealize(dev);
        }
    }
    device_drop_wiring(dev);
    dev->parent_bus = NULL;
    if (bus && g_ptr_array_remove(bus->devices, dev)) {
        qom_put(&dev->obj);
    }
}

void device_reset(Device *dev)
{
    g_autoptr(GPtrArray) chain = device_chain(dev->obj.type);

    for (unsigned i = 0; i < dev->buses->len; i++) {
        Bus *bus = dev->buses->pdata[i];

        for (unsigned j = 0; j < bus->devices->len; j++) {
            device_reset(bus->devices->pdata[j]);
        }
    }
    for (unsigned i = chain->len; i; i--) {
        const DeviceOps *ops = chain->pdata[i - 1];

        if (ops->reset) {
            ops->reset(dev);
        }
    }
}

void device_snapshot(Device *dev, struct Snapshot *sn)
{
    g_autoptr(GPtrArray) chain = device_chain(dev->obj.type);

    for (unsigned i = chain->len; i; i--) {
        ((const DeviceOps *)chain->pdata[i - 1])->snapshot(dev, sn);
    }
}

void device_after_load(Device *dev)
{
    g_autoptr(GPtrArray) chain = device_chain(dev->obj.type);

    for (unsigned i = chain->len; i; i--) {
        const DeviceOps *ops = chain->pdata[i - 1];

        if (ops->after_load) {
            ops->after_load(dev);
        }
    }
}

void device_forked(Device *dev)
{
    g_autoptr(GPtrArray) chain = device_chain(dev->obj.type);

    for (unsigned i = chain->len; i; i--) {
        const DeviceOps *ops = chain->pdata[i - 1];

        if (ops->forked) {
            ops->forked(dev);
        }
    }
}

void device_collect(Object *obj, GPtrArray *devices)
{
    if (qom_is(obj, TYPE_DEVICE) && ((Device *)obj)->realized) {
        g_ptr_array_add(devices, obj);
    }
    for (unsigned i = 0; i < obj->children->len; i++) {
        device_collect(obj->children->pdata[i], devices);
    }
}

/* --- Type --- */

static void device_init(Object *obj)
{
    ((Device *)obj)->buses = g_ptr_array_new();
}

static void device_fini(Object *obj)
{
    Device *dev = (Device *)obj;

    device_drop_wiring(dev); /* lines declared before realize */
    g_ptr_array_unref(dev->buses);
    g_free(dev->id);
}

static const PropDesc device_props[] = {
    PROP_BOOL("realized", Device, realized, false, "whether the device is in use",
              .read_only = true),
    PROP_END,
};

static const DeviceOps device_ops = DEVICE_OPS(device_no_state);

QOM_TYPE(device_type, .name = TYPE_DEVICE, .parent = "object", .size = sizeof(Device),
         .abstract = true, .props = device_props, .init = device_init, .fini = device_fini,
         .dev = &device_ops);
