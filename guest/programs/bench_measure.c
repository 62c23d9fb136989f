/* SPDX-License-Identifier: MIT */
/* Repeats, medians and lines of JSON; see the header. */
#include "bench_measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNT_MAX (1u << 24)

uint64_t pv_prog_bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t run(void (*step)(void *, uint32_t), void *context, uint32_t count)
{
    const uint64_t start_ns = pv_prog_bench_now_ns();

    step(context, count);
    return pv_prog_bench_now_ns() - start_ns;
}

/*
 * The runs that find the count are the warm-up as well. Growth is at most tenfold, since the first
 * runs hold what happens only once (compiled shaders, pages touched first).
 */
static uint32_t calibrate(uint64_t target_ns, uint32_t count_max, void (*step)(void *, uint32_t),
                          void *context)
{
    uint32_t count = 1;

    (void)run(step, context, 1);
    for (;;) {
        const uint64_t took_ns = run(step, context, count) + 1;
        uint64_t wanted = (uint64_t)count * target_ns / took_ns;

        if (wanted <= count || count == count_max) {
            return count;
        }
        /* Close enough: no further run only to grow by less than half. */
        if (wanted < count + count / 2) {
            return wanted < count_max ? (uint32_t)wanted : count_max;
        }
        wanted = wanted < (uint64_t)count * 10 ? wanted : (uint64_t)count * 10;
        count = wanted < count_max ? (uint32_t)wanted : count_max;
    }
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return a < b ? -1 : a > b;
}

static void say(const char *figure, const char *unit, const double *values_ns, uint32_t repeat,
                uint32_t count)
{
    printf("{\"figure\": \"%s\", \"unit\": \"%s\", \"median_ns\": %.1f, \"min_ns\": %.1f, "
           "\"max_ns\": %.1f, \"count\": %u, \"repeat\": %u}\n",
           figure, unit, values_ns[repeat / 2], values_ns[0], values_ns[repeat - 1], count, repeat);
    fflush(stdout);
}

void pv_prog_bench_measure(const struct pv_prog_bench *bench, const char *figure, const char *unit,
                           uint64_t units_per_count, uint32_t count_max,
                           void (*step)(void *context, uint32_t count), void *context)
{
    const uint32_t limit = count_max != 0 ? count_max : COUNT_MAX;
    const uint32_t count = calibrate(bench->target_ns, limit, step, context);
    double values_ns[PV_PROG_BENCH_REPEAT_MAX];

    for (uint32_t i = 0; i < bench->repeat; i++) {
        values_ns[i] =
            (double)run(step, context, count) / ((double)count * (double)units_per_count);
    }
    qsort(values_ns, bench->repeat, sizeof(values_ns[0]), compare);
    say(figure, unit, values_ns, bench->repeat, count);
}

void pv_prog_bench_say(const char *figure, const char *unit, uint64_t value_ns)
{
    const double value = (double)value_ns;

    say(figure, unit, &value, 1, 1);
}
