/* SPDX-License-Identifier: MIT */
/*
 * A host driver with a memory: every handle is an object that it knows, so that a handle used after
 * its end, destroyed twice, or given to another device is counted as misuse. Physical devices and
 * what the probe asks come from fake_vulkan.h with lavapipe's profile.
 *
 * Threads: any, as a driver's; reset while nobody uses it.
 */
#ifndef PV_TESTS_FAKE_DRIVER_H
#define PV_TESTS_FAKE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#define FAKE_DRIVER_LIST_MAX 8
/* What vkGetBufferDeviceAddress says of every buffer. */
#define FAKE_DRIVER_ADDRESS UINT64_C(0xabc000)

/* The last vkQueueSubmit that had a batch; handles are the driver's. */
struct fake_driver_submit {
    uint32_t wait_count;
    uint32_t signal_count;
    uint32_t command_buffer_count;
    uint32_t wait_value_count; /* of VkTimelineSemaphoreSubmitInfo */
    uint64_t wait_values[FAKE_DRIVER_LIST_MAX];
    uint32_t signal_value_count;
    uint64_t signal_values[FAKE_DRIVER_LIST_MAX];
    bool has_group; /* VkDeviceGroupSubmitInfo */
    uint32_t stages[FAKE_DRIVER_LIST_MAX];
};

/* No objects, no failures, fences signal as soon as they are submitted. */
void fake_driver_reset(void);

/* Frees what the tests have left; returns how many objects were still alive. */
unsigned fake_driver_finish(void);

/* Objects of a type that exist now. */
unsigned fake_driver_live(VkObjectType type);

/* Calls with a handle that was dead, of another type, or of another device. */
unsigned fake_driver_misuses(void);

/* From now on call this at each use of a handle that was dead or foreign: its stack tells whose. */
void fake_driver_watch_misuses(void (*on_misuse)(void));

/* The next call of a function ("vkCreateBuffer") returns result instead of doing anything. */
void fake_driver_fail_next(const char *function, VkResult result);

/* Devices made from now on lack a function, as those of an older driver do. */
void fake_driver_lack(const char *function);

#define FAKE_DRIVER_VALUES_MAX 16

struct fake_driver_call {
    unsigned count; /* of calls since the reset */
    uint64_t values[FAKE_DRIVER_VALUES_MAX];
};

/* What a function was last called with: which values stands at it in fake_driver_recorded.c. */
struct fake_driver_call fake_driver_last_call(const char *function);

/* From now on submitted fences wait for fake_driver_signal. */
void fake_driver_hold_fences(void);

/* A wait for a device with fences that are held does not come back, from now on, or does again. */
void fake_driver_stick(bool sticks);

/* Signal the oldest held fences, at most count; returns how many there were. */
unsigned fake_driver_signal(unsigned count);

/* Submitted fences that are not signalled. */
unsigned fake_driver_held(void);

struct fake_driver_submit fake_driver_last_submit(void);

/* The pages behind the newest live memory object that was imported; NULL: none. */
void *fake_driver_last_import(void);

/* For pv_venus_context_options.get_instance_proc_addr. */
PFN_vkVoidFunction VKAPI_CALL fake_driver_entry(VkInstance instance, const char *name);

#endif
