/* SPDX-License-Identifier: MIT */
/*
 * RAM blocks: where guest memory comes from, and their global numbering.
 *
 * Memory that nobody else maps is private and anonymous, because the host gives it transparent huge
 * pages where memfd pages get none by default; shared memory is a memfd or a file.  Either way it is
 * committed as the guest touches it.
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "memory-int.h"
#include "rhea/bits.h"

/* All blocks by ram_addr; replaced as a whole, readers as in memory-int.h. */
typedef struct RamList {
    unsigned n;
    RamBlock *blocks[];
} RamList;

static RamList *ram_list;
static GMutex ram_list_lock; /* writers */

/* --- The list --- */

static RamList *ram_list_load(void)
{
    return __atomic_load_n(&ram_list, __ATOMIC_SEQ_CST);
}

/*
 * Publishes @list and drops the lock of the writers: freeing the old list may free other things that
 * were retired, RAM blocks among them, which come back here.
 */
static void ram_list_replace_and_unlock(RamList *list)
{
    RamList *old = __atomic_exchange_n(&ram_list, list, __ATOMIC_SEQ_CST);

    g_mutex_unlock(&ram_list_lock);
    if (old) {
        mem_retire(old, g_free);
    }
}

static RamList *ram_list_new(unsigned n)
{
    RamList *list = g_malloc(sizeof(RamList) + n * sizeof(RamBlock *));

    list->n = n;
    return list;
}

/* Gives @rb its number, past all others with a gap, and lists it; false when the id is taken. */
static bool ram_list_add(RamBlock *rb)
{
    RamList *old, *list;
    bool fresh = true;

    g_mutex_lock(&ram_list_lock);
    old = ram_list_load();
    for (unsigned i = 0; old && i < old->n; i++) {
        fresh = fresh && !g_str_equal(old->blocks[i]->id, rb->id);
    }
    if (fresh) {
        unsigned n = old ? old->n : 0;
        RamBlock *tail = n ? old->blocks[n - 1] : NULL;

        rb->ram_addr = tail ? align_up(tail->ram_addr + tail->size, 2 * MiB) : 0;
        list = ram_list_new(n + 1);
        if (n) {
            memcpy(list->blocks, old->blocks, n * sizeof(RamBlock *));
        }
        list->blocks[n] = rb;
        ram_list_replace_and_unlock(list);
    } else {
        g_mutex_unlock(&ram_list_lock);
    }
    return fresh;
}

static void ram_list_remove(RamBlock *rb)
{
    RamList *old, *list;

    g_mutex_lock(&ram_list_lock);
    old = ram_list_load();
    list = ram_list_new(old->n);
    list->n = 0;
    for (unsigned i = 0; i < old->n; i++) {
        if (old->blocks[i] != rb) {
            list->blocks[list->n++] = old->blocks[i];
        }
    }
    ram_list_replace_and_unlock(list);
}

RamBlock *ram_block_find(uint64_t ram_addr)
{
    RamBlock *found = NULL;
    RamList *list;

    mem_reader_enter();
    list = ram_list_load();
    for (unsigned i = 0; list && i < list->n && !found; i++) {
        RamBlock *rb = list->blocks[i];

        if (ram_addr >= rb->ram_addr && ram_addr - rb->ram_addr < rb->size) {
            found = rb;
        }
    }
    mem_reader_exit();
    return found;
}

RamBlock *ram_block_find_host(const void *host)
{
    RamBlock *found = NULL;
    RamList *list;

    mem_reader_enter();
    list = ram_list_load();
    for (unsigned i = 0; list && i < list->n && !found; i++) {
        RamBlock *rb = list->blocks[i];

        if ((const uint8_t *)host >= rb->host && (const uint8_t *)host < rb->host + rb->size) {
            found = rb;
        }
    }
    mem_reader_exit();
    return found;
}

void ram_block_foreach(void (*fn)(RamBlock *rb, void *opaque), void *opaque)
{
    RamList *list;

    mem_reader_enter();
    list = ram_list_load();
    for (unsigned i = 0; list && i < list->n; i++) {
        fn(list->blocks[i], opaque);
    }
    mem_reader_exit();
}

/* --- Host memory --- */

static int ram_open_file(const char *id, const RamOptions *opts, bool *fresh, Error **errp)
{
    int flags = (opts->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    struct stat st;
    int fd;

    *fresh = false;
    if (!stat(opts->path, &st) && S_ISDIR(st.st_mode)) {
        g_autofree char *name = g_strdup_printf("%s/rhea-%s-XXXXXX", opts->path, id);

        g_strdelimit(name + strlen(opts->path) + 1, "/", '_');
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0) {
            unlink(name);
        }
        *fresh = true;
    } else {
        fd = open(opts->path, flags);
        if (fd < 0 && errno == ENOENT && !opts->readonly) {
            fd = open(opts->path, flags | O_CREAT | O_EXCL, 0644);
            *fresh = true;
        }
    }
    if (fd < 0) {
        error_fail_errno(errp, errno, "memory '%s': cannot open '%s'", id, opts->path);
    }
    return fd;
}

