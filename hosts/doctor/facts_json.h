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

/* A new reference, or NULL without memory. */
json_t *pv_doctor_facts_to_json(const struct pv_vkhost_facts *facts);

/*
 * Read facts back. Members that are missing stay zero; unknown ones are ignored (a profile may hold
 * remarks). Returns 0, or -EINVAL when a member has the wrong type or an index is out of range.
 */
PV_NODISCARD int pv_doctor_facts_from_json(const json_t *json, struct pv_vkhost_facts *ret_facts);

#endif
