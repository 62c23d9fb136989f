/* SPDX-License-Identifier: MIT */
/*
 * The fuzzers' Vulkan driver: the fake driver with every other function that the codec can call.
 * What creates makes objects that are known, so that a dead or foreign handle is counted; the rest
 * succeeds and leaves outputs as they are. Nothing waits: a wait that would is
 * VK_ERROR_DEVICE_LOST.
 *
 * Threads: as fake_driver.h.
 */
#ifndef PV_TESTS_FUZZ_DRIVER_H
#define PV_TESTS_FUZZ_DRIVER_H

#include <vulkan/vulkan_core.h>

#include "fuzz/fuzz.h"

/* No objects; call before each input. */
void fuzz_driver_reset(void);

/* The next call of one of the functions that can fail does; which: the input's choice. */
void fuzz_driver_fail_next(struct fuzz_input *in);

/* At the end of an input: nothing is left, no handle was misused. */
void fuzz_driver_check(void);

/* For pv_venus_context_options.get_instance_proc_addr. */
PFN_vkVoidFunction VKAPI_CALL fuzz_driver_entry(VkInstance instance, const char *name);

#endif
