/* SPDX-License-Identifier: MIT */
/*
 * pearvisor gpu: hands over to the device process, a program of its own because it must not carry
 * what the other subcommands link.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/host_programs.h"

int pv_cli_gpu(int argc, char **argv)
{
    char path[PATH_MAX];

    (void)argc;
    if (!pv_cli_program_find("pearvisor-gpu", path)) {
        return PV_CLI_FAILED;
    }
    argv[0] = path; /* what ps shows */
    execv(path, argv);
    fprintf(stderr, "pearvisor: cannot run %s: %s\n", path, strerror(errno));
    return PV_CLI_FAILED;
}
