/* SPDX-License-Identifier: MIT */
/*
 * gpu/window.c: ranges of the window, and that they are zero when they are given out.
 */
#include <errno.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/window.h"
#include "os/shm.h"

#define WINDOW_BYTES UINT64_C(0x100000)

struct fixture {
    struct pv_gpu_window window;
    uint8_t *memory;
    int fd;
};

static void open_window(struct fixture *fixture)
{
    void *memory;

    assert_int_equal(pv_os_shm_create("window", WINDOW_BYTES, &fixture->fd), 0);
    assert_int_equal(pv_os_shm_map(fixture->fd, 0, WINDOW_BYTES, &memory), 0);
    fixture->memory = memory;
    pv_gpu_window_init(&fixture->window, fixture->fd, WINDOW_BYTES);
}

static void close_window(struct fixture *fixture)
{
    pv_gpu_window_finish(&fixture->window);
    pv_os_shm_unmap(fixture->memory, WINDOW_BYTES);
    close(fixture->fd);
}

static void test_ranges_lie_inside(void **state)
{
    struct fixture f;

    (void)state;
    open_window(&f);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0, WINDOW_BYTES + 4096), -ERANGE);
    assert_int_equal(pv_gpu_window_claim(&f.window, WINDOW_BYTES, 4096), -ERANGE);
    assert_int_equal(pv_gpu_window_claim(&f.window, WINDOW_BYTES - 4096, 8192), -ERANGE);
    assert_int_equal(pv_gpu_window_claim(&f.window, UINT64_MAX - 4095, 4096), -ERANGE);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0, UINT64_MAX), -ERANGE);
    assert_int_equal(pv_gpu_window_claim(&f.window, 2048, 4096), -EINVAL);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0, 0), -EINVAL);
    assert_int_equal(pv_gpu_window_claim(&f.window, WINDOW_BYTES - 4096, 4096), 0);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0, WINDOW_BYTES - 4096), 0);
    assert_int_equal(f.window.used_bytes, WINDOW_BYTES);
    close_window(&f);
}

static void test_ranges_do_not_overlap(void **state)
{
    struct fixture f;

    (void)state;
    open_window(&f);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x4000, 0x3000), 0);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x4000, 0x1000), -EEXIST);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x6000, 0x1000), -EEXIST);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x3000, 0x1001), -EEXIST);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x0000, 0x10000), -EEXIST);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x3000, 0x1000), 0);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x7000, 0x1), 0);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x7000, 0x1000), -EEXIST);
    assert_int_equal(f.window.used_bytes, 0x5000);
    close_window(&f);
}

static void test_a_range_is_zero_when_given_out(void **state)
{
    struct fixture f;

    (void)state;
    open_window(&f);
    memset(f.memory, 0x55, WINDOW_BYTES); /* a guest may write where nothing is mapped */
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x2000, 0x2000), 0);
    assert_int_equal(f.memory[0x1fff], 0x55);
    assert_int_equal(f.memory[0x2000], 0);
    assert_int_equal(f.memory[0x3fff], 0);
    assert_int_equal(f.memory[0x4000], 0x55);
    memset(f.memory + 0x2000, 0xaa, 0x2000);
    assert_int_equal(pv_gpu_window_release(&f.window, 0x2000), 0);
    assert_int_equal(f.memory[0x2000], 0);
    close_window(&f);
}

static void test_release_frees_once(void **state)
{
    struct fixture f;

    (void)state;
    open_window(&f);
    assert_int_equal(pv_gpu_window_release(&f.window, 0), -ENOENT);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x1000, 0x2000), 0);
    assert_int_equal(pv_gpu_window_release(&f.window, 0x2000), -ENOENT);
    assert_int_equal(pv_gpu_window_release(&f.window, 0x1000), 0);
    assert_int_equal(pv_gpu_window_release(&f.window, 0x1000), -ENOENT);
    assert_int_equal(f.window.used_bytes, 0);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x0, 0x4000), 0);
    close_window(&f);
}

static void test_what_cannot_be_freed_is_quarantined(void **state)
{
    struct fixture f;

    (void)state;
    open_window(&f);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x1000, 0x1000), 0);
    f.window.fd = -2; /* punching fails from here on */
    assert_int_not_equal(pv_gpu_window_release(&f.window, 0x1000), 0);
    f.window.fd = f.fd;
    assert_int_equal(f.window.used_bytes, 0);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x1000, 0x1000), -EEXIST);
    assert_int_equal(pv_gpu_window_release(&f.window, 0x1000), -ENOENT);
    assert_int_equal(pv_gpu_window_clear(&f.window), 0);
    assert_int_equal(pv_gpu_window_claim(&f.window, 0x1000, 0x1000), 0);
    close_window(&f);
}

static void test_many_ranges_in_any_order(void **state)
{
    struct fixture f;

    (void)state;
    open_window(&f);
    for (uint64_t i = 0; i < 256; i++) {
        const uint64_t page = (i * 37) % 256; /* each page once */

        assert_int_equal(pv_gpu_window_claim(&f.window, page * 4096, 4096), 0);
    }
    assert_int_equal(f.window.used_bytes, WINDOW_BYTES);
    for (uint64_t i = 0; i < 256; i++) {
        assert_int_equal(pv_gpu_window_release(&f.window, ((i * 91) % 256) * 4096), 0);
    }
    assert_int_equal(f.window.range_count, 0);
    close_window(&f);
}

static void test_no_window(void **state)
{
    struct pv_gpu_window window;

    (void)state;
    pv_gpu_window_init(&window, -1, 4096);
    assert_int_equal(pv_gpu_window_claim(&window, 0, 4096), -ENODEV);
    assert_int_equal(pv_gpu_window_clear(&window), 0);
    pv_gpu_window_finish(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_lie_inside),
        cmocka_unit_test(test_ranges_do_not_overlap),
        cmocka_unit_test(test_a_range_is_zero_when_given_out),
        cmocka_unit_test(test_release_frees_once),
        cmocka_unit_test(test_what_cannot_be_freed_is_quarantined),
        cmocka_unit_test(test_many_ranges_in_any_order),
        cmocka_unit_test(test_no_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
