/* SPDX-License-Identifier: MIT */
/*
 * Target: the device's half of the message boundary, reading what a worker says that was taken
 * over: packets of any kind, size and content, with descriptors that it may not have, at any
 * moment. The input is also the device that asks.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/socket.h"
#include "render/context.h"
#include "render/protocol.h"

#define ACTIONS_MAX  128u
#define CONTEXTS_MAX 2u
#define ANSWERS_MAX  512u

struct worker {
    struct fuzz_device *fuzz;
    struct pv_gpu_context *context;
    int fd; /* the worker's end; -1: closed */
    bool is_lost;
    bool destroys;       /* from inside the next event */
    bool is_in_creation; /* the carrier has just been given this one */
    unsigned owed;       /* answers */
    uint64_t cookies[ANSWERS_MAX];
};

struct fuzz_device {
    struct pv_base_log log;
    struct pv_os_loop *loop;
    struct pv_render_backend *backend;
    struct worker workers[CONTEXTS_MAX];
    struct worker *next;
    uint64_t next_cookie;
    int window_fd;
};

/* ---- the carrier ---- */

static int carrier_start(void *user, int worker_fd, void **ret_handle)
{
    struct fuzz_device *fuzz = user;

    fuzz->next->fd = worker_fd;
    FUZZ_CHECK(pv_os_fd_set_nonblocking(worker_fd, true) == 0);
    *ret_handle = fuzz->next;
    return 0;
}

static void close_end(struct worker *worker)
{
    pv_os_fds_close(&worker->fd, 1);
    worker->fd = -1;
}

static void carrier_stop(void *user, void *handle)
{
    (void)user;
    close_end(handle);
}

static const struct pv_render_carrier_ops carrier = {
    .start = carrier_start,
    .stop = carrier_stop,
};

/* ---- events: the device's own expectations ---- */

static void destroy(struct worker *worker)
{
    if (worker->context != NULL) {
        pv_render_context_ops.destroy(worker->context);
        worker->context = NULL;
    }
    worker->owed = 0;
    worker->is_lost = false;
    worker->destroys = false;
}

static void after_event(struct worker *worker)
{
    if (worker->destroys) {
        destroy(worker);
    }
}

static void on_fence(void *user, uint32_t ring_index, uint64_t fence_id)
{
    struct worker *worker = user;

    FUZZ_CHECK(worker->context != NULL && ring_index < 64 && fence_id < 256);
    after_event(worker);
}

static void on_done(void *user, uint64_t cookie, int status, const struct pv_gpu_exported *exported)
{
    struct worker *worker = user;
    unsigned i = 0;

    FUZZ_CHECK(worker->context != NULL && status <= 0);
    while (i < worker->owed && worker->cookies[i] != cookie) {
        i++;
    }
    FUZZ_CHECK(i < worker->owed); /* each is answered once */
    worker->owed--;
    memmove(worker->cookies + i, worker->cookies + i + 1,
            (worker->owed - i) * sizeof(worker->cookies[0]));
    if (exported != NULL) {
        FUZZ_CHECK(status == 0 && exported->size_bytes % 4096 == 0);
        pv_os_fds_close(&exported->fd, 1);
    }
    after_event(worker);
}

static void on_lost(void *user, const char *reason)
{
    struct worker *worker = user;

    FUZZ_CHECK(worker->context != NULL && !worker->is_lost && worker->owed == 0);
    for (const char *c = reason; *c != '\0'; c++) {
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
    }
    worker->is_lost = true;
    after_event(worker);
}

static const struct pv_gpu_context_events events = {
    .fence_retired = on_fence,
    .done = on_done,
    .lost = on_lost,
};

/* ---- the device asks ---- */

static void create(struct worker *worker)
{
    struct fuzz_device *fuzz = worker->fuzz;

    if (worker->context != NULL) {
        return;
    }
    fuzz->next = worker;
    FUZZ_CHECK(pv_render_context_ops.create(fuzz->backend, 7, 4, "fuzz \"\x1b[1m", &events, worker,
                                            &worker->context)
               == 0);
}

