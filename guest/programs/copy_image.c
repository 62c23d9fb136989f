/* SPDX-License-Identifier: MIT */
/*
 * Cases of pv-copy with images. Formats of 4 bytes a pixel throughout, so that a mirror on the CPU
 * is an array of words; what is compared are whole pixels.
 */
#include "copy_cases.h"

#include <stdlib.h>
#include <string.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/report.h"

#define SIDE     64u
#define GENERAL  VK_IMAGE_LAYOUT_GENERAL
#define COLOR    VK_IMAGE_ASPECT_COLOR_BIT
#define TRANSFER (VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT)

static uint32_t pixel(uint32_t x, uint32_t y, uint32_t seed)
{
    return (x * 0x01030507u + y * 0x0b0d1113u) ^ seed * 0x9e3779b9u;
}

static void create_image(struct pv_prog_gpu *gpu, VkFormat format, uint32_t side, uint32_t mips,
                         uint32_t layers, struct pv_prog_image *ret_image)
{
    const struct pv_prog_image_options options = {
        .format = format,
        .extent_px = {side, side, 1},
        .mip_count = mips,
        .layer_count = layers,
        .usage = TRANSFER,
    };

    pv_prog_image_create(gpu, &options, ret_image);
}

static void check(const char *name, const struct pv_prog_buffer *got, const uint32_t *want,
                  size_t word_count)
{
    struct pv_prog_digest digest = pv_prog_digest_start();

    pv_prog_expect_words(name, got->mapped, want, word_count);
    pv_prog_digest_add(&digest, got->mapped, word_count * 4);
    pv_prog_case_digest(name, digest);
}

/* Pieces with strides and offsets into an image, other pieces out of it. */
void pv_prog_copy_buffer_image(struct pv_prog_gpu *gpu, const char *name)
{
    enum { PITCH = 80 }; /* pixels from one row in the buffer to the next */
    struct pv_prog_image image;
    struct pv_prog_buffer from;
    struct pv_prog_buffer to;
    uint32_t want[SIDE * SIDE];
    uint32_t *source;
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    VkBufferImageCopy whole = {
        .imageSubresource = {COLOR, 0, 0, 1},
        .imageExtent = {SIDE, SIDE, 1},
    };
    VkBufferImageCopy pieces[4];
    VkBufferImageCopy out[2];

    create_image(gpu, VK_FORMAT_R8G8B8A8_UNORM, SIDE, 1, 1, &image);
    pv_prog_buffer_create_host(gpu, PITCH * (SIDE + 1) * 4, 0, &from);
    pv_prog_buffer_create_host(gpu, SIDE * SIDE * 4, 0, &to);
    source = from.mapped;
    for (uint32_t i = 0; i < PITCH * (SIDE + 1); i++) {
        source[i] = pixel(i % PITCH, i / PITCH, 1);
    }
    /* The four quarters, each from its mirror place in the buffer. */
    for (uint32_t n = 0; n < 4; n++) {
        uint32_t x0 = (n & 1) * SIDE / 2;
        uint32_t y0 = (n >> 1) * SIDE / 2;
        uint32_t first = (SIDE / 2 - y0) * PITCH + (SIDE / 2 - x0) + n;

        pieces[n] = whole;
        pieces[n].bufferOffset = first * 4;
        pieces[n].bufferRowLength = PITCH;
        pieces[n].bufferImageHeight = SIDE;
        pieces[n].imageOffset = (VkOffset3D){(int32_t)x0, (int32_t)y0, 0};
        pieces[n].imageExtent = (VkExtent3D){SIDE / 2, SIDE / 2, 1};
        for (uint32_t y = 0; y < SIDE / 2; y++) {
            memcpy(&want[(y0 + y) * SIDE + x0], &source[first + y * PITCH], SIDE / 2 * 4);
        }
    }
    /* Out again in two halves. */
    for (uint32_t n = 0; n < 2; n++) {
        out[n] = whole;
        out[n].bufferOffset = n * (SIDE / 2) * SIDE * 4;
        out[n].imageOffset.y = (int32_t)(n * SIDE / 2);
        out[n].imageExtent.height = SIDE / 2;
    }
    pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED,
                          VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    vkCmdCopyBufferToImage(commands, from.buffer, image.image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
                           4, pieces);
    pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
                          VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    vkCmdCopyImageToBuffer(commands, image.image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, to.buffer,
                           2, out);
    pv_prog_commands_run(gpu, commands);
    check(name, &to, want, SIDE * SIDE);
    pv_prog_image_destroy(gpu, &image);
    pv_prog_buffer_destroy(gpu, &from);
    pv_prog_buffer_destroy(gpu, &to);
}

