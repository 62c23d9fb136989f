/* SPDX-License-Identifier: MIT */
/*
 * The line between a device kind (virtio-gpu) and whatever carries it to a guest (vhost-user, vfio,
 * Apple's framework, a test's fake). A transport drives a device through pv_virtio_device_ops and
 * lends it a pv_virtio_transport; neither knows more of the other.
 *
 * One life of a device lasts from `start` to `reset`:
 *
 *     attach, config_read/config_write at any time
 *     start, queue_element*, { pause, resume, queue_element* }*, [pause], reset      and again
 *     detach
 *
 * A pause is a stopped virtual machine: no element arrives and none that is completed is shown to
 * the driver until `resume`; the transport keeps them. When a pause begins nobody can tell whether
 * a reset follows (vhost-user says the same thing for both), so a device keeps its state until
 * then. `reset` never comes without a `start` before it, and never twice in a row.
 *
 * Threads: the loop thread, all of it, both directions. A device may complete elements and call the
 * transport from inside any of these calls.
 */
#ifndef PV_VIRTIO_DEVICE_H
#define PV_VIRTIO_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_guestmem_space;
struct pv_virtio_element;

/* Feature bits of the transport; the rest (0 .. 23) belong to the device kind. */
#define PV_VIRTIO_FEATURE_RING_INDIRECT_DESC (UINT64_C(1) << 28)
#define PV_VIRTIO_FEATURE_RING_EVENT_IDX     (UINT64_C(1) << 29)
#define PV_VIRTIO_FEATURE_VERSION_1          (UINT64_C(1) << 32)
#define PV_VIRTIO_FEATURE_DEVICE_MASK        ((UINT64_C(1) << 24) - 1)

/* Queues of one device, and bytes of its configuration space: the most that a transport carries. */
#define PV_VIRTIO_QUEUE_COUNT_MAX  8
#define PV_VIRTIO_CONFIG_BYTES_MAX 256

/* What a transport lends to its device, from `attach` to `detach`. */
struct pv_virtio_transport_ops {
    /*
     * The configuration space reads differently now; the driver is told as soon as that is possible
     * (at once, or at the next start or resume). May be called at any time; calls collapse into
     * one.
     */
    void (*config_changed)(void *transport);
};

struct pv_virtio_transport {
    const struct pv_virtio_transport_ops *ops;
    void *transport; /* first argument of the ops */
    /*
     * Guest-physical memory, for addresses that stand inside requests (backing pages). Regions come
     * and go with the guest's memory: translate at each use, keep no pointer over a return to the
     * loop. Empty before the first start.
     */
    struct pv_guestmem_space *guest_memory;
};

/* All members are required. `device` is the embedder's pointer, given with the ops. */
struct pv_virtio_device_ops {
    uint32_t device_id;         /* virtio device type: 16 is a GPU */
    uint32_t queue_count;       /* 1 .. PV_VIRTIO_QUEUE_COUNT_MAX */
    uint32_t config_size_bytes; /* of the configuration space, 0 .. PV_VIRTIO_CONFIG_BYTES_MAX */

    /*
     * First and last call. transport is borrowed until detach. Detach comes after a reset (if there
     * was a start); the device itself goes on existing, its owner destroys it.
     */
    void (*attach)(void *device, const struct pv_virtio_transport *transport);
    void (*detach)(void *device);

    /* Device-kind feature bits to offer; the transport adds its own. Constant. */
    uint64_t (*features)(void *device);

    /*
     * A new life begins; the device is as just created. features: what the driver accepted.
     * window_is_mapped: the guest sees the whole host-visible window in its region (id 1). False
     * when the transport has no window, or lost the means to map it: RESOURCE_MAP_BLOB fails then.
     */
    void (*start)(void *device, uint64_t features, bool window_is_mapped);

    /* One request. The device owns the element and ends it with complete or drop (element.h). */
    void (*queue_element)(void *device, uint32_t queue_index, struct pv_virtio_element *element);

    /* The driver stands still; see above. Work in hand may go on, its results are kept. */
    void (*pause)(void *device);
    /* The same life goes on. */
    void (*resume)(void *device);

    /*
     * The life is over: drop every element still held (pv_virtio_element.ops->drop) before
     * returning, forget all guest state, release the window's ranges. Work elsewhere (a renderer)
     * may still be ending after the return, so long as nothing of it reaches the next life or the
     * window's pages that the next life is given.
     */
    void (*reset)(void *device);

    /*
     * Read the configuration space: all size_bytes of ret_bytes are written, zeroes past the end.
     * The transport has checked offset + size <= config_size_bytes.
     */
    void (*config_read)(void *device, uint32_t offset_bytes, void *ret_bytes, size_t size_bytes);
    /*
     * The driver wrote configuration space; checked as above. Some transports hand over the whole
     * space at each write of any field: a field that equals what config_read gave is no write.
     */
    void (*config_write)(void *device, uint32_t offset_bytes, const void *bytes, size_t size_bytes);
};

#endif
