/* SPDX-License-Identifier: MIT */
/* What `pearvisor run` can be told on the command line. Main thread. */
#ifndef PV_CLI_RUN_OPTIONS_H
#define PV_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/backend_options.h"

/* Strings are borrowed from the argument vector; NULL: not given. */
struct pv_cli_run_options {
    const char *image;
    const char *accel; /* auto, kvm or tcg */
    const char *qemu;
    const char *cache;
    const char *name;
    const char *screenshot;
    const char *serial;
    const char *kernel_options;
    const char *device_command;
    uint32_t memory_mib;
    uint32_t cpu_count;
    uint32_t timeout_s;        /* 0: none */
    uint32_t screenshot_after; /* frames; 0: at once */
    bool shell;
    bool keep_alive;
    bool network;
    bool no_gpu;
    struct pv_cli_backend backend;
    char **command; /* NULL-terminated; empty: none */
};

/*
 * Read the command line; defaults are filled in. What is wrong with it has been said.
 *
 * Returns 0, an exit status to leave with, or -1 for "leave with success".
 */
PV_NODISCARD int pv_cli_run_options_parse(int argc, char **argv,
                                          struct pv_cli_run_options *ret_options);

#endif
