/* SPDX-License-Identifier: MIT */
/*
 * bench/decoder: what one command costs from its bytes to the call of the driver, on a driver whose
 * functions do nothing: time, and instructions.
 *
 * A stream of COMMANDS equal commands goes through pv_venus_stream_run, as a ring's thread does it
 * with what it has copied out of the guest's memory, `head` included. Instructions are counted by
 * single steps of a child under ptrace, since not every machine lets a program read the processor's
 * counters: the difference of a long stream and a short one, divided by their difference in length.
 *
 * Usage: decoder [--json]     runs some seconds
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/venus_bench.h"
#include "venus/device.h"
#include "venus/object.h"
#include "venus_wire/commands.h"

#define COMMANDS     256u
#define STEPPED_FEW  8u
#define STEPPED_MANY 40u
#define REPEAT       15
#define REPEAT_NS    20000000u

/* Ids of what commands speak of; the first ones are venus_bench's. */
enum {
    COMMAND_BUFFER = 100,
    BUFFER,
    IMAGE,
    IMAGE_VIEW,
    PIPELINE,
    LAYOUT,
    SET,
    FENCE,
};

static struct venus_bench bench;
static _Atomic(uint32_t) head;

/* What every driver function does here: nothing, with success. */
static uint64_t nothing(void)
{
    return 0;
}

/* ---- commands, as Mesa 25 sends them ---- */

static void begin(struct venus_bytes *to, uint32_t number)
{
    venus_command(to, number, false);
    venus_u64(to, COMMAND_BUFFER);
}

static void u32s(struct venus_bytes *to, unsigned count, uint32_t value)
{
    for (unsigned i = 0; i < count; i++) {
        venus_u32(to, value);
    }
}

static void draw(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdDraw);
    u32s(to, 4, 1);
}

static void draw_indexed(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdDrawIndexed);
    u32s(to, 5, 1);
}

static void bind_pipeline(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdBindPipeline);
    venus_u32(to, 0);
    venus_u64(to, PIPELINE);
}

static void bind_sets(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdBindDescriptorSets);
    venus_u32(to, 0);
    venus_u64(to, LAYOUT);
    u32s(to, 1, 0);
    u32s(to, 1, 1);
    venus_ids(to, 1, (const uint64_t[]){SET});
    venus_u32(to, 0);
    venus_u64(to, 0);
}

static void push_constants(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdPushConstants);
    venus_u64(to, LAYOUT);
    venus_u32(to, 1);
    venus_u32(to, 0);
    venus_u32(to, 16);
    venus_u64(to, 16);
    u32s(to, 4, 7);
}

static void bind_vertex_buffers(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdBindVertexBuffers);
    venus_u32(to, 0);
    venus_u32(to, 1);
    venus_ids(to, 1, (const uint64_t[]){BUFFER});
    venus_u64(to, 1);
    venus_u64(to, 0);
}

static void bind_index_buffer(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdBindIndexBuffer);
    venus_u64(to, BUFFER);
    venus_u64(to, 0);
    venus_u32(to, 0);
}

static void set_viewport(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdSetViewport);
    venus_u32(to, 0);
    venus_u32(to, 1);
    venus_u64(to, 1);
    u32s(to, 6, 0x3f800000);
}

static void set_scissor(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdSetScissor);
    venus_u32(to, 0);
    venus_u32(to, 1);
    venus_u64(to, 1);
    u32s(to, 4, 64);
}

static void set_depth_write(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdSetDepthWriteEnable);
    venus_u32(to, 1);
}

static void copy_buffer(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdCopyBuffer);
    venus_u64(to, BUFFER);
    venus_u64(to, BUFFER);
    venus_u32(to, 1);
    venus_u64(to, 1);
    u32s(to, 6, 64);
}

static void structure(struct venus_bytes *to, uint32_t type)
{
    venus_u32(to, type);
    venus_u64(to, 0);
}

static void barrier2(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdPipelineBarrier2);
    venus_u64(to, 1);
    structure(to, VK_STRUCTURE_TYPE_DEPENDENCY_INFO);
    u32s(to, 2, 0); /* flags, memory barriers */
    venus_u64(to, 0);
    venus_u32(to, 0); /* buffer barriers */
    venus_u64(to, 0);
    venus_u32(to, 1);
    venus_u64(to, 1);
    structure(to, VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2);
    u32s(to, 8, 0);                       /* stages and accesses */
    u32s(to, 2, VK_IMAGE_LAYOUT_GENERAL); /* old, new */
    u32s(to, 2, VK_QUEUE_FAMILY_IGNORED);
    venus_u64(to, IMAGE);
    venus_u32(to, VK_IMAGE_ASPECT_COLOR_BIT);
    u32s(to, 4, 1);
}

