/* SPDX-License-Identifier: MIT */
/*
 * A Venus ring: commands in shared memory, decoded by a thread of its own.
 *
 * The guest writes `tail`, the thread writes `head` after each command; both count bytes and wrap
 * at 2^32. Bytes between them are always complete commands. They are copied to private memory
 * before they are decoded, and never looked at again once head has passed them.
 *
 * Idle. The thread polls, backs off, and after the guest's idle timeout sets IDLE and sleeps until
 * it is notified. The guest's side of that handshake lacks a store-load barrier in Mesa 25.0.7 on
 * x86, so a tail may become visible a little after IDLE was set and unseen by the guest: the
 * thread looks again after 1, 4 and 20 ms before it sleeps without limit.
 *
 * Memory that goes. A program that dies gives its ring's memory back first, whatever the thread is
 * at: such a ring ends by itself, and its context is not lost for it.
 *
 * Files: ring.c life and layout, ring_loop.c the thread, ring_wait.c seqnos.
 * Threads: create, destroy, notify and the waits on the message thread; run on the ring's own.
 * Source: VK_MESA_venus_protocol ring layout as stock Mesa drives it (docs/architecture.md).
 */
#ifndef PV_VENUS_RING_H
#define PV_VENUS_RING_H

#include "venus/state.h"

#define PV_VENUS_RING_STATUS_IDLE  0x1u
#define PV_VENUS_RING_STATUS_FATAL 0x2u
#define PV_VENUS_RING_STATUS_ALIVE 0x4u

/* Where the parts of a ring lie in its resource, as the guest chose them; all unchecked. */
struct pv_venus_ring_layout {
    uint64_t id;
    uint32_t resource_id;
    uint64_t offset_bytes;
    uint64_t size_bytes;
    uint64_t idle_timeout_ns;
    uint64_t head_offset_bytes; /* this and the following relative to offset_bytes */
    uint64_t tail_offset_bytes;
    uint64_t status_offset_bytes;
    uint64_t buffer_offset_bytes;
    uint64_t buffer_size_bytes; /* power of two */
    uint64_t extra_offset_bytes;
    uint64_t extra_size_bytes;
    bool monitored;
};

/*
 * Check a layout and start a ring. On bad guest values the fault is raised and false comes back;
 * host trouble raises PV_BASE_FAULT_MEMORY.
 */
PV_NODISCARD bool pv_venus_ring_create(struct pv_venus_context *context,
                                       const struct pv_venus_ring_layout *layout,
                                       struct pv_base_fault *fault);

/* The ring with that id, NULL if there is none. Message thread. */
struct pv_venus_ring *pv_venus_ring_find(struct pv_venus_context *context, uint64_t ring_id);

/* Stop the thread, wait for it, and free the ring. */
void pv_venus_ring_destroy(struct pv_venus_context *context, struct pv_venus_ring *ring);

/* Whether the ring's thread has to leave whatever it waits for. Any thread. */
bool pv_venus_ring_should_stop(const struct pv_venus_ring *ring);

/*
 * Whether the ring's memory has been taken away, as happens when a guest program dies while it is
 * busy: what was read there since is no fault of the guest. Ends the ring, not the context. On the
 * ring's thread.
 */
bool pv_venus_ring_is_cut_off(struct pv_venus_ring *ring);

/* Wake the thread if it sleeps. */
void pv_venus_ring_notify(struct pv_venus_ring *ring);

/* The guest's control queue has reached seqno: vkWaitVirtqueueSeqnoMESA up to it may go on. */
void pv_venus_ring_submit_virtqueue_seqno(struct pv_venus_ring *ring, uint64_t seqno);

/* On the ring's thread: wait until the control queue has reached seqno. False: context lost. */
bool pv_venus_ring_wait_virtqueue_seqno(struct pv_venus_ring *ring, uint64_t seqno);

/*
 * On the message thread: wait until the ring's head has reached seqno. Returns false when the
 * context is lost, or when nothing can make progress any more (a fault is raised then).
 */
bool pv_venus_ring_wait_seqno(struct pv_venus_ring *ring, uint32_t seqno,
                              struct pv_base_fault *fault);

/* Write to the ring's extra area (vkWriteRingExtraMESA). False: out of range. */
bool pv_venus_ring_write_extra(struct pv_venus_ring *ring, uint64_t offset_bytes, uint32_t value);

/* Set or clear status bits; any thread. */
void pv_venus_ring_set_status(struct pv_venus_ring *ring, uint32_t bits);

/* Make the ring's thread look at lost and stop. Call with context->lock held. */
void pv_venus_ring_wake_locked(struct pv_venus_ring *ring);

/* Whether the monitor keeps ALIVE set on it. */
bool pv_venus_ring_is_monitored(const struct pv_venus_ring *ring);

/* The decoder of the ring, for object.c to see whether it is inside a batch. */
struct pv_venus_decoder *pv_venus_ring_decoder(struct pv_venus_ring *ring);

#endif