/* Requests with an answer: it is owed only if the call succeeds. */
static void ask(struct worker *worker, uint8_t what, struct fuzz_input *in)
{
    const uint64_t cookie = worker->fuzz->next_cookie++;
    const uint32_t resource_id = fuzz_u8(in) % 8;
    int r;

    if (worker->owed == ANSWERS_MAX) {
        return;
    }
    if (what % 3 == 0) {
        r = pv_render_context_ops.leave(worker->context, resource_id, cookie);
    } else if (what % 3 == 1) {
        r = pv_render_context_ops.export_blob(worker->context, resource_id, fuzz_u8(in), 4096,
                                              fuzz_u8(in), cookie);
    } else {
        r = pv_render_context_ops.place(worker->context, resource_id, 4096 * fuzz_u8(in), cookie);
    }
    if (r == 0) {
        worker->cookies[worker->owed++] = cookie;
    }
}

static void attach(struct worker *worker, struct fuzz_input *in)
{
    const uint8_t flags = fuzz_u8(in);
    struct pv_gpu_memory memory = {
        .fd = worker->fuzz->window_fd,
        .offset_bytes = (uint64_t)(flags >> 4) * 4096,
        .size_bytes = 8192,
        .in_window = (flags & 1) != 0,
        .is_shmem = (flags & 2) != 0,
    };
    int own_fd = -1;

    if (!memory.in_window) {
        own_fd = fuzz_memfd(8192, true);
        memory.fd = own_fd;
        memory.offset_bytes = 0;
    }
    (void)!pv_render_context_ops.attach(worker->context, fuzz_u8(in) % 8, &memory);
    pv_os_fds_close(&own_fd, 1);
}

static void submit(struct worker *worker, struct fuzz_input *in)
{
    static const uint8_t stream[PV_RENDER_INLINE_MAX_BYTES + 4];
    const uint8_t flags = fuzz_u8(in);

    size_t size_bytes = flags & 0x7cu;

    /* Longer than a packet, which travels as a file; or so long that some of them fill the socket.
     */
    if ((flags & 2) != 0) {
        size_bytes = sizeof(stream);
    } else if ((flags & 0x80) != 0) {
        size_bytes = PV_RENDER_INLINE_MAX_BYTES;
    }
    (void)!pv_render_context_ops.submit(worker->context, stream, size_bytes, (flags & 1) != 0,
                                        fuzz_u8(in) % 64, fuzz_u8(in));
}

/* ---- the worker talks ---- */

static void put(struct worker *worker, const void *bytes, size_t size_bytes, struct fuzz_input *in)
{
    const uint8_t with = fuzz_u8(in);
    int fds[2] = {-1, -1};
    size_t count = with < 128 ? 0 : with < 240 ? 1 : 2;
    uint64_t fd_bytes;

    if (count > 0) {
        fd_bytes = (with & 1) != 0 ? 4096 : fuzz_size(in) % (UINT64_C(1) << 30);
        fds[0] = fuzz_descriptor((with & 8) != 0 ? 7 : (uint8_t)(with >> 1), fd_bytes);
        fds[1] = count > 1 ? fuzz_descriptor(1, 0) : -1;
    }
    if (count > 0 && (fds[0] < 0 || (count > 1 && fds[1] < 0))) {
        count = 0;
    }
    (void)pv_os_socket_send(worker->fd, bytes, size_bytes, fds, count);
    pv_os_fds_close(fds, 2);
}

/* A message of one of the worker's kinds with plausible contents. */
static void say(struct worker *worker, struct fuzz_input *in)
{
    const uint8_t what = fuzz_u8(in);
    const struct pv_render_done done = {
        PV_RENDER_DONE,
        (what & 1) != 0 ? 0 : -(int32_t)fuzz_u8(in),
        worker->owed > 0 && (what & 64) == 0 ? worker->cookies[fuzz_u8(in) % worker->owed]
                                             : fuzz_u8(in),
        (what & 32) == 0 ? 4096 : fuzz_size(in),
    };
    const struct pv_render_fence fence = {PV_RENDER_FENCE, fuzz_u8(in) % 66, fuzz_u8(in)};
    const struct pv_render_ring ring = {
        PV_RENDER_RING, fuzz_u8(in) % 8,
        (what & 64) == 0 ? 4 * (uint64_t)fuzz_u8(in) : fuzz_size(in), fuzz_u8(in) & 1, 0};
    struct pv_render_log log = {.kind = PV_RENDER_LOG};
    struct pv_render_lost lost = {.kind = PV_RENDER_LOST};

    switch (what >> 1 & 7) {
    case 0:
    case 1:
    case 2:
        put(worker, &done, sizeof(done), in);
        break;
    case 3:
        put(worker, &fence, sizeof(fence), in);
        break;
    case 4:
    case 5:
        put(worker, &ring, sizeof(ring), in);
        break;
    case 6:
        log.level = fuzz_u8(in);
        fuzz_fill(in, log.line, sizeof(log.line));
        put(worker, &log, sizeof(log), in);
        break;
    default:
        fuzz_fill(in, lost.reason, sizeof(lost.reason));
        put(worker, &lost, sizeof(lost), in);
        break;
    }
}

