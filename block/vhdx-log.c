/* SPDX-License-Identifier: MIT */
/*
 * The log of VHDX images.  It is a ring of entries; an entry says which pages of the file become what.  The
 * active sequence is the newest entry and those before it back to the one that it names as the tail.
 *
 * Entries of our own are complete by themselves, and written at the start and the middle of the ring in turn;
 * pages reach the file before the entry after the next is written.
 */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "rhea/endian.h"
#include "vhdx.h"

/* An entry's header. */
enum {
    ENTRY_CRC = 4,
    ENTRY_LEN = 8,
    ENTRY_TAIL = 12,
    ENTRY_SEQUENCE = 16,
    ENTRY_COUNT = 24,
    ENTRY_GUID = 32,
    ENTRY_FLUSHED = 48,
    ENTRY_LAST = 56,
    ENTRY_HEADER = 64,
};

/* A descriptor: of zeroes, or of a page. */
enum {
    DESC_TRAILING = 4,
    DESC_LEADING = 8,
    DESC_ZEROES = 8, /* how many */
    DESC_OFFSET = 16,
    DESC_SEQUENCE = 24,
    DESC_LEN = 32,
};

/* A page's data: without its first 8 and last 4 bytes, which the descriptor has. */
enum { DATA_HIGH = 4, DATA_BYTES = 8, DATA_LOW = 4092 };

enum {
    MAX_LOG = 64 << 20,
    CRC_BUDGET = 4,        /* times the log's length: what a search may read */
    MAX_ZEROES = 64 << 20, /* bytes, of all that a log says */
    FIRST_DESCS = (VHDX_PAGE - ENTRY_HEADER) / DESC_LEN,
};

static const char entry_magic[] = "loge", zero_magic[] = "zero", desc_magic[] = "desc",
                  data_magic[] = "data";

typedef struct LogEntry {
    uint32_t len, tail; /* len 0: none begins here */
    uint64_t sequence;
} LogEntry;

/* A log in memory. */
typedef struct Log {
    uint8_t *ring;
    uint32_t len, pages;
    LogEntry *entries; /* by page */
    const uint8_t *guid;
    uint64_t budget;
    uint64_t zeroes; /* bytes that may still be said to be zeroes */
} Log;

/* --- Finding the active sequence --- */

/* Bytes of the ring from @at on, which may wrap. */
static void ring_copy(const Log *log, uint64_t at, uint8_t *out, uint32_t len)
{
    at %= log->len;
    for (uint32_t n; len; len -= n, out += n, at = 0) {
        n = MIN(len, log->len - at);
        memcpy(out, log->ring + at, n);
    }
}

static bool entry_crc_ok(const Log *log, uint32_t at, uint32_t len)
{
    static const uint8_t no_crc[4];
    uint32_t first = MIN(len, log->len - at), crc;

    crc = vhdx_crc(0, log->ring + at, ENTRY_CRC);
    crc = vhdx_crc(crc, no_crc, sizeof(no_crc));
    crc = vhdx_crc(crc, log->ring + at + ENTRY_LEN, first - ENTRY_LEN);
    crc = vhdx_crc(crc, log->ring, len - first);
    return crc == ld32_le(log->ring + at + ENTRY_CRC);
}

/* Fills in log->entries. */
static int find_entries(Log *log)
{
    for (uint32_t page = 0; page < log->pages; page++) {
        const uint8_t *h = log->ring + page * VHDX_PAGE;
        uint32_t len = ld32_le(h + ENTRY_LEN), tail = ld32_le(h + ENTRY_TAIL);

        if (memcmp(h, entry_magic, 4) || memcmp(h + ENTRY_GUID, log->guid, VHDX_GUID_LEN) || !len ||
            len % VHDX_PAGE || len > log->len || tail % VHDX_PAGE || tail >= log->len) {
            continue;
        }
        if (len > log->budget) {
            return -EIO;
        }
        log->budget -= len;
        if (entry_crc_ok(log, page * VHDX_PAGE, len)) {
            log->entries[page] = (LogEntry){len, tail, ld64_le(h + ENTRY_SEQUENCE)};
        }
    }
    return 0;
}

