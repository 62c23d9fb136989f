/* SPDX-License-Identifier: MIT */
/*
 * How Vulkan's values are spelled in JSON, for facts and views alike: flags and device types as
 * words, versions as "1.3.269", extensions as { name: version }.
 *
 * Each _to_json returns a new reference, or NULL without memory. Each _from_json returns whether
 * the text (which may be NULL) is one that it knows, and leaves its result alone if not.
 *
 * Threads: any; nothing is shared.
 */
#ifndef PV_DOCTOR_VULKAN_JSON_H
#define PV_DOCTOR_VULKAN_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "vkhost/facts.h"

/* Flags that are written as words. */
enum pv_doctor_words {
    PV_DOCTOR_WORDS_MEMORY, /* VkMemoryPropertyFlags */
    PV_DOCTOR_WORDS_QUEUE,  /* VkQueueFlags */
};

/* An array of the words of the bits that have one. */
json_t *pv_doctor_words_to_json(enum pv_doctor_words set, uint32_t bits);

/* The bits of an array of words; an unknown one makes the whole wrong. */
PV_NODISCARD bool pv_doctor_words_from_json(const json_t *array, enum pv_doctor_words set,
                                            uint32_t *ret_bits);

/* "discrete", "cpu" and so on; "other" for what has no word. */
json_t *pv_doctor_device_type_to_json(VkPhysicalDeviceType type);
PV_NODISCARD bool pv_doctor_device_type_from_json(const json_t *text,
                                                  VkPhysicalDeviceType *ret_type);

/* A version as VK_MAKE_API_VERSION packs it, with variant 0. */
json_t *pv_doctor_version_to_json(uint32_t version);
PV_NODISCARD bool pv_doctor_version_from_json(const json_t *text, uint32_t *ret_version);

/* An object: an extension's name and its version. */
json_t *pv_doctor_extensions_to_json(const VkExtensionProperties *extensions, uint32_t count);

/* An array of { "size_bytes", "device_local" }. */
json_t *pv_doctor_heaps_to_json(const VkPhysicalDeviceMemoryProperties *memory);

#endif
