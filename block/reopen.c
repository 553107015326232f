/* SPDX-License-Identifier: MIT */
/*
 * blockdev-reopen: nodes of a running machine get other options, and other nodes below them, all of them or none.
 * What is not given has its default again, as in blockdev-add.  Nodes have an old and a new state, and going back is
 * a change to the old one.
 * Not possible: another driver, another image file, what its driver does not list as changeable.
 * Main thread, machine lock.
 */
#include "rhea/osdep.h"

#include "backend.h"
#include "graph.h"

typedef struct NodeState {
    NodeOptions opt;
    BlockNode *file, *backing; /* with references */
    Opts *own;
} NodeState;

typedef struct Reopen {
    BlockNode *n; /* with a reference */
    NodeState was, shall;
} Reopen;

/* Those above others come first. */
typedef GPtrArray ReopenList;

static const char *name_of(const BlockNode *n)
{
    return n->name ? n->name : n->filename;
}

/* --- What is asked for --- */

static void state_fini(NodeState *s)
{
    block_node_unref(s->file);
    block_node_unref(s->backing);
    opts_free(s->own);
}

static void reopen_free(gpointer p)
{
    Reopen *r = p;

    state_fini(&r->was);
    state_fini(&r->shall);
    block_node_unref(r->n);
    g_free(r);
}

static BlockNode *ref_or_none(BlockNode *n)
{
    return n ? block_node_ref(n) : NULL;
}

static NodeState present_state(const BlockNode *n)
{
    return (NodeState){
        .opt =
            {
                .drv = n->drv,
                .read_only = n->read_only,
                .auto_read_only = n->auto_read_only,
                .direct = n->direct,
                .no_flush = n->no_flush,
                .writethrough = n->writethrough,
                .discard = n->unmap,
                .detect_zeroes = n->detect_zeroes,
            },
        .file = ref_or_none(n->file),
        .backing = ref_or_none(n->backing),
        .own = n->own ? block_own_options(n->drv, n->own) : opts_new(""),
    };
}

static bool list_add(ReopenList *list, Reopen *r, Error **errp)
{
    guint at = list->len;

    for (guint i = list->len; i-- > 0;) {
        const Reopen *other = g_ptr_array_index(list, i);

        if (other->n == r->n) {
            reopen_free(r);
            return error_fail(errp, "node '%s' is named twice", name_of(other->n));
        }
        at = block_has_below(r->n, other->n) ? i : at;
    }
    g_ptr_array_insert(list, (gint)at, r);
    return true;
}

static bool take_node(ReopenList *list, BlockNode *n, Opts *o, const NodeInherited *above,
                      Error **errp);

/* The option @key is a node's name (*to), or options for the node that is there already. */
static bool take_child(ReopenList *list, Reopen *r, Opts *o, const char *key, BlockNode *present,
                       const NodeInherited *down, BlockNode **to, Error **errp)
{
    g_autoptr(Opts) sub = opts_take_sub(o, key);
    const char *ref = opts_take(o, key), *name = opts_take(sub, "node-name");
    BlockNode *found = ref ? block_node_find(ref) : present;

    if (!ref && opts_empty(sub)) {
        return error_fail(errp, "%s is missing for '%s'", key, name_of(r->n));
    }
    if (!found) {
        return error_fail(errp,
                          ref ? "Cannot find device='' nor node-name='%s'"
                              : "'%s' has no node whose options could change",
                          ref ? ref : key);
    }
    if (name && g_strcmp0(name, found->name)) {
        return error_fail(errp, "Cannot change the option 'node-name'");
    }
    if (block_has_below(found, r->n)) {
        return error_fail(errp, "Making '%s' a %s child of '%s' would create a cycle",
                          name_of(found), key, name_of(r->n));
    }
    block_node_unref(*to);
    *to = block_node_ref(found);
    return ref || take_node(list, found, sub, down, errp);
}

