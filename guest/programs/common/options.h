/* SPDX-License-Identifier: MIT */
/*
 * The command line that all test programs share, and the table of cases that most of them are.
 * A program with options of its own (pv-kms, say) parses with getopt_long itself and hands the
 * common ones on with pv_prog_options_take.
 */
#ifndef PV_PROG_COMMON_OPTIONS_H
#define PV_PROG_COMMON_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/gpu.h"

struct pv_prog_options {
    uint32_t device_index; /* --device N: index among the physical devices, default 0 */
    bool validate;         /* --validate: Khronos validation layer, any message fails the run */
    bool list;             /* --list: print the names of the cases and end */
    const char *only;      /* --only NAME: run this case alone; NULL for all */
};

/* Values of `val` above any character, so that programs can use letters for their own options. */
enum pv_prog_option_value {
    PV_PROG_OPTION_DEVICE = 1000,
    PV_PROG_OPTION_VALIDATE,
    PV_PROG_OPTION_LIST,
    PV_PROG_OPTION_ONLY,
    PV_PROG_OPTION_HELP,
    PV_PROG_OPTION_OWN = 2000, /* the first value that a program may use */
};

/* The entries of a getopt_long table for the options above; put {0} after the last entry. */
#define PV_PROG_OPTION_ENTRIES                                                                     \
    {"device", required_argument, NULL, PV_PROG_OPTION_DEVICE},                                    \
        {"validate", no_argument, NULL, PV_PROG_OPTION_VALIDATE},                                  \
        {"list", no_argument, NULL, PV_PROG_OPTION_LIST},                                          \
        {"only", required_argument, NULL, PV_PROG_OPTION_ONLY},                                    \
    {                                                                                              \
        "help", no_argument, NULL, PV_PROG_OPTION_HELP                                             \
    }

/* Usage text of the options above, to be printed after a program's own. */
#define PV_PROG_OPTION_HELP_TEXT                                                                   \
    "  --device N       use the Nth physical device (default 0)\n"                                 \
    "  --validate       run under the Khronos validation layer; any message is a failure\n"        \
    "  --list           print the names of the cases and end\n"                                    \
    "  --only NAME      run this case alone\n"                                                     \
    "  --help           print this text\n"

/*
 * Store one common option.
 *
 * options     written
 * value       what getopt_long returned; '?' and unknown values end the program with status 1
 * argument    optarg, kept (it lives in argv)
 * usage       printed for --help, which ends the program with status 0
 */
void pv_prog_options_take(struct pv_prog_options *options, int value, const char *argument,
                          const char *usage);

/*
 * Read a number from the command line; a wrong one ends the program with status 1.
 *
 * name        of the option, for the sentence
 * text        what the user wrote
 * minimum, maximum   both allowed
 */
uint32_t pv_prog_options_number(const char *name, const char *text, uint32_t minimum,
                                uint32_t maximum);

/* Parse a command line that has common options only. Ends the program on a mistake. */
struct pv_prog_options pv_prog_options_parse(int argc, char **argv, const char *usage);

/* One thing to test; `run` prints its own "case" lines, and fails through pv_prog_fail. */
struct pv_prog_case {
    const char *name;
    void (*run)(struct pv_prog_gpu *gpu, const char *name);
};

/*
 * Run a table of cases on an open device, honouring --list and --only.
 *
 * gpu         may be NULL only if options->list is set
 * cases       case_count of them
 * Ends the program with status 1 if --only names none of them.
 */
void pv_prog_cases_run(struct pv_prog_gpu *gpu, const struct pv_prog_options *options,
                       const struct pv_prog_case *cases, size_t case_count);

/*
 * The whole main() of a program that is a table of cases: parse, open the device, run, close.
 * Returns the exit status.
 */
int pv_prog_cases_main(int argc, char **argv, const char *usage,
                       const struct pv_prog_gpu_options *gpu_options,
                       const struct pv_prog_case *cases, size_t case_count);

#endif
