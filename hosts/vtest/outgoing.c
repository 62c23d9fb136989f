/* SPDX-License-Identifier: MIT */
/*
 * Replies to a vtest client; see outgoing.h.
 */
#include "vtest/outgoing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/socket.h"

struct pv_vtest_outgoing_part {
    struct pv_vtest_outgoing_part *next;
    int fd; /* sent with the first byte; -1: plain bytes */
    size_t size_bytes;
    size_t sent_bytes;
    uint8_t bytes[];
};

void pv_vtest_outgoing_init(struct pv_vtest_outgoing *outgoing, int socket_fd)
{
    *outgoing = (struct pv_vtest_outgoing){.socket_fd = socket_fd};
    outgoing->last = &outgoing->first;
}

static void drop_first(struct pv_vtest_outgoing *outgoing)
{
    struct pv_vtest_outgoing_part *part = outgoing->first;

    outgoing->first = part->next;
    if (outgoing->first == NULL) {
        outgoing->last = &outgoing->first;
    }
    outgoing->queued_bytes -= part->size_bytes;
    if (part->fd >= 0) {
        close(part->fd);
    }
    free(part);
}

void pv_vtest_outgoing_finish(struct pv_vtest_outgoing *outgoing)
{
    while (outgoing->first != NULL) {
        drop_first(outgoing);
    }
}

static struct pv_vtest_outgoing_part *part_add(struct pv_vtest_outgoing *outgoing,
                                               size_t size_bytes, int fd)
{
    struct pv_vtest_outgoing_part *part;

    if (outgoing->queued_bytes + size_bytes > PV_VTEST_OUTGOING_MAX_BYTES) {
        return NULL;
    }
    part = calloc(1, sizeof(*part) + size_bytes);
    if (part == NULL) {
        return NULL;
    }
    part->fd = fd;
    part->size_bytes = size_bytes;
    *outgoing->last = part;
    outgoing->last = &part->next;
    outgoing->queued_bytes += size_bytes;
    return part;
}

int pv_vtest_outgoing_reply(struct pv_vtest_outgoing *outgoing, uint32_t command,
                            const uint32_t *words, uint32_t word_count, int fd)
{
    const uint32_t header[2] = {word_count, command};
    const size_t size_bytes = sizeof(header) + sizeof(*words) * word_count;
    struct pv_vtest_outgoing_part *part = part_add(outgoing, size_bytes, -1);

    if (part == NULL) {
        pv_os_fds_close(&fd, 1);
        return -ENOBUFS;
    }
    memcpy(part->bytes, header, sizeof(header));
    if (word_count > 0) {
        memcpy(part->bytes + sizeof(header), words, sizeof(*words) * word_count);
    }
    if (fd >= 0 && part_add(outgoing, 1, fd) == NULL) {
        close(fd);
        return -ENOBUFS;
    }
    return pv_vtest_outgoing_flush(outgoing);
}

int pv_vtest_outgoing_flush(struct pv_vtest_outgoing *outgoing)
{
    while (outgoing->first != NULL) {
        struct pv_vtest_outgoing_part *part = outgoing->first;
        const ssize_t sent = pv_os_socket_send(outgoing->socket_fd, part->bytes + part->sent_bytes,
                                               part->size_bytes - part->sent_bytes, &part->fd,
                                               part->fd >= 0 ? 1 : 0);

        if (sent == -EAGAIN) {
            return 0;
        }
        if (sent < 0) {
            return (int)sent;
        }
        part->sent_bytes += (size_t)sent;
        if (part->sent_bytes == part->size_bytes) {
            drop_first(outgoing);
        }
    }
    return 0;
}

bool pv_vtest_outgoing_is_waiting(const struct pv_vtest_outgoing *outgoing)
{
    return outgoing->first != NULL;
}
