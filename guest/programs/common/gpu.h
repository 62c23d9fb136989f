/* SPDX-License-Identifier: MIT */
/*
 * One open Vulkan device: instance, physical device, logical device, queues and a command pool.
 * Vulkan 1.3 is required (the programs use its core parts without extensions); features are
 * switched on where the device has them, and a case that needs one looks at `enabled`.
 */
#ifndef PV_PROG_COMMON_GPU_H
#define PV_PROG_COMMON_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/* More queues than this bring no new coverage, and each costs Venus one of 63 timelines. */
#define PV_PROG_QUEUES_MAX 4u
/* More than any program asks for. */
#define PV_PROG_OPTIONAL_MAX 16u

struct pv_prog_gpu_options {
    const char *name;                     /* of the program */
    uint32_t device_index;                /* among the physical devices */
    bool validate;                        /* see struct pv_prog_options */
    bool quiet;                           /* print no "info" lines */
    const char *const *device_extensions; /* all required; NULL if extension_count is 0 */
    uint32_t extension_count;
    const char *const *optional_extensions; /* enabled where the device has them */
    uint32_t optional_count;                /* at most PV_PROG_OPTIONAL_MAX */
};

struct pv_prog_gpu {
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger; /* VK_NULL_HANDLE without --validate */
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    struct { /* what was found and switched on */
        VkPhysicalDeviceFeatures core;
        VkPhysicalDeviceVulkan12Features v12;
        VkPhysicalDeviceVulkan13Features v13;
    } enabled;
    VkDevice device;
    uint32_t queue_family; /* graphics, compute and transfer */
    VkQueueFamilyProperties family;
    VkQueue queues[PV_PROG_QUEUES_MAX]; /* all of queue_family */
    uint32_t queue_count;
    VkQueue queue;           /* queues[0] */
    VkCommandPool pool;      /* of queue_family; used by the thread that opened the device */
    uint32_t optional_found; /* bit i: options->optional_extensions[i] is enabled */
    uint32_t validation_message_count;
};

/*
 * Open a device. Ends the program with status 77 when there is no Vulkan 1.3 device or when a
 * required extension is missing, with status 1 on any other trouble.
 *
 * options     borrowed for the call
 * ret_gpu     written; must not move afterwards (the validation messenger points at it)
 */
void pv_prog_gpu_open(const struct pv_prog_gpu_options *options, struct pv_prog_gpu *ret_gpu);

/*
 * Close what pv_prog_gpu_open opened; all other objects of the device are destroyed by then.
 * Ends the program with status 1 if the validation layer had anything to say.
 */
void pv_prog_gpu_close(struct pv_prog_gpu *gpu);

/* Whether the physical device of an open gpu lists an extension (it need not be enabled). */
bool pv_prog_gpu_has_extension(const struct pv_prog_gpu *gpu, const char *name);

/*
 * The address of a device function that the loader does not export.
 * Ends the program with status 1 if it is not there. The caller casts it.
 */
PFN_vkVoidFunction pv_prog_gpu_function(const struct pv_prog_gpu *gpu, const char *name);

#endif