static void say_raw(struct worker *worker, struct fuzz_input *in)
{
    struct fuzz_input part = fuzz_part(in);
    uint8_t bytes[1024];
    const size_t size_bytes =
        fuzz_left_bytes(&part) < sizeof(bytes) ? fuzz_left_bytes(&part) : sizeof(bytes);

    fuzz_fill(&part, bytes, sizeof(bytes));
    put(worker, bytes, size_bytes, in);
}

/* Read what the device sent, so that its queue goes on. */
static void listen_for(struct worker *worker)
{
    uint8_t bytes[PV_RENDER_PACKET_MAX_BYTES];
    int fds[2];
    size_t fd_count;

    while (pv_os_socket_receive(worker->fd, bytes, sizeof(bytes), fds, 2, &fd_count) > 0) {
        pv_os_fds_close(fds, fd_count);
    }
}

static void act(struct fuzz_device *fuzz, struct fuzz_input *in)
{
    const uint8_t what = fuzz_u8(in);
    struct worker *worker = &fuzz->workers[what >> 7];

    create(worker);
    switch (what % 16) {
    case 0:
    case 1:
    case 2:
        ask(worker, what % 16, in);
        break;
    case 3:
        attach(worker, in);
        break;
    case 4:
        submit(worker, in);
        break;
    case 5:
        worker->destroys = fuzz_u8(in) < 32;
        break;
    case 6:
        if (fuzz_u8(in) < 16) {
            destroy(worker);
        } else if (worker->fd >= 0) {
            listen_for(worker);
        }
        break;
    case 7:
        if (fuzz_u8(in) < 16) {
            close_end(worker);
        }
        break;
    case 8:
    case 9:
        if (worker->fd >= 0) {
            say_raw(worker, in);
        }
        break;
    default:
        if (worker->fd >= 0) {
            say(worker, in);
        }
        break;
    }
    if ((what & 0x40) == 0) {
        fuzz_turn(fuzz->loop, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static struct fuzz_device fuzz;
    struct fuzz_input in = {bytes, bytes + size_bytes};
    struct pv_render_backend_options options = {
        .size_bytes = sizeof(options),
        .carrier = &carrier,
        .carrier_user = &fuzz,
        .placement = PV_RENDER_PLACEMENT_WINDOW,
        .window_size_bytes = 1 << 20,
        .memory_max_bytes = UINT64_C(1) << 30,
    };

    fuzz_begin();
    memset(&fuzz, 0, sizeof(fuzz));
    fuzz_log_init(&fuzz.log);
    fuzz.window_fd = fuzz_memfd(1 << 20, true);
    fuzz.next_cookie = 1;
    FUZZ_CHECK(pv_os_loop_create(&fuzz.loop) == 0);
    options.loop = fuzz.loop;
    options.log = &fuzz.log;
    options.window_fd = fuzz.window_fd;
    FUZZ_CHECK(pv_render_backend_create(&options, &fuzz.backend) == 0);
    for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
        fuzz.workers[i] = (struct worker){.fuzz = &fuzz, .fd = -1};
    }
    for (unsigned i = 0; i < ACTIONS_MAX && fuzz_left_bytes(&in) > 0; i++) {
        act(&fuzz, &in);
    }
    fuzz_turn(fuzz.loop, 2);
    for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
        destroy(&fuzz.workers[i]);
        FUZZ_CHECK(fuzz.workers[i].fd < 0);
    }
    FUZZ_CHECK(pv_render_backend_context_count(fuzz.backend) == 0);
    pv_render_backend_destroy(fuzz.backend);
    pv_os_loop_destroy(fuzz.loop);
    close(fuzz.window_fd);
    fuzz_end();
    return 0;
}
