/* SPDX-License-Identifier: MIT */
/* What takes the place of tls-gnutls.c in a build without GnuTLS: no server speaks TLS. */
#include "rhea/osdep.h"

#include "block/tls.h"

TlsKeys *tls_keys_load(const TlsSpec *spec, Error **errp)
{
    error_fail(errp, "this build's servers do not speak TLS (configure --enable-gnutls)");
    return NULL;
}

/* There are none. */
void tls_keys_free(TlsKeys *keys)
{
}

int tls_serve(TlsCreds *c, int fd, unsigned ms, Error **errp)
{
    error_fail(errp, "this build's servers do not speak TLS");
    return -1;
}
