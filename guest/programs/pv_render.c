/* SPDX-License-Identifier: MIT */
/*
 * pv-render: drawing without a window.
 *
 * The scenes (triangle, cube) are drawn in several ways that must agree with each other, and are
 * checked at a few points; the grid cases (render_cells.c, render_threads.c) know every pixel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/ppm.h"
#include "common/report.h"
#include "common/scene.h"
#include "render_cases.h"

#define SIDE       256u
#define BACKGROUND 0xff402020u /* of the scenes, as R8G8B8A8 read as a word */
#define FRAME      7u

struct way {
    enum pv_prog_scene_kind kind;
    bool dynamic_rendering;
    bool secondary;
    uint32_t sample_count;
};

static const char *dump_path; /* --dump: written by the case that --only names, or by "cube" */
static const char *dump_case = "cube";

static void draw(struct pv_prog_gpu *gpu, const struct way *way, uint32_t *ret_pixels)
{
    const struct pv_prog_image_options image_options = {
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent_px = {SIDE, SIDE, 1},
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
    };
    struct pv_prog_image image;
    struct pv_prog_buffer pixels;
    struct pv_prog_scene_target target;
    struct pv_prog_scene *scene;
    VkCommandBuffer secondary = VK_NULL_HANDLE;
    VkCommandBuffer commands;

    pv_prog_image_create(gpu, &image_options, &image);
    pv_prog_buffer_create_host(gpu, SIDE * SIDE * 4, 0, &pixels);
    target = (struct pv_prog_scene_target){image.image, image.view};
    scene = pv_prog_scene_create(gpu, &(struct pv_prog_scene_options){
                                          .kind = way->kind,
                                          .color_format = image_options.format,
                                          .extent_px = {SIDE, SIDE},
                                          .sample_count = way->sample_count,
                                          .dynamic_rendering = way->dynamic_rendering,
                                          .targets = &target,
                                          .target_count = 1,
                                      });
    commands = pv_prog_commands_begin(gpu);
    if (way->secondary) {
        const VkCommandBufferAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = gpu->pool,
            .level = VK_COMMAND_BUFFER_LEVEL_SECONDARY,
            .commandBufferCount = 1,
        };

        PV_PROG_VK(vkAllocateCommandBuffers(gpu->device, &info, &secondary));
        pv_prog_scene_draw_secondary(scene, commands, secondary, 0, FRAME);
    } else {
        pv_prog_scene_draw(scene, commands, 0, FRAME);
    }
    pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                          VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    pv_prog_image_read(commands, &image, pixels.buffer);
    pv_prog_commands_run(gpu, commands);
    memcpy(ret_pixels, pixels.mapped, SIDE * SIDE * 4);
    if (way->secondary) {
        vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &secondary);
    }
    pv_prog_scene_destroy(gpu, scene);
    pv_prog_buffer_destroy(gpu, &pixels);
    pv_prog_image_destroy(gpu, &image);
}

/* The corners show the background, and a good part of the rest does not. */
static void check_picture(const char *name, const uint32_t *pixels)
{
    uint32_t drawn = 0;

    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        drawn += pixels[i] != BACKGROUND ? 1 : 0;
    }
    if (pixels[0] != BACKGROUND || pixels[SIDE * SIDE - 1] != BACKGROUND) {
        pv_prog_fail("case %s: a corner is 0x%08x, expected the background 0x%08x", name, pixels[0],
                     BACKGROUND);
    }
    if (pixels[(SIDE / 2) * SIDE + SIDE / 2] == BACKGROUND || drawn < SIDE * SIDE / 6
        || drawn > SIDE * SIDE * 5 / 6) {
        pv_prog_fail("case %s: %u of %u pixels are drawn", name, drawn, SIDE * SIDE);
    }
}

