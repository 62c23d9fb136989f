/* SPDX-License-Identifier: MIT */
/*
 * Submissions of a vtest client: batches of commands for its context, and the counters that move
 * when a batch has retired.
 *
 * Threads: the loop's.
 */
#ifndef PV_VTEST_SUBMIT_H
#define PV_VTEST_SUBMIT_H

#include <stdint.h>

#include "vtest/connection_internal.h"

/* SUBMIT_CMD2. Returns 0, or -errno: the connection is over then. */
PV_NODISCARD int pv_vtest_submit_serve(struct pv_vtest_connection *connection,
                                       const struct pv_vtest_message *message);

/* A fence of the context has retired: its counters move. Unknown fences are passed over. */
void pv_vtest_submit_fence_retired(struct pv_vtest_connection *connection, uint32_t ring_index,
                                   uint64_t fence_id);

/* Forget fences that have not retired; their counters stay as they are. */
void pv_vtest_submit_finish(struct pv_vtest_connection *connection);

#endif
