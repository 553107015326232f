/* SPDX-License-Identifier: MIT */
/* Buses: places to plug devices.  Machine lock. */
#include "rhea/osdep.h"

#include "qom/device.h"

Bus *bus_new(Device *owner, const char *bus_type, const char *name, unsigned max_devices)
{
    Bus *bus = qom_cast(qom_new(bus_type), TYPE_BUS);

    bus->owner = owner;
    bus->name = g_strdup(name);
    bus->max_devices = max_devices;
    qom_add_child(&owner->obj, name, &bus->obj);
    g_ptr_array_add(owner->buses, bus);
    return bus;
}

static bool bus_has_room(const Bus *bus)
{
    return !bus->max_devices || bus->devices->len < bus->max_devices;
}

typedef struct BusSearch {
    const char *type, *name;
    Bus *found;       /* matches and has room */
    Bus *other;       /* matches the name or the type, but not all that is asked for */
    GPtrArray *names; /* of buses of the type */
} BusSearch;

/* How many devices are between the bus and the machine. */
static unsigned bus_depth(const Bus *bus)
{
    unsigned depth = 0;

    for (; bus; bus = bus->owner->parent_bus) {
        depth++;
    }
    return depth;
}

static void bus_visit(BusSearch *search, Bus *bus)
{
    bool type_ok = qom_is(&bus->obj, search->type);
    bool name_ok = !search->name || g_str_equal(search->name, bus->name);

    if (type_ok) {
        g_ptr_array_add(search->names, bus->name);
    }
    if (type_ok && name_ok && bus_has_room(bus)) {
        if (!search->found || bus_depth(bus) < bus_depth(search->found)) {
            search->found = bus;
        }
    } else if (name_ok && (type_ok || search->name) && !search->other) {
        search->other = bus;
    }
}

/* Depth first, so that buses of one depth come in the order in which the board made them. */
static void bus_walk(BusSearch *search, Object *obj)
{
    for (unsigned i = 0; i < obj->children->len; i++) {
        Object *child = obj->children->pdata[i];

        if (qom_is(child, TYPE_BUS)) {
            bus_visit(search, (Bus *)child);
        }
        bus_walk(search, child);
    }
}

Bus *bus_find(struct Machine *machine, const char *bus_type, const char *name, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    BusSearch search = {.type = bus_type, .name = name, .names = names};

    bus_walk(&search, (Object *)machine); /* a Machine starts with its Object */
    if (search.found) {
        return search.found;
    }
    g_ptr_array_add(names, NULL);
    if (!search.other && name) {
        error_unknown_name(errp, "bus", name, (const char *const *)names->pdata);
    } else if (!search.other) {
        error_fail(errp, "the machine has no '%s' bus", bus_type);
    } else if (!qom_is(&search.other->obj, bus_type)) {
        error_fail(errp, "bus '%s' is a '%s', not a '%s'", name, search.other->obj.type->name,
                   bus_type);
    } else if (name) {
        error_fail(errp, "bus '%s' has no free place", name);
    } else {
        error_fail(errp, "no '%s' bus has a free place", bus_type);
    }
    return NULL;
}

bool bus_exists(struct Machine *machine, const char *bus_type, const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    BusSearch search = {.type = bus_type, .name = name, .names = names};

    bus_walk(&search, (Object *)machine);
    return search.found || search.other;
}

/* --- Type --- */

static void bus_init(Object *obj)
{
    ((Bus *)obj)->devices = g_ptr_array_new();
}

static void bus_fini(Object *obj)
{
    Bus *bus = (Bus *)obj;

    g_assert(!bus->devices->len); /* device_unrealize() empties the buses first */
    g_ptr_array_unref(bus->devices);
    g_free(bus->name);
}

QOM_TYPE(bus_type_, .name = TYPE_BUS, .parent = "object", .size = sizeof(Bus), .abstract = true,
         .init = bus_init, .fini = bus_fini);
