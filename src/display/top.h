/* SPDX-License-Identifier: MIT */
/*
 * What `pearvisor top` shows: two samples of a device's figures become rates, sorted rows, and then
 * text or JSON. Asks nobody and knows no terminal.
 *
 * Threads: any; no state.
 */
#ifndef PV_DISPLAY_TOP_H
#define PV_DISPLAY_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "display/control.h"
#include "display/control_wire.h"

/* A processor time or a share that could not be read. */
#define PV_DISPLAY_TOP_UNKNOWN UINT64_MAX

/* Figures at one moment. */
struct pv_display_top_sample {
    uint64_t now_ns; /* monotonic */
    struct pv_display_statistics statistics;
    size_t context_count;
    struct pv_display_context contexts[PV_DISPLAY_CONTEXT_MAX];
    uint64_t cpu_ns[PV_DISPLAY_CONTEXT_MAX]; /* of each worker, or PV_DISPLAY_TOP_UNKNOWN */
};

/* One context between two samples. */
struct pv_display_top_row {
    const struct pv_display_context *context; /* borrowed from the later sample */
    double commands_per_s;
    double cpu_percent; /* of one core; negative: unknown */
};

struct pv_display_top {
    const struct pv_display_top_sample *sample; /* the later one, borrowed */
    double interval_s;
    double frames_per_s;
    double requests_per_s; /* commands of the guest's kernel */
    size_t row_count;
    struct pv_display_top_row rows[PV_DISPLAY_CONTEXT_MAX];
};

/*
 * Compare two samples of one device. Rows are sorted by processor time, then memory, then id. A
 * context that was not there before, or whose figures went back (another one with its id), counts
 * from zero.
 */
void pv_display_top_compare(const struct pv_display_top_sample *before,
                            const struct pv_display_top_sample *now,
                            struct pv_display_top *ret_top);

/*
 * Print as lines of at most width columns (0: no limit), at most height of them (0: no limit); the
 * last says how many contexts are not shown.
 *
 * name      of the VM or of the socket
 * line_end  "\n", or what a terminal wants
 */
void pv_display_top_print(const struct pv_display_top *top, const char *name, uint32_t width,
                          uint32_t height, const char *line_end, FILE *file);

/* Print as one JSON object on one line. Returns 0, -ENOMEM or -EIO. */
PV_NODISCARD int pv_display_top_print_json(const struct pv_display_top *top, const char *name,
                                           FILE *file);

#endif
