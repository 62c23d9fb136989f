/* SPDX-License-Identifier: MIT */
/*
 * vkhost/query.c: edited answers, and answers of our own; the driver is a few functions below.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/profile.h"
#include "vkhost/chain.h"
#include "vkhost/items.h"
#include "vkhost/query.h"

static struct pv_vkhost_facts facts;
static struct pv_vkhost_view view;

static void use_profile(const char *name)
{
    pv_test_profile_load(name, &facts);
    pv_test_profile_view(&facts, &view);
}

/* ---- a driver ---- */

static VkFormatFeatureFlags driver_linear_features;
static VkResult driver_result;
static VkPhysicalDeviceImageFormatInfo2 driver_asked;
static uint32_t driver_calls;

/* Knows modifiers itself, and would list two of its own. */
static void VKAPI_CALL driver_format(VkPhysicalDevice device, VkFormat format,
                                     VkFormatProperties2 *properties)
{
    VkDrmFormatModifierPropertiesListEXT *list =
        pv_vkhost_chain_find(properties, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
    VkFormatProperties3 *wide =
        pv_vkhost_chain_find(properties, VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_3);

    (void)device;
    (void)format;
    properties->formatProperties.linearTilingFeatures = driver_linear_features;
    properties->formatProperties.optimalTilingFeatures = 0xff;
    if (list != NULL) {
        assert_null(list->pDrmFormatModifierProperties);
        list->drmFormatModifierCount = 2;
    }
    if (wide != NULL && driver_linear_features != 0) {
        wide->linearTilingFeatures = driver_linear_features | UINT64_C(1) << 40;
    }
}

static VkResult VKAPI_CALL driver_image_format(VkPhysicalDevice device,
                                               const VkPhysicalDeviceImageFormatInfo2 *info,
                                               VkImageFormatProperties2 *properties)
{
    (void)device;
    driver_calls++;
    driver_asked = *info;
    properties->imageFormatProperties.maxArrayLayers = 1;
    return driver_result;
}

/* ---- formats ---- */

static void test_modifier_lists(void **state)
{
    VkDrmFormatModifierPropertiesEXT narrow[2] = {0};
    VkDrmFormatModifierProperties2EXT wide[2] = {0};
    VkDrmFormatModifierPropertiesList2EXT list2 = {
        .sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_2_EXT,
    };
    VkDrmFormatModifierPropertiesListEXT list = {
        .sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
        .pNext = &list2,
    };
    VkFormatProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
        .pNext = &list,
    };

    (void)state;
    use_profile("lavapipe-25.0.7");
    driver_linear_features = 0xdd83;
    pv_vkhost_query_format_get(&view, NULL, driver_format, VK_FORMAT_B8G8R8A8_UNORM, &properties);
    assert_int_equal(list.drmFormatModifierCount, 1);
    assert_int_equal(list2.drmFormatModifierCount, 1);
    assert_null(list2.pNext); /* our own node is off again */

    list.pDrmFormatModifierProperties = narrow;
    list.drmFormatModifierCount = 2;
    list2.pDrmFormatModifierProperties = wide;
    pv_vkhost_query_format_get(&view, NULL, driver_format, VK_FORMAT_B8G8R8A8_SRGB, &properties);
    assert_int_equal(list.drmFormatModifierCount, 1);
    assert_ptr_equal(list.pDrmFormatModifierProperties, narrow);
    assert_int_equal(narrow[0].drmFormatModifier, 0);
    assert_int_equal(narrow[0].drmFormatModifierPlaneCount, 1);
    assert_int_equal(narrow[0].drmFormatModifierTilingFeatures, 0xdd83);
    assert_int_equal(narrow[1].drmFormatModifierPlaneCount, 0);
    assert_int_equal(list2.drmFormatModifierCount, 1);
    assert_int_equal(wide[0].drmFormatModifierTilingFeatures, 0xdd83 | UINT64_C(1) << 40);

    /* No room, no features, several planes. */
    list.drmFormatModifierCount = 0;
    narrow[0].drmFormatModifierPlaneCount = 77;
    pv_vkhost_query_format_get(&view, NULL, driver_format, VK_FORMAT_B8G8R8A8_UNORM, &properties);
    assert_int_equal(list.drmFormatModifierCount, 0);
    assert_int_equal(narrow[0].drmFormatModifierPlaneCount, 77);
    list.drmFormatModifierCount = 2;
    pv_vkhost_query_format_get(&view, NULL, driver_format, VK_FORMAT_G8_B8R8_2PLANE_420_UNORM,
                               &properties);
    assert_int_equal(list.drmFormatModifierCount, 0);
    driver_linear_features = 0;
    list.drmFormatModifierCount = 2;
    pv_vkhost_query_format_get(&view, NULL, driver_format, VK_FORMAT_D32_SFLOAT, &properties);
    assert_int_equal(list.drmFormatModifierCount, 0);
    assert_int_equal(properties.formatProperties.optimalTilingFeatures, 0xff);
}

