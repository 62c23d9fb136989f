/* SPDX-License-Identifier: MIT */
/*
 * The inside of a context and its backend, shared by context.c (life of the worker), incoming.c
 * (what it says) and requests.c (what it is asked). Nobody else includes it.
 *
 * Threads: the loop's.
 */
#ifndef PV_RENDER_CONTEXT_INTERNAL_H
#define PV_RENDER_CONTEXT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/account.h"
#include "render/context.h"
#include "render/ledger.h"
#include "render/outbox.h"
#include "render/spawner.h"

#define PV_RENDER_CONTEXT_NAME_BYTES 64

struct pv_render_backend {
    struct pv_render_backend_options options;
    char *renderer;
    char *log_filter;
    struct pv_render_spawner spawner;
    struct pv_os_output *output;
    uint32_t context_count;       /* those that wait for their worker's end as well */
    struct pv_gpu_context *dying; /* destroyed, but their workers have not ended yet */
    struct pv_base_account *account;
    int account_fd;
    bool slot_is_taken[PV_BASE_ACCOUNT_SLOT_COUNT];
};

struct pv_gpu_context {
    struct pv_render_backend *backend;
    uint32_t id;
    char name[PV_RENDER_CONTEXT_NAME_BYTES];
    const struct pv_gpu_context_events *events;
    void *events_user;
    struct pv_render_worker worker;
    struct pv_os_source *source;
    struct pv_os_source *exit_source; /* its worker was killed: has it ended? */
    struct pv_os_timer *deadline;     /* for answers; after the kill: for the worker's end */
    struct pv_render_outbox outbox;
    struct pv_render_ledger ledger;
    uint32_t account_slot; /* PV_BASE_ACCOUNT_DEVICE: none */
    uint64_t stream_count; /* long streams sent */
    bool lost;             /* its worker was killed; nothing is sent any more */
    bool answered;         /* what was outstanding has been answered, and `lost` told */
    bool is_quiet;         /* its user wants it to end: no warning */
    bool tells_exit;       /* the reason is how the process ended */
    char reason[256];      /* of the loss, while it is not answered */
    bool reset;            /* its socket has told of its end, and may still hold packets */
    bool unsent;           /* a packet could not be sent: nothing may follow it */
    bool destroyed;
    uint32_t depth;
    struct pv_gpu_context *next_dying;
};

/* How long the answers for a killed worker wait for its end, in milliseconds. Until it has ended
 * its threads may write to its pages of the window, which others get once it is answered; but one
 * that is stuck in the kernel, where it writes nothing, shall not keep its guest waiting. */
#define PV_RENDER_END_MS 100

/*
 * The worker is gone or has to go: kill it, and answer for it (see context.h) once it has ended, at
 * once or on the loop, at the latest after PV_RENDER_END_MS. Calls the context's events, so never
 * from inside of a request. Does nothing when it is lost already. The context stays until destroy;
 * if an event destroys it, it is freed when the outermost event has returned.
 *
 * reason  one line for log and guest, borrowed for the call
 */
void pv_render_context_lose(struct pv_gpu_context *context, const char *reason);

/* The same, for a worker whose socket has closed: the reason says how the process ended. */
void pv_render_context_lose_to_exit(struct pv_gpu_context *context);

/* Have the loop tell when the socket is readable, and writable too while packets wait for it. */
void pv_render_context_watch(struct pv_gpu_context *context);

/* How long an answer may take, in nanoseconds. */
uint64_t pv_render_context_deadline_ns(const struct pv_gpu_context *context);

#endif
