/* SPDX-License-Identifier: MIT */
/*
 * One split virtqueue: takes requests out of the available ring, hands them to a device as elements
 * (virtio/element.h), and puts those that come back into the used ring.
 *
 * States of a queue:
 *
 *     idle --start--> running --stop--> idle      and at any time from the driver's doing
 *                     running ---------> broken   until the next reset
 *
 * An element outlives what happens to its queue. Completed while the queue runs, it is shown to the
 * driver at once. Completed while the queue is stopped (a paused machine), it is kept and shown by
 * the next start. After a reset (of this queue) nothing of it reaches the driver, whoever still
 * holds it may complete or drop it in peace.
 *
 * The rings lie in guest memory, found anew whenever the memory table changes. A driver that breaks
 * the ring's rules makes this queue broken: one log line, no more elements, nothing else happens.
 *
 * Threads: the loop thread. Source: virtio 1.3, section 2.7.
 */
#ifndef PV_VIRTIO_QUEUE_H
#define PV_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "guestmem/space.h"
#include "virtio/element.h"

struct pv_virtio_queue;

/* The largest ring that the specification allows, in entries; a power of two. */
#define PV_VIRTIO_QUEUE_SIZE_MAX 32768u

/*
 * Work done in one call of pv_virtio_queue_process before others get their turn: a driver that
 * feeds its queue as fast as we empty it must not keep the loop from its other sources.
 */
#define PV_VIRTIO_QUEUE_TURN_ELEMENTS    64u
#define PV_VIRTIO_QUEUE_TURN_DESCRIPTORS 65536u

/* What a queue needs of its owner. All members are required. */
struct pv_virtio_queue_ops {
    /* A request; the element is the receiver's. */
    void (*element)(void *user, uint32_t queue_index, struct pv_virtio_element *element);
    /* Used entries wait and the driver wants an interrupt. */
    void (*interrupt)(void *user, uint32_t queue_index);
    /* The queue broke; it has logged why. Called once per break. */
    void (*broken)(void *user, uint32_t queue_index);
};

/* Where the driver put a queue, and where it goes on. Addresses are guest-physical. */
struct pv_virtio_queue_place {
    uint32_t size; /* entries: a power of two, 1 .. PV_VIRTIO_QUEUE_SIZE_MAX */
    uint64_t descriptor_addr;
    uint64_t available_addr;
    uint64_t used_addr;
    uint16_t next_available; /* first entry of the available ring that has not been taken */
    bool has_event_index;    /* RING_EVENT_IDX was negotiated */
};

/*
 * Create an idle queue. log, space and ops are borrowed until destroy; index names the queue in the
 * ops and in log lines. Returns 0 or -ENOMEM.
 */
PV_NODISCARD int pv_virtio_queue_create(struct pv_base_log *log, struct pv_guestmem_space *space,
                                        const struct pv_virtio_queue_ops *ops, void *user,
                                        uint32_t index, struct pv_virtio_queue **ret_queue);

/* Elements that are still held somewhere become harmless, as by reset. Accepts NULL. */
void pv_virtio_queue_destroy(struct pv_virtio_queue *queue);

/*
 * Begin to run: the used index goes on from what stands in the ring, elements kept by an earlier
 * stop are shown to the driver. Elements arrive only from pv_virtio_queue_process.
 *
 * Returns false when the queue is broken, by this place (size, alignment or addresses that are not
 * backed: logged) or from before.
 */
bool pv_virtio_queue_start(struct pv_virtio_queue *queue,
                           const struct pv_virtio_queue_place *place);

/* Stop; returns where the next start goes on (place.next_available). Idle queues may be stopped. */
uint16_t pv_virtio_queue_stop(struct pv_virtio_queue *queue);

/* Back to as created: kept elements are gone, outstanding ones harmless, a break is forgotten. */
void pv_virtio_queue_reset(struct pv_virtio_queue *queue);

/* Whether it was started and neither stopped, reset nor broken since. */
bool pv_virtio_queue_is_running(const struct pv_virtio_queue *queue);

/* Whether the last look at the ring ended for want of memory: trying again at once would spin. */
bool pv_virtio_queue_is_short_of_memory(const struct pv_virtio_queue *queue);

/* Elements that the device holds now, or that are done and kept; at most place.size. */
size_t pv_virtio_queue_outstanding_count(const struct pv_virtio_queue *queue);

/*
 * Take requests and hand them on, up to one turn's worth. Returns true when more may be waiting, or
 * there was no memory for the next one (call again, from the loop); false when the ring is empty,
 * with the driver asked to ring the doorbell for the next request. Nothing happens unless the queue
 * runs.
 */
bool pv_virtio_queue_process(struct pv_virtio_queue *queue);

#endif
