/* SPDX-License-Identifier: MIT */
/*
 * Scratch memory of one command; see arena.h.
 */
#include "base/arena.h"

#include <stdlib.h>

struct pv_base_arena_block {
    struct pv_base_arena_block *older;
    size_t size_bytes; /* of the payload */
    _Alignas(16) uint8_t payload[];
};

static void arena_use(struct pv_base_arena *arena, struct pv_base_arena_block *block)
{
    arena->cursor = block->payload;
    arena->fresh = block->payload;
    arena->end = block->payload + block->size_bytes;
}

void pv_base_arena_finish(struct pv_base_arena *arena)
{
    while (arena->blocks != NULL) {
        struct pv_base_arena_block *block = arena->blocks;

        arena->blocks = block->older;
        free(block);
    }
    *arena = (struct pv_base_arena){0};
}

void pv_base_arena_reset_used(struct pv_base_arena *arena)
{
    /* The newest block is the largest, so it is the one worth keeping. */
    if (arena->blocks == NULL) {
        return;
    }
    while (arena->blocks->older != NULL) {
        struct pv_base_arena_block *block = arena->blocks->older;

        arena->blocks->older = block->older;
        arena->total_bytes -= block->size_bytes;
        free(block);
    }
    if (arena->blocks->size_bytes > PV_BASE_ARENA_KEEP_BYTES) {
        pv_base_arena_finish(arena);
        return;
    }
    arena_use(arena, arena->blocks);
}

PV_COLD void *pv_base_arena_alloc_slow(struct pv_base_arena *arena, size_t size_bytes)
{
    size_t block_bytes = PV_BASE_ARENA_BLOCK_MIN_BYTES;
    struct pv_base_arena_block *block;

    if (size_bytes > PV_BASE_ARENA_MAX_BYTES) {
        return NULL;
    }
    if (arena->blocks != NULL) {
        block_bytes = arena->blocks->size_bytes * 2;
    }
    while (block_bytes < size_bytes + 16) {
        block_bytes *= 2;
    }
    if (block_bytes > PV_BASE_ARENA_MAX_BYTES * 2 || arena->total_bytes > PV_BASE_ARENA_MAX_BYTES) {
        return NULL;
    }
    block = malloc(sizeof(*block) + block_bytes);
    if (block == NULL) {
        return NULL;
    }
    block->older = arena->blocks;
    block->size_bytes = block_bytes;
    arena->blocks = block;
    arena->total_bytes += block_bytes;
    arena_use(arena, block);
    return pv_base_arena_alloc(arena, size_bytes);
}
