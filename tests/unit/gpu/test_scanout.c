/* SPDX-License-Identifier: MIT */
/*
 * gpu/scanout.c: what a screen shows, copied at flush.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "os/shm.h"
#include "support/gpu_bench.h"

static struct bench_element *set(struct bench *bench, uint32_t scanout, uint32_t id,
                                 struct pv_gpu_rect rect)
{
    return BENCH(bench, struct pv_gpu_cmd_set_scanout, .header.type = PV_GPU_CMD_SET_SCANOUT,
                 .rect = rect, .scanout_id = scanout, .resource_id = id);
}

static struct pv_gpu_cmd_set_scanout_blob good_blob(uint32_t id)
{
    return (struct pv_gpu_cmd_set_scanout_blob){
        .header.type = PV_GPU_CMD_SET_SCANOUT_BLOB,
        .rect = {0, 0, 16, 16},
        .resource_id = id,
        .width = 16,
        .height = 16,
        .format = PV_GPU_FORMAT_BGRX,
        .strides = {64},
    };
}

static uint8_t shown(const struct bench *bench, size_t offset_bytes)
{
    const struct pv_gpu_frame_view *view = &bench->sink.frame;
    const struct pv_gpu_frame_shared *shared;
    const void *memory;
    uint8_t value;

    assert_int_equal(pv_os_shm_map_read(view->fd, 0, view->size_bytes, &memory), 0);
    shared = memory;
    value = ((const uint8_t *)memory)[view->buffers_offset_bytes
                                      + (shared->finished & 1) * view->buffer_bytes + offset_bytes];
    pv_os_shm_unmap(memory, view->size_bytes);
    return value;
}

static void draw(struct bench *bench, uint32_t id, uint32_t side, uint8_t value)
{
    memset(bench->guest, value, side * side * 4);
    assert_int_equal(bench_answer(BENCH(bench, struct pv_gpu_cmd_transfer_2d,
                                        .header.type = PV_GPU_CMD_TRANSFER_TO_HOST_2D,
                                        .rect = {0, 0, side, side}, .resource_id = id)),
                     PV_GPU_OK_NODATA);
}

static void test_a_picture_is_copied_at_flush(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 32, 32);
    bench_back(bench, 1, BENCH_GUEST_ADDR, 32 * 32 * 4);
    draw(bench, 1, 32, 1);
    assert_int_equal(bench_answer(set(bench, 0, 1, (struct pv_gpu_rect){8, 8, 16, 16})),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.scanout_changes, 1);
    assert_int_equal(bench->sink.frame.width_px, 16);
    assert_int_equal(bench->sink.frame.stride_bytes, 64);
    assert_int_equal(bench->sink.frame.format, PV_GPU_FORMAT_BGRX);
    assert_int_equal(bench->sink.frame_changes, 0);
    assert_int_equal(shown(bench, 0), 0);
    /* The first flush of a new source copies all of it. */
    assert_int_equal(bench_answer(bench_flush(bench, 1, 9, 9, 1, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.frame_changes, 1);
    assert_int_equal(bench->sink.damage.width, 16);
    assert_int_equal(shown(bench, 0), 1);
    /* Later ones copy what was damaged, in the frame's coordinates. */
    draw(bench, 1, 32, 2);
    assert_int_equal(shown(bench, 0), 1);
    assert_int_equal(bench_answer(bench_flush(bench, 1, 0, 0, 10, 12)), PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.damage.x, 0);
    assert_int_equal(bench->sink.damage.width, 2);
    assert_int_equal(bench->sink.damage.height, 4);
    assert_int_equal(shown(bench, 0), 2);
    assert_int_equal(shown(bench, 2 * 4), 1);
    assert_int_equal(shown(bench, 4 * 64), 1);
    /* Damage outside of what is shown changes nothing. */
    assert_int_equal(bench_answer(bench_flush(bench, 1, 24, 0, 8, 32)), PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.frame_changes, 2);
    bench_close(bench);
}

static void test_set_refuses_bad_values(void **state)
{
    static const struct pv_gpu_rect rects[] = {
        {0, 0, 0, 16},
        {0, 0, 16, 0},
        {0, 0, 17, 16},
        {0, 0, 16, 17},
        {1, 0, 16, 16},
        {0, 1, 16, 16},
        {UINT32_MAX, 0, 16, 16},
        {UINT32_MAX - 7, 0, 16, 16},
        {0, UINT32_MAX - 7, 16, 16},
        {0, 0, UINT32_MAX, UINT32_MAX},
    };
    const struct pv_gpu_rect whole = {0, 0, 16, 16};
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 16, 16);
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x1000);
    for (size_t i = 0; i < sizeof(rects) / sizeof(rects[0]); i++) {
        assert_int_equal(bench_answer(set(bench, 0, 1, rects[i])), PV_GPU_ERR_INVALID_PARAMETER);
    }
    assert_int_equal(bench_answer(set(bench, 1, 1, whole)), PV_GPU_ERR_INVALID_SCANOUT_ID);
    assert_int_equal(bench_answer(set(bench, 16, 0, whole)), PV_GPU_ERR_INVALID_SCANOUT_ID);
    assert_int_equal(bench_answer(set(bench, UINT32_MAX, 0, whole)), PV_GPU_ERR_INVALID_SCANOUT_ID);
    assert_int_equal(bench_answer(set(bench, 0, 9, whole)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(set(bench, 0, 2, whole)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench->sink.scanout_changes, 0);
    assert_int_equal(bench_answer(set(bench, 0, 0, whole)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(set(bench, 0, 0, whole)), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_set_blob_refuses_bad_values(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_set_scanout_blob command;

    (void)state;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x1000); /* 1024 pixels */
    assert_int_equal(bench_answer(bench_map(bench, 2, 0)), PV_GPU_OK_MAP_INFO);
    bench_2d(bench, 3, 16, 16);
#define REFUSED(error, field, value)                                                               \
    command = good_blob(2);                                                                        \
    command.field = value;                                                                         \
    assert_int_equal(bench_answer(bench_send(bench, &command, sizeof(command))), error)
    REFUSED(PV_GPU_ERR_INVALID_SCANOUT_ID, scanout_id, 1);
    REFUSED(PV_GPU_ERR_INVALID_RESOURCE_ID, resource_id, 7);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, resource_id, 3);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, width, 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, height, 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, width, 17);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, width, UINT32_MAX);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, height, 65);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, height, UINT32_MAX);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, format, 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, format, UINT32_MAX);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, strides[0], 63);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, strides[0], 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, strides[0], 4096 / 15 + 1);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, strides[0], UINT32_MAX);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, offsets[0], 4096 - 1024 + 1);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, offsets[0], UINT32_MAX);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, rect.width, 17);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, rect.width, 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, rect.x, 1);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, rect.x, UINT32_MAX);
    REFUSED(PV_GPU_OK_NODATA, offsets[0], 4096 - 1024);
    REFUSED(PV_GPU_OK_NODATA, strides[0], 268);
