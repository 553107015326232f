/* SPDX-License-Identifier: MIT */
/*
 * Sectors of encrypted disks: initial vectors, and requests that are no whole sectors.
 * Not here: modes of eight-byte ciphers, sectors of other sizes than 512.
 */
#include "rhea/osdep.h"

#include <sys/random.h>

#include "crypt.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "rhea/iov.h"

enum { CHUNK = 1 << 20 };

const char *const crypt_mode_names[] = {"ecb", "cbc", "xts", NULL};

typedef enum IvKind {
    IV_PLAIN,   /* the lower half of the sector's number */
    IV_PLAIN64, /* all of it */
    IV_ESSIV,   /* encrypted with a digest of the key */
} IvKind;

struct Crypt {
    char *algorithm;
    CryptMode mode;
    IvKind iv;
    uint8_t key[CRYPT_MAX_KEY], iv_key[CRYPT_MAX_DIGEST];
    size_t key_len, iv_key_len;
    GMutex lock;
    GPtrArray *idle; /* Worker *: those that no thread uses */
    GRWLock parts;   /* exclusive for who reads, changes and writes back parts of sectors */
};

/* What one thread needs at a time. */
typedef struct Worker {
    CryptCipher *cipher, *iv;
} Worker;

bool crypt_random(void *out, size_t len, Error **errp)
{
    uint8_t *p = out;

    while (len) {
        ssize_t n = getrandom(p, len, 0);

        if (n < 0 && errno != EINTR) {
            return error_fail_errno(errp, errno, "no random numbers");
        }
        p += MAX(n, 0);
        len -= MAX(n, 0);
    }
    return true;
}

/* --- Workers --- */

static void worker_free(gpointer p)
{
    Worker *w = p;

    crypt_cipher_free(w->cipher);
    crypt_cipher_free(w->iv);
    g_free(w);
}

static Worker *worker_new(const Crypt *c, Error **errp)
{
    Worker *w = g_new0(Worker, 1);

    w->cipher = crypt_cipher_new(c->algorithm, c->mode, c->key, c->key_len, errp);
    if (w->cipher && c->iv == IV_ESSIV) {
        w->iv = crypt_cipher_new(c->algorithm, CRYPT_ECB, c->iv_key, c->iv_key_len, errp);
    }
    if (!w->cipher || (c->iv == IV_ESSIV && !w->iv)) {
        g_clear_pointer(&w, worker_free);
    }
    return w;
}

static Worker *worker_get(Crypt *c)
{
    Worker *w = NULL;

    g_mutex_lock(&c->lock);
    if (c->idle->len) {
        w = g_ptr_array_steal_index_fast(c->idle, c->idle->len - 1);
    }
    g_mutex_unlock(&c->lock);
    return w ? w : worker_new(c, NULL);
}

static void worker_put(Crypt *c, Worker *w)
{
    g_mutex_lock(&c->lock);
    g_ptr_array_add(c->idle, w);
    g_mutex_unlock(&c->lock);
}

/* --- Keys --- */

static bool take_mode(Crypt *c, const char *text, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "-", 2);
    const char *iv = parts[0] && parts[1] ? parts[1] : "";
    const char *const *name = crypt_mode_names;

    while (*name && g_strcmp0(*name, parts[0])) {
        name++;
    }
    c->mode = name - crypt_mode_names;
    if (!*name || c->mode == CRYPT_ECB) {
        return error_fail(errp, "the mode '%s' is not known", text);
    }
    if (g_str_has_prefix(iv, "essiv:")) {
        c->iv = IV_ESSIV;
        c->iv_key_len = crypt_digest_len(iv + strlen("essiv:"));
        return c->iv_key_len
                   ? crypt_hash(iv + strlen("essiv:"), c->key, c->key_len, c->iv_key, errp)
                   : error_fail(errp, "the hash of the mode '%s' is not known", text);
    }
    c->iv = !strcmp(iv, "plain64") ? IV_PLAIN64 : IV_PLAIN;
    return c->iv == IV_PLAIN64 || !strcmp(iv, "plain") ||
           error_fail(errp, "the mode '%s' is not known", text);
}

Crypt *crypt_new(const char *algorithm, const char *mode, const uint8_t *key, size_t len,
                 Error **errp)
{
    Crypt *c = g_new0(Crypt, 1);
    Worker *first;

    g_mutex_init(&c->lock);
    g_rw_lock_init(&c->parts);
    c->idle = g_ptr_array_new_with_free_func(worker_free);
    c->algorithm = g_strdup(algorithm);
    c->key_len = MIN(len, CRYPT_MAX_KEY);
    memcpy(c->key, key, c->key_len);
    /* The first of them also shows whether there is such a cipher. */
    first = take_mode(c, mode, errp) ? worker_new(c, errp) : NULL;
    if (!first) {
        crypt_free(c);
        return NULL;
    }
    worker_put(c, first);
    return c;
}

void crypt_free(Crypt *c)
{
    if (!c) {
        return;
    }
    g_ptr_array_unref(c->idle);
    g_mutex_clear(&c->lock);
    g_rw_lock_clear(&c->parts);
    explicit_bzero(c->key, sizeof(c->key));
    explicit_bzero(c->iv_key, sizeof(c->iv_key));
    g_free(c->algorithm);
    g_free(c);
}

