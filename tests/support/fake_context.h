/* SPDX-License-Identifier: MIT */
/*
 * A runner of contexts that does nothing: it records what the device asks, answers when the test
 * says so (or at once, from inside the call), and fails on demand.
 */
#ifndef PV_TESTS_FAKE_CONTEXT_H
#define PV_TESTS_FAKE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/context.h"

enum fake_op {
    FAKE_CREATE,
    FAKE_DESTROY,
    FAKE_ATTACH,
    FAKE_LEAVE,
    FAKE_SUBMIT,
    FAKE_EXPORT,
    FAKE_PLACE,
    FAKE_OP_COUNT,
};

struct fake_call {
    enum fake_op op;
    uint32_t context_id;
    uint32_t resource_id;
    uint64_t cookie;
    uint64_t offset_bytes; /* attach: of the memory; place */
    uint64_t size_bytes;
    uint64_t blob_id;
    uint32_t blob_flags;
    uint32_t capset_id;
    uint32_t ring_index;
    uint64_t fence_id;
    bool fenced;
    bool in_window;
    bool is_shmem;
    char name[64];
    uint8_t bytes[64]; /* submit: the first ones */
};

#define FAKE_CALL_MAX    4096
#define FAKE_CONTEXT_MAX 64

struct fake_contexts;

struct pv_gpu_context {
    struct fake_contexts *fake;
    uint32_t id;
    const struct pv_gpu_context_events *events;
    void *user;
    bool live;
};

struct fake_contexts {
    bool answer_at_once;          /* done and fence_retired come from inside the call */
    size_t busy_after;            /* not 0: so many submissions are taken, then -EAGAIN */
    bool ends_slowly;             /* `lost` follows a destroy by the guest when the test says so */
    bool exports_have_fd;         /* exported memory is shared memory of its own */
    int fail_with[FAKE_OP_COUNT]; /* not 0: what every call of that op returns */
    struct fake_call calls[FAKE_CALL_MAX];
    size_t call_count;
    struct pv_gpu_context contexts[FAKE_CONTEXT_MAX];
    size_t context_count;
};

extern const struct pv_gpu_context_ops fake_context_ops;

/* The n-th call of an op from the end (0: the last one); fails the test when there is none. */
const struct fake_call *fake_last(const struct fake_contexts *fake, enum fake_op op, size_t n);

/* How many calls of an op there were. */
size_t fake_count(const struct fake_contexts *fake, enum fake_op op);

/* The outcome of a recorded call (EXPORT, PLACE, LEAVE). An export that succeeds gives an fd or
 * not, as exports_have_fd says. */
void fake_answer(struct fake_contexts *fake, const struct fake_call *call, int status);

/* The same with memory of the test's choice. */
void fake_answer_export(struct fake_contexts *fake, const struct fake_call *call,
                        const struct pv_gpu_exported *exported);

void fake_retire(struct fake_contexts *fake, uint32_t context_id, uint32_t ring_index,
                 uint64_t fence_id);

/* Lose a context as the contract says: outstanding outcomes first, then the event. */
void fake_lose(struct fake_contexts *fake, uint32_t context_id);

/* Only the event: a runner that forgets the rest. */
void fake_lose_rudely(struct fake_contexts *fake, uint32_t context_id);

#endif
