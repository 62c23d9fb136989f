/* SPDX-License-Identifier: MIT */
/* Rounds of pv-bench, and idle programs; see the header. */
#include "bench/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/process.h"

#define ARGUMENTS_MAX 48
#define OUTPUT_BYTES  ((size_t)64 << 10)
#define NS_PER_S      UINT64_C(1000000000)

/* Put a way's prefix, the program and its arguments into one vector. Returns 0 or -E2BIG. */
static int build_command(const struct pv_bench_way *way, const char *const *arguments,
                         const char **ret_command)
{
    size_t count = 0;

    for (const char *const *word = way->prefix; *word != NULL && count < ARGUMENTS_MAX; word++) {
        ret_command[count++] = *word;
    }
    ret_command[count++] = way->program;
    for (const char *const *word = arguments; *word != NULL && count < ARGUMENTS_MAX; word++) {
        ret_command[count++] = *word;
    }
    if (count >= ARGUMENTS_MAX) {
        return -E2BIG;
    }
    ret_command[count] = NULL;
    return 0;
}

/* The last line of what a program said that is not JSON: why it ended. */
static void find_complaint(const char *text, char *ret_line, size_t line_bytes)
{
    while (*text != '\0') {
        const size_t length = strcspn(text, "\n");

        if (length != 0 && *text != '{') {
            (void)snprintf(ret_line, line_bytes, "%.*s", (int)length, text);
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
}

/* One run. Returns 0 when it gave figures, 1 when it did not, or -ENOMEM. */
static int run_once(const struct pv_bench_run_options *options, unsigned int way, char *text,
                    struct pv_bench_figures *figures)
{
    const struct pv_bench_way *which = &options->ways[way];
    const char *command[ARGUMENTS_MAX + 2];
    const struct pv_os_process_options process = {.arguments = command,
                                                  .variables = which->variables};
    struct pv_os_process_end end = {0};
    char *complaint = figures->complaints[way];
    int taken;
    int r = build_command(which, options->arguments, command);

    text[0] = '\0';
    if (r == 0) {
        r = pv_os_process_run(&process, options->timeout_ms, NULL, text, OUTPUT_BYTES, &end);
    }
    taken = pv_bench_figures_take(figures, way, text);
    if (taken < 0) {
        return taken;
    }
    if (r == 0 && !end.by_signal && end.value == 0 && taken > 0) {
        return 0;
    }
    (void)snprintf(complaint, PV_BENCH_TEXT_BYTES, "ended with %s %d after %d figures",
                   r < 0           ? "error"
                   : end.by_signal ? "signal"
                                   : "status",
                   r < 0 ? -r : end.value, taken);
    find_complaint(text, complaint, PV_BENCH_TEXT_BYTES);
    return 1;
}

int pv_bench_run(const struct pv_bench_run_options *options, struct pv_bench_figures *figures)
{
    char *text = malloc(OUTPUT_BYTES);
    int r = text != NULL ? 0 : -ENOMEM;

    figures->way_count = options->way_count;
    for (unsigned int way = 0; way < options->way_count; way++) {
        figures->way_names[way] = options->ways[way].name;
    }
    for (unsigned int round = 0; round < options->rounds && r >= 0; round++) {
        for (unsigned int way = 0; way < options->way_count && r >= 0; way++) {
            if (figures->complaints[way][0] != '\0') {
                continue;
            }
            if (options->progress != NULL) {
                (void)fprintf(options->progress, "round %u of %u: %s\n", round + 1, options->rounds,
                              options->ways[way].name);
            }
            r = run_once(options, way, text, figures);
        }
    }
    free(text);
    return r < 0 ? r : 0;
}

int pv_bench_watch(int pid, unsigned int watch_s, struct pv_bench_idle *ret_idle)
{
    pid_t pids[PV_BENCH_PROCESSES_MAX];
    struct pv_bench_usage before[PV_BENCH_PROCESSES_MAX];
    const size_t count = pv_bench_usage_family(pid, pids, PV_BENCH_PROCESSES_MAX);
    const uint64_t start_ns = pv_os_clock_now_ns();
    double took_s;
    int found = 0;

    for (size_t i = 0; i < count; i++) {
        if (pv_bench_usage_read(pids[i], &before[i]) != 0) {
            return -ECHILD;
        }
    }
    pv_os_clock_sleep_ns(watch_s * NS_PER_S);
    took_s = (double)(pv_os_clock_now_ns() - start_ns) / 1e9;
    for (size_t i = 0; i < count; i++) {
        struct pv_bench_idle *idle = &ret_idle[found++];

        if (pv_bench_usage_read(pids[i], &idle->usage) != 0) {
            return -ECHILD;
        }
        idle->cpu_percent =
            (double)(idle->usage.cpu_ns - before[i].cpu_ns) / (took_s * 1e9) * 100.0;
        idle->wakeups_per_s = (double)(idle->usage.wakeups - before[i].wakeups) / took_s;
    }
    return found;
}

int pv_bench_run_idle(const struct pv_bench_way *way, unsigned int settle_s, unsigned int watch_s,
                      struct pv_bench_idle *ret_idle)
{
    char seconds[16];
    const char *const arguments[] = {"--idle", seconds, NULL};
    const char *command[ARGUMENTS_MAX + 2];
    struct pv_os_process_options options = {.arguments = command, .variables = way->variables};
    struct pv_os_process process;
    struct pv_os_process_end end;
    int r = build_command(way, arguments, command);

    (void)snprintf(seconds, sizeof(seconds), "%u", settle_s + watch_s + 30);
    options.output_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (r == 0) {
        r = options.output_fd >= 0 ? pv_os_process_spawn(&options, &process) : -errno;
    }
    if (r == 0) {
        r = pv_os_process_reap(&process, (int)settle_s * 1000, &end) == -ETIMEDOUT ? 0 : -ECHILD;
        if (r == 0) {
            r = pv_bench_watch(process.pid, watch_s, ret_idle);
        }
        /* The program first, by its own server; what is left after that goes at once. */
        pv_os_process_signal(&process, SIGTERM);
        if (pv_os_process_reap(&process, 3000, &end) != 0) {
            pv_os_process_kill(&process);
        }
    }
    if (options.output_fd >= 0) {
        (void)close(options.output_fd);
    }
    return r;
}
