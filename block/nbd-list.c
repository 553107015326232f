/* SPDX-License-Identifier: MIT */
/* What another NBD server exports, by libnbd. */
#include "rhea/osdep.h"

#include "block/nbd-client.h"
#include "nbd-link.h"

static bool failed(const NbdLib *l, Error **errp)
{
    return error_fail(errp, "%s", l->nbd_get_error());
}

static struct nbd_handle *connect_to(const NbdLib *l, const NbdServerPlace *server,
                                     const NbdPlace *tls)
{
    struct nbd_handle *h = l->nbd_create();
    const char *host = server->host ? server->host : "127.0.0.1";

    if (!h) {
        return NULL;
    }
    if (l->nbd_set_opt_mode(h, true) || !nbd_place_use_tls(tls, l, h) ||
        (server->socket ? l->nbd_connect_unix(h, server->socket)
                        : l->nbd_connect_tcp(h, host, server->port ? server->port : "10809"))) {
        l->nbd_close(h);
        return NULL;
    }
    return h;
}

/* --- One export --- */

static void print_flags(const NbdLib *l, struct nbd_handle *h)
{
    const struct {
        const char *name;
        int (*can)(struct nbd_handle *h);
    } flags[] = {
        {"readonly", l->nbd_is_read_only},
        {"flush", l->nbd_can_flush},
        {"fua", l->nbd_can_fua},
        {"rotational", l->nbd_is_rotational},
        {"trim", l->nbd_can_trim},
        {"zeroes", l->nbd_can_zero},
        {"df", l->nbd_can_df},
        {"multi", l->nbd_can_multi_conn},
        {"cache", l->nbd_can_cache},
        {"fast-zero", l->nbd_can_fast_zero},
    };

    printf("  flags: (");
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        if (flags[i].can(h) > 0) {
            printf(" %s", flags[i].name);
        }
    }
    printf(" )\n");
}

static int print_context(void *opaque, const char *name)
{
    printf("   %s\n", name);
    return 0;
}

static void print_sizes(const NbdLib *l, struct nbd_handle *h)
{
    static const struct {
        const char *name;
        int which;
    } sizes[] = {{"min block", LIBNBD_SIZE_MINIMUM},
                 {"opt block", LIBNBD_SIZE_PREFERRED},
                 {"max block", LIBNBD_SIZE_MAXIMUM}};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        int64_t size = l->nbd_get_block_size(h, sizes[i].which);

        if (size > 0) {
            printf("  %s: %" PRId64 "\n", sizes[i].name, size);
        }
    }
}

static bool print_export(const NbdLib *l, struct nbd_handle *h, const char *name, Error **errp)
{
    char *description;

    printf(" export: '%s'\n", name);
    if (l->nbd_set_export_name(h, name) || l->nbd_set_full_info(h, true) || l->nbd_opt_info(h)) {
        return failed(l, errp);
    }
    description = l->nbd_get_export_description(h);
    if (description) {
        printf("  description: %s\n", description);
        free(description);
    }
    printf("  size:  %" PRId64 "\n", l->nbd_get_size(h));
    print_flags(l, h);
    print_sizes(l, h);
    printf("  available meta contexts:\n");
    l->nbd_opt_list_meta_context(h, (nbd_context_callback){.callback = print_context});
    return true;
}

/* --- All of them --- */

static int collect_name(void *opaque, const char *name, const char *description)
{
    g_ptr_array_add(opaque, g_strdup(name));
    return 0;
}

static bool list_all(const NbdLib *l, struct nbd_handle *h, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    bool ok = true;

    if (l->nbd_opt_list(h, (nbd_list_callback){.callback = collect_name, .user_data = names}) < 0) {
        return failed(l, errp);
    }
    printf("exports available: %u\n", names->len);
    for (guint i = 0; ok && i < names->len; i++) {
        ok = print_export(l, h, names->pdata[i], errp);
    }
    return ok;
}

bool nbd_list_exports(const NbdServerPlace *server, Error **errp)
{
    const NbdLib *l = nbd_lib(errp);
    g_autoptr(Opts) o = opts_new("--list");
    NbdPlace tls = {0};
    struct nbd_handle *h;
    bool ok = l;

    if (server->tls_creds) {
        opts_add(o, "tls-creds", server->tls_creds);
    }
    ok = ok && nbd_place_take_tls(&tls, o, errp);
    h = ok ? connect_to(l, server, &tls) : NULL;
    if (ok && !h) {
        ok = failed(l, errp);
    }
    if (h) {
        ok = list_all(l, h, errp);
        l->nbd_opt_abort(h);
        l->nbd_close(h);
    }
    nbd_place_clear(&tls);
    return ok;
}
