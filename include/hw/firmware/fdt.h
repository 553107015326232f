/* SPDX-License-Identifier: MIT */
/*
 * Building and editing flattened device trees: thin, path-based forms of libfdt for boards.
 * The calls that take a path abort when it does not exist: paths are the board's own.
 */
#ifndef HW_FIRMWARE_FDT_H
#define HW_FIRMWARE_FDT_H

#include "rhea/error.h"

/* An empty tree with room to grow; free with g_free(). */
void *fdt_build_new(void);
/* The tree in @path, checked, with room to grow; NULL and errp when it is not a device tree. */
void *fdt_build_load(const char *path, Error **errp);
/* Adds the node; its parent must exist. An existing node stays as it is. */
void fdt_build_node(void *fdt, const char *path);
/* A phandle that no node has yet is given to @path. */
uint32_t fdt_build_phandle(void *fdt, const char *path);

void fdt_build_cells_n(void *fdt, const char *path, const char *name, const uint32_t *cells,
                       size_t n);
#define fdt_build_cells(fdt, path, name, ...)                                                      \
    fdt_build_cells_n(fdt, path, name, (const uint32_t[]){__VA_ARGS__},                            \
                      sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
void fdt_build_string(void *fdt, const char *path, const char *name, const char *value);
/* @list ends with NULL. */
void fdt_build_strings(void *fdt, const char *path, const char *name, const char *const *list);
void fdt_build_bytes(void *fdt, const char *path, const char *name, const void *data, size_t len);
void fdt_build_flag(void *fdt, const char *path, const char *name);
/* Address and size in two cells each. */
void fdt_build_reg(void *fdt, const char *path, uint64_t addr, uint64_t size);

/* The packed tree, @fdt freed. */
GBytes *fdt_build_finish(void *fdt);

#endif
