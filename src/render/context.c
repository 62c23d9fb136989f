/* SPDX-License-Identifier: MIT */
/*
 * Contexts in worker processes, seen from the device: their life from the start of a worker to its
 * end; see context.h. What a worker says is in incoming.c, what it is asked in requests.c.
 *
 * A context may be destroyed from inside one of its own events. `depth` counts the events that are
 * running; a destroyed context is freed when the last of them has returned, and its worker's end
 * has been seen.
 *
 * The loop never waits for a worker: it kills, watches for the end, and answers then.
 */
#include "render/context.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/shm.h"
#include "render/context_internal.h"
#include "render/incoming.h"
#include "render/requests.h"

/* ---- the end of a context ---- */

/* There is a slot for each context that may be. */
static uint32_t slot_take(struct pv_render_backend *backend)
{
    uint32_t slot = PV_BASE_ACCOUNT_DEVICE + 1;

    static_assert(PV_BASE_ACCOUNT_SLOT_COUNT == PV_RENDER_CONTEXT_MAX + 1, "a slot for each");
    while (slot < PV_BASE_ACCOUNT_SLOT_COUNT && backend->slot_is_taken[slot]) {
        slot++;
    }
    if (slot == PV_BASE_ACCOUNT_SLOT_COUNT) {
        return PV_BASE_ACCOUNT_DEVICE;
    }
    backend->slot_is_taken[slot] = true;
    return slot;
}

/* A worker that was taken over can have written words that are nobody's: no end of theirs would
 * ever clear them. Of the device's own, the one for memory is told by src/gpu/device.c. */
static void clear_unused(const struct pv_render_backend *backend)
{
    struct pv_base_account *account = backend->account;

    pv_base_account_set(&account->copies, PV_BASE_ACCOUNT_DEVICE, 0);
    pv_base_account_set(&account->spares, PV_BASE_ACCOUNT_DEVICE, 0);
    if (backend->options.window_fd < 0) { /* vtest: no device that would hold memory */
        pv_base_account_set(&account->memory, PV_BASE_ACCOUNT_DEVICE, 0);
    }
    for (uint32_t i = PV_BASE_ACCOUNT_DEVICE + 1; i < PV_BASE_ACCOUNT_SLOT_COUNT; i++) {
        if (!backend->slot_is_taken[i]) {
            pv_base_account_set(&account->copies, i, 0);
            pv_base_account_set(&account->spares, i, 0);
            pv_base_account_set(&account->memory, i, 0);
        }
    }
}

/* The worker is gone: what it held is given back. */
static void slot_give_back(struct pv_gpu_context *context)
{
    if (context->account_slot != PV_BASE_ACCOUNT_DEVICE) {
        pv_base_account_clear(context->backend->account, context->account_slot);
        context->backend->slot_is_taken[context->account_slot] = false;
        context->account_slot = PV_BASE_ACCOUNT_DEVICE;
        clear_unused(context->backend);
    }
}

