/* SPDX-License-Identifier: MIT */
/* The object tree: children, canonical paths, look-up by path.  Machine lock. */
#include "rhea/osdep.h"

#include "qom/object.h"

Object *qom_root(void)
{
    static Object *root;

    if (g_once_init_enter(&root)) {
        g_once_init_leave(&root, qom_new("container"));
    }
    return root;
}

static Object *path_child(Object *parent, const char *name, size_t len)
{
    for (unsigned i = 0; i < parent->children->len; i++) {
        Object *child = parent->children->pdata[i];

        if (strlen(child->name) == len && !memcmp(child->name, name, len)) {
            return child;
        }
    }
    return NULL;
}

/*
 * "device[*]" takes the first free number, as automatic names do.  Names are added in order, so the
 * number of children is a good place to start looking from.
 */
static char *path_number_name(Object *parent, const char *pattern)
{
    g_autofree char *stem = g_strndup(pattern, strlen(pattern) - strlen("[*]"));

    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("%s[%u]", stem, n);

        if (!path_child(parent, name, strlen(name))) {
            return g_steal_pointer(&name);
        }
    }
}

void qom_add_child(Object *parent, const char *name, Object *child)
{
    g_assert(!child->parent);
    if (g_str_has_suffix(name, "[*]")) {
        child->name = path_number_name(parent, name);
    } else {
        g_assert(!path_child(parent, name, strlen(name))); /* callers check names given by users */
        child->name = g_strdup(name);
    }
    child->parent = parent;
    g_ptr_array_add(parent->children, qom_get_ref(child));
}

void qom_unparent(Object *child)
{
    Object *parent = child->parent;

    if (!parent) {
        return;
    }
    child->parent = NULL;
    g_clear_pointer(&child->name, g_free);
    g_ptr_array_remove(parent->children, child);
    qom_put(child);
}

char *qom_path(const Object *obj)
{
    GString *path = g_string_new(NULL);

    for (; obj->parent; obj = obj->parent) {
        g_string_prepend(path, obj->name);
        g_string_prepend_c(path, '/');
    }
    if (!path->len) {
        g_string_append_c(path, '/');
    }
    return g_string_free(path, FALSE);
}

/* The descendant of @from along "a/b/c", or NULL; empty components are skipped. */
static Object *path_walk(Object *from, const char *path)
{
    while (from && *path) {
        size_t len = strcspn(path, "/");

        if (len) {
            from = path_child(from, path, len);
        }
        path += len + (path[len] == '/');
    }
    return from;
}

/* Counts (up to two) the places in the tree from which @path leads somewhere. */
static unsigned path_search(Object *from, const char *path, Object **found)
{
    Object *hit = path_walk(from, path);
    unsigned count = 0;

    if (hit && *found != hit) {
        *found = hit;
        count++;
    }
    for (unsigned i = 0; i < from->children->len && count < 2; i++) {
        count += path_search(from->children->pdata[i], path, found);
    }
    return count;
}

Object *qom_resolve(Object *root, const char *path)
{
    Object *found = NULL;

    if (path[0] == '/') {
        return path_walk(root, path);
    }
    if (!*path) {
        return NULL;
    }
    return path_search(root, path, &found) == 1 ? found : NULL;
}

Object *qom_container(Object *root, const char *path)
{
    Object *at = root;

    while (*path) {
        size_t len = strcspn(path, "/");

        if (len) {
            Object *next = path_child(at, path, len);

            if (!next) {
                g_autofree char *name = g_strndup(path, len);

                next = qom_new("container");
                qom_add_child(at, name, next);
                qom_put(next);
            }
            at = next;
        }
        path += len + (path[len] == '/');
    }
    return at;
}
