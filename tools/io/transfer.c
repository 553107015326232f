/* SPDX-License-Identifier: MIT */
/* The commands that move data, at once or in the background. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "io.h"
#include "rhea/iov.h"
#include "rhea/report.h"

enum { TRANSFER_MAX = INT32_MAX, VECTOR_MAX = 1024, DEFAULT_PATTERN = 0xcd };

typedef enum TransferKind {
    IO_READ,
    IO_WRITE,
    IO_ZERO,
    IO_COMPRESS,
    IO_DISCARD,
} TransferKind;

typedef struct Transfer {
    IoSession *s;
    const char *name;
    TransferKind kind;
    BlockNode *n;
    bool async, quiet, dump, fua, unmap, has_pattern;
    uint8_t pattern;
    const char *source;             /* a file whose bytes are written again and again */
    uint64_t check_from, check_len; /* of what is read, against the pattern */
    uint64_t offset, len;
    uint8_t *buf;
    struct iovec *iov;
    int niov;
} Transfer;

static void transfer_free(Transfer *t)
{
    g_free(t->buf);
    g_free(t->iov);
    g_free(t);
}

/* --- Doing it --- */

static int transfer_execute(const Transfer *t)
{
    int ret = 0;

    switch (t->kind) {
    case IO_READ: return block_preadv(t->n, t->offset, t->iov, t->niov);
    case IO_WRITE: ret = block_pwritev(t->n, t->offset, t->iov, t->niov); break;
    case IO_ZERO: ret = block_write_zeroes(t->n, t->offset, t->len, t->unmap); break;
    case IO_COMPRESS: ret = block_write_compressed(t->n, t->offset, t->buf, t->len); break;
    case IO_DISCARD: ret = block_discard(t->n, t->offset, t->len); break;
    }
    return !ret && t->fua ? block_flush(t->n) : ret;
}

static bool pattern_holds(const Transfer *t)
{
    for (uint64_t i = t->check_from; i < t->check_from + t->check_len; i++) {
        if (t->buf[i] != t->pattern) {
            printf("Pattern verification failed at offset %" PRIu64 ", %" PRIu64 " bytes\n",
                   t->offset + t->check_from, t->check_len);
            report("byte %" PRIu64 " is 0x%02x, not 0x%02x", t->offset + i, t->buf[i], t->pattern);
            return false;
        }
    }
    return true;
}

/* Says what came of it; the session's lock is held. */
static bool transfer_report(const Transfer *t, int ret, int64_t us)
{
    static const char *const verbs[] = {"read", "wrote", "wrote", "wrote", "discard"};
    bool ok;

    if (ret) {
        return io_failed(t->name, ret);
    }
    ok = !t->has_pattern || t->kind != IO_READ || pattern_holds(t);
    if (t->dump) {
        io_dump(t->offset, t->buf, t->len);
    }
    if (!t->quiet) {
        io_print_transfer(verbs[t->kind], t->offset, t->len, us);
    }
    return ok;
}

static bool transfer_run(Transfer *t)
{
    int64_t start = g_get_monotonic_time();
    int ret = transfer_execute(t);
    bool ok;

    g_mutex_lock(&t->s->lock);
    ok = transfer_report(t, ret, g_get_monotonic_time() - start);
    if (!ok) {
        t->s->status = 1;
    }
    g_mutex_unlock(&t->s->lock);
    return ok;
}

static void in_background(gpointer data, gpointer opaque)
{
    Transfer *t = data;
    IoSession *s = opaque;

    tsan_pool_popped(t);
    transfer_run(t);
    transfer_free(t);
    g_mutex_lock(&s->lock);
    s->in_flight--;
    g_cond_signal(&s->ended);
    g_mutex_unlock(&s->lock);
}

static bool transfer_start(Transfer *t)
{
    IoSession *s = t->s;

    if (!s->pool) {
        s->pool = g_thread_pool_new(in_background, s, 16, FALSE, NULL);
    }
    g_mutex_lock(&s->lock);
    s->in_flight++;
    g_mutex_unlock(&s->lock);
    g_thread_pool_push(s->pool, t, NULL);
    return true;
}

void io_wait(IoSession *s)
{
    g_mutex_lock(&s->lock);
    while (s->in_flight) {
        g_cond_wait(&s->ended, &s->lock);
    }
    g_mutex_unlock(&s->lock);
}

