/* SPDX-License-Identifier: MIT */
/*
 * Facts of a physical device as JSON and back: what pearvisor-probe prints, what `pearvisor doctor
 * --json` shows, and what a recorded profile is. Numbers are Vulkan's own; memory types and their
 * flags are spelled out, because people read them.
 *
 * Threads: any; nothing is shared.
 */
#ifndef PV_DOCTOR_FACTS_JSON_H
#define PV_DOCTOR_FACTS_JSON_H

#include <jansson.h>

#include "base/compiler.h"
#include "vkhost/facts.h"
#include "vkhost/view.h"

/* A new reference, or NULL without memory. */
json_t *pv_doctor_facts_to_json(const struct pv_vkhost_facts *facts);

/*
 * Read facts back. Members that are missing stay zero; unknown ones are ignored (a profile may hold
 * remarks). Returns 0, or -EINVAL when a member has the wrong type or an index is out of range.
 */
PV_NODISCARD int pv_doctor_facts_from_json(const json_t *json, struct pv_vkhost_facts *ret_facts);

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
