/* SPDX-License-Identifier: MIT */
/*
 * The bench; see gpu_bench.h.
 */
#include "support/gpu_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "guestmem/space.h"
#include "os/shm.h"

static size_t element_read(struct pv_virtio_element *base, void *ret_bytes, size_t size_bytes)
{
    struct bench_element *element = (struct bench_element *)base;
    const size_t left_bytes = base->readable_bytes - element->read_bytes;
    const size_t step_bytes = size_bytes < left_bytes ? size_bytes : left_bytes;

    memcpy(ret_bytes, element->readable + element->read_bytes, step_bytes);
    element->read_bytes += step_bytes;
    return step_bytes;
}

static size_t element_write(struct pv_virtio_element *base, const void *bytes, size_t size_bytes)
{
    struct bench_element *element = (struct bench_element *)base;
    size_t left_bytes = base->writable_bytes - element->written_bytes;
    const size_t step_bytes = size_bytes < left_bytes ? size_bytes : left_bytes;

    assert_false(element->completed);
    assert_true(element->written_bytes + step_bytes <= sizeof(element->written));
    memcpy(element->written + element->written_bytes, bytes, step_bytes);
    element->written_bytes += step_bytes;
    return step_bytes;
}

static void element_complete(struct pv_virtio_element *base)
{
    struct bench_element *element = (struct bench_element *)base;

    assert_false(element->completed || element->dropped);
    element->completed = true;
    element->order = ++element->bench->completion_count;
}

static void element_drop(struct pv_virtio_element *base)
{
    struct bench_element *element = (struct bench_element *)base;

    assert_false(element->completed || element->dropped);
    element->dropped = true;
}

static const struct pv_virtio_element_ops element_ops = {
    .read = element_read,
    .write = element_write,
    .complete = element_complete,
    .drop = element_drop,
};

static void on_scanout(void *user, uint32_t index, const struct pv_gpu_frame_view *frame)
{
    struct bench *bench = user;

    (void)index;
    bench->sink.scanout_changes++;
    bench->sink.frame = *frame;
}

static void on_frame(void *user, uint32_t index, const struct pv_gpu_rect *damage)
{
    struct bench *bench = user;

    (void)index;
    bench->sink.frame_changes++;
    bench->sink.damage = *damage;
}

static void on_cursor(void *user, uint32_t index, const struct pv_gpu_cursor_view *cursor)
{
    struct bench *bench = user;

    (void)index;
    bench->sink.cursor_changes++;
    bench->sink.cursor = *cursor;
}

static const struct pv_gpu_sink_ops sink_ops = {
    .scanout_changed = on_scanout,
    .frame_changed = on_frame,
    .cursor_changed = on_cursor,
};

static void on_config_changed(void *user)
{
    struct bench *bench = user;

    bench->config_changes++;
}

static const struct pv_virtio_transport_ops transport_ops = {.config_changed = on_config_changed};

static void on_log(void *user, enum pv_base_log_level level, const char *line)
{
    struct bench *bench = user;

    (void)level;
    bench->log_lines++;
    (void)snprintf(bench->log_last, sizeof(bench->log_last), "%s", line);
}

static void open_memory(struct bench *bench)
{
    struct pv_guestmem_region region = {
        .addr = BENCH_GUEST_ADDR,
        .size_bytes = BENCH_GUEST_BYTES,
    };
    void *memory;

    assert_int_equal(pv_os_shm_create("window", BENCH_WINDOW_BYTES, &bench->window_fd), 0);
    assert_int_equal(pv_os_shm_map(bench->window_fd, 0, BENCH_WINDOW_BYTES, &memory), 0);
    bench->window = memory;
    assert_int_equal(pv_os_shm_create("guest", BENCH_GUEST_BYTES, &bench->guest_fd), 0);
    assert_int_equal(pv_os_shm_map(bench->guest_fd, 0, BENCH_GUEST_BYTES, &memory), 0);
    bench->guest = memory;
    assert_int_equal(pv_guestmem_space_create(&bench->transport.guest_memory), 0);
    region.fd = dup(bench->guest_fd);
    assert_int_equal(pv_guestmem_space_replace(bench->transport.guest_memory, &region, 1), 0);
}

