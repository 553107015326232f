/* SPDX-License-Identifier: MIT */
/*
 * TLS for servers, and what clients and servers prove who they are with: certificates or shared keys, by name
 * ("-object tls-creds-x509|tls-creds-psk|tls-creds-anon").  GnuTLS does the work (tls-gnutls.c, or tls-none.c in a build
 * without it).  Names: main thread.
 */
#ifndef BLOCK_TLS_H
#define BLOCK_TLS_H

#include "rhea/error.h"

typedef enum TlsKind {
    TLS_X509,
    TLS_PSK,
    TLS_ANON, /* nobody proves anything: against those who only listen */
} TlsKind;

typedef struct TlsSpec {
    TlsKind kind;
    bool server, verify_peer;
    char *dir, *priority, *username, *password_id; /* NULL: not given */
} TlsSpec;

typedef struct TlsKeys TlsKeys; /* what the library makes of the files of a server */

/* Counted: sessions outlive the name. */
typedef struct TlsCreds {
    gint refs;
    TlsSpec spec;
    TlsKeys *keys; /* NULL: a client's */
} TlsCreds;

/* Reads the files of a server; those of a client are read by whoever connects. */
bool tls_creds_add(const char *id, const TlsSpec *spec, Error **errp) MUST_CHECK;
void tls_creds_remove(const char *id);
/* A new reference; NULL: there are none of that name for that end. */
TlsCreds *tls_creds_get(const char *id, bool server, Error **errp);
TlsCreds *tls_creds_ref(TlsCreds *c);
void tls_creds_unref(TlsCreds *c); /* NULL is allowed */

/* --- The library --- */

TlsKeys *tls_keys_load(const TlsSpec *spec, Error **errp);
void tls_keys_free(TlsKeys *keys);
/*
 * The handshake of a server with the client on @fd, for @ms milliseconds at most (0: for ever).  The socket whose
 * bytes travel encrypted from then on; @fd belongs to the session.  -1: it failed, and @fd is still the caller's.
 */
int tls_serve(TlsCreds *c, int fd, unsigned ms, Error **errp);

#endif
