/* SPDX-License-Identifier: MIT */
/*
 * Character backends in a copy of the process: the other end is the first process's, so they become null ones, and
 * others can take their place.
 */
#include "rhea/osdep.h"

#include <fcntl.h>

#include "char-int.h"

/* --- Letting go --- */

static size_t gone_write(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    return len;
}

static char *gone_describe(Chardev *c)
{
    return g_strdup("null");
}

/* What is left of a backend whose other end is another process's. */
static const CharOps gone_ops = {.write = gone_write, .describe = gone_describe};

static void let_go(Chardev *c, int null)
{
    if (c->fd) {
        char_fd_disown(c->fd, null);
    }
    if (c->log_fd >= 0) {
        close(c->log_fd);
        c->log_fd = -1;
    }
    if (c->ops->close && !c->ops->attach) {
        c->ops->close(c);
        c->ops = &gone_ops;
        c->fd = NULL;
        chr_set_open(c, true);
    }
}

void chr_after_fork(void)
{
    Object *folder = chr_folder();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (guint i = 0; i < folder->children->len; i++) {
        let_go(g_ptr_array_index(folder->children, i), null);
    }
    close(null);
}

static GPtrArray *list_fronts(Chardev *c)
{
    GPtrArray *fronts = g_ptr_array_new();

    if (c->ops->list) {
        c->ops->list(c, fronts);
    } else if (c->front) {
        g_ptr_array_add(fronts, c->front);
    }
    return fronts;
}

/* From the last on: a multiplexer was made after its base, which is unused then. */
void chr_remove_unused(void)
{
    Object *folder = chr_folder();

    for (guint i = folder->children->len; i; i--) {
        Chardev *c = g_ptr_array_index(folder->children, i - 1);
        g_autoptr(GPtrArray) fronts = list_fronts(c);

        if (!fronts->len) {
            qom_unparent(&c->obj);
        }
    }
}

/* --- Taking the place of another --- */

typedef struct CharUser {
    CharFront *fe;
    const CharHandlers *handlers;
    void *opaque;
} CharUser;

struct CharUsers {
    GArray *users; /* CharUser */
};

struct CharUsers *chr_take_users(const char *id)
{
    Chardev *c = chr_find(id);
    struct CharUsers *taken = g_new0(struct CharUsers, 1);
    g_autoptr(GPtrArray) fronts = c ? list_fronts(c) : g_ptr_array_new();
    g_autofree char *base = g_strconcat(id, "-base", NULL);

    taken->users = g_array_new(FALSE, FALSE, sizeof(CharUser));
    for (guint i = 0; i < fronts->len; i++) {
        CharFront *fe = g_ptr_array_index(fronts, i);
        CharUser u = {fe, fe->handlers, fe->opaque};

        g_array_append_val(taken->users, u);
        chr_detach(fe);
    }
    if (c) {
        qom_unparent(&c->obj);
        if (chr_find(base)) { /* of a multiplexer: nobody uses it now */
            (void)!chr_remove(base, NULL);
        }
    }
    return taken;
}

bool chr_give_users(struct CharUsers *taken, const char *id, Error **errp)
{
    bool ok = true;

    for (guint i = 0; id && ok && i < taken->users->len; i++) {
        const CharUser *u = &g_array_index(taken->users, CharUser, i);

        ok = chr_attach(u->fe, id, errp);
        if (ok) {
            chr_set_handlers(u->fe, u->handlers, u->opaque);
        }
    }
    g_array_unref(taken->users);
    g_free(taken);
    return ok;
}
