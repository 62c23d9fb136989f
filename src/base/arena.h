/* SPDX-License-Identifier: MIT */
/*
 * Scratch memory of one command: bump allocation, all freed at once by a reset that keeps the
 * blocks. The arrays and pNext nodes of decoded commands live here, so that decoding needs neither
 * malloc nor free once the arena is warm. One arena belongs to one thread.
 */
#ifndef PV_BASE_ARENA_H
#define PV_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* 256 MiB: decoded arrays are at most a few times as large as the stream that they come from, and
 * a stream is at most 64 MiB (PV_VENUS_STREAM_MAX_BYTES). One that needs more is refused. */
#define PV_BASE_ARENA_MAX_BYTES ((size_t)256 << 20)

/* The first block: enough for all but unusual commands. */
#define PV_BASE_ARENA_BLOCK_MIN_BYTES ((size_t)64 << 10)

/* A reset keeps blocks up to this sum, so that one huge command does not hold memory for ever. */
#define PV_BASE_ARENA_KEEP_BYTES ((size_t)1 << 20)

struct pv_base_arena_block;

struct pv_base_arena {
    uint8_t *cursor; /* next free byte of the current block */
    uint8_t *end;
    uint8_t *fresh; /* where cursor stands as long as nothing has been allocated */
    struct pv_base_arena_block *blocks; /* newest first */
    size_t total_bytes;
};

/* An all-zero arena is ready for use. */
void pv_base_arena_finish(struct pv_base_arena *arena);

/* The reset of an arena from which something has been allocated; see pv_base_arena_reset. */
void pv_base_arena_reset_used(struct pv_base_arena *arena);

/*
 * Forget all that was allocated; pointers into the arena are dead after this. Follows every
 * command, most of which allocate nothing.
 */
static inline void pv_base_arena_reset(struct pv_base_arena *arena)
{
    if (arena->cursor != arena->fresh) {
        pv_base_arena_reset_used(arena);
    }
}

/* The slow path of pv_base_arena_alloc; same contract. */
void *pv_base_arena_alloc_slow(struct pv_base_arena *arena, size_t size_bytes);

/*
 * Uninitialised memory, aligned to 16 bytes, alive until the next reset.
 * size_bytes may be 0 (a unique pointer comes back). NULL when the arena's cap or the host's
 * memory is exhausted.
 */
PV_NODISCARD static inline void *pv_base_arena_alloc(struct pv_base_arena *arena, size_t size_bytes)
{
    uint8_t *bytes = arena->cursor;

    if (PV_LIKELY(size_bytes <= PV_BASE_ARENA_MAX_BYTES)) {
        const size_t padded_bytes = (size_bytes + 16) & ~(size_t)15;

        if (PV_LIKELY(padded_bytes <= (size_t)(arena->end - arena->cursor))) {
            arena->cursor += padded_bytes;
            return bytes;
        }
    }
    return pv_base_arena_alloc_slow(arena, size_bytes);
}

#endif
