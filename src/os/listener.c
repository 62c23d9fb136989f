/* SPDX-License-Identifier: MIT */
/*
 * Accepting connections on a loop; see listener.h.
 */
#include "os/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/socket.h"

struct pv_os_listener {
    int fd;
    struct pv_os_source *source;
    struct pv_os_timer *pause;
    struct pv_base_log *log;
    const char *topic;
    pv_os_listener_fn *callback;
    void *user;
    bool is_accepting;
    bool is_pausing; /* there was nothing to accept with */
    bool has_warned; /* since the last connection */
};

static void watch(struct pv_os_listener *listener)
{
    pv_os_source_set_events(listener->source,
                            listener->is_accepting && !listener->is_pausing ? PV_OS_LOOP_READ : 0);
}

static void on_pause_over(void *user)
{
    struct pv_os_listener *listener = user;

    listener->is_pausing = false;
    watch(listener);
}

static void on_ready(void *user, uint32_t events)
{
    struct pv_os_listener *listener = user;
    int fd = -1;
    const int r = pv_os_socket_accept(listener->fd, &fd);

    (void)events;
    if (r == 0) {
        listener->has_warned = false;
        listener->callback(listener->user, fd); /* may end the listener */
        return;
    }
    if (r == -EAGAIN || r == -ECONNABORTED || r == -EINTR) {
        return;
    }
    listener->is_pausing = true;
    watch(listener);
    pv_os_timer_set(listener->pause, PV_OS_LISTENER_PAUSE_NS);
    if (!listener->has_warned) {
        listener->has_warned = true;
        pv_base_log_guest(listener->log, listener->topic, PV_BASE_LOG_WARN,
                          "nobody can connect for now: %s", strerror(-r));
    }
}

int pv_os_listener_create(struct pv_os_loop *loop, int listen_fd, struct pv_base_log *log,
                          const char *topic, pv_os_listener_fn *callback, void *user,
                          struct pv_os_listener **ret_listener)
{
    struct pv_os_listener *listener = calloc(1, sizeof(*listener));
    int r = listener != NULL ? pv_os_fd_set_nonblocking(listen_fd, true) : -ENOMEM;

    if (r == 0) {
        *listener = (struct pv_os_listener){
            .fd = listen_fd,
            .log = log,
            .topic = topic,
            .callback = callback,
            .user = user,
            .is_accepting = true,
        };
        r = pv_os_timer_create(loop, on_pause_over, listener, &listener->pause);
    }
    if (r == 0) {
        r = pv_os_loop_add(loop, listen_fd, PV_OS_LOOP_READ, on_ready, listener, &listener->source);
    }
    if (r < 0) {
        pv_os_listener_destroy(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

void pv_os_listener_set_accepting(struct pv_os_listener *listener, bool accepting)
{
    listener->is_accepting = accepting;
    watch(listener);
}

void pv_os_listener_destroy(struct pv_os_listener *listener)
{
    if (listener != NULL) {
        pv_os_source_remove(listener->source);
        pv_os_timer_destroy(listener->pause);
        free(listener);
    }
}
