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
static void wait_for_batch(struct pv_venus_context *context, struct pv_venus_decoder *other)
{
    const uint_fast64_t seen = atomic_load_explicit(&other->batch, memory_order_seq_cst);

    if ((seen & 1u) == 0) {
        return;
    }
    while (atomic_load_explicit(&other->batch, memory_order_seq_cst) == seen
           && !atomic_load_explicit(&context->stopping, memory_order_relaxed)) {
        pv_os_clock_sleep_ns(20000);
    }
}

static void wait_for_other_rings(struct pv_venus_decoder *decoder)
{
    struct pv_venus_context *context = decoder->context;

    pv_venus_batch_end(decoder);
    pthread_mutex_lock(&context->remove_lock);
    for (size_t i = 0; i < PV_VENUS_RING_MAX; i++) {
        struct pv_venus_ring *ring;

        /* The message thread frees a ring only after its thread is gone, and under this lock. */
        pthread_mutex_lock(&context->lock);
        ring = context->rings[i];
        pthread_mutex_unlock(&context->lock);
        if (ring != NULL && ring != decoder->ring) {
            wait_for_batch(context, pv_venus_ring_decoder(ring));
        }
    }
    if (decoder != &context->decoder) {
        wait_for_batch(context, &context->decoder);
    }
    pthread_mutex_unlock(&context->remove_lock);
    pv_venus_batch_begin(decoder);
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

void *pv_venus_object_prepare(struct pv_venus_decoder *decoder, size_t size_bytes, uint64_t id,
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

bool pv_venus_object_publish(struct pv_venus_decoder *decoder, struct pv_venus_object *object)
{
    const int r = pv_base_id_table_add(decoder->context->objects, &object->base);

    if (r < 0) {
        raise_for(decoder, r, object->base.id);
        return false;
    }
    if (object->device != NULL && &object->device->object != object) {
        pthread_mutex_lock(&object->device->lock);
        list_add(object->pool != NULL ? &object->pool->children : &object->device->objects, object);
        pthread_mutex_unlock(&object->device->lock);
    }
    return true;
}

void *pv_venus_object_create(struct pv_venus_decoder *decoder, size_t size_bytes, uint64_t id,
                             uint32_t type, uint64_t handle, bool poisoned,
                             struct pv_venus_object *parent)
{
    struct pv_venus_object *object =
        pv_venus_object_prepare(decoder, size_bytes, id, type, handle, poisoned, parent);

    if (object != NULL && !pv_venus_object_publish(decoder, object)) {
        free(object);
        return NULL;
    }
    return object;
}

static void unlink_from_family(struct pv_venus_object *object)
{
    if (object->device == NULL || &object->device->object == object) {
        return;
    }
    pthread_mutex_lock(&object->device->lock);
    list_remove(object->pool != NULL ? &object->pool->children : &object->device->objects, object);
    pthread_mutex_unlock(&object->device->lock);
}

static void remove_children_from_table_locked(struct pv_venus_context *context,
                                              struct pv_venus_object *pool)
{
    for (struct pv_venus_object *child = pool->children; child != NULL; child = child->next) {
        (void)pv_base_id_table_remove(context->objects, child->base.id);
    }
}

/* The ids of all that was made from a pool or a device, whose own id has gone before. */
static void remove_family_from_table(struct pv_venus_context *context,
                                     struct pv_venus_object *object)
{
    if (is_pool(object->base.type)) {
        pthread_mutex_lock(&object->device->lock);
        remove_children_from_table_locked(context, object);
        pthread_mutex_unlock(&object->device->lock);
    } else if (object->base.type == VK_OBJECT_TYPE_DEVICE) {
        pthread_mutex_lock(&object->device->lock);
        for (struct pv_venus_object *made = object->device->objects; made != NULL;
             made = made->next) {
            remove_children_from_table_locked(context, made);
            (void)pv_base_id_table_remove(context->objects, made->base.id);
        }
        pthread_mutex_unlock(&object->device->lock);
    }
}

static bool has_family(const struct pv_venus_object *object)
{
    return is_pool(object->base.type) || object->base.type == VK_OBJECT_TYPE_DEVICE;
}

/* Whether another thread may be using objects now. */
static bool has_other_users(const struct pv_venus_decoder *decoder)
{
    struct pv_venus_context *context = decoder->context;
    const unsigned int ring_count =
        atomic_load_explicit(&context->ring_count, memory_order_seq_cst);

    /* What has left the table must be gone for whoever enters a batch after this look. */
    atomic_thread_fence(memory_order_seq_cst);
    if (decoder == &context->decoder) {
        return ring_count > 0;
    }
    return ring_count > 1
           || (atomic_load_explicit(&context->decoder.batch, memory_order_seq_cst) & 1u) != 0;
}

bool pv_venus_object_remove(struct pv_venus_decoder *decoder, struct pv_venus_object *object)
{
    struct pv_venus_context *context = decoder->context;
    const struct pv_venus_device *device = object->device;
    const uint64_t device_id = device != NULL ? device->object.base.id : 0;

    if (pv_base_id_table_remove(context->objects, object->base.id) != &object->base) {
        /* Another ring was faster. The object is its to free. */
        pv_base_fault_raise_detail(&decoder->wire.fault, PV_BASE_FAULT_HANDLE, object->base.id);
        return false;
    }
    if (has_other_users(decoder)) {
        wait_for_other_rings(decoder);
        if (device != NULL && &device->object != object
            && pv_base_id_table_find(context->objects, device_id) != &device->object.base) {
            /* The device went while we waited, and this object with it. */
            pv_base_fault_raise_detail(&decoder->wire.fault, PV_BASE_FAULT_HANDLE, device_id);
            return false;
        }
    }
    /* Now nobody makes children any more; those that there are may still be in use. */
    remove_family_from_table(context, object);
    if (has_family(object) && has_other_users(decoder)) {
        wait_for_other_rings(decoder);
    }
    unlink_from_family(object);
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

void pv_venus_object_remove_children(struct pv_venus_decoder *decoder, struct pv_venus_object *pool)
{
    struct pv_venus_context *context = decoder->context;

    remove_family_from_table(context, pool);
    if (has_other_users(decoder)) {
        wait_for_other_rings(decoder);
    }
    pthread_mutex_lock(&pool->device->lock);
    remove_children_from_table_locked(context, pool);
    free_children(pool);
    pthread_mutex_unlock(&pool->device->lock);
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
    (void)pv_venus_object_remove(context, (struct pv_venus_object *)object);
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
