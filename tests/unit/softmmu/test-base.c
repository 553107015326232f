/* SPDX-License-Identifier: MIT */
/* The macros of rhea/base.h that differ from GLib's. */
#include "rhea/osdep.h"

static int calls;

static int count(int v)
{
    calls++;
    return v;
}

static void expect(int got, int wanted, int wanted_calls)
{
    g_assert_cmpint(got, ==, wanted);
    g_assert_cmpint(calls, ==, wanted_calls);
    calls = 0;
}

static void test_arguments_once(void)
{
    expect(MAX(count(3), 0), 3, 1);
    expect(MAX(count(-3), count(-2)), -2, 2);
    expect(MIN(count(3), 7), 3, 1);
    expect(MIN(9, count(7)), 7, 1);
    expect(MIN(MAX(count(1), count(2)), MAX(count(4), count(3))), 2, 4);
    expect(CLAMP(count(5), count(1), count(3)), 3, 3);
    expect(CLAMP(count(0), 1, 3), 1, 1);
    expect(CLAMP(count(2), 1, 3), 2, 1);
}

static void test_types(void)
{
    uint8_t byte = 200;
    const char *text = "ab";

    g_assert_cmpuint(MAX(byte, 0x100000000ULL), ==, 0x100000000ULL);
    g_assert_cmpuint(MIN(UINT64_MAX, byte), ==, 200);
    g_assert_true(MAX(text, text + 1) == text + 1);
    g_assert_true(MIN(-1.5, 1) == -1.5);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/min-max/arguments-once", test_arguments_once);
    g_test_add_func("/base/min-max/types", test_types);
    return g_test_run();
}
