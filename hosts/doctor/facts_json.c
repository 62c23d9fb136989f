/* SPDX-License-Identifier: MIT */
/* Writing and reading facts. Bit masks over memory types are written as arrays of indices. */
#include "doctor/facts_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor/vulkan_json.h"

/* ---- writing ---- */

static json_t *bits_to_json(uint32_t bits)
{
    json_t *array = json_array();

    for (int i = 0; i < 32; i++) {
        if ((bits >> i & 1) != 0) {
            json_array_append_new(array, json_integer(i));
        }
    }
    return array;
}

static json_t *types_to_json(const VkPhysicalDeviceMemoryProperties *memory)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
        const VkMemoryType *type = &memory->memoryTypes[i];

        json_array_append_new(
            array, json_pack("{s:i, s:o}", "heap", (int)type->heapIndex, "flags",
                             pv_doctor_words_to_json(PV_DOCTOR_WORDS_MEMORY, type->propertyFlags)));
    }
    return array;
}

static json_t *queues_to_json(const struct pv_vkhost_facts *facts)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < facts->queue_family_count; i++) {
        const VkQueueFamilyProperties *family = &facts->queue_families[i];

        json_array_append_new(
            array, json_pack("{s:i, s:i, s:o}", "count", (int)family->queueCount, "timestamp_bits",
                             (int)family->timestampValidBits, "flags",
                             pv_doctor_words_to_json(PV_DOCTOR_WORDS_QUEUE, family->queueFlags)));
    }
    return array;
}

json_t *pv_doctor_facts_to_json(const struct pv_vkhost_facts *facts)
{
    const VkPhysicalDeviceProperties *properties = &facts->properties;
    json_t *json = json_object();

    json_object_set_new(json, "device_name", json_string(properties->deviceName));
    json_object_set_new(json, "device_type", pv_doctor_device_type_to_json(properties->deviceType));
    json_object_set_new(json, "api_version", pv_doctor_version_to_json(properties->apiVersion));
    json_object_set_new(json, "driver_version", json_integer(properties->driverVersion));
    json_object_set_new(json, "vendor_id", json_integer(properties->vendorID));
    json_object_set_new(json, "device_id", json_integer(properties->deviceID));
    json_object_set_new(json, "driver_id", json_integer(facts->driver_id));
    json_object_set_new(json, "driver_name", json_string(facts->driver_name));
    json_object_set_new(json, "driver_info", json_string(facts->driver_info));
    json_object_set_new(json, "max_allocation_bytes",
                        json_integer((json_int_t)facts->max_allocation_bytes));
    json_object_set_new(json, "timeline_semaphore", json_boolean(facts->has_timeline));
    json_object_set_new(json, "synchronization2", json_boolean(facts->has_sync2));
    json_object_set_new(json, "format_feature_flags2", json_boolean(facts->has_features2));
    json_object_set_new(json, "memory_heaps", pv_doctor_heaps_to_json(&facts->memory));
    json_object_set_new(json, "memory_types", types_to_json(&facts->memory));
    json_object_set_new(json, "import_alignment_bytes",
                        json_integer((json_int_t)facts->import_alignment_bytes));
    json_object_set_new(json, "import_types", bits_to_json(facts->import_type_bits));
    json_object_set_new(json, "buffer_types", bits_to_json(facts->buffer_type_bits));
    json_object_set_new(json, "linear_types", bits_to_json(facts->linear_type_bits));
    json_object_set_new(json, "optimal_types", bits_to_json(facts->optimal_type_bits));
    json_object_set_new(json, "buffers_take_host_handle",
                        json_boolean(facts->buffers_take_host_handle));
    json_object_set_new(json, "images_take_host_handle",
                        json_boolean(facts->images_take_host_handle));
    json_object_set_new(json, "semaphore_sync_fd", json_integer(facts->semaphore_sync_fd));
    json_object_set_new(json, "fence_sync_fd", json_integer(facts->fence_sync_fd));
    json_object_set_new(json, "bgra8_unorm_linear", json_integer(facts->bgra8_unorm_linear));
    json_object_set_new(json, "bgra8_srgb_linear", json_integer(facts->bgra8_srgb_linear));
    json_object_set_new(json, "queue_families", queues_to_json(facts));
    json_object_set_new(json, "extensions",
                        pv_doctor_extensions_to_json(facts->extensions, facts->extension_count));
    return json;
}

