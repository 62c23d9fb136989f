/* SPDX-License-Identifier: MIT */
/*
 * The virtio-gpu device with any one of its calls failing: the guest gets an answer to everything
 * it asked, an error at worst, and what it asks afterwards works.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fault_loop.h"
#include "guestmem/space.h"
#include "os/shm.h"
#include "support/fake_guest.h"
#include "support/gpu_bench.h"

#define MAPPABLE  PV_GPU_BLOB_FLAG_MAPPABLE
#define SHAREABLE PV_GPU_BLOB_FLAG_SHAREABLE

/* Answers what the device has asked of contexts since call number *done. */
static void answer_contexts(struct bench *bench, size_t *done)
{
    for (; *done < bench->fake.call_count; (*done)++) {
        const struct fake_call call = bench->fake.calls[*done];
        struct pv_gpu_exported exported = {
            .fd = -1, .size_bytes = call.size_bytes, .map_info = PV_GPU_MAP_CACHE_CACHED};
        bool is_live = false;

        for (size_t i = 0; i < bench->fake.context_count; i++) {
            is_live =
                is_live
                || (bench->fake.contexts[i].live && bench->fake.contexts[i].id == call.context_id);
        }
        if (!is_live) {
            continue;
        }
        if (call.op == FAKE_EXPORT) {
            inject_pause();
            assert_int_equal(pv_os_shm_create("fake", call.size_bytes, &exported.fd), 0);
            inject_resume();
            fake_answer_export(&bench->fake, &call, &exported);
        } else if (call.op == FAKE_PLACE || call.op == FAKE_LEAVE) {
            fake_answer(&bench->fake, &call, 0);
        } else if (call.op == FAKE_SUBMIT && call.fenced) {
            fake_retire(&bench->fake, call.context_id, call.ring_index, call.fence_id);
        }
    }
}

static void queries(struct bench *bench)
{
    BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_GET_DISPLAY_INFO);
    BENCH(bench, struct pv_gpu_cmd_get_edid, .header.type = PV_GPU_CMD_GET_EDID);
    BENCH(bench, struct pv_gpu_cmd_get_capset_info, .header.type = PV_GPU_CMD_GET_CAPSET_INFO);
    BENCH(bench, struct pv_gpu_cmd_get_capset, .header.type = PV_GPU_CMD_GET_CAPSET,
          .capset_id = PV_GPU_CAPSET_ID_VENUS);
}

/* A 2D picture, shown, flushed and taken down. id, and id + 1 for the cursor. */
static void picture(struct bench *bench, uint32_t id)
{
    const struct pv_gpu_rect rect = {0, 0, 64, 64};

    for (uint32_t i = id; i < id + 2; i++) {
        const struct pv_gpu_cmd_attach_backing backing = {
            .header.type = PV_GPU_CMD_RESOURCE_ATTACH_BACKING, .resource_id = i, .entry_count = 2};
        const struct pv_gpu_backing_entry entries[2] = {{BENCH_GUEST_ADDR, 8192, 0},
                                                        {BENCH_GUEST_ADDR + 16384, 8192, 0}};

        BENCH(bench, struct pv_gpu_cmd_create_2d, .header.type = PV_GPU_CMD_RESOURCE_CREATE_2D,
              .resource_id = i, .format = PV_GPU_FORMAT_BGRX, .width = 64, .height = 64);
        (void)bench_send_raw(bench, PV_GPU_QUEUE_CONTROL, &backing, sizeof(backing), entries,
                             sizeof(entries), sizeof(struct pv_gpu_header));
        BENCH(bench, struct pv_gpu_cmd_transfer_2d, .header.type = PV_GPU_CMD_TRANSFER_TO_HOST_2D,
              .rect = rect, .resource_id = i);
    }
    BENCH(bench, struct pv_gpu_cmd_set_scanout, .header.type = PV_GPU_CMD_SET_SCANOUT, .rect = rect,
          .resource_id = id);
    bench_flush(bench, id, 0, 0, 64, 64);
    (void)bench_send_raw(
        bench, PV_GPU_QUEUE_CURSOR,
        &(struct pv_gpu_cmd_cursor){.header.type = PV_GPU_CMD_UPDATE_CURSOR, .resource_id = id + 1},
        sizeof(struct pv_gpu_cmd_cursor), NULL, 0, sizeof(struct pv_gpu_header));
    bench_resource(bench, PV_GPU_CMD_RESOURCE_DETACH_BACKING, 0, id);
    bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, id);
    bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, id + 1);
}

