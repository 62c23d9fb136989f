/* SPDX-License-Identifier: MIT */
/*
 * gpu/backing.c: caps on lists, and reads that find memory gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/backing.h"
#include "gpu/limits.h"
#include "guestmem/space.h"
#include "support/gpu_bench.h"

/* A list of count entries of one page each, as a command would carry it. */
static int read_list(struct bench *bench, uint32_t count, uint64_t step_bytes,
                     struct pv_gpu_backing *ret_backing)
{
    struct pv_gpu_backing_entry *entries = calloc(count, sizeof(*entries));
    struct bench_element *element;
    int r;

    assert_non_null(entries);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].addr = BENCH_GUEST_ADDR + (i * step_bytes) % BENCH_GUEST_BYTES;
        entries[i].size_bytes = 4096;
    }
    /* An unknown command: the element stays readable for us. */
    element = bench_send_raw(bench, 0, "", 0, entries, count * sizeof(*entries), 24);
    element->read_bytes = 0;
    r = pv_gpu_backing_read(bench->device, &element->element, count, ret_backing);
    free(entries);
    return r;
}

static void test_entry_cap(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_backing backing;

    (void)state;
    assert_int_equal(read_list(bench, PV_GPU_BACKING_ENTRY_MAX, 4096, &backing), 0);
    assert_int_equal(backing.size_bytes, UINT64_C(4096) * PV_GPU_BACKING_ENTRY_MAX);
    pv_gpu_backing_finish(bench->device, &backing);
    assert_int_equal(read_list(bench, PV_GPU_BACKING_ENTRY_MAX + 1, 4096, &backing), -ENOMEM);
    bench_close(bench);
}

static void test_total_cap(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_backing backing;

    (void)state;
    bench->device->backing_entry_count = PV_GPU_BACKING_TOTAL_MAX - 1;
    assert_int_equal(read_list(bench, 2, 4096, &backing), -ENOMEM);
    assert_int_equal(read_list(bench, 1, 4096, &backing), 0);
    pv_gpu_backing_finish(bench->device, &backing);
    bench->device->backing_entry_count = 0;
    bench_close(bench);
}

static void test_copies_start_and_end_anywhere(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_backing backing;
    struct pv_guestmem_space *space = bench->transport.guest_memory;
    uint8_t bytes[8200];

    (void)state;
    for (size_t i = 0; i < BENCH_GUEST_BYTES; i++) {
        bench->guest[i] = (uint8_t)(i >> 12);
    }
    assert_int_equal(read_list(bench, 4, 0x3000, &backing), 0);
    assert_int_equal(pv_gpu_backing_copy_in(&backing, space, 4095, bytes, 4098), 0);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(bytes[1], 3);
    assert_int_equal(bytes[4096], 3);
    assert_int_equal(bytes[4097], 6);
    assert_int_equal(pv_gpu_backing_copy_in(&backing, space, 4 * 4096 - 1, bytes, 1), 0);
    assert_int_equal(bytes[0], 9);
    assert_int_equal(pv_gpu_backing_copy_in(&backing, space, 4 * 4096, bytes, 0), 0);
    assert_int_equal(pv_gpu_backing_copy_in(&backing, space, 4 * 4096, bytes, 1), -EFAULT);
    assert_int_equal(pv_gpu_backing_copy_in(&backing, space, 4 * 4096 - 1, bytes, 2), -EFAULT);
    assert_int_equal(pv_gpu_backing_copy_in(&backing, space, UINT64_MAX, bytes, 2), -EFAULT);
    pv_gpu_backing_finish(bench->device, &backing);
    bench_close(bench);
}

static void test_memory_that_went_away(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_backing backing;
    uint8_t byte;

    (void)state;
    assert_int_equal(read_list(bench, 1, 4096, &backing), 0);
    assert_int_equal(pv_guestmem_space_replace(bench->transport.guest_memory, NULL, 0), 0);
    assert_int_equal(pv_gpu_backing_copy_in(&backing, bench->transport.guest_memory, 0, &byte, 1),
                     -EFAULT);
    pv_gpu_backing_finish(bench->device, &backing);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry_cap),
        cmocka_unit_test(test_total_cap),
        cmocka_unit_test(test_copies_start_and_end_anywhere),
        cmocka_unit_test(test_memory_that_went_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
