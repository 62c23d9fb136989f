/* SPDX-License-Identifier: MIT */
/*
 * What a worker owes, and what is to be done for it should it die: requests without an answer,
 * fences that have not retired, and where its rings' status words lie.
 *
 * Threads: the loop's.
 */
#ifndef PV_RENDER_LEDGER_H
#define PV_RENDER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "gpu/context.h"

/* Fences of one context that may be outstanding. */
#define PV_RENDER_FENCES_MAX 65536u
/* Rings of one context, as the renderer caps them. */
#define PV_RENDER_RINGS_MAX 64u

struct pv_render_ledger_pending {
    struct pv_render_ledger_pending *next;
    uint64_t cookie;
    uint64_t since_ns;
    bool is_export;
};

struct pv_render_ledger_fence {
    struct pv_render_ledger_fence *next;
    uint32_t ring_index;
    uint64_t fence_id;
};

struct pv_render_ledger_shmem {
    struct pv_render_ledger_shmem *next;
    uint32_t resource_id;
    int fd;
    bool owns_fd; /* false: the window's, which outlives all contexts */
    uint64_t offset_bytes;
    uint64_t size_bytes;
};

struct pv_render_ledger_ring {
    uint32_t resource_id;
    uint64_t status_offset_bytes;
};

struct pv_render_ledger {
    struct pv_render_ledger_pending *pending; /* oldest first: answers come in order */
    struct pv_render_ledger_pending **pending_last;
    uint32_t pending_count;
    struct pv_render_ledger_fence *fences; /* oldest first: the first is what retires, as a rule */
    struct pv_render_ledger_fence **fence_last;
    uint32_t fence_count;
    struct pv_render_ledger_shmem *shmems;
    struct pv_render_ledger_ring rings[PV_RENDER_RINGS_MAX];
    uint32_t ring_count;
};

/* An empty ledger; finish frees what is left in it, and closes descriptors. */
void pv_render_ledger_init(struct pv_render_ledger *ledger);
void pv_render_ledger_finish(struct pv_render_ledger *ledger);

/* A request was sent. Returns 0, -ENOSPC at PV_RENDER_PENDING_MAX, -ENOMEM. */
PV_NODISCARD int pv_render_ledger_add_pending(struct pv_render_ledger *ledger, uint64_t cookie,
                                              bool is_export, uint64_t now_ns);

/* Its answer came: true and whether it was an export; false when nothing was asked so. */
bool pv_render_ledger_take_pending(struct pv_render_ledger *ledger, uint64_t cookie,
                                   bool *ret_is_export);

/* Any outstanding request, oldest first; false when none is left. */
PV_NODISCARD bool pv_render_ledger_pop_pending(struct pv_render_ledger *ledger,
                                               uint64_t *ret_cookie);

/* Fences, the same way. */
PV_NODISCARD int pv_render_ledger_add_fence(struct pv_render_ledger *ledger, uint32_t ring_index,
                                            uint64_t fence_id);
bool pv_render_ledger_take_fence(struct pv_render_ledger *ledger, uint32_t ring_index,
                                 uint64_t fence_id);
PV_NODISCARD bool pv_render_ledger_pop_fence(struct pv_render_ledger *ledger,
                                             uint32_t *ret_ring_index, uint64_t *ret_fence_id);

/*
 * Remember where a shared-memory resource lies. Its fd is duplicated, but for the window's. Returns
 * 0 or -errno.
 */
PV_NODISCARD int pv_render_ledger_add_shmem(struct pv_render_ledger *ledger, uint32_t resource_id,
                                            const struct pv_gpu_memory *memory);
void pv_render_ledger_remove_shmem(struct pv_render_ledger *ledger, uint32_t resource_id);

/* The worker made or ended a ring. False: more than it may have, or outside of its resource. */
PV_NODISCARD bool pv_render_ledger_set_ring(struct pv_render_ledger *ledger, uint32_t resource_id,
                                            uint64_t status_offset_bytes, bool present);

/* Set FATAL in all rings of a worker that is gone. */
void pv_render_ledger_set_rings_fatal(struct pv_render_ledger *ledger);

#endif
