/* SPDX-License-Identifier: MIT */
/*
 * What a benchmark run has found: for each figure and each way to run, the values of all rounds.
 * The median of the rounds is what is shown, and what ratios are made of.
 *
 * Threads: one at a time per object.
 */
#ifndef PV_BENCH_FIGURES_H
#define PV_BENCH_FIGURES_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/compiler.h"

#define PV_BENCH_FIGURES_MAX 64
#define PV_BENCH_WAYS_MAX    4
#define PV_BENCH_ROUNDS_MAX  99
#define PV_BENCH_NAME_BYTES  48
#define PV_BENCH_TEXT_BYTES  256

/* One figure; NAN where a way has none. */
struct pv_bench_figure {
    char name[PV_BENCH_NAME_BYTES];
    char unit[PV_BENCH_NAME_BYTES];
    double values_ns[PV_BENCH_WAYS_MAX][PV_BENCH_ROUNDS_MAX];
    unsigned int value_counts[PV_BENCH_WAYS_MAX];
};

/* All of a run. Zeroed, with way_names and way_count set, it is ready. */
struct pv_bench_figures {
    unsigned int way_count;                                  /* 1 .. PV_BENCH_WAYS_MAX */
    const char *way_names[PV_BENCH_WAYS_MAX];                /* borrowed */
    char devices[PV_BENCH_WAYS_MAX][PV_BENCH_TEXT_BYTES];    /* what the program drew with */
    char complaints[PV_BENCH_WAYS_MAX][PV_BENCH_TEXT_BYTES]; /* why a way has no figures; or "" */
    struct pv_bench_figure *figures;                         /* owned */
    unsigned int figure_count;
};

/*
 * Take the lines of one run of pv-bench; those that are no figures are passed over.
 *
 * way     index into way_names
 * text    what the program wrote; zero-terminated
 *
 * Returns how many figures were taken, or -ENOMEM. More than the maxima are dropped.
 */
PV_NODISCARD int pv_bench_figures_take(struct pv_bench_figures *figures, unsigned int way,
                                       const char *text);

/* The median of a figure's rounds on a way, in ns, or NAN. */
double pv_bench_figure_median(const struct pv_bench_figure *figure, unsigned int way);

/* A table for people: times, and each way's ratio to the first. Times are scaled to ns, us or ms.
 */
void pv_bench_figures_print(const struct pv_bench_figures *figures, FILE *file);

/* The same as JSON: a new reference, or NULL without memory. */
json_t *pv_bench_figures_json(const struct pv_bench_figures *figures);

/* Frees what it owns; accepts a zeroed one. */
void pv_bench_figures_finish(struct pv_bench_figures *figures);

#endif
