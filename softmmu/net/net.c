/* SPDX-License-Identifier: MIT */
/*
 * Network backends by id and the cards that plug into them.  Machine lock, main loop thread (cards send
 * from vCPU threads under the lock).
 */
#include "rhea/osdep.h"

#include <sys/random.h>

#include "config.h"
#include "net-int.h"

/* What a backend keeps for a card that has no room: about a TCP window of full frames. */
enum { QUEUE_MAX = 256, FRAME_MAX = 65550 };

struct NetBackend {
    char *id;
    const NetBackendOps *ops;
    void *state;
    Opts *opts; /* what it was made of, but for what only one process can have */
    NetCard *card;
    GQueue waiting; /* GBytes */
    uint64_t dropped;
};

static const NetBackendOps *const kinds[] = {
#if CONFIG_SLIRP
    &net_user_ops,
#endif
    NULL,
};

static GPtrArray *backends; /* NetBackend */
static GPtrArray *nics;     /* NicConfig */
static bool nic_option;     /* -nic or -net was given, perhaps as "none" */

/* --- Backends --- */

static NetBackend *backend_find(const char *id)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        NetBackend *nb = g_ptr_array_index(backends, i);

        if (!strcmp(nb->id, id)) {
            return nb;
        }
    }
    return NULL;
}

static const NetBackendOps *kind_find(const char *what, const char *name, Error **errp)
{
    const char *names[ARRAY_SIZE(kinds)] = {NULL};
    g_autofree char *label = g_strdup_printf("%s: type", what);

    for (size_t i = 0; kinds[i]; i++) {
        if (!strcmp(kinds[i]->name, name)) {
            return kinds[i];
        }
        names[i] = kinds[i]->name;
    }
    error_unknown_name(errp, label, name, names);
    return NULL;
}

/* For another of the kind: type and id have been taken. */
static Opts *backend_opts(const NetBackendOps *ops, const Opts *o)
{
    g_autoptr(Opts) all = opts_copy(o, (const char *const[]){"type", "id", NULL});

    return opts_copy(all, ops->exclusive);
}

static NetBackend *backend_new(Opts *o, const char *type, const char *id, Error **errp)
{
    const NetBackendOps *ops = kind_find(opts_what(o), type, errp);
    NetBackend *nb;

    if (!ops) {
        return NULL;
    }
    if (backend_find(id)) {
        error_fail(errp, "%s: id '%s' is in use", opts_what(o), id);
        return NULL;
    }
    nb = g_new0(NetBackend, 1);
    nb->id = g_strdup(id);
    nb->ops = ops;
    nb->opts = backend_opts(ops, o);
    g_queue_init(&nb->waiting);
    nb->state = ops->open(nb, o, errp);
    if (!nb->state) {
        opts_free(nb->opts);
        g_free(nb->id);
        g_free(nb);
        return NULL;
    }
    if (!backends) {
        backends = g_ptr_array_new();
    }
    g_ptr_array_add(backends, nb);
    return nb;
}

bool net_new_netdev_opts(Opts *o, Error **errp)
{
    const char *type = opts_take(o, "type"), *id = opts_take(o, "id");

    if (!type || !id) {
        return error_fail(errp, "%s: %s= is missing", opts_what(o), type ? "id" : "type");
    }
    return backend_new(o, type, id, errp);
}

bool net_new_netdev(const char *optarg, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-netdev", optarg, "type", errp);

    return o && net_new_netdev_opts(o, errp);
}

void net_foreach_kind(void (*fn)(void *opaque, const char *name, const char *args), void *opaque)
{
    for (size_t i = 0; kinds[i]; i++) {
        fn(opaque, kinds[i]->name, kinds[i]->args);
    }
}

static void backend_free(NetBackend *nb)
{
    if (nb->card) {
        net_card_detach(nb->card);
    }
    nb->ops->close(nb->state);
    opts_free(nb->opts);
    g_queue_clear_full(&nb->waiting, (GDestroyNotify)g_bytes_unref);
    g_free(nb->id);
    g_free(nb);
}

bool net_remove(const char *id, Error **errp)
{
    NetBackend *nb = backend_find(id);

    NetCard *card = nb ? nb->card : NULL;

    if (!nb) {
        return error_fail(errp, "Device '%s' not found", id);
    }
    g_ptr_array_remove(backends, nb);
    backend_free(nb);
    if (card && card->ops->link_changed) {
        card->ops->link_changed(card->opaque, false); /* its cable ends in the air */
    }
    return true;
}

bool net_set_link(const char *name, bool up, Error **errp)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        NetBackend *nb = g_ptr_array_index(backends, i);
        NetCard *card = nb->card;

        if (card && (!strcmp(nb->id, name) || !strcmp(card->name, name))) {
            if (card->link_down == up) {
                card->link_down = !up;
                if (card->ops->link_changed) {
                    card->ops->link_changed(card->opaque, up);
                }
            }
            return true;
        }
    }
    return error_fail(errp, "Device '%s' not found", name);
}

