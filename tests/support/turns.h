/* SPDX-License-Identifier: MIT */
/* Running an event loop from a test: some turns, or until something is so. */
#ifndef PV_TEST_TURNS_H
#define PV_TEST_TURNS_H

#include <stdbool.h>

#include "os/loop.h"

/* Let the loop handle what is there, and what follows from it. */
void pv_test_turns(struct pv_os_loop *loop);

/* Run the loop until `condition` holds, for 30 s at most. Returns whether it does. */
bool pv_test_turns_until(struct pv_os_loop *loop, bool (*condition)(void *user), void *user);

#endif
