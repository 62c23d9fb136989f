/* SPDX-License-Identifier: MIT */
/*
 * What a context's worker is asked, in order. Tasks wait unsent until those before them are sent;
 * EXPORT, PLACE and LEAVE then wait for their outcome.
 *
 * A task is held back while it, or one before it, is not *ready*: an ATTACH of a resource that
 * another context is still making. It holds up its own context alone (the streams behind it may
 * name the resource), and no circle can form: a task waits only for tasks made before it.
 *
 * A lost context gives all its tasks the outcome -EIO, at once and from then on.
 */
#ifndef PV_GPU_TASK_H
#define PV_GPU_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/context.h"

struct pv_gpu_device;
struct pv_gpu_guest_context;
struct pv_gpu_request;
struct pv_gpu_resource;

enum pv_gpu_task_kind {
    PV_GPU_TASK_SUBMIT, /* request, bytes */
    PV_GPU_TASK_ATTACH, /* resource; request if the guest asked */
    PV_GPU_TASK_EXPORT, /* resource, blob_id; request if it still waits */
    PV_GPU_TASK_PLACE,  /* resource, request */
    PV_GPU_TASK_LEAVE,  /* resource */
};

struct pv_gpu_task {
    struct pv_gpu_task *next;
    enum pv_gpu_task_kind kind;
    bool ready;
    bool is_void; /* ATTACH: only its place in the order counts; the outcome is `status` */
    int status;
    struct pv_gpu_request *request;   /* NULL: nobody waits for an answer */
    struct pv_gpu_resource *resource; /* outlives the task: it is busy, or a LEAVE follows */
    uint64_t cookie;
    uint64_t blob_id;
    void *bytes; /* owned */
    size_t size_bytes;
    struct pv_gpu_device *charged_device; /* size_bytes are charged there; NULL: they are not */
};

/* First in, first out. */
struct pv_gpu_task_list {
    struct pv_gpu_task *first;
    struct pv_gpu_task *last;
};

/* A ready task; post hands it over. NULL when memory is short. request and resource may be NULL. */
struct pv_gpu_task *pv_gpu_task_create(enum pv_gpu_task_kind kind, struct pv_gpu_request *request,
                                       struct pv_gpu_resource *resource);

/* Free a task that was not posted. Accepts NULL. */
void pv_gpu_task_destroy(struct pv_gpu_task *task);

/* Send the task in its turn, which may be now. The context has a worker, or had one. */
void pv_gpu_task_post(struct pv_gpu_guest_context *context, struct pv_gpu_task *task);

/* A task has become ready: send what can be sent. */
void pv_gpu_task_send_ready(struct pv_gpu_guest_context *context);

/* The worker reports an outcome. An unknown cookie is ignored; exported->fd is taken. */
void pv_gpu_task_done(struct pv_gpu_guest_context *context, uint64_t cookie, int status,
                      const struct pv_gpu_exported *exported);

/*
 * The context is going: an ATTACH that is not ready leaves its request to the resource's queue, and
 * the tasks behind it stay.
 */
void pv_gpu_task_forget_unready(struct pv_gpu_guest_context *context);

/*
 * Give every task the outcome -EIO: the context is lost or being destroyed. An ATTACH that is not
 * ready leaves its request to the resource's queue.
 */
void pv_gpu_task_fail_all(struct pv_gpu_guest_context *context);

/* Free all tasks, nothing else (reset). */
void pv_gpu_task_free_all(struct pv_gpu_guest_context *context);

#endif
