/* SPDX-License-Identifier: MIT */
/*
 * vkhost/create.c: what reaches the driver of a guest's create infos.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/profile.h"
#include "vkhost/chain.h"
#include "vkhost/create.h"

static struct pv_vkhost_facts facts;
static struct pv_vkhost_view view;

static void use_profile(const char *name)
{
    pv_test_profile_load(name, &facts);
    pv_test_profile_view(&facts, &view);
}

/* What the guest's Mesa sends for a swapchain image. */
struct guest_image {
    VkExternalMemoryImageCreateInfo external;
    VkImageDrmFormatModifierListCreateInfoEXT list;
    VkImageDrmFormatModifierExplicitCreateInfoEXT layouts;
    VkImageFormatListCreateInfo formats;
    VkSubresourceLayout layout;
    uint64_t modifiers[2];
    VkImageCreateInfo info;
};

static void guest_image_init(struct guest_image *image, bool is_explicit)
{
    *image = (struct guest_image){
        .external = {VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO, NULL,
                     VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT},
        .list = {VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT, NULL, 2,
                 image->modifiers},
        .layouts = {VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT, NULL, 0,
                    1, &image->layout},
        .formats = {.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO},
        .layout = {.rowPitch = 2048},
        .modifiers = {42, 0},
        .info = {.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                 .imageType = VK_IMAGE_TYPE_2D,
                 .format = VK_FORMAT_B8G8R8A8_UNORM,
                 .extent = {500, 500, 1},
                 .mipLevels = 1,
                 .arrayLayers = 1,
                 .samples = VK_SAMPLE_COUNT_1_BIT,
                 .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT},
    };
    pv_vkhost_chain_prepend(&image->info, &image->formats);
    pv_vkhost_chain_prepend(&image->info, &image->external);
    if (is_explicit) {
        pv_vkhost_chain_prepend(&image->info, &image->layouts);
    } else {
        pv_vkhost_chain_prepend(&image->info, &image->list);
    }
}

static void test_modifier_list_becomes_linear(void **state)
{
    struct pv_vkhost_create_image rewrite;
    struct guest_image image;

    (void)state;
    use_profile("nvidia-h200-580.159");
    guest_image_init(&image, false);
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite), VK_SUCCESS);
    assert_int_equal(image.info.tiling, VK_IMAGE_TILING_LINEAR);
    assert_ptr_equal(image.info.pNext, &image.formats); /* the rest is gone */
    assert_null(image.formats.pNext);
    assert_int_equal(rewrite.kind, PV_VKHOST_RESOURCE_EXTERNAL);
    assert_true(rewrite.has_modifier);
    assert_false(rewrite.has_layout);

    guest_image_init(&image, false);
    image.modifiers[1] = 43;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite),
                     VK_ERROR_FORMAT_NOT_SUPPORTED);
    guest_image_init(&image, false);
    image.list.drmFormatModifierCount = 0;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite),
                     VK_ERROR_FORMAT_NOT_SUPPORTED);
    guest_image_init(&image, false);
    image.info.pNext = NULL; /* neither list nor layouts */
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite),
                     VK_ERROR_FORMAT_NOT_SUPPORTED);
    guest_image_init(&image, false);
    image.info.format = VK_FORMAT_G8_B8R8_2PLANE_420_UNORM;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite),
                     VK_ERROR_FORMAT_NOT_SUPPORTED);
}

static void test_host_handle_where_the_driver_takes_it(void **state)
{
    struct pv_vkhost_create_image rewrite;
    const VkExternalMemoryImageCreateInfo *external;
    struct guest_image image;

    (void)state;
    use_profile("lavapipe-25.0.7");
    guest_image_init(&image, false);
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite), VK_SUCCESS);
    external =
        pv_vkhost_chain_find(&image.info, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
    assert_non_null(external);
    assert_int_equal(external->handleTypes, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT);
    /* Vulkan forbids it on images that do not start UNDEFINED. */
    guest_image_init(&image, false);
    image.info.initialLayout = VK_IMAGE_LAYOUT_PREINITIALIZED;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite), VK_SUCCESS);
    assert_null(
        pv_vkhost_chain_find(&image.info, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO));
}

