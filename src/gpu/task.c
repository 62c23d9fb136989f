/* SPDX-License-Identifier: MIT */
/*
 * The tasks of a context; see task.h.
 *
 * A worker behind a direct call may answer, retire fences or be lost from inside any op. So lists
 * are changed before an op is called, and after it nothing is touched that such an event may have
 * ended.
 */
#include "gpu/task.h"

#include <errno.h>
#include <stdlib.h>

#include "gpu/blob.h"
#include "gpu/guest_context.h"
#include "gpu/pages.h"
#include "gpu/resource.h"
#include "gpu/state.h"
#include "os/socket.h"

static void push(struct pv_gpu_task_list *list, struct pv_gpu_task *task)
{
    task->next = NULL;
    if (list->last != NULL) {
        list->last->next = task;
    } else {
        list->first = task;
    }
    list->last = task;
}

static struct pv_gpu_task *pop(struct pv_gpu_task_list *list)
{
    struct pv_gpu_task *task = list->first;

    if (task != NULL) {
        list->first = task->next;
        if (list->first == NULL) {
            list->last = NULL;
        }
        task->next = NULL;
    }
    return task;
}

/* Outcomes come in the order of sending, so the first entry is nearly always the one. */
static struct pv_gpu_task *take_by_cookie(struct pv_gpu_task_list *list, uint64_t cookie)
{
    struct pv_gpu_task *previous = NULL;
    struct pv_gpu_task *task = list->first;

    while (task != NULL && task->cookie != cookie) {
        previous = task;
        task = task->next;
    }
    if (task == NULL) {
        return NULL;
    }
    if (previous == NULL) {
        return pop(list);
    }
    previous->next = task->next;
    if (list->last == task) {
        list->last = previous;
    }
    task->next = NULL;
    return task;
}

struct pv_gpu_task *pv_gpu_task_create(enum pv_gpu_task_kind kind, struct pv_gpu_request *request,
                                       struct pv_gpu_resource *resource)
{
    struct pv_gpu_task *task = calloc(1, sizeof(*task));

    if (task != NULL) {
        task->kind = kind;
        task->ready = true;
        task->request = request;
        task->resource = resource;
    }
    return task;
}

void pv_gpu_task_destroy(struct pv_gpu_task *task)
{
    if (task != NULL) {
        if (task->charged_device != NULL) {
            pv_gpu_device_refund(task->charged_device, task->size_bytes, false);
        }
        free(task->bytes);
        free(task);
    }
}

/* End a task. exported: only for an EXPORT that succeeded; its fd is taken. */
static void end(struct pv_gpu_task *task, int status, const struct pv_gpu_exported *exported)
{
    struct pv_gpu_request *request = task->request;
    struct pv_gpu_resource *resource = task->resource;
    const enum pv_gpu_task_kind kind = task->kind;

    pv_gpu_task_destroy(task);
    switch (kind) {
    case PV_GPU_TASK_SUBMIT:
        if (status < 0) {
            pv_gpu_request_fail_host(request, status, "submitting a command stream");
        } else {
            pv_gpu_request_finish_ok(request);
        }
        break;
    case PV_GPU_TASK_ATTACH:
        if (request == NULL) {
            break;
        }
        request->barrier = NULL;
        if (status < 0) {
            pv_gpu_request_fail_host(request, status, "attaching a resource");
        } else {
            pv_gpu_request_finish_ok(request);
        }
        break;
    case PV_GPU_TASK_EXPORT:
        pv_gpu_blob_end_export(resource, request, status, exported);
        break;
    case PV_GPU_TASK_PLACE:
        pv_gpu_blob_end_place(resource, request, status);
        break;
    case PV_GPU_TASK_LEAVE:
        pv_gpu_resource_left(resource);
        break;
    }
}

static void send_submit(struct pv_gpu_guest_context *context, struct pv_gpu_task *task)
{
    struct pv_gpu_request *request = task->request;
    const struct pv_gpu_header header = request->command.header;
    const bool fenced = (header.flags & PV_GPU_FLAG_FENCE) != 0;
    const uint32_t ring_index = (header.flags & PV_GPU_FLAG_RING_IDX) != 0 ? header.ring_index : 0;
    int r;

    context->submit_count++;
    request->at_worker = fenced;
    r = context->device->context_ops->submit(context->worker, task->bytes, task->size_bytes, fenced,
                                             ring_index, header.fence_id);
    if (!fenced) {
        end(task, r, NULL);
        return;
    }
    if (r < 0 && !context->is_lost) {
        request->at_worker = false;
        end(task, r, NULL);
        return;
    }
    /* fence_retired or lost ends the request, or has already done so. */
    pv_gpu_task_destroy(task);
}

