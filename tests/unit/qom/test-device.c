/* SPDX-License-Identifier: MIT */
/* Devices and buses (softmmu/qom/{device,bus,help}.c). */
#include "rhea/osdep.h"

#include "qom/device.h"

typedef struct Pup {
    Device dev;
    uint32_t age;
} Pup;

static GString *trace;

static bool base_realize(Device *dev, Error **errp)
{
    g_string_append(trace, "base+");
    return true;
}

static void base_unrealize(Device *dev)
{
    g_string_append(trace, "base-");
}

static void base_reset(Device *dev)
{
    g_string_append_printf(trace, "base0(%u)", ((Pup *)dev)->age);
}

static bool leaf_realize(Device *dev, Error **errp)
{
    g_string_append(trace, "leaf+");
    return ((Pup *)dev)->age < 100 || error_fail(errp, "pup: property 'age' must be below 100");
}

static void leaf_unrealize(Device *dev)
{
    g_string_append(trace, "leaf-");
}

static void leaf_reset(Device *dev)
{
    g_string_append(trace, "leaf0");
}

static bool house_realize(Device *dev, Error **errp)
{
    bus_new(dev, "pup-bus", "pups.0", 2);
    return true;
}

/* Somebody moves in, and then it cannot be built. */
static bool ruin_realize(Device *dev, Error **errp)
{
    Device *pup = (Device *)qom_new("pup");

    g_assert_true(device_realize(pup, dev->machine, dev->buses->pdata[0], NULL));
    qom_put(&pup->obj);
    return error_fail(errp, "ruin: no roof");
}

static const PropDesc pup_props[] = {PROP_U32("age", Pup, age, 1, NULL),
                                     PROP_U32("weight", Pup, age, 1, NULL, .runtime = true),
                                     PROP_END};
static const DeviceOps base_ops =
    DEVICE_OPS(device_no_state, .realize = base_realize, .unrealize = base_unrealize,
               .reset = base_reset, .bus = "pup-bus");
QOM_TYPE(base_type, .name = "base-pup", .parent = TYPE_DEVICE, .size = sizeof(Pup),
         .abstract = true, .props = pup_props, .dev = &base_ops);
static const DeviceOps leaf_ops =
    DEVICE_OPS(device_no_state, .realize = leaf_realize, .unrealize = leaf_unrealize,
               .reset = leaf_reset, .user_creatable = true, .category = "Input devices");
QOM_TYPE(leaf_type, .name = "pup", .parent = "base-pup", .desc = "Barks", .dev = &leaf_ops);
static const DeviceOps house_ops = DEVICE_OPS(device_no_state, .realize = house_realize);
QOM_TYPE(house_type, .name = "house", .parent = TYPE_DEVICE, .dev = &house_ops);
static const DeviceOps ruin_ops = DEVICE_OPS(device_no_state, .realize = ruin_realize);
QOM_TYPE(ruin_type, .name = "ruin", .parent = "house", .dev = &ruin_ops);
QOM_TYPE(pup_bus_type, .name = "pup-bus", .parent = TYPE_BUS);
QOM_TYPE(cat_bus_type, .name = "cat-bus", .parent = TYPE_BUS);

static void expect_trace(const char *text)
{
    g_assert_cmpstr(trace->str, ==, text);
    g_string_truncate(trace, 0);
}

static void expect_error(Error **err, const char *text)
{
    g_assert_cmpstr(error_text(*err), ==, text);
    g_clear_pointer(err, error_free);
}

static Device *house_new(Object *machine)
{
    Device *house = (Device *)qom_new("house");

    qom_add_child(machine, "house[*]", &house->obj);
    g_assert_true(device_realize(house, (struct Machine *)machine, NULL, NULL));
    qom_put(&house->obj);
    return house;
}