#undef REFUSED
    /* Width times height times four overflows 32 bits here, to something small. */
    command = good_blob(2);
    command.width = 0x10000;
    command.height = 0x10001;
    command.strides[0] = 0x40000;
    assert_int_equal(bench_answer(bench_send(bench, &command, sizeof(command))),
                     PV_GPU_ERR_INVALID_PARAMETER);
    bench_close(bench);
}

static void test_a_blob_with_stride_and_offset(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_set_scanout_blob command = good_blob(2);

    (void)state;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x2000);
    assert_int_equal(bench_answer(bench_map(bench, 2, 0x3000)), PV_GPU_OK_MAP_INFO);
    command.strides[0] = 100;
    command.offsets[0] = 36;
    command.rect = (struct pv_gpu_rect){4, 5, 8, 8};
    for (size_t i = 0; i < 0x2000; i++) {
        bench->window[0x3000 + i] = (uint8_t)(i / 100);
    }
    assert_int_equal(bench_answer(bench_send(bench, &command, sizeof(command))), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_flush(bench, 2, 0, 0, 16, 16)), PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.frame.stride_bytes, 32);
    assert_int_equal(shown(bench, 0), 5); /* 36 + 5 * 100 + 4 * 4 */
    assert_int_equal(shown(bench, 7 * 32), 12);
    assert_int_equal(shown(bench, 7 * 32 + 31), (36 + 12 * 100 + 16 + 31) / 100);
    bench_close(bench);
}

static void test_a_pending_blob_is_shown_when_it_is_there(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_set_scanout_blob command = good_blob(2);
    const struct bench_element *set_it;
    const struct bench_element *flushed;

    (void)state;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    (void)bench_blob(bench, 1, 2, 5, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    set_it = bench_send(bench, &command, sizeof(command));
    flushed = bench_flush(bench, 2, 0, 0, 16, 16);
    assert_int_equal(bench_answer(set_it), 0);
    assert_int_equal(bench_answer(flushed), 0);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(set_it), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(flushed), PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.frame_changes, 1);
    bench_close(bench);
}

