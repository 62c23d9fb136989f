/* SPDX-License-Identifier: MIT */
/*
 * vkAllocateMemory, vkFreeMemory, and memory objects that become blobs. Which backing an allocation
 * gets is the view's decision (vkhost/create.h); here it is carried out.
 */
#include "venus/memory.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "os/fd.h"
#include "os/shm.h"
#include "venus/handlers.h"
#include "vkhost/chain.h"
#include "vkhost/create.h"

void pv_venus_memory_finish(struct pv_venus_memory *memory)
{
    struct pv_venus_device *device = memory->object.device;

    if (memory->object.base.handle != 0) {
        device->table.FreeMemory(pv_venus_device_handle(device),
                                 (VkDeviceMemory)(uintptr_t)memory->object.base.handle, NULL);
    }
    pv_venus_resource_release_mapping(device->context, memory->pages);
    memory->pages = NULL;
    pv_venus_memory_refund(device->context, memory->charged_bytes);
}

static VkResult result_of(int error)
{
    if (error == -ENOENT || error == -EINVAL) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    return error == -ENOMEM ? VK_ERROR_OUT_OF_HOST_MEMORY : VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

/* Pages for an allocation: mapped from the imported resource, or new. */
static VkResult get_pages(struct pv_venus_context *context, const VkMemoryAllocateInfo *info,
                          uint32_t resource_id, bool exportable, uint64_t align_bytes,
                          struct pv_venus_pages **ret_pages)
{
    uint64_t size_bytes;
    int r;

    if (!pv_base_u64_align_up(info->allocationSize, align_bytes, &size_bytes)
        || size_bytes > SIZE_MAX / 2) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    if (resource_id != 0) {
        r = pv_venus_resource_import(context, resource_id, ret_pages);
        if (r == 0 && (*ret_pages)->size_bytes < size_bytes) {
            pv_venus_resource_release_mapping(context, *ret_pages);
            return VK_ERROR_INVALID_EXTERNAL_HANDLE;
        }
    } else if (exportable || context->placement == PV_VENUS_PLACEMENT_FILE) {
        r = pv_venus_pages_create_file((size_t)size_bytes, ret_pages);
    } else {
        r = pv_venus_pages_create_private((size_t)size_bytes, ret_pages);
    }
    return r == 0 ? VK_SUCCESS : result_of(r);
}

static uint64_t page_bytes_of(const struct pv_venus_device *device)
{
    return device->physical_device->view.memory.page_bytes;
}

/* bytes: far from overflow. */
static uint64_t align(uint64_t bytes, uint64_t align_bytes)
{
    return (bytes + align_bytes - 1) & ~(align_bytes - 1);
}

/* Pages that have become a blob outlive the guest's memory object: from now on they are charged. */
static void charge_pages(struct pv_venus_context *context, struct pv_venus_memory *memory)
{
    pv_venus_pages_charge(memory->pages, context->account, context->account_slot,
                          memory->charged_bytes);
    memory->charged_bytes = 0;
}

/* Memory that the guest had before, if there is some of this kind. */
static bool take_spare(struct pv_venus_device *device, struct pv_venus_memory *memory,
                       const VkMemoryAllocateInfo *info, bool is_import)
{
    struct pv_venus_spare spare;

    if (info->allocationSize > PV_VENUS_SPARE_EACH_MAX_BYTES) {
        return false;
    }
    memory->kind = pv_venus_memory_kind_get(info, memory->is_exportable || is_import,
                                            align(info->allocationSize, page_bytes_of(device)));
    if (!pv_venus_spares_take(device, &memory->kind, &spare)) {
        return false;
    }
    memory->object.base.handle = (uint64_t)(uintptr_t)spare.handle;
    memory->pages = spare.pages;
    charge_pages(device->context, memory);
    return true;
}

/* Allocate as the view decided. On failure nothing is left behind. */
static VkResult allocate(struct pv_venus_device *device, struct pv_venus_memory *memory,
                         VkMemoryAllocateInfo *info, const struct pv_vkhost_create_memory *rewrite,
                         uint32_t resource_id)
{
    VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
    };
    VkDeviceMemory handle;
    VkResult result;

    if (rewrite->backing.kind == PV_VKHOST_MEMORY_NONE || info->allocationSize == 0) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    if (rewrite->backing.kind == PV_VKHOST_MEMORY_IMPORT) {
        if (take_spare(device, memory, info, resource_id != 0)) {
            return VK_SUCCESS;
        }
        result = get_pages(device->context, info, resource_id, memory->is_exportable,
                           page_bytes_of(device), &memory->pages);
        if (result != VK_SUCCESS && result != VK_ERROR_INVALID_EXTERNAL_HANDLE
            && pv_venus_spares_drop(device)) {
            /* Spare ones have mappings, and descriptors where each is a file. */
            result = get_pages(device->context, info, resource_id, memory->is_exportable,
                               page_bytes_of(device), &memory->pages);
        }
        if (result != VK_SUCCESS) {
            memory->pages = NULL;
            return result;
        }
        memory->pages->can_move = device->physical_device->view.pages_can_move;
        import.pHostPointer = memory->pages->memory;
        info->allocationSize = align(info->allocationSize, page_bytes_of(device));
        pv_vkhost_chain_prepend(info, &import);
    } else if (resource_id != 0) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    result = device->table.AllocateMemory(pv_venus_device_handle(device), info, NULL, &handle);
    if (result != VK_SUCCESS && pv_venus_spares_drop(device)) {
        result = device->table.AllocateMemory(pv_venus_device_handle(device), info, NULL, &handle);
    }
    if (result != VK_SUCCESS) {
        pv_venus_resource_release_mapping(device->context, memory->pages);
        memory->pages = NULL;
        return result;
    }
    memory->object.base.handle = (uint64_t)(uintptr_t)handle;
    if (memory->pages != NULL && resource_id == 0) {
        charge_pages(device->context, memory);
    }
    return VK_SUCCESS;
}

