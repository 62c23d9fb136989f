/* SPDX-License-Identifier: MIT */
/*
 * Objects and their removal; see object.h.
 */
#include "venus/object.h"

#include <errno.h>
#include <stdlib.h>

#include "os/clock.h"
#include "venus/device.h"
#include "venus/ring.h"
#include "venus_wire/codec.h"

void pv_venus_batch_begin(struct pv_venus_decoder *decoder)
{
    atomic_fetch_add_explicit(&decoder->batch, 1, memory_order_seq_cst);
}

void pv_venus_batch_end(struct pv_venus_decoder *decoder)
{
    atomic_fetch_add_explicit(&decoder->batch, 1, memory_order_seq_cst);
}

void pv_venus_objects_prepare_for_ring(struct pv_venus_context *context)
{
    atomic_fetch_add_explicit(&context->ring_count, 1, memory_order_seq_cst);
}

/* Wait until `other` is outside of a batch, or in a later one than now. */
static void wait_for_batch(const struct pv_venus_decoder *other)
{
    const uint_fast64_t seen = atomic_load_explicit(&other->batch, memory_order_seq_cst);

    if ((seen & 1u) == 0) {
        return;
    }
    /* A batch ends even when the context does: waits inside of one look at `stopping`. */
    while (atomic_load_explicit(&other->batch, memory_order_seq_cst) == seen) {
        pv_os_clock_sleep_ns(20000);
    }
}

/*
 * One ring at a time waits for the others. It enters a batch again before it lets the next one
 * wait, so whoever comes later also waits for what it does with its removed objects.
 */
static void wait_for_other_rings(struct pv_venus_decoder *decoder)
{
    struct pv_venus_context *context = decoder->context;
    const uint32_t own_count = decoder->ring != NULL ? 1 : 0;

    pv_venus_batch_end(decoder);
    pthread_mutex_lock(&context->remove_lock);
    for (size_t i = 0;
         i < PV_VENUS_RING_MAX
         && atomic_load_explicit(&context->ring_count, memory_order_seq_cst) > own_count;
         i++) {
        struct pv_venus_ring *ring;

        /* The message thread frees a ring only after its thread is gone, and under this lock. */
        pthread_mutex_lock(&context->lock);
        ring = context->rings[i];
        pthread_mutex_unlock(&context->lock);
        if (ring != NULL && ring != decoder->ring) {
            wait_for_batch(pv_venus_ring_decoder(ring));
        }
    }
    if (decoder != &context->decoder) {
        wait_for_batch(&context->decoder);
    }
    pv_venus_batch_begin(decoder);
    pthread_mutex_unlock(&context->remove_lock);
}

static void list_add(struct pv_venus_object **head, struct pv_venus_object *object)
{
    object->previous = NULL;
    object->next = *head;
    if (*head != NULL) {
        (*head)->previous = object;
    }
    *head = object;
}

static void list_remove(struct pv_venus_object **head, struct pv_venus_object *object)
{
    if (object->previous != NULL) {
        object->previous->next = object->next;
    } else if (*head == object) {
        *head = object->next;
    }
    if (object->next != NULL) {
        object->next->previous = object->previous;
    }
    object->previous = NULL;
    object->next = NULL;
}

static bool is_pool(uint32_t type)
{
    return type == VK_OBJECT_TYPE_COMMAND_POOL || type == VK_OBJECT_TYPE_DESCRIPTOR_POOL;
}

static void raise_for(struct pv_venus_decoder *decoder, int error, uint64_t id)
{
    enum pv_base_fault_kind kind = PV_BASE_FAULT_ID;

    if (error == -ENOMEM) {
        kind = PV_BASE_FAULT_MEMORY;
    } else if (error == -ENOSPC) {
        kind = PV_BASE_FAULT_LIMIT;
    }
    pv_base_fault_raise_detail(&decoder->wire.fault, kind, id);
}

void *pv_venus_object_alloc(struct pv_venus_decoder *decoder, size_t size_bytes, uint64_t id,
                            uint32_t type, uint64_t handle, bool poisoned,
                            struct pv_venus_object *parent)
{
    struct pv_venus_object *object = calloc(1, size_bytes);

    if (object == NULL) {
        raise_for(decoder, -ENOMEM, id);
        return NULL;
    }
    object->base = (struct pv_base_object){
        .id = id,
        .handle = handle,
        .type = type,
        .poisoned = poisoned,
        .dispatch = parent != NULL ? parent->base.dispatch : NULL,
    };
    if (parent != NULL) {
        object->device = parent->base.type == VK_OBJECT_TYPE_DEVICE
                             ? (struct pv_venus_device *)parent
                             : parent->device;
        object->pool = is_pool(parent->base.type) ? parent : NULL;
    }
    return object;
}

