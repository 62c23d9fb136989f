/* SPDX-License-Identifier: MIT */
/*
 * What `pearvisor doctor` finds out: host driver, QEMU, guest image, accelerator, and the table of
 * what guests are shown differently. No Vulkan in this process: pearvisor-probe is run for that.
 *
 * The report is JSON, printed as it is or for people:
 *   { "ready": bool,                      the demo can work
 *     "checks": [ { "name", "state": "ok" | "note" | "missing", "text", "fix" } ],
 *     "vulkan": {...} or null }           what pearvisor-probe said (doctor/probe.h), and in which
 * sandbox "missing" stops the demo; a "note" is worth knowing. "fix" is a command or a sentence, or
 * "".
 */
#ifndef PV_DOCTOR_REPORT_H
#define PV_DOCTOR_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "vm/arch.h"
#include "vm/image.h"

/* All borrowed for the call. */
struct pv_doctor_options {
    const char *probe_path;                /* pearvisor-probe */
    const struct pv_vm_arch *arch;         /* NULL: no VM can be had on this machine */
    const char *qemu_path;                 /* or NULL: the one in PATH */
    const struct pv_vm_image_store *store; /* NULL: it is not known where images are */
    const char *image_name;
    const char *programs_path; /* guest programs; NULL: the accelerator is not tried */
    const char *runtime_path;  /* base folder for a running VM's files */
};

/*
 * Look at everything: up to 20 s for a slow driver, 3 s for KVM, which is tried anew; the answer is
 * what `pearvisor run` goes by from then on. A new reference, or NULL.
 */
json_t *pv_doctor_report_run(const struct pv_doctor_options *options);

/* Whether the demo can work. */
bool pv_doctor_report_is_ready(const json_t *report);

/* Print for people. with_table: the synthesised items too. */
void pv_doctor_report_print(const json_t *report, bool with_table, FILE *file);

/*
 * The checks of the "vulkan" part alone, appended to `checks`: whether a device is usable and what
 * a guest would miss. vulkan: what pearvisor-probe said. Pure.
 */
void pv_doctor_report_check_vulkan(const json_t *vulkan, json_t *checks);

/*
 * The checks of its "sandbox" part (doctor/sandbox_json.h): which stages hold here, and which
 * attempts to get out succeeded. Pure.
 */
void pv_doctor_report_check_sandbox(const json_t *vulkan, json_t *checks);

#endif
