/* SPDX-License-Identifier: MIT */
/* The cube's corners, its texture, and the descriptors through which its shaders see them. */
#include "common/scene_cube.h"

#include <stddef.h>
#include <string.h>

#include "common/commands.h"
#include "common/report.h"

#define TEXTURE_SIDE 64u
#define FACES        6u

struct vertex {
    float position[3];
    float texel[2];
    float color[3];
};

static const VkVertexInputBindingDescription binding = {0, sizeof(struct vertex),
                                                        VK_VERTEX_INPUT_RATE_VERTEX};
static const VkVertexInputAttributeDescription attributes[] = {
    {0, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct vertex, position)},
    {1, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct vertex, texel)},
    {2, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct vertex, color)},
};
const VkPipelineVertexInputStateCreateInfo pv_prog_scene_cube_vertex_input = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
    .vertexBindingDescriptionCount = 1,
    .pVertexBindingDescriptions = &binding,
    .vertexAttributeDescriptionCount = 3,
    .pVertexAttributeDescriptions = attributes,
};

/* Two of three coordinates run over each face; the third is the face's own, at -1 or +1. */
static void write_cube(struct vertex *vertices, uint16_t *indices)
{
    static const float colors[FACES][3] = {{1.0f, 0.3f, 0.3f}, {0.3f, 1.0f, 0.3f},
                                           {0.3f, 0.4f, 1.0f}, {1.0f, 1.0f, 0.3f},
                                           {1.0f, 0.4f, 1.0f}, {0.3f, 1.0f, 1.0f}};

    for (uint32_t face = 0; face < FACES; face++) {
        const uint32_t axis = face / 2;

        for (uint32_t corner = 0; corner < 4; corner++) {
            struct vertex *vertex = &vertices[face * 4 + corner];
            const float u = (float)(corner & 1);
            const float v = (float)(corner >> 1);

            vertex->position[axis] = face % 2 == 0 ? -1.0f : 1.0f;
            vertex->position[(axis + 1) % 3] = u * 2.0f - 1.0f;
            vertex->position[(axis + 2) % 3] = v * 2.0f - 1.0f;
            vertex->texel[0] = u;
            vertex->texel[1] = v;
            memcpy(vertex->color, colors[face], sizeof(vertex->color));
        }
        for (uint32_t i = 0; i < 6; i++) {
            static const uint16_t order[6] = {0, 1, 2, 2, 1, 3};

            indices[face * 6 + i] = (uint16_t)(face * 4 + order[i]);
        }
    }
}

/* A chequered field in a bright frame, with a disc in the middle. */
static void write_texture(uint8_t *pixels)
{
    for (uint32_t i = 0; i < TEXTURE_SIDE * TEXTURE_SIDE; i++) {
        const uint32_t x = i % TEXTURE_SIDE;
        const uint32_t y = i / TEXTURE_SIDE;
        const int dx = (int)x * 2 - (int)TEXTURE_SIDE + 1;
        const int dy = (int)y * 2 - (int)TEXTURE_SIDE + 1;
        const bool edge = x < 4 || y < 4 || x >= TEXTURE_SIDE - 4 || y >= TEXTURE_SIDE - 4;
        uint8_t grey = ((x / 8 + y / 8) & 1) != 0 ? 230 : 110;

        if (dx * dx + dy * dy < 24 * 24 || edge) {
            grey = 255;
        }
        pixels[i * 4 + 0] = grey;
        pixels[i * 4 + 1] = grey;
        pixels[i * 4 + 2] = (uint8_t)(edge ? 160 : grey);
        pixels[i * 4 + 3] = 255;
    }
}