struct bench *bench_prepare(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    open_memory(bench);
    pv_base_log_init(&bench->log, "bench");
    bench->log.write = on_log;
    bench->log.user = bench;
    bench->transport.ops = &transport_ops;
    bench->transport.transport = bench;
    return bench;
}

int bench_start(struct bench *bench)
{
    static const uint8_t capset[16] = {0xc0, 0xc1, 0xc2, 0xc3};
    const struct pv_gpu_device_options options = {
        .size_bytes = sizeof(options),
        .log = &bench->log,
        .window_fd = bench->window_fd,
        .window_size_bytes = BENCH_WINDOW_BYTES,
        .memory_limit_bytes = BENCH_MEMORY_LIMIT,
        .context_ops = &fake_context_ops,
        .context_backend = &bench->fake,
        .capset_id = PV_GPU_CAPSET_ID_VENUS,
        .capset = capset,
        .capset_bytes = sizeof(capset),
        .scanout_count = 1,
        .width_px = 1024,
        .height_px = 768,
        .sink_ops = &sink_ops,
        .sink = bench,
    };
    const int r = pv_gpu_device_create(&options, &bench->device);

    if (r < 0) {
        return r;
    }
    bench->ops = pv_gpu_device_virtio_ops();
    bench->ops->attach(bench->device, &bench->transport);
    bench->ops->start(bench->device, bench->ops->features(bench->device), true);
    return 0;
}

struct bench *bench_open(void)
{
    struct bench *bench = bench_prepare();

    assert_int_equal(bench_start(bench), 0);
    return bench;
}

void bench_close(struct bench *bench)
{
    pv_gpu_device_destroy(bench->device);
    for (size_t i = 0; i < bench->fake.context_count; i++) {
        assert_false(bench->fake.contexts[i].live);
    }
    while (bench->elements != NULL) {
        struct bench_element *element = bench->elements;

        bench->elements = element->next;
        assert_true(element->completed || element->dropped);
        free(element->readable);
        free(element);
    }
    pv_guestmem_space_destroy(bench->transport.guest_memory);
    pv_os_shm_unmap(bench->window, BENCH_WINDOW_BYTES);
    pv_os_shm_unmap(bench->guest, BENCH_GUEST_BYTES);
    close(bench->window_fd);
    close(bench->guest_fd);
    free(bench);
}

struct bench_element *bench_send_raw(struct bench *bench, uint32_t queue_index, const void *bytes,
                                     size_t size_bytes, const void *extra, size_t extra_bytes,
                                     size_t writable_bytes)
{
    struct bench_element *element = calloc(1, sizeof(*element));

    assert_non_null(element);
    /* Of the exact size, so that a sanitizer sees a read past the end. */
    element->readable = malloc(size_bytes + extra_bytes > 0 ? size_bytes + extra_bytes : 1);
    assert_non_null(element->readable);
    memcpy(element->readable, bytes, size_bytes);
    if (extra_bytes > 0) {
        memcpy(element->readable + size_bytes, extra, extra_bytes);
    }
    element->bench = bench;
    element->element.ops = &element_ops;
    element->element.readable_bytes = size_bytes + extra_bytes;
    element->element.writable_bytes = writable_bytes;
    element->next = bench->elements;
    bench->elements = element;
    bench->ops->queue_element(bench->device, queue_index, &element->element);
    return element;
}

struct bench_element *bench_send(struct bench *bench, const void *bytes, size_t size_bytes)
{
    return bench_send_raw(bench, PV_GPU_QUEUE_CONTROL, bytes, size_bytes, NULL, 0, 2048);
}

uint32_t bench_answer(const struct bench_element *element)
{
    uint32_t type;

    assert_false(element->dropped);
    if (!element->completed) {
        return 0;
    }
    assert_true(element->written_bytes >= sizeof(struct pv_gpu_header));
    memcpy(&type, element->written, sizeof(type));
    return type;
}

const void *bench_payload(const struct bench_element *element)
{
    assert_true(element->completed);
    return element->written + sizeof(struct pv_gpu_header);
}

void bench_context(struct bench *bench, uint32_t context_id, uint32_t capset_id)
{
    const struct bench_element *element =
        BENCH(bench, struct pv_gpu_cmd_context_create,
              .header = {.type = PV_GPU_CMD_CTX_CREATE, .context_id = context_id},
              .context_init = capset_id, .name = "bench", .name_bytes = 5);

    assert_int_equal(bench_answer(element), PV_GPU_OK_NODATA);
}