static bool has_family(const struct pv_venus_object *object)
{
    return object->device != NULL && &object->device->object != object;
}

static struct pv_venus_object **family_of(struct pv_venus_object *object)
{
    return object->pool != NULL ? &object->pool->children : &object->device->objects;
}

static void link_to_family(struct pv_venus_object *object)
{
    if (has_family(object)) {
        pthread_mutex_lock(&object->device->lock);
        list_add(family_of(object), object);
        pthread_mutex_unlock(&object->device->lock);
    }
}

static void unlink_from_family(struct pv_venus_object *object)
{
    if (has_family(object)) {
        pthread_mutex_lock(&object->device->lock);
        list_remove(family_of(object), object);
        pthread_mutex_unlock(&object->device->lock);
    }
}

bool pv_venus_object_publish(struct pv_venus_decoder *decoder, struct pv_venus_object *object)
{
    int r;

    /* First the family: from the moment that the table knows it, another ring may remove it. */
    link_to_family(object);
    r = pv_base_id_table_add(decoder->context->objects, &object->base);
    if (r < 0) {
        raise_for(decoder, r, object->base.id);
        unlink_from_family(object);
        return false;
    }
    return true;
}

void *pv_venus_object_create(struct pv_venus_decoder *decoder, size_t size_bytes, uint64_t id,
                             uint32_t type, uint64_t handle, bool poisoned,
                             struct pv_venus_object *parent)
{
    struct pv_venus_object *object =
        pv_venus_object_alloc(decoder, size_bytes, id, type, handle, poisoned, parent);

    if (object != NULL && !pv_venus_object_publish(decoder, object)) {
        free(object);
        object = NULL;
    }
    return object;
}

bool pv_venus_object_created(struct pv_venus_decoder *decoder, size_t size_bytes, VkResult result,
                             uint64_t id, uint32_t type, uint64_t handle,
                             struct pv_venus_object *parent)
{
    const bool is_failed = result != VK_SUCCESS;

    if (is_failed && pv_wire_reply_is_wanted(&decoder->wire)) {
        return true;
    }
    return pv_venus_object_create(decoder, size_bytes, id, type, is_failed ? 0 : handle, is_failed,
                                  parent)
           != NULL;
}

static size_t hide_list(struct pv_venus_context *context, const struct pv_venus_object *first)
{
    size_t count = 0;

    for (const struct pv_venus_object *object = first; object != NULL; object = object->next) {
        if (pv_base_id_table_remove_exact(context->objects, &object->base)) {
            count++;
        }
        count += hide_list(context, object->children);
    }
    return count;
}

/* Take a pool's children out of the table; returns how many were in it. */
static size_t hide_children(struct pv_venus_context *context, struct pv_venus_object *pool)
{
    size_t count = 0;

    if (is_pool(pool->base.type)) {
        pthread_mutex_lock(&pool->device->lock);
        count = hide_list(context, pool->children);
        pthread_mutex_unlock(&pool->device->lock);
    }
    return count;
}

size_t pv_venus_object_hide_all(struct pv_venus_device *device)
{
    size_t count;

    pthread_mutex_lock(&device->lock);
    count = hide_list(device->context, device->objects);
    pthread_mutex_unlock(&device->lock);
    return count;
}

bool pv_venus_object_may_be_gone(const struct pv_venus_context *context)
{
    /* A lost one: the end of its instance may have stopped half-way, at a device that is at work.
     * What is still there is freed with the context. */
    return context->instance == NULL || atomic_load(&context->lost);
}

void pv_venus_object_wait(struct pv_venus_decoder *decoder)
{
    wait_for_other_rings(decoder);
}

/* What an object hangs from, remembered before a wait during which it may go. */
struct ancestors {
    uint64_t device_id; /* 0: the object is the device, or has none */
    const struct pv_base_object *device;
    uint64_t pool_id;
    const struct pv_base_object *pool;
};

static struct ancestors ancestors_of(const struct pv_venus_object *object)
{
    struct ancestors ancestors = {0};

    if (has_family(object)) {
        ancestors.device = &object->device->object.base;
        ancestors.device_id = ancestors.device->id;
    }
    if (object->pool != NULL) {
        ancestors.pool = &object->pool->base;
        ancestors.pool_id = ancestors.pool->id;
    }
    return ancestors;
}

/* Whether they are all still there; raises the fault if not: the object went with them. */
static bool ancestors_live(struct pv_venus_decoder *decoder, const struct ancestors *ancestors)
{
    const struct pv_base_id_table *table = decoder->context->objects;

    if ((ancestors->device_id != 0
         && pv_base_id_table_find(table, ancestors->device_id) != ancestors->device)
        || (ancestors->pool_id != 0
            && pv_base_id_table_find(table, ancestors->pool_id) != ancestors->pool)) {
        pv_base_fault_raise_detail(&decoder->wire.fault, PV_BASE_FAULT_HANDLE,
                                   ancestors->device_id);
        return false;
    }
    return true;
}

