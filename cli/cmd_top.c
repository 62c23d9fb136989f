/* SPDX-License-Identifier: MIT */
/*
 * pearvisor top: what the programs of a guest, or of a vtest server, use now. On a terminal the
 * picture is drawn again each second; elsewhere, and with --json, it is printed once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/guest.h"
#include "cli/options.h"
#include "cli/usage.h"
#include "display/client.h"
#include "display/top.h"
#include "os/clock.h"
#include "os/process.h"
#include "vm/machine.h"

#define INTERVAL_MAX_S 3600u

struct top_options {
    const char *vm;
    const char *control;
    uint32_t interval_s; /* 0: not given */
    uint32_t count;      /* 0: not given */
    bool json;
};

struct top {
    struct pv_display_client *client;
    const char *name; /* of the VM, or the socket's path */
    bool redraws;     /* on a terminal, over the last picture */
    struct pv_display_top_sample samples[2];
    struct pv_display_top top;
};

static const char help[] =
    "usage: pearvisor top [OPTIONS]\n\n"
    "Shows what the programs of a running guest use: commands per second, memory, objects, rings\n"
    "and the processor time of their workers. On a terminal it does so until Ctrl-C.\n";

static const struct pv_cli_option rows[] = {
    {.name = "vm",
     .value = "NAME",
     .help = "which guest; needed only if several run",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct top_options, vm)},
    {.name = "control",
     .value = "SOCKET",
     .help =
         "the same by the control socket of a device or of a\nvtest server (see their --control)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct top_options, control)},
    {.name = "json",
     .help = "one JSON object instead; with --interval one per line,\nagain and again",
     .kind = PV_CLI_OPTION_FLAG,
     .offset = offsetof(struct top_options, json)},
    {.name = "interval",
     .value = "SECONDS",
     .help = "show again after so many seconds (default 1)",
     .kind = PV_CLI_OPTION_NUMBER,
     .min = 1,
     .max = INTERVAL_MAX_S,
     .offset = offsetof(struct top_options, interval_s)},
    {.name = "count",
     .value = "N",
     .help = "end after so many times",
     .kind = PV_CLI_OPTION_NUMBER,
     .min = 1,
     .max = UINT32_MAX,
     .offset = offsetof(struct top_options, count)},
};

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct top_options *ret)
{
    const struct pv_cli_option_group groups[] = {
        {rows, PV_ARRAY_LEN(rows), ret},
        PV_CLI_OPTION_GROUPS_END,
    };
    const int r = pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_NONE, NULL);

    if (r != 0) {
        return r;
    }
    if (ret->vm != NULL && ret->control != NULL) {
        return pv_cli_usage_error("top", "either --vm or --control");
    }
    return 0;
}

static int take_sample(const struct top *top, struct pv_display_top_sample *ret_sample)
{
    const int count = pv_display_client_get_statistics(
        top->client, &ret_sample->statistics, ret_sample->contexts, PV_DISPLAY_CONTEXT_MAX);

    if (count < 0) {
        return count;
    }
    ret_sample->now_ns = pv_os_clock_now_ns();
    ret_sample->context_count = (size_t)count;
    for (size_t i = 0; i < ret_sample->context_count; i++) {
        const uint32_t pid = ret_sample->contexts[i].worker_pid;

        if (pid == 0 || pid > INT32_MAX
            || pv_os_process_cpu_ns((pid_t)pid, &ret_sample->cpu_ns[i]) < 0) {
            ret_sample->cpu_ns[i] = PV_DISPLAY_TOP_UNKNOWN;
        }
    }
    return 0;
}

/* Over the last picture: from the upper left corner, each line to its end, then all below. */
static void redraw(const struct top *top)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
        size = (struct winsize){0};
    }
    (void)fputs("\033[H", stdout);
    /* One line less than there are: the end of the last one must not scroll. */
    pv_display_top_print(&top->top, top->name, size.ws_col, size.ws_row > 1 ? size.ws_row - 1u : 0,
                         "\033[K\n", stdout);
    (void)fputs("\033[J", stdout);
}

static int show(const struct top *top, bool json)
{
    int r = 0;

    if (json) {
        r = pv_display_top_print_json(&top->top, top->name, stdout);
    } else if (top->redraws) {
        redraw(top);
    } else {
        pv_display_top_print(&top->top, top->name, 0, 0, "\n", stdout);
    }
    /* Somebody who looks at a pipe sees each picture when it is made; one who has gone ends us. */
    return r == 0 && fflush(stdout) == 0 ? 0 : -EIO;
}

static int run(struct top *top, const struct top_options *options)
{
    const uint32_t interval_s = options->interval_s != 0 ? options->interval_s : 1;
    const bool repeats = options->interval_s != 0 || top->redraws;
    const uint32_t count = options->count != 0 ? options->count : repeats ? UINT32_MAX : 1;
    int r = take_sample(top, &top->samples[0]);

    for (uint32_t i = 0; r == 0 && (i < count || count == UINT32_MAX); i++) {
        struct pv_display_top_sample *now = &top->samples[(i + 1) & 1];

        pv_os_clock_sleep_ns(interval_s * UINT64_C(1000000000));
        r = take_sample(top, now);
        if (r == 0) {
            pv_display_top_compare(&top->samples[i & 1], now, &top->top);
            r = show(top, options->json);
        }
    }
    return r;
}

/* A VM's sockets lie in a folder that is named after it. */
static const char *vm_of(char *path)
{
    char *end = strrchr(path, '/');
    char *start;

    if (end == NULL) {
        return path;
    }
    *end = '\0';
    start = strrchr(path, '/');
    return start != NULL ? start + 1 : path;
}

static bool is_terminal(void)
{
    const char *kind = getenv("TERM");

    return isatty(STDOUT_FILENO) && kind != NULL && kind[0] != '\0' && strcmp(kind, "dumb") != 0;
}

int pv_cli_top(int argc, char **argv)
{
    struct top_options options = {0};
    char path[PV_VM_RUNTIME_PATH_MAX];
    const char *control;
    struct top *top;
    int r = parse(argc, argv, &options);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    if (options.control == NULL
        && !pv_cli_guest_find(options.vm, PV_VM_MACHINE_CONTROL_SOCKET, path)) {
        return PV_CLI_FAILED;
    }
    control = options.control != NULL ? options.control : path;
    top = calloc(1, sizeof(*top));
    if (top == NULL) {
        return PV_CLI_FAILED;
    }
    top->redraws = !options.json && is_terminal() && options.count != 1;
    r = pv_display_client_connect(control, &top->client);
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor: no device listens on %s: %s\n", control, strerror(-r));
    } else {
        top->name = options.vm != NULL        ? options.vm
                    : options.control != NULL ? options.control
                                              : vm_of(path);
        if (top->redraws) {
            (void)fputs("\033[H\033[2J", stdout);
        }
        r = run(top, &options);
        if (r < 0 && r != -EIO) {
            (void)fprintf(stderr, "pearvisor: no figures: %s\n", pv_cli_guest_why(r));
        }
    }
    pv_display_client_destroy(top->client);
    free(top);
    return r < 0 ? PV_CLI_FAILED : 0;
}
