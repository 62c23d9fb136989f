/* SPDX-License-Identifier: MIT */
/*
 * Caps of one context that need no ring of their own to test: at the cap all is well, one more is
 * refused. Others stand beside what they belong to; docs/limits.md has the list.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/venus_bench.h"
#include "venus/state.h"
#include "venus_wire/commands.h"

/* As src/venus has them. */
#define DEVICES   64u
#define CHILDREN  65536u
#define PIPELINES 65536u

static struct venus_bench bench;
static struct venus_bytes b;

static int setup(void **state)
{
    (void)state;
    venus_bench_init(&bench, true);
    b.size_bytes = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    venus_bench_finish(&bench);
    return 0;
}

static void test_resource_cap(void **state)
{
    (void)state;
    for (uint32_t id = 1; id <= PV_VENUS_RESOURCE_MAX; id++) {
        assert_int_equal(pv_venus_context_attach(bench.context, id, -1, 0, 4096, true, false), 0);
    }
    assert_int_equal(
        pv_venus_context_attach(bench.context, PV_VENUS_RESOURCE_MAX + 1, -1, 0, 4096, true, false),
        -ENOSPC);
    assert_int_equal(pv_venus_context_leave(bench.context, 77), 0);
    assert_int_equal(
        pv_venus_context_attach(bench.context, PV_VENUS_RESOURCE_MAX + 1, -1, 0, 4096, true, false),
        0);
    assert_int_equal(pv_venus_context_attach(bench.context, 77, -1, 0, 4096, true, false), -ENOSPC);
}

static void test_device_cap(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 65536, 0);
    venus_ring_start(&ring); /* with one device */
    for (uint64_t i = 1; i < DEVICES; i++) {
        b.size_bytes = 0;
        venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 1000 + i);
        assert_int_equal(venus_ring_result(&ring, &b), VK_SUCCESS);
    }
    b.size_bytes = 0;
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 2000);
    assert_int_equal(venus_ring_result(&ring, &b), VK_ERROR_TOO_MANY_OBJECTS);
    b.size_bytes = 0;
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, 1001);
    venus_ring_push(&ring, &b);
    b.size_bytes = 0;
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 2001);
    assert_int_equal(venus_ring_result(&ring, &b), VK_SUCCESS);
    venus_ring_finish(&ring);
}

/* One command with count command buffers, which does not fit in struct venus_bytes. */
static void allocate_command_buffers(uint32_t count)
{
    uint8_t *memory;
    const size_t stream_bytes = 128 + (size_t)count * 8;
    const size_t file_bytes = (stream_bytes + 4095) & ~(size_t)4095;
    const uint32_t id = venus_bench_attach(&bench, file_bytes, true, &memory, NULL);
    const uint64_t first = 100;
    uint64_t at;

    b.size_bytes = 0;
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 50, 1, &first, false);
    /* ..., count in the info, ..., count of the ids (64 bits), ids */
    at = b.size_bytes - 8;
    memcpy(memory, b.bytes, at);
    memcpy(memory + at - 12, &count, 4);
    memcpy(memory + at - 8, &(uint64_t){count}, 8);
    for (uint64_t i = 0; i < count; i++) {
        memcpy(memory + at + i * 8, &(uint64_t){first + i}, 8);
    }
    b.size_bytes = 0;
    venus_execute(&b, id, 0, at + (uint64_t)count * 8);
    venus_bench_submit(&bench, &b);
}

static void test_children_cap(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_ring_start(&ring);
    b.size_bytes = 0;
    venus_create_command_pool(&b, VENUS_DEVICE, 50, true);
    assert_int_equal(venus_ring_result(&ring, &b), VK_SUCCESS);
    allocate_command_buffers(CHILDREN);
    assert_false(venus_bench_is_lost(&bench));
    b.size_bytes = 0;
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyCommandPool, VENUS_DEVICE, 50);
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));
    b.size_bytes = 0;
    venus_create_command_pool(&b, VENUS_DEVICE, 50, true);
    assert_int_equal(venus_ring_result(&ring, &b), VK_SUCCESS);
    allocate_command_buffers(CHILDREN + 1);
    assert_true(venus_bench_is_lost(&bench));
    assert_non_null(strstr(bench.reason, "limit"));
    venus_ring_finish(&ring);
}

