/* SPDX-License-Identifier: MIT */
/*
 * pearvisor screenshot: what a guest's screen shows now, as a PNG file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/guest.h"
#include "cli/options.h"
#include "cli/usage.h"
#include "display/client.h"
#include "display/png.h"
#include "vm/machine.h"

#define SCANOUT_MAX 15
/* --after: a guest that draws two frames in a second under emulation gets there too. */
#define AFTER_MAX       1000
#define AFTER_TIMEOUT_S 30
#define AFTER_POLL_MS   50

struct screenshot_options {
    const char *vm;
    const char *control;
    const char *file;
    uint32_t scanout_index;
    uint32_t after; /* frames to wait for */
};

static const char help[] =
    "usage: pearvisor screenshot [OPTIONS] [-o] FILE\n\n"
    "Saves what a guest's screen shows now, with its cursor, as a PNG file.\n";

static const struct pv_cli_option rows[] = {
    {.name = "vm",
     .value = "NAME",
     .help = "which guest; needed only if several run",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct screenshot_options, vm)},
    {.name = "control",
     .value = "SOCKET",
     .help = "the same by the device's control socket",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct screenshot_options, control)},
    {.name = "scanout",
     .value = "N",
     .help = "which of its screens (default 0)",
     .kind = PV_CLI_OPTION_NUMBER,
     .max = SCANOUT_MAX,
     .offset = offsetof(struct screenshot_options, scanout_index)},
    {.name = "after",
     .value = "FRAMES",
     .help = "when that many more frames were shown; at most 30 s",
     .kind = PV_CLI_OPTION_NUMBER,
     .min = 1,
     .max = AFTER_MAX,
     .offset = offsetof(struct screenshot_options, after)},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where to save it",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct screenshot_options, file)},
};

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct screenshot_options *ret)
{
    const struct pv_cli_option_group groups[] = {{rows, PV_ARRAY_LEN(rows), ret},
                                                 PV_CLI_OPTION_GROUPS_END};
    char **words = NULL;
    const int r = pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_MIXED, &words);

    if (r != 0) {
        return r;
    }
    if (ret->file == NULL && words[0] != NULL) {
        ret->file = *words++;
    }
    if (ret->file == NULL) {
        return pv_cli_usage_error("screenshot", "name the file to save");
    }
    if (words[0] != NULL) {
        return pv_cli_usage_error("screenshot", "one file only, not '%s' too", words[0]);
    }
    if (ret->vm != NULL && ret->control != NULL) {
        return pv_cli_usage_error("screenshot", "either --vm or --control");
    }
    return pv_cli_check_output("screenshot", ret->file) ? 0 : PV_CLI_USAGE;
}

static const char *why(int r)
{
    switch (r) {
    case -ENODEV:
        return "the screen is off";
    case -ENOENT:
        return "there is no such screen";
    default:
        return pv_cli_guest_why(r);
    }
}

/*
 * Wait until the device has shown `after` more frames: until then the screen may still be what was
 * there before the program that the picture is wanted of. Returns 0, -ETIME, or -errno.
 */
static int wait_for_frames(struct pv_display_client *client, uint32_t after)
{
    const struct timespec pause = {.tv_nsec = AFTER_POLL_MS * 1000000};
    struct pv_display_statistics now;
    uint64_t wanted = 0;

    for (int i = 0; i < AFTER_TIMEOUT_S * 1000 / AFTER_POLL_MS; i++) {
        const int r = pv_display_client_get_statistics(client, &now, NULL, 0);

        if (r < 0) {
            return r;
        }
        wanted = i == 0 ? now.frame_count + after : wanted;
        if (now.frame_count >= wanted) {
            return 0;
        }
        (void)nanosleep(&pause, NULL);
    }
    return -ETIME;
}

static int take(const struct screenshot_options *options, const char *control)
{
    struct pv_display_client *client;
    struct pv_display_screen screen;
    int r = pv_display_client_connect(control, &client);

    if (r < 0) {
        (void)fprintf(stderr, "pearvisor: no device listens on %s: %s\n", control, strerror(-r));
        return PV_CLI_FAILED;
    }
    r = options->after > 0 ? wait_for_frames(client, options->after) : 0;
    if (r == -ETIME) {
        pv_display_client_destroy(client);
        (void)fprintf(stderr, "pearvisor: the guest showed fewer than %u frames within %d s\n",
                      options->after, AFTER_TIMEOUT_S);
        return PV_CLI_FAILED;
    }
    if (r == 0) {
        r = pv_display_client_get_screen(client, options->scanout_index, &screen);
    }
    pv_display_client_destroy(client);
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor: no picture of screen %u: %s\n", options->scanout_index,
                      why(r));
        return PV_CLI_FAILED;
    }
    r = pv_display_png_write(options->file, &screen);
    pv_display_screen_finish(&screen);
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor: cannot write %s: %s\n", options->file, strerror(-r));
        return PV_CLI_FAILED;
    }
    return 0;
}

int pv_cli_screenshot(int argc, char **argv)
{
    struct screenshot_options options = {0};
    char path[PV_VM_RUNTIME_PATH_MAX];
    const int r = parse(argc, argv, &options);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    if (options.control != NULL) {
        return take(&options, options.control);
    }
    return pv_cli_guest_find(options.vm, PV_VM_MACHINE_CONTROL_SOCKET, path) ? take(&options, path)
                                                                             : PV_CLI_FAILED;
}
