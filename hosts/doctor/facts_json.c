/* SPDX-License-Identifier: MIT */
/*
 * Writing and reading facts. Bit masks over memory types are written as arrays of indices, device
 * types and memory flags as words.
 */
#include "doctor/facts_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vkhost/items.h"

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

static const char *const backing_names[] = {"none", "import", "device"};

/* ---- writing ---- */

static json_t *words_to_json(const struct word *words, size_t word_count, uint32_t bits)
{
    json_t *array = json_array();

    for (size_t i = 0; i < word_count; i++) {
        if ((bits & words[i].value) != 0) {
            json_array_append_new(array, json_string(words[i].name));
        }
    }
    return array;
}

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

static json_t *device_type_to_json(VkPhysicalDeviceType type)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(device_types); i++) {
        if (device_types[i].value == (uint32_t)type) {
            return json_string(device_types[i].name);
        }
    }
    return json_string("other");
}

static json_t *version_to_json(uint32_t version)
{
    return json_sprintf("%u.%u.%u", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
                        VK_API_VERSION_PATCH(version));
}

static json_t *extensions_to_json(const VkExtensionProperties *extensions, uint32_t count)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < count; i++) {
        json_object_set_new(object, extensions[i].extensionName,
                            json_integer(extensions[i].specVersion));
    }
    return object;
}

static json_t *heaps_to_json(const VkPhysicalDeviceMemoryProperties *memory)
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

static json_t *types_to_json(const VkPhysicalDeviceMemoryProperties *memory)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
        const VkMemoryType *type = &memory->memoryTypes[i];

        json_array_append_new(array,
                              json_pack("{s:i, s:o}", "heap", (int)type->heapIndex, "flags",
                                        words_to_json(memory_flags, PV_ARRAY_LEN(memory_flags),
                                                      type->propertyFlags)));
    }
    return array;
}

static json_t *queues_to_json(const struct pv_vkhost_facts *facts)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < facts->queue_family_count; i++) {
        const VkQueueFamilyProperties *family = &facts->queue_families[i];

        json_array_append_new(
            array,
            json_pack("{s:i, s:i, s:o}", "count", (int)family->queueCount, "timestamp_bits",
                      (int)family->timestampValidBits, "flags",
                      words_to_json(queue_flags, PV_ARRAY_LEN(queue_flags), family->queueFlags)));
    }
    return array;
}

json_t *pv_doctor_facts_to_json(const struct pv_vkhost_facts *facts)
{
    const VkPhysicalDeviceProperties *properties = &facts->properties;
    json_t *json = json_object();

    json_object_set_new(json, "device_name", json_string(properties->deviceName));
    json_object_set_new(json, "device_type", device_type_to_json(properties->deviceType));
    json_object_set_new(json, "api_version", version_to_json(properties->apiVersion));
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
    json_object_set_new(json, "memory_heaps", heaps_to_json(&facts->memory));
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
                        extensions_to_json(facts->extensions, facts->extension_count));
    return json;
}

static json_t *backing_to_json(const struct pv_vkhost_memory_backing *backing)
{
    if (backing->kind == PV_VKHOST_MEMORY_NONE) {
        return json_pack("{s:s}", "kind", backing_names[backing->kind]);
    }
    return json_pack("{s:s, s:i}", "kind", backing_names[backing->kind], "host_type",
                     (int)backing->host_index);
}

json_t *pv_doctor_items_to_json(const struct pv_vkhost_facts *facts)
{
    json_t *array = json_array();
    uint32_t count;
    const struct pv_vkhost_item *items = pv_vkhost_items_get(&count);

    for (uint32_t i = 0; i < count; i++) {
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "kind",
                             pv_vkhost_item_kind_name(items[i].kind), "name", items[i].name, "on",
                             (int)pv_vkhost_item_is_on(&items[i], facts), "trigger",
                             items[i].trigger, "how", items[i].how, "why", items[i].why));
    }
    return array;
}

