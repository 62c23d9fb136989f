/* SPDX-License-Identifier: MIT */
/*
 * pv-bench: how long things take, for `pearvisor bench`, which runs it natively and through us and
 * compares. Everything is drawn off screen. What the lines say: bench_measure.h.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench_measure.h"
#include "common/options.h"
#include "common/report.h"

#define NS_PER_MS UINT64_C(1000000)

static struct pv_prog_bench bench = {.target_ns = 60 * NS_PER_MS, .repeat = 5};

/* The table of cases wants functions of a GPU and a name. */
#define CASE(function)                                                                             \
    static void run_##function(struct pv_prog_gpu *gpu, const char *name)                          \
    {                                                                                              \
        (void)gpu;                                                                                 \
        (void)name;                                                                                \
        pv_prog_bench_##function(&bench);                                                          \
    }

CASE(first_frame)
CASE(submit)
CASE(status)
CASE(round_trip)
CASE(copies)
CASE(barriers)
CASE(draws)
CASE(states)
CASE(upload)
CASE(allocate)
CASE(descriptors)
CASE(objects)
CASE(compute)
CASE(fill)

/* The program holds its device and does nothing, so that others can look at what that costs. */
static void idle(uint32_t seconds)
{
    pv_prog_bench_first_frame(&bench);
    printf("{\"idle\": true}\n");
    fflush(stdout);
    sleep(seconds);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: pv-bench [options]\n"
        "Measure what Vulkan calls cost here; prints a line of JSON for each figure.\n\n"
        "  --repeat N       measurements of which the median counts (default 5)\n"
        "  --time MS        how long each takes (default 60)\n"
        "  --quick          3 measurements of 2 ms: does it run?\n"
        "  --idle SECONDS   draw one frame, then hold the device for so "
        "long\n" PV_PROG_OPTION_HELP_TEXT;
    static const struct pv_prog_case cases[] = {
        {"first-frame", run_first_frame},
        {"submit", run_submit},
        {"status", run_status},
        {"round-trip", run_round_trip},
        {"copies", run_copies},
        {"barriers", run_barriers},
        {"draws", run_draws},
        {"states", run_states},
        {"upload", run_upload},
        {"allocate", run_allocate},
        {"descriptors", run_descriptors},
        {"objects", run_objects},
        {"compute", run_compute},
        {"fill", run_fill},
    };
    enum { REPEAT = PV_PROG_OPTION_OWN, TIME, QUICK, IDLE };
    static const struct option table[] = {{"repeat", required_argument, NULL, REPEAT},
                                          {"time", required_argument, NULL, TIME},
                                          {"quick", no_argument, NULL, QUICK},
                                          {"idle", required_argument, NULL, IDLE},
                                          PV_PROG_OPTION_ENTRIES,
                                          {0}};
    const size_t case_count = sizeof(cases) / sizeof(cases[0]);
    struct pv_prog_options options = {0};
    struct pv_prog_gpu gpu;
    uint32_t idle_seconds = 0;
    int value;

    bench.start_ns = pv_prog_bench_now_ns();
    while ((value = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (value == REPEAT) {
            bench.repeat = pv_prog_options_number("repeat", optarg, 1, PV_PROG_BENCH_REPEAT_MAX);
        } else if (value == TIME) {
            bench.target_ns = pv_prog_options_number("time", optarg, 1, 60000) * NS_PER_MS;
        } else if (value == QUICK) {
            bench.repeat = 3;
            bench.target_ns = 2 * NS_PER_MS;
        } else if (value == IDLE) {
            idle_seconds = pv_prog_options_number("idle", optarg, 1, 3600);
        } else {
            pv_prog_options_take(&options, value, optarg, usage);
        }
    }
    if (options.list) {
        pv_prog_cases_run(NULL, &options, cases, case_count);
        return PV_PROG_EXIT_OK;
    }
    pv_prog_gpu_open(&(struct pv_prog_gpu_options){.name = "pv-bench",
                                                   .device_index = options.device_index,
                                                   .validate = options.validate,
                                                   .quiet = true},
                     &gpu);
    bench.gpu = &gpu;
    printf("{\"device\": \"%s\"}\n", gpu.properties.deviceName);
    fflush(stdout);
    if (idle_seconds != 0) {
        idle(idle_seconds);
    } else {
        pv_prog_cases_run(&gpu, &options, cases, case_count);
    }
    pv_prog_gpu_close(&gpu);
    return PV_PROG_EXIT_OK;
}
