/* SPDX-License-Identifier: MIT */
/* libnbd, loaded on demand. */
#include "rhea/osdep.h"

#include "nbd-lib.h"

static const char *const names[] = {
    "nbd_create",
    "nbd_close",
    "nbd_get_error",
    "nbd_get_errno",
    "nbd_set_export_name",
    "nbd_get_export_description",
    "nbd_set_full_info",
    "nbd_set_opt_mode",
    "nbd_opt_list",
    "nbd_opt_info",
    "nbd_opt_list_meta_context",
    "nbd_opt_abort",
    "nbd_add_meta_context",
    "nbd_set_uri_allow_transports",
    "nbd_set_tls",
    "nbd_set_tls_certificates",
    "nbd_set_tls_psk_file",
    "nbd_set_tls_username",
    "nbd_connect_tcp",
    "nbd_connect_unix",
    "nbd_aio_connect_uri",
    "nbd_aio_connect_tcp",
    "nbd_aio_connect_unix",
    "nbd_aio_get_fd",
    "nbd_aio_get_direction",
    "nbd_aio_notify_read",
    "nbd_aio_notify_write",
    "nbd_aio_is_connecting",
    "nbd_aio_is_ready",
    "nbd_aio_is_dead",
    "nbd_aio_is_closed",
    "nbd_aio_disconnect",
    "nbd_aio_pread",
    "nbd_aio_pwrite",
    "nbd_aio_flush",
    "nbd_aio_trim",
    "nbd_aio_zero",
    "nbd_aio_block_status",
    "nbd_get_size",
    "nbd_get_block_size",
    "nbd_is_read_only",
    "nbd_is_rotational",
    "nbd_can_flush",
    "nbd_can_fua",
    "nbd_can_trim",
    "nbd_can_zero",
    "nbd_can_df",
    "nbd_can_multi_conn",
    "nbd_can_cache",
    "nbd_can_fast_zero",
    "nbd_can_meta_context",
    NULL,
};
G_STATIC_ASSERT(ARRAY_SIZE(names) == sizeof(NbdLib) / sizeof(void *) + 1);

const NbdLib *nbd_lib(Error **errp)
{
    static GMutex lock;
    static NbdLib lib;
    static bool loaded;
    bool ok;

    g_mutex_lock(&lock);
    loaded = loaded || late_library_load(LIBNBD_SONAME, names, &lib, errp);
    ok = loaded;
    g_mutex_unlock(&lock);
    return ok ? &lib : NULL;
}
