/* SPDX-License-Identifier: MIT */
/*
 * User networking (-netdev user): libslirp's TCP/IP stack with DHCP, DNS, TFTP and port forwarding.
 * Main loop thread; libslirp is called under the machine lock only.
 */
#include "rhea/osdep.h"

#include <arpa/inet.h>
#include <slirp/libslirp.h>

#include "net-int.h"
#include "rhea/bits.h"
#include "rhea/defer.h"
#include "rhea/log.h"

/* Frames of several queue pairs are served in turn: what counts is the guest's side. */
enum { QUEUES_MAX = 256 };

typedef struct UserNet {
    NetBackend *nb;
    Slirp *slirp;
    GSource *source;
    GArray *polls; /* GPollFD *, registered with the source for this turn */
    uint32_t timeout_ms;
    bool restricted;
    uint64_t queues;
    struct in_addr net, mask;
} UserNet;

/* --- libslirp in the main loop: a source whose descriptors change every turn --- */

typedef struct UserSource {
    GSource source;
    UserNet *user;
} UserSource;

static const struct {
    int slirp;
    GIOCondition glib;
} poll_bits[] = {
    {SLIRP_POLL_IN, G_IO_IN},   {SLIRP_POLL_OUT, G_IO_OUT}, {SLIRP_POLL_PRI, G_IO_PRI},
    {SLIRP_POLL_ERR, G_IO_ERR}, {SLIRP_POLL_HUP, G_IO_HUP},
};

static int user_add_poll(int fd, int events, void *opaque)
{
    UserNet *s = opaque;
    GPollFD *p = g_new0(GPollFD, 1);

    p->fd = fd;
    for (size_t i = 0; i < ARRAY_SIZE(poll_bits); i++) {
        p->events |= events & poll_bits[i].slirp ? poll_bits[i].glib : 0;
    }
    g_source_add_poll(s->source, p);
    g_array_append_val(s->polls, p);
    return s->polls->len - 1;
}

static int user_get_revents(int index, void *opaque)
{
    UserNet *s = opaque;
    int events = 0;

    if (index < 0 || (guint)index >= s->polls->len) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(poll_bits); i++) {
        bool set = g_array_index(s->polls, GPollFD *, index)->revents & poll_bits[i].glib;

        events |= set ? poll_bits[i].slirp : 0;
    }
    return events;
}

static void user_drop_polls(UserNet *s)
{
    for (guint i = 0; i < s->polls->len; i++) {
        GPollFD *p = g_array_index(s->polls, GPollFD *, i);

        g_source_remove_poll(s->source, p);
        g_free(p);
    }
    g_array_set_size(s->polls, 0);
}

static gboolean user_prepare(GSource *source, gint *timeout)
{
    UserNet *s = ((UserSource *)source)->user;

    user_drop_polls(s);
    s->timeout_ms = UINT32_MAX;
    slirp_pollfds_fill(s->slirp, &s->timeout_ms, user_add_poll, s);
    *timeout = s->timeout_ms > INT_MAX ? -1 : (gint)s->timeout_ms;
    return FALSE;
}

static gboolean user_check(GSource *source)
{
    UserNet *s = ((UserSource *)source)->user;

    for (guint i = 0; i < s->polls->len; i++) {
        if (g_array_index(s->polls, GPollFD *, i)->revents) {
            return TRUE;
        }
    }
    return s->timeout_ms != UINT32_MAX;
}

static gboolean user_dispatch(GSource *source, GSourceFunc unused, gpointer unused2)
{
    UserNet *s = ((UserSource *)source)->user;

    slirp_pollfds_poll(s->slirp, 0, user_get_revents, s);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs user_source_funcs = {
    .prepare = user_prepare,
    .check = user_check,
    .dispatch = user_dispatch,
};

/* --- What libslirp asks of us --- */

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
    net_backend_deliver(((UserNet *)opaque)->nb, buf, len);
    return len;
}

static void cb_guest_error(const char *msg, void *opaque)
{
    log_guest("user network: %s", msg);
}

static int64_t cb_clock_ns(void *opaque)
{
    return g_get_monotonic_time() * NS_PER_US;
}

typedef struct UserTimer {
    SlirpTimerCb cb;
    void *opaque;
    guint id;
} UserTimer;

static gboolean timer_fire(gpointer opaque)
{
    UserTimer *t = opaque;

    t->id = 0;
    t->cb(t->opaque);
    return G_SOURCE_REMOVE;
}

static void *cb_timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
    UserTimer *t = g_new0(UserTimer, 1);

    t->cb = cb;
    t->opaque = cb_opaque;
    return t;
}

static void cb_timer_free(void *timer, void *opaque)
{
    UserTimer *t = timer;

    if (t->id) {
        g_source_remove(t->id);
    }
    g_free(t);
}

static void cb_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    UserTimer *t = timer;
    int64_t wait = expire_ms - cb_clock_ns(NULL) / NS_PER_MS;

    if (t->id) {
        g_source_remove(t->id);
    }
    t->id = g_timeout_add(CLAMP(wait, 0, INT_MAX), timer_fire, t);
}

