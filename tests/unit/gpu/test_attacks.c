/* SPDX-License-Identifier: MIT */
/*
 * Attack classes seen in virtual GPUs, one test each, named after the class. Most twins live beside
 * the good cases of the other files; here are those that span several parts.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/resource.h"
#include "support/gpu_bench.h"

static struct bench_element *unref(struct bench *bench, uint32_t id)
{
    return bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, id);
}

static struct bench_element *set_scanout(struct bench *bench, uint32_t scanout, uint32_t id,
                                         uint32_t side)
{
    return BENCH(bench, struct pv_gpu_cmd_set_scanout, .header.type = PV_GPU_CMD_SET_SCANOUT,
                 .rect = {0, 0, side, side}, .scanout_id = scanout, .resource_id = id);
}

/* CVE-2016-10029 and its kin: an index past the scanouts, to switch on and to switch off. */
static void test_scanout_index_out_of_range(void **state)
{
    static const uint32_t indices[] = {1, 15, 16, 22, 0x7fffffff, UINT32_MAX};
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 64, 64);
    for (size_t i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
        assert_int_equal(bench_answer(set_scanout(bench, indices[i], 1, 64)),
                         PV_GPU_ERR_INVALID_SCANOUT_ID);
        assert_int_equal(bench_answer(set_scanout(bench, indices[i], 0, 64)),
                         PV_GPU_ERR_INVALID_SCANOUT_ID);
    }
    bench_close(bench);
}

/* CVE-2021-3545 and -3546: bytes of an answer that nobody has set. */
static void test_answers_have_no_stray_bytes(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *element;

    (void)state;
    element = BENCH(bench, struct pv_gpu_cmd_get_edid, .header.type = PV_GPU_CMD_GET_EDID);
    for (size_t i = 32 + 128; i < 1056; i++) {
        assert_int_equal(element->written[i], 0);
    }
    element = BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_GET_DISPLAY_INFO);
    for (size_t i = 24 + 24; i < 408; i++) {
        assert_int_equal(element->written[i], 0);
    }
    element = BENCH(bench, struct pv_gpu_header, .type = 0xdead, .fence_id = 77, .context_id = 5);
    for (size_t i = 4; i < 24; i++) {
        assert_int_equal(element->written[i], 0);
    }
    bench_close(bench);
}

/* CVE-2016-7994, -9846, CVE-2017-9060, CVE-2021-3544: loops that leave something behind. */
static void test_leak_loops(void **state)
{
    const struct pv_gpu_backing_entry entry = {.addr = BENCH_GUEST_ADDR, .size_bytes = 4096};
    const struct pv_gpu_cmd_attach_backing attach = {
        .header.type = PV_GPU_CMD_RESOURCE_ATTACH_BACKING,
        .resource_id = 1,
        .entry_count = 1,
    };
    const struct pv_gpu_cmd_cursor cursor = {
        .header.type = PV_GPU_CMD_UPDATE_CURSOR,
        .resource_id = 1,
    };
    struct bench *bench = bench_open();

    (void)state;
    bench->fake.answer_at_once = true;
    bench_2d(bench, 1, 32, 32);
    bench_context(bench, 1, 4);
    for (int i = 0; i < 200; i++) {
        (void)bench_send_raw(bench, 0, &attach, sizeof(attach), &entry, sizeof(entry), 24);
        (void)bench_send_raw(bench, 1, &cursor, sizeof(cursor), NULL, 0, 0);
        (void)set_scanout(bench, 0, 1, 16 + (uint32_t)i % 16);
        (void)bench_blob(bench, 1, 2, 0, 0x1000, 1);
        (void)bench_blob(bench, 1, 2, 3, 0x1000, 1); /* the id is taken */
        (void)bench_map(bench, 2, 0);
        (void)unref(bench, 2);
    }
    assert_int_equal(bench->device->backing_entry_count, 1);
    assert_int_equal(bench->device->resource_count, 1);
    assert_int_equal(bench->device->resource_fd_count, 1);
    /* The picture, one frame and one cursor image. */
    assert_true(bench->device->memory_used_bytes <= 4096 + 3 * 4096 + 3 * 4096);
    assert_int_equal(unref(bench, 1)->completed, 1);
    bench_close(bench);
}

