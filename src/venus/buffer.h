/* SPDX-License-Identifier: MIT */
/*
 * Buffers and images: what has to be remembered of their creation to answer queries as the view
 * wants it, and to check binds, which drivers do not.
 */
#ifndef PV_VENUS_BUFFER_H
#define PV_VENUS_BUFFER_H

#include "venus/device.h"
#include "vkhost/create.h"

struct pv_venus_buffer {
    struct pv_venus_object object;
    enum pv_vkhost_resource_kind kind;
};

struct pv_venus_image {
    struct pv_venus_object object;
    enum pv_vkhost_resource_kind kind;
    bool has_modifier; /* the guest made it with DRM format modifier tiling */
    bool is_disjoint;  /* planes are bound one by one */
};

#endif
