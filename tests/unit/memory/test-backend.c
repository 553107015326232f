/* SPDX-License-Identifier: MIT */
/* Memory backend objects (softmmu/memory/backend.c). */
#include "rhea/osdep.h"

#include "memory/backend.h"

static void test_ram(void)
{
    Object *b = qom_new("memory-backend-ram");
    g_autoptr(Error) err = NULL;

    g_assert_null(memory_backend_block(b));
    g_assert_false(b->type->complete(b, &err));
    g_assert_cmpstr(error_text(err), ==, "property 'size' is missing");
    g_assert_true(qom_prop_set(b, "size", "4M", NULL));
    g_assert_true(b->type->complete(b, NULL));
    g_assert_cmpuint(memory_backend_block(b)->size, ==, 4 * MiB);
    g_assert_cmpint(memory_backend_block(b)->fd, ==, -1);
    qom_put(b);
    g_assert_null(ram_block_find(0));
}

static void test_memfd(void)
{
    Object *b = qom_new("memory-backend-memfd");

    qom_add_child(qom_container(qom_root(), "/objects"), "m0", b);
    g_assert_true(qom_prop_set(b, "size", "1M", NULL));
    g_assert_true(b->type->complete(b, NULL));
    g_assert_cmpstr(memory_backend_block(b)->id, ==, "m0");
    g_assert_cmpint(memory_backend_block(b)->fd, >=, 0);
    qom_unparent(b);
    qom_put(b);
}

static void test_file(void)
{
    Object *b = qom_new("memory-backend-file");
    g_autoptr(Error) err = NULL;

    g_assert_true(qom_prop_set(b, "size", "1M", NULL));
    g_assert_false(b->type->complete(b, &err));
    g_assert_nonnull(strstr(error_text(err), "'mem-path' is missing"));
    g_clear_pointer(&err, error_free);
    g_assert_true(qom_prop_set(b, "mem-path", "/nonexistent/f", NULL));
    g_assert_false(b->type->complete(b, &err));
    g_assert_nonnull(strstr(error_text(err), "cannot open '/nonexistent/f'"));
    qom_put(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/backend/ram", test_ram);
    g_test_add_func("/backend/memfd", test_memfd);
    g_test_add_func("/backend/file", test_file);
    return g_test_run();
}
