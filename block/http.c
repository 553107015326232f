/* SPDX-License-Identifier: MIT */
/*
 * http, https, ftp, ftps: images on web and FTP servers, read-only.  They are read in blocks (readahead=), the last
 * of which are kept; one thread loads a block, and others that want it wait.
 */
#include "rhea/osdep.h"

#include "block-int.h"
#include "http.h"
#include "rhea/iov.h"

enum {
    DEFAULT_BLOCK = 256 * 1024,
    BLOCK_MAX = 16 << 20,
    CACHE_BYTES = 32 << 20,
    CACHE_MIN = 4,      /* blocks, however long they are */
    LOAD_MAX = 2 << 20, /* one request asks for as many blocks */
    DEFAULT_TIMEOUT = 5,
};

typedef struct Http {
    HttpFile *file;
    uint64_t block;
    guint max_blocks;
    GMutex lock;
    GCond loaded;
    /* under lock */
    GHashTable *blocks; /* number -> CacheBlock */
    GQueue recent;      /* CacheBlock that is there, the last used in front */
} Http;

typedef struct CacheBlock {
    uint64_t number;
    GBytes *data; /* NULL: being loaded */
    GList link;   /* in recent */
} CacheBlock;

/* --- The cache; locked --- */

static void cache_drop(Http *h, CacheBlock *b)
{
    if (b->data) {
        g_queue_unlink(&h->recent, &b->link);
        g_bytes_unref(b->data);
    }
    g_hash_table_remove(h->blocks, &b->number);
    g_free(b);
}

static CacheBlock *cache_add(Http *h, uint64_t number)
{
    CacheBlock *b = g_new0(CacheBlock, 1);

    while (h->recent.length && g_hash_table_size(h->blocks) >= h->max_blocks) {
        cache_drop(h, h->recent.tail->data);
    }
    b->number = number;
    b->link.data = b;
    g_hash_table_insert(h->blocks, &b->number, b);
    return b;
}

/* @data NULL: it could not be loaded. */
static void cache_fill(Http *h, CacheBlock *b, const uint8_t *data, size_t len)
{
    if (data) {
        b->data = g_bytes_new(data, len);
        g_queue_push_head_link(&h->recent, &b->link);
    } else {
        cache_drop(h, b);
    }
    g_cond_broadcast(&h->loaded);
}

static uint64_t block_len(const Http *h, uint64_t number)
{
    return MIN(h->block, http_size(h->file) - number * h->block);
}

/* --- Loading --- */

/* Loads block @number, and those behind it up to @last that are missing too; unlocks meanwhile. */
static int load(Http *h, uint64_t number, uint64_t last)
{
    CacheBlock *loading[LOAD_MAX / 512];
    uint64_t most = MAX(LOAD_MAX / h->block, 1), start = number * h->block, len = 0;
    g_autofree uint8_t *buf = NULL;
    unsigned n = 0;
    int ret;

    while (n < most && number + n <= last) {
        uint64_t next = number + n;

        if (n && g_hash_table_contains(h->blocks, &next)) {
            break;
        }
        loading[n++] = cache_add(h, next);
        len += block_len(h, next);
    }
    g_mutex_unlock(&h->lock);
    buf = g_try_malloc(len);
    ret = buf ? http_fetch(h->file, start, buf, len) : -ENOMEM;
    g_mutex_lock(&h->lock);
    for (unsigned i = 0; i < n; i++) {
        cache_fill(h, loading[i], ret ? NULL : buf + i * h->block, block_len(h, number + i));
    }
    return ret;
}

/* Block @number, loaded if it has to be; those up to @last are going to be asked for next. */
static int get_block(Http *h, uint64_t number, uint64_t last, GBytes **data)
{
    CacheBlock *b;
    int ret = 0;

    g_mutex_lock(&h->lock);
    while (!ret && (!(b = g_hash_table_lookup(h->blocks, &number)) || !b->data)) {
        if (b) {
            g_cond_wait(&h->loaded, &h->lock);
        } else {
            ret = load(h, number, last);
        }
    }
    if (!ret) {
        g_queue_unlink(&h->recent, &b->link);
        g_queue_push_head_link(&h->recent, &b->link);
        *data = g_bytes_ref(b->data);
    }
    g_mutex_unlock(&h->lock);
    return ret;
}

static int http_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int niov)
{
    Http *h = n->opaque;
    uint64_t len = iov_length(iov, niov), size = http_size(h->file);
    uint64_t inside = offset < size ? MIN(len, size - offset) : 0;
    uint64_t last = inside ? (offset + inside - 1) / h->block : 0;

    for (uint64_t at = 0, part; at < inside; at += part) {
        uint64_t within = (offset + at) % h->block;
        GBytes *data;
        int ret = get_block(h, (offset + at) / h->block, last, &data);

        if (ret) {
            return ret;
        }
        part = MIN(inside - at, g_bytes_get_size(data) - within);
        iov_from_buf(iov, niov, at, (const uint8_t *)g_bytes_get_data(data, NULL) + within, part);
        g_bytes_unref(data);
    }
    iov_clear(iov, niov, inside, len - inside); /* behind the end, as a file has it */
    return 0;
}

