/* SPDX-License-Identifier: MIT */
/*
 * gpu/twod.c: 2D resources, transfers from guest memory, backing commands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/gpu_bench.h"
#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/resource.h"

static struct bench_element *create(struct bench *bench, uint32_t id, uint32_t format,
                                    uint32_t width, uint32_t height)
{
    return BENCH(bench, struct pv_gpu_cmd_create_2d, .header.type = PV_GPU_CMD_RESOURCE_CREATE_2D,
                 .resource_id = id, .format = format, .width = width, .height = height);
}

static struct bench_element *transfer(struct bench *bench, uint32_t id, struct pv_gpu_rect rect,
                                      uint64_t offset)
{
    return BENCH(bench, struct pv_gpu_cmd_transfer_2d,
                 .header.type = PV_GPU_CMD_TRANSFER_TO_HOST_2D, .rect = rect, .offset = offset,
                 .resource_id = id);
}

static struct bench_element *attach(struct bench *bench, uint32_t id, uint32_t count,
                                    const struct pv_gpu_backing_entry *entries, size_t present)
{
    const struct pv_gpu_cmd_attach_backing command = {
        .header.type = PV_GPU_CMD_RESOURCE_ATTACH_BACKING,
        .resource_id = id,
        .entry_count = count,
    };

    return bench_send_raw(bench, PV_GPU_QUEUE_CONTROL, &command, sizeof(command), entries,
                          present * sizeof(*entries), sizeof(struct pv_gpu_header));
}

static void test_create_refuses_bad_values(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(bench_answer(create(bench, 0, 1, 4, 4)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(create(bench, 1, 0, 4, 4)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 5, 4, 4)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 1, 0, 4)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 1, 4, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 1, PV_GPU_SIDE_MAX_PX + 1, 1)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 1, 0x10000, 0x10000)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 1, UINT32_MAX, UINT32_MAX)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 1, 4, 4)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(create(bench, 1, 1, 4, 4)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    bench_close(bench);
}

static void test_create_at_the_memory_limit(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(bench_answer(create(bench, 1, 1, 4096, 4096)), PV_GPU_OK_NODATA); /* all */
    assert_int_equal(bench_answer(create(bench, 2, 1, 1, 1)), PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 1)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(create(bench, 2, 1, 1, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(create(bench, 1, 1, 4096, 4096)), PV_GPU_ERR_OUT_OF_MEMORY);
    bench_close(bench);
}

static void test_every_format(void **state)
{
    static const uint32_t formats[] = {1, 2, 3, 4, 67, 68, 121, 134};
    struct bench *bench = bench_open();

    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(bench_answer(create(bench, i + 1, formats[i], 4, 4)), PV_GPU_OK_NODATA);
    }
    bench_close(bench);
}

static const uint8_t *pixels_of(struct bench *bench, uint32_t id)
{
    struct pv_gpu_resource *resource = pv_gpu_resource_find(bench->device, id);

    assert_int_equal(pv_gpu_pages_map(resource), 0);
    return resource->mapping;
}

static void test_transfer_copies_the_rect(void **state)
{
    struct bench *bench = bench_open();
    const uint8_t *pixels;

    (void)state;
    for (size_t i = 0; i < 8 * 8 * 4; i++) {
        bench->guest[i] = (uint8_t)i;
    }
    bench_2d(bench, 1, 8, 8);
    bench_back(bench, 1, BENCH_GUEST_ADDR, 8 * 8 * 4);
    /* Linux gives the offset of the rect's first pixel in the backing. */
    assert_int_equal(
        bench_answer(transfer(bench, 1, (struct pv_gpu_rect){2, 3, 4, 2}, 3 * 32 + 2 * 4)),
        PV_GPU_OK_NODATA);
    pixels = pixels_of(bench, 1);
    assert_int_equal(pixels[3 * 32 + 2 * 4 - 1], 0);
    assert_memory_equal(pixels + 3 * 32 + 8, bench->guest + 3 * 32 + 8, 16);
    assert_memory_equal(pixels + 4 * 32 + 8, bench->guest + 4 * 32 + 8, 16);
    assert_int_equal(pixels[4 * 32 + 24], 0);
    assert_int_equal(pixels[5 * 32 + 8], 0);
    assert_int_equal(bench_answer(transfer(bench, 1, (struct pv_gpu_rect){0, 0, 8, 8}, 0)),
                     PV_GPU_OK_NODATA);
    assert_memory_equal(pixels, bench->guest, 256);
    bench_close(bench);
}

