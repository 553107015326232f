/* SPDX-License-Identifier: MIT */
/*
 * Files of translations.  They are only appended to, in whole records and under flock(), or replaced by
 * rename(), so that who has one mapped may go on reading it.  A folder or a file that belongs to
 * somebody else, or that others may write to, is not touched: its code would run in this process.
 */
#include "rhea/osdep.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "accel/jit/store-file.h"
#include "rhea/error.h"

#define SUFFIX ".translations"
enum { FOLDER_FILES = 4 }; /* full ones: what a folder may hold in all */

static void file_give_up(StoreFile *f, const char *what, const char *why)
{
    if (!f->broken) {
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

/* --- Reading --- */

static void file_map(StoreFile *f, int fd)
{
    struct stat st;
    void *map;

    /* Whoever is appending does so in whole records; what comes later is not looked at. */
    if (fstat(fd, &st) || st.st_size < (off_t)sizeof(StoreHeader) ||
        (uint64_t)st.st_size > 2 * f->max_bytes) {
        return;
    }
    map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED) {
        return;
    }
    if (memcmp(map, &f->header, sizeof(f->header)) != 0) {
        munmap(map, st.st_size);
        return;
    }
    f->map = map;
    f->size = st.st_size;
    futimens(fd, NULL); /* files that are not used are the first to go */
}

void store_file_open(StoreFile *f, const char *folder, const char *arch, const uint8_t *identity,
                     uint64_t max_bytes)
{
    g_autoptr(GString) name = g_string_new(arch);
    int fd;

    g_string_append_c(name, '-');
    for (unsigned i = 0; i < 8; i++) {
        g_string_append_printf(name, "%02x", identity[i]);
    }
    g_string_append(name, SUFFIX);
    f->folder = g_strdup(folder);
    f->path = g_build_filename(folder, name->str, NULL);
    f->max_bytes = max_bytes;
    memcpy(f->header.magic, "RheaTC01", sizeof(f->header.magic));
    memcpy(f->header.identity, identity, STORE_ID_SIZE);
    if (folder_ready(f)) {
        fd = file_open(f, O_RDONLY);
        if (fd >= 0) {
            file_map(f, fd);
            close(fd);
        }
    }
}

/* --- Writing --- */

static bool write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size) {
        ssize_t n = write(fd, at, size);

        if (n <= 0 && errno != EINTR) {
            return false;
        }
        at += MAX(n, 0);
        size -= MAX(n, 0);
    }
    return true;
}

/* The file for appending, locked; -1: not now, or never (broken). */
static int file_lock(StoreFile *f, bool wait, off_t *size)
{
    int fd = file_open(f, O_RDWR | O_APPEND | O_CREAT);
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

/* Is it a file of this identity, or empty and now begun? */
static bool file_begun(StoreFile *f, int fd, off_t *size)
{
    StoreHeader h;

    if (!*size) {
        *size = sizeof(f->header);
        return write_all(fd, &f->header, sizeof(f->header));
    }
    return pread(fd, &h, sizeof(h), 0) == sizeof(h) && memcmp(&h, &f->header, sizeof(h)) == 0;
}

bool store_file_append(StoreFile *f, const void *records, size_t size, bool wait)
{
    off_t old;
    int fd;
    bool done = false;

    if (f->broken) {
        return false;
    }
    fd = file_lock(f, wait, &old);
    if (fd < 0) {
        return false;
    }
    if (file_begun(f, fd, &old) && old + size <= f->max_bytes) {
        done = write_all(fd, records, size);
        if (!done) { /* nobody has mapped what was written just now */
            file_give_up(f, "not written", strerror(errno));
            if (ftruncate(fd, old)) {
                unlink(f->path);
            }
        }
    }
    close(fd);
    return done;
}

void store_file_replace(StoreFile *f, const void *records, size_t size)
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
    if (!write_all(fd, &f->header, sizeof(f->header)) || !write_all(fd, records, size) ||
        rename(temp, f->path)) {
        file_give_up(f, "not written", strerror(errno));
        unlink(temp);
    }
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
    if (f->map) {
        munmap((void *)f->map, f->size);
    }
    g_free(f->folder);
    g_free(f->path);
}
