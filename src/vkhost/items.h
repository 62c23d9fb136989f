/* SPDX-License-Identifier: MIT */
/*
 * The table of all that the guest is shown differently from what the driver reports: one row per
 * item, with the driver fact that triggers it, how it is done and why. The view is built from these
 * rows and `pearvisor doctor` prints them. Nothing else may decide what a guest sees.
 */
#ifndef PV_VKHOST_ITEMS_H
#define PV_VKHOST_ITEMS_H

#include <stdbool.h>
#include <stdint.h>

#include "vkhost/facts.h"

/* What a guest may see of a queue family: commands that the codec carries, and of which it is shown
 * the features. */
#define PV_VKHOST_ITEMS_QUEUE_FLAGS                                                                \
    ((VkQueueFlags)(VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT))

enum pv_vkhost_item_kind {
    PV_VKHOST_ITEM_EXTENSION, /* listed for the guest and implemented by us; host's one not used */
    PV_VKHOST_ITEM_HIDDEN,    /* an extension that the guest is not shown */
    PV_VKHOST_ITEM_FEATURE,   /* a feature that the guest is not shown */
    PV_VKHOST_ITEM_MEMORY,    /* memory types, heaps and requirements */
    PV_VKHOST_ITEM_PROPERTY,  /* names, versions, limits, queue families */
    PV_VKHOST_ITEM_HOST,      /* something that we enable on the host behind the guest's back */
};

/* Rows that code asks for by id; extensions and features are found by kind and name. */
enum pv_vkhost_item_id {
    PV_VKHOST_ITEM_ID_NONE,
    PV_VKHOST_ITEM_ID_DEVICE_TYPE,
    PV_VKHOST_ITEM_ID_DEVICE_NAME,
    PV_VKHOST_ITEM_ID_QUEUE_FLAGS,
    PV_VKHOST_ITEM_ID_DEVICE_LOCAL_TYPE,
};

struct pv_vkhost_item {
    enum pv_vkhost_item_kind kind;
    enum pv_vkhost_item_id id;
    uint32_t spec_version;                                 /* EXTENSION: what the guest is told */
    const char *name;                                      /* extension name, or a few words */
    bool (*triggers)(const struct pv_vkhost_facts *facts); /* NULL: always */
    const char *trigger;                                   /* the same in words */
    const char *how;                                       /* how it is implemented */
    const char *why;                                       /* who needs it */
};

/* All rows, in the order in which doctor prints them. */
const struct pv_vkhost_item *pv_vkhost_items_get(uint32_t *ret_count);

/* Whether a row is in effect for a driver with these facts. */
bool pv_vkhost_item_is_on(const struct pv_vkhost_item *item, const struct pv_vkhost_facts *facts);

/* The same for a row asked for by id; false for ids without a row. */
bool pv_vkhost_items_is_on(enum pv_vkhost_item_id id, const struct pv_vkhost_facts *facts);

/* The row of that kind and name, or NULL. */
const struct pv_vkhost_item *pv_vkhost_items_find(enum pv_vkhost_item_kind kind, const char *name);

/* "extension", "hidden", ...: for people and for JSON. Static string. */
const char *pv_vkhost_item_kind_name(enum pv_vkhost_item_kind kind);

#endif
