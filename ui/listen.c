/* SPDX-License-Identifier: MIT */
/* Listening sockets of ui/.  Threading: the machine lock, main loop. */
#include "rhea/osdep.h"

#include <glib-unix.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "listen.h"

enum { BACKLOG = 8 };

typedef struct ListenSocket {
    int fd;
    guint source;
} ListenSocket;

struct Listener {
    GArray *sockets; /* ListenSocket */
    ListenerAccept *accept;
    void *opaque;
    unsigned port;
    char *path; /* to be removed; NULL: none */
    pid_t pid;  /* by this process, and no copy of it */
};

static gboolean socket_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    Listener *l = opaque;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (peer >= 0) {
        l->accept(l->opaque, peer);
    }
    return G_SOURCE_CONTINUE;
}

static Listener *listener_new(ListenerAccept *accept, void *opaque)
{
    Listener *l = g_new0(Listener, 1);

    l->sockets = g_array_new(false, false, sizeof(ListenSocket));
    l->accept = accept;
    l->opaque = opaque;
    return l;
}

/* False: errno says why. */
static bool listen_on(Listener *l, int family, const struct sockaddr *addr, socklen_t len)
{
    ListenSocket s = {.fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    int on = 1, error;

    if (s.fd < 0) {
        return false;
    }
    if (family != AF_UNIX) {
        setsockopt(s.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (family == AF_INET6) {
        setsockopt(s.fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(s.fd, addr, len) || listen(s.fd, BACKLOG)) {
        error = errno;
        close(s.fd);
        errno = error;
        return false;
    }
    s.source = g_unix_fd_add(s.fd, G_IO_IN, socket_readable, l);
    g_array_append_val(l->sockets, s);
    return true;
}

/* --- TCP --- */

static unsigned port_of(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    if (getsockname(fd, (struct sockaddr *)&addr, &len)) {
        return 0;
    }
    return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                            : ((struct sockaddr_in *)&addr)->sin_port);
}

static void set_port(struct sockaddr *addr, unsigned port)
{
    if (addr->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)addr)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)addr)->sin_port = htons((uint16_t)port);
    }
}

/* The addresses of the host as stream sockets; NULL and an error: there are none. */
static struct addrinfo *look_up(const ListenAt *at, Error **errp)
{
    struct addrinfo hints = {.ai_flags = at->loopback ? 0 : AI_PASSIVE, .ai_socktype = SOCK_STREAM},
                    *found;
    const char *host = at->host && *at->host ? at->host : NULL;
    size_t len = host ? strlen(host) : 0;
    bool brackets = len > 2 && host[0] == '[' && host[len - 1] == ']';
    g_autofree char *bare = brackets ? g_strndup(host + 1, len - 2) : g_strdup(host);
    int failed = getaddrinfo(bare, "0", &hints, &found);

    if (failed) {
        error_fail(errp, "%s: host '%s': %s", at->what, host ? host : "", gai_strerror(failed));
        return NULL;
    }
    return found;
}

Listener *listener_new_tcp(const ListenAt *at, ListenerAccept *accept, void *opaque, Error **errp)
{
    struct addrinfo *found = look_up(at, errp);
    Listener *l = listener_new(accept, opaque);
    int error = 0;

    for (unsigned port = at->port; found && port <= MAX(at->port, at->last) && !l->sockets->len;
         port++) {
        l->port = port;
        for (struct addrinfo *a = found; a; a = a->ai_next) {
            set_port(a->ai_addr, l->port);
            if (!listen_on(l, a->ai_family, a->ai_addr, a->ai_addrlen)) {
                error = errno;
            } else if (!l->port) {
                l->port = port_of(g_array_index(l->sockets, ListenSocket, 0).fd);
            }
        }
    }
    if (l->sockets->len) {
        freeaddrinfo(found);
        return l;
    }
    if (found) {
        freeaddrinfo(found);
        error_fail_errno(errp, error, "%s: cannot listen at '%s' port %u", at->what,
                         at->host ? at->host : "", l->port);
    }
    listener_free(l);
    return NULL;
}

unsigned listener_port(const Listener *l)
{
    return l->port;
}

/* --- Unix sockets --- */

Listener *listener_new_unix(const char *what, const char *path, ListenerAccept *accept,
                            void *opaque, Error **errp)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;
    Listener *l;

    if (!*path || strlen(path) >= sizeof(addr.sun_path)) {
        error_fail(errp, "%s: the path '%s' is %s", what, path, *path ? "too long" : "empty");
        return NULL;
    }
    strcpy(addr.sun_path, path);
    /* Nothing but a socket is ever removed. */
    if (!lstat(path, &st) && S_ISSOCK(st.st_mode)) {
        unlink(path);
    }
    l = listener_new(accept, opaque);
    if (!listen_on(l, AF_UNIX, (const struct sockaddr *)&addr, sizeof(addr))) {
        error_fail_errno(errp, errno, "%s: cannot listen at '%s'", what, path);
        listener_free(l);
        return NULL;
    }
    l->path = g_strdup(path);
    l->pid = getpid();
    return l;
}

void listener_free(Listener *l)
{
    for (unsigned i = 0; i < l->sockets->len; i++) {
        ListenSocket *s = &g_array_index(l->sockets, ListenSocket, i);

        g_source_remove(s->source);
        close(s->fd);
    }
    if (l->path && l->pid == getpid()) {
        unlink(l->path);
    }
    g_array_free(l->sockets, true);
    g_free(l->path);
    g_free(l);
}
