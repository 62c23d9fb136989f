/* SPDX-License-Identifier: MIT */
/*
 * hosts/vtest/connection.c: framing, what waits for what, and the end: once, with its context
 * destroyed and nothing left, whatever moment the client or the context chooses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/socket.h"
#include "support/client_bench.h"
#include "support/loop_bench.h"

static bool pings(struct client_bench *bench)
{
    struct client_reply reply;

    client_say(bench, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0);
    return client_receive(bench, &reply) && reply.command == PV_VTEST_PING_PROTOCOL_VERSION
           && reply.word_count == 0;
}

/* A name of odd length shifts everything behind it; all of it in one piece, then byte by byte. */
static void test_messages_in_pieces(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t header[2] = {3, PV_VTEST_CREATE_RENDERER};
    const uint32_t rest[5] = {1, PV_VTEST_PROTOCOL_VERSION_EXCHANGE, 3, 0,
                              PV_VTEST_PING_PROTOCOL_VERSION};
    uint8_t bytes[8 + 3 + sizeof(rest)];
    struct client_reply reply;

    memcpy(bytes, header, 8);
    memcpy(bytes + 8, "abc", 3);
    memcpy(bytes + 11, rest, sizeof(rest));
    for (int i = 0; i < 2; i++) {
        if (i == 0) {
            client_say_bytes(bench, bytes, sizeof(bytes));
        }
        for (size_t k = 0; i == 1 && k < sizeof(bytes); k++) {
            client_say_bytes(bench, bytes + k, 1);
        }
        assert_true(client_receive(bench, &reply));
        assert_int_equal(reply.command, PV_VTEST_PROTOCOL_VERSION_EXCHANGE);
        assert_true(client_receive(bench, &reply));
        assert_int_equal(reply.command, PV_VTEST_PING_PROTOCOL_VERSION);
        assert_int_equal(bench->connection->input_bytes, 0);
        assert_string_equal(bench->connection->name, "abc");
        (void)client_teardown(state);
        (void)client_setup_open(state);
    }
}

/* The longest message is taken (and then refused for what it says), one more word is not. */
static void test_the_longest_message(void **state)
{
    static const uint32_t excess[] = {0, 1};
    const uint32_t most = PV_VTEST_MESSAGE_MAX_BYTES / 4;

    for (size_t i = 0; i < PV_ARRAY_LEN(excess); i++) {
        struct client_bench *bench = *state;
        const uint32_t header[2] = {most + excess[i], PV_VTEST_SUBMIT_CMD2};
        uint8_t *zeroes = calloc(1, 65536);
        size_t sent_bytes = 0;

        assert_non_null(zeroes);
        client_begin(bench);
        client_say_bytes(bench, header, sizeof(header));
        assert_int_equal(bench->closed_count, excess[i] != 0 ? 1 : 0);
        while (bench->closed_count == 0 && sent_bytes < PV_VTEST_MESSAGE_MAX_BYTES) {
            sent_bytes += 65536;
            client_say_bytes(bench, zeroes, 65536);
        }
        free(zeroes);
        if (excess[i] == 0) { /* no batches: nothing to do */
            assert_int_equal(sent_bytes, PV_VTEST_MESSAGE_MAX_BYTES);
            assert_int_equal(bench->connection->input_bytes, 0);
            assert_true(pings(bench));
        }
        (void)client_teardown(state);
        (void)client_setup_open(state);
    }
}

static void test_lengths_that_wrap(void **state)
{
    static const uint32_t headers[][2] = {
        {UINT32_MAX, PV_VTEST_CREATE_RENDERER},
        {UINT32_MAX, PV_VTEST_SUBMIT_CMD2},
        {1u << 30, PV_VTEST_SUBMIT_CMD2}, /* four times that is 0 in 32 bits */
        {PV_VTEST_MESSAGE_MAX_BYTES + 1, PV_VTEST_CREATE_RENDERER},
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(headers); i++) {
        client_say_bytes(*state, headers[i], sizeof(headers[i]));
        assert_int_equal(((struct client_bench *)*state)->closed_count, 1);
        (void)client_teardown(state);
        (void)client_setup_open(state);
    }
}

/* Behind a blob whose memory has to be exported first, nothing is served; then all of it. */
static void test_replies_keep_their_order(void **state)
{
    struct client_bench *bench = *state;
    struct client_reply reply;

    client_begin(bench);
    client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 8192, 99);
    for (int i = 0; i < 3; i++) {
        client_say(bench, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0);
    }
    client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 8192, 100);
    assert_false(client_receive(bench, &reply));
    assert_int_equal(fake_count(&bench->contexts, FAKE_EXPORT), 1);
    fake_answer(&bench->contexts, fake_last(&bench->contexts, FAKE_EXPORT, 0), 0);
    assert_true(client_receive(bench, &reply));
    assert_int_equal(reply.command, PV_VTEST_RESOURCE_CREATE_BLOB);
    close(client_receive_fd(bench));
    loop_settle(bench->loop);
    for (int i = 0; i < 3; i++) {
        assert_true(client_receive(bench, &reply));
        assert_int_equal(reply.command, PV_VTEST_PING_PROTOCOL_VERSION);
    }
    assert_int_equal(fake_count(&bench->contexts, FAKE_EXPORT), 2);
    assert_false(client_receive(bench, &reply));
}