/* ---- reading: each returns false when a member has the wrong type ---- */

static bool read_string(const json_t *json, const char *key, char *ret_text, size_t text_bytes)
{
    const json_t *value = json_object_get(json, key);

    if (value == NULL) {
        return true;
    }
    if (!json_is_string(value)) {
        return false;
    }
    snprintf(ret_text, text_bytes, "%s", json_string_value(value));
    return true;
}

static bool read_u64(const json_t *json, const char *key, uint64_t *ret_value)
{
    const json_t *value = json_object_get(json, key);

    if (value == NULL) {
        return true;
    }
    if (!json_is_integer(value)) {
        return false;
    }
    *ret_value = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_u32(const json_t *json, const char *key, uint32_t *ret_value)
{
    uint64_t wide = *ret_value;

    if (!read_u64(json, key, &wide) || wide > UINT32_MAX) {
        return false;
    }
    *ret_value = (uint32_t)wide;
    return true;
}

static bool read_bool(const json_t *json, const char *key, bool *ret_value)
{
    const json_t *value = json_object_get(json, key);

    if (value == NULL) {
        return true;
    }
    if (!json_is_boolean(value)) {
        return false;
    }
    *ret_value = json_is_true(value);
    return true;
}

static bool read_bits(const json_t *json, const char *key, uint32_t *ret_bits)
{
    const json_t *array = json_object_get(json, key);
    size_t index;
    json_t *value;

    if (array == NULL) {
        return true;
    }
    if (!json_is_array(array)) {
        return false;
    }
    json_array_foreach(array, index, value)
    {
        const json_int_t bit = json_is_integer(value) ? json_integer_value(value) : -1;

        if (bit < 0 || bit >= 32) {
            return false;
        }
        *ret_bits |= UINT32_C(1) << bit;
    }
    return true;
}

static bool read_memory(const json_t *json, VkPhysicalDeviceMemoryProperties *memory)
{
    const json_t *heaps = json_object_get(json, "memory_heaps");
    const json_t *types = json_object_get(json, "memory_types");
    size_t index;
    json_t *value;

    if (!json_is_array(heaps) || !json_is_array(types)
        || json_array_size(heaps) > VK_MAX_MEMORY_HEAPS
        || json_array_size(types) > VK_MAX_MEMORY_TYPES) {
        return false;
    }
    memory->memoryHeapCount = (uint32_t)json_array_size(heaps);
    memory->memoryTypeCount = (uint32_t)json_array_size(types);
    json_array_foreach(heaps, index, value)
    {
        bool is_device_local = false;

        if (!json_is_object(value)
            || !read_u64(value, "size_bytes", &memory->memoryHeaps[index].size)
            || !read_bool(value, "device_local", &is_device_local)) {
            return false;
        }
        memory->memoryHeaps[index].flags = is_device_local ? VK_MEMORY_HEAP_DEVICE_LOCAL_BIT : 0;
    }
    json_array_foreach(types, index, value)
    {
        VkMemoryType *type = &memory->memoryTypes[index];

        if (!json_is_object(value) || !read_u32(value, "heap", &type->heapIndex)
            || type->heapIndex >= memory->memoryHeapCount
            || !pv_doctor_words_from_json(json_object_get(value, "flags"), PV_DOCTOR_WORDS_MEMORY,
                                          &type->propertyFlags)) {
            return false;
        }
    }
    return true;
}

static bool read_queues(const json_t *json, struct pv_vkhost_facts *facts)
{
    const json_t *families = json_object_get(json, "queue_families");
    size_t index;
    json_t *value;

    if (!json_is_array(families) || json_array_size(families) > PV_VKHOST_QUEUE_FAMILIES_MAX) {
        return false;
    }
    facts->queue_family_count = (uint32_t)json_array_size(families);
    json_array_foreach(families, index, value)
    {
        VkQueueFamilyProperties *family = &facts->queue_families[index];

        if (!json_is_object(value) || !read_u32(value, "count", &family->queueCount)
            || !read_u32(value, "timestamp_bits", &family->timestampValidBits)
            || !pv_doctor_words_from_json(json_object_get(value, "flags"), PV_DOCTOR_WORDS_QUEUE,
                                          &family->queueFlags)) {
            return false;
        }
    }
    return true;
}

static bool read_extensions(const json_t *json, struct pv_vkhost_facts *facts)
{
    json_t *extensions = json_object_get(json, "extensions");
    const char *name;
    json_t *value;

    if (!json_is_object(extensions) || json_object_size(extensions) > PV_VKHOST_EXTENSIONS_MAX) {
        return false;
    }
    json_object_foreach(extensions, name, value)
    {
        VkExtensionProperties *extension = &facts->extensions[facts->extension_count++];

        if (!json_is_integer(value)) {
            return false;
        }
        snprintf(extension->extensionName, sizeof(extension->extensionName), "%s", name);
        extension->specVersion = (uint32_t)json_integer_value(value);
    }
    return true;
}

int pv_doctor_facts_from_json(const json_t *json, struct pv_vkhost_facts *ret_facts)
{
    struct pv_vkhost_facts *facts = ret_facts;
    VkPhysicalDeviceProperties *properties = &facts->properties;
    uint32_t driver_id = 0;
    bool is_good;

    memset(facts, 0, sizeof(*facts));
    is_good =
        json_is_object(json)
        && read_string(json, "device_name", properties->deviceName, sizeof(properties->deviceName))
        && pv_doctor_device_type_from_json(json_object_get(json, "device_type"),
                                           &properties->deviceType)
        && pv_doctor_version_from_json(json_object_get(json, "api_version"),
                                       &properties->apiVersion)
        && read_u32(json, "driver_version", &properties->driverVersion)
        && read_u32(json, "vendor_id", &properties->vendorID)
        && read_u32(json, "device_id", &properties->deviceID)
        && read_u32(json, "driver_id", &driver_id)
        && read_string(json, "driver_name", facts->driver_name, sizeof(facts->driver_name))
        && read_string(json, "driver_info", facts->driver_info, sizeof(facts->driver_info))
        && read_u64(json, "max_allocation_bytes", &facts->max_allocation_bytes)
        && read_bool(json, "timeline_semaphore", &facts->has_timeline)
        && read_bool(json, "synchronization2", &facts->has_sync2)
        && read_bool(json, "format_feature_flags2", &facts->has_features2)
        && read_memory(json, &facts->memory)
        && read_u64(json, "import_alignment_bytes", &facts->import_alignment_bytes)
        && read_bits(json, "import_types", &facts->import_type_bits)
        && read_bits(json, "buffer_types", &facts->buffer_type_bits)
        && read_bits(json, "linear_types", &facts->linear_type_bits)
        && read_bits(json, "optimal_types", &facts->optimal_type_bits)
        && read_bool(json, "buffers_take_host_handle", &facts->buffers_take_host_handle)
        && read_bool(json, "images_take_host_handle", &facts->images_take_host_handle)
        && read_u32(json, "semaphore_sync_fd", &facts->semaphore_sync_fd)
        && read_u32(json, "fence_sync_fd", &facts->fence_sync_fd)
        && read_u32(json, "bgra8_unorm_linear", &facts->bgra8_unorm_linear)
        && read_u32(json, "bgra8_srgb_linear", &facts->bgra8_srgb_linear)
        && read_queues(json, facts) && read_extensions(json, facts);
    facts->driver_id = (VkDriverId)driver_id;
    return is_good ? 0 : -EINVAL;
}
