/* SPDX-License-Identifier: MIT */
/*
 * What the tests of rings and of the control queue begin with: a context that has no ring yet, and
 * a buffer of command bytes. Included by a test program after cmocka.h.
 */
#ifndef PV_TESTS_VENUS_CONTEXT_FIXTURE_H
#define PV_TESTS_VENUS_CONTEXT_FIXTURE_H

#include "support/venus_bench.h"

static struct venus_bench bench;
static struct venus_bytes b;

static inline void reset(void)
{
    b.size_bytes = 0;
}

static int fixture_setup(void **state)
{
    (void)state;
    venus_bench_init(&bench, false);
    reset();
    return 0;
}

static int fixture_teardown(void **state)
{
    (void)state;
    venus_bench_finish(&bench);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