static void upload_texture(struct pv_prog_gpu *gpu, const struct pv_prog_image *texture)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {TEXTURE_SIDE, TEXTURE_SIDE, 1},
    };
    struct pv_prog_buffer pixels;
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    pv_prog_buffer_create_host(gpu, TEXTURE_SIDE * TEXTURE_SIDE * 4, 0, &pixels);
    write_texture(pixels.mapped);
    pv_prog_barrier_image(commands, texture, VK_IMAGE_LAYOUT_UNDEFINED,
                          VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    vkCmdCopyBufferToImage(commands, pixels.buffer, texture->image,
                           VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
    pv_prog_barrier_image(commands, texture, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
                          VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    pv_prog_commands_run(gpu, commands);
    pv_prog_buffer_destroy(gpu, &pixels);
}

static void create_set(struct pv_prog_gpu *gpu, struct pv_prog_scene_cube *cube)
{
    static const VkDescriptorSetLayoutBinding bindings[] = {
        {0, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1, VK_SHADER_STAGE_FRAGMENT_BIT, NULL},
        {1, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1, VK_SHADER_STAGE_FRAGMENT_BIT, NULL},
    };
    static const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1},
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1},
    };
    const VkDescriptorSetLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 2,
        .pBindings = bindings,
    };
    const VkDescriptorPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = 2,
        .pPoolSizes = sizes,
    };
    VkDescriptorSetAllocateInfo set_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorSetCount = 1,
        .pSetLayouts = &cube->set_layout,
    };
    const VkDescriptorImageInfo image_info = {cube->sampler, cube->texture.view,
                                              VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
    const VkDescriptorBufferInfo buffer_info = {cube->light.buffer, 0, VK_WHOLE_SIZE};
    VkWriteDescriptorSet writes[2] = {
        {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
            .pImageInfo = &image_info,
        },
        {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstBinding = 1,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
            .pBufferInfo = &buffer_info,
        },
    };

    PV_PROG_VK(vkCreateDescriptorSetLayout(gpu->device, &layout_info, NULL, &cube->set_layout));
    PV_PROG_VK(vkCreateDescriptorPool(gpu->device, &pool_info, NULL, &cube->descriptor_pool));
    set_info.descriptorPool = cube->descriptor_pool;
    PV_PROG_VK(vkAllocateDescriptorSets(gpu->device, &set_info, &cube->set));
    writes[0].dstSet = cube->set;
    writes[1].dstSet = cube->set;
    vkUpdateDescriptorSets(gpu->device, 2, writes, 0, NULL);
}

void pv_prog_scene_cube_create(struct pv_prog_gpu *gpu, struct pv_prog_scene_cube *ret_cube)
{
    static const float light[4] = {1.0f, 0.9375f, 0.875f, 1.0f};
    const struct pv_prog_image_options texture_options = {
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent_px = {TEXTURE_SIDE, TEXTURE_SIDE, 1},
        .usage = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    const VkSamplerCreateInfo sampler_info = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .magFilter = VK_FILTER_LINEAR,
        .minFilter = VK_FILTER_LINEAR,
        .addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
    };

    memset(ret_cube, 0, sizeof(*ret_cube));
    pv_prog_buffer_create_host(gpu, FACES * 4 * sizeof(struct vertex),
                               VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, &ret_cube->vertices);
    pv_prog_buffer_create_host(gpu, FACES * 6 * sizeof(uint16_t), VK_BUFFER_USAGE_INDEX_BUFFER_BIT,
                               &ret_cube->indices);
    write_cube(ret_cube->vertices.mapped, ret_cube->indices.mapped);
    pv_prog_buffer_create_host(gpu, sizeof(light), VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
                               &ret_cube->light);
    memcpy(ret_cube->light.mapped, light, sizeof(light));
    pv_prog_image_create(gpu, &texture_options, &ret_cube->texture);
    upload_texture(gpu, &ret_cube->texture);
    PV_PROG_VK(vkCreateSampler(gpu->device, &sampler_info, NULL, &ret_cube->sampler));
    create_set(gpu, ret_cube);
}

void pv_prog_scene_cube_destroy(struct pv_prog_gpu *gpu, struct pv_prog_scene_cube *cube)
{
    vkDestroyDescriptorPool(gpu->device, cube->descriptor_pool, NULL);
    vkDestroyDescriptorSetLayout(gpu->device, cube->set_layout, NULL);
    vkDestroySampler(gpu->device, cube->sampler, NULL);
    pv_prog_image_destroy(gpu, &cube->texture);
    pv_prog_buffer_destroy(gpu, &cube->light);
    pv_prog_buffer_destroy(gpu, &cube->indices);
    pv_prog_buffer_destroy(gpu, &cube->vertices);
    memset(cube, 0, sizeof(*cube));
}

void pv_prog_scene_cube_draw(const struct pv_prog_scene_cube *cube, VkCommandBuffer commands,
                             VkPipelineLayout layout)
{
    const VkDeviceSize offset = 0;

    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, layout, 0, 1, &cube->set, 0,
                            NULL);
    vkCmdBindVertexBuffers(commands, 0, 1, &cube->vertices.buffer, &offset);
    vkCmdBindIndexBuffer(commands, cube->indices.buffer, 0, VK_INDEX_TYPE_UINT16);
    vkCmdDrawIndexed(commands, FACES * 6, 1, 0, 0, 0);
}
