/* SPDX-License-Identifier: MIT */
/*
 * Opening the host's Vulkan loader and making instances of our own on it.
 */
#include "vkhost/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Written out, because ISO C has no conversion from an object pointer to a function pointer. */
static PFN_vkGetInstanceProcAddr entry_point_find(void *library)
{
    void *symbol = dlsym(library, "vkGetInstanceProcAddr");
    PFN_vkGetInstanceProcAddr entry_point = NULL;

    if (symbol != NULL) {
        memcpy(&entry_point, &symbol, sizeof(entry_point));
    }
    return entry_point;
}

static bool extension_is_listed(PFN_vkEnumerateInstanceExtensionProperties enumerate,
                                const char *name)
{
    VkExtensionProperties *properties;
    uint32_t count = 0;
    bool is_listed = false;

    if (enumerate(NULL, &count, NULL) != VK_SUCCESS || count == 0) {
        return false;
    }
    properties = calloc(count, sizeof(*properties));
    if (properties != NULL && enumerate(NULL, &count, properties) >= VK_SUCCESS) {
        for (uint32_t i = 0; i < count && !is_listed; i++) {
            is_listed = strcmp(properties[i].extensionName, name) == 0;
        }
    }
    free(properties);
    return is_listed;
}

int pv_vkhost_loader_init(PFN_vkGetInstanceProcAddr get_instance_proc_addr,
                          struct pv_vkhost_loader *ret_loader)
{
    struct pv_vkhost_loader loader = {.get_instance_proc_addr = get_instance_proc_addr};
    PFN_vkEnumerateInstanceVersion enumerate_version =
        (PFN_vkEnumerateInstanceVersion)get_instance_proc_addr(NULL, "vkEnumerateInstanceVersion");
    PFN_vkEnumerateInstanceExtensionProperties enumerate_extensions =
        (PFN_vkEnumerateInstanceExtensionProperties)get_instance_proc_addr(
            NULL, "vkEnumerateInstanceExtensionProperties");

    if (enumerate_version == NULL || enumerate_extensions == NULL
        || enumerate_version(&loader.api_version) != VK_SUCCESS
        || loader.api_version < VK_API_VERSION_1_1) {
        return -ENOTSUP;
    }
    loader.has_portability =
        extension_is_listed(enumerate_extensions, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
    *ret_loader = loader;
    return 0;
}

int pv_vkhost_loader_open(const char *path, struct pv_vkhost_loader *ret_loader,
                          char ret_reason[256])
{
#ifdef __APPLE__
    const char *name = path != NULL ? path : "libvulkan.1.dylib";
#else
    const char *name = path != NULL ? path : "libvulkan.so.1";
#endif
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    PFN_vkGetInstanceProcAddr entry_point;
    int r;

    if (library == NULL) {
        if (ret_reason != NULL) {
            snprintf(ret_reason, 256, "the Vulkan loader %s cannot be opened", name);
        }
        return -ENOENT;
    }
    entry_point = entry_point_find(library);
    r = entry_point == NULL ? -ENOTSUP : pv_vkhost_loader_init(entry_point, ret_loader);
    if (r != 0) {
        if (ret_reason != NULL) {
            snprintf(ret_reason, 256, "the Vulkan loader %s is older than Vulkan 1.1", name);
        }
        dlclose(library);
        return r;
    }
    ret_loader->library = library;
    return 0;
}

void pv_vkhost_loader_close(struct pv_vkhost_loader *loader)
{
    if (loader->library != NULL) {
        dlclose(loader->library);
    }
    memset(loader, 0, sizeof(*loader));
}

VkResult pv_vkhost_instance_create(const struct pv_vkhost_loader *loader, uint32_t api_version,
                                   const char *app_name, const char *const *layers,
                                   uint32_t layer_count, struct pv_vkhost_instance *ret_instance)
{
    static const char *const portability = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
    struct pv_vkhost_instance instance = {.loader = loader, .api_version = api_version};
    VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = app_name,
        .pEngineName = "pearvisor",
    };
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
        .enabledLayerCount = layer_count,
        .ppEnabledLayerNames = layers,
    };
    PFN_vkCreateInstance create =
        (PFN_vkCreateInstance)loader->get_instance_proc_addr(NULL, "vkCreateInstance");
    VkResult result;

    if (create == NULL) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    if (instance.api_version < VK_API_VERSION_1_1) {
        instance.api_version = VK_API_VERSION_1_1;
    }
    if (instance.api_version > loader->api_version) {
        instance.api_version = loader->api_version;
    }
    application.apiVersion = instance.api_version;
    if (loader->has_portability) {
        info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
        info.enabledExtensionCount = 1;
        info.ppEnabledExtensionNames = &portability;
    }
    result = create(&info, NULL, &instance.handle);
    if (result != VK_SUCCESS) {
        return result;
    }
    instance.destroy =
        (PFN_vkDestroyInstance)loader->get_instance_proc_addr(instance.handle, "vkDestroyInstance");
    instance.enumerate_physical_devices =
        (PFN_vkEnumeratePhysicalDevices)loader->get_instance_proc_addr(
            instance.handle, "vkEnumeratePhysicalDevices");
    if (instance.destroy == NULL || instance.enumerate_physical_devices == NULL) {
        pv_vkhost_instance_destroy(&instance);
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    *ret_instance = instance;
    return VK_SUCCESS;
}

void pv_vkhost_instance_destroy(struct pv_vkhost_instance *instance)
{
    if (instance->handle != VK_NULL_HANDLE && instance->destroy != NULL) {
        instance->destroy(instance->handle, NULL);
    }
    memset(instance, 0, sizeof(*instance));
}

VkResult pv_vkhost_instance_devices_list(const struct pv_vkhost_instance *instance,
                                         VkPhysicalDevice ret_devices[PV_VKHOST_LOADER_DEVICES_MAX],
                                         uint32_t *ret_count)
{
    VkPhysicalDevice devices[PV_VKHOST_LOADER_DEVICES_MAX];
    uint32_t count = PV_VKHOST_LOADER_DEVICES_MAX;
    VkResult result = instance->enumerate_physical_devices(instance->handle, &count, devices);

    if (result < VK_SUCCESS) {
        return result;
    }
    memcpy(ret_devices, devices, count * sizeof(*devices));
    *ret_count = count;
    return VK_SUCCESS;
}