/* --- Sectors --- */

static bool run_sector(const Crypt *c, Worker *w, bool encrypt, uint64_t sector, void *buf)
{
    uint8_t iv[CRYPT_IV_LEN] = {0};

    st64_le(iv, c->iv == IV_PLAIN ? (uint32_t)sector : sector);
    return (c->iv != IV_ESSIV || crypt_cipher_run(w->iv, true, NULL, iv, sizeof(iv))) &&
           crypt_cipher_run(w->cipher, encrypt, iv, buf, CRYPT_SECTOR);
}

int crypt_sectors(Crypt *c, bool encrypt, uint64_t sector, void *buf, size_t len)
{
    Worker *w = worker_get(c);
    bool ok = w;

    for (size_t done = 0; ok && done < len; done += CRYPT_SECTOR) {
        ok = run_sector(c, w, encrypt, sector++, (uint8_t *)buf + done);
    }
    if (w) {
        worker_put(c, w);
    }
    return ok ? 0 : -EIO;
}

/* --- Requests --- */

/* Whole sectors from the file, decrypted; zeroes lie behind its end. */
static int read_whole(Crypt *c, BlockNode *file, uint64_t base, uint64_t offset, uint8_t *buf,
                      size_t len)
{
    uint64_t size = block_size(file), have = offset < size ? MIN(len, size - offset) : 0;
    int ret = block_pread(file, offset, buf, have);

    memset(buf + have, 0, len - have);
    return ret ? ret : crypt_sectors(c, false, (offset - base) / CRYPT_SECTOR, buf, len);
}

/* The whole sectors that the first bytes of a request touch, a chunk at most. */
typedef struct Piece {
    uint64_t start; /* in the file */
    size_t skip, len, whole;
} Piece;

static Piece piece_at(uint64_t offset, uint64_t len)
{
    Piece p = {.start = offset & ~(uint64_t)(CRYPT_SECTOR - 1)};

    p.skip = offset - p.start;
    p.len = MIN(len, CHUNK - p.skip);
    p.whole = align_up(p.skip + p.len, CRYPT_SECTOR);
    return p;
}

int crypt_preadv(Crypt *c, BlockNode *file, uint64_t base, uint64_t offset, const struct iovec *iov,
                 int niov)
{
    uint64_t len = iov_length(iov, niov), done = 0;
    g_autofree uint8_t *buf = g_malloc(MIN(align_up(len, CRYPT_SECTOR) + CRYPT_SECTOR, CHUNK));
    int ret = 0;

    while (!ret && done < len) {
        Piece p = piece_at(offset + done, len - done);

        g_rw_lock_reader_lock(&c->parts);
        ret = read_whole(c, file, base, p.start, buf, p.whole);
        g_rw_lock_reader_unlock(&c->parts);
        if (!ret) {
            iov_from_buf(iov, niov, done, buf + p.skip, p.len);
        }
        done += p.len;
    }
    return ret;
}

/* What else is in the first and the last sector of a piece. */
static int read_edges(Crypt *c, BlockNode *file, uint64_t base, const Piece *p, uint8_t *buf)
{
    size_t last = p->whole - CRYPT_SECTOR;
    bool tail = p->skip + p->len < p->whole;
    int ret = 0;

    if (p->skip || (tail && !last)) {
        ret = read_whole(c, file, base, p->start, buf, CRYPT_SECTOR);
    }
    if (!ret && tail && last) {
        ret = read_whole(c, file, base, p->start + last, buf + last, CRYPT_SECTOR);
    }
    return ret;
}

static int write_piece(Crypt *c, BlockNode *file, uint64_t base, const Piece *p,
                       const struct iovec *iov, int niov, uint64_t done, uint8_t *buf)
{
    int ret = read_edges(c, file, base, p, buf);

    if (ret) {
        return ret;
    }
    iov_to_buf(iov, niov, done, buf + p->skip, p->len);
    ret = crypt_sectors(c, true, (p->start - base) / CRYPT_SECTOR, buf, p->whole);
    return ret ? ret : block_pwrite(file, p->start, buf, p->whole);
}

int crypt_pwritev(Crypt *c, BlockNode *file, uint64_t base, uint64_t offset,
                  const struct iovec *iov, int niov)
{
    uint64_t len = iov_length(iov, niov), done = 0;
    g_autofree uint8_t *buf = g_malloc(MIN(align_up(len, CRYPT_SECTOR) + CRYPT_SECTOR, CHUNK));
    int ret = 0;

    while (!ret && done < len) {
        Piece p = piece_at(offset + done, len - done);
        bool parts = p.skip || p.len < p.whole;

        (parts ? g_rw_lock_writer_lock : g_rw_lock_reader_lock)(&c->parts);
        ret = write_piece(c, file, base, &p, iov, niov, done, buf);
        (parts ? g_rw_lock_writer_unlock : g_rw_lock_reader_unlock)(&c->parts);
        done += p.len;
    }
    return ret;
}
