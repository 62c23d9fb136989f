/* SPDX-License-Identifier: MIT */
/*
 * What a worker owes; see ledger.h. Lists are short: a guest waits for most of its requests.
 */
#include "render/ledger.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/checked.h"
#include "os/fd.h"
#include "os/shm.h"
#include "render/context.h"

/* VkRingStatusFlagBitsMESA of VK_MESA_venus_protocol. */
#define RING_STATUS_FATAL 0x2u

void pv_render_ledger_init(struct pv_render_ledger *ledger)
{
    *ledger = (struct pv_render_ledger){0};
    ledger->pending_last = &ledger->pending;
    ledger->fence_last = &ledger->fences;
}

void pv_render_ledger_finish(struct pv_render_ledger *ledger)
{
    uint64_t id;
    uint32_t ring_index;

    while (pv_render_ledger_pop_pending(ledger, &id)) {
    }
    while (pv_render_ledger_pop_fence(ledger, &ring_index, &id)) {
    }
    while (ledger->shmems != NULL) {
        pv_render_ledger_remove_shmem(ledger, ledger->shmems->resource_id);
    }
}

int pv_render_ledger_add_pending(struct pv_render_ledger *ledger, uint64_t cookie, bool is_export,
                                 uint64_t now_ns)
{
    struct pv_render_ledger_pending *pending;

    if (ledger->pending_count >= PV_RENDER_PENDING_MAX) {
        return -ENOSPC;
    }
    pending = calloc(1, sizeof(*pending));
    if (pending == NULL) {
        return -ENOMEM;
    }
    pending->cookie = cookie;
    pending->is_export = is_export;
    pending->since_ns = now_ns;
    *ledger->pending_last = pending;
    ledger->pending_last = &pending->next;
    ledger->pending_count++;
    return 0;
}

bool pv_render_ledger_take_pending(struct pv_render_ledger *ledger, uint64_t cookie,
                                   bool *ret_is_export)
{
    for (struct pv_render_ledger_pending **link = &ledger->pending; *link != NULL;
         link = &(*link)->next) {
        struct pv_render_ledger_pending *pending = *link;

        if (pending->cookie == cookie) {
            *ret_is_export = pending->is_export;
            *link = pending->next;
            if (*link == NULL) {
                ledger->pending_last = link;
            }
            ledger->pending_count--;
            free(pending);
            return true;
        }
    }
    return false;
}

bool pv_render_ledger_pop_pending(struct pv_render_ledger *ledger, uint64_t *ret_cookie)
{
    bool is_export;

    if (ledger->pending == NULL) {
        return false;
    }
    *ret_cookie = ledger->pending->cookie;
    return pv_render_ledger_take_pending(ledger, *ret_cookie, &is_export);
}

int pv_render_ledger_add_fence(struct pv_render_ledger *ledger, uint32_t ring_index,
                               uint64_t fence_id)
{
    struct pv_render_ledger_fence *fence;

    if (ledger->fence_count >= PV_RENDER_FENCES_MAX) {
        return -ENOSPC;
    }
    fence = calloc(1, sizeof(*fence));
    if (fence == NULL) {
        return -ENOMEM;
    }
    fence->ring_index = ring_index;
    fence->fence_id = fence_id;
    *ledger->fence_last = fence;
    ledger->fence_last = &fence->next;
    ledger->fence_count++;
    return 0;
}

bool pv_render_ledger_take_fence(struct pv_render_ledger *ledger, uint32_t ring_index,
                                 uint64_t fence_id)
{
    for (struct pv_render_ledger_fence **link = &ledger->fences; *link != NULL;
         link = &(*link)->next) {
        struct pv_render_ledger_fence *fence = *link;

        if (fence->ring_index == ring_index && fence->fence_id == fence_id) {
            *link = fence->next;
            if (*link == NULL) {
                ledger->fence_last = link;
            }
            ledger->fence_count--;
            free(fence);
            return true;
        }
    }
    return false;
}

bool pv_render_ledger_pop_fence(struct pv_render_ledger *ledger, uint32_t *ret_ring_index,
                                uint64_t *ret_fence_id)
{
    const struct pv_render_ledger_fence *oldest = ledger->fences;

    if (oldest == NULL) {
        return false;
    }
    *ret_ring_index = oldest->ring_index;
    *ret_fence_id = oldest->fence_id;
    return pv_render_ledger_take_fence(ledger, *ret_ring_index, *ret_fence_id);
}