/* Every mip of every layer in one copy each way; 64, 32, 16 ... pixels wide. */
void pv_prog_copy_layers(struct pv_prog_gpu *gpu, const char *name)
{
    enum { MIPS = 7, LAYERS = 3, LAYER_PIXELS = (SIDE * SIDE * 4 - 1) / 3 };
    struct pv_prog_image image;
    struct pv_prog_buffer from;
    struct pv_prog_buffer to;
    VkBufferImageCopy regions[MIPS];
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    uint32_t first = 0;

    create_image(gpu, VK_FORMAT_R32_UINT, SIDE, MIPS, LAYERS, &image);
    pv_prog_buffer_create_host(gpu, LAYER_PIXELS * LAYERS * 4, 0, &from);
    pv_prog_buffer_create_host(gpu, LAYER_PIXELS * LAYERS * 4, 0, &to);
    for (uint32_t i = 0; i < LAYER_PIXELS * LAYERS; i++) {
        ((uint32_t *)from.mapped)[i] = pixel(i, i >> 6, 2);
    }
    memset(to.mapped, 0, LAYER_PIXELS * LAYERS * 4);
    for (uint32_t mip = 0; mip < MIPS; mip++) {
        uint32_t side = SIDE >> mip;

        regions[mip] = (VkBufferImageCopy){
            .bufferOffset = first * 4,
            .imageSubresource = {COLOR, mip, 0, LAYERS},
            .imageExtent = {side, side, 1},
        };
        first += side * side * LAYERS;
    }
    pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, GENERAL);
    vkCmdCopyBufferToImage(commands, from.buffer, image.image, GENERAL, MIPS, regions);
    pv_prog_barrier_all(commands);
    vkCmdCopyImageToBuffer(commands, image.image, GENERAL, to.buffer, MIPS, regions);
    pv_prog_commands_run(gpu, commands);
    check(name, &to, from.mapped, first);
    pv_prog_image_destroy(gpu, &image);
    pv_prog_buffer_destroy(gpu, &from);
    pv_prog_buffer_destroy(gpu, &to);
}

/* Record: upload `source` (SIDE x SIDE words) to an image that is then in GENERAL. */
static void record_upload(VkCommandBuffer commands, const struct pv_prog_image *image,
                          const struct pv_prog_buffer *source)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {COLOR, 0, 0, 1},
        .imageExtent = {SIDE, SIDE, 1},
    };

    pv_prog_barrier_image(commands, image, VK_IMAGE_LAYOUT_UNDEFINED, GENERAL);
    vkCmdCopyBufferToImage(commands, source->buffer, image->image, GENERAL, 1, &region);
    pv_prog_barrier_all(commands);
}

static void record_download(VkCommandBuffer commands, const struct pv_prog_image *image,
                            VkBuffer target)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {COLOR, 0, 0, 1},
        .imageExtent = image->extent_px,
    };

    pv_prog_barrier_all(commands);
    vkCmdCopyImageToBuffer(commands, image->image, GENERAL, target, 1, &region);
}

