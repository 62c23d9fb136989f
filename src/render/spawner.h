/* SPDX-License-Identifier: MIT */
/*
 * Starting and ending workers: processes, or whatever carrier the options name.
 *
 * Threads: the loop's.
 */
#ifndef PV_RENDER_SPAWNER_H
#define PV_RENDER_SPAWNER_H

#include "os/output.h"
#include "os/process.h"
#include "render/context.h"
#include "render/sandbox_mode.h"

struct pv_render_spawner {
    const char *renderer; /* path of the program; borrowed */
    enum pv_render_sandbox_mode sandbox;
    const struct pv_os_output *output; /* of workers in a sandbox; borrowed; NULL: all have ours */
    const struct pv_render_carrier_ops *carrier;
    void *carrier_user;
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
 * Close our end and send SIGKILL, whatever it is doing; nothing is waited for. Its threads stop
 * within milliseconds; what is left of it then is in the kernel (giving memory back, or in a
 * driver), and its end shows in process.exit_fd, to be taken with reap. A worker that is no process
 * has ended when this returns. Accepts one that is none, or has been killed before.
 */
void pv_render_spawner_kill(struct pv_render_spawner *spawner, struct pv_render_worker *worker);

/*
 * How did it end? timeout_ms as in pv_os_process_reap; the loop only looks: 0. Returns 0 with
 * *ret_end, -ETIMEDOUT while it runs, -ESRCH when there is no process, or no more.
 */
PV_NODISCARD int pv_render_spawner_reap(struct pv_render_worker *worker, int timeout_ms,
                                        struct pv_os_process_end *ret_end);

#endif
