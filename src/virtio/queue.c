/* SPDX-License-Identifier: MIT */
/*
 * The rings of a split virtqueue.
 *
 * Indices are 16-bit counters that wrap; the entry is the counter modulo the size. The driver owns
 * the available ring, we own the used ring, each reads the other's counter. What the driver may not
 * do is checked where it shows: more new entries than the ring has, a head outside the table, a
 * head whose chain we still have.
 *
 * Sleeping: with an empty ring we publish "wake me" (avail_event, or a cleared flag), then, after a
 * full barrier, look once more; the driver does the reverse. Interrupts mirror that with
 * used_event. Within one turn interrupts are collected, because a driver that drains a batch wants
 * one.
 */
#include "virtio/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guestmem/shared_index.h"
#include "virtio/queue_internal.h"

#define DESCRIPTOR_BYTES 16u
#define RING_HEAD_BYTES  4u /* flags, idx */
#define USED_ENTRY_BYTES 8u
#define EVENT_BYTES      2u

#define AVAILABLE_FLAG_NO_INTERRUPT 1u
#define USED_FLAG_NO_NOTIFY         1u

int pv_virtio_queue_create(struct pv_base_log *log, struct pv_guestmem_space *space,
                           const struct pv_virtio_queue_ops *ops, void *user, uint32_t index,
                           struct pv_virtio_queue **ret_queue)
{
    struct pv_virtio_queue *queue = calloc(1, sizeof(*queue));

    if (queue == NULL) {
        return -ENOMEM;
    }
    queue->is_head_taken = calloc(PV_VIRTIO_QUEUE_SIZE_MAX / 8, 1);
    if (queue->is_head_taken == NULL) {
        free(queue);
        return -ENOMEM;
    }
    queue->log = log;
    queue->space = space;
    queue->ops = ops;
    queue->user = user;
    queue->index = index;
    *ret_queue = queue;
    return 0;
}

void pv_virtio_queue_destroy(struct pv_virtio_queue *queue)
{
    if (queue != NULL) {
        pv_virtio_queue_reset(queue);
        free(queue->is_head_taken);
        free(queue);
    }
}

static void break_queue(struct pv_virtio_queue *queue, const char *why)
{
    queue->is_running = false;
    queue->is_broken = true;
    pv_base_log_guest(queue->log, "virtio.queue", PV_BASE_LOG_WARN,
                      "queue %u stops until the next reset: %s", queue->index, why);
    queue->ops->broken(queue->user, queue->index);
}

/* Find the rings in our memory, again after each change of the memory table. */
static bool locate(struct pv_virtio_queue *queue)
{
    const struct pv_virtio_queue_place *place = &queue->place;
    const uint64_t generation = pv_guestmem_space_generation(queue->space);

    if (queue->generation == generation) {
        return true;
    }
    queue->descriptors = pv_guestmem_space_at(queue->space, place->descriptor_addr,
                                              (uint64_t)place->size * DESCRIPTOR_BYTES);
    queue->available = pv_guestmem_space_at(queue->space, place->available_addr,
                                            RING_HEAD_BYTES + 2ull * place->size + EVENT_BYTES);
    queue->used = pv_guestmem_space_at(queue->space, place->used_addr,
                                       RING_HEAD_BYTES + (uint64_t)USED_ENTRY_BYTES * place->size
                                           + EVENT_BYTES);
    /* Alignment is judged where we access: a region may start at an odd host address. */
    if (queue->descriptors == NULL || ((uintptr_t)queue->descriptors & 7) != 0
        || queue->available == NULL || ((uintptr_t)queue->available & 1) != 0 || queue->used == NULL
        || ((uintptr_t)queue->used & 3) != 0) {
        return false;
    }
    queue->generation = generation;
    return true;
}

static uint8_t *used_event(const struct pv_virtio_queue *queue)
{
    return queue->available + RING_HEAD_BYTES + 2u * (size_t)queue->place.size;
}

static uint8_t *available_event(const struct pv_virtio_queue *queue)
{
    return queue->used + RING_HEAD_BYTES + USED_ENTRY_BYTES * (size_t)queue->place.size;
}

