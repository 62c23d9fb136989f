/* SPDX-License-Identifier: MIT */
/*
 * venus/memory.c, pages.c and resource.c: the limit, imports, exports, the window and its leaving,
 * with a driver's threads writing meanwhile; and binds, which drivers do not check.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/fd.h"
#include "os/shm.h"
#include "os/write_guard.h"
#include "support/venus_bench.h"
#include "venus_wire/commands.h"

#define PAGE UINT64_C(4096)

static struct venus_bench bench;
static struct venus_ring ring;
static struct venus_bytes b;
static uint32_t visible;

static int setup(void **state, bool in_window)
{
    (void)state;
    venus_bench_init(&bench, in_window);
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_ring_start(&ring);
    visible = venus_bench_visible_type();
    b.size_bytes = 0;
    return 0;
}

static int setup_files(void **state)
{
    return setup(state, false);
}

static int setup_window(void **state)
{
    return setup(state, true);
}

static int teardown(void **state)
{
    (void)state;
    venus_ring_finish(&ring);
    venus_bench_finish(&bench);
    return 0;
}

static int32_t allocate(uint64_t id, uint64_t size, uint32_t import_id)
{
    b.size_bytes = 0;
    venus_allocate(&b, VENUS_DEVICE, id, size, visible, import_id, false, true);
    return venus_ring_result(&ring, &b);
}

static int32_t allocate_exportable(uint64_t id, uint64_t size)
{
    b.size_bytes = 0;
    venus_allocate(&b, VENUS_DEVICE, id, size, visible, 0, true, true);
    return venus_ring_result(&ring, &b);
}

static void free_memory(uint64_t id)
{
    b.size_bytes = 0;
    venus_destroy(&b, PV_WIRE_COMMAND_vkFreeMemory, VENUS_DEVICE, id);
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));
}

static int export_blob(uint32_t resource_id, uint64_t id, uint64_t size,
                       struct pv_venus_exported *ret_exported)
{
    *ret_exported = (struct pv_venus_exported){.fd = -1};
    return pv_venus_context_export_blob(bench.context, resource_id, id, size, true, false,
                                        ret_exported);
}

/* Sizes that are impossible, too large, and one more than the limit; all else goes on. */
static void test_the_limit(void **state)
{
    static const uint64_t sizes[] = {0,
                                     VENUS_BENCH_MEMORY_BYTES + 1,
                                     UINT64_C(1) << 63,
                                     UINT64_MAX - PAGE,
                                     UINT64_MAX - 1,
                                     UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(allocate(100, sizes[i], 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    }
    for (uint64_t id = 100; id < 104; id++) {
        assert_int_equal(allocate(id, VENUS_BENCH_MEMORY_BYTES / 4, 0), VK_SUCCESS);
    }
    assert_int_equal(allocate(104, 1, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    b.size_bytes = 0;
    venus_create_buffer(&b, VENUS_DEVICE, 200, 64, true);
    assert_int_equal(venus_ring_result(&ring, &b), VK_SUCCESS);
    free_memory(103);
    assert_int_equal(allocate(104, 1, 0), VK_SUCCESS);
    /* One byte costs a page. */
    assert_int_equal(allocate(105, VENUS_BENCH_MEMORY_BYTES / 4, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(allocate(105, VENUS_BENCH_MEMORY_BYTES / 4 - PAGE, 0), VK_SUCCESS);
}

/* A driver that fails gives back what was counted. */
static void test_a_driver_that_has_none(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        fake_driver_fail_next("vkAllocateMemory", VK_ERROR_OUT_OF_HOST_MEMORY);
        assert_int_equal(allocate(100, VENUS_BENCH_MEMORY_BYTES, 0), VK_ERROR_OUT_OF_HOST_MEMORY);
    }
    assert_int_equal(allocate(100, VENUS_BENCH_MEMORY_BYTES, 0), VK_SUCCESS);
}

/* Pages that are still a blob are still held, whoever frees the memory object. */
static void test_blobs_count_until_they_leave(void **state)
{
    struct pv_venus_exported exported;

    (void)state;
    assert_int_equal(allocate(100, VENUS_BENCH_MEMORY_BYTES, 0), VK_SUCCESS);
    assert_int_equal(export_blob(900, 100, PAGE, &exported), 0);
    close(exported.fd);
    free_memory(100);
    assert_int_equal(allocate(101, PAGE, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
    assert_int_equal(allocate(101, VENUS_BENCH_MEMORY_BYTES, 0), VK_SUCCESS);
}

/* The guest named the memory before it knew that there is none. */
static void test_poisoned_memory(void **state)
{
    struct pv_venus_exported exported;

    (void)state;
    b.size_bytes = 0;
    venus_allocate(&b, VENUS_DEVICE, 100, VENUS_BENCH_MEMORY_BYTES * 2, visible, 0, false, false);
    venus_create_buffer(&b, VENUS_DEVICE, 200, 64, false);
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));
    b.size_bytes = 0;
    venus_bind_buffer(&b, VENUS_DEVICE, 200, 100, 0);
    assert_int_equal(venus_ring_result(&ring, &b), VK_ERROR_DEVICE_LOST);
    assert_int_equal(export_blob(900, 100, PAGE, &exported), -ENOMEM);
    free_memory(100);
    assert_int_equal(export_blob(900, 100, PAGE, &exported), -ENOENT);

    fake_driver_fail_next("vkCreateBuffer", VK_ERROR_OUT_OF_HOST_MEMORY);
    b.size_bytes = 0;
    venus_create_buffer(&b, VENUS_DEVICE, 201, 64, false);
    venus_ring_push(&ring, &b);
    assert_int_equal(allocate(101, PAGE, 0), VK_SUCCESS);
    b.size_bytes = 0;
    venus_bind_buffer(&b, VENUS_DEVICE, 201, 101, 0);
    assert_int_equal(venus_ring_result(&ring, &b), VK_ERROR_DEVICE_LOST);
    b.size_bytes = 0;
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 201);
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));
}

static void test_binds_out_of_range(void **state)
{
    static const struct {
        uint64_t size;
        uint64_t offset;
        bool good;
    } binds[] = {
        {PAGE, 0, true},
        {PAGE + 64, 0, false},
        {64, PAGE - 64, true},
        {64, PAGE, false},
        {64, 1, false}, /* not aligned */
        {64, UINT64_MAX - 63, false},
        {UINT64_MAX, 0, false},
        {64, UINT64_C(1) << 63, false},
    };

    (void)state;
    assert_int_equal(allocate(100, PAGE, 0), VK_SUCCESS);
    for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
        b.size_bytes = 0;
        venus_create_buffer(&b, VENUS_DEVICE, 200 + i, binds[i].size, true);
        assert_int_equal(venus_ring_result(&ring, &b), VK_SUCCESS);
        b.size_bytes = 0;
        venus_bind_buffer(&b, VENUS_DEVICE, 200 + i, 100, binds[i].offset);
        assert_int_equal(venus_ring_result(&ring, &b) == VK_SUCCESS, binds[i].good);
    }
    assert_int_equal(fake_driver_misuses(), 0);
}

/* ---- exports and imports in files ---- */

static void test_exports(void **state)
{
    struct pv_venus_exported exported;
    struct pv_venus_exported again;
    uint8_t *memory;

    (void)state;
    assert_int_equal(allocate(100, 2 * PAGE - 3, 0), VK_SUCCESS);
    assert_int_equal(export_blob(900, 999, PAGE, &exported), -ENOENT);
    assert_int_equal(export_blob(900, VENUS_DEVICE, PAGE, &exported), -ENOENT);
    assert_int_equal(export_blob(900, 100, 2 * PAGE + 1, &exported), -EINVAL);
    assert_int_equal(export_blob(900, 100, UINT64_MAX, &exported), -EINVAL);
    assert_int_equal(export_blob(0, 100, PAGE, &exported), -EINVAL);
    assert_int_equal(export_blob(ring.layout.resource_id, 100, PAGE, &exported), -EEXIST);
    assert_int_equal(exported.fd, -1);
    assert_int_equal(export_blob(900, 100, 2 * PAGE - 3, &exported), 0);
    assert_int_equal(exported.size_bytes, 2 * PAGE);
    assert_int_equal(export_blob(901, 100, PAGE, &again), -EEXIST);
    assert_int_equal(again.fd, -1);

    assert_int_equal(pv_os_shm_map(exported.fd, 0, 2 * PAGE, (void **)&memory), 0);
    memory[5] = 77;
    assert_int_equal(((uint8_t *)fake_driver_last_import())[5], 77);
    pv_os_shm_unmap(memory, 2 * PAGE);
    close(exported.fd);
    assert_int_equal(pv_venus_context_place(bench.context, 900, 0), -EINVAL); /* no window here */
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
    /* Its pages have not moved: it may be a blob once more. */
    assert_int_equal(export_blob(902, 100, PAGE, &exported), 0);
    close(exported.fd);
}

static void test_imports(void **state)
{
    uint8_t *memory;
    uint32_t id = venus_bench_attach(&bench, 2 * PAGE, false, &memory, NULL);

    (void)state;
    memory[9] = 42;
    assert_int_equal(allocate(100, 3 * PAGE, id), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(allocate(100, 2 * PAGE + 1, id), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(allocate(100, 0, id) == VK_SUCCESS, false);
    assert_int_equal(allocate(100, PAGE, 77), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(allocate(100, 2 * PAGE, id), VK_SUCCESS);
    assert_int_equal(((uint8_t *)fake_driver_last_import())[9], 42);
    /* Two imports, both still there after the resource has gone: they have the file. */
    assert_int_equal(allocate(101, PAGE, id), VK_SUCCESS);
    assert_int_equal(pv_venus_context_leave(bench.context, id), 0);
    memory[9] = 43;
    assert_int_equal(((uint8_t *)fake_driver_last_import())[9], 43);
    assert_int_equal(allocate(102, PAGE, id), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    pv_os_shm_unmap(memory, 2 * PAGE);
}

/* The resource's descriptor is closed and its number is somebody else's by then. */
static void test_an_import_is_exported_after_its_resource_left(void **state)
{
    struct pv_venus_exported exported = {.fd = -1};
    struct pv_os_file_id first;
    struct pv_os_file_id second;
    uint8_t *memory;
    int decoys[32];
    int fd;
    uint32_t id = venus_bench_attach(&bench, PAGE, false, &memory, &fd);
    int r;

    (void)state;
    assert_int_equal(pv_os_file_id_get(fd, &first), 0);
    assert_int_equal(allocate(100, PAGE, id), VK_SUCCESS);
    assert_int_equal(pv_venus_context_leave(bench.context, id), 0);
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(pv_os_shm_create("decoy", PAGE, &decoys[i]), 0);
    }
    r = export_blob(901, 100, PAGE, &exported);
    if (r == 0) {
        assert_int_equal(pv_os_file_id_get(exported.fd, &second), 0);
        assert_true(pv_os_file_id_equal(&first, &second));
        close(exported.fd);
    }
    for (size_t i = 0; i < 32; i++) {
        close(decoys[i]);
    }
    close(fd);
    pv_os_shm_unmap(memory, PAGE);
}

/* ---- the window ---- */

static void test_place_and_leave(void **state)
{
    struct pv_venus_exported exported;
    uint8_t *window;
    uint8_t *pages;

    (void)state;
    assert_int_equal(pv_os_shm_map(bench.window_fd, 0, VENUS_BENCH_WINDOW_BYTES, (void **)&window),
                     0);
    assert_int_equal(pv_venus_context_place(bench.context, 900, 0), -ENOENT);
    assert_int_equal(allocate(100, 2 * PAGE, 0), VK_SUCCESS);
    pages = fake_driver_last_import();
    pages[PAGE + 1] = 11;
    assert_int_equal(export_blob(900, 100, 2 * PAGE, &exported), 0);
    assert_int_equal(exported.fd, -1);
    assert_int_equal(pv_venus_context_place(bench.context, 900, 1), -EINVAL);
    assert_int_equal(pv_venus_context_place(bench.context, 900, VENUS_BENCH_WINDOW_BYTES - PAGE),
                     -EINVAL);
    assert_int_equal(pv_venus_context_place(bench.context, 900, UINT64_MAX - PAGE + 1), -EINVAL);
    assert_int_equal(pv_venus_context_place(bench.context, ring.layout.resource_id, 0), -ENOENT);
    assert_int_equal(
        pv_venus_context_place(bench.context, 900, VENUS_BENCH_WINDOW_BYTES - 2 * PAGE), 0);
    assert_int_equal(window[VENUS_BENCH_WINDOW_BYTES - PAGE + 1], 11);
    pages[0] = 12; /* the same address shows the window now */
    assert_int_equal(window[VENUS_BENCH_WINDOW_BYTES - 2 * PAGE], 12);
    assert_int_equal(pv_venus_context_place(bench.context, 900, 0), -EEXIST);

    /* An import of the same range follows it out. */
    assert_int_equal(allocate(101, 2 * PAGE, 900), VK_SUCCESS);
    assert_int_equal(((uint8_t *)fake_driver_last_import())[0], 12);
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
    window[VENUS_BENCH_WINDOW_BYTES - 2 * PAGE] = 99; /* somebody else's by now */
    assert_int_equal(pages[0], 0);
    assert_int_equal(((uint8_t *)fake_driver_last_import())[0], 0);
    pages[0] = 13;
    assert_int_equal(window[VENUS_BENCH_WINDOW_BYTES - 2 * PAGE], 99);
    /* Neither of them names the range ever again. */
    assert_int_equal(export_blob(901, 100, PAGE, &exported), -EINVAL);
    assert_int_equal(export_blob(901, 101, PAGE, &exported), -EINVAL);
    assert_int_equal(pv_venus_context_leave(bench.context, 900), -ENOENT);
    pv_os_shm_unmap(window, VENUS_BENCH_WINDOW_BYTES);
}

/* Freed before it is placed, placed before it is freed, left before either. */
static void test_odd_orders(void **state)
{
    struct pv_venus_exported exported;

    (void)state;
    assert_int_equal(allocate(100, PAGE, 0), VK_SUCCESS);
    assert_int_equal(export_blob(900, 100, PAGE, &exported), 0);
    free_memory(100);
    assert_int_equal(pv_venus_context_place(bench.context, 900, 0), 0);
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);

    assert_int_equal(allocate(100, PAGE, 0), VK_SUCCESS);
    assert_int_equal(export_blob(900, 100, PAGE, &exported), 0);
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
    assert_int_equal(pv_venus_context_place(bench.context, 900, 0), -ENOENT);
    assert_int_equal(export_blob(901, 100, PAGE, &exported), 0);
    assert_int_equal(pv_venus_context_place(bench.context, 901, PAGE), 0);
    free_memory(100);
    assert_int_equal(pv_venus_context_leave(bench.context, 901), 0);
    /* The second allocation was the first one's memory, which is kept (venus/spare.h). */
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE_MEMORY), 1);
}

static void test_exportable_memory_has_a_file_first(void **state)
{
    struct pv_venus_exported exported;
    uint8_t *memory;

    (void)state;
    assert_int_equal(allocate_exportable(100, PAGE), VK_SUCCESS);
    ((uint8_t *)fake_driver_last_import())[3] = 5;
    assert_int_equal(export_blob(900, 100, PAGE, &exported), 0);
    assert_true(exported.fd >= 0);
    assert_int_equal(pv_os_shm_map(exported.fd, 0, PAGE, (void **)&memory), 0);
    assert_int_equal(memory[3], 5);
    pv_os_shm_unmap(memory, PAGE);
    close(exported.fd);
    assert_int_equal(pv_venus_context_place(bench.context, 900, 0), 0);
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
}

/* ---- a driver's threads ---- */

#define WRITERS 3
#define TRIALS  60
#define WORDS   (16 * PAGE / 4)

struct writer {
    pthread_t thread;
    volatile uint32_t *words;
    uint32_t index;
    atomic_uint *stop;
    uint32_t rounds;
};

/* Each thread counts up in every WRITERS-th word. */
static void *write_words(void *user)
{
    struct writer *writer = user;

    while (atomic_load(writer->stop) == 0) {
        for (uint32_t i = writer->index; i < WORDS; i += WRITERS) {
            writer->words[i] = writer->words[i] + 1;
        }
        writer->rounds++;
    }
    return NULL;
}

/* The move of a range that others are writing loses no write. */
static void test_moves_under_writers(void **state)
{
    uint32_t *window;

    (void)state;
    assert_int_equal(pv_os_write_guard_install(), 0);
    assert_int_equal(pv_os_shm_map(bench.window_fd, 0, VENUS_BENCH_WINDOW_BYTES, (void **)&window),
                     0);
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
        struct writer writers[WRITERS];
        struct pv_venus_exported exported;
        atomic_uint stop = 0;

        assert_int_equal(allocate(100, 16 * PAGE, 0), VK_SUCCESS);
        for (uint32_t i = 0; i < WRITERS; i++) {
            writers[i] =
                (struct writer){.words = fake_driver_last_import(), .index = i, .stop = &stop};
            assert_int_equal(pthread_create(&writers[i].thread, NULL, write_words, &writers[i]), 0);
        }
        assert_int_equal(export_blob(900, 100, PAGE, &exported), 0);
        assert_int_equal(pv_venus_context_place(bench.context, 900, 0), 0);
        atomic_store(&stop, 1);
        for (uint32_t i = 0; i < WRITERS; i++) {
            assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        }
        for (uint32_t i = 0; i < WORDS; i++) {
            assert_int_equal(window[i], writers[i % WRITERS].rounds);
        }
        free_memory(100);
        assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
        assert_int_equal(pv_os_shm_punch(bench.window_fd, 0, 16 * PAGE), 0);
    }
    pv_os_shm_unmap(window, VENUS_BENCH_WINDOW_BYTES);
}

#define FILES(name)  cmocka_unit_test_setup_teardown(name, setup_files, teardown)
#define WINDOW(name) cmocka_unit_test_setup_teardown(name, setup_window, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES(test_the_limit),
        FILES(test_a_driver_that_has_none),
        FILES(test_blobs_count_until_they_leave),
        FILES(test_poisoned_memory),
        FILES(test_binds_out_of_range),
        FILES(test_exports),
        FILES(test_imports),
        FILES(test_an_import_is_exported_after_its_resource_left),
        WINDOW(test_place_and_leave),
        WINDOW(test_odd_orders),
        WINDOW(test_exportable_memory_has_a_file_first),
        WINDOW(test_moves_under_writers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
