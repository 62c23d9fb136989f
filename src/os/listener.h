/* SPDX-License-Identifier: MIT */
/*
 * A listening socket on an event loop: it accepts, and its user gets the connections. When there is
 * no descriptor or memory for one, it stays in the kernel's queue, and the socket stays readable:
 * so the listener does not look for a while, which else would cost a whole processor.
 *
 * Threads: the loop's.
 */
#ifndef PV_OS_LISTENER_H
#define PV_OS_LISTENER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/log.h"
#include "os/loop.h"

struct pv_os_listener;

/* How long nobody is accepted after there was nothing to accept with, in nanoseconds. */
#define PV_OS_LISTENER_PAUSE_NS UINT64_C(100000000)

/* A connection: fd is taken, non-blocking. May stop or destroy the listener. */
typedef void pv_os_listener_fn(void *user, int fd);

/*
 * Begin to accept, one connection for each turn of the loop.
 *
 * listen_fd  borrowed, made non-blocking; a connection that is gone again must not block the loop
 * log        borrowed, may be NULL: one warning when accepting begins to fail, under the topic
 * topic      borrowed
 *
 * Returns 0 with a listener, or -errno.
 */
PV_NODISCARD int pv_os_listener_create(struct pv_os_loop *loop, int listen_fd,
                                       struct pv_base_log *log, const char *topic,
                                       pv_os_listener_fn *callback, void *user,
                                       struct pv_os_listener **ret_listener);

/* Accept or do not, at first it does; who connects meanwhile waits in line. */
void pv_os_listener_set_accepting(struct pv_os_listener *listener, bool accepting);

/* Accepts NULL. listen_fd stays open. */
void pv_os_listener_destroy(struct pv_os_listener *listener);

#endif
