/* SPDX-License-Identifier: MIT */
/*
 * What a worker says; see incoming.h. Every field is checked: a worker may have been taken over by
 * the guest program that it serves.
 */
#include "render/incoming.h"

#include <errno.h>

#include "base/text.h"
#include "os/fd.h"
#include "os/shm.h"
#include "os/socket.h"
#include "render/protocol.h"

struct packet {
    union {
        uint32_t kind;
        struct pv_render_done done;
        struct pv_render_fence fence;
        struct pv_render_lost lost;
        struct pv_render_ring ring;
        struct pv_render_log log;
        uint8_t bytes[512];
    } body;
    size_t size_bytes;
    int fd;
};

/* An exported file must be as large as the worker says, or others would fault on it. */
static bool exported_is_good(const struct pv_gpu_exported *exported)
{
    uint64_t file_bytes;

    if (exported->size_bytes == 0 || (exported->size_bytes & (pv_os_page_bytes() - 1)) != 0) {
        return false;
    }
    return exported->fd < 0
           || (pv_os_shm_size(exported->fd, &file_bytes) == 0 && file_bytes >= exported->size_bytes
               && pv_os_shm_is_sealed(exported->fd));
}

static bool serve_done(struct pv_gpu_context *context, struct packet *packet)
{
    const struct pv_render_done *done = &packet->body.done;
    struct pv_gpu_exported exported = {
        .fd = packet->fd, .size_bytes = done->size_bytes, .map_info = 1 /* cached */};
    bool is_export;

    if (packet->size_bytes != sizeof(*done) || done->status > 0
        || !pv_render_ledger_take_pending(&context->ledger, done->cookie, &is_export)) {
        return false;
    }
    if (!is_export || done->status < 0) {
        context->events->done(context->events_user, done->cookie, done->status, NULL);
        return true;
    }
    if (!exported_is_good(&exported)) {
        context->events->done(context->events_user, done->cookie, -EIO, NULL);
        return false;
    }
    packet->fd = -1; /* the receiver's now */
    context->events->done(context->events_user, done->cookie, 0, &exported);
    return true;
}

static bool serve_fence(struct pv_gpu_context *context, const struct packet *packet)
{
    const struct pv_render_fence *fence = &packet->body.fence;

    if (packet->size_bytes != sizeof(*fence)
        || !pv_render_ledger_take_fence(&context->ledger, fence->ring_index, fence->fence_id)) {
        return false;
    }
    context->events->fence_retired(context->events_user, fence->ring_index, fence->fence_id);
    return true;
}

static bool serve_log(const struct pv_gpu_context *context, struct packet *packet)
{
    struct pv_render_log *log = &packet->body.log;

    if (packet->size_bytes != sizeof(*log) || log->level > PV_BASE_LOG_WARN) {
        return false;
    }
    pv_base_text_clean(log->line, sizeof(log->line));
    pv_base_log_guest(context->backend->options.log, "render.worker",
                      (enum pv_base_log_level)log->level, "context %u (%s): %s", context->id,
                      context->name, log->line);
    return true;
}

static bool serve_lost(struct pv_gpu_context *context, struct packet *packet)
{
    struct pv_render_lost *lost = &packet->body.lost;

    if (packet->size_bytes != sizeof(*lost)) {
        return false;
    }
    pv_base_text_clean(lost->reason, sizeof(lost->reason));
    pv_render_context_lose(context, lost->reason);
    return true;
}

static bool serve_ring(struct pv_gpu_context *context, const struct packet *packet)
{
    const struct pv_render_ring *ring = &packet->body.ring;

    return packet->size_bytes == sizeof(*ring)
           && pv_render_ledger_set_ring(&context->ledger, ring->resource_id,
                                        ring->status_offset_bytes, ring->is_present != 0);
}

static bool serve(struct pv_gpu_context *context, struct packet *packet)
{
    switch (packet->size_bytes >= sizeof(uint32_t) ? packet->body.kind : 0) {
    case PV_RENDER_DONE:
        return serve_done(context, packet);
    case PV_RENDER_FENCE:
        return serve_fence(context, packet);
    case PV_RENDER_LOST:
        return serve_lost(context, packet);
    case PV_RENDER_RING:
        return serve_ring(context, packet);
    case PV_RENDER_LOG:
        return serve_log(context, packet);
    default:
        return false;
    }
}

/* Packets served in one turn of the loop, so that one worker cannot keep the others waiting. */
#define PACKETS_PER_TURN 64

void pv_render_incoming_receive(struct pv_gpu_context *context)
{
    for (int i = 0; i < PACKETS_PER_TURN && !context->lost && !context->destroyed; i++) {
        struct packet packet = {.fd = -1};
        size_t fd_count;
        const ssize_t received = pv_os_socket_receive(
            context->worker.fd, &packet.body, sizeof(packet.body), &packet.fd, 1, &fd_count);
        bool good;

        if (received == -EAGAIN) {
            return;
        }
        if (received == -ECONNRESET && !context->reset) {
            /* It has died with requests unread, which the kernel tells before it hands out what was
             * said before: where its rings are, for one. */
            context->reset = true;
            continue;
        }
        if (received <= 0 && received != -EMSGSIZE) {
            pv_render_context_lose_to_exit(context);
            return;
        }
        if (fd_count == 0) {
            packet.fd = -1;
        }
        packet.size_bytes = received > 0 ? (size_t)received : 0;
        good = serve(context, &packet);
        pv_os_fds_close(&packet.fd, 1);
        if (!good && !context->destroyed) {
            pv_render_context_lose(context, "render worker broke the protocol");
        }
    }
}
