/* SPDX-License-Identifier: MIT */
/* Shared by the data path and the control queue of the virtio network device. Machine lock. */
#ifndef HW_VIRTIO_VIRTIO_NET_H
#define HW_VIRTIO_VIRTIO_NET_H

#include "hw/virtio/virtio.h"
#include "net/net.h"

/* Feature bits (5.1.3). */
enum {
    NET_F_CSUM = 0,
    NET_F_GUEST_CSUM = 1,
    NET_F_CTRL_GUEST_OFFLOADS = 2,
    NET_F_MTU = 3,
    NET_F_MAC = 5,
    NET_F_HOST_TSO4 = 11,
    NET_F_HOST_TSO6 = 12,
    NET_F_HOST_ECN = 13,
    NET_F_MRG_RXBUF = 15,
    NET_F_STATUS = 16,
    NET_F_CTRL_VQ = 17,
    NET_F_CTRL_RX = 18,
    NET_F_CTRL_VLAN = 19,
    NET_F_CTRL_RX_EXTRA = 20,
    NET_F_GUEST_ANNOUNCE = 21,
    NET_F_MQ = 22,
    NET_F_CTRL_MAC_ADDR = 23
};

enum { RX_PROMISC, RX_ALLMULTI, RX_ALLUNI, RX_NOMULTI, RX_NOUNI, RX_NOBCAST, RX_MODES };
enum {
    ETH_ALEN = 6,
    NET_FRAME_MAX = 65550,
    NET_HEADER_MAX = 12,
    NET_MAC_TABLE_MAX = 64,
    NET_VLANS = 4096,
    NET_MAX_PAIRS = (VIRTIO_MAX_QUEUES - 1) / 2,
    NET_FLOWS = 256
};

typedef struct VirtioNet {
    VirtioDevice parent;
    /* wiring */
    NetCard card;
    uint32_t max_pairs; /* 1 without mq=on */
    /* properties: fixed once realized */
    char *netdev, *mac_text;
    uint32_t rx_queue_size, tx_queue_size;
    uint16_t host_mtu;
    int32_t bootindex;
    bool csum, guest_csum, host_tso4, host_tso6, host_ecn, mrg_rxbuf, status, ctrl_vq, ctrl_rx;
    bool ctrl_rx_extra, ctrl_vlan, ctrl_mac_addr, ctrl_guest_offloads, guest_announce, mq;
    /* guest-visible: all of it is in net_snapshot */
    uint8_t mac[ETH_ALEN];
    bool mode[RX_MODES];
    uint8_t table[NET_MAC_TABLE_MAX * ETH_ALEN];
    uint32_t table_len; /* addresses */
    bool table_overflow;
    uint64_t vlans[NET_VLANS / 64]; /* bit set: wanted */
    uint32_t pairs;                 /* in use */
    uint64_t offloads;              /* of what GUEST_* features allow */
    bool announce;                  /* the driver is asked to */
    uint8_t flow_pair[NET_FLOWS];   /* where a flow was last sent from (5.1.6.5.5) */
    /* host-side */
    uint8_t default_mac[ETH_ALEN];
    uint8_t frame[NET_FRAME_MAX + NET_HEADER_MAX];
} VirtioNet;

/* Whether the driver wants to hear a frame of at least an Ethernet header. */
bool net_wants(const VirtioNet *s, const uint8_t *frame, size_t len);
void net_reset_filters(VirtioNet *s);
void net_handle_ctrl(VirtioNet *s, VirtQueue *vq);

#endif
