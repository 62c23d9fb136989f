/* SPDX-License-Identifier: MIT */
/*
 * Objects by guest id; see id_table.h. Pages of the dense part are made on first use and live as
 * long as the table, so that a reader never sees one go.
 */
#include "base/id_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define HASH_BUCKET_COUNT 4096u

struct hash_node {
    struct hash_node *next;
    struct pv_base_object *object;
};

struct pv_base_id_table_hash {
    pthread_mutex_t lock; /* guards everything here, and all changes of the dense part */
    size_t object_count;
    atomic_uint_fast64_t *published; /* its copy for others, or NULL */
    struct hash_node *buckets[HASH_BUCKET_COUNT];
};

static struct hash_node **hash_bucket(struct pv_base_id_table_hash *hash, uint64_t id)
{
    /* Fibonacci hashing: guest pointers differ in their middle bits. */
    const uint64_t mixed = id * UINT64_C(0x9e3779b97f4a7c15);

    return &hash->buckets[mixed >> 52];
}

int pv_base_id_table_create(struct pv_base_id_table **ret_table)
{
    struct pv_base_id_table *table = calloc(1, sizeof(*table));

    if (table == NULL) {
        return -ENOMEM;
    }
    table->hash = calloc(1, sizeof(*table->hash));
    if (table->hash == NULL || pthread_mutex_init(&table->hash->lock, NULL) != 0) {
        free(table->hash);
        free(table);
        return -ENOMEM;
    }
    *ret_table = table;
    return 0;
}

void pv_base_id_table_destroy(struct pv_base_id_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < PV_BASE_ID_TABLE_PAGE_COUNT; i++) {
        free(atomic_load_explicit(&table->pages[i], memory_order_relaxed));
    }
    for (size_t i = 0; i < HASH_BUCKET_COUNT; i++) {
        while (table->hash->buckets[i] != NULL) {
            struct hash_node *node = table->hash->buckets[i];

            table->hash->buckets[i] = node->next;
            free(node);
        }
    }
    pthread_mutex_destroy(&table->hash->lock);
    free(table->hash);
    free(table);
}

static int add_dense_locked(struct pv_base_id_table *table, struct pv_base_object *object)
{
    _Atomic(struct pv_base_id_table_page *) *slot =
        &table->pages[object->id >> PV_BASE_ID_TABLE_PAGE_BITS];
    struct pv_base_id_table_page *page = atomic_load_explicit(slot, memory_order_relaxed);
    _Atomic(struct pv_base_object *) *entry;

    if (page == NULL) {
        page = calloc(1, sizeof(*page));
        if (page == NULL) {
            return -ENOMEM;
        }
        atomic_store_explicit(slot, page, memory_order_release);
    }
    entry = &page->slots[object->id & (PV_BASE_ID_TABLE_PAGE_SLOTS - 1)];
    if (atomic_load_explicit(entry, memory_order_relaxed) != NULL) {
        return -EEXIST;
    }
    atomic_store_explicit(entry, object, memory_order_release);
    return 0;
}

static int add_sparse_locked(struct pv_base_id_table *table, struct pv_base_object *object)
{
    struct hash_node **bucket = hash_bucket(table->hash, object->id);
    struct hash_node *node;

    for (node = *bucket; node != NULL; node = node->next) {
        if (node->object->id == object->id) {
            return -EEXIST;
        }
    }
    node = malloc(sizeof(*node));
    if (node == NULL) {
        return -ENOMEM;
    }
    node->object = object;
    node->next = *bucket;
    *bucket = node;
    return 0;
}

static void set_count_locked(struct pv_base_id_table *table, size_t count)
{
    table->hash->object_count = count;
    if (table->hash->published != NULL) {
        atomic_store_explicit(table->hash->published, count, memory_order_relaxed);
    }
}

int pv_base_id_table_add(struct pv_base_id_table *table, struct pv_base_object *object)
{
    int r;

    if (object->id == 0) {
        return -EINVAL;
    }
    pthread_mutex_lock(&table->hash->lock);
    if (table->hash->object_count >= PV_BASE_ID_TABLE_OBJECT_MAX) {
        r = -ENOSPC;
    } else if (object->id < PV_BASE_ID_TABLE_DENSE_MAX) {
        r = add_dense_locked(table, object);
    } else {
        r = add_sparse_locked(table, object);
    }
    if (r == 0) {
        set_count_locked(table, table->hash->object_count + 1);
    }
    pthread_mutex_unlock(&table->hash->lock);
    return r;
}

static struct pv_base_object *remove_sparse_locked(struct pv_base_id_table *table, uint64_t id)
{
    for (struct hash_node **link = hash_bucket(table->hash, id); *link != NULL;
         link = &(*link)->next) {
        struct hash_node *node = *link;

        if (node->object->id == id) {
            struct pv_base_object *object = node->object;

            *link = node->next;
            free(node);
            return object;
        }
    }
    return NULL;
}

static struct pv_base_object *remove_locked(struct pv_base_id_table *table, uint64_t id)
{
    struct pv_base_object *object;

    if (id < PV_BASE_ID_TABLE_DENSE_MAX) {
        object = pv_base_id_table_find(table, id);
        if (object != NULL) {
            struct pv_base_id_table_page *page = atomic_load_explicit(
                &table->pages[id >> PV_BASE_ID_TABLE_PAGE_BITS], memory_order_relaxed);

            atomic_store_explicit(&page->slots[id & (PV_BASE_ID_TABLE_PAGE_SLOTS - 1)], NULL,
                                  memory_order_release);
        }
    } else {
        object = remove_sparse_locked(table, id);
    }
    if (object != NULL) {
        set_count_locked(table, table->hash->object_count - 1);
    }
    return object;
}

struct pv_base_object *pv_base_id_table_remove(struct pv_base_id_table *table, uint64_t id)
{
    struct pv_base_object *object;

    pthread_mutex_lock(&table->hash->lock);
    object = remove_locked(table, id);
    pthread_mutex_unlock(&table->hash->lock);
    return object;
}

static struct pv_base_object *find_sparse_locked(const struct pv_base_id_table *table, uint64_t id)
{
    for (struct hash_node *node = *hash_bucket(table->hash, id); node != NULL; node = node->next) {
        if (node->object->id == id) {
            return node->object;
        }
    }
    return NULL;
}

bool pv_base_id_table_remove_exact(struct pv_base_id_table *table,
                                   const struct pv_base_object *object)
{
    bool is_inside;

    pthread_mutex_lock(&table->hash->lock);
    is_inside = (object->id < PV_BASE_ID_TABLE_DENSE_MAX ? pv_base_id_table_find(table, object->id)
                                                         : find_sparse_locked(table, object->id))
                == object;
    if (is_inside) {
        (void)remove_locked(table, object->id);
    }
    pthread_mutex_unlock(&table->hash->lock);
    return is_inside;
}

struct pv_base_object *pv_base_id_table_find_sparse(const struct pv_base_id_table *table,
                                                    uint64_t id)
{
    struct pv_base_object *object;

    pthread_mutex_lock(&table->hash->lock);
    object = find_sparse_locked(table, id);
    pthread_mutex_unlock(&table->hash->lock);
    return object;
}

void pv_base_id_table_publish_count(struct pv_base_id_table *table, atomic_uint_fast64_t *word)
{
    table->hash->published = word;
    set_count_locked(table, table->hash->object_count);
}

size_t pv_base_id_table_count(const struct pv_base_id_table *table)
{
    size_t count;

    pthread_mutex_lock(&table->hash->lock);
    count = table->hash->object_count;
    pthread_mutex_unlock(&table->hash->lock);
    return count;
}
