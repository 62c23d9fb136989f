/* SPDX-License-Identifier: MIT */
/* Spelling Vulkan's values; see the header. */
#include "doctor/vulkan_json.h"

#include <stdio.h>
#include <string.h>

struct word {
    const char *name;
    uint32_t value;
};

static const struct word memory_flags[] = {
    {"DEVICE_LOCAL", VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT},
    {"HOST_VISIBLE", VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT},
    {"HOST_COHERENT", VK_MEMORY_PROPERTY_HOST_COHERENT_BIT},
    {"HOST_CACHED", VK_MEMORY_PROPERTY_HOST_CACHED_BIT},
    {"LAZILY_ALLOCATED", VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT},
    {"PROTECTED", VK_MEMORY_PROPERTY_PROTECTED_BIT},
    {"DEVICE_COHERENT_AMD", VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD},
    {"DEVICE_UNCACHED_AMD", VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD},
    {"RDMA_CAPABLE_NV", VK_MEMORY_PROPERTY_RDMA_CAPABLE_BIT_NV},
};

static const struct word queue_flags[] = {
    {"GRAPHICS", VK_QUEUE_GRAPHICS_BIT},
    {"COMPUTE", VK_QUEUE_COMPUTE_BIT},
    {"TRANSFER", VK_QUEUE_TRANSFER_BIT},
    {"SPARSE_BINDING", VK_QUEUE_SPARSE_BINDING_BIT},
    {"PROTECTED", VK_QUEUE_PROTECTED_BIT},
    {"VIDEO_DECODE", VK_QUEUE_VIDEO_DECODE_BIT_KHR},
    {"VIDEO_ENCODE", VK_QUEUE_VIDEO_ENCODE_BIT_KHR},
    {"OPTICAL_FLOW", VK_QUEUE_OPTICAL_FLOW_BIT_NV},
};

static const struct word device_types[] = {
    {"other", VK_PHYSICAL_DEVICE_TYPE_OTHER},
    {"integrated", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU},
    {"discrete", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU},
    {"virtual", VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU},
    {"cpu", VK_PHYSICAL_DEVICE_TYPE_CPU},
};

static const struct {
    const struct word *words;
    size_t count;
} sets[] = {
    [PV_DOCTOR_WORDS_MEMORY] = {memory_flags, PV_ARRAY_LEN(memory_flags)},
    [PV_DOCTOR_WORDS_QUEUE] = {queue_flags, PV_ARRAY_LEN(queue_flags)},
};

json_t *pv_doctor_words_to_json(enum pv_doctor_words set, uint32_t bits)
{
    json_t *array = json_array();

    for (size_t i = 0; i < sets[set].count; i++) {
        if ((bits & sets[set].words[i].value) != 0) {
            json_array_append_new(array, json_string(sets[set].words[i].name));
        }
    }
    return array;
}

bool pv_doctor_words_from_json(const json_t *array, enum pv_doctor_words set, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    size_t index;
    json_t *value;

    if (!json_is_array(array)) {
        return false;
    }
    json_array_foreach(array, index, value)
    {
        bool is_known = false;

        for (size_t i = 0; i < sets[set].count && json_is_string(value); i++) {
            if (strcmp(sets[set].words[i].name, json_string_value(value)) == 0) {
                bits |= sets[set].words[i].value;
                is_known = true;
            }
        }
        if (!is_known) {
            return false;
        }
    }
    *ret_bits = bits;
    return true;
}

json_t *pv_doctor_device_type_to_json(VkPhysicalDeviceType type)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(device_types); i++) {
        if (device_types[i].value == (uint32_t)type) {
            return json_string(device_types[i].name);
        }
    }
    return json_string("other");
}

bool pv_doctor_device_type_from_json(const json_t *text, VkPhysicalDeviceType *ret_type)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(device_types) && json_is_string(text); i++) {
        if (strcmp(device_types[i].name, json_string_value(text)) == 0) {
            *ret_type = (VkPhysicalDeviceType)device_types[i].value;
            return true;
        }
    }
    return false;
}

json_t *pv_doctor_version_to_json(uint32_t version)
{
    return json_sprintf("%u.%u.%u", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
                        VK_API_VERSION_PATCH(version));
}

bool pv_doctor_version_from_json(const json_t *text, uint32_t *ret_version)
{
    unsigned int major;
    unsigned int minor;
    unsigned int patch;

    if (!json_is_string(text)
        || sscanf(json_string_value(text), "%u.%u.%u", &major, &minor, &patch) != 3) {
        return false;
    }
    *ret_version = VK_MAKE_API_VERSION(0, major, minor, patch);
    return true;
}

json_t *pv_doctor_extensions_to_json(const VkExtensionProperties *extensions, uint32_t count)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < count; i++) {
        json_object_set_new(object, extensions[i].extensionName,
                            json_integer(extensions[i].specVersion));
    }
    return object;
}

json_t *pv_doctor_heaps_to_json(const VkPhysicalDeviceMemoryProperties *memory)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < memory->memoryHeapCount; i++) {
        json_array_append_new(
            array,
            json_pack("{s:I, s:b}", "size_bytes", (json_int_t)memory->memoryHeaps[i].size,
                      "device_local",
                      (memory->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0));
    }
    return array;
}
