/* SPDX-License-Identifier: MIT */
/*
 * pearvisor: finds the subcommand and hands over. A subcommand is one row of the table below and
 * one file cmd_NAME.c.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"demo", pv_cli_demo, "boot a ready guest, run vkcube in it, save the picture"},
    {"run", pv_cli_run, "boot a guest, run a command in it, return its exit status"},
    {"doctor", pv_cli_doctor, "what this host can do, and what is missing"},
    {"exec", pv_cli_exec, "run a command in a guest that runs already"},
    {"screenshot", pv_cli_screenshot, "save what a guest's screen shows as PNG"},
    {"top", pv_cli_top, "live figures of a guest's programs, or of a vtest server's"},
    {"gpu", pv_cli_gpu, "only the device, for a VMM of your own"},
    {"vtest", pv_cli_vtest, "serve Vulkan to programs of this machine, without a VM"},
    {"image", pv_cli_image, "build, list or remove guest images"},
    {"bench", pv_cli_bench, "measure Vulkan calls natively and through us"},
};

static void print_help(FILE *file)
{
    fprintf(file, "usage: pearvisor COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        fprintf(file, "  %-12s %s\n", commands[i].name, commands[i].summary);
    }
    fprintf(file, "\n'pearvisor COMMAND --help' tells more.\n");
}

int main(int argc, char **argv)
{
    char name[64];

    if (argc < 2) {
        fprintf(stderr, "pearvisor: name a command; see pearvisor --help\n");
        return PV_CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0
        || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("pearvisor %s\n", PV_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            /* getopt puts this before what it says of an option. */
            (void)snprintf(name, sizeof(name), "pearvisor %s", commands[i].name);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "pearvisor: there is no command '%s'; see pearvisor --help\n", argv[1]);
    return PV_CLI_USAGE;
}
