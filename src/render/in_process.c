/* SPDX-License-Identifier: MIT */
/*
 * Workers as threads; see in_process.h.
 */
#include "render/in_process.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "render/worker.h"

struct thread_worker {
    pthread_t thread;
    int fd;
};

static void *worker_main(void *user)
{
    struct thread_worker *worker = user;

    /* How it ended shows at the other end of the socket. */
    (void)!pv_render_worker_run(worker->fd, NULL);
    return NULL;
}

static int start(void *user, int worker_fd, void **ret_handle)
{
    struct thread_worker *worker = calloc(1, sizeof(*worker));
    int r;

    (void)user;
    if (worker == NULL) {
        return -ENOMEM;
    }
    worker->fd = worker_fd;
    r = -pthread_create(&worker->thread, NULL, worker_main, worker);
    if (r < 0) {
        free(worker);
        return r;
    }
    *ret_handle = worker;
    return 0;
}

static void stop(void *user, void *handle)
{
    struct thread_worker *worker = handle;

    (void)user;
    (void)pthread_join(worker->thread, NULL);
    free(worker);
}

const struct pv_render_carrier_ops pv_render_in_process_ops = {
    .start = start,
    .stop = stop,
};