/* Makes the file large enough; the page size of what lies below goes into *page. */
static bool ram_size_file(RamBlock *rb, const RamOptions *opts, bool fresh, Error **errp)
{
    struct stat st;

    if (fstat(rb->fd, &st)) {
        return error_fail_errno(errp, errno, "memory '%s': cannot learn the size of '%s'", rb->id,
                                opts->path);
    }
    if (!fresh && st.st_size && (uint64_t)st.st_size < rb->size) {
        return error_fail(errp, "memory '%s': '%s' has %" PRIu64 " bytes, fewer than size=%" PRIu64,
                          rb->id, opts->path, (uint64_t)st.st_size, rb->size);
    }
    if ((uint64_t)st.st_size < rb->size && ftruncate(rb->fd, (off_t)rb->size)) {
        return error_fail_errno(errp, errno, "memory '%s': cannot give '%s' %" PRIu64 " bytes",
                                rb->id, opts->path ? opts->path : "memfd", rb->size);
    }
    return true;
}

/* Lengths of mappings of files on hugetlbfs are multiples of their page size. */
static uint64_t ram_file_page(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) || !is_power_of_2(fs.f_bsize)
               ? RAM_PAGE_SIZE
               : MAX((uint64_t)fs.f_bsize, RAM_PAGE_SIZE);
}

static bool ram_open(RamBlock *rb, const RamOptions *opts, Error **errp)
{
    bool fresh = true;

    rb->fd = -1;
    if (opts->path) {
        rb->fd = ram_open_file(rb->id, opts, &fresh, errp);
        if (rb->fd < 0) {
            return false;
        }
    } else if (opts->share || opts->memfd || opts->hugepages) {
        rb->fd = memfd_create(rb->id, MFD_CLOEXEC | (opts->hugepages ? MFD_HUGETLB : 0));
        if (rb->fd < 0) {
            return error_fail_errno(errp, errno, "memory '%s': cannot make a memfd", rb->id);
        }
    }
    if (rb->fd < 0) {
        return true;
    }
    if (ram_file_page(rb->fd) > RAM_PAGE_SIZE) {
        rb->size = align_up(rb->size, ram_file_page(rb->fd));
    }
    return ram_size_file(rb, opts, fresh, errp);
}

/* Commits all pages without changing them. */
static bool ram_prealloc(RamBlock *rb, Error **errp)
{
    int err;

#ifdef MADV_POPULATE_WRITE
    if (!madvise(rb->host, rb->size, MADV_POPULATE_WRITE)) {
        return true;
    }
    err = errno;
#else
    err = EINVAL;
#endif
    if (err == EINVAL && rb->fd >= 0) {
        err = posix_fallocate(rb->fd, 0, (off_t)rb->size);
        if (!err) {
            return true;
        }
    }
    return error_fail_errno(errp, err, "memory '%s': the host cannot commit %" PRIu64 " MiB",
                            rb->id, (uint64_t)(rb->size / MiB));
}

static void ram_advise(RamBlock *rb, uint64_t offset, uint64_t len)
{
    uint8_t *at = rb->host + offset;

    if (rb->fd < 0) {
        madvise(at, len, MADV_HUGEPAGE); /* advice: a refusal is no failure */
    }
    if (rb->no_dump) {
        madvise(at, len, MADV_DONTDUMP);
    }
    if (rb->mergeable && rb->fd < 0) {
        madvise(at, len, MADV_MERGEABLE);
    }
}

static bool ram_map(RamBlock *rb, const RamOptions *opts, Error **errp)
{
    int flags = rb->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
                           : (opts->share ? MAP_SHARED : MAP_PRIVATE);
    /* Room to align the start, so that huge pages can lie below all of it. */
    size_t align = rb->size >= 2 * MiB && rb->fd < 0 ? 2 * MiB : RAM_PAGE_SIZE;
    uint8_t *host = MAP_FAILED;

    rb->shared = rb->fd >= 0 && opts->share;

    if (rb->size <= SIZE_MAX - align) {
        host = mmap(NULL, rb->size + (rb->fd < 0 ? align : 0),
                    PROT_READ | (opts->readonly ? 0 : PROT_WRITE), flags, rb->fd, 0);
    }
    if (host == MAP_FAILED) {
        return error_fail_errno(errp, ENOMEM, "memory '%s': the host cannot give %" PRIu64 " MiB",
                                rb->id, (uint64_t)(rb->size / MiB));
    }
    rb->host = host;
    if (rb->fd < 0) {
        uint8_t *start = (uint8_t *)align_up((uintptr_t)host, align);
        size_t before = start - host;

        if (before) {
            munmap(host, before);
        }
        if (align - before) {
            munmap(start + rb->size, align - before);
        }
        rb->host = start;
    }
    ram_advise(rb, 0, rb->size);
    return true;
}

