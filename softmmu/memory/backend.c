/* SPDX-License-Identifier: MIT */
/* "-object memory-backend-{ram,file,memfd},id=,size=,...": RAM that a user describes. */
#include "rhea/osdep.h"

#include "memory/backend.h"

typedef struct MemoryBackend {
    Object obj;
    /* properties: fixed once complete */
    uint64_t size;
    bool share, prealloc, readonly, hugetlb;
    char *mem_path;
    /* made by complete */
    RamBlock *block;
} MemoryBackend;

static bool backend_make(MemoryBackend *b, const RamOptions *opts, Error **errp)
{
    const char *id = b->obj.name ? b->obj.name : b->obj.type->name;

    if (!b->size) {
        return error_fail(errp, "property 'size' is missing");
    }
    b->block = ram_block_new(id, b->size, opts, errp);
    return b->block != NULL;
}

static bool backend_complete_ram(Object *obj, Error **errp)
{
    MemoryBackend *b = (MemoryBackend *)obj;
    RamOptions opts = {.share = b->share, .prealloc = b->prealloc};

    return backend_make(b, &opts, errp);
}

static bool backend_complete_memfd(Object *obj, Error **errp)
{
    MemoryBackend *b = (MemoryBackend *)obj;
    RamOptions opts = {
        .share = b->share, .memfd = true, .prealloc = b->prealloc, .hugepages = b->hugetlb};

    return backend_make(b, &opts, errp);
}

static bool backend_complete_file(Object *obj, Error **errp)
{
    MemoryBackend *b = (MemoryBackend *)obj;
    RamOptions opts = {
        .path = b->mem_path, .share = b->share, .prealloc = b->prealloc, .readonly = b->readonly};

    if (!b->mem_path) {
        return error_fail(errp, "property 'mem-path' is missing");
    }
    return backend_make(b, &opts, errp);
}

static void backend_fini(Object *obj)
{
    ram_block_put(((MemoryBackend *)obj)->block);
}

RamBlock *memory_backend_block(Object *obj)
{
    return ((MemoryBackend *)qom_cast(obj, TYPE_MEMORY_BACKEND))->block;
}

RamBlock *memory_backend_find(const char *id)
{
    Object *folder = qom_container(qom_root(), "/objects");

    for (guint i = 0; folder->children && i < folder->children->len; i++) {
        Object *child = g_ptr_array_index(folder->children, i);

        if (!strcmp(child->name, id) && qom_is(child, TYPE_MEMORY_BACKEND)) {
            return memory_backend_block(child);
        }
    }
    return NULL;
}

/* --- Types --- */

#define BACKEND_COMMON_PROPS                                                                       \
    PROP_SIZE("size", MemoryBackend, size, 0, "Size of the memory region (ex: 500M)"),             \
        PROP_BOOL("prealloc", MemoryBackend, prealloc, false, "Preallocate memory")

static const PropDesc ram_props[] = {
    BACKEND_COMMON_PROPS,
    PROP_BOOL("share", MemoryBackend, share, false, "Let other processes map the memory"),
    PROP_END,
};

static const PropDesc memfd_props[] = {
    BACKEND_COMMON_PROPS,
    PROP_BOOL("share", MemoryBackend, share, true, "Let other processes map the memory"),
    PROP_BOOL("hugetlb", MemoryBackend, hugetlb, false, "Use huge pages"),
    PROP_END,
};

static const PropDesc file_props[] = {
    BACKEND_COMMON_PROPS,
    PROP_BOOL("share", MemoryBackend, share, false, "Write changes to the file"),
    PROP_STR("mem-path", MemoryBackend, mem_path, NULL, "File, or folder for an unnamed file"),
    PROP_BOOL("readonly", MemoryBackend, readonly, false, "Open the file for reading only"),
    PROP_END,
};

QOM_TYPE(memory_backend_type, .name = TYPE_MEMORY_BACKEND, .parent = "object",
         .size = sizeof(MemoryBackend), .abstract = true, .fini = backend_fini);
QOM_TYPE(memory_backend_ram_type, .name = "memory-backend-ram", .parent = TYPE_MEMORY_BACKEND,
         .desc = "Guest memory", .user_creatable = true, .props = ram_props,
         .complete = backend_complete_ram);
QOM_TYPE(memory_backend_memfd_type, .name = "memory-backend-memfd", .parent = TYPE_MEMORY_BACKEND,
         .desc = "Guest memory in a memfd", .user_creatable = true, .props = memfd_props,
         .complete = backend_complete_memfd);
QOM_TYPE(memory_backend_file_type, .name = "memory-backend-file", .parent = TYPE_MEMORY_BACKEND,
         .desc = "Guest memory in a file", .user_creatable = true, .props = file_props,
         .complete = backend_complete_file);
