/* SPDX-License-Identifier: MIT */
/*
 * venus/spare.c: freed memory comes back zeroed and only to its equals, it is never memory that
 * others may see, it does not count as the guest's, and each of its caps holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "support/venus_fixture.h"
#include "venus/device.h"
#include "venus/state.h"

#define PAGE UINT64_C(4096)

static int setup_window(void **state)
{
    (void)state;
    venus_bench_init(&bench, true);
    venus_ring_init(&ring, &bench, 65536, 0);
    venus_ring_start(&ring);
    b.size_bytes = 0;
    return 0;
}

static int32_t allocate(uint64_t id, uint64_t size)
{
    venus_allocate(&b, VENUS_DEVICE, id, size, venus_bench_visible_type(), 0, false, true);
    return result();
}

static void free_memory(uint64_t id)
{
    venus_destroy(&b, PV_WIRE_COMMAND_vkFreeMemory, VENUS_DEVICE, id);
    run();
}

static int export_blob(uint32_t resource_id, uint64_t id)
{
    struct pv_venus_exported exported = {.fd = -1};
    const int r =
        pv_venus_context_export_blob(bench.context, resource_id, id, PAGE, true, false, &exported);

    if (exported.fd >= 0) {
        close(exported.fd);
    }
    return r;
}

static unsigned live(void)
{
    return fake_driver_live(VK_OBJECT_TYPE_DEVICE_MEMORY);
}

static uint64_t charged(void)
{
    return pv_base_account_bytes(&bench.context->account->memory, bench.context->account_slot);
}

static uint64_t kept(void)
{
    return pv_base_account_bytes(&bench.context->account->spares, bench.context->account_slot);
}

static void test_it_comes_back_zeroed(void **state)
{
    uint8_t *pages;

    (void)state;
    assert_int_equal(allocate(100, 3 * PAGE - 1), VK_SUCCESS);
    pages = fake_driver_last_import();
    memset(pages, 0xee, 3 * PAGE);
    free_memory(100);
    assert_int_equal(live(), 1);
    assert_int_equal(charged(), 0);
    assert_int_equal(kept(), 3 * PAGE);
    assert_int_equal(allocate(101, 3 * PAGE), VK_SUCCESS);
    assert_int_equal(live(), 1);
    assert_int_equal(charged(), 3 * PAGE);
    assert_int_equal(kept(), 0);
    assert_ptr_equal(fake_driver_last_import(), pages);
    for (size_t i = 0; i < 3 * PAGE; i++) {
        assert_int_equal(pages[i], 0);
    }
}

static void test_only_to_its_equals(void **state)
{
    const VkMemoryPriorityAllocateInfoEXT priority = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT, .priority = 0.5f};
    const VkMemoryAllocateFlagsInfo address = {.sType =
                                                   VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                               .pNext = &priority,
                                               .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    const VkMemoryAllocateFlagsInfo mask = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                            .flags = VK_MEMORY_ALLOCATE_DEVICE_MASK_BIT,
                                            .deviceMask = 1};
    const VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO};
    VkMemoryAllocateInfo info = {.memoryTypeIndex = 7, .pNext = &address};
    struct pv_venus_memory_kind kind = pv_venus_memory_kind_get(&info, false, PAGE);

    (void)state;
    assert_true(kind.can_be_spare);
    assert_int_equal(kind.host_index, 7);
    assert_int_equal(kind.flags, VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT);
    assert_true(kind.priority == 0.5f);
    assert_false(pv_venus_memory_kind_get(&info, true, PAGE).can_be_spare);
    info.pNext = &mask;
    assert_false(pv_venus_memory_kind_get(&info, false, PAGE).can_be_spare);
    info.pNext = &dedicated;
    assert_false(pv_venus_memory_kind_get(&info, false, PAGE).can_be_spare);

    assert_int_equal(allocate(100, PAGE), VK_SUCCESS);
    free_memory(100);
    assert_int_equal(allocate(101, 2 * PAGE), VK_SUCCESS);
    assert_int_equal(live(), 2);
    assert_int_equal(kept(), PAGE);
}

static void test_never_shared_memory(void **state)
{
    uint32_t id = venus_bench_attach(&bench, PAGE, false, NULL, NULL);

    (void)state;
    venus_allocate(&b, VENUS_DEVICE, 100, PAGE, venus_bench_visible_type(), 0, true, true);
    assert_int_equal(result(), VK_SUCCESS);
    venus_allocate(&b, VENUS_DEVICE, 101, PAGE, venus_bench_visible_type(), id, false, true);
    assert_int_equal(result(), VK_SUCCESS);
    free_memory(100);
    free_memory(101);
    assert_int_equal(live(), 0);
    assert_int_equal(kept(), 0);
}

/* A blob that its guest has not given up is still the guest's memory, and nobody else's. */
static void test_not_while_a_resource_shows_it(void **state)
{
    (void)state;
    assert_int_equal(allocate(100, PAGE), VK_SUCCESS);
    assert_int_equal(export_blob(900, 100), 0);
    free_memory(100);
    assert_int_equal(charged(), PAGE);
    assert_int_equal(allocate(101, PAGE), VK_SUCCESS);
    assert_int_equal(live(), 2);
    assert_int_equal(charged(), 2 * PAGE);
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
    assert_int_equal(charged(), PAGE);
    assert_int_equal(allocate(102, PAGE), VK_SUCCESS);
    assert_int_equal(live(), 2);
    assert_int_equal(charged(), 2 * PAGE);
    assert_int_equal(export_blob(901, 102), 0);
}

