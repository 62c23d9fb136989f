/* SPDX-License-Identifier: MIT */
/*
 * hosts/vhost-user/front_channel.c: messages that come in pieces, with their descriptors anywhere,
 * and those that are none. Whatever comes, each descriptor is handed over or closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/socket.h"
#include "support/loop_bench.h"
#include "vhost-user/front_channel.h"

#define HEADER_BYTES sizeof(struct pv_vhost_user_header)

struct bench {
    struct pv_vhost_user_front_channel channel;
    int peer;  /* the front end's side; -1: closed */
    int other; /* what it sends as a descriptor */
    unsigned int fds_before;
};

static int setup(void **state)
{
    static struct bench bench;
    int fd;

    bench.fds_before = open_fds();
    stream_pair(&fd, &bench.peer);
    bench.other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(bench.other >= 0);
    pv_vhost_user_front_channel_init(&bench.channel, fd);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    pv_vhost_user_front_channel_finish(&bench->channel);
    assert_int_equal(bench->channel.fd, -1);
    pv_vhost_user_front_channel_finish(&bench->channel); /* twice does no harm */
    pv_os_fds_close(&bench->peer, 1);
    close(bench->other);
    assert_int_equal(open_fds(), bench->fds_before);
    return 0;
}

static enum pv_vhost_user_receive receive(struct bench *bench)
{
    const char *why = NULL;
    const enum pv_vhost_user_receive outcome =
        pv_vhost_user_front_channel_receive(&bench->channel, &why);

    assert_int_equal(outcome == PV_VHOST_USER_RECEIVE_BAD, why != NULL);
    return outcome;
}

/* Send with that many descriptors. */
static void send_bytes(struct bench *bench, const void *bytes, size_t size_bytes, size_t fd_count)
{
    int fds[PV_OS_SOCKET_FD_MAX] = {0};

    for (size_t i = 0; i < fd_count; i++) {
        fds[i] = bench->other;
    }
    assert_int_equal(pv_os_socket_send(bench->peer, bytes, size_bytes, fds, fd_count), size_bytes);
}

static struct pv_vhost_user_header header_of(uint32_t size_bytes)
{
    return (struct pv_vhost_user_header){
        .request = 7, .flags = PV_VHOST_USER_FLAG_VERSION, .size_bytes = size_bytes};
}

static void test_messages_in_pieces(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[HEADER_BYTES + 9];
    const struct pv_vhost_user_header header = header_of(9);

    memcpy(bytes, &header, sizeof(header));
    memset(bytes + HEADER_BYTES, 0x5a, 9);
    assert_false(pv_vhost_user_front_channel_has_pending(&bench->channel));
    assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_AGAIN);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        /* a descriptor on three of the bytes: of the header, and of the payload */
        send_bytes(bench, bytes + i, 1, i == 0 || i == HEADER_BYTES || i == HEADER_BYTES + 8);
        assert_true(pv_vhost_user_front_channel_has_pending(&bench->channel));
        assert_int_equal(receive(bench), i == sizeof(bytes) - 1 ? PV_VHOST_USER_RECEIVE_MESSAGE
                                                                : PV_VHOST_USER_RECEIVE_AGAIN);
        assert_true(pv_vhost_user_front_channel_has_pending(&bench->channel)); /* still */
    }
    assert_int_equal(bench->channel.message.fd_count, 3);
    assert_int_equal(bench->channel.message.header.size_bytes, 9);
    assert_memory_equal(bench->channel.message.payload, bytes + HEADER_BYTES, 9);
    pv_vhost_user_front_channel_release(&bench->channel);
    assert_false(pv_vhost_user_front_channel_has_pending(&bench->channel));
}

/* Several at once: each stays until it is released. */
static void test_messages_stand_in_line(void **state)
{
    struct bench *bench = *state;
    struct pv_vhost_user_header header = header_of(0);

    for (uint32_t i = 0; i < 3; i++) {
        header.request = i;
        send_bytes(bench, &header, sizeof(header), 1);
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_MESSAGE);
        assert_int_equal(bench->channel.message.header.request, i);
        assert_int_equal(bench->channel.message.fd_count, 1);
        if (i == 1) { /* a handler that keeps it */
            close(bench->channel.message.fds[0]);
            bench->channel.message.fds[0] = -1;
        }
        pv_vhost_user_front_channel_release(&bench->channel);
    }
    assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_AGAIN);
}

static void test_payload_sizes(void **state)
{
    static const uint32_t sizes[] = {1, PV_VHOST_USER_PAYLOAD_MAX_BYTES - 1,
                                     PV_VHOST_USER_PAYLOAD_MAX_BYTES};
    struct bench *bench = *state;
    uint8_t bytes[HEADER_BYTES + PV_VHOST_USER_PAYLOAD_MAX_BYTES] = {0};

    for (size_t i = 0; i < PV_ARRAY_LEN(sizes); i++) {
        const struct pv_vhost_user_header header = header_of(sizes[i]);

        memcpy(bytes, &header, sizeof(header));
        send_bytes(bench, bytes, HEADER_BYTES + sizes[i], PV_VHOST_USER_MEM_REGION_MAX);
        assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_MESSAGE);
        assert_int_equal(bench->channel.message.fd_count, PV_VHOST_USER_MEM_REGION_MAX);
        pv_vhost_user_front_channel_release(&bench->channel);
    }
}

