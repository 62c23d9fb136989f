/* SPDX-License-Identifier: MIT */
/*
 * The front end's socket: whole messages in, replies out. Knows sizes, flags and descriptors, not
 * what a message means.
 *
 * Threads: the loop thread.
 */
#ifndef PV_VHOST_USER_FRONT_CHANNEL_H
#define PV_VHOST_USER_FRONT_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "vhost-user/message.h"

/* One received message. Descriptors that a handler keeps it replaces by -1. */
struct pv_vhost_user_message {
    struct pv_vhost_user_header header;
    uint8_t payload[PV_VHOST_USER_PAYLOAD_MAX_BYTES];
    int fds[PV_VHOST_USER_MEM_REGION_MAX];
    size_t fd_count;
};

struct pv_vhost_user_front_channel {
    int fd;                /* -1: not connected */
    size_t received_bytes; /* of the message under way, header included */
    struct pv_vhost_user_message message;
};

enum pv_vhost_user_receive {
    PV_VHOST_USER_RECEIVE_MESSAGE, /* channel->message is whole */
    PV_VHOST_USER_RECEIVE_AGAIN,   /* nothing more for now */
    PV_VHOST_USER_RECEIVE_CLOSED,  /* the front end has gone */
    PV_VHOST_USER_RECEIVE_BAD,     /* not a message; *ret_why says what is wrong */
};

/* Takes fd: a connected, non-blocking stream socket. */
void pv_vhost_user_front_channel_init(struct pv_vhost_user_front_channel *channel, int fd);

/* Closes the socket and the descriptors of the message in hand. */
void pv_vhost_user_front_channel_finish(struct pv_vhost_user_front_channel *channel);

/* Go on receiving; the previous message must have been released. Never waits. */
enum pv_vhost_user_receive
pv_vhost_user_front_channel_receive(struct pv_vhost_user_front_channel *channel,
                                    const char **ret_why);

/* Close what descriptors are left in the message and make room for the next. */
void pv_vhost_user_front_channel_release(struct pv_vhost_user_front_channel *channel);

/*
 * Answer the message in hand with size_bytes of payload. Returns 0; -errno when the front end does
 * not take its answers (a full socket included: replies are small and it waits for each).
 */
PV_NODISCARD int pv_vhost_user_front_channel_reply(struct pv_vhost_user_front_channel *channel,
                                                   const void *payload, size_t size_bytes);

/* Whether a message, or a part of one, waits to be handled. */
bool pv_vhost_user_front_channel_has_pending(const struct pv_vhost_user_front_channel *channel);

#endif