/* zink_resource.c: the sRGB sibling, mutable, with a format list, as dma-buf with LINEAR. */
static void test_image_format_of_a_dma_buf(void **state)
{
    const VkFormat formats[] = {VK_FORMAT_B8G8R8A8_UNORM, VK_FORMAT_B8G8R8A8_SRGB};
    VkImageFormatListCreateInfo list = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO,
        .viewFormatCount = 2,
        .pViewFormats = formats,
    };
    VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
        .pNext = &list,
    };
    VkPhysicalDeviceExternalImageFormatInfo external = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
        .pNext = &modifier,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    const VkPhysicalDeviceImageFormatInfo2 asked = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
        .pNext = &external,
        .format = VK_FORMAT_B8G8R8A8_SRGB,
        .type = VK_IMAGE_TYPE_2D,
        .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT,
        .flags = VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT,
    };
    VkExternalImageFormatProperties answer = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
    };
    VkImageFormatProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
        .pNext = &answer,
    };
    VkPhysicalDeviceImageFormatInfo2 info = asked;

    (void)state;
    use_profile("lavapipe-25.0.7");
    driver_result = VK_SUCCESS;
    assert_int_equal(
        pv_vkhost_query_image_format_get(&view, NULL, driver_image_format, &info, &properties),
        VK_SUCCESS);
    assert_int_equal(driver_asked.tiling, VK_IMAGE_TILING_LINEAR);
    assert_ptr_equal(driver_asked.pNext, &list);
    assert_null(list.pNext);
    assert_int_equal(driver_asked.flags, VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT);
    assert_int_equal(answer.externalMemoryProperties.externalMemoryFeatures,
                     VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT
                         | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);
    assert_true((answer.externalMemoryProperties.compatibleHandleTypes
                 & VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT)
                != 0);

    /* The driver says no. */
    info = asked;
    external.pNext = &modifier;
    modifier.pNext = &list;
    driver_result = VK_ERROR_FORMAT_NOT_SUPPORTED;
    assert_int_equal(
        pv_vkhost_query_image_format_get(&view, NULL, driver_image_format, &info, &properties),
        VK_ERROR_FORMAT_NOT_SUPPORTED);
    assert_int_equal(answer.externalMemoryProperties.externalMemoryFeatures, 0);
    driver_result = VK_SUCCESS;

    /* What it is not even asked: another modifier, other tilings, other handles. */
    driver_calls = 0;
    info = asked;
    external.pNext = &modifier;
    modifier.drmFormatModifier = 1;
    assert_int_equal(
        pv_vkhost_query_image_format_get(&view, NULL, driver_image_format, &info, &properties),
        VK_ERROR_FORMAT_NOT_SUPPORTED);
    info = asked;
    external.pNext = NULL;
    info.tiling = VK_IMAGE_TILING_OPTIMAL;
    assert_int_equal(
        pv_vkhost_query_image_format_get(&view, NULL, driver_image_format, &info, &properties),
        VK_ERROR_FORMAT_NOT_SUPPORTED);
    info = asked;
    info.tiling = VK_IMAGE_TILING_LINEAR;
    external.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    assert_int_equal(
        pv_vkhost_query_image_format_get(&view, NULL, driver_image_format, &info, &properties),
        VK_ERROR_FORMAT_NOT_SUPPORTED);
    info = asked;
    info.pNext = NULL; /* modifier tiling without saying which */
    assert_int_equal(
        pv_vkhost_query_image_format_get(&view, NULL, driver_image_format, &info, &properties),
        VK_ERROR_FORMAT_NOT_SUPPORTED);
    assert_int_equal(driver_calls, 0);
}

