/* SPDX-License-Identifier: MIT */
/*
 * The vhost-user back end: its listening socket, its one front end, beginning and end. What
 * messages mean is in requests.c, what they do to the device's life in life.c.
 *
 * A connection that closes before it has said anything was somebody who looked whether the socket
 * is in use; only a front end that has talked ends the host when it goes.
 */
#include "vhost-user/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/listener.h"
#include "os/socket.h"
#include "vhost-user/host_internal.h"

/* Messages served before other sources of the loop get their turn. */
#define TURN_MESSAGES 32

static void remove_socket_file(struct pv_vhost_user_host *host)
{
    pv_os_listener_destroy(host->listener);
    host->listener = NULL;
    pv_os_fds_close(&host->listen_fd, 1);
    host->listen_fd = -1;
    if (host->has_socket_file) {
        host->has_socket_file = false;
        (void)unlink(host->options.socket_path);
    }
}

static void disconnect(struct pv_vhost_user_host *host)
{
    pv_os_source_remove(host->front_source);
    host->front_source = NULL;
    pv_vhost_user_front_channel_finish(&host->front);
}

/* The end: everything of the connection goes, the owner is told. */
static void close_host(struct pv_vhost_user_host *host, int status)
{
    if (host->is_closed) {
        return;
    }
    host->is_closed = true;
    disconnect(host);
    pv_vhost_user_back_channel_destroy(host->back);
    host->back = NULL;
    host->is_started = false;
    pv_vhost_user_host_end_life(host);
    if (host->options.closed != NULL) {
        host->options.closed(host->options.user, status);
    }
}

static void on_closed(struct pv_vhost_user_host *host)
{
    if (!host->has_talked) {
        disconnect(host);
        pv_os_listener_set_accepting(host->listener, true);
        return;
    }
    pv_base_log_info(host->log, "vhost-user.host", "the front end has gone");
    close_host(host, 0);
}

static void on_bad_message(struct pv_vhost_user_host *host, const char *why)
{
    pv_base_log_error(host->log, "vhost-user.host",
                      "connection closed: the front end sent %s (request %u, %u bytes)", why,
                      host->front.message.header.request, host->front.message.header.size_bytes);
    close_host(host, -EPROTO);
}

static void on_front(void *user, uint32_t events)
{
    struct pv_vhost_user_host *host = user;

    (void)events; /* a hang-up shows as the end of what can be received */
    for (int i = 0; i < TURN_MESSAGES; i++) {
        const char *why = NULL;

        switch (pv_vhost_user_front_channel_receive(&host->front, &why)) {
        case PV_VHOST_USER_RECEIVE_AGAIN:
            return;
        case PV_VHOST_USER_RECEIVE_CLOSED:
            on_closed(host);
            return;
        case PV_VHOST_USER_RECEIVE_BAD:
            on_bad_message(host, why);
            return;
        case PV_VHOST_USER_RECEIVE_MESSAGE:
            break;
        }
        if (!host->has_talked) {
            host->has_talked = true;
            remove_socket_file(host); /* one front end in a host's life */
        }
        why = pv_vhost_user_host_serve(host);
        if (why != NULL) {
            on_bad_message(host, why);
            return;
        }
        pv_vhost_user_front_channel_release(&host->front);
    }
}

static void on_connection(void *user, int fd)
{
    struct pv_vhost_user_host *host = user;

    pv_vhost_user_front_channel_init(&host->front, fd);
    if (pv_os_loop_add(host->options.loop, fd, PV_OS_LOOP_READ, on_front, host, &host->front_source)
        < 0) {
        host->front_source = NULL;
        pv_vhost_user_front_channel_finish(&host->front);
        return;
    }
    pv_os_listener_set_accepting(host->listener, false); /* one at a time: others wait in line */
}

static int check_options(const struct pv_vhost_user_host_options *options)
{
    const struct pv_virtio_device_ops *ops = options->device_ops;

    if ((options->window_size_bytes & (options->window_size_bytes - 1)) != 0
        || ops->queue_count == 0 || ops->queue_count > PV_VIRTIO_QUEUE_COUNT_MAX
        || ops->config_size_bytes > PV_VIRTIO_CONFIG_BYTES_MAX) {
        return -EINVAL;
    }
    return 0;
}

static int set_up(struct pv_vhost_user_host *host)
{
    const struct pv_vhost_user_host_options *options = &host->options;
    int r = pv_guestmem_space_create(&host->space);

    if (r == 0 && options->window_size_bytes > 0) {
        r = pv_guestmem_space_exclude(host->space, options->window_fd);
    }
    for (uint32_t i = 0; i < options->device_ops->queue_count && r == 0; i++) {
        r = pv_vhost_user_vring_init(&host->vrings[i], host, options->loop, host->log, host->space,
                                     i);
    }
    if (r == 0) {
        r = pv_os_socket_listen(options->socket_path, &host->listen_fd);
    }
    if (r < 0) {
        return r;
    }
    host->has_socket_file = true;
    return pv_os_listener_create(options->loop, host->listen_fd, host->log, "vhost-user.host",
                                 on_connection, host, &host->listener);
}

int pv_vhost_user_host_create(const struct pv_vhost_user_host_options *options,
                              struct pv_vhost_user_host **ret_host)
{
    struct pv_vhost_user_host *host;
    int r = check_options(options);

    if (r < 0) {
        return r;
    }
    host = calloc(1, sizeof(*host));
    if (host == NULL) {
        return -ENOMEM;
    }
    host->options = *options;
    host->log = options->log;
    host->listen_fd = -1;
    host->front.fd = -1;
    r = set_up(host);
    if (r < 0) {
        pv_vhost_user_host_destroy(host);
        return r;
    }
    host->transport = (struct pv_virtio_transport){
        .ops = &pv_vhost_user_host_transport_ops,
        .transport = host,
        .guest_memory = host->space,
    };
    options->device_ops->attach(options->device, &host->transport);
    host->is_attached = true;
    host->offered_features =
        (options->device_ops->features(options->device) & PV_VIRTIO_FEATURE_DEVICE_MASK)
        | PV_VIRTIO_FEATURE_RING_INDIRECT_DESC | PV_VIRTIO_FEATURE_RING_EVENT_IDX
        | PV_VIRTIO_FEATURE_VERSION_1 | PV_VHOST_USER_FEATURE_PROTOCOL;
    *ret_host = host;
    return 0;
}

void pv_vhost_user_host_destroy(struct pv_vhost_user_host *host)
{
    if (host == NULL) {
        return;
    }
    host->options.closed = NULL;
    close_host(host, 0);
    remove_socket_file(host);
    if (host->is_attached) {
        host->options.device_ops->detach(host->options.device);
    }
    for (uint32_t i = 0; i < PV_VIRTIO_QUEUE_COUNT_MAX; i++) {
        pv_vhost_user_vring_finish(&host->vrings[i]);
    }
    pv_guestmem_space_destroy(host->space);
    free(host);
}
