/* SPDX-License-Identifier: MIT */
/*
 * The rows. A new item starts here: a row with its trigger, then the code that asks for it.
 * Triggers look at what a driver reports, never at its name.
 */
#include "vkhost/items.h"

#include <string.h>

static bool device_is_cpu(const struct pv_vkhost_facts *facts)
{
    return facts->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

static bool name_is_refused(const struct pv_vkhost_facts *facts)
{
    return strstr(facts->properties.deviceName, "llvmpipe") != NULL;
}

static bool queues_have_more(const struct pv_vkhost_facts *facts)
{
    for (uint32_t i = 0; i < facts->queue_family_count; i++) {
        if ((facts->queue_families[i].queueFlags & ~PV_VKHOST_ITEMS_QUEUE_FLAGS) != 0) {
            return true;
        }
    }
    return false;
}

static bool visible_type_cannot_import(const struct pv_vkhost_facts *facts)
{
    for (uint32_t i = 0; i < facts->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = facts->memory.memoryTypes[i].propertyFlags;

        if ((flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0
            && (facts->import_type_bits >> i & 1) == 0) {
            return true;
        }
    }
    return false;
}

static bool visible_type_is_not_coherent(const struct pv_vkhost_facts *facts)
{
    for (uint32_t i = 0; i < facts->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = facts->memory.memoryTypes[i].propertyFlags;

        if ((flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0
            && (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) == 0) {
            return true;
        }
    }
    return false;
}

static bool type_is_odd(const struct pv_vkhost_facts *facts)
{
    for (uint32_t i = 0; i < facts->memory.memoryTypeCount; i++) {
        if (!pv_vkhost_facts_type_is_plain(facts, i)) {
            return true;
        }
    }
    return false;
}

static bool no_type_is_device_only(const struct pv_vkhost_facts *facts)
{
    for (uint32_t i = 0; i < facts->memory.memoryTypeCount; i++) {
        if (pv_vkhost_facts_type_is_plain(facts, i)
            && pv_vkhost_facts_type_guest_flags(facts, i)
                   == (VkMemoryPropertyFlags)VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) {
            return false;
        }
    }
    return true;
}

static bool takes_host_handle(const struct pv_vkhost_facts *facts)
{
    return facts->buffers_take_host_handle || facts->images_take_host_handle;
}

static bool is_portability(const struct pv_vkhost_facts *facts)
{
    return pv_vkhost_facts_has_extension(facts, "VK_KHR_portability_subset");
}

static const char pages_are_ours[] = "always: shared memory is pages of ours, imported";
static const char listed[] = "the driver lists it";

static const struct pv_vkhost_item items[] = {
    /* ---- extensions that we implement, whatever the driver has ---- */
    {PV_VKHOST_ITEM_EXTENSION, PV_VKHOST_ITEM_ID_NONE, 1, "VK_EXT_external_memory_dma_buf", NULL,
     pages_are_ours, "handle types answered by us and taken out of create infos",
     "Mesa's external memory and swapchains"},
    {PV_VKHOST_ITEM_EXTENSION, PV_VKHOST_ITEM_ID_NONE, 1, "VK_KHR_external_memory_fd", NULL,
     pages_are_ours, "as above; fds stay in the guest", "Mesa's external memory"},
    {PV_VKHOST_ITEM_EXTENSION, PV_VKHOST_ITEM_ID_NONE, 2, "VK_EXT_image_drm_format_modifier", NULL,
     pages_are_ours, "one modifier, LINEAR, one plane; the host image has LINEAR tiling",
     "Mesa's swapchains, GBM, Zink"},
    {PV_VKHOST_ITEM_EXTENSION, PV_VKHOST_ITEM_ID_NONE, 1, "VK_EXT_queue_family_foreign", NULL,
     pages_are_ours, "transfers to FOREIGN and EXTERNAL become plain barriers",
     "Mesa's swapchains"},
    {PV_VKHOST_ITEM_EXTENSION, PV_VKHOST_ITEM_ID_NONE, 1, "VK_KHR_external_semaphore_fd", NULL,
     "always: a guest's sync file is a fence of our device",
     "SYNC_FD import and export; an import marks the semaphore, the next wait on it is left out",
     "Mesa's swapchains and synchronization2; Weston's native fences"},
    {PV_VKHOST_ITEM_EXTENSION, PV_VKHOST_ITEM_ID_NONE, 1, "VK_KHR_external_fence_fd", NULL,
     "always: a guest's sync file is a fence of our device", "SYNC_FD import and export",
     "Mesa's external fences"},

    /* ---- extensions that the guest is not shown ---- */
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_external_memory_host", NULL, listed,
     "used by us", "guest pointers mean nothing on the host"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_host_image_copy", NULL, listed,
     "not listed", "raw host pointers, and imported pages have no room for its layouts"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_KHR_map_memory2", NULL, listed,
     "not listed", "mapping is the guest driver's own work"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_map_memory_placed", NULL, listed,
     "not listed", "mapping is the guest driver's own work"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_memory_budget", NULL, listed,
     "not listed", "the budget would be the whole host's, not this guest's"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_external_memory_acquire_unmodified",
     NULL, listed, "not listed", "transfers from FOREIGN do nothing here, so nothing can be saved"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_device_memory_report", NULL, listed,
     "not listed", "callbacks into the application"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_physical_device_drm", NULL, listed,
     "not listed", "the guest driver names the guest's own DRM nodes"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_pci_bus_info", NULL, listed,
     "not listed", "the guest driver names the guest's own PCI device"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_tooling_info", NULL, listed,
     "not listed", "tools of the host are not the guest's"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_KHR_swapchain", NULL, listed,
     "not listed", "window systems live in the guest"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_KHR_swapchain_mutable_format", NULL,
     listed, "not listed", "window systems live in the guest"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_KHR_incremental_present", NULL, listed,
     "not listed", "window systems live in the guest"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_KHR_present_id", NULL, listed,
     "not listed", "window systems live in the guest"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_KHR_present_wait", NULL, listed,
     "not listed", "window systems live in the guest"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_swapchain_maintenance1", NULL,
     listed, "not listed", "window systems live in the guest"},
    {PV_VKHOST_ITEM_HIDDEN, PV_VKHOST_ITEM_ID_NONE, 0, "VK_KHR_portability_subset", is_portability,
     listed, "enabled on the host", "Mesa has no encoding for it"},

    /* ---- features ---- */
    {PV_VKHOST_ITEM_FEATURE, PV_VKHOST_ITEM_ID_NONE, 0, "protectedMemory", NULL, "always",
     "reported false", "protected memory cannot be imported, mapped or shown"},
    {PV_VKHOST_ITEM_FEATURE, PV_VKHOST_ITEM_ID_NONE, 0, "sparseBinding, sparseResidency*", NULL,
     "always", "reported false", "no bind of a span is checked against its memory yet"},
    {PV_VKHOST_ITEM_FEATURE, PV_VKHOST_ITEM_ID_NONE, 0, "hostImageCopy", NULL, "always",
     "reported false", "as VK_EXT_host_image_copy"},
    {PV_VKHOST_ITEM_FEATURE, PV_VKHOST_ITEM_ID_NONE, 0, "memoryMapPlaced", NULL, "always",
     "reported false", "as VK_EXT_map_memory_placed"},

    /* ---- memory ---- */
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_NONE, 0, "HOST_VISIBLE is imported", NULL, "always",
     "host-visible and shared memory is pages of ours, imported with VK_EXT_external_memory_host",
     "mapped by guest and host alike, shared with no driver's help"},
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_NONE, 0, "HOST_VISIBLE only where imports work",
     visible_type_cannot_import, "a HOST_VISIBLE type takes no import",
     "it is shown without HOST_VISIBLE, as driver memory", "the driver's own mapping stays here"},
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_NONE, 0, "HOST_VISIBLE only where coherent",
     visible_type_is_not_coherent, "a HOST_VISIBLE type is not HOST_COHERENT",
     "it is shown without HOST_VISIBLE, as driver memory",
     "a guest's flushes and invalidates never reach us"},
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_NONE, 0, "special types left out", type_is_odd,
     "a type has flags such as PROTECTED or DEVICE_COHERENT", "it is not shown",
     "the extensions that go with them are not carried"},
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_DEVICE_LOCAL_TYPE, 0, "added DEVICE_LOCAL type",
     no_type_is_device_only, "no type is DEVICE_LOCAL without being HOST_VISIBLE",
     "one more type, driver memory for optimal images, our pages when exported",
     "optimal images need no import; swapchain images need no place in the window"},
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_NONE, 0, "DEVICE_LOCAL for exportable images", NULL,
     pages_are_ours,
     "exported from a DEVICE_LOCAL type, memory is our pages imported at an importable type",
     "Mesa's WSI takes no other type for its images"},
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_NONE, 0, "optimal images in driver memory", NULL,
     "always", "their memoryTypeBits hold driver memory only",
     "imported pages serve buffers and LINEAR images only"},
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_NONE, 0, "exportable sizes in whole pages", NULL,
     pages_are_ours, "sizes rounded up, dedicated allocations neither required nor preferred",
     "Mesa allocates exactly the size it is told"},
    {PV_VKHOST_ITEM_MEMORY, PV_VKHOST_ITEM_ID_NONE, 0, "host handle type on resources",
     takes_host_handle, "the driver accepts HOST_ALLOCATION and asks for the same memory",
     "chained to create infos of buffers and LINEAR images",
     "Vulkan wants it on whatever is bound to imported pages"},

    /* ---- properties ---- */
    {PV_VKHOST_ITEM_PROPERTY, PV_VKHOST_ITEM_ID_DEVICE_TYPE, 0, "device type VIRTUAL_GPU",
     device_is_cpu, "device type CPU", "shown as VIRTUAL_GPU", "Zink refuses CPU devices"},
    {PV_VKHOST_ITEM_PROPERTY, PV_VKHOST_ITEM_ID_DEVICE_NAME, 0, "device name", name_is_refused,
     "the name contains \"llvmpipe\"", "that word becomes \"lavapipe\"",
     "Xorg's glamor refuses renderers of that name"},
    {PV_VKHOST_ITEM_PROPERTY, PV_VKHOST_ITEM_ID_NONE, 0, "API version", NULL, "always",
     "the lower of the driver's and the codec's registry", "newer structs have no encoding"},
    {PV_VKHOST_ITEM_PROPERTY, PV_VKHOST_ITEM_ID_QUEUE_FLAGS, 0, "queue capabilities",
     queues_have_more, "a queue family has sparse, video, optical-flow or protected capabilities",
     "shown without them", "their features are not shown, or their commands have no encoding"},
    {PV_VKHOST_ITEM_PROPERTY, PV_VKHOST_ITEM_ID_NONE, 0, "device LUID", NULL, "always",
     "reported as not valid", "it names an adapter of the host"},

    /* ---- on the host ---- */
    {PV_VKHOST_ITEM_HOST, PV_VKHOST_ITEM_ID_NONE, 0, "VK_EXT_external_memory_host", NULL, "always",
     "enabled on every device; a driver without it cannot serve a guest", "imports"},
    {PV_VKHOST_ITEM_HOST, PV_VKHOST_ITEM_ID_NONE, 0, "VK_KHR_portability_subset", is_portability,
     listed, "enabled on every device", "Vulkan demands it"},
};

