/* SPDX-License-Identifier: MIT */
/*
 * The renderer's own structs behind instances, physical devices, devices and queues. All start with
 * struct pv_venus_object; see object.h for life and threads.
 */
#ifndef PV_VENUS_DEVICE_H
#define PV_VENUS_DEVICE_H

#include <vulkan/vulkan_core.h>

#include "venus/object.h"
#include "venus/spare.h"
#include "vkhost/facts.h"
#include "vkhost/view.h"
#include "vkhost_tables/tables.h"

struct pv_venus_physical_device {
    struct pv_venus_object object; /* handle: VkPhysicalDevice; dispatch: instance table */
    struct pv_vkhost_facts facts;
    struct pv_vkhost_view view;
};

struct pv_venus_device {
    struct pv_venus_object object; /* handle: VkDevice; dispatch: &table */
    struct pv_venus_context *context;
    struct pv_venus_physical_device *physical_device;
    struct pv_vk_device_table table;
    /* Queues that the device was made with; drivers do not check indices. */
    uint32_t queue_counts[PV_VKHOST_QUEUE_FAMILIES_MAX];
    pthread_mutex_t lock;                /* guards the lists */
    struct pv_venus_device *next_device; /* of the context */
    struct pv_venus_object *objects;     /* all that was made from it, pools' children apart */
    struct pv_venus_spares spares;       /* memory that the guest has freed */
    struct pv_venus_idle *idle;          /* the wait for its work, while it is being destroyed */
    bool is_abandoned;                   /* its work never ended: the driver is left alone */
};

/* The driver's handle. */
static inline VkDevice pv_venus_device_handle(const struct pv_venus_device *device)
{
    return (VkDevice)(uintptr_t)device->object.base.handle;
}

/* The object behind a handle that was decoded as an object (hand-written commands). */
#define PV_VENUS_OBJECT(handle) ((struct pv_venus_object *)(uintptr_t)(handle))

/* Our object behind a decoded VkDevice of a hand-written command: before it is unwrapped. */
static inline struct pv_venus_device *pv_venus_device_of(VkDevice handle)
{
    return (struct pv_venus_device *)(void *)handle;
}

/* The same for a VkPhysicalDevice. */
static inline struct pv_venus_physical_device *pv_venus_physical_device_of(VkPhysicalDevice handle)
{
    return (struct pv_venus_physical_device *)(void *)handle;
}

/*
 * Destroy a device that is out of the table: its queues' timelines, all that was made from it, the
 * host device, its memory. Any thread, no other user left. False: its work does not end (idle.h).
 * It is still there then, the context is lost, so that the device process ends this one.
 * is_the_end: the context is being destroyed, no ring runs.
 */
PV_NODISCARD bool pv_venus_device_finish(struct pv_venus_device *device, bool is_the_end);

/*
 * At the end of the context, instead: stop what works for us, and leave the driver's things and
 * their memory, which it may still use, to the end of the process.
 */
void pv_venus_device_abandon(struct pv_venus_device *device);

/*
 * Destroy the host object behind any object of a device (leak clean-up) and what hangs from it.
 * The object is out of all lists; its memory is freed.
 */
void pv_venus_device_object_finish(struct pv_venus_device *device, struct pv_venus_object *object);

#endif
