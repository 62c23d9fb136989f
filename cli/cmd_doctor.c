/* SPDX-License-Identifier: MIT */
/* pearvisor doctor: what this host can do, what is missing and how to get it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/host_programs.h"
#include "cli/options.h"
#include "cli/places.h"
#include "doctor/report.h"

#define PROBE_PROGRAM "pearvisor-probe"

struct doctor_options {
    const char *image;
    const char *qemu;
    const char *cache;
    bool json;
    bool brief;
};

static const char help[] =
    "usage: pearvisor doctor [OPTIONS]\n\n"
    "Looks at the Vulkan driver, QEMU, the guest image and the accelerator, and\n"
    "prints what guests are shown of each GPU other than its driver reports.\n"
    "KVM is tried each time (3 s); 'run' and 'demo' remember the last answer until\n"
    "the machine starts again, so this is how to have them use a KVM just mended.\n"
    "Exit status: 0 when the demo can work here, 1 when something is missing.\n";

static const struct pv_cli_option rows[] = {
    {.name = "json",
     .help = "everything, for a program to read",
     .kind = PV_CLI_OPTION_FLAG,
     .offset = offsetof(struct doctor_options, json)},
    {.name = "brief",
     .help = "the checks only",
     .kind = PV_CLI_OPTION_FLAG,
     .offset = offsetof(struct doctor_options, brief)},
    {.name = "image",
     .value = "NAME",
     .help = "guest image to look for (debian-13)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct doctor_options, image)},
    {.name = "qemu",
     .value = "FILE",
     .help = "QEMU to use (PV_QEMU, or the one in PATH)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct doctor_options, qemu)},
    {.name = "cache-dir",
     .value = "DIR",
     .help = "where images are (PEARVISOR_CACHE_DIR)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct doctor_options, cache)},
};

/* The probe is installed, and built, beside this program. Returns whether the path fits. */
static bool probe_find(const char *program, char ret_path[PATH_MAX])
{
    const char *slash = strrchr(program, '/');
    const int folder_length = slash != NULL ? (int)(slash - program) + 1 : 0;
    const int length =
        snprintf(ret_path, PATH_MAX, "%.*s%s", folder_length, program, PROBE_PROGRAM);

    return length > 0 && length < PATH_MAX;
}

/* The report, or NULL. What is not there is a line of it, not an error. */
static json_t *examine(const struct doctor_options *options)
{
    struct pv_doctor_options doctor = {
        .image_name = options->image,
        .qemu_path = options->qemu,
        .arch = pv_vm_arch_own(),
    };
    struct pv_cli_places places = {0};
    struct pv_vm_image_store store;
    char probe_path[PATH_MAX];

    if (pv_cli_places_find(options->cache, &places) && doctor.arch != NULL) {
        store = pv_cli_image_store(&places, doctor.arch);
        doctor.store = &store;
        doctor.programs_path = places.programs;
        doctor.runtime_path = places.runtime;
    }
    if (!probe_find(places.program, probe_path)) {
        return NULL;
    }
    doctor.probe_path = probe_path;
    return pv_doctor_report_run(&doctor);
}

int pv_cli_doctor(int argc, char **argv)
{
    struct doctor_options options = {.image = "debian-13"};
    const struct pv_cli_option_group groups[] = {{rows, PV_ARRAY_LEN(rows), &options},
                                                 PV_CLI_OPTION_GROUPS_END};
    const char *qemu = getenv("PV_QEMU");
    const int r = pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_NONE, NULL);
    bool is_ready;
    json_t *report;

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    if (options.qemu == NULL && qemu != NULL && qemu[0] != '\0') {
        options.qemu = qemu;
    }
    pv_cli_host_driver_choose(); /* ask the driver that guests get */
    report = examine(&options);
    if (report == NULL) {
        fprintf(stderr, "pearvisor: no memory for the report\n");
        return PV_CLI_FAILED;
    }
    if (options.json) {
        (void)json_dumpf(report, stdout, JSON_INDENT(1));
        (void)putchar('\n');
    } else {
        pv_doctor_report_print(report, !options.brief, stdout);
    }
    is_ready = pv_doctor_report_is_ready(report);
    json_decref(report);
    return is_ready ? 0 : 1;
}
