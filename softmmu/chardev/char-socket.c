/* SPDX-License-Identifier: MIT */
/*
 * socket: TCP or Unix, as server or client, with telnet and reconnection.  A server takes one peer at a
 * time and listens again when it has gone; what the guest has not read by the time that the next peer
 * comes is dropped.  While nobody is connected, output vanishes.
 * Specs: RFC 854 (telnet), RFC 855 (options), RFC 857 (echo), RFC 858 (suppress go-ahead).
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "char-int.h"
#include "rhea/defer.h"
#include "rhea/fdset.h"
#include "rhea/report.h"

enum { SOCKET_FDS_MAX = 4, CONNECT_WAIT_MS = 10000, RECONNECT_WAIT_MS = 200 };

typedef enum TelnetState { TN_DATA, TN_IAC, TN_OPTION, TN_SUB, TN_SUB_IAC } TelnetState;

enum { TN_SE = 240, TN_BRK = 243, TN_SB = 250, TN_WILL = 251, TN_DONT = 254, TN_IAC_BYTE = 255 };

typedef struct SocketAddress {
    char *path, *host, *port;
    bool server, abstract;
} SocketAddress;

typedef struct CharSocket {
    Chardev chr;
    /* options */
    SocketAddress addr;
    bool wait, telnet, nodelay;
    uint64_t reconnect_ms;
    /* state */
    struct ConnectJob *job; /* a connection that is being made */
    int listen_fd;
    pid_t unlink_pid; /* the process whose file the socket is; 0: none's */
    guint listen_source, reconnect_source;
    TelnetState tn;
    int fds[SOCKET_FDS_MAX]; /* received by SCM_RIGHTS, not taken yet */
    unsigned nfds;
} CharSocket;

/*
 * A client's connect() and the look-up before it may take minutes: a thread does them, and the main loop
 * takes the result.  The job belongs to the deferred call that ends it.
 */
typedef struct ConnectJob {
    CharSocket *owner; /* machine lock; NULL: it no longer waits */
    SocketAddress to;
    GMutex lock;
    GCond ended;
    /* under lock */
    bool done;
    int fd;
    Error *err;
} ConnectJob;

static void socket_connect_later(CharSocket *s);
static void socket_listen(CharSocket *s);

static const char *socket_name(const CharSocket *s)
{
    return s->addr.path ? s->addr.path : s->addr.port ? s->addr.port : "fd";
}

/* --- Input --- */

static void socket_drop_fds(CharSocket *s)
{
    while (s->nfds) {
        close(s->fds[--s->nfds]);
    }
}

static void socket_keep_fds(CharSocket *s, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        int received[SOCKET_FDS_MAX];

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        socket_drop_fds(s);
        n = MIN(n, SOCKET_FDS_MAX);
        memcpy(received, CMSG_DATA(c), n * sizeof(int));
        for (size_t i = 0; i < n; i++) {
            s->fds[s->nfds++] = received[i];
        }
    }
}