void pv_venus_vkAllocateMemory(struct pv_wire_decoder *wire, struct pv_wire_vkAllocateMemory *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_context *context = decoder->context;
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_vkhost_view *view = &device->physical_device->view;
    VkMemoryAllocateInfo *info = (VkMemoryAllocateInfo *)(uintptr_t)args->pAllocateInfo;
    const VkImportMemoryResourceInfoMESA *import =
        pv_vkhost_chain_find(info, VK_STRUCTURE_TYPE_IMPORT_MEMORY_RESOURCE_INFO_MESA);
    const uint32_t resource_id = import != NULL ? import->resourceId : 0;
    const uint32_t guest_index = info->memoryTypeIndex;
    struct pv_vkhost_create_memory rewrite;
    struct pv_venus_memory fresh = {.size_bytes = info->allocationSize};
    struct pv_venus_memory *memory;

    if (guest_index >= view->memory.type_count) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RANGE, guest_index);
        return;
    }
    if (import != NULL && resource_id == 0) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_RESOURCE);
        return;
    }
    fresh.object.device = device;
    fresh.is_visible =
        (view->memory.types[guest_index].flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
    /* Whole pages: that is what small allocations really cost. */
    if (import == NULL
        && !pv_base_u64_align_up(info->allocationSize, pv_os_page_bytes(), &fresh.charged_bytes)) {
        fresh.charged_bytes = UINT64_MAX;
    }
    args->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (wire->poisoned) {
        fresh.charged_bytes = 0;
    } else if (!pv_venus_memory_charge(context, fresh.charged_bytes)) {
        pv_base_log_guest(context->log, "venus.memory", PV_BASE_LOG_INFO,
                          "%s: %llu bytes do not fit in the memory limit", context->name,
                          (unsigned long long)fresh.charged_bytes);
        fresh.charged_bytes = 0;
    } else {
        pv_wire_unwrap_vkAllocateMemory(args);
        pv_vkhost_create_memory_rewrite(view, info, import != NULL, &rewrite);
        fresh.is_exportable = rewrite.is_external;
        fresh.host_index = rewrite.backing.host_index;
        args->ret = allocate(device, &fresh, info, &rewrite, resource_id);
    }
    if (args->ret != VK_SUCCESS) {
        pv_venus_memory_refund(context, fresh.charged_bytes);
        fresh.charged_bytes = 0;
        if (pv_wire_reply_is_wanted(wire)) {
            return;
        }
    }
    memory = pv_venus_object_alloc(decoder, sizeof(*memory), *args->pMemory,
                                   VK_OBJECT_TYPE_DEVICE_MEMORY, fresh.object.base.handle,
                                   args->ret != VK_SUCCESS, &device->object);
    if (memory != NULL) {
        memory->pages = fresh.pages;
        memory->kind = fresh.kind;
        memory->size_bytes = fresh.size_bytes;
        memory->charged_bytes = fresh.charged_bytes;
        memory->host_index = fresh.host_index;
        memory->is_visible = fresh.is_visible;
        memory->is_exportable = fresh.is_exportable;
    }
    if (memory == NULL || !pv_venus_object_publish(decoder, &memory->object)) {
        pv_venus_memory_finish(&fresh);
        free(memory);
    }
}

