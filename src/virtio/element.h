/* SPDX-License-Identifier: MIT */
/*
 * One request of a guest driver: a buffer that the device reads in order, and a buffer that it
 * writes in order, until it gives the element back. This is all that a device kind sees of a
 * transport; a split virtqueue over vhost-user, Apple's VZVirtioQueueElement and a test's fake
 * implement it.
 *
 * Life: the transport makes an element and hands it to the device, which then owns it and ends it
 * with exactly one `complete` or `drop`, in any order among elements and at any later time.
 * Threads: the device's loop thread, all of it.
 */
#ifndef PV_VIRTIO_ELEMENT_H
#define PV_VIRTIO_ELEMENT_H

#include <stddef.h>
#include <stdint.h>

struct pv_virtio_element;

struct pv_virtio_element_ops {
    /*
     * Copy the next readable bytes out of guest memory: the only copy, so what is in `ret_bytes`
     * cannot change any more. Returns how many: fewer than size_bytes only at the end of the
     * readable part, or where guest memory has gone.
     */
    size_t (*read)(struct pv_virtio_element *element, void *ret_bytes, size_t size_bytes);
    /* Copy bytes to the writable part; returns how many fitted. */
    size_t (*write)(struct pv_virtio_element *element, const void *bytes, size_t size_bytes);
    /* Give the element back to the driver with what was written; the element is gone. */
    void (*complete)(struct pv_virtio_element *element);
    /* End the element without telling the driver (device reset); the element is gone. */
    void (*drop)(struct pv_virtio_element *element);
};

/* First member of what a transport allocates. */
struct pv_virtio_element {
    const struct pv_virtio_element_ops *ops;
    size_t readable_bytes; /* total of the readable part, checked against the queue's cap */
    size_t writable_bytes;
    struct pv_virtio_element *next; /* the owner's: a list of held elements */
};

#endif