static void cb_poll_fd(int fd, void *opaque)
{
    /* user_prepare() asks for the descriptors anew every turn. */
}

static void cb_notify(void *opaque)
{
    main_loop_kick();
}

static const SlirpCb user_callbacks = {
    .send_packet = cb_send_packet,
    .guest_error = cb_guest_error,
    .clock_get_ns = cb_clock_ns,
    .timer_new = cb_timer_new,
    .timer_free = cb_timer_free,
    .timer_mod = cb_timer_mod,
    .register_poll_fd = cb_poll_fd,
    .unregister_poll_fd = cb_poll_fd,
    .notify = cb_notify,
};

/* --- Options --- */

static bool parse_ip(const char *key, const char *text, struct in_addr *out, Error **errp)
{
    if (text && inet_pton(AF_INET, text, out) != 1) {
        return error_fail(errp, "-netdev user: %s: '%s' is not an IPv4 address", key, text);
    }
    return true;
}

/* "10.0.2.0/24", "10.0.2.0/255.255.255.0" or "10.0.2.0". */
static bool parse_net(const char *text, UserNet *s, Error **errp)
{
    g_auto(GStrv) part = g_strsplit(text, "/", 2);
    uint64_t bits = 24;

    if (!parse_ip("net", part[0], &s->net, errp)) {
        return false;
    }
    if (part[0] && part[1] && strchr(part[1], '.')) {
        return parse_ip("net", part[1], &s->mask, errp);
    }
    if (part[0] && part[1] && !parse_u64("-netdev user: net", part[1], 30, &bits, errp)) {
        return false;
    }
    s->mask.s_addr = htonl(bits ? ~0U << (32 - bits) : 0);
    return true;
}

static struct in_addr in_net(const UserNet *s, uint32_t host)
{
    return (struct in_addr){htonl((ntohl(s->net.s_addr) & ntohl(s->mask.s_addr)) | host)};
}

static bool hostfwd_port(const char *rule, const char *text, uint16_t *port, Error **errp)
{
    g_autofree char *what = g_strdup_printf("-netdev user: hostfwd '%s'", rule);
    uint64_t v;

    if (!parse_u64(what, text, 65535, &v, errp)) {
        return false;
    }
    *port = v;
    return true;
}

/* "[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport" */
static bool add_hostfwd(UserNet *s, const char *rule, Error **errp)
{
    g_auto(GStrv) side = g_strsplit(rule, "-", 2);
    g_auto(GStrv) host = g_strsplit(side[0] ? side[0] : "", ":", 3);
    g_auto(GStrv) guest = g_strsplit(side[0] && side[1] ? side[1] : "", ":", 2);
    struct in_addr host_ip = {INADDR_ANY}, guest_ip = {0};
    uint16_t host_port, guest_port;
    bool udp;

    if (g_strv_length(host) != 3 || g_strv_length(guest) != 2 ||
        (*host[0] && strcmp(host[0], "tcp") && strcmp(host[0], "udp"))) {
        return error_fail(errp,
                          "-netdev user: hostfwd '%s' is not understood (accepted: "
                          "tcp|udp:[hostaddr]:hostport-[guestaddr]:guestport)",
                          rule);
    }
    udp = !strcmp(host[0], "udp");
    if (!hostfwd_port(rule, host[2], &host_port, errp) ||
        !hostfwd_port(rule, guest[1], &guest_port, errp) ||
        (*host[1] && !parse_ip("hostfwd", host[1], &host_ip, errp)) ||
        (*guest[0] && !parse_ip("hostfwd", guest[0], &guest_ip, errp))) {
        return false;
    }
    if (!guest_port) {
        return error_fail(errp, "-netdev user: hostfwd '%s': the guest's port must not be 0", rule);
    }
    if (!*guest[0]) {
        guest_ip = in_net(s, 15);
    }
    if (slirp_add_hostfwd(s->slirp, udp, host_ip, host_port, guest_ip, guest_port) < 0) {
        return error_fail_errno(errp, errno, "-netdev user: hostfwd '%s': cannot listen", rule);
    }
    return true;
}

static const char *const user_keys[] = {
    "id",        "net",      "host",    "dhcpstart", "dns",      "hostname",         "domainname",
    "dnssearch", "restrict", "hostfwd", "tftp",      "bootfile", "tftp-server-name", "ipv4",
    "ipv6",      "model",    "mac",     "queues",    NULL,
};

