/* SPDX-License-Identifier: MIT */
/*
 * Doorbells: file descriptors that carry no data but "something happened" (eventfds, or whatever a
 * peer handed us in their place).
 *
 * Threads: any. None of these waits, whatever the fd turns out to be, once it was prepared.
 */
#ifndef PV_OS_EVENT_H
#define PV_OS_EVENT_H

#include <stdbool.h>

#include "base/compiler.h"

/* A new doorbell, close-on-exec. Returns 0 with an fd that the caller closes, or -errno. */
PV_NODISCARD int pv_os_event_create(int *ret_fd);

/* Make a doorbell from a peer safe to use: it will not block. Returns 0 or -errno. */
PV_NODISCARD int pv_os_event_prepare(int fd);

/* Ring. A doorbell that is full is ringing already. */
void pv_os_event_signal(int fd);

/*
 * Silence; rings before this call count as one. Returns false when it will never ring again: its
 * other end is gone, or it is nothing that can be read.
 */
bool pv_os_event_drain(int fd);

#endif
