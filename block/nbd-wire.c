/* SPDX-License-Identifier: MIT */
/* The NBD server's sockets: whole messages, and where they listen. Blocking, the threads of connections. */
#include "rhea/osdep.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "nbd-int.h"
#include "rhea/iov.h"

enum { BACKLOG = 16, SKIP_CHUNK = 64 * 1024 };

/* --- Messages --- */

/* Waits for input, but in the handshake no longer than it may take. */
static bool wait_input(NbdConn *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    int64_t left;
    int ready;

    do {
        left = c->deadline ? (c->deadline - g_get_monotonic_time()) / 1000 : -1;
        if (c->deadline && left <= 0) {
            return false;
        }
        ready = poll(&p, 1, (int)MIN(left, INT_MAX));
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    return ready > 0;
}

void nbd_break(NbdConn *c)
{
    __atomic_store_n(&c->broken, true, __ATOMIC_RELAXED);
    shutdown(c->fd, SHUT_RDWR);
}

bool nbd_broken(const NbdConn *c)
{
    return __atomic_load_n(&c->broken, __ATOMIC_RELAXED);
}

/* What came before the connection broke could still be read, and may be a great deal. */
bool nbd_recv(NbdConn *c, void *buf, size_t len)
{
    while (len) {
        ssize_t n;

        if (nbd_broken(c)) {
            return false;
        }
        if (c->deadline && !wait_input(c)) {
            return false;
        }
        n = recv(c->fd, buf, len, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        buf = (char *)buf + n;
        len -= (size_t)n;
    }
    return true;
}

bool nbd_recv_skip(NbdConn *c, uint64_t len)
{
    g_autofree uint8_t *buf = g_malloc(SKIP_CHUNK);

    while (len) {
        size_t n = MIN(len, SKIP_CHUNK);

        if (!nbd_recv(c, buf, n)) {
            return false;
        }
        len -= n;
    }
    return true;
}

/* One message must be whole on the wire before the next begins. */
bool nbd_send(NbdConn *c, struct iovec *iov, int niov)
{
    bool ok = true;

    g_mutex_lock(&c->send_lock);
    while (niov && ok) {
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = niov};
        ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

        if (n > 0) {
            iov_advance(&iov, &niov, (size_t)n);
        } else if (n == 0 || errno != EINTR) {
            ok = false;
            nbd_break(c);
        }
    }
    g_mutex_unlock(&c->send_lock);
    return ok;
}

/* --- Listening --- */

static int listen_at(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    int one = 1;

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG)) {
        int err = errno;

        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

int nbd_listen_tcp(const char *host, const char *port, Error **errp)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE},
                    *found = NULL;
    int fd = -1, ret = getaddrinfo(host && *host ? host : "0.0.0.0", port, &hints, &found);

    if (ret) {
        error_fail(errp, "address '%s', port '%s': %s", host ? host : "", port, gai_strerror(ret));
        return -1;
    }
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = listen_at(a);
    }
    if (fd < 0) {
        error_fail_errno(errp, errno, "cannot listen on '%s', port %s", host ? host : "0.0.0.0",
                         port);
    }
    freeaddrinfo(found);
    return fd;
}

int nbd_listen_unix(const char *path, Error **errp)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct addrinfo a = {.ai_family = AF_UNIX,
                         .ai_socktype = SOCK_STREAM,
                         .ai_addr = (struct sockaddr *)&un,
                         .ai_addrlen = sizeof(un)};
    struct stat st;
    int fd;

    if (strlen(path) >= sizeof(un.sun_path)) {
        error_fail(errp, "socket '%s': the name is longer than %zu bytes", path,
                   sizeof(un.sun_path) - 1);
        return -1;
    }
    strcpy(un.sun_path, path);
    if (!lstat(path, &st) && S_ISSOCK(st.st_mode)) {
        unlink(path); /* of a server that has gone; other kinds of files stay */
    }
    fd = listen_at(&a);
    if (fd < 0) {
        error_fail_errno(errp, errno, "cannot listen on socket '%s'", path);
    }
    return fd;
}