void net_cleanup_all(void)
{
    while (backends && backends->len) {
        backend_free(g_ptr_array_steal_index(backends, backends->len - 1));
    }
}

/* --- Cards --- */

bool net_card_attach(NetCard *card, const char *id, Error **errp)
{
    NetBackend *nb;

    if (!id) {
        return true;
    }
    nb = backend_find(id);
    if (!nb) {
        return error_fail(errp, "property 'netdev': there is no netdev '%s'", id);
    }
    if (nb->card) {
        return error_fail(errp, "netdev '%s' is in use by %s", id, nb->card->name);
    }
    nb->card = card;
    card->peer = nb;
    return true;
}

void net_card_detach(NetCard *card)
{
    if (card->peer) {
        card->peer->card = NULL;
        card->peer = NULL;
    }
}

void net_card_send(NetCard *card, const uint8_t *frame, size_t len)
{
    if (card->peer && !card->link_down && len <= FRAME_MAX) {
        card->peer->ops->send(card->peer->state, frame, len);
    }
}

unsigned net_card_queues(const NetCard *card)
{
    const NetBackend *nb = card->peer;

    return nb && nb->ops->queues ? nb->ops->queues(nb->state) : 1;
}

void net_backend_deliver(NetBackend *nb, const uint8_t *frame, size_t len)
{
    NetCard *card = nb->card;

    if (!card || card->link_down) {
        return;
    }
    if (g_queue_is_empty(&nb->waiting) && card->ops->receive(card->opaque, frame, len)) {
        return;
    }
    if (nb->waiting.length >= QUEUE_MAX) {
        nb->dropped++;
        return;
    }
    g_queue_push_tail(&nb->waiting, g_bytes_new(frame, len));
}

void net_card_flush(NetCard *card)
{
    NetBackend *nb = card->peer;
    GBytes *frame;

    while (nb && (frame = g_queue_peek_head(&nb->waiting))) {
        gsize len;
        const uint8_t *data = g_bytes_get_data(frame, &len);

        if (!card->ops->receive(card->opaque, data, len)) {
            return;
        }
        g_bytes_unref(g_queue_pop_head(&nb->waiting));
    }
}

/* --- Announcements --- */

/* A reverse ARP request from the card's address (RFC 903), which teaches switches where it is. */
static void net_send_rarp(NetCard *card)
{
    static const uint8_t type_and_head[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};
    uint8_t frame[60] = {0};

    memset(frame, 0xff, 6);
    memcpy(frame + 6, card->mac, 6);
    memcpy(frame + 12, type_and_head, sizeof(type_and_head));
    memcpy(frame + 22, card->mac, 6);
    memcpy(frame + 32, card->mac, 6);
    net_card_send(card, frame, sizeof(frame));
}

void net_announce_self(void)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        NetCard *card = ((NetBackend *)g_ptr_array_index(backends, i))->card;

        if (card && !(card->ops->announce && card->ops->announce(card->opaque))) {
            net_send_rarp(card);
        }
    }
}

/* --- Copies of the process --- */

/* Ends what is shared with the other process and starts its like. */
static bool backend_reopen(NetBackend *nb, Opts *o, Error **errp)
{
    nb->ops->close(nb->state);
    nb->state = nb->ops->open(nb, o, errp);
    return nb->state;
}

/* As hypervisors make them: locally administered, 52:54:00 and three bytes of chance. */
static void card_take_other_mac(NetCard *card)
{
    uint8_t mac[6] = {0x52, 0x54, 0x00};

    if (card->ops->set_mac && getrandom(mac + 3, 3, 0) == 3) {
        card->ops->set_mac(card->opaque, mac);
    }
}

bool net_after_fork(Error **errp)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        NetBackend *nb = g_ptr_array_index(backends, i);
        g_autoptr(Opts) o = opts_copy(nb->opts, NULL);

        if (!backend_reopen(nb, o, errp)) {
            return false;
        }
        if (nb->card) {
            card_take_other_mac(nb->card);
        }
    }
    return true;
}

bool net_replace_netdev(const char *optarg, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-netdev", optarg, "type", errp);
    const char *type = o ? opts_take(o, "type") : NULL, *id = o ? opts_take(o, "id") : NULL;
    NetBackend *nb = id ? backend_find(id) : NULL;

    if (!o) {
        return false;
    }
    if (!nb || g_strcmp0(type, nb->ops->name)) {
        return error_fail(errp, "-netdev: there is no '%s' of type '%s' to be replaced",
                          id ? id : "", type ? type : "");
    }
    return backend_reopen(nb, o, errp);
}

/* --- Addresses --- */

