/* SPDX-License-Identifier: MIT */
/*
 * The whole state of one device, for the files of src/gpu alone. Each part has a header with its
 * operations; this one only says what there is and who points to whom.
 *
 *     device --- requests      every element not answered yet (request.h)
 *            |-- resources     by id (resource.h); each with the requests that wait for it
 *            |-- contexts      by id (guest_context.h); each with tasks unsent and sent, 64
 * timelines
 *            |-- window        which range belongs to which resource (window.h)
 *            '-- scanouts      what is shown, from which resource (scanout.h, cursor.h)
 *
 * Threads: the loop thread owns all of it.
 */
#ifndef PV_GPU_STATE_H
#define PV_GPU_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "gpu/device.h"
#include "gpu/fence.h"
#include "gpu/protocol.h"
#include "gpu/scanout.h"
#include "gpu/window.h"

struct pv_gpu_resource;
struct pv_gpu_guest_context;
struct pv_gpu_request;

/* Buckets of the two id tables; powers of two. */
#define PV_GPU_RESOURCE_BUCKETS 4096u
#define PV_GPU_CONTEXT_BUCKETS  64u

struct pv_gpu_device {
    /* Fixed at create. */
    struct pv_base_log *log;
    const struct pv_gpu_context_ops *context_ops;
    void *context_backend;
    uint32_t capset_id;
    uint32_t capset_version;
    uint8_t *capset;
    size_t capset_bytes;
    const struct pv_gpu_sink_ops *sink_ops; /* never NULL */
    void *sink;
    uint64_t memory_limit_bytes;
    struct pv_base_account *account; /* may be NULL */
    uint64_t account_own_bytes;      /* what our slot of it holds, out of workers' reach */
    uint8_t uuid_seed[8];

    /* Between attach and detach. */
    const struct pv_virtio_transport *transport;

    /* One life. */
    uint64_t features;
    bool window_is_mapped;
    uint32_t events_read;
    uint64_t logged_errors[8]; /* which kinds of refusals have been logged (request.c) */

    struct pv_gpu_request *requests;
    uint32_t held_count;
    uint32_t fence_count;
    struct pv_gpu_timeline timeline; /* fences without a ring */

    struct pv_gpu_resource *resources[PV_GPU_RESOURCE_BUCKETS];
    uint32_t resource_count;
    uint32_t resource_fd_count;
    size_t backing_entry_count;
    uint32_t attachment_count; /* of all resources */
    uint64_t memory_used_bytes;

    struct pv_gpu_guest_context *contexts[PV_GPU_CONTEXT_BUCKETS];
    struct pv_gpu_guest_context *ending_contexts; /* destroyed by the guest, workers still end */
    uint32_t context_count;                       /* without those */
    uint64_t next_cookie;

    struct pv_gpu_window window;

    struct pv_gpu_scanout scanouts[PV_GPU_SCANOUT_COUNT_MAX];
    uint32_t scanout_count;

    uint64_t command_count;
    uint64_t error_count;
    uint64_t frame_count;
};

/*
 * Charge memory against the guest's limit. False, and nothing charged, when it is exhausted.
 *
 * by_worker  a worker allocated it and has charged it to itself: it counts among the device's
 *            resources, but not a second time among all that the VM uses
 */
PV_NODISCARD bool pv_gpu_device_charge(struct pv_gpu_device *device, uint64_t size_bytes,
                                       bool by_worker);

/* Give back what was charged, with the same by_worker. */
void pv_gpu_device_refund(struct pv_gpu_device *device, uint64_t size_bytes, bool by_worker);

/* The worker is gone, and memory that was charged by it lives on: it is the device's now. */
void pv_gpu_device_take_over(struct pv_gpu_device *device, uint64_t size_bytes);

#endif
