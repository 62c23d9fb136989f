/* SPDX-License-Identifier: MIT */
/*
 * hosts/vhost-user/requests.c: every request one byte short, one long, with a descriptor too many;
 * indices and sizes at their limits. What is wrong ends the connection once, leaves the device
 * reset and no descriptor open (front_close counts them); what is right changes what it should.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/socket.h"
#include "support/front_bench.h"
#include "support/loop_bench.h"

static int setup(void **state)
{
    static struct front_bench bench;

    front_open(&bench, true);
    front_connect(&bench);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    front_close(*state);
    return 0;
}

static void assert_good(struct front_bench *bench)
{
    uint64_t value;

    assert_int_equal(bench->closed_count, 0);
    assert_int_equal(front_ask(bench, PV_VHOST_USER_GET_QUEUE_NUM, NULL, 0, &value, sizeof(value)),
                     8);
    assert_int_equal(value, 2);
}

/* Refused; then the same bench anew. */
static void assert_refused(void **state)
{
    struct front_bench *bench = *state;

    assert_int_equal(bench->closed_count, 1);
    assert_int_equal(bench->closed_status, -EPROTO);
    assert_int_equal(bench->host->front.fd, -1);
    assert_int_equal(bench->host->front.message.fd_count, 0);
    assert_null(bench->host->back);
    assert_false(bench->host->is_live);
    assert_int_equal(bench->device.counts.resets, bench->device.counts.starts);
    loop_settle(bench->loop);
    assert_int_equal(bench->closed_count, 1);
    teardown(state);
    setup(state);
}

static const struct {
    uint32_t request;
    uint32_t size_bytes; /* the shortest that is right */
    uint32_t max_bytes;
    uint32_t fd_count;
} shapes[] = {
    {PV_VHOST_USER_GET_FEATURES, 0, 0, 0},
    {PV_VHOST_USER_SET_FEATURES, 8, 8, 0},
    {PV_VHOST_USER_SET_OWNER, 0, 0, 0},
    {PV_VHOST_USER_RESET_OWNER, 0, 0, 0},
    {PV_VHOST_USER_SET_MEM_TABLE, 8, 264, 8},
    {PV_VHOST_USER_SET_VRING_NUM, 8, 8, 0},
    {PV_VHOST_USER_SET_VRING_ADDR, 40, 40, 0},
    {PV_VHOST_USER_SET_VRING_BASE, 8, 8, 0},
    {PV_VHOST_USER_GET_VRING_BASE, 8, 8, 0},
    {PV_VHOST_USER_SET_VRING_KICK, 8, 8, 1},
    {PV_VHOST_USER_SET_VRING_CALL, 8, 8, 1},
    {PV_VHOST_USER_SET_VRING_ERR, 8, 8, 1},
    {PV_VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, 0},
    {PV_VHOST_USER_SET_PROTOCOL_FEATURES, 8, 8, 0},
    {PV_VHOST_USER_GET_QUEUE_NUM, 0, 0, 0},
    {PV_VHOST_USER_SET_VRING_ENABLE, 8, 8, 0},
    {PV_VHOST_USER_SET_BACKEND_REQ_FD, 0, 0, 1},
    {PV_VHOST_USER_GET_CONFIG, 12, 268, 0},
    {PV_VHOST_USER_SET_CONFIG, 12, 268, 0},
    {PV_VHOST_USER_RESET_DEVICE, 0, 0, 0},
    {PV_VHOST_USER_GET_SHMEM_CONFIG, 0, 0, 0},
};

static void test_wrong_shapes(void **state)
{
    static const uint8_t zeroes[512];
    int fds[PV_OS_SOCKET_FD_MAX];
    struct front_bench *bench = *state;

    for (size_t i = 0; i < PV_ARRAY_LEN(shapes); i++) {
        for (size_t k = 0; k < PV_ARRAY_LEN(fds); k++) {
            fds[k] = bench->guest.fd;
        }
        if (shapes[i].size_bytes > 0) {
            front_say(bench, shapes[i].request, zeroes, shapes[i].size_bytes - 1, NULL, 0);
            assert_refused(state);
            front_say(bench, shapes[i].request, NULL, 0, fds, shapes[i].fd_count);
            assert_refused(state);
        }
        front_say(bench, shapes[i].request, zeroes, shapes[i].max_bytes + 1, fds,
                  shapes[i].fd_count);
        assert_refused(state);
        front_say(bench, shapes[i].request, zeroes, shapes[i].size_bytes, fds,
                  shapes[i].fd_count + 1);
        assert_refused(state);
    }
}

