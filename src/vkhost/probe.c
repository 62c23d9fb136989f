/* SPDX-License-Identifier: MIT */
/*
 * Asking a driver for its facts. Queries first; then a device of our own, on which sample resources
 * are created and a page of shared memory is imported into every memory type that the driver names,
 * because naming one is not yet taking it.
 */
#include "vkhost/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/shm.h"
#include "os/socket.h"
#include "vkhost_tables/tables.h"

/* Window-system images are of about this shape; small, for it is never touched. */
#define SAMPLE_IMAGE_PX     256
#define SAMPLE_BUFFER_BYTES 65536

struct probe {
    const struct pv_vkhost_instance *instance;
    VkPhysicalDevice physical_device;
    struct pv_vk_instance_table vk;
    struct pv_vkhost_facts *facts;
    VkDevice device;
    struct pv_vk_device_table device_vk;
};

static int extensions_ask(struct probe *probe)
{
    struct pv_vkhost_facts *facts = probe->facts;
    VkExtensionProperties *all;
    uint32_t count = 0;
    VkResult result;

    result =
        probe->vk.EnumerateDeviceExtensionProperties(probe->physical_device, NULL, &count, NULL);
    if (result != VK_SUCCESS) {
        return -EIO;
    }
    all = calloc(count > 0 ? count : 1, sizeof(*all));
    if (all == NULL) {
        return -ENOMEM;
    }
    result =
        probe->vk.EnumerateDeviceExtensionProperties(probe->physical_device, NULL, &count, all);
    if (result >= VK_SUCCESS) {
        facts->extension_count =
            count < PV_VKHOST_EXTENSIONS_MAX ? count : PV_VKHOST_EXTENSIONS_MAX;
        memcpy(facts->extensions, all, facts->extension_count * sizeof(*all));
    }
    free(all);
    return result >= VK_SUCCESS ? 0 : -EIO;
}

/* Whether a struct of core `version` or of an extension may be asked for. */
static bool knows(const struct probe *probe, uint32_t version, const char *extension)
{
    return (probe->facts->properties.apiVersion >= version
            && probe->instance->api_version >= version)
           || pv_vkhost_facts_has_extension(probe->facts, extension);
}

static void properties_ask(struct probe *probe)
{
    struct pv_vkhost_facts *facts = probe->facts;
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
    };
    VkPhysicalDeviceMaintenance3Properties maintenance = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &maintenance,
    };

    if (knows(probe, VK_API_VERSION_1_2, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME)) {
        driver.pNext = properties.pNext;
        properties.pNext = &driver;
    }
    if (pv_vkhost_facts_has_extension(facts, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME)) {
        host.pNext = properties.pNext;
        properties.pNext = &host;
    }
    probe->vk.GetPhysicalDeviceProperties2(probe->physical_device, &properties);
    facts->driver_id = driver.driverID;
    memcpy(facts->driver_name, driver.driverName, sizeof(facts->driver_name));
    memcpy(facts->driver_info, driver.driverInfo, sizeof(facts->driver_info));
    facts->max_allocation_bytes = maintenance.maxMemoryAllocationSize;
    facts->import_alignment_bytes = host.minImportedHostPointerAlignment;
}

static void features_ask(struct probe *probe)
{
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
    };
    VkPhysicalDeviceSynchronization2Features sync2 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
    };
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};

    if (knows(probe, VK_API_VERSION_1_2, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME)) {
        timeline.pNext = features.pNext;
        features.pNext = &timeline;
    }
    if (knows(probe, VK_API_VERSION_1_3, VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME)) {
        sync2.pNext = features.pNext;
        features.pNext = &sync2;
    }
    probe->vk.GetPhysicalDeviceFeatures2(probe->physical_device, &features);
    probe->facts->has_timeline = timeline.timelineSemaphore == VK_TRUE;
    probe->facts->has_sync2 = sync2.synchronization2 == VK_TRUE;
    probe->facts->has_features2 =
        knows(probe, VK_API_VERSION_1_3, VK_KHR_FORMAT_FEATURE_FLAGS_2_EXTENSION_NAME);
}

static void sync_ask(struct probe *probe)
{
    const VkPhysicalDeviceExternalSemaphoreInfo semaphore_info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkPhysicalDeviceExternalFenceInfo fence_info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalSemaphoreProperties semaphore = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
    };
    VkExternalFenceProperties fence = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES};

    probe->vk.GetPhysicalDeviceExternalSemaphoreProperties(probe->physical_device, &semaphore_info,
                                                           &semaphore);
    probe->vk.GetPhysicalDeviceExternalFenceProperties(probe->physical_device, &fence_info, &fence);
    probe->facts->semaphore_sync_fd = semaphore.externalSemaphoreFeatures;
    probe->facts->fence_sync_fd = fence.externalFenceFeatures;
}

static VkFormatFeatureFlags linear_features_ask(const struct probe *probe, VkFormat format)
{
    VkFormatProperties properties = {0};

    probe->vk.GetPhysicalDeviceFormatProperties(probe->physical_device, format, &properties);
    return properties.linearTilingFeatures;
}

