/* SPDX-License-Identifier: MIT */
/*
 * Our own signals as a file descriptor, or as calls from an event loop, so that what they lead to
 * is ordinary code. They stay blocked for this process, until its end; children started by
 * pv_os_process_spawn get them unblocked.
 *
 * Threads: before there are others, which would take the signals; calls come on the loop's thread.
 */
#ifndef PV_OS_SIGNALS_H
#define PV_OS_SIGNALS_H

#include <stddef.h>

#include "base/compiler.h"
#include "os/loop.h"

struct pv_os_signals;

/* One signal came; must not end the watch. */
typedef void pv_os_signal_fn(void *user, int number);

/* Block the given signals and have them as a non-blocking fd. Returns 0 or -errno. */
PV_NODISCARD int pv_os_signals_open(const int *numbers, size_t count, int *ret_fd);

/* The next signal that came: its number, or -EAGAIN. */
PV_NODISCARD int pv_os_signals_next(int fd);

/*
 * Block the given signals and have them as calls.
 *
 * numbers  borrowed for the call
 *
 * Returns 0 with *ret_signals, or -errno.
 */
PV_NODISCARD int pv_os_signals_watch(struct pv_os_loop *loop, const int *numbers, size_t count,
                                     pv_os_signal_fn *callback, void *user,
                                     struct pv_os_signals **ret_signals);

/* No more calls. Before the loop is destroyed. Accepts NULL. */
void pv_os_signals_destroy(struct pv_os_signals *signals);

#endif
