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

/*
 * Frames of the last run of vkcube before the picture is taken: more than Weston needs to fade a
 * window out or in (a quarter of a second each), so the cube itself must have been drawn.
 */
#define PICTURE_AFTER "60"
#define IMAGE         "debian-13"

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

/* Build the image if that is to be done; what the build says goes to a file beside it. */
static int build_image(const struct pv_cli_places *places, const struct pv_vm_arch *arch)
{
    const struct pv_vm_image_store store = pv_cli_image_store(places, arch);
    char log[PATH_MAX + sizeof("/" IMAGE ".log")];
    char *arguments[] = {(char[]){"pearvisor"},
                         (char[]){"image"},
                         (char[]){"build"},
                         (char[]){"--log"},
                         log,
                         (char[]){IMAGE},
                         NULL};
    struct pv_vm_image image;
    const int r = pv_vm_image_find(&store, IMAGE, &image);

    (void)snprintf(log, sizeof(log), "%s/" IMAGE ".log", places->cache);
    if (r == -ENOENT || (r == 0 && image.is_outdated)) {
        printf("building the guest image, a few minutes; see %s\n", log);
        (void)fflush(stdout);
    }
    return run_subcommand(places->program, arguments);
}

static int run_vkcube(const struct pv_cli_places *places, const struct demo_options *options)
{
    char frames[16];
    char *arguments[] = {(char[]){"pearvisor"},
                         (char[]){"run"},
                         (char[]){"--accel"},
                         (char *)(uintptr_t)options->accel,
                         (char[]){"--screenshot"},
                         (char *)(uintptr_t)options->picture,
                         (char[]){"--screenshot-after"},
                         (char[]){PICTURE_AFTER},
                         (char[]){"--timeout"},
                         (char[]){"300"},
                         (char[]){"--"},
                         (char[]){"demo-session"},
                         frames,
                         NULL};

    (void)snprintf(frames, sizeof(frames), "%u", options->frames);
    printf("booting the guest ...\n");
    (void)fflush(stdout);
    (void)unlink(options->picture);
    return run_subcommand(places->program, arguments);
}

int pv_cli_demo(int argc, char **argv)
{
    struct demo_options options = {.picture = "pearvisor-demo.png", .accel = "auto", .frames = 300};
    const struct pv_vm_arch *arch;
    struct pv_cli_places places;
    struct pv_vm_qemu qemu;
    char renderer[PATH_MAX];
    int r = parse(argc, argv, &options);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    /* What `run` will need, before an image is built for minutes. They say what is missing. */
    arch = pv_cli_arch();
    if (arch == NULL || !pv_cli_qemu_find(arch, NULL, &qemu)
        || !pv_cli_renderer_find(NULL, renderer) || !pv_cli_places_find(NULL, &places)) {
        return PV_CLI_FAILED;
    }
    r = build_image(&places, arch);
    if (r == 0) {
        r = run_vkcube(&places, &options);
    }
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
