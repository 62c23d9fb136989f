/* SPDX-License-Identifier: MIT */
/* pearvisor doctor: what this host can do, what is missing and how to get it. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/host_programs.h"
#include "cli/places.h"
#include "cli/usage.h"
#include "doctor/report.h"

#define PROBE_PROGRAM "pearvisor-probe"

static void print_help(FILE *file)
{
    fprintf(file, "usage: pearvisor doctor [--json] [--brief] [--image NAME] [--qemu FILE]\n"
                  "                        [--cache-dir DIR]\n\n"
                  "Looks at the Vulkan driver, QEMU, the guest image and the accelerator, and\n"
                  "prints what guests are shown of each GPU other than its driver reports.\n"
                  "KVM is tried each time (3 s); 'run' and 'demo' remember the last answer until\n"
                  "the machine starts again, so this is how to have them use a KVM just mended.\n"
                  "Exit status: 0 when the demo can work here, 1 when something is missing.\n\n"
                  "  --json         everything, for a program to read\n"
                  "  --brief        the checks only\n"
                  "  --image NAME   guest image to look for (debian-13)\n"
                  "  --qemu FILE    QEMU to use (PV_QEMU, or the one in PATH)\n"
                  "  --cache-dir DIR  where images are (PEARVISOR_CACHE_DIR)\n");
}

/* The probe is installed, and built, beside this program. Returns whether the path fits. */
static bool probe_find(const char *program, char ret_path[PATH_MAX])
{
    const char *slash = strrchr(program, '/');
    const int folder_length = slash != NULL ? (int)(slash - program) + 1 : 0;
    const int length =
        snprintf(ret_path, PATH_MAX, "%.*s%s", folder_length, program, PROBE_PROGRAM);

    return length > 0 && length < PATH_MAX;
}

int pv_cli_doctor(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"brief", no_argument, NULL, 'b'},
        {"image", required_argument, NULL, 'i'},
        {"qemu", required_argument, NULL, 'q'},
        {"cache-dir", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct pv_doctor_options doctor = {.image_name = "debian-13", .qemu_path = getenv("PV_QEMU")};
    struct pv_cli_places places = {0};
    struct pv_vm_image_store store;
    char probe_path[PATH_MAX];
    const char *cache = NULL;
    bool is_json = false;
    bool is_brief = false;
    bool is_ready;
    json_t *report;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            is_json = true;
            break;
        case 'b':
            is_brief = true;
            break;
        case 'i':
            doctor.image_name = optarg;
            break;
        case 'q':
            doctor.qemu_path = optarg;
            break;
        case 'c':
            cache = optarg;
            break;
        case 'h':
            print_help(stdout);
            return 0;
        default:
            return PV_CLI_USAGE;
        }
    }
    if (optind != argc) {
        return pv_cli_usage_error("doctor", "takes no argument '%s'", argv[optind]);
    }
    pv_cli_host_driver_choose(); /* ask the driver that guests get */
    doctor.arch = pv_vm_arch_own();
    if (pv_cli_places_find(cache, &places) && doctor.arch != NULL) {
        store = pv_cli_image_store(&places, doctor.arch);
        doctor.store = &store;
        doctor.programs_path = places.programs;
        doctor.runtime_path = places.runtime;
    }
    if (!probe_find(places.program, probe_path)) {
        return PV_CLI_FAILED;
    }
    doctor.probe_path = probe_path;
    if (doctor.qemu_path != NULL && doctor.qemu_path[0] == '\0') {
        doctor.qemu_path = NULL;
    }
    report = pv_doctor_report_run(&doctor);
    if (report == NULL) {
        fprintf(stderr, "pearvisor: no memory for the report\n");
        return PV_CLI_FAILED;
    }
    if (is_json) {
        (void)json_dumpf(report, stdout, JSON_INDENT(1));
        (void)putchar('\n');
    } else {
        pv_doctor_report_print(report, !is_brief, stdout);
    }
    is_ready = pv_doctor_report_is_ready(report);
    json_decref(report);
    return is_ready ? 0 : 1;
}
