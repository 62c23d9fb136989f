/* SPDX-License-Identifier: MIT */
/*
 * The channel for our requests to the front end: SHMEM_MAP of the window, and "configuration space
 * has changed". It exists to send these two without killing QEMU; back_channel.c says how.
 *
 * Threads: the loop thread. Nothing here waits.
 */
#ifndef PV_VHOST_USER_BACK_CHANNEL_H
#define PV_VHOST_USER_BACK_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "os/loop.h"

struct pv_vhost_user_back_channel;

enum pv_vhost_user_map_outcome {
    PV_VHOST_USER_MAP_ACCEPTED, /* the region was empty: mapped now */
    PV_VHOST_USER_MAP_REFUSED,  /* still mapped from before (or never possible) */
    PV_VHOST_USER_MAP_LOST,     /* the channel is gone, the outcome will not be known */
};

/* What the channel needs of its owner. All members are required. */
struct pv_vhost_user_back_channel_ops {
    /*
     * Whether a request may reach QEMU now: the device is started, and no message waits on the
     * front channel that could say otherwise.
     */
    bool (*is_gate_open)(void *user);
    /* Whether a message waits on the front channel; the answer about the gate comes after it. */
    bool (*is_gate_unsure)(void *user);
    /* The outcome of the last request_map. */
    void (*map_done)(void *user, enum pv_vhost_user_map_outcome outcome);
};

/*
 * Create from the connected socket that the front end sent (taken, even on error). window_fd is
 * borrowed until destroy. Returns 0 or -errno.
 */
PV_NODISCARD int pv_vhost_user_back_channel_create(struct pv_os_loop *loop, struct pv_base_log *log,
                                                   const struct pv_vhost_user_back_channel_ops *ops,
                                                   void *user, int fd, int window_fd,
                                                   uint64_t window_size_bytes,
                                                   struct pv_vhost_user_back_channel **ret_channel);

/* No call of the ops after this. Accepts NULL. */
void pv_vhost_user_back_channel_destroy(struct pv_vhost_user_back_channel *channel);

/* Whether requests can still be made. channel may be NULL (false). */
bool pv_vhost_user_back_channel_is_usable(const struct pv_vhost_user_back_channel *channel);

/*
 * Ask for the window to be mapped, once the gate is open. map_done follows, later, exactly once per
 * request unless it is withdrawn; a request that is on its way already when the next is made has
 * its outcome reported too, first.
 */
void pv_vhost_user_back_channel_request_map(struct pv_vhost_user_back_channel *channel);

/* The gate has closed: a map that is not on its way is off. */
void pv_vhost_user_back_channel_withdraw_map(struct pv_vhost_user_back_channel *channel);

/* Whether a map is asked for and not on its way: an outcome reported now is of an earlier one. */
bool pv_vhost_user_back_channel_is_map_wanted(const struct pv_vhost_user_back_channel *channel);

/* Tell the front end about the configuration space, once the gate is open. Calls collapse. */
void pv_vhost_user_back_channel_request_config_change(struct pv_vhost_user_back_channel *channel);

/* The gate may have opened: go on. */
void pv_vhost_user_back_channel_poke(struct pv_vhost_user_back_channel *channel);

#endif