/* Sixteen tiles between two images of compatible formats, each tile to a shuffled place. */
void pv_prog_copy_image_image(struct pv_prog_gpu *gpu, const char *name)
{
    enum { TILE = SIDE / 4 };
    struct pv_prog_image images[2];
    struct pv_prog_buffer words;
    VkImageCopy2 regions[16];
    uint32_t want[SIDE * SIDE];
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    VkCopyImageInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_COPY_IMAGE_INFO_2,
        .srcImageLayout = GENERAL,
        .dstImageLayout = GENERAL,
        .regionCount = 16,
        .pRegions = regions,
    };

    create_image(gpu, VK_FORMAT_R32_UINT, SIDE, 1, 1, &images[0]);
    create_image(gpu, VK_FORMAT_R8G8B8A8_UNORM, SIDE, 1, 1, &images[1]);
    pv_prog_buffer_create_host(gpu, SIDE * SIDE * 4, 0, &words);
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        ((uint32_t *)words.mapped)[i] = pixel(i % SIDE, i / SIDE, 3);
    }
    for (uint32_t n = 0; n < 16; n++) {
        uint32_t m = (n * 5 + 3) % 16;

        regions[n] = (VkImageCopy2){
            .sType = VK_STRUCTURE_TYPE_IMAGE_COPY_2,
            .srcSubresource = {COLOR, 0, 0, 1},
            .srcOffset = {(int32_t)(n % 4 * TILE), (int32_t)(n / 4 * TILE), 0},
            .dstSubresource = {COLOR, 0, 0, 1},
            .dstOffset = {(int32_t)(m % 4 * TILE), (int32_t)(m / 4 * TILE), 0},
            .extent = {TILE, TILE, 1},
        };
        for (uint32_t i = 0; i < TILE * TILE; i++) {
            want[(m / 4 * TILE + i / TILE) * SIDE + m % 4 * TILE + i % TILE] =
                pixel(n % 4 * TILE + i % TILE, n / 4 * TILE + i / TILE, 3);
        }
    }
    info.srcImage = images[0].image;
    info.dstImage = images[1].image;
    record_upload(commands, &images[0], &words);
    pv_prog_barrier_image(commands, &images[1], VK_IMAGE_LAYOUT_UNDEFINED, GENERAL);
    vkCmdCopyImage2(commands, &info);
    record_download(commands, &images[1], words.buffer);
    pv_prog_commands_run(gpu, commands);
    check(name, &words, want, SIDE * SIDE);
    pv_prog_image_destroy(gpu, &images[0]);
    pv_prog_image_destroy(gpu, &images[1]);
    pv_prog_buffer_destroy(gpu, &words);
}

/*
 * Twice the size by nearest filtering has one right answer. A mirrored, linearly filtered blit to
 * another format has many; only its digest is printed.
 */
void pv_prog_copy_blit(struct pv_prog_gpu *gpu, const char *name)
{
    enum { BIG = SIDE * 2 };
    static uint32_t want[BIG * BIG];
    struct pv_prog_image small;
    struct pv_prog_image big;
    struct pv_prog_image other;
    struct pv_prog_buffer words;
    struct pv_prog_digest digest = pv_prog_digest_start();
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    const VkImageBlit twice = {
        .srcSubresource = {COLOR, 0, 0, 1},
        .srcOffsets = {{0, 0, 0}, {SIDE, SIDE, 1}},
        .dstSubresource = {COLOR, 0, 0, 1},
        .dstOffsets = {{0, 0, 0}, {BIG, BIG, 1}},
    };
    const VkImageBlit mirrored = {
        .srcSubresource = {COLOR, 0, 0, 1},
        .srcOffsets = {{3, 5, 0}, {100, 90, 1}},
        .dstSubresource = {COLOR, 0, 0, 1},
        .dstOffsets = {{SIDE, 0, 0}, {0, SIDE, 1}},
    };

    create_image(gpu, VK_FORMAT_R8G8B8A8_UNORM, SIDE, 1, 1, &small);
    create_image(gpu, VK_FORMAT_R8G8B8A8_UNORM, BIG, 1, 1, &big);
    create_image(gpu, VK_FORMAT_B8G8R8A8_UNORM, SIDE, 1, 1, &other);
    pv_prog_buffer_create_host(gpu, BIG * BIG * 4, 0, &words);
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        ((uint32_t *)words.mapped)[i] = pixel(i % SIDE, i / SIDE, 4);
    }
    for (uint32_t i = 0; i < BIG * BIG; i++) {
        want[i] = pixel(i % BIG / 2, i / BIG / 2, 4);
    }
    record_upload(commands, &small, &words);
    pv_prog_barrier_image(commands, &big, VK_IMAGE_LAYOUT_UNDEFINED, GENERAL);
    vkCmdBlitImage(commands, small.image, GENERAL, big.image, GENERAL, 1, &twice,
                   VK_FILTER_NEAREST);
    record_download(commands, &big, words.buffer);
    pv_prog_commands_run(gpu, commands);
    check(name, &words, want, BIG * BIG);

    commands = pv_prog_commands_begin(gpu);
    pv_prog_barrier_image(commands, &other, VK_IMAGE_LAYOUT_UNDEFINED, GENERAL);
    vkCmdBlitImage(commands, big.image, GENERAL, other.image, GENERAL, 1, &mirrored,
                   VK_FILTER_LINEAR);
    record_download(commands, &other, words.buffer);
    pv_prog_commands_run(gpu, commands);
    pv_prog_digest_add(&digest, words.mapped, SIDE * SIDE * 4);
    pv_prog_case_digest("blit-linear", digest);
    pv_prog_image_destroy(gpu, &small);
    pv_prog_image_destroy(gpu, &big);
    pv_prog_image_destroy(gpu, &other);
    pv_prog_buffer_destroy(gpu, &words);
}