void net_default_mac(uint8_t mac[6])
{
    static uint8_t next = 0x56;
    const uint8_t base[6] = {0x52, 0x54, 0x00, 0x12, 0x34, next++};

    memcpy(mac, base, sizeof(base));
}

bool net_parse_mac(const char *text, uint8_t mac[6], Error **errp)
{
    unsigned b[6];
    int end = 0;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) !=
            6 ||
        text[end]) {
        return error_fail(errp, "'%s' is not an Ethernet address (accepted: 52:54:00:12:34:56)",
                          text);
    }
    if (b[0] & 1) {
        return error_fail(errp, "'%s' is a multicast address, not a card's", text);
    }
    for (int i = 0; i < 6; i++) {
        mac[i] = b[i];
    }
    return true;
}

char *net_format_mac(const uint8_t mac[6])
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                           mac[5]);
}

/* --- -nic and -net: a card for the board to make, and its backend --- */

static NicConfig *nic_new(const char *model, const char *netdev, const char *mac)
{
    NicConfig *nic = g_new0(NicConfig, 1);

    nic->model = g_strdup(model);
    nic->netdev = g_strdup(netdev);
    nic->mac = g_strdup(mac);
    if (!nics) {
        nics = g_ptr_array_new();
    }
    g_ptr_array_add(nics, nic);
    return nic;
}

/* -net nic and -net user come apart and in any order: they meet in the one shared hub, as a pair. */
static bool add_legacy_net(Opts *o, const char *type, Error **errp)
{
    static const char *const hub_id = "hub0port0";
    static const char *const nic_items[] = {"model", "macaddr", NULL};
    NicConfig *nic = nics && nics->len ? g_ptr_array_index(nics, 0) : NULL;

    if (!strcmp(type, "none")) {
        return opts_done(o, NULL, errp);
    }
    if (!strcmp(type, "nic")) {
        if (nic) {
            return error_fail(errp, "-net nic: only one is supported (use -nic or -device)");
        }
        nic_new(opts_take(o, "model"), backend_find(hub_id) ? hub_id : NULL,
                opts_take(o, "macaddr"));
        return opts_done(o, nic_items, errp);
    }
    if (!backend_new(o, type, hub_id, errp)) {
        return false;
    }
    if (nic && !nic->netdev) {
        nic->netdev = g_strdup(hub_id);
    }
    return true;
}

bool net_add_nic_option(const char *optarg, bool legacy_net, Error **errp)
{
    g_autoptr(Opts) o = opts_parse(legacy_net ? "-net" : "-nic", optarg, "type", errp);
    const char *type = o ? opts_take(o, "type") : NULL;
    g_autofree char *id = NULL;
    const char *model, *mac;

    nic_option = true;
    if (!o) {
        return false;
    }
    if (!type) {
        return error_fail(errp, "%s: type= is missing", opts_what(o));
    }
    if (legacy_net) {
        return add_legacy_net(o, type, errp);
    }
    if (!strcmp(type, "none")) {
        return opts_done(o, NULL, errp);
    }
    model = opts_take(o, "model");
    mac = opts_take(o, "mac");
    id = g_strdup(opts_take(o, "id"));
    if (!id) {
        id = g_strdup_printf("#net%u", nics ? nics->len : 0);
    }
    if (!backend_new(o, type, id, errp)) {
        return false;
    }
    nic_new(model, id, mac);
    return true;
}

bool net_default_nic(Error **errp)
{
    bool spoken = nic_option || (backends && backends->len);

    return spoken || !kinds[0] || net_add_nic_option(kinds[0]->name, false, errp);
}

NicConfig *net_next_nic(void)
{
    for (guint i = 0; nics && i < nics->len; i++) {
        NicConfig *nic = g_ptr_array_index(nics, i);

        if (!nic->used) {
            nic->used = true;
            return nic;
        }
    }
    return NULL;
}

/* --- Information --- */

void net_print_info(GString *out)
{
    for (guint i = 0; backends && i < backends->len; i++) {
        NetBackend *nb = g_ptr_array_index(backends, i);

        if (nb->card) {
            g_autofree char *mac = net_format_mac(nb->card->mac);

            g_string_append_printf(out, "%s: type=nic,macaddr=%s%s\n \\ ", nb->card->name, mac,
                                   nb->card->link_down ? ",link=off" : "");
        }
        g_string_append_printf(out, "%s: type=%s", nb->id, nb->ops->name);
        nb->ops->print(nb->state, out);
        g_string_append_printf(out, "\n     waiting=%u dropped=%" PRIu64 "\n", nb->waiting.length,
                               nb->dropped);
    }
}

void net_print_help(FILE *out)
{
    fprintf(out, "Available netdev backend types:\n");
    for (size_t i = 0; kinds[i]; i++) {
        fprintf(out, "%-8s %s\n", kinds[i]->name, kinds[i]->help);
    }
}
