/* SPDX-License-Identifier: MIT */
/*
 * pearvisor demo: the whole thing at once. Builds the guest image if there is none, boots it, runs
 * vkcube in Weston, and saves a picture of the guest's screen. Each step is a subcommand of this
 * program, so what it does can be done by hand with the same words.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/host_programs.h"
#include "cli/options.h"
#include "cli/places.h"
#include "os/process.h"

/*
 * Frames of the last run of vkcube before the picture is taken: more than Weston needs to fade a
 * window out or in (a quarter of a second each), so the cube itself must have been drawn.
 */
#define PICTURE_AFTER "60"

struct demo_options {
    const char *picture;
    const char *accel;
    uint32_t frames;
};

static const char help[] =
    "usage: pearvisor demo [OPTIONS]\n\n"
    "Boots a stock Debian 13 guest, runs vkcube in it on the host's GPU, and saves a\n"
    "picture of the guest's screen.\n";

static const struct pv_cli_option rows[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "the picture (default pearvisor-demo.png)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct demo_options, picture)},
    {.name = "frames",
     .value = "N",
     .help = "frames of the measured run (default 300)",
     .kind = PV_CLI_OPTION_NUMBER,
     .min = 2,
     .max = 100000,
     .offset = offsetof(struct demo_options, frames)},
    {.name = "accel",
     .value = "KIND",
     .help = "auto, kvm or tcg (default auto)",
     .kind = PV_CLI_OPTION_TEXT,
     .check = pv_cli_check_accel,
     .offset = offsetof(struct demo_options, accel)},
};

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct demo_options *ret)
{
    const struct pv_cli_option_group groups[] = {{rows, PV_ARRAY_LEN(rows), ret},
                                                 PV_CLI_OPTION_GROUPS_END};
    const int r = pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_NONE, NULL);

    if (r != 0) {
        return r;
    }
    /* The default too: the folder at hand may be one that cannot be written to. */
    return pv_cli_check_output("--output", ret->picture) ? 0 : PV_CLI_USAGE;
}

/* What `run` will need, before an image is built for minutes. Says what is missing. */
static bool can_run(void)
{
    const struct pv_vm_arch *arch = pv_cli_arch();
    struct pv_vm_qemu qemu;
    char renderer[PATH_MAX];

    return arch != NULL && pv_cli_qemu_find(arch, NULL, &qemu)
           && pv_cli_renderer_find(NULL, renderer);
}

/* Run one of our subcommands to its end, on our terminal; Ctrl-C reaches it as it reaches us. */
static int run_subcommand(const char *program, char **argv)
{
    const pid_t pid = fork();
    int status;

    if (pid < 0) {
        fprintf(stderr, "pearvisor: cannot start a process: %s\n", strerror(errno));
        return PV_CLI_FAILED;
    }
    if (pid == 0) {
        execv(program, argv);
        fprintf(stderr, "pearvisor: cannot run %s: %s\n", program, strerror(errno));
        _exit(PV_CLI_FAILED);
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return PV_CLI_FAILED;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int pv_cli_demo(int argc, char **argv)
{
    struct demo_options options = {.picture = "pearvisor-demo.png", .accel = "auto", .frames = 300};
    char frames[16];
    char program[PATH_MAX];
    char *build[] = {(char[]){"pearvisor"}, (char[]){"image"}, (char[]){"build"},
                     (char[]){"debian-13"}, NULL};
    char *run[] = {(char[]){"pearvisor"},
                   (char[]){"run"},
                   (char[]){"--accel"},
                   NULL,
                   (char[]){"--screenshot"},
                   NULL,
                   (char[]){"--screenshot-after"},
                   (char[]){PICTURE_AFTER},
                   (char[]){"--timeout"},
                   (char[]){"300"},
                   (char[]){"--"},
                   (char[]){"demo-session"},
                   frames,
                   NULL};
    int r = parse(argc, argv, &options);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    if (pv_os_process_own_path(program, sizeof(program)) != 0) {
        fprintf(stderr, "pearvisor: cannot find the path of this program\n");
        return PV_CLI_FAILED;
    }
    (void)snprintf(frames, sizeof(frames), "%u", options.frames);
    run[3] = (char *)(uintptr_t)options.accel;
    run[5] = (char *)(uintptr_t)options.picture;
    if (!can_run()) {
        return PV_CLI_FAILED;
    }
    r = run_subcommand(program, build);
    if (r != 0) {
        return r;
    }
    printf("booting the guest ...\n");
    fflush(stdout);
    (void)unlink(options.picture);
    r = run_subcommand(program, run);
    if (r != 0) {
        return r;
    }
    if (access(options.picture, R_OK) != 0) {
        fprintf(stderr, "pearvisor: vkcube ran, but no picture of the screen was saved\n");
        return PV_CLI_FAILED;
    }
    printf("the guest's screen: %s\n", options.picture);
    return 0;
}
