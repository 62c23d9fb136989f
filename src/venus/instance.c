/* SPDX-License-Identifier: MIT */
/*
 * vkCreateInstance to vkEnumeratePhysicalDeviceGroups: the host's loader is opened, its devices are
 * probed once, and those that can serve a guest get a view.
 */
#include "venus/instance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/shm.h"
#include "venus/handlers.h"
#include "vkhost/probe.h"
#include "venus_wire/info.h"

void pv_venus_vkEnumerateInstanceVersion(struct pv_wire_decoder *wire,
                                         struct pv_wire_vkEnumerateInstanceVersion *args)
{
    (void)wire;
    *args->pApiVersion = PV_WIRE_VK_XML_VERSION;
    args->ret = VK_SUCCESS;
}

void pv_venus_vkEnumerateInstanceExtensionProperties(
    struct pv_wire_decoder *wire, struct pv_wire_vkEnumerateInstanceExtensionProperties *args)
{
    (void)wire;
    /* Window systems and their instance extensions are the guest's own business. */
    *args->pPropertyCount = 0;
    args->ret = VK_SUCCESS;
}

static void instance_free(struct pv_venus_instance *instance)
{
    for (uint32_t i = 0; i < instance->device_count; i++) {
        free(instance->facts[i]);
    }
    pv_vkhost_instance_destroy(&instance->host);
    pv_vkhost_loader_close(&instance->loader);
    (void)pthread_mutex_destroy(&instance->lock);
    free(instance);
}

static int open_loader(const struct pv_venus_context *context, struct pv_vkhost_loader *ret_loader,
                       char ret_reason[256])
{
    return context->get_instance_proc_addr != NULL
               ? pv_vkhost_loader_init(context->get_instance_proc_addr, ret_loader)
               : pv_vkhost_loader_open(NULL, ret_loader, ret_reason);
}

void pv_venus_vkCreateInstance(struct pv_wire_decoder *wire, struct pv_wire_vkCreateInstance *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_context *context = decoder->context;
    const VkInstanceCreateInfo *info = args->pCreateInfo;
    const VkApplicationInfo *app = info->pApplicationInfo;
    struct pv_venus_instance *instance;
    char reason[256] = "";

    if (info->enabledLayerCount > 0 || info->enabledExtensionCount > 0
        || atomic_exchange(&context->has_instance, true)) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_STATE);
        return;
    }
    instance = pv_venus_object_alloc(decoder, sizeof(*instance), *args->pInstance,
                                     VK_OBJECT_TYPE_INSTANCE, 0, false, NULL);
    if (instance == NULL) {
        atomic_store(&context->has_instance, false);
        return;
    }
    (void)pthread_mutex_init(&instance->lock, NULL);
    args->ret = VK_ERROR_INITIALIZATION_FAILED;
    if (open_loader(context, &instance->loader, reason) == 0) {
        args->ret = pv_vkhost_instance_create(
            &instance->loader, app != NULL ? app->apiVersion : VK_API_VERSION_1_1,
            app != NULL ? app->pApplicationName : NULL, NULL, 0, &instance->host);
    }
    if (args->ret != VK_SUCCESS) {
        pv_base_log_warn(context->log, "venus.instance", "no host instance (VkResult %d): %s",
                         args->ret, reason);
        (void)pv_base_id_table_remove_exact(context->objects, &instance->object.base);
        instance_free(instance);
        atomic_store(&context->has_instance, false);
        return;
    }
    pv_vk_instance_table_load(&instance->table, instance->host.handle,
                              instance->loader.get_instance_proc_addr);
    instance->object.base.handle = (uint64_t)(uintptr_t)instance->host.handle;
    instance->object.base.dispatch = &instance->table;
    context->instance = instance;
    if (!pv_venus_object_publish(decoder, &instance->object)) {
        context->instance = NULL;
        instance_free(instance);
        atomic_store(&context->has_instance, false);
    }
}

/* False: one is still at work, and with it all of the instance stays. */
static bool destroy_devices(struct pv_venus_context *context, bool is_the_end)
{
    bool is_whole = true;

    /* Devices are in no list of their own: they are few, and the table knows them all. */
    while (context->devices != NULL) {
        struct pv_venus_device *device = context->devices;

        (void)pv_base_id_table_remove_exact(context->objects, &device->object.base);
        if (!pv_venus_device_finish(device, is_the_end)) {
            if (!is_the_end) {
                return false;
            }
            pv_venus_device_abandon(device);
            is_whole = false;
        }
    }
    return is_whole;
}

