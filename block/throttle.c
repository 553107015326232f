/* SPDX-License-Identifier: MIT */
/*
 * throttle: a filter that lets requests wait as its group's limits ask.  For each limit the group knows when
 * the next request may begin: each pushes that time on by what it costs, and waits for its own; time that was not
 * used is saved up, as much as a burst may take.
 * Waiting threads do not count for the pool of workers, and whoever drains does not wait for them
 * (block_sleep_until()).
 */
#include "rhea/osdep.h"

#include "filter.h"
#include "throttle.h"

struct ThrottleGroup {
    char *name;
    unsigned refs; /* main thread */
    GMutex lock;
    /* under lock */
    ThrottleLimits limits;
    double next_us[THROTTLE_KINDS];
};

const char *const throttle_names[THROTTLE_KINDS] = {"bps-total",  "bps-read",  "bps-write",
                                                    "iops-total", "iops-read", "iops-write"};

static GPtrArray *groups;

bool throttle_any(const ThrottleLimits *l)
{
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        if (l->avg[i]) {
            return true;
        }
    }
    return false;
}

bool throttle_check(const char *what, const ThrottleLimits *l, Error **errp)
{
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        if (l->max[i] && l->max[i] < l->avg[i]) {
            return error_fail(errp, "%s: %s-max cannot be lower than %s", what, throttle_names[i],
                              throttle_names[i]);
        }
    }
    for (int i = 0; i < THROTTLE_KINDS; i += 3) {
        if (l->avg[i] && (l->avg[i + 1] || l->avg[i + 2])) {
            return error_fail(errp,
                              "%s: %s and its parts for reads and writes cannot be used at the "
                              "same time",
                              what, throttle_names[i]);
        }
    }
    return true;
}

/* --- Groups --- */

ThrottleGroup *throttle_group_find(const char *name)
{
    for (guint i = 0; groups && i < groups->len; i++) {
        ThrottleGroup *g = g_ptr_array_index(groups, i);

        if (!strcmp(g->name, name)) {
            return g;
        }
    }
    return NULL;
}

ThrottleGroup *throttle_group_new(const char *name, const ThrottleLimits *l, Error **errp)
{
    ThrottleGroup *g;

    if (throttle_group_find(name)) {
        error_fail(errp, "A group with name '%s' already exists", name);
        return NULL;
    }
    g = g_new0(ThrottleGroup, 1);
    g->name = g_strdup(name);
    g->refs = 1;
    g->limits = *l;
    g_mutex_init(&g->lock);
    groups = groups ? groups : g_ptr_array_new();
    g_ptr_array_add(groups, g);
    return g;
}

void throttle_group_unref(ThrottleGroup *g)
{
    if (--g->refs == 0) {
        g_ptr_array_remove(groups, g);
        g_mutex_clear(&g->lock);
        g_free(g->name);
        g_free(g);
    }
}

void throttle_group_set(ThrottleGroup *g, const ThrottleLimits *l)
{
    g_mutex_lock(&g->lock);
    g->limits = *l;
    memset(g->next_us, 0, sizeof(g->next_us));
    g_mutex_unlock(&g->lock);
}

const ThrottleLimits *throttle_limits(const ThrottleGroup *g)
{
    return &g->limits;
}

/* --- Waiting --- */

/* When a request of @cost may begin by limit @i; the next one may later.  The lock is held. */
static double reserve(ThrottleGroup *g, int i, double cost, double now)
{
    double avg = (double)g->limits.avg[i];
    double burst = g->limits.max[i] ? (double)g->limits.max[i] : avg / 10;
    double start;

    if (!g->limits.avg[i]) {
        return now;
    }
    start = MAX(g->next_us[i], now - burst * G_USEC_PER_SEC / avg);
    g->next_us[i] = start + cost * G_USEC_PER_SEC / avg;
    return start;
}

static double count_requests(const ThrottleLimits *l, uint64_t len)
{
    return l->iops_size && len > l->iops_size ? (double)len / (double)l->iops_size : 1;
}

