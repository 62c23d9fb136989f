/* SPDX-License-Identifier: MIT */
/*
 * vm/agent_wire.c: frames come out as they went in, and what a hostile guest may send instead is
 * refused without a byte read past the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "vm/agent_wire.h"

/* Everything that waits in the queue goes to the reader. */
static void carry(struct pv_vm_agent_queue *queue, struct pv_vm_agent_reader *reader)
{
    const size_t left_bytes = pv_vm_agent_queue_left_bytes(queue);

    assert_int_equal(pv_vm_agent_reader_push(reader, queue->bytes + queue->start, left_bytes),
                     left_bytes);
    queue->start = queue->end;
}

static void test_frames_come_out_as_they_went_in(void **state)
{
    struct pv_vm_agent_queue queue = {0};
    struct pv_vm_agent_reader reader = {0};
    struct pv_vm_agent_frame frame;

    (void)state;
    assert_int_equal(pv_vm_agent_queue_frame(&queue, PV_VM_AGENT_STDOUT, 7, "abc", 3), 0);
    assert_int_equal(pv_vm_agent_queue_frame(&queue, PV_VM_AGENT_STDIN, UINT32_MAX, NULL, 0), 0);
    assert_int_equal(
        pv_vm_agent_queue_u32x2(&queue, PV_VM_AGENT_EXIT, 7, PV_VM_AGENT_EXIT_CODE, 77), 0);
    carry(&queue, &reader);
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 1);
    assert_int_equal(frame.kind, PV_VM_AGENT_STDOUT);
    assert_int_equal(frame.id, 7);
    assert_int_equal(frame.payload_bytes, 3);
    assert_memory_equal(frame.payload, "abc", 3);
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 1);
    assert_int_equal(frame.id, UINT32_MAX);
    assert_int_equal(frame.payload_bytes, 0);
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 1);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 4, 0), 77);
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 0);
    pv_vm_agent_reader_finish(&reader);
    pv_vm_agent_queue_finish(&queue);
}

static void test_a_frame_in_single_bytes(void **state)
{
    struct pv_vm_agent_queue queue = {0};
    struct pv_vm_agent_reader reader = {0};
    struct pv_vm_agent_frame frame;

    (void)state;
    assert_int_equal(pv_vm_agent_queue_u32(&queue, PV_VM_AGENT_CREDIT, 3, 4096), 0);
    for (size_t i = 0; i + 1 < queue.end; i++) {
        assert_int_equal(pv_vm_agent_reader_push(&reader, queue.bytes + i, 1), 1);
        assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 0);
    }
    assert_int_equal(pv_vm_agent_reader_push(&reader, queue.bytes + queue.end - 1, 1), 1);
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 1);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 0, 0), 4096);
    pv_vm_agent_reader_finish(&reader);
    pv_vm_agent_queue_finish(&queue);
}

static void test_short_payloads_have_no_numbers(void **state)
{
    const uint8_t bytes[4] = {1, 0, 0, 0};
    const struct pv_vm_agent_frame frame = {.payload_bytes = 4, .payload = bytes};

    (void)state;
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 0, 9), 1);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 1, 9), 9);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 4, 9), 9);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 5, 9), 9);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, SIZE_MAX, 9), 9);
}

static void check_header(uint32_t payload_bytes, uint8_t zero, int expected)
{
    struct pv_vm_agent_reader reader = {0};
    struct pv_vm_agent_frame frame;
    const uint8_t header[PV_VM_AGENT_HEADER_BYTES] = {
        (uint8_t)payload_bytes,
        (uint8_t)(payload_bytes >> 8),
        (uint8_t)(payload_bytes >> 16),
        (uint8_t)(payload_bytes >> 24),
        PV_VM_AGENT_STDOUT,
        0,
        zero,
    };

    assert_int_equal(pv_vm_agent_reader_push(&reader, header, sizeof(header)), sizeof(header));
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), expected);
    assert_int_equal(reader.is_lost, expected < 0);
    pv_vm_agent_reader_finish(&reader);
}

