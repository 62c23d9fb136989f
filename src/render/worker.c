/* SPDX-License-Identifier: MIT */
/*
 * The worker's half of the message boundary; see worker.h. Requests are served one after the other
 * on this thread, which may be held up by a ring (vkWaitRingSeqnoMESA): that is the order that the
 * guest asked for. Events come from the renderer's threads, each as one packet.
 */
#include "render/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/account.h"
#include "base/log.h"
#include "os/fd.h"
#include "os/shm.h"
#include "os/socket.h"
#include "render/protocol.h"
#include "venus/context.h"

struct worker {
    int fd;
    int window_fd;
    struct pv_base_log log;
    void (*write_stderr)(void *user, enum pv_base_log_level level, const char *line);
    char name[64];
    const char *sandbox;
    struct pv_base_account *account; /* NULL: none was given */
    uint32_t account_slot;
    struct pv_venus_context *context;
};

static void send_message(struct worker *worker, const void *message, size_t size_bytes, int fd)
{
    const ssize_t sent = pv_os_socket_send(worker->fd, message, size_bytes, &fd, fd >= 0 ? 1 : 0);

    /* A device that is gone is noticed by the next receive. One that is there waits for what could
     * not be sent (the kernel has no memory): it is told by our end, or nobody would ever be. */
    if (sent < 0 && sent != -EPIPE && sent != -ECONNRESET) {
        pv_os_socket_hang_up(worker->fd);
    }
}

static void on_fence_retired(void *user, uint32_t ring_index, uint64_t fence_id)
{
    const struct pv_render_fence message = {PV_RENDER_FENCE, ring_index, fence_id};

    send_message(user, &message, sizeof(message), -1);
}

static void on_lost(void *user, const char *reason)
{
    struct pv_render_lost message = {.kind = PV_RENDER_LOST};

    (void)snprintf(message.reason, sizeof(message.reason), "%s", reason);
    send_message(user, &message, sizeof(message), -1);
}

static void on_ring(void *user, uint32_t resource_id, uint64_t status_offset_bytes, bool present)
{
    const struct pv_render_ring message = {PV_RENDER_RING, resource_id, status_offset_bytes,
                                           present, 0};

    send_message(user, &message, sizeof(message), -1);
}

/* See struct pv_render_log. */
static void write_log(void *user, enum pv_base_log_level level, const char *line)
{
    struct worker *worker = user;
    struct pv_render_log message = {.kind = PV_RENDER_LOG, .level = (uint32_t)level};

    if (level > PV_BASE_LOG_WARN) {
        worker->write_stderr(NULL, level, line);
        return;
    }
    (void)snprintf(message.line, sizeof(message.line), "%s", line);
    send_message(worker, &message, sizeof(message), -1);
}

static const struct pv_venus_context_events events = {
    .fence_retired = on_fence_retired,
    .lost = on_lost,
    .ring = on_ring,
};

static void send_done(struct worker *worker, uint64_t cookie, int status, uint64_t size_bytes,
                      int fd)
{
    const struct pv_render_done message = {PV_RENDER_DONE, status, cookie, size_bytes};

    send_message(worker, &message, sizeof(message), fd);
}

/* One received packet. Descriptors that a handler keeps are replaced by -1. */
struct packet {
    union {
        uint32_t kind;
        struct pv_render_init init;
        struct pv_render_account account;
        struct pv_render_attach attach;
        struct pv_render_leave leave;
        struct pv_render_submit submit;
        struct pv_render_export export_blob;
        struct pv_render_place place;
        uint8_t bytes[PV_RENDER_PACKET_MAX_BYTES];
    } body;
    size_t size_bytes;
    int fd;
};

static int serve_account(struct worker *worker, const struct packet *packet)
{
    const struct pv_render_account *message = &packet->body.account;
    uint64_t file_bytes;
    void *memory;
    int r;

    if (packet->size_bytes != sizeof(*message) || packet->fd < 0 || worker->account != NULL
        || worker->context != NULL || message->slot >= PV_BASE_ACCOUNT_SLOT_COUNT
        || pv_os_shm_size(packet->fd, &file_bytes) < 0
        || file_bytes < sizeof(struct pv_base_account) || !pv_os_shm_is_sealed(packet->fd)) {
        return -EPROTO;
    }
    r = pv_os_shm_map(packet->fd, 0, sizeof(struct pv_base_account), &memory);
    if (r == 0) {
        worker->account = memory;
        worker->account_slot = message->slot;
    }
    return r;
}

