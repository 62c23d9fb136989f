/* SPDX-License-Identifier: MIT */
/*
 * The test in a vtest client's place; see client_bench.h.
 */
#include "support/client_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/socket.h"
#include "support/loop_bench.h"

static void on_closed(void *user, struct pv_vtest_connection *connection)
{
    struct client_bench *bench = user;

    bench->closed_count++;
    assert_ptr_equal(connection, bench->connection);
    bench->connection = NULL;
    pv_vtest_connection_destroy(connection);
}

void client_open(struct client_bench *bench)
{
    struct pv_vtest_connection_options options = {
        .contexts = &fake_context_ops,
        .capset_words = CLIENT_CAPSET_WORDS,
        .id = 7,
        .closed = on_closed,
    };
    int fd;

    memset(bench, 0, sizeof(*bench));
    bench->fds_before = open_fds();
    bench->contexts.exports_have_fd = true;
    for (uint32_t i = 0; i < CLIENT_CAPSET_WORDS; i++) {
        bench->capset[i] = 0xca950000u + i;
    }
    assert_int_equal(pv_os_loop_create(&bench->loop), 0);
    stream_pair(&fd, &bench->peer);
    options.loop = bench->loop;
    options.backend = &bench->contexts;
    options.capset = bench->capset;
    options.user = bench;
    assert_int_equal(pv_vtest_connection_create(&options, fd, &bench->connection), 0);
}

void client_close(struct client_bench *bench)
{
    pv_vtest_connection_destroy(bench->connection);
    bench->connection = NULL;
    for (size_t i = 0; i < bench->contexts.context_count; i++) {
        assert_false(bench->contexts.contexts[i].live);
    }
    pv_os_fds_close(&bench->peer, 1);
    pv_os_loop_destroy(bench->loop);
    assert_int_equal(open_fds(), bench->fds_before);
}

int client_setup_open(void **state)
{
    static struct client_bench bench;

    client_open(&bench);
    *state = &bench;
    return 0;
}

int client_setup_begun(void **state)
{
    (void)client_setup_open(state);
    client_begin(*state);
    return 0;
}

int client_teardown(void **state)
{
    client_close(*state);
    return 0;
}

void client_say_bytes(struct client_bench *bench, const void *bytes, size_t size_bytes)
{
    assert_int_equal(pv_os_socket_send(bench->peer, bytes, size_bytes, NULL, 0), size_bytes);
    loop_settle(bench->loop);
}

void client_say(struct client_bench *bench, uint32_t command, const uint32_t *words,
                uint32_t word_count)
{
    uint32_t bytes[2 + 8192];

    assert_true(word_count <= 8192);
    bytes[0] = word_count;
    bytes[1] = command;
    if (word_count > 0) {
        memcpy(&bytes[2], words, sizeof(*words) * word_count);
    }
    client_say_bytes(bench, bytes, sizeof(*bytes) * (2 + word_count));
}

void client_say_blob(struct client_bench *bench, uint32_t flags, uint64_t size_bytes,
                     uint64_t blob_id)
{
    const uint32_t words[6] = {PV_VTEST_BLOB_TYPE_HOST3D, flags,
                               (uint32_t)size_bytes,      (uint32_t)(size_bytes >> 32),
                               (uint32_t)blob_id,         (uint32_t)(blob_id >> 32)};

    client_say(bench, PV_VTEST_RESOURCE_CREATE_BLOB, words, 6);
}

bool client_receive(struct client_bench *bench, struct client_reply *ret_reply)
{
    uint32_t header[2];

    if (read(bench->peer, header, sizeof(header)) != sizeof(header)) {
        return false;
    }
    ret_reply->word_count = header[0];
    ret_reply->command = header[1];
    assert_true(header[0] <= PV_ARRAY_LEN(ret_reply->words));
    if (header[0] > 0) {
        assert_int_equal(read(bench->peer, ret_reply->words, header[0] * sizeof(uint32_t)),
                         header[0] * sizeof(uint32_t));
    }
    return true;
}

int client_receive_fd(struct client_bench *bench)
{
    size_t fd_count = 0;
    char byte;
    int fd = -1;

    assert_int_equal(pv_os_socket_receive(bench->peer, &byte, 1, &fd, 1, &fd_count), 1);
    assert_int_equal(fd_count, 1);
    return fd;
}

void client_begin(struct client_bench *bench)
{
    const uint32_t name[3] = {4, PV_VTEST_CREATE_RENDERER, 0x74736574 /* "test" */};
    const uint32_t version = PV_VTEST_PROTOCOL_VERSION;
    const uint32_t capset = PV_VTEST_CAPSET_VENUS;
    struct client_reply reply;

    client_say_bytes(bench, name, sizeof(name));
    client_say(bench, PV_VTEST_PROTOCOL_VERSION_EXCHANGE, &version, 1);
    assert_true(client_receive(bench, &reply));
    assert_int_equal(reply.words[0], PV_VTEST_PROTOCOL_VERSION);
    client_say(bench, PV_VTEST_CONTEXT_INIT, &capset, 1);
    assert_int_equal(bench->closed_count, 0);
}

uint32_t client_create_sync(struct client_bench *bench, uint64_t value)
{
    const uint32_t words[2] = {(uint32_t)value, (uint32_t)(value >> 32)};
    struct client_reply reply;

    client_say(bench, PV_VTEST_SYNC_CREATE, words, 2);
    assert_true(client_receive(bench, &reply));
    return reply.words[0];
}

uint64_t client_read_sync(struct client_bench *bench, uint32_t id)
{
    struct client_reply reply;

    client_say(bench, PV_VTEST_SYNC_READ, &id, 1);
    assert_true(client_receive(bench, &reply));
    return reply.words[0] | (uint64_t)reply.words[1] << 32;
}

void client_hang_up(struct client_bench *bench)
{
    pv_os_fds_close(&bench->peer, 1);
    bench->peer = -1;
    loop_settle(bench->loop);
}