/* Whether entries follow each other from the tail of entry @head up to it. */
static bool sequence_ok(const Log *log, uint32_t head)
{
    const LogEntry *last = &log->entries[head];
    uint32_t page = last->tail / VHDX_PAGE;
    uint64_t sequence = log->entries[page].sequence;

    for (uint32_t steps = 0; steps < log->pages; steps++, sequence++) {
        const LogEntry *e = &log->entries[page];

        if (!e->len || e->sequence != sequence) {
            return false;
        }
        if (page == head) {
            return true;
        }
        page = (page + e->len / VHDX_PAGE) % log->pages;
    }
    return false;
}

/* The page of the newest entry whose sequence is whole; log->pages: there is none. */
static uint32_t find_head(const Log *log)
{
    uint32_t best = log->pages;

    for (uint32_t page = 0; page < log->pages; page++) {
        if (log->entries[page].len &&
            (best == log->pages || log->entries[page].sequence > log->entries[best].sequence) &&
            sequence_ok(log, page)) {
            best = page;
        }
    }
    return best;
}

/* --- Applying it --- */

static int apply(BlockMap *m, bool write, uint64_t at, const uint8_t *page)
{
    int ret = 0;

    if (write) {
        return block_pwrite(m->file, at, page, VHDX_PAGE);
    }
    g_mutex_lock(&m->lock);
    for (uint32_t i = 0; !ret && i < VHDX_PAGE; i += 512) {
        ret = blockmap_meta_write(m, at + i, page + i, 512);
    }
    g_mutex_unlock(&m->lock);
    return ret;
}

static int apply_zeroes(BlockMap *m, Log *log, bool write, const uint8_t *desc)
{
    static const uint8_t zeroes[VHDX_PAGE];
    uint64_t at = ld64_le(desc + DESC_OFFSET), len = ld64_le(desc + DESC_ZEROES);
    int ret = 0;

    if (at % VHDX_PAGE || len % VHDX_PAGE || at > INT64_MAX - MAX_ZEROES || len > log->zeroes) {
        return -EIO;
    }
    log->zeroes -= len;
    if (write) {
        return len ? block_write_zeroes(m->file, at, len, true) : 0;
    }
    for (; !ret && len; at += VHDX_PAGE, len -= VHDX_PAGE) {
        ret = apply(m, false, at, zeroes);
    }
    return ret;
}

static int apply_page(BlockMap *m, bool write, const uint8_t *desc, uint8_t *data,
                      uint64_t sequence)
{
    uint64_t at = ld64_le(desc + DESC_OFFSET);

    if (at % VHDX_PAGE || at > INT64_MAX - VHDX_PAGE || memcmp(data, data_magic, 4) ||
        ld32_le(data + DATA_HIGH) != sequence >> 32 ||
        ld32_le(data + DATA_LOW) != (uint32_t)sequence) {
        return -EIO;
    }
    memcpy(data, desc + DESC_LEADING, DATA_BYTES);
    memcpy(data + DATA_LOW, desc + DESC_TRAILING, 4);
    return apply(m, write, at, data);
}

static int apply_entry(BlockMap *m, Log *log, uint32_t page, bool write)
{
    const LogEntry *e = &log->entries[page];
    g_autofree uint8_t *whole = g_malloc(e->len); /* at most the ring, which is bounded */
    uint64_t count, data;
    int ret = 0;

    ring_copy(log, (uint64_t)page * VHDX_PAGE, whole, e->len);
    count = ld32_le(whole + ENTRY_COUNT);
    data = align_up(ENTRY_HEADER + count * DESC_LEN, VHDX_PAGE);
    for (uint64_t i = 0; !ret && i < count; i++) {
        const uint8_t *desc = whole + ENTRY_HEADER + i * DESC_LEN;

        if (data > e->len || ld64_le(desc + DESC_SEQUENCE) != e->sequence) {
            return -EIO;
        }
        if (!memcmp(desc, zero_magic, 4)) {
            ret = apply_zeroes(m, log, write, desc);
        } else if (!memcmp(desc, desc_magic, 4) && data + VHDX_PAGE <= e->len) {
            ret = apply_page(m, write, desc, whole + data, e->sequence);
            data += VHDX_PAGE;
        } else {
            ret = -EIO;
        }
    }
    return ret;
}

