/* SPDX-License-Identifier: MIT */
/*
 * How pv-bench measures: a step is run often enough to take a while, a few times over, and one line
 * of JSON says how long one unit took. Bench lines are for `pearvisor bench` (hosts/bench):
 *
 *     {"device": TEXT}
 *     {"figure": NAME, "unit": TEXT, "median_ns": N, "min_ns": N, "max_ns": N, "count": N,
 * "repeat": N}
 *
 * Threads: one.
 */
#ifndef PV_PROG_BENCH_MEASURE_H
#define PV_PROG_BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/gpu.h"

struct pv_prog_bench {
    struct pv_prog_gpu *gpu;
    uint64_t target_ns; /* how long one repeat shall take */
    uint32_t repeat;    /* 1 .. PV_PROG_BENCH_REPEAT_MAX */
    uint64_t start_ns;  /* when main() began */
};

#define PV_PROG_BENCH_REPEAT_MAX 101u

/* Nanoseconds of a clock that never goes back. */
uint64_t pv_prog_bench_now_ns(void);

/*
 * Measure a step: find how often it must run to take bench->target_ns, run it bench->repeat times
 * that often, print a line.
 *
 * figure       name; units_per_count of `unit` are done in one count
 * count_max    the step takes no more at once; 0: no limit
 * step         does its work `count` times (1 and more)
 */
void pv_prog_bench_measure(const struct pv_prog_bench *bench, const char *figure, const char *unit,
                           uint64_t units_per_count, uint32_t count_max,
                           void (*step)(void *context, uint32_t count), void *context);

/* Print the line of a figure that was measured once, by other means. */
void pv_prog_bench_say(const char *figure, const char *unit, uint64_t value_ns);

/* The scenarios, by file. Each measures its figures and leaves nothing behind. */
void pv_prog_bench_first_frame(struct pv_prog_bench *bench); /* bench_gpu.c */
void pv_prog_bench_compute(struct pv_prog_bench *bench);
void pv_prog_bench_fill(struct pv_prog_bench *bench);
void pv_prog_bench_submit(struct pv_prog_bench *bench); /* bench_wait.c */
void pv_prog_bench_status(struct pv_prog_bench *bench);
void pv_prog_bench_round_trip(struct pv_prog_bench *bench);
void pv_prog_bench_copies(struct pv_prog_bench *bench); /* bench_record.c */
void pv_prog_bench_barriers(struct pv_prog_bench *bench);
void pv_prog_bench_draws(struct pv_prog_bench *bench);
void pv_prog_bench_states(struct pv_prog_bench *bench);
void pv_prog_bench_upload(struct pv_prog_bench *bench); /* bench_memory.c */
void pv_prog_bench_allocate(struct pv_prog_bench *bench);
void pv_prog_bench_descriptors(struct pv_prog_bench *bench);
void pv_prog_bench_objects(struct pv_prog_bench *bench);

#endif