static void test_transfer_over_split_backing(void **state)
{
    const struct pv_gpu_backing_entry entries[] = {
        {.addr = BENCH_GUEST_ADDR + 0x5000, .size_bytes = 10},
        {.addr = BENCH_GUEST_ADDR + 0x1000, .size_bytes = 1},
        {.addr = BENCH_GUEST_ADDR + 0x9000, .size_bytes = 245},
    };
    struct bench *bench = bench_open();

    (void)state;
    memset(bench->guest + 0x5000, 1, 10);
    memset(bench->guest + 0x1000, 2, 1);
    memset(bench->guest + 0x9000, 3, 245);
    bench_2d(bench, 1, 8, 8);
    assert_int_equal(bench_answer(attach(bench, 1, 3, entries, 3)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(transfer(bench, 1, (struct pv_gpu_rect){0, 0, 8, 8}, 0)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(pixels_of(bench, 1)[9], 1);
    assert_int_equal(pixels_of(bench, 1)[10], 2);
    assert_int_equal(pixels_of(bench, 1)[11], 3);
    assert_int_equal(pixels_of(bench, 1)[255], 3);
    bench_close(bench);
}

static void test_transfer_refuses_bad_values(void **state)
{
    static const struct pv_gpu_rect rects[] = {
        {0, 0, 9, 1},          {0, 0, 1, 9},          {8, 0, 1, 1},          {0, 8, 1, 1},
        {UINT32_MAX, 0, 1, 1}, {0, UINT32_MAX, 1, 1}, {1, 0, UINT32_MAX, 1}, {0, 1, 1, UINT32_MAX},
    };
    struct bench *bench = bench_open();
    const struct pv_gpu_rect whole = {0, 0, 8, 8};

    (void)state;
    bench_2d(bench, 1, 8, 8);
    assert_int_equal(bench_answer(transfer(bench, 1, whole, 0)), PV_GPU_ERR_UNSPEC);
    bench_back(bench, 1, BENCH_GUEST_ADDR, 256);
    for (size_t i = 0; i < sizeof(rects) / sizeof(rects[0]); i++) {
        assert_int_equal(bench_answer(transfer(bench, 1, rects[i], 0)),
                         PV_GPU_ERR_INVALID_PARAMETER);
    }
    assert_int_equal(bench_answer(transfer(bench, 1, whole, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(transfer(bench, 1, whole, UINT64_MAX)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(transfer(bench, 1, whole, UINT64_MAX - 100)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(transfer(bench, 2, whole, 0)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(transfer(bench, 1, (struct pv_gpu_rect){8, 8, 0, 0}, 0)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(transfer(bench, 1, whole, 0)), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_transfer_on_blobs(void **state)
{
    const struct pv_gpu_cmd_create_blob command = {
        .header.type = PV_GPU_CMD_RESOURCE_CREATE_BLOB,
        .resource_id = 1,
        .blob_mem = PV_GPU_BLOB_MEM_GUEST,
        .entry_count = 1,
        .size_bytes = 4096,
    };
    const struct pv_gpu_backing_entry entry = {.addr = BENCH_GUEST_ADDR, .size_bytes = 4096};
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(bench_answer(bench_send_raw(bench, 0, &command, sizeof(command), &entry,
                                                 sizeof(entry), 24)),
                     PV_GPU_OK_NODATA);
    /* Linux sends it for guest memory, where there is nothing to do. */
    assert_int_equal(bench_answer(transfer(bench, 1, (struct pv_gpu_rect){0, 0, 8, 8}, 0)),
                     PV_GPU_OK_NODATA);
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 4096);
    assert_int_equal(bench_answer(transfer(bench, 2, (struct pv_gpu_rect){0, 0, 0, 0}, 0)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    bench_close(bench);
}

static void test_backing_is_attached_once(void **state)
{
    const struct pv_gpu_backing_entry entry = {.addr = BENCH_GUEST_ADDR, .size_bytes = 256};
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 8, 8);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_DETACH_BACKING, 0, 1)),
                     PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(attach(bench, 1, 1, &entry, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(attach(bench, 1, 1, &entry, 1)), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench->device->backing_entry_count, 1);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_DETACH_BACKING, 0, 1)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench->device->backing_entry_count, 0);
    assert_int_equal(bench_answer(attach(bench, 1, 1, &entry, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(attach(bench, 9, 1, &entry, 1)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    bench_close(bench);
}

static void test_backing_lists_that_are_bad(void **state)
{
    struct pv_gpu_backing_entry entry = {.addr = BENCH_GUEST_ADDR, .size_bytes = 256};
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 8, 8);
    assert_int_equal(bench_answer(attach(bench, 1, 0, &entry, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(attach(bench, 1, 2, &entry, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(attach(bench, 1, UINT32_MAX, &entry, 1)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    entry.size_bytes = 0;
    assert_int_equal(bench_answer(attach(bench, 1, 1, &entry, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    entry.size_bytes = BENCH_GUEST_BYTES + 1;
    assert_int_equal(bench_answer(attach(bench, 1, 1, &entry, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    entry.size_bytes = 16;
    entry.addr = UINT64_MAX - 8;
    assert_int_equal(bench_answer(attach(bench, 1, 1, &entry, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    entry.addr = 0xfee00000;
    assert_int_equal(bench_answer(attach(bench, 1, 1, &entry, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench->device->backing_entry_count, 0);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_refuses_bad_values),
        cmocka_unit_test(test_create_at_the_memory_limit),
        cmocka_unit_test(test_every_format),
        cmocka_unit_test(test_transfer_copies_the_rect),
        cmocka_unit_test(test_transfer_over_split_backing),
        cmocka_unit_test(test_transfer_refuses_bad_values),
        cmocka_unit_test(test_transfer_on_blobs),
        cmocka_unit_test(test_backing_is_attached_once),
        cmocka_unit_test(test_backing_lists_that_are_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