/* --- Understanding it --- */

static bool take_pattern(Transfer *t, const char *text)
{
    uint64_t value;

    if (!parse_u64("", text, 255, &value, NULL)) {
        printf("%s is not a valid pattern byte\n", text);
        return false;
    }
    t->has_pattern = true;
    t->pattern = (uint8_t)value;
    return true;
}

/* What write -z, -u and -c mean together. */
static bool take_kind(Transfer *t, bool zero, bool compress)
{
    if (zero && (t->has_pattern || t->source || compress)) {
        printf("-z does not go with -P, -s and -c\n");
        return false;
    }
    if (t->unmap && !zero) {
        printf("-u goes with -z only\n");
        return false;
    }
    t->kind = zero ? IO_ZERO : compress ? IO_COMPRESS : t->kind;
    return true;
}

static bool take_read_options(Transfer *t, int argc, char **argv)
{
    bool part = false;
    int letter;

    t->check_len = UINT64_MAX;
    while ((letter = getopt(argc, argv, "P:l:s:qv")) >= 0) {
        switch (letter) {
        case 'P':
            if (!take_pattern(t, optarg)) {
                return false;
            }
            break;
        case 's':
        case 'l':
            part = true;
            if (!io_take_number(optarg, letter == 's' ? &t->check_from : &t->check_len)) {
                return false;
            }
            break;
        case 'q': t->quiet = true; break;
        case 'v': t->dump = true; break;
        default: return false;
        }
    }
    if (part && !t->has_pattern) {
        printf("-s and -l go with -P only\n");
        return false;
    }
    return true;
}

static bool take_write_options(Transfer *t, int argc, char **argv)
{
    bool zero = false, compress = false;
    int letter;

    while ((letter = getopt(argc, argv, "P:s:cfquz")) >= 0) {
        switch (letter) {
        case 'P':
            if (!take_pattern(t, optarg)) {
                return false;
            }
            break;
        case 's': t->source = optarg; break;
        case 'c': compress = true; break;
        case 'f': t->fua = true; break;
        case 'q': t->quiet = true; break;
        case 'u': t->unmap = true; break;
        case 'z': zero = true; break;
        default: return false;
        }
    }
    return take_kind(t, zero, compress);
}

static bool take_discard_options(Transfer *t, int argc, char **argv)
{
    int letter;

    while ((letter = getopt(argc, argv, "q")) >= 0) {
        if (letter != 'q') {
            return false;
        }
        t->quiet = true;
    }
    return true;
}

/* The offset, and the length or the lengths of the parts of memory. */
static bool take_range(Transfer *t, int count, char **args)
{
    bool in_memory = t->kind != IO_DISCARD && t->kind != IO_ZERO;
    uint64_t lens[VECTOR_MAX], limit = in_memory ? TRANSFER_MAX : INT64_MAX;

    if (!io_take_number(args[0], &t->offset)) {
        return false;
    }
    for (int i = 1; i < count; i++) {
        if (!io_take_number(args[i], &lens[i - 1])) {
            return false;
        }
        if (lens[i - 1] > limit - t->len) {
            printf("length cannot exceed %" PRIu64 ", given %s\n", limit, args[i]);
            return false;
        }
        t->len += lens[i - 1];
    }
    if (!in_memory) {
        return true;
    }
    t->niov = count - 1;
    t->iov = g_new0(struct iovec, t->niov);
    t->buf = g_malloc0(t->len + 1);
    for (int i = 0, at = 0; i < t->niov; at += (int)lens[i], i++) {
        t->iov[i] = (struct iovec){t->buf + at, lens[i]};
    }
    return true;
}

static bool fill_from_file(Transfer *t)
{
    g_autofree char *data = NULL;
    g_autoptr(GError) err = NULL;
    gsize len;

    if (!g_file_get_contents(t->source, &data, &len, &err)) {
        printf("%s\n", err->message);
        return false;
    }
    if (!len) {
        printf("%s: it is empty\n", t->source);
        return false;
    }
    for (uint64_t at = 0; at < t->len; at++) {
        t->buf[at] = (uint8_t)data[at % len];
    }
    return true;
}

