/* SPDX-License-Identifier: MIT */
/*
 * hosts/vtest/resources.c: blobs of both kinds, what they are at their limits, and that each gets
 * one answer with one descriptor whatever the context does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "support/client_bench.h"
#include "support/loop_bench.h"

static void again(void **state)
{
    (void)client_teardown(state);
    (void)client_setup_begun(state);
}

/* The answer to a blob: its id; its memory has that size. */
static uint32_t take_blob(struct client_bench *bench, uint64_t size_bytes)
{
    struct client_reply reply;
    uint64_t file_bytes;
    int fd;

    assert_true(client_receive(bench, &reply));
    assert_int_equal(reply.command, PV_VTEST_RESOURCE_CREATE_BLOB);
    assert_int_equal(reply.word_count, 1);
    fd = client_receive_fd(bench);
    assert_int_equal(pv_os_shm_size(fd, &file_bytes), 0);
    assert_int_equal(file_bytes, size_bytes);
    close(fd);
    return reply.words[0];
}

static void test_shared_memory(void **state)
{
    struct client_bench *bench = *state;
    const unsigned int fds_open = open_fds();

    for (uint32_t i = 1; i < 4; i++) {
        client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 4096 * (i - 1) + 1, 0);
        assert_int_equal(take_blob(bench, 4096 * i), i);
        assert_true(fake_last(&bench->contexts, FAKE_ATTACH, 0)->is_shmem);
        client_say(bench, PV_VTEST_RESOURCE_UNREF, &i, 1);
        assert_int_equal(fake_last(&bench->contexts, FAKE_LEAVE, 0)->resource_id, i);
        client_say(bench, PV_VTEST_RESOURCE_UNREF, &i, 1); /* given up already */
        assert_int_equal(fake_count(&bench->contexts, FAKE_LEAVE), i);
    }
    assert_int_equal(open_fds(), fds_open);
    assert_int_equal(bench->connection->resource_count, 0);
}

static void test_device_memory(void **state)
{
    struct client_bench *bench = *state;

    client_say_blob(bench, PV_VTEST_BLOB_FLAGS_ALL, 5000, UINT64_MAX);
    assert_int_equal(fake_last(&bench->contexts, FAKE_EXPORT, 0)->blob_id, UINT64_MAX);
    assert_int_equal(fake_last(&bench->contexts, FAKE_EXPORT, 0)->size_bytes, 5000);
    bench->contexts.calls[bench->contexts.call_count - 1].size_bytes = 8192;
    fake_answer(&bench->contexts, fake_last(&bench->contexts, FAKE_EXPORT, 0), 0);
    assert_int_equal(take_blob(bench, 8192), 1);
}

/* The context cannot, or is gone: the client gets pages that nobody else sees. */
static void test_device_memory_that_is_not(void **state)
{
    for (int kind = 0; kind < 4; kind++) {
        struct client_bench *bench = *state;

        bench->contexts.fail_with[FAKE_EXPORT] = kind == 0 ? -EIO : 0;
        bench->contexts.exports_have_fd = false;
        client_say_blob(bench, 0, 5000, 9);
        if (kind > 0) {
            fake_answer(&bench->contexts, fake_last(&bench->contexts, FAKE_EXPORT, 0),
                        kind == 1   ? -EIO
                        : kind == 2 ? -ENOMEM
                                    : 0 /* and no file */);
        }
        assert_int_equal(take_blob(bench, 8192), 1);
        assert_false(bench->connection->blob_pending);
        assert_int_equal(bench->closed_count, 0);
        again(state);
    }
}

