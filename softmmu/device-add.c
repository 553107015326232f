/* SPDX-License-Identifier: MIT */
/* Devices and objects that users add and remove; see softmmu/device-add.h. */
#include "rhea/osdep.h"

#include "softmmu/device-add.h"
#include "softmmu/runstate.h"

static bool id_valid(const char *what, const char *id, Error **errp)
{
    bool good = g_ascii_isalpha(*id);

    for (const char *c = id; *c; c++) {
        good = good && (g_ascii_isalnum(*c) || strchr("-._", *c));
    }
    return good || error_fail(errp,
                              "%s: id '%s' is not valid (letters, digits, '-', '.', '_'; a "
                              "letter first)",
                              what, id);
}

static Object *child_find(Object *folder, const char *name)
{
    for (guint i = 0; folder->children && i < folder->children->len; i++) {
        Object *child = g_ptr_array_index(folder->children, i);

        if (!strcmp(child->name, name)) {
            return child;
        }
    }
    return NULL;
}

/* --- Devices --- */

static void device_add_name(const ObjectType *t, void *opaque)
{
    const DeviceOps *ops = qom_type_dev(t);

    if (!t->abstract && ops && ops->user_creatable) {
        g_ptr_array_add(opaque, (char *)t->name);
    }
}

static const ObjectType *device_add_type(Machine *m, const char *driver, bool hotplug, Error **errp)
{
    const char *name = device_resolve_alias(m, driver);
    const ObjectType *t = qom_type_find(name);
    const DeviceOps *ops;

    if (!t || !qom_type_is(t, TYPE_DEVICE)) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        qom_type_foreach(TYPE_DEVICE, device_add_name, names);
        g_ptr_array_add(names, NULL);
        error_unknown_name(errp, "-device: type", driver, (const char *const *)names->pdata);
        return NULL;
    }
    ops = qom_type_dev(t);
    if (t->abstract || !ops || !ops->user_creatable) {
        error_fail(errp, "-device: '%s' is part of machines and cannot be added", driver);
        return NULL;
    }
    if (hotplug && !ops->hotpluggable) {
        error_fail(errp, "device '%s' cannot be added while the machine is there", driver);
        return NULL;
    }
    return t;
}

static bool device_add_prop(const char *key, const char *value, void *opaque, Error **errp)
{
    Device *dev = opaque;

    return qom_prop_set(&dev->obj, key, value, errp);
}

/* Where buses come from: devices that bring one, and machines that have it. */
static const struct {
    const char *bus;
    const char *devices[3], *machines[4];
} bus_sources[] = {
    {"SCSI", .devices = {"virtio-scsi-pci", "virtio-scsi-device"}},
    {"virtio-serial-bus", .devices = {"virtio-serial-pci", "virtio-serial-device"}},
    {"IDE", .devices = {"ich9-ahci"}, .machines = {"pc", "q35"}},
    {"PCI", .machines = {"pc", "q35", "virt"}},
    {"PCIE", .machines = {"q35", "virt"}},
    {"ISA", .machines = {"pc", "q35"}},
    {"floppy-bus", .machines = {"pc", "q35"}},
    {"virtio-bus", .machines = {"virt"}},
};

/* A device of that type finds its own bus. */
static bool fits(Machine *m, const char *type)
{
    const ObjectType *t = qom_type_find(type);

    return t && bus_find(m, device_type_bus(t), NULL, NULL);
}

/* Adds to the error what would work in this machine, or which machine would do. */
static void suggest_bus(Machine *m, const char *type, const char *bus_type, Error **errp)
{
    g_autofree char *base = g_str_has_suffix(type, "-device")
                                ? g_strndup(type, strlen(type) - strlen("-device"))
                                : NULL;
    g_autofree char *on_pci = base ? g_strconcat(base, "-pci", NULL) : NULL;

    if (on_pci && fits(m, on_pci)) {
        error_append(errp, " ('%s' is the same for its PCI)", on_pci);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(bus_sources); i++) {
        if (strcmp(bus_sources[i].bus, bus_type)) {
            continue;
        }
        for (const char *const *d = bus_sources[i].devices; *d; d++) {
            if (fits(m, *d)) {
                error_append(errp, " (-device %s makes one)", *d);
                return;
            }
        }
        for (const char *const *n = bus_sources[i].machines; *n; n++) {
            if (machine_type_find(*n, NULL)) {
                error_append(errp, " (-M %s has one)", *n);
                return;
            }
        }
    }
    error_append(errp, " (no machine of this architecture has one)");
}

static bool device_add_realize(Machine *m, Device *dev, const char *bus_name, Error **errp)
{
    const char *bus_type = NULL;
    Bus *bus = NULL;

    for (const ObjectType *t = dev->obj.type; t && !bus_type;
         t = t->parent ? qom_type_find(t->parent) : NULL) {
        bus_type = t->dev ? t->dev->bus : NULL;
    }
    if (bus_type) {
        bus = bus_find(m, bus_type, bus_name, errp);
        if (!bus) {
            if (!bus_name && !bus_exists(m, bus_type, NULL)) {
                suggest_bus(m, dev->obj.type->name, bus_type, errp);
            }
            error_prepend(errp, "-device %s: ", dev->obj.type->name);
            return false;
        }
    } else if (bus_name) {
        return error_fail(errp, "-device %s: it does not sit on a bus (bus='%s')",
                          dev->obj.type->name, bus_name);
    }
    if (!device_realize(dev, m, bus, errp)) {
        error_prepend(errp, "-device ");
        return false;
    }
    return true;
}