/* Interrupt if the driver wants it for the used entries since the last look. */
static void look_for_interrupt(struct pv_virtio_queue *queue)
{
    const uint16_t old = queue->seen_used;
    const uint16_t now = queue->next_used;
    bool is_wanted;

    if (!queue->has_unseen_used) {
        return;
    }
    queue->has_unseen_used = false;
    queue->seen_used = now;
    pv_guestmem_full_barrier(); /* between our used index and the driver's wish */
    if (queue->place.has_event_index) {
        const uint16_t event = pv_guestmem_load_u16(used_event(queue));

        is_wanted = (uint16_t)(now - event - 1) < (uint16_t)(now - old);
    } else {
        is_wanted = (pv_guestmem_load_u16(queue->available) & AVAILABLE_FLAG_NO_INTERRUPT) == 0;
    }
    if (is_wanted) {
        queue->ops->interrupt(queue->user, queue->index);
    }
}

/* One used entry; the element is gone afterwards. The queue runs and its rings are located. */
static void push_used(struct pv_virtio_queue *queue, struct pv_virtio_queue_element *element)
{
    const size_t answer_bytes = pv_virtio_queue_element_copy_answer(element);
    uint8_t *entry = queue->used + RING_HEAD_BYTES
                     + USED_ENTRY_BYTES * (size_t)(queue->next_used & (queue->place.size - 1));

    pv_guestmem_store_u32(entry, element->head);
    pv_guestmem_store_u32(entry + 4, (uint32_t)answer_bytes); /* capped at 1 MiB */
    pv_virtio_queue_element_destroy(element);
    queue->next_used++;
    queue->has_unseen_used = true;
    pv_guestmem_store_u16_release(queue->used + 2, queue->next_used);
}

void pv_virtio_queue_show(struct pv_virtio_queue *queue, struct pv_virtio_queue_element *element)
{
    if (queue->is_running && !locate(queue)) {
        break_queue(queue, "its rings are at unbacked addresses");
    }
    if (queue->is_broken) {
        pv_virtio_queue_element_destroy(element);
        return;
    }
    if (!queue->is_running) {
        element->is_done = true;
        element->base.next = NULL;
        if (queue->kept_last != NULL) {
            queue->kept_last->base.next = &element->base;
        } else {
            queue->kept_first = element;
        }
        queue->kept_last = element;
        return;
    }
    push_used(queue, element);
    if (!queue->is_in_turn) {
        look_for_interrupt(queue);
    }
}

static struct pv_virtio_queue_element *take_kept(struct pv_virtio_queue *queue)
{
    struct pv_virtio_queue_element *element = queue->kept_first;

    if (element != NULL) {
        queue->kept_first = (struct pv_virtio_queue_element *)(void *)element->base.next;
        if (queue->kept_first == NULL) {
            queue->kept_last = NULL;
        }
    }
    return element;
}

bool pv_virtio_queue_start(struct pv_virtio_queue *queue, const struct pv_virtio_queue_place *place)
{
    struct pv_virtio_queue_element *element;

    if (queue->is_broken) {
        return false;
    }
    queue->place = *place;
    queue->generation = 0; /* no generation of a space: locate anew */
    if (place->size == 0 || place->size > PV_VIRTIO_QUEUE_SIZE_MAX
        || (place->size & (place->size - 1)) != 0) {
        break_queue(queue, "its size is not a power of two up to 32768");
        return false;
    }
    if (!locate(queue)) {
        break_queue(queue, "its rings are misaligned or at unbacked addresses");
        return false;
    }
    queue->next_available = place->next_available;
    queue->next_used = pv_guestmem_load_u16_acquire(queue->used + 2);
    queue->seen_used = queue->next_used;
    queue->is_running = true;
    pv_guestmem_store_u16(queue->used, 0);
    while ((element = take_kept(queue)) != NULL) {
        push_used(queue, element);
    }
    look_for_interrupt(queue);
    return true;
}

uint16_t pv_virtio_queue_stop(struct pv_virtio_queue *queue)
{
    queue->is_running = false;
    return queue->next_available;
}

void pv_virtio_queue_reset(struct pv_virtio_queue *queue)
{
    struct pv_virtio_queue_element *element;

    queue->is_running = false;
    queue->is_broken = false;
    queue->has_unseen_used = false;
    queue->is_short_of_memory = false;
    while ((element = take_kept(queue)) != NULL) {
        pv_virtio_queue_element_destroy(element);
    }
    while (queue->outstanding != NULL) {
        element = queue->outstanding;
        queue->outstanding = element->next;
        element->queue = NULL;
        element->next = NULL;
        element->previous = NULL;
    }
    queue->outstanding_count = 0;
    queue->next_available = 0;
    memset(queue->is_head_taken, 0, PV_VIRTIO_QUEUE_SIZE_MAX / 8);
}

