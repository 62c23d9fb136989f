/* SPDX-License-Identifier: MIT */
/*
 * The counters of a VM's parties; see account.h.
 */
#include "base/account.h"

#include <assert.h>

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "the words are shared by processes");
static_assert(sizeof(struct pv_base_account_figures) % 64 == 0, "one writer for a cache line");
static_assert(offsetof(struct pv_base_account, figures) % 64 == 0, "slots begin at cache lines");

static uint64_t add_or_max(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t pv_base_account_bytes(const struct pv_base_account_words *words, uint32_t slot)
{
    return atomic_load_explicit(&words->bytes[slot], memory_order_seq_cst);
}

uint64_t pv_base_account_sum(const struct pv_base_account_words *words)
{
    uint64_t sum_bytes = 0;

    for (uint32_t i = 0; i < PV_BASE_ACCOUNT_SLOT_COUNT; i++) {
        sum_bytes = add_or_max(sum_bytes, pv_base_account_bytes(words, i));
    }
    return sum_bytes;
}

bool pv_base_account_charge(struct pv_base_account_words *words, uint32_t slot, uint64_t size_bytes,
                            uint64_t limit_bytes)
{
    atomic_uint_fast64_t *word = &words->bytes[slot];
    uint_fast64_t used = atomic_load_explicit(word, memory_order_seq_cst);

    /* Not beyond the limit even for a moment: others would be refused for what nobody gets. */
    do {
        if (size_bytes > limit_bytes || used > limit_bytes - size_bytes) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(word, &used, used + size_bytes,
                                                    memory_order_seq_cst, memory_order_seq_cst));
    if (size_bytes > 0 && pv_base_account_sum(words) > limit_bytes) {
        pv_base_account_refund(words, slot, size_bytes);
        return false;
    }
    return true;
}

void pv_base_account_add(struct pv_base_account_words *words, uint32_t slot, uint64_t size_bytes)
{
    (void)atomic_fetch_add_explicit(&words->bytes[slot], size_bytes, memory_order_seq_cst);
}

void pv_base_account_refund(struct pv_base_account_words *words, uint32_t slot, uint64_t size_bytes)
{
    (void)atomic_fetch_sub_explicit(&words->bytes[slot], size_bytes, memory_order_seq_cst);
}

void pv_base_account_set(struct pv_base_account_words *words, uint32_t slot, uint64_t size_bytes)
{
    atomic_store_explicit(&words->bytes[slot], size_bytes, memory_order_seq_cst);
}

uint64_t pv_base_account_commands(const struct pv_base_account *account, uint32_t slot)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < PV_BASE_ACCOUNT_DECODER_COUNT; i++) {
        sum = add_or_max(
            sum, atomic_load_explicit(&account->figures[slot].commands[i], memory_order_relaxed));
    }
    return sum;
}

void pv_base_account_clear(struct pv_base_account *account, uint32_t slot)
{
    struct pv_base_account_figures *figures = &account->figures[slot];

    for (uint32_t i = 0; i < PV_BASE_ACCOUNT_DECODER_COUNT; i++) {
        atomic_store_explicit(&figures->commands[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&figures->object_count, 0, memory_order_relaxed);
    atomic_store_explicit(&figures->ring_count, 0, memory_order_relaxed);
    atomic_store_explicit(&figures->stream_count, 0, memory_order_relaxed);
    pv_base_account_set(&account->copies, slot, 0);
    pv_base_account_set(&account->spares, slot, 0);
    pv_base_account_set(&account->memory, slot, 0);
}
