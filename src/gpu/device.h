/* SPDX-License-Identifier: MIT */
/*
 * The virtio-gpu device: what a guest's kernel talks to. It knows no transport (it is driven
 * through pv_virtio_device_ops), no renderer (contexts are run by whoever implements gpu/context.h)
 * and no screen (frames go to gpu/sink.h). It never waits for any of them.
 *
 * Build then freeze: options, create; the transport drives the rest.
 * Threads: one, the loop thread that also delivers the contexts' events.
 */
#ifndef PV_GPU_DEVICE_H
#define PV_GPU_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "gpu/context.h"
#include "gpu/sink.h"
#include "virtio/device.h"

struct pv_base_log;
struct pv_gpu_device;

/* Sides of a mode: a pixel clock that EDID tools believe, and what one timing block can say. */
#define PV_GPU_MODE_MIN_PX 480u
#define PV_GPU_MODE_MAX_PX 4095u

struct pv_gpu_device_options {
    size_t size_bytes;       /* of this struct, as the caller knows it */
    struct pv_base_log *log; /* borrowed, may be NULL */

    /* The host-visible window: shared memory, mapped into the guest by the transport. Borrowed;
     * must live as long as the device. fd -1: no window. */
    int window_fd;
    uint64_t window_size_bytes;

    /* The most that a guest may make us hold: 2D resources, blobs of every kind, frames. */
    uint64_t memory_limit_bytes;
    /* Where workers and this device count memory under that one limit; borrowed. NULL: only the
     * device's own memory is limited. */
    struct pv_base_account *account;

    /* Contexts. context_ops NULL: a 2D device without contexts and capsets. */
    const struct pv_gpu_context_ops *context_ops;
    void *context_backend;
    uint32_t capset_id; /* PV_GPU_CAPSET_ID_VENUS */
    uint32_t capset_version;
    const void *capset; /* copied */
    size_t capset_bytes;

    uint32_t scanout_count; /* 0 .. PV_GPU_SCANOUT_COUNT_MAX */
    uint32_t width_px;      /* mode of every scanout at first, PV_GPU_MODE_MIN_PX .. _MAX_PX */
    uint32_t height_px;
    const struct pv_gpu_sink_ops *sink_ops; /* may be NULL: nobody looks */
    void *sink;
};

/*
 * Create a device from options (borrowed for the call). Returns 0 with a device that the caller
 * destroys; -EINVAL for options that make no sense; -ENOMEM.
 */
PV_NODISCARD int pv_gpu_device_create(const struct pv_gpu_device_options *options,
                                      struct pv_gpu_device **ret_device);

/*
 * Ends the life in hand as a reset does, then frees everything. No transport is attached any more.
 * Accepts NULL.
 */
void pv_gpu_device_destroy(struct pv_gpu_device *device);

/* The ops for a transport; their `device` argument is the struct pv_gpu_device. Static storage. */
const struct pv_virtio_device_ops *pv_gpu_device_virtio_ops(void);

/*
 * Another size for a scanout (a window was resized): the guest is told that its display changed and
 * reads EDID and display information again. Returns 0, or -EINVAL (no such scanout, or a side out
 * of PV_GPU_MODE_MIN_PX .. PV_GPU_MODE_MAX_PX).
 */
PV_NODISCARD int pv_gpu_device_set_mode(struct pv_gpu_device *device, uint32_t scanout_index,
                                        uint32_t width_px, uint32_t height_px);

/* Current figures. Cheap. */
void pv_gpu_device_get_statistics(const struct pv_gpu_device *device,
                                  struct pv_gpu_statistics *ret_statistics);

/* Figures of one context, for listings: name is not trusted (printable ASCII is all it holds). */
struct pv_gpu_context_statistics {
    uint32_t context_id;
    uint32_t capset_id;
    char name[64];
    bool lost;
    uint64_t memory_bytes; /* blobs that this context made and that still live */
    uint64_t unpaid_bytes; /* of these, what no worker has charged to itself */
    uint64_t submit_count;
    uint32_t fence_count;              /* not retired yet */
    struct pv_gpu_context_usage usage; /* its worker's */
};

/* Up to max contexts; returns how many were written. */
size_t pv_gpu_device_get_contexts(const struct pv_gpu_device *device,
                                  struct pv_gpu_context_statistics *ret_contexts, size_t max);

#endif
