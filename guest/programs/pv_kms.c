/* SPDX-License-Identifier: MIT */
/*
 * pv-kms: a scene on the screen with nothing in between: no compositor, no GBM, no GL.
 *
 * Vulkan draws into LINEAR images that it exports as dma-bufs; the card imports them, makes
 * framebuffers of them and flips from one to the next. The number of frames is fixed, so that the
 * last picture is known; --offscreen draws just that picture, on any Vulkan device, to compare.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/commands.h"
#include "common/linear_image.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/ppm.h"
#include "common/report.h"
#include "common/scene.h"
#include "kms_screen.h"

#define FORMAT VK_FORMAT_B8G8R8A8_UNORM /* DRM_FORMAT_XRGB8888, alpha unseen */
#define USAGE  (VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT)

/* One on the screen, one on its way there, one to draw into. */
enum { TARGETS = 3 };

struct request {
    struct pv_prog_options common;
    enum pv_prog_scene_kind kind;
    uint32_t frame_count;
    const char *card_path;
    const char *offscreen_path; /* NULL: on the screen */
    const char *dump_path;      /* NULL: do not read the last frame back */
    VkExtent2D extent_px;       /* off screen only */
    bool hold;
};

static const char *scene_name(const struct request *request)
{
    return request->kind == PV_PROG_SCENE_CUBE ? "cube" : "triangle";
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Record a copy of a target, which is in TRANSFER_SRC_OPTIMAL, to the buffer. */
static void record_readback(VkCommandBuffer commands, VkImage image, VkExtent2D extent_px,
                            const struct pv_prog_buffer *pixels)
{
    const struct pv_prog_image whole = {
        .image = image,
        .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
        .extent_px = {extent_px.width, extent_px.height, 1},
    };

    pv_prog_image_read(commands, &whole, pixels->buffer);
}

/* Print what the last frame holds, without the alpha byte that no screen shows; dump it. */
static void report_picture(const struct request *request, const struct pv_prog_buffer *pixels,
                           VkExtent2D extent_px, const char *path)
{
    const uint8_t *bytes = pixels->mapped;
    struct pv_prog_digest digest = pv_prog_digest_start();
    char name[64];

    for (size_t i = 0; i < (size_t)extent_px.width * extent_px.height; i++) {
        pv_prog_digest_add(&digest, bytes + i * 4, 3);
    }
    snprintf(name, sizeof(name), "%s-%ux%u-frame-%u", scene_name(request), extent_px.width,
             extent_px.height, request->frame_count - 1);
    pv_prog_case_digest(name, digest);
    if (path != NULL) {
        pv_prog_ppm_write(path, pixels->mapped, extent_px, FORMAT);
    }
}

/* The last frame alone, in an ordinary image. */
static void run_offscreen(struct pv_prog_gpu *gpu, const struct request *request)
{
    const struct pv_prog_image_options options = {
        .format = FORMAT,
        .extent_px = {request->extent_px.width, request->extent_px.height, 1},
        .usage = USAGE,
    };
    struct pv_prog_image image;
    struct pv_prog_buffer pixels;
    struct pv_prog_scene_target target;
    struct pv_prog_scene *scene;
    VkCommandBuffer commands;

    pv_prog_image_create(gpu, &options, &image);
    pv_prog_buffer_create_host(
        gpu, (VkDeviceSize)request->extent_px.width * request->extent_px.height * 4, 0, &pixels);
    target = (struct pv_prog_scene_target){image.image, image.view};
    scene = pv_prog_scene_create(gpu, &(struct pv_prog_scene_options){
                                          .kind = request->kind,
                                          .color_format = FORMAT,
                                          .extent_px = request->extent_px,
                                          .targets = &target,
                                          .target_count = 1,
                                      });
    commands = pv_prog_commands_begin(gpu);
    pv_prog_scene_draw(scene, commands, 0, request->frame_count - 1);
    pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                          VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    record_readback(commands, image.image, request->extent_px, &pixels);
    pv_prog_commands_run(gpu, commands);
    report_picture(request, &pixels, request->extent_px, request->offscreen_path);
    pv_prog_scene_destroy(gpu, scene);
    pv_prog_buffer_destroy(gpu, &pixels);
    pv_prog_image_destroy(gpu, &image);
}

struct show {
    struct pv_prog_gpu *gpu;
    const struct request *request;
    struct pv_prog_kms_screen screen;
    VkExtent2D extent_px;
    struct pv_prog_linear_image images[TARGETS];
    struct pv_prog_scene_target targets[TARGETS];
    struct pv_prog_kms_buffer buffers[TARGETS];
    struct pv_prog_scene *scene;
    struct pv_prog_buffer pixels; /* the last frame */
    VkCommandBuffer commands[TARGETS];
    VkFence fence;
};

static void show_open(struct pv_prog_gpu *gpu, const struct request *request, struct show *ret_show)
{
    const VkCommandBufferAllocateInfo commands_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = gpu->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = TARGETS,
    };
    const VkFenceCreateInfo fence_info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    struct show *show = ret_show;

    memset(show, 0, sizeof(*show));
    show->gpu = gpu;
    show->request = request;
    pv_prog_kms_screen_open(request->card_path, &show->screen);
    show->extent_px = (VkExtent2D){show->screen.mode.hdisplay, show->screen.mode.vdisplay};
    pv_prog_info("mode", "%ux%u", show->extent_px.width, show->extent_px.height);
    for (uint32_t i = 0; i < TARGETS; i++) {
        int fd;

        pv_prog_linear_image_create(gpu, FORMAT, show->extent_px, USAGE, &show->images[i]);
        fd = pv_prog_linear_image_export(gpu, &show->images[i]);
        pv_prog_kms_buffer_create(&show->screen, &show->images[i].layout, fd, &show->buffers[i]);
        close(fd);
        show->targets[i] =
            (struct pv_prog_scene_target){show->images[i].image, show->images[i].view};
    }
    show->scene = pv_prog_scene_create(gpu, &(struct pv_prog_scene_options){
                                                .kind = request->kind,
                                                .color_format = FORMAT,
                                                .extent_px = show->extent_px,
                                                .targets = show->targets,
                                                .target_count = TARGETS,
                                            });
    pv_prog_buffer_create_host(
        gpu, (VkDeviceSize)show->extent_px.width * show->extent_px.height * 4, 0, &show->pixels);
    PV_PROG_VK(vkAllocateCommandBuffers(gpu->device, &commands_info, show->commands));
    PV_PROG_VK(vkCreateFence(gpu->device, &fence_info, NULL, &show->fence));
}

