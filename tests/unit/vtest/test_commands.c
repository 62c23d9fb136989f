/* SPDX-License-Identifier: MIT */
/*
 * hosts/vtest/commands.c: the order of the start-up, and every command one word short and one word
 * long. There are no error replies: what is wrong ends the connection, and its context.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/socket.h"
#include "support/client_bench.h"

/* Refused without an answer; then the same bench anew. */
static void assert_refused(void **state)
{
    struct client_bench *bench = *state;
    struct client_reply reply;

    assert_int_equal(bench->closed_count, 1);
    assert_false(client_receive(bench, &reply));
    assert_int_equal(fake_count(&bench->contexts, FAKE_CREATE),
                     fake_count(&bench->contexts, FAKE_DESTROY));
    (void)client_teardown(state);
    (void)client_setup_open(state);
}

static const struct {
    uint32_t command;
    uint32_t word_count;
} commands[] = {
    {PV_VTEST_RESOURCE_UNREF, 1},
    {PV_VTEST_RESOURCE_BUSY_WAIT, 2},
    {PV_VTEST_PROTOCOL_VERSION_EXCHANGE, 1},
    {PV_VTEST_GET_PARAM, 1},
    {PV_VTEST_GET_CAPSET, 2},
    {PV_VTEST_RESOURCE_CREATE_BLOB, 6},
    {PV_VTEST_SYNC_CREATE, 2},
    {PV_VTEST_SYNC_UNREF, 1},
    {PV_VTEST_SYNC_READ, 1},
    {PV_VTEST_SYNC_WRITE, 3},
    {PV_VTEST_SYNC_WAIT, 2},
    {PV_VTEST_CONTEXT_INIT, 1},
};

static void test_lengths(void **state)
{
    static const uint32_t zeroes[16];
    struct client_bench *bench = *state;

    for (size_t i = 0; i < PV_ARRAY_LEN(commands); i++) {
        client_begin(bench);
        client_say(bench, commands[i].command, zeroes, commands[i].word_count - 1);
        assert_refused(state);
        client_begin(bench);
        client_say(bench, commands[i].command, zeroes, commands[i].word_count + 1);
        assert_refused(state);
    }
}

/* Before a name; before version 3; before a context; and twice. */
static void test_out_of_order(void **state)
{
    static const uint32_t name[3] = {4, PV_VTEST_CREATE_RENDERER, 0x41414141};
    static const uint32_t zeroes[16];
    const uint32_t venus = PV_VTEST_CAPSET_VENUS;
    const uint32_t old = 2;
    struct client_bench *bench = *state;
    struct client_reply reply;

    for (size_t i = 0; i < PV_ARRAY_LEN(commands); i++) {
        client_say(bench, commands[i].command, zeroes, commands[i].word_count);
        assert_refused(state);
        if (commands[i].command < PV_VTEST_GET_PARAM) {
            continue;
        }
        client_say_bytes(bench, name, sizeof(name));
        client_say(bench, PV_VTEST_PROTOCOL_VERSION_EXCHANGE, &old, 1);
        assert_true(client_receive(bench, &reply));
        assert_int_equal(reply.words[0], 2);
        client_say(bench, commands[i].command, zeroes, commands[i].word_count);
        assert_refused(state);
    }
    client_begin(bench);
    client_say_bytes(bench, name, sizeof(name));
    assert_refused(state);
    client_begin(bench);
    client_say(bench, PV_VTEST_CONTEXT_INIT, &venus, 1);
    assert_refused(state);
    client_say_bytes(bench, "\0\0\0\0\x8\0\0\0", 8); /* a name of no bytes */
    assert_refused(state);
}

static void test_names(void **state)
{
    struct client_bench *bench = *state;
    uint8_t bytes[8 + 200];
    const uint32_t header[2] = {200, PV_VTEST_CREATE_RENDERER};

    memcpy(bytes, header, 8);
    memset(bytes + 8, 'x', 200);
    bytes[9] = '\x1b';
    bytes[10] = 0x80;
    client_say_bytes(bench, bytes, sizeof(bytes));
    assert_int_equal(strlen(bench->connection->name), PV_VTEST_NAME_BYTES - 1);
    assert_memory_equal(bench->connection->name, "x??x", 4);
}

static void test_a_context_that_cannot_be(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t name[3] = {4, PV_VTEST_CREATE_RENDERER, 0x41414141};
    const uint32_t version = 3;
    uint32_t capset = 3;
    struct client_reply reply;

    for (int i = 0; i < 2; i++) {
        client_say_bytes(bench, name, sizeof(name));
        client_say(bench, PV_VTEST_PROTOCOL_VERSION_EXCHANGE, &version, 1);
        assert_true(client_receive(bench, &reply));
        bench->contexts.fail_with[FAKE_CREATE] = -11;
        client_say(bench, PV_VTEST_CONTEXT_INIT, &capset, 1);
        assert_int_equal(bench->closed_count, 1);
        assert_int_equal(fake_count(&bench->contexts, FAKE_CREATE), i);
        assert_int_equal(fake_count(&bench->contexts, FAKE_DESTROY), 0);
        (void)client_teardown(state);
        (void)client_setup_open(state);
        capset = PV_VTEST_CAPSET_VENUS;
    }
}

