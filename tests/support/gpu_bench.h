/* SPDX-License-Identifier: MIT */
/*
 * A virtio-gpu device on a bench: fake contexts, a fake sink, guest memory of 1 MiB, a window of
 * 1 MiB, and elements that remember what came back. Commands go in as structs.
 */
#ifndef PV_TESTS_GPU_BENCH_H
#define PV_TESTS_GPU_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "gpu/device.h"
#include "gpu/protocol.h"
#include "gpu/state.h"
#include "support/fake_context.h"
#include "virtio/element.h"

struct pv_guestmem_space;

#define BENCH_WINDOW_BYTES UINT64_C(0x100000)
#define BENCH_GUEST_ADDR   UINT64_C(0x40000000)
#define BENCH_GUEST_BYTES  0x100000u
#define BENCH_MEMORY_LIMIT UINT64_C(0x4000000) /* 64 MiB */

/* One request and its fate. It lives until bench_close. */
struct bench_element {
    struct pv_virtio_element element;
    struct bench_element *next;
    struct bench *bench;
    uint8_t *readable;
    size_t read_bytes;
    uint8_t written[2048];
    size_t written_bytes;
    bool completed;
    bool dropped;
    uint32_t order; /* among all completions, from 1 */
};

struct bench_sink {
    unsigned int scanout_changes;
    unsigned int frame_changes;
    unsigned int cursor_changes;
    struct pv_gpu_frame_view frame;
    struct pv_gpu_rect damage;
    struct pv_gpu_cursor_view cursor;
};

struct bench {
    struct pv_gpu_device *device;
    const struct pv_virtio_device_ops *ops;
    struct pv_virtio_transport transport;
    unsigned int config_changes;
    struct pv_base_log log;
    unsigned int log_lines;
    char log_last[512];
    struct fake_contexts fake;
    struct bench_sink sink;
    int window_fd;
    uint8_t *window; /* our own view */
    int guest_fd;
    uint8_t *guest;
    struct bench_element *elements;
    uint32_t completion_count;
};

/* A started device with one scanout of 1024 x 768 and a capset of 16 bytes 0xc0, 0xc1, ... */
struct bench *bench_open(void);

/* The same in two steps: all but the device, then the device. Returns 0 or -errno. */
struct bench *bench_prepare(void);
int bench_start(struct bench *bench);

/* Destroys everything; fails the test when an element was neither completed nor dropped. */
void bench_close(struct bench *bench);

/* Send a command of size_bytes, then extra_bytes of extra; room for writable_bytes of answer. */
struct bench_element *bench_send_raw(struct bench *bench, uint32_t queue_index, const void *bytes,
                                     size_t size_bytes, const void *extra, size_t extra_bytes,
                                     size_t writable_bytes);

/* The same on the control queue with room enough. */
struct bench_element *bench_send(struct bench *bench, const void *bytes, size_t size_bytes);

/* For struct literals: BENCH(bench, struct pv_gpu_cmd_x, .field = ...). */
#define BENCH(bench, type, ...) bench_send(bench, &(type){__VA_ARGS__}, sizeof(type))

/* Type of the answer; 0 while there is none. Fails the test when it was dropped. */
uint32_t bench_answer(const struct bench_element *element);

/* The answer after its header. */
const void *bench_payload(const struct bench_element *element);

/* Shorthands for good commands that are answered with success at once, or fail the test. */
void bench_context(struct bench *bench, uint32_t context_id, uint32_t capset_id);
void bench_2d(struct bench *bench, uint32_t resource_id, uint32_t width, uint32_t height);
void bench_back(struct bench *bench, uint32_t resource_id, uint64_t addr, uint32_t size_bytes);
void bench_shmem(struct bench *bench, uint32_t context_id, uint32_t resource_id,
                 uint64_t size_bytes);

/* Commands on one resource; these give the element back. */
struct bench_element *bench_blob(struct bench *bench, uint32_t context_id, uint32_t resource_id,
                                 uint64_t blob_id, uint64_t size_bytes, uint32_t flags);
struct bench_element *bench_resource(struct bench *bench, uint32_t type, uint32_t context_id,
                                     uint32_t resource_id);
struct bench_element *bench_map(struct bench *bench, uint32_t resource_id, uint64_t offset_bytes);
struct bench_element *bench_flush(struct bench *bench, uint32_t resource_id, uint32_t x, uint32_t y,
                                  uint32_t width, uint32_t height);
struct bench_element *bench_submit(struct bench *bench, uint32_t context_id, uint32_t flags,
                                   uint8_t ring_index, uint64_t fence_id, const void *bytes,
                                   uint32_t size_bytes);

/* The device answers a harmless question: it lives. */
bool bench_still_answers(struct bench *bench);

#endif
