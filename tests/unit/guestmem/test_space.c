/* SPDX-License-Identifier: MIT */
/*
 * guestmem/space.c: tables that are taken and refused, copies over region borders, the window left
 * out, pointers that survive a repeated table.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "guestmem/space.h"
#include "os/shm.h"
#include "support/loop_bench.h"

#define PAGE 4096u

static int make_file(uint64_t size_bytes)
{
    int fd = -1;

    assert_int_equal(pv_os_shm_create("test", size_bytes, &fd), 0);
    return fd;
}

static struct pv_guestmem_region region(uint64_t addr, uint64_t size_bytes, uint64_t offset_bytes,
                                        int fd)
{
    return (struct pv_guestmem_region){
        .addr = addr,
        .size_bytes = size_bytes,
        .user_addr = addr + UINT64_C(0x700000000000),
        .offset_bytes = offset_bytes,
        .fd = fd,
    };
}

static struct pv_guestmem_space *make_space(void)
{
    struct pv_guestmem_space *space = NULL;

    assert_int_equal(pv_guestmem_space_create(&space), 0);
    return space;
}

static void test_empty_space_backs_nothing(void **state)
{
    struct pv_guestmem_space *space = make_space();
    char bytes[4] = {1, 2, 3, 4};
    uint64_t addr;

    (void)state;
    assert_int_equal(pv_guestmem_space_copy_in(space, 0, bytes, 4), 0);
    assert_memory_equal(bytes, "\0\0\0\0", 4);
    assert_int_equal(pv_guestmem_space_copy_out(space, 0, bytes, 4), 0);
    assert_false(pv_guestmem_space_is_backed(space, 0, 1));
    assert_true(pv_guestmem_space_is_backed(space, 0, 0));
    assert_null(pv_guestmem_space_at(space, 0, 1));
    assert_false(pv_guestmem_space_from_user(space, 0, &addr));
    pv_guestmem_space_destroy(space);
    pv_guestmem_space_destroy(NULL);
}

static void test_copies_cross_region_borders(void **state)
{
    struct pv_guestmem_space *space = make_space();
    const int fd = make_file(4 * PAGE);
    /* one after the other in the guest, the other way round in the file, and given unsorted */
    const struct pv_guestmem_region regions[] = {
        region(0x2000, PAGE, 0, dup(fd)),
        region(0x1000, PAGE, 2 * PAGE, dup(fd)),
    };
    char bytes[8] = {0};

    (void)state;
    assert_int_equal(pv_guestmem_space_replace(space, regions, 2), 0);
    assert_int_equal(pv_guestmem_space_copy_out(space, 0x1ffc, "abcdefgh", 8), 8);
    assert_int_equal(pv_guestmem_space_copy_in(space, 0x1ffc, bytes, 8), 8);
    assert_memory_equal(bytes, "abcdefgh", 8);
    assert_int_equal(pread(fd, bytes, 4, 0), 4);
    assert_memory_equal(bytes, "efgh", 4);
    assert_true(pv_guestmem_space_is_backed(space, 0x1000, 2 * PAGE));
    assert_false(pv_guestmem_space_is_backed(space, 0x1000, 2 * PAGE + 1));
    assert_null(pv_guestmem_space_at(space, 0x1ffc, 8));
    assert_non_null(pv_guestmem_space_at(space, 0x1ffc, 4));
    pv_guestmem_space_destroy(space);
    close(fd);
}

static void test_copies_come_short_at_the_end(void **state)
{
    struct pv_guestmem_space *space = make_space();
    const struct pv_guestmem_region one = region(0x1000, PAGE, 0, make_file(PAGE));
    char bytes[8];

    (void)state;
    assert_int_equal(pv_guestmem_space_replace(space, &one, 1), 0);
    assert_int_equal(pv_guestmem_space_copy_out(space, 0x1ffd, "abcdefgh", 8), 3);
    memset(bytes, 'x', 8);
    assert_int_equal(pv_guestmem_space_copy_in(space, 0x1ffd, bytes, 8), 3);
    assert_memory_equal(bytes, "abc\0\0\0\0\0", 8);
    assert_int_equal(pv_guestmem_space_copy_in(space, 0x0fff, bytes, 8), 0);
    assert_int_equal(pv_guestmem_space_copy_in(space, UINT64_MAX, bytes, 8), 0);
    pv_guestmem_space_destroy(space);
}

