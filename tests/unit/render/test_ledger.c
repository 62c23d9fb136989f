/* SPDX-License-Identifier: MIT */
/*
 * render/ledger.c: what a worker owes, its caps, and FATAL in the rings of one that is gone.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "render/context.h"
#include "render/ledger.h"

static void test_requests_in_any_order_and_capped(void **state)
{
    struct pv_render_ledger ledger;
    uint64_t cookie;
    bool is_export;

    (void)state;
    pv_render_ledger_init(&ledger);
    for (uint64_t i = 0; i < PV_RENDER_PENDING_MAX; i++) {
        assert_int_equal(pv_render_ledger_add_pending(&ledger, i, i == 3, i), 0);
    }
    assert_int_equal(pv_render_ledger_add_pending(&ledger, 99999, false, 0), -ENOSPC);
    assert_true(pv_render_ledger_take_pending(&ledger, 3, &is_export));
    assert_true(is_export);
    assert_false(pv_render_ledger_take_pending(&ledger, 3, &is_export));
    assert_true(pv_render_ledger_take_pending(&ledger, PV_RENDER_PENDING_MAX - 1, &is_export));
    assert_false(is_export);
    assert_true(pv_render_ledger_pop_pending(&ledger, &cookie));
    assert_int_equal(cookie, 0);
    assert_int_equal(pv_render_ledger_add_pending(&ledger, 7777, false, 0), 0);
    pv_render_ledger_finish(&ledger);
}

static void test_fences_are_capped(void **state)
{
    struct pv_render_ledger ledger;
    uint32_t ring_index;
    uint64_t fence_id;

    (void)state;
    pv_render_ledger_init(&ledger);
    for (uint64_t i = 0; i < PV_RENDER_FENCES_MAX; i++) {
        assert_int_equal(pv_render_ledger_add_fence(&ledger, 1, i), 0);
    }
    assert_int_equal(pv_render_ledger_add_fence(&ledger, 1, PV_RENDER_FENCES_MAX), -ENOSPC);
    assert_true(pv_render_ledger_take_fence(&ledger, 1, PV_RENDER_FENCES_MAX - 3));
    assert_int_equal(pv_render_ledger_add_fence(&ledger, 1, PV_RENDER_FENCES_MAX), 0);
    assert_int_equal(pv_render_ledger_add_fence(&ledger, 1, 0), -ENOSPC);
    /* A loss retires them all at once; each in one step, or the loop would stand still. */
    for (uint64_t i = 0; i < PV_RENDER_FENCES_MAX; i++) {
        assert_true(pv_render_ledger_pop_fence(&ledger, &ring_index, &fence_id));
        assert_int_equal(fence_id, i + (i >= PV_RENDER_FENCES_MAX - 3));
    }
    assert_false(pv_render_ledger_pop_fence(&ledger, &ring_index, &fence_id));
    assert_int_equal(pv_render_ledger_add_fence(&ledger, 1, 5), 0);
    assert_true(pv_render_ledger_take_fence(&ledger, 1, 5));
    assert_int_equal(pv_render_ledger_add_fence(&ledger, 1, 6), 0);
    assert_true(pv_render_ledger_pop_fence(&ledger, &ring_index, &fence_id));
    pv_render_ledger_finish(&ledger);
}

static void test_rings_are_capped(void **state)
{
    struct pv_render_ledger ledger;

    (void)state;
    pv_render_ledger_init(&ledger);
    for (uint64_t i = 0; i < PV_RENDER_RINGS_MAX; i++) {
        assert_true(pv_render_ledger_set_ring(&ledger, 1, i * 4, true));
    }
    assert_false(pv_render_ledger_set_ring(&ledger, 1, PV_RENDER_RINGS_MAX * 4, true));
    assert_true(pv_render_ledger_set_ring(&ledger, 1, 8, false));
    assert_true(pv_render_ledger_set_ring(&ledger, 1, PV_RENDER_RINGS_MAX * 4, true));
    pv_render_ledger_finish(&ledger);
}