/* The file is as long as the entry says. */
static int apply_length(BlockMap *m, const Log *log, uint32_t page, bool write)
{
    static const uint8_t zero;
    Vhdx *v = m->opaque;
    const uint8_t *h = log->ring + page * VHDX_PAGE;
    uint64_t last = ld64_le(h + ENTRY_LAST), size = block_size(m->file);

    if (ld64_le(h + ENTRY_FLUSHED) > size || last > (uint64_t)INT64_MAX / 2) {
        return -EIO;
    }
    v->last_offset = last;
    return write && last > size ? block_pwrite(m->file, last - 1, &zero, 1) : 0;
}

static int replay_sequence(BlockMap *m, Log *log, bool write)
{
    Vhdx *v = m->opaque;
    uint32_t head = find_head(log), page;
    int ret = 0;

    if (head == log->pages) {
        return 0; /* the log was begun, and nothing written */
    }
    v->log_sequence = log->entries[head].sequence + 1;
    v->pending = true;
    for (page = log->entries[head].tail / VHDX_PAGE; !ret;
         page = (page + log->entries[page].len / VHDX_PAGE) % log->pages) {
        ret = apply_entry(m, log, page, write);
        if (page == head) {
            break;
        }
    }
    return ret ? ret : apply_length(m, log, head, write);
}

int vhdx_log_replay(BlockMap *m, bool write)
{
    const Vhdx *v = m->opaque;
    g_autofree LogEntry *entries = NULL;
    g_autofree uint8_t *ring = NULL;
    Log log = {.len = ld32_le(v->header + VHDX_LOG_LEN), .guid = v->header + VHDX_LOG_GUID};
    uint64_t at = ld64_le(v->header + VHDX_LOG_OFFSET);
    int ret;

    if (!log.len || log.len > MAX_LOG || log.len % VHDX_MIB || at % VHDX_MIB || at < VHDX_MIB ||
        at > INT64_MAX - MAX_LOG) {
        return -EFBIG;
    }
    log.pages = log.len / VHDX_PAGE;
    log.budget = (uint64_t)log.len * CRC_BUDGET;
    log.zeroes = MAX_ZEROES;
    log.entries = entries = g_try_new0(LogEntry, log.pages);
    log.ring = ring = g_try_malloc(log.len);
    if (!entries || !ring) {
        return -ENOMEM;
    }
    ret = block_pread(m->file, at, ring, log.len);
    ret = ret ? ret : find_entries(&log);
    ret = ret ? ret : replay_sequence(m, &log, write);
    return ret || !write ? ret : block_flush(m->file);
}

/* --- Entries of our own --- */

/* A page of tables as it shall be, as it is described. */
static void put_page(uint8_t *entry, uint32_t i, uint64_t at, uint64_t sequence,
                     const uint8_t *page)
{
    uint8_t *desc = entry + ENTRY_HEADER + i * DESC_LEN;
    uint8_t *data = entry + VHDX_PAGE + i * VHDX_PAGE;

    memcpy(desc, desc_magic, 4);
    memcpy(desc + DESC_TRAILING, page + DATA_LOW, 4);
    memcpy(desc + DESC_LEADING, page, DATA_BYTES);
    st64_le(desc + DESC_OFFSET, at);
    st64_le(desc + DESC_SEQUENCE, sequence);
    memcpy(data, page, VHDX_PAGE);
    memcpy(data, data_magic, 4);
    st32_le(data + DATA_HIGH, sequence >> 32);
    st32_le(data + DATA_LOW, (uint32_t)sequence);
}

