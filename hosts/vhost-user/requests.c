/* SPDX-License-Identifier: MIT */
/*
 * What each front-end message means. A table says how long a message may be and how many
 * descriptors come with it; a handler sees only messages that keep to that. Lengths inside are
 * checked where they are used. Anything else ends the connection: the front end is the virtual
 * machine monitor, a broken one cannot be argued with.
 */
#include <string.h>

#include "vhost-user/host_internal.h"

typedef const char *handler_fn(struct pv_vhost_user_host *host,
                               struct pv_vhost_user_message *message);

struct handler {
    uint32_t request;
    uint32_t size_min_bytes;
    uint32_t size_max_bytes;
    size_t fd_count_max;
    handler_fn *handle;
};

static const char *reply(struct pv_vhost_user_host *host, const void *payload, size_t size_bytes)
{
    host->has_answered = true;
    if (pv_vhost_user_front_channel_reply(&host->front, payload, size_bytes) < 0) {
        return "the front end does not take its answers";
    }
    return NULL;
}

static const char *reply_u64(struct pv_vhost_user_host *host, uint64_t value)
{
    return reply(host, &value, sizeof(value));
}

static uint64_t payload_u64(const struct pv_vhost_user_message *message)
{
    uint64_t value;

    memcpy(&value, message->payload, sizeof(value));
    return value;
}

/* The only descriptor of a message, taken from it; -1 if none came. */
static int take_fd(struct pv_vhost_user_message *message)
{
    int fd = -1;

    if (message->fd_count > 0) {
        fd = message->fds[0];
        message->fds[0] = -1;
    }
    return fd;
}

static struct pv_vhost_user_vring *find_vring(struct pv_vhost_user_host *host, uint64_t index)
{
    return index < host->options.device_ops->queue_count ? &host->vrings[index] : NULL;
}

#define NO_SUCH_VRING "a vring that the device does not have"

static const char *nothing(struct pv_vhost_user_host *host, struct pv_vhost_user_message *message)
{
    (void)host;
    (void)message;
    return NULL;
}

static const char *get_features(struct pv_vhost_user_host *host,
                                struct pv_vhost_user_message *message)
{
    (void)message;
    return reply_u64(host, host->offered_features);
}

static const char *set_features(struct pv_vhost_user_host *host,
                                struct pv_vhost_user_message *message)
{
    const uint64_t features = payload_u64(message);

    if ((features & ~host->offered_features) != 0) {
        return "features that were not offered";
    }
    host->features = features & ~PV_VHOST_USER_FEATURE_PROTOCOL;
    return NULL;
}

static uint64_t offered_protocol_features(const struct pv_vhost_user_host *host)
{
    uint64_t features = PV_VHOST_USER_PROTOCOL_MQ | PV_VHOST_USER_PROTOCOL_REPLY_ACK
                        | PV_VHOST_USER_PROTOCOL_BACKEND_REQ | PV_VHOST_USER_PROTOCOL_CONFIG
                        | PV_VHOST_USER_PROTOCOL_BACKEND_SEND_FD;

    if (host->options.window_size_bytes > 0) {
        features |= PV_VHOST_USER_PROTOCOL_SHMEM;
    }
    return features;
}

static const char *get_protocol_features(struct pv_vhost_user_host *host,
                                         struct pv_vhost_user_message *message)
{
    (void)message;
    return reply_u64(host, offered_protocol_features(host));
}

static const char *set_protocol_features(struct pv_vhost_user_host *host,
                                         struct pv_vhost_user_message *message)
{
    const uint64_t features = payload_u64(message);

    if ((features & ~offered_protocol_features(host)) != 0) {
        return "protocol features that were not offered";
    }
    host->protocol_features = features;
    return NULL;
}

static const char *get_queue_num(struct pv_vhost_user_host *host,
                                 struct pv_vhost_user_message *message)
{
    (void)message;
    return reply_u64(host, host->options.device_ops->queue_count);
}

static const char *get_shmem_config(struct pv_vhost_user_host *host,
                                    struct pv_vhost_user_message *message)
{
    const struct pv_vhost_user_shmem_config config = {
        .region_count = host->options.window_size_bytes > 0 ? 1 : 0,
        .sizes_bytes = {[PV_VHOST_USER_SHMEM_WINDOW_ID] = host->options.window_size_bytes},
    };

