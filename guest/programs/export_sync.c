/* SPDX-License-Identifier: MIT */
/*
 * Cases of pv-export about sync files: the payload of a semaphore or fence leaves Vulkan as a
 * pollable fd and comes back in another semaphore or fence.
 */
#include "export_cases.h"

#include <poll.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/report.h"

enum { WORDS = 64 * 1024, ROUNDS = 8, TIMEOUT_MS = 30000 };

/* A sync file becomes readable when its work is over; -1 means that it already is. */
static void expect_signalled(const char *name, int fd)
{
    struct pollfd event = {.fd = fd, .events = POLLIN};

    if (fd >= 0 && (poll(&event, 1, TIMEOUT_MS) != 1 || (event.revents & POLLIN) == 0)) {
        pv_prog_fail("case %s: a sync file did not signal in %d s", name, TIMEOUT_MS / 1000);
    }
}

static VkSemaphore create_semaphore(struct pv_prog_gpu *gpu, bool exportable)
{
    const VkExportSemaphoreCreateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = exportable ? &export : NULL,
    };
    VkSemaphore semaphore;

    PV_PROG_VK(vkCreateSemaphore(gpu->device, &info, NULL, &semaphore));
    return semaphore;
}

static VkFence create_fence(struct pv_prog_gpu *gpu, bool exportable)
{
    const VkExportFenceCreateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkFenceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
        .pNext = exportable ? &export : NULL,
    };
    VkFence fence;

    PV_PROG_VK(vkCreateFence(gpu->device, &info, NULL, &fence));
    return fence;
}

/* Both directions are demanded: what can leave must be able to return. */
static bool has_semaphores(struct pv_prog_gpu *gpu)
{
    const VkPhysicalDeviceExternalSemaphoreInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkExternalSemaphoreFeatureFlags both =
        VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
    VkExternalSemaphoreProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
    };

    vkGetPhysicalDeviceExternalSemaphoreProperties(gpu->physical, &info, &properties);
    return (gpu->optional_found & (1u << PV_PROG_EXPORT_SEMAPHORE_FD)) != 0
           && (properties.externalSemaphoreFeatures & both) == both;
}

static bool has_fences(struct pv_prog_gpu *gpu)
{
    const VkPhysicalDeviceExternalFenceInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkExternalFenceFeatureFlags both =
        VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT;
    VkExternalFenceProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES,
    };

    vkGetPhysicalDeviceExternalFenceProperties(gpu->physical, &info, &properties);
    return (gpu->optional_found & (1u << PV_PROG_EXPORT_FENCE_FD)) != 0
           && (properties.externalFenceFeatures & both) == both;
}

static VkCommandBuffer record_fill(struct pv_prog_gpu *gpu, const struct pv_prog_buffer *buffer,
                                   uint32_t value)
{
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    vkCmdFillBuffer(commands, buffer->buffer, 0, VK_WHOLE_SIZE, value);
    pv_prog_barrier_all(commands);
    PV_PROG_VK(vkEndCommandBuffer(commands));
    return commands;
}

static void expect_filled(const char *name, const struct pv_prog_buffer *buffer, uint32_t value)
{
    const uint32_t *words = buffer->mapped;

    for (uint32_t i = 0; i < WORDS; i++) {
        if (words[i] != value) {
            pv_prog_fail("case %s: a signal came before word %u was written", name, i);
        }
    }
}

static void submit(struct pv_prog_gpu *gpu, VkCommandBuffer commands, const VkSemaphore *wait,
                   const VkSemaphore *signal, VkFence fence)
{
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .waitSemaphoreCount = wait != NULL ? 1 : 0,
        .pWaitSemaphores = wait,
        .pWaitDstStageMask = &stage,
        .commandBufferCount = commands != VK_NULL_HANDLE ? 1 : 0,
        .pCommandBuffers = &commands,
        .signalSemaphoreCount = signal != NULL ? 1 : 0,
        .pSignalSemaphores = signal,
    };

    PV_PROG_VK(vkQueueSubmit(gpu->queue, 1, &info, fence));
}

