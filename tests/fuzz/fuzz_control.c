/* SPDX-License-Identifier: MIT */
/*
 * Target: the control and cursor queues over guest memory. The input writes the guest's memory
 * (descriptors, indirect tables, rings, requests), rings the doorbell, answers for the renderer,
 * and pauses, resets and reconfigures the device meanwhile.
 *
 * One action that builds a good chain around a request of the input gives depth; others write
 * whatever they like wherever they like, the rings included.
 */
#include "fuzz/fuzz.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/backend.h"
#include "gpu/device.h"
#include "gpu/protocol.h"
#include "guestmem/space.h"
#include "os/shm.h"
#include "virtio/queue.h"

/* As in tests/support/vhost_user.py, whose requests are recorded. Touched sparsely. */
#define RAM_ADDR      UINT64_C(0x100000)
#define RAM_BYTES     ((size_t)1 << 20)
#define WINDOW_ADDR   UINT64_C(0x4000000000)
#define WINDOW_BYTES  UINT64_C(0x100000)
#define LIMIT_BYTES   UINT64_C(0x1000000)
#define ACTIONS_MAX   128u
#define QUEUE_SIZE    64u
#define QUEUE_STRIDE  0x4000u /* of the queues' rings in RAM */
#define TABLES_OFFSET 0x8000u /* indirect tables: one page each, 8 of them */
#define BYTES_OFFSET  0x10000u
#define CLIMB_BYTES   0x400u /* between requests */

struct fuzz_control {
    struct pv_base_log log;
    struct fuzz_backend backend;
    struct pv_gpu_device *device;
    const struct pv_virtio_device_ops *ops;
    struct pv_virtio_transport transport;
    struct pv_guestmem_space *space;
    struct pv_virtio_queue *queues[PV_GPU_QUEUE_COUNT];
    struct pv_virtio_queue_place places[PV_GPU_QUEUE_COUNT];
    uint8_t *ram;
    int ram_fd;
    int window_fd;
    bool is_live;
    bool is_running;
    unsigned requests;
};

/* ---- what the device is told, and tells ---- */

static void on_element(void *user, uint32_t queue_index, struct pv_virtio_element *element)
{
    struct fuzz_control *fuzz = user;

    FUZZ_CHECK(fuzz->is_live && fuzz->is_running);
    fuzz->ops->queue_element(fuzz->device, queue_index, element);
}

static void on_queue_event(void *user, uint32_t queue_index)
{
    (void)user;
    FUZZ_CHECK(queue_index < PV_GPU_QUEUE_COUNT);
}

static const struct pv_virtio_queue_ops queue_ops = {
    .element = on_element,
    .interrupt = on_queue_event,
    .broken = on_queue_event,
};

static void on_config(void *user)
{
    (void)user;
}

static const struct pv_virtio_transport_ops transport_ops = {.config_changed = on_config};

/* What clients of the control socket would read lies inside the memory that they get. */
static void check_frame(const struct pv_gpu_frame_view *frame)
{
    struct stat status;

    if (frame->fd < 0 || frame->width_px == 0) {
        return;
    }
    FUZZ_CHECK(fstat(frame->fd, &status) == 0 && (uint64_t)status.st_size >= frame->size_bytes);
    FUZZ_CHECK((uint64_t)frame->width_px * 4 <= frame->stride_bytes);
    FUZZ_CHECK((uint64_t)frame->stride_bytes * frame->height_px <= frame->buffer_bytes);
    FUZZ_CHECK(frame->buffers_offset_bytes + 2 * frame->buffer_bytes <= frame->size_bytes);
}

static void on_scanout(void *user, uint32_t index, const struct pv_gpu_frame_view *frame)
{
    (void)user;
    FUZZ_CHECK(index < 2);
    check_frame(frame);
}

static void on_frame(void *user, uint32_t index, const struct pv_gpu_rect *damage)
{
    (void)user;
    FUZZ_CHECK(index < 2 && damage->width > 0 && damage->height > 0);
}

static void on_cursor(void *user, uint32_t index, const struct pv_gpu_cursor_view *cursor)
{
    (void)user;
    FUZZ_CHECK(index < 2 && cursor->image.width_px <= 256 && cursor->image.height_px <= 256);
}