static void test_fences_retire_oldest_first(void **state)
{
    struct pv_render_ledger ledger;
    uint32_t ring_index;
    uint64_t fence_id;

    (void)state;
    pv_render_ledger_init(&ledger);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(pv_render_ledger_add_fence(&ledger, 2, i), 0);
    }
    assert_false(pv_render_ledger_take_fence(&ledger, 1, 2));
    assert_true(pv_render_ledger_take_fence(&ledger, 2, 2));
    assert_true(pv_render_ledger_pop_fence(&ledger, &ring_index, &fence_id));
    assert_int_equal(fence_id, 1);
    assert_true(pv_render_ledger_pop_fence(&ledger, &ring_index, &fence_id));
    assert_int_equal(fence_id, 3);
    assert_false(pv_render_ledger_pop_fence(&ledger, &ring_index, &fence_id));
    pv_render_ledger_finish(&ledger);
}

static void test_rings_become_fatal(void **state)
{
    struct pv_gpu_memory memory = {.size_bytes = 65536, .is_shmem = true};
    struct pv_render_ledger ledger;
    uint32_t *words;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", memory.size_bytes, &memory.fd), 0);
    assert_int_equal(pv_os_shm_map(memory.fd, 0, memory.size_bytes, (void **)&words), 0);
    pv_render_ledger_init(&ledger);
    assert_int_equal(pv_render_ledger_add_shmem(&ledger, 5, &memory), 0);
    assert_true(pv_render_ledger_set_ring(&ledger, 5, 128, true));
    assert_true(pv_render_ledger_set_ring(&ledger, 5, 256, true));
    assert_false(pv_render_ledger_set_ring(&ledger, 5, 128, true));
    assert_false(pv_render_ledger_set_ring(&ledger, 5, 65536, true));
    assert_false(pv_render_ledger_set_ring(&ledger, 5, 130, true));
    assert_false(pv_render_ledger_set_ring(&ledger, 5, UINT64_MAX, true));
    assert_true(pv_render_ledger_set_ring(&ledger, 5, 256, false));
    words[32] = 1;
    pv_render_ledger_set_rings_fatal(&ledger);
    assert_int_equal(words[32], 3);
    assert_int_equal(words[64], 0);
    pv_render_ledger_remove_shmem(&ledger, 5);
    pv_render_ledger_remove_shmem(&ledger, 5);
    pv_render_ledger_finish(&ledger);
    pv_os_shm_unmap(words, memory.size_bytes);
    close(memory.fd);
}

/* A worker tells of a ring in memory that nobody has attached, and then somebody attaches it. */
static void test_a_ring_that_was_told_of_first(void **state)
{
    static const uint64_t offsets[] = {4096, 4094, 2, UINT64_C(1) << 40, UINT64_MAX - 3};
    struct pv_gpu_memory memory = {.size_bytes = 4096, .is_shmem = true};
    struct pv_render_ledger ledger;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", memory.size_bytes, &memory.fd), 0);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        pv_render_ledger_init(&ledger);
        assert_true(pv_render_ledger_set_ring(&ledger, 9, offsets[i], true));
        assert_int_equal(pv_render_ledger_add_shmem(&ledger, 9, &memory), 0);
        pv_render_ledger_set_rings_fatal(&ledger);
        pv_render_ledger_finish(&ledger);
    }
    close(memory.fd);
}

/* The window's descriptor is shared by thousands of resources, and outlives them. */
static void test_the_window_is_not_duplicated(void **state)
{
    struct pv_gpu_memory memory = {.size_bytes = 4096, .is_shmem = true, .in_window = true};
    struct pv_render_ledger ledger;
    uint32_t *words;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", 8192, &memory.fd), 0);
    memory.offset_bytes = 4096;
    pv_render_ledger_init(&ledger);
    assert_int_equal(pv_render_ledger_add_shmem(&ledger, 9, &memory), 0);
    assert_int_equal(ledger.shmems->fd, memory.fd);
    assert_true(pv_render_ledger_set_ring(&ledger, 9, 4092, true));
    pv_render_ledger_set_rings_fatal(&ledger);
    pv_render_ledger_finish(&ledger);
    assert_int_equal(pv_os_shm_map(memory.fd, 0, 8192, (void **)&words), 0);
    assert_int_equal(words[2047], 2);
    pv_os_shm_unmap(words, 8192);
    assert_int_equal(close(memory.fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_in_any_order_and_capped),
        cmocka_unit_test(test_fences_are_capped),
        cmocka_unit_test(test_rings_are_capped),
        cmocka_unit_test(test_fences_retire_oldest_first),
        cmocka_unit_test(test_rings_become_fatal),
        cmocka_unit_test(test_a_ring_that_was_told_of_first),
        cmocka_unit_test(test_the_window_is_not_duplicated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
