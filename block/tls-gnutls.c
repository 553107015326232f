/* SPDX-License-Identifier: MIT */
/*
 * TLS servers by GnuTLS, loaded by the first credentials.  A session has a thread of its own, which carries
 * bytes between the client's socket and one end of a pair; whoever serves the client has the other end and need
 * not know.  That costs a copy, and keeps the library's state with one thread.
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <sys/socket.h>

#include "block/secret.h"
#include "block/tls.h"
#include "rhea/late-library.h"

enum { CHUNK = 64 * 1024, LINGER_MS = 5000 };

/* In the order of the names below. */
typedef struct TlsLib {
    LATE_FUNCTION(gnutls_init);
    LATE_FUNCTION(gnutls_deinit);
    LATE_FUNCTION(gnutls_priority_set_direct);
    LATE_FUNCTION(gnutls_credentials_set);
    LATE_FUNCTION(gnutls_certificate_allocate_credentials);
    LATE_FUNCTION(gnutls_certificate_free_credentials);
    LATE_FUNCTION(gnutls_certificate_set_x509_trust_file);
    LATE_FUNCTION(gnutls_certificate_set_x509_crl_file);
    LATE_FUNCTION(gnutls_certificate_set_x509_key_file2);
    LATE_FUNCTION(gnutls_certificate_server_set_request);
    LATE_FUNCTION(gnutls_session_set_verify_cert);
    LATE_FUNCTION(gnutls_psk_allocate_server_credentials);
    LATE_FUNCTION(gnutls_psk_free_server_credentials);
    LATE_FUNCTION(gnutls_psk_set_server_credentials_file);
    LATE_FUNCTION(gnutls_anon_allocate_server_credentials);
    LATE_FUNCTION(gnutls_anon_free_server_credentials);
    LATE_FUNCTION(gnutls_anon_set_server_known_dh_params);
    LATE_FUNCTION(gnutls_transport_set_int2);
    LATE_FUNCTION(gnutls_handshake);
    LATE_FUNCTION(gnutls_handshake_set_timeout);
    LATE_FUNCTION(gnutls_record_send);
    LATE_FUNCTION(gnutls_record_recv);
    LATE_FUNCTION(gnutls_record_check_pending);
    LATE_FUNCTION(gnutls_bye);
    LATE_FUNCTION(gnutls_strerror);
    LATE_FUNCTION(gnutls_error_is_fatal);
} TlsLib;

static const char *const names[] = {
    "gnutls_init",
    "gnutls_deinit",
    "gnutls_priority_set_direct",
    "gnutls_credentials_set",
    "gnutls_certificate_allocate_credentials",
    "gnutls_certificate_free_credentials",
    "gnutls_certificate_set_x509_trust_file",
    "gnutls_certificate_set_x509_crl_file",
    "gnutls_certificate_set_x509_key_file2",
    "gnutls_certificate_server_set_request",
    "gnutls_session_set_verify_cert",
    "gnutls_psk_allocate_server_credentials",
    "gnutls_psk_free_server_credentials",
    "gnutls_psk_set_server_credentials_file",
    "gnutls_anon_allocate_server_credentials",
    "gnutls_anon_free_server_credentials",
    "gnutls_anon_set_server_known_dh_params",
    "gnutls_transport_set_int2",
    "gnutls_handshake",
    "gnutls_handshake_set_timeout",
    "gnutls_record_send",
    "gnutls_record_recv",
    "gnutls_record_check_pending",
    "gnutls_bye",
    "gnutls_strerror",
    "gnutls_error_is_fatal",
    NULL,
};
G_STATIC_ASSERT(ARRAY_SIZE(names) == sizeof(TlsLib) / sizeof(void *) + 1);

static TlsLib lib; /* there once keys have been loaded */

/* --- Keys --- */

struct TlsKeys {
    gnutls_certificate_credentials_t x509;
    gnutls_psk_server_credentials_t psk;
    gnutls_anon_server_credentials_t anon;
};

static bool file_failed(const char *path, int ret, Error **errp)
{
    return error_fail(errp, "'%s': %s", path, lib.gnutls_strerror(ret));
}

/* The password of the key file, g_malloc'd; *out NULL: it has none. */
static bool take_password(const TlsSpec *spec, char **out, Error **errp)
{
    const uint8_t *bytes;
    size_t len;

    *out = NULL;
    if (!spec->password_id) {
        return true;
    }
    bytes = secret_find(spec->password_id, &len, errp);
    *out = bytes ? g_strndup((const char *)bytes, len) : NULL;
    return bytes;
}

