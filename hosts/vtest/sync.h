/* SPDX-License-Identifier: MIT */
/*
 * Sync objects of one vtest connection: 64-bit counters, and waits on them that end in a readable
 * file descriptor.
 *
 * Threads: the loop's.
 */
#ifndef PV_VTEST_SYNC_H
#define PV_VTEST_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Counters and waits of one connection; Mesa makes a few per queue and per fence. */
#define PV_VTEST_SYNC_MAX 65536u
/* Each open wait holds a descriptor; Mesa has one wait per thread. */
#define PV_VTEST_WAIT_MAX 256u
/* Counters in one wait, and in all: each write looks at all of them. */
#define PV_VTEST_WAIT_SYNCS_MAX       1024u
#define PV_VTEST_WAIT_SYNCS_TOTAL_MAX 16384u

struct pv_vtest_syncs;

struct pv_vtest_sync_target {
    uint32_t id;
    uint64_t value;
};

/* No counters yet. Returns 0 or -ENOMEM. */
PV_NODISCARD int pv_vtest_syncs_create(struct pv_vtest_syncs **ret_syncs);

/* Waits that are still open become readable, so that no client hangs. Accepts NULL. */
void pv_vtest_syncs_destroy(struct pv_vtest_syncs *syncs);

/* A new counter. Returns 0 with its id (> 0), -ENOSPC or -ENOMEM. */
PV_NODISCARD int pv_vtest_syncs_add(struct pv_vtest_syncs *syncs, uint64_t value, uint32_t *ret_id);

/* Returns whether there was one. Nobody waits for it any more. */
bool pv_vtest_syncs_remove(struct pv_vtest_syncs *syncs, uint32_t id);

/* Returns false when there is no such counter. */
PV_NODISCARD bool pv_vtest_syncs_read(const struct pv_vtest_syncs *syncs, uint32_t id,
                                      uint64_t *ret_value);

/* Set a counter (it may go down) and end the waits that it satisfies. False: no such counter. */
bool pv_vtest_syncs_write(struct pv_vtest_syncs *syncs, uint32_t id, uint64_t value);

/*
 * Set counters; unknown ones are passed over. Thousands of fences may retire in one turn of the
 * loop, so the waits that this satisfies end at the next pv_vtest_syncs_look, or before a counter
 * is changed in another way.
 */
void pv_vtest_syncs_write_many(struct pv_vtest_syncs *syncs,
                               const struct pv_vtest_sync_target *targets, size_t count);

/* End the waits that are satisfied, if pv_vtest_syncs_write_many has left any to be looked at. */
void pv_vtest_syncs_look(struct pv_vtest_syncs *syncs);

/* How many counters of waits were looked at since this was asked the last time. */
size_t pv_vtest_syncs_take_work(struct pv_vtest_syncs *syncs);

/*
 * Wait for all (or any) of count targets. *ret_fd becomes readable then; the caller sends it away
 * and closes it. timeout_ms: after it nobody looks any more (UINT32_MAX: never).
 * Returns 0, -ENOENT for an unknown counter, -ENOSPC, -ENOMEM or -errno.
 */
PV_NODISCARD int pv_vtest_syncs_wait(struct pv_vtest_syncs *syncs, bool any, uint32_t timeout_ms,
                                     const struct pv_vtest_sync_target *targets, size_t count,
                                     int *ret_fd);

#endif