/* The same with count pipelines that have one stage and nothing else. */
static void create_compute_pipelines(uint32_t count)
{
    uint8_t *memory;
    const size_t file_bytes = ((size_t)count * 100 + 8191) & ~(size_t)4095;
    const uint32_t id = venus_bench_attach(&bench, file_bytes, true, &memory, NULL);
    size_t info_at;
    size_t info_bytes;
    size_t at;

    b.size_bytes = 0;
    venus_command(&b, PV_WIRE_COMMAND_vkCreateComputePipelines, false);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, 0); /* cache */
    venus_u32(&b, count);
    venus_u64(&b, count);
    info_at = b.size_bytes;
    venus_u32(&b, VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
    venus_u64(&b, 0);
    venus_u32(&b, 0);
    venus_u32(&b, VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
    venus_u64(&b, 0);
    venus_u32(&b, 0);
    venus_u32(&b, VK_SHADER_STAGE_COMPUTE_BIT);
    venus_u64(&b, 0); /* module */
    venus_u64(&b, 5); /* "main" */
    venus_u32(&b, 0x6e69616d);
    venus_u32(&b, 0);
    venus_u64(&b, 0); /* specialization */
    venus_u64(&b, 0); /* layout */
    venus_u64(&b, 0); /* base pipeline, and its index */
    venus_u32(&b, 0);
    info_bytes = b.size_bytes - info_at;
    memcpy(memory, b.bytes, b.size_bytes);
    at = b.size_bytes;
    for (uint32_t i = 1; i < count; i++, at += info_bytes) {
        memcpy(memory + at, b.bytes + info_at, info_bytes);
    }
    memcpy(memory + at, &(uint64_t){0}, 8); /* allocation callbacks */
    memcpy(memory + at + 8, &(uint64_t){count}, 8);
    at += 16;
    for (uint64_t i = 0; i < count; i++, at += 8) {
        memcpy(memory + at, &(uint64_t){100 + i}, 8);
    }
    assert_true(at <= file_bytes);
    b.size_bytes = 0;
    venus_execute(&b, id, 0, at);
    venus_bench_submit(&bench, &b);
}

static void test_pipelines_cap(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_ring_start(&ring);
    create_compute_pipelines(PIPELINES);
    assert_false(venus_bench_is_lost(&bench));
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_PIPELINE), PIPELINES);
    b.size_bytes = 0;
    for (uint32_t i = 0; i < PIPELINES; i++) {
        venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyPipeline, VENUS_DEVICE, 100 + i);
        if (i % 64 == 63) {
            venus_ring_push(&ring, &b);
            assert_true(venus_ring_drain(&ring));
            b.size_bytes = 0;
        }
    }
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_PIPELINE), 0);
    create_compute_pipelines(PIPELINES + 1);
    assert_true(venus_bench_is_lost(&bench));
    assert_non_null(strstr(bench.reason, "limit"));
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_PIPELINE), 0);
    venus_ring_finish(&ring);
}

/* Fences on an index that there is no timeline for retire at once. */
static void test_timeline_cap(void **state)
{
    (void)state;
    pv_venus_context_fence(bench.context, PV_VENUS_TIMELINE_COUNT - 1, 1);
    pv_venus_context_fence(bench.context, PV_VENUS_TIMELINE_COUNT, 2);
    pv_venus_context_fence(bench.context, UINT32_MAX, 3);
    venus_bench_wait_fences(&bench, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_resource_cap),  TEST(test_device_cap),   TEST(test_children_cap),
        TEST(test_pipelines_cap), TEST(test_timeline_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