void bench_2d(struct bench *bench, uint32_t resource_id, uint32_t width, uint32_t height)
{
    const struct bench_element *element = BENCH(
        bench, struct pv_gpu_cmd_create_2d, .header.type = PV_GPU_CMD_RESOURCE_CREATE_2D,
        .resource_id = resource_id, .format = PV_GPU_FORMAT_BGRX, .width = width, .height = height);

    assert_int_equal(bench_answer(element), PV_GPU_OK_NODATA);
}

void bench_back(struct bench *bench, uint32_t resource_id, uint64_t addr, uint32_t size_bytes)
{
    const struct pv_gpu_cmd_attach_backing command = {
        .header.type = PV_GPU_CMD_RESOURCE_ATTACH_BACKING,
        .resource_id = resource_id,
        .entry_count = 1,
    };
    const struct pv_gpu_backing_entry entry = {.addr = addr, .size_bytes = size_bytes};
    const struct bench_element *element =
        bench_send_raw(bench, PV_GPU_QUEUE_CONTROL, &command, sizeof(command), &entry,
                       sizeof(entry), sizeof(struct pv_gpu_header));

    assert_int_equal(bench_answer(element), PV_GPU_OK_NODATA);
}

void bench_shmem(struct bench *bench, uint32_t context_id, uint32_t resource_id,
                 uint64_t size_bytes)
{
    assert_int_equal(bench_answer(bench_blob(bench, context_id, resource_id, 0, size_bytes,
                                             PV_GPU_BLOB_FLAG_MAPPABLE)),
                     PV_GPU_OK_NODATA);
}

struct bench_element *bench_blob(struct bench *bench, uint32_t context_id, uint32_t resource_id,
                                 uint64_t blob_id, uint64_t size_bytes, uint32_t flags)
{
    return BENCH(bench, struct pv_gpu_cmd_create_blob,
                 .header = {.type = PV_GPU_CMD_RESOURCE_CREATE_BLOB, .context_id = context_id},
                 .resource_id = resource_id, .blob_mem = PV_GPU_BLOB_MEM_HOST3D,
                 .blob_flags = flags, .blob_id = blob_id, .size_bytes = size_bytes);
}

struct bench_element *bench_resource(struct bench *bench, uint32_t type, uint32_t context_id,
                                     uint32_t resource_id)
{
    return BENCH(bench, struct pv_gpu_cmd_resource,
                 .header = {.type = type, .context_id = context_id}, .resource_id = resource_id);
}

struct bench_element *bench_map(struct bench *bench, uint32_t resource_id, uint64_t offset_bytes)
{
    return BENCH(bench, struct pv_gpu_cmd_map_blob, .header.type = PV_GPU_CMD_RESOURCE_MAP_BLOB,
                 .resource_id = resource_id, .offset_bytes = offset_bytes);
}

struct bench_element *bench_flush(struct bench *bench, uint32_t resource_id, uint32_t x, uint32_t y,
                                  uint32_t width, uint32_t height)
{
    return BENCH(bench, struct pv_gpu_cmd_flush, .header.type = PV_GPU_CMD_RESOURCE_FLUSH,
                 .rect = {x, y, width, height}, .resource_id = resource_id);
}

struct bench_element *bench_submit(struct bench *bench, uint32_t context_id, uint32_t flags,
                                   uint8_t ring_index, uint64_t fence_id, const void *bytes,
                                   uint32_t size_bytes)
{
    const struct pv_gpu_cmd_submit command = {
        .header = {.type = PV_GPU_CMD_SUBMIT_3D,
                   .flags = flags,
                   .fence_id = fence_id,
                   .context_id = context_id,
                   .ring_index = ring_index},
        .size_bytes = size_bytes,
    };

    return bench_send_raw(bench, PV_GPU_QUEUE_CONTROL, &command, sizeof(command), bytes, size_bytes,
                          sizeof(struct pv_gpu_header));
}

bool bench_still_answers(struct bench *bench)
{
    return bench_answer(BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_GET_DISPLAY_INFO))
           == PV_GPU_OK_DISPLAY_INFO;
}