json_t *pv_doctor_view_to_json(const struct pv_vkhost_view *view)
{
    json_t *json = json_object();
    json_t *types = json_array();

    for (uint32_t i = 0; i < view->memory.type_count; i++) {
        const struct pv_vkhost_memory_type *type = &view->memory.types[i];

        json_array_append_new(
            types,
            json_pack("{s:i, s:o, s:o, s:o}", "heap", (int)type->heap_index, "flags",
                      words_to_json(memory_flags, PV_ARRAY_LEN(memory_flags), type->flags), "plain",
                      backing_to_json(&type->plain), "external", backing_to_json(&type->external)));
    }
    json_object_set_new(json, "device_name", json_string(view->device_name));
    json_object_set_new(json, "device_type", device_type_to_json(view->device_type));
    json_object_set_new(json, "pages_can_move", json_boolean(view->pages_can_move));
    json_object_set_new(json, "api_version", version_to_json(view->api_version));
    json_object_set_new(json, "queue_family_count", json_integer(view->queue_family_count));
    json_object_set_new(json, "memory_heaps", heaps_to_json(&view->memory.properties));
    json_object_set_new(json, "memory_types", types);
    json_object_set_new(json, "extensions",
                        extensions_to_json(view->extensions, view->extension_count));
    return json;
}

/*
 * Where the Venus driver of stock guests stops by itself: it is built for this version of the
 * registry, whatever it is offered. Source: Mesa 25.0.7, vn_protocol_driver_info.h.
 */
#define GUEST_DRIVER      "Mesa 25.0.7"
#define GUEST_VERSION_MAX VK_MAKE_API_VERSION(0, 1, 3, 269)

json_t *pv_doctor_versions_to_json(const struct pv_vkhost_facts *facts,
                                   const struct pv_vkhost_view *view)
{
    const char *limit = "";
    uint32_t guest = view->api_version;

    if (guest > GUEST_VERSION_MAX) {
        guest = GUEST_VERSION_MAX;
        limit = "the Venus driver of " GUEST_DRIVER " stops there";
    }
    if (guest >= VK_API_VERSION_1_3
        && !pv_vkhost_view_has_extension(view, "VK_KHR_synchronization2")) {
        guest = VK_API_VERSION_1_2;
        limit = "the host has no VK_KHR_synchronization2";
    }
    return json_pack("{s:o, s:o, s:o, s:s}", "host", version_to_json(facts->properties.apiVersion),
                     "offered", version_to_json(view->api_version), "guest", version_to_json(guest),
                     "guest_limit", limit);
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

static bool read_version(const json_t *json, const char *key, uint32_t *ret_version)
{
    char text[32] = "";
    unsigned int major;
    unsigned int minor;
    unsigned int patch;

    if (!read_string(json, key, text, sizeof(text))
        || sscanf(text, "%u.%u.%u", &major, &minor, &patch) != 3) {
        return false;
    }
    *ret_version = VK_MAKE_API_VERSION(0, major, minor, patch);
    return true;
}

static bool read_device_type(const json_t *json, VkPhysicalDeviceType *ret_type)
{
    char text[32] = "";

    if (!read_string(json, "device_type", text, sizeof(text))) {
        return false;
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(device_types); i++) {
        if (strcmp(device_types[i].name, text) == 0) {
            *ret_type = (VkPhysicalDeviceType)device_types[i].value;
            return true;
        }
    }
    return false;
}

static bool read_words(const json_t *array, const struct word *words, size_t word_count,
                       uint32_t *ret_bits)
{
    size_t index;
    json_t *value;

    if (!json_is_array(array)) {
        return false;
    }
    json_array_foreach(array, index, value)
    {
        bool is_known = false;

        for (size_t i = 0; i < word_count && json_is_string(value); i++) {
            if (strcmp(words[i].name, json_string_value(value)) == 0) {
                *ret_bits |= words[i].value;
                is_known = true;
            }
        }
        if (!is_known) {
            return false;
        }
    }
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
            || !read_words(json_object_get(value, "flags"), memory_flags,
                           PV_ARRAY_LEN(memory_flags), &type->propertyFlags)) {
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
            || !read_words(json_object_get(value, "flags"), queue_flags, PV_ARRAY_LEN(queue_flags),
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
        && read_device_type(json, &properties->deviceType)
        && read_version(json, "api_version", &properties->apiVersion)
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