/* It asks and does not read: no more answers are made than it has room for. */
static void test_a_client_that_never_reads(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t capset[4] = {2, PV_VTEST_GET_CAPSET, PV_VTEST_CAPSET_VENUS, 0};
    struct client_reply reply;
    size_t asked = 0;
    size_t answered = 0;

    client_begin(bench);
    while (write(bench->peer, capset, sizeof(capset)) == sizeof(capset)) {
        if (++asked % 64 == 0) {
            loop_settle(bench->loop);
        }
    }
    loop_settle(bench->loop);
    assert_true(pv_vtest_outgoing_is_waiting(&bench->connection->outgoing));
    assert_true(bench->connection->outgoing.queued_bytes < 1024);
    assert_true(bench->connection->input_bytes <= bench->connection->input_capacity_bytes);
    while (client_receive(bench, &reply)) { /* it reads after all */
        assert_int_equal(reply.command, PV_VTEST_GET_CAPSET);
        assert_int_equal(reply.word_count, 1 + CLIENT_CAPSET_WORDS);
        answered++;
        loop_settle(bench->loop);
    }
    assert_int_equal(answered, asked);
    assert_true(pings(bench));
}

/* At rest, inside a message, held up by a blob, held up by what it does not read. */
static void test_a_client_that_goes(void **state)
{
    for (int when = 0; when < 5; when++) {
        struct client_bench *bench = *state;
        const uint32_t half[3] = {6, PV_VTEST_RESOURCE_CREATE_BLOB, 2};
        const uint32_t capset[4] = {2, PV_VTEST_GET_CAPSET, PV_VTEST_CAPSET_VENUS, 0};

        if (when > 0) {
            client_begin(bench);
        }
        if (when == 2) {
            client_say_bytes(bench, half, sizeof(half));
        } else if (when == 3) {
            client_say_blob(bench, 0, 4096, 5);
        }
        for (int i = 0; when == 4 && write(bench->peer, capset, 16) == 16; i++) {
            if (i % 64 == 0) {
                loop_settle(bench->loop);
            }
        }
        client_hang_up(bench);
        assert_int_equal(bench->closed_count, 1);
        assert_int_equal(fake_count(&bench->contexts, FAKE_DESTROY), when > 0 ? 1 : 0);
        (void)client_teardown(state);
        (void)client_setup_open(state);
    }
}

/* Closed when the client has said something that is left unread: see connection.h. */
static void test_a_context_that_is_lost(void **state)
{
    struct client_bench *bench = *state;
    uint8_t byte;

    client_begin(bench);
    fake_lose(&bench->contexts, 7);
    loop_settle(bench->loop);
    assert_int_equal(bench->closed_count, 0);
    client_say(bench, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0);
    assert_int_equal(bench->closed_count, 1);
    assert_true(read(bench->peer, &byte, 1) < 0); /* reset, not an orderly end */
}

/* Lost with a blob on its way: its answer comes, without memory behind it. */
static void test_lost_with_a_blob_on_its_way(void **state)
{
    struct client_bench *bench = *state;
    struct client_reply reply;

    client_begin(bench);
    client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 4096, 5);
    fake_lose(&bench->contexts, 7);
    assert_true(client_receive(bench, &reply));
    assert_int_equal(reply.command, PV_VTEST_RESOURCE_CREATE_BLOB);
    close(client_receive_fd(bench));
    assert_int_equal(bench->closed_count, 0);
    client_hang_up(bench);
    assert_int_equal(bench->closed_count, 1);
}

/* An answer that cannot be given ends the connection from inside of the context's own event. */
static void test_ended_from_inside_an_event(void **state)
{
    struct client_bench *bench = *state;

    /* a blob, and behind it, received already, what is no command */
    const uint32_t words[10] = {
        6, PV_VTEST_RESOURCE_CREATE_BLOB, PV_VTEST_BLOB_TYPE_HOST3D, 1, 4096, 0, 5, 0, 0, 9999};

    client_begin(bench);
    client_say_bytes(bench, words, sizeof(words));
    assert_int_equal(bench->closed_count, 0);
    fake_answer(&bench->contexts, fake_last(&bench->contexts, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench->closed_count, 1);
    assert_int_equal(fake_count(&bench->contexts, FAKE_DESTROY), 1);
}

/* Outcomes that nobody waits for: their descriptors are closed. */
static void test_answers_to_no_question(void **state)
{
    struct client_bench *bench = *state;
    const struct pv_gpu_exported exported = {.fd = dup(bench->peer), .size_bytes = 4096};
    const struct pv_gpu_exported wrong = {.fd = dup(bench->peer), .size_bytes = 4096};
    struct fake_call call = {.op = FAKE_EXPORT, .context_id = 7, .cookie = 1};
    struct client_reply reply;

    client_begin(bench);
    fake_answer_export(&bench->contexts, &call, &exported);
    client_say_blob(bench, 0, 4096, 5);
    call.cookie = fake_last(&bench->contexts, FAKE_EXPORT, 0)->cookie + 1;
    fake_answer_export(&bench->contexts, &call, &wrong);
    assert_false(client_receive(bench, &reply));
    fake_retire(&bench->contexts, 7, 3, 77);
    assert_int_equal(bench->closed_count, 0);
}

/* Descriptors that a client sends are closed unseen, with the client. */
static void test_descriptors_from_a_client(void **state)
{
    struct client_bench *bench = *state;
    const int fds[2] = {bench->peer, bench->peer};

    client_begin(bench);
    assert_int_equal(pv_os_socket_send(bench->peer, "\0\0\0\0\0\0\0\0", 8, fds, 2), 8);
    loop_settle(bench->loop);
    assert_int_equal(bench->closed_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages_in_pieces, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_the_longest_message, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_lengths_that_wrap, client_setup_open, client_teardown),
        cmocka_unit_test_setup_teardown(test_replies_keep_their_order, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_a_client_that_never_reads, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_a_client_that_goes, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_a_context_that_is_lost, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_lost_with_a_blob_on_its_way, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_ended_from_inside_an_event, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_answers_to_no_question, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_descriptors_from_a_client, client_setup_open,
                                        client_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
