/* SPDX-License-Identifier: MIT */
/*
 * Venus commands by hand. Each function appends one command to bytes; ids are the guest's numbers.
 * reply: whether the command is to be answered. Overflow stops the test.
 */
#ifndef PV_TESTS_VENUS_BYTES_H
#define PV_TESTS_VENUS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VENUS_BYTES_MAX 65536

struct venus_bytes {
    size_t size_bytes;
    uint8_t bytes[VENUS_BYTES_MAX];
};

void venus_u32(struct venus_bytes *to, uint32_t value);
void venus_u64(struct venus_bytes *to, uint64_t value);

/* Number and flags. */
void venus_command(struct venus_bytes *to, uint32_t number, bool reply);

/* An array of 64-bit ids with its length in front. */
void venus_ids(struct venus_bytes *to, uint32_t count, const uint64_t *ids);

/* The start of a struct behind a pointer (or the only one of an array), without a chain. */
void venus_info(struct venus_bytes *to, uint32_t s_type);

/* No allocation callbacks, and the id of what is created. */
void venus_created(struct venus_bytes *to, uint64_t id);

/* ---- transport ---- */

struct venus_layout {
    uint32_t resource_id;
    uint64_t offset;
    uint64_t size;
    uint64_t idle_ns;
    uint64_t head;
    uint64_t tail;
    uint64_t status;
    uint64_t buffer;
    uint64_t buffer_size;
    uint64_t extra;
    uint64_t extra_size;
    uint32_t monitor_us; /* 0: not monitored */
};

void venus_create_ring(struct venus_bytes *to, uint64_t ring, const struct venus_layout *layout);
void venus_destroy_ring(struct venus_bytes *to, uint64_t ring);
void venus_notify_ring(struct venus_bytes *to, uint64_t ring);
void venus_set_reply(struct venus_bytes *to, uint32_t resource_id, uint64_t offset, uint64_t size);
void venus_execute(struct venus_bytes *to, uint32_t resource_id, uint64_t offset, uint64_t size);
void venus_submit_seqno(struct venus_bytes *to, uint64_t ring, uint64_t seqno);
void venus_wait_seqno(struct venus_bytes *to, uint64_t seqno);
void venus_wait_ring(struct venus_bytes *to, uint64_t ring, uint64_t seqno);
void venus_instance_version(struct venus_bytes *to);

/* ---- objects ---- */

void venus_create_instance(struct venus_bytes *to, uint64_t instance);
void venus_enumerate_devices(struct venus_bytes *to, uint64_t instance, uint64_t physical_device);
void venus_create_device(struct venus_bytes *to, uint64_t physical_device, uint64_t device);
/* vkGetDeviceQueue2 of family 0. */
void venus_get_queue(struct venus_bytes *to, uint64_t device, uint32_t index, uint64_t queue,
                     uint32_t ring_index);
/* Any vkDestroyX(device, object, NULL), vkFreeMemory too. */
void venus_destroy(struct venus_bytes *to, uint32_t number, uint64_t device, uint64_t object);
/* vkDestroyDevice, vkDestroyInstance. */
void venus_destroy_first(struct venus_bytes *to, uint32_t number, uint64_t object);

/* import_id: a resource, 0 for none. */
void venus_allocate(struct venus_bytes *to, uint64_t device, uint64_t memory, uint64_t size,
                    uint32_t type, uint32_t import_id, bool is_exportable, bool reply);
void venus_create_buffer(struct venus_bytes *to, uint64_t device, uint64_t buffer, uint64_t size,
                         bool reply);
void venus_bind_buffer(struct venus_bytes *to, uint64_t device, uint64_t buffer, uint64_t memory,
                       uint64_t offset);
void venus_create_fence(struct venus_bytes *to, uint64_t device, uint64_t fence, bool reply);
void venus_fence_status(struct venus_bytes *to, uint64_t device, uint64_t fence);
void venus_wait_fence(struct venus_bytes *to, uint64_t device, uint64_t fence, uint64_t timeout_ns,
                      bool reply);
void venus_reset_fence_resource(struct venus_bytes *to, uint64_t device, uint64_t fence);
void venus_create_semaphore(struct venus_bytes *to, uint64_t device, uint64_t semaphore);
void venus_import_semaphore(struct venus_bytes *to, uint64_t device, uint64_t semaphore,
                            uint32_t resource_id);
void venus_wait_semaphore(struct venus_bytes *to, uint64_t device, uint64_t semaphore);
void venus_create_command_pool(struct venus_bytes *to, uint64_t device, uint64_t pool, bool reply);
void venus_allocate_command_buffers(struct venus_bytes *to, uint64_t device, uint64_t pool,
                                    uint32_t count, const uint64_t *ids, bool reply);
void venus_free_command_buffers(struct venus_bytes *to, uint64_t device, uint64_t pool,
                                uint32_t count, const uint64_t *ids);

/* Two-dimensional, one level, one layer. */
struct venus_image {
    uint32_t format; /* 0: B8G8R8A8_UNORM */
    uint32_t width;
    uint32_t height;
    uint32_t tiling;
    uint32_t flags;
    uint32_t external_types;
    uint32_t modifier_count; /* of a list of modifiers; 0: none */
    uint64_t modifiers[4];
    bool has_layout; /* the modifier is modifiers[0], with this offset and row pitch */
    uint64_t offset;
    uint64_t row_bytes;
};

/* A pointer to VkImageCreateInfo. */
void venus_image_info(struct venus_bytes *to, const struct venus_image *image);
void venus_create_image(struct venus_bytes *to, uint64_t device, uint64_t id,
                        const struct venus_image *image, bool reply);

/* A submission of one batch. */
struct venus_submit {
    uint32_t wait_count;
    uint64_t waits[4];
    uint64_t wait_values[4];
    uint32_t value_count; /* 0: no VkTimelineSemaphoreSubmitInfo */
    bool values_missing;  /* value_count, and no values */
    uint32_t stages[4];
    uint32_t command_buffer_count;
    uint64_t command_buffers[4];
    uint32_t signal_count;
    uint64_t signals[4];
    uint32_t signal_value_count;
    uint64_t signal_values[4];
    uint64_t fence;
};
void venus_queue_submit(struct venus_bytes *to, uint64_t queue, const struct venus_submit *submit,
                        bool reply);

#endif