/* Writes an entry of @count pages, which are in it already. */
static int write_entry(BlockMap *m, uint8_t *entry, uint32_t count)
{
    Vhdx *v = m->opaque;
    uint32_t ring = ld32_le(v->header + VHDX_LOG_LEN), len = VHDX_PAGE * (1 + count);
    uint32_t at = v->log_sequence % 2 ? ring / 2 : 0;
    uint64_t size = block_size(m->file);
    int ret;

    memcpy(entry, entry_magic, 4);
    st32_le(entry + ENTRY_LEN, len);
    st32_le(entry + ENTRY_TAIL, at);
    st64_le(entry + ENTRY_SEQUENCE, v->log_sequence);
    st32_le(entry + ENTRY_COUNT, count);
    memcpy(entry + ENTRY_GUID, v->header + VHDX_LOG_GUID, VHDX_GUID_LEN);
    st64_le(entry + ENTRY_FLUSHED, size);
    st64_le(entry + ENTRY_LAST, size);
    st32_le(entry + ENTRY_CRC, vhdx_crc(0, entry, len));
    ret = block_pwrite(m->file, ld64_le(v->header + VHDX_LOG_OFFSET) + at, entry, len);
    v->log_sequence++;
    return ret ? ret : block_flush(m->file);
}

int vhdx_log_start(BlockMap *m)
{
    g_autofree uint8_t *entry = g_malloc0(VHDX_PAGE);

    return write_entry(m, entry, 0);
}

/* The pages that the runs are in, in order, as they shall be: their offsets, and their bytes in *out. */
static int collect_pages(BlockMap *m, const GArray *runs, GArray *offsets, GByteArray *out)
{
    int ret = 0;

    for (guint i = 0; !ret && i < runs->len; i++) {
        const MetaRun *run = &g_array_index(runs, MetaRun, i);

        for (uint32_t n, done = 0; !ret && done < run->len; done += n) {
            uint64_t at = run->at + done, page = align_down(at, VHDX_PAGE);

            n = MIN(run->len - done, page + VHDX_PAGE - at);
            if (!offsets->len || g_array_index(offsets, uint64_t, offsets->len - 1) != page) {
                g_array_append_val(offsets, page);
                g_byte_array_set_size(out, offsets->len * VHDX_PAGE);
                ret = block_pread(m->file, page, out->data + out->len - VHDX_PAGE, VHDX_PAGE);
            }
            memcpy(out->data + out->len - VHDX_PAGE + at % VHDX_PAGE, run->data + done, n);
        }
    }
    return ret;
}

int vhdx_log_write(BlockMap *m, GArray *runs)
{
    g_autofree uint8_t *entry = g_malloc(VHDX_PAGE * (1 + FIRST_DESCS)); /* under half a MiB */
    g_autoptr(GArray) offsets = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_autoptr(GByteArray) pages = g_byte_array_new();
    const Vhdx *v = m->opaque;
    int ret = collect_pages(m, runs, offsets, pages);

    for (uint32_t first = 0, count; !ret && first < offsets->len; first += count) {
        count = MIN(offsets->len - first, FIRST_DESCS);
        memset(entry, 0, VHDX_PAGE);
        for (uint32_t i = 0; i < count; i++) {
            put_page(entry, i, g_array_index(offsets, uint64_t, first + i), v->log_sequence,
                     pages->data + (first + i) * VHDX_PAGE);
        }
        ret = first ? block_flush(m->file) : 0; /* the pages of the entry before */
        ret = ret ? ret : write_entry(m, entry, count);
        for (uint32_t i = 0; !ret && i < count; i++) {
            ret = block_pwrite(m->file, g_array_index(offsets, uint64_t, first + i),
                               pages->data + (first + i) * VHDX_PAGE, VHDX_PAGE);
        }
    }
    return ret;
}
