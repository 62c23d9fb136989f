/* SPDX-License-Identifier: MIT */
/*
 * A Vulkan driver of a few functions: answers queries from facts, counts what is created and
 * destroyed, and fails on demand. One at a time per process.
 */
#ifndef PV_TESTS_FAKE_VULKAN_H
#define PV_TESTS_FAKE_VULKAN_H

#include <stdbool.h>
#include <stdint.h>

#include "vkhost/facts.h"

struct pv_fake_vulkan {
    struct pv_vkhost_facts facts; /* what it answers */
    uint32_t api_version;         /* of the loader */
    uint32_t named_import_bits;   /* types that it names for an import */
    uint32_t imports_refused;     /* of those, the ones whose import fails */
    VkResult create_instance;
    VkResult create_device;
    int live_count; /* instances, devices, buffers, images and memory that exist */
    int import_count;
};

/* The driver in use; zeroed by pv_fake_vulkan_reset. */
extern struct pv_fake_vulkan pv_fake_vulkan;

/* All succeeds, one device with the facts of a profile. */
void pv_fake_vulkan_reset(const char *profile);

PFN_vkVoidFunction VKAPI_CALL pv_fake_vulkan_entry(VkInstance instance, const char *name);

#endif
