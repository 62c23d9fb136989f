/* SPDX-License-Identifier: MIT */
/*
 * Starting and ending workers; see spawner.h.
 */
#include "render/spawner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/fd.h"
#include "os/socket.h"

/* A killed worker that is taking its time to end. */
struct pv_render_spawner_dying {
    struct pv_render_spawner_dying *next;
    struct pv_render_spawner *spawner;
    struct pv_os_process process;
    struct pv_os_source *source;
};

static int start_process(const struct pv_render_spawner *spawner, int worker_fd,
                         struct pv_render_worker *worker)
{
    char fd_text[16];
    char sandbox_text[32];
    const char *arguments[] = {spawner->renderer, fd_text, NULL, NULL};
    const struct pv_os_process_options options = {
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

int pv_render_spawner_reap(struct pv_render_worker *worker, struct pv_os_process_end *ret_end)
{
    return pv_os_process_reap(&worker->process, PV_RENDER_SPAWNER_END_MS, ret_end);
}

static void dying_free(struct pv_render_spawner_dying *dying)
{
    for (struct pv_render_spawner_dying **link = &dying->spawner->dying; *link != NULL;
         link = &(*link)->next) {
        if (*link == dying) {
            *link = dying->next;
            break;
        }
    }
    pv_os_source_remove(dying->source);
    free(dying);
}

static void on_end(void *user, uint32_t events)
{
    struct pv_render_spawner_dying *dying = user;
    struct pv_os_process_end end;

    (void)events;
    if (pv_os_process_reap(&dying->process, 0, &end) != -ETIMEDOUT) {
        dying_free(dying);
    }
}

/* Returns false when there is no memory to watch it with. */
static bool await_on_loop(struct pv_render_spawner *spawner, struct pv_os_process *process)
{
    struct pv_render_spawner_dying *dying = calloc(1, sizeof(*dying));

    if (dying == NULL) {
        return false;
    }
    dying->spawner = spawner;
    dying->process = *process;
    if (pv_os_loop_add(spawner->loop, process->exit_fd, PV_OS_LOOP_READ, on_end, dying,
                       &dying->source)
        < 0) {
        free(dying);
        return false;
    }
    dying->next = spawner->dying;
    spawner->dying = dying;
    *process = (struct pv_os_process){.exit_fd = -1};
    return true;
}

void pv_render_spawner_end(struct pv_render_spawner *spawner, struct pv_render_worker *worker)
{
    struct pv_os_process_end end;

    pv_os_fd_close(worker->fd);
    worker->fd = -1;
    if (worker->carried != NULL) {
        spawner->carrier->stop(spawner->carrier_user, worker->carried);
        worker->carried = NULL;
    }
    if (worker->process.pid <= 0) {
        return;
    }
    pv_os_process_signal(&worker->process, SIGKILL);
    if (pv_os_process_reap(&worker->process, PV_RENDER_SPAWNER_END_MS, &end) == -ETIMEDOUT
        && !await_on_loop(spawner, &worker->process)) {
        pv_os_process_kill(&worker->process);
    }
}

void pv_render_spawner_finish(struct pv_render_spawner *spawner)
{
    while (spawner->dying != NULL) {
        struct pv_render_spawner_dying *dying = spawner->dying;

        pv_os_process_kill(&dying->process);
        dying_free(dying);
    }
}
