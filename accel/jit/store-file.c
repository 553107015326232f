/* SPDX-License-Identifier: MIT */
/*
 * Files of translations.  They are only appended to and entered into the index, under flock(), or replaced by
 * rename(), so that who has one open may go on reading it.  A folder or a file that belongs to
 * somebody else, or that others may write to, is not touched: its code would run in this process.
 */
#include "rhea/osdep.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "accel/jit/store-file.h"
#include "rhea/bits.h"
#include "rhea/error.h"

#define SUFFIX ".translations"
enum { FOLDER_FILES = 4 }; /* full ones: what a folder may hold in all */

static void file_give_up(StoreFile *f, const char *what, const char *why)
{
    if (!f->broken && !f->quiet) {
        warn_user("translation cache '%s': %s: %s", f->path, what, why);
    }
    f->broken = true;
}

/* --- Trust --- */

static bool only_ours(const struct stat *st, mode_t type)
{
    return (st->st_mode & S_IFMT) == type && st->st_uid == geteuid() &&
           !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static bool folder_ready(StoreFile *f)
{
    struct stat st;

    if (g_mkdir_with_parents(f->folder, 0700) || stat(f->folder, &st)) {
        file_give_up(f, "not used, no folder", strerror(errno));
    } else if (!only_ours(&st, S_IFDIR)) {
        file_give_up(f, "not used", "the folder is not this user's alone");
    }
    return !f->broken;
}

/* -1: there is none, or it must not be used. */
static int file_open(StoreFile *f, int flags)
{
    int fd = open(f->path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat st;

    if (fd < 0) {
        if (errno != ENOENT) {
            file_give_up(f, flags & O_CREAT ? "not written" : "not used", strerror(errno));
        }
        return -1;
    }
    if (fstat(fd, &st) || !only_ours(&st, S_IFREG)) {
        file_give_up(f, "not used", "the file is not this user's alone");
        close(fd);
        return -1;
    }
    return fd;
}

/* --- The index --- */

enum { PROBES = 256, MIN_INDEX_BITS = 10, MAX_INDEX_BITS = 26, BYTES_PER_SLOT = 384 };

static uint64_t slot_offset(const StoreHeader *h, uint64_t i)
{
    return sizeof(*h) + sizeof(StoreSlot) * (i & ((1ULL << h->index_bits) - 1));
}

static uint64_t records_start(const StoreHeader *h)
{
    return sizeof(*h) + (sizeof(StoreSlot) << h->index_bits);
}

/* Several slots for the mean record, so that searches are short. */
static unsigned index_bits_for(uint64_t max_bytes)
{
    unsigned bits = MIN_INDEX_BITS;

    while (bits < MAX_INDEX_BITS && max_bytes / BYTES_PER_SLOT >> bits > 1) {
        bits++;
    }
    return bits;
}

/* Slot @i, counted on from the end at the beginning. */
static StoreSlot slot_at(const StoreFile *f, uint64_t i)
{
    return f->index[i & ((1ULL << f->is.index_bits) - 1)];
}

/* 0: it cannot be there. */
static uint64_t slot_record(const StoreFile *f, StoreSlot slot)
{
    uint64_t at = slot.at * 8ULL;

    return at >= records_start(&f->is) && at < f->size ? at : 0;
}

uint64_t store_file_search(const StoreFile *f, uint64_t hash, unsigned *probe)
{
    while (f->index && *probe < PROBES) {
        StoreSlot slot = slot_at(f, hash + (*probe)++);

        if (!slot.at) {
            return 0;
        }
        if (slot.tag == hash >> 32 && slot_record(f, slot)) {
            return slot_record(f, slot);
        }
    }
    return 0;
}

static int compare_offsets(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

GArray *store_file_all(const StoreFile *f)
{
    GArray *all = g_array_new(false, false, sizeof(uint64_t));

    for (uint64_t i = 0; f->index && i < 1ULL << f->is.index_bits; i++) {
        uint64_t at = slot_record(f, slot_at(f, i));

        if (at) {
            g_array_append_val(all, at);
        }
    }
    g_array_sort(all, compare_offsets);
    for (unsigned i = all->len; i > 1; i--) { /* a damaged index may have one twice */
        if (g_array_index(all, uint64_t, i - 1) == g_array_index(all, uint64_t, i - 2)) {
            g_array_remove_index(all, i - 1);
        }
    }
    return all;
}

/* Enters what lies at @base into a file that begins with @h.  False: there is no room, or it cannot be written. */
static bool index_enter(const StoreHeader *h, int fd, const GArray *entries, uint64_t base)
{
    for (unsigned i = 0; i < entries->len; i++) {
        const StoreEntry *e = &g_array_index(entries, StoreEntry, i);
        const StoreSlot slot = {e->hash >> 32, (base + e->offset) / 8};
        StoreSlot there = {.at = 1};
        unsigned probe = 0;
        uint64_t offset = 0;

        while (there.at) {
            offset = slot_offset(h, e->hash + probe);
            if (probe++ == PROBES || pread(fd, &there, sizeof(there), offset) != sizeof(there)) {
                return false;
            }
        }
        if (pwrite(fd, &slot, sizeof(slot), offset) != sizeof(slot)) {
            return false;
        }
    }
    return true;
}

/* --- Reading --- */

/* A file of this identity, with an index that is all there. */
static bool header_fits(const StoreFile *f, const StoreHeader *h, uint64_t size)
{
    return memcmp(h, &f->header, offsetof(StoreHeader, index_bits)) == 0 &&
           h->index_bits >= MIN_INDEX_BITS && h->index_bits <= MAX_INDEX_BITS &&
           records_start(h) <= size;
}

size_t store_file_read(StoreFile *f, uint64_t offset, void *buf, size_t len)
{
    size_t skip;

    len = MIN(len, f->size - MIN(f->size, offset));
    if (len > STORE_WINDOW) {
        return MAX(pread(f->fd, buf, len, offset), 0);
    }
    if (offset < f->window_at || offset + len > f->window_at + f->window_len) {
        f->window_at = offset;
        f->window_len = MAX(pread(f->fd, f->window, STORE_WINDOW, offset), 0);
    }
    skip = offset - f->window_at;
    len = MIN(len, f->window_len - MIN(f->window_len, skip));
    memcpy(buf, f->window + skip, len);
    return len;
}

/* False: it is no file to read from. */
static bool file_map_index(StoreFile *f)
{
    struct stat st;
    uint8_t *map;

    /* Whoever is appending may make it longer; what comes later is not looked at. */
    if (fstat(f->fd, &st) || (uint64_t)st.st_size > 2 * f->max_bytes) {
        return false;
    }
    f->size = st.st_size;
    if (pread(f->fd, &f->is, sizeof(f->is), 0) != sizeof(f->is) ||
        !header_fits(f, &f->is, f->size)) {
        return false;
    }
    map = mmap(NULL, records_start(&f->is), PROT_READ, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED) {
        return false;
    }
    f->index = (const void *)(map + sizeof(StoreHeader));
    f->window = g_malloc(STORE_WINDOW);
    futimens(f->fd, NULL); /* files that are not used are the first to go */
    return true;
}

void store_file_open(StoreFile *f, const char *folder, const char *arch, const uint8_t *identity,
                     uint64_t max_bytes, bool quiet)
{
    g_autoptr(GString) name = g_string_new(arch);

    g_string_append_c(name, '-');
    for (unsigned i = 0; i < 8; i++) {
        g_string_append_printf(name, "%02x", identity[i]);
    }
    g_string_append(name, SUFFIX);
    f->folder = g_strdup(folder);
    f->path = g_build_filename(folder, name->str, NULL);
    f->max_bytes = max_bytes;
    f->quiet = quiet;
    memcpy(f->header.magic, "RheaTC02", sizeof(f->header.magic));
    memcpy(f->header.identity, identity, STORE_ID_SIZE);
    f->header.index_bits = index_bits_for(max_bytes);
    f->fd = folder_ready(f) ? file_open(f, O_RDONLY) : -1;
    if (f->fd >= 0 && !file_map_index(f)) {
        close(f->fd);
        f->fd = -1;
        f->size = 0;
        memset(&f->is, 0, sizeof(f->is));
    }
}

/* --- Writing --- */

static bool write_all(int fd, const void *data, size_t size, off_t at)
{
    const uint8_t *from = data;

    while (size) {
        ssize_t n = pwrite(fd, from, size, at);

        if (n <= 0 && errno != EINTR) {
            return false;
        }
        n = MAX(n, 0);
        from += n;
        at += n;
        size -= n;
    }
    return true;
}

/* The file for writing, locked; -1: not now, or never (broken). */
static int file_lock(StoreFile *f, bool wait, off_t *size)
{
    int fd = file_open(f, O_RDWR | O_CREAT);
    struct stat mine, now;

    if (fd < 0) {
        return -1;
    }
    if (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) || fstat(fd, &mine) || stat(f->path, &now) ||
        mine.st_ino != now.st_ino) { /* it was replaced before we had the lock */
        close(fd);
        return -1;
    }
    *size = mine.st_size;
    return fd;
}

/* The header of an empty file, and its index without a slot in use. */
static bool file_begin(const StoreFile *f, int fd)
{
    return write_all(fd, &f->header, sizeof(f->header), 0) &&
           ftruncate(fd, records_start(&f->header)) == 0;
}

/*
 * The records go behind @size, and are entered when they are there.  Nobody looks at records that could not
 * be entered.
 */
static bool write_records(int fd, off_t size, const GByteArray *records, const GArray *entries)
{
    uint64_t base = align_up(size, 8);
    StoreHeader h;

    if (pread(fd, &h, sizeof(h), 0) != sizeof(h) ||
        !write_all(fd, records->data, records->len, base) || !index_enter(&h, fd, entries, base)) {
        return false;
    }
    h.count += entries->len;
    return write_all(fd, &h, sizeof(h), 0);
}

bool store_file_append(StoreFile *f, const GByteArray *records, const GArray *entries, bool wait)
{
    StoreHeader h;
    off_t size;
    int fd;
    bool done = false;

    if (f->broken || f->full) {
        return false;
    }
    fd = file_lock(f, wait, &size);
    if (fd < 0) {
        return false;
    }
    if (!size && file_begin(f, fd)) {
        size = records_start(&f->header);
    }
    if (pread(fd, &h, sizeof(h), 0) == sizeof(h) && header_fits(f, &h, size) &&
        align_up(size, 8) + records->len <= f->max_bytes) {
        done = write_records(fd, size, records, entries);
        f->full = !done;
    }
    close(fd);
    return done;
}

void store_file_replace(StoreFile *f, const GByteArray *records, const GArray *entries)
{
    g_autofree char *temp = g_strdup_printf("%s.XXXXXX", f->path);
    int fd;

    if (f->broken) {
        return;
    }
    fd = g_mkstemp_full(temp, O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        file_give_up(f, "not written", strerror(errno));
        return;
    }
    if (!file_begin(f, fd) || !write_records(fd, records_start(&f->header), records, entries) ||
        rename(temp, f->path)) {
        file_give_up(f, "not written", strerror(errno));
        unlink(temp);
    }
    f->full = false;
    close(fd);
}

/* --- The folder's size --- */

typedef struct Kept {
    char *path;
    uint64_t size;
    struct timespec used;
} Kept;

static void kept_free(void *p)
{
    g_free(((Kept *)p)->path);
    g_free(p);
}

/* The last used first. */
static int kept_compare(const void *a, const void *b)
{
    const Kept *x = *(Kept *const *)a, *y = *(Kept *const *)b;

    return x->used.tv_sec != y->used.tv_sec ? (x->used.tv_sec < y->used.tv_sec ? 1 : -1)
                                            : (x->used.tv_nsec < y->used.tv_nsec ? 1 : -1);
}

void store_file_trim(const StoreFile *f)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(kept_free);
    GDir *dir = g_dir_open(f->folder, 0, NULL);
    uint64_t sum = 0;
    const char *name;
    struct stat st;

    while (dir && (name = g_dir_read_name(dir))) {
        char *path = g_build_filename(f->folder, name, NULL);

        if (strstr(name, SUFFIX) && !lstat(path, &st) && S_ISREG(st.st_mode)) {
            Kept *k = g_new(Kept, 1);

            *k = (Kept){path, st.st_size, st.st_mtim};
            g_ptr_array_add(files, k);
        } else {
            g_free(path);
        }
    }
    g_ptr_array_sort(files, kept_compare);
    for (unsigned i = 0; i < files->len; i++) {
        const Kept *k = files->pdata[i];

        sum += k->size;
        if (sum > FOLDER_FILES * f->max_bytes) {
            unlink(k->path);
        }
    }
    if (dir) {
        g_dir_close(dir);
    }
}

void store_file_close(StoreFile *f)
{
    if (f->index) {
        munmap((uint8_t *)f->index - sizeof(StoreHeader), records_start(&f->is));
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    g_free(f->window);
    g_free(f->folder);
    g_free(f->path);
}
