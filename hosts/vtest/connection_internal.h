/* SPDX-License-Identifier: MIT */
/*
 * The inside of a vtest connection, shared by connection.c (socket and framing), commands.c,
 * resources.c and submit.c. Nobody else includes it.
 *
 * Threads: the loop's.
 */
#ifndef PV_VTEST_CONNECTION_INTERNAL_H
#define PV_VTEST_CONNECTION_INTERNAL_H

#include <stdbool.h>

#include "base/id_table.h"
#include "vtest/connection.h"
#include "vtest/outgoing.h"
#include "vtest/sync.h"

#define PV_VTEST_NAME_BYTES 64u

struct pv_vtest_fence;
struct pv_vtest_resource;

struct pv_vtest_connection {
    struct pv_vtest_connection_options options;

    /* connection.c */
    int fd;
    struct pv_os_source *source;
    struct pv_vtest_outgoing outgoing;
    struct pv_os_timer *later; /* to look at waits, and to go on with input that had to wait */
    uint64_t throttle_ns;      /* how long the last time; 0: the worker took the last message */
    bool is_throttled;         /* input waits for `later` */
    bool lost;                 /* the context is gone; wait for the client to notice */
    uint8_t *input;            /* received, not yet parsed */
    size_t input_bytes;
    size_t input_capacity_bytes;

    /* commands.c */
    struct pv_vtest_syncs *syncs;
    struct pv_gpu_context *context; /* NULL before CONTEXT_INIT */
    char name[PV_VTEST_NAME_BYTES];
    bool has_renderer;
    uint32_t version;

    /* resources.c */
    uint32_t next_resource_id;
    struct pv_base_id_table *resources; /* those that exist */
    struct pv_vtest_resource *resource_list;
    uint32_t resource_count;
    uint32_t shmem_count;
    bool blob_pending; /* an export is under way: its answer comes before all else */
    uint32_t blob_resource_id;
    uint64_t blob_size_bytes;

    /* submit.c */
    uint64_t next_fence_id;
    struct pv_vtest_fence *fences;      /* oldest first: the first is what retires, as a rule */
    struct pv_vtest_fence **fence_last; /* NULL before the first */
    uint32_t fence_sync_count;          /* of all fences */
    uint32_t batch_index;               /* the first of the message in hand that is not submitted */
};

/* A message in hand: its payload as words, private to us. */
struct pv_vtest_message {
    const uint32_t *words;
    uint32_t word_count;
};

/* The 64 bits that two words of a message make. */
static inline uint64_t pv_vtest_message_pair(const uint32_t *words)
{
    return (uint64_t)words[0] | (uint64_t)words[1] << 32;
}

/* See pv_vtest_outgoing_reply. */
static inline int pv_vtest_connection_reply(struct pv_vtest_connection *connection,
                                            uint32_t command, const uint32_t *words,
                                            uint32_t word_count, int fd)
{
    return pv_vtest_outgoing_reply(&connection->outgoing, command, words, word_count, fd);
}

/* What connection.c gives to the context that CONTEXT_INIT makes. */
extern const struct pv_gpu_context_events pv_vtest_connection_events;

#endif
