/* SPDX-License-Identifier: MIT */
/*
 * The device object: options, the life between start and reset, configuration space, figures.
 */
#include "gpu/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/account.h"
#include "base/checked.h"
#include "gpu/cursor.h"
#include "gpu/dispatch.h"
#include "gpu/guest_context.h"
#include "gpu/limits.h"
#include "gpu/request.h"
#include "gpu/resource.h"
#include "gpu/state.h"
#include "os/random.h"
#include "os/shm.h"

/* A capset that is larger cannot be one. */
#define CAPSET_BYTES_MAX 4096u

/* Nobody looks. */
static void ignore_scanout(void *sink, uint32_t scanout_index,
                           const struct pv_gpu_frame_view *frame)
{
    (void)sink;
    (void)scanout_index;
    (void)frame;
}

static void ignore_frame(void *sink, uint32_t scanout_index, const struct pv_gpu_rect *damage)
{
    (void)sink;
    (void)scanout_index;
    (void)damage;
}

static void ignore_cursor(void *sink, uint32_t scanout_index,
                          const struct pv_gpu_cursor_view *cursor)
{
    (void)sink;
    (void)scanout_index;
    (void)cursor;
}

static const struct pv_gpu_sink_ops no_sink = {
    .scanout_changed = ignore_scanout,
    .frame_changed = ignore_frame,
    .cursor_changed = ignore_cursor,
};

static bool mode_is_possible(uint32_t width_px, uint32_t height_px)
{
    return width_px >= PV_GPU_MODE_MIN_PX && width_px <= PV_GPU_MODE_MAX_PX
           && height_px >= PV_GPU_MODE_MIN_PX && height_px <= PV_GPU_MODE_MAX_PX;
}

static bool options_are_good(const struct pv_gpu_device_options *options)
{
    if (options->size_bytes != sizeof(*options) || options->scanout_count > PV_GPU_SCANOUT_COUNT_MAX
        || !mode_is_possible(options->width_px, options->height_px)) {
        return false;
    }
    if (options->window_fd >= 0
        && (options->window_size_bytes == 0
            || options->window_size_bytes % PV_GPU_GUEST_PAGE_BYTES != 0)) {
        return false;
    }
    /* Linux keeps a mask of capset ids in an int, and id 0 hides all capsets. */
    return options->context_ops == NULL
           || (options->capset != NULL && options->capset_bytes > 0
               && options->capset_bytes <= CAPSET_BYTES_MAX && options->capset_id > 0
               && options->capset_id < 31);
}

int pv_gpu_device_create(const struct pv_gpu_device_options *options,
                         struct pv_gpu_device **ret_device)
{
    struct pv_gpu_device *device;
    int r;

    if (!options_are_good(options)) {
        return -EINVAL;
    }
    device = calloc(1, sizeof(*device));
    if (device == NULL) {
        return -ENOMEM;
    }
    device->log = options->log;
    device->memory_limit_bytes = options->memory_limit_bytes;
    device->account = options->account;
    device->sink_ops = options->sink_ops != NULL ? options->sink_ops : &no_sink;
    device->sink = options->sink;
    device->scanout_count = options->scanout_count;
    for (uint32_t i = 0; i < options->scanout_count; i++) {
        device->scanouts[i].width_px = options->width_px;
        device->scanouts[i].height_px = options->height_px;
    }
    pv_gpu_window_init(&device->window, options->window_fd, options->window_size_bytes);
    r = pv_os_random_fill(device->uuid_seed, sizeof(device->uuid_seed));
    if (r == 0 && options->context_ops != NULL) {
        device->context_ops = options->context_ops;
        device->context_backend = options->context_backend;
        device->capset_id = options->capset_id;
        device->capset_version = options->capset_version;
        device->capset = malloc(options->capset_bytes);
        if (device->capset == NULL) {
            r = -ENOMEM;
        } else {
            memcpy(device->capset, options->capset, options->capset_bytes);
            device->capset_bytes = options->capset_bytes;
        }
    }
    if (r < 0) {
        pv_gpu_device_destroy(device);
        return r;
    }
    *ret_device = device;
    return 0;
}

/* Forget all that a guest made. */
static void end_life(struct pv_gpu_device *device)
{
    pv_gpu_request_drop_all(device);
    device->timeline = (struct pv_gpu_timeline){0};
    /* Workers first: after that nobody maps the window or answers. */
    pv_gpu_guest_context_destroy_all(device);
    pv_gpu_scanout_clear_all(device);
    pv_gpu_resource_destroy_all(device);
    if (pv_gpu_window_clear(&device->window) < 0) {
        pv_base_log_guest(device->log, "gpu.window", PV_BASE_LOG_WARN,
                          "the window's pages could not be freed");
    }
    memset(device->logged_errors, 0, sizeof(device->logged_errors));
    device->fence_count = 0;
    device->features = 0;
    device->window_is_mapped = false;
    device->events_read = 0;
    device->command_count = 0;
    device->error_count = 0;
    device->frame_count = 0;
}

void pv_gpu_device_destroy(struct pv_gpu_device *device)
{
    if (device != NULL) {
        end_life(device);
        pv_gpu_window_finish(&device->window);
        free(device->capset);
        free(device);
    }
}

/* Workers can write our slot of the account: what we hold ourselves is told anew each time. */
static void tell_account(struct pv_gpu_device *device)
{
    pv_base_account_set(&device->account->memory, PV_BASE_ACCOUNT_DEVICE,
                        device->account_own_bytes);
}