void pv_venus_instance_finish(struct pv_venus_context *context, bool is_the_end)
{
    struct pv_venus_instance *instance = context->instance;

    if (!destroy_devices(context, is_the_end) || instance == NULL) {
        return;
    }
    for (uint32_t i = 0; i < instance->device_count; i++) {
        if (instance->devices[i] != NULL) {
            (void)pv_base_id_table_remove_exact(context->objects,
                                                &instance->devices[i]->object.base);
            free(instance->devices[i]);
        }
    }
    (void)pv_base_id_table_remove_exact(context->objects, &instance->object.base);
    context->instance = NULL;
    instance_free(instance);
    atomic_store(&context->has_instance, false);
}

/* Take all objects of the context out of the table; returns how many were in it. */
static size_t hide_all(struct pv_venus_context *context)
{
    struct pv_venus_instance *instance = context->instance;
    size_t count = 0;

    pthread_mutex_lock(&context->device_lock);
    for (struct pv_venus_device *device = context->devices; device != NULL;
         device = device->next_device) {
        count += pv_base_id_table_remove_exact(context->objects, &device->object.base) ? 1 : 0;
        count += pv_venus_object_hide_all(device);
    }
    pthread_mutex_unlock(&context->device_lock);
    for (uint32_t i = 0; i < instance->device_count; i++) {
        if (instance->devices[i] != NULL
            && pv_base_id_table_remove_exact(context->objects,
                                             &instance->devices[i]->object.base)) {
            count++;
        }
    }
    return count;
}

void pv_venus_vkDestroyInstance(struct pv_wire_decoder *wire,
                                struct pv_wire_vkDestroyInstance *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_object *object = PV_VENUS_OBJECT(args->instance);

    if (!pv_venus_object_remove(decoder, object)) {
        return;
    }
    while (hide_all(decoder->context) > 0) {
        pv_venus_object_wait(decoder);
    }
    pv_venus_instance_finish(decoder->context, false);
}

/* Probe all devices once; keep those whose view can be built. */
static VkResult probe_locked(struct pv_venus_context *context, struct pv_venus_instance *instance)
{
    VkPhysicalDevice handles[PV_VKHOST_LOADER_DEVICES_MAX];
    uint32_t count;
    VkResult result;

    if (instance->probed) {
        return VK_SUCCESS;
    }
    result = pv_vkhost_instance_devices_list(&instance->host, handles, &count);
    if (result != VK_SUCCESS) {
        return result;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct pv_vkhost_facts *facts = malloc(sizeof(*facts));
        char reason[256] = "";

        if (facts == NULL) {
            return VK_ERROR_OUT_OF_HOST_MEMORY;
        }
        if (pv_vkhost_probe_run(&instance->host, handles[i], facts, reason) < 0) {
            pv_base_log_warn(context->log, "venus.instance", "device %u is left out: %s", i,
                             reason);
            free(facts);
            continue;
        }
        instance->handles[instance->device_count] = handles[i];
        instance->facts[instance->device_count] = facts;
        instance->device_count++;
    }
    instance->probed = true;
    return VK_SUCCESS;
}

/* Build a view with what the codec can carry; see pv_vkhost_view_build. */
static int build_view(struct pv_venus_context *context, const struct pv_vkhost_facts *facts,
                      struct pv_vkhost_view *ret_view, char ret_reason[256])
{
    struct pv_vkhost_view_codec_extension *extensions =
        malloc(sizeof(*extensions) * pv_wire_extension_count);
    const struct pv_vkhost_view_options options = {
        .codec_extensions = extensions,
        .codec_extension_count = pv_wire_extension_count,
        .api_version_max = PV_WIRE_VK_XML_VERSION,
        .memory_limit_bytes = context->memory_max_bytes,
        .page_bytes = pv_os_page_bytes(),
    };
    int r;

    if (extensions == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < pv_wire_extension_count; i++) {
        extensions[i].name = pv_wire_extensions[i].name;
        extensions[i].spec_version = pv_wire_extensions[i].spec_version;
    }
    r = pv_vkhost_view_build(ret_view, facts, &options, ret_reason);
    free(extensions);
    return r;
}