static bool load_x509(TlsKeys *k, const TlsSpec *spec, Error **errp)
{
    g_autofree char *ca = g_build_filename(spec->dir, "ca-cert.pem", NULL);
    g_autofree char *crl = g_build_filename(spec->dir, "ca-crl.pem", NULL);
    g_autofree char *cert = g_build_filename(spec->dir, "server-cert.pem", NULL);
    g_autofree char *key = g_build_filename(spec->dir, "server-key.pem", NULL);
    g_autofree char *password = NULL;
    int ret = lib.gnutls_certificate_allocate_credentials(&k->x509);

    if (ret < 0) {
        return file_failed(spec->dir, ret, errp);
    }
    ret = lib.gnutls_certificate_set_x509_trust_file(k->x509, ca, GNUTLS_X509_FMT_PEM);
    /* Without a certificate authority nobody could be verified. */
    if (ret < 0 && (spec->verify_peer || g_file_test(ca, G_FILE_TEST_EXISTS))) {
        return file_failed(ca, ret, errp);
    }
    if (g_file_test(crl, G_FILE_TEST_EXISTS)) {
        ret = lib.gnutls_certificate_set_x509_crl_file(k->x509, crl, GNUTLS_X509_FMT_PEM);
        if (ret < 0) {
            return file_failed(crl, ret, errp);
        }
    }
    if (!take_password(spec, &password, errp)) {
        return false;
    }
    ret = lib.gnutls_certificate_set_x509_key_file2(k->x509, cert, key, GNUTLS_X509_FMT_PEM,
                                                    password, 0);
    return ret >= 0 || file_failed(cert, ret, errp);
}

static bool load_psk(TlsKeys *k, const TlsSpec *spec, Error **errp)
{
    g_autofree char *path = g_build_filename(spec->dir, "keys.psk", NULL);
    int ret = lib.gnutls_psk_allocate_server_credentials(&k->psk);

    if (ret >= 0 && access(path, R_OK)) {
        return error_fail_errno(errp, errno, "'%s'", path);
    }
    ret = ret < 0 ? ret : lib.gnutls_psk_set_server_credentials_file(k->psk, path);
    return ret >= 0 || file_failed(path, ret, errp);
}

static bool load_anon(TlsKeys *k, Error **errp)
{
    int ret = lib.gnutls_anon_allocate_server_credentials(&k->anon);

    ret = ret < 0 ? ret
                  : lib.gnutls_anon_set_server_known_dh_params(k->anon, GNUTLS_SEC_PARAM_MEDIUM);
    return ret >= 0 || error_fail(errp, "tls-creds-anon: %s", lib.gnutls_strerror(ret));
}

TlsKeys *tls_keys_load(const TlsSpec *spec, Error **errp)
{
    static bool loaded;
    TlsKeys *k;
    bool ok;

    loaded = loaded || late_library_load(LIBGNUTLS_SONAME, names, &lib, errp);
    if (!loaded) {
        return NULL;
    }
    k = g_new0(TlsKeys, 1);
    ok = spec->kind == TLS_PSK    ? load_psk(k, spec, errp)
         : spec->kind == TLS_ANON ? load_anon(k, errp)
                                  : load_x509(k, spec, errp);
    if (!ok) {
        g_clear_pointer(&k, tls_keys_free);
    }
    return k;
}

void tls_keys_free(TlsKeys *k)
{
    if (k && k->x509) {
        lib.gnutls_certificate_free_credentials(k->x509);
    }
    if (k && k->anon) {
        lib.gnutls_anon_free_server_credentials(k->anon);
    }
    if (k && k->psk) {
        lib.gnutls_psk_free_server_credentials(k->psk);
    }
    g_free(k);
}

/* --- Sessions --- */

/* Bytes on their way. */
typedef struct Buffer {
    uint8_t bytes[CHUNK];
    size_t at, len;
    bool ended; /* nothing comes any more */
} Buffer;

typedef struct Session {
    TlsCreds *creds;
    gnutls_session_t tls;
    int fd, inner; /* the client's socket; our end of the pair */
    Buffer in, out;
} Session;

static void session_free(Session *s)
{
    if (s->tls) {
        lib.gnutls_deinit(s->tls);
    }
    tls_creds_unref(s->creds);
    g_free(s);
}

/* 1: something has moved; 0: not now; -1: the direction is of no use any more. */
static int tls_result(ssize_t n)
{
    return n > 0 ? 1 : n < 0 && !lib.gnutls_error_is_fatal((int)n) ? 0 : -1;
}