void ram_block_advise(RamBlock *rb, bool no_dump, bool mergeable)
{
    rb->no_dump = no_dump;
    rb->mergeable = mergeable;
    ram_advise(rb, 0, rb->size);
}

/* Puts other pages in the place of private ones, with the advice that those had. */
static bool ram_replace(RamBlock *rb, uint64_t offset, uint64_t len, int fd, uint64_t file_offset)
{
    int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);

    if (mmap(rb->host + offset, len, PROT_READ | PROT_WRITE, flags, fd, (off_t)file_offset) ==
        MAP_FAILED) {
        return false;
    }
    ram_advise(rb, offset, len);
    return true;
}

bool ram_block_empty(RamBlock *rb, Error **errp)
{
    if (!ram_replace(rb, 0, rb->size, -1, 0)) {
        return error_fail_errno(errp, errno, "memory '%s'", rb->id);
    }
    rb->mapped = false;
    return true;
}

bool ram_block_map_file(RamBlock *rb, uint64_t offset, uint64_t len, int fd, uint64_t file_offset,
                        Error **errp)
{
    if (!ram_replace(rb, offset, len, fd, file_offset)) {
        return error_fail_errno(errp, errno, "memory '%s' cannot be mapped", rb->id);
    }
    rb->mapped = true;
    return true;
}

void ram_block_discard(RamBlock *rb, uint64_t offset, uint64_t len)
{
    if (!rb->mapped) {
        /* Of a shared file the data is in the file; where the host keeps the pages, so be it. */
        madvise(rb->host + offset, len, rb->shared ? MADV_REMOVE : MADV_DONTNEED);
    } else if (!ram_replace(rb, offset, len, -1, 0)) { /* the host has a limit on mappings */
        memset(rb->host + offset, 0, len);
    }
    ram_set_dirty(rb, offset, len);
}

static bool ram_make_bitmaps(RamBlock *rb, Error **errp)
{
    size_t words = (rb->size >> RAM_PAGE_BITS) / (8 * sizeof(long)) + 1;

    for (int i = 0; i < DIRTY_CLIENTS; i++) {
        rb->dirty[i] = g_try_new0(unsigned long, words);
        if (!rb->dirty[i]) {
            return error_fail(errp, "memory '%s': the host cannot give dirty bitmaps", rb->id);
        }
    }
    ram_mark_dirty(rb, 0, rb->size, DIRTY_CODE);
    return true;
}

/* --- Blocks --- */

static void ram_block_free(void *opaque)
{
    RamBlock *rb = opaque;

    if (rb->host) {
        munmap(rb->host, rb->size);
    }
    if (rb->fd >= 0) {
        close(rb->fd);
    }
    for (int i = 0; i < DIRTY_CLIENTS; i++) {
        g_free(rb->dirty[i]);
    }
    g_free(rb->id);
    g_free(rb);
}

RamBlock *ram_block_new(const char *id, uint64_t size, const RamOptions *opts, Error **errp)
{
    static const RamOptions none;
    RamBlock *rb;

    opts = opts ? opts : &none;
    if (!size || size > INT64_MAX - 2 * MiB) {
        error_fail(errp, "memory '%s': size %" PRIu64 " is not possible", id, size);
        return NULL;
    }
    rb = g_new0(RamBlock, 1);
    rb->id = g_strdup(id);
    rb->size = align_up(size, RAM_PAGE_SIZE);
    rb->readonly = opts->readonly;
    rb->refs = 1;
    if (!ram_open(rb, opts, errp) || !ram_map(rb, opts, errp) ||
        (opts->prealloc && !ram_prealloc(rb, errp)) || !ram_make_bitmaps(rb, errp)) {
        ram_block_free(rb);
        return NULL;
    }
    if (!ram_list_add(rb)) {
        error_fail(errp, "memory '%s' exists already", id);
        ram_block_free(rb);
        return NULL;
    }
    return rb;
}

RamBlock *ram_block_get(RamBlock *rb)
{
    __atomic_fetch_add(&rb->refs, 1, __ATOMIC_RELAXED);
    return rb;
}

void ram_block_put(RamBlock *rb)
{
    if (rb && __atomic_sub_fetch(&rb->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        ram_list_remove(rb);
        mem_retire(rb, ram_block_free);
    }
}
