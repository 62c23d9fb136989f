/* SPDX-License-Identifier: MIT */
/*
 * What a worker is asked; see requests.h. A request that is answered is in the ledger before it is
 * sent, a fence as well, so that a worker's end answers for it.
 */
#include "render/requests.h"

#include <errno.h>
#include <stdio.h>

#include "os/clock.h"
#include "os/fd.h"
#include "os/shm.h"
#include "render/protocol.h"

/* A request was not sent, and requests build on each other. Events must not come from inside of a
 * request, so the context is lost on the loop's next turn. */
static void lose_later(struct pv_gpu_context *context)
{
    context->unsent = true;
    pv_os_timer_set(context->deadline, 0);
}

/* 0 or -EIO. A worker that is gone shows as a hang-up on the loop; here it is only "not sent". */
static int send_packet(struct pv_gpu_context *context, const void *head, size_t head_bytes,
                       const void *tail, size_t tail_bytes, int fd)
{
    const bool was_waiting = pv_render_outbox_is_waiting(&context->outbox);
    int r;

    if (context->lost || context->unsent) {
        return -EIO;
    }
    r = pv_render_outbox_send(&context->outbox, head, head_bytes, tail, tail_bytes, fd);
    if (was_waiting != pv_render_outbox_is_waiting(&context->outbox)) {
        pv_render_context_watch(context);
    }
    if (r < 0 && r != -EPIPE && r != -ECONNRESET) {
        lose_later(context);
    }
    return r < 0 ? -EIO : 0;
}

static int send_request(struct pv_gpu_context *context, const void *message, size_t size_bytes,
                        uint64_t cookie, bool is_export)
{
    bool unused;
    int r;

    if (context->lost) {
        return -EIO;
    }
    r = pv_render_ledger_add_pending(&context->ledger, cookie, is_export, pv_os_clock_now_ns());
    if (r < 0) {
        return r;
    }
    r = send_packet(context, message, size_bytes, NULL, 0, -1);
    if (r < 0) {
        (void)pv_render_ledger_take_pending(&context->ledger, cookie, &unused);
        return r;
    }
    if (context->ledger.pending_count == 1) {
        pv_os_timer_set(context->deadline, pv_render_context_deadline_ns(context));
    }
    return 0;
}

static int send_account(struct pv_gpu_context *context)
{
    const struct pv_render_account message = {PV_RENDER_ACCOUNT, context->account_slot};

    return send_packet(context, &message, sizeof(message), NULL, 0, context->backend->account_fd);
}

int pv_render_request_init(struct pv_gpu_context *context)
{
    const struct pv_render_backend *backend = context->backend;
    struct pv_render_init message = {
        .kind = PV_RENDER_INIT,
        .version = PV_RENDER_PROTOCOL_VERSION,
        .placement = (uint32_t)backend->options.placement,
        .has_window = backend->options.window_fd >= 0,
        .window_size_bytes = backend->options.window_size_bytes,
        .memory_max_bytes = backend->options.memory_max_bytes,
    };
    int r = send_account(context);

    (void)snprintf(message.name, sizeof(message.name), "%s", context->name);
    if (backend->log_filter != NULL) {
        (void)snprintf(message.log, sizeof(message.log), "%s", backend->log_filter);
    }
    if (r == 0) {
        r = send_packet(context, &message, sizeof(message), NULL, 0, backend->options.window_fd);
    }
    /* A worker that has ended already is lost like any other, with its exit status as the reason.
     */
    return r < 0 && !context->unsent ? 0 : r;
}

int pv_render_request_attach(struct pv_gpu_context *context, uint32_t resource_id,
                             const struct pv_gpu_memory *memory)
{
    const struct pv_render_attach message = {
        .kind = PV_RENDER_ATTACH,
        .resource_id = resource_id,
        .offset_bytes = memory->offset_bytes,
        .size_bytes = memory->size_bytes,
        .in_window = memory->in_window,
        .is_shmem = memory->is_shmem,
    };
    int r;

    if (context->lost) {
        return -EIO;
    }
    if (memory->is_shmem) {
        r = pv_render_ledger_add_shmem(&context->ledger, resource_id, memory);
        if (r < 0) {
            return r;
        }
    }
    r = send_packet(context, &message, sizeof(message), NULL, 0,
                    memory->in_window ? -1 : memory->fd);
    if (r < 0 && memory->is_shmem) {
        pv_render_ledger_remove_shmem(&context->ledger, resource_id);
    }
    return r;
}