static int throttle_before(BlockNode *n, BlockFilterOp op, uint64_t offset, uint64_t len)
{
    ThrottleGroup *g = n->opaque;
    double now = (double)g_get_monotonic_time(), start = now;
    int way = op == BLOCK_FILTER_READ ? 1 : 2;

    if (op == BLOCK_FILTER_FLUSH) {
        return 0;
    }
    g_mutex_lock(&g->lock);
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        double cost = i < 3 ? (double)len : count_requests(&g->limits, len);

        if (i % 3 == 0 || i % 3 == way) {
            start = MAX(start, reserve(g, i, cost, now));
        }
    }
    g_mutex_unlock(&g->lock);
    if (start > now) {
        block_sleep_until((int64_t)start);
    }
    return 0;
}

/* --- The driver --- */

/* The group that the options name, with a reference; NULL: there is none. */
static ThrottleGroup *take_group(Opts *o, Error **errp)
{
    const char *name = opts_take(o, "throttle-group");
    ThrottleGroup *g = name ? throttle_group_find(name) : NULL;

    if (g) {
        g->refs++;
    } else if (name) {
        error_fail(errp, "%s: Throttle group '%s' does not exist", opts_what(o), name);
    } else {
        error_fail(errp, "%s: throttle-group= is missing", opts_what(o));
    }
    return g;
}

static bool throttle_open(BlockNode *n, Opts *o, unsigned flags, Error **errp)
{
    n->opaque = take_group(o, errp);
    n->size = block_size(n->file);
    return n->opaque;
}

static bool throttle_reopen(BlockNode *n, Opts *o, Error **errp)
{
    ThrottleGroup *g = take_group(o, errp);

    if (g) {
        throttle_group_unref(n->opaque);
        n->opaque = g;
        n->size = block_size(n->file);
    }
    return g;
}

static void throttle_close(BlockNode *n)
{
    throttle_group_unref(n->opaque);
}

static const char *const throttle_options[] = {"throttle-group", NULL};

const BlockDriver throttle_driver = {
    .name = "throttle",
    .filter = true,
    .options = throttle_options,
    .changeable = throttle_options,
    .reopen = throttle_reopen,
    .before = throttle_before,
    .open = throttle_open,
    .close = throttle_close,
    .preadv = filter_preadv,
    .pwritev = filter_pwritev,
    .flush = filter_flush,
    .discard = filter_discard,
    .write_zeroes = filter_write_zeroes,
    .status = filter_status,
    .truncate = filter_truncate,
    .set_read_only = filter_set_read_only,
};

ThrottleGroup *throttle_group_of(const BlockNode *n)
{
    return n && n->drv == &throttle_driver ? n->opaque : NULL;
}

/* --- Drives --- */

static bool take_limit(Opts *o, const char *name, const char *old, uint64_t *limit, Error **errp)
{
    g_autofree char *key = g_strconcat("throttling.", name, NULL);

    return opts_take_u64(o, old, INT64_MAX, limit, errp) &&
           opts_take_u64(o, key, INT64_MAX, limit, errp);
}

bool throttle_take_drive(Opts *o, ThrottleLimits *l, Error **errp)
{
    static const char *const old[] = {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"};

    for (int i = 0; i < THROTTLE_KINDS; i++) {
        g_autofree char *max = g_strconcat(throttle_names[i], "-max", NULL);
        g_autofree char *old_max = g_strconcat(old[i], "_max", NULL);

        if (!take_limit(o, throttle_names[i], old[i], &l->avg[i], errp) ||
            !take_limit(o, max, old_max, &l->max[i], errp)) {
            return false;
        }
    }
    return take_limit(o, "iops-size", "iops_size", &l->iops_size, errp) &&
           throttle_check(opts_what(o), l, errp);
}

BlockNode *throttle_put(BlockNode *n, const char *name, const ThrottleLimits *l, Error **errp)
{
    ThrottleGroup *g = throttle_group_find(name);
    g_autoptr(Opts) o = opts_new("throttling");
    BlockNode *filter;

    if (g) {
        throttle_group_set(g, l);
        g->refs++;
    } else {
        g = throttle_group_new(name, l, errp);
    }
    opts_add(o, "throttle-group", name);
    filter = block_put_filter(&throttle_driver, n, o, errp);
    throttle_group_unref(g); /* the filter has it */
    return filter;
}