static ssize_t socket_read(CharFd *f, void *buf, size_t len)
{
    CharSocket *s = (CharSocket *)f->chr;
    union {
        char data[CMSG_SPACE(sizeof(int) * SOCKET_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {buf, len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(f->in, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n > 0) {
        socket_keep_fds(s, &msg);
    }
    return n;
}

static int socket_take_fd(Chardev *c)
{
    CharSocket *s = (CharSocket *)c;
    int fd;

    if (!s->nfds) {
        return -1;
    }
    fd = s->fds[0];
    memmove(s->fds, s->fds + 1, --s->nfds * sizeof(int));
    return fd;
}

/* One byte through the telnet protocol: true when it is data. */
static bool telnet_input(CharSocket *s, uint8_t c)
{
    switch (s->tn) {
    case TN_DATA:
        if (c == TN_IAC_BYTE) {
            s->tn = TN_IAC;
            return false;
        }
        return c != 0; /* CR NUL stands for CR */
    case TN_IAC:
        s->tn = c >= TN_WILL && c <= TN_DONT ? TN_OPTION : c == TN_SB ? TN_SUB : TN_DATA;
        if (c == TN_BRK) {
            chr_event(&s->chr, CHAR_BREAK);
        }
        return c == TN_IAC_BYTE;
    case TN_OPTION: s->tn = TN_DATA; return false; /* what we asked for is taken as granted */
    case TN_SUB: s->tn = c == TN_IAC_BYTE ? TN_SUB_IAC : TN_SUB; return false;
    case TN_SUB_IAC: s->tn = c == TN_SE ? TN_DATA : TN_SUB; return false;
    }
    return false;
}

static void socket_received(CharFd *f, const uint8_t *buf, size_t len)
{
    CharSocket *s = (CharSocket *)f->chr;
    g_autofree uint8_t *data = NULL;
    size_t n = 0;

    if (!s->telnet) {
        chr_deliver(&s->chr, buf, len);
        return;
    }
    data = g_malloc(len);
    for (size_t i = 0; i < len; i++) {
        if (telnet_input(s, buf[i])) {
            data[n++] = buf[i];
        }
    }
    chr_deliver(&s->chr, data, n);
}

/* --- Connections --- */

static void socket_drop_peer(CharSocket *s)
{
    char_fd_free(g_steal_pointer(&s->chr.fd));
    socket_drop_fds(s);
    chr_set_open(&s->chr, false);
}

/* A guest that does not read must not keep the next peer out: that one ends the wait for the guest. */
static void socket_peer_left(CharFd *f)
{
    CharSocket *s = (CharSocket *)f->chr;

    if (s->addr.server && s->listen_fd >= 0 && !s->listen_source) {
        socket_listen(s);
    }
}

static void socket_disconnected(CharFd *f)
{
    CharSocket *s = (CharSocket *)f->chr;

    if (!s->chr.fd) {
        return;
    }
    socket_drop_peer(s);
    if (s->listen_source) {
        return;
    }
    if (s->addr.server && s->listen_fd >= 0) {
        socket_listen(s);
    } else if (s->reconnect_ms) {
        socket_connect_later(s);
    }
}

static void socket_connected(CharSocket *s, int fd)
{
    static const uint8_t negotiation[] = {TN_IAC_BYTE, TN_WILL, 1, TN_IAC_BYTE, TN_WILL, 3,
                                          TN_IAC_BYTE, TN_WILL, 0, TN_IAC_BYTE, 253,     0};
    int one = 1;

    if (s->nodelay || s->telnet) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* fails on Unix: no matter */
    }
    s->tn = TN_DATA;
    s->chr.fd = char_fd_new(&s->chr, fd, fd);
    s->chr.fd->read = socket_read;
    s->chr.fd->received = socket_received;
    s->chr.fd->hangup = socket_disconnected;
    s->chr.fd->left = socket_peer_left;
    if (s->telnet) {
        char_fd_write(&s->chr, negotiation, sizeof(negotiation), true);
    }
    chr_set_open(&s->chr, true);
}

static gboolean socket_accept(gint fd, GIOCondition cond, gpointer opaque)
{
    CharSocket *s = opaque;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    if (peer < 0) {
        return G_SOURCE_CONTINUE;
    }
    s->listen_source = 0;
    if (s->chr.fd) {
        socket_drop_peer(s);
    }
    socket_connected(s, peer);
    return G_SOURCE_REMOVE;
}

static void socket_listen(CharSocket *s)
{
    s->listen_source = g_unix_fd_add(s->listen_fd, G_IO_IN, socket_accept, s);
}

/* --- Addresses --- */

static bool socket_unix_address(const SocketAddress *a, struct sockaddr_un *un, socklen_t *len,
                                Error **errp)
{
    size_t n = strlen(a->path);

    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    if (n + a->abstract >= sizeof(un->sun_path)) {
        return error_fail(errp, "socket path '%s' is too long (at most %zu bytes)", a->path,
                          sizeof(un->sun_path) - 1);
    }
    memcpy(un->sun_path + a->abstract, a->path, n);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return true;
}

/* Makes a socket and binds (server) or connects it. */
static int socket_open_one(const SocketAddress *a, int family, const struct sockaddr *addr,
                           socklen_t len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1, err;

    if (fd < 0) {
        return -1;
    }
    if (a->server && family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (a->server ? !bind(fd, addr, len) && !listen(fd, 1) : !connect(fd, addr, len)) {
        return fd;
    }
    err = errno;
    close(fd);
    errno = err;
    return -1;
}

static int socket_open_unix(const SocketAddress *a, Error **errp)
{
    struct sockaddr_un un;
    socklen_t len = 0;
    struct stat st;
    int fd;

    if (!socket_unix_address(a, &un, &len, errp)) {
        return -1;
    }
    /* A socket that an earlier run left behind; nothing else is ever removed. */
    if (a->server && !a->abstract && !lstat(a->path, &st) && S_ISSOCK(st.st_mode)) {
        unlink(a->path);
    }
    fd = socket_open_one(a, AF_UNIX, (struct sockaddr *)&un, len);
    if (fd < 0) {
        error_fail_errno(errp, errno, "cannot %s Unix socket '%s'",
                         a->server ? "listen on" : "connect to", a->path);
    }
    return fd;
}

static int socket_open_tcp(const SocketAddress *to, Error **errp)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = to->server ? AI_PASSIVE : 0};
    const char *host = to->host && *to->host ? to->host : NULL;
    struct addrinfo *list;
    int fd = -1, err;

    err = getaddrinfo(host, to->port, &hints, &list);
    if (err) {
        error_fail(errp, "address '%s:%s': %s", host ? host : "", to->port, gai_strerror(err));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket_open_one(to, a->ai_family, a->ai_addr, a->ai_addrlen);
    }
    err = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        error_fail_errno(errp, err, "cannot %s '%s:%s'", to->server ? "listen on" : "connect to",
                         host ? host : "", to->port);
    }
    return fd;
}

static int socket_open_address(const SocketAddress *a, Error **errp)
{
    return a->path ? socket_open_unix(a, errp) : socket_open_tcp(a, errp);
}

static void socket_address_clear(SocketAddress *a)
{
    g_free(a->path);
    g_free(a->host);
    g_free(a->port);
}

/* --- Clients --- */

static void connect_finish(ConnectJob *job)
{
    CharSocket *s = job->owner;

    if (!s) {
        return;
    }
    s->job = NULL;
    job->owner = NULL;
    if (job->fd < 0) {
        socket_connect_later(s);
    } else {
        socket_connected(s, job->fd);
        job->fd = -1;
    }
}

static void connect_ended(void *opaque)
{
    ConnectJob *job = opaque;

    connect_finish(job);
    if (job->fd >= 0) {
        close(job->fd);
    }
    error_free(job->err);
    socket_address_clear(&job->to);
    g_mutex_clear(&job->lock);
    g_cond_clear(&job->ended);
    g_free(job);
}

static gpointer connect_thread(gpointer opaque)
{
    ConnectJob *job = opaque;
    Error *err = NULL;
    int fd = socket_open_address(&job->to, &err);

    g_mutex_lock(&job->lock);
    job->fd = fd;
    job->err = err;
    job->done = true;
    g_cond_signal(&job->ended);
    g_mutex_unlock(&job->lock);
    main_loop_defer(connect_ended, job);
    return NULL;
}

static ConnectJob *connect_start(CharSocket *s)
{
    ConnectJob *job = g_new0(ConnectJob, 1);

    job->owner = s;
    job->to = (SocketAddress){.path = g_strdup(s->addr.path),
                              .host = g_strdup(s->addr.host),
                              .port = g_strdup(s->addr.port),
                              .abstract = s->addr.abstract};
    job->fd = -1;
    g_mutex_init(&job->lock);
    g_cond_init(&job->ended);
    s->job = job;
    g_thread_unref(g_thread_new("connect", connect_thread, job));
    return job;
}

static gboolean socket_reconnect(gpointer opaque)
{
    CharSocket *s = opaque;

    s->reconnect_source = 0;
    connect_start(s);
    return G_SOURCE_REMOVE;
}

static void socket_connect_later(CharSocket *s)
{
    s->reconnect_source = g_timeout_add((guint)s->reconnect_ms, socket_reconnect, s);
}

/* Waits for the job, but not for ever. */
static bool connect_wait(ConnectJob *job, unsigned limit_ms)
{
    gint64 end = g_get_monotonic_time() + limit_ms * G_TIME_SPAN_MILLISECOND;
    bool done;

    g_mutex_lock(&job->lock);
    while (!job->done && g_cond_wait_until(&job->ended, &job->lock, end)) {
    }
    done = job->done;
    g_mutex_unlock(&job->lock);
    return done;
}

/* The first connection: one that comes at once is there when the guest starts. */
static bool socket_connect(CharSocket *s, Error **errp)
{
    ConnectJob *job = connect_start(s);
    bool done = connect_wait(job, s->reconnect_ms ? RECONNECT_WAIT_MS : CONNECT_WAIT_MS);

    if (s->reconnect_ms && !done) {
        return true;
    }
    if (done && (s->reconnect_ms || job->fd >= 0)) {
        connect_finish(job);
        return true;
    }
    s->job = NULL;
    job->owner = NULL;
    if (!done) {
        return error_fail(errp, "no answer from %s within %u s", socket_name(s),
                          CONNECT_WAIT_MS / 1000);
    }
    error_propagate(errp, g_steal_pointer(&job->err));
    return false;
}

/* --- Life --- */

/* fd=N: listening (a server) or connected already, inherited from the caller. */
static bool socket_use_fd(CharSocket *s, const char *text, Error **errp)
{
    uint64_t fd = 0;
    int listening = 0;
    socklen_t len = sizeof(listening);

    if (!g_ascii_isdigit(*text)) { /* a name that getfd gave */
        int named = fd_named_take(text);

        if (named < 0) {
            return error_fail(errp, "fd=%s: there is no descriptor of that name", text);
        }
        fd = (uint64_t)named;
    } else if (!parse_u64("socket: fd", text, INT_MAX, &fd, errp)) {
        return false;
    }
    if (getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len)) {
        return error_fail_errno(errp, errno, "fd=%s is not a socket", text);
    }
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    if (listening) {
        s->addr.server = true;
        s->listen_fd = (int)fd;
    } else {
        socket_connected(s, (int)fd);
    }
    return true;
}

