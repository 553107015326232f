/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of the whole machine in its disks (savevm): one of every writable disk, with the same name, and
 * the machine's state (machine.c) in the first of them.  All of them are made or none; a save or load that
 * cannot be done by one disk is refused before anything changes.
 */
#include "rhea/osdep.h"

#include "snapshot/snapshot.h"

#include "block/block.h"
#include "block/image.h"
#include "hw/machine.h"
#include "machine-stream.h"

enum { STREAM_BUFFER = 4 << 20 };

/* --- The disks --- */

typedef struct Disk {
    BlockNode *node;
    const char *name; /* of the drive or node */
    char *id;         /* the snapshot that was found or made, NULL: none */
} Disk;

static void disk_clear(gpointer p)
{
    g_free(((Disk *)p)->id);
}

static Disk *disk_at(GArray *disks, guint i)
{
    return &g_array_index(disks, Disk, i);
}

static void add_node(GArray *disks, BlockNode *front, const char *name)
{
    Disk d = {.node = block_skip_filters(front), .name = name};

    for (guint i = 0; i < disks->len; i++) {
        if (disk_at(disks, i)->node == d.node) {
            return;
        }
    }
    g_array_append_val(disks, d);
}

static void add_writable(BlockBackend *blk, void *opaque)
{
    if (blk_node(blk) && !blk_read_only(blk)) {
        add_node(opaque, blk_node(blk), blk_name(blk));
    }
}

static bool add_named(GArray *disks, const char *const *names, Error **errp)
{
    for (; *names; names++) {
        BlockNode *node = block_node_find(*names);

        if (!node || block_read_only(node)) {
            return error_fail(errp, "there is no writable block node '%s'", *names);
        }
        add_node(disks, node, *names);
    }
    return true;
}

/* The disks of @s; NULL: there are none, or one cannot hold snapshots. */
static GArray *find_disks(const DiskSnapshot *s, Error **errp)
{
    g_autoptr(GArray) disks = g_array_new(FALSE, FALSE, sizeof(Disk));

    g_array_set_clear_func(disks, disk_clear);
    if (!s->disks) {
        blk_foreach(add_writable, disks);
    } else if (!add_named(disks, s->disks, errp)) {
        return NULL;
    }
    for (guint i = 0; i < disks->len; i++) {
        Disk *d = disk_at(disks, i);

        if (!image_can_snapshot(d->node)) {
            error_fail(errp, "disk '%s' is writable, but %s images hold no snapshots", d->name,
                       block_driver_name(d->node));
            return NULL;
        }
    }
    if (!disks->len) {
        error_fail(errp, "there is no disk that can hold a snapshot (a writable qcow2 image)");
        return NULL;
    }
    return g_steal_pointer(&disks);
}

/* Where the machine's state is, or goes. */
static Disk *state_disk(GArray *disks, const DiskSnapshot *s, Error **errp)
{
    for (guint i = 0; i < disks->len; i++) {
        Disk *d = disk_at(disks, i);

        if (!s->state_disk || !strcmp(d->name, s->state_disk)) {
            return d;
        }
    }
    error_fail(errp, "disk '%s', for the machine's state, is not among the disks", s->state_disk);
    return NULL;
}

/* --- Their snapshots --- */

typedef struct Search {
    const char *tag;
    const char *but; /* an id that does not count, NULL: all do */
    char *id;        /* of the last with that name */
    ImageSnapshot found;
} Search;

static void search_one(void *opaque, const ImageSnapshot *sn)
{
    Search *search = opaque;

    if (!strcmp(sn->name, search->tag) && (!search->but || strcmp(sn->id, search->but))) {
        g_free(search->id);
        search->id = g_strdup(sn->id);
        search->found = *sn;
    }
}

/* The id of the newest snapshot with the name (the caller frees it), NULL: none; *sn what it is. */
static char *find_snapshot(const Disk *d, const char *tag, ImageSnapshot *sn)
{
    Search search = {.tag = tag};

    image_snapshot_foreach(d->node, search_one, &search);
    if (sn) {
        *sn = search.found;
    }
    return search.id;
}

/* Fills in the ids; false: a disk has none. */
static bool find_in_all(GArray *disks, const char *tag, Error **errp)
{
    for (guint i = 0; i < disks->len; i++) {
        Disk *d = disk_at(disks, i);

        d->id = find_snapshot(d, tag, NULL);
        if (!d->id) {
            return error_fail(errp, "disk '%s' has no snapshot '%s'", d->name, tag);
        }
    }
    return true;
}

bool disk_snapshot_exists(const char *tag)
{
    DiskSnapshot s = {.tag = tag};
    g_autoptr(GArray) disks = find_disks(&s, NULL);
    g_autofree char *id = disks ? find_snapshot(disk_at(disks, 0), tag, NULL) : NULL;

    return id;
}