/* Give device `index` the guest's id, or check that it has that id already. */
static bool bind_id(struct pv_venus_decoder *decoder, struct pv_venus_instance *instance,
                    uint32_t index, uint64_t id)
{
    struct pv_venus_physical_device *device = instance->devices[index];
    char reason[256] = "";

    if (device != NULL) {
        if (device->object.base.id != id) {
            pv_base_fault_raise_detail(&decoder->wire.fault, PV_BASE_FAULT_ID, id);
        }
        return device->object.base.id == id;
    }
    device = pv_venus_object_alloc(decoder, sizeof(*device), id, VK_OBJECT_TYPE_PHYSICAL_DEVICE,
                                   (uint64_t)(uintptr_t)instance->handles[index], false,
                                   &instance->object);
    if (device == NULL) {
        return false;
    }
    device->facts = *instance->facts[index];
    if (build_view(decoder->context, &device->facts, &device->view, reason) < 0) {
        /* Checked before the device was counted; the facts have not changed since. */
        pv_base_fault_raise(&decoder->wire.fault, PV_BASE_FAULT_DRIVER);
        free(device);
        return false;
    }
    if (!pv_venus_object_publish(decoder, &device->object)) {
        free(device);
        return false;
    }
    instance->devices[index] = device;
    return true;
}

/* Leave out devices whose view cannot be built, so that counts and indices agree. */
static void drop_unusable(struct pv_venus_context *context, struct pv_venus_instance *instance)
{
    uint32_t kept = 0;
    struct pv_vkhost_view *view = malloc(sizeof(*view));

    for (uint32_t i = 0; i < instance->device_count; i++) {
        char reason[256] = "no memory";

        if (view == NULL || build_view(context, instance->facts[i], view, reason) < 0) {
            pv_base_log_warn(context->log, "venus.instance", "device %s is left out: %s",
                             instance->facts[i]->properties.deviceName, reason);
            free(instance->facts[i]);
            continue;
        }
        instance->facts[kept] = instance->facts[i];
        instance->handles[kept] = instance->handles[i];
        kept++;
    }
    instance->device_count = kept;
    free(view);
}

static VkResult prepare(struct pv_venus_context *context, struct pv_venus_instance *instance)
{
    VkResult result;

    pthread_mutex_lock(&instance->lock);
    if (!instance->probed) {
        result = probe_locked(context, instance);
        if (result == VK_SUCCESS) {
            drop_unusable(context, instance);
        }
    } else {
        result = VK_SUCCESS;
    }
    pthread_mutex_unlock(&instance->lock);
    return result;
}

void pv_venus_vkEnumeratePhysicalDevices(struct pv_wire_decoder *wire,
                                         struct pv_wire_vkEnumeratePhysicalDevices *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_instance *instance = decoder->context->instance;
    const uint32_t capacity = *args->pPhysicalDeviceCount;
    bool good = true;
    uint32_t count;

    args->ret = prepare(decoder->context, instance);
    if (args->ret != VK_SUCCESS) {
        *args->pPhysicalDeviceCount = 0;
        return;
    }
    count = instance->device_count;
    if (args->pPhysicalDevices != NULL) {
        if (count > capacity) {
            count = capacity;
            args->ret = VK_INCOMPLETE;
        }
        /* Two rings may ask at once. */
        pthread_mutex_lock(&instance->lock);
        for (uint32_t i = 0; i < count && good; i++) {
            good = bind_id(decoder, instance, i, args->pPhysicalDevices[i]);
        }
        pthread_mutex_unlock(&instance->lock);
        if (!good) {
            return;
        }
    }
    *args->pPhysicalDeviceCount = count;
}

void pv_venus_vkEnumeratePhysicalDeviceGroups(struct pv_wire_decoder *wire,
                                              struct pv_wire_vkEnumeratePhysicalDeviceGroups *args)
{
    struct pv_venus_context *context = pv_venus_decoder_of(wire)->context;
    struct pv_venus_instance *instance = context->instance;
    const uint32_t capacity = *args->pPhysicalDeviceGroupCount;
    uint32_t count;

    /* Each device is a group of its own: memory of ours cannot span devices. */
    args->ret = prepare(context, instance);
    if (args->ret != VK_SUCCESS) {
        *args->pPhysicalDeviceGroupCount = 0;
        return;
    }
    count = instance->device_count;
    if (args->pPhysicalDeviceGroupProperties != NULL) {
        if (count > capacity) {
            count = capacity;
            args->ret = VK_INCOMPLETE;
        }
        for (uint32_t i = 0; i < count; i++) {
            VkPhysicalDeviceGroupProperties *group = &args->pPhysicalDeviceGroupProperties[i];

            if (instance->devices[i] == NULL) {
                pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_STATE);
                return;
            }
            memset(group->physicalDevices, 0, sizeof(group->physicalDevices));
            group->physicalDeviceCount = 1;
            group->physicalDevices[0] =
                (VkPhysicalDevice)(uintptr_t)instance->devices[i]->object.base.id;
            group->subsetAllocation = VK_FALSE;
        }
    }
    *args->pPhysicalDeviceGroupCount = count;
}