static void begin_rendering(struct venus_bytes *to)
{
    begin(to, PV_WIRE_COMMAND_vkCmdBeginRendering);
    venus_u64(to, 1);
    structure(to, VK_STRUCTURE_TYPE_RENDERING_INFO);
    u32s(to, 3, 0);   /* flags, offset */
    u32s(to, 3, 64);  /* extent, then layers */
    venus_u32(to, 0); /* view mask */
    venus_u32(to, 1);
    venus_u64(to, 1);
    structure(to, VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO);
    venus_u64(to, IMAGE_VIEW);
    venus_u32(to, VK_IMAGE_LAYOUT_GENERAL);
    venus_u32(to, 0);
    venus_u64(to, 0); /* resolve view, layout */
    venus_u32(to, 0);
    u32s(to, 2, 1); /* load and store */
    u32s(to, 2, 0); /* clear value: colour, of floats */
    venus_u64(to, 4);
    u32s(to, 4, 0);
    venus_u64(to, 0); /* depth, stencil */
    venus_u64(to, 0);
}

static void update_sets(struct venus_bytes *to)
{
    venus_command(to, PV_WIRE_COMMAND_vkUpdateDescriptorSets, false);
    venus_u64(to, VENUS_DEVICE);
    venus_u32(to, 1);
    venus_u64(to, 1);
    structure(to, VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
    venus_u64(to, SET);
    venus_u32(to, 0);
    venus_u32(to, 0);
    venus_u32(to, 1);
    venus_u32(to, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER);
    venus_u64(to, 0);
    venus_u64(to, 1);
    venus_u64(to, BUFFER);
    venus_u64(to, 0);
    venus_u64(to, 256);
    venus_u64(to, 0);
    venus_u32(to, 0);
    venus_u64(to, 0);
}

static void queue_submit(struct venus_bytes *to)
{
    venus_queue_submit(to, VENUS_QUEUE,
                       &(struct venus_submit){.command_buffer_count = 1,
                                              .command_buffers = {COMMAND_BUFFER},
                                              .fence = FENCE},
                       false);
}

static const struct command {
    const char *name;
    void (*append)(struct venus_bytes *to);
} commands[] = {
    {"vkCmdDraw", draw},
    {"vkCmdDrawIndexed", draw_indexed},
    {"vkCmdBindPipeline", bind_pipeline},
    {"vkCmdBindDescriptorSets", bind_sets},
    {"vkCmdPushConstants", push_constants},
    {"vkCmdBindVertexBuffers", bind_vertex_buffers},
    {"vkCmdBindIndexBuffer", bind_index_buffer},
    {"vkCmdSetViewport", set_viewport},
    {"vkCmdSetScissor", set_scissor},
    {"vkCmdSetDepthWriteEnable", set_depth_write},
    {"vkCmdCopyBuffer", copy_buffer},
    {"vkUpdateDescriptorSets", update_sets},
    {"vkQueueSubmit", queue_submit},
    {"vkCmdPipelineBarrier2", barrier2},
    {"vkCmdBeginRendering", begin_rendering},
};

/* ---- a device with the objects, and nothing behind them ---- */

static void add_object(struct pv_venus_object *device, uint64_t id, uint32_t type)
{
    if (pv_venus_object_create(&bench.context->decoder, sizeof(struct pv_venus_object), id, type,
                               0x1000 + id, false, device)
        == NULL) {
        (void)fprintf(stderr, "decoder: no object %u\n", (unsigned)id);
        exit(1);
    }
}

static void prepare(void)
{
    static struct venus_ring ring;
    const struct pv_wire_decoder *wire;
    struct pv_venus_device *device;
    PFN_vkVoidFunction *functions;

    (void)setenv("PV_TEST_PROFILES", PV_BENCH_PROFILES, 0);
    venus_bench_init(&bench, false);
    venus_ring_init(&ring, &bench, 65536, 0);
    venus_ring_start(&ring);
    venus_ring_finish(&ring);
    wire = &bench.context->decoder.wire;
    device = (struct pv_venus_device *)(void *)pv_base_id_table_find(wire->objects, VENUS_DEVICE);
    functions = (PFN_vkVoidFunction *)(void *)&device->table;
    for (size_t i = 0; i < sizeof(device->table) / sizeof(*functions); i++) {
        functions[i] = (PFN_vkVoidFunction)nothing;
    }
    add_object(&device->object, COMMAND_BUFFER, VK_OBJECT_TYPE_COMMAND_BUFFER);
    add_object(&device->object, BUFFER, VK_OBJECT_TYPE_BUFFER);
    add_object(&device->object, IMAGE, VK_OBJECT_TYPE_IMAGE);
    add_object(&device->object, IMAGE_VIEW, VK_OBJECT_TYPE_IMAGE_VIEW);
    add_object(&device->object, PIPELINE, VK_OBJECT_TYPE_PIPELINE);
    add_object(&device->object, LAYOUT, VK_OBJECT_TYPE_PIPELINE_LAYOUT);
    add_object(&device->object, SET, VK_OBJECT_TYPE_DESCRIPTOR_SET);
    add_object(&device->object, FENCE, VK_OBJECT_TYPE_FENCE);
}

/* ---- measuring ---- */

/* What a ring does after each command: its head moves on. */
static void after_command(struct pv_venus_ring *ring, size_t consumed_bytes)
{
    (void)ring;
    atomic_store_explicit(&head, (uint32_t)consumed_bytes, memory_order_release);
}

static void run(const struct venus_bytes *bytes, size_t size_bytes)
{
    if (!pv_venus_stream_run(&bench.context->decoder, bytes->bytes, size_bytes, after_command,
                             "bench")) {
        (void)fprintf(stderr, "decoder: the stream was refused: %s\n", bench.reason);
        exit(1);
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return a < b ? -1 : a > b;
}

/* ns for one command: the least of some repeats; on a shared machine the median is the others'. */
static double measure_ns(const struct venus_bytes *bytes)
{
    double values[REPEAT];

    for (int i = 0; i < REPEAT; i++) {
        const uint64_t start_ns = now_ns();
        uint64_t count = 0;

        do {
            run(bytes, bytes->size_bytes);
            count += COMMANDS;
        } while (now_ns() - start_ns < REPEAT_NS);
        values[i] = (double)(now_ns() - start_ns) / (double)count;
    }
    qsort(values, REPEAT, sizeof(values[0]), compare);
    return values[0];
}

/* Steps of a child from its first stop to its second, between which it runs `count` commands. */
static long count_steps(const struct venus_bytes *bytes, unsigned count)
{
    const pid_t child = fork();
    long steps = 0;
    int status;

    if (child == 0) {
        const size_t size_bytes = bytes->size_bytes / COMMANDS * count;

        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        run(bytes, size_bytes); /* memory is touched, the arena has its block */
        (void)raise(SIGUSR1);
        run(bytes, size_bytes);
        (void)raise(SIGUSR1);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
        return -1;
    }
    do {
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0 || waitpid(child, &status, 0) != child
            || !WIFSTOPPED(status)) {
            return -1;
        }
        steps++;
    } while (WSTOPSIG(status) == SIGTRAP);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    return steps;
}

static double measure_instructions(const struct venus_bytes *bytes)
{
    const long few = count_steps(bytes, STEPPED_FEW);
    const long many = count_steps(bytes, STEPPED_MANY);

    return few < 0 || many < 0 ? -1.0 : (double)(many - few) / (STEPPED_MANY - STEPPED_FEW);
}

int main(int argc, char **argv)
{
    const int json = argc > 1 && strcmp(argv[1], "--json") == 0;
    static struct venus_bytes bytes;

    prepare();
    if (!json) {
        printf("%-28s %10s %14s %8s\n", "command", "ns", "instructions", "bytes");
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        double ns;
        double instructions;

        bytes.size_bytes = 0;
        for (unsigned n = 0; n < COMMANDS; n++) {
            commands[i].append(&bytes);
        }
        instructions = measure_instructions(&bytes);
        ns = measure_ns(&bytes);
        printf(json ? "{\"command\": \"%s\", \"ns\": %.1f, \"instructions\": %.1f, \"bytes\": %u}\n"
                    : "%-28s %10.1f %14.1f %8u\n",
               commands[i].name, ns, instructions, (unsigned)(bytes.size_bytes / COMMANDS));
        fflush(stdout);
    }
    return 0;
}
