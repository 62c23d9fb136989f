/* SPDX-License-Identifier: MIT */
/*
 * Fence timelines; see fence.h. A timeline is short (at most a queue's worth), so it is a plain
 * list that is walked.
 */
#include "gpu/fence.h"

#include <stddef.h>

#include "gpu/protocol.h"
#include "gpu/request.h"

void pv_gpu_timeline_push(struct pv_gpu_timeline *timeline, struct pv_gpu_request *request)
{
    request->timeline = timeline;
    request->timeline_next = NULL;
    if (timeline->last != NULL) {
        timeline->last->timeline_next = request;
    } else {
        timeline->first = request;
    }
    timeline->last = request;
}

void pv_gpu_timeline_remove(struct pv_gpu_request *request)
{
    struct pv_gpu_timeline *timeline = request->timeline;
    struct pv_gpu_request *previous = NULL;
    struct pv_gpu_request *one;

    if (timeline == NULL) {
        return;
    }
    for (one = timeline->first; one != request; one = one->timeline_next) {
        previous = one;
    }
    if (previous != NULL) {
        previous->timeline_next = request->timeline_next;
    } else {
        timeline->first = request->timeline_next;
    }
    if (timeline->last == request) {
        timeline->last = previous;
    }
    request->timeline = NULL;
    request->timeline_next = NULL;
}

static struct pv_gpu_request *pop(struct pv_gpu_timeline *timeline)
{
    struct pv_gpu_request *request = timeline->first;

    timeline->first = request->timeline_next;
    if (timeline->first == NULL) {
        timeline->last = NULL;
    }
    request->timeline = NULL;
    request->timeline_next = NULL;
    return request;
}

void pv_gpu_timeline_flush(struct pv_gpu_timeline *timeline)
{
    while (!timeline->is_walked && timeline->first != NULL && timeline->first->finished) {
        pv_gpu_request_complete(pop(timeline));
    }
}

bool pv_gpu_timeline_retire(struct pv_gpu_timeline *timeline, uint64_t fence_id)
{
    struct pv_gpu_request *target = timeline->first;

    while (target != NULL
           && (!target->at_worker || target->finished
               || target->command.header.fence_id != fence_id)) {
        target = target->timeline_next;
    }
    if (target == NULL) {
        return false;
    }
    timeline->is_walked = true;
    for (struct pv_gpu_request *request = timeline->first;; request = request->timeline_next) {
        if (request->at_worker && !request->finished) {
            pv_gpu_request_finish_ok(request);
        }
        if (request == target) {
            break;
        }
    }
    timeline->is_walked = false;
    pv_gpu_timeline_flush(timeline);
    return true;
}

void pv_gpu_timeline_finish_streams(struct pv_gpu_timeline *timeline, uint32_t type)
{
    timeline->is_walked = true;
    for (struct pv_gpu_request *request = timeline->first; request != NULL;
         request = request->timeline_next) {
        if (!request->at_worker || request->finished) {
            continue;
        }
        if (type == PV_GPU_OK_NODATA) {
            pv_gpu_request_finish_ok(request);
        } else {
            pv_gpu_request_fail(request, type, "its context is lost");
        }
    }
    timeline->is_walked = false;
    pv_gpu_timeline_flush(timeline);
}

void pv_gpu_timeline_dissolve(struct pv_gpu_timeline *timeline)
{
    while (timeline->first != NULL) {
        struct pv_gpu_request *request = pop(timeline);

        if (request->finished) {
            pv_gpu_request_complete(request);
        }
    }
}
