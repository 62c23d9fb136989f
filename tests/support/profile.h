/* SPDX-License-Identifier: MIT */
/*
 * Recorded profiles of drivers for tests, and a codec that carries everything.
 */
#ifndef PV_TESTS_PROFILE_H
#define PV_TESTS_PROFILE_H

#include "vkhost/facts.h"
#include "vkhost/view.h"

/* Facts from tests/support/profiles/NAME.json; fails the test if there is no such profile. */
void pv_test_profile_load(const char *name, struct pv_vkhost_facts *ret_facts);

/*
 * Facts of a driver with those memory types, all in one heap, imports working in import_bits, one
 * graphics queue, Vulkan 1.3. For cases that no profile has.
 */
void pv_test_profile_make(const VkMemoryPropertyFlags *types, uint32_t type_count,
                          uint32_t import_bits, struct pv_vkhost_facts *ret_facts);

/* The view with the emitted codec's extensions and 4 KiB pages; fails the test on an error. */
void pv_test_profile_view(const struct pv_vkhost_facts *facts, struct pv_vkhost_view *ret_view);

/* The same, returning what pv_vkhost_view_build does. reason may be NULL. */
int pv_test_profile_view_try(const struct pv_vkhost_facts *facts, struct pv_vkhost_view *ret_view,
                             char *reason);

#endif