bool pv_virtio_queue_is_running(const struct pv_virtio_queue *queue)
{
    return queue->is_running;
}

bool pv_virtio_queue_is_short_of_memory(const struct pv_virtio_queue *queue)
{
    return queue->is_short_of_memory;
}

size_t pv_virtio_queue_outstanding_count(const struct pv_virtio_queue *queue)
{
    return queue->outstanding_count;
}

/* Ask the driver to ring for the next entry; returns true if one came in meanwhile. */
static bool arm_doorbell(struct pv_virtio_queue *queue)
{
    if (queue->place.has_event_index) {
        pv_guestmem_store_u16(available_event(queue), queue->next_available);
    } else {
        pv_guestmem_store_u16(queue->used, 0);
    }
    pv_guestmem_full_barrier();
    return pv_guestmem_load_u16_acquire(queue->available + 2) != queue->next_available;
}

static void disarm_doorbell(struct pv_virtio_queue *queue)
{
    /* With event indices an old avail_event is as good as none: the driver passes it once. */
    if (!queue->place.has_event_index) {
        pv_guestmem_store_u16(queue->used, USED_FLAG_NO_NOTIFY);
    }
}

/* Take the next entry and hand it on. False when the queue broke, or memory is short. */
static bool take_entry(struct pv_virtio_queue *queue, uint32_t *descriptor_count)
{
    const size_t slot = queue->next_available & (queue->place.size - 1);
    const uint32_t head = pv_guestmem_load_u16(queue->available + RING_HEAD_BYTES + 2u * slot);
    struct pv_virtio_queue_element *element;
    const char *wrong;

    if (head >= queue->place.size) {
        break_queue(queue, "a head outside the descriptor table");
        return false;
    }
    if ((queue->is_head_taken[head / 8] & (1u << (head % 8))) != 0) {
        break_queue(queue, "a chain that is still in use was made available again");
        return false;
    }
    wrong = pv_virtio_chain_walk(queue->space, queue->descriptors, queue->place.size, head,
                                 &queue->chain);
    *descriptor_count += queue->chain.descriptor_count;
    if (wrong != NULL) {
        break_queue(queue, wrong);
        return false;
    }
    element = pv_virtio_queue_element_create(queue, head);
    if (element == NULL) {
        /* Nothing of it is taken yet, so there is no harm in trying again. */
        if (!queue->is_short_of_memory) {
            pv_base_log_guest(queue->log, "virtio.queue", PV_BASE_LOG_WARN,
                              "queue %u waits: no memory for a request", queue->index);
        }
        queue->is_short_of_memory = true;
        return false;
    }
    queue->is_short_of_memory = false;
    queue->next_available++;
    queue->ops->element(queue->user, queue->index, &element->base);
    return true;
}

/* One turn; see pv_virtio_queue_process. */
static bool process_turn(struct pv_virtio_queue *queue)
{
    uint32_t element_count = 0;
    uint32_t descriptor_count = 0;

    while (queue->is_running) {
        uint16_t new_count;

        if (element_count >= PV_VIRTIO_QUEUE_TURN_ELEMENTS
            || descriptor_count >= PV_VIRTIO_QUEUE_TURN_DESCRIPTORS) {
            return true;
        }
        /* the receiver of the last element may have changed the world */
        if (!locate(queue)) {
            break_queue(queue, "its rings are at unbacked addresses");
            return false;
        }
        new_count =
            (uint16_t)(pv_guestmem_load_u16_acquire(queue->available + 2) - queue->next_available);
        if (new_count == 0) {
            if (!arm_doorbell(queue)) {
                return false;
            }
            disarm_doorbell(queue);
            continue;
        }
        if (new_count > queue->place.size) {
            break_queue(queue, "more entries made available than the ring has");
            return false;
        }
        if (!take_entry(queue, &descriptor_count)) {
            return queue->is_running; /* or it is broken */
        }
        element_count++;
    }
    return false;
}

bool pv_virtio_queue_process(struct pv_virtio_queue *queue)
{
    bool has_more;

    if (!queue->is_running || queue->is_in_turn) {
        return false;
    }
    if (locate(queue)) {
        disarm_doorbell(queue);
    }
    queue->is_in_turn = true;
    has_more = process_turn(queue);
    queue->is_in_turn = false;
    if (queue->is_running && locate(queue)) {
        look_for_interrupt(queue);
    }
    return has_more;
}