/* Pages that were in the window come back as private ones, and may go there again. */
static void test_after_the_window(void **state)
{
    uint8_t *window;
    uint8_t *pages;

    (void)state;
    assert_int_equal(pv_os_shm_map(bench.window_fd, 0, VENUS_BENCH_WINDOW_BYTES, (void **)&window),
                     0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(allocate(100, PAGE), VK_SUCCESS);
        assert_int_equal(live(), 1);
        pages = fake_driver_last_import();
        assert_int_equal(pages[0], 0);
        pages[0] = 7;
        assert_int_equal(export_blob(900, 100), 0);
        assert_int_equal(pv_venus_context_place(bench.context, 900, i * PAGE), 0);
        assert_int_equal(window[i * PAGE], 7);
        if (i == 1) { /* either order */
            assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
            free_memory(100);
        } else {
            free_memory(100);
            assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
        }
        assert_int_equal(charged(), 0);
        pages[0] = 9;
        assert_int_equal(window[i * PAGE], 7);
        pages[0] = 0;
    }
    pv_os_shm_unmap(window, VENUS_BENCH_WINDOW_BYTES);
}

/* A driver that pinned the pages still writes to those that the window has now. */
static void test_not_behind_a_drivers_back(void **state)
{
    struct pv_venus_pages *pages;

    (void)state;
    assert_int_equal(pv_venus_pages_create_private(PAGE, &pages), 0);
    pages->left = true;
    assert_false(pv_venus_resource_retire_pages(bench.context, pages));
    pages->can_move = true;
    pv_venus_pages_charge(pages, bench.context->account, bench.context->account_slot, 0);
    assert_true(pv_venus_resource_retire_pages(bench.context, pages));
    pages->left = false;
    pages->in_window = true; /* leaving failed: the range is another's, maybe */
    assert_false(pv_venus_resource_retire_pages(bench.context, pages));
    pv_venus_pages_unref(pages);
}

