/* SPDX-License-Identifier: MIT */
/*
 * Two small scenes: a turning triangle, and a turning cube, coloured, textured and depth-tested.
 *
 * The picture depends on the frame number, the size and the driver alone: the angles come from
 * plain multiplications, not from the C library's sine, which differs between machines.
 *
 * Threads: one thread per scene.
 */
#ifndef PV_PROG_COMMON_SCENE_H
#define PV_PROG_COMMON_SCENE_H

#include <stdbool.h>
#include <vulkan/vulkan.h>

#include "common/gpu.h"

/* Scanout needs two or three targets; a picture needs one. */
#define PV_PROG_SCENE_TARGETS_MAX 4u

enum pv_prog_scene_kind {
    PV_PROG_SCENE_TRIANGLE,
    PV_PROG_SCENE_CUBE,
};

struct pv_prog_scene_target {
    VkImage image; /* usage COLOR_ATTACHMENT */
    VkImageView view;
};

struct pv_prog_scene_options {
    enum pv_prog_scene_kind kind;
    VkFormat color_format;
    VkExtent2D extent_px;
    uint32_t sample_count;                      /* 0 means 1; more are resolved into the target */
    bool dynamic_rendering;                     /* or else a render pass and framebuffers */
    const struct pv_prog_scene_target *targets; /* borrowed while the scene lives */
    uint32_t target_count;                      /* 1 .. PV_PROG_SCENE_TARGETS_MAX */
};

struct pv_prog_scene;

/* Create a scene and upload what it needs, which waits for gpu->queue. Options are borrowed. */
struct pv_prog_scene *pv_prog_scene_create(struct pv_prog_gpu *gpu,
                                           const struct pv_prog_scene_options *options);

/* Destroy a scene that no pending command buffer uses; NULL is fine. */
void pv_prog_scene_destroy(struct pv_prog_gpu *gpu, struct pv_prog_scene *scene);

/*
 * Record one frame. The target's old contents are lost; it is left in COLOR_ATTACHMENT_OPTIMAL,
 * owned by the queue family of the commands.
 *
 * target_index   into options.targets
 * frame          0 is the unturned scene
 */
void pv_prog_scene_draw(struct pv_prog_scene *scene, VkCommandBuffer commands,
                        uint32_t target_index, uint32_t frame);

/*
 * The same with the draws in a secondary command buffer.
 *
 * secondary      allocated by the caller as SECONDARY, in the initial state; recorded here
 */
void pv_prog_scene_draw_secondary(struct pv_prog_scene *scene, VkCommandBuffer commands,
                                  VkCommandBuffer secondary, uint32_t target_index, uint32_t frame);

#endif