static void test_unknown_requests(void **state)
{
    static const uint32_t numbers[] = {0, 6, 7, 19, 45, 1 << 8, UINT32_MAX};
    struct front_bench *bench = *state;

    for (size_t i = 0; i < PV_ARRAY_LEN(numbers); i++) {
        front_say(bench, numbers[i], NULL, 0, &bench->guest.fd, 1);
        assert_refused(state);
    }
}

static void test_vring_indices(void **state)
{
    static const uint32_t requests[] = {PV_VHOST_USER_SET_VRING_NUM, PV_VHOST_USER_SET_VRING_BASE,
                                        PV_VHOST_USER_GET_VRING_BASE,
                                        PV_VHOST_USER_SET_VRING_ENABLE};
    static const uint32_t indices[] = {2, PV_VIRTIO_QUEUE_COUNT_MAX, UINT32_MAX};
    struct front_bench *bench = *state;

    for (size_t i = 0; i < PV_ARRAY_LEN(requests); i++) {
        for (size_t k = 0; k < PV_ARRAY_LEN(indices); k++) {
            front_say_state(bench, requests[i], indices[k], 0);
            assert_refused(state);
        }
    }
    for (size_t k = 0; k < PV_ARRAY_LEN(indices); k++) {
        const struct pv_vhost_user_vring_addr addr = {.index = indices[k]};

        front_say(bench, PV_VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
        assert_refused(state);
    }
    front_say_state(bench, PV_VHOST_USER_SET_VRING_BASE, 1, UINT16_MAX);
    assert_int_equal(bench->host->vrings[1].base, UINT16_MAX);
    front_say_state(bench, PV_VHOST_USER_SET_VRING_NUM, 1, UINT32_MAX); /* judged at the start */
    assert_good(bench);
    front_say_state(bench, PV_VHOST_USER_SET_VRING_BASE, 1, UINT16_MAX + 1);
    assert_refused(state);
}

static void test_doorbells(void **state)
{
    static const uint32_t requests[] = {PV_VHOST_USER_SET_VRING_KICK, PV_VHOST_USER_SET_VRING_CALL,
                                        PV_VHOST_USER_SET_VRING_ERR};
    struct front_bench *bench = *state;

    for (size_t i = 0; i < PV_ARRAY_LEN(requests); i++) {
        const uint64_t values[] = {2, 0xff, 0x200, UINT64_MAX, 0, PV_VHOST_USER_VRING_NO_FD};

        for (size_t k = 0; k < PV_ARRAY_LEN(values); k++) {
            /* with a descriptor where there should be none, and the other way round */
            front_say(bench, requests[i], &values[k], 8, &bench->guest.fd, k == 4 ? 0 : 1);
            assert_refused(state);
        }
    }
    front_say_u64(bench, PV_VHOST_USER_SET_VRING_KICK, PV_VHOST_USER_VRING_NO_FD);
    assert_refused(state); /* polling */
    front_say_u64(bench, PV_VHOST_USER_SET_VRING_CALL, 1 | PV_VHOST_USER_VRING_NO_FD);
    assert_good(bench);
    assert_int_equal(bench->host->vrings[1].call_fd, -1);
}

/* A new doorbell takes the place of the old one, which is closed; over and over. */
static void test_doorbells_do_not_add_up(void **state)
{
    struct front_bench *bench = *state;
    unsigned int fds_open;

    front_set_up(bench);
    fds_open = open_fds();
    for (uint32_t i = 0; i < 20; i++) {
        const uint64_t index = 1;

        front_say(bench, PV_VHOST_USER_SET_VRING_KICK, &index, 8, &bench->kick_fds[1], 1);
        front_say(bench, PV_VHOST_USER_SET_VRING_CALL, &index, 8, &bench->call_fds[1], 1);
    }
    front_set_up(bench); /* and so does a memory table */
    assert_int_equal(open_fds(), fds_open);
    front_say_u64(bench, PV_VHOST_USER_SET_VRING_CALL, 1 | PV_VHOST_USER_VRING_NO_FD);
    assert_int_equal(open_fds(), fds_open - 1);
    assert_good(bench);
}

static void test_features(void **state)
{
    struct front_bench *bench = *state;
    uint64_t features;

    assert_int_equal(front_ask(bench, PV_VHOST_USER_GET_FEATURES, NULL, 0, &features, 8), 8);
    for (uint32_t bit = 0; bit < 64; bit++) {
        if ((features & UINT64_C(1) << bit) == 0) {
            front_say_u64(bench, PV_VHOST_USER_SET_FEATURES, UINT64_C(1) << bit);
            assert_refused(state);
        }
    }
    front_say_u64(bench, PV_VHOST_USER_SET_FEATURES, features);
    assert_int_equal(bench->host->features, features & ~PV_VHOST_USER_FEATURE_PROTOCOL);
    assert_int_equal(front_ask(bench, PV_VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0, &features, 8),
                     8);
    assert_true((features & PV_VHOST_USER_PROTOCOL_SHMEM) != 0);
    front_say_u64(bench, PV_VHOST_USER_SET_PROTOCOL_FEATURES, features);
    assert_good(bench);
    front_say_u64(bench, PV_VHOST_USER_SET_PROTOCOL_FEATURES, ~features);
    assert_refused(state);
}

/* Acknowledged only where it was agreed on and asked for, and never twice. */
static void test_acknowledgements(void **state)
{
    struct front_bench *bench = *state;

    for (int agreed = 0; agreed < 2; agreed++) {
        for (uint32_t flags = 0; flags <= PV_VHOST_USER_FLAG_NEED_REPLY;
             flags += PV_VHOST_USER_FLAG_NEED_REPLY) {
            const uint32_t own[3] = {PV_VHOST_USER_SET_OWNER, PV_VHOST_USER_FLAG_VERSION | flags,
                                     0};
            const uint32_t ask[3] = {PV_VHOST_USER_GET_QUEUE_NUM,
                                     PV_VHOST_USER_FLAG_VERSION | flags, 0};
            uint8_t bytes[256];

            front_say_u64(bench, PV_VHOST_USER_SET_PROTOCOL_FEATURES,
                          agreed != 0 ? PV_VHOST_USER_PROTOCOL_REPLY_ACK : 0);
            assert_int_equal(write(bench->peer, own, sizeof(own)), sizeof(own));
            loop_settle(bench->loop);
            assert_int_equal(read(bench->peer, bytes, sizeof(bytes)),
                             agreed != 0 && flags != 0 ? 20 : -1);
            assert_int_equal(write(bench->peer, ask, sizeof(ask)), sizeof(ask));
            loop_settle(bench->loop);
            assert_int_equal(read(bench->peer, bytes, sizeof(bytes)), 20);
        }
    }
    assert_good(bench);
}

static void test_memory_tables(void **state)
{
    struct front_bench *bench = *state;
    struct pv_vhost_user_mem_table table = {
        .regions = {{FAKE_GUEST_ADDR, FAKE_GUEST_BYTES, FRONT_USER_ADDR, 0}},
    };
    const size_t region_bytes = sizeof(table.regions[0]);
    int fds[PV_VHOST_USER_MEM_REGION_MAX];

    for (uint32_t i = 0; i < PV_VHOST_USER_MEM_REGION_MAX; i++) {
        table.regions[i] = table.regions[0];
        table.regions[i].addr += i * FAKE_GUEST_BYTES;
        table.regions[i].user_addr += i * FAKE_GUEST_BYTES;
    }
    for (uint32_t count = 0; count <= PV_VHOST_USER_MEM_REGION_MAX; count++) {
        for (size_t k = 0; k < PV_ARRAY_LEN(fds); k++) {
            fds[k] = bench->guest.fd;
        }
        table.count = count;
        front_say(bench, PV_VHOST_USER_SET_MEM_TABLE, &table, 8 + count * region_bytes, fds, count);
        assert_good(bench);
        if (count > 0) { /* a descriptor fewer; a region fewer */
            front_say(bench, PV_VHOST_USER_SET_MEM_TABLE, &table, 8 + count * region_bytes, fds,
                      count - 1);
            assert_refused(state);
            fds[0] = bench->guest.fd;
            front_say(bench, PV_VHOST_USER_SET_MEM_TABLE, &table, 8 + (count - 1) * region_bytes,
                      fds, 1);
            assert_refused(state);
        }
    }
    for (size_t k = 0; k < PV_ARRAY_LEN(fds); k++) {
        fds[k] = bench->guest.fd;
    }
    for (uint32_t count = PV_VHOST_USER_MEM_REGION_MAX + 1; count != 0;
         count = count == UINT32_MAX ? 0 : UINT32_MAX) {
        table.count = count;
        front_say(bench, PV_VHOST_USER_SET_MEM_TABLE, &table, 8 + 8 * region_bytes, fds, 8);
        assert_refused(state);
        for (size_t k = 0; k < PV_ARRAY_LEN(fds); k++) {
            fds[k] = bench->guest.fd;
        }
    }
}

/* Regions that cannot be: what was there before the bad table is not looked for any more. */
static void test_memory_tables_that_cannot_be(void **state)
{
    const struct pv_vhost_user_mem_region good = {FAKE_GUEST_ADDR, FAKE_GUEST_BYTES,
                                                  FRONT_USER_ADDR, 0};
    struct front_bench *bench = *state;

    for (int kind = 0; kind < 4; kind++) {
        struct pv_vhost_user_mem_table table = {.count = 2, .regions = {good, good}};
        const int fds[2] = {bench->guest.fd, kind == 3 ? bench->peer : bench->guest.fd};
        struct pv_vhost_user_mem_region *bad = &table.regions[1];

        bad->addr = UINT64_C(1) << 40;
        bad->user_addr = UINT64_C(1) << 40;
        switch (kind) {
        case 0: /* past the file's end */
            bad->offset_bytes = FAKE_GUEST_BYTES;
            break;
        case 1: /* past the end of addresses */
            bad->addr = UINT64_MAX - 4095;
            break;
        case 2: /* twice */
            bad->addr = good.addr + 4096;
            break;
        default: /* a socket */
            break;
        }
        front_say(bench, PV_VHOST_USER_SET_MEM_TABLE, &table, 8 + 2 * sizeof(good), fds, 2);
        assert_refused(state);
    }
}

static void test_configuration_space(void **state)
{
    static const struct {
        uint32_t offset;
        uint32_t size;
        bool good;
    } spans[] = {
        {0, 0, true},           {0, 256, true},         {256, 0, true},         {255, 1, true},
        {16, 4, true},          {0, 257, false},        {256, 1, false},        {1, 256, false},
        {UINT32_MAX, 1, false}, {1, UINT32_MAX, false}, {UINT32_MAX, 0, false},
    };
    struct front_bench *bench = *state;

    bench->device.events_read = 0x11223344;
    for (size_t i = 0; i < PV_ARRAY_LEN(spans); i++) {
        struct pv_vhost_user_config config = {.offset_bytes = spans[i].offset,
                                              .size_bytes = spans[i].size};
        struct pv_vhost_user_config answer;

        memset(config.bytes, 0xee, sizeof(config.bytes));
        if (spans[i].good) {
            assert_int_equal(front_ask(bench, PV_VHOST_USER_GET_CONFIG, &config, sizeof(config),
                                       &answer, sizeof(answer)),
                             PV_VHOST_USER_CONFIG_HEAD_BYTES + spans[i].size);
            for (uint32_t k = 0; k < spans[i].size; k++) { /* never what came in */
                assert_int_not_equal(answer.bytes[k], 0xee);
            }
            config.bytes[spans[i].size != 0 ? spans[i].size - 1 : 0] = 0;
            front_say(bench, PV_VHOST_USER_SET_CONFIG, &config,
                      PV_VHOST_USER_CONFIG_HEAD_BYTES + spans[i].size, NULL, 0);
            assert_good(bench);
        } else {
            front_say(bench, PV_VHOST_USER_GET_CONFIG, &config, sizeof(config), NULL, 0);
            assert_refused(state);
            front_say(bench, PV_VHOST_USER_SET_CONFIG, &config, sizeof(config), NULL, 0);
            assert_refused(state);
        }
    }
}

static void test_back_channels_do_not_add_up(void **state)
{
    struct front_bench *bench = *state;
    unsigned int fds_open;

    front_give_back_channel(bench);
    fds_open = open_fds();
    for (int i = 0; i < 10; i++) {
        front_give_back_channel(bench);
    }
    assert_int_equal(open_fds(), fds_open);
    assert_good(bench);
    /* one that cannot be watched */
    front_say(bench, PV_VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &bench->guest.fd, 1);
    assert_refused(state);
    front_say(bench, PV_VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, NULL, 0);
    assert_refused(state);
}

/* Everything wrong at every moment of a life: the device sees its reset, elements are dropped. */
static void test_refused_while_it_runs(void **state)
{
    struct front_bench *bench = *state;

    for (int held = 0; held < 2; held++) {
        front_set_up(bench);
        front_give_back_channel(bench);
        front_enable(bench);
        front_answer_map(bench, 0);
        assert_true(bench->host->is_running);
        if (held != 0) {
            front_publish(bench, FAKE_HOLD);
            front_publish(bench, FAKE_HOLD);
            front_kick(bench);
            assert_int_equal(bench->device.counts.held, 2);
        }
        front_say(bench, PV_VHOST_USER_SET_FEATURES, NULL, 0, &bench->guest.fd, 1);
        assert_int_equal(bench->device.counts.resets, 1);
        assert_int_equal(bench->device.counts.held, 0);
        assert_refused(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wrong_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vring_indices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_doorbells, setup, teardown),
        cmocka_unit_test_setup_teardown(test_doorbells_do_not_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_features, setup, teardown),
        cmocka_unit_test_setup_teardown(test_acknowledgements, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_tables_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_configuration_space, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back_channels_do_not_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_while_it_runs, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
