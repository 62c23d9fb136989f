/* SPDX-License-Identifier: MIT */
/*
 * A runner of contexts for fuzz targets: it keeps to the contract of gpu/context.h, and the input
 * decides within it: which calls fail, in what order answers come, which contexts are lost.
 *
 * Threads: one.
 */
#ifndef PV_TESTS_FUZZ_BACKEND_H
#define PV_TESTS_FUZZ_BACKEND_H

#include "fuzz/fuzz.h"
#include "gpu/context.h"

#define FUZZ_BACKEND_CONTEXTS_MAX 32u
#define FUZZ_BACKEND_OWED_MAX     512u

/* Bits of the mode. */
#define FUZZ_BACKEND_AT_ONCE 1u /* answers and fences come from inside the call, or from settle */
#define FUZZ_BACKEND_FAILS   2u /* calls return -ENOMEM */
#define FUZZ_BACKEND_FILES   4u /* exported memory has a descriptor */

/* An answer or a fence that is owed. */
struct fuzz_owed {
    struct pv_gpu_context *context;
    bool is_fence;
    bool is_export;
    uint32_t ring_index;
    uint64_t id; /* cookie or fence */
    uint64_t size_bytes;
};

struct pv_gpu_context {
    struct fuzz_backend *backend;
    const struct pv_gpu_context_events *events;
    void *user;
    bool is_live;
    bool is_lost;
};

struct fuzz_backend {
    uint8_t mode;
    bool defers; /* the user cannot take an event from inside a call */
    unsigned live_count;
    struct pv_gpu_context contexts[FUZZ_BACKEND_CONTEXTS_MAX];
    unsigned owed_count;
    struct fuzz_owed owed[FUZZ_BACKEND_OWED_MAX];
};

extern const struct pv_gpu_context_ops fuzz_backend_ops;

void fuzz_backend_init(struct fuzz_backend *backend);

/* One more action: answer one that is owed, lose a context, change the mode. */
void fuzz_backend_act(struct fuzz_backend *backend, struct fuzz_input *in);

/* With AT_ONCE and defers: the answers that are owed. */
void fuzz_backend_settle(struct fuzz_backend *backend);

/* All contexts have been destroyed, as their users must. */
void fuzz_backend_check(const struct fuzz_backend *backend);

#endif
