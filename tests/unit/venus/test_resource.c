/* SPDX-License-Identifier: MIT */
/*
 * venus/resource.c: what may be attached, streams and imports of what is there, not there yet,
 * gone, or of another kind, and the window's ranges. How much memory blobs hold is in
 * test_memory.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/shm.h"
#include "support/venus_fixture.h"

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

#define WINDOW_TEST(name) cmocka_unit_test_setup_teardown(name, setup_window, fixture_teardown)

static int attach(uint32_t id, int fd, uint64_t offset, uint64_t size)
{
    return pv_venus_context_attach(bench.context, id, fd, offset, size, false, true);
}

static void test_attach(void **state)
{
    static const struct {
        uint64_t offset;
        uint64_t size;
        int result;
    } ranges[] = {
        {0, 4 * PAGE, 0},
        {3 * PAGE, PAGE, 0},
        {0, 0, -EINVAL},
        {0, 5 * PAGE, -EINVAL},
        {4 * PAGE, PAGE, -EINVAL},
        {PAGE, 4 * PAGE, -EINVAL},
        {1, PAGE, -EINVAL},
        {0, PAGE - 1, -EINVAL},
        {0, PAGE + 1, -EINVAL},
        {UINT64_MAX - PAGE + 1, PAGE, -EINVAL},
        {PAGE, UINT64_MAX - PAGE + 1, -EINVAL},
        {0, UINT64_MAX, -EINVAL},
    };
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", 4 * PAGE, &fd), 0);
    for (size_t i = 0; i < PV_ARRAY_LEN(ranges); i++) {
        assert_int_equal(attach(900, fd, ranges[i].offset, ranges[i].size), ranges[i].result);
        assert_int_equal(pv_venus_context_leave(bench.context, 900),
                         ranges[i].result == 0 ? 0 : -ENOENT);
    }
    assert_int_equal(attach(900, fd, 0, PAGE), 0);
    assert_int_equal(attach(900, fd, PAGE, PAGE), -EEXIST);
    assert_true(attach(0, fd, 0, PAGE) < 0);
    assert_int_equal(attach(901, -1, 0, PAGE), -EBADF);
    close(fd);
}

/* Whoever can shrink a file can end whoever reads it. */
static void test_files_that_can_shrink(void **state)
{
    int fd = memfd_create("open", MFD_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(attach(900, fd, 0, PAGE), -EINVAL);
    close(fd);
}

static void test_attach_to_the_window(void **state)
{
    (void)state;
    assert_int_equal(
        pv_venus_context_attach(bench.context, 900, -1, VENUS_BENCH_WINDOW_BYTES, PAGE, true, true),
        -EINVAL);
    assert_int_equal(pv_venus_context_attach(bench.context, 900, -1,
                                             VENUS_BENCH_WINDOW_BYTES - PAGE, 2 * PAGE, true, true),
                     -EINVAL);
    assert_int_equal(pv_venus_context_attach(bench.context, 900, -1,
                                             VENUS_BENCH_WINDOW_BYTES - PAGE, PAGE, true, true),
                     0);
    assert_int_equal(pv_venus_context_place(bench.context, 900, 0), -ENOENT); /* it is no blob */
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
}

/* ---- streams ---- */

/* A ring names what is still on its way: it is waited for, and other rings go on meanwhile. */
static void test_an_attach_on_its_way(void **state)
{
    struct venus_ring other;
    uint8_t *memory;
    uint32_t id;

    (void)state;
    venus_ring_init(&other, &bench, 65536, 0);
    id = bench.next_resource_id;
    venus_set_reply(&b, id, 0, 64);
    venus_instance_version(&b);
    venus_ring_push(&ring, &b);
    pv_os_clock_sleep_ns(5000000);
    b.size_bytes = 0;
    venus_create_buffer(&b, VENUS_DEVICE, 10, 64, false);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 10);
    venus_ring_push(&other, &b); /* which waits for rings that hold objects: ours holds none */
    assert_true(venus_ring_drain(&other));
    assert_int_not_equal(venus_ring_word(&ring, 0), ring.tail);
    assert_int_equal(venus_bench_attach(&bench, PAGE, true, &memory, NULL), id);
    assert_true(venus_ring_drain(&ring));
    assert_int_equal(memory[0], PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    pv_os_shm_unmap(memory, PAGE);
    venus_ring_finish(&other);
}

/* Not what was waited for: memory that holds no streams. And on the message thread, whose attaches
 * come in order, nothing is waited for. */
static void test_streams_elsewhere(void **state)
{
    const uint64_t before_ns = pv_os_clock_now_ns();
    uint32_t id = venus_bench_attach(&bench, PAGE, false, NULL, NULL);

    (void)state;
    venus_set_reply(&b, id, 0, 64);
    assert_loses();
    id = venus_bench_attach(&bench, PAGE, false, NULL, NULL);
    venus_execute(&b, id, 0, 64);
    assert_loses();
    venus_set_reply(&b, 999, 0, 64);
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
    assert_true(pv_os_clock_now_ns() - before_ns < UINT64_C(4000000000));
}

/* A reply stream's memory stays while somebody answers into it, whoever has given it up. */
static void test_replies_after_leave(void **state)
{
    uint8_t *memory;
    const uint32_t id = venus_bench_attach(&bench, PAGE, true, &memory, NULL);

    (void)state;
    venus_set_reply(&b, id, 0, 64);
    run();
    assert_int_equal(pv_venus_context_leave(bench.context, id), 0);
    venus_instance_version(&b);
    run();
    assert_int_equal(memory[0], PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    pv_os_shm_unmap(memory, PAGE);
    venus_execute(&b, id, 0, 64); /* a stream of it: a wait for an attach, and a loss */
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
}

/* In the window the answers end up nowhere: the range is somebody else's. */
static void test_replies_after_leave_of_the_window(void **state)
{
    void *window;

    (void)state;
    assert_int_equal(pv_os_shm_map(bench.window_fd, 0, PAGE, &window), 0);
    assert_int_equal(pv_venus_context_attach(bench.context, 900, -1, 0, PAGE, true, true), 0);
    venus_set_reply(&b, 900, 0, 64);
    run();
    assert_int_equal(pv_venus_context_leave(bench.context, 900), 0);
    memset(window, 0xcc, PAGE);
    venus_instance_version(&b);
    run();
    assert_int_equal(((uint8_t *)window)[0], 0xcc);
    assert_false(venus_bench_is_lost(&bench));
    pv_os_shm_unmap(window, PAGE);
}

/* ---- imports ---- */

static void ask_properties(uint32_t id)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetMemoryResourcePropertiesMESA, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u32(&b, id);
    venus_u64(&b, 1);
    venus_u32(&b, 1000384001);
    venus_u64(&b, 1);
    venus_u32(&b, 1000384003);
    venus_u64(&b, 0);
}

static void test_imports(void **state)
{
    const uint32_t type = venus_bench_visible_type();
    const uint32_t id = venus_bench_attach(&bench, 2 * PAGE, false, NULL, NULL);
    const uint32_t *words;

    (void)state;
    ask_properties(id);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[6 + 1], 1000384003);
    assert_int_equal(word64(words + 10), 2 * PAGE);
    assert_int_not_equal(words[12] & (1u << type), 0);
    ask_properties(999);
    assert_int_equal(result(), VK_ERROR_INVALID_EXTERNAL_HANDLE);

    venus_allocate(&b, VENUS_DEVICE, 10, 2 * PAGE, type, id, false, true);
    assert_int_equal(result(), VK_SUCCESS);
    venus_allocate(&b, VENUS_DEVICE, 11, PAGE, type, id, false, true); /* less than there is */
    assert_int_equal(result(), VK_SUCCESS);
    venus_allocate(&b, VENUS_DEVICE, 12, 2 * PAGE + 1, type, id, false, true);
    assert_int_equal(result(), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    venus_allocate(&b, VENUS_DEVICE, 12, PAGE, type, 999, false, true);
    assert_int_equal(result(), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(pv_venus_context_leave(bench.context, id), 0);
    venus_allocate(&b, VENUS_DEVICE, 12, PAGE, type, id, false, true);
    assert_int_equal(result(), VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE_MEMORY), 2); /* they outlive it */
}

/* A thousand resources, as a program with many buffers has, in any order of their ends. */
static void test_many(void **state)
{
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", PAGE, &fd), 0);
    for (uint32_t id = 1000; id < 2000; id++) {
        assert_int_equal(
            pv_venus_context_attach(bench.context, id, fd, 0, PAGE, false, id % 16 == 0), 0);
    }
    for (uint32_t id = 1000; id < 2000; id += 2) {
        assert_int_equal(pv_venus_context_leave(bench.context, id), 0);
    }
    for (uint32_t id = 1999; id > 1500; id -= 2) {
        assert_int_equal(pv_venus_context_leave(bench.context, id), 0);
    }
    assert_int_equal(pv_venus_context_leave(bench.context, 1000), -ENOENT);
    assert_int_equal(attach(1000, fd, 0, PAGE), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_attach),
        TEST(test_files_that_can_shrink),
        WINDOW_TEST(test_attach_to_the_window),
        TEST(test_an_attach_on_its_way),
        TEST(test_streams_elsewhere),
        TEST(test_replies_after_leave),
        WINDOW_TEST(test_replies_after_leave_of_the_window),
        TEST(test_imports),
        TEST(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