static void test_headers_that_break_the_rules(void **state)
{
    (void)state;
    check_header(0, 0, 1);
    check_header(1, 0, 0);
    check_header((uint32_t)PV_VM_AGENT_PAYLOAD_MAX_BYTES, 0, 0);
    check_header((uint32_t)PV_VM_AGENT_PAYLOAD_MAX_BYTES + 1, 0, -EPROTO);
    check_header(UINT32_MAX, 0, -EPROTO);
    check_header(0, 1, -EPROTO);
}

static void test_the_largest_frame_fits_and_one_more_byte_does_not(void **state)
{
    uint8_t *payload = calloc(1, PV_VM_AGENT_PAYLOAD_MAX_BYTES + 1);
    struct pv_vm_agent_queue queue = {0};
    struct pv_vm_agent_reader reader = {0};
    struct pv_vm_agent_frame frame;

    (void)state;
    assert_non_null(payload);
    assert_int_equal(pv_vm_agent_queue_frame(&queue, PV_VM_AGENT_STDOUT, 1, payload,
                                             PV_VM_AGENT_PAYLOAD_MAX_BYTES + 1),
                     -EMSGSIZE);
    assert_int_equal(pv_vm_agent_queue_left_bytes(&queue), 0);
    assert_int_equal(pv_vm_agent_queue_frame(&queue, PV_VM_AGENT_STDOUT, 1, payload,
                                             PV_VM_AGENT_PAYLOAD_MAX_BYTES),
                     0);
    carry(&queue, &reader);
    /* The buffer is full with it: no more is taken, and nothing is lost. */
    assert_int_equal(pv_vm_agent_reader_push(&reader, payload, 1), 0);
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 1);
    assert_int_equal(frame.payload_bytes, PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    assert_int_equal(pv_vm_agent_reader_push(&reader, payload, 1), 1);
    pv_vm_agent_reader_finish(&reader);
    pv_vm_agent_queue_finish(&queue);
    free(payload);
}

static void test_a_lost_reader_begins_again_at_the_mark(void **state)
{
    static const char rubbish[] = "PearVisor\r\n PearVisor\r";
    struct pv_vm_agent_queue queue = {0};
    struct pv_vm_agent_reader reader = {0};
    struct pv_vm_agent_frame frame;

    (void)state;
    pv_vm_agent_reader_lose(&reader);
    assert_int_equal(pv_vm_agent_reader_push(&reader, rubbish, sizeof(rubbish)), sizeof(rubbish));
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 0);
    assert_int_equal(pv_vm_agent_queue_mark(&queue, PV_VM_AGENT_PONG, 5), 0);
    assert_int_equal(pv_vm_agent_queue_u32(&queue, PV_VM_AGENT_STARTED, 5, 42), 0);
    carry(&queue, &reader);
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 1);
    assert_int_equal(frame.kind, PV_VM_AGENT_SYNC);
    assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 1);
    assert_int_equal(frame.kind, PV_VM_AGENT_STARTED);
    pv_vm_agent_reader_finish(&reader);
    pv_vm_agent_queue_finish(&queue);
}

static void test_a_lost_reader_takes_rubbish_without_end(void **state)
{
    uint8_t rubbish[4096];
    struct pv_vm_agent_reader reader = {0};
    struct pv_vm_agent_frame frame;

    (void)state;
    memset(rubbish, 'P', sizeof(rubbish));
    pv_vm_agent_reader_lose(&reader);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pv_vm_agent_reader_push(&reader, rubbish, sizeof(rubbish)),
                         sizeof(rubbish));
        assert_int_equal(pv_vm_agent_reader_next(&reader, &frame), 0);
    }
    pv_vm_agent_reader_finish(&reader);
}

static void test_the_queue_waits_for_a_full_socket(void **state)
{
    uint8_t block[PV_VM_AGENT_CHUNK_MAX_BYTES] = {0};
    struct pv_vm_agent_queue queue = {0};
    struct pv_vm_agent_reader reader = {0};
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(pv_vm_agent_reader_fill(&reader, fds[1]), -EAGAIN);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pv_vm_agent_queue_add(&queue, block, sizeof(block)), 0);
    }
    assert_int_equal(pv_vm_agent_queue_flush(&queue, fds[0]), 0);
    assert_true(pv_vm_agent_queue_left_bytes(&queue) > 0);
    assert_true(pv_vm_agent_queue_left_bytes(&queue) < 100 * sizeof(block));
    assert_true(pv_vm_agent_reader_fill(&reader, fds[1]) > 0);
    close(fds[1]);
    assert_int_equal(pv_vm_agent_queue_flush(&queue, fds[0]), -EPIPE);
    close(fds[0]);
    pv_vm_agent_reader_finish(&reader);
    pv_vm_agent_queue_finish(&queue);
}