bool pv_venus_object_remove(struct pv_venus_decoder *decoder, struct pv_venus_object *object)
{
    struct pv_venus_context *context = decoder->context;
    const struct ancestors ancestors = ancestors_of(object);
    const bool is_instance = object->base.type == VK_OBJECT_TYPE_INSTANCE;

    if (!pv_base_id_table_remove_exact(context->objects, &object->base)) {
        /* Another ring was faster. The object is its to free. */
        pv_base_fault_raise_detail(&decoder->wire.fault, PV_BASE_FAULT_HANDLE, object->base.id);
        return false;
    }
    (void)hide_children(context, object);
    do {
        wait_for_other_rings(decoder);
        if (!is_instance && pv_venus_object_may_be_gone(context)) {
            pv_base_fault_raise(&decoder->wire.fault, PV_BASE_FAULT_STATE);
            return false;
        }
        if (!ancestors_live(decoder, &ancestors)) {
            return false;
        }
        /* Another ring may have allocated from a pool until its batch ended, and a third one may
         * have found that child: then they are waited for again. */
    } while (hide_children(context, object) > 0);
    unlink_from_family(object);
    return true;
}

bool pv_venus_object_remove_from_pool(struct pv_venus_decoder *decoder,
                                      struct pv_venus_object *pool, uint32_t count,
                                      struct pv_venus_object *const *objects)
{
    struct pv_venus_context *context = decoder->context;
    const uint64_t pool_id = pool->base.id;

    for (uint32_t i = 0; i < count; i++) {
        if (!pv_base_id_table_remove_exact(context->objects, &objects[i]->base)) {
            pv_base_fault_raise(&decoder->wire.fault, PV_BASE_FAULT_HANDLE);
            return false;
        }
    }
    wait_for_other_rings(decoder);
    if (pv_base_id_table_find(context->objects, pool_id) != &pool->base) {
        pv_base_fault_raise_detail(&decoder->wire.fault, PV_BASE_FAULT_HANDLE, pool_id);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        unlink_from_family(objects[i]);
    }
    return true;
}

static void free_children(struct pv_venus_object *pool)
{
    while (pool->children != NULL) {
        struct pv_venus_object *child = pool->children;

        pool->children = child->next;
        free(child);
    }
}

void pv_venus_object_free(struct pv_venus_object *object)
{
    free_children(object);
    free(object);
}

bool pv_venus_object_remove_children(struct pv_venus_decoder *decoder, struct pv_venus_object *pool)
{
    struct pv_venus_context *context = decoder->context;
    struct pv_venus_device *device = pool->device;
    const uint64_t pool_id = pool->base.id;

    (void)hide_children(context, pool);
    do {
        wait_for_other_rings(decoder);
        if (pv_base_id_table_find(context->objects, pool_id) != &pool->base) {
            pv_base_fault_raise_detail(&decoder->wire.fault, PV_BASE_FAULT_HANDLE, pool_id);
            return false;
        }
    } while (hide_children(context, pool) > 0);
    pthread_mutex_lock(&device->lock);
    free_children(pool);
    pthread_mutex_unlock(&device->lock);
    return true;
}

static struct pv_base_object *ops_add(void *context, uint64_t id, uint32_t type, uint64_t handle,
                                      bool poisoned, struct pv_base_object *parent)
{
    struct pv_venus_object *object =
        pv_venus_object_create(context, sizeof(struct pv_venus_object), id, type, handle, poisoned,
                               (struct pv_venus_object *)parent);

    return object != NULL ? &object->base : NULL;
}

static void ops_remove(void *context, struct pv_base_object *object)
{
    /* The caller looks at the fault. */
    (void)!pv_venus_object_remove(context, (struct pv_venus_object *)object);
}

static void ops_free(void *context, struct pv_base_object *object)
{
    (void)context;
    pv_venus_object_free((struct pv_venus_object *)object);
}

const struct pv_wire_object_ops pv_venus_object_ops = {
    .add = ops_add,
    .remove = ops_remove,
    .free = ops_free,
};

bool pv_venus_objects_are_there(struct pv_wire_decoder *wire, uint32_t count, const void *handles)
{
    const uint8_t *bytes = handles;

    for (uint32_t i = 0; i < count; i++) {
        if (pv_base_load_u64(bytes + (size_t)i * sizeof(uint64_t)) == 0) {
            pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_HANDLE);
            return false;
        }
    }
    return true;
}
