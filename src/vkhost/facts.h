/* SPDX-License-Identifier: MIT */
/*
 * Everything about one VkPhysicalDevice that the guest's view depends on. Plain data without
 * pointers: it can be filled by a probe of a real driver (vkhost/probe.h), from a recorded profile
 * (tests), or be passed between processes; the view is a pure function of it.
 */
#ifndef PV_VKHOST_FACTS_H
#define PV_VKHOST_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

/* Extensions of one device: drivers list up to 250 today. More are ignored. */
#define PV_VKHOST_EXTENSIONS_MAX 512
/* Queue families: drivers list up to 6 today. More are not shown to the guest. */
#define PV_VKHOST_QUEUE_FAMILIES_MAX 16

struct pv_vkhost_facts {
    VkPhysicalDeviceProperties properties;
    VkDriverId driver_id; /* 0 when the driver does not say */
    char driver_name[VK_MAX_DRIVER_NAME_SIZE];
    char driver_info[VK_MAX_DRIVER_INFO_SIZE];
    uint64_t max_allocation_bytes; /* VkPhysicalDeviceMaintenance3Properties */

    uint32_t extension_count;
    VkExtensionProperties extensions[PV_VKHOST_EXTENSIONS_MAX];

    VkPhysicalDeviceMemoryProperties memory;

    uint32_t queue_family_count;
    VkQueueFamilyProperties queue_families[PV_VKHOST_QUEUE_FAMILIES_MAX];

    bool has_timeline;  /* feature timelineSemaphore */
    bool has_sync2;     /* feature synchronization2 */
    bool has_features2; /* VkFormatProperties3 may be asked for */

    /* Importing pages of ours. */
    uint64_t import_alignment_bytes; /* minImportedHostPointerAlignment; 0: no such extension */
    uint32_t import_type_bits;       /* memory types in which an import of shared memory worked */

    /* memoryTypeBits of sample resources; 0 means not known and is read as "all". */
    uint32_t buffer_type_bits;  /* a 64 KiB buffer, all usual usages */
    uint32_t linear_type_bits;  /* 256x256 BGRA8, LINEAR, colour attachment and sampled */
    uint32_t optimal_type_bits; /* the same, OPTIMAL */

    /*
     * Vulkan wants VkExternalMemory{Buffer,Image}CreateInfo with HOST_ALLOCATION on whatever is
     * bound to imported memory (VUID-vkBindBufferMemory-memory-02985, -vkBindImageMemory-02989).
     * True when the driver accepts it and answers the same requirements as without.
     */
    bool buffers_take_host_handle;
    bool images_take_host_handle;

    /* What the driver itself could do with sync files; told by doctor, not used by the view. */
    VkExternalSemaphoreFeatureFlags semaphore_sync_fd;
    VkExternalFenceFeatureFlags fence_sync_fd;

    /* linearTilingFeatures of the formats that window systems use. */
    VkFormatFeatureFlags bgra8_unorm_linear;
    VkFormatFeatureFlags bgra8_srgb_linear;
};

/* Whether the driver lists an extension. name: NUL-terminated. */
bool pv_vkhost_facts_has_extension(const struct pv_vkhost_facts *facts, const char *name);

/*
 * Whether host memory type `index` (below memoryTypeCount) has a form that a guest can use: no
 * flags beyond DEVICE_LOCAL, HOST_*, LAZILY_ALLOCATED.
 */
bool pv_vkhost_facts_type_is_plain(const struct pv_vkhost_facts *facts, uint32_t index);

/* Whether pages of ours can stand behind it for a guest: plain, imports worked, HOST_COHERENT. */
bool pv_vkhost_facts_type_is_importable(const struct pv_vkhost_facts *facts, uint32_t index);

/* The flags that a guest is shown for a plain type: HOST_* only where it is importable. */
VkMemoryPropertyFlags pv_vkhost_facts_type_guest_flags(const struct pv_vkhost_facts *facts,
                                                       uint32_t index);

#endif
