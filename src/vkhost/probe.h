/* SPDX-License-Identifier: MIT */
/*
 * Fill pv_vkhost_facts from a real driver. A device is created for it once, because only a device
 * tells which memory types take an import; so probe once per process and physical device, and keep
 * the facts. Costs a few milliseconds on lavapipe and a device creation on any driver.
 */
#ifndef PV_VKHOST_PROBE_H
#define PV_VKHOST_PROBE_H

#include "base/compiler.h"
#include "vkhost/facts.h"
#include "vkhost/loader.h"

/*
 * Ask everything about one physical device.
 *
 * ret_facts    all set on success (import_type_bits 0 when nothing can be imported)
 * ret_reason   size 256: on failure one sentence; may be NULL
 *
 * Returns 0, -ENOTSUP for a device below Vulkan 1.1, -EIO when the driver refuses a step that
 * every driver has to allow, -ENOMEM. Threads: any, one at a time per physical device.
 */
PV_NODISCARD int pv_vkhost_probe_run(const struct pv_vkhost_instance *instance,
                                     VkPhysicalDevice physical_device,
                                     struct pv_vkhost_facts *ret_facts, char ret_reason[256]);

#endif