/* Its worker has ended. */
static void context_free(struct pv_gpu_context *context)
{
    struct pv_gpu_context **link = &context->backend->dying;

    while (*link != NULL && *link != context) {
        link = &(*link)->next_dying;
    }
    if (*link != NULL) {
        *link = context->next_dying;
    }
    pv_os_source_remove(context->source);
    pv_os_source_remove(context->exit_source);
    slot_give_back(context);
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

static bool worker_has_ended(const struct pv_gpu_context *context)
{
    return context->worker.fd < 0 && context->worker.process.pid <= 0;
}

/* Nobody uses it any more. */
static void context_release(struct pv_gpu_context *context)
{
    if (worker_has_ended(context)) {
        context_free(context);
    } else {
        context->next_dying = context->backend->dying;
        context->backend->dying = context;
    }
}

static void leave_event(struct pv_gpu_context *context)
{
    context->depth--;
    if (context->destroyed && context->depth == 0) {
        context_release(context);
    }
}

/* Answer for a worker that is gone. The context object stays until destroy. */
static void answer(struct pv_gpu_context *context)
{
    uint64_t id;
    uint32_t ring_index;

    context->answered = true;
    enter(context);
    pv_base_log_guest(context->backend->options.log, "render.context",
                      context->is_quiet ? PV_BASE_LOG_DEBUG : PV_BASE_LOG_WARN,
                      "context %u (%s) is lost: %s", context->id, context->name, context->reason);
    pv_render_ledger_set_rings_fatal(&context->ledger);
    while (!context->destroyed && pv_render_ledger_pop_fence(&context->ledger, &ring_index, &id)) {
        context->events->fence_retired(context->events_user, ring_index, id);
    }
    while (!context->destroyed && pv_render_ledger_pop_pending(&context->ledger, &id)) {
        context->events->done(context->events_user, id, -EIO, NULL);
    }
    if (!context->destroyed) {
        context->events->lost(context->events_user, context->reason);
    }
    leave_event(context);
}

/* Returns false while the worker runs; else takes its end. */
static bool take_end(struct pv_gpu_context *context)
{
    struct pv_os_process_end end;
    const int r = pv_render_spawner_reap(&context->worker, 0, &end);

    if (r == -ETIMEDOUT) {
        return false;
    }
    pv_os_source_remove(context->exit_source);
    context->exit_source = NULL;
    if (context->deadline != NULL) {
        pv_os_timer_clear(context->deadline);
    }
    slot_give_back(context);
    if (r == 0 && context->tells_exit) {
        (void)snprintf(context->reason, sizeof(context->reason), "render worker %s %d",
                       end.by_signal ? "was ended by signal" : "exited with status", end.value);
    }
    return true;
}

/* On the loop: the killed worker has ended, or has had its time for that. */
static void go_on(struct pv_gpu_context *context)
{
    const bool has_ended = take_end(context);

    if (context->destroyed) {
        if (has_ended) {
            context_free(context);
            return;
        }
    } else if (!context->answered) {
        answer(context); /* may free it, if its end was taken */
        if (has_ended) {
            return;
        }
    }
    if (!has_ended && context->exit_source == NULL) {
        /* There was no memory to watch it with: look again. */
        pv_os_timer_set(context->deadline, UINT64_C(1000000) * PV_RENDER_END_MS);
    }
}

static void on_exit_fd(void *user, uint32_t events)
{
    struct pv_gpu_context *context = user;

    (void)events;
    go_on(context);
}

/* Kill, and have the loop tell of the end if that has not come yet. */
static void worker_kill(struct pv_gpu_context *context)
{
    pv_os_source_remove(context->source);
    context->source = NULL;
    pv_render_outbox_finish(&context->outbox);
    pv_render_spawner_kill(&context->backend->spawner, &context->worker);
    if (take_end(context)) {
        return;
    }
    if (pv_os_loop_add(context->backend->options.loop, context->worker.process.exit_fd,
                       PV_OS_LOOP_READ, on_exit_fd, context, &context->exit_source)
        < 0) {
        context->exit_source = NULL;
    }
    pv_os_timer_set(context->deadline, UINT64_C(1000000) * PV_RENDER_END_MS);
}

void pv_render_context_lose(struct pv_gpu_context *context, const char *reason)
{
    if (context->lost) {
        return;
    }
    context->lost = true;
    pv_base_text_copy(context->reason, sizeof(context->reason), reason, SIZE_MAX);
    worker_kill(context);
    if (worker_has_ended(context)) {
        answer(context);
    }
}

/* The socket has closed: say how the process ended. The kill does not change how one ends that has
 * begun to end, and one that only closed its socket is not waited for. */
void pv_render_context_lose_to_exit(struct pv_gpu_context *context)
{
    context->tells_exit = true;
    pv_render_context_lose(context, "render worker closed its socket");
}

/* ---- deadlines ---- */

uint64_t pv_render_context_deadline_ns(const struct pv_gpu_context *context)
{
    const uint64_t deadline_ns = context->backend->options.deadline_ns;

    return deadline_ns != 0 ? deadline_ns : PV_RENDER_DEADLINE_NS;
}

static void on_deadline(void *user)
{
    struct pv_gpu_context *context = user;
    const struct pv_render_ledger_pending *oldest = context->ledger.pending;
    uint64_t waited_ns;

    if (context->lost) {
        go_on(context);
        return;
    }
    if (context->unsent) {
        pv_render_context_lose(context, "render worker cannot be reached, or lets too much wait");
        return;
    }
    if (oldest == NULL) {
        return;
    }
    waited_ns = pv_os_clock_now_ns() - oldest->since_ns;
    if (waited_ns < pv_render_context_deadline_ns(context)) {
        pv_os_timer_set(context->deadline, pv_render_context_deadline_ns(context) - waited_ns);
        return;
    }
    pv_render_context_lose(context, "render worker did not answer in time");
}

/* ---- the socket ---- */

void pv_render_context_watch(struct pv_gpu_context *context)
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
        pv_render_incoming_receive(context);
    }
    if (!context->destroyed) {
        pv_render_context_watch(context);
    }
    leave_event(context);
}

/* ---- what its user asks for, but requests ---- */

static void op_destroy(struct pv_gpu_context *context)
{
    context->destroyed = true;
    if (!context->lost) {
        context->lost = true;
        worker_kill(context);
    }
    if (context->depth == 0) {
        context_release(context);
    }
}

static bool op_end(struct pv_gpu_context *context)
{
    if (context->answered) {
        return false;
    }
    context->is_quiet = true;
    if (!context->lost) {
        context->lost = true;
        pv_base_text_copy(context->reason, sizeof(context->reason), "its user ended it", SIZE_MAX);
        worker_kill(context);
        if (worker_has_ended(context)) {
            /* Events do not come from inside of a request. */
            pv_os_timer_set(context->deadline, 0);
        }
    }
    return true;
}

