/* SPDX-License-Identifier: MIT */
/*
 * pearvisor-gpu: the device process. Everything that a guest's kernel talks to lives here, so this
 * program links the C library and nothing else, loads no Vulkan driver, and serves one QEMU until
 * that goes away. Contexts run in processes of their own (pearvisor-render).
 *
 * Started by `pearvisor run`, or by `pearvisor gpu` for one's own VMM.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/backend_options.h"
#include "cli/capset.h"
#include "cli/commands.h"
#include "cli/host_programs.h"
#include "cli/options.h"
#include "cli/usage.h"
#include "display/control.h"
#include "gpu/device.h"
#include "gpu/limits.h"
#include "gpu/protocol.h"
#include "os/fd.h"
#include "os/isolation.h"
#include "os/loop.h"
#include "os/shm.h"
#include "os/signals.h"
#include "render/context.h"
#include "vhost-user/host.h"

#define SCANOUTS 1u
/* Descriptors beside those of resources: sockets and doorbells, and a few for each worker. */
#define OTHER_FD_MAX (PV_RENDER_CONTEXT_MAX * (PV_RENDER_QUEUE_FD_MAX + 8u) + 64u)

struct gpu_options {
    const char *vhost_user;
    const char *control; /* NULL: none */
    const char *size;    /* of the screen, as it was given */
    uint32_t width_px;
    uint32_t height_px;
    struct pv_cli_backend backend;
};

struct gpu {
    struct pv_os_loop *loop;
    struct pv_base_log log;
    int window_fd;
    struct pv_render_backend *backend;
    struct pv_display_control *control; /* NULL: nobody may ask */
    struct pv_gpu_device *device;
    struct pv_vhost_user_host *host;
    struct pv_os_signals *signals;
    int status; /* 0 or -errno, of the host */
};

static const char help[] =
    "usage: pearvisor gpu --vhost-user SOCKET [OPTIONS]\n\n"
    "The virtio-gpu device for a VMM of your own: QEMU 11.1 or newer connects with\n"
    "  -object memory-backend-memfd,id=mem,size=2G,share=on -machine q35,memory-backend=mem -m 2G\n"
    "  -chardev socket,id=gpu,path=SOCKET\n"
    "  -device vhost-user-test-device-pci,chardev=gpu,virtio-id=16,num_vqs=2,vq_size=256,"
    "config_size=16\n";

static const struct pv_cli_option rows[] = {
    {.name = "vhost-user",
     .value = "SOCKET",
     .help = "listen here for the VMM",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct gpu_options, vhost_user)},
    {.name = "control",
     .value = "SOCKET",
     .help = "listen here for 'pearvisor screenshot' and the like",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct gpu_options, control)},
    {.name = "size",
     .value = "WxH",
     .help = "mode of the guest's screen (default 1280x800)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct gpu_options, size)},
};

static bool parse_mode(const char *text, struct gpu_options *ret)
{
    char *end = NULL;
    const unsigned long width = strtoul(text, &end, 10);
    unsigned long height = 0;

    if (end != text && *end == 'x') {
        const char *rest = end + 1;

        height = strtoul(rest, &end, 10);
        if (end == rest || *end != '\0') {
            height = 0;
        }
    }
    if (width < PV_GPU_MODE_MIN_PX || width > PV_GPU_MODE_MAX_PX || height < PV_GPU_MODE_MIN_PX
        || height > PV_GPU_MODE_MAX_PX) {
        (void)fprintf(stderr, "pearvisor: --size wants WIDTHxHEIGHT, each from %u to %u\n",
                      PV_GPU_MODE_MIN_PX, PV_GPU_MODE_MAX_PX);
        return false;
    }
    ret->width_px = (uint32_t)width;
    ret->height_px = (uint32_t)height;
    return true;
}

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct gpu_options *ret)
{
    const struct pv_cli_option_group groups[] = {
        {rows, PV_ARRAY_LEN(rows), ret},
        pv_cli_window_options(&ret->backend),
        pv_cli_backend_options(&ret->backend),
        PV_CLI_OPTION_GROUPS_END,
    };
    const int r = pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_NONE, NULL);

    if (r != 0) {
        return r;
    }
    if (ret->size != NULL && !parse_mode(ret->size, ret)) {
        return PV_CLI_USAGE;
    }
    if (ret->vhost_user == NULL) {
        return pv_cli_usage_error("gpu", "name the socket with --vhost-user");
    }
    return 0;
}

