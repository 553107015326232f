/* SPDX-License-Identifier: MIT */
/* libnbd, loaded on demand. */
#ifndef BLOCK_NBD_LIB_H
#define BLOCK_NBD_LIB_H

#include <libnbd.h>

#include "rhea/late-library.h"

/* In the order of the names in nbd-lib.c. */
typedef struct NbdLib {
    LATE_FUNCTION(nbd_create);
    LATE_FUNCTION(nbd_close);
    LATE_FUNCTION(nbd_get_error);
    LATE_FUNCTION(nbd_get_errno);
    LATE_FUNCTION(nbd_set_export_name);
    LATE_FUNCTION(nbd_get_export_description);
    LATE_FUNCTION(nbd_set_full_info);
    LATE_FUNCTION(nbd_set_opt_mode);
    LATE_FUNCTION(nbd_opt_list);
    LATE_FUNCTION(nbd_opt_info);
    LATE_FUNCTION(nbd_opt_list_meta_context);
    LATE_FUNCTION(nbd_opt_abort);
    LATE_FUNCTION(nbd_add_meta_context);
    LATE_FUNCTION(nbd_set_uri_allow_transports);
    LATE_FUNCTION(nbd_set_tls);
    LATE_FUNCTION(nbd_set_tls_certificates);
    LATE_FUNCTION(nbd_set_tls_psk_file);
    LATE_FUNCTION(nbd_set_tls_username);
    LATE_FUNCTION(nbd_connect_tcp);
    LATE_FUNCTION(nbd_connect_unix);
    LATE_FUNCTION(nbd_aio_connect_uri);
    LATE_FUNCTION(nbd_aio_connect_tcp);
    LATE_FUNCTION(nbd_aio_connect_unix);
    LATE_FUNCTION(nbd_aio_get_fd);
    LATE_FUNCTION(nbd_aio_get_direction);
    LATE_FUNCTION(nbd_aio_notify_read);
    LATE_FUNCTION(nbd_aio_notify_write);
    LATE_FUNCTION(nbd_aio_is_connecting);
    LATE_FUNCTION(nbd_aio_is_ready);
    LATE_FUNCTION(nbd_aio_is_dead);
    LATE_FUNCTION(nbd_aio_is_closed);
    LATE_FUNCTION(nbd_aio_disconnect);
    LATE_FUNCTION(nbd_aio_pread);
    LATE_FUNCTION(nbd_aio_pwrite);
    LATE_FUNCTION(nbd_aio_flush);
    LATE_FUNCTION(nbd_aio_trim);
    LATE_FUNCTION(nbd_aio_zero);
    LATE_FUNCTION(nbd_aio_block_status);
    LATE_FUNCTION(nbd_get_size);
    LATE_FUNCTION(nbd_get_block_size);
    LATE_FUNCTION(nbd_is_read_only);
    LATE_FUNCTION(nbd_is_rotational);
    LATE_FUNCTION(nbd_can_flush);
    LATE_FUNCTION(nbd_can_fua);
    LATE_FUNCTION(nbd_can_trim);
    LATE_FUNCTION(nbd_can_zero);
    LATE_FUNCTION(nbd_can_df);
    LATE_FUNCTION(nbd_can_multi_conn);
    LATE_FUNCTION(nbd_can_cache);
    LATE_FUNCTION(nbd_can_fast_zero);
    LATE_FUNCTION(nbd_can_meta_context);
} NbdLib;

/* NULL: it cannot be loaded. */
const NbdLib *nbd_lib(Error **errp);

#endif