/* Clears of float, integer and single-mip ranges. */
void pv_prog_copy_clear(struct pv_prog_gpu *gpu, const char *name)
{
    enum { MIPS = 2 };
    static const VkFormat formats[] = {VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R32_UINT,
                                       VK_FORMAT_R32_SINT};
    static const VkClearColorValue whole[] = {
        {.float32 = {1.0f, 0.0f, 0.2f, 1.0f}}, {.uint32 = {0xdeadbeef}}, {.int32 = {-17}}};
    static const VkClearColorValue second[] = {
        {.float32 = {0.0f, 1.0f, 0.4f, 0.0f}}, {.uint32 = {42}}, {.int32 = {2147483647}}};
    static const uint32_t words_whole[] = {0xff3300ff, 0xdeadbeef, 0xffffffef};
    static const uint32_t words_second[] = {0x0066ff00, 42, 0x7fffffff};
    struct pv_prog_digest digest = pv_prog_digest_start();

    for (uint32_t n = 0; n < 3; n++) {
        const VkImageSubresourceRange ranges[] = {{COLOR, 0, VK_REMAINING_MIP_LEVELS, 0, 1},
                                                  {COLOR, 1, 1, 0, VK_REMAINING_ARRAY_LAYERS}};
        VkBufferImageCopy regions[MIPS] = {
            {.imageSubresource = {COLOR, 0, 0, 1}, .imageExtent = {SIDE, SIDE, 1}},
            {.bufferOffset = SIDE * SIDE * 4,
             .imageSubresource = {COLOR, 1, 0, 1},
             .imageExtent = {SIDE / 2, SIDE / 2, 1}},
        };
        struct pv_prog_image image;
        struct pv_prog_buffer words;
        uint32_t want[SIDE * SIDE * 5 / 4];
        VkCommandBuffer commands = pv_prog_commands_begin(gpu);

        create_image(gpu, formats[n], SIDE, MIPS, 1, &image);
        pv_prog_buffer_create_host(gpu, sizeof(want), 0, &words);
        for (uint32_t i = 0; i < SIDE * SIDE * 5 / 4; i++) {
            want[i] = i < SIDE * SIDE ? words_whole[n] : words_second[n];
        }
        pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, GENERAL);
        vkCmdClearColorImage(commands, image.image, GENERAL, &whole[n], 1, &ranges[0]);
        pv_prog_barrier_all(commands);
        vkCmdClearColorImage(commands, image.image, GENERAL, &second[n], 1, &ranges[1]);
        pv_prog_barrier_all(commands);
        vkCmdCopyImageToBuffer(commands, image.image, GENERAL, words.buffer, MIPS, regions);
        pv_prog_commands_run(gpu, commands);
        pv_prog_expect_words(name, words.mapped, want, SIDE * SIDE * 5 / 4);
        pv_prog_digest_add(&digest, words.mapped, sizeof(want));
        pv_prog_image_destroy(gpu, &image);
        pv_prog_buffer_destroy(gpu, &words);
    }
    pv_prog_case_digest(name, digest);
}