/* --- The machine's state as a FILE --- */

typedef struct StateCookie {
    BlockNode *node;
    const char *id; /* reading: the snapshot */
    uint64_t at, size;
} StateCookie;

static ssize_t state_write(void *cookie, const char *buf, size_t len)
{
    StateCookie *c = cookie;
    int ret = image_vm_state_write(c->node, c->at, buf, len);

    if (ret) {
        errno = -ret;
        return 0;
    }
    c->at += len;
    return (ssize_t)len;
}

static ssize_t state_read(void *cookie, char *buf, size_t len)
{
    StateCookie *c = cookie;
    size_t n = MIN(len, c->size - c->at);
    int ret = n ? image_vm_state_read(c->node, c->id, c->at, buf, n) : 0;

    if (ret) {
        errno = -ret;
        return -1;
    }
    c->at += n;
    return (ssize_t)n;
}

static FILE *state_open(StateCookie *c, const char *mode)
{
    FILE *f =
        fopencookie(c, mode, (cookie_io_functions_t){.read = state_read, .write = state_write});

    setvbuf(f, NULL, _IOFBF, STREAM_BUFFER);
    return f;
}

/* Its length in *size. */
static bool save_state(Machine *m, const Disk *d, uint64_t *size, Error **errp)
{
    StateCookie c = {.node = d->node};
    FILE *f = state_open(&c, "w");
    bool ok = machine_stream_save(m, f, d->name, errp);

    if (fclose(f) && ok) {
        ok = error_fail_errno(errp, errno, "snapshot: cannot write to disk '%s'", d->name);
    }
    *size = c.at;
    return ok;
}

static bool with_state(Machine *m, const Disk *d, uint64_t size,
                       bool (*fn)(Machine *m, FILE *f, const char *name, Error **errp),
                       Error **errp)
{
    StateCookie c = {.node = d->node, .id = d->id, .size = size};
    FILE *f = state_open(&c, "r");
    bool ok = fn(m, f, d->name, errp);

    fclose(f);
    return ok;
}

/* --- Deleting --- */

/* All with the name but @keep. */
static bool delete_others(const Disk *d, const char *tag, const char *keep, Error **errp)
{
    for (;;) {
        g_autofree char *id = NULL;
        Search search = {.tag = tag, .but = keep};

        image_snapshot_foreach(d->node, search_one, &search);
        id = search.id;
        if (!id) {
            return true;
        }
        if (!image_snapshot_delete(d->node, id, errp)) {
            return false;
        }
    }
}

bool disk_snapshot_delete(const DiskSnapshot *s, Error **errp)
{
    g_autoptr(GArray) disks = find_disks(s, errp);
    bool found = false;

    blk_drain_all();
    for (guint i = 0; disks && i < disks->len; i++) {
        Disk *d = disk_at(disks, i);

        d->id = find_snapshot(d, s->tag, NULL);
        found |= d->id != NULL;
        if (!delete_others(d, s->tag, NULL, errp)) {
            return false;
        }
    }
    return disks && (found || error_fail(errp, "no disk has a snapshot '%s'", s->tag));
}

/* --- Saving --- */

/* Takes away what was made before one disk failed. */
static void undo(GArray *disks)
{
    for (guint i = 0; i < disks->len; i++) {
        Disk *d = disk_at(disks, i);

        if (d->id && !image_snapshot_delete(d->node, d->id, NULL)) {
            warn_user("disk '%s' keeps a snapshot of which other disks have no part (id %s)",
                      d->name, d->id);
        }
    }
}

static bool make_all(Machine *m, GArray *disks, const Disk *state, const char *tag,
                     uint64_t state_size, Error **errp)
{
    for (guint i = 0; i < disks->len; i++) {
        Disk *d = disk_at(disks, i);
        ImageSnapshot like = {
            .name = tag,
            .vm_state_size = d == state ? state_size : 0,
            .vm_clock_nsec = (uint64_t)clock_now_ns(m->clock[CLOCK_VIRTUAL]),
        };

        if (!image_snapshot_create(d->node, &like, errp)) {
            undo(disks);
            return false;
        }
        d->id = find_snapshot(d, tag, NULL);
    }
    return true;
}

static bool check_new(GArray *disks, const DiskSnapshot *s, Error **errp)
{
    for (guint i = 0; i < disks->len && !s->replace; i++) {
        g_autofree char *id = find_snapshot(disk_at(disks, i), s->tag, NULL);

        if (id) {
            return error_fail(errp, "disk '%s' has a snapshot '%s' already",
                              disk_at(disks, i)->name, s->tag);
        }
    }
    return true;
}

