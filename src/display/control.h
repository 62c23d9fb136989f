/* SPDX-License-Identifier: MIT */
/*
 * The device's end of the control socket: keeps what the virtio-gpu device tells its sink, and
 * answers the questions of control_wire.h. It links the C library alone and never waits: a client
 * that does not take its answers is closed, and so is one that sends nonsense.
 *
 * Threads: the loop thread, all of it.
 */
#ifndef PV_DISPLAY_CONTROL_H
#define PV_DISPLAY_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "display/control_wire.h"
#include "gpu/sink.h"

struct pv_base_log;
struct pv_os_loop;
struct pv_display_control;

/* Clients at once: a viewer, a screenshot, a `top`, and room for scripts. More are turned away. */
#define PV_DISPLAY_CLIENT_MAX 32u

/* Contexts in one answer; a device has no more (PV_GPU_CONTEXT_MAX). */
#define PV_DISPLAY_CONTEXT_MAX 256u

struct pv_display_control_options {
    size_t size_bytes;       /* of this struct */
    struct pv_os_loop *loop; /* borrowed */
    struct pv_base_log *log; /* borrowed, may be NULL */
    const char *socket_path; /* copied; the file is removed at the end */
    uint32_t scanout_count;  /* 0 .. PV_GPU_SCANOUT_COUNT_MAX */
};

/* Returns 0 with a control that listens; -EADDRINUSE when the path is taken; or another -errno. */
PV_NODISCARD int pv_display_control_create(const struct pv_display_control_options *options,
                                           struct pv_display_control **ret_control);

/* Closes all clients. The device must not call the sink any more. Accepts NULL. */
void pv_display_control_destroy(struct pv_display_control *control);

/* The sink ops for a device; their `sink` argument is the struct pv_display_control. */
const struct pv_gpu_sink_ops *pv_display_control_sink_ops(void);

/*
 * Where STATISTICS comes from: fills in ret_statistics but for listed_count, and up to max
 * contexts; returns how many. Without a source the answer is all zeroes.
 */
typedef size_t pv_display_statistics_fn(void *user, struct pv_display_statistics *ret_statistics,
                                        struct pv_display_context *ret_contexts, size_t max);

/* Ask source, on the loop's thread, from now on; NULL: nobody. user is borrowed until the end. */
void pv_display_control_set_statistics(struct pv_display_control *control,
                                       pv_display_statistics_fn *source, void *user);

#endif