/* ---- properties and features ---- */

static void test_properties(void **state)
{
    VkPhysicalDeviceVulkan11Properties core = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
        .deviceLUIDValid = VK_TRUE,
        .deviceLUID = {1},
        .protectedNoFault = VK_TRUE,
        .maxMemoryAllocationSize = UINT64_MAX,
    };
    VkPhysicalDeviceIDProperties id = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
        .pNext = &core,
        .deviceUUID = {9},
        .deviceLUIDValid = VK_TRUE,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &id,
    };

    (void)state;
    use_profile("lavapipe-26.2.6");
    properties.properties = facts.properties;
    properties.properties.limits.minMemoryMapAlignment = 65536;
    pv_vkhost_query_properties2_edit(&view, &properties);
    assert_int_equal(properties.properties.deviceType, VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU);
    assert_null(strstr(properties.properties.deviceName, "llvmpipe"));
    assert_int_equal(properties.properties.apiVersion, view.api_version);
    assert_true(properties.properties.apiVersion < facts.properties.apiVersion);
    assert_int_equal(properties.properties.limits.minMemoryMapAlignment, 4096);
    assert_false(core.deviceLUIDValid);
    assert_false(core.protectedNoFault);
    assert_int_equal(core.maxMemoryAllocationSize, facts.memory.memoryHeaps[0].size);
    assert_false(id.deviceLUIDValid);
    assert_int_equal(id.deviceUUID[0], 9);
}

/* Each FEATURE row of the table is really cleared, in every struct that carries it. */
static void test_features(void **state)
{
    VkPhysicalDeviceProtectedMemoryFeatures protected_memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROTECTED_MEMORY_FEATURES,
        .protectedMemory = VK_TRUE,
    };
    VkPhysicalDeviceVulkan11Features core11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .pNext = &protected_memory,
        .protectedMemory = VK_TRUE,
        .shaderDrawParameters = VK_TRUE,
    };
    VkPhysicalDeviceHostImageCopyFeatures host_copy = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_IMAGE_COPY_FEATURES,
        .pNext = &core11,
        .hostImageCopy = VK_TRUE,
    };
    VkPhysicalDeviceVulkan14Features core14 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_4_FEATURES,
        .pNext = &host_copy,
        .hostImageCopy = VK_TRUE,
        .maintenance5 = VK_TRUE,
    };
    VkPhysicalDeviceMapMemoryPlacedFeaturesEXT placed = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_FEATURES_EXT,
        .pNext = &core14,
        .memoryMapPlaced = VK_TRUE,
        .memoryMapRangePlaced = VK_TRUE,
        .memoryUnmapReserve = VK_TRUE,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &placed,
        .features = {.sparseBinding = VK_TRUE,
                     .sparseResidencyBuffer = VK_TRUE,
                     .sparseResidencyAliased = VK_TRUE,
                     .geometryShader = VK_TRUE},
    };
    uint32_t count;
    uint32_t row_count = 0;
    const struct pv_vkhost_item *items = pv_vkhost_items_get(&count);

    (void)state;
    use_profile("lavapipe-25.0.7");
    pv_vkhost_query_features_edit(&view, &features.features);
    pv_vkhost_query_features_chain_edit(&view, &features);
    assert_false(features.features.sparseBinding || features.features.sparseResidencyBuffer
                 || features.features.sparseResidencyAliased);
    assert_true(features.features.geometryShader);
    assert_false(protected_memory.protectedMemory || core11.protectedMemory);
    assert_false(host_copy.hostImageCopy || core14.hostImageCopy);
    assert_false(placed.memoryMapPlaced || placed.memoryMapRangePlaced
                 || placed.memoryUnmapReserve);
    assert_true(core11.shaderDrawParameters && core14.maintenance5);
    for (uint32_t i = 0; i < count; i++) {
        row_count += items[i].kind == PV_VKHOST_ITEM_FEATURE;
    }
    assert_int_equal(row_count, 4); /* a new row wants its lines above */
}

/* ---- the rest ---- */