static void test_explicit_layouts_are_compared(void **state)
{
    struct pv_vkhost_create_image rewrite;
    VkSubresourceLayout host = {.rowPitch = 2048, .size = 1024000, .arrayPitch = 7};
    struct guest_image image;

    (void)state;
    use_profile("nvidia-h200-580.159");
    guest_image_init(&image, true);
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite), VK_SUCCESS);
    assert_true(rewrite.has_layout);
    assert_int_equal(pv_vkhost_create_image_layout_check(&rewrite, &host), VK_SUCCESS);
    host.rowPitch = 2000;
    assert_int_equal(pv_vkhost_create_image_layout_check(&rewrite, &host),
                     VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);

    guest_image_init(&image, true);
    image.layout.offset = 64;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite),
                     VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
    guest_image_init(&image, true);
    image.layouts.drmFormatModifierPlaneCount = 2;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite),
                     VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
    guest_image_init(&image, true);
    image.layouts.pPlaneLayouts = NULL;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite),
                     VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
    guest_image_init(&image, true);
    image.layouts.drmFormatModifier = 1;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite),
                     VK_ERROR_FORMAT_NOT_SUPPORTED);
}

/* Zink's exportable images before a modifier is asked for. */
static void test_exported_optimal_images_become_linear_if_they_can(void **state)
{
    struct pv_vkhost_create_image rewrite;
    struct guest_image image;

    (void)state;
    use_profile("nvidia-h200-580.159");
    guest_image_init(&image, false);
    image.info.tiling = VK_IMAGE_TILING_OPTIMAL;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite), VK_SUCCESS);
    assert_int_equal(image.info.tiling, VK_IMAGE_TILING_LINEAR);
    assert_int_equal(rewrite.kind, PV_VKHOST_RESOURCE_EXTERNAL);
    assert_false(rewrite.has_modifier);

    guest_image_init(&image, false);
    image.info.tiling = VK_IMAGE_TILING_OPTIMAL;
    image.info.samples = VK_SAMPLE_COUNT_4_BIT;
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite), VK_SUCCESS);
    assert_int_equal(image.info.tiling, VK_IMAGE_TILING_OPTIMAL);
    assert_int_equal(rewrite.kind, PV_VKHOST_RESOURCE_OPTIMAL);

    guest_image_init(&image, false);
    image.info.tiling = VK_IMAGE_TILING_OPTIMAL;
    image.external.handleTypes = 0; /* present, but asks for nothing */
    assert_int_equal(pv_vkhost_create_image_rewrite(&view, &image.info, &rewrite), VK_SUCCESS);
    assert_int_equal(image.info.tiling, VK_IMAGE_TILING_OPTIMAL);
    assert_int_equal(rewrite.kind, PV_VKHOST_RESOURCE_OPTIMAL);
}

static void test_buffers(void **state)
{
    VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .pNext = &external};
    struct pv_vkhost_create_buffer rewrite;
    const VkExternalMemoryBufferCreateInfo *sent;

    (void)state;
    use_profile("lavapipe-25.0.7");
    pv_vkhost_create_buffer_rewrite(&view, &info, &rewrite);
    assert_int_equal(rewrite.kind, PV_VKHOST_RESOURCE_EXTERNAL);
    sent = info.pNext;
    assert_int_equal(sent->handleTypes, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT);
    assert_null(sent->pNext);

    use_profile("nvidia-h200-580.159");
    info.pNext = &external;
    pv_vkhost_create_buffer_rewrite(&view, &info, &rewrite);
    assert_int_equal(rewrite.kind, PV_VKHOST_RESOURCE_EXTERNAL);
    assert_null(info.pNext);
    pv_vkhost_create_buffer_rewrite(&view, &info, &rewrite);
    assert_int_equal(rewrite.kind, PV_VKHOST_RESOURCE_LINEAR);
    info.flags = VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_PROTECTED_BIT;
    pv_vkhost_create_buffer_rewrite(&view, &info, &rewrite);
    assert_int_equal(rewrite.kind, PV_VKHOST_RESOURCE_SPARSE);
    assert_int_equal(info.flags, VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
}