const struct pv_vkhost_item *pv_vkhost_items_get(uint32_t *ret_count)
{
    *ret_count = (uint32_t)(sizeof(items) / sizeof(items[0]));
    return items;
}

bool pv_vkhost_item_is_on(const struct pv_vkhost_item *item, const struct pv_vkhost_facts *facts)
{
    if (item->kind == PV_VKHOST_ITEM_HIDDEN) {
        return pv_vkhost_facts_has_extension(facts, item->name);
    }
    return item->triggers == NULL || item->triggers(facts);
}

bool pv_vkhost_items_is_on(enum pv_vkhost_item_id id, const struct pv_vkhost_facts *facts)
{
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (items[i].id == id && id != PV_VKHOST_ITEM_ID_NONE) {
            return pv_vkhost_item_is_on(&items[i], facts);
        }
    }
    return false;
}

const struct pv_vkhost_item *pv_vkhost_items_find(enum pv_vkhost_item_kind kind, const char *name)
{
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (items[i].kind == kind && strcmp(items[i].name, name) == 0) {
            return &items[i];
        }
    }
    return NULL;
}

const char *pv_vkhost_item_kind_name(enum pv_vkhost_item_kind kind)
{
    switch (kind) {
    case PV_VKHOST_ITEM_EXTENSION:
        return "extension";
    case PV_VKHOST_ITEM_HIDDEN:
        return "hidden";
    case PV_VKHOST_ITEM_FEATURE:
        return "feature";
    case PV_VKHOST_ITEM_MEMORY:
        return "memory";
    case PV_VKHOST_ITEM_PROPERTY:
        return "property";
    case PV_VKHOST_ITEM_HOST:
        return "host";
    }
    return "unknown";
}