static void on_closed(void *user, int status)
{
    struct gpu *gpu = user;

    gpu->status = status;
    pv_os_loop_stop(gpu->loop);
}

static void on_signal(void *user, int number)
{
    struct gpu *gpu = user;

    (void)number;
    pv_os_loop_stop(gpu->loop);
}

/* The device's figures, as the control socket tells them. */
static size_t get_statistics(void *user, struct pv_display_statistics *ret_statistics,
                             struct pv_display_context *ret_contexts, size_t max)
{
    const struct gpu *gpu = user;
    struct pv_gpu_context_statistics contexts[PV_DISPLAY_CONTEXT_MAX];
    struct pv_gpu_statistics figures;
    const size_t room = max < PV_ARRAY_LEN(contexts) ? max : PV_ARRAY_LEN(contexts);
    const size_t count = pv_gpu_device_get_contexts(gpu->device, contexts, room);

    pv_gpu_device_get_statistics(gpu->device, &figures);
    *ret_statistics = (struct pv_display_statistics){
        .server_kind = PV_DISPLAY_SERVER_DEVICE,
        .memory_used_bytes = figures.memory_used_bytes,
        .memory_all_bytes = figures.memory_all_bytes,
        .memory_limit_bytes = figures.memory_limit_bytes,
        .window_used_bytes = figures.window_used_bytes,
        .window_size_bytes = figures.window_size_bytes,
        .command_count = figures.command_count,
        .error_count = figures.error_count,
        .frame_count = figures.frame_count,
        .context_count = figures.context_count,
        .empty_context_count = figures.empty_context_count,
        .lost_context_count = figures.lost_context_count,
        .resource_count = figures.resource_count,
        .held_count = figures.held_count,
        .fence_count = figures.fence_count,
    };
    for (size_t i = 0; i < count; i++) {
        const struct pv_gpu_context_usage *usage = &contexts[i].usage;

        ret_contexts[i] = (struct pv_display_context){
            .memory_bytes = contexts[i].unpaid_bytes + usage->memory_bytes,
            .blob_bytes = contexts[i].memory_bytes,
            .submit_count = contexts[i].submit_count,
            .command_count = usage->command_count,
            .object_count = usage->object_count,
            .ring_count = usage->ring_count,
            .request_count = usage->request_count,
            .worker_pid = usage->worker_pid,
            .context_id = contexts[i].context_id,
            .capset_id = contexts[i].capset_id,
            .fence_count = contexts[i].fence_count,
            .is_lost = contexts[i].lost ? 1 : 0,
        };
        memcpy(ret_contexts[i].name, contexts[i].name, sizeof(ret_contexts[i].name));
    }
    return count;
}

static int start_control(struct gpu *gpu, const struct gpu_options *options)
{
    const struct pv_display_control_options control = {
        .size_bytes = sizeof(control),
        .loop = gpu->loop,
        .log = &gpu->log,
        .socket_path = options->control,
        .scanout_count = SCANOUTS,
    };
    const int r = pv_display_control_create(&control, &gpu->control);

    if (r == 0) {
        pv_display_control_set_statistics(gpu->control, get_statistics, gpu);
    }
    return r;
}

static int start_device(struct gpu *gpu, const struct gpu_options *options, const char *renderer)
{
    struct pv_render_backend_options backend = {
        .size_bytes = sizeof(backend),
        .loop = gpu->loop,
        .log = &gpu->log,
        .placement = PV_RENDER_PLACEMENT_WINDOW,
        .window_fd = gpu->window_fd,
    };
    uint32_t capset[PV_CLI_CAPSET_WORDS];
    struct pv_gpu_device_options device = {
        .size_bytes = sizeof(device),
        .log = &gpu->log,
        .window_fd = gpu->window_fd,
        .window_size_bytes = options->backend.window_bytes,
        .memory_limit_bytes = options->backend.memory_max_bytes,
        .context_ops = &pv_render_context_ops,
        .capset_id = PV_GPU_CAPSET_ID_VENUS,
        .capset = capset,
        .capset_bytes = sizeof(capset),
        .scanout_count = SCANOUTS,
        .width_px = options->width_px,
        .height_px = options->height_px,
    };
    int r;

    pv_cli_backend_fill(&options->backend, renderer, &backend);
    r = pv_render_backend_create(&backend, &gpu->backend);
    if (r < 0) {
        return r;
    }
    if (gpu->control != NULL) {
        device.sink_ops = pv_display_control_sink_ops();
        device.sink = gpu->control;
    }
    pv_cli_capset_fill(capset);
    device.context_backend = gpu->backend;
    device.account = pv_render_backend_account(gpu->backend);
    return pv_gpu_device_create(&device, &gpu->device);
}

