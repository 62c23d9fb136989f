/* SPDX-License-Identifier: MIT */
/*
 * The triangle and the cube. One scene is one pipeline, its descriptors, and what surrounds a
 * draw: barriers, and a render pass or its dynamic equivalent. The depth buffer and the
 * multisampled colour image are shared by all frames, which a barrier keeps apart.
 */
#include "common/scene.h"

#include <stdlib.h>
#include <string.h>

#include "common/commands.h"
#include "common/draw.h"
#include "common/memory.h"
#include "common/report.h"
#include "common/scene_cube.h"
#include "common/scene_transform.h"

#include "cube_frag.h"
#include "cube_vert.h"
#include "triangle_frag.h"
#include "triangle_vert.h"

#define DEPTH_FORMAT VK_FORMAT_D16_UNORM /* every device can render to it */

struct pv_prog_scene {
    struct pv_prog_scene_options options;
    struct pv_prog_image depth;        /* cube only */
    struct pv_prog_image multisampled; /* sample_count > 1 only */
    VkRenderPass render_pass;          /* this and the framebuffers: not dynamic only */
    VkFramebuffer framebuffers[PV_PROG_SCENE_TARGETS_MAX];
    VkPipelineLayout layout;
    VkPipeline pipeline;
    struct pv_prog_scene_cube cube; /* all zero for the triangle */
};

static bool is_cube(const struct pv_prog_scene *scene)
{
    return scene->options.kind == PV_PROG_SCENE_CUBE;
}

static bool is_multisampled(const struct pv_prog_scene *scene)
{
    return scene->options.sample_count > 1;
}

static VkClearValue background(void)
{
    return (VkClearValue){.color = {.float32 = {0.125f, 0.125f, 0.25f, 1.0f}}};
}

static void create_attachments(struct pv_prog_gpu *gpu, struct pv_prog_scene *scene)
{
    struct pv_prog_image_options options = {
        .format = DEPTH_FORMAT,
        .extent_px = {scene->options.extent_px.width, scene->options.extent_px.height, 1},
        .sample_count = scene->options.sample_count,
        .usage = VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT,
        .aspect = VK_IMAGE_ASPECT_DEPTH_BIT,
    };

    if (is_cube(scene)) {
        pv_prog_image_create(gpu, &options, &scene->depth);
    }
    if (is_multisampled(scene)) {
        options.format = scene->options.color_format;
        options.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
        options.aspect = VK_IMAGE_ASPECT_COLOR_BIT;
        pv_prog_image_create(gpu, &options, &scene->multisampled);
    }
}

/* Attachments in the order colour, depth (if any), resolve target (if any). */
static void create_render_pass(struct pv_prog_gpu *gpu, struct pv_prog_scene *scene)
{
    const VkSampleCountFlagBits samples = is_multisampled(scene)
                                              ? (VkSampleCountFlagBits)scene->options.sample_count
                                              : VK_SAMPLE_COUNT_1_BIT;
    VkAttachmentDescription attachments[3] = {
        {
            .format = scene->options.color_format,
            .samples = samples,
            .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
            .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
            .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
            .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
            .initialLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
            .finalLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        },
    };
    uint32_t count = 1;
    const VkAttachmentReference color = {0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    VkAttachmentReference depth = {1, VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL};
    VkAttachmentReference resolve = color;
    VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .colorAttachmentCount = 1,
        .pColorAttachments = &color,
    };
    VkRenderPassCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .pAttachments = attachments,
        .subpassCount = 1,
        .pSubpasses = &subpass,
    };

    if (is_cube(scene)) {
        depth.attachment = count;
        attachments[count] = attachments[0];
        attachments[count].format = DEPTH_FORMAT;
        attachments[count].storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
        attachments[count].initialLayout = depth.layout;
        attachments[count].finalLayout = depth.layout;
        subpass.pDepthStencilAttachment = &depth;
        count++;
    }
    if (is_multisampled(scene)) {
        resolve.attachment = count;
        attachments[count] = attachments[0];
        attachments[count].samples = VK_SAMPLE_COUNT_1_BIT;
        attachments[count].loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
        attachments[0].storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
        subpass.pResolveAttachments = &resolve;
        count++;
    }
    info.attachmentCount = count;
    PV_PROG_VK(vkCreateRenderPass(gpu->device, &info, NULL, &scene->render_pass));
}

