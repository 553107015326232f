/* SPDX-License-Identifier: MIT */
/*
 * Flattened device trees on libfdt; see hw/firmware/fdt.h.
 * Spec: Devicetree Specification 0.4.
 */
#include "rhea/osdep.h"

#include <libfdt.h>

#include "hw/firmware/fdt.h"

/* Room for 512 harts and every device; a user's tree may be as large again. */
enum { FDT_ROOM = 2 << 20 };

static void check(int ret, const char *path, const char *what)
{
    if (ret < 0) {
        g_error("device tree: %s %s: %s", path, what, fdt_strerror(ret));
    }
}

static int node_at(void *fdt, const char *path)
{
    int node = fdt_path_offset(fdt, path);

    check(node, path, "lookup");
    return node;
}

void *fdt_build_new(void)
{
    void *fdt = g_malloc(FDT_ROOM);

    check(fdt_create_empty_tree(fdt, FDT_ROOM), "/", "create");
    return fdt;
}

void *fdt_build_load(const char *path, Error **errp)
{
    g_autofree char *data = NULL;
    g_autoptr(GError) gerr = NULL;
    void *fdt;
    gsize len;

    if (!g_file_get_contents(path, &data, &len, &gerr)) {
        error_fail(errp, "-dtb: cannot read '%s': %s", path, gerr->message);
        return NULL;
    }
    if (len > FDT_ROOM / 2) {
        error_fail(errp, "-dtb: '%s' has %zu bytes; at most %d fit", path, (size_t)len,
                   FDT_ROOM / 2);
        return NULL;
    }
    fdt = g_malloc(FDT_ROOM);
    if (fdt_check_full(data, len) || fdt_open_into(data, fdt, FDT_ROOM)) {
        error_fail(errp, "-dtb: '%s' is not a valid flattened device tree", path);
        g_free(fdt);
        return NULL;
    }
    return fdt;
}

void fdt_build_node(void *fdt, const char *path)
{
    const char *slash = strrchr(path, '/');
    int parent;

    if (fdt_path_offset(fdt, path) >= 0) {
        return;
    }
    parent = slash == path ? 0 : fdt_path_offset_namelen(fdt, path, slash - path);
    check(parent, path, "parent");
    check(fdt_add_subnode(fdt, parent, slash + 1), path, "add");
}

uint32_t fdt_build_phandle(void *fdt, const char *path)
{
    uint32_t phandle = fdt_get_max_phandle(fdt) + 1;

    check(fdt_setprop_u32(fdt, node_at(fdt, path), "phandle", phandle), path, "phandle");
    return phandle;
}

void fdt_build_bytes(void *fdt, const char *path, const char *name, const void *data, size_t len)
{
    check(fdt_setprop(fdt, node_at(fdt, path), name, data, len), path, name);
}

void fdt_build_cells_n(void *fdt, const char *path, const char *name, const uint32_t *cells,
                       size_t n)
{
    g_autofree fdt32_t *big = g_new(fdt32_t, n);

    for (size_t i = 0; i < n; i++) {
        big[i] = cpu_to_fdt32(cells[i]);
    }
    fdt_build_bytes(fdt, path, name, big, n * sizeof(*big));
}

void fdt_build_string(void *fdt, const char *path, const char *name, const char *value)
{
    fdt_build_bytes(fdt, path, name, value, strlen(value) + 1);
}

void fdt_build_strings(void *fdt, const char *path, const char *name, const char *const *list)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (; *list; list++) {
        g_byte_array_append(bytes, (const guint8 *)*list, strlen(*list) + 1);
    }
    fdt_build_bytes(fdt, path, name, bytes->data, bytes->len);
}

void fdt_build_flag(void *fdt, const char *path, const char *name)
{
    fdt_build_bytes(fdt, path, name, "", 0);
}

void fdt_build_reg(void *fdt, const char *path, uint64_t addr, uint64_t size)
{
    fdt_build_cells(fdt, path, "reg", addr >> 32, addr, size >> 32, size);
}

GBytes *fdt_build_finish(void *fdt)
{
    check(fdt_pack(fdt), "/", "pack");
    return g_bytes_new_take(fdt, fdt_totalsize(fdt));
}