/* Draw in one way, or in two that must give the same picture. */
static void run_ways(struct pv_prog_gpu *gpu, const char *name, const struct way *ways,
                     uint32_t way_count)
{
    static uint32_t pixels[2][SIDE * SIDE];
    struct pv_prog_digest digest = pv_prog_digest_start();

    draw(gpu, &ways[0], pixels[0]);
    check_picture(name, pixels[0]);
    if (way_count == 2) {
        draw(gpu, &ways[1], pixels[1]);
        pv_prog_expect_words(name, pixels[1], pixels[0], SIDE * SIDE);
    }
    pv_prog_digest_add(&digest, pixels[0], sizeof(pixels[0]));
    pv_prog_case_digest(name, digest);
    if (dump_path != NULL && strcmp(name, dump_case) == 0) {
        pv_prog_ppm_write(dump_path, pixels[0], (VkExtent2D){SIDE, SIDE}, VK_FORMAT_R8G8B8A8_UNORM);
    }
}

static void run_triangle(struct pv_prog_gpu *gpu, const char *name)
{
    static const struct way ways[] = {{PV_PROG_SCENE_TRIANGLE, false, false, 1},
                                      {PV_PROG_SCENE_TRIANGLE, true, false, 1}};

    run_ways(gpu, name, ways, 2);
}

static void run_cube(struct pv_prog_gpu *gpu, const char *name)
{
    static const struct way ways[] = {{PV_PROG_SCENE_CUBE, false, false, 1},
                                      {PV_PROG_SCENE_CUBE, true, false, 1}};

    run_ways(gpu, name, ways, 2);
}

static void run_secondary(struct pv_prog_gpu *gpu, const char *name)
{
    static const struct way ways[] = {{PV_PROG_SCENE_CUBE, false, true, 1},
                                      {PV_PROG_SCENE_CUBE, true, true, 1}};

    run_ways(gpu, name, ways, 2);
}

static void run_multisampled(struct pv_prog_gpu *gpu, const char *name)
{
    static const struct way ways[] = {{PV_PROG_SCENE_CUBE, false, false, 4},
                                      {PV_PROG_SCENE_CUBE, true, false, 4}};

    run_ways(gpu, name, ways, 2);
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: pv-render [options]\n"
                                "Draw off screen in many ways and check the pictures.\n\n"
                                "  --dump FILE.ppm  write the picture of \"cube\", or of the scene "
                                "that --only names\n" PV_PROG_OPTION_HELP_TEXT;
    static const struct pv_prog_case cases[] = {
        {"triangle", run_triangle},
        {"cube", run_cube},
        {"secondary", run_secondary},
        {"multisampled", run_multisampled},
        {"push", pv_prog_render_push},
        {"indirect", pv_prog_render_indirect},
        {"descriptors", pv_prog_render_descriptors},
        {"threads", pv_prog_render_threads},
        {"long", pv_prog_render_long},
        {"huge", pv_prog_render_huge},
    };
    enum { DUMP = PV_PROG_OPTION_OWN };
    static const struct option table[] = {
        {"dump", required_argument, NULL, DUMP}, PV_PROG_OPTION_ENTRIES, {0}};
    const size_t case_count = sizeof(cases) / sizeof(cases[0]);
    struct pv_prog_options options = {0};
    struct pv_prog_gpu gpu;
    int value;

    while ((value = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (value == DUMP) {
            dump_path = optarg;
        } else {
            pv_prog_options_take(&options, value, optarg, usage);
        }
    }
    if (options.list) {
        pv_prog_cases_run(NULL, &options, cases, case_count);
        return PV_PROG_EXIT_OK;
    }
    dump_case = options.only != NULL ? options.only : dump_case;
    pv_prog_gpu_open(&(struct pv_prog_gpu_options){.name = "pv-render",
                                                   .device_index = options.device_index,
                                                   .validate = options.validate},
                     &gpu);
    pv_prog_cases_run(&gpu, &options, cases, case_count);
    pv_prog_gpu_close(&gpu);
    return PV_PROG_EXIT_OK;
}