/* CVE-2022-0175: memory that is handed out with somebody else's bytes in it. */
static void test_window_memory_is_never_stale(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench->fake.answer_at_once = true;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    bench_shmem(bench, 1, 1, 0x1000);
    assert_int_equal(bench_answer(bench_map(bench, 1, 0x2000)), PV_GPU_OK_MAP_INFO);
    memcpy(bench->window + 0x2000, "secret", 6);
    assert_int_equal(bench_answer(unref(bench, 1)), PV_GPU_OK_NODATA);
    memcpy(bench->window + 0x2000, "late", 4); /* through a mapping that was kept */
    bench_shmem(bench, 2, 2, 0x1000);
    assert_int_equal(bench_answer(bench_map(bench, 2, 0x2000)), PV_GPU_OK_MAP_INFO);
    assert_int_equal(bench->window[0x2000], 0);
    assert_int_equal(bench->window[0x2004], 0);
    bench_close(bench);
}

/* A 2D resource that a Venus context imports, and a frame that was never drawn, are black. */
static void test_new_pictures_are_black(void **state)
{
    struct bench *bench = bench_open();
    uint8_t bytes[4096];

    (void)state;
    bench_2d(bench, 1, 32, 32);
    assert_int_equal(pv_gpu_pages_read(pv_gpu_resource_find(bench->device, 1), 0, bytes, 4096), 0);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(bytes[i], 0);
    }
    bench_close(bench);
}

/* Use after free: a resource that goes while it is shown, mapped, attached and flushed. */
static void test_unref_while_in_every_use(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *element;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    bench_shmem(bench, 1, 5, 0x1000);
    (void)bench_map(bench, 5, 0);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 5);
    (void)BENCH(bench, struct pv_gpu_cmd_set_scanout_blob,
                .header.type = PV_GPU_CMD_SET_SCANOUT_BLOB, .rect = {0, 0, 16, 16},
                .resource_id = 5, .width = 16, .height = 16, .format = 1, .strides = {64});
    (void)bench_flush(bench, 5, 0, 0, 16, 16);
    (void)bench_submit(bench, 1, PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX, 1, 1, "uses", 4);
    element = unref(bench, 5);
    assert_int_equal(bench->sink.frame.fd, -1);
    assert_int_equal(bench_answer(element), 0);
    assert_int_equal(bench_answer(bench_flush(bench, 5, 0, 0, 16, 16)),
                     PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_CTX_DETACH_RESOURCE, 2, 5)),
                     PV_GPU_ERR_INVALID_RESOURCE_ID);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_LEAVE, 1), 0);
    assert_int_equal(bench_answer(element), 0);
    (void)BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_CTX_DESTROY, .context_id = 2);
    assert_int_equal(bench_answer(element), PV_GPU_OK_NODATA);
    bench_close(bench);
}