static int queries_run(struct probe *probe)
{
    struct pv_vkhost_facts *facts = probe->facts;
    int r;

    probe->vk.GetPhysicalDeviceProperties(probe->physical_device, &facts->properties);
    if (facts->properties.apiVersion < VK_API_VERSION_1_1) {
        return -ENOTSUP;
    }
    r = extensions_ask(probe);
    if (r < 0) {
        return r;
    }
    properties_ask(probe);
    features_ask(probe);
    sync_ask(probe);
    probe->vk.GetPhysicalDeviceMemoryProperties(probe->physical_device, &facts->memory);
    facts->queue_family_count = PV_VKHOST_QUEUE_FAMILIES_MAX;
    probe->vk.GetPhysicalDeviceQueueFamilyProperties(
        probe->physical_device, &facts->queue_family_count, facts->queue_families);
    facts->bgra8_unorm_linear = linear_features_ask(probe, VK_FORMAT_B8G8R8A8_UNORM);
    facts->bgra8_srgb_linear = linear_features_ask(probe, VK_FORMAT_B8G8R8A8_SRGB);
    return 0;
}

/* ---- the device ---- */

static int device_create(struct probe *probe)
{
    static const char portability[] = "VK_KHR_portability_subset";
    const float priority = 1.0f;
    const char *extensions[2];
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .ppEnabledExtensionNames = extensions,
    };

    extensions[info.enabledExtensionCount++] = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
    if (pv_vkhost_facts_has_extension(probe->facts, portability)) {
        extensions[info.enabledExtensionCount++] = portability;
    }
    if (probe->vk.CreateDevice(probe->physical_device, &info, NULL, &probe->device) != VK_SUCCESS) {
        return -EIO;
    }
    pv_vk_device_table_load(&probe->device_vk, probe->device, probe->vk.GetDeviceProcAddr);
    return 0;
}

/* Requirements of a sample buffer or image; false when the driver refuses it. */
static bool buffer_ask(const struct probe *probe, bool with_handle, VkMemoryRequirements *ret)
{
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
    };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = with_handle ? &external : NULL,
        .size = SAMPLE_BUFFER_BYTES,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT
                 | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT
                 | VK_BUFFER_USAGE_INDEX_BUFFER_BIT | VK_BUFFER_USAGE_VERTEX_BUFFER_BIT
                 | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
    };
    VkBuffer buffer;

    if (probe->device_vk.CreateBuffer(probe->device, &info, NULL, &buffer) != VK_SUCCESS) {
        return false;
    }
    probe->device_vk.GetBufferMemoryRequirements(probe->device, buffer, ret);
    probe->device_vk.DestroyBuffer(probe->device, buffer, NULL);
    return true;
}

static bool image_ask(const struct probe *probe, VkImageTiling tiling, bool with_handle,
                      VkMemoryRequirements *ret)
{
    const VkExternalMemoryImageCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
    };
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .pNext = with_handle ? &external : NULL,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_B8G8R8A8_UNORM,
        .extent = {SAMPLE_IMAGE_PX, SAMPLE_IMAGE_PX, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = tiling,
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_SAMPLED_BIT
                 | VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    VkImageFormatProperties properties;
    VkImage image;

    if (probe->vk.GetPhysicalDeviceImageFormatProperties(
            probe->physical_device, info.format, info.imageType, tiling, info.usage, 0, &properties)
            != VK_SUCCESS
        || probe->device_vk.CreateImage(probe->device, &info, NULL, &image) != VK_SUCCESS) {
        return false;
    }
    probe->device_vk.GetImageMemoryRequirements(probe->device, image, ret);
    probe->device_vk.DestroyImage(probe->device, image, NULL);
    return true;
}

static bool requirements_are_equal(const VkMemoryRequirements *a, const VkMemoryRequirements *b)
{
    return a->memoryTypeBits == b->memoryTypeBits && a->size == b->size
           && a->alignment == b->alignment;
}

static bool buffers_may_have_handle(const struct probe *probe)
{
    const VkPhysicalDeviceExternalBufferInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
    };
    VkExternalBufferProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
    };

    probe->vk.GetPhysicalDeviceExternalBufferProperties(probe->physical_device, &info, &properties);
    return (properties.externalMemoryProperties.externalMemoryFeatures
            & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT)
           != 0;
}

static bool images_may_have_handle(const struct probe *probe)
{
    const VkPhysicalDeviceExternalImageFormatInfo external = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
    };
    const VkPhysicalDeviceImageFormatInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
        .pNext = &external,
        .format = VK_FORMAT_B8G8R8A8_UNORM,
        .type = VK_IMAGE_TYPE_2D,
        .tiling = VK_IMAGE_TILING_LINEAR,
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT,
    };
    VkExternalImageFormatProperties ret_external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
    };
    VkImageFormatProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
        .pNext = &ret_external,
    };

    return probe->vk.GetPhysicalDeviceImageFormatProperties2(probe->physical_device, &info,
                                                             &properties)
               == VK_SUCCESS
           && (ret_external.externalMemoryProperties.externalMemoryFeatures
               & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT)
                  != 0;
}