/* Depth in 32-bit floats, cleared and read back. */
void pv_prog_copy_clear_depth(struct pv_prog_gpu *gpu, const char *name)
{
    const struct pv_prog_image_options options = {
        .format = VK_FORMAT_D32_SFLOAT,
        .extent_px = {SIDE, SIDE, 1},
        .usage = TRANSFER,
        .aspect = VK_IMAGE_ASPECT_DEPTH_BIT,
    };
    const VkClearDepthStencilValue value = {0.625f, 0};
    const VkImageSubresourceRange range = {VK_IMAGE_ASPECT_DEPTH_BIT, 0, 1, 0, 1};
    const VkBufferImageCopy region = {
        .imageSubresource = {VK_IMAGE_ASPECT_DEPTH_BIT, 0, 0, 1},
        .imageExtent = {SIDE, SIDE, 1},
    };
    VkFormatProperties properties;
    struct pv_prog_image image;
    struct pv_prog_buffer words;
    uint32_t want[SIDE * SIDE];
    VkCommandBuffer commands;

    vkGetPhysicalDeviceFormatProperties(gpu->physical, options.format, &properties);
    if ((properties.optimalTilingFeatures & VK_FORMAT_FEATURE_TRANSFER_DST_BIT) == 0) {
        pv_prog_case_skip(name, "no transfers with D32_SFLOAT");
        return;
    }
    commands = pv_prog_commands_begin(gpu);
    pv_prog_image_create(gpu, &options, &image);
    pv_prog_buffer_create_host(gpu, sizeof(want), 0, &words);
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        memcpy(&want[i], &value.depth, 4);
    }
    pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_UNDEFINED, GENERAL);
    vkCmdClearDepthStencilImage(commands, image.image, GENERAL, &value, 1, &range);
    pv_prog_barrier_all(commands);
    vkCmdCopyImageToBuffer(commands, image.image, GENERAL, words.buffer, 1, &region);
    pv_prog_commands_run(gpu, commands);
    check(name, &words, want, SIDE * SIDE);
    pv_prog_image_destroy(gpu, &image);
    pv_prog_buffer_destroy(gpu, &words);
}

/* A linear image that the CPU writes through a mapping, row by row, and the GPU reads. */
void pv_prog_copy_linear(struct pv_prog_gpu *gpu, const char *name)
{
    const struct pv_prog_image_options options = {
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent_px = {SIDE - 3, SIDE, 1}, /* a width that invites padding */
        .tiling = VK_IMAGE_TILING_LINEAR,
        .usage = TRANSFER,
    };
    const VkImageSubresource subresource = {COLOR, 0, 0};
    const VkImageMemoryBarrier2 start = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
        .srcAccessMask = VK_ACCESS_2_HOST_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        .dstAccessMask = VK_ACCESS_2_TRANSFER_READ_BIT,
        .oldLayout = VK_IMAGE_LAYOUT_PREINITIALIZED,
        .newLayout = GENERAL,
    };
    VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = options.format,
        .extent = options.extent_px,
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_LINEAR,
        .usage = TRANSFER,
        .initialLayout = VK_IMAGE_LAYOUT_PREINITIALIZED,
    };
    struct pv_prog_image image = {.extent_px = options.extent_px};
    struct pv_prog_buffer words;
    VkMemoryRequirements requirements;
    VkSubresourceLayout layout;
    VkImageMemoryBarrier2 barrier = start;
    const VkDependencyInfo dependency = {
        .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
        .imageMemoryBarrierCount = 1,
        .pImageMemoryBarriers = &barrier,
    };
    uint32_t want[(SIDE - 3) * SIDE];
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    uint8_t *bytes;

    PV_PROG_VK(vkCreateImage(gpu->device, &info, NULL, &image.image));
    vkGetImageMemoryRequirements(gpu->device, image.image, &requirements);
    image.memory = pv_prog_memory_allocate(gpu, &requirements, PV_PROG_MEMORY_HOST, NULL);
    PV_PROG_VK(vkBindImageMemory(gpu->device, image.image, image.memory, 0));
    vkGetImageSubresourceLayout(gpu->device, image.image, &subresource, &layout);
    PV_PROG_VK(
        vkMapMemory(gpu->device, image.memory, layout.offset, layout.size, 0, (void **)&bytes));
    for (uint32_t y = 0; y < SIDE; y++) {
        for (uint32_t x = 0; x < SIDE - 3; x++) {
            want[y * (SIDE - 3) + x] = pixel(x, y, 6);
        }
        memcpy(bytes + y * layout.rowPitch, &want[y * (SIDE - 3)], (SIDE - 3) * 4);
    }
    pv_prog_buffer_create_host(gpu, sizeof(want), 0, &words);
    barrier.image = image.image;
    barrier.subresourceRange = (VkImageSubresourceRange){COLOR, 0, 1, 0, 1};
    barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    vkCmdPipelineBarrier2(commands, &dependency);
    record_download(commands, &image, words.buffer);
    pv_prog_commands_run(gpu, commands);
    check(name, &words, want, (SIDE - 3) * SIDE);
    pv_prog_image_destroy(gpu, &image);
    pv_prog_buffer_destroy(gpu, &words);
}