static bool prepare(Transfer *t)
{
    if (t->kind == IO_READ) {
        t->check_len =
            t->check_len == UINT64_MAX ? t->len - MIN(t->check_from, t->len) : t->check_len;
        if (t->check_from > t->len || t->check_len > t->len - t->check_from) {
            printf("pattern verification range exceeds end of read data\n");
            return false;
        }
        return true;
    }
    if (block_read_only(t->n)) {
        report("Block node is read-only");
        return false;
    }
    if (t->source) {
        return fill_from_file(t);
    }
    if (t->buf) {
        memset(t->buf, t->has_pattern ? t->pattern : DEFAULT_PATTERN, t->len);
    }
    return true;
}

static bool transfer(IoSession *s, const IoCommand *c, Transfer *t, int argc, char **argv,
                     bool (*take_options)(Transfer *t, int argc, char **argv))
{
    bool ok;

    t->s = s;
    t->n = s->n;
    t->name = c->name;
    if (!take_options(t, argc, argv) || !io_check_count(c, argc - optind) ||
        !take_range(t, argc - optind, argv + optind) || !prepare(t)) {
        transfer_free(t);
        return false;
    }
    if (t->async) {
        return transfer_start(t);
    }
    ok = transfer_run(t);
    transfer_free(t);
    return ok;
}

static Transfer *transfer_new(TransferKind kind, bool async)
{
    Transfer *t = g_new0(Transfer, 1);

    t->kind = kind;
    t->async = async;
    return t;
}

/* --- The commands --- */

static bool run_read(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    return transfer(s, c, transfer_new(IO_READ, *c->name == 'a'), argc, argv, take_read_options);
}

static bool run_write(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    return transfer(s, c, transfer_new(IO_WRITE, *c->name == 'a'), argc, argv, take_write_options);
}

static bool run_discard(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    return transfer(s, c, transfer_new(IO_DISCARD, false), argc, argv, take_discard_options);
}

/* Older names of write -z, write -z -u and write -c. */
static bool run_zero(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    return transfer(s, c, transfer_new(IO_ZERO, false), argc, argv, take_discard_options);
}

static bool run_unmap(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    Transfer *t = transfer_new(IO_ZERO, false);

    t->unmap = true;
    return transfer(s, c, t, argc, argv, take_discard_options);
}

static bool run_compress(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    return transfer(s, c, transfer_new(IO_COMPRESS, false), argc, argv, take_write_options);
}

static bool run_aio_flush(IoSession *s, const IoCommand *c, int argc, char **argv)
{
    io_wait(s);
    return true;
}

#define READ_ARGS  "[-qv] [-P pattern [-s off] [-l len]] off len"
#define WRITE_ARGS "[-cfquz] [-P pattern | -s source_file] off len"

const IoCommand io_transfer_commands[] = {
    {"read", "r", 2, 2, true, READ_ARGS, "reads, and compares with a byte (-P)", run_read},
    {"readv", NULL, 2, VECTOR_MAX, true, READ_ARGS " [len..]", "reads into several parts of memory",
     run_read},
    {"aio_read", NULL, 2, VECTOR_MAX, true, READ_ARGS " [len..]", "reads in the background",
     run_read},
    {"write", "w", 2, 2, true, WRITE_ARGS,
     "writes a byte (0xcd), zeroes (-z; -u: that need no space), compressed data (-c); -f: to "
     "stable "
     "storage",
     run_write},
    {"writev", NULL, 2, VECTOR_MAX, true, WRITE_ARGS " [len..]",
     "writes from several parts of memory", run_write},
    {"aio_write", NULL, 2, VECTOR_MAX, true, WRITE_ARGS " [len..]", "writes in the background",
     run_write},
    {"aio_flush", NULL, 0, 0, true, "", "waits for what is in the background", run_aio_flush},
    {"discard", "d", 2, 2, true, "[-q] off len", "says that the contents are of no use any more",
     run_discard},
    {"zero", NULL, 2, 2, true, "[-q] off len", "write -z", run_zero},
    {"unmap", NULL, 2, 2, true, "[-q] off len", "write -z -u", run_unmap},
    {"compress", NULL, 2, 2, true, "[-q] [-P pattern] off len", "write -c", run_compress},
    {.name = NULL},
};
