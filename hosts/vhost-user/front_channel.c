/* SPDX-License-Identifier: MIT */
/*
 * Receiving and answering vhost-user messages; see front_channel.h.
 *
 * A stream socket may hand over a message in pieces, with its descriptors on any of them, so both
 * are collected until header and payload are whole. No message is larger than the fixed buffer.
 */
#include "vhost-user/front_channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/socket.h"

#define HEADER_BYTES sizeof(struct pv_vhost_user_header)

void pv_vhost_user_front_channel_init(struct pv_vhost_user_front_channel *channel, int fd)
{
    memset(channel, 0, sizeof(*channel));
    channel->fd = fd;
}

void pv_vhost_user_front_channel_finish(struct pv_vhost_user_front_channel *channel)
{
    pv_vhost_user_front_channel_release(channel);
    pv_os_fds_close(&channel->fd, 1);
    channel->fd = -1;
}

void pv_vhost_user_front_channel_release(struct pv_vhost_user_front_channel *channel)
{
    pv_os_fds_close(channel->message.fds, channel->message.fd_count);
    channel->message.fd_count = 0;
    channel->received_bytes = 0;
}

/* How many bytes the message under way needs next; 0 when it is whole. */
static size_t missing_bytes(const struct pv_vhost_user_front_channel *channel)
{
    if (channel->received_bytes < HEADER_BYTES) {
        return HEADER_BYTES - channel->received_bytes;
    }
    return HEADER_BYTES + channel->message.header.size_bytes - channel->received_bytes;
}

static const char *check_header(const struct pv_vhost_user_header *header)
{
    if ((header->flags & PV_VHOST_USER_FLAG_VERSION_MASK) != PV_VHOST_USER_FLAG_VERSION) {
        return "a message of an unknown protocol version";
    }
    if ((header->flags & PV_VHOST_USER_FLAG_REPLY) != 0) {
        return "a reply that nobody waits for";
    }
    if (header->size_bytes > PV_VHOST_USER_PAYLOAD_MAX_BYTES) {
        return "a message that is too long";
    }
    return NULL;
}

enum pv_vhost_user_receive
pv_vhost_user_front_channel_receive(struct pv_vhost_user_front_channel *channel,
                                    const char **ret_why)
{
    struct pv_vhost_user_message *message = &channel->message;

    for (;;) {
        uint8_t *target;
        size_t fd_count;
        ssize_t received;

        if (channel->received_bytes < HEADER_BYTES) {
            target = (uint8_t *)&message->header + channel->received_bytes;
        } else {
            target = message->payload + (channel->received_bytes - HEADER_BYTES);
        }
        received = pv_os_socket_receive(
            channel->fd, target, missing_bytes(channel), message->fds + message->fd_count,
            PV_VHOST_USER_MEM_REGION_MAX - message->fd_count, &fd_count);
        if (received == -EAGAIN || received == -ENOMEM || received == -ENOBUFS) {
            /* Without memory the kernel keeps the bytes, and the socket stays readable: the VM need
             * not end for that. */
            return PV_VHOST_USER_RECEIVE_AGAIN;
        }
        if (received == -EMSGSIZE) {
            *ret_why = "a message with too many file descriptors";
            return PV_VHOST_USER_RECEIVE_BAD;
        }
        if (received <= 0) {
            return PV_VHOST_USER_RECEIVE_CLOSED;
        }
        message->fd_count += fd_count;
        channel->received_bytes += (size_t)received;
        if (channel->received_bytes == HEADER_BYTES) {
            *ret_why = check_header(&message->header);
            if (*ret_why != NULL) {
                return PV_VHOST_USER_RECEIVE_BAD;
            }
        }
        if (channel->received_bytes >= HEADER_BYTES && missing_bytes(channel) == 0) {
            return PV_VHOST_USER_RECEIVE_MESSAGE;
        }
    }
}

int pv_vhost_user_front_channel_reply(struct pv_vhost_user_front_channel *channel,
                                      const void *payload, size_t size_bytes)
{
    uint8_t bytes[HEADER_BYTES + PV_VHOST_USER_PAYLOAD_MAX_BYTES];
    const struct pv_vhost_user_header header = {
        .request = channel->message.header.request,
        .flags = PV_VHOST_USER_FLAG_VERSION | PV_VHOST_USER_FLAG_REPLY,
        .size_bytes = (uint32_t)size_bytes,
    };
    ssize_t sent;

    if (size_bytes > PV_VHOST_USER_PAYLOAD_MAX_BYTES) {
        return -EINVAL;
    }
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), payload, size_bytes);
    sent = pv_os_socket_send(channel->fd, bytes, sizeof(header) + size_bytes, NULL, 0);
    if (sent < 0) {
        return (int)sent;
    }
    return (size_t)sent == sizeof(header) + size_bytes ? 0 : -EIO;
}

bool pv_vhost_user_front_channel_has_pending(const struct pv_vhost_user_front_channel *channel)
{
    return channel->received_bytes > 0 || pv_os_fd_is_readable(channel->fd);
}
