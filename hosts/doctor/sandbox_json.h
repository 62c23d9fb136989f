/* SPDX-License-Identifier: MIT */
/*
 * The sandbox that pearvisor-probe is in, as JSON: the same that workers enter.
 *
 *   { "mode": "full",
 *     "stages": [ { "name", "state": "holds" | "partly" | "absent", "detail" } ],
 *     "trials": [ { "name", "refused": bool, "error": text } ] }
 */
#ifndef PV_DOCTOR_SANDBOX_JSON_H
#define PV_DOCTOR_SANDBOX_JSON_H

#include <jansson.h>

#include "os/isolation.h"
#include "os/isolation_trial.h"

/* A new reference, or NULL without memory. Any thread. */
json_t *pv_doctor_sandbox_to_json(const char *mode, const struct pv_os_isolation_report *report,
                                  const struct pv_os_isolation_trial *trials, size_t trial_count);

#endif