static void test_count_at_the_cap(void **state)
{
    (void)state;
    bench.context->memory_max_bytes = UINT64_C(1) << 30;
    for (uint64_t i = 0; i <= PV_VENUS_SPARE_COUNT_MAX; i++) {
        assert_int_equal(allocate(100 + i, (1 + i) * PAGE), VK_SUCCESS);
    }
    for (uint64_t i = 0; i < PV_VENUS_SPARE_COUNT_MAX; i++) {
        free_memory(100 + i);
    }
    assert_int_equal(live(), PV_VENUS_SPARE_COUNT_MAX + 1);
    free_memory(100 + PV_VENUS_SPARE_COUNT_MAX);
    assert_int_equal(live(), PV_VENUS_SPARE_COUNT_MAX);
    /* The oldest has gone. */
    assert_int_equal(allocate(200, 2 * PAGE), VK_SUCCESS);
    assert_int_equal(live(), PV_VENUS_SPARE_COUNT_MAX);
    assert_int_equal(allocate(201, PAGE), VK_SUCCESS);
    assert_int_equal(live(), PV_VENUS_SPARE_COUNT_MAX + 1);
}

static void test_bytes_at_the_cap(void **state)
{
    const uint64_t count = PV_VENUS_SPARE_MAX_BYTES / PV_VENUS_SPARE_EACH_MAX_BYTES;

    (void)state;
    bench.context->memory_max_bytes = UINT64_C(1) << 30;
    assert_int_equal(allocate(99, PV_VENUS_SPARE_EACH_MAX_BYTES + 1), VK_SUCCESS);
    free_memory(99);
    assert_int_equal(live(), 0);
    for (uint64_t i = 0; i <= count; i++) {
        assert_int_equal(allocate(100 + i, PV_VENUS_SPARE_EACH_MAX_BYTES), VK_SUCCESS);
    }
    for (uint64_t i = 0; i <= count; i++) {
        free_memory(100 + i);
    }
    assert_int_equal(live(), count);
    assert_int_equal(kept(), PV_VENUS_SPARE_MAX_BYTES);
}

static void test_all_workers_at_the_cap(void **state)
{
    const uint32_t other = 5;

    (void)state;
    assert_int_equal(allocate(100, 2 * PAGE), VK_SUCCESS);
    assert_int_equal(allocate(101, PAGE), VK_SUCCESS);
    pv_base_account_add(&bench.context->account->spares, other, PV_VENUS_SPARE_VM_MAX_BYTES - PAGE);
    free_memory(100);
    assert_int_equal(live(), 1);
    free_memory(101);
    assert_int_equal(live(), 1);
    assert_int_equal(kept(), PAGE);
    pv_base_account_clear(bench.context->account, other);
}

/* What the driver could use for the guest is given to it. */
static void test_a_driver_that_has_no_more(void **state)
{
    (void)state;
    assert_int_equal(allocate(100, PAGE), VK_SUCCESS);
    free_memory(100);
    fake_driver_fail_next("vkAllocateMemory", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(allocate(101, 2 * PAGE), VK_SUCCESS);
    assert_int_equal(live(), 1);
    assert_int_equal(kept(), 0);
    fake_driver_fail_next("vkAllocateMemory", VK_ERROR_TOO_MANY_OBJECTS);
    assert_int_equal(allocate(102, 2 * PAGE), VK_ERROR_TOO_MANY_OBJECTS);
}

/* Nor is it refused for the descriptors that spare memory holds, where each is a file. */
static void test_no_descriptors_left(void **state)
{
    struct rlimit limit;
    struct rlimit none;
    int next;

    (void)state;
    assert_int_equal(allocate(100, PAGE), VK_SUCCESS);
    free_memory(100);
    assert_int_equal(kept(), PAGE);
    next = dup(0);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(allocate(101, 2 * PAGE), VK_SUCCESS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(kept(), 0);
    assert_int_equal(live(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_comes_back_zeroed),
        TEST(test_only_to_its_equals),
        TEST(test_never_shared_memory),
        TEST(test_not_while_a_resource_shows_it),
        cmocka_unit_test_setup_teardown(test_after_the_window, setup_window, fixture_teardown),
        TEST(test_not_behind_a_drivers_back),
        TEST(test_count_at_the_cap),
        TEST(test_bytes_at_the_cap),
        TEST(test_all_workers_at_the_cap),
        TEST(test_a_driver_that_has_no_more),
        TEST(test_no_descriptors_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