static void resources_ask(struct probe *probe)
{
    struct pv_vkhost_facts *facts = probe->facts;
    VkMemoryRequirements plain;
    VkMemoryRequirements handled;

    if (buffer_ask(probe, false, &plain)) {
        facts->buffer_type_bits = plain.memoryTypeBits;
        facts->buffers_take_host_handle = buffers_may_have_handle(probe)
                                          && buffer_ask(probe, true, &handled)
                                          && requirements_are_equal(&plain, &handled);
    }
    if (image_ask(probe, VK_IMAGE_TILING_LINEAR, false, &plain)) {
        facts->linear_type_bits = plain.memoryTypeBits;
        facts->images_take_host_handle = images_may_have_handle(probe)
                                         && image_ask(probe, VK_IMAGE_TILING_LINEAR, true, &handled)
                                         && requirements_are_equal(&plain, &handled);
    }
    if (image_ask(probe, VK_IMAGE_TILING_OPTIMAL, false, &plain)) {
        facts->optimal_type_bits = plain.memoryTypeBits;
    }
}

static bool import_works(const struct probe *probe, uint32_t type_index, void *pages,
                         size_t size_bytes)
{
    const VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .pHostPointer = pages,
    };
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &import,
        .allocationSize = size_bytes,
        .memoryTypeIndex = type_index,
    };
    VkDeviceMemory memory;

    if (probe->device_vk.AllocateMemory(probe->device, &info, NULL, &memory) != VK_SUCCESS) {
        return false;
    }
    probe->device_vk.FreeMemory(probe->device, memory, NULL);
    return true;
}

static void imports_try(struct probe *probe, void *pages, size_t size_bytes)
{
    VkMemoryHostPointerPropertiesEXT properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
    };

    if (probe->device_vk.GetMemoryHostPointerPropertiesEXT == NULL
        || probe->device_vk.GetMemoryHostPointerPropertiesEXT(
               probe->device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, pages,
               &properties)
               != VK_SUCCESS) {
        return;
    }
    for (uint32_t i = 0; i < probe->facts->memory.memoryTypeCount; i++) {
        if ((properties.memoryTypeBits >> i & 1) != 0
            && import_works(probe, i, pages, size_bytes)) {
            probe->facts->import_type_bits |= UINT32_C(1) << i;
        }
    }
}

/* Shared memory as the renderer has it: a memfd, mapped shared. */
static int imports_ask(struct probe *probe)
{
    const size_t page_bytes = pv_os_page_bytes();
    const uint64_t alignment_bytes = probe->facts->import_alignment_bytes;
    size_t size_bytes = page_bytes;
    size_t mapped_bytes;
    void *mapping;
    uintptr_t pages;
    int fd;
    int r;

    if (alignment_bytes > (uint64_t)1 << 24 || (alignment_bytes & (alignment_bytes - 1)) != 0) {
        return 0; /* no driver asks for that; nothing can be imported then */
    }
    if (size_bytes < alignment_bytes) {
        size_bytes = (size_t)alignment_bytes;
    }
    mapped_bytes = 2 * size_bytes;
    r = pv_os_shm_create("pearvisor-probe", mapped_bytes, &fd);
    if (r < 0) {
        return r;
    }
    r = pv_os_shm_map(fd, 0, mapped_bytes, &mapping);
    pv_os_fds_close(&fd, 1);
    if (r < 0) {
        return r;
    }
    pages = ((uintptr_t)mapping + size_bytes - 1) & ~(uintptr_t)(size_bytes - 1);
    imports_try(probe, (void *)pages, size_bytes);
    pv_os_shm_unmap(mapping, mapped_bytes);
    return 0;
}

int pv_vkhost_probe_run(const struct pv_vkhost_instance *instance, VkPhysicalDevice physical_device,
                        struct pv_vkhost_facts *ret_facts, char ret_reason[256])
{
    struct probe *probe = calloc(1, sizeof(*probe));
    const char *what = "answer a query";
    int r;

    if (probe == NULL) {
        return -ENOMEM;
    }
    memset(ret_facts, 0, sizeof(*ret_facts));
    probe->instance = instance;
    probe->physical_device = physical_device;
    probe->facts = ret_facts;
    pv_vk_instance_table_load(&probe->vk, instance->handle,
                              instance->loader->get_instance_proc_addr);
    r = queries_run(probe);
    if (r == 0 && ret_facts->import_alignment_bytes != 0) {
        what = "create a device";
        r = device_create(probe);
        if (r == 0) {
            what = "map shared memory";
            resources_ask(probe);
            r = imports_ask(probe);
            probe->device_vk.DestroyDevice(probe->device, NULL);
        }
    }
    if (r < 0 && ret_reason != NULL) {
        if (r == -ENOTSUP) {
            snprintf(ret_reason, 256, "%.128s is older than Vulkan 1.1",
                     ret_facts->properties.deviceName);
        } else {
            snprintf(ret_reason, 256, "%.128s failed to %s", ret_facts->properties.deviceName,
                     what);
        }
    }
    free(probe);
    return r;
}
