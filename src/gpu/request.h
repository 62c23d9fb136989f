/* SPDX-License-Identifier: MIT */
/*
 * One request of the guest: its element, a private copy of its fixed part, and where it waits.
 *
 * A request is made by the intake (dispatch.h), and ends exactly once, with finish or fail (which
 * write the response) or with the device's reset. Between the two it may wait in at most one queue
 * of a resource and stand in at most one fence timeline. A finished request that is fenced is given
 * back to the driver when the fences before it on its timeline are.
 */
#ifndef PV_GPU_REQUEST_H
#define PV_GPU_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "gpu/protocol.h"

struct pv_gpu_device;
struct pv_gpu_request;
struct pv_gpu_resource;
struct pv_gpu_guest_context;
struct pv_gpu_task;
struct pv_gpu_timeline;
struct pv_virtio_element;

/* What a handler does with a request; it ends the request now or keeps it and ends it later.
 * resource: the one that the command names, NULL where it names none. */
typedef void pv_gpu_handler_fn(struct pv_gpu_request *request, struct pv_gpu_resource *resource);

struct pv_gpu_request {
    struct pv_gpu_device *device;
    struct pv_virtio_element *element;
    struct pv_gpu_request *previous; /* among all requests of the device */
    struct pv_gpu_request *next;
    const char *command_name; /* static */
    pv_gpu_handler_fn *handler;
    union pv_gpu_command_bytes command;

    struct pv_gpu_request *resource_next; /* in the queue of the resource that it waits for */

    struct pv_gpu_timeline *timeline; /* NULL: unfenced, or not bound to any order */
    struct pv_gpu_request *timeline_next;
    bool finished;               /* the response is written; only the timeline holds it */
    bool at_worker;              /* a fenced stream that was handed over: the worker retires it */
    uint64_t sequence;           /* scanout and cursor commands: which one is the newest */
    struct pv_gpu_task *barrier; /* CTX_ATTACH that holds up its context's tasks */
    bool context_is_gone;        /* ... and whose context was destroyed meanwhile */

    /* Whose counts this request is in, until it is finished; NULL if nobody's. */
    struct pv_gpu_guest_context *held_by;  /* whose worker keeps it waiting */
    struct pv_gpu_guest_context *fence_of; /* whose fenced stream it is */
};

/*
 * Make a request of an element, which it owns from here on. NULL when memory or the device's cap is
 * exhausted: the element is still the caller's then.
 */
struct pv_gpu_request *pv_gpu_request_create(struct pv_gpu_device *device,
                                             struct pv_virtio_element *element);

/*
 * Answer with success: type and, after the header, payload (size_bytes may be 0). The request may
 * be gone afterwards, as after all functions that answer.
 */
void pv_gpu_request_finish(struct pv_gpu_request *request, uint32_t type, const void *payload,
                           size_t size_bytes);

/* Answer OK_NODATA. */
void pv_gpu_request_finish_ok(struct pv_gpu_request *request);

/*
 * Answer with an error (PV_GPU_ERR_*) and say why: the first refusal of each kind of error per
 * command goes to the log, the rest at debug level.
 */
void pv_gpu_request_fail(struct pv_gpu_request *request, uint32_t error, const char *format, ...)
    PV_PRINTF(3, 4);

/* Answer a failure of the host: OUT_OF_MEMORY for -ENOMEM, -ENOSPC, -EAGAIN and -EMFILE, else
 * UNSPEC. what: what was tried. */
void pv_gpu_request_fail_host(struct pv_gpu_request *request, int status, const char *what);

/* Give a finished request back to the driver; called by the timeline alone. */
void pv_gpu_request_complete(struct pv_gpu_request *request);

/*
 * Count the request against a cap (max) on those that the worker of a context keeps waiting. False
 * when the cap is reached.
 */
PV_NODISCARD bool pv_gpu_request_hold(struct pv_gpu_request *request,
                                      struct pv_gpu_guest_context *context, uint32_t max);

/* Drop every request without an answer (reset). */
void pv_gpu_request_drop_all(struct pv_gpu_device *device);

#endif