static void create_framebuffers(struct pv_prog_gpu *gpu, struct pv_prog_scene *scene)
{
    for (uint32_t i = 0; i < scene->options.target_count; i++) {
        VkImageView views[3];
        VkFramebufferCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
            .renderPass = scene->render_pass,
            .pAttachments = views,
            .width = scene->options.extent_px.width,
            .height = scene->options.extent_px.height,
            .layers = 1,
        };

        if (is_multisampled(scene)) {
            views[info.attachmentCount++] = scene->multisampled.view;
        } else {
            views[info.attachmentCount++] = scene->options.targets[i].view;
        }
        if (is_cube(scene)) {
            views[info.attachmentCount++] = scene->depth.view;
        }
        if (is_multisampled(scene)) {
            views[info.attachmentCount++] = scene->options.targets[i].view;
        }
        PV_PROG_VK(vkCreateFramebuffer(gpu->device, &info, NULL, &scene->framebuffers[i]));
    }
}

static void create_pipeline(struct pv_prog_gpu *gpu, struct pv_prog_scene *scene)
{
    const VkPushConstantRange range = {VK_SHADER_STAGE_VERTEX_BIT, 0, 64};
    const VkPipelineLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = is_cube(scene) ? 1 : 0,
        .pSetLayouts = &scene->cube.set_layout,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &range,
    };
    struct pv_prog_draw_options options = {
        .vertex_code = pv_shader_triangle_vert,
        .vertex_code_bytes = sizeof(pv_shader_triangle_vert),
        .fragment_code = pv_shader_triangle_frag,
        .fragment_code_bytes = sizeof(pv_shader_triangle_frag),
        .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
        .render_pass = scene->render_pass,
        .color_format = scene->options.color_format,
        .sample_count = scene->options.sample_count,
    };

    if (is_cube(scene)) {
        options.vertex_code = pv_shader_cube_vert;
        options.vertex_code_bytes = sizeof(pv_shader_cube_vert);
        options.fragment_code = pv_shader_cube_frag;
        options.fragment_code_bytes = sizeof(pv_shader_cube_frag);
        options.vertex_input = &pv_prog_scene_cube_vertex_input;
        options.depth_format = DEPTH_FORMAT;
    }
    PV_PROG_VK(vkCreatePipelineLayout(gpu->device, &layout_info, NULL, &scene->layout));
    options.layout = scene->layout;
    scene->pipeline = pv_prog_draw_pipeline_create(gpu, &options);
}

struct pv_prog_scene *pv_prog_scene_create(struct pv_prog_gpu *gpu,
                                           const struct pv_prog_scene_options *options)
{
    struct pv_prog_scene *scene = calloc(1, sizeof(*scene));

    if (scene == NULL || options->target_count > PV_PROG_SCENE_TARGETS_MAX) {
        pv_prog_fail("cannot make a scene with %u targets", options->target_count);
    }
    scene->options = *options;
    create_attachments(gpu, scene);
    if (is_cube(scene)) {
        pv_prog_scene_cube_create(gpu, &scene->cube);
    }
    if (!options->dynamic_rendering) {
        create_render_pass(gpu, scene);
        create_framebuffers(gpu, scene);
    }
    create_pipeline(gpu, scene);
    return scene;
}

void pv_prog_scene_destroy(struct pv_prog_gpu *gpu, struct pv_prog_scene *scene)
{
    if (scene == NULL) {
        return;
    }
    vkDestroyPipeline(gpu->device, scene->pipeline, NULL);
    vkDestroyPipelineLayout(gpu->device, scene->layout, NULL);
    for (uint32_t i = 0; i < PV_PROG_SCENE_TARGETS_MAX; i++) {
        vkDestroyFramebuffer(gpu->device, scene->framebuffers[i], NULL);
    }
    vkDestroyRenderPass(gpu->device, scene->render_pass, NULL);
    pv_prog_scene_cube_destroy(gpu, &scene->cube);
    pv_prog_image_destroy(gpu, &scene->multisampled);
    pv_prog_image_destroy(gpu, &scene->depth);
    free(scene);
}

/* Bring all attachments into their layouts; what they held is not needed. */
static void begin_attachments(struct pv_prog_scene *scene, VkCommandBuffer commands,
                              uint32_t target_index)
{
    const struct pv_prog_image target = {
        .image = scene->options.targets[target_index].image,
        .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
    };

    pv_prog_barrier_image(commands, &target, VK_IMAGE_LAYOUT_UNDEFINED,
                          VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    if (is_multisampled(scene)) {
        pv_prog_barrier_image(commands, &scene->multisampled, VK_IMAGE_LAYOUT_UNDEFINED,
                              VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    }
    if (is_cube(scene)) {
        pv_prog_barrier_image(commands, &scene->depth, VK_IMAGE_LAYOUT_UNDEFINED,
                              VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL);
    }
}

static void begin_dynamic(struct pv_prog_scene *scene, VkCommandBuffer commands,
                          uint32_t target_index, bool secondary)
{
    VkRenderingAttachmentInfo color = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
        .imageView = scene->options.targets[target_index].view,
        .imageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .clearValue = background(),
    };
    const VkRenderingAttachmentInfo depth = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
        .imageView = scene->depth.view,
        .imageLayout = VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
        .clearValue = {.depthStencil = {1.0f, 0}},
    };
    const VkRenderingInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
        .flags = secondary ? VK_RENDERING_CONTENTS_SECONDARY_COMMAND_BUFFERS_BIT : 0,
        .renderArea = {{0, 0}, scene->options.extent_px},
        .layerCount = 1,
        .colorAttachmentCount = 1,
        .pColorAttachments = &color,
        .pDepthAttachment = is_cube(scene) ? &depth : NULL,
    };

    if (is_multisampled(scene)) {
        color.resolveMode = VK_RESOLVE_MODE_AVERAGE_BIT;
        color.resolveImageView = color.imageView;
        color.resolveImageLayout = color.imageLayout;
        color.imageView = scene->multisampled.view;
        color.storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
    }
    vkCmdBeginRendering(commands, &info);
}

