/* SPDX-License-Identifier: MIT */
/* Error objects and name suggestions (softmmu/util/error.c). */
#include "rhea/osdep.h"

#include "rhea/error.h"

static const char *const names[] = {"virtio-blk-device", "virtio-net-device", "pl011", NULL};

static void test_fail(void)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(error_fail(&err, "-m: '%s' is too large", "9E"));
    g_assert_cmpstr(error_text(err), ==, "-m: '9E' is too large");
    error_prepend(&err, "vm %d: ", 3);
    g_assert_cmpstr(error_text(err), ==, "vm 3: -m: '9E' is too large");
    g_assert_false(error_fail(NULL, "nobody listens"));
}

static void test_errno(void)
{
    g_autoptr(Error) err = NULL;

    error_fail_errno(&err, ENOENT, "-kernel: cannot open '%s'", "x");
    g_assert_cmpstr(error_text(err), ==, "-kernel: cannot open 'x': No such file or directory");
}

static void test_nearest(void)
{
    g_assert_cmpstr(nearest_name("virtio-blk-devise", names), ==, "virtio-blk-device");
    g_assert_cmpstr(nearest_name("PL011", names), ==, "pl011");
    g_assert_null(nearest_name("zzzz", names));
    g_assert_null(nearest_name("", names));
}

static void test_unknown(void)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(error_unknown_name(&err, "-device: type", "pl01", names));
    g_assert_cmpstr(error_text(err), ==,
                    "-device: type 'pl01' is not known; did you mean 'pl011'? (accepted: "
                    "virtio-blk-device, virtio-net-device, pl011)");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/fail", test_fail);
    g_test_add_func("/error/errno", test_errno);
    g_test_add_func("/error/nearest", test_nearest);
    g_test_add_func("/error/unknown", test_unknown);
    return g_test_run();
}