static bool socket_take_options(CharSocket *s, Opts *o, Error **errp)
{
    uint64_t seconds = 0;

    s->addr.path = g_strdup(opts_take(o, "path"));
    s->addr.host = g_strdup(opts_take(o, "host"));
    s->addr.port = g_strdup(opts_take(o, "port"));
    s->wait = true;
    if (!opts_take_bool(o, "server", &s->addr.server, errp) ||
        !opts_take_bool(o, "wait", &s->wait, errp) ||
        !opts_take_bool(o, "telnet", &s->telnet, errp) ||
        !opts_take_bool(o, "nodelay", &s->nodelay, errp) ||
        !opts_take_bool(o, "abstract", &s->addr.abstract, errp) ||
        !opts_take_u64(o, "reconnect", 3600, &seconds, errp) ||
        !opts_take_u64(o, "reconnect-ms", 3600000, &s->reconnect_ms, errp)) {
        return false;
    }
    s->reconnect_ms += seconds * 1000;
    if (s->addr.server && s->reconnect_ms) {
        return error_fail(errp, "%s: reconnect is for clients, and server=on is given",
                          opts_what(o));
    }
    return true;
}

static bool socket_start(CharSocket *s, Opts *o, Error **errp)
{
    const char *fd_text = opts_take(o, "fd");

    if (!!s->addr.path + !!s->addr.port + !!fd_text != 1) {
        return error_fail(errp,
                          "%s: socket needs one of path=, port= (with host=), fd=", opts_what(o));
    }
    if (fd_text) {
        if (!socket_use_fd(s, fd_text, errp)) {
            return false;
        }
    } else if (s->addr.server) {
        s->listen_fd = socket_open_address(&s->addr, errp);
        if (s->listen_fd < 0) {
            return false;
        }
        s->unlink_pid = s->addr.path && !s->addr.abstract ? getpid() : 0;
    } else if (!socket_connect(s, errp)) {
        return false;
    }
    if (s->listen_fd >= 0 && s->wait) {
        report("waiting for a connection on %s", socket_name(s));
        socket_accept(s->listen_fd, G_IO_IN, s);
    } else if (s->listen_fd >= 0) {
        socket_listen(s);
    }
    return true;
}

