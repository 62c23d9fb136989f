/* SPDX-License-Identifier: MIT */
/*
 * Opening a Vulkan device. Only features that some case uses are switched on, so that a program
 * asks for no more than it needs and a device that lacks one is still tested with the rest.
 */
#include "common/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/report.h"

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user)
{
    struct pv_prog_gpu *gpu = user;

    (void)types;
    if (severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT) {
        fprintf(stderr, "validation: %s\n", data->pMessage);
        gpu->validation_message_count++;
    }
    return VK_FALSE;
}

static void create_instance(const struct pv_prog_gpu_options *options, struct pv_prog_gpu *gpu)
{
    static const char *const layer = "VK_LAYER_KHRONOS_validation";
    static const char *const extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = options->name,
        .apiVersion = VK_API_VERSION_1_3,
    };
    const VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT
                           | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = gpu,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
        .pNext = options->validate ? &messenger : NULL,
        .enabledLayerCount = options->validate ? 1 : 0,
        .ppEnabledLayerNames = &layer,
        .enabledExtensionCount = options->validate ? 1 : 0,
        .ppEnabledExtensionNames = &extension,
    };
    VkResult result = vkCreateInstance(&info, NULL, &gpu->instance);

    if (result == VK_ERROR_LAYER_NOT_PRESENT) {
        pv_prog_fail("the Khronos validation layer is not installed; --validate needs it");
    }
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        pv_prog_skip("there is no Vulkan driver here");
    }
    PV_PROG_VK(result);
    if (options->validate) {
        PFN_vkCreateDebugUtilsMessengerEXT create =
            (PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
                gpu->instance, "vkCreateDebugUtilsMessengerEXT");

        PV_PROG_VK(create(gpu->instance, &messenger, NULL, &gpu->messenger));
    }
}

static void pick_physical_device(const struct pv_prog_gpu_options *options, struct pv_prog_gpu *gpu)
{
    VkPhysicalDevice devices[16];
    uint32_t count = sizeof(devices) / sizeof(devices[0]);
    VkResult result = vkEnumeratePhysicalDevices(gpu->instance, &count, devices);

    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        PV_PROG_VK(result);
    }
    if (count == 0) {
        pv_prog_skip("the Vulkan driver offers no device");
    }
    if (options->device_index >= count) {
        pv_prog_fail("there is no Vulkan device %u; the last one is %u", options->device_index,
                     count - 1);
    }
    gpu->physical = devices[options->device_index];
    vkGetPhysicalDeviceProperties(gpu->physical, &gpu->properties);
    vkGetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory);
    if (gpu->properties.apiVersion < VK_API_VERSION_1_3) {
        pv_prog_skip("\"%s\" is older than Vulkan 1.3", gpu->properties.deviceName);
    }
}

static void pick_queue_family(struct pv_prog_gpu *gpu)
{
    const VkQueueFlags wanted = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    VkQueueFamilyProperties families[16];
    uint32_t count = sizeof(families) / sizeof(families[0]);

    vkGetPhysicalDeviceQueueFamilyProperties(gpu->physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        if ((families[i].queueFlags & wanted) == wanted) {
            gpu->queue_family = i;
            gpu->family = families[i];
            gpu->queue_count = families[i].queueCount < PV_PROG_QUEUES_MAX ? families[i].queueCount
                                                                           : PV_PROG_QUEUES_MAX;
            return;
        }
    }
    pv_prog_skip("\"%s\" has no queue for both graphics and compute", gpu->properties.deviceName);
}

/* Keep of the device's features only those that some case uses. */
static void choose_features(struct pv_prog_gpu *gpu)
{
    VkPhysicalDeviceVulkan13Features has13 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
    };
    VkPhysicalDeviceVulkan12Features has12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = &has13,
    };
    VkPhysicalDeviceFeatures2 has = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &has12,
    };

    vkGetPhysicalDeviceFeatures2(gpu->physical, &has);
    gpu->enabled.core = (VkPhysicalDeviceFeatures){
        .multiDrawIndirect = has.features.multiDrawIndirect,
        .drawIndirectFirstInstance = has.features.drawIndirectFirstInstance,
        .occlusionQueryPrecise = has.features.occlusionQueryPrecise,
        .pipelineStatisticsQuery = has.features.pipelineStatisticsQuery,
        .shaderStorageImageExtendedFormats = has.features.shaderStorageImageExtendedFormats,
    };
    gpu->enabled.v13 = (VkPhysicalDeviceVulkan13Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
        .synchronization2 = VK_TRUE, /* 1.3 demands these three */
        .dynamicRendering = VK_TRUE,
        .maintenance4 = VK_TRUE,
    };
    gpu->enabled.v12 = (VkPhysicalDeviceVulkan12Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .timelineSemaphore = VK_TRUE, /* 1.2 demands these two */
        .hostQueryReset = VK_TRUE,
        .bufferDeviceAddress = has12.bufferDeviceAddress,
        .drawIndirectCount = has12.drawIndirectCount,
    };
}

