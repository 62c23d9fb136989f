/* SPDX-License-Identifier: MIT */
/*
 * venus/stream.c: a stream runs up to its end, its first fault or the context's loss, says where
 * the fault was, traces each command when asked to, and keeps no large copies.
 */
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "os/shm.h"
#include "support/venus_fixture.h"
#include "venus/state.h"

static char lines[16384];

static void keep_line(void *user, enum pv_base_log_level level, const char *line)
{
    (void)user;
    (void)level;
    if (strlen(lines) + strlen(line) + 2 < sizeof(lines)) {
        strcat(lines, line);
        strcat(lines, "\n");
    }
}

/* A context of its own with a log; its events are the bench's, which it replaces. */
static void start_with_log(struct pv_base_log *log, const char *specification)
{
    struct pv_venus_context_options options = {
        .size_bytes = sizeof(options),
        .log = log,
        .name = "traced",
        .placement = PV_VENUS_PLACEMENT_FILE,
        .window_fd = -1,
        .memory_max_bytes = VENUS_BENCH_MEMORY_BYTES,
        .events = bench.context->events,
        .events_user = &bench,
        .get_instance_proc_addr = fake_driver_entry,
    };

    lines[0] = '\0';
    pv_base_log_init(log, "test");
    log->write = keep_line;
    assert_int_equal(pv_base_log_configure(log, specification), 0);
    venus_ring_finish(&ring);
    pv_venus_context_destroy(bench.context);
    assert_int_equal(pv_venus_context_create(&options, &bench.context), 0);
    venus_ring_init(&ring, &bench, 65536, 0);
    venus_ring_start(&ring);
    b.size_bytes = 0;
}

/* What a driver developer asks for first: each command by name, with its object and result. */
static void test_the_trace(void **state)
{
    static struct pv_base_log log;

    (void)state;
    start_with_log(&log, "venus.command=debug");
    fake_driver_fail_next("vkCreateBuffer", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    venus_create_buffer(&b, VENUS_DEVICE, 10, 64, false);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 10);
    run();
    venus_create_buffer(&b, VENUS_DEVICE, 11, 64, true);
    assert_int_equal(result(), VK_SUCCESS);
    assert_non_null(strstr(lines, "traced submit+0: vkCreateRingMESA"));
    assert_non_null(strstr(lines, "vkCreateInstance object 0 reply result 0"));
    assert_non_null(strstr(lines, "vkCreateBuffer object 3 result -2"));
    assert_non_null(strstr(lines, "vkDestroyBuffer object 3 poisoned"));
    assert_non_null(strstr(lines, " reply result 0"));
}

static void test_no_trace_unless_asked_for(void **state)
{
    static struct pv_base_log log;

    (void)state;
    start_with_log(&log, "venus.context=debug");
    venus_create_buffer(&b, VENUS_DEVICE, 10, 64, false);
    run();
    assert_null(strstr(lines, "vkCreateBuffer"));
    /* A fault is one line: command, stream, offset, kind and detail. */
    venus_create_buffer(&b, VENUS_DEVICE, 11, 64, false);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 0xbeef);
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
    assert_non_null(strstr(lines, "traced: context lost: vkDestroyBuffer at submit+92: "));
    assert_non_null(strstr(lines, "(0xbeef)"));
    assert_string_equal(strstr(lines, "vkDestroyBuffer"), strstr(lines, bench.reason));
}

/* All before the fault has been done, nothing after it. */
static void test_up_to_the_fault(void **state)
{
    (void)state;
    venus_create_buffer(&b, VENUS_DEVICE, 10, 64, false);
    venus_command(&b, 0x7fffffff, false);
    venus_create_buffer(&b, VENUS_DEVICE, 11, 64, false);
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 1);
    assert_int_equal(bench.lost_count, 1);
    b.size_bytes = 0;
    venus_create_buffer(&b, VENUS_DEVICE, 12, 64, false);
    venus_bench_submit(&bench, &b);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 1);
}

/* The last command lacks its end: at every length, and nothing of it is done. */
static void test_streams_that_are_cut_off(void **state)
{
    size_t whole_bytes;

    (void)state;
    venus_create_buffer(&b, VENUS_DEVICE, 10, 64, false);
    whole_bytes = b.size_bytes;
    for (size_t size_bytes = 4; size_bytes < whole_bytes; size_bytes += 4) {
        b.size_bytes = 0;
        venus_create_buffer(&b, VENUS_DEVICE, 10, 64, false);
        b.size_bytes = size_bytes;
        venus_bench_submit(&bench, &b);
        assert_true(venus_bench_is_lost(&bench));
        assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 0);
        (void)fixture_teardown(NULL);
        (void)fixture_setup(NULL);
    }
}

/* A huge stream's copy is not kept when small ones follow; small ones share one. */
static void test_copies(void **state)
{
    struct pv_venus_decoder *decoder = &bench.context->decoder;
    uint8_t *copy;

    (void)state;
    copy = pv_venus_decoder_stream_copy(decoder, 64);
    assert_non_null(copy);
    assert_ptr_equal(pv_venus_decoder_stream_copy(decoder, (size_t)1 << 20), copy);
    copy = pv_venus_decoder_stream_copy(decoder, PV_VENUS_STREAM_MAX_BYTES);
    assert_non_null(copy);
    copy[PV_VENUS_STREAM_MAX_BYTES - 1] = 1;
    assert_int_equal(decoder->stream_copy_bytes, PV_VENUS_STREAM_MAX_BYTES);
    assert_ptr_equal(pv_venus_decoder_stream_copy(decoder, ((size_t)1 << 20) + 4), copy);
    assert_non_null(pv_venus_decoder_stream_copy(decoder, 64));
    assert_int_equal(decoder->stream_copy_bytes, (size_t)1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_trace),       TEST(test_no_trace_unless_asked_for),
        TEST(test_up_to_the_fault), TEST(test_streams_that_are_cut_off),
        TEST(test_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