static bool socket_open(Chardev *c, Opts *o, Error **errp)
{
    CharSocket *s = (CharSocket *)c;
    Error *err = NULL;

    s->listen_fd = -1;
    if (!socket_take_options(s, o, errp)) {
        return false;
    }
    if (!socket_start(s, o, &err)) {
        if (!g_str_has_prefix(error_text(err), opts_what(o))) {
            error_prepend(&err, "%s: ", opts_what(o));
        }
        error_propagate(errp, err);
        return false;
    }
    return true;
}

static void socket_close(Chardev *c)
{
    CharSocket *s = (CharSocket *)c;

    if (s->listen_source) {
        g_source_remove(s->listen_source);
    }
    if (s->reconnect_source) {
        g_source_remove(s->reconnect_source);
    }
    if (s->job) {
        s->job->owner = NULL;
    }
    g_clear_pointer(&c->fd, char_fd_free);
    socket_drop_fds(s);
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
    }
    if (s->unlink_pid == getpid()) {
        unlink(s->addr.path);
    }
    socket_address_clear(&s->addr);
}

static char *socket_describe(Chardev *c)
{
    CharSocket *s = (CharSocket *)c;
    const char *host = s->addr.host && *s->addr.host ? s->addr.host : NULL;

    return g_strdup_printf("%s:%s%s%s%s",
                           s->addr.path ? "unix"
                           : s->telnet  ? "telnet"
                                        : "tcp",
                           host ? host : "", host ? ":" : "", socket_name(s),
                           s->addr.server ? ",server=on" : "");
}

static const char *const socket_opts[] = {"path",     "host",      "port",         "fd",
                                          "server",   "wait",      "telnet",       "nodelay",
                                          "abstract", "reconnect", "reconnect-ms", NULL};

static const CharOps socket_ops = {
    .opts = socket_opts,
    .open = socket_open,
    .close = socket_close,
    .write = char_fd_write,
    .accept_input = char_fd_accept_input,
    .take_fd = socket_take_fd,
    .describe = socket_describe,
};

QOM_TYPE(chardev_socket_type, .name = "chardev-socket", .parent = TYPE_CHARDEV,
         .desc = "TCP or Unix socket", .ops = &socket_ops, .size = sizeof(CharSocket));