static void test_answers(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t capsets[3][2] = {{4, 0}, {4, 1}, {UINT32_MAX, UINT32_MAX}};
    uint32_t words[2] = {0, 0};
    struct client_reply reply;

    client_begin(bench);
    for (uint32_t param = 0; param < 3; param++) {
        client_say(bench, PV_VTEST_GET_PARAM, &param, 1);
        assert_true(client_receive(bench, &reply));
        assert_int_equal(reply.words[0], param == PV_VTEST_PARAM_MAX_TIMELINE_COUNT);
    }
    for (size_t i = 0; i < 3; i++) {
        client_say(bench, PV_VTEST_GET_CAPSET, capsets[i], 2);
        assert_true(client_receive(bench, &reply));
        assert_int_equal(reply.word_count, i == 0 ? 1 + CLIENT_CAPSET_WORDS : 1);
        assert_int_equal(reply.words[0], i == 0);
    }
    client_say(bench, PV_VTEST_RESOURCE_BUSY_WAIT, words, 2);
    assert_true(client_receive(bench, &reply));
    assert_int_equal(reply.words[0], 0);
}

static void test_counters(void **state)
{
    struct client_bench *bench = *state;
    const uint64_t big = UINT64_C(0x123456789abcdef0);
    uint32_t id;
    uint32_t words[5] = {0};
    int fd;
    struct client_reply reply;

    client_begin(bench);
    id = client_create_sync(bench, big);
    assert_int_equal(client_read_sync(bench, id), big);
    words[0] = id;
    words[1] = 1;
    words[2] = 2;
    client_say(bench, PV_VTEST_SYNC_WRITE, words, 3);
    assert_int_equal(client_read_sync(bench, id), UINT64_C(0x200000001));
    /* a wait that is open when its counter moves, another when the connection ends */
    for (int i = 0; i < 2; i++) {
        const uint32_t wait[5] = {0, UINT32_MAX, id, i == 0 ? 5 : UINT32_MAX, UINT32_MAX - 1};

        client_say(bench, PV_VTEST_SYNC_WAIT, wait, 5);
        assert_true(client_receive(bench, &reply));
        fd = client_receive_fd(bench);
        assert_false(pv_os_fd_is_readable(fd));
        if (i == 0) {
            words[1] = 5;
            words[2] = UINT32_MAX - 1;
            client_say(bench, PV_VTEST_SYNC_WRITE, words, 3);
            assert_true(pv_os_fd_is_readable(fd));
        } else {
            pv_vtest_connection_destroy(bench->connection);
            bench->connection = NULL;
            assert_true(pv_os_fd_is_readable(fd));
        }
        close(fd);
    }
}

static void test_counters_that_are_not(void **state)
{
    static const uint32_t requests[] = {PV_VTEST_SYNC_UNREF, PV_VTEST_SYNC_READ,
                                        PV_VTEST_SYNC_WRITE, PV_VTEST_SYNC_WAIT};
    static const uint32_t lengths[] = {1, 1, 3, 5};
    static const uint32_t ids[] = {0, 2, UINT32_MAX};
    struct client_bench *bench = *state;

    for (size_t i = 0; i < PV_ARRAY_LEN(requests); i++) {
        for (size_t k = 0; k < PV_ARRAY_LEN(ids); k++) {
            uint32_t words[5] = {0};

            client_begin(bench);
            assert_int_equal(client_create_sync(bench, 0), 1);
            words[requests[i] == PV_VTEST_SYNC_WAIT ? 2 : 0] = ids[k];
            client_say(bench, requests[i], words, lengths[i]);
            assert_refused(state);
        }
    }
}

static void test_waits_at_their_limit(void **state)
{
    static uint32_t words[2 + 3 * (PV_VTEST_WAIT_SYNCS_MAX + 1)];

    for (uint32_t excess = 0; excess < 2; excess++) {
        struct client_bench *bench = *state;
        const uint32_t count = PV_VTEST_WAIT_SYNCS_MAX + excess;
        struct client_reply reply;

        client_begin(bench);
        words[2] = client_create_sync(bench, 0);
        for (uint32_t i = 0; i < count; i++) {
            words[2 + 3 * i] = words[2];
            words[3 + 3 * i] = 1;
        }
        client_say(bench, PV_VTEST_SYNC_WAIT, words, 2 + 3 * count);
        if (excess == 0) {
            assert_true(client_receive(bench, &reply));
            close(client_receive_fd(bench));
            (void)client_teardown(state);
            (void)client_setup_open(state);
        } else {
            assert_refused(state);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lengths, client_setup_open, client_teardown),
        cmocka_unit_test_setup_teardown(test_out_of_order, client_setup_open, client_teardown),
        cmocka_unit_test_setup_teardown(test_names, client_setup_open, client_teardown),
        cmocka_unit_test_setup_teardown(test_a_context_that_cannot_be, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_answers, client_setup_open, client_teardown),
        cmocka_unit_test_setup_teardown(test_counters, client_setup_open, client_teardown),
        cmocka_unit_test_setup_teardown(test_counters_that_are_not, client_setup_open,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_waits_at_their_limit, client_setup_open,
                                        client_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