static bool keep_spare(const struct pv_venus_memory *memory)
{
    const struct pv_venus_spare spare = {
        .kind = memory->kind,
        .handle = (VkDeviceMemory)(uintptr_t)memory->object.base.handle,
        .pages = memory->pages,
    };

    return memory->pages != NULL && pv_venus_spares_put(memory->object.device, &spare);
}

void pv_venus_vkFreeMemory(struct pv_wire_decoder *wire, struct pv_wire_vkFreeMemory *args)
{
    struct pv_venus_memory *memory = (struct pv_venus_memory *)PV_VENUS_OBJECT(args->memory);

    if (memory == NULL || !pv_venus_object_remove(pv_venus_decoder_of(wire), &memory->object)) {
        return;
    }
    if (!keep_spare(memory)) {
        pv_venus_memory_finish(memory);
    }
    pv_venus_object_free(&memory->object);
}

void pv_venus_vkGetMemoryResourcePropertiesMESA(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetMemoryResourcePropertiesMESA *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const uint64_t size_bytes =
        pv_venus_resource_size(pv_venus_decoder_of(wire)->context, args->resourceId);
    VkMemoryResourceAllocationSizePropertiesMESA *allocation =
        pv_vkhost_chain_find(args->pMemoryResourceProperties,
                             VK_STRUCTURE_TYPE_MEMORY_RESOURCE_ALLOCATION_SIZE_PROPERTIES_MESA);

    args->ret = VK_ERROR_INVALID_EXTERNAL_HANDLE;
    if (size_bytes == 0) {
        return;
    }
    args->pMemoryResourceProperties->memoryTypeBits =
        pv_vkhost_memory_resource_bits(&device->physical_device->view.memory);
    if (allocation != NULL) {
        allocation->allocationSize = size_bytes;
    }
    args->ret = VK_SUCCESS;
}

/* Non-mappable driver memory has no pages, but vtest clients want an fd for every blob. */
static int export_empty(struct pv_venus_context *context, uint64_t size_bytes,
                        struct pv_venus_exported *ret_exported)
{
    uint64_t rounded_bytes;

    if (context->placement != PV_VENUS_PLACEMENT_FILE
        || !pv_base_u64_align_up(size_bytes, pv_os_page_bytes(), &rounded_bytes)) {
        return -EINVAL;
    }
    ret_exported->size_bytes = rounded_bytes;
    return pv_os_shm_create("pearvisor-unmapped", rounded_bytes, &ret_exported->fd);
}

static int export_memory(struct pv_venus_context *context, struct pv_venus_memory *memory,
                         uint32_t resource_id, uint64_t size_bytes, bool mappable, bool shareable,
                         struct pv_venus_exported *ret_exported)
{
    int r;

    if ((mappable && !memory->is_visible) || (shareable && !memory->is_exportable)) {
        return -EINVAL;
    }
    if (memory->pages == NULL) {
        return mappable || shareable ? -EINVAL : export_empty(context, size_bytes, ret_exported);
    }
    if (size_bytes > memory->pages->size_bytes) {
        return -EINVAL;
    }
    ret_exported->size_bytes = memory->pages->size_bytes;
    ret_exported->fd = -1;
    if (memory->pages->fd >= 0 && !memory->pages->in_window) {
        ret_exported->fd = pv_os_fd_duplicate(memory->pages->fd);
        if (ret_exported->fd < 0) {
            return ret_exported->fd;
        }
    }
    r = pv_venus_resource_add_blob(context, resource_id, memory->pages, memory->pages->size_bytes);
    if (r < 0) {
        pv_os_fd_close(ret_exported->fd);
        ret_exported->fd = -1;
    }
    return r;
}

int pv_venus_context_export_blob(struct pv_venus_context *context, uint32_t resource_id,
                                 uint64_t blob_id, uint64_t size_bytes, bool mappable,
                                 bool shareable, struct pv_venus_exported *ret_exported)
{
    struct pv_base_object *object;
    int r = -ENOENT;

    if (atomic_load(&context->lost)) {
        return -EIO;
    }
    /* Inside a batch, so that no ring frees the memory while it is looked at. */
    pv_venus_batch_begin(&context->decoder);
    object = pv_base_id_table_find(context->objects, blob_id);
    if (object != NULL && object->type == VK_OBJECT_TYPE_DEVICE_MEMORY) {
        r = object->poisoned ? -ENOMEM
                             : export_memory(context, (struct pv_venus_memory *)object, resource_id,
                                             size_bytes, mappable, shareable, ret_exported);
    }
    pv_venus_batch_end(&context->decoder);
    return r;
}
