/* SPDX-License-Identifier: MIT */
/*
 * The host's state, shared by host.c (sockets), requests.c (what messages mean) and life.c (when
 * the device lives, runs and is reset). Nobody else includes it, save vring.c for the one call it
 * makes.
 */
#ifndef PV_VHOST_USER_HOST_INTERNAL_H
#define PV_VHOST_USER_HOST_INTERNAL_H

#include <stdbool.h>

#include "vhost-user/back_channel.h"
#include "vhost-user/front_channel.h"
#include "vhost-user/host.h"
#include "vhost-user/vring.h"
#include "virtio/element.h"

struct pv_vhost_user_host {
    struct pv_vhost_user_host_options options;
    struct pv_base_log *log;
    struct pv_guestmem_space *space;
    struct pv_virtio_transport transport; /* what the device got */
    bool is_attached;

    /* host.c */
    int listen_fd;
    struct pv_os_listener *listener;
    bool has_socket_file;
    struct pv_vhost_user_front_channel front;
    struct pv_os_source *front_source;
    bool has_talked; /* a whole message has come: this is a front end, not a passer-by */
    bool is_closed;

    /* requests.c */
    uint64_t offered_features;
    uint64_t features;
    uint64_t protocol_features;
    struct pv_vhost_user_vring vrings[PV_VIRTIO_QUEUE_COUNT_MAX];
    struct pv_vhost_user_back_channel *back;
    bool is_config_change_waiting; /* for a channel that is not there yet */
    bool has_answered;             /* the message in hand has its reply */

    /* life.c */
    bool is_started;       /* all vrings are enabled: the front end runs the device */
    bool is_live;          /* the device has had `start` and not yet `reset` */
    bool is_running;       /* ... and elements flow */
    bool is_window_mapped; /* as far as we know */
    bool is_base_told;     /* a SET_VRING_BASE since the last stop differs from what we answered */
};

/* life.c. Called when a vring has been enabled or stopped. */
void pv_vhost_user_host_vring_enabled(struct pv_vhost_user_host *host);
void pv_vhost_user_host_vring_stopped(struct pv_vhost_user_host *host);
/* The back-end channel is there, or a new one in place of the old. */
void pv_vhost_user_host_channel_changed(struct pv_vhost_user_host *host);
/* The device's life ends if it had begun: reset, queues as new. */
void pv_vhost_user_host_end_life(struct pv_vhost_user_host *host);
/* For vring.c. */
void pv_vhost_user_host_take_element(struct pv_vhost_user_host *host, uint32_t queue_index,
                                     struct pv_virtio_element *element);
extern const struct pv_vhost_user_back_channel_ops pv_vhost_user_host_back_ops;
extern const struct pv_virtio_transport_ops pv_vhost_user_host_transport_ops;

/*
 * requests.c. Serve the message in host->front. Returns NULL, or a phrase that says what is wrong
 * with it: the connection ends then.
 */
PV_NODISCARD const char *pv_vhost_user_host_serve(struct pv_vhost_user_host *host);

#endif
