/* SPDX-License-Identifier: MIT */
/*
 * When the device lives, runs, pauses and is reset.
 *
 * QEMU says the same when the machine is paused and when the guest resets the device: vrings off,
 * GET_VRING_BASE. Which it was shows at the next start, when we ask to map the window:
 *
 * - vrings enabled: is_started; ask for SHMEM_MAP of the whole window.
 * - accepted: the region was empty. QEMU empties it at a reset only, so what lived before is over:
 *   the device is reset, then a new life starts.
 * - refused: our old map is still there, so the same life goes on. If we had stopped meanwhile,
 *   nothing has happened; the next start asks again.
 * - then elements flow: is_running.
 * - vrings disabled: pause at once, GET_VRING_BASE answered at once.
 *
 * No element is taken before the answer, so the device never sees requests of a new life with the
 * old one's state. Elements that the device completes while it is paused stay in their queue and
 * are shown if the same life goes on.
 *
 * Without a usable back-end channel (none given, or lost) the ring positions decide: a driver that
 * begins anew begins at 0. That is a guess only where nothing was at stake: a queue at position 0
 * has done nothing, or an exact multiple of 65536 requests.
 */
#include "vhost-user/host_internal.h"

void pv_vhost_user_host_end_life(struct pv_vhost_user_host *host)
{
    if (!host->is_live) {
        return;
    }
    host->is_live = false;
    host->is_running = false;
    for (uint32_t i = 0; i < host->options.device_ops->queue_count; i++) {
        pv_vhost_user_vring_stop(&host->vrings[i]);
    }
    host->options.device_ops->reset(host->options.device);
    for (uint32_t i = 0; i < host->options.device_ops->queue_count; i++) {
        const size_t count = pv_virtio_queue_outstanding_count(host->vrings[i].queue);

        if (count > 0) {
            pv_base_log_debug(host->log, "vhost-user.host",
                              "queue %u: %zu requests end with the device's life", i, count);
        }
        pv_virtio_queue_reset(host->vrings[i].queue);
    }
}

/* The outcome of the map is known (or will never be): begin, or go on. */
static void run(struct pv_vhost_user_host *host)
{
    const struct pv_virtio_device_ops *ops = host->options.device_ops;

    if (host->is_live) {
        pv_base_log_debug(host->log, "vhost-user.host", "the device resumes");
        ops->resume(host->options.device);
    } else {
        pv_base_log_debug(host->log, "vhost-user.host", "the device starts, features 0x%llx%s",
                          (unsigned long long)host->features,
                          host->is_window_mapped ? "" : ", without its window");
        if (!host->is_window_mapped && host->options.window_size_bytes > 0) {
            pv_base_log_guest(host->log, "vhost-user.host", PV_BASE_LOG_WARN,
                              "the guest gets no host-visible memory: %s",
                              pv_vhost_user_back_channel_is_usable(host->back)
                                  ? "the front end refuses to map the window"
                                  : "the back-end channel is gone; start the virtual machine anew");
        }
        ops->start(host->options.device, host->features, host->is_window_mapped);
        host->is_live = true;
    }
    host->is_running = true;
    for (uint32_t i = 0; i < ops->queue_count; i++) {
        pv_vhost_user_vring_run(&host->vrings[i],
                                (host->features & PV_VIRTIO_FEATURE_RING_EVENT_IDX) != 0);
    }
}

/* The start of a device whose window we cannot ask about. */
static void run_by_position(struct pv_vhost_user_host *host)
{
    if (host->is_base_told) {
        pv_vhost_user_host_end_life(host);
        host->is_window_mapped = false;
    }
    run(host);
}

static void map_done(void *user, enum pv_vhost_user_map_outcome outcome)
{
    struct pv_vhost_user_host *host = user;

    switch (outcome) {
    case PV_VHOST_USER_MAP_ACCEPTED:
        pv_base_log_debug(host->log, "vhost-user.host", "window mapped");
        pv_vhost_user_host_end_life(host);
        host->is_window_mapped = true;
        break;
    case PV_VHOST_USER_MAP_REFUSED:
        break;
    case PV_VHOST_USER_MAP_LOST:
        if (host->is_started && !host->is_running) {
            run_by_position(host);
        }
        return;
    }
    /* with another request waiting, this outcome was about an earlier start */
    if (host->is_started && !host->is_running
        && !pv_vhost_user_back_channel_is_map_wanted(host->back)) {
        run(host);
    }
}

static bool is_gate_open(void *user)
{
    const struct pv_vhost_user_host *host = user;

    return host->is_started;
}

static bool is_gate_unsure(void *user)
{
    const struct pv_vhost_user_host *host = user;

    return pv_vhost_user_front_channel_has_pending(&host->front);
}

const struct pv_vhost_user_back_channel_ops pv_vhost_user_host_back_ops = {
    .is_gate_open = is_gate_open,
    .is_gate_unsure = is_gate_unsure,
    .map_done = map_done,
};

void pv_vhost_user_host_vring_enabled(struct pv_vhost_user_host *host)
{
    for (uint32_t i = 0; i < host->options.device_ops->queue_count; i++) {
        if (!host->vrings[i].is_enabled) {
            return;
        }
    }
    if (host->is_started) {
        return;
    }
    host->is_started = true;
    if (host->options.window_size_bytes > 0 && pv_vhost_user_back_channel_is_usable(host->back)) {
        pv_vhost_user_back_channel_request_map(host->back);
    } else {
        run_by_position(host);
    }
}

void pv_vhost_user_host_vring_stopped(struct pv_vhost_user_host *host)
{
    if (!host->is_started) {
        return;
    }
    host->is_started = false;
    host->is_base_told = false;
    if (pv_vhost_user_back_channel_is_usable(host->back)) {
        pv_vhost_user_back_channel_withdraw_map(host->back);
    }
    if (!host->is_running) {
        return;
    }
    host->is_running = false;
    for (uint32_t i = 0; i < host->options.device_ops->queue_count; i++) {
        pv_vhost_user_vring_stop(&host->vrings[i]);
    }
    pv_base_log_debug(host->log, "vhost-user.host", "the device pauses");
    host->options.device_ops->pause(host->options.device);
}

void pv_vhost_user_host_channel_changed(struct pv_vhost_user_host *host)
{
    if (host->is_started && !host->is_running && host->options.window_size_bytes > 0) {
        pv_vhost_user_back_channel_request_map(host->back);
    }
}

void pv_vhost_user_host_take_element(struct pv_vhost_user_host *host, uint32_t queue_index,
                                     struct pv_virtio_element *element)
{
    host->options.device_ops->queue_element(host->options.device, queue_index, element);
}

static void config_changed(void *transport)
{
    struct pv_vhost_user_host *host = transport;

    if (pv_vhost_user_back_channel_is_usable(host->back)) {
        pv_vhost_user_back_channel_request_config_change(host->back);
    } else {
        host->is_config_change_waiting = true;
    }
}

const struct pv_virtio_transport_ops pv_vhost_user_host_transport_ops = {
    .config_changed = config_changed,
};
