/* SPDX-License-Identifier: MIT */
/*
 * pearvisor-probe: prints what this machine's Vulkan can give to guests, as JSON, on standard
 * output. `pearvisor doctor` runs it; on its own it records a driver's profile.
 *
 * It loads the driver in the sandbox that workers are in, and tries what that should forbid, so
 * that the report says what holds here and that the driver works in it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/driver_sandbox.h"
#include "doctor/probe.h"
#include "doctor/sandbox_json.h"
#include "os/isolation_trial.h"

static bool parse_mode(int argc, char **argv, enum pv_render_sandbox_mode *ret_mode)
{
    static const char prefix[] = "--sandbox=";

    return argc == 1
           || (argc == 2 && strncmp(argv[1], prefix, sizeof(prefix) - 1) == 0
               && pv_render_sandbox_mode_parse(argv[1] + sizeof(prefix) - 1, ret_mode));
}

int main(int argc, char **argv)
{
    enum pv_render_sandbox_mode mode = PV_RENDER_SANDBOX_FULL;
    struct pv_os_isolation_trial trials[PV_OS_ISOLATION_TRIAL_MAX];
    struct pv_os_isolation_report sandbox;
    size_t trial_count = 0;
    json_t *report;
    int r;

    if (!parse_mode(argc, argv, &mode)) {
        fprintf(stderr, "usage: pearvisor-probe [--sandbox=MODE]\n\nPrints what Vulkan on this "
                        "machine can give to guests, as JSON.\n"
                        "MODE is " PV_RENDER_SANDBOX_WORDS ".\n");
        return 2;
    }
    r = pv_cli_driver_sandbox_enter(mode, NULL, 0, &sandbox);
    if (r < 0) {
        fprintf(stderr, "pearvisor-probe: no sandbox as asked for: %s\n", strerror(-r));
        return 1;
    }
    if (mode == PV_RENDER_SANDBOX_FULL || mode == PV_RENDER_SANDBOX_STRICT) {
        trial_count = pv_os_isolation_try(getenv("HOME"), trials);
    }
    report = pv_doctor_probe_run();
    json_object_set_new(report, "sandbox",
                        pv_doctor_sandbox_to_json(pv_render_sandbox_mode_name(mode), &sandbox,
                                                  trials, trial_count));
    r = report == NULL ? -1 : json_dumpf(report, stdout, JSON_INDENT(1));
    json_decref(report);
    if (r != 0 || fputc('\n', stdout) == EOF || fflush(stdout) != 0) {
        fprintf(stderr, "pearvisor-probe: the report cannot be written\n");
        return 1;
    }
    return 0;
}
