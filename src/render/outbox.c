/* SPDX-License-Identifier: MIT */
/*
 * Packets on their way to one worker; see outbox.h.
 */
#include "render/outbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/fd.h"
#include "os/socket.h"
#include "render/context.h"
#include "render/protocol.h"

struct pv_render_outbox_packet {
    struct pv_render_outbox_packet *next;
    int fd;
    size_t size_bytes;
    uint8_t bytes[];
};

void pv_render_outbox_init(struct pv_render_outbox *outbox, int fd)
{
    *outbox = (struct pv_render_outbox){.fd = fd};
    outbox->last = &outbox->first;
}

static void drop_first(struct pv_render_outbox *outbox)
{
    struct pv_render_outbox_packet *packet = outbox->first;

    outbox->first = packet->next;
    if (outbox->first == NULL) {
        outbox->last = &outbox->first;
    }
    outbox->queued_bytes -= packet->size_bytes;
    outbox->queued_fds -= packet->fd >= 0 ? 1 : 0;
    pv_os_fd_close(packet->fd);
    free(packet);
}

void pv_render_outbox_finish(struct pv_render_outbox *outbox)
{
    while (outbox->first != NULL) {
        drop_first(outbox);
    }
}

static int enqueue(struct pv_render_outbox *outbox, const uint8_t *bytes, size_t size_bytes, int fd)
{
    struct pv_render_outbox_packet *packet;

    if (outbox->queued_bytes + size_bytes > PV_RENDER_QUEUE_MAX_BYTES
        || (fd >= 0 && outbox->queued_fds >= PV_RENDER_QUEUE_FD_MAX)) {
        return -ENOBUFS;
    }
    packet = malloc(sizeof(*packet) + size_bytes);
    if (packet == NULL) {
        return -ENOMEM;
    }
    packet->next = NULL;
    packet->fd = -1;
    if (fd >= 0) {
        packet->fd = pv_os_fd_duplicate(fd);
        if (packet->fd < 0) {
            const int r = packet->fd;

            free(packet);
            return r;
        }
    }
    packet->size_bytes = size_bytes;
    memcpy(packet->bytes, bytes, size_bytes);
    *outbox->last = packet;
    outbox->last = &packet->next;
    outbox->queued_bytes += size_bytes;
    outbox->queued_fds += fd >= 0 ? 1 : 0;
    return 0;
}

int pv_render_outbox_send(struct pv_render_outbox *outbox, const void *head, size_t head_bytes,
                          const void *tail, size_t tail_bytes, int fd)
{
    uint8_t bytes[PV_RENDER_PACKET_MAX_BYTES];
    ssize_t sent = -EAGAIN;

    if (head_bytes + tail_bytes > sizeof(bytes)) {
        return -EMSGSIZE;
    }
    memcpy(bytes, head, head_bytes);
    if (tail_bytes > 0) {
        memcpy(bytes + head_bytes, tail, tail_bytes);
    }
    if (outbox->first == NULL) {
        sent = pv_os_socket_send(outbox->fd, bytes, head_bytes + tail_bytes, &fd, fd >= 0 ? 1 : 0);
    }
    if (sent == -EAGAIN) {
        return enqueue(outbox, bytes, head_bytes + tail_bytes, fd);
    }
    return sent < 0 ? (int)sent : 0;
}

int pv_render_outbox_flush(struct pv_render_outbox *outbox)
{
    while (outbox->first != NULL) {
        const struct pv_render_outbox_packet *packet = outbox->first;
        const ssize_t sent = pv_os_socket_send(outbox->fd, packet->bytes, packet->size_bytes,
                                               &packet->fd, packet->fd >= 0 ? 1 : 0);

        if (sent == -EAGAIN) {
            return 0;
        }
        if (sent < 0) {
            return (int)sent;
        }
        drop_first(outbox);
    }
    return 0;
}

bool pv_render_outbox_is_waiting(const struct pv_render_outbox *outbox)
{
    return outbox->first != NULL;
}
