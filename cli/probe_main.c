/* SPDX-License-Identifier: MIT */
/*
 * pearvisor-probe: prints what this machine's Vulkan can give to guests, as JSON, on standard
 * output. `pearvisor doctor` runs it; on its own it records a driver's profile.
 */
#include <jansson.h>
#include <stdio.h>

#include "doctor/probe.h"

int main(int argc, char **argv)
{
    json_t *report;
    int r;

    (void)argv;
    if (argc != 1) {
        fprintf(stderr, "usage: pearvisor-probe\n\nPrints what Vulkan on this machine can give to "
                        "guests, as JSON.\n");
        return 2;
    }
    report = pv_doctor_probe_run();
    r = report == NULL ? -1 : json_dumpf(report, stdout, JSON_INDENT(1));
    json_decref(report);
    if (r != 0 || fputc('\n', stdout) == EOF || fflush(stdout) != 0) {
        fprintf(stderr, "pearvisor-probe: the report cannot be written\n");
        return 1;
    }
    return 0;
}
