/* SPDX-License-Identifier: MIT */
/*
 * Requests to QEMU that must not arrive while its device is stopped.
 *
 * The danger: QEMU 11.1 dies (null pointer) when it handles any back-end request while its vhost
 * device is not started: before DRIVER_OK, during a pause, after a reset. Looking whether it is
 * started before sending is not enough, because it may stop between our look and its reading.
 *
 * The way out: QEMU serves this channel in its main loop, under its big lock, and reads a message
 * with reads that wait until all 12 bytes of the header are there. Starting and stopping a device
 * takes the same lock. So a request goes out in two parts:
 *
 *   1. its first byte alone (with the fd). When the socket tells that QEMU has read it, QEMU sits
 * in the handler with the lock held: it cannot start or stop anything until we send the rest;
 *   2. we look at the front channel: whatever QEMU sent before is there by now. With the device
 *      started, the rest of the request follows. With the device stopped, the rest makes it a
 *      message of a number that QEMU does not know (first byte 9, second byte 1: request 265), for
 *      which it prints a line and goes on. The channel lives, and the request is made again later.
 *
 * QEMU is held up for as long as we take between the parts, so the timer that watches for the first
 * byte starts at 20 microseconds and backs off to a millisecond.
 */
#include "vhost-user/back_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/socket.h"
#include "vhost-user/message.h"

#define WATCH_FIRST_NS UINT64_C(20000)
#define WATCH_MAX_NS   UINT64_C(1000000)

enum phase {
    PHASE_IDLE,
    PHASE_OFFERED, /* the first byte is out */
    PHASE_SENT,    /* all is out, the reply is to come */
    PHASE_DEAD,    /* the channel is closed */
};

/* A request as it goes out: header and, for a map, its payload. */
#define REQUEST_MAX_BYTES                                                                          \
    (sizeof(struct pv_vhost_user_header) + sizeof(struct pv_vhost_user_shmem_map))

struct reply {
    struct pv_vhost_user_header header;
    uint32_t status_low; /* a u64 in two halves: it stands at byte 12 */
    uint32_t status_high;
};
_Static_assert(sizeof(struct reply) == 20, "wire layout");

struct pv_vhost_user_back_channel {
    struct pv_os_loop *loop;
    struct pv_base_log *log;
    const struct pv_vhost_user_back_channel_ops *ops;
    void *user;
    int fd;
    struct pv_os_source *source;
    struct pv_os_timer *timer;
    uint64_t watch_ns;

    int window_fd;
    uint64_t window_size_bytes;

    enum phase phase;
    uint32_t current; /* the request that is OFFERED or SENT */
    bool wants_map;
    bool wants_config_change;

    size_t reply_bytes; /* received so far */
    struct reply reply;
};

static void close_channel(struct pv_vhost_user_back_channel *channel, const char *why)
{
    const bool lost_map = channel->wants_map
                          || (channel->current == PV_VHOST_USER_BACKEND_SHMEM_MAP
                              && (channel->phase == PHASE_OFFERED || channel->phase == PHASE_SENT));

    if (channel->phase == PHASE_DEAD) {
        return;
    }
    channel->phase = PHASE_DEAD;
    channel->wants_map = false;
    pv_os_source_remove(channel->source);
    channel->source = NULL;
    pv_os_timer_clear(channel->timer);
    pv_os_fds_close(&channel->fd, 1);
    channel->fd = -1;
    /* Most often the end of everything, which the front channel will tell in a moment. */
    pv_base_log_info(channel->log, "vhost-user.back", "the back-end channel is closed: %s", why);
    if (lost_map) {
        channel->ops->map_done(channel->user, PV_VHOST_USER_MAP_LOST);
    }
}