static int http_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    st->run = len;
    st->allocated = st->data = st->has_offset = true;
    st->offset = offset;
    return 0;
}

/* --- Opening --- */

static const char *const http_options[] = {"filename", "url",    "readahead", "sslverify",
                                           "timeout",  "cookie", NULL};

static bool take_spec(const char *driver, Opts *o, HttpSpec *spec, uint64_t *block, Error **errp)
{
    const char *filename = opts_take(o, "filename"), *url = opts_take(o, "url");
    g_autofree char *begin = g_strconcat(driver, "://", NULL);

    spec->url = url ? url : filename;
    spec->protocol = driver;
    spec->cookie = opts_take(o, "cookie");
    if (!spec->url || g_ascii_strncasecmp(spec->url, begin, strlen(begin))) {
        return error_fail(errp, "%s: url= has to begin with %s", opts_what(o), begin);
    }
    if (!opts_take_bool(o, "sslverify", &spec->sslverify, errp) ||
        !opts_take_u64(o, "timeout", 86400, &spec->timeout_s, errp) ||
        !opts_take_size(o, "readahead", block, errp)) {
        return false;
    }
    return (*block >= 512 && *block <= BLOCK_MAX && !(*block % 512)) ||
           error_fail(errp, "%s: readahead=%" PRIu64 ": multiples of 512 up to 16M are possible",
                      opts_what(o), *block);
}

static Http *cache_new(HttpFile *file, uint64_t block)
{
    Http *h = g_new0(Http, 1);

    h->file = file;
    h->block = block;
    h->max_blocks = (guint)MAX(CACHE_BYTES / block, CACHE_MIN);
    h->blocks = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_queue_init(&h->recent);
    g_mutex_init(&h->lock);
    g_cond_init(&h->loaded);
    return h;
}

static bool http_open_node(BlockNode *n, Opts *o, const char *driver, Error **errp)
{
    HttpSpec spec = {.sslverify = true, .timeout_s = DEFAULT_TIMEOUT};
    uint64_t block = DEFAULT_BLOCK;
    g_autofree uint8_t *head = NULL;
    HttpFile *file;
    Http *h;
    size_t got;

    if (!take_spec(driver, o, &spec, &block, errp)) {
        return false;
    }
    if (!n->read_only) {
        return error_fail(errp, "%s: '%s' can only be read (read-only=on, or snapshot=on)",
                          opts_what(o), spec.url);
    }
    head = g_malloc(block);
    file = http_open(&spec, head, block, &got, errp);
    if (!file) {
        error_prepend(errp, "%s: cannot open '%s': ", opts_what(o), spec.url);
        return false;
    }
    h = cache_new(file, block);
    if (got) {
        cache_fill(h, cache_add(h, 0), head, got);
    }
    n->filename = g_strdup(spec.url);
    n->opaque = h;
    n->size = http_size(file);
    return true;
}

static void http_close_node(BlockNode *n)
{
    Http *h = n->opaque;

    while (h->recent.length) {
        cache_drop(h, h->recent.tail->data);
    }
    g_hash_table_unref(h->blocks);
    http_close(h->file);
    g_mutex_clear(&h->lock);
    g_cond_clear(&h->loaded);
    g_free(h);
}

static bool http_set_read_only(BlockNode *n, bool read_only, Error **errp)
{
    return read_only || error_fail(errp, "'%s' can only be read", n->filename);
}

static bool open_http(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    return http_open_node(n, o, "http", errp);
}

static bool open_https(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    return http_open_node(n, o, "https", errp);
}

static bool open_ftp(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    return http_open_node(n, o, "ftp", errp);
}

static bool open_ftps(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    return http_open_node(n, o, "ftps", errp);
}

static const char *const http_prefixes[] = {"http://", NULL};
static const char *const https_prefixes[] = {"https://", NULL};
static const char *const ftp_prefixes[] = {"ftp://", NULL};
static const char *const ftps_prefixes[] = {"ftps://", NULL};

/* What changes an image is not there: its nodes are read-only. */
#define HTTP_DRIVER(driver_name, driver_prefixes, driver_open)                                     \
    {                                                                                              \
        .name = driver_name, .prefixes = driver_prefixes, .whole_name = true, .protocol = true,    \
        .connected = true, .options = http_options, .open = driver_open, .close = http_close_node, \
        .preadv = http_preadv, .status = http_status, .set_read_only = http_set_read_only,         \
    }

const BlockDriver http_driver = HTTP_DRIVER("http", http_prefixes, open_http);
const BlockDriver https_driver = HTTP_DRIVER("https", https_prefixes, open_https);
const BlockDriver ftp_driver = HTTP_DRIVER("ftp", ftp_prefixes, open_ftp);
const BlockDriver ftps_driver = HTTP_DRIVER("ftps", ftps_prefixes, open_ftps);
