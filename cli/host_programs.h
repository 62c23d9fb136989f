/* SPDX-License-Identifier: MIT */
/*
 * Our own programs beside this one, and the Vulkan drivers that they use. Reads the environment:
 *
 *   PV_HOST_ICD            ICD file of the host driver for render workers; else the loader's choice
 *   PV_VENUS_ICD           ICD file of Mesa's Venus for `pearvisor vtest`; else the system's
 *
 * Needs nothing but the C library: the device process uses it too.
 */
#ifndef PV_CLI_HOST_PROGRAMS_H
#define PV_CLI_HOST_PROGRAMS_H

#include <limits.h>
#include <stdbool.h>

/* Path of one of our programs: beside this one. Says so if it is not there. */
bool pv_cli_program_find(const char *name, char ret_path[PATH_MAX]);

/* Make render workers, which inherit our environment, use PV_HOST_ICD if it is set; says if there
 * is no such file. */
void pv_cli_host_driver_choose(void);

/* The ICD file of Mesa's Venus: override, PV_VENUS_ICD, or the system's; NULL if there is none. */
const char *pv_cli_venus_icd_find(const char *override);

/* Find the render worker: override, or beside this program. Says so if it is not there. */
bool pv_cli_renderer_find(const char *override, char ret_path[PATH_MAX]);

#endif