int pv_render_ledger_add_shmem(struct pv_render_ledger *ledger, uint32_t resource_id,
                               const struct pv_gpu_memory *memory)
{
    struct pv_render_ledger_shmem *shmem = calloc(1, sizeof(*shmem));

    if (shmem == NULL) {
        return -ENOMEM;
    }
    /* The window is open as long as the device is; only other files need a descriptor each. */
    shmem->owns_fd = !memory->in_window;
    shmem->fd = shmem->owns_fd ? pv_os_fd_duplicate(memory->fd) : memory->fd;
    if (shmem->fd < 0) {
        const int r = shmem->fd;

        free(shmem);
        return r;
    }
    shmem->resource_id = resource_id;
    shmem->offset_bytes = memory->offset_bytes;
    shmem->size_bytes = memory->size_bytes;
    shmem->next = ledger->shmems;
    ledger->shmems = shmem;
    return 0;
}

void pv_render_ledger_remove_shmem(struct pv_render_ledger *ledger, uint32_t resource_id)
{
    for (struct pv_render_ledger_shmem **link = &ledger->shmems; *link != NULL;
         link = &(*link)->next) {
        struct pv_render_ledger_shmem *shmem = *link;

        if (shmem->resource_id == resource_id) {
            *link = shmem->next;
            if (shmem->owns_fd) {
                pv_os_fd_close(shmem->fd);
            }
            free(shmem);
            return;
        }
    }
}

static const struct pv_render_ledger_shmem *find_shmem(const struct pv_render_ledger *ledger,
                                                       uint32_t resource_id)
{
    const struct pv_render_ledger_shmem *shmem = ledger->shmems;

    while (shmem != NULL && shmem->resource_id != resource_id) {
        shmem = shmem->next;
    }
    return shmem;
}

static bool status_is_inside(const struct pv_render_ledger_shmem *shmem, uint64_t offset_bytes)
{
    return (offset_bytes & 3) == 0 && pv_base_range_is_inside(offset_bytes, 4, shmem->size_bytes);
}

bool pv_render_ledger_set_ring(struct pv_render_ledger *ledger, uint32_t resource_id,
                               uint64_t status_offset_bytes, bool present)
{
    const struct pv_render_ledger_shmem *shmem = find_shmem(ledger, resource_id);
    uint32_t i = 0;

    while (i < ledger->ring_count
           && (ledger->rings[i].resource_id != resource_id
               || ledger->rings[i].status_offset_bytes != status_offset_bytes)) {
        i++;
    }
    if (!present) {
        /* The ring's memory may have been given back before the worker told. */
        if (i < ledger->ring_count) {
            ledger->rings[i] = ledger->rings[--ledger->ring_count];
        }
        return true;
    }
    if (i < ledger->ring_count || ledger->ring_count == PV_RENDER_RINGS_MAX) {
        return false;
    }
    if (shmem != NULL && !status_is_inside(shmem, status_offset_bytes)) {
        return false;
    }
    ledger->rings[ledger->ring_count++] =
        (struct pv_render_ledger_ring){resource_id, status_offset_bytes};
    return true;
}

void pv_render_ledger_set_rings_fatal(struct pv_render_ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->ring_count; i++) {
        const struct pv_render_ledger_shmem *shmem =
            find_shmem(ledger, ledger->rings[i].resource_id);
        void *memory;

        /* A ring may have been told of before its memory was attached: it is checked here again. */
        if (shmem == NULL || !status_is_inside(shmem, ledger->rings[i].status_offset_bytes)
            || pv_os_shm_map(shmem->fd, shmem->offset_bytes, (size_t)shmem->size_bytes, &memory)
                   < 0) {
            continue;
        }
        atomic_fetch_or_explicit(
            (_Atomic(uint32_t) *)(void *)((uint8_t *)memory + ledger->rings[i].status_offset_bytes),
            RING_STATUS_FATAL, memory_order_seq_cst);
        pv_os_shm_unmap(memory, (size_t)shmem->size_bytes);
    }
    ledger->ring_count = 0;
}