bool device_add_opts(Machine *m, Opts *o, bool hotplug, Error **errp)
{
    const char *driver = opts_take(o, "driver");
    const char *id = opts_take(o, "id");
    const char *bus = opts_take(o, "bus");
    Object *folder = id ? m->peripheral : m->peripheral_anon;
    const ObjectType *t;
    Device *dev;
    g_autofree char *name = NULL;

    if (!driver) {
        return error_fail(errp, "-device: no driver is named");
    }
    t = device_add_type(m, driver, hotplug, errp);
    if (!t) {
        return false;
    }
    if (id && (!id_valid("-device", id, errp))) {
        return false;
    }
    if (id && child_find(folder, id)) {
        return error_fail(errp, "-device %s: id '%s' is taken by another device", driver, id);
    }
    name = id ? g_strdup(id)
              : g_strdup_printf("device[%u]", folder->children ? folder->children->len : 0);
    dev = (Device *)qom_new(t->name);
    dev->id = g_strdup(id);
    qom_add_child(folder, name, &dev->obj);
    if (!opts_foreach_rest(o, device_add_prop, dev, errp)) {
        error_prepend(errp, "-device %s: ", driver);
        goto fail;
    }
    if (!device_add_realize(m, dev, bus, errp)) {
        goto fail;
    }
    if (hotplug) {
        device_reset(dev);
    }
    qom_put(&dev->obj); /* the tree holds it */
    return true;

fail:
    qom_unparent(&dev->obj);
    qom_put(&dev->obj);
    return false;
}

bool device_add_usb(Machine *m, Error **errp)
{
    g_autoptr(Opts) o = opts_new("usb=on");

    opts_add(o, "driver", "qemu-xhci");
    opts_add(o, "addr", "0x1d");
    return device_add_opts(m, o, false, errp);
}

bool device_del(Machine *m, const char *id, Error **errp)
{
    Object *obj = *id == '/' ? qom_resolve(qom_root(), id) : child_find(m->peripheral, id);
    g_autofree char *path = NULL;
    g_autofree char *data = NULL;
    const DeviceOps *ops;
    Device *dev;

    if (!obj || !qom_is(obj, TYPE_DEVICE)) {
        return error_fail(errp, "Device '%s' not found", id);
    }
    dev = (Device *)obj;
    ops = qom_type_dev(obj->type);
    if (!ops->hotpluggable || (obj->parent != m->peripheral && obj->parent != m->peripheral_anon)) {
        return error_fail(errp, "Device '%s' does not support hotplugging", id);
    }
    path = qom_path(obj);
    data = dev->id ? g_strdup_printf("{\"device\": \"%s\", \"path\": \"%s\"}", dev->id, path)
                   : g_strdup_printf("{\"path\": \"%s\"}", path);
    device_unrealize(dev);
    qom_unparent(obj);
    event_emit("DEVICE_DELETED", data);
    return true;
}

/* --- Objects --- */

static void object_add_name(const ObjectType *t, void *opaque)
{
    if (!t->abstract && t->user_creatable) {
        g_ptr_array_add(opaque, (char *)t->name);
    }
}

static bool object_add_prop(const char *key, const char *value, void *opaque, Error **errp)
{
    return qom_prop_set(opaque, key, value, errp);
}

static bool object_complete(Object *obj, Error **errp)
{
    for (const ObjectType *t = obj->type; t; t = t->parent ? qom_type_find(t->parent) : NULL) {
        if (t->complete) {
            return t->complete(obj, errp);
        }
    }
    return true;
}

bool object_add_opts(Opts *o, Error **errp)
{
    const char *type = opts_take(o, "qom-type");
    const char *id = opts_take(o, "id");
    Object *folder = qom_container(qom_root(), "/objects");
    const ObjectType *t = type ? qom_type_find(type) : NULL;
    Object *obj;

    if (!type) {
        return error_fail(errp, "-object: no type is named (qom-type=)");
    }
    if (!t || t->abstract || !t->user_creatable) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        qom_type_foreach(NULL, object_add_name, names);
        g_ptr_array_add(names, NULL);
        return error_unknown_name(errp, "-object: type", type, (const char *const *)names->pdata);
    }
    if (!id) {
        return error_fail(errp, "-object %s: id= is missing", type);
    }
    if (!id_valid("-object", id, errp)) {
        return false;
    }
    if (child_find(folder, id)) {
        return error_fail(errp, "-object %s: id '%s' is taken by another object", type, id);
    }
    obj = qom_new(type);
    qom_add_child(folder, id, obj);
    if (!opts_foreach_rest(o, object_add_prop, obj, errp) || !object_complete(obj, errp)) {
        error_prepend(errp, "-object %s: ", type);
        qom_unparent(obj);
        qom_put(obj);
        return false;
    }
    qom_put(obj); /* the tree holds it */
    return true;
}

bool object_del(const char *id, Error **errp)
{
    Object *obj = child_find(qom_container(qom_root(), "/objects"), id);

    if (!obj) {
        return error_fail(errp, "object '%s' not found", id);
    }
    if (obj->refs > 1) {
        return error_fail(errp, "object '%s' is in use, can not be deleted", id);
    }
    qom_unparent(obj);
    return true;
}
