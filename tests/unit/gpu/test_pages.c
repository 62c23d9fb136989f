/* SPDX-License-Identifier: MIT */
/*
 * gpu/pages.c: descriptors, places in the window, our own view of both.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/resource.h"
#include "os/shm.h"
#include "support/gpu_bench.h"

static struct pv_gpu_resource *make(struct bench *bench, enum pv_gpu_resource_kind kind)
{
    struct pv_gpu_resource *resource;

    assert_int_equal(pv_gpu_resource_create(bench->device, 9, kind, 0x2000, &resource), 0);
    return resource;
}

static void test_take_fd_checks_it(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_resource *resource = make(bench, PV_GPU_RESOURCE_DEVICE);
    int fd = memfd_create("unsealed", MFD_ALLOW_SEALING);

    (void)state;
    assert_int_equal(ftruncate(fd, 0x2000), 0);
    assert_int_equal(pv_gpu_pages_take_fd(resource, fd, 0x2000), -EINVAL);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
    assert_int_equal(pv_os_shm_create("small", 0x1000, &fd), 0);
    assert_int_equal(pv_gpu_pages_take_fd(resource, fd, 0x2000), -EINVAL);
    assert_true(pv_gpu_pages_take_fd(resource, open("/dev/null", O_RDWR), 0x2000) < 0);
    assert_true(pv_gpu_pages_take_fd(resource, open("/", O_RDONLY), 0) < 0);
    assert_int_equal(pv_os_shm_create("good", 0x2000, &fd), 0);
    assert_int_equal(pv_gpu_pages_take_fd(resource, fd, 0x2000), 0);
    assert_int_equal(bench->device->resource_fd_count, 1);
    pv_gpu_pages_drop(resource);
    pv_gpu_pages_drop(resource);
    assert_int_equal(bench->device->resource_fd_count, 0);
    bench->device->resource_fd_count = PV_GPU_RESOURCE_FD_MAX;
    assert_int_equal(pv_os_shm_create("one more", 0x2000, &fd), 0);
    assert_int_equal(pv_gpu_pages_take_fd(resource, fd, 0x2000), -EMFILE);
    bench->device->resource_fd_count = 0;
    bench_close(bench);
}

static void test_memory_follows_the_place(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_resource *resource = make(bench, PV_GPU_RESOURCE_DEVICE);
    struct pv_gpu_memory memory;
    uint8_t byte = 0;
    int fd;

    (void)state;
    assert_false(pv_gpu_pages_memory(resource, &memory));
    assert_false(pv_gpu_pages_exist(resource));
    assert_int_equal(pv_gpu_pages_read(resource, 0, &byte, 1), -EFAULT);
    assert_int_equal(pv_os_shm_create("own", 0x2000, &fd), 0);
    assert_int_equal(pv_gpu_pages_take_fd(resource, fd, 0x2000), 0);
    assert_true(pv_gpu_pages_memory(resource, &memory));
    assert_false(memory.in_window);
    assert_int_equal(pv_gpu_pages_read(resource, 0x1fff, &byte, 1), 0);
    assert_int_equal(pv_gpu_pages_read(resource, 0x1fff, &byte, 2), -EFAULT);
    assert_int_equal(pv_gpu_pages_read(resource, UINT64_MAX, &byte, 2), -EFAULT);
    assert_int_equal(pv_gpu_window_claim(&bench->device->window, 0x3000, 0x2000), 0);
    pv_gpu_pages_drop(resource);
    resource->is_mapped = true;
    resource->window_offset_bytes = 0x3000;
    bench->window[0x3001] = 0x5a;
    assert_true(pv_gpu_pages_memory(resource, &memory));
    assert_true(memory.in_window);
    assert_int_equal(memory.offset_bytes, 0x3000);
    assert_int_equal(pv_gpu_pages_read(resource, 1, &byte, 1), 0);
    assert_int_equal(byte, 0x5a);
    resource->is_dead = true;
    assert_false(pv_gpu_pages_memory(resource, &memory));
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_fd_checks_it),
        cmocka_unit_test(test_memory_follows_the_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