static void test_commands_come_out_as_they_went_in(void **state)
{
    static const char *const arguments[] = {"ls", "", "-l", NULL};
    static const char *const variables[] = {"A=b", NULL};
    uint8_t *payload = malloc(PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    struct pv_vm_agent_command command;
    int size_bytes;

    (void)state;
    assert_non_null(payload);
    size_bytes =
        pv_vm_agent_command_pack(PV_VM_AGENT_EXEC_TTY, "/tmp", arguments, variables, payload);
    assert_true(size_bytes > 0);
    assert_int_equal(pv_vm_agent_command_unpack(payload, (size_t)size_bytes, &command), 0);
    assert_int_equal(command.flags, PV_VM_AGENT_EXEC_TTY);
    assert_string_equal(command.directory, "/tmp");
    assert_string_equal(command.arguments[0], "ls");
    assert_string_equal(command.arguments[1], "");
    assert_string_equal(command.arguments[2], "-l");
    assert_null(command.arguments[3]);
    assert_string_equal(command.variables[0], "A=b");
    assert_null(command.variables[1]);
    free(command.arguments);
    /* Every length that is too short, in memory that ends there. */
    for (int i = 0; i < size_bytes; i++) {
        uint8_t *cut = malloc(i > 0 ? (size_t)i : 1);

        assert_non_null(cut);
        memcpy(cut, payload, (size_t)i);
        assert_int_equal(pv_vm_agent_command_unpack(cut, (size_t)i, &command), -EPROTO);
        free(cut);
    }
    free(payload);
}

static void test_counts_that_lie(void **state)
{
    static const uint32_t counts[][2] = {{0, 0},          {0, 1},          {2, 0},  {1, 1},
                                         {UINT32_MAX, 0}, {1, UINT32_MAX}, {15, 15}};
    struct pv_vm_agent_command command;

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint8_t payload[15] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 0};

        memcpy(payload + 4, &counts[i][0], 4);
        memcpy(payload + 8, &counts[i][1], 4);
        assert_int_equal(pv_vm_agent_command_unpack(payload, sizeof(payload), &command), -EPROTO);
    }
}

static void test_commands_that_cannot_be_packed(void **state)
{
    static const char *const nothing[] = {NULL};
    uint8_t *payload = malloc(PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    char *text = malloc(PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    const char *const arguments[] = {text, NULL};

    (void)state;
    assert_non_null(payload);
    assert_non_null(text);
    assert_int_equal(pv_vm_agent_command_pack(0, "", nothing, NULL, payload), -EINVAL);
    /* 12 bytes of counts, a directory's zero, the text and its zero: the last one that fits. */
    memset(text, 'x', PV_VM_AGENT_PAYLOAD_MAX_BYTES - 1);
    text[PV_VM_AGENT_PAYLOAD_MAX_BYTES - 14] = '\0';
    assert_int_equal(pv_vm_agent_command_pack(0, "", arguments, NULL, payload),
                     PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    assert_int_equal(pv_vm_agent_command_pack(0, "d", arguments, NULL, payload), -E2BIG);
    free(text);
    free(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_come_out_as_they_went_in),
        cmocka_unit_test(test_a_frame_in_single_bytes),
        cmocka_unit_test(test_short_payloads_have_no_numbers),
        cmocka_unit_test(test_headers_that_break_the_rules),
        cmocka_unit_test(test_the_largest_frame_fits_and_one_more_byte_does_not),
        cmocka_unit_test(test_a_lost_reader_begins_again_at_the_mark),
        cmocka_unit_test(test_a_lost_reader_takes_rubbish_without_end),
        cmocka_unit_test(test_the_queue_waits_for_a_full_socket),
        cmocka_unit_test(test_commands_come_out_as_they_went_in),
        cmocka_unit_test(test_counts_that_lie),
        cmocka_unit_test(test_commands_that_cannot_be_packed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