/* A context's memory: shared, exported, attached elsewhere, mapped, on the screen, and given up. */
static void blobs(struct bench *bench, uint32_t id, size_t *done)
{
    const struct pv_gpu_cmd_set_scanout_blob scanout = {
        .header.type = PV_GPU_CMD_SET_SCANOUT_BLOB,
        .rect = {0, 0, 16, 16},
        .resource_id = id + 1,
        .width = 16,
        .height = 16,
        .format = PV_GPU_FORMAT_BGRX,
        .strides = {64},
    };

    bench_blob(bench, id, id, 0, 8192, MAPPABLE);
    bench_map(bench, id, (uint64_t)id << 14);
    bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, id, id);
    bench_blob(bench, id, id + 1, 77, 4096, MAPPABLE | SHAREABLE);
    answer_contexts(bench, done);
    bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, id + 1, id + 1);
    bench_send(bench, &scanout, sizeof(scanout));
    bench_flush(bench, id + 1, 0, 0, 16, 16);
    bench_blob(bench, id, id + 2, 78, 4096, MAPPABLE);
    answer_contexts(bench, done);
    bench_map(bench, id + 2, ((uint64_t)id << 14) + 8192);
    answer_contexts(bench, done);
    bench_resource(bench, PV_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, id + 2);
    bench_resource(bench, PV_GPU_CMD_CTX_DETACH_RESOURCE, id + 1, id + 1);
    answer_contexts(bench, done);
    for (uint32_t i = id; i < id + 3; i++) {
        bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, i);
    }
    answer_contexts(bench, done);
}

/* Everything that a guest does, with ids from id on: two contexts, five resources. */
static void work(struct bench *bench, uint32_t id)
{
    size_t done = bench->fake.call_count;

    queries(bench);
    picture(bench, id + 5);
    for (uint32_t i = id; i < id + 2; i++) {
        BENCH(bench, struct pv_gpu_cmd_context_create,
              .header = {.type = PV_GPU_CMD_CTX_CREATE, .context_id = i},
              .context_init = PV_GPU_CAPSET_ID_VENUS, .name = "bench", .name_bytes = 5);
    }
    blobs(bench, id, &done);
    bench_submit(bench, id, PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX, 0, 5, "abcd", 4);
    bench_submit(bench, id, PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX, 3, 6, "", 0);
    answer_contexts(bench, &done);
    for (uint32_t i = id; i < id + 2; i++) {
        BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_CTX_DESTROY, .context_id = i);
    }
    answer_contexts(bench, &done);
}

/* All that was sent since last: answered, and if wanted with success. */
static void check_answers(const struct bench *bench, const struct bench_element *last, bool strict)
{
    for (const struct bench_element *element = bench->elements; element != last;
         element = element->next) {
        uint32_t type = bench_answer(element);

        assert_true(element->completed);
        assert_in_range(type, PV_GPU_OK_NODATA, PV_GPU_ERR_INVALID_PARAMETER);
        if (strict) {
            uint32_t asked;

            memcpy(&asked, element->readable, sizeof(asked));
            if (type >= PV_GPU_ERR_UNSPEC) {
                fail_msg("command 0x%x was answered with 0x%x", asked, type);
            }
        }
    }
}

/* Resources whose end the guest was told to have failed. */
static uint32_t refused_unrefs(const struct bench *bench)
{
    uint32_t count = 0;

    for (const struct bench_element *element = bench->elements; element != NULL;
         element = element->next) {
        uint32_t asked;

        memcpy(&asked, element->readable, sizeof(asked));
        count +=
            asked == PV_GPU_CMD_RESOURCE_UNREF && bench_answer(element) == PV_GPU_ERR_OUT_OF_MEMORY;
    }
    return count;
}

static void life(void)
{
    struct bench *bench = bench_prepare();
    const struct bench_element *last;
    int r;

    inject_resume();
    r = bench_start(bench);
    if (r == 0) {
        work(bench, 10);
        check_answers(bench, NULL, false);
    }
    inject_pause();
    assert_true(r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENOSPC || r == -EPERM);
    assert_true(r == 0 || inject_seen()->fired > 0);
    if (r == 0) {
        /* Whatever had failed: all is as new. */
        last = bench->elements;
        assert_int_equal(bench->device->resource_count, refused_unrefs(bench));
        work(bench, 20);
        check_answers(bench, last, true);
        inject_resume();
        bench->ops->reset(bench->device);
        inject_pause();
        assert_int_equal(bench->device->memory_used_bytes, 0);
        assert_true(bench_still_answers(bench));
    }
    bench_close(bench);
}

