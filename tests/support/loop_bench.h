/* SPDX-License-Identifier: MIT */
/*
 * What tests of event-driven code need: to let a loop run until it has nothing to do, or until
 * something has happened; and to see that no descriptor was left behind.
 */
#ifndef PV_TESTS_LOOP_BENCH_H
#define PV_TESTS_LOOP_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "os/loop.h"

/* Descriptors that this process has open. */
unsigned int open_fds(void);

/* A connected pair of stream sockets, both non-blocking; fails the test if there is none. */
void stream_pair(int *ret_a, int *ret_b);

/* Serve what is ready, and what becomes ready by that. */
void loop_settle(struct pv_os_loop *loop);

/* Serve until the condition holds; fails the test after half a minute. */
void loop_until(struct pv_os_loop *loop, bool (*holds)(void *user), void *user);

/*
 * Serve for wall_ns while no descriptor can be made. Returns the processor time that it took, in
 * nanoseconds: next to nothing, or as long, if something spins.
 */
uint64_t loop_busy_without_fds_ns(struct pv_os_loop *loop, uint64_t wall_ns);

#endif