    (void)message;
    return reply(host, &config, sizeof(config));
}

static const char *set_mem_table(struct pv_vhost_user_host *host,
                                 struct pv_vhost_user_message *message)
{
    struct pv_vhost_user_mem_table table = {0};
    struct pv_guestmem_region regions[PV_VHOST_USER_MEM_REGION_MAX];
    int r;

    memcpy(&table, message->payload, message->header.size_bytes);
    if (table.count > PV_VHOST_USER_MEM_REGION_MAX
        || message->header.size_bytes
               != 8 + table.count * sizeof(struct pv_vhost_user_mem_region)) {
        return "a memory table whose length does not fit its count";
    }
    if (message->fd_count != table.count) {
        return "a memory table without a descriptor for each region";
    }
    for (uint32_t i = 0; i < table.count; i++) {
        regions[i] = (struct pv_guestmem_region){
            .addr = table.regions[i].addr,
            .size_bytes = table.regions[i].size_bytes,
            .user_addr = table.regions[i].user_addr,
            .offset_bytes = table.regions[i].offset_bytes,
            .fd = message->fds[i],
        };
        message->fds[i] = -1;
    }
    r = pv_guestmem_space_replace(host->space, regions, table.count);
    if (r < 0) {
        pv_base_log_warn(host->log, "vhost-user.host", "the memory table cannot be taken: %s",
                         strerror(-r));
        return "a memory table that cannot be";
    }
    return NULL;
}

/* Messages of an index and a value. */
static const char *vring_state(struct pv_vhost_user_host *host,
                               struct pv_vhost_user_message *message)
{
    struct pv_vhost_user_vring_state state;
    struct pv_vhost_user_vring *vring;

    memcpy(&state, message->payload, sizeof(state));
    vring = find_vring(host, state.index);
    if (vring == NULL) {
        return NO_SUCH_VRING;
    }
    switch (message->header.request) {
    case PV_VHOST_USER_SET_VRING_NUM:
        /* The queue judges the size when it starts. */
        vring->size = state.value;
        return NULL;
    case PV_VHOST_USER_SET_VRING_BASE:
        if (state.value > UINT16_MAX) {
            return "a vring base past 65535";
        }
        host->is_base_told |= state.value != vring->base;
        vring->base = state.value;
        return NULL;
    case PV_VHOST_USER_SET_VRING_ENABLE:
        vring->is_enabled = state.value != 0;
        if (vring->is_enabled) {
            pv_vhost_user_host_vring_enabled(host);
        } else {
            pv_vhost_user_host_vring_stopped(host);
        }
        return NULL;
    default: /* GET_VRING_BASE: also stops the vring, until the next kick descriptor */
        vring->is_enabled = false;
        pv_vhost_user_host_vring_stopped(host);
        pv_vhost_user_vring_set_kick(vring, -1);
        state.value = vring->base;
        return reply(host, &state, sizeof(state));
    }
}

static const char *set_vring_addr(struct pv_vhost_user_host *host,
                                  struct pv_vhost_user_message *message)
{
    struct pv_vhost_user_vring_addr addr;
    struct pv_vhost_user_vring *vring;

    memcpy(&addr, message->payload, sizeof(addr));
    vring = find_vring(host, addr.index);
    if (vring == NULL) {
        return NO_SUCH_VRING;
    }
    vring->descriptor_user_addr = addr.descriptor;
    vring->available_user_addr = addr.available;
    vring->used_user_addr = addr.used;
    vring->has_addr = true;
    return NULL;
}

/* SET_VRING_KICK, _CALL and _ERR. */
static const char *set_vring_fd(struct pv_vhost_user_host *host,
                                struct pv_vhost_user_message *message)
{
    const uint64_t value = payload_u64(message);
    struct pv_vhost_user_vring *vring = find_vring(host, value & PV_VHOST_USER_VRING_INDEX_MASK);
    const bool has_fd = (value & PV_VHOST_USER_VRING_NO_FD) == 0;