static void test_device(void **state)
{
    static const char *const asked[] = {
        "VK_EXT_image_drm_format_modifier",
        "VK_KHR_external_semaphore_fd",
        "VK_EXT_robustness2",
        "VK_EXT_queue_family_foreign",
        "VK_EXT_external_memory_dma_buf",
        "VK_KHR_external_memory_fd",
    };
    const char *names[PV_ARRAY_LEN(asked)];
    const float priorities[2] = {1.0f, 1.0f};
    VkPhysicalDeviceVulkan11Features features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .protectedMemory = VK_TRUE,
        .multiview = VK_TRUE,
    };
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = priorities,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = PV_ARRAY_LEN(asked),
        .ppEnabledExtensionNames = names,
    };
    VkDeviceCreateInfo copy;
    static struct pv_vkhost_create_device rewrite;

    (void)state;
    use_profile("moltenvk-1.4.2");
    memcpy(names, asked, sizeof(names));
    copy = info;
    assert_int_equal(pv_vkhost_create_device_rewrite(&view, &copy, &rewrite), VK_SUCCESS);
    assert_int_equal(copy.enabledExtensionCount, 3);
    assert_string_equal(copy.ppEnabledExtensionNames[0], "VK_EXT_robustness2");
    assert_string_equal(copy.ppEnabledExtensionNames[1], "VK_EXT_external_memory_host");
    assert_string_equal(copy.ppEnabledExtensionNames[2], "VK_KHR_portability_subset");
    assert_false(features.protectedMemory);
    assert_true(features.multiview);

    /* Not shown: hidden, and unknown. */
    copy = info;
    names[2] = "VK_EXT_external_memory_host";
    assert_int_equal(pv_vkhost_create_device_rewrite(&view, &copy, &rewrite),
                     VK_ERROR_EXTENSION_NOT_PRESENT);
    names[2] = "VK_EXT_made_up";
    assert_int_equal(pv_vkhost_create_device_rewrite(&view, &copy, &rewrite),
                     VK_ERROR_EXTENSION_NOT_PRESENT);
    /* Queues that the device does not have. */
    copy.enabledExtensionCount = 0;
    queue.queueCount = 2;
    assert_int_equal(pv_vkhost_create_device_rewrite(&view, &copy, &rewrite),
                     VK_ERROR_INITIALIZATION_FAILED);
    queue.queueCount = 1;
    queue.queueFamilyIndex = UINT32_MAX;
    assert_int_equal(pv_vkhost_create_device_rewrite(&view, &copy, &rewrite),
                     VK_ERROR_INITIALIZATION_FAILED);
}

/* As many names as a list may have, though Vulkan has fewer; names may come twice. */
static void test_extension_count_cap(void **state)
{
    static const char *names[PV_VKHOST_EXTENSIONS_MAX + 1];
    static struct pv_vkhost_create_device rewrite;
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .enabledExtensionCount = PV_VKHOST_EXTENSIONS_MAX,
        .ppEnabledExtensionNames = names,
    };
    VkDeviceCreateInfo copy = info;

    (void)state;
    use_profile("moltenvk-1.4.2");
    for (size_t i = 0; i < PV_ARRAY_LEN(names); i++) {
        names[i] = "VK_EXT_robustness2";
    }
    assert_int_equal(pv_vkhost_create_device_rewrite(&view, &copy, &rewrite), VK_SUCCESS);
    assert_true(copy.enabledExtensionCount > PV_VKHOST_EXTENSIONS_MAX); /* with those of ours */
    copy = info;
    copy.enabledExtensionCount++;
    assert_int_equal(pv_vkhost_create_device_rewrite(&view, &copy, &rewrite),
                     VK_ERROR_EXTENSION_NOT_PRESENT);
}

