/* SPDX-License-Identifier: MIT */
/*
 * Network backends (-netdev user, ...) and the cards' side of them.  Machine lock, main loop thread.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdio.h>
#include <sys/uio.h>

#include "rhea/error.h"

typedef struct NetBackend NetBackend;

typedef struct NetCardOps {
    /* True: takes the frame (or drops it on purpose); false: no room, the backend keeps it and waits for
     * net_card_flush(). */
    bool (*receive)(void *opaque, const uint8_t *frame, size_t len);
    void (*link_changed)(void *opaque, bool up);
    /* Asks the guest to tell the network where it is; false (or NULL): it cannot. */
    bool (*announce)(void *opaque);
    /* Another address, which the guest finds when it sets the card up again. */
    void (*set_mac)(void *opaque, const uint8_t mac[6]);
} NetCardOps;

typedef struct NetCard {
    NetBackend *peer; /* NULL: unplugged cable */
    const NetCardOps *ops;
    void *opaque;
    char *name; /* device id or model.N, for info network */
    uint8_t mac[6];
    bool link_down;
} NetCard;

/* Connects to the -netdev @id (an error when taken) or leaves it unplugged (@id NULL). */
bool net_card_attach(NetCard *card, const char *id, Error **errp) MUST_CHECK;
void net_card_detach(NetCard *card);
/* A frame from the guest, at most 65550 bytes, checksums filled in; TCP segments may be as large. */
void net_card_send(NetCard *card, const uint8_t *frame, size_t len);
/* How many queue pairs the backend serves; 1 without one. */
unsigned net_card_queues(const NetCard *card);
/* The card has room again. */
void net_card_flush(NetCard *card);

/* "52:54:00:12:34:56" + n, the default addresses. */
void net_default_mac(uint8_t mac[6]);
bool net_parse_mac(const char *text, uint8_t mac[6], Error **errp) MUST_CHECK;
char *net_format_mac(const uint8_t mac[6]);

/* -netdev, -net, -nic.  For -nic/-net nic the board asks net_next_nic() for the cards to make. */
bool net_new_netdev(const char *optarg, Error **errp) MUST_CHECK;
struct Opts;
bool net_new_netdev_opts(struct Opts *o, Error **errp) MUST_CHECK;
/* The kinds of backend and the type of what each takes (as monitor/monitor.h writes types). */
void net_foreach_kind(void (*fn)(void *opaque, const char *name, const char *args), void *opaque);
/* Plugs in or pulls the cable of the card or backend @name. */
bool net_set_link(const char *name, bool up, Error **errp) MUST_CHECK;
typedef struct NicConfig {
    char *model, *netdev, *mac;
    bool used;
} NicConfig;
bool net_add_nic_option(const char *optarg, bool legacy_net, Error **errp) MUST_CHECK;
NicConfig *net_next_nic(void); /* NULL: no more; marks it used */
/* For a board that has a card by itself: one on the user network, unless the user spoke of networks. */
bool net_default_nic(Error **errp) MUST_CHECK;
bool net_remove(const char *id, Error **errp) MUST_CHECK;
/* Every card tells the network where it is: itself, or by a frame in its name. */
void net_announce_self(void);
/*
 * In a copy of the process: backends like those that were there, without the ports that they listened at; and each card
 * has another address from the next time on that the guest sets it up.
 */
bool net_after_fork(Error **errp) MUST_CHECK;
/* -netdev with the id and type of one that is there: it is made anew with these options. */
bool net_replace_netdev(const char *optarg, Error **errp) MUST_CHECK;
void net_print_info(GString *out);
void net_print_help(FILE *out); /* -netdev help */
void net_cleanup_all(void);

#endif
