/* SPDX-License-Identifier: MIT */
/*
 * What the tests of single handlers begin with: a context with one ring, instance, device and
 * queue, a buffer of command bytes, and what to do with them. Included by a test program after
 * cmocka.h.
 */
#ifndef PV_TESTS_VENUS_FIXTURE_H
#define PV_TESTS_VENUS_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "support/venus_bench.h"
#include "venus_wire/commands.h"

#define FIXTURE_UNUSED __attribute__((unused))

static struct venus_bench bench;
static struct venus_ring ring;
static struct venus_bytes b;

/* Objects that each test of a program starts with; set in main. */
static void (*fixture_prepare)(void) FIXTURE_UNUSED;

static FIXTURE_UNUSED int fixture_setup(void **state)
{
    (void)state;
    venus_bench_init(&bench, false);
    venus_ring_init(&ring, &bench, 65536, 0);
    venus_ring_start(&ring);
    b.size_bytes = 0;
    if (fixture_prepare != NULL) {
        fixture_prepare();
    }
    return 0;
}

static FIXTURE_UNUSED int fixture_teardown(void **state)
{
    (void)state;
    venus_ring_finish(&ring);
    venus_bench_finish(&bench);
    return 0;
}

/* Run what is in b. */
static FIXTURE_UNUSED void run(void)
{
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));
    b.size_bytes = 0;
}

/* The same; the VkResult of the answer. */
static FIXTURE_UNUSED int32_t result(void)
{
    const int32_t value = venus_ring_result(&ring, &b);

    b.size_bytes = 0;
    return value;
}

/* The same; the answer from the command's number on. */
static FIXTURE_UNUSED const uint32_t *answer(void)
{
    const uint32_t *words = venus_ring_call(&ring, &b);

    assert_memory_equal(words, b.bytes, 4);
    b.size_bytes = 0;
    return words;
}

/* What is in b costs the context, and the driver never sees it; a fresh context follows. */
static FIXTURE_UNUSED void assert_loses(void)
{
    venus_ring_push(&ring, &b);
    venus_bench_wait_lost(&bench);
    venus_ring_wait_status(&ring, VENUS_FATAL);
    assert_int_equal(fake_driver_misuses(), 0);
    (void)fixture_teardown(NULL);
    (void)fixture_setup(NULL);
}

static inline uint64_t word64(const uint32_t *words)
{
    uint64_t value;

    memcpy(&value, words, sizeof(value));
    return value;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