bool disk_snapshot_save(Machine *m, const DiskSnapshot *s, Error **errp)
{
    g_autoptr(GArray) disks = find_disks(s, errp);
    Disk *state = disks ? state_disk(disks, s, errp) : NULL;
    uint64_t size;
    int ret;

    if (!state || !check_new(disks, s, errp)) {
        return false;
    }
    blk_drain_all();
    ret = blk_flush_all();
    if (ret) {
        return error_fail_errno(errp, -ret, "snapshot: a disk cannot be flushed");
    }
    if (!save_state(m, state, &size, errp) || !make_all(m, disks, state, s->tag, size, errp)) {
        (void)!image_vm_state_write(state->node, 0, NULL, 0); /* what there is of it goes away */
        return false;
    }
    for (guint i = 0; i < disks->len; i++) {
        Disk *d = disk_at(disks, i);

        if (!delete_others(d, s->tag, d->id, errp)) {
            return false;
        }
    }
    return true;
}

/* --- Loading --- */

/* The disks with what is to be loaded, *state and *size say where the machine's state is; NULL: not possible. */
static GArray *prepare_load(const DiskSnapshot *s, Disk **state, uint64_t *size, Error **errp)
{
    g_autoptr(GArray) disks = find_disks(s, errp);
    g_autofree char *id = NULL;
    ImageSnapshot sn;

    *state = disks ? state_disk(disks, s, errp) : NULL;
    if (!*state || !find_in_all(disks, s->tag, errp)) {
        return NULL;
    }
    id = find_snapshot(*state, s->tag, &sn);
    *size = sn.vm_state_size;
    if (!*size) {
        error_fail(errp, "snapshot '%s' is of the disks alone: disk '%s' has no machine's state",
                   s->tag, (*state)->name);
        return NULL;
    }
    return g_steal_pointer(&disks);
}

bool disk_snapshot_can_load(const DiskSnapshot *s, Error **errp)
{
    Disk *state;
    uint64_t size;
    g_autoptr(GArray) disks = prepare_load(s, &state, &size, errp);

    return disks;
}

bool disk_snapshot_load(Machine *m, const DiskSnapshot *s, Error **errp)
{
    Disk *state;
    uint64_t size;
    g_autoptr(GArray) disks = prepare_load(s, &state, &size, errp);

    if (!disks || !with_state(m, state, size, machine_stream_check, errp)) {
        return false;
    }
    for (guint i = 0; i < disks->len; i++) {
        if (!block_unclaimed(disk_at(disks, i)->node, errp)) {
            return false;
        }
    }
    blk_give_up_failed();
    for (guint i = 0; i < disks->len; i++) {
        if (!image_snapshot_apply(disk_at(disks, i)->node, disk_at(disks, i)->id, errp)) {
            return false;
        }
    }
    return with_state(m, state, size, machine_stream_load, errp);
}

/* --- Listing --- */

typedef struct Listing {
    GString *out;
    GArray *disks;
    const Disk *disk;
    bool complete; /* those that all disks have, or the others */
    unsigned count;
} Listing;

static bool in_all(GArray *disks, const char *tag)
{
    for (guint i = 0; i < disks->len; i++) {
        g_autofree char *id = find_snapshot(disk_at(disks, i), tag, NULL);

        if (!id) {
            return false;
        }
    }
    return true;
}

static void list_one(void *opaque, const ImageSnapshot *sn)
{
    Listing *l = opaque;
    ImageSnapshot shown = *sn;
    g_autofree char *line = NULL, *head = NULL;

    if (in_all(l->disks, sn->name) != l->complete) {
        return;
    }
    if (!l->count++) {
        head = image_snapshot_line(NULL);
        g_string_append(l->out, l->complete ? "List of snapshots present on all disks:\n" : "");
        if (!l->complete) {
            g_string_append_printf(l->out, "\nList of partial (non-loadable) snapshots on '%s':\n",
                                   l->disk->name);
        }
        g_string_append_printf(l->out, "%s\n", head);
    }
    shown.id = l->complete ? "--" : sn->id;
    line = image_snapshot_line(&shown);
    g_string_append_printf(l->out, "%s\n", line);
}

void disk_snapshot_list(GString *out)
{
    DiskSnapshot all = {0};
    Error *err = NULL;
    g_autoptr(GArray) disks = find_disks(&all, &err);
    Listing l = {.out = out, .disks = disks, .complete = true};

    if (!disks) {
        g_string_append_printf(out, "%s\n", error_text(err));
        error_free(err);
        return;
    }
    image_snapshot_foreach(state_disk(disks, &all, NULL)->node, list_one, &l);
    if (!l.count) {
        g_string_append(out, "There is no snapshot available.\n");
    }
    l.complete = false;
    for (guint i = 0; i < disks->len; i++) {
        l.disk = disk_at(disks, i);
        l.count = 0;
        image_snapshot_foreach(l.disk->node, list_one, &l);
    }
}
