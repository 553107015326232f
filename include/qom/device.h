/* SPDX-License-Identifier: MIT */
/*
 * Devices: objects that a machine owns, with realize, reset and one state list for save and load.
 * A device is declared with DEVICE_OPS(); leaving out its snapshot function does not compile.
 *
 * Life: qom_new() -> properties -> device_realize() -> reset -> ... -> device_unrealize() -> qom_put().
 * Threading: every callback runs under the machine lock.
 */
#ifndef QOM_DEVICE_H
#define QOM_DEVICE_H

#include <stdio.h>

#include "qom/object.h"

typedef struct Device Device;
typedef struct Bus Bus;
struct Machine;
struct Snapshot;
struct Clock;

/* @dev_ is the Device *, State the device's struct (which starts with its parent). */
#define dev_state(dev_, State) ((State *)(void *)(dev_))

/* What kind of bus a device plugs into ("pci", "virtio-bus", ...), NULL for system devices. */
typedef struct DeviceOps {
    /* Sets the properties that follow from others, as realize does; for who asks what a type would be. */
    bool (*resolve)(Device *dev, Error **errp);
    bool (*realize)(Device *dev, Error **errp);
    void (*unrealize)(Device *dev);
    void (*reset)(Device *dev);
    void (*snapshot)(Device *dev, struct Snapshot *sn); /* required: one list for save and load */
    void (*after_load)(Device *dev);
    void (*forked)(Device *dev); /* this is a copy of the machine now: see softmmu/fork.h */
    const char *bus;             /* type of bus wanted; inherited */
    const char *category;        /* heading in -device help: "Storage devices" ... */
    bool user_creatable;         /* -device */
    bool hotpluggable;
} DeviceOps;

struct Device {
    Object obj;
    struct Machine *machine; /* set by device_realize() */
    Bus *parent_bus;
    char *id; /* -device id= */
    bool realized;
    GPtrArray *buses;    /* Bus *, owned */
    GPtrArray *irq_outs; /* see memory/irq.h */
    GPtrArray *irq_ins;
};

/* A place to plug devices: pci.0, virtio-mmio-bus.3, virtio-serial-bus.0 ... */
struct Bus {
    Object obj;
    Device *owner;
    char *name;
    unsigned max_devices; /* 0: no limit */
    GPtrArray *devices;   /* Device *, plugged and realized */
};

/*
 * Declares and registers a device type.  SNAPSHOT is positional so that it cannot be forgotten:
 *
 *     static const DeviceOps bark_ops = DEVICE_OPS(bark_snapshot, .realize = bark_realize);
 *     QOM_TYPE(bark_type, .name = "bark-wdt", .parent = TYPE_MMIO_DEVICE, .size = sizeof(Bark),
 *              .desc = "Bark watchdog timer", .props = bark_props, .dev = &bark_ops);
 */
#define DEVICE_OPS(SNAPSHOT, ...)                                                                  \
    {                                                                                              \
        .snapshot = (SNAPSHOT), __VA_ARGS__                                                        \
    }

#define TYPE_DEVICE "device"
#define TYPE_BUS    "bus"

/* The type of bus that devices of type @t plug into, NULL: none. */
const char *device_type_bus(const ObjectType *t);

/* A network card that users may create: what -nic model= accepts. */
bool device_is_nic(const ObjectType *t);

/* For a device that has no state of its own beyond its parent's and its properties. */
void device_no_state(Device *dev, struct Snapshot *sn);

/*
 * Realizes @dev: checks properties, plugs it into @bus (NULL: none needed), calls the chain of realize
 * functions parents first.  On failure nothing is left behind.
 */
bool device_realize(Device *dev, struct Machine *machine, Bus *bus, Error **errp) MUST_CHECK;
void device_unrealize(Device *dev);
/* DeviceOps.resolve of a device of @machine that is not realized, if its type has it. */
bool device_resolve(Device *dev, struct Machine *machine, Error **errp) MUST_CHECK;
void device_reset(Device *dev); /* and everything on its buses */

/* Saves or loads the device's state, and what follows a load: parents' parts first (softmmu/snapshot). */
void device_snapshot(Device *dev, struct Snapshot *sn);
void device_after_load(Device *dev);
void device_forked(Device *dev);
/* Realized devices below @obj in the order in which they were added, owners before what they own. */
void device_collect(Object *obj, GPtrArray *devices);

/* The virtual clock of the device's machine. */
struct Clock *device_clock(Device *dev);

Bus *bus_new(Device *owner, const char *bus_type, const char *name, unsigned max_devices);
/*
 * A bus of @bus_type with a free place, or NULL: by name when @name is given, else the first of those that
 * are behind the fewest other devices.
 */
Bus *bus_find(struct Machine *machine, const char *bus_type, const char *name, Error **errp);

/* Whether the machine has a bus of that name (NULL: any) and type. */
bool bus_exists(struct Machine *machine, const char *bus_type, const char *name);

/* False unless @type_name is a device that users may create. */
bool device_check_type(const char *type_name, Error **errp) MUST_CHECK;
/* "-device help" and "-device X,help". */
void device_print_help(FILE *out);
bool device_print_props_help(const char *type_name, FILE *out, Error **errp) MUST_CHECK;
/* Bus-neutral aliases ("virtio-blk" -> "virtio-blk-device" or "-pci" by the machine's default bus). */
const char *device_resolve_alias(struct Machine *machine, const char *name);

#endif
