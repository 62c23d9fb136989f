/* SPDX-License-Identifier: MIT */
/* The importer of pv-export: see pv_prog_export_consume. */
#include "export_cases.h"

#include <fcntl.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/report.h"

#define LEFT_PIXEL 0xff336699u /* as B8G8R8A8 read as a word: blue 0x99, green 0x66, red 0x33 */
#define LEFT_WORD  0x600dcafeu

#define TRANSFER_BUFFER (VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT)
#define TRANSFER_IMAGE  (VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT)

static struct pv_prog_export_answer consume_image(struct pv_prog_gpu *gpu,
                                                  const struct pv_prog_export_item *item, int fd)
{
    const VkClearColorValue left = {.float32 = {0.2f, 0.4f, 0.6f, 1.0f}};
    const VkImageSubresourceRange range = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    const VkExtent2D extent_px = item->layout.extent_px;
    const VkDeviceSize size_bytes = (VkDeviceSize)extent_px.width * extent_px.height * 4;
    struct pv_prog_digest digest = pv_prog_digest_start();
    struct pv_prog_linear_image shared;
    struct pv_prog_image image;
    struct pv_prog_buffer pixels;
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    pv_prog_linear_image_import(gpu, &item->layout, fd, TRANSFER_IMAGE, &shared);
    image = (struct pv_prog_image){
        .image = shared.image,
        .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
        .extent_px = {extent_px.width, extent_px.height, 1},
    };
    pv_prog_buffer_create_host(gpu, size_bytes, 0, &pixels);
    pv_prog_linear_image_acquire(gpu, commands, &shared, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    pv_prog_image_read(commands, &image, pixels.buffer);
    pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                          VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    vkCmdClearColorImage(commands, shared.image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, &left, 1,
                         &range);
    pv_prog_linear_image_release(gpu, commands, &shared, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    pv_prog_commands_run(gpu, commands);
    pv_prog_digest_add(&digest, pixels.mapped, size_bytes);
    pv_prog_buffer_destroy(gpu, &pixels);
    pv_prog_linear_image_destroy(gpu, &shared);
    return (struct pv_prog_export_answer){digest.value, LEFT_PIXEL};
}

/* The memory types that a dma-buf can be imported as; an opaque fd has its exporter's. */
static uint32_t type_bits(struct pv_prog_gpu *gpu, const struct pv_prog_export_item *item, int fd)
{
    PFN_vkGetMemoryFdPropertiesKHR get_properties;
    VkMemoryFdPropertiesKHR properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR,
    };

    if (item->handle_type == VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT) {
        return 1u << item->memory_type;
    }
    get_properties =
        (PFN_vkGetMemoryFdPropertiesKHR)pv_prog_gpu_function(gpu, "vkGetMemoryFdPropertiesKHR");
    PV_PROG_VK(get_properties(gpu->device, item->handle_type, fd, &properties));
    return properties.memoryTypeBits;
}

static struct pv_prog_export_answer consume_buffer(struct pv_prog_gpu *gpu,
                                                   const struct pv_prog_export_item *item, int fd)
{
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = item->handle_type,
    };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = &external,
        .size = item->buffer_bytes,
        .usage = TRANSFER_BUFFER,
    };
    const VkImportMemoryFdInfoKHR import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
        .handleType = item->handle_type,
        .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3), /* a successful import keeps it */
    };
    const VkBufferCopy region = {0, 0, item->buffer_bytes};
    struct pv_prog_digest digest = pv_prog_digest_start();
    VkMemoryRequirements requirements;
    struct pv_prog_buffer words;
    VkDeviceMemory memory;
    VkBuffer buffer;
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    PV_PROG_VK(vkCreateBuffer(gpu->device, &info, NULL, &buffer));
    vkGetBufferMemoryRequirements(gpu->device, buffer, &requirements);
    requirements.memoryTypeBits &= type_bits(gpu, item, fd);
    requirements.size = item->layout.size_bytes;
    memory = pv_prog_memory_allocate(gpu, &requirements, 0, &import);
    PV_PROG_VK(vkBindBufferMemory(gpu->device, buffer, memory, 0));
    pv_prog_buffer_create_host(gpu, item->buffer_bytes, 0, &words);
    vkCmdCopyBuffer(commands, buffer, words.buffer, 1, &region);
    pv_prog_barrier_all(commands);
    vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, LEFT_WORD);
    pv_prog_commands_run(gpu, commands);
    pv_prog_digest_add(&digest, words.mapped, item->buffer_bytes);
    pv_prog_buffer_destroy(gpu, &words);
    vkDestroyBuffer(gpu->device, buffer, NULL);
    vkFreeMemory(gpu->device, memory, NULL);
    return (struct pv_prog_export_answer){digest.value, LEFT_WORD};
}

struct pv_prog_export_answer pv_prog_export_consume(struct pv_prog_gpu *gpu,
                                                    const struct pv_prog_export_item *item, int fd)
{
    return item->is_image ? consume_image(gpu, item, fd) : consume_buffer(gpu, item, fd);
}
