/* SPDX-License-Identifier: MIT */
/* Common options of the test programs, and the loop over a table of cases. */
#include "common/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/report.h"

uint32_t pv_prog_options_number(const char *name, const char *text, uint32_t minimum,
                                uint32_t maximum)
{
    char *end = NULL;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < minimum
        || value > maximum) {
        pv_prog_fail("--%s takes a number from %u to %u, not \"%s\"", name, minimum, maximum, text);
    }
    return (uint32_t)value;
}

void pv_prog_options_take(struct pv_prog_options *options, int value, const char *argument,
                          const char *usage)
{
    switch (value) {
    case PV_PROG_OPTION_DEVICE:
        options->device_index = pv_prog_options_number("device", argument, 0, 255);
        return;
    case PV_PROG_OPTION_VALIDATE:
        options->validate = true;
        return;
    case PV_PROG_OPTION_LIST:
        options->list = true;
        return;
    case PV_PROG_OPTION_ONLY:
        options->only = argument;
        return;
    case PV_PROG_OPTION_HELP:
        fputs(usage, stdout);
        exit(PV_PROG_EXIT_OK);
    default: /* getopt_long has already said what is wrong */
        exit(PV_PROG_EXIT_FAILED);
    }
}

struct pv_prog_options pv_prog_options_parse(int argc, char **argv, const char *usage)
{
    static const struct option table[] = {PV_PROG_OPTION_ENTRIES, {0}};
    struct pv_prog_options options = {0};
    int value;

    while ((value = getopt_long(argc, argv, "", table, NULL)) != -1) {
        pv_prog_options_take(&options, value, optarg, usage);
    }
    if (optind < argc) {
        pv_prog_fail("unexpected argument \"%s\"; try --help", argv[optind]);
    }
    return options;
}

void pv_prog_cases_run(struct pv_prog_gpu *gpu, const struct pv_prog_options *options,
                       const struct pv_prog_case *cases, size_t case_count)
{
    bool found = false;

    for (size_t i = 0; i < case_count; i++) {
        if (options->only != NULL && strcmp(options->only, cases[i].name) != 0) {
            continue;
        }
        found = true;
        if (options->list) {
            printf("%s\n", cases[i].name);
        } else {
            cases[i].run(gpu, cases[i].name);
        }
    }
    if (!found) {
        pv_prog_fail("there is no case \"%s\"; --list names them", options->only);
    }
}

int pv_prog_cases_main(int argc, char **argv, const char *usage,
                       const struct pv_prog_gpu_options *gpu_options,
                       const struct pv_prog_case *cases, size_t case_count)
{
    struct pv_prog_options options = pv_prog_options_parse(argc, argv, usage);
    struct pv_prog_gpu_options wanted = *gpu_options;
    struct pv_prog_gpu gpu;

    if (options.list) {
        pv_prog_cases_run(NULL, &options, cases, case_count);
        return PV_PROG_EXIT_OK;
    }
    wanted.device_index = options.device_index;
    wanted.validate = options.validate;
    pv_prog_gpu_open(&wanted, &gpu);
    pv_prog_cases_run(&gpu, &options, cases, case_count);
    pv_prog_gpu_close(&gpu);
    return PV_PROG_EXIT_OK;
}
