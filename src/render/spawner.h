/* SPDX-License-Identifier: MIT */
/*
 * Starting and ending workers: processes, or whatever carrier the options name.
 *
 * Threads: the loop's.
 */
#ifndef PV_RENDER_SPAWNER_H
#define PV_RENDER_SPAWNER_H

#include "os/loop.h"
#include "os/process.h"
#include "render/context.h"
#include "render/sandbox_mode.h"

struct pv_render_spawner_dying;

struct pv_render_spawner {
    struct pv_os_loop *loop; /* borrowed */
    const char *renderer;    /* path of the program; borrowed */
    enum pv_render_sandbox_mode sandbox;
    const struct pv_render_carrier_ops *carrier;
    void *carrier_user;
    struct pv_render_spawner_dying *dying; /* killed, but not ended yet */
};

/* One worker. Start from PV_RENDER_WORKER_NONE. */
struct pv_render_worker {
    int fd; /* our end of its socket, non-blocking; -1: none */
    struct pv_os_process process;
    void *carried; /* the worker, where it is no process */
};

#define PV_RENDER_WORKER_NONE ((struct pv_render_worker){.fd = -1, .process = {.exit_fd = -1}})

/* Returns 0 with a running worker, or -errno with *ret_worker as it was. */
PV_NODISCARD int pv_render_spawner_start(struct pv_render_spawner *spawner,
                                         struct pv_render_worker *ret_worker);

/*
 * The worker has closed its socket: how did it end? Waits a moment at most. Returns 0 with
 * *ret_end, or -errno when it still runs or is no process.
 */
PV_NODISCARD int pv_render_spawner_reap(struct pv_render_worker *worker,
                                        struct pv_os_process_end *ret_end);

/*
 * Close our end and kill the worker, whatever it is doing. Its threads stop within milliseconds, so
 * its end is waited for, because its pages of the window may be given to others afterwards; but no
 * longer than PV_RENDER_SPAWNER_END_MS: what is left of it then is in the kernel (giving memory
 * back, or in a driver), and its end is awaited on the loop. Accepts one that is none.
 */
void pv_render_spawner_end(struct pv_render_spawner *spawner, struct pv_render_worker *worker);

/* How long the loop may stand still for one worker's end. */
#define PV_RENDER_SPAWNER_END_MS 100

/* Wait for those that are dying. */
void pv_render_spawner_finish(struct pv_render_spawner *spawner);

#endif