static bool take_file(ReopenList *list, Reopen *r, Opts *o, Error **errp)
{
    const NodeOptions *opt = &r->shall.opt;
    const BlockNode *n = r->n;
    NodeInherited down = {opt->read_only, opt->direct, opt->no_flush, opt->discard};
    const char *key = n->drv->child ? n->drv->child : "file";

    if (n->drv->protocol) {
        return true;
    }
    if (!take_child(list, r, o, key, n->file, &down, &r->shall.file, errp)) {
        return false;
    }
    return n->drv->reopen || block_skip_filters(r->shall.file) == block_skip_filters(n->file) ||
           error_fail(errp, "'%s': another file would be another %s image", name_of(n),
                      n->drv->name);
}

static bool take_backing(ReopenList *list, Reopen *r, Opts *o, Error **errp)
{
    NodeInherited down = {.read_only = true};
    const BlockNode *n = r->n;
    const char *ref = opts_peek(o, "backing");

    if (ref && !*ref) {
        opts_take(o, "backing");
        g_clear_pointer(&r->shall.backing, block_node_unref);
        return true;
    }
    if (!n->drv->set_backing && !n->backing &&
        !n->backing_file) { /* an option that is left over is refused in the end */
        return true;
    }
    if (!ref && !n->backing && !n->backing_file) {
        return true;
    }
    return take_child(list, r, o, "backing", n->backing, &down, &r->shall.backing, errp);
}

/* --- What the drivers have of their own --- */

static bool among(const char *const *names, const char *key)
{
    return names && g_strv_contains(names, key);
}

typedef struct Compare {
    const BlockDriver *drv;
    Opts *with; /* NULL: none */
    const char *refusal;
} Compare;

static bool compare_one(const char *key, const char *value, void *opaque, Error **errp)
{
    const Compare *c = opaque;
    const char *other = opts_peek(c->with, key);

    return among(c->drv->changeable, key) || !g_strcmp0(value, other) ||
           error_fail(errp, c->refusal, key);
}

/* What the driver cannot change is what it was. */
static bool take_own(Reopen *r, Opts *o, Error **errp)
{
    const BlockDriver *drv = r->n->drv;
    g_autoptr(Opts) was = block_own_options(drv, r->was.own);
    g_autoptr(Opts) shall = block_own_options(drv, o);
    Compare old = {drv, r->was.own, "Cannot change the option '%s'"};
    Compare new = {drv, shall, "Option '%s' cannot be reset to its default value"};

    opts_free(r->shall.own);
    r->shall.own = block_own_options(drv, o);
    return opts_foreach_rest(shall, compare_one, &old, errp) &&
           opts_foreach_rest(was, compare_one, &new, errp);
}

/* --- Nodes --- */

/* One that becomes writable when somebody writes to it stays what it is. */
static bool wanted_read_only(const BlockNode *n, const NodeOptions *opt)
{
    return opt->auto_read_only && (opt->read_only || n->drv->protocol) ? n->read_only
                                                                       : opt->read_only;
}

static bool take_state(ReopenList *list, Reopen *r, Opts *o, const NodeInherited *above,
                       Error **errp)
{
    NodeOptions *opt = &r->shall.opt;
    const BlockNode *n = r->n;

    *opt = (NodeOptions){.writethrough = n->writethrough};
    if (!block_take_node_options(o, opt, above, errp)) {
        return false;
    }
    if (opt->drv && opt->drv != n->drv) {
        return error_fail(errp, "Cannot change the option 'driver'");
    }
    if (!take_file(list, r, o, errp) || !take_backing(list, r, o, errp)) {
        return false;
    }
    opt->drv = n->drv;
    opt->read_only = wanted_read_only(n, opt);
    if (!opt->read_only && n->read_only && !n->drv->set_read_only) {
        return error_fail(errp, "'%s': %s cannot become writable", name_of(n), n->drv->name);
    }
    return block_unclaimed(n, errp) && take_own(r, o, errp);
}

