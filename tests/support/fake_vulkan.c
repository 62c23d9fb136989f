/* SPDX-License-Identifier: MIT */
/*
 * The functions of the fake driver. Handles are counters.
 */
#include "support/fake_vulkan.h"

#include <string.h>

#include "base/compiler.h"
#include "support/profile.h"
#include "vkhost/chain.h"

struct pv_fake_vulkan pv_fake_vulkan;

#define HANDLE(type, number) ((type)(uintptr_t)(number))

void pv_fake_vulkan_reset(const char *profile)
{
    memset(&pv_fake_vulkan, 0, sizeof(pv_fake_vulkan));
    pv_test_profile_load(profile, &pv_fake_vulkan.facts);
    pv_fake_vulkan.api_version = VK_API_VERSION_1_3;
    pv_fake_vulkan.named_import_bits = pv_fake_vulkan.facts.import_type_bits;
}

/* ---- instance ---- */

static VkResult VKAPI_CALL enumerate_version(uint32_t *version)
{
    *version = pv_fake_vulkan.api_version;
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL enumerate_instance_extensions(const char *layer, uint32_t *count,
                                                         VkExtensionProperties *properties)
{
    (void)layer;
    (void)properties;
    *count = 0;
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                           const VkAllocationCallbacks *allocator,
                                           VkInstance *instance)
{
    (void)info;
    (void)allocator;
    if (pv_fake_vulkan.create_instance == VK_SUCCESS) {
        *instance = HANDLE(VkInstance, 1);
        pv_fake_vulkan.live_count++;
    }
    return pv_fake_vulkan.create_instance;
}

static void VKAPI_CALL destroy_instance(VkInstance instance, const VkAllocationCallbacks *allocator)
{
    (void)instance;
    (void)allocator;
    pv_fake_vulkan.live_count--;
}

static VkResult VKAPI_CALL enumerate_physical_devices(VkInstance instance, uint32_t *count,
                                                      VkPhysicalDevice *devices)
{
    (void)instance;
    if (devices != NULL && *count >= 1) {
        devices[0] = HANDLE(VkPhysicalDevice, 2);
    }
    *count = 1;
    return VK_SUCCESS;
}

/* ---- physical device ---- */

static VkResult VKAPI_CALL enumerate_device_extensions(VkPhysicalDevice device, const char *layer,
                                                       uint32_t *count,
                                                       VkExtensionProperties *properties)
{
    (void)device;
    (void)layer;
    *count = pv_fake_vulkan.facts.extension_count;
    if (properties != NULL) {
        memcpy(properties, pv_fake_vulkan.facts.extensions, *count * sizeof(*properties));
    }
    return VK_SUCCESS;
}

static void VKAPI_CALL get_properties(VkPhysicalDevice device,
                                      VkPhysicalDeviceProperties *properties)
{
    (void)device;
    *properties = pv_fake_vulkan.facts.properties;
}

static void VKAPI_CALL get_properties2(VkPhysicalDevice device,
                                       VkPhysicalDeviceProperties2 *properties)
{
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT *host = pv_vkhost_chain_find(
        properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT);
    VkPhysicalDeviceMaintenance3Properties *maintenance = pv_vkhost_chain_find(
        properties, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);

    get_properties(device, &properties->properties);
    if (host != NULL) {
        host->minImportedHostPointerAlignment = pv_fake_vulkan.facts.import_alignment_bytes;
    }
    if (maintenance != NULL) {
        maintenance->maxMemoryAllocationSize = pv_fake_vulkan.facts.max_allocation_bytes;
    }
}

static void VKAPI_CALL get_features2(VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *features)
{
    VkPhysicalDeviceTimelineSemaphoreFeatures *timeline = pv_vkhost_chain_find(
        features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES);

    (void)device;
    if (timeline != NULL) {
        timeline->timelineSemaphore = pv_fake_vulkan.facts.has_timeline;
    }
}

static void VKAPI_CALL get_memory(VkPhysicalDevice device,
                                  VkPhysicalDeviceMemoryProperties *properties)
{
    (void)device;
    *properties = pv_fake_vulkan.facts.memory;
}

static void VKAPI_CALL get_queues(VkPhysicalDevice device, uint32_t *count,
                                  VkQueueFamilyProperties *properties)
{
    (void)device;
    if (*count > pv_fake_vulkan.facts.queue_family_count) {
        *count = pv_fake_vulkan.facts.queue_family_count;
    }
    memcpy(properties, pv_fake_vulkan.facts.queue_families, *count * sizeof(*properties));
}

static void VKAPI_CALL get_format(VkPhysicalDevice device, VkFormat format,
                                  VkFormatProperties *properties)
{
    (void)device;
    (void)format;
    properties->linearTilingFeatures = pv_fake_vulkan.facts.bgra8_unorm_linear;
}

static VkResult VKAPI_CALL get_image_format(VkPhysicalDevice device, VkFormat format,
                                            VkImageType type, VkImageTiling tiling,
                                            VkImageUsageFlags usage, VkImageCreateFlags flags,
                                            VkImageFormatProperties *properties)
{
    (void)device;
    (void)format;
    (void)type;
    (void)tiling;
    (void)usage;
    (void)flags;
    (void)properties;
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL get_image_format2(VkPhysicalDevice device,
                                             const VkPhysicalDeviceImageFormatInfo2 *info,
                                             VkImageFormatProperties2 *properties)
{
    (void)device;
    (void)info;
    (void)properties;
    return VK_ERROR_FORMAT_NOT_SUPPORTED; /* not as HOST_ALLOCATION */
}

static void VKAPI_CALL get_external_buffer(VkPhysicalDevice device,
                                           const VkPhysicalDeviceExternalBufferInfo *info,
                                           VkExternalBufferProperties *properties)
{
    (void)device;
    (void)info;
    properties->externalMemoryProperties.externalMemoryFeatures =
        VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
}

static void VKAPI_CALL get_external_semaphore(VkPhysicalDevice device,
                                              const VkPhysicalDeviceExternalSemaphoreInfo *info,
                                              VkExternalSemaphoreProperties *properties)
{
    (void)device;
    (void)info;
    properties->externalSemaphoreFeatures = pv_fake_vulkan.facts.semaphore_sync_fd;
}

static void VKAPI_CALL get_external_fence(VkPhysicalDevice device,
                                          const VkPhysicalDeviceExternalFenceInfo *info,
                                          VkExternalFenceProperties *properties)
{
    (void)device;
    (void)info;
    properties->externalFenceFeatures = pv_fake_vulkan.facts.fence_sync_fd;
}

static VkResult VKAPI_CALL create_device(VkPhysicalDevice physical_device,
                                         const VkDeviceCreateInfo *info,
                                         const VkAllocationCallbacks *allocator, VkDevice *device)
{
    (void)physical_device;
    (void)info;
    (void)allocator;
    if (pv_fake_vulkan.create_device == VK_SUCCESS) {
        *device = HANDLE(VkDevice, 3);
        pv_fake_vulkan.live_count++;
    }
    return pv_fake_vulkan.create_device;
}

/* ---- device ---- */

static void VKAPI_CALL destroy_device(VkDevice device, const VkAllocationCallbacks *allocator)
{
    (void)device;
    (void)allocator;
    pv_fake_vulkan.live_count--;
}

static VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo *info,
                                         const VkAllocationCallbacks *allocator, VkBuffer *buffer)
{
    (void)device;
    (void)allocator;
    *buffer = HANDLE(VkBuffer, info->pNext != NULL ? 5 : 4);
    pv_fake_vulkan.live_count++;
    return VK_SUCCESS;
}

/* Buffers declared for host memory want other types, as on NVIDIA's driver. */
static void VKAPI_CALL get_buffer_requirements(VkDevice device, VkBuffer buffer,
                                               VkMemoryRequirements *requirements)
{
    (void)device;
    requirements->memoryTypeBits = buffer == HANDLE(VkBuffer, 5)
                                       ? pv_fake_vulkan.facts.import_type_bits
                                       : pv_fake_vulkan.facts.buffer_type_bits;
    requirements->size = 65536;
    requirements->alignment = 64;
}

static void VKAPI_CALL destroy_buffer(VkDevice device, VkBuffer buffer,
                                      const VkAllocationCallbacks *allocator)
{
    (void)device;
    (void)buffer;
    (void)allocator;
    pv_fake_vulkan.live_count--;
}

static VkResult VKAPI_CALL create_image(VkDevice device, const VkImageCreateInfo *info,
                                        const VkAllocationCallbacks *allocator, VkImage *image)
{
    (void)device;
    (void)allocator;
    *image = HANDLE(VkImage, info->tiling == VK_IMAGE_TILING_LINEAR ? 6 : 7);
    pv_fake_vulkan.live_count++;
    return VK_SUCCESS;
}

static void VKAPI_CALL get_image_requirements(VkDevice device, VkImage image,
                                              VkMemoryRequirements *requirements)
{
    (void)device;
    requirements->memoryTypeBits = image == HANDLE(VkImage, 6)
                                       ? pv_fake_vulkan.facts.linear_type_bits
                                       : pv_fake_vulkan.facts.optimal_type_bits;
}

static void VKAPI_CALL destroy_image(VkDevice device, VkImage image,
                                     const VkAllocationCallbacks *allocator)
{
    (void)device;
    (void)image;
    (void)allocator;
    pv_fake_vulkan.live_count--;
}

static VkResult VKAPI_CALL get_host_pointer(VkDevice device,
                                            VkExternalMemoryHandleTypeFlagBits type,
                                            const void *pointer,
                                            VkMemoryHostPointerPropertiesEXT *properties)
{
    (void)device;
    (void)type;
    if ((uintptr_t)pointer % pv_fake_vulkan.facts.import_alignment_bytes != 0) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    properties->memoryTypeBits = pv_fake_vulkan.named_import_bits;
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL allocate_memory(VkDevice device, const VkMemoryAllocateInfo *info,
                                           const VkAllocationCallbacks *allocator,
                                           VkDeviceMemory *memory)
{
    (void)device;
    (void)allocator;
    pv_fake_vulkan.import_count++;
    if ((pv_fake_vulkan.imports_refused >> info->memoryTypeIndex & 1) != 0) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    *memory = HANDLE(VkDeviceMemory, 8);
    pv_fake_vulkan.live_count++;
    return VK_SUCCESS;
}

static void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory,
                                   const VkAllocationCallbacks *allocator)
{
    (void)device;
    (void)memory;
    (void)allocator;
    pv_fake_vulkan.live_count--;
}

static PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    (void)device;
    return pv_fake_vulkan_entry(NULL, name);
}

