/* SPDX-License-Identifier: MIT */
/*
 * Contexts in worker processes, seen from the device; see context.h.
 *
 * A context may be destroyed from inside one of its own events. `depth` counts the events that are
 * running; a destroyed context is freed when the last of them has returned.
 */
#include "render/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "os/fd.h"
#include "os/shm.h"
#include "os/socket.h"
#include "render/ledger.h"
#include "render/outbox.h"
#include "render/protocol.h"
#include "render/spawner.h"

#define NAME_BYTES 64

struct pv_render_backend {
    struct pv_render_backend_options options;
    char *renderer;
    char *log_filter;
    struct pv_render_spawner spawner;
    uint32_t context_count;
};

struct pv_gpu_context {
    struct pv_render_backend *backend;
    uint32_t id;
    char name[NAME_BYTES];
    const struct pv_gpu_context_events *events;
    void *events_user;
    struct pv_render_worker worker;
    struct pv_os_source *source;
    struct pv_os_timer *deadline;
    struct pv_render_outbox outbox;
    struct pv_render_ledger ledger;
    bool lost;
    bool reset;  /* its socket has told of its end, and may still hold packets */
    bool unsent; /* a packet could not be sent: nothing may follow it */
    bool destroyed;
    uint32_t depth;
};

/* ---- the end of a context ---- */

static void worker_end(struct pv_gpu_context *context)
{
    pv_os_source_remove(context->source);
    context->source = NULL;
    pv_render_spawner_end(&context->backend->spawner, &context->worker);
}

static void context_free(struct pv_gpu_context *context)
{
    worker_end(context);
    pv_os_timer_destroy(context->deadline);
    pv_render_outbox_finish(&context->outbox);
    pv_render_ledger_finish(&context->ledger);
    context->backend->context_count--;
    free(context);
}

static void enter(struct pv_gpu_context *context)
{
    context->depth++;
}

/* Returns whether the context still exists. */
static bool leave_event(struct pv_gpu_context *context)
{
    context->depth--;
    if (context->destroyed && context->depth == 0) {
        context_free(context);
        return false;
    }
    return true;
}

/* The worker is gone or has to go: answer for it. The context object stays until destroy. */
static void context_lose(struct pv_gpu_context *context, const char *reason)
{
    uint64_t id;
    uint32_t ring_index;

    if (context->lost) {
        return;
    }
    context->lost = true;
    enter(context);
    pv_base_log_guest(context->backend->options.log, "render.context", PV_BASE_LOG_WARN,
                      "context %u (%s) is lost: %s", context->id, context->name, reason);
    worker_end(context);
    pv_os_timer_clear(context->deadline);
    pv_render_outbox_finish(&context->outbox);
    pv_render_ledger_set_rings_fatal(&context->ledger);
    while (!context->destroyed && pv_render_ledger_pop_fence(&context->ledger, &ring_index, &id)) {
        context->events->fence_retired(context->events_user, ring_index, id);
    }
    while (!context->destroyed && pv_render_ledger_pop_pending(&context->ledger, &id)) {
        context->events->done(context->events_user, id, -EIO, NULL);
    }
    if (!context->destroyed) {
        context->events->lost(context->events_user, reason);
    }
    (void)leave_event(context);
}

/* The socket has closed: say how the process ended. */
static void context_lose_to_exit(struct pv_gpu_context *context)
{
    struct pv_os_process_end end;
    char reason[96];

    /* A worker that closed its socket is about to end; it gets a moment, then it is killed. */
    if (pv_render_spawner_reap(&context->worker, &end) < 0) {
        context_lose(context, "render worker closed its socket");
        return;
    }
    (void)snprintf(reason, sizeof(reason), "render worker %s %d",
                   end.by_signal ? "was ended by signal" : "exited with status", end.value);
    context_lose(context, reason);
}

/* ---- deadlines ---- */

static uint64_t deadline_of(const struct pv_gpu_context *context)
{
    const uint64_t deadline_ns = context->backend->options.deadline_ns;

    return deadline_ns != 0 ? deadline_ns : PV_RENDER_DEADLINE_NS;
}

