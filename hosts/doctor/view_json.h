/* SPDX-License-Identifier: MIT */
/*
 * What guests are shown of a physical device, as JSON: for `pearvisor doctor --json` and its table.
 *
 * Threads: any; nothing is shared.
 */
#ifndef PV_DOCTOR_VIEW_JSON_H
#define PV_DOCTOR_VIEW_JSON_H

#include <jansson.h>

#include "vkhost/facts.h"
#include "vkhost/view.h"

/* What the guest sees. A new reference, or NULL. */
json_t *pv_doctor_view_to_json(const struct pv_vkhost_view *view);

/*
 * What stock guests make of it: { "host": the driver's version of Vulkan, "offered": the view's,
 * "guest": the one that programs in the guest see, "guest_limit": why that is lower than what is
 * offered, or "" }. A new reference, or NULL.
 */
json_t *pv_doctor_versions_to_json(const struct pv_vkhost_facts *facts,
                                   const struct pv_vkhost_view *view);

/* The table of items alone: kind, name, on, trigger, how, why. A new reference, or NULL. */
json_t *pv_doctor_items_to_json(const struct pv_vkhost_facts *facts);

#endif