static void show_close(struct show *show)
{
    struct pv_prog_gpu *gpu = show->gpu;

    for (uint32_t i = 0; i < TARGETS; i++) {
        pv_prog_kms_buffer_destroy(&show->screen, &show->buffers[i]);
    }
    pv_prog_kms_screen_close(&show->screen);
    vkDestroyFence(gpu->device, show->fence, NULL);
    vkFreeCommandBuffers(gpu->device, gpu->pool, TARGETS, show->commands);
    pv_prog_scene_destroy(gpu, show->scene);
    pv_prog_buffer_destroy(gpu, &show->pixels);
    for (uint32_t i = 0; i < TARGETS; i++) {
        pv_prog_linear_image_destroy(gpu, &show->images[i]);
    }
}

/*
 * Draw one frame and wait for it: Linux 6.12 shows a virtio-gpu buffer without waiting for the
 * GPU, so the program has to. The last frame is also read back.
 */
static void draw_frame(struct show *show, uint32_t frame, uint32_t index)
{
    struct pv_prog_gpu *gpu = show->gpu;
    const struct pv_prog_image image = {
        .image = show->images[index].image,
        .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
    };
    VkCommandBuffer commands = show->commands[index];
    VkImageLayout layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;

    pv_prog_commands_start(commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT);
    pv_prog_scene_draw(show->scene, commands, index, frame);
    if (frame + 1 == show->request->frame_count) {
        pv_prog_barrier_image(commands, &image, layout, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
        layout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
        record_readback(commands, image.image, show->extent_px, &show->pixels);
        pv_prog_barrier_all(commands);
    }
    pv_prog_linear_image_release(gpu, commands, &show->images[index], layout);
    PV_PROG_VK(vkEndCommandBuffer(commands));
    pv_prog_commands_submit(gpu->queue, commands, show->fence);
    pv_prog_fence_wait(gpu, show->fence, "a frame");
    PV_PROG_VK(vkResetFences(gpu->device, 1, &show->fence));
}

/* Stay until somebody closes our standard input, SIGTERM or SIGINT. */
static void hold(void)
{
    sigset_t ends;
    int signal_number;

    printf("holding\n");
    fflush(stdout);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    for (;;) {
        const struct timespec look_again = {0, 100000000};
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        char byte;

        signal_number = sigtimedwait(&ends, NULL, &look_again);
        if (signal_number > 0 || (poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0)) {
            return;
        }
    }
}

static void run_screen(struct pv_prog_gpu *gpu, const struct request *request)
{
    struct show show;
    uint64_t start_ns = 0;
    uint64_t time_ns;

    show_open(gpu, request, &show);
    for (uint32_t frame = 0; frame < request->frame_count; frame++) {
        const uint32_t index = frame % TARGETS;

        draw_frame(&show, frame, index);
        pv_prog_kms_screen_wait(&show.screen);
        if (frame == 0) {
            pv_prog_kms_screen_set(&show.screen, &show.buffers[index]);
            start_ns = now_ns();
        } else {
            pv_prog_kms_screen_flip(&show.screen, &show.buffers[index]);
        }
    }
    pv_prog_kms_screen_wait(&show.screen);
    time_ns = now_ns() - start_ns;
    if (request->frame_count > 1) {
        pv_prog_info("frames-per-second", "%.1f (%u frames in %.3f s)",
                     (double)(request->frame_count - 1) * 1e9 / (double)time_ns,
                     request->frame_count - 1, (double)time_ns / 1e9);
    }
    report_picture(request, &show.pixels, show.extent_px, request->dump_path);
    if (request->hold) {
        hold();
    }
    show_close(&show);
}

static const char usage[] =
    "usage: pv-kms [options]\n"
    "Draw a turning scene on the screen by KMS, or its last frame into a file.\n\n"
    "  --scene NAME     triangle (default) or cube\n"
    "  --frames N       how many frames to draw (default 60)\n"
    "  --card PATH      default /dev/dri/card0\n"
    "  --dump FILE.ppm  also write the last frame, read back from the GPU\n"
    "  --hold           stay on the last frame until stdin closes, SIGTERM or SIGINT\n"
    "  --offscreen FILE.ppm   no screen: write the last frame, drawn in an ordinary image\n"
    "  --size WxH       of the off-screen picture (default 1024x768)\n"
    "  --device N       use the Nth physical device (default 0)\n"
    "  --validate       run under the Khronos validation layer; any message is a failure\n"
    "  --help           print this text\n";

static void parse_size(const char *text, VkExtent2D *ret_extent_px)
{
    char rest;

    if (sscanf(text, "%ux%u%c", &ret_extent_px->width, &ret_extent_px->height, &rest) != 2
        || ret_extent_px->width < 16 || ret_extent_px->height < 16 || ret_extent_px->width > 8192
        || ret_extent_px->height > 8192) {
        pv_prog_fail("--size takes WxH from 16x16 to 8192x8192, not \"%s\"", text);
    }
}

static void parse(int argc, char **argv, struct request *ret_request)
{
    enum { SCENE = PV_PROG_OPTION_OWN, FRAMES, CARD, DUMP, HOLD, OFFSCREEN, SIZE };
    static const struct option table[] = {{"scene", required_argument, NULL, SCENE},
                                          {"frames", required_argument, NULL, FRAMES},
                                          {"card", required_argument, NULL, CARD},
                                          {"dump", required_argument, NULL, DUMP},
                                          {"hold", no_argument, NULL, HOLD},
                                          {"offscreen", required_argument, NULL, OFFSCREEN},
                                          {"size", required_argument, NULL, SIZE},
                                          PV_PROG_OPTION_ENTRIES,
                                          {0}};
    int value;

    *ret_request = (struct request){
        .frame_count = 60,
        .card_path = "/dev/dri/card0",
        .extent_px = {1024, 768},
    };
    while ((value = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (value) {
        case SCENE:
            if (strcmp(optarg, "cube") == 0) {
                ret_request->kind = PV_PROG_SCENE_CUBE;
            } else if (strcmp(optarg, "triangle") != 0) {
                pv_prog_fail("--scene takes triangle or cube, not \"%s\"", optarg);
            }
            break;
        case FRAMES:
            ret_request->frame_count = pv_prog_options_number("frames", optarg, 1, 1000000);
            break;
        case CARD:
            ret_request->card_path = optarg;
            break;
        case DUMP:
            ret_request->dump_path = optarg;
            break;
        case HOLD:
            ret_request->hold = true;
            break;
        case OFFSCREEN:
            ret_request->offscreen_path = optarg;
            break;
        case SIZE:
            parse_size(optarg, &ret_request->extent_px);
            break;
        default:
            pv_prog_options_take(&ret_request->common, value, optarg, usage);
        }
    }
    if (optind < argc) {
        pv_prog_fail("unexpected argument \"%s\"; try --help", argv[optind]);
    }
}

/* Keep SIGTERM and SIGINT for hold(), also from the driver's threads, which inherit the mask. */
static void block_signals(void)
{
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
}

int main(int argc, char **argv)
{
    struct request request;
    struct pv_prog_gpu_options options = {.name = "pv-kms"};
    struct pv_prog_gpu gpu;
    const char *missing;

    parse(argc, argv, &request);
    options.device_index = request.common.device_index;
    options.validate = request.common.validate;
    if (request.offscreen_path != NULL) {
        pv_prog_gpu_open(&options, &gpu);
        run_offscreen(&gpu, &request);
    } else {
        if (request.hold) {
            block_signals();
        }
        options.device_extensions = pv_prog_linear_image_extensions;
        options.extension_count = PV_PROG_LINEAR_IMAGE_EXTENSION_COUNT;
        pv_prog_gpu_open(&options, &gpu);
        missing = pv_prog_linear_image_missing(&gpu, FORMAT, USAGE);
        if (missing != NULL) {
            pv_prog_skip("\"%s\" lacks %s", gpu.properties.deviceName, missing);
        }
        run_screen(&gpu, &request);
    }
    pv_prog_gpu_close(&gpu);
    return PV_PROG_EXIT_OK;
}