static void test_headers_that_are_none(void **state)
{
    static const struct {
        uint32_t flags;
        uint32_t size_bytes;
    } bad[] = {
        {0, 0},
        {2, 0},
        {3, 0},
        {PV_VHOST_USER_FLAG_VERSION | PV_VHOST_USER_FLAG_REPLY, 0},
        {PV_VHOST_USER_FLAG_VERSION, PV_VHOST_USER_PAYLOAD_MAX_BYTES + 1},
        {PV_VHOST_USER_FLAG_VERSION, UINT32_MAX},
        {PV_VHOST_USER_FLAG_VERSION, UINT32_MAX - HEADER_BYTES + 1},
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        const struct pv_vhost_user_header header = {
            .request = 1, .flags = bad[i].flags, .size_bytes = bad[i].size_bytes};
        struct bench *bench = *state;

        send_bytes(bench, &header, sizeof(header), 2);
        assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_BAD);
        assert_int_equal(bench->channel.received_bytes, HEADER_BYTES); /* and no payload */
        teardown(state);
        setup(state);
    }
}

/* The message is refused, and none of its descriptors is left over. */
static void test_too_many_descriptors(void **state)
{
    struct bench *bench = *state;
    const struct pv_vhost_user_header header = header_of(8);
    const uint64_t payload = 0;

    send_bytes(bench, &header, sizeof(header), PV_VHOST_USER_MEM_REGION_MAX);
    assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_AGAIN);
    assert_int_equal(open_fds(), bench->fds_before + 3 + PV_VHOST_USER_MEM_REGION_MAX);
    send_bytes(bench, &payload, sizeof(payload), 1);
    assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_BAD);
    teardown(state);
    setup(state);
    send_bytes(bench, &header, sizeof(header), PV_VHOST_USER_MEM_REGION_MAX + 1);
    assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_BAD);
}

/* Between messages, inside a header, inside a payload, with descriptors in hand. */
static void test_a_peer_that_goes(void **state)
{
    static const size_t sent_bytes[] = {0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 3};

    for (size_t i = 0; i < PV_ARRAY_LEN(sent_bytes); i++) {
        uint8_t bytes[HEADER_BYTES + 8] = {0};
        const struct pv_vhost_user_header header = header_of(8);
        struct bench *bench = *state;

        memcpy(bytes, &header, sizeof(header));
        if (sent_bytes[i] > 0) {
            send_bytes(bench, bytes, sent_bytes[i], 1);
        }
        close(bench->peer);
        bench->peer = -1;
        assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_CLOSED);
        assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_CLOSED);
        assert_int_equal(bench->channel.received_bytes, sent_bytes[i]);
        assert_true(pv_vhost_user_front_channel_has_pending(&bench->channel));
        assert_true(pv_vhost_user_front_channel_reply(&bench->channel, bytes, 8) < 0);
        teardown(state);
        setup(state);
    }
}

static void test_replies(void **state)
{
    struct bench *bench = *state;
    uint8_t payload[PV_VHOST_USER_PAYLOAD_MAX_BYTES + 1] = {1, 2, 3};
    uint8_t bytes[HEADER_BYTES + sizeof(payload)];
    struct pv_vhost_user_header header = header_of(0);
    int r = 0;

    send_bytes(bench, &header, sizeof(header), 0);
    assert_int_equal(receive(bench), PV_VHOST_USER_RECEIVE_MESSAGE);
    assert_int_equal(pv_vhost_user_front_channel_reply(&bench->channel, payload, 3), 0);
    assert_int_equal(read(bench->peer, bytes, sizeof(bytes)), HEADER_BYTES + 3);
    memcpy(&header, bytes, sizeof(header));
    assert_int_equal(header.request, 7);
    assert_int_equal(header.flags, PV_VHOST_USER_FLAG_VERSION | PV_VHOST_USER_FLAG_REPLY);
    assert_int_equal(header.size_bytes, 3);
    assert_memory_equal(bytes + HEADER_BYTES, payload, 3);
    assert_int_equal(
        pv_vhost_user_front_channel_reply(&bench->channel, payload, sizeof(payload) - 1), 0);
    assert_int_equal(pv_vhost_user_front_channel_reply(&bench->channel, payload, sizeof(payload)),
                     -EINVAL);
    /* nobody reads: an error, and no wait */
    for (int i = 0; i < 1 << 20 && r == 0; i++) {
        r = pv_vhost_user_front_channel_reply(&bench->channel, payload, sizeof(payload) - 1);
    }
    assert_true(r < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_stand_in_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_payload_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_headers_that_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_peer_that_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replies, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
