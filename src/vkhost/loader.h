/* SPDX-License-Identifier: MIT */
/*
 * The host's Vulkan loader: opened by the render worker only (the device process never runs driver
 * code), never linked. Everything starts from one PFN_vkGetInstanceProcAddr, which a test may
 * replace by its own.
 *
 * Threads: open and close on one thread; the rest is read-only afterwards and may be called from
 * any.
 */
#ifndef PV_VKHOST_LOADER_H
#define PV_VKHOST_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#include "base/compiler.h"

/* Physical devices that we list: more GPUs than one machine holds. */
#define PV_VKHOST_LOADER_DEVICES_MAX 16

struct pv_vkhost_loader {
    void *library; /* of dlopen; NULL when get_instance_proc_addr was given by the caller */
    PFN_vkGetInstanceProcAddr get_instance_proc_addr;
    uint32_t api_version; /* of the loader, VK_MAKE_API_VERSION */
    bool has_portability; /* lists VK_KHR_portability_enumeration: MoltenVK wants it enabled */
};

/* An instance of ours, with the few functions that this folder calls on it. */
struct pv_vkhost_instance {
    const struct pv_vkhost_loader *loader; /* borrowed */
    VkInstance handle;
    uint32_t api_version;
    PFN_vkDestroyInstance destroy;
    PFN_vkEnumeratePhysicalDevices enumerate_physical_devices;
};

/*
 * Open the loader.
 *
 * path         file name for dlopen, or NULL for the platform's usual one
 * ret_loader   for pv_vkhost_loader_close
 * ret_reason   size 256: on failure one sentence for the user; may be NULL
 *
 * Returns 0; -ENOENT when there is no loader; -ENOTSUP when it is older than Vulkan 1.1.
 */
PV_NODISCARD int pv_vkhost_loader_open(const char *path, struct pv_vkhost_loader *ret_loader,
                                       char ret_reason[256]);

/* The same with an entry point that the caller already has (tests, statically linked drivers). */
PV_NODISCARD int pv_vkhost_loader_init(PFN_vkGetInstanceProcAddr get_instance_proc_addr,
                                       struct pv_vkhost_loader *ret_loader);

/* Accepts a zeroed loader. No instance of it may be left. */
void pv_vkhost_loader_close(struct pv_vkhost_loader *loader);

/*
 * Create an instance.
 *
 * api_version   what the user of it needs; raised to 1.1, lowered to the loader's
 * app_name      shown in the driver's debug output, may be NULL; NUL-terminated, not trusted
 * layers        names of layers, layer_count of them; usually none
 * ret_instance  for pv_vkhost_instance_destroy
 *
 * Returns the driver's VkResult; VK_ERROR_INITIALIZATION_FAILED when a function is missing.
 */
PV_NODISCARD VkResult pv_vkhost_instance_create(const struct pv_vkhost_loader *loader,
                                                uint32_t api_version, const char *app_name,
                                                const char *const *layers, uint32_t layer_count,
                                                struct pv_vkhost_instance *ret_instance);

/* Accepts a zeroed instance. Its devices must be gone. */
void pv_vkhost_instance_destroy(struct pv_vkhost_instance *instance);

/* List physical devices: at most PV_VKHOST_LOADER_DEVICES_MAX, in the driver's order. */
PV_NODISCARD VkResult pv_vkhost_instance_devices_list(
    const struct pv_vkhost_instance *instance,
    VkPhysicalDevice ret_devices[PV_VKHOST_LOADER_DEVICES_MAX], uint32_t *ret_count);

#endif
