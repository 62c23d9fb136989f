/* SPDX-License-Identifier: MIT */
/*
 * base/arena.c: alignment, reuse after reset, and the cap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"

static void test_memory_is_aligned_and_distinct(void **state)
{
    struct pv_base_arena arena = {0};
    uint8_t *previous = NULL;

    (void)state;
    for (size_t size_bytes = 0; size_bytes < 5000; size_bytes += 7) {
        uint8_t *memory = pv_base_arena_alloc(&arena, size_bytes);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        assert_ptr_not_equal(memory, previous);
        memset(memory, 0xa5, size_bytes);
        previous = memory;
    }
    pv_base_arena_finish(&arena);
}

static void test_reset_gives_the_same_memory_again(void **state)
{
    struct pv_base_arena arena = {0};
    void *first = pv_base_arena_alloc(&arena, 100);

    (void)state;
    assert_non_null(pv_base_arena_alloc(&arena, 100));
    pv_base_arena_reset(&arena);
    assert_ptr_equal(pv_base_arena_alloc(&arena, 100), first);
    pv_base_arena_finish(&arena);
}

static void test_large_blocks_go_back_on_reset(void **state)
{
    struct pv_base_arena arena = {0};

    (void)state;
    assert_non_null(pv_base_arena_alloc(&arena, 8u << 20));
    pv_base_arena_reset(&arena);
    assert_int_equal(arena.total_bytes, 0);
    assert_non_null(pv_base_arena_alloc(&arena, 1));
    pv_base_arena_finish(&arena);
}

static void test_the_cap_holds(void **state)
{
    struct pv_base_arena arena = {0};
    size_t total_bytes = 0;

    (void)state;
    assert_null(pv_base_arena_alloc(&arena, PV_BASE_ARENA_MAX_BYTES + 1));
    assert_null(pv_base_arena_alloc(&arena, SIZE_MAX));
    while (pv_base_arena_alloc(&arena, 32u << 20) != NULL) {
        total_bytes += 32u << 20;
        assert_true(total_bytes <= 4 * PV_BASE_ARENA_MAX_BYTES);
    }
    pv_base_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_aligned_and_distinct),
        cmocka_unit_test(test_reset_gives_the_same_memory_again),
        cmocka_unit_test(test_large_blocks_go_back_on_reset),
        cmocka_unit_test(test_the_cap_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