static bool charge_account(struct pv_gpu_device *device, uint64_t size_bytes)
{
    tell_account(device);
    if (!pv_base_account_charge(&device->account->memory, PV_BASE_ACCOUNT_DEVICE, size_bytes,
                                device->memory_limit_bytes)) {
        return false;
    }
    device->account_own_bytes += size_bytes;
    return true;
}

bool pv_gpu_device_charge(struct pv_gpu_device *device, uint64_t size_bytes, bool by_worker)
{
    if (!pv_base_range_is_inside(device->memory_used_bytes, size_bytes,
                                 device->memory_limit_bytes)) {
        return false;
    }
    if (!by_worker && device->account != NULL && !charge_account(device, size_bytes)) {
        return false;
    }
    device->memory_used_bytes += size_bytes;
    return true;
}

void pv_gpu_device_refund(struct pv_gpu_device *device, uint64_t size_bytes, bool by_worker)
{
    device->memory_used_bytes -= size_bytes;
    if (!by_worker && device->account != NULL) {
        device->account_own_bytes -= size_bytes;
        tell_account(device);
    }
}

void pv_gpu_device_take_over(struct pv_gpu_device *device, uint64_t size_bytes)
{
    if (device->account != NULL) {
        device->account_own_bytes += size_bytes;
        tell_account(device);
    }
}

int pv_gpu_device_set_mode(struct pv_gpu_device *device, uint32_t scanout_index, uint32_t width_px,
                           uint32_t height_px)
{
    struct pv_gpu_scanout *scanout;

    if (scanout_index >= device->scanout_count || !mode_is_possible(width_px, height_px)) {
        return -EINVAL;
    }
    scanout = &device->scanouts[scanout_index];
    if (scanout->width_px == width_px && scanout->height_px == height_px) {
        return 0;
    }
    scanout->width_px = width_px;
    scanout->height_px = height_px;
    device->events_read |= PV_GPU_EVENT_DISPLAY;
    if (device->transport != NULL) {
        device->transport->ops->config_changed(device->transport->transport);
    }
    return 0;
}

/* What a transport calls. */

static void on_attach(void *user, const struct pv_virtio_transport *transport)
{
    struct pv_gpu_device *device = user;

    device->transport = transport;
}

static void on_detach(void *user)
{
    struct pv_gpu_device *device = user;

    device->transport = NULL;
}

static uint64_t on_features(void *user)
{
    const struct pv_gpu_device *device = user;
    uint64_t features = PV_GPU_FEATURE_EDID | PV_GPU_FEATURE_UUID;

    if (device->context_ops != NULL) {
        features |= PV_GPU_FEATURE_VIRGL | PV_GPU_FEATURE_BLOB | PV_GPU_FEATURE_CONTEXT;
    }
    return features;
}

static void on_start(void *user, uint64_t features, bool window_is_mapped)
{
    struct pv_gpu_device *device = user;

    device->features = features;
    device->window_is_mapped = window_is_mapped && device->window.fd >= 0;
    pv_base_log_guest(device->log, "gpu.device", PV_BASE_LOG_INFO,
                      "started with features 0x%llx, window %s", (unsigned long long)features,
                      device->window_is_mapped ? "mapped" : "absent");
}

static void on_queue_element(void *user, uint32_t queue_index, struct pv_virtio_element *element)
{
    pv_gpu_dispatch_element(user, queue_index, element);
}

static void on_pause_or_resume(void *user)
{
    (void)user; /* the transport keeps what we complete meanwhile */
}

static void on_reset(void *user)
{
    struct pv_gpu_device *device = user;

    pv_base_log_guest(device->log, "gpu.device", PV_BASE_LOG_INFO, "reset");
    end_life(device);
}

static struct pv_gpu_config config_of(const struct pv_gpu_device *device)
{
    return (struct pv_gpu_config){
        .events_read = device->events_read,
        .scanout_count = device->scanout_count,
        .capset_count = device->capset_bytes > 0 ? 1 : 0,
    };
}

static void on_config_read(void *user, uint32_t offset_bytes, void *ret_bytes, size_t size_bytes)
{
    const struct pv_gpu_config config = config_of(user);
    const size_t left_bytes = offset_bytes < sizeof(config) ? sizeof(config) - offset_bytes : 0;
    const size_t copied_bytes = size_bytes < left_bytes ? size_bytes : left_bytes;

    memset(ret_bytes, 0, size_bytes);
    if (copied_bytes > 0) {
        memcpy(ret_bytes, (const uint8_t *)&config + offset_bytes, copied_bytes);
    }
}

static void on_config_write(void *user, uint32_t offset_bytes, const void *bytes, size_t size_bytes)
{
    struct pv_gpu_device *device = user;
    struct pv_gpu_config config = config_of(device);

    /* Only events_clear means anything, and it reads as 0: whatever else comes along is ignored. */
    if (pv_base_range_is_inside(offset_bytes, size_bytes, sizeof(config))) {
        memcpy((uint8_t *)&config + offset_bytes, bytes, size_bytes);
        device->events_read &= ~config.events_clear;
    }
}

static const struct pv_virtio_device_ops device_ops = {
    .device_id = PV_GPU_VIRTIO_ID,
    .queue_count = PV_GPU_QUEUE_COUNT,
    .config_size_bytes = sizeof(struct pv_gpu_config),
    .attach = on_attach,
    .detach = on_detach,
    .features = on_features,
    .start = on_start,
    .queue_element = on_queue_element,
    .pause = on_pause_or_resume,
    .resume = on_pause_or_resume,
    .reset = on_reset,
    .config_read = on_config_read,
    .config_write = on_config_write,
};

const struct pv_virtio_device_ops *pv_gpu_device_virtio_ops(void)
{
    return &device_ops;
}
