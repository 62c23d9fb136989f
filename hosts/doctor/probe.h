/* SPDX-License-Identifier: MIT */
/*
 * What this machine's Vulkan can give to guests, as JSON. Loads the driver, so it runs in a program
 * of its own (pearvisor-probe): a driver that crashes takes that program along and nothing else.
 *
 *   { "error": text or null,              the loader or the instance failed
 *     "loader_version": "1.3.239",
 *     "devices": [ { "usable": bool,      a guest can be served
 *                    "reason": text,      why not
 *                    "facts": {...}, "items": [...],
 *                    "view": {...} or null, "versions": {...} or null } ] }
 */
#ifndef PV_DOCTOR_PROBE_H
#define PV_DOCTOR_PROBE_H

#include <jansson.h>

/* A new reference, or NULL without memory. Threads: one; nothing else uses Vulkan meanwhile. */
json_t *pv_doctor_probe_run(void);

#endif