static void life_of_memory(void)
{
    struct pv_guestmem_space *space = NULL;
    struct pv_guestmem_region regions[2] = {{.addr = 0x1000, .size_bytes = 0x1000},
                                            {.addr = 0x8000, .size_bytes = 0x1000}};
    uint8_t bytes[4096];
    int r;

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pv_os_shm_create("guest", 0x1000, &regions[i].fd), 0);
    }
    inject_resume();
    r = pv_guestmem_space_create(&space);
    if (r == 0) {
        r = pv_guestmem_space_replace(space, regions, 2);
    } else {
        close(regions[0].fd);
        close(regions[1].fd);
    }
    if (r == 0) {
        assert_int_equal(pv_guestmem_space_copy_in(space, 0x1000, bytes, sizeof(bytes)),
                         sizeof(bytes));
    }
    pv_guestmem_space_destroy(space);
    inject_pause();
    assert_true(r == 0 ? inject_seen()->fired == 0 : r == -ENOMEM || r == -EMFILE);
}

/* ---- its queue ---- */

#define QUEUE_SIZE   8u
#define QUEUE_DATA   (FAKE_GUEST_ADDR + (1u << 20))
#define ANSWER_BYTES 408u /* more than an element has in itself */

static void on_element(void *user, uint32_t queue_index, struct pv_virtio_element *element)
{
    static const uint8_t answer[ANSWER_BYTES];
    uint32_t word = 0;

    (void)user;
    (void)queue_index;
    assert_int_equal(element->ops->read(element, &word, sizeof(word)), sizeof(word));
    (void)element->ops->write(element, answer, sizeof(answer));
    element->ops->complete(element);
}

static void ignore(void *user, uint32_t queue_index)
{
    (void)user;
    (void)queue_index;
}

/* Whatever there is no memory for, each request is answered, in order. */
static void life_of_a_queue(void)
{
    static const struct pv_virtio_queue_ops ops = {
        .element = on_element, .interrupt = ignore, .broken = ignore};
    struct fake_guest guest;
    struct pv_virtio_queue *queue = NULL;
    int r;

    assert_int_equal(fake_guest_init(&guest, QUEUE_SIZE), 0);
    for (uint16_t head = 0; head < QUEUE_SIZE; head += 2) {
        fake_guest_describe(&guest, head, QUEUE_DATA, 4, FAKE_NEXT, head + 1);
        fake_guest_describe(&guest, head + 1u, QUEUE_DATA + 64, ANSWER_BYTES, FAKE_WRITE, 0);
        fake_guest_publish(&guest, head);
    }
    inject_resume();
    r = pv_virtio_queue_create(NULL, guest.space, &ops, NULL, 0, &queue);
    if (r == 0) {
        assert_true(pv_virtio_queue_start(queue, &guest.place));
        for (int turn = 0; turn < 3 && pv_virtio_queue_process(queue); turn++) {
            assert_true(pv_virtio_queue_is_short_of_memory(queue)); /* all others fit in one */
        }
        assert_false(pv_virtio_queue_is_short_of_memory(queue));
    }
    inject_pause();
    if (r == 0) {
        assert_int_equal(fake_guest_used_idx(&guest), QUEUE_SIZE / 2);
        for (uint16_t i = 0; i < QUEUE_SIZE / 2; i++) {
            uint32_t head;
            uint32_t bytes;

            fake_guest_used(&guest, i, &head, &bytes);
            assert_int_equal(head, 2 * i);
            assert_true(bytes == ANSWER_BYTES || (bytes == 0 && inject_seen()->fired > 0));
        }
    } else {
        assert_int_equal(r, -ENOMEM);
    }
    pv_virtio_queue_destroy(queue);
    fake_guest_finish(&guest);
}

#define TEST(name, class, lived)                                                                   \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        fault_loop_run(class, lived);                                                              \
    }

TEST(test_allocations, INJECT_ALLOC, life)
TEST(test_maps, INJECT_MAP, life)
TEST(test_descriptors, INJECT_DESCRIPTOR, life)
TEST(test_guest_memory_allocations, INJECT_ALLOC, life_of_memory)
TEST(test_guest_memory_maps, INJECT_MAP, life_of_memory)
TEST(test_queue_allocations, INJECT_ALLOC, life_of_a_queue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_allocations),       FAULT_TEST(test_maps),
        FAULT_TEST(test_descriptors),       FAULT_TEST(test_guest_memory_allocations),
        FAULT_TEST(test_guest_memory_maps), FAULT_TEST(test_queue_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
