/* SPDX-License-Identifier: MIT */
/*
 * Where VNC viewers come from: sockets that listen, or the one viewer that waits for us (reverse=on).
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "rhea/opts.h"
#include "vnc-int.h"
#include "vnc-stream.h"

enum { PORT_BASE = 5900, PORT_MAX = 65535 };

VncPeer vnc_peer_of(int fd)
{
    VncPeer peer = {.family = "unix"};
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);

    if (!getpeername(fd, (struct sockaddr *)&addr, &len) && addr.ss_family != AF_UNIX &&
        !getnameinfo((struct sockaddr *)&addr, len, peer.host, sizeof(peer.host), peer.service,
                     sizeof(peer.service), NI_NUMERICHOST | NI_NUMERICSERV)) {
        peer.family = addr.ss_family == AF_INET6 ? "ipv6" : "ipv4";
    }
    return peer;
}

static void add_socket(void *opaque, int fd)
{
    const VncPeer peer = vnc_peer_of(fd);

    vnc_add_client(opaque, vnc_socket_stream(fd), &peer);
}

/* --- Calls --- */

/* The first address of the host that answers there. */
static bool connect_tcp(VncServer *s, unsigned port, Error **errp)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int failed, fd = -1;

    s->service = g_strdup_printf("%u", port);
    failed = getaddrinfo(*s->host ? s->host : NULL, s->service, &hints, &found);
    if (failed) {
        return error_fail(errp, "-vnc: host '%s': %s", s->host, gai_strerror(failed));
    }
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen)) {
            int error = errno;

            close(fd);
            fd = -1;
            errno = error;
        }
    }
    freeaddrinfo(found);
    if (fd < 0) {
        return error_fail_errno(errp, errno, "-vnc: cannot connect to '%s' port %s", s->host,
                                s->service);
    }
    add_socket(s, fd);
    return true;
}

static bool connect_unix(VncServer *s, Error **errp)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(s->path) >= sizeof(addr.sun_path)) {
        return error_fail(errp, "-vnc: the path '%s' is too long", s->path);
    }
    strcpy(addr.sun_path, s->path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr))) {
        int error = errno;

        if (fd >= 0) {
            close(fd);
        }
        return error_fail_errno(errp, error, "-vnc: cannot connect to '%s'", s->path);
    }
    add_socket(s, fd);
    return true;
}

/* --- Listening --- */

static bool listen_unix(VncServer *s, const char *websocket, Error **errp)
{
    if (websocket && !strcmp(websocket, "on")) {
        return error_fail(errp, "-vnc: beside unix: websocket= needs a port");
    }
    s->listener = listener_new_unix("-vnc", s->path, add_socket, s, errp);
    return s->listener && (!websocket || vnc_websocket_listen(s, websocket, 0, errp));
}

/* @to: the last display to try, or 0. */
static bool listen_tcp(VncServer *s, uint64_t display, uint64_t to, const char *websocket,
                       Error **errp)
{
    ListenAt at = {.what = "-vnc",
                   .host = s->host,
                   .port = (unsigned)(PORT_BASE + display),
                   .last = (unsigned)(PORT_BASE + to)};

    s->listener = listener_new_tcp(&at, add_socket, s, errp);
    if (!s->listener) {
        return false;
    }
    s->service = g_strdup_printf("%u", listener_port(s->listener));
    return !websocket ||
           vnc_websocket_listen(s, websocket, listener_port(s->listener) - PORT_BASE, errp);
}

bool vnc_listen(VncServer *s, const char *where, uint64_t to, const char *websocket, Error **errp)
{
    const char *colon = strrchr(where, ':');
    uint64_t number;

    if (s->reverse && websocket) {
        return error_fail(errp, "-vnc: websocket= does not go with reverse=on");
    }
    if (g_str_has_prefix(where, "unix:")) {
        s->path = g_strdup(where + strlen("unix:"));
        s->host = g_strdup("");
        return s->reverse ? connect_unix(s, errp) : listen_unix(s, websocket, errp);
    }
    if (!colon) {
        return error_fail(errp, "-vnc: '%s' is no [HOST]:DISPLAY or unix:PATH", where);
    }
    if (!parse_u64(s->reverse ? "-vnc: port" : "-vnc: display", colon + 1,
                   s->reverse ? PORT_MAX : PORT_MAX - PORT_BASE, &number, errp)) {
        return false;
    }
    s->host = *where == '[' && colon > where && colon[-1] == ']'
                  ? g_strndup(where + 1, colon - where - 2)
                  : g_strndup(where, colon - where);
    return s->reverse ? connect_tcp(s, number, errp) : listen_tcp(s, number, to, websocket, errp);
}

void vnc_unlisten(VncServer *s)
{
    g_clear_pointer(&s->listener, listener_free);
    g_clear_pointer(&s->websocket, listener_free);
}
