/* SPDX-License-Identifier: MIT */
/*
 * Answers to the guest's queries about a physical device: the driver's answer, edited in place, or
 * an answer of our own. Chains keep all their nodes in their order, because the reply is encoded
 * from them. Structs that the driver did not fill stay as they came (zeroed by the decoder).
 *
 * Threads: any; the view is read-only.
 */
#ifndef PV_VKHOST_QUERY_H
#define PV_VKHOST_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#include "vkhost/view.h"

/* After vkGetPhysicalDeviceProperties. */
void pv_vkhost_query_properties_edit(const struct pv_vkhost_view *view,
                                     VkPhysicalDeviceProperties *properties);
/* After vkGetPhysicalDeviceProperties2: the above and the chain. */
void pv_vkhost_query_properties2_edit(const struct pv_vkhost_view *view,
                                      VkPhysicalDeviceProperties2 *properties);

/*
 * After vkGetPhysicalDeviceFeatures(2), and before vkCreateDevice (on its pEnabledFeatures and its
 * chain), so that a guest cannot enable what it is not shown.
 */
void pv_vkhost_query_features_edit(const struct pv_vkhost_view *view,
                                   VkPhysicalDeviceFeatures *features);
/* base: VkPhysicalDeviceFeatures2 or VkDeviceCreateInfo; only the chain is edited. */
void pv_vkhost_query_features_chain_edit(const struct pv_vkhost_view *view, void *base);

/*
 * Answers of vkGetPhysicalDeviceMemoryProperties(2), without the driver. A chained
 * VkPhysicalDeviceMemoryBudgetPropertiesEXT is left as it is.
 */
void pv_vkhost_query_memory_properties_get(const struct pv_vkhost_view *view,
                                           VkPhysicalDeviceMemoryProperties *ret_properties);

/* After vkGetPhysicalDeviceQueueFamilyProperties(2): one family. index: the driver's. Ask the
 * driver for at most view->queue_family_count families, and answer that as the count. */
void pv_vkhost_query_queue_family_edit(const struct pv_vkhost_view *view, uint32_t index,
                                       VkQueueFamilyProperties *properties);

/*
 * vkEnumerateDeviceExtensionProperties with the two-call idiom. *count: in capacity (ignored when
 * properties is NULL), out number written or available. VK_SUCCESS or VK_INCOMPLETE.
 */
VkResult pv_vkhost_query_extensions_get(const struct pv_vkhost_view *view, uint32_t *count,
                                        VkExtensionProperties *properties);

/* vkGetPhysicalDeviceExternal*Properties: answers of our own, the driver is not asked. */
void pv_vkhost_query_external_buffer_get(const struct pv_vkhost_view *view,
                                         const VkPhysicalDeviceExternalBufferInfo *info,
                                         VkExternalBufferProperties *ret_properties);
void pv_vkhost_query_external_semaphore_get(const struct pv_vkhost_view *view,
                                            const VkPhysicalDeviceExternalSemaphoreInfo *info,
                                            VkExternalSemaphoreProperties *ret_properties);
void pv_vkhost_query_external_fence_get(const struct pv_vkhost_view *view,
                                        const VkPhysicalDeviceExternalFenceInfo *info,
                                        VkExternalFenceProperties *ret_properties);

/*
 * vkGetPhysicalDeviceFormatProperties2 through `host`; modifier lists (VkDrmFormatModifier-
 * PropertiesListEXT and List2EXT) are answered with LINEAR alone, one plane, where the format has
 * linear tiling features.
 */
void pv_vkhost_query_format_get(const struct pv_vkhost_view *view, VkPhysicalDevice physical_device,
                                PFN_vkGetPhysicalDeviceFormatProperties2 host, VkFormat format,
                                VkFormatProperties2 *properties);

/*
 * vkGetPhysicalDeviceImageFormatProperties2 through `host`: modifier tiling is asked of it as
 * LINEAR, external handle types are answered by us. info is edited in place. Returns what the guest
 * is to be told.
 */
VkResult pv_vkhost_query_image_format_get(const struct pv_vkhost_view *view,
                                          VkPhysicalDevice physical_device,
                                          PFN_vkGetPhysicalDeviceImageFormatProperties2 host,
                                          VkPhysicalDeviceImageFormatInfo2 *info,
                                          VkImageFormatProperties2 *properties);

#endif
