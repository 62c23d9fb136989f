/* SPDX-License-Identifier: MIT */
/*
 * The host instance of a context and its physical devices with their views.
 */
#ifndef PV_VENUS_INSTANCE_H
#define PV_VENUS_INSTANCE_H

#include "venus/device.h"
#include "vkhost/loader.h"

struct pv_venus_instance {
    struct pv_venus_object object; /* handle: VkInstance; dispatch: &table */
    struct pv_vkhost_loader loader;
    struct pv_vkhost_instance host;
    struct pv_vk_instance_table table;
    /* Devices that can serve a guest, in the driver's order; made at the first enumeration. */
    pthread_mutex_t lock;
    bool probed;
    uint32_t device_count;
    VkPhysicalDevice handles[PV_VKHOST_LOADER_DEVICES_MAX];
    struct pv_vkhost_facts *facts[PV_VKHOST_LOADER_DEVICES_MAX];
    struct pv_venus_physical_device *devices[PV_VKHOST_LOADER_DEVICES_MAX]; /* once they have ids */
};

/* Destroy the context's instance, if any, with every object that is left. is_the_end: of
 * the context, no ring runs any more. What a driver is still at work with stays (idle.h). */
void pv_venus_instance_finish(struct pv_venus_context *context, bool is_the_end);

#endif