static void test_a_later_setting_wins(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_set_scanout_blob command = good_blob(2);
    const struct bench_element *early;

    (void)state;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    bench_2d(bench, 1, 16, 16);
    (void)bench_blob(bench, 1, 2, 5, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    early = bench_send(bench, &command, sizeof(command));
    assert_int_equal(bench_answer(set(bench, 0, 1, (struct pv_gpu_rect){0, 0, 8, 8})),
                     PV_GPU_OK_NODATA);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(early), PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.frame.width_px, 8);
    assert_int_equal(bench_answer(bench_flush(bench, 2, 0, 0, 16, 16)), PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.frame_changes, 0);
    bench_close(bench);
}

static void test_blobs_without_pages(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_set_scanout_blob command = good_blob(2);

    (void)state;
    bench->fake.answer_at_once = true;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x1000);
    assert_int_equal(bench_answer(bench_send(bench, &command, sizeof(command))), PV_GPU_ERR_UNSPEC);
    (void)bench_map(bench, 2, 0);
    assert_int_equal(bench_answer(bench_send(bench, &command, sizeof(command))), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_flush(bench, 2, 0, 0, 16, 16)), PV_GPU_OK_NODATA);
    /* The last picture stays when the pages go. */
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 2)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_flush(bench, 2, 0, 0, 16, 16)), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench->sink.frame.width_px, 16);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 2)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.frame.fd, -1);
    bench_close(bench);
}

static void test_unref_switches_off(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 16, 16);
    (void)set(bench, 0, 1, (struct pv_gpu_rect){0, 0, 16, 16});
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 1)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.frame.fd, -1);
    assert_int_equal(bench->device->memory_used_bytes, 0);
    bench_close(bench);
}

static void test_flush_refuses_bad_values(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 16, 16);
    assert_int_equal(bench_answer(bench_flush(bench, 1, 0, 0, 17, 1)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_flush(bench, 1, UINT32_MAX, 0, 2, 1)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_flush(bench, 2, 0, 0, 1, 1)),
                     PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(bench_flush(bench, 1, 0, 0, 16, 16)), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_flush_of_a_blob_may_name_any_rect(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_set_scanout_blob command = good_blob(2);

    (void)state;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x1000);
    (void)bench_map(bench, 2, 0);
    (void)bench_send(bench, &command, sizeof(command));
    assert_int_equal(bench_answer(bench_flush(bench, 2, 0, 0, 16, 16)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_flush(bench, 2, 8, 8, UINT32_MAX, UINT32_MAX)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench->sink.damage.x, 8);
    assert_int_equal(bench->sink.damage.width, 8);
    assert_int_equal(bench_answer(bench_flush(bench, 2, UINT32_MAX, UINT32_MAX, 9, 9)),
                     PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_no_memory_for_a_frame(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 4096, 2048); /* half of the limit; its frame is twice that */
    assert_int_equal(bench_answer(set(bench, 0, 1, (struct pv_gpu_rect){0, 0, 4096, 2048})),
                     PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(bench_answer(set(bench, 0, 1, (struct pv_gpu_rect){0, 0, 16, 16})),
                     PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_a_guest_blob_is_read_at_flush(void **state)
{
    const struct pv_gpu_cmd_create_blob create = {
        .header.type = PV_GPU_CMD_RESOURCE_CREATE_BLOB,
        .resource_id = 2,
        .blob_mem = PV_GPU_BLOB_MEM_GUEST,
        .entry_count = 1,
        .size_bytes = 4096,
    };
    const struct pv_gpu_backing_entry entry = {.addr = BENCH_GUEST_ADDR + 4096, .size_bytes = 4096};
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_set_scanout_blob command = good_blob(2);

    (void)state;
    memset(bench->guest + 4096, 0x42, 4096);
    (void)bench_send_raw(bench, 0, &create, sizeof(create), &entry, sizeof(entry), 24);
    assert_int_equal(bench_answer(bench_send(bench, &command, sizeof(command))), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_flush(bench, 2, 0, 0, 16, 16)), PV_GPU_OK_NODATA);
    assert_int_equal(shown(bench, 100), 0x42);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_picture_is_copied_at_flush),
        cmocka_unit_test(test_set_refuses_bad_values),
        cmocka_unit_test(test_set_blob_refuses_bad_values),
        cmocka_unit_test(test_a_blob_with_stride_and_offset),
        cmocka_unit_test(test_a_pending_blob_is_shown_when_it_is_there),
        cmocka_unit_test(test_a_later_setting_wins),
        cmocka_unit_test(test_blobs_without_pages),
        cmocka_unit_test(test_unref_switches_off),
        cmocka_unit_test(test_flush_refuses_bad_values),
        cmocka_unit_test(test_flush_of_a_blob_may_name_any_rect),
        cmocka_unit_test(test_no_memory_for_a_frame),
        cmocka_unit_test(test_a_guest_blob_is_read_at_flush),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