static void on_deadline(void *user)
{
    struct pv_gpu_context *context = user;
    const struct pv_render_ledger_pending *oldest = context->ledger.pending;
    uint64_t waited_ns;

    if (context->unsent) {
        context_lose(context, "render worker cannot be reached, or lets too much wait");
        return;
    }
    if (oldest == NULL) {
        return;
    }
    waited_ns = pv_os_clock_now_ns() - oldest->since_ns;
    if (waited_ns < deadline_of(context)) {
        pv_os_timer_set(context->deadline, deadline_of(context) - waited_ns);
        return;
    }
    context_lose(context, "render worker did not answer in time");
}

/* ---- messages from the worker ---- */

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

/* Text of a worker on its way into our log. */
static void make_printable(char *text, size_t size_bytes)
{
    text[size_bytes - 1] = '\0';
    for (char *c = text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            *c = '?';
        }
    }
}

static bool serve_log(const struct pv_gpu_context *context, struct packet *packet)
{
    struct pv_render_log *log = &packet->body.log;

    if (packet->size_bytes != sizeof(*log) || log->level > PV_BASE_LOG_WARN) {
        return false;
    }
    make_printable(log->line, sizeof(log->line));
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
    make_printable(lost->reason, sizeof(lost->reason));
    context_lose(context, lost->reason);
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

static void receive_packets(struct pv_gpu_context *context)
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
            context_lose_to_exit(context);
            return;
        }
        if (fd_count == 0) {
            packet.fd = -1;
        }
        packet.size_bytes = received > 0 ? (size_t)received : 0;
        good = serve(context, &packet);
        pv_os_fds_close(&packet.fd, 1);
        if (!good && !context->destroyed) {
            context_lose(context, "render worker broke the protocol");
        }
    }
}

static void watch_socket(struct pv_gpu_context *context)
{
    if (context->source != NULL) {
        pv_os_source_set_events(context->source, pv_render_outbox_is_waiting(&context->outbox)
                                                     ? PV_OS_LOOP_READ | PV_OS_LOOP_WRITE
                                                     : PV_OS_LOOP_READ);
    }
}

static void on_socket(void *user, uint32_t events)
{
    struct pv_gpu_context *context = user;

    enter(context);
    if ((events & PV_OS_LOOP_WRITE) != 0 && pv_render_outbox_flush(&context->outbox) < 0) {
        /* It is gone. What it has said before is still to be read, and ends in that news. */
        pv_render_outbox_finish(&context->outbox);
        events |= PV_OS_LOOP_HUP;
    }
    if ((events & (PV_OS_LOOP_READ | PV_OS_LOOP_HUP)) != 0) {
        receive_packets(context);
    }
    if (!context->destroyed) {
        watch_socket(context);
    }
    (void)leave_event(context);
}

/* ---- requests ---- */

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
        watch_socket(context);
    }
    if (r < 0 && r != -EPIPE && r != -ECONNRESET) {
        /* Requests build on each other. Events must not come from inside of a request, so the
         * context is lost on the loop's next turn. */
        context->unsent = true;
        pv_os_timer_set(context->deadline, 0);
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
        pv_os_timer_set(context->deadline, deadline_of(context));
    }
    return 0;
}

static int send_init(struct pv_gpu_context *context)
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

    (void)snprintf(message.name, sizeof(message.name), "%s", context->name);
    if (backend->log_filter != NULL) {
        (void)snprintf(message.log, sizeof(message.log), "%s", backend->log_filter);
    }
    return send_packet(context, &message, sizeof(message), NULL, 0, backend->options.window_fd);
}