    if (vring == NULL
        || (value & ~(PV_VHOST_USER_VRING_INDEX_MASK | PV_VHOST_USER_VRING_NO_FD)) != 0) {
        return NO_SUCH_VRING;
    }
    if (message->fd_count != (has_fd ? 1u : 0u)) {
        return has_fd ? "a doorbell without its descriptor" : "a descriptor that is none";
    }
    switch (message->header.request) {
    case PV_VHOST_USER_SET_VRING_KICK:
        if (!has_fd) {
            return "a vring to be polled, which we do not do";
        }
        pv_vhost_user_vring_set_kick(vring, take_fd(message));
        return NULL;
    case PV_VHOST_USER_SET_VRING_CALL:
        pv_vhost_user_vring_set_call(vring, take_fd(message));
        return NULL;
    default:
        pv_vhost_user_vring_set_err(vring, take_fd(message));
        return NULL;
    }
}

static const char *set_backend_req_fd(struct pv_vhost_user_host *host,
                                      struct pv_vhost_user_message *message)
{
    struct pv_vhost_user_back_channel *back;
    int r;

    if (message->fd_count != 1) {
        return "a back-end channel without its descriptor";
    }
    r = pv_vhost_user_back_channel_create(
        host->options.loop, host->log, &pv_vhost_user_host_back_ops, host, take_fd(message),
        host->options.window_fd, host->options.window_size_bytes, &back);
    if (r < 0) {
        pv_base_log_warn(host->log, "vhost-user.host", "back-end channel: %s", strerror(-r));
        return "a back-end channel that cannot be used";
    }
    pv_vhost_user_back_channel_destroy(host->back);
    host->back = back;
    if (host->is_config_change_waiting) {
        host->is_config_change_waiting = false;
        pv_vhost_user_back_channel_request_config_change(back);
    }
    pv_vhost_user_host_channel_changed(host);
    return NULL;
}

static const char *get_config(struct pv_vhost_user_host *host,
                              struct pv_vhost_user_message *message)
{
    struct pv_vhost_user_config config = {0};
    const uint32_t device_bytes = host->options.device_ops->config_size_bytes;

    memcpy(&config, message->payload, PV_VHOST_USER_CONFIG_HEAD_BYTES);
    if (config.size_bytes > PV_VHOST_USER_CONFIG_MAX_BYTES
        || config.offset_bytes > PV_VHOST_USER_CONFIG_MAX_BYTES - config.size_bytes) {
        return "a read past the configuration space";
    }
    /* the front end's idea of the size may be larger than ours: zeroes then */
    if (config.offset_bytes < device_bytes) {
        const uint32_t left_bytes = device_bytes - config.offset_bytes;

        host->options.device_ops->config_read(
            host->options.device, config.offset_bytes, config.bytes,
            config.size_bytes < left_bytes ? config.size_bytes : left_bytes);
    }
    return reply(host, &config, PV_VHOST_USER_CONFIG_HEAD_BYTES + config.size_bytes);
}

static const char *set_config(struct pv_vhost_user_host *host,
                              struct pv_vhost_user_message *message)
{
    struct pv_vhost_user_config config = {0};
    const uint32_t device_bytes = host->options.device_ops->config_size_bytes;

    memcpy(&config, message->payload, message->header.size_bytes);
    if (config.size_bytes != message->header.size_bytes - PV_VHOST_USER_CONFIG_HEAD_BYTES
        || config.offset_bytes > PV_VHOST_USER_CONFIG_MAX_BYTES - config.size_bytes) {
        return "a write past the configuration space";
    }
    if (config.offset_bytes < device_bytes) {
        const uint32_t left_bytes = device_bytes - config.offset_bytes;

        host->options.device_ops->config_write(
            host->options.device, config.offset_bytes, config.bytes,
            config.size_bytes < left_bytes ? config.size_bytes : left_bytes);
    }
    return NULL;
}

static const char *reset_device(struct pv_vhost_user_host *host,
                                struct pv_vhost_user_message *message)
{
    (void)message;
    for (uint32_t i = 0; i < host->options.device_ops->queue_count; i++) {
        host->vrings[i].is_enabled = false;
    }
    pv_vhost_user_host_vring_stopped(host);
    pv_vhost_user_host_end_life(host);
    return NULL;
}