/* What is left over in @o, the driver's own left out, is an option that there is not. */
static bool nothing_left(const BlockNode *n, Opts *o, Error **errp)
{
    for (const char *const *name = n->drv->options; name && *name; name++) {
        opts_free(opts_take_sub(o, *name));
        opts_take(o, *name);
    }
    return block_opts_done(o, n, NULL, errp);
}

static bool take_node(ReopenList *list, BlockNode *n, Opts *o, const NodeInherited *above,
                      Error **errp)
{
    Reopen *r = g_new0(Reopen, 1);

    r->n = block_node_ref(n);
    r->was = present_state(n);
    r->shall = present_state(n);
    if (!take_state(list, r, o, above, errp) || !nothing_left(n, o, errp)) {
        reopen_free(r);
        return false;
    }
    return list_add(list, r, errp);
}

static bool take_named(ReopenList *list, const char *options, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("blockdev-reopen", options, NULL, errp);
    const char *name = o ? opts_take(o, "node-name") : NULL;
    BlockNode *n = name ? block_node_find(name) : NULL;

    if (!o) {
        return false;
    }
    if (!name) {
        return error_fail(errp, "node-name not specified");
    }
    if (!n) {
        return error_fail(errp, "Failed to find node with node-name='%s'", name);
    }
    return take_node(list, n, o, NULL, errp);
}

/* --- Changing; nothing is in flight --- */

static NodeState *state_of(Reopen *r, bool back)
{
    return back ? &r->was : &r->shall;
}

static bool become_read_only(Reopen *r, const NodeState *to, Error **errp)
{
    return !to->opt.read_only || r->n->read_only ||
           (block_unwritten(r->n, errp) && block_set_read_only(r->n, true, errp));
}

static bool swap_children(BlockNode *n, const NodeState *to, Error **errp)
{
    BlockNode *backing = n->backing;

    if (to->file != n->file) {
        if (!block_flush_or_fail(n, errp)) {
            return false;
        }
        block_release_file(n);
        block_swap_file(n, to->file);
    }
    if (to->backing != backing) {
        n->backing = ref_or_none(to->backing);
        block_node_unref(backing);
    }
    return true;
}

static bool set_options(BlockNode *n, const NodeState *to, Error **errp)
{
    g_autoptr(Opts) own = block_own_options(n->drv, to->own);

    block_apply_node_options(n, &to->opt);
    if ((n->drv->reopen && !n->drv->reopen(n, own, errp)) ||
        !block_set_read_only(n, to->opt.read_only, errp) ||
        !block_claim_file("blockdev-reopen", n, errp) || !block_resized(n, errp)) {
        return false;
    }
    opts_free(n->own);
    n->own = block_own_options(n->drv, to->own);
    return !n->backing || !n->drv->backing_fits || n->drv->backing_fits(n, errp);
}

static bool change_all(ReopenList *list, bool back, Error **errp)
{
    bool ok = true;

    for (guint i = 0; ok && i < list->len; i++) {
        Reopen *r = g_ptr_array_index(list, i);

        ok = become_read_only(r, state_of(r, back), errp);
    }
    for (guint i = 0; ok && i < list->len; i++) {
        Reopen *r = g_ptr_array_index(list, i);

        ok = swap_children(r->n, state_of(r, back), errp);
    }
    for (guint i = list->len; ok && i-- > 0;) {
        Reopen *r = g_ptr_array_index(list, i);

        ok = set_options(r->n, state_of(r, back), errp);
    }
    return ok;
}

static bool change_or_go_back(ReopenList *list, Error **errp)
{
    g_autoptr(Error) err = NULL;

    if (change_all(list, false, errp)) {
        return true;
    }
    if (!change_all(list, true, &err)) {
        warn_user("blockdev-reopen: nodes could not become what they were: %s", error_text(err));
    }
    return false;
}

bool blk_reopen(const char *const *options, Error **errp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(reopen_free);
    bool ok = true;

    block_graph_change_begin();
    for (; ok && *options; options++) {
        ok = take_named(list, *options, errp);
    }
    ok = ok && change_or_go_back(list, errp);
    block_graph_change_end();
    block_backends_tell_sizes();
    return ok;
}