/* One program that exhausts memory leaves the device working for the others. */
static void test_exhaustion_is_not_contagious(void **state)
{
    struct bench *bench = bench_open();
    uint32_t id = 1;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    while (bench_answer(bench_blob(bench, 1, id, 0, 0x100000, 1)) == PV_GPU_OK_NODATA) {
        id++;
    }
    assert_int_equal(id - 1, BENCH_MEMORY_LIMIT / 0x100000);
    assert_int_equal(bench_answer(bench_blob(bench, 2, 1000, 0, 0x1000, 1)),
                     PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(bench_answer(bench_submit(bench, 2, 0, 0, 0, "abcd", 4)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unref(bench, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_blob(bench, 2, 1000, 0, 0x1000, 1)), PV_GPU_OK_NODATA);
    assert_true(bench_still_answers(bench));
    bench_close(bench);
}

/* A worker that never answers holds up nothing but what needs it. */
static void test_a_silent_worker(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    for (uint32_t i = 1; i <= 300; i++) {
        (void)bench_blob(bench, 1, i, i, 0x1000, 1);
        (void)bench_map(bench, i, 0x1000);
        (void)bench_submit(bench, 1, PV_GPU_FLAG_FENCE, 0, i, NULL, 0);
    }
    /* Half a queue of requests that wait, and half a queue of fences: the rest was refused. */
    assert_true(bench->device->held_count <= PV_GPU_CONTEXT_HELD_MAX + PV_GPU_CONTEXT_FENCE_MAX);
    bench_2d(bench, 1000, 16, 16);
    assert_int_equal(bench_answer(set_scanout(bench, 0, 1000, 16)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_flush(bench, 1000, 0, 0, 16, 16)), PV_GPU_OK_NODATA);
    bench_shmem(bench, 2, 1001, 0x1000);
    assert_int_equal(bench_answer(bench_map(bench, 1001, 0)), PV_GPU_OK_MAP_INFO);
    bench_close(bench);
}

/* ... and neither do the contexts that wait for one. */
static void test_a_context_that_waits_for_a_silent_worker(void **state)
{
    struct bench *bench = bench_open();
    const uint32_t flags = PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 9, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 9);
    for (uint32_t i = 1; i <= 300; i++) {
        (void)bench_submit(bench, 2, i % 2 == 0 ? flags : 0, 1, i, "abcd", 4);
    }
    assert_true(bench->device->held_count <= 2 + PV_GPU_CONTEXT_HELD_MAX);
    assert_true(bench_still_answers(bench));
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(fake_count(&bench->fake, FAKE_SUBMIT), PV_GPU_CONTEXT_HELD_MAX);
    fake_retire(&bench->fake, 2, 1, PV_GPU_CONTEXT_HELD_MAX);
    assert_int_equal(bench->device->held_count, 0);
    bench_close(bench);
}

/* Time of check, time of use: the guest writes to its requests again once they have been taken. */
static void test_requests_rewritten_while_they_wait(void **state)
{
    struct bench *bench = bench_open();
    const struct pv_gpu_cmd_transfer_2d transfer = {
        .header.type = PV_GPU_CMD_TRANSFER_TO_HOST_2D, .rect = {0, 0, 16, 16}, .resource_id = 7};
    struct bench_element *stream;
    struct bench_element *export;
    const struct fake_call *call;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    export = bench_blob(bench, 1, 9, 77, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 9);
    stream = bench_submit(bench, 2, PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX, 3, 5, "as it was", 8);
    memset(stream->readable, 0xff, stream->element.readable_bytes);
    memset(export->readable, 0xff, export->element.readable_bytes);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    call = fake_last(&bench->fake, FAKE_SUBMIT, 0);
    assert_int_equal(call->context_id, 2);
    assert_int_equal(call->size_bytes, 8);
    assert_int_equal(call->ring_index, 3);
    assert_memory_equal(call->bytes, "as it was", 8);
    fake_retire(&bench->fake, 2, 3, 5);
    assert_int_equal(bench_answer(stream), PV_GPU_OK_NODATA);
    assert_int_equal(((const struct pv_gpu_header *)(void *)stream->written)->fence_id, 5);

    /* The list of a backing: what counts is what it said when it was attached. */
    bench_2d(bench, 7, 16, 16);
    bench_back(bench, 7, BENCH_GUEST_ADDR, 0x1000);
    memset(bench->elements->readable, 0xff, bench->elements->element.readable_bytes);
    memset(bench->guest, 0x5a, 0x1000);
    assert_int_equal(bench_answer(bench_send(bench, &transfer, sizeof(transfer))),
                     PV_GPU_OK_NODATA);
    bench_close(bench);
}

/* Commands at random, on few ids, with a runner that answers now or never: for the sanitizers. */
static void test_random_commands(void **state)
{
    static const uint32_t types[] = {
        PV_GPU_CMD_RESOURCE_CREATE_2D,
        PV_GPU_CMD_RESOURCE_UNREF,
        PV_GPU_CMD_SET_SCANOUT,
        PV_GPU_CMD_RESOURCE_FLUSH,
        PV_GPU_CMD_TRANSFER_TO_HOST_2D,
        PV_GPU_CMD_RESOURCE_ATTACH_BACKING,
        PV_GPU_CMD_RESOURCE_DETACH_BACKING,
        PV_GPU_CMD_RESOURCE_ASSIGN_UUID,
        PV_GPU_CMD_RESOURCE_CREATE_BLOB,
        PV_GPU_CMD_SET_SCANOUT_BLOB,
        PV_GPU_CMD_CTX_CREATE,
        PV_GPU_CMD_CTX_DESTROY,
        PV_GPU_CMD_CTX_ATTACH_RESOURCE,
        PV_GPU_CMD_CTX_DETACH_RESOURCE,
        PV_GPU_CMD_SUBMIT_3D,
        PV_GPU_CMD_RESOURCE_MAP_BLOB,
        PV_GPU_CMD_RESOURCE_UNMAP_BLOB,
        PV_GPU_CMD_UPDATE_CURSOR,
    };
    uint32_t seed = 20251123;

    (void)state;
    for (int round = 0; round < 30; round++) {
        struct bench *bench = bench_open();

        bench->fake.exports_have_fd = round % 2 == 0;
        for (int i = 0; i < 400 && bench->fake.context_count + 1 < FAKE_CONTEXT_MAX; i++) {
            union pv_gpu_command_bytes command = {0};
            uint32_t *words = (uint32_t *)(void *)&command;
            const struct pv_gpu_backing_entry entry = {.addr = BENCH_GUEST_ADDR,
                                                       .size_bytes = 0x4000};
            uint32_t type;

#define NEXT(limit) ((seed = seed * 1664525u + 1013904223u) >> 16) % (limit)
            type = types[NEXT(sizeof(types) / sizeof(types[0]))];
            bench->fake.answer_at_once = NEXT(2) == 0;
            for (size_t word = 6; word < sizeof(command) / 4; word++) {
                words[word] = NEXT(4) == 0 ? 16 : NEXT(4);
            }
            command.header.type = type;
            command.header.flags = NEXT(4);
            command.header.fence_id = NEXT(8);
            command.header.context_id = 1 + NEXT(3);
            command.header.ring_index = (uint8_t)(NEXT(3));
            switch (type) {
            case PV_GPU_CMD_RESOURCE_CREATE_2D:
                command.create_2d.width = command.create_2d.height = 16 + NEXT(3);
                command.create_2d.format = 1;
                break;
            case PV_GPU_CMD_RESOURCE_CREATE_BLOB:
                command.create_blob.blob_mem = 1 + NEXT(2);
                command.create_blob.blob_flags = 1 + NEXT(3);
                command.create_blob.blob_id = NEXT(2);
                command.create_blob.entry_count = command.create_blob.blob_mem == 1;
                command.create_blob.size_bytes = 0x1000 * (1 + NEXT(3));
                break;
            case PV_GPU_CMD_SET_SCANOUT_BLOB:
                command.set_scanout_blob.format = 2;
                command.set_scanout_blob.strides[0] = 64;
                command.set_scanout_blob.offsets[0] = 0;
                command.set_scanout_blob.rect = (struct pv_gpu_rect){0, 0, 16, 16};
                command.set_scanout_blob.width = command.set_scanout_blob.height = 16;
                command.set_scanout_blob.scanout_id = 0;
                break;
            case PV_GPU_CMD_CTX_CREATE:
                command.context_create.context_init = NEXT(3) == 0 ? 0 : 4;
                command.context_create.name_bytes = 4;
                break;
            case PV_GPU_CMD_RESOURCE_ATTACH_BACKING:
                command.attach_backing.entry_count = 1;
                break;
            case PV_GPU_CMD_RESOURCE_MAP_BLOB:
                command.map_blob.offset_bytes = 0x1000 * (uint64_t)(NEXT(8));
                break;
            case PV_GPU_CMD_SUBMIT_3D:
                command.submit.size_bytes = 4 * (NEXT(5));
                break;
            default:
                break;
            }
            /* The fixed part's size, then one entry or stream behind it. */
            {
                static const uint8_t sizes[] = {40, 32, 48, 48, 56, 32, 32, 32, 56,
                                                96, 96, 24, 32, 32, 32, 40, 32, 56};
                size_t at = 0;

                while (types[at] != type) {
                    at++;
                }
                (void)bench_send_raw(bench, type == PV_GPU_CMD_UPDATE_CURSOR ? 1 : 0, &command,
                                     sizes[at], &entry, sizeof(entry), 64);
            }
            if (NEXT(3) == 0 && bench->fake.call_count > 0) {
                const struct fake_call call =
                    bench->fake.calls[NEXT((uint32_t)bench->fake.call_count)];
                bool live = false;

                for (size_t c = 0; c < bench->fake.context_count; c++) {
                    live = live
                           || (bench->fake.contexts[c].live
                               && bench->fake.contexts[c].id == call.context_id);
                }
                if (live && call.op == FAKE_SUBMIT) {
                    fake_retire(&bench->fake, call.context_id, call.ring_index, call.fence_id);
                } else if (live && NEXT(20) == 0) {
                    fake_lose(&bench->fake, call.context_id);
                } else if (live && call.op >= FAKE_LEAVE) {
                    fake_answer(&bench->fake, &call, NEXT(4) == 0 ? -EINVAL : 0);
                }
            }
        }
        assert_true(bench_still_answers(bench));
        bench->ops->reset(bench->device);
        assert_int_equal(bench->device->memory_used_bytes, 0);
        assert_int_equal(bench->device->resource_fd_count, 0);
        assert_int_equal(bench->device->backing_entry_count, 0);
        bench_close(bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scanout_index_out_of_range),
        cmocka_unit_test(test_answers_have_no_stray_bytes),
        cmocka_unit_test(test_leak_loops),
        cmocka_unit_test(test_window_memory_is_never_stale),
        cmocka_unit_test(test_new_pictures_are_black),
        cmocka_unit_test(test_unref_while_in_every_use),
        cmocka_unit_test(test_exhaustion_is_not_contagious),
        cmocka_unit_test(test_a_silent_worker),
        cmocka_unit_test(test_a_context_that_waits_for_a_silent_worker),
        cmocka_unit_test(test_requests_rewritten_while_they_wait),
        cmocka_unit_test(test_random_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
