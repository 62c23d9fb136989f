/* SPDX-License-Identifier: MIT */
/*
 * How much of a sandbox a worker gets, as users say it with --sandbox. Both halves of the message
 * boundary know this; what it means is in render/sandbox.h.
 */
#ifndef PV_RENDER_SANDBOX_MODE_H
#define PV_RENDER_SANDBOX_MODE_H

#include <stdbool.h>

enum pv_render_sandbox_mode {
    PV_RENDER_SANDBOX_FULL,    /* all that this host has; what it lacks is told */
    PV_RENDER_SANDBOX_STRICT,  /* all, or the worker does not start */
    PV_RENDER_SANDBOX_MEASURE, /* nothing is refused, but all that would be is told */
    PV_RENDER_SANDBOX_NONE,    /* for debuggers and profilers */
};

/* The words for users: "full, strict, measure or none". */
#define PV_RENDER_SANDBOX_WORDS "full, strict, measure or none"

/* Read a mode. Returns false, with *ret_mode as it was, for another word. */
bool pv_render_sandbox_mode_parse(const char *text, enum pv_render_sandbox_mode *ret_mode);

/* The word for a mode. */
const char *pv_render_sandbox_mode_name(enum pv_render_sandbox_mode mode);

#endif