static const struct pv_gpu_sink_ops sink_ops = {
    .scanout_changed = on_scanout,
    .frame_changed = on_frame,
    .cursor_changed = on_cursor,
};

/* ---- life ---- */

static void table_set(struct fuzz_control *fuzz, size_t size_bytes)
{
    struct pv_guestmem_region regions[2] = {
        {.addr = RAM_ADDR, .size_bytes = size_bytes, .fd = dup(fuzz->ram_fd)},
        /* The guest's view of the window: never to be reached by an address. */
        {.addr = WINDOW_ADDR, .size_bytes = WINDOW_BYTES, .fd = dup(fuzz->window_fd)},
    };

    FUZZ_CHECK(pv_guestmem_space_replace(fuzz->space, regions, 2) == 0);
}

static void life_begin(struct fuzz_control *fuzz)
{
    fuzz->ops->start(fuzz->device, fuzz->ops->features(fuzz->device), true);
    fuzz->is_live = true;
    fuzz->is_running = true;
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        fuzz->places[i] = (struct pv_virtio_queue_place){
            .size = QUEUE_SIZE,
            .descriptor_addr = RAM_ADDR + (uint64_t)i * QUEUE_STRIDE,
            .available_addr = RAM_ADDR + (uint64_t)i * QUEUE_STRIDE + 0x1000,
            .used_addr = RAM_ADDR + (uint64_t)i * QUEUE_STRIDE + 0x2000,
            .has_event_index = i == 0,
        };
        memset(fuzz->ram + (size_t)i * QUEUE_STRIDE + 0x1000, 0, 0x2000);
        (void)!pv_virtio_queue_start(fuzz->queues[i], &fuzz->places[i]);
    }
}

static void life_end(struct fuzz_control *fuzz)
{
    struct pv_gpu_statistics statistics;

    if (!fuzz->is_live) {
        return;
    }
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        (void)pv_virtio_queue_stop(fuzz->queues[i]);
    }
    fuzz->is_live = false;
    fuzz->ops->reset(fuzz->device);
    pv_gpu_device_get_statistics(fuzz->device, &statistics);
    FUZZ_CHECK(fuzz->backend.live_count == 0 && statistics.held_count == 0);
    FUZZ_CHECK(statistics.resource_count == 0 && statistics.memory_used_bytes == 0);
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        pv_virtio_queue_reset(fuzz->queues[i]);
    }
}

static void pause_or_resume(struct fuzz_control *fuzz)
{
    if (fuzz->is_running) {
        for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
            fuzz->places[i].next_available = pv_virtio_queue_stop(fuzz->queues[i]);
        }
        fuzz->ops->pause(fuzz->device);
    } else {
        fuzz->ops->resume(fuzz->device);
        for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
            (void)!pv_virtio_queue_start(fuzz->queues[i], &fuzz->places[i]);
        }
    }
    fuzz->is_running = !fuzz->is_running;
}

static void set_up(struct fuzz_control *fuzz)
{
    static const uint8_t capset[16] = {0xc0, 0xc1, 0xc2, 0xc3};
    struct pv_gpu_device_options options = {
        .size_bytes = sizeof(options),
        .log = &fuzz->log,
        .window_size_bytes = WINDOW_BYTES,
        .memory_limit_bytes = LIMIT_BYTES,
        .context_ops = &fuzz_backend_ops,
        .context_backend = &fuzz->backend,
        .capset_id = PV_GPU_CAPSET_ID_VENUS,
        .capset = capset,
        .capset_bytes = sizeof(capset),
        .scanout_count = 2,
        .width_px = 640,
        .height_px = 480,
        .sink_ops = &sink_ops,
        .sink = fuzz,
    };
    void *memory;

    memset(fuzz, 0, sizeof(*fuzz));
    fuzz_log_init(&fuzz->log);
    fuzz_backend_init(&fuzz->backend);
    fuzz->ram_fd = fuzz_memfd(RAM_BYTES, true);
    fuzz->window_fd = fuzz_memfd(WINDOW_BYTES, true);
    FUZZ_CHECK(fuzz->ram_fd >= 0 && fuzz->window_fd >= 0);
    FUZZ_CHECK(pv_os_shm_map(fuzz->ram_fd, 0, RAM_BYTES, &memory) == 0);
    fuzz->ram = memory;
    FUZZ_CHECK(pv_guestmem_space_create(&fuzz->space) == 0);
    FUZZ_CHECK(pv_guestmem_space_exclude(fuzz->space, fuzz->window_fd) == 0);
    table_set(fuzz, RAM_BYTES);
    options.window_fd = fuzz->window_fd;
    FUZZ_CHECK(pv_gpu_device_create(&options, &fuzz->device) == 0);
    fuzz->ops = pv_gpu_device_virtio_ops();
    fuzz->transport = (struct pv_virtio_transport){
        .ops = &transport_ops, .transport = fuzz, .guest_memory = fuzz->space};
    fuzz->ops->attach(fuzz->device, &fuzz->transport);
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        FUZZ_CHECK(
            pv_virtio_queue_create(&fuzz->log, fuzz->space, &queue_ops, fuzz, i, &fuzz->queues[i])
            == 0);
    }
    life_begin(fuzz);
}