/* Trouble that is not the context's end: the connection ends, without a descriptor left. */
static void test_refusals_of_the_context(void **state)
{
    static const struct {
        enum fake_op op;
        int error;
        uint64_t blob_id;
        bool ends;
    } refusals[] = {
        {FAKE_ATTACH, -ENOMEM, 0, true},  {FAKE_ATTACH, -EIO, 0, false},
        {FAKE_EXPORT, -ENOBUFS, 3, true}, {FAKE_LEAVE, -ENOMEM, 0, true},
        {FAKE_LEAVE, -EIO, 0, false},
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(refusals); i++) {
        struct client_bench *bench = *state;
        const uint32_t id = 1;

        bench->contexts.fail_with[refusals[i].op] = refusals[i].error;
        client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 4096, refusals[i].blob_id);
        if (refusals[i].op == FAKE_LEAVE) {
            (void)take_blob(bench, 4096);
            client_say(bench, PV_VTEST_RESOURCE_UNREF, &id, 1);
        }
        assert_int_equal(bench->closed_count, refusals[i].ends ? 1 : 0);
        again(state);
    }
}

static void test_blobs_that_cannot_be(void **state)
{
    static const struct {
        uint32_t type;
        uint32_t flags;
        uint64_t size_bytes;
        uint64_t blob_id;
    } bad[] = {
        {0, 1, 4096, 1},
        {1, 1, 4096, 1},
        {3, 1, 4096, 1},
        {2, 8, 4096, 1},
        {2, UINT32_MAX, 4096, 1},
        {2, 1, 0, 1},
        {2, 1, UINT64_MAX, 1},
        {2, 1, UINT64_MAX - 4094, 1},
        {2, 1, PV_VTEST_BLOB_MAX_BYTES + 1, 1},
        {2, 0, 4096, 0}, /* shared memory is mapped, and nothing else */
        {2, 3, 4096, 0},
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        struct client_bench *bench = *state;
        const uint32_t words[6] = {bad[i].type,
                                   bad[i].flags,
                                   (uint32_t)bad[i].size_bytes,
                                   (uint32_t)(bad[i].size_bytes >> 32),
                                   (uint32_t)bad[i].blob_id,
                                   (uint32_t)(bad[i].blob_id >> 32)};

        client_say(bench, PV_VTEST_RESOURCE_CREATE_BLOB, words, 6);
        assert_int_equal(bench->closed_count, 1);
        assert_int_equal(fake_count(&bench->contexts, FAKE_EXPORT), 0);
        assert_int_equal(fake_count(&bench->contexts, FAKE_ATTACH), 0);
        again(state);
    }
    client_say_blob(*state, 1, PV_VTEST_BLOB_MAX_BYTES, 1);
    assert_int_equal(fake_count(&((struct client_bench *)*state)->contexts, FAKE_EXPORT), 1);
}

/* As much shared memory as may be, one given up, one more, and one too much. */
static void test_the_most_shared_memory(void **state)
{
    struct client_bench *bench = *state;
    const uint32_t given_up = 500;

    for (uint32_t i = 1; i <= PV_VTEST_SHMEM_MAX; i++) {
        client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 1, 0);
        assert_int_equal(take_blob(bench, 4096), i);
    }
    client_say(bench, PV_VTEST_RESOURCE_UNREF, &given_up, 1);
    client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 1, 0);
    assert_int_equal(take_blob(bench, 4096), PV_VTEST_SHMEM_MAX + 1);
    assert_int_equal(bench->closed_count, 0);
    client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 1, 0);
    assert_int_equal(bench->closed_count, 1);
}

static void test_resource_cap(void **state)
{
    struct client_bench *bench = *state;

    bench->connection->resource_count = PV_VTEST_RESOURCE_MAX - 1;
    client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 1, 0);
    assert_int_equal(take_blob(bench, 4096), 1);
    assert_int_equal(bench->closed_count, 0);
    client_say_blob(bench, PV_VTEST_BLOB_FLAG_MAPPABLE, 1, 0);
    assert_int_equal(bench->closed_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shared_memory, client_setup_begun, client_teardown),
        cmocka_unit_test_setup_teardown(test_device_memory, client_setup_begun, client_teardown),
        cmocka_unit_test_setup_teardown(test_device_memory_that_is_not, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_refusals_of_the_context, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_blobs_that_cannot_be, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_the_most_shared_memory, client_setup_begun,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(test_resource_cap, client_setup_begun, client_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
