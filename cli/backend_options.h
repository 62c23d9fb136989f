/* SPDX-License-Identifier: MIT */
/*
 * The options of a renderer back end, for every command that has one: `gpu` and `vtest` start it
 * with them, `run` hands them on to its device. A new limit is a member and a row here, and a line
 * in pv_cli_backend_fill.
 *
 * The device process uses it too. Main thread.
 */
#ifndef PV_CLI_BACKEND_OPTIONS_H
#define PV_CLI_BACKEND_OPTIONS_H

#include <stdint.h>

#include "base/log.h"
#include "cli/options.h"
#include "render/context.h"

/* Zero is "not given" in all members; strings are borrowed from the argument vector. */
struct pv_cli_backend {
    const char *renderer;
    const char *log;
    const char *sandbox; /* a word of render/sandbox_mode.h, checked */
    uint64_t memory_max_bytes;
    uint64_t window_bytes;
    uint32_t context_max;
};

/* --renderer, --log and the limits. */
struct pv_cli_option_group pv_cli_backend_options(struct pv_cli_backend *backend);

/* --window, for commands with a virtual machine. */
struct pv_cli_option_group pv_cli_window_options(struct pv_cli_backend *backend);

/*
 * Set what these options decide in the options of a back end: worker, log filter, limits. The
 * rest is the caller's.
 *
 * renderer  path of the worker, as pv_cli_renderer_find found it; borrowed
 */
void pv_cli_backend_fill(const struct pv_cli_backend *backend, const char *renderer,
                         struct pv_render_backend_options *ret_options);

#endif
