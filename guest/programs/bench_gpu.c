/* SPDX-License-Identifier: MIT */
/* pv-bench: work that keeps the GPU busy for long after it was asked for, and the first frame. */
#include "bench_measure.h"

#include "common/commands.h"
#include "common/kernel.h"
#include "common/memory.h"
#include "common/report.h"
#include "common/scene.h"

#include "slow_comp.h"

#define FRAME_PX    256u
#define FILL_PX     1024u
#define INVOCATIONS 65536u
#define GROUP       64u
#define DISPATCH_NS UINT64_C(1000000)
#define ROUNDS_MAX  (1u << 22)
#define ROUNDS_UNIT 1024u
/* A command buffer of more than this is a test of something else. */
#define DISPATCHES_MAX 4096u
#define FILLS_MAX      4096u

void pv_prog_bench_first_frame(struct pv_prog_bench *bench)
{
    struct pv_prog_gpu *gpu = bench->gpu;
    const struct pv_prog_image_options options = {
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent_px = {FRAME_PX, FRAME_PX, 1},
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
    };
    struct pv_prog_scene_options scene_options = {
        .kind = PV_PROG_SCENE_CUBE,
        .color_format = options.format,
        .extent_px = {FRAME_PX, FRAME_PX},
        .dynamic_rendering = true,
        .target_count = 1,
    };
    struct pv_prog_scene_target target;
    struct pv_prog_scene *scene;
    struct pv_prog_image image;
    struct pv_prog_buffer pixels;
    VkCommandBuffer commands;

    pv_prog_image_create(gpu, &options, &image);
    pv_prog_buffer_create_host(gpu, FRAME_PX * FRAME_PX * 4, 0, &pixels);
    target = (struct pv_prog_scene_target){image.image, image.view};
    scene_options.targets = &target;
    scene = pv_prog_scene_create(gpu, &scene_options);
    commands = pv_prog_commands_begin(gpu);
    pv_prog_scene_draw(scene, commands, 0, 1);
    pv_prog_barrier_image(commands, &image, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                          VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    pv_prog_image_read(commands, &image, pixels.buffer);
    pv_prog_commands_run(gpu, commands);
    pv_prog_bench_say("first-frame", "start", pv_prog_bench_now_ns() - bench->start_ns);
    pv_prog_scene_destroy(gpu, scene);
    pv_prog_buffer_destroy(gpu, &pixels);
    pv_prog_image_destroy(gpu, &image);
}

struct compute {
    struct pv_prog_gpu *gpu;
    struct pv_prog_kernel kernel;
    struct pv_prog_buffer target;
    uint32_t rounds;
};

static void dispatch(void *context, uint32_t count)
{
    const struct compute *compute = context;
    const uint32_t push[] = {1, compute->rounds};
    VkCommandBuffer commands = pv_prog_commands_begin(compute->gpu);

    for (uint32_t i = 0; i < count; i++) {
        pv_prog_kernel_dispatch(commands, &compute->kernel, push, sizeof(push),
                                INVOCATIONS / GROUP);
        pv_prog_barrier_all(commands);
    }
    pv_prog_commands_run(compute->gpu, commands);
}

static uint64_t time_dispatches(struct compute *compute, uint32_t count)
{
    uint64_t least_ns = UINT64_MAX;

    for (int i = 0; i < 3; i++) {
        const uint64_t start_ns = pv_prog_bench_now_ns();
        uint64_t took_ns;

        dispatch(compute, count);
        took_ns = pv_prog_bench_now_ns() - start_ns;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    return least_ns;
}

/*
 * Dispatches are made so long that the GPU, not their number, sets the time. What a submission
 * takes besides must not count, so it is the difference of three dispatches and one that is looked
 * at.
 */
static void choose_rounds(struct compute *compute)
{
    for (dispatch(compute, 1); compute->rounds < ROUNDS_MAX; compute->rounds *= 2) {
        const uint64_t one_ns = time_dispatches(compute, 1);

        if (time_dispatches(compute, 3) > one_ns + 2 * DISPATCH_NS) {
            return;
        }
    }
}

void pv_prog_bench_compute(struct pv_prog_bench *bench)
{
    struct pv_prog_gpu *gpu = bench->gpu;
    struct compute compute = {.gpu = gpu, .rounds = ROUNDS_UNIT};
    const struct pv_prog_buffer *buffers[] = {&compute.target};

    pv_prog_buffer_create(gpu, INVOCATIONS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                          VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &compute.target);
    pv_prog_kernel_create(gpu,
                          &(struct pv_prog_kernel_options){
                              .code = pv_shader_slow_comp,
                              .code_bytes = sizeof(pv_shader_slow_comp),
                              .buffer_count = 1,
                              .push_bytes = 8,
                          },
                          &compute.kernel);
    pv_prog_kernel_bind(gpu, &compute.kernel, buffers, 1);
    choose_rounds(&compute);
    pv_prog_bench_measure(bench, "compute", "1024 rounds of 65536 invocations",
                          compute.rounds / ROUNDS_UNIT, DISPATCHES_MAX, dispatch, &compute);
    pv_prog_kernel_destroy(gpu, &compute.kernel);
    pv_prog_buffer_destroy(gpu, &compute.target);
}

struct fill {
    struct pv_prog_gpu *gpu;
    struct pv_prog_image image;
};

/* Clears of a whole target through the render pass hardware: nothing but bandwidth. */
static void fill(void *context, uint32_t count)
{
    const struct fill *fill = context;
    VkRenderingAttachmentInfo color = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
        .imageView = fill->image.view,
        .imageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
    };
    const VkRenderingInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
        .renderArea = {{0, 0}, {FILL_PX, FILL_PX}},
        .layerCount = 1,
        .colorAttachmentCount = 1,
        .pColorAttachments = &color,
    };
    const VkClearRect area = {{{0, 0}, {FILL_PX, FILL_PX}}, 0, 1};
    VkCommandBuffer commands = pv_prog_commands_begin(fill->gpu);

    pv_prog_barrier_image(commands, &fill->image, VK_IMAGE_LAYOUT_UNDEFINED,
                          VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    for (uint32_t i = 0; i < count; i++) {
        const VkClearAttachment clear = {
            VK_IMAGE_ASPECT_COLOR_BIT, 0, {.color = {.float32 = {(float)(i & 1), 0.5f, 0.25f, 1}}}};

        vkCmdBeginRendering(commands, &info);
        vkCmdClearAttachments(commands, 1, &clear, 1, &area);
        vkCmdEndRendering(commands);
        pv_prog_barrier_all(commands);
    }
    pv_prog_commands_run(fill->gpu, commands);
}

void pv_prog_bench_fill(struct pv_prog_bench *bench)
{
    const struct pv_prog_image_options options = {
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent_px = {FILL_PX, FILL_PX, 1},
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT,
    };
    struct fill context = {.gpu = bench->gpu};

    pv_prog_image_create(bench->gpu, &options, &context.image);
    pv_prog_bench_measure(bench, "fill", "1024x1024 pixels", 1, FILLS_MAX, fill, &context);
    pv_prog_image_destroy(bench->gpu, &context.image);
}