static int send_attach(struct pv_gpu_guest_context *context, const struct pv_gpu_task *task)
{
    struct pv_gpu_memory memory;

    if (task->is_void || task->status < 0) {
        return task->status;
    }
    if (!pv_gpu_pages_memory(task->resource, &memory)) {
        return -EIO;
    }
    return context->device->context_ops->attach(context->worker, task->resource->id, &memory);
}

/* The kinds that wait for an outcome. */
static void send_with_outcome(struct pv_gpu_guest_context *context, struct pv_gpu_task *task)
{
    const struct pv_gpu_context_ops *ops = context->device->context_ops;
    const struct pv_gpu_resource *resource = task->resource;
    const uint64_t cookie = ++context->device->next_cookie;
    int r;

    task->cookie = cookie;
    push(&context->sent, task);
    if (task->kind == PV_GPU_TASK_EXPORT) {
        r = ops->export_blob(context->worker, resource->id, task->blob_id, resource->size_bytes,
                             resource->blob_flags, cookie);
    } else if (task->kind == PV_GPU_TASK_PLACE) {
        r = ops->place(context->worker, resource->id, resource->window_offset_bytes, cookie);
    } else {
        r = ops->leave(context->worker, resource->id, cookie);
    }
    if (r < 0) {
        pv_gpu_task_done(context, cookie, r, NULL);
    }
}

void pv_gpu_task_send_ready(struct pv_gpu_guest_context *context)
{
    if (context->is_sending) {
        return;
    }
    context->is_sending = true;
    while (context->unsent.first != NULL && context->unsent.first->ready) {
        struct pv_gpu_task *task = pop(&context->unsent);

        if (context->is_lost) {
            end(task, -EIO, NULL);
        } else if (task->kind == PV_GPU_TASK_SUBMIT) {
            send_submit(context, task);
        } else if (task->kind == PV_GPU_TASK_ATTACH) {
            end(task, send_attach(context, task), NULL);
        } else {
            send_with_outcome(context, task);
        }
    }
    context->is_sending = false;
}

void pv_gpu_task_post(struct pv_gpu_guest_context *context, struct pv_gpu_task *task)
{
    push(&context->unsent, task);
    pv_gpu_task_send_ready(context);
}

void pv_gpu_task_done(struct pv_gpu_guest_context *context, uint64_t cookie, int status,
                      const struct pv_gpu_exported *exported)
{
    struct pv_gpu_task *task = take_by_cookie(&context->sent, cookie);

    if (exported != NULL && (task == NULL || task->kind != PV_GPU_TASK_EXPORT || status < 0)) {
        pv_os_fds_close(&exported->fd, 1);
        exported = NULL;
    }
    if (task == NULL) {
        pv_base_log_guest(context->device->log, "gpu.context", PV_BASE_LOG_DEBUG,
                          "context %u: outcome of nothing that was asked", context->id);
        return;
    }
    if (task->kind == PV_GPU_TASK_EXPORT && status >= 0 && exported == NULL) {
        status = -EPROTO;
    }
    end(task, status < 0 ? status : 0, exported);
}

void pv_gpu_task_forget_unready(struct pv_gpu_guest_context *context)
{
    struct pv_gpu_task_list ready = {0};
    struct pv_gpu_task *task;

    while ((task = pop(&context->unsent)) != NULL) {
        if (task->ready) {
            push(&ready, task);
        } else {
            task->request->barrier = NULL;
            task->request->context_is_gone = true;
            pv_gpu_task_destroy(task);
        }
    }
    context->unsent = ready;
}

void pv_gpu_task_fail_all(struct pv_gpu_guest_context *context)
{
    struct pv_gpu_task *task;

    pv_gpu_task_forget_unready(context);
    /* Ends may post more to a lost context; those end at once, in send_ready. */
    while ((task = pop(&context->sent)) != NULL || (task = pop(&context->unsent)) != NULL) {
        end(task, -EIO, NULL);
    }
}

void pv_gpu_task_free_all(struct pv_gpu_guest_context *context)
{
    struct pv_gpu_task *task;

    while ((task = pop(&context->sent)) != NULL || (task = pop(&context->unsent)) != NULL) {
        pv_gpu_task_destroy(task);
    }
}