static int start_host(struct gpu *gpu, const struct gpu_options *options)
{
    const struct pv_vhost_user_host_options host = {
        .loop = gpu->loop,
        .log = &gpu->log,
        .socket_path = options->vhost_user,
        .window_fd = gpu->window_fd,
        .window_size_bytes = options->backend.window_bytes,
        .device_ops = pv_gpu_device_virtio_ops(),
        .device = gpu->device,
        .closed = on_closed,
        .user = gpu,
    };

    return pv_vhost_user_host_create(&host, &gpu->host);
}

static int fail(const char *what, const char *name, int r)
{
    (void)fprintf(stderr, "pearvisor: %s %s: %s\n", what, name, strerror(-r));
    return r;
}

static int start(struct gpu *gpu, const struct gpu_options *options, const char *renderer)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    int r = pv_os_loop_create(&gpu->loop);

    if (r == 0) {
        r = pv_os_signals_watch(gpu->loop, signals, PV_ARRAY_LEN(signals), on_signal, gpu,
                                &gpu->signals);
    }
    if (r == 0) {
        r = pv_os_shm_create("pearvisor-window", options->backend.window_bytes, &gpu->window_fd);
    }
    if (r < 0) {
        return fail("cannot make", "the window", r);
    }
    if (options->control != NULL) {
        r = start_control(gpu, options);
        if (r < 0) {
            return fail("cannot listen on", options->control, r);
        }
    }
    r = start_device(gpu, options, renderer);
    if (r < 0) {
        return fail("cannot make", "the device", r);
    }
    r = start_host(gpu, options);
    return r < 0 ? fail("cannot listen on", options->vhost_user, r) : 0;
}

static void finish(struct gpu *gpu)
{
    pv_vhost_user_host_destroy(gpu->host);
    pv_gpu_device_destroy(gpu->device);
    pv_display_control_destroy(gpu->control);
    pv_render_backend_destroy(gpu->backend);
    pv_os_signals_destroy(gpu->signals);
    pv_os_loop_destroy(gpu->loop);
    if (gpu->window_fd >= 0) {
        close(gpu->window_fd);
    }
}

int main(int argc, char **argv)
{
    struct gpu_options options = {
        .width_px = 1280,
        .height_px = 800,
        .backend = {.window_bytes = UINT64_C(8) << 30, .memory_max_bytes = UINT64_C(4) << 30},
    };
    struct gpu gpu = {.window_fd = -1};
    char name[] = "pearvisor gpu"; /* how getopt's messages begin: the command that users type */
    char renderer[PATH_MAX];
    int r;

    if (argc > 0) {
        argv[0] = name;
    }
    r = parse(argc, argv, &options);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    pv_base_log_init(&gpu.log, "gpu");
    if (!pv_cli_log_configure(&gpu.log, options.backend.log)) {
        return PV_CLI_USAGE;
    }
    if (!pv_cli_renderer_find(options.backend.renderer, renderer)) {
        return PV_CLI_FAILED;
    }
    if (pv_os_isolation_begin() < 0) {
        pv_base_log_info(&gpu.log, "gpu.main",
                         "this host cannot turn off core files and new privileges");
    }
    pv_cli_host_driver_choose();
    /* What a guest may make us open, all at once, must not run us out of descriptors. */
    pv_os_fd_limit_raise(PV_GPU_RESOURCE_FD_MAX + OTHER_FD_MAX);
    r = start(&gpu, &options, renderer);
    if (r == 0) {
        r = pv_os_loop_run(gpu.loop);
    }
    finish(&gpu);
    return r < 0 || gpu.status < 0 ? PV_CLI_FAILED : 0;
}
