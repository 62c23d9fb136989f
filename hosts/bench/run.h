/* SPDX-License-Identifier: MIT */
/*
 * Runs pv-bench in several ways in turns: a round is one run in each way, one after the other, so
 * that what else the machine does meets all of them.
 *
 * Threads: one that lives as long as the process (children are tied to it).
 */
#ifndef PV_BENCH_RUN_H
#define PV_BENCH_RUN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/compiler.h"
#include "bench/figures.h"
#include "bench/usage.h"

#define PV_BENCH_PROCESSES_MAX 16

/* One way to run a program. All is borrowed; lists are NULL-terminated, variables may be NULL. */
struct pv_bench_way {
    const char *name;
    const char *const *prefix; /* what stands before the program: "pearvisor vtest --"; or empty */
    const char *const *variables; /* NAME=VALUE, besides our own environment */
    const char *program;          /* path of pv-bench, as this way sees it */
};

struct pv_bench_run_options {
    const struct pv_bench_way *ways;
    unsigned int way_count;
    const char *const *arguments; /* of pv-bench */
    unsigned int rounds;          /* 1 .. PV_BENCH_ROUNDS_MAX */
    int timeout_ms;               /* of one run */
    FILE *progress;               /* a line for each run; NULL: none */
};

/*
 * Run all rounds. A way whose program fails is not run again; figures->complaints says why.
 *
 * figures     filled; names of the ways are borrowed from the options
 *
 * Returns 0, or -ENOMEM.
 */
PV_NODISCARD int pv_bench_run(const struct pv_bench_run_options *options,
                              struct pv_bench_figures *figures);

/* What one process of an idle program's family costs. */
struct pv_bench_idle {
    struct pv_bench_usage usage; /* at the end */
    double cpu_percent;          /* of one core */
    double wakeups_per_s;
};

/*
 * Start pv-bench in one way, let it draw a frame and fall idle, and watch it and its ancestors up
 * to what we started.
 *
 * settle_s, watch_s    how long it gets before, and how long it is watched
 * ret_idle             PV_BENCH_PROCESSES_MAX entries
 *
 * Returns how many processes there were, or -errno; -ECHILD when the program ended before its time.
 */
PV_NODISCARD int pv_bench_run_idle(const struct pv_bench_way *way, unsigned int settle_s,
                                   unsigned int watch_s, struct pv_bench_idle *ret_idle);

/* The same for processes that run already: a family from `pid` down. */
PV_NODISCARD int pv_bench_watch(int pid, unsigned int watch_s, struct pv_bench_idle *ret_idle);

#endif
