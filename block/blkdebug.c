/* SPDX-License-Identifier: MIT */
/*
 * blkdebug: requests fail where a rule says so.
 *
 *     inject-error.N.event      none (any request), read_aio, write_aio, pwritev, pwritev_zero, flush_to_os,
 *                               flush_to_disk
 *     inject-error.N.iotype     read, write, write-zeroes, discard, flush: the rule is for these alone
 *     inject-error.N.errno      the error, EIO (5) unless told
 *     inject-error.N.sector     only requests that touch that sector of 512 bytes
 *     inject-error.N.once       the rule is good for one request
 *
 * Not here: events inside formats (l1_update and its like), state machines, alignment limits.
 */
#include "rhea/osdep.h"

#include "filter.h"

enum { RULES_MAX = 64, SECTOR = 512 };

typedef struct Rule {
    unsigned ops; /* bit 1 << BlockFilterOp */
    int err;
    int64_t sector; /* -1: any */
    bool once, spent;
} Rule;

typedef struct Debug {
    GMutex lock; /* of the rules' spent */
    unsigned nrules;
    Rule rules[RULES_MAX];
} Debug;

static const char *const iotypes[] = {"read",    "write", "write-zeroes",
                                      "discard", "flush", NULL}; /* as BlockFilterOp */
static const char *const events[] = {"none",         "read_aio",    "write_aio",     "pwritev",
                                     "pwritev_zero", "flush_to_os", "flush_to_disk", NULL};
static const unsigned event_ops[] = {
    ~0U,
    1 << BLOCK_FILTER_READ,
    1 << BLOCK_FILTER_WRITE,
    1 << BLOCK_FILTER_WRITE,
    1 << BLOCK_FILTER_ZERO,
    1 << BLOCK_FILTER_FLUSH,
    1 << BLOCK_FILTER_FLUSH,
};

static bool rule_hits(const Rule *r, BlockFilterOp op, uint64_t offset, uint64_t len)
{
    uint64_t at = (uint64_t)r->sector * SECTOR;

    return !r->spent && r->ops >> op & 1 &&
           (r->sector < 0 || (offset < at + SECTOR && at < offset + len));
}

static int debug_before(BlockNode *n, BlockFilterOp op, uint64_t offset, uint64_t len)
{
    Debug *s = n->opaque;
    int ret = 0;

    g_mutex_lock(&s->lock);
    for (unsigned i = 0; !ret && i < s->nrules; i++) {
        Rule *r = &s->rules[i];

        if (rule_hits(r, op, offset, len)) {
            r->spent = r->once;
            ret = -r->err;
        }
    }
    g_mutex_unlock(&s->lock);
    return ret;
}

static bool take_rule(Opts *o, Rule *r, Error **errp)
{
    uint64_t err = EIO, sector = UINT64_MAX;
    int event = 0, iotype = -1;
    bool immediately =
        false; /* it makes no difference here: a request waits for its answer anyway */

    if (!opts_take_enum(o, "event", events, &event, errp) ||
        !opts_take_enum(o, "iotype", iotypes, &iotype, errp) ||
        !opts_take_u64(o, "errno", 4095, &err, errp) ||
        !opts_take_u64(o, "sector", INT64_MAX / SECTOR - 1, &sector, errp) ||
        !opts_take_bool(o, "once", &r->once, errp) ||
        !opts_take_bool(o, "immediately", &immediately, errp)) {
        return false;
    }
    r->ops = event_ops[event] & (iotype < 0 ? ~0U : 1U << iotype);
    r->err = (int)err;
    r->sector = sector == UINT64_MAX ? -1 : (int64_t)sector;
    return opts_done(
        o, (const char *const[]){"event", "iotype", "errno", "sector", "once", "immediately", NULL},
        errp);
}

static bool debug_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    g_autofree Debug *s = g_new0(Debug, 1);

    for (unsigned i = 0; i < RULES_MAX; i++) {
        g_autofree char *key = g_strdup_printf("inject-error.%u", i);
        g_autoptr(Opts) sub = opts_take_sub(o, key);

        if (opts_empty(sub)) {
            break;
        }
        if (!take_rule(sub, &s->rules[s->nrules++], errp)) {
            return false;
        }
    }
    g_mutex_init(&s->lock);
    n->opaque = g_steal_pointer(&s);
    n->size = block_size(n->file);
    return true;
}

static void debug_close(BlockNode *n)
{
    Debug *s = n->opaque;

    g_mutex_clear(&s->lock);
    g_free(s);
}

static const char *const debug_options[] = {"image", "inject-error", NULL};

const BlockDriver blkdebug_driver = {
    .name = "blkdebug",
    .filter = true,
    .child = "image",
    .options = debug_options,
    .before = debug_before,
    .open = debug_open,
    .close = debug_close,
    .preadv = filter_preadv,
    .pwritev = filter_pwritev,
    .flush = filter_flush,
    .discard = filter_discard,
    .write_zeroes = filter_write_zeroes,
    .status = filter_status,
    .truncate = filter_truncate,
    .set_read_only = filter_set_read_only,
    .reopen = filter_reopen,
};
