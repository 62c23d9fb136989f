/* SPDX-License-Identifier: MIT */
/*
 * An event loop: file descriptors and one-shot timers, callbacks on the thread that runs it.
 *
 * Threads: all functions on the loop's thread, save pv_os_loop_stop, which any thread and any
 * signal handler may call.
 */
#ifndef PV_OS_LOOP_H
#define PV_OS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct pv_os_loop;
struct pv_os_source; /* a watched file descriptor */
struct pv_os_timer;

#define PV_OS_LOOP_READ  1u
#define PV_OS_LOOP_WRITE 2u
#define PV_OS_LOOP_HUP   4u /* always reported, needs no asking */

/* events: PV_OS_LOOP_* bits that hold now. May remove any source, its own included. */
typedef void pv_os_source_fn(void *user, uint32_t events);
typedef void pv_os_timer_fn(void *user);

/* A loop without sources. Returns 0 with a loop for pv_os_loop_destroy, or -errno. */
PV_NODISCARD int pv_os_loop_create(struct pv_os_loop **ret_loop);

/* Sources and timers still there are removed; their fds stay open. Accepts NULL. */
void pv_os_loop_destroy(struct pv_os_loop *loop);

/* Serve until pv_os_loop_stop. Returns 0, or -errno when waiting itself fails. */
PV_NODISCARD int pv_os_loop_run(struct pv_os_loop *loop);

/* Make pv_os_loop_run return soon. Any thread, async-signal-safe. */
void pv_os_loop_stop(struct pv_os_loop *loop);

/* Watch fd (borrowed). Returns 0 with a source, or -errno. */
PV_NODISCARD int pv_os_loop_add(struct pv_os_loop *loop, int fd, uint32_t events,
                                pv_os_source_fn *callback, void *user,
                                struct pv_os_source **ret_source);

/* Change what is asked for; 0 pauses the source (hang-ups are still reported). */
void pv_os_source_set_events(struct pv_os_source *source, uint32_t events);

/* Stop watching; no callback after this. Accepts NULL. */
void pv_os_source_remove(struct pv_os_source *source);

/* A timer that is not set. Returns 0 or -errno. */
PV_NODISCARD int pv_os_timer_create(struct pv_os_loop *loop, pv_os_timer_fn *callback, void *user,
                                    struct pv_os_timer **ret_timer);

/* Fire once, delay_ns from now (0: at the next turn). Replaces an earlier setting. */
void pv_os_timer_set(struct pv_os_timer *timer, uint64_t delay_ns);

/* Do not fire any more; may be set again. */
void pv_os_timer_clear(struct pv_os_timer *timer);

/* Accepts NULL. May be called from the timer's own callback. */
void pv_os_timer_destroy(struct pv_os_timer *timer);

#endif