static int plain_result(ssize_t n)
{
    return n > 0 ? 1 : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Client to pair. */
static int carry_in(Session *s)
{
    Buffer *b = &s->in;
    ssize_t n;
    int ret;

    if (b->at < b->len) {
        n = send(s->inner, b->bytes + b->at, b->len - b->at, MSG_NOSIGNAL);
        b->at += MAX(n, 0);
        return plain_result(n);
    }
    n = b->ended ? 0 : lib.gnutls_record_recv(s->tls, b->bytes, CHUNK);
    ret = tls_result(n);
    b->at = 0;
    b->len = MAX(n, 0);
    if (ret < 0 && !b->ended) {
        b->ended = true;
        shutdown(s->inner, SHUT_WR);
    }
    return b->ended ? 0 : ret;
}

/* Pair to client. */
static int carry_out(Session *s)
{
    Buffer *b = &s->out;
    ssize_t n;

    if (b->at == b->len && !b->ended) {
        n = recv(s->inner, b->bytes, CHUNK, 0);
        b->ended = plain_result(n) < 0;
        b->at = 0;
        b->len = MAX(n, 0);
        return b->ended ? 0 : plain_result(n);
    }
    if (b->at == b->len) {
        return -1;
    }
    n = lib.gnutls_record_send(s->tls, b->bytes + b->at, b->len - b->at);
    b->at += MAX(n, 0);
    return tls_result(n);
}

/* What has to be seen before anything can move again. */
static void wait_for_work(Session *s)
{
    struct pollfd fds[2] = {{.fd = s->fd}, {.fd = s->inner}};
    bool in_waits = s->in.at < s->in.len, out_waits = s->out.at < s->out.len;

    fds[0].events = (in_waits || s->in.ended ? 0 : POLLIN) | (out_waits ? POLLOUT : 0);
    fds[1].events = (in_waits ? POLLOUT : 0) | (out_waits || s->out.ended ? 0 : POLLIN);
    for (int i = 0; i < 2; i++) {
        fds[i].fd = fds[i].events ? fds[i].fd : -1;
    }
    poll(fds, 2, s->out.ended ? LINGER_MS : -1);
}

static gpointer session_thread(gpointer opaque)
{
    Session *s = opaque;
    int64_t end = 0;

    for (;;) {
        int in = carry_in(s), out = carry_out(s);

        if (out < 0 || in < 0 || (end && g_get_monotonic_time() > end)) {
            break;
        }
        if (s->out.ended && !end) { /* what is left goes, if the client takes it soon */
            end = g_get_monotonic_time() + LINGER_MS * 1000LL;
        }
        if (!in && !out && !lib.gnutls_record_check_pending(s->tls)) {
            wait_for_work(s);
        }
    }
    lib.gnutls_bye(s->tls, GNUTLS_SHUT_WR);
    close(s->fd);
    close(s->inner);
    session_free(s);
    return NULL;
}

/* --- The handshake --- */

/* Key exchanges beside those with certificates are off unless they are named; anonymous ones are of older versions. */
static const char *const exchanges[] = {
    [TLS_X509] = "",
    [TLS_PSK] = ":+ECDHE-PSK:+DHE-PSK:+PSK",
    [TLS_ANON] = ":-VERS-TLS1.3:+ANON-ECDH:+ANON-DH",
};

static int set_credentials(Session *s)
{
    TlsKeys *k = s->creds->keys;

    switch (s->creds->spec.kind) {
    case TLS_PSK: return lib.gnutls_credentials_set(s->tls, GNUTLS_CRD_PSK, k->psk);
    case TLS_ANON: return lib.gnutls_credentials_set(s->tls, GNUTLS_CRD_ANON, k->anon);
    default: return lib.gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, k->x509);
    }
}

static int set_up(Session *s, unsigned ms)
{
    const TlsSpec *spec = &s->creds->spec;
    const char *base = spec->priority ? spec->priority : "NORMAL";
    g_autofree char *priority = g_strconcat(base, exchanges[spec->kind], NULL);
    int ret = lib.gnutls_init(&s->tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);

    ret = ret < 0 ? ret : lib.gnutls_priority_set_direct(s->tls, priority, NULL);
    ret = ret < 0 ? ret : set_credentials(s);
    if (ret >= 0 && spec->kind == TLS_X509 && spec->verify_peer) {
        lib.gnutls_certificate_server_set_request(s->tls, GNUTLS_CERT_REQUIRE);
        lib.gnutls_session_set_verify_cert(s->tls, NULL, 0);
    }
    if (ret >= 0) {
        lib.gnutls_transport_set_int2(s->tls, s->fd, s->fd);
        lib.gnutls_handshake_set_timeout(s->tls, ms);
    }
    return ret;
}

static int shake_hands(Session *s)
{
    int ret;

    do {
        ret = lib.gnutls_handshake(s->tls);
    } while (ret < 0 && !lib.gnutls_error_is_fatal(ret));
    return ret;
}

/* The session gets its thread and our end of a pair; the other end, or -1. */
static int start_thread(Session *s, Error **errp)
{
    int pair[2];
    GThread *thread;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        error_fail_errno(errp, errno, "no sockets for a TLS session");
        return -1;
    }
    s->inner = pair[0];
    fcntl(s->inner, F_SETFL, O_NONBLOCK);
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    thread = g_thread_try_new("tls", session_thread, s, NULL);
    if (!thread) {
        close(pair[0]);
        close(pair[1]);
        error_fail(errp, "there can be no more threads for TLS sessions");
        return -1;
    }
    g_thread_unref(thread);
    return pair[1];
}

int tls_serve(TlsCreds *c, int fd, unsigned ms, Error **errp)
{
    Session *s = g_new0(Session, 1);
    int ret, other = -1;

    s->creds = tls_creds_ref(c);
    s->fd = fd;
    ret = set_up(s, ms);
    ret = ret < 0 ? ret : shake_hands(s);
    if (ret < 0) {
        error_fail(errp, "TLS handshake: %s", lib.gnutls_strerror(ret));
    } else {
        other = start_thread(s, errp);
    }
    if (other < 0) {
        session_free(s);
    }
    return other;
}