/* Returns how many names it wrote: all required ones (they are there) and what else is found. */
static uint32_t choose_extensions(const struct pv_prog_gpu_options *options,
                                  struct pv_prog_gpu *gpu, const char **ret_names)
{
    uint32_t count = 0;

    if (options->extension_count > PV_PROG_OPTIONAL_MAX
        || options->optional_count > PV_PROG_OPTIONAL_MAX) {
        pv_prog_fail("a program asks for too many extensions");
    }
    for (uint32_t i = 0; i < options->extension_count; i++) {
        ret_names[count++] = options->device_extensions[i];
    }
    for (uint32_t i = 0; i < options->optional_count; i++) {
        if (pv_prog_gpu_has_extension(gpu, options->optional_extensions[i])) {
            ret_names[count++] = options->optional_extensions[i];
            gpu->optional_found |= 1u << i;
        }
    }
    return count;
}

static void create_device(const struct pv_prog_gpu_options *options, struct pv_prog_gpu *gpu)
{
    const float priorities[PV_PROG_QUEUES_MAX] = {1.0f, 1.0f, 1.0f, 1.0f};
    const VkDeviceQueueCreateInfo queue_info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = gpu->queue_family,
        .queueCount = gpu->queue_count,
        .pQueuePriorities = priorities,
    };
    /* Chained from copies: `enabled` is only read later on, and holds no dangling pNext. */
    VkPhysicalDeviceVulkan13Features v13 = gpu->enabled.v13;
    VkPhysicalDeviceVulkan12Features v12 = gpu->enabled.v12;
    const char *extensions[2 * PV_PROG_OPTIONAL_MAX];
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &v12,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue_info,
        .ppEnabledExtensionNames = extensions,
        .pEnabledFeatures = &gpu->enabled.core,
    };
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = gpu->queue_family,
    };

    v12.pNext = &v13;
    info.enabledExtensionCount = choose_extensions(options, gpu, extensions);
    PV_PROG_VK(vkCreateDevice(gpu->physical, &info, NULL, &gpu->device));
    for (uint32_t i = 0; i < gpu->queue_count; i++) {
        vkGetDeviceQueue(gpu->device, gpu->queue_family, i, &gpu->queues[i]);
    }
    gpu->queue = gpu->queues[0];
    PV_PROG_VK(vkCreateCommandPool(gpu->device, &pool_info, NULL, &gpu->pool));
}

bool pv_prog_gpu_has_extension(const struct pv_prog_gpu *gpu, const char *name)
{
    VkExtensionProperties *list;
    uint32_t count = 0;
    bool found = false;

    PV_PROG_VK(vkEnumerateDeviceExtensionProperties(gpu->physical, NULL, &count, NULL));
    list = calloc(count + 1, sizeof(*list));
    if (list == NULL) {
        pv_prog_fail("out of memory");
    }
    PV_PROG_VK(vkEnumerateDeviceExtensionProperties(gpu->physical, NULL, &count, list));
    for (uint32_t i = 0; i < count && !found; i++) {
        found = strcmp(list[i].extensionName, name) == 0;
    }
    free(list);
    return found;
}

void pv_prog_gpu_open(const struct pv_prog_gpu_options *options, struct pv_prog_gpu *ret_gpu)
{
    memset(ret_gpu, 0, sizeof(*ret_gpu));
    create_instance(options, ret_gpu);
    pick_physical_device(options, ret_gpu);
    if (!options->quiet) {
        pv_prog_info("device-name", "%s", ret_gpu->properties.deviceName);
    }
    for (uint32_t i = 0; i < options->extension_count; i++) {
        if (!pv_prog_gpu_has_extension(ret_gpu, options->device_extensions[i])) {
            pv_prog_skip("\"%s\" lacks %s", ret_gpu->properties.deviceName,
                         options->device_extensions[i]);
        }
    }
    pick_queue_family(ret_gpu);
    choose_features(ret_gpu);
    create_device(options, ret_gpu);
}

void pv_prog_gpu_close(struct pv_prog_gpu *gpu)
{
    vkDestroyCommandPool(gpu->device, gpu->pool, NULL);
    vkDestroyDevice(gpu->device, NULL);
    if (gpu->messenger != VK_NULL_HANDLE) {
        PFN_vkDestroyDebugUtilsMessengerEXT destroy =
            (PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
                gpu->instance, "vkDestroyDebugUtilsMessengerEXT");

        destroy(gpu->instance, gpu->messenger, NULL);
    }
    vkDestroyInstance(gpu->instance, NULL);
    if (gpu->validation_message_count != 0) {
        pv_prog_fail("the validation layer had %u messages", gpu->validation_message_count);
    }
}

PFN_vkVoidFunction pv_prog_gpu_function(const struct pv_prog_gpu *gpu, const char *name)
{
    PFN_vkVoidFunction function = vkGetDeviceProcAddr(gpu->device, name);

    if (function == NULL) {
        pv_prog_fail("the driver has no %s", name);
    }
    return function;
}