int pv_render_request_leave(struct pv_gpu_context *context, uint32_t resource_id, uint64_t cookie)
{
    const struct pv_render_leave message = {PV_RENDER_LEAVE, resource_id, cookie};
    int r = send_request(context, &message, sizeof(message), cookie, false);

    if (r == 0) {
        pv_render_ledger_remove_shmem(&context->ledger, resource_id);
    } else if (!context->answered) {
        /* The worker cannot be told any more, but may still run and show the pages: whoever waits
         * for it to leave is told by its loss alone, where the ledger has no room for an answer. */
        const int added =
            pv_render_ledger_add_pending(&context->ledger, cookie, false, pv_os_clock_now_ns());

        if (r != -EIO || added < 0) {
            lose_later(context);
        }
        r = 0;
    }
    return r;
}

/* A long stream travels as a file. */
static int send_long_stream(struct pv_gpu_context *context, const struct pv_render_submit *message,
                            const void *bytes)
{
    struct pv_base_account *account = context->backend->account;
    const uint32_t slot = context->account_slot;
    /* A worker that was taken over can claim more than it did: the files are its own loss. */
    const uint64_t waiting =
        context->stream_count
        - atomic_load_explicit(&account->figures[slot].stream_count, memory_order_relaxed);
    int fd;
    ssize_t written;
    int r;

    if (waiting >= PV_RENDER_STREAM_MAX) {
        return -EAGAIN;
    }
    if (!pv_base_account_charge(&account->memory, slot, message->size_bytes,
                                context->backend->options.memory_max_bytes)) {
        return -ENOMEM;
    }
    r = pv_os_shm_create("pearvisor-stream", message->size_bytes, &fd);
    if (r < 0) {
        pv_base_account_refund(&account->memory, slot, message->size_bytes);
        return r;
    }
    written = pv_os_fd_write_start(fd, bytes, message->size_bytes);
    r = written == (ssize_t)message->size_bytes
            ? send_packet(context, message, sizeof(*message), NULL, 0, fd)
            : -ENOMEM;
    pv_os_fd_close(fd);
    if (r < 0) {
        pv_base_account_refund(&account->memory, slot, message->size_bytes);
    } else {
        context->stream_count++; /* the worker gives the bytes back */
    }
    return r;
}

int pv_render_request_submit(struct pv_gpu_context *context, const void *bytes, size_t size_bytes,
                             bool fenced, uint32_t ring_index, uint64_t fence_id)
{
    const struct pv_render_submit message = {
        .kind = PV_RENDER_SUBMIT,
        .size_bytes = (uint32_t)size_bytes,
        .is_fenced = fenced,
        .ring_index = ring_index,
        .fence_id = fence_id,
    };
    int r;

    if (context->lost) {
        return -EIO;
    }
    if (size_bytes > UINT32_MAX) {
        return -EINVAL;
    }
    if (fenced) {
        r = pv_render_ledger_add_fence(&context->ledger, ring_index, fence_id);
        if (r < 0) {
            return r;
        }
    }
    r = size_bytes <= PV_RENDER_INLINE_MAX_BYTES
            ? send_packet(context, &message, sizeof(message), bytes, size_bytes, -1)
            : send_long_stream(context, &message, bytes);
    if (r < 0 && fenced) {
        (void)pv_render_ledger_take_fence(&context->ledger, ring_index, fence_id);
    }
    return r;
}

/* VIRTIO_GPU_BLOB_FLAG_USE_* of the virtio specification. */
#define BLOB_FLAG_MAPPABLE  1u
#define BLOB_FLAG_SHAREABLE 2u

int pv_render_request_export_blob(struct pv_gpu_context *context, uint32_t resource_id,
                                  uint64_t blob_id, uint64_t size_bytes, uint32_t blob_flags,
                                  uint64_t cookie)
{
    const struct pv_render_export message = {
        .kind = PV_RENDER_EXPORT,
        .resource_id = resource_id,
        .blob_id = blob_id,
        .size_bytes = size_bytes,
        .is_mappable = (blob_flags & BLOB_FLAG_MAPPABLE) != 0,
        .is_shareable = (blob_flags & BLOB_FLAG_SHAREABLE) != 0,
        .cookie = cookie,
    };

    return send_request(context, &message, sizeof(message), cookie, true);
}

int pv_render_request_place(struct pv_gpu_context *context, uint32_t resource_id,
                            uint64_t offset_bytes, uint64_t cookie)
{
    const struct pv_render_place message = {PV_RENDER_PLACE, resource_id, offset_bytes, cookie};

    return send_request(context, &message, sizeof(message), cookie, false);
}