static void begin_pass(struct pv_prog_scene *scene, VkCommandBuffer commands, uint32_t target_index,
                       bool secondary)
{
    const VkClearValue clears[3] = {
        background(), {.depthStencil = {1.0f, 0}}, {.depthStencil = {0.0f, 0}}};
    const VkRenderPassBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = scene->render_pass,
        .framebuffer = scene->framebuffers[target_index],
        .renderArea = {{0, 0}, scene->options.extent_px},
        .clearValueCount = is_cube(scene) ? 2 : 1,
        .pClearValues = clears,
    };

    vkCmdBeginRenderPass(commands, &info,
                         secondary ? VK_SUBPASS_CONTENTS_SECONDARY_COMMAND_BUFFERS
                                   : VK_SUBPASS_CONTENTS_INLINE);
}

/* What is inside the pass. */
static void draw_contents(struct pv_prog_scene *scene, VkCommandBuffer commands, uint32_t frame)
{
    float matrix[16];

    pv_prog_draw_set_area(commands, scene->options.extent_px);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, scene->pipeline);
    if (is_cube(scene)) {
        pv_prog_scene_transform_solid(scene->options.extent_px, frame, matrix);
        vkCmdPushConstants(commands, scene->layout, VK_SHADER_STAGE_VERTEX_BIT, 0, 64, matrix);
        pv_prog_scene_cube_draw(&scene->cube, commands, scene->layout);
    } else {
        pv_prog_scene_transform_flat(scene->options.extent_px, frame, matrix);
        vkCmdPushConstants(commands, scene->layout, VK_SHADER_STAGE_VERTEX_BIT, 0, 64, matrix);
        vkCmdDraw(commands, 3, 1, 0, 0);
    }
}

static void begin(struct pv_prog_scene *scene, VkCommandBuffer commands, uint32_t target_index,
                  bool secondary)
{
    begin_attachments(scene, commands, target_index);
    if (scene->options.dynamic_rendering) {
        begin_dynamic(scene, commands, target_index, secondary);
    } else {
        begin_pass(scene, commands, target_index, secondary);
    }
}

static void end(struct pv_prog_scene *scene, VkCommandBuffer commands)
{
    if (scene->options.dynamic_rendering) {
        vkCmdEndRendering(commands);
    } else {
        vkCmdEndRenderPass(commands);
    }
}

void pv_prog_scene_draw(struct pv_prog_scene *scene, VkCommandBuffer commands,
                        uint32_t target_index, uint32_t frame)
{
    begin(scene, commands, target_index, false);
    draw_contents(scene, commands, frame);
    end(scene, commands);
}

void pv_prog_scene_draw_secondary(struct pv_prog_scene *scene, VkCommandBuffer commands,
                                  VkCommandBuffer secondary, uint32_t target_index, uint32_t frame)
{
    const VkCommandBufferInheritanceRenderingInfo rendering = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_RENDERING_INFO,
        .colorAttachmentCount = 1,
        .pColorAttachmentFormats = &scene->options.color_format,
        .depthAttachmentFormat = is_cube(scene) ? DEPTH_FORMAT : VK_FORMAT_UNDEFINED,
        .rasterizationSamples = is_multisampled(scene)
                                    ? (VkSampleCountFlagBits)scene->options.sample_count
                                    : VK_SAMPLE_COUNT_1_BIT,
    };
    const VkCommandBufferInheritanceInfo inheritance = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO,
        .pNext = scene->options.dynamic_rendering ? &rendering : NULL,
        .renderPass = scene->render_pass,
        .framebuffer = scene->framebuffers[target_index],
    };
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT
                 | VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
        .pInheritanceInfo = &inheritance,
    };

    PV_PROG_VK(vkBeginCommandBuffer(secondary, &info));
    draw_contents(scene, secondary, frame);
    PV_PROG_VK(vkEndCommandBuffer(secondary));
    begin(scene, commands, target_index, true);
    vkCmdExecuteCommands(commands, 1, &secondary);
    end(scene, commands);
}
