/* SPDX-License-Identifier: MIT */
/* What a virtio network device lets through, by the filters that a driver set with its control queue. */
#include "rhea/osdep.h"

#include "hw/virtio/virtio-net.h"
#include "rhea/endian.h"

/* --- A control queue that holds one request --- */

static VirtqElement *request;
static uint8_t answer;

VirtqElement *vq_pop(VirtQueue *vq)
{
    return g_steal_pointer(&request);
}

void vq_push(VirtQueue *vq, VirtqElement *e, uint32_t written)
{
    g_assert_cmpuint(written, ==, 1);
}

void vq_notify(VirtQueue *vq)
{
}

static bool control(VirtioNet *s, const uint8_t *cmd, size_t len)
{
    struct iovec out = {(void *)cmd, len}, in = {&answer, 1};
    VirtqElement e = {
        .out = &out, .out_num = 1, .out_len = len, .in = &in, .in_num = 1, .in_len = 1};

    request = &e;
    net_handle_ctrl(s, NULL);
    return answer == 0;
}

/* --- Filters --- */

static VirtioNet *card_new(uint64_t features)
{
    static const uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    VirtioNet *s = g_new0(VirtioNet, 1);

    s->parent.features = s->parent.host_features = features;
    memcpy(s->mac, mac, sizeof(mac));
    net_reset_filters(s);
    return s;
}

static bool wants_tagged(const VirtioNet *s, unsigned tag)
{
    uint8_t frame[60];

    memset(frame, 0xff, sizeof(frame));
    st16_be(frame + 12, 0x8100);
    st16_be(frame + 14, tag);
    return net_wants(s, frame, sizeof(frame));
}

static void test_vlans(void)
{
    const uint64_t features = VIRTIO_FEATURE(NET_F_CTRL_VLAN);
    g_autofree VirtioNet *s = card_new(features);
    g_autofree VirtioNet *plain = card_new(0);
    uint8_t untagged[60] = {0};

    g_assert_true(wants_tagged(plain, 5)); /* no filter was asked for */
    g_assert_false(wants_tagged(s, 5));
    g_assert_true(net_wants(s, untagged, sizeof(untagged)));
    g_assert_true(control(s, (const uint8_t[]){2, 0, 5, 0}, 4));
    g_assert_true(control(s, (const uint8_t[]){2, 0, 0xff, 0x0f}, 4));
    g_assert_true(wants_tagged(s, 5));
    g_assert_true(wants_tagged(s, 0xe005)); /* the priority is not part of the number */
    g_assert_true(wants_tagged(s, 0x0fff));
    g_assert_false(wants_tagged(s, 4));
    g_assert_false(wants_tagged(s, 69));
    g_assert_true(control(s, (const uint8_t[]){2, 1, 5, 0}, 4));
    g_assert_false(wants_tagged(s, 5));
    g_assert_false(control(s, (const uint8_t[]){2, 0, 0, 0x10}, 4)); /* over 4095 */
    g_assert_false(control(plain, (const uint8_t[]){2, 0, 5, 0}, 4));
}

static bool wants(const VirtioNet *s, uint8_t first, uint8_t last)
{
    uint8_t frame[60] = {first, 0x54, 0, 0x12, 0x34, last};

    return net_wants(s, frame, sizeof(frame));
}

static void test_addresses(void)
{
    g_autofree VirtioNet *s =
        card_new(VIRTIO_FEATURE(NET_F_CTRL_RX) | VIRTIO_FEATURE(NET_F_CTRL_RX_EXTRA));
    /* MAC_TABLE_SET: one unicast and one multicast address. */
    static const uint8_t table[] = {1, 0, 1, 0, 0, 0,    0x52, 0x54, 0,    0x12, 0x34,
                                    7, 1, 0, 0, 0, 0x53, 0x54, 0,    0x12, 0x34, 8};

    g_assert_true(wants(s, 0x50, 1)); /* promiscuous after a reset */
    g_assert_true(control(s, (const uint8_t[]){0, RX_PROMISC, 0}, 3));
    g_assert_true(wants(s, 0x52, 0x56));
    g_assert_false(wants(s, 0x52, 7));
    g_assert_false(wants(s, 0x53, 8));
    g_assert_true(control(s, table, sizeof(table)));
    g_assert_true(wants(s, 0x52, 7));
    g_assert_true(wants(s, 0x53, 8));
    g_assert_false(wants(s, 0x52, 8));
    g_assert_false(control(s, table, sizeof(table) - 1)); /* cut off */
    g_assert_false(wants(s, 0x53, 8));
    g_assert_true(control(s, (const uint8_t[]){0, RX_ALLMULTI, 1}, 3));
    g_assert_true(wants(s, 0x53, 9));
    g_assert_true(control(s, (const uint8_t[]){0, RX_NOMULTI, 1}, 3));
    g_assert_false(wants(s, 0x53, 9));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-net/vlans", test_vlans);
    g_test_add_func("/virtio-net/addresses", test_addresses);
    return g_test_run();
}
