/* SPDX-License-Identifier: MIT */
/*
 * What the parties of one VM (or one vtest server) use together: one page of counters that the
 * device process and all its workers map.
 *
 * Goal: a limit of memory that holds for all contexts of a guest at once, without a question to the
 * device on each allocation, and live figures for `pearvisor top` that cost the decoder nothing.
 *
 * Data: a party has a slot. Slot 0 is the device's own; each worker gets one of the others. A slot
 * is written by its party alone, and cleared by the device when that party is gone, so that what a
 * killed worker held is given back to the byte.
 *
 * Charging: a party adds to its own word, then sums all words, and takes its addition back when the
 * sum is over the limit. All of it is sequentially consistent, so of two that charge at once at
 * least one sees the other: the limit is never passed, though both may be refused right below it.
 *
 * Trust: a worker that was taken over can write any slot. It can thus deny memory to the other
 * programs of its own VM, whose window it can write, too; it gains nothing, because memory that it
 * takes without charging is the host's to limit anyway. So the device takes no other decision on
 * these words, and sums them without overflow. Nor does what it wrote outlive it for long: the
 * device counts its own word for itself, and clears words that are nobody's when a worker ends.
 */
#ifndef PV_BASE_ACCOUNT_H
#define PV_BASE_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* The device and 256 workers (PV_RENDER_CONTEXT_MAX). */
#define PV_BASE_ACCOUNT_SLOT_COUNT 257u
#define PV_BASE_ACCOUNT_DEVICE     0u

/* Parties of a worker that decode: its rings (PV_VENUS_RING_MAX) and its message thread. */
#define PV_BASE_ACCOUNT_DECODER_COUNT 65u

/* Figures of one worker; nobody decides anything by them. */
struct pv_base_account_figures {
    /* Commands since the worker's start. Each word has one writer, the thread that decodes. */
    atomic_uint_fast64_t commands[PV_BASE_ACCOUNT_DECODER_COUNT];
    atomic_uint_fast64_t object_count;
    atomic_uint_fast64_t ring_count;
    atomic_uint_fast64_t stream_count; /* long streams that the worker is through with */
    uint64_t padding[4];               /* slots begin at cache lines */
};

/* Bytes of one kind that each slot holds, under one limit. */
struct pv_base_account_words {
    atomic_uint_fast64_t bytes[PV_BASE_ACCOUNT_SLOT_COUNT];
    uint64_t padding[7];
};

/* All zero at the start. Mapped by several processes of one build. */
struct pv_base_account {
    struct pv_base_account_words memory; /* Vulkan allocations, blobs, 2D resources, frames */
    struct pv_base_account_words copies; /* private copies of rings and command streams */
    struct pv_base_account_words spares; /* freed allocations that are kept for new ones */
    struct pv_base_account_figures figures[PV_BASE_ACCOUNT_SLOT_COUNT];
};

/*
 * Charge size_bytes to a slot. False, and nothing is charged, when all slots together would hold
 * more than limit_bytes. Any thread of the slot's party.
 */
PV_NODISCARD bool pv_base_account_charge(struct pv_base_account_words *words, uint32_t slot,
                                         uint64_t size_bytes, uint64_t limit_bytes);

/* Charge without asking: memory that changes its owner. Any thread of the slot's party. */
void pv_base_account_add(struct pv_base_account_words *words, uint32_t slot, uint64_t size_bytes);

/* Give back what was charged. Any thread of the slot's party. */
void pv_base_account_refund(struct pv_base_account_words *words, uint32_t slot,
                            uint64_t size_bytes);

/* Say what a slot holds, whatever stood there. For the slot's only writer, or when it has none. */
void pv_base_account_set(struct pv_base_account_words *words, uint32_t slot, uint64_t size_bytes);

/* Bytes of one slot, and of all slots; at most UINT64_MAX, whatever was written there. */
uint64_t pv_base_account_bytes(const struct pv_base_account_words *words, uint32_t slot);
uint64_t pv_base_account_sum(const struct pv_base_account_words *words);

/* Commands of a slot's decoders together. */
uint64_t pv_base_account_commands(const struct pv_base_account *account, uint32_t slot);

/* The party is gone: its words are zero again. The device's. */
void pv_base_account_clear(struct pv_base_account *account, uint32_t slot);

/* Count commands that the calling thread has decoded; word is its own. */
static inline void pv_base_account_count(atomic_uint_fast64_t *word, uint64_t count)
{
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

#endif
