/* SPDX-License-Identifier: MIT */
/*
 * Starting and ending workers; see spawner.h.
 */
#include "render/spawner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "os/fd.h"
#include "os/socket.h"

static int start_process(const struct pv_render_spawner *spawner, int worker_fd,
                         struct pv_render_worker *worker)
{
    char fd_text[16];
    char sandbox_text[32];
    const char *arguments[] = {spawner->renderer, fd_text, NULL, NULL};
    struct pv_os_process_options options = {
        .arguments = arguments,
        .has_session = true,
        .kept_fds = &worker_fd,
        .kept_count = 1,
    };

    (void)snprintf(fd_text, sizeof(fd_text), "%d", worker_fd);
    if (spawner->sandbox != PV_RENDER_SANDBOX_FULL) { /* what a worker does when not told */
        (void)snprintf(sandbox_text, sizeof(sandbox_text), "--sandbox=%s",
                       pv_render_sandbox_mode_name(spawner->sandbox));
        arguments[2] = sandbox_text;
    }
    if (spawner->output != NULL
        && (spawner->sandbox == PV_RENDER_SANDBOX_FULL
            || spawner->sandbox == PV_RENDER_SANDBOX_STRICT)) {
        options.output_fd = pv_os_output_null_fd(spawner->output);
        options.error_fd = pv_os_output_error_fd(spawner->output);
    }
    return pv_os_process_spawn(&options, &worker->process);
}

int pv_render_spawner_start(struct pv_render_spawner *spawner, struct pv_render_worker *ret_worker)
{
    struct pv_render_worker worker = PV_RENDER_WORKER_NONE;
    int worker_fd;
    int r = pv_os_socket_pair(&worker.fd, &worker_fd);

    if (r < 0) {
        return r;
    }
    r = pv_os_fd_set_nonblocking(worker.fd, true);
    if (r == 0 && spawner->carrier != NULL) {
        r = spawner->carrier->start(spawner->carrier_user, worker_fd, &worker.carried);
        if (r == 0) {
            worker_fd = -1; /* taken */
        }
    } else if (r == 0) {
        r = start_process(spawner, worker_fd, &worker);
    }
    pv_os_fd_close(worker_fd);
    if (r < 0) {
        pv_os_fd_close(worker.fd);
        return r;
    }
    *ret_worker = worker;
    return 0;
}

void pv_render_spawner_kill(struct pv_render_spawner *spawner, struct pv_render_worker *worker)
{
    pv_os_fd_close(worker->fd);
    worker->fd = -1;
    if (worker->carried != NULL) {
        spawner->carrier->stop(spawner->carrier_user, worker->carried);
        worker->carried = NULL;
    }
    pv_os_process_signal(&worker->process, SIGKILL);
}

int pv_render_spawner_reap(struct pv_render_worker *worker, int timeout_ms,
                           struct pv_os_process_end *ret_end)
{
    return pv_os_process_reap(&worker->process, timeout_ms, ret_end);
}
