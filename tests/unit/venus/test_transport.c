/* SPDX-License-Identifier: MIT */
/*
 * venus/transport.c, stream.c and resource.c from the outside: reply streams and indirect streams
 * in memory that is absent, foreign, leaving or too small, and commands cut at every length.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "support/venus_context_fixture.h"
#include "venus_wire/commands.h"

/* The stream in b costs the context; a fresh one follows. */
static void assert_loses(void)
{
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
    assert_int_equal(bench.lost_count, 1);
    assert_true(strlen(bench.reason) > 0);
    venus_bench_finish(&bench);
    venus_bench_init(&bench, false);
    reset();
}

static void test_replies_on_the_control_queue(void **state)
{
    uint8_t *memory;
    uint32_t id = venus_bench_attach(&bench, 8192, true, &memory, NULL);
    uint32_t words[5];

    (void)state;
    venus_set_reply(&b, id, 4096 + 4, 20);
    venus_instance_version(&b);
    venus_bench_submit(&bench, &b);
    memcpy(words, memory + 4100, sizeof(words));
    assert_int_equal(words[0], PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    assert_int_equal(words[1], 0);
    assert_int_equal(words[2], 1);
    assert_true(words[4] >= VK_API_VERSION_1_1);

    /* The stream is full now: a second reply does not fit. */
    reset();
    venus_instance_version(&b);
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
    assert_int_equal(memory[4120], 0);
    pv_os_shm_unmap(memory, 8192);
}

static void test_reply_streams_out_of_range(void **state)
{
    static const uint64_t ranges[][2] = {
        {0, 8193},       {8192, 4},       {8193, 0},       {1, 8192},
        {UINT64_MAX, 1}, {8, UINT64_MAX}, {UINT64_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        venus_set_reply(&b, venus_bench_attach(&bench, 8192, true, NULL, NULL), ranges[i][0],
                        ranges[i][1]);
        assert_loses();
    }
    /* No stream, absent memory, memory that is not for streams. */
    venus_instance_version(&b);
    assert_loses();
    venus_set_reply(&b, 77, 0, 64);
    assert_loses();
    venus_set_reply(&b, 0, 0, 64);
    assert_loses();
    venus_set_reply(&b, venus_bench_attach(&bench, 8192, false, NULL, NULL), 0, 64);
    assert_loses();
}

/* Its memory leaves while a reply stream is set: the next replies go nowhere, and nothing else. */
static void test_reply_memory_that_leaves(void **state)
{
    uint8_t *memory;
    uint32_t id = venus_bench_attach(&bench, 4096, true, &memory, NULL);

    (void)state;
    venus_set_reply(&b, id, 0, 4096);
    venus_bench_submit(&bench, &b);
    assert_int_equal(pv_venus_context_leave(bench.context, id), 0);
    assert_int_equal(pv_venus_context_leave(bench.context, id), -ENOENT);
    pv_os_shm_unmap(memory, 4096);
    reset();
    venus_instance_version(&b);
    venus_bench_submit(&bench, &b);
    assert_false(venus_bench_is_lost(&bench));
}

static uint32_t attach_stream(const struct venus_bytes *stream)
{
    uint8_t *memory;
    uint32_t id = venus_bench_attach(&bench, 131072, true, &memory, NULL);

    memcpy(memory + 8, stream->bytes, stream->size_bytes);
    pv_os_shm_unmap(memory, 131072);
    return id;
}

static void test_indirect_streams(void **state)
{
    static struct venus_bytes inner;
    uint8_t *memory;
    uint32_t reply_id = venus_bench_attach(&bench, 4096, true, &memory, NULL);
    uint32_t stream_id;

    (void)state;
    inner.size_bytes = 0;
    for (uint32_t i = 0; i < 100; i++) {
        venus_set_reply(&inner, reply_id, 4 * i, 64);
        venus_instance_version(&inner);
    }
    stream_id = attach_stream(&inner);
    venus_execute(&b, stream_id, 8, inner.size_bytes);
    venus_execute(&b, stream_id, 8, 0); /* nothing in it: passed over */
    venus_set_reply(&b, reply_id, 2048, 64);
    venus_instance_version(&b);
    venus_bench_submit(&bench, &b);
    assert_false(venus_bench_is_lost(&bench));
    assert_int_equal(memory[4 * 99], PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    assert_int_equal(memory[2048], PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    pv_os_shm_unmap(memory, 4096);
}

/* Time of check, time of use: replies fall on the very commands that are being decoded. */
static void test_a_stream_rewritten_by_its_own_replies(void **state)
{
    static struct venus_bytes inner;
    uint8_t *memory;
    const uint32_t id = venus_bench_attach(&bench, 65536, true, &memory, NULL);
    const unsigned count = 64;

    (void)state;
    inner.size_bytes = 0;
    venus_set_reply(&inner, id, 0, 32768);
    for (unsigned i = 0; i < count; i++) {
        venus_instance_version(&inner);
    }
    memcpy(memory, inner.bytes, inner.size_bytes);
    venus_execute(&b, id, 0, inner.size_bytes);
    venus_bench_submit(&bench, &b);
    assert_false(venus_bench_is_lost(&bench));
    for (unsigned i = 0; i < count; i++) {
        uint32_t words[5];

        memcpy(words, memory + i * sizeof(words), sizeof(words));
        assert_int_equal(words[0], PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
        assert_int_equal(words[1], 0);
        assert_int_equal(words[2], 1);
    }
    pv_os_shm_unmap(memory, 65536);
}

static void test_indirect_streams_out_of_range(void **state)
{
    static const uint64_t ranges[][2] = {
        {0, 131076}, {131072, 4}, {4, UINT64_MAX - 3}, {UINT64_MAX - 3, 8}, {0, 2}, {0, 7},
    };
    static struct venus_bytes inner;

    (void)state;
    inner.size_bytes = 0;
    venus_instance_version(&inner);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        venus_execute(&b, attach_stream(&inner), ranges[i][0], ranges[i][1]);
        assert_loses();
    }
    venus_execute(&b, 77, 0, 16);
    assert_loses();
}

/* A stream inside of a stream is refused, at whatever depth it names itself. */
static void test_streams_do_not_nest(void **state)
{
    static struct venus_bytes inner;
    uint8_t *memory;
    uint32_t id = venus_bench_attach(&bench, 4096, true, &memory, NULL);

    (void)state;
    inner.size_bytes = 0;
    venus_execute(&inner, id, 0, 64);
    memcpy(memory, inner.bytes, inner.size_bytes);
    pv_os_shm_unmap(memory, 4096);
    venus_execute(&b, id, 0, inner.size_bytes);
    assert_loses();
}

/* 64 MiB are the most; the memory itself may be larger. */
static void test_the_longest_stream(void **state)
{
    const size_t most = (size_t)64 << 20;

    (void)state;
    /* Zeroes are vkCreateInstance without anything: refused after the copy, not because of it. */
    venus_execute(&b, venus_bench_attach(&bench, most + 4096, true, NULL, NULL), 0, most);
    venus_bench_submit(&bench, &b);
    assert_non_null(strstr(bench.reason, "stream+0"));
    venus_bench_finish(&bench);
    venus_bench_init(&bench, false);
    reset();
    venus_execute(&b, venus_bench_attach(&bench, most + 4096, true, NULL, NULL), 0, most + 4);
    venus_bench_submit(&bench, &b);
    assert_non_null(strstr(bench.reason, "submit+0"));
}

/* Each length of these commands, alone in a stream: a fault, and nothing of it is done. */
static void test_every_truncation(void **state)
{
    static struct venus_bytes whole[6];
    const uint64_t ids[2] = {70, 71};

    (void)state;
    memset(whole, 0, sizeof(whole));
    venus_create_instance(&whole[0], 50);
    venus_set_reply(&whole[1], 1, 0, 64);
    venus_allocate(&whole[2], VENUS_DEVICE, 50, 4096, 0, 9, true, false);
    venus_queue_submit(&whole[3], VENUS_QUEUE,
                       &(struct venus_submit){.wait_count = 2, .value_count = 2, .fence = 0},
                       false);
    venus_allocate_command_buffers(&whole[4], VENUS_DEVICE, 60, 2, ids, false);
    venus_create_ring(&whole[5], 0x1000, &(struct venus_layout){.resource_id = 1, .monitor_us = 9});
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        for (size_t length = 4; length < whole[i].size_bytes; length += 4) {
            memcpy(b.bytes, whole[i].bytes, length);
            b.size_bytes = length;
            assert_loses();
        }
        for (size_t odd = 1; odd < 4; odd++) {
            memcpy(b.bytes, whole[i].bytes, whole[i].size_bytes);
            b.size_bytes = whole[i].size_bytes - odd;
            assert_loses();
        }
    }
}

/* Commands that belong on the other channel. */
static void test_wrong_channels(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_wait_seqno(&b, 0); /* of a ring only */
    assert_loses();
    for (int i = 0; i < 5; i++) {
        venus_ring_init(&ring, &bench, 4096, 0);
        reset();
        switch (i) {
        case 0:
            venus_destroy_ring(&b, ring.id);
            break;
        case 1:
            venus_notify_ring(&b, ring.id);
            break;
        case 2:
            venus_submit_seqno(&b, ring.id, 1);
            break;
        case 3:
            venus_wait_ring(&b, ring.id, 0);
            break;
        default:
            venus_create_ring(&b, ring.id + 1, &ring.layout);
            break;
        }
        venus_ring_push(&ring, &b);
        venus_bench_wait_lost(&bench);
        venus_ring_finish(&ring);
        venus_bench_finish(&bench);
        venus_bench_init(&bench, false);
    }
}

static void test_attach_out_of_range(void **state)
{
    static const struct {
        uint64_t offset;
        uint64_t size;
    } bad[] = {{0, 0},       {0, 12288},
               {4096, 8192}, {1, 4096},
               {0, 4095},    {UINT64_MAX - 4095, 4096},
               {8192, 4096}, {4096, UINT64_MAX - 4095}};
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", 8192, &fd), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            pv_venus_context_attach(bench.context, 5, fd, bad[i].offset, bad[i].size, false, true),
            -EINVAL);
    }
    assert_true(pv_venus_context_attach(bench.context, 5, -1, 0, 4096, false, true) < 0);
    assert_true(pv_venus_context_attach(bench.context, 5, -1, 0, 4096, true, true) < 0);
    assert_int_equal(pv_venus_context_attach(bench.context, 5, fd, 4096, 4096, false, true), 0);
    assert_int_equal(pv_venus_context_attach(bench.context, 5, fd, 0, 4096, false, true), -EEXIST);
    assert_true(pv_venus_context_attach(bench.context, 0, fd, 0, 4096, false, true) < 0);
    close(fd);
}

/* After a loss: nothing is done any more, everything is answered, fences retire at once. */
static void test_what_a_lost_context_answers(void **state)
{
    struct pv_venus_exported exported = {.fd = -1};
    int fd;

    (void)state;
    venus_command(&b, 0x7fffffff, false);
    venus_bench_submit(&bench, &b);
    venus_bench_submit(&bench, &b);
    assert_int_equal(bench.lost_count, 1);
    pv_venus_context_fence(bench.context, 0, 1);
    pv_venus_context_fence(bench.context, 1, 2);
    pv_venus_context_fence(bench.context, 63, 3);
    pv_venus_context_fence(bench.context, 64, 4);
    pv_venus_context_fence(bench.context, UINT32_MAX, 5);
    assert_int_equal(bench.fence_count, 5);
    assert_int_equal(pv_os_shm_create("test", 4096, &fd), 0);
    assert_int_equal(pv_venus_context_attach(bench.context, 5, fd, 0, 4096, false, true), -EIO);
    assert_int_equal(
        pv_venus_context_export_blob(bench.context, 5, 1, 4096, true, false, &exported), -EIO);
    assert_int_equal(pv_venus_context_place(bench.context, 5, 0), -EIO);
    assert_int_equal(pv_venus_context_leave(bench.context, 5), -ENOENT);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replies_on_the_control_queue),
        TEST(test_reply_streams_out_of_range),
        TEST(test_reply_memory_that_leaves),
        TEST(test_indirect_streams),
        TEST(test_a_stream_rewritten_by_its_own_replies),
        TEST(test_indirect_streams_out_of_range),
        TEST(test_streams_do_not_nest),
        TEST(test_the_longest_stream),
        TEST(test_every_truncation),
        TEST(test_wrong_channels),
        TEST(test_attach_out_of_range),
        TEST(test_what_a_lost_context_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