static void test_extensions_in_two_calls(void **state)
{
    VkExtensionProperties properties[PV_VKHOST_EXTENSIONS_MAX];
    uint32_t count = 7;

    (void)state;
    use_profile("lavapipe-25.0.7");
    assert_int_equal(pv_vkhost_query_extensions_get(&view, &count, NULL), VK_SUCCESS);
    assert_int_equal(count, view.extension_count);
    assert_int_equal(pv_vkhost_query_extensions_get(&view, &count, properties), VK_SUCCESS);
    assert_memory_equal(properties, view.extensions, count * sizeof(*properties));
    count--;
    assert_int_equal(pv_vkhost_query_extensions_get(&view, &count, properties), VK_INCOMPLETE);
    assert_int_equal(count, view.extension_count - 1);
    count = UINT32_MAX;
    assert_int_equal(pv_vkhost_query_extensions_get(&view, &count, properties), VK_SUCCESS);
    assert_int_equal(count, view.extension_count);
}

static void test_queue_families(void **state)
{
    VkQueueFamilyProperties properties;

    (void)state;
    use_profile("nvidia-h200-580.159");
    properties = facts.queue_families[3];
    assert_true((properties.queueFlags & VK_QUEUE_VIDEO_DECODE_BIT_KHR) != 0);
    pv_vkhost_query_queue_family_edit(&view, 3, &properties);
    assert_int_equal(properties.queueFlags, VK_QUEUE_TRANSFER_BIT);
    assert_int_equal(properties.queueCount, 7);
}

/* No family tells of sparse binding, whose features are hidden, and each that is left is of use. */
static void test_no_queue_binds_sparse_memory(void **state)
{
    static const char *const profiles[] = {"kosmickrisp-26", "lavapipe-25.0.7", "lavapipe-26.2.6",
                                           "moltenvk-1.4.2", "nvidia-h200-580.159"};
    unsigned int sparse_count = 0;

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(profiles); i++) {
        use_profile(profiles[i]);
        assert_int_equal(view.queue_family_count, facts.queue_family_count);
        for (uint32_t family = 0; family < view.queue_family_count; family++) {
            VkQueueFamilyProperties properties = facts.queue_families[family];

            sparse_count += (properties.queueFlags & VK_QUEUE_SPARSE_BINDING_BIT) != 0;
            pv_vkhost_query_queue_family_edit(&view, family, &properties);
            assert_int_equal(properties.queueFlags & VK_QUEUE_SPARSE_BINDING_BIT, 0);
            assert_int_not_equal(properties.queueFlags & VK_QUEUE_TRANSFER_BIT, 0);
        }
    }
    assert_int_equal(sparse_count, 7); /* of the drivers themselves */
}

static void test_external_handles(void **state)
{
    VkPhysicalDeviceExternalBufferInfo buffer_info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    VkExternalBufferProperties buffer = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
    VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    VkPhysicalDeviceExternalSemaphoreInfo semaphore_info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .pNext = &type,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalSemaphoreProperties semaphore = {.externalSemaphoreFeatures = 3};
    VkPhysicalDeviceExternalFenceInfo fence_info = {
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_OPAQUE_FD_BIT,
    };
    VkExternalFenceProperties fence = {.externalFenceFeatures = 3};

    (void)state;
    use_profile("kosmickrisp-26");
    pv_vkhost_query_external_buffer_get(&view, &buffer_info, &buffer);
    assert_int_equal(buffer.externalMemoryProperties.externalMemoryFeatures, 6);
    buffer_info.flags = VK_BUFFER_CREATE_SPARSE_BINDING_BIT;
    pv_vkhost_query_external_buffer_get(&view, &buffer_info, &buffer);
    assert_int_equal(buffer.externalMemoryProperties.externalMemoryFeatures, 0);
    buffer_info.flags = 0;
    buffer_info.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    pv_vkhost_query_external_buffer_get(&view, &buffer_info, &buffer);
    assert_int_equal(buffer.externalMemoryProperties.externalMemoryFeatures, 0);

    pv_vkhost_query_external_semaphore_get(&view, &semaphore_info, &semaphore);
    assert_int_equal(semaphore.externalSemaphoreFeatures, 0); /* timelines never leave */
    pv_vkhost_query_external_fence_get(&view, &fence_info, &fence);
    assert_int_equal(fence.externalFenceFeatures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modifier_lists),
        cmocka_unit_test(test_image_format_of_a_dma_buf),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_extensions_in_two_calls),
        cmocka_unit_test(test_queue_families),
        cmocka_unit_test(test_no_queue_binds_sparse_memory),
        cmocka_unit_test(test_external_handles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