static void test_region_up_to_the_last_address(void **state)
{
    struct pv_guestmem_space *space = make_space();
    struct pv_guestmem_region one = region(UINT64_MAX - PAGE, PAGE, 0, make_file(PAGE));
    char bytes[8];

    (void)state;
    one.user_addr = 0;
    assert_int_equal(pv_guestmem_space_replace(space, &one, 1), 0);
    assert_int_equal(pv_guestmem_space_copy_in(space, UINT64_MAX - 4, bytes, 8), 4);
    pv_guestmem_space_destroy(space);
}

static void test_offsets_need_no_page_border(void **state)
{
    struct pv_guestmem_space *space = make_space();
    const int fd = make_file(2 * PAGE);
    const struct pv_guestmem_region one = region(0x1000, 100, 4000, dup(fd));
    char bytes[4];

    (void)state;
    assert_int_equal(pwrite(fd, "here", 4, 4000), 4);
    assert_int_equal(pv_guestmem_space_replace(space, &one, 1), 0);
    assert_int_equal(pv_guestmem_space_copy_in(space, 0x1000, bytes, 4), 4);
    assert_memory_equal(bytes, "here", 4);
    pv_guestmem_space_destroy(space);
    close(fd);
}

static void refuse(struct pv_guestmem_region bad)
{
    struct pv_guestmem_space *space = make_space();
    const struct pv_guestmem_region good = region(0x100000, PAGE, 0, make_file(PAGE));
    uint64_t generation;

    assert_int_equal(pv_guestmem_space_replace(space, &good, 1), 0);
    generation = pv_guestmem_space_generation(space);
    assert_true(pv_guestmem_space_replace(space, &bad, 1) < 0);
    assert_true(pv_guestmem_space_is_backed(space, 0x100000, PAGE)); /* the old table stays */
    assert_true(pv_guestmem_space_generation(space) == generation);
    pv_guestmem_space_destroy(space);
}

static void test_regions_that_cannot_be(void **state)
{
    struct pv_guestmem_region one;
    const unsigned int fds = open_fds();
    int pipe_fds[2];

    (void)state;
    refuse(region(0, 0, 0, make_file(PAGE)));
    refuse(region(0, PAGE + 1, 0, make_file(PAGE)));
    refuse(region(0, PAGE, 1, make_file(PAGE)));
    refuse(region(0, PAGE, UINT64_MAX, make_file(PAGE)));
    refuse(region(0, UINT64_MAX, 0, make_file(PAGE)));
    refuse(region(UINT64_MAX - PAGE + 1, PAGE, 0, make_file(PAGE)));
    one = region(0, PAGE, 0, make_file(PAGE));
    one.user_addr = UINT64_MAX;
    refuse(one);
    assert_int_equal(pipe(pipe_fds), 0);
    close(pipe_fds[1]);
    refuse(region(0, PAGE, 0, pipe_fds[0]));
    refuse(region(0, PAGE, 0, -1));
    assert_int_equal(open_fds(), fds); /* the fds were closed all the same */
}

static void test_overlap_is_refused(void **state)
{
    struct pv_guestmem_space *space = make_space();
    struct pv_guestmem_region two[2] = {region(0x1000, 2 * PAGE, 0, make_file(2 * PAGE)),
                                        region(0x2fff, PAGE, 0, make_file(PAGE))};

    (void)state;
    assert_int_equal(pv_guestmem_space_replace(space, two, 2), -EINVAL);
    two[0] = region(0x2fff, PAGE, 0, make_file(PAGE));
    two[1] = region(0x1000, 2 * PAGE, 0, make_file(2 * PAGE));
    assert_int_equal(pv_guestmem_space_replace(space, two, 2), -EINVAL);
    pv_guestmem_space_destroy(space);
}