static void op_settle(void *user)
{
    struct pv_render_backend *backend = user;
    const uint64_t end_ns = pv_os_clock_now_ns() + UINT64_C(1000000) * PV_RENDER_END_MS;
    struct pv_gpu_context *context = backend->dying;

    while (context != NULL) {
        struct pv_gpu_context *next = context->next_dying;
        const uint64_t now_ns = pv_os_clock_now_ns();
        struct pv_os_process_end end;

        if (pv_render_spawner_reap(&context->worker,
                                   now_ns < end_ns ? (int)((end_ns - now_ns) / 1000000 + 1) : 0,
                                   &end)
            != -ETIMEDOUT) {
            context_free(context);
        }
        context = next;
    }
}

/* ---- the start of a context ---- */

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
    context->account_slot = slot_take(backend);
    context->events = events;
    context->events_user = events_user;
    pv_base_text_copy(context->name, sizeof(context->name), name, SIZE_MAX);
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
        r = pv_render_request_init(context);
    }
    if (r < 0) {
        pv_base_log_guest(backend->options.log, "render.context", PV_BASE_LOG_WARN,
                          "no worker for context %u: %s: %s", context_id, backend->renderer,
                          strerror(-r));
        op_destroy(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

static void op_get_usage(const struct pv_gpu_context *context,
                         struct pv_gpu_context_usage *ret_usage)
{
    const struct pv_base_account *account = context->backend->account;
    const struct pv_base_account_figures *figures = &account->figures[context->account_slot];

    *ret_usage = (struct pv_gpu_context_usage){0};
    if (context->lost || context->account_slot == PV_BASE_ACCOUNT_DEVICE) {
        return;
    }
    *ret_usage = (struct pv_gpu_context_usage){
        .memory_bytes = pv_base_account_bytes(&account->memory, context->account_slot),
        .command_count = pv_base_account_commands(account, context->account_slot),
        .object_count = atomic_load_explicit(&figures->object_count, memory_order_relaxed),
        .ring_count = context->ledger.ring_count,
        .fence_count = context->ledger.fence_count,
        .request_count = context->ledger.pending_count,
        .worker_pid = (uint32_t)context->worker.process.pid,
    };
}

const struct pv_gpu_context_ops pv_render_context_ops = {
    .create = op_create,
    .end = op_end,
    .destroy = op_destroy,
    .settle = op_settle,
    .attach = pv_render_request_attach,
    .leave = pv_render_request_leave,
    .submit = pv_render_request_submit,
    .export_blob = pv_render_request_export_blob,
    .place = pv_render_request_place,
    .get_usage = op_get_usage,
};

/* ---- the backend ---- */

static int account_create(struct pv_render_backend *backend)
{
    const size_t page_bytes = pv_os_page_bytes();
    const size_t size_bytes = (sizeof(struct pv_base_account) + page_bytes - 1) & ~(page_bytes - 1);
    void *memory;
    int r = pv_os_shm_create("pearvisor-account", size_bytes, &backend->account_fd);

    if (r == 0) {
        r = pv_os_shm_map(backend->account_fd, 0, sizeof(struct pv_base_account), &memory);
    }
    if (r == 0) {
        backend->account = memory;
    }
    return r;
}

struct pv_base_account *pv_render_backend_account(const struct pv_render_backend *backend)
{
    return backend->account;
}

int pv_render_backend_create(const struct pv_render_backend_options *options,
                             struct pv_render_backend **ret_backend)
{
    struct pv_render_backend *backend;
    int r;

    if (options->size_bytes != sizeof(*options) || options->context_max > PV_RENDER_CONTEXT_MAX) {
        return -EINVAL;
    }
    backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        return -ENOMEM;
    }
    backend->options = *options;
    backend->account_fd = -1;
    r = account_create(backend);
    if (r == 0) {
        r = pv_os_output_create(options->loop, PV_OS_OUTPUT_OUR_ERROR_FD, &backend->output);
    }
    if (r < 0) {
        pv_render_backend_destroy(backend);
        return r;
    }
    backend->renderer = strdup(options->renderer != NULL ? options->renderer : "");
    backend->log_filter = options->log_filter != NULL ? strdup(options->log_filter) : NULL;
    if (backend->renderer == NULL || (options->log_filter != NULL && backend->log_filter == NULL)) {
        pv_render_backend_destroy(backend);
        return -ENOMEM;
    }
    backend->spawner = (struct pv_render_spawner){
        .renderer = backend->renderer,
        .sandbox = options->sandbox,
        .output = backend->output,
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
    while (backend->dying != NULL) {
        pv_os_process_kill(&backend->dying->worker.process);
        context_free(backend->dying);
    }
    pv_os_output_destroy(backend->output);
    pv_os_shm_unmap(backend->account, sizeof(*backend->account));
    pv_os_fd_close(backend->account_fd);
    free(backend->renderer);
    free(backend->log_filter);
    free(backend);
}

uint32_t pv_render_backend_context_count(const struct pv_render_backend *backend)
{
    return backend->context_count;
}