/* Out of one semaphore, polled, into another, waited for by the GPU; the first is used again. */
void pv_prog_export_semaphore(struct pv_prog_gpu *gpu, const char *name)
{
    PFN_vkGetSemaphoreFdKHR get_fd;
    PFN_vkImportSemaphoreFdKHR import_fd;
    VkSemaphore from;
    VkSemaphore to;
    VkFence fence;
    struct pv_prog_buffer buffer;

    if (!has_semaphores(gpu)) {
        pv_prog_case_skip(name, "no sync files of semaphores");
        return;
    }
    pv_prog_export_count();
    get_fd = (PFN_vkGetSemaphoreFdKHR)pv_prog_gpu_function(gpu, "vkGetSemaphoreFdKHR");
    import_fd = (PFN_vkImportSemaphoreFdKHR)pv_prog_gpu_function(gpu, "vkImportSemaphoreFdKHR");
    from = create_semaphore(gpu, true);
    to = create_semaphore(gpu, false);
    fence = create_fence(gpu, false);
    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &buffer);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        const VkSemaphoreGetFdInfoKHR get = {
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
            .semaphore = from,
            .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
        };
        VkImportSemaphoreFdInfoKHR import = {
            .sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
            .semaphore = to,
            .flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
            .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
            .fd = -1,
        };
        VkCommandBuffer commands = record_fill(gpu, &buffer, round);

        submit(gpu, commands, NULL, &from, VK_NULL_HANDLE);
        PV_PROG_VK(get_fd(gpu->device, &get, &import.fd));
        if (round % 2 == 0) {
            expect_signalled(name, import.fd);
            expect_filled(name, &buffer, round);
        }
        PV_PROG_VK(import_fd(gpu->device, &import)); /* takes the fd */
        submit(gpu, VK_NULL_HANDLE, &to, NULL, fence);
        pv_prog_fence_wait(gpu, fence, "work behind a sync file");
        expect_filled(name, &buffer, round);
        PV_PROG_VK(vkResetFences(gpu->device, 1, &fence));
        PV_PROG_VK(vkQueueWaitIdle(gpu->queue));
        vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &commands);
    }
    pv_prog_buffer_destroy(gpu, &buffer);
    vkDestroyFence(gpu->device, fence, NULL);
    vkDestroySemaphore(gpu->device, from, NULL);
    vkDestroySemaphore(gpu->device, to, NULL);
    pv_prog_case_ok(name);
}

/* Out of a fence, which is reset by that, polled, and into another fence. */
void pv_prog_export_fence(struct pv_prog_gpu *gpu, const char *name)
{
    PFN_vkGetFenceFdKHR get_fd;
    PFN_vkImportFenceFdKHR import_fd;
    VkFence from;
    VkFence to;
    struct pv_prog_buffer buffer;

    if (!has_fences(gpu)) {
        pv_prog_case_skip(name, "no sync files of fences");
        return;
    }
    pv_prog_export_count();
    get_fd = (PFN_vkGetFenceFdKHR)pv_prog_gpu_function(gpu, "vkGetFenceFdKHR");
    import_fd = (PFN_vkImportFenceFdKHR)pv_prog_gpu_function(gpu, "vkImportFenceFdKHR");
    from = create_fence(gpu, true);
    to = create_fence(gpu, false);
    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &buffer);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        const VkFenceGetFdInfoKHR get = {
            .sType = VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR,
            .fence = from,
            .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
        };
        VkImportFenceFdInfoKHR import = {
            .sType = VK_STRUCTURE_TYPE_IMPORT_FENCE_FD_INFO_KHR,
            .fence = to,
            .flags = VK_FENCE_IMPORT_TEMPORARY_BIT,
            .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
            .fd = -1,
        };
        VkCommandBuffer commands = record_fill(gpu, &buffer, round * 3);

        submit(gpu, commands, NULL, NULL, from);
        if (round % 2 == 0) {
            pv_prog_fence_wait(gpu, from, "an exportable fence");
        }
        PV_PROG_VK(get_fd(gpu->device, &get, &import.fd));
        if (vkGetFenceStatus(gpu->device, from) != VK_NOT_READY) {
            pv_prog_fail("case %s: the export did not reset the fence", name);
        }
        expect_signalled(name, import.fd);
        expect_filled(name, &buffer, round * 3);
        PV_PROG_VK(import_fd(gpu->device, &import)); /* takes the fd */
        pv_prog_fence_wait(gpu, to, "a fence with an imported sync file");
        PV_PROG_VK(vkResetFences(gpu->device, 1, &to));
        PV_PROG_VK(vkQueueWaitIdle(gpu->queue));
        vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &commands);
    }
    pv_prog_buffer_destroy(gpu, &buffer);
    vkDestroyFence(gpu->device, from, NULL);
    vkDestroyFence(gpu->device, to, NULL);
    pv_prog_case_ok(name);
}