static int serve_init(struct worker *worker, struct packet *packet)
{
    struct pv_render_init *message = &packet->body.init;
    struct pv_venus_context_options options = {.size_bytes = sizeof(options)};
    uint64_t window_bytes;

    if (packet->size_bytes != sizeof(*message) || worker->context != NULL
        || message->version != PV_RENDER_PROTOCOL_VERSION
        || message->placement > PV_VENUS_PLACEMENT_WINDOW
        || (message->has_window != 0) != (packet->fd >= 0)
        || (packet->fd >= 0
            && (pv_os_shm_size(packet->fd, &window_bytes) < 0
                || message->window_size_bytes > window_bytes))) {
        return -EPROTO;
    }
    message->name[sizeof(message->name) - 1] = '\0';
    message->log[sizeof(message->log) - 1] = '\0';
    memcpy(worker->name, message->name, sizeof(worker->name));
    if (message->log[0] != '\0' && pv_base_log_configure(&worker->log, message->log) < 0) {
        return -EPROTO;
    }
    if (worker->sandbox != NULL) {
        pv_base_log_info(&worker->log, "render.sandbox", "%s: %s", worker->name, worker->sandbox);
    }
    worker->window_fd = packet->fd;
    packet->fd = -1;
    options.log = &worker->log;
    options.name = worker->name;
    options.placement = (enum pv_venus_placement)message->placement;
    options.window_fd = worker->window_fd;
    options.window_size_bytes = message->window_size_bytes;
    options.memory_max_bytes = message->memory_max_bytes;
    options.account = worker->account;
    options.account_slot = worker->account_slot;
    options.events = &events;
    options.events_user = worker;
    return pv_venus_context_create(&options, &worker->context);
}

static int serve_attach(struct worker *worker, const struct packet *packet)
{
    const struct pv_render_attach *message = &packet->body.attach;
    int r;

    if (packet->size_bytes != sizeof(*message) || (message->in_window != 0) == (packet->fd >= 0)) {
        return -EPROTO;
    }
    r = pv_venus_context_attach(worker->context, message->resource_id, packet->fd,
                                message->offset_bytes, message->size_bytes, message->in_window != 0,
                                message->is_shmem != 0);
    /* -EEXIST: the exporter attaches its own blob again. Others show when the guest uses it. */
    if (r < 0 && r != -EEXIST && r != -EIO) {
        pv_base_log_guest(&worker->log, "render.worker", PV_BASE_LOG_WARN,
                          "%s: resource %u cannot be attached: %s", worker->name,
                          message->resource_id, strerror(-r));
    }
    return 0;
}

static int serve_leave(struct worker *worker, const struct packet *packet)
{
    const struct pv_render_leave *message = &packet->body.leave;
    int r;

    if (packet->size_bytes != sizeof(*message)) {
        return -EPROTO;
    }
    r = pv_venus_context_leave(worker->context, message->resource_id);
    if (r < 0 && r != -ENOENT) {
        /* Pages may still show a range that the device is about to give to somebody else. Only the
         * end of this process makes sure that they do not. */
        return r;
    }
    send_done(worker, message->cookie, r, 0, -1);
    return 0;
}

/* A stream that came as a memfd: mapped pages could still change, so it is copied. */
static int submit_from_fd(struct worker *worker, int fd, uint32_t size_bytes)
{
    uint64_t file_bytes;
    uint8_t *copy;
    ssize_t got;

    if (pv_os_shm_size(fd, &file_bytes) < 0 || file_bytes < size_bytes) {
        return -EPROTO;
    }
    copy = malloc(size_bytes);
    if (copy == NULL) {
        return -ENOMEM;
    }
    got = pv_os_fd_read_start(fd, copy, size_bytes);
    if (got != (ssize_t)size_bytes) {
        free(copy);
        return -EPROTO;
    }
    pv_venus_context_submit(worker->context, copy, size_bytes);
    free(copy);
    return 0;
}

