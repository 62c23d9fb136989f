/* SPDX-License-Identifier: MIT */
/*
 * The device's half of the message boundary: contexts whose work is done in worker processes.
 * Implements gpu/context.h; see there for order and events.
 *
 * A worker that dies, breaks the protocol, or does not answer within its deadline makes its context
 * lost: FATAL is set in its rings from here (stock Mesa then ends the one program), everything
 * outstanding is answered with -EIO, fences retire, and the process is killed.
 *
 * Threads: the loop's thread, all of it.
 */
#ifndef PV_RENDER_CONTEXT_H
#define PV_RENDER_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "gpu/context.h"
#include "os/loop.h"
#include "render/sandbox_mode.h"

struct pv_base_account;
struct pv_render_backend;

/* How host-visible memory reaches its program; the same values as enum pv_venus_placement. */
enum pv_render_placement {
    PV_RENDER_PLACEMENT_FILE,
    PV_RENDER_PLACEMENT_WINDOW,
};

/* How workers are started where they are no processes (render/in_process.h). */
struct pv_render_carrier_ops {
    /*
     * Begin to serve worker_fd, which is taken on success, until its other end closes. Returns 0
     * with a handle for stop, or -errno.
     */
    int (*start)(void *user, int worker_fd, void **ret_handle);
    /* The other end is closed: wait for the worker's end. */
    void (*stop)(void *user, void *handle);
};

struct pv_render_backend_options {
    size_t size_bytes;                           /* of this struct */
    struct pv_os_loop *loop;                     /* borrowed */
    struct pv_base_log *log;                     /* borrowed, may be NULL */
    const char *renderer;                        /* path of pearvisor-render; copied */
    const struct pv_render_carrier_ops *carrier; /* NULL: processes that run `renderer` */
    void *carrier_user;
    const char *log_filter; /* for the workers' logs; copied; NULL: default */
    enum pv_render_sandbox_mode sandbox;
    enum pv_render_placement placement;
    int window_fd; /* borrowed; -1 without a window */
    uint64_t window_size_bytes;
    uint64_t memory_max_bytes; /* of all contexts' allocations, and of slot 0 of the account */
    uint64_t deadline_ns;      /* for an answer of a worker; 0: PV_RENDER_DEADLINE_NS */
    uint32_t context_max;      /* workers at once, up to and 0: PV_RENDER_CONTEXT_MAX */
};

/* A ring may be busy with a long compile while an answer waits behind it; this is longer. */
#define PV_RENDER_DEADLINE_NS (UINT64_C(120) * 1000000000u)
/* Workers at once: each is a process with a driver in it (about 50 MiB). */
#define PV_RENDER_CONTEXT_MAX 256u
/* Bytes that may wait for one worker's socket; a worker that lets more pile up is lost. */
#define PV_RENDER_QUEUE_MAX_BYTES ((size_t)64 << 20)
/* Descriptors that may wait with them: as many as a vtest client may have shared memories, which
 * come while its worker still starts. */
#define PV_RENDER_QUEUE_FD_MAX 1024u
/* Long streams, each a file, that one worker has not come to; Mesa's on this way are some hundred
 * bytes. Over it they are refused with -EAGAIN. Their bytes count as the context's memory. */
#define PV_RENDER_STREAM_MAX 64u
/* Answers that one context may owe: the kernel's queue holds 256 requests for all. */
#define PV_RENDER_PENDING_MAX 4096u

/* Returns 0 with a backend for pv_render_context_ops, or -errno. */
PV_NODISCARD int pv_render_backend_create(const struct pv_render_backend_options *options,
                                          struct pv_render_backend **ret_backend);

/* All contexts must have been destroyed. Accepts NULL. */
void pv_render_backend_destroy(struct pv_render_backend *backend);

/*
 * Where the use of all contexts is counted, borrowed. Its slot PV_BASE_ACCOUNT_DEVICE is the
 * caller's, for memory that stands under the same limit.
 */
struct pv_base_account *pv_render_backend_account(const struct pv_render_backend *backend);

/* Number of live contexts. */
uint32_t pv_render_backend_context_count(const struct pv_render_backend *backend);

/* The implementation; `backend` in create is a struct pv_render_backend. */
extern const struct pv_gpu_context_ops pv_render_context_ops;

#endif
