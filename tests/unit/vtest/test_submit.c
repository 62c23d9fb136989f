/* SPDX-License-Identifier: MIT */
/*
 * hosts/vtest/submit.c: batches that lie inside of their message, share nothing, and move their
 * counters when their fence retires and not before.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/client_bench.h"
#include "support/loop_bench.h"

static void again(void **state)
{
    (void)client_teardown(state);
    (void)client_setup_begun(state);
}

/* One batch of two words, with `sync_count` counters from word 9 on. */
static void submit(struct client_bench *bench, uint32_t ring_index, uint32_t sync_count,
                   uint32_t sync, uint64_t value)
{
    const uint32_t words[12] = {1,
                                1,
                                7,
                                2,
                                9,
                                sync_count,
                                ring_index,
                                0xaaaa,
                                0xbbbb,
                                sync,
                                (uint32_t)value,
                                (uint32_t)(value >> 32)};

    client_say(bench, PV_VTEST_SUBMIT_CMD2, words, 9 + 3 * sync_count);
}

static void test_a_batch_and_its_counter(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t sync = client_create_sync(bench, 0);
    const struct fake_call *call;

    submit(bench, 63, 1, sync, UINT64_C(0x100000002));
    call = fake_last(&bench->contexts, FAKE_SUBMIT, 0);
    assert_true(call->fenced);
    assert_int_equal(call->ring_index, 63);
    assert_int_equal(call->size_bytes, 8);
    assert_memory_equal(call->bytes, "\xaa\xaa\0\0\xbb\xbb\0\0", 8);
    assert_int_equal(client_read_sync(bench, sync), 0);
    fake_retire(&bench->contexts, 7, 62, call->fence_id); /* another timeline's */
    fake_retire(&bench->contexts, 7, 63, call->fence_id + 1);
    assert_int_equal(client_read_sync(bench, sync), 0);
    fake_retire(&bench->contexts, 7, 63, call->fence_id);
    assert_int_equal(client_read_sync(bench, sync), UINT64_C(0x100000002));
    fake_retire(&bench->contexts, 7, 63, call->fence_id); /* once */
    assert_null(bench->connection->fences);
    assert_int_equal(bench->connection->fence_sync_count, 0);

    submit(bench, 0, 0, 0, 0);
    assert_false(fake_last(&bench->contexts, FAKE_SUBMIT, 0)->fenced);
}

/* Out of order, and with a counter that has gone meanwhile. */
static void test_fences_in_any_order(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t first = client_create_sync(bench, 0);
    const uint32_t second = client_create_sync(bench, 0);
    uint64_t ids[3];

    for (uint32_t i = 0; i < 3; i++) {
        submit(bench, i, 1, i == 1 ? second : first, i + 1);
        ids[i] = fake_last(&bench->contexts, FAKE_SUBMIT, 0)->fence_id;
    }
    client_say(bench, PV_VTEST_SYNC_UNREF, &second, 1);
    fake_retire(&bench->contexts, 7, 2, ids[2]);
    assert_int_equal(client_read_sync(bench, first), 3);
    fake_retire(&bench->contexts, 7, 1, ids[1]);
    fake_retire(&bench->contexts, 7, 0, ids[0]);
    assert_int_equal(client_read_sync(bench, first), 1);
    assert_null(bench->connection->fences);
}

/* Lost context: counters move, so nobody waits for ever. Other trouble: the connection ends. */
static void test_submissions_that_fail(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t sync = client_create_sync(bench, 0);

    bench->contexts.fail_with[FAKE_SUBMIT] = -EIO;
    submit(bench, 0, 1, sync, 9);
    assert_int_equal(client_read_sync(bench, sync), 9);
    assert_null(bench->connection->fences);
    bench->contexts.fail_with[FAKE_SUBMIT] = 0;
    submit(bench, 0, 1, sync, 10);
    bench->contexts.fail_with[FAKE_SUBMIT] = -ENOMEM;
    submit(bench, 0, 1, sync, 11);
    assert_int_equal(bench->closed_count, 1); /* with one fence open */
}