static void test_memory(void **state)
{
    VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
    };
    VkExportMemoryAllocateInfo export_info = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .pNext = &dedicated,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
    };
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &export_info,
        .allocationSize = 4096,
        .memoryTypeIndex = 1,
    };
    struct pv_vkhost_create_memory rewrite;

    (void)state;
    use_profile("nvidia-h200-580.159");
    /* A swapchain image's memory: exported from the DEVICE_LOCAL type, so our pages. */
    pv_vkhost_create_memory_rewrite(&view, &info, false, &rewrite);
    assert_int_equal(rewrite.backing.kind, PV_VKHOST_MEMORY_IMPORT);
    assert_int_equal(info.memoryTypeIndex, 3);
    assert_true(rewrite.is_external);
    assert_null(info.pNext);
    /* The same type without export: the driver's, dedicated stays. */
    info.pNext = &dedicated;
    info.memoryTypeIndex = 1;
    pv_vkhost_create_memory_rewrite(&view, &info, false, &rewrite);
    assert_int_equal(rewrite.backing.kind, PV_VKHOST_MEMORY_DEVICE);
    assert_int_equal(info.memoryTypeIndex, 1);
    assert_ptr_equal(info.pNext, &dedicated);
    /* Imported from a resource. */
    pv_vkhost_create_memory_rewrite(&view, &info, true, &rewrite);
    assert_int_equal(rewrite.backing.kind, PV_VKHOST_MEMORY_IMPORT);
    assert_true(rewrite.is_external);
    assert_int_equal(rewrite.export_types, 0);
    assert_null(info.pNext);
    /* Types that are not there, or cannot be shared. */
    info.memoryTypeIndex = 99;
    pv_vkhost_create_memory_rewrite(&view, &info, false, &rewrite);
    assert_int_equal(rewrite.backing.kind, PV_VKHOST_MEMORY_NONE);
    info.memoryTypeIndex = 0;
    pv_vkhost_create_memory_rewrite(&view, &info, true, &rewrite);
    assert_int_equal(rewrite.backing.kind, PV_VKHOST_MEMORY_NONE);
}

static void test_sync(void **state)
{
    VkExportSemaphoreCreateInfo semaphore_export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .pNext = &semaphore_export,
    };
    VkSemaphoreCreateInfo semaphore = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &type,
    };
    VkExportFenceCreateInfo fence_export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkFenceCreateInfo fence = {
        .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
        .pNext = &fence_export,
    };

    (void)state;
    assert_true(pv_vkhost_create_semaphore_rewrite(&semaphore));
    assert_ptr_equal(semaphore.pNext, &type);
    assert_null(type.pNext);
    assert_false(pv_vkhost_create_semaphore_rewrite(&semaphore));
    assert_true(pv_vkhost_create_fence_rewrite(&fence));
    assert_null(fence.pNext);
    assert_false(pv_vkhost_create_fence_rewrite(&fence));
}

static void test_aspects(void **state)
{
    (void)state;
    assert_int_equal(
        pv_vkhost_create_aspect_translate(true, VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT),
        VK_IMAGE_ASPECT_COLOR_BIT);
    assert_int_equal(
        pv_vkhost_create_aspect_translate(false, VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT),
        VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT);
    assert_int_equal(pv_vkhost_create_aspect_translate(true, VK_IMAGE_ASPECT_COLOR_BIT),
                     VK_IMAGE_ASPECT_COLOR_BIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modifier_list_becomes_linear),
        cmocka_unit_test(test_host_handle_where_the_driver_takes_it),
        cmocka_unit_test(test_explicit_layouts_are_compared),
        cmocka_unit_test(test_exported_optimal_images_become_linear_if_they_can),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_extension_count_cap),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_sync),
        cmocka_unit_test(test_aspects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
