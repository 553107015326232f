/* SPDX-License-Identifier: MIT */
/* Inside the network layer: what a kind of backend supplies. */
#ifndef NET_INT_H
#define NET_INT_H

#include "net/net.h"
#include "rhea/opts.h"

typedef struct NetBackendOps {
    const char *name; /* "user" */
    const char *help;
    const char *args; /* of netdev_add, as monitor/monitor.h writes types */
    /* Takes its options; returns its state, NULL on failure. */
    void *(*open)(NetBackend *nb, Opts *o, Error **errp);
    void (*close)(void *state);
    /* A frame from the card. */
    void (*send)(void *state, const uint8_t *frame, size_t len);
    void (*print)(void *state, GString *out);
    unsigned (*queues)(void *state); /* NULL: 1 */
    /* Options that only one process can have (NULL-terminated): ports it listens at, descriptors. */
    const char *const *exclusive;
} NetBackendOps;

extern const NetBackendOps net_user_ops;

/* A frame for the card: handed over, or kept until it has room (and dropped beyond a limit). */
void net_backend_deliver(NetBackend *nb, const uint8_t *frame, size_t len);

#endif
