/* SPDX-License-Identifier: MIT */
/*
 * Elements of a split virtqueue: one request under way, from the walk of its chain until it is
 * shown to the driver or dropped.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "virtio/queue_internal.h"

static struct pv_virtio_queue_element *from_base(struct pv_virtio_element *base)
{
    return PV_CONTAINER_OF(base, struct pv_virtio_queue_element, base);
}

static size_t element_read(struct pv_virtio_element *base, void *ret_bytes, size_t size_bytes)
{
    struct pv_virtio_queue_element *element = from_base(base);
    uint8_t *bytes = ret_bytes;
    size_t done_bytes = 0;

    while (element->queue != NULL && done_bytes < size_bytes
           && element->part_index < element->readable_count) {
        const struct pv_virtio_part *part = &element->parts[element->part_index];
        const uint64_t left_bytes = part->size_bytes - element->part_offset_bytes;
        size_t want_bytes = size_bytes - done_bytes;
        size_t got_bytes;

        if (want_bytes > left_bytes) {
            want_bytes = (size_t)left_bytes;
        }
        if (part->addr > UINT64_MAX - part->size_bytes) {
            break;
        }
        got_bytes = pv_guestmem_space_copy_in(element->queue->space,
                                              part->addr + element->part_offset_bytes,
                                              bytes + done_bytes, want_bytes);
        done_bytes += got_bytes;
        element->part_offset_bytes += got_bytes;
        if (got_bytes < want_bytes) {
            break; /* unbacked: stays here, so that every later read comes short too */
        }
        if (element->part_offset_bytes == part->size_bytes) {
            element->part_index++;
            element->part_offset_bytes = 0;
        }
    }
    return done_bytes;
}

/* Make room for at least size_bytes of answer; false when memory is short. */
static bool reserve_answer(struct pv_virtio_queue_element *element, size_t size_bytes)
{
    size_t capacity_bytes = element->answer_capacity_bytes;
    uint8_t *grown;

    if (size_bytes <= capacity_bytes) {
        return true;
    }
    while (capacity_bytes < size_bytes) {
        capacity_bytes *= 2; /* from 64, and size_bytes is under the writable cap of 1 MiB */
    }
    if (element->answer == element->inline_answer) {
        grown = malloc(capacity_bytes);
        if (grown != NULL) {
            memcpy(grown, element->inline_answer, element->answer_bytes);
        }
    } else {
        grown = realloc(element->answer, capacity_bytes);
    }
    if (grown == NULL) {
        return false;
    }
    element->answer = grown;
    element->answer_capacity_bytes = capacity_bytes;
    return true;
}

static size_t element_write(struct pv_virtio_element *base, const void *bytes, size_t size_bytes)
{
    struct pv_virtio_queue_element *element = from_base(base);
    const size_t left_bytes = base->writable_bytes - element->answer_bytes;

    if (size_bytes > left_bytes) {
        size_bytes = left_bytes;
    }
    if (size_bytes == 0 || !reserve_answer(element, element->answer_bytes + size_bytes)) {
        return 0;
    }
    memcpy(element->answer + element->answer_bytes, bytes, size_bytes);
    element->answer_bytes += size_bytes;
    return size_bytes;
}

static void element_complete(struct pv_virtio_element *base)
{
    struct pv_virtio_queue_element *element = from_base(base);

    if (PV_BASE_BUG_ON(element->is_done)) {
        return;
    }
    if (element->queue == NULL) {
        pv_virtio_queue_element_destroy(element);
        return;
    }
    pv_virtio_queue_show(element->queue, element);
}

static void element_drop(struct pv_virtio_element *base)
{
    struct pv_virtio_queue_element *element = from_base(base);

    if (PV_BASE_BUG_ON(element->is_done)) {
        return;
    }
    pv_virtio_queue_element_destroy(element);
}

static const struct pv_virtio_element_ops element_ops = {
    .read = element_read,
    .write = element_write,
    .complete = element_complete,
    .drop = element_drop,
};

struct pv_virtio_queue_element *pv_virtio_queue_element_create(struct pv_virtio_queue *queue,
                                                               uint32_t head)
{
    const struct pv_virtio_chain *chain = &queue->chain;
    const size_t part_count = chain->readable.count + chain->writable.count;
    struct pv_virtio_queue_element *element =
        malloc(sizeof(*element) + part_count * sizeof(element->parts[0]));

    if (element == NULL) {
        return NULL;
    }
    memset(element, 0, sizeof(*element));
    element->base.ops = &element_ops;
    element->base.readable_bytes = (size_t)chain->readable.size_bytes;
    element->base.writable_bytes = (size_t)chain->writable.size_bytes;
    element->queue = queue;
    element->head = head;
    element->answer = element->inline_answer;
    element->answer_capacity_bytes = sizeof(element->inline_answer);
    element->readable_count = chain->readable.count;
    element->writable_count = chain->writable.count;
    memcpy(element->parts, chain->readable.parts,
           chain->readable.count * sizeof(element->parts[0]));
    memcpy(element->parts + chain->readable.count, chain->writable.parts,
           chain->writable.count * sizeof(element->parts[0]));

    element->next = queue->outstanding;
    if (queue->outstanding != NULL) {
        queue->outstanding->previous = element;
    }
    queue->outstanding = element;
    queue->outstanding_count++;
    queue->is_head_taken[head / 8] |= (uint8_t)(1u << (head % 8));
    return element;
}

void pv_virtio_queue_element_destroy(struct pv_virtio_queue_element *element)
{
    struct pv_virtio_queue *queue = element->queue;

    if (queue != NULL) {
        if (element->previous != NULL) {
            element->previous->next = element->next;
        } else {
            queue->outstanding = element->next;
        }
        if (element->next != NULL) {
            element->next->previous = element->previous;
        }
        queue->outstanding_count--;
        queue->is_head_taken[element->head / 8] &= (uint8_t) ~(1u << (element->head % 8));
    }
    if (element->answer != element->inline_answer) {
        free(element->answer);
    }
    free(element);
}

size_t pv_virtio_queue_element_copy_answer(struct pv_virtio_queue_element *element)
{
    const struct pv_virtio_part *parts = element->parts + element->readable_count;
    size_t done_bytes = 0;

    for (size_t i = 0; i < element->writable_count && done_bytes < element->answer_bytes; i++) {
        size_t want_bytes = element->answer_bytes - done_bytes;
        size_t put_bytes;

        if (want_bytes > parts[i].size_bytes) {
            want_bytes = (size_t)parts[i].size_bytes;
        }
        if (parts[i].addr > UINT64_MAX - parts[i].size_bytes) {
            break;
        }
        put_bytes = pv_guestmem_space_copy_out(element->queue->space, parts[i].addr,
                                               element->answer + done_bytes, want_bytes);
        done_bytes += put_bytes;
        if (put_bytes < want_bytes) {
            break;
        }
    }
    return done_bytes;
}