static void tear_down(struct fuzz_control *fuzz)
{
    life_end(fuzz);
    fuzz->ops->detach(fuzz->device);
    pv_gpu_device_destroy(fuzz->device);
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        pv_virtio_queue_destroy(fuzz->queues[i]);
    }
    pv_guestmem_space_destroy(fuzz->space);
    pv_os_shm_unmap(fuzz->ram, RAM_BYTES);
    close(fuzz->ram_fd);
    close(fuzz->window_fd);
    fuzz_backend_check(&fuzz->backend);
}

/* ---- the guest's hand ---- */

struct descriptor {
    uint64_t addr;
    uint32_t size_bytes;
    uint16_t flags;
    uint16_t next;
};

static void describe(struct fuzz_control *fuzz, size_t table, uint32_t index, uint64_t addr,
                     uint32_t size_bytes, uint16_t flags, uint16_t next)
{
    const struct descriptor descriptor = {addr, size_bytes, flags, next};

    memcpy(fuzz->ram + table + 16 * (size_t)index, &descriptor, sizeof(descriptor));
}

static void publish(struct fuzz_control *fuzz, uint32_t queue, uint16_t head, uint16_t steps)
{
    uint8_t *available = fuzz->ram + (size_t)queue * QUEUE_STRIDE + 0x1000;
    uint16_t index;

    memcpy(&index, available + 2, 2);
    memcpy(available + 4 + 2 * (size_t)(index % QUEUE_SIZE), &head, 2);
    index = (uint16_t)(index + steps);
    memcpy(available + 2, &index, 2);
}

static void ring_bell(struct fuzz_control *fuzz, uint32_t queue)
{
    for (unsigned turn = 0; turn < 4 && pv_virtio_queue_process(fuzz->queues[queue]); turn++) {
    }
}

/*
 * A request in a good chain: flags choose the queue, a direct or an indirect table, in how many
 * parts it lies, and how much room the answer has.
 */
static void request(struct fuzz_control *fuzz, struct fuzz_input *in)
{
    const uint8_t flags = fuzz_u8(in);
    const uint8_t room = fuzz_u8(in);
    const uint32_t queue = (flags & 1) != 0 && (flags & 2) != 0 ? 1 : 0;
    const bool is_indirect = (flags & 4) != 0;
    const uint32_t slot = fuzz->requests++ % 16;
    const uint64_t bytes_at = BYTES_OFFSET + (uint64_t)slot * CLIMB_BYTES;
    const size_t table =
        is_indirect ? TABLES_OFFSET + (size_t)(slot % 8) * 0x1000 : (size_t)queue * QUEUE_STRIDE;
    uint32_t first = is_indirect ? 0 : slot * 4;
    struct fuzz_input part = fuzz_part(in);
    const uint32_t size_bytes =
        (uint32_t)(fuzz_left_bytes(&part) < CLIMB_BYTES ? fuzz_left_bytes(&part) : CLIMB_BYTES);
    const uint32_t cut_bytes = (flags & 8) != 0 ? size_bytes / 2 : size_bytes;
    const uint32_t room_bytes = room < 128 ? room : room == 255 ? 0x10000 : 2048;
    uint32_t at = first;

    if (size_bytes > 0) {
        memcpy(fuzz->ram + bytes_at, part.at, size_bytes);
    }
    describe(fuzz, table, at, RAM_ADDR + bytes_at, cut_bytes, 1, (uint16_t)(at + 1));
    at++;
    if (cut_bytes < size_bytes) {
        describe(fuzz, table, at, RAM_ADDR + bytes_at + cut_bytes, size_bytes - cut_bytes, 1,
                 (uint16_t)(at + 1));
        at++;
    }
    describe(fuzz, table, at, RAM_ADDR + RAM_BYTES - 0x10000, room_bytes, 2, 0);
    at++;
    if (is_indirect) {
        first = slot;
        describe(fuzz, (size_t)queue * QUEUE_STRIDE, slot, RAM_ADDR + table, 16 * at, 4, 0);
    }
    publish(fuzz, queue, (uint16_t)first, 1);
    if ((flags & 0x80) == 0) {
        ring_bell(fuzz, queue);
    }
}