/* Header and payload of the current request, as it stands on the wire. Returns its size. */
static size_t fill_request(const struct pv_vhost_user_back_channel *channel, bool is_withdrawn,
                           uint8_t *ret_bytes)
{
    struct pv_vhost_user_header header = {
        .request = channel->current,
        .flags = PV_VHOST_USER_FLAG_VERSION,
    };
    const struct pv_vhost_user_shmem_map map = {
        .region_id = PV_VHOST_USER_SHMEM_WINDOW_ID,
        .size_bytes = channel->window_size_bytes,
        .flags = PV_VHOST_USER_SHMEM_FLAG_WRITE,
    };

    if (is_withdrawn) {
        header.request |= PV_VHOST_USER_BACKEND_WITHDRAWN;
    } else {
        header.flags |= PV_VHOST_USER_FLAG_NEED_REPLY;
        if (channel->current == PV_VHOST_USER_BACKEND_SHMEM_MAP) {
            header.size_bytes = sizeof(map);
            memcpy(ret_bytes + sizeof(header), &map, sizeof(map));
        }
    }
    memcpy(ret_bytes, &header, sizeof(header));
    return sizeof(header) + header.size_bytes;
}

static void watch(struct pv_vhost_user_back_channel *channel)
{
    pv_os_timer_set(channel->timer, channel->watch_ns);
    if (channel->watch_ns < WATCH_MAX_NS) {
        channel->watch_ns *= 2;
    }
}

/* Part 1 of the next request, if there is one and the gate is open. */
static void offer(struct pv_vhost_user_back_channel *channel)
{
    uint8_t bytes[REQUEST_MAX_BYTES];
    size_t fd_count = 0;

    if (channel->phase != PHASE_IDLE || (!channel->wants_map && !channel->wants_config_change)
        || !channel->ops->is_gate_open(channel->user)) {
        return;
    }
    if (channel->wants_map) {
        channel->current = PV_VHOST_USER_BACKEND_SHMEM_MAP;
        fd_count = 1;
    } else {
        channel->current = PV_VHOST_USER_BACKEND_CONFIG_CHANGE;
    }
    (void)fill_request(channel, false, bytes);
    if (pv_os_socket_send(channel->fd, bytes, 1, &channel->window_fd, fd_count) != 1) {
        close_channel(channel, "sending failed");
        return;
    }
    channel->phase = PHASE_OFFERED;
    channel->watch_ns = WATCH_FIRST_NS;
    watch(channel);
}

/* Part 2: QEMU has read the first byte and waits for us. */
static void finish_offer(struct pv_vhost_user_back_channel *channel)
{
    uint8_t bytes[REQUEST_MAX_BYTES];
    const bool is_wanted =
        channel->current != PV_VHOST_USER_BACKEND_SHMEM_MAP || channel->wants_map;
    const bool is_open = is_wanted && channel->ops->is_gate_open(channel->user);
    const size_t size_bytes = fill_request(channel, !is_open, bytes);

    if (pv_os_socket_send(channel->fd, bytes + 1, size_bytes - 1, NULL, 0)
        != (ssize_t)size_bytes - 1) {
        close_channel(channel, "sending failed");
        return;
    }
    if (!is_open) {
        pv_base_log_debug(channel->log, "vhost-user.back", "request %u withdrawn in time",
                          channel->current);
        channel->phase = PHASE_IDLE;
        return;
    }
    if (channel->current == PV_VHOST_USER_BACKEND_SHMEM_MAP) {
        channel->wants_map = false;
    } else {
        channel->wants_config_change = false;
    }
    channel->phase = PHASE_SENT;
    channel->reply_bytes = 0;
}

static void on_timer(void *user)
{
    struct pv_vhost_user_back_channel *channel = user;
    size_t unread_bytes;

    if (channel->phase != PHASE_OFFERED) {
        return;
    }
    if (pv_os_socket_unread_by_peer(channel->fd, &unread_bytes) < 0) {
        close_channel(channel, "its state cannot be told");
        return;
    }
    if (unread_bytes > 0) {
        watch(channel);
        return;
    }
    if (channel->ops->is_gate_unsure(channel->user)) {
        /* QEMU waits: let the loop handle the messages and come back at once */
        pv_os_timer_set(channel->timer, 0);
        return;
    }
    finish_offer(channel);
    offer(channel);
}

