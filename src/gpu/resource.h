/* SPDX-License-Identifier: MIT */
/*
 * Resources: what the guest names by a resource id. Four kinds, by where the bytes are:
 *
 *     2D      a memfd of ours, filled by TRANSFER_TO_HOST_2D from the backing list
 *     GUEST   a blob in guest memory: the backing list itself
 *     SHMEM   a blob with blob_id 0: a range of the window once it is mapped, nothing before
 *     DEVICE  a blob of a renderer's memory: an fd of its own, and/or a window range once placed
 *
 * A resource is *busy* while its owner's worker makes it (EXPORTING), moves it (PLACING), or while
 * contexts leave its window range (UNMAPPING). Commands that name a busy resource queue on it and
 * run in order afterwards; all other commands proceed. UNREF makes it *leaving*: no command finds
 * it any more, and it ends when all contexts have left.
 *
 * A resource is *dead* when its pages are lost (its creation failed, its context was lost before
 * they had a place, or it was unmapped): it answers errors until UNREF.
 *
 * Invariants: told attachments exist only while the resource has pages that a worker can map.
 * leaving_count counts `leave` tasks in flight; the window range and the id are given away only at
 * leaving_count 0 and hold_count 0.
 */
#ifndef PV_GPU_RESOURCE_H
#define PV_GPU_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "gpu/attachment.h"
#include "gpu/backing.h"
#include "gpu/context.h"
#include "gpu/request.h"

struct pv_gpu_guest_context;

enum pv_gpu_resource_kind {
    PV_GPU_RESOURCE_2D,
    PV_GPU_RESOURCE_GUEST,
    PV_GPU_RESOURCE_SHMEM,
    PV_GPU_RESOURCE_DEVICE,
};

enum pv_gpu_resource_busy {
    PV_GPU_RESOURCE_IDLE,
    PV_GPU_RESOURCE_EXPORTING,
    PV_GPU_RESOURCE_PLACING,
    PV_GPU_RESOURCE_UNMAPPING,
};

struct pv_gpu_resource {
    struct pv_gpu_device *device;
    struct pv_gpu_resource *next; /* in its bucket */
    uint32_t id;
    enum pv_gpu_resource_kind kind;
    uint32_t blob_flags;
    uint64_t size_bytes;    /* as the guest gave it, or as width and height make it */
    bool charged_by_worker; /* and so not against what all of the VM use */
    uint64_t charged_bytes; /* against the memory limit */

    int fd;               /* 2D and exported memory; -1: none */
    uint64_t pages_bytes; /* of fd */
    bool is_mapped;       /* a window range is its own */
    uint64_t window_offset_bytes;
    uint32_t map_info;
    bool is_dead;

    enum pv_gpu_resource_busy busy;
    bool is_leaving;
    uint32_t leaving_count;
    uint32_t hold_count;                /* we are on the stack: do not free */
    struct pv_gpu_request *end_request; /* UNREF or UNMAP that waits for the leaves */
    struct pv_gpu_request *waiting_first;
    struct pv_gpu_request *waiting_last;

    struct pv_gpu_guest_context *owner; /* of blobs made in a context; NULL once that is gone */
    struct pv_gpu_attachment *attachments;
    size_t attachment_count;
    size_t attachment_capacity;

    struct pv_gpu_backing backing;

    /* 2D */
    uint32_t width_px;
    uint32_t height_px;
    uint32_t format;

    /* Our own view of fd or of the window range, made at first use; NULL: none. */
    uint8_t *mapping;
    size_t mapping_bytes;
    size_t mapping_delta_bytes; /* from mapping to the first byte of the resource */
};

/* Resource by id; NULL when there is none or it is leaving. */
struct pv_gpu_resource *pv_gpu_resource_find(struct pv_gpu_device *device, uint32_t id);

/* Whether no resource may be made under this id: 0, or in use (a leaving one counts). */
bool pv_gpu_resource_id_is_taken(struct pv_gpu_device *device, uint32_t id);

/*
 * A new resource under an id, charged with size_bytes unless it is the guest's memory. Returns 0
 * with a borrowed resource; -EEXIST for id 0 or one in use; -ENOMEM when a limit or memory is
 * exhausted.
 */
PV_NODISCARD int pv_gpu_resource_create(struct pv_gpu_device *device, uint32_t id,
                                        enum pv_gpu_resource_kind kind, uint64_t size_bytes,
                                        struct pv_gpu_resource **ret_resource);

/* Take it out of the table and free it and all it has, at once. No tasks of it are in flight. */
void pv_gpu_resource_destroy(struct pv_gpu_resource *resource);

/* Destroy all of them (reset); the window's table is cleared by the caller. */
void pv_gpu_resource_destroy_all(struct pv_gpu_device *device);

/* Make a request wait until the resource is not busy. */
void pv_gpu_resource_wait(struct pv_gpu_resource *resource, struct pv_gpu_request *request);

/* Run what waits, until the resource is busy again or nothing is left. May free the resource. */
void pv_gpu_resource_run_waiting(struct pv_gpu_resource *resource);

/* Keep the resource allocated until the matching unhold, which may free it. */
void pv_gpu_resource_hold(struct pv_gpu_resource *resource);
void pv_gpu_resource_unhold(struct pv_gpu_resource *resource);

/* The context is being destroyed: no resource points to it any more. */
void pv_gpu_resource_forget_context(struct pv_gpu_device *device,
                                    const struct pv_gpu_guest_context *context);

/* The context is lost: what only its worker had is dead. */
void pv_gpu_resource_lose_context(struct pv_gpu_device *device,
                                  const struct pv_gpu_guest_context *context);

/* A `leave` of it has an outcome. May free the resource. */
void pv_gpu_resource_left(struct pv_gpu_resource *resource);

/* Commands. */
void pv_gpu_resource_unref(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_resource_assign_uuid(struct pv_gpu_request *request, struct pv_gpu_resource *resource);

#endif
