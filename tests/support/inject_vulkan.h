/* SPDX-License-Identifier: MIT */
/*
 * Faults of a Vulkan driver: an entry point in front of any driver's. Calls that return a VkResult
 * are counted in the classes INJECT_VULKAN and INJECT_LOST of inject.h, and do not reach the driver
 * when they fail. Commands that record are none of them: Vulkan has no way to say that they failed.
 *
 * Threads: the first inject_vulkan_entry before others; any afterwards.
 */
#ifndef PV_TESTS_INJECT_VULKAN_H
#define PV_TESTS_INJECT_VULKAN_H

#include <vulkan/vulkan_core.h>

/* The driver that is in front of us; borrowed for ever. */
void inject_vulkan_set_driver(PFN_vkGetInstanceProcAddr driver);

PFN_vkVoidFunction VKAPI_CALL inject_vulkan_entry(VkInstance instance, const char *name);

#endif
