/* SPDX-License-Identifier: MIT */
/* Interrupt lines (softmmu/memory/irq.c). */
#include "rhea/osdep.h"

#include "memory/irq.h"

#include "qom/device.h"

typedef struct Bell {
    Device dev;
    IrqLine ring, alarm[2];
} Bell;

static GString *heard;

static void bell_input(void *opaque, int n, bool level)
{
    g_string_append_printf(heard, "%s%d=%d ", (const char *)opaque, n, level);
}

static bool bell_realize(Device *dev, Error **errp)
{
    Bell *s = (Bell *)dev;

    irq_line_init(&s->ring, dev, "ring");
    irq_line_init(&s->alarm[0], dev, "alarm");
    irq_line_init(&s->alarm[1], dev, "alarm");
    irq_inputs_init(dev, NULL, bell_input, (char *)"in", 4);
    irq_inputs_init(dev, "mute", bell_input, (char *)"mute", 1);
    return true;
}

static const DeviceOps bell_ops = DEVICE_OPS(device_no_state, .realize = bell_realize);
QOM_TYPE(bell_type, .name = "bell", .parent = TYPE_DEVICE, .size = sizeof(Bell), .dev = &bell_ops);

static void expect_heard(const char *text)
{
    g_assert_cmpstr(heard->str, ==, text);
    g_string_truncate(heard, 0);
}

static Bell *bell_new(void)
{
    Device *dev = (Device *)qom_new("bell");

    g_assert_true(device_realize(dev, NULL, NULL, NULL));
    return (Bell *)dev;
}

static void test_wires(void)
{
    Bell *a = bell_new(), *b = bell_new();

    irq_set(&a->ring, true); /* nobody listens yet */
    irq_connect(&a->ring, &b->dev, NULL, 3);
    expect_heard("in3=1 ");
    irq_set(&a->ring, true);
    expect_heard("");
    irq_set(&a->ring, false);
    expect_heard("in3=0 ");
    irq_pulse(&a->ring);
    expect_heard("in3=1 in3=0 ");
    g_assert_cmpuint(a->ring.raised, ==, 2);
    irq_connect(&a->alarm[1], &b->dev, "mute", 0);
    irq_set(&a->alarm[1], true);
    expect_heard("mute0=1 ");
    g_assert_true(irq_find_out(&a->dev, "alarm", 1) == &a->alarm[1]);
    g_assert_null(irq_find_out(&a->dev, "alarm", 2));
    g_assert_null(irq_find_out(&a->dev, "bark", 0));
    g_assert_true(irq_drive_input(&b->dev, NULL, 0, true));
    expect_heard("in0=1 ");
    g_assert_false(irq_drive_input(&b->dev, NULL, 4, true));
    g_assert_false(irq_drive_input(&b->dev, NULL, -1, true));
    g_assert_false(irq_drive_input(&b->dev, "bark", 0, true));
    qom_put(&a->dev.obj);
    qom_put(&b->dev.obj);
}

static void watch(void *opaque, const char *name, int n, bool level)
{
    g_string_append_printf(heard, "<%s %d %d>", name, n, level);
}

static void test_intercept(void)
{
    Bell *a = bell_new(), *b = bell_new();

    irq_connect(&a->alarm[1], &b->dev, NULL, 2);
    irq_intercept(&a->dev, false, watch, NULL);
    irq_set(&a->alarm[1], true);
    expect_heard("<alarm 1 1>");
    irq_intercept(&a->dev, false, NULL, NULL);
    irq_intercept(&b->dev, true, watch, NULL);
    irq_set(&a->alarm[1], false);
    expect_heard("< 2 0>");
    qom_put(&a->dev.obj);
    qom_put(&b->dev.obj);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    heard = g_string_new(NULL);
    g_test_add_func("/irq/wires", test_wires);
    g_test_add_func("/irq/intercept", test_intercept);
    return g_test_run();
}