static void test_life(void)
{
    Object *machine = qom_new("container");
    Device *house = house_new(machine);
    Bus *bus = bus_find((struct Machine *)machine, "pup-bus", NULL, NULL);
    Device *pup = (Device *)qom_new("pup");
    g_autoptr(Error) err = NULL;

    g_assert_true(bus == house->buses->pdata[0]);
    g_assert_true(device_realize(pup, (struct Machine *)machine, bus, NULL));
    expect_trace("base+leaf+");
    device_reset(house);
    expect_trace("base0(1)leaf0");
    g_assert_false(qom_prop_set(&pup->obj, "age", "2", &err));
    expect_error(&err, "pup: property 'age' cannot be changed while the device is in use");
    g_assert_true(qom_prop_set(&pup->obj, "weight", "2", NULL));
    device_unrealize(pup);
    expect_trace("leaf-base-");
    g_assert_cmpuint(bus->devices->len, ==, 0);
    g_assert_true(device_realize(pup, (struct Machine *)machine, bus, NULL));
    qom_put(&pup->obj);
    g_string_truncate(trace, 0);
    qom_put(machine); /* takes the house, its bus and the pup with it */
    expect_trace("leaf-base-");
}

static void test_failure(void)
{
    Object *machine = qom_new("container");
    Device *house = house_new(machine);
    Bus *bus = house->buses->pdata[0];
    Device *pup = (Device *)qom_new("pup");
    g_autoptr(Error) err = NULL;

    g_assert_true(qom_prop_set(&pup->obj, "age", "100", NULL));
    g_assert_false(device_realize(pup, NULL, bus, &err));
    expect_error(&err, "pup: property 'age' must be below 100");
    expect_trace("base+leaf+base-");
    g_assert_cmpuint(bus->devices->len, ==, 0);
    g_assert_false(device_realize(pup, NULL, NULL, &err));
    expect_error(&err, "pup: there is no 'pup-bus' bus for this device");
    qom_put(&pup->obj);
    qom_put(machine);
    g_string_truncate(trace, 0);
}

/* What was plugged into it before it failed goes. */
static void test_failure_with_children(void)
{
    Object *machine = qom_new("container");
    Device *ruin = (Device *)qom_new("ruin");
    g_autoptr(Error) err = NULL;

    g_string_truncate(trace, 0);
    qom_add_child(machine, "ruin", &ruin->obj);
    g_assert_false(device_realize(ruin, (struct Machine *)machine, NULL, &err));
    expect_error(&err, "ruin: no roof");
    expect_trace("base+leaf+leaf-base-");
    qom_put(&ruin->obj);
    qom_put(machine);
}

static void test_bus_find(void)
{
    Object *machine = qom_new("container");
    struct Machine *m = (struct Machine *)machine;
    Device *house = house_new(machine);
    Bus *bus = house->buses->pdata[0];
    g_autoptr(Error) err = NULL;

    g_assert_null(bus_find(m, "pup-bus", "pups.1", &err));
    expect_error(&err, "bus 'pups.1' is not known; did you mean 'pups.0'? (accepted: pups.0)");
    g_assert_null(bus_find(m, "cat-bus", "pups.0", &err));
    expect_error(&err, "bus 'pups.0' is a 'pup-bus', not a 'cat-bus'");
    g_assert_null(bus_find(m, "cat-bus", NULL, &err));
    expect_error(&err, "the machine has no 'cat-bus' bus");
    for (int i = 0; i < 2; i++) {
        Device *pup = (Device *)qom_new("pup");

        g_assert_true(device_realize(pup, m, bus, NULL));
        qom_put(&pup->obj);
    }
    g_assert_null(bus_find(m, "pup-bus", NULL, &err));
    expect_error(&err, "no 'pup-bus' bus has a free place");
    g_assert_null(bus_find(m, "pup-bus", "pups.0", &err));
    expect_error(&err, "bus 'pups.0' has no free place");
    qom_put(machine);
}

static void test_help(void)
{
    g_autofree char *text = NULL;
    g_autoptr(Error) err = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    device_print_help(f);
    fclose(f);
    g_assert_cmpstr(text, ==, "Input devices:\nname \"pup\", bus pup-bus, desc \"Barks\"\n");
    g_assert_false(device_check_type("pub", &err));
    expect_error(&err, "device type 'pub' is not known; did you mean 'pup'? (accepted: pup)");
    g_assert_false(device_check_type("house", &err));
    expect_error(&err, "device type 'house' is part of a machine and cannot be added");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    trace = g_string_new(NULL);
    g_test_add_func("/device/life", test_life);
    g_test_add_func("/device/failure", test_failure);
    g_test_add_func("/qom/device/failure-with-children", test_failure_with_children);
    g_test_add_func("/device/bus-find", test_bus_find);
    g_test_add_func("/device/help", test_help);
    return g_test_run();
}
