/* SPDX-License-Identifier: MIT */
/*
 * Objects by the 64-bit id that a guest chose.
 *
 * Goal: a look-up costs two loads, takes no lock and may run on many threads. Stock Mesa numbers
 * its objects with one small counter, so ids below 2^24 live in a two-level array; any other id
 * lives in a hash table behind a lock (correct, slower).
 *
 * Threads: find from any thread; add and remove from any thread, serialised by the table's lock.
 * Life: the table borrows the objects. Who removes one must know that no other thread still uses
 * it (src/venus/context.h says how rings agree on that) before it frees the object.
 */
#ifndef PV_BASE_ID_TABLE_H
#define PV_BASE_ID_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define PV_BASE_ID_TABLE_PAGE_BITS  12
#define PV_BASE_ID_TABLE_PAGE_COUNT 4096
#define PV_BASE_ID_TABLE_PAGE_SLOTS (1u << PV_BASE_ID_TABLE_PAGE_BITS)
#define PV_BASE_ID_TABLE_DENSE_MAX                                                                 \
    ((uint64_t)PV_BASE_ID_TABLE_PAGE_COUNT << PV_BASE_ID_TABLE_PAGE_BITS)

/* 4 Mi objects in one table: far above what programs make, low enough to bound memory. */
#define PV_BASE_ID_TABLE_OBJECT_MAX ((size_t)4 << 20)

/* First member of whatever the table holds. Immutable once added, but for `poisoned`. */
struct pv_base_object {
    uint64_t id;          /* never 0 */
    uint64_t handle;      /* the host's handle, 0 while poisoned */
    uint32_t type;        /* the owner's numbering: VkObjectType for Venus objects */
    bool poisoned;        /* its creation failed after the guest was told that it works */
    const void *dispatch; /* host function table for calls on this object, NULL if none */
};

struct pv_base_id_table_page {
    _Atomic(struct pv_base_object *) slots[PV_BASE_ID_TABLE_PAGE_SLOTS];
};

struct pv_base_id_table {
    _Atomic(struct pv_base_id_table_page *) pages[PV_BASE_ID_TABLE_PAGE_COUNT];
    struct pv_base_id_table_hash *hash; /* ids from 2^24 on */
};

/* Returns 0 and an empty table that the caller destroys, or -ENOMEM. */
PV_NODISCARD int pv_base_id_table_create(struct pv_base_id_table **ret_table);

/* Objects still inside are not touched. Accepts NULL. No other thread may use the table. */
void pv_base_id_table_destroy(struct pv_base_id_table *table);

/* Returns 0; -EINVAL for id 0; -EEXIST when taken; -ENOSPC at the cap; -ENOMEM. */
PV_NODISCARD int pv_base_id_table_add(struct pv_base_id_table *table,
                                      struct pv_base_object *object);

/* Take the object out and hand it back; NULL when there is none with that id. */
struct pv_base_object *pv_base_id_table_remove(struct pv_base_id_table *table, uint64_t id);

/* Take this very object out; false when its id names another one, or none. */
bool pv_base_id_table_remove_exact(struct pv_base_id_table *table,
                                   const struct pv_base_object *object);

/*
 * Keep a copy of the number of objects in *word (borrowed; NULL: no more), for who cannot ask, such
 * as another process. Before other threads use the table.
 */
void pv_base_id_table_publish_count(struct pv_base_id_table *table, atomic_uint_fast64_t *word);

/* Number of objects inside. Any thread. */
size_t pv_base_id_table_count(const struct pv_base_id_table *table);

/* find for ids outside the dense range; same contract as pv_base_id_table_find. */
struct pv_base_object *pv_base_id_table_find_sparse(const struct pv_base_id_table *table,
                                                    uint64_t id);

/* Borrowed object with that id, NULL when there is none (id 0 included). */
static inline struct pv_base_object *pv_base_id_table_find(const struct pv_base_id_table *table,
                                                           uint64_t id)
{
    struct pv_base_id_table_page *page;

    if (PV_UNLIKELY(id >= PV_BASE_ID_TABLE_DENSE_MAX)) {
        return pv_base_id_table_find_sparse(table, id);
    }
    page =
        atomic_load_explicit(&table->pages[id >> PV_BASE_ID_TABLE_PAGE_BITS], memory_order_acquire);
    if (PV_UNLIKELY(page == NULL)) {
        return NULL;
    }
    return atomic_load_explicit(&page->slots[id & (PV_BASE_ID_TABLE_PAGE_SLOTS - 1)],
                                memory_order_acquire);
}

#endif
