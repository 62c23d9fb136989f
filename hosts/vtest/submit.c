/* SPDX-License-Identifier: MIT */
/*
 * Submissions of a vtest client; see submit.h.
 */
#include "vtest/submit.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "vtest/protocol.h"

/* Counters to write when a fence retires. */
struct pv_vtest_fence {
    struct pv_vtest_fence *next;
    uint64_t id;
    uint32_t ring_index;
    uint32_t count;
    struct pv_vtest_sync_target targets[];
};

/* The batch of a fence has retired, or never will: its counters move. Or it was not taken. */
static void fence_end(struct pv_vtest_connection *connection, struct pv_vtest_fence **link,
                      bool has_retired)
{
    struct pv_vtest_fence *fence = *link;

    *link = fence->next;
    if (*link == NULL) {
        connection->fence_last = link;
    }
    connection->fence_sync_count -= fence->count;
    if (has_retired) {
        pv_vtest_syncs_write_many(connection->syncs, fence->targets, fence->count);
        pv_os_timer_set(connection->later, 0);
    }
    free(fence);
}

static int submit_batch(struct pv_vtest_connection *connection,
                        const struct pv_vtest_message *message, const uint32_t *batch)
{
    const uint32_t sync_count = batch[4];
    const uint32_t ring_index = batch[5];
    struct pv_vtest_fence *fence;
    struct pv_vtest_fence **link;
    int r;

    if (batch[0] != PV_VTEST_SUBMIT_FLAG_RING_IDX || ring_index >= 64
        || !pv_base_range_is_inside(batch[1], batch[2], message->word_count)
        || !pv_base_range_is_inside(batch[3], (uint64_t)sync_count * 3, message->word_count)) {
        return -EPROTO;
    }
    if (sync_count == 0) {
        return connection->options.contexts->submit(connection->context, &message->words[batch[1]],
                                                    (size_t)batch[2] * 4, false, 0, 0);
    }
    if (sync_count > PV_VTEST_FENCE_SYNCS_MAX - connection->fence_sync_count) {
        return -ENOSPC;
    }
    fence = calloc(1, sizeof(*fence) + sizeof(fence->targets[0]) * sync_count);
    if (fence == NULL) {
        return -ENOMEM;
    }
    fence->id = connection->next_fence_id++;
    fence->ring_index = ring_index;
    fence->count = sync_count;
    for (uint32_t i = 0; i < sync_count; i++) {
        const uint32_t *words = &message->words[batch[3] + i * 3];

        fence->targets[i] =
            (struct pv_vtest_sync_target){words[0], pv_vtest_message_pair(&words[1])};
    }
    link = connection->fences != NULL ? connection->fence_last : &connection->fences;
    *link = fence;
    connection->fence_last = &fence->next;
    connection->fence_sync_count += sync_count;
    r = connection->options.contexts->submit(connection->context, &message->words[batch[1]],
                                             (size_t)batch[2] * 4, true, ring_index, fence->id);
    if (r < 0) {
        fence_end(connection, link, r != -EAGAIN);
    }
    return r;
}

/* Batches share no words: else one message would become thousands of copies of itself. */
static bool batches_fit(const struct pv_vtest_message *message, uint32_t batch_count)
{
    uint64_t words = 1 + (uint64_t)batch_count * PV_VTEST_BATCH_WORDS;

    for (uint32_t i = 0; i < batch_count && words <= message->word_count; i++) {
        const uint32_t *batch = &message->words[1 + i * PV_VTEST_BATCH_WORDS];

        words += batch[2] + (uint64_t)batch[4] * 3;
    }
    return words <= message->word_count;
}

int pv_vtest_submit_serve(struct pv_vtest_connection *connection,
                          const struct pv_vtest_message *message)
{
    const uint32_t batch_count = message->word_count > 0 ? message->words[0] : 0;

    if (connection->context == NULL || message->word_count == 0
        || batch_count > (message->word_count - 1) / PV_VTEST_BATCH_WORDS
        || !batches_fit(message, batch_count)) {
        return -EPROTO;
    }
    while (connection->batch_index < batch_count) {
        const uint32_t *batch = &message->words[1 + connection->batch_index * PV_VTEST_BATCH_WORDS];
        const int r = submit_batch(connection, message, batch);

        if (r < 0 && r != -EIO) {
            return r;
        }
        connection->batch_index++;
    }
    connection->batch_index = 0;
    return 0;
}

void pv_vtest_submit_fence_retired(struct pv_vtest_connection *connection, uint32_t ring_index,
                                   uint64_t fence_id)
{
    for (struct pv_vtest_fence **link = &connection->fences; *link != NULL; link = &(*link)->next) {
        if ((*link)->id == fence_id && (*link)->ring_index == ring_index) {
            fence_end(connection, link, true);
            return;
        }
    }
}

void pv_vtest_submit_finish(struct pv_vtest_connection *connection)
{
    while (connection->fences != NULL) {
        struct pv_vtest_fence *fence = connection->fences;

        connection->fences = fence->next;
        free(fence);
    }
}