static bool take_config(UserNet *s, Opts *o, SlirpConfig *cfg, Error **errp)
{
    const char *net = opts_take(o, "net");

    cfg->version = 4;
    cfg->in_enabled = cfg->in6_enabled = true;
    s->queues = 1;
    if (!parse_net(net ? net : "10.0.2.0/24", s, errp) ||
        !opts_take_bool(o, "restrict", &s->restricted, errp) ||
        !opts_take_u64(o, "queues", QUEUES_MAX, &s->queues, errp) ||
        !opts_take_bool(o, "ipv4", &cfg->in_enabled, errp) ||
        !opts_take_bool(o, "ipv6", &cfg->in6_enabled, errp)) {
        return false;
    }
    if (!s->queues) {
        return error_fail(errp, "-netdev user: queues=0: at least 1 is needed");
    }
    cfg->restricted = s->restricted;
    cfg->vnetwork = in_net(s, 0);
    cfg->vnetmask = s->mask;
    cfg->vhost = in_net(s, 2);
    cfg->vnameserver = in_net(s, 3);
    cfg->vdhcp_start = in_net(s, 15);
    cfg->vhostname = opts_take(o, "hostname");
    cfg->vdomainname = opts_take(o, "domainname");
    cfg->tftp_path = opts_take(o, "tftp");
    cfg->bootfile = opts_take(o, "bootfile");
    cfg->tftp_server_name = opts_take(o, "tftp-server-name");
    inet_pton(AF_INET6, "fec0::", &cfg->vprefix_addr6);
    cfg->vprefix_len = 64;
    inet_pton(AF_INET6, "fec0::2", &cfg->vhost6);
    inet_pton(AF_INET6, "fec0::3", &cfg->vnameserver6);
    return parse_ip("host", opts_take(o, "host"), &cfg->vhost, errp) &&
           parse_ip("dns", opts_take(o, "dns"), &cfg->vnameserver, errp) &&
           parse_ip("dhcpstart", opts_take(o, "dhcpstart"), &cfg->vdhcp_start, errp);
}

static void user_close(void *state)
{
    UserNet *s = state;

    if (s->source) {
        user_drop_polls(s);
        g_source_destroy(s->source);
        g_source_unref(s->source);
    }
    if (s->slirp) {
        slirp_cleanup(s->slirp);
    }
    g_array_free(s->polls, TRUE);
    g_free(s);
}

static bool user_start(UserNet *s, Opts *o, Error **errp)
{
    g_autoptr(GPtrArray) search = g_ptr_array_new();
    SlirpConfig cfg = {0};
    unsigned iter = 0;
    const char *value;

    if (!take_config(s, o, &cfg, errp)) {
        return false;
    }
    while ((value = opts_take_next(o, "dnssearch", &iter))) {
        g_ptr_array_add(search, (char *)value);
    }
    g_ptr_array_add(search, NULL);
    cfg.vdnssearch = search->len > 1 ? (const char **)search->pdata : NULL;
    s->slirp = slirp_new(&cfg, &user_callbacks, s);
    if (!s->slirp) {
        return error_fail(errp, "-netdev user: the network stack refuses this configuration");
    }
    for (iter = 0; (value = opts_take_next(o, "hostfwd", &iter));) {
        if (!add_hostfwd(s, value, errp)) {
            return false;
        }
    }
    return opts_done(o, user_keys, errp);
}

static void *user_open(NetBackend *nb, Opts *o, Error **errp)
{
    UserNet *s = g_new0(UserNet, 1);

    s->nb = nb;
    s->polls = g_array_new(FALSE, FALSE, sizeof(GPollFD *));
    if (!user_start(s, o, errp)) {
        user_close(s);
        return NULL;
    }
    s->source = g_source_new(&user_source_funcs, sizeof(UserSource));
    ((UserSource *)s->source)->user = s;
    g_source_set_name(s->source, "user network");
    g_source_attach(s->source, NULL);
    return s;
}

static void user_send(void *state, const uint8_t *frame, size_t len)
{
    slirp_input(((UserNet *)state)->slirp, frame, len);
    main_loop_kick(); /* its descriptors and timeouts may have changed */
}

static unsigned user_queues(void *state)
{
    return ((UserNet *)state)->queues;
}

static void user_print(void *state, GString *out)
{
    UserNet *s = state;
    char text[INET_ADDRSTRLEN];
    g_autofree char *connections = slirp_connection_info(s->slirp);

    inet_ntop(AF_INET, &s->net, text, sizeof(text));
    g_string_append_printf(out, ",net=%s/%d,restrict=%s\n%s", text,
                           __builtin_popcount(s->mask.s_addr), s->restricted ? "on" : "off",
                           connections);
}

static const char *const user_exclusive[] = {"hostfwd", NULL};

const NetBackendOps net_user_ops = {
    .name = "user",
    .exclusive = user_exclusive,
    .help = "user-mode networking: NAT, DHCP, DNS, TFTP, hostfwd=",
    .args = "{*net: str, *host: str, *dhcpstart: str, *dns: str, *hostname: str, "
            "*domainname: str, *dnssearch: [{str: str}], *restrict: bool, *hostfwd: [{str: str}], "
            "*tftp: str, *bootfile: str, *tftp-server-name: str, *ipv4: bool, *ipv6: bool, "
            "*queues: int}",
    .open = user_open,
    .close = user_close,
    .send = user_send,
    .print = user_print,
    .queues = user_queues,
};