static void write_ram(struct fuzz_control *fuzz, struct fuzz_input *in)
{
    const size_t at = (size_t)fuzz_u16(in) * 4 % RAM_BYTES;
    const size_t want_bytes = fuzz_u8(in);
    size_t size_bytes;
    const uint8_t *bytes = fuzz_take(in, want_bytes, &size_bytes);

    if (size_bytes > RAM_BYTES - at) {
        size_bytes = RAM_BYTES - at;
    }
    if (size_bytes > 0) {
        memcpy(fuzz->ram + at, bytes, size_bytes);
    }
}

static void raw_descriptor(struct fuzz_control *fuzz, struct fuzz_input *in)
{
    const uint8_t where = fuzz_u8(in);
    const size_t table = where < 128   ? 0
                         : where < 160 ? QUEUE_STRIDE
                                       : TABLES_OFFSET + (size_t)(where % 8) * 0x1000;
    const uint8_t index = fuzz_u8(in);
    const uint64_t addr = RAM_ADDR + fuzz_size(in);
    const uint32_t size_bytes = (uint32_t)fuzz_size(in);
    const uint8_t flags = fuzz_u8(in);

    describe(fuzz, table, index % (table < TABLES_OFFSET ? QUEUE_SIZE : 256), addr, size_bytes,
             flags & 7, fuzz_u8(in));
}

static void configure(struct fuzz_control *fuzz, struct fuzz_input *in)
{
    uint8_t bytes[16];
    const uint32_t offset = fuzz_u8(in) % 17;
    const size_t size_bytes = fuzz_u8(in) % (17 - offset);

    fuzz->ops->config_read(fuzz->device, offset, bytes, size_bytes);
    fuzz_fill(in, bytes, size_bytes);
    fuzz->ops->config_write(fuzz->device, offset, bytes, size_bytes);
}

static void act(struct fuzz_control *fuzz, struct fuzz_input *in)
{
    const uint8_t what = fuzz_u8(in);
    uint8_t byte;

    switch (what % 16) {
    case 0:
        write_ram(fuzz, in);
        break;
    case 1:
        raw_descriptor(fuzz, in);
        break;
    case 2:
        byte = fuzz_u8(in);
        publish(fuzz, byte & 1, fuzz_u8(in), (byte & 2) != 0 ? fuzz_u16(in) : 1);
        break;
    case 3:
        ring_bell(fuzz, fuzz_u8(in) & 1);
        break;
    case 4:
    case 5:
        fuzz_backend_act(&fuzz->backend, in);
        break;
    case 6:
        pause_or_resume(fuzz);
        break;
    case 7:
        byte = fuzz_u8(in);
        if (byte < 64) {
            life_end(fuzz);
            life_begin(fuzz);
        } else if (byte < 128) {
            configure(fuzz, in);
        } else if (byte < 192) {
            (void)!pv_gpu_device_set_mode(fuzz->device, byte & 1, fuzz_u16(in), fuzz_u16(in));
        } else {
            table_set(fuzz, (byte & 1) != 0 ? RAM_BYTES : RAM_BYTES / 2);
        }
        break;
    default:
        request(fuzz, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static struct fuzz_control fuzz;
    struct fuzz_input in = {bytes, bytes + size_bytes};

    fuzz_begin();
    set_up(&fuzz);
    for (unsigned i = 0; i < ACTIONS_MAX && fuzz_left_bytes(&in) > 0; i++) {
        act(&fuzz, &in);
    }
    tear_down(&fuzz);
    fuzz_end();
    return 0;
}
