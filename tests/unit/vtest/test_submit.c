/* SPDX-License-Identifier: MIT */
/*
 * hosts/vtest/submit.c: batches that lie inside of their message, share nothing, and move their
 * counters when their fence retires and not before.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "support/client_bench.h"

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
