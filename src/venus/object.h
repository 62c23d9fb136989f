/* SPDX-License-Identifier: MIT */
/*
 * The renderer's objects: what stands behind a guest id.
 *
 * Families: a device keeps a list of all that was made from it, a pool keeps its sets or command
 * buffers, so that destroying the parent frees the children that the guest never freed.
 *
 * Removal and other rings. Rings look objects up without a lock and use them until their batch
 * ends. Who removes an object first takes it out of the table, so that no later look-up finds it,
 * then waits until each other ring has left the batch in which it may have found it. While it
 * waits it counts as outside of its own batch, so two rings that remove at once do not wait for
 * each other; afterwards it checks that the parent in its hand is still the one in the table.
 * The message thread counts as one more ring: it may decode any command, and exports memory. With
 * one ring, the common case, all this costs a lock and four atomic operations per removal.
 */
#ifndef PV_VENUS_OBJECT_H
#define PV_VENUS_OBJECT_H

#include <vulkan/vulkan_core.h>

#include "venus/state.h"

struct pv_venus_device;

/* All objects but rings and resources start with this. */
struct pv_venus_object {
    struct pv_base_object base;
    struct pv_venus_device *device; /* NULL for instance and physical devices */
    struct pv_venus_object *pool;   /* of a descriptor set or command buffer, else NULL */
    /* Neighbours in the device's list, or in the pool's list for pool children. */
    struct pv_venus_object *previous;
    struct pv_venus_object *next;
    struct pv_venus_object *children; /* of a pool */
    bool is_marked;                   /* being freed: seen once in the array in hand */
};

/* What generated create and destroy commands call; see venus_wire/decoder.h. */
extern const struct pv_wire_object_ops pv_venus_object_ops;

/*
 * Memory for an object of a type that has a struct of its own (size_bytes with struct
 * pv_venus_object first, zeroed). parent: where device, pool and dispatch table come from. Nobody
 * else knows it until it is published, so it is filled before. Returns NULL with the fault raised;
 * an object that is not published is ended by free().
 */
void *pv_venus_object_alloc(struct pv_venus_decoder *decoder, size_t size_bytes, uint64_t id,
                            uint32_t type, uint64_t handle, bool poisoned,
                            struct pv_venus_object *parent);

/*
 * Make an object known under its id and to its family. False with the fault raised: the object is
 * still the caller's.
 */
PV_NODISCARD bool pv_venus_object_publish(struct pv_venus_decoder *decoder,
                                          struct pv_venus_object *object);

/* Both at once, for objects that need no more than this. */
void *pv_venus_object_create(struct pv_venus_decoder *decoder, size_t size_bytes, uint64_t id,
                             uint32_t type, uint64_t handle, bool poisoned,
                             struct pv_venus_object *parent);

/*
 * The same after the driver was asked for it with that result: a failure that the guest waits to
 * hear leaves no object, one that it does not wait for a poisoned object. False with the fault
 * raised: handle, if any, goes back to the driver.
 */
PV_NODISCARD bool pv_venus_object_created(struct pv_venus_decoder *decoder, size_t size_bytes,
                                          VkResult result, uint64_t id, uint32_t type,
                                          uint64_t handle, struct pv_venus_object *parent);

/*
 * Take an object (and a pool's children) out of the table and off its family's list, and wait until
 * no other ring uses it. Returns false with the fault raised when another ring was faster or its
 * parent has gone meanwhile: then it is not the caller's any more.
 */
PV_NODISCARD bool pv_venus_object_remove(struct pv_venus_decoder *decoder,
                                         struct pv_venus_object *object);

/* The same for count children of one pool, with one wait. objects: distinct, of that pool. */
PV_NODISCARD bool pv_venus_object_remove_from_pool(struct pv_venus_decoder *decoder,
                                                   struct pv_venus_object *pool, uint32_t count,
                                                   struct pv_venus_object *const *objects);

/* Take all that a device has out of the table; returns how many were in it. They stay its. */
size_t pv_venus_object_hide_all(struct pv_venus_device *device);

/* Wait until no other ring is in the batch in which it is now. */
void pv_venus_object_wait(struct pv_venus_decoder *decoder);

/* After a wait: whether the instance went meanwhile, or a part of it, with all that it had. Then
 * nothing may be touched that was found before. */
bool pv_venus_object_may_be_gone(const struct pv_venus_context *context);

/* Free the memory of a removed object (a pool's children too). */
void pv_venus_object_free(struct pv_venus_object *object);

/* Remove and free all children of a pool (reset). False with the fault raised: the pool has gone.
 */
PV_NODISCARD bool pv_venus_object_remove_children(struct pv_venus_decoder *decoder,
                                                  struct pv_venus_object *pool);

/*
 * For hand-written commands: whether none of count decoded handles is VK_NULL_HANDLE; else the
 * fault is raised. For arrays whose elements the registry wants to be objects: drivers look into
 * them.
 */
PV_NODISCARD bool pv_venus_objects_are_there(struct pv_wire_decoder *wire, uint32_t count,
                                             const void *handles);

/* Enter and leave a batch. The decoder's own thread. */
void pv_venus_batch_begin(struct pv_venus_decoder *decoder);
void pv_venus_batch_end(struct pv_venus_decoder *decoder);

/* A ring is about to start: who removes objects has to wait for it. Message thread. */
void pv_venus_objects_prepare_for_ring(struct pv_venus_context *context);

#endif