static void handle_reply(struct pv_vhost_user_back_channel *channel)
{
    const struct reply *reply = &channel->reply;
    const bool is_good = reply->status_low == 0 && reply->status_high == 0;

    if (channel->phase != PHASE_SENT || reply->header.request != channel->current
        || (reply->header.flags & PV_VHOST_USER_FLAG_REPLY) == 0
        || reply->header.size_bytes != sizeof(uint64_t)) {
        close_channel(channel, "a reply that fits no request");
        return;
    }
    channel->phase = PHASE_IDLE;
    if (channel->current == PV_VHOST_USER_BACKEND_SHMEM_MAP) {
        channel->ops->map_done(channel->user,
                               is_good ? PV_VHOST_USER_MAP_ACCEPTED : PV_VHOST_USER_MAP_REFUSED);
    }
    offer(channel);
}

static void on_socket(void *user, uint32_t events)
{
    struct pv_vhost_user_back_channel *channel = user;

    (void)events;
    while (channel->phase != PHASE_DEAD) {
        size_t fd_count;
        const ssize_t received =
            pv_os_socket_receive(channel->fd, (uint8_t *)&channel->reply + channel->reply_bytes,
                                 sizeof(channel->reply) - channel->reply_bytes, NULL, 0, &fd_count);

        if (received == -EAGAIN || received == -ENOMEM || received == -ENOBUFS) {
            return; /* without memory the kernel keeps the bytes, and the socket stays readable */
        }
        if (received <= 0) {
            close_channel(channel, "the front end closed it");
            return;
        }
        channel->reply_bytes += (size_t)received;
        if (channel->reply_bytes == sizeof(channel->reply)) {
            channel->reply_bytes = 0;
            handle_reply(channel);
        }
    }
}

int pv_vhost_user_back_channel_create(struct pv_os_loop *loop, struct pv_base_log *log,
                                      const struct pv_vhost_user_back_channel_ops *ops, void *user,
                                      int fd, int window_fd, uint64_t window_size_bytes,
                                      struct pv_vhost_user_back_channel **ret_channel)
{
    struct pv_vhost_user_back_channel *channel = calloc(1, sizeof(*channel));
    int r;

    if (channel == NULL) {
        pv_os_fds_close(&fd, 1);
        return -ENOMEM;
    }
    channel->loop = loop;
    channel->log = log;
    channel->ops = ops;
    channel->user = user;
    channel->fd = fd;
    channel->window_fd = window_fd;
    channel->window_size_bytes = window_size_bytes;
    r = pv_os_fd_set_nonblocking(fd, true);
    if (r == 0) {
        r = pv_os_timer_create(loop, on_timer, channel, &channel->timer);
    }
    if (r == 0) {
        r = pv_os_loop_add(loop, fd, PV_OS_LOOP_READ, on_socket, channel, &channel->source);
    }
    if (r < 0) {
        pv_vhost_user_back_channel_destroy(channel);
        return r;
    }
    *ret_channel = channel;
    return 0;
}

void pv_vhost_user_back_channel_destroy(struct pv_vhost_user_back_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    pv_os_source_remove(channel->source);
    pv_os_timer_destroy(channel->timer);
    pv_os_fds_close(&channel->fd, 1);
    free(channel);
}

bool pv_vhost_user_back_channel_is_usable(const struct pv_vhost_user_back_channel *channel)
{
    return channel != NULL && channel->phase != PHASE_DEAD;
}

void pv_vhost_user_back_channel_request_map(struct pv_vhost_user_back_channel *channel)
{
    channel->wants_map = true;
    offer(channel);
}

void pv_vhost_user_back_channel_withdraw_map(struct pv_vhost_user_back_channel *channel)
{
    channel->wants_map = false;
}

bool pv_vhost_user_back_channel_is_map_wanted(const struct pv_vhost_user_back_channel *channel)
{
    return channel->wants_map;
}

void pv_vhost_user_back_channel_request_config_change(struct pv_vhost_user_back_channel *channel)
{
    channel->wants_config_change = true;
    offer(channel);
}

void pv_vhost_user_back_channel_poke(struct pv_vhost_user_back_channel *channel)
{
    offer(channel);
}