static int serve_submit(struct worker *worker, const struct packet *packet)
{
    const struct pv_render_submit *message = &packet->body.submit;
    int r = 0;

    if (packet->size_bytes < sizeof(*message)) {
        return -EPROTO;
    }
    if (packet->fd >= 0 && packet->size_bytes == sizeof(*message)) {
        r = submit_from_fd(worker, packet->fd, message->size_bytes);
        if (worker->account != NULL) {
            pv_base_account_refund(&worker->account->memory, worker->account_slot,
                                   message->size_bytes);
            pv_base_account_count(&worker->account->figures[worker->account_slot].stream_count, 1);
        }
    } else if (packet->fd < 0 && packet->size_bytes - sizeof(*message) == message->size_bytes) {
        pv_venus_context_submit(worker->context, packet->body.bytes + sizeof(*message),
                                message->size_bytes);
    } else {
        r = -EPROTO;
    }
    if (r == 0 && message->is_fenced != 0) {
        pv_venus_context_fence(worker->context, message->ring_index, message->fence_id);
    }
    return r;
}

static int serve_export(struct worker *worker, const struct packet *packet)
{
    const struct pv_render_export *message = &packet->body.export_blob;
    struct pv_venus_exported exported = {.fd = -1};
    int r;

    if (packet->size_bytes != sizeof(*message)) {
        return -EPROTO;
    }
    r = pv_venus_context_export_blob(worker->context, message->resource_id, message->blob_id,
                                     message->size_bytes, message->is_mappable != 0,
                                     message->is_shareable != 0, &exported);
    send_done(worker, message->cookie, r, exported.size_bytes, exported.fd);
    pv_os_fd_close(exported.fd);
    return 0;
}

static int serve_place(struct worker *worker, const struct packet *packet)
{
    const struct pv_render_place *message = &packet->body.place;
    int r;

    if (packet->size_bytes != sizeof(*message)) {
        return -EPROTO;
    }
    r = pv_venus_context_place(worker->context, message->resource_id, message->offset_bytes);
    if (r == -ENOTSUP) {
        pv_base_log_guest(&worker->log, "render.worker", PV_BASE_LOG_WARN,
                          "%s: the host driver pins memory, which cannot be mapped in a VM yet",
                          worker->name);
    }
    send_done(worker, message->cookie, r, 0, -1);
    return 0;
}

static int serve(struct worker *worker, struct packet *packet)
{
    if (packet->size_bytes < sizeof(uint32_t)) {
        return -EPROTO;
    }
    if (packet->body.kind == PV_RENDER_ACCOUNT) {
        return serve_account(worker, packet);
    }
    if (packet->body.kind == PV_RENDER_INIT) {
        return serve_init(worker, packet);
    }
    if (worker->context == NULL) {
        return -EPROTO;
    }
    switch (packet->body.kind) {
    case PV_RENDER_ATTACH:
        return serve_attach(worker, packet);
    case PV_RENDER_LEAVE:
        return serve_leave(worker, packet);
    case PV_RENDER_SUBMIT:
        return serve_submit(worker, packet);
    case PV_RENDER_EXPORT:
        return serve_export(worker, packet);
    case PV_RENDER_PLACE:
        return serve_place(worker, packet);
    default:
        return -EPROTO;
    }
}

/* Receive and serve one packet. 1: go on, 0: the device is gone, or -errno. */
static int step(struct worker *worker, struct packet *packet)
{
    size_t fd_count;
    const ssize_t received = pv_os_socket_receive(worker->fd, &packet->body, sizeof(packet->body),
                                                  &packet->fd, 1, &fd_count);
    int r;

    if (received <= 0) {
        return received == -ECONNRESET ? 0 : (int)received;
    }
    if (fd_count == 0) {
        packet->fd = -1;
    }
    packet->size_bytes = (size_t)received;
    r = serve(worker, packet);
    pv_os_fds_close(&packet->fd, 1);
    return r < 0 ? r : 1;
}

int pv_render_worker_run(int fd, const char *sandbox)
{
    struct worker worker = {.fd = fd, .window_fd = -1, .sandbox = sandbox};
    struct packet *packet = malloc(sizeof(*packet));
    int r = packet != NULL ? 1 : -ENOMEM;

    pv_base_log_init(&worker.log, "render");
    worker.write_stderr = worker.log.write;
    worker.log.write = write_log;
    worker.log.user = &worker;
    while (r == 1) {
        r = step(&worker, packet);
    }
    free(packet);
    pv_venus_context_destroy(worker.context);
    pv_os_shm_unmap(worker.account, sizeof(*worker.account));
    pv_os_fd_close(worker.window_fd);
    pv_os_fd_close(fd);
    return r;
}
