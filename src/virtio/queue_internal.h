/* SPDX-License-Identifier: MIT */
/*
 * What queue.c (rings) and queue_element.c (requests under way) share; nobody else includes it.
 */
#ifndef PV_VIRTIO_QUEUE_INTERNAL_H
#define PV_VIRTIO_QUEUE_INTERNAL_H

#include "virtio/chain.h"
#include "virtio/queue.h"

/* Most answers are a header of 24 bytes. */
#define PV_VIRTIO_ELEMENT_INLINE_BYTES 64

/*
 * An element holds copies of its descriptors, and what the device wrote until it is complete: guest
 * memory changes only in pv_virtio_queue_show, when the queue runs.
 */
struct pv_virtio_queue_element {
    struct pv_virtio_element base;            /* first: the device's view */
    struct pv_virtio_queue *queue;            /* NULL once a reset has cut it off */
    struct pv_virtio_queue_element *previous; /* in the queue's list of outstanding elements */
    struct pv_virtio_queue_element *next;
    uint32_t head;
    bool is_done;      /* completed while the queue was stopped; on its list of kept elements */
    size_t part_index; /* reading: the part at hand and how far in */
    uint64_t part_offset_bytes;
    size_t answer_bytes;
    size_t answer_capacity_bytes;
    uint8_t *answer; /* inline_answer or from malloc */
    uint8_t inline_answer[PV_VIRTIO_ELEMENT_INLINE_BYTES];
    size_t readable_count;
    size_t writable_count;
    struct pv_virtio_part parts[]; /* readable ones, then writable ones */
};

struct pv_virtio_queue {
    struct pv_base_log *log;
    struct pv_guestmem_space *space;
    const struct pv_virtio_queue_ops *ops;
    void *user;
    uint32_t index;

    bool is_running;
    bool is_broken;
    bool is_in_turn;         /* inside process: interrupts wait for its end */
    bool is_short_of_memory; /* for the next entry; said once */
    bool has_unseen_used;    /* used entries since the last look at whether to interrupt */
    struct pv_virtio_queue_place place;
    uint16_t next_available;
    uint16_t next_used;
    uint16_t seen_used; /* next_used at that last look */

    /* Where the rings are in our memory; valid for one generation of the space. */
    uint64_t generation;
    const uint8_t *descriptors;
    uint8_t *available;
    uint8_t *used;

    struct pv_virtio_queue_element *outstanding; /* held by the device, or done and kept */
    size_t outstanding_count;
    struct pv_virtio_queue_element *kept_first; /* done while stopped, linked by base.next */
    struct pv_virtio_queue_element *kept_last;
    uint8_t *is_head_taken;       /* bit per ring entry: its chain is outstanding */
    struct pv_virtio_chain chain; /* scratch of the walk */
};

/* Make an element of queue->chain and count it as outstanding. NULL when memory is short. */
struct pv_virtio_queue_element *pv_virtio_queue_element_create(struct pv_virtio_queue *queue,
                                                               uint32_t head);

/* Forget an element: off the queue's lists (if it has a queue), memory freed. */
void pv_virtio_queue_element_destroy(struct pv_virtio_queue_element *element);

/* Copy the answer to guest memory; returns how many bytes were backed. */
size_t pv_virtio_queue_element_copy_answer(struct pv_virtio_queue_element *element);

/* Put a completed element into the used ring, or keep it; the element is gone or kept. */
void pv_virtio_queue_show(struct pv_virtio_queue *queue, struct pv_virtio_queue_element *element);

#endif
