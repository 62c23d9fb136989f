/* SPDX-License-Identifier: MIT */
/*
 * "For all N": lives a life again and again, each time with the Nth call of a class failing, until
 * there is no Nth call any more. After each life: no descriptor and no thread more than before, no
 * leak (under LeakSanitizer), and an end within FAULT_LIFE_MAX_S.
 *
 * PV_FAULTS=class:N in the environment lives one life alone, to debug it. A failed test, a
 * sanitizer's report and a life without end are preceded or followed by the class, N, and what
 * failed where.
 */
#ifndef PV_TESTS_FAULT_LOOP_H
#define PV_TESTS_FAULT_LOOP_H

#include <stdint.h>

#include "support/inject.h"

/* A life takes milliseconds; this one is stuck. */
#define FAULT_LIFE_MAX_S 30

/*
 * life  begins paused (inject_pause) and ends so; resumes around what is under test. One whose
 * faults have been armed must come to a good end whatever fails.
 *
 * Prints how many Ns there were. Fails the test when there was none.
 */
void fault_loop_run(enum inject_class class, void (*life)(void));

/* The teardown of each test: says in which life a test failed. */
int fault_loop_teardown(void **state);

#define FAULT_TEST(name) cmocka_unit_test_teardown(name, fault_loop_teardown)

#endif