static void test_batches_that_cannot_be(void **state)
{
    static const struct {
        uint32_t at;
        uint32_t value;
    } changes[] = {
        {0, 2},  {0, UINT32_MAX}, /* more batches than there are words */
        {1, 0},  {1, 3},          /* flags */
        {2, 12}, {2, UINT32_MAX}, /* commands past the end */
        {3, 6},  {3, UINT32_MAX}, {4, 10},         {4, UINT32_MAX}, /* counters past the end */
        {5, 2},  {5, UINT32_MAX}, {5, 0x55555556},                  /* times 3 wraps */
        {6, 64}, {6, UINT32_MAX},                                   /* rings */
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(changes); i++) {
        struct client_bench *bench = *state;
        uint32_t words[12] = {1, 1, 7, 2, 9, 1, 0, 0, 0, 1, 1, 0};

        words[changes[i].at] = changes[i].value;
        client_say(bench, PV_VTEST_SUBMIT_CMD2, words, 12);
        assert_int_equal(bench->closed_count, 1);
        assert_int_equal(fake_count(&bench->contexts, FAKE_SUBMIT), 0);
        again(state);
    }
    for (uint32_t count = 0; count < 9; count++) { /* cut short */
        static const uint32_t words[12] = {1, 1, 7, 2, 9, 0, 0, 0, 0};
        struct client_bench *bench = *state;

        client_say(bench, PV_VTEST_SUBMIT_CMD2, words, count);
        assert_int_equal(bench->closed_count, 1);
        assert_int_equal(fake_count(&bench->contexts, FAKE_SUBMIT), 0);
        again(state);
    }
}

/* A bad batch behind good ones: these have run, nothing of the rest has. */
static void test_a_bad_batch_behind_a_good_one(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t words[14] = {2, 1, 13, 1, 0, 0, 0, 1, 13, 0, 0, 0, 64, 0x1234};

    client_say(bench, PV_VTEST_SUBMIT_CMD2, words, 14);
    assert_int_equal(bench->closed_count, 1);
    assert_int_equal(fake_count(&bench->contexts, FAKE_SUBMIT), 1);
}

/* The connection ends with fences open: they are forgotten, a late one finds nobody. */
static void test_fences_that_stay_open(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t sync = client_create_sync(bench, 0);

    for (uint32_t i = 0; i < 100; i++) {
        submit(bench, i % 64, 1, sync, i);
    }
    assert_int_equal(bench->connection->fence_sync_count, 100);
    client_hang_up(bench);
    assert_int_equal(bench->closed_count, 1);
}

/* Counters that open fences are to write, of one client. */
static void test_fence_counters_at_the_cap(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t sync = client_create_sync(bench, 0);

    bench->connection->fence_sync_count = PV_VTEST_FENCE_SYNCS_MAX - 1;
    submit(bench, 1, 1, sync, 1);
    assert_int_equal(bench->connection->fence_sync_count, PV_VTEST_FENCE_SYNCS_MAX);
    assert_int_equal(bench->closed_count, 0);
    submit(bench, 1, 1, sync, 2);
    assert_int_equal(bench->closed_count, 1);
}

static bool is_served(void *user)
{
    return !((struct client_bench *)user)->connection->is_throttled;
}

/* A worker that has not come to what it has: the client waits, each batch is submitted once, and
 * counters do not move before their fence. */