PFN_vkVoidFunction VKAPI_CALL pv_fake_vulkan_entry(VkInstance instance, const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } functions[] = {
        {"vkEnumerateInstanceVersion", (PFN_vkVoidFunction)enumerate_version},
        {"vkEnumerateInstanceExtensionProperties",
         (PFN_vkVoidFunction)enumerate_instance_extensions},
        {"vkCreateInstance", (PFN_vkVoidFunction)create_instance},
        {"vkDestroyInstance", (PFN_vkVoidFunction)destroy_instance},
        {"vkEnumeratePhysicalDevices", (PFN_vkVoidFunction)enumerate_physical_devices},
        {"vkEnumerateDeviceExtensionProperties", (PFN_vkVoidFunction)enumerate_device_extensions},
        {"vkGetPhysicalDeviceProperties", (PFN_vkVoidFunction)get_properties},
        {"vkGetPhysicalDeviceProperties2", (PFN_vkVoidFunction)get_properties2},
        {"vkGetPhysicalDeviceFeatures2", (PFN_vkVoidFunction)get_features2},
        {"vkGetPhysicalDeviceMemoryProperties", (PFN_vkVoidFunction)get_memory},
        {"vkGetPhysicalDeviceQueueFamilyProperties", (PFN_vkVoidFunction)get_queues},
        {"vkGetPhysicalDeviceFormatProperties", (PFN_vkVoidFunction)get_format},
        {"vkGetPhysicalDeviceImageFormatProperties", (PFN_vkVoidFunction)get_image_format},
        {"vkGetPhysicalDeviceImageFormatProperties2", (PFN_vkVoidFunction)get_image_format2},
        {"vkGetPhysicalDeviceExternalBufferProperties", (PFN_vkVoidFunction)get_external_buffer},
        {"vkGetPhysicalDeviceExternalSemaphoreProperties",
         (PFN_vkVoidFunction)get_external_semaphore},
        {"vkGetPhysicalDeviceExternalFenceProperties", (PFN_vkVoidFunction)get_external_fence},
        {"vkCreateDevice", (PFN_vkVoidFunction)create_device},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)get_device_proc},
        {"vkDestroyDevice", (PFN_vkVoidFunction)destroy_device},
        {"vkCreateBuffer", (PFN_vkVoidFunction)create_buffer},
        {"vkGetBufferMemoryRequirements", (PFN_vkVoidFunction)get_buffer_requirements},
        {"vkDestroyBuffer", (PFN_vkVoidFunction)destroy_buffer},
        {"vkCreateImage", (PFN_vkVoidFunction)create_image},
        {"vkGetImageMemoryRequirements", (PFN_vkVoidFunction)get_image_requirements},
        {"vkDestroyImage", (PFN_vkVoidFunction)destroy_image},
        {"vkGetMemoryHostPointerPropertiesEXT", (PFN_vkVoidFunction)get_host_pointer},
        {"vkAllocateMemory", (PFN_vkVoidFunction)allocate_memory},
        {"vkFreeMemory", (PFN_vkVoidFunction)free_memory},
    };

    (void)instance;
    for (size_t i = 0; i < PV_ARRAY_LEN(functions); i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return functions[i].function;
        }
    }
    return NULL;
}