/* Names come from guests and go into logs. */
static void copy_name(char target[NAME_BYTES], const char *name)
{
    size_t i = 0;

    for (; i < NAME_BYTES - 1 && name[i] != '\0'; i++) {
        target[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    }
    target[i] = '\0';
}

static int op_create(void *user, uint32_t context_id, uint32_t capset_id, const char *name,
                     const struct pv_gpu_context_events *events, void *events_user,
                     struct pv_gpu_context **ret_context)
{
    struct pv_render_backend *backend = user;
    const uint32_t context_max =
        backend->options.context_max != 0 ? backend->options.context_max : PV_RENDER_CONTEXT_MAX;
    struct pv_gpu_context *context;
    int r;

    if (capset_id != 4 /* Venus */) {
        return -EINVAL;
    }
    if (backend->context_count >= context_max) {
        return -EAGAIN;
    }
    context = calloc(1, sizeof(*context));
    if (context == NULL) {
        return -ENOMEM;
    }
    backend->context_count++;
    context->backend = backend;
    context->id = context_id;
    context->worker = PV_RENDER_WORKER_NONE;
    context->events = events;
    context->events_user = events_user;
    copy_name(context->name, name);
    pv_render_ledger_init(&context->ledger);
    pv_render_outbox_init(&context->outbox, -1);
    r = pv_os_timer_create(backend->options.loop, on_deadline, context, &context->deadline);
    if (r == 0) {
        r = pv_render_spawner_start(&backend->spawner, &context->worker);
    }
    if (r == 0) {
        pv_render_outbox_init(&context->outbox, context->worker.fd);
        r = pv_os_loop_add(backend->options.loop, context->worker.fd, PV_OS_LOOP_READ, on_socket,
                           context, &context->source);
    }
    if (r == 0) {
        r = send_init(context);
    }
    if (r < 0) {
        pv_base_log_warn(backend->options.log, "render.context", "no worker for context %u: %s: %s",
                         context_id, backend->renderer, strerror(-r));
        context_free(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

static void op_destroy(struct pv_gpu_context *context)
{
    context->destroyed = true;
    context->lost = true;
    if (context->depth == 0) {
        context_free(context);
    }
}

static int op_attach(struct pv_gpu_context *context, uint32_t resource_id,
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

static int op_leave(struct pv_gpu_context *context, uint32_t resource_id, uint64_t cookie)
{
    const struct pv_render_leave message = {PV_RENDER_LEAVE, resource_id, cookie};
    const int r = send_request(context, &message, sizeof(message), cookie, false);

    if (r == 0) {
        pv_render_ledger_remove_shmem(&context->ledger, resource_id);
    }
    return r;
}

/* A long stream travels as a file. */
static int send_long_stream(struct pv_gpu_context *context, const struct pv_render_submit *message,
                            const void *bytes)
{
    int fd;
    ssize_t written;
    int r = pv_os_shm_create("pearvisor-stream", message->size_bytes, &fd);

    if (r < 0) {
        return r;
    }
    written = pv_os_fd_write_start(fd, bytes, message->size_bytes);
    r = written == (ssize_t)message->size_bytes
            ? send_packet(context, message, sizeof(*message), NULL, 0, fd)
            : -ENOMEM;
    pv_os_fd_close(fd);
    return r;
}

static int op_submit(struct pv_gpu_context *context, const void *bytes, size_t size_bytes,
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

static int op_export_blob(struct pv_gpu_context *context, uint32_t resource_id, uint64_t blob_id,
                          uint64_t size_bytes, uint32_t blob_flags, uint64_t cookie)
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

static int op_place(struct pv_gpu_context *context, uint32_t resource_id, uint64_t offset_bytes,
                    uint64_t cookie)
{
    const struct pv_render_place message = {PV_RENDER_PLACE, resource_id, offset_bytes, cookie};

    return send_request(context, &message, sizeof(message), cookie, false);
}

const struct pv_gpu_context_ops pv_render_context_ops = {
    .create = op_create,
    .destroy = op_destroy,
    .attach = op_attach,
    .leave = op_leave,
    .submit = op_submit,
    .export_blob = op_export_blob,
    .place = op_place,
};

/* ---- the backend ---- */

int pv_render_backend_create(const struct pv_render_backend_options *options,
                             struct pv_render_backend **ret_backend)
{
    struct pv_render_backend *backend;

    if (options->size_bytes != sizeof(*options)) {
        return -EINVAL;
    }
    backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        return -ENOMEM;
    }
    backend->options = *options;
    backend->renderer = strdup(options->renderer != NULL ? options->renderer : "");
    backend->log_filter = options->log_filter != NULL ? strdup(options->log_filter) : NULL;
    if (backend->renderer == NULL || (options->log_filter != NULL && backend->log_filter == NULL)) {
        pv_render_backend_destroy(backend);
        return -ENOMEM;
    }
    backend->spawner = (struct pv_render_spawner){
        .loop = options->loop,
        .renderer = backend->renderer,
        .carrier = options->carrier,
        .carrier_user = options->carrier_user,
    };
    *ret_backend = backend;
    return 0;
}

void pv_render_backend_destroy(struct pv_render_backend *backend)
{
    if (backend == NULL) {
        return;
    }
    pv_render_spawner_finish(&backend->spawner);
    free(backend->renderer);
    free(backend->log_filter);
    free(backend);
}

uint32_t pv_render_backend_context_count(const struct pv_render_backend *backend)
{
    return backend->context_count;
}