static void test_region_count_cap(void **state)
{
    struct pv_guestmem_space *space = make_space();
    struct pv_guestmem_region many[PV_GUESTMEM_REGION_COUNT_MAX + 1];

    (void)state;
    for (size_t count = PV_GUESTMEM_REGION_COUNT_MAX; count < PV_ARRAY_LEN(many) + 1; count++) {
        for (size_t i = 0; i < count; i++) {
            many[i] = region(i * PAGE, PAGE, 0, make_file(PAGE));
        }
        assert_int_equal(pv_guestmem_space_replace(space, many, count),
                         count <= PV_GUESTMEM_REGION_COUNT_MAX ? 0 : -EINVAL);
    }
    pv_guestmem_space_destroy(space);
}

static void test_the_window_is_left_out(void **state)
{
    struct pv_guestmem_space *space = make_space();
    const int window = make_file(4 * PAGE);
    const struct pv_guestmem_region two[2] = {region(0x1000, PAGE, 0, make_file(PAGE)),
                                              region(0x2000, PAGE, PAGE, dup(window))};
    const unsigned int fds = open_fds();

    (void)state;
    assert_int_equal(pv_guestmem_space_exclude(space, window), 0);
    assert_int_equal(pv_guestmem_space_replace(space, two, 2), 0);
    assert_true(pv_guestmem_space_is_backed(space, 0x1000, PAGE));
    assert_false(pv_guestmem_space_is_backed(space, 0x2000, 1));
    assert_int_equal(open_fds(), fds - 2);
    pv_guestmem_space_destroy(space);
    close(window);
}

static void test_repeated_regions_keep_their_mapping(void **state)
{
    struct pv_guestmem_space *space = make_space();
    const int fd = make_file(2 * PAGE);
    struct pv_guestmem_region two[2] = {region(0x1000, PAGE, 0, dup(fd)),
                                        region(0x2000, PAGE, PAGE, dup(fd))};
    const void *first;
    uint64_t generation;

    (void)state;
    assert_int_equal(pv_guestmem_space_replace(space, two, 2), 0);
    first = pv_guestmem_space_at(space, 0x2000, PAGE);
    generation = pv_guestmem_space_generation(space);
    two[0] = region(0x2000, PAGE, PAGE, dup(fd));
    assert_int_equal(pv_guestmem_space_replace(space, two, 1), 0);
    assert_ptr_equal(pv_guestmem_space_at(space, 0x2000, PAGE), first);
    assert_false(pv_guestmem_space_is_backed(space, 0x1000, 1));
    assert_true(pv_guestmem_space_generation(space) != generation);
    pv_guestmem_space_destroy(space);
    close(fd);
}

static void test_addresses_of_the_monitor(void **state)
{
    struct pv_guestmem_space *space = make_space();
    const struct pv_guestmem_region one = region(0x1000, PAGE, 0, make_file(PAGE));
    uint64_t addr = 7;

    (void)state;
    assert_int_equal(pv_guestmem_space_replace(space, &one, 1), 0);
    assert_true(pv_guestmem_space_from_user(space, UINT64_C(0x700000001ffe), &addr));
    assert_true(addr == 0x1ffe);
    addr = 7;
    assert_false(pv_guestmem_space_from_user(space, UINT64_C(0x700000002000), &addr));
    assert_false(pv_guestmem_space_from_user(space, 0x1000, &addr));
    assert_true(addr == 7);
    pv_guestmem_space_destroy(space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_space_backs_nothing),
        cmocka_unit_test(test_copies_cross_region_borders),
        cmocka_unit_test(test_copies_come_short_at_the_end),
        cmocka_unit_test(test_region_up_to_the_last_address),
        cmocka_unit_test(test_offsets_need_no_page_border),
        cmocka_unit_test(test_regions_that_cannot_be),
        cmocka_unit_test(test_overlap_is_refused),
        cmocka_unit_test(test_region_count_cap),
        cmocka_unit_test(test_the_window_is_left_out),
        cmocka_unit_test(test_repeated_regions_keep_their_mapping),
        cmocka_unit_test(test_addresses_of_the_monitor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
