/* SPDX-License-Identifier: MIT */
/*
 * A Venus context: one guest program's VkInstance, with its rings, objects and resources. This is
 * all that src/render and the hosts see of the renderer.
 *
 * Threads. The *message thread* makes all calls of this header, in the order in which the guest's
 * requests came. Each ring has a *ring thread* (ring.c), each bound queue a *timeline thread*
 * (timeline.c), and a *monitor thread* keeps ALIVE set (monitor.c). Events are called from any of
 * them, no lock held, and must not call back.
 *
 * Objects and threads: rings look objects up without a lock. Who removes an object waits until
 * every other ring has finished the batch in which it may have seen it (object.c).
 *
 * A fault in the guest's bytes marks the context lost: all rings set FATAL, later calls do nothing
 * and report -EIO, fences retire at once.
 */
#ifndef PV_VENUS_CONTEXT_H
#define PV_VENUS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"

struct VkInstance_T;
struct pv_base_account;
struct pv_venus_context;

/* How host-visible memory reaches the program that maps it. */
enum pv_venus_placement {
    PV_VENUS_PLACEMENT_FILE,   /* each allocation is a file whose fd goes to the client (vtest) */
    PV_VENUS_PLACEMENT_WINDOW, /* pages move to the window when the guest maps them */
};

struct pv_venus_context_events {
    /* The fence's timeline has reached it. Any thread. */
    void (*fence_retired)(void *user, uint32_t ring_index, uint64_t fence_id);
    /* The context is lost; reason is one sentence, borrowed. At most once, not while it is
     * destroyed. Any thread. */
    void (*lost)(void *user, const char *reason);
    /*
     * A ring exists: its status word is at offset_bytes of the resource, so that somebody who
     * outlives this process can set FATAL there. present false: the ring is gone. Message thread.
     */
    void (*ring)(void *user, uint32_t resource_id, uint64_t status_offset_bytes, bool present);
};

struct pv_venus_context_options {
    size_t size_bytes; /* of this struct */
    struct pv_base_log *log;
    const char *name; /* of the guest program, for the log; copied */
    enum pv_venus_placement placement;
    int window_fd; /* borrowed for the life of the context; -1 without a window */
    uint64_t window_size_bytes;
    uint64_t memory_max_bytes; /* host memory that allocations of this VM may take */
    /* Where this context's use is counted; borrowed. NULL: it is the only context of its VM. */
    struct pv_base_account *account;
    uint32_t account_slot;
    const struct pv_venus_context_events *events; /* borrowed */
    void *events_user;
    /* A host driver that is here already (PFN_vkGetInstanceProcAddr); NULL: the host's loader. */
    void (*(*get_instance_proc_addr)(struct VkInstance_T *instance, const char *name))(void);
};

struct pv_venus_exported {
    int fd; /* the receiver closes it; -1: pages without a place yet */
    uint64_t size_bytes;
};

/* Returns 0 or -errno. The host driver is loaded only when the guest makes its instance. */
PV_NODISCARD int pv_venus_context_create(const struct pv_venus_context_options *options,
                                         struct pv_venus_context **ret_context);

/* Stops all threads and destroys all host objects. Accepts NULL. May wait for the GPU. */
void pv_venus_context_destroy(struct pv_venus_context *context);

/*
 * Make a resource known: a range of fd (borrowed, mapped here). is_shmem: rings, replies and
 * streams may live in it. Returns 0, -EEXIST, -ENOMEM, -ENOSPC at the cap, or -EIO when lost.
 */
PV_NODISCARD int pv_venus_context_attach(struct pv_venus_context *context, uint32_t resource_id,
                                         int fd, uint64_t offset_bytes, uint64_t size_bytes,
                                         bool in_window, bool is_shmem);

/* Forget a resource; afterwards nothing here shows its window range. Returns 0 or -errno. */
PV_NODISCARD int pv_venus_context_leave(struct pv_venus_context *context, uint32_t resource_id);

/* Decode a command stream that came outside of the rings. Faults end the context. */
void pv_venus_context_submit(struct pv_venus_context *context, const void *bytes,
                             size_t size_bytes);

/* Put a fence on a timeline: 0 retires at once, others after the bound queue's work. */
void pv_venus_context_fence(struct pv_venus_context *context, uint32_t ring_index,
                            uint64_t fence_id);

/*
 * Make memory object blob_id a resource of this context.
 * Returns 0 or -errno: -ENOENT no such memory, -EINVAL not mappable or too small, -EEXIST.
 */
PV_NODISCARD int pv_venus_context_export_blob(struct pv_venus_context *context,
                                              uint32_t resource_id, uint64_t blob_id,
                                              uint64_t size_bytes, bool mappable, bool shareable,
                                              struct pv_venus_exported *ret_exported);

/* Move an exported blob's pages to the window. Returns 0 or -errno. */
PV_NODISCARD int pv_venus_context_place(struct pv_venus_context *context, uint32_t resource_id,
                                        uint64_t offset_bytes);

/* Whether the context is lost. Any thread. */
bool pv_venus_context_is_lost(const struct pv_venus_context *context);

#endif