static void test_a_worker_that_is_busy(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t sync = client_create_sync(bench, 0);
    const uint32_t words[25] = {3, 1,  19, 1, 0, 0, 0,    1,    20,   1, 21, 1,   1,
                                1, 24, 1,  0, 0, 0, 0xaa, 0xbb, sync, 7, 0,  0xcc};
    struct client_reply reply;

    bench->contexts.busy_after = 1;
    client_say(bench, PV_VTEST_SUBMIT_CMD2, words, 25);
    assert_int_equal(fake_count(&bench->contexts, FAKE_SUBMIT), 1);
    client_say(bench, PV_VTEST_SYNC_READ, &sync, 1);
    assert_false(client_receive(bench, &reply));
    assert_int_equal(bench->closed_count, 0);
    assert_null(bench->connection->fences);
    bench->contexts.busy_after = 0;
    loop_until(bench->loop, is_served, bench);
    assert_int_equal(fake_count(&bench->contexts, FAKE_SUBMIT), 3);
    assert_true(client_receive(bench, &reply));
    assert_int_equal(reply.words[0], 0);
    fake_retire(&bench->contexts, 7, 1, fake_last(&bench->contexts, FAKE_SUBMIT, 1)->fence_id);
    assert_int_equal(client_read_sync(bench, sync), 7);
    /* It may go meanwhile. */
    bench->contexts.busy_after = 1;
    submit(bench, 0, 1, sync, 8);
    assert_false(is_served(bench));
    client_hang_up(bench);
    assert_int_equal(bench->closed_count, 1);
}

/* Sixteen waits on a thousand counters each, in the slowest order. */
static void wait_for_much(struct client_bench *bench, uint32_t sync)
{
    static uint32_t words[2 + 3 * PV_VTEST_WAIT_SYNCS_MAX];
    struct client_reply reply;

    words[0] = PV_VTEST_WAIT_FLAG_ANY;
    words[1] = UINT32_MAX;
    for (size_t i = 0; i < PV_VTEST_WAIT_SYNCS_MAX; i++) {
        words[2 + 3 * i] = sync;
        words[4 + 3 * i] = UINT32_MAX;
    }
    for (size_t i = 0; i < PV_VTEST_WAIT_SYNCS_TOTAL_MAX / PV_VTEST_WAIT_SYNCS_MAX; i++) {
        client_say(bench, PV_VTEST_SYNC_WAIT, words, PV_ARRAY_LEN(words));
        loop_until(bench->loop, is_served, bench);
        assert_true(client_receive(bench, &reply));
        close(client_receive_fd(bench));
    }
}

struct served {
    struct client_bench *bench;
    unsigned int turns; /* of others */
};

static bool looks_whether_served(void *user)
{
    struct served *served = user;

    served->turns++;
    return is_served(served->bench);
}

/* Others of the server get their turns while one client has much to be looked at. */
static void test_much_to_look_at(void **state)
{
    static uint32_t words[1000][5];
    struct client_bench *bench = *state;
    const uint32_t sync = client_create_sync(bench, 0);
    struct served served = {.bench = bench};

    wait_for_much(bench, sync);
    for (uint32_t i = 0; i < PV_ARRAY_LEN(words); i++) {
        memcpy(words[i], (const uint32_t[]){3, PV_VTEST_SYNC_WRITE, sync, i, 0}, 20);
    }
    client_say_bytes(bench, words, sizeof(words));
    assert_false(is_served(bench));
    loop_until(bench->loop, looks_whether_served, &served);
    assert_true(served.turns > 10);
    assert_int_equal(client_read_sync(bench, sync), PV_ARRAY_LEN(words) - 1);
}

/* A context is lost with many fences: their waits are looked at once. */
static void test_many_fences_at_once(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t sync = client_create_sync(bench, 0);

    wait_for_much(bench, sync);
    for (uint32_t i = 0; i < 1000; i++) {
        submit(bench, 1, 1, sync, i);
    }
    (void)pv_vtest_syncs_take_work(bench->connection->syncs);
    fake_lose(&bench->contexts, 7);
    assert_null(bench->connection->fences);
    loop_settle(bench->loop);
    assert_true(pv_vtest_syncs_take_work(bench->connection->syncs)
                <= 2 * PV_VTEST_WAIT_SYNCS_TOTAL_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_batch_and_its_counter, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_fences_in_any_order, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_submissions_that_fail, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_batches_that_cannot_be, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_a_bad_batch_behind_a_good_one, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_fences_that_stay_open, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_fence_counters_at_the_cap, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_a_worker_that_is_busy, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_much_to_look_at, client_setup_begun, client_teardown),
        cmocka_unit_test_setup_teardown(test_many_fences_at_once, client_setup_begun,
                                        client_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
