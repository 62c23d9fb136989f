/* SPDX-License-Identifier: MIT */
/*
 * A device kind that does nothing but let tests see what a transport does to it. It counts calls,
 * keeps requests when told to, and answers enough of virtio-gpu that a Linux driver gets through
 * its probe. Requests of its own on any queue, the first u32 says which:
 *
 *     FAKE_ECHO     the answer is the request
 *     FAKE_HOLD     kept until FAKE_RELEASE, or a reset drops it
 *     FAKE_RELEASE  held requests are completed, newest first, each with its own bytes; then this
 *     FAKE_RELEASE_LATER  answered at once; held ones are completed after a u32 of milliseconds
 *     FAKE_COUNTS   the answer is a struct fake_counts
 *     FAKE_CONFIG   a u32 becomes events_read, config_changed is called
 *     FAKE_PEEK     a u64 guest-physical address: the answer is 16 bytes from there
 */
#ifndef PV_TESTS_FAKE_DEVICE_H
#define PV_TESTS_FAKE_DEVICE_H

#include "os/loop.h"
#include "virtio/device.h"

#define FAKE_ECHO          0xfa4e0000u
#define FAKE_HOLD          0xfa4e0001u
#define FAKE_RELEASE       0xfa4e0002u
#define FAKE_RELEASE_LATER 0xfa4e0003u
#define FAKE_COUNTS        0xfa4e0004u
#define FAKE_CONFIG        0xfa4e0005u
#define FAKE_PEEK          0xfa4e0006u

struct fake_counts {
    uint32_t starts;
    uint32_t pauses;
    uint32_t resumes;
    uint32_t resets;
    uint32_t elements; /* since start */
    uint32_t held;
    uint32_t events_clear; /* last non-zero write */
    uint32_t window_is_mapped;
    uint64_t features;
};

struct fake_device {
    struct fake_counts counts;
    uint32_t events_read;
    const struct pv_virtio_transport *transport;
    struct pv_virtio_element *held; /* newest first */
    struct pv_os_timer *timer;
};

extern const struct pv_virtio_device_ops fake_device_ops;

/* loop is borrowed. Returns 0 or -errno. */
int fake_device_init(struct fake_device *device, struct pv_os_loop *loop);
void fake_device_finish(struct fake_device *device);

#endif