#define CONFIG_HEAD PV_VHOST_USER_CONFIG_HEAD_BYTES
#define CONFIG_ALL  sizeof(struct pv_vhost_user_config)
#define STATE       sizeof(struct pv_vhost_user_vring_state)
#define ADDR        sizeof(struct pv_vhost_user_vring_addr)
#define TABLE       sizeof(struct pv_vhost_user_mem_table)

static const struct handler handlers[] = {
    {PV_VHOST_USER_GET_FEATURES, 0, 0, 0, get_features},
    {PV_VHOST_USER_SET_FEATURES, 8, 8, 0, set_features},
    {PV_VHOST_USER_SET_OWNER, 0, 0, 0, nothing},
    {PV_VHOST_USER_RESET_OWNER, 0, 0, 0, nothing},
    {PV_VHOST_USER_SET_MEM_TABLE, 8, TABLE, PV_VHOST_USER_MEM_REGION_MAX, set_mem_table},
    {PV_VHOST_USER_SET_VRING_NUM, STATE, STATE, 0, vring_state},
    {PV_VHOST_USER_SET_VRING_ADDR, ADDR, ADDR, 0, set_vring_addr},
    {PV_VHOST_USER_SET_VRING_BASE, STATE, STATE, 0, vring_state},
    {PV_VHOST_USER_GET_VRING_BASE, STATE, STATE, 0, vring_state},
    {PV_VHOST_USER_SET_VRING_KICK, 8, 8, 1, set_vring_fd},
    {PV_VHOST_USER_SET_VRING_CALL, 8, 8, 1, set_vring_fd},
    {PV_VHOST_USER_SET_VRING_ERR, 8, 8, 1, set_vring_fd},
    {PV_VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, 0, get_protocol_features},
    {PV_VHOST_USER_SET_PROTOCOL_FEATURES, 8, 8, 0, set_protocol_features},
    {PV_VHOST_USER_GET_QUEUE_NUM, 0, 0, 0, get_queue_num},
    {PV_VHOST_USER_SET_VRING_ENABLE, STATE, STATE, 0, vring_state},
    {PV_VHOST_USER_SET_BACKEND_REQ_FD, 0, 0, 1, set_backend_req_fd},
    {PV_VHOST_USER_GET_CONFIG, CONFIG_HEAD, CONFIG_ALL, 0, get_config},
    {PV_VHOST_USER_SET_CONFIG, CONFIG_HEAD, CONFIG_ALL, 0, set_config},
    {PV_VHOST_USER_RESET_DEVICE, 0, 0, 0, reset_device},
    {PV_VHOST_USER_GET_SHMEM_CONFIG, 0, 0, 0, get_shmem_config},
};

static const struct handler *find_handler(uint32_t request)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(handlers); i++) {
        if (handlers[i].request == request) {
            return &handlers[i];
        }
    }
    return NULL;
}

const char *pv_vhost_user_host_serve(struct pv_vhost_user_host *host)
{
    struct pv_vhost_user_message *message = &host->front.message;
    const struct handler *handler = find_handler(message->header.request);
    const char *wrong;

    pv_base_log_debug(host->log, "vhost-user.front", "request %u, %u bytes, %zu descriptors",
                      message->header.request, message->header.size_bytes, message->fd_count);
    if (handler == NULL) {
        return "an unknown request";
    }
    if (message->header.size_bytes < handler->size_min_bytes
        || message->header.size_bytes > handler->size_max_bytes) {
        return "a wrong length";
    }
    if (message->fd_count > handler->fd_count_max) {
        return "file descriptors that do not belong there";
    }
    host->has_answered = false;
    wrong = handler->handle(host, message);
    if (wrong == NULL && !host->has_answered
        && (message->header.flags & PV_VHOST_USER_FLAG_NEED_REPLY) != 0
        && (host->protocol_features & PV_VHOST_USER_PROTOCOL_REPLY_ACK) != 0) {
        wrong = reply_u64(host, 0);
    }
    return wrong;
}
