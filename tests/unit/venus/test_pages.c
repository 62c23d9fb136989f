/* SPDX-License-Identifier: MIT */
/*
 * venus/pages.c: zero at their birth, fenced in by guard pages, gone with the last reference; moved
 * to the window with their contents, and off it without a trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/shm.h"
#include "venus/pages.h"

#define PAGE ((size_t)4096)

static bool is_filled(const void *memory, uint8_t value, size_t size_bytes)
{
    const uint8_t *bytes = memory;

    for (size_t i = 0; i < size_bytes; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

/* Whether the kernel knows a page there that may be read or written; mincore knows only mapped
 * ones, and msync fails on a hole. */
static bool is_mapped(const void *address)
{
    return msync((void *)(uintptr_t)address, PAGE, MS_ASYNC) == 0;
}

static bool fd_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_private_pages(void **state)
{
    struct pv_venus_pages *pages;
    static struct pv_base_account account;
    void *memory;

    (void)state;
    assert_int_equal(pv_venus_pages_create_private(3 * PAGE, &pages), 0);
    assert_int_equal(pages->size_bytes, 3 * PAGE);
    assert_int_equal(pages->fd, -1);
    assert_int_equal((uintptr_t)pages->memory % PAGE, 0);
    assert_true(is_filled(pages->memory, 0, 3 * PAGE));
    memset(pages->memory, 1, 3 * PAGE);
    pv_base_account_add(&account.memory, 7, 5 * PAGE);
    pv_venus_pages_charge(pages, &account, 7, 3 * PAGE);
    memory = pages->memory;
    assert_ptr_equal(pv_venus_pages_ref(pages), pages);
    pv_venus_pages_unref(pages);
    assert_true(is_filled(memory, 1, 3 * PAGE)); /* one reference is left */
    assert_int_equal(pv_base_account_bytes(&account.memory, 7), 5 * PAGE);
    pv_venus_pages_unref(pages);
    assert_false(is_mapped(memory));
    assert_int_equal(pv_base_account_bytes(&account.memory, 7), 2 * PAGE);
    pv_venus_pages_unref(NULL);
}

static void test_pages_in_a_file(void **state)
{
    struct pv_venus_pages *pages;
    struct pv_venus_pages *second;
    int fd;

    (void)state;
    assert_int_equal(pv_venus_pages_create_file(2 * PAGE, &pages), 0);
    fd = pages->fd;
    assert_true(fd >= 0);
    memset(pages->memory, 7, 2 * PAGE);
    /* Another mapping of its second page. */
    assert_int_equal(pv_venus_pages_create_mapping(fd, PAGE, PAGE, false, true, &second), 0);
    assert_int_not_equal(second->fd, fd);
    assert_true(is_filled(second->memory, 7, PAGE));
    memset(second->memory, 8, PAGE);
    assert_true(is_filled(pages->memory, 7, PAGE));
    assert_true(is_filled((uint8_t *)pages->memory + PAGE, 8, PAGE));
    pv_venus_pages_unref(pages);
    assert_false(fd_is_open(fd));
    assert_true(is_filled(second->memory, 8, PAGE));
    fd = second->fd;
    pv_venus_pages_unref(second);
    assert_false(fd_is_open(fd));
}

static void test_mappings_of_nothing(void **state)
{
    struct pv_venus_pages *pages = NULL;

    (void)state;
    assert_int_equal(pv_venus_pages_create_mapping(-1, 0, PAGE, false, true, &pages), -EBADF);
    assert_int_equal(pv_venus_pages_create_mapping(-1, 0, PAGE, true, false, &pages), -EBADF);
    assert_true(pv_venus_pages_create_private(SIZE_MAX & ~(PAGE - 1), &pages) < 0);
    assert_null(pages);
}

/* Exported memory goes where the guest wants it, with all that is in it. */
static void test_a_move_to_the_window(void **state)
{
    struct pv_venus_pages *pages;
    void *window_memory;
    void *memory;
    int window;
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create("window", 8 * PAGE, &window), 0);
    assert_int_equal(pv_os_shm_map(window, 0, 8 * PAGE, &window_memory), 0);
    memset(window_memory, 0xcc, 8 * PAGE);
    assert_int_equal(pv_venus_pages_create_file(2 * PAGE, &pages), 0);
    memory = pages->memory;
    fd = pages->fd;
    memset(memory, 3, 2 * PAGE);
    assert_int_equal(pv_venus_pages_move(pages, window, 4 * PAGE), 0);
    assert_ptr_equal(pages->memory, memory);
    assert_true(is_filled((uint8_t *)window_memory + 4 * PAGE, 3, 2 * PAGE));
    assert_true(is_filled((uint8_t *)window_memory, 0xcc, 4 * PAGE));
    assert_true(is_filled((uint8_t *)window_memory + 6 * PAGE, 0xcc, 2 * PAGE));
    memset((uint8_t *)window_memory + 4 * PAGE, 4, PAGE); /* the guest writes */
    assert_true(is_filled(memory, 4, PAGE));
    assert_false(fd_is_open(fd)); /* nobody needs the file any more */
    assert_true(pages->in_window);
    assert_false(pv_venus_pages_are_gone(pages));

    /* And leaves: the range is somebody else's from now on. */
    assert_int_equal(pv_venus_pages_leave(pages), 0);
    assert_true(pv_venus_pages_are_gone(pages));
    assert_true(is_filled(memory, 0, 2 * PAGE));
    memset(memory, 9, 2 * PAGE); /* a driver still writes */
    assert_true(is_filled((uint8_t *)window_memory + 4 * PAGE, 4, PAGE));
    assert_int_equal(pages->fd, -1);
    assert_int_equal(pv_venus_pages_leave(pages), 0); /* once is enough */
    assert_true(is_filled(memory, 9, 2 * PAGE));
    pv_venus_pages_unref(pages);
    assert_true(fd_is_open(window));
    pv_os_shm_unmap(window_memory, 8 * PAGE);
    close(window);
}

/* Files stay: a client of vtest has them mapped. */
static void test_files_do_not_leave(void **state)
{
    struct pv_venus_pages *pages;

    (void)state;
    assert_int_equal(pv_venus_pages_create_file(PAGE, &pages), 0);
    memset(pages->memory, 5, PAGE);
    assert_int_equal(pv_venus_pages_leave(pages), 0);
    assert_false(pv_venus_pages_are_gone(pages));
    assert_true(is_filled(pages->memory, 5, PAGE));
    pv_venus_pages_unref(pages);
}

/* A window that is too small or closed: the pages are as they were. */
static void test_a_move_that_fails(void **state)
{
    struct pv_venus_pages *pages;

    (void)state;
    assert_int_equal(pv_venus_pages_create_file(PAGE, &pages), 0);
    memset(pages->memory, 6, PAGE);
    assert_true(pv_venus_pages_move(pages, -1, 0) < 0);
    assert_false(pages->in_window);
    assert_true(is_filled(pages->memory, 6, PAGE));
    ((uint8_t *)pages->memory)[0] = 7;
    pv_venus_pages_unref(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private_pages),       cmocka_unit_test(test_pages_in_a_file),
        cmocka_unit_test(test_mappings_of_nothing), cmocka_unit_test(test_a_move_to_the_window),
        cmocka_unit_test(test_files_do_not_leave),  cmocka_unit_test(test_a_move_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
