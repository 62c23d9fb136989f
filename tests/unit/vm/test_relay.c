/* SPDX-License-Identifier: MIT */
/*
 * vm/relay.c and vm/session.c: clients share one agent without meeting each other, and what a
 * hostile guest sends costs one command at most. The test plays the guest's end of the port.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "os/loop.h"
#include "os/socket.h"
#include "support/loop_bench.h"
#include "vm/agent_wire.h"
#include "vm/relay.h"
#include "vm/session.h"

#define CLIENTS 2

/* One end of a connection that the test plays. */
struct end {
    int fd;
    struct pv_vm_agent_reader reader;
    struct pv_vm_agent_queue queue;
};

struct bench {
    struct pv_os_loop *loop;
    struct pv_base_log log;
    int log_lines;
    struct pv_vm_relay *relay;
    int port_fd;
    struct end guest;
    struct end clients[CLIENTS];
    int ready_count;
    int lost_count;
    int hang_up_count;
};

static void on_ready(void *user)
{
    ((struct bench *)user)->ready_count++;
}

static void on_lost(void *user)
{
    ((struct bench *)user)->lost_count++;
}

static void on_hang_up(void *user)
{
    ((struct bench *)user)->hang_up_count++;
}

static void count_line(void *user, enum pv_base_log_level level, const char *line)
{
    (void)level;
    (void)line;
    ((struct bench *)user)->log_lines++;
}

static void flush(struct bench *bench, struct end *end)
{
    while (pv_vm_agent_queue_left_bytes(&end->queue) > 0) {
        assert_int_equal(pv_vm_agent_queue_flush(&end->queue, end->fd), 0);
        loop_settle(bench->loop);
    }
    loop_settle(bench->loop);
}

static void say(struct bench *bench, struct end *end, uint16_t kind, uint32_t id,
                const void *payload, size_t payload_bytes)
{
    assert_int_equal(pv_vm_agent_queue_frame(&end->queue, kind, id, payload, payload_bytes), 0);
    flush(bench, end);
}

static void say_u32(struct bench *bench, struct end *end, uint16_t kind, uint32_t id,
                    uint32_t value)
{
    assert_int_equal(pv_vm_agent_queue_u32(&end->queue, kind, id, value), 0);
    flush(bench, end);
}

/* The guest sends the same frame many times. */
static void say_many(struct bench *bench, uint16_t kind, uint32_t id, const void *payload,
                     size_t payload_bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(
            pv_vm_agent_queue_frame(&bench->guest.queue, kind, id, payload, payload_bytes), 0);
    }
    flush(bench, &bench->guest);
}

static void say_exit(struct bench *bench, uint32_t id, uint32_t how, uint32_t value)
{
    assert_int_equal(pv_vm_agent_queue_u32x2(&bench->guest.queue, PV_VM_AGENT_EXIT, id, how, value),
                     0);
    flush(bench, &bench->guest);
}

/* The next frame at an end: its kind, or -1 when there is none, or -2 at the end of the stream. */
static int hear(struct bench *bench, struct end *end, struct pv_vm_agent_frame *ret_frame)
{
    int r;

    loop_settle(bench->loop);
    r = pv_vm_agent_reader_next(&end->reader, ret_frame);
    if (r == 0) {
        r = pv_vm_agent_reader_fill(&end->reader, end->fd);
        if (r == 0) {
            return -2;
        }
        r = pv_vm_agent_reader_next(&end->reader, ret_frame);
    }
    assert_true(r >= 0);
    return r == 1 ? ret_frame->kind : -1;
}

static void expect(struct bench *bench, struct end *end, int kind, uint32_t id)
{
    struct pv_vm_agent_frame frame;

    assert_int_equal(hear(bench, end, &frame), kind);
    assert_int_equal(frame.id, id);
}

static void expect_nothing(struct bench *bench, struct end *end)
{
    struct pv_vm_agent_frame frame;

    assert_int_equal(hear(bench, end, &frame), -1);
}

static void expect_exit(struct bench *bench, struct end *end, uint32_t id, uint32_t how,
                        uint32_t value)
{
    struct pv_vm_agent_frame frame;

    assert_int_equal(hear(bench, end, &frame), PV_VM_AGENT_EXIT);
    assert_int_equal(frame.id, id);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 0, 99), how);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 4, 99), value);
}

static void connect_client(struct bench *bench, struct end *end)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    end->fd = fds[0];
    assert_int_equal(pv_vm_relay_add_client(bench->relay, fds[1]), 0);
}

static void end_finish(struct end *end)
{
    if (end->fd >= 0) {
        close(end->fd);
    }
    pv_vm_agent_reader_finish(&end->reader);
    pv_vm_agent_queue_finish(&end->queue);
    *end = (struct end){.fd = -1};
}

/* The agent says hello, and hears the mark. */
static void agent_comes(struct bench *bench)
{
    assert_int_equal(pv_vm_agent_queue_mark(&bench->guest.queue, PV_VM_AGENT_PONG, 0), 0);
    flush(bench, &bench->guest);
    expect(bench, &bench->guest, PV_VM_AGENT_PING, 0);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct pv_vm_relay_options options = {
        .on_ready = on_ready, .on_lost = on_lost, .on_hang_up = on_hang_up, .user = bench};
    int fds[2];

    assert_non_null(bench);
    assert_int_equal(pv_os_loop_create(&bench->loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    bench->guest.fd = fds[0];
    bench->port_fd = fds[1];
    pv_base_log_init(&bench->log, "test");
    bench->log.write = count_line;
    bench->log.user = bench;
    options.loop = bench->loop;
    options.log = &bench->log;
    options.port_fd = bench->port_fd;
    assert_int_equal(pv_vm_relay_create(&options, &bench->relay), 0);
    for (int i = 0; i < CLIENTS; i++) {
        connect_client(bench, &bench->clients[i]);
    }
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    pv_vm_relay_destroy(bench->relay);
    pv_os_loop_destroy(bench->loop);
    end_finish(&bench->guest);
    for (int i = 0; i < CLIENTS; i++) {
        end_finish(&bench->clients[i]);
    }
    close(bench->port_fd);
    free(bench);
    return 0;
}

static void test_two_clients_do_not_meet(void **state)
{
    struct bench *bench = *state;
    struct pv_vm_agent_frame frame;

    agent_comes(bench);
    assert_int_equal(bench->ready_count, 1);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 5, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    say(bench, &bench->clients[1], PV_VM_AGENT_EXEC, 5, "b", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 2);
    say(bench, &bench->guest, PV_VM_AGENT_STDOUT, 2, "to b", 4);
    assert_int_equal(hear(bench, &bench->clients[1], &frame), PV_VM_AGENT_STDOUT);
    assert_int_equal(frame.id, 5);
    assert_memory_equal(frame.payload, "to b", 4);
    expect_nothing(bench, &bench->clients[0]);
    say_exit(bench, 1, PV_VM_AGENT_EXIT_CODE, 3);
    expect_exit(bench, &bench->clients[0], 5, PV_VM_AGENT_EXIT_CODE, 3);
    /* Another client's command cannot be named. */
    say_u32(bench, &bench->clients[0], PV_VM_AGENT_SIGNAL, 5, 9);
    expect_nothing(bench, &bench->guest);
    say_u32(bench, &bench->clients[1], PV_VM_AGENT_SIGNAL, 5, 9);
    expect(bench, &bench->guest, PV_VM_AGENT_SIGNAL, 2);
}

static void test_before_the_agent_comes(void **state)
{
    struct bench *bench = *state;

    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect_exit(bench, &bench->clients[0], 1, PV_VM_AGENT_EXIT_LOST, 0);
    say(bench, &bench->clients[0], PV_VM_AGENT_PING, 0, NULL, 0);
    expect_nothing(bench, &bench->clients[0]);
    agent_comes(bench);
    expect(bench, &bench->clients[0], PV_VM_AGENT_PONG, 0);
}

static void test_a_client_that_leaves_takes_its_commands_along(void **state)
{
    struct bench *bench = *state;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    end_finish(&bench->clients[0]);
    expect(bench, &bench->guest, PV_VM_AGENT_ABANDON, 1);
    say(bench, &bench->guest, PV_VM_AGENT_STDOUT, 1, "late", 4);
    say(bench, &bench->clients[1], PV_VM_AGENT_EXEC, 1, "b", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 2); /* an id is never used twice */
    expect_nothing(bench, &bench->clients[1]);
}

static void test_a_client_that_breaks_the_rules_is_alone(void **state)
{
    struct bench *bench = *state;
    struct pv_vm_agent_frame frame;

    agent_comes(bench);
    say(bench, &bench->clients[1], PV_VM_AGENT_EXEC, 1, "b", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    assert_int_equal(
        pv_vm_agent_queue_add(&bench->clients[0].queue, "\xff\xff\xff\xff\xff\xff\xff\xff????", 12),
        0);
    flush(bench, &bench->clients[0]);
    assert_int_equal(hear(bench, &bench->clients[0], &frame), -2);
    say_exit(bench, 1, PV_VM_AGENT_EXIT_CODE, 0);
    expect_exit(bench, &bench->clients[1], 1, PV_VM_AGENT_EXIT_CODE, 0);
}

/* What the guest says about its one command, which then is given up, while another goes on. */
static void check_hostile(struct bench *bench, uint16_t kind, const void *payload,
                          size_t payload_bytes)
{
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    say(bench, &bench->clients[1], PV_VM_AGENT_EXEC, 1, "b", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 2);
    say(bench, &bench->guest, kind, 1, payload, payload_bytes);
    expect_exit(bench, &bench->clients[0], 1, PV_VM_AGENT_EXIT_LOST, 0);
    expect(bench, &bench->guest, PV_VM_AGENT_ABANDON, 1);
    assert_int_equal(bench->log_lines, 1);
    say_exit(bench, 2, PV_VM_AGENT_EXIT_SIGNAL, 9);
    expect_exit(bench, &bench->clients[1], 1, PV_VM_AGENT_EXIT_SIGNAL, 9);
}

static void test_hostile_kind(void **state)
{
    agent_comes(*state);
    check_hostile(*state, 0x99, "x", 1);
}

static void test_hostile_kind_of_the_host(void **state)
{
    agent_comes(*state);
    check_hostile(*state, PV_VM_AGENT_EXEC, "x", 1);
}

static void test_hostile_empty_output(void **state)
{
    agent_comes(*state);
    check_hostile(*state, PV_VM_AGENT_STDOUT, NULL, 0);
}

static void test_hostile_exit_too_short(void **state)
{
    agent_comes(*state);
    check_hostile(*state, PV_VM_AGENT_EXIT, "1234567", 7);
}

static void test_hostile_exit_of_a_kind_that_only_we_make(void **state)
{
    agent_comes(*state);
    check_hostile(*state, PV_VM_AGENT_EXIT, "\3\0\0\0\0\0\0\0", 8);
}

static void test_hostile_credit_too_long(void **state)
{
    agent_comes(*state);
    check_hostile(*state, PV_VM_AGENT_CREDIT, "12345", 5);
}

static void test_hostile_credit_for_nothing(void **state)
{
    agent_comes(*state);
    check_hostile(*state, PV_VM_AGENT_CREDIT, "\1\0\0\0", 4);
}

static void test_hostile_credit_of_zero(void **state)
{
    agent_comes(*state);
    check_hostile(*state, PV_VM_AGENT_CREDIT, "\0\0\0\0", 4);
}

static void test_a_command_starts_once(void **state)
{
    struct bench *bench = *state;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    say_u32(bench, &bench->guest, PV_VM_AGENT_STARTED, 1, 100);
    expect(bench, &bench->clients[0], PV_VM_AGENT_STARTED, 1);
    say_u32(bench, &bench->guest, PV_VM_AGENT_STARTED, 1, 100);
    expect_exit(bench, &bench->clients[0], 1, PV_VM_AGENT_EXIT_LOST, 0);
    expect(bench, &bench->guest, PV_VM_AGENT_ABANDON, 1);
}

/* Room for input comes back for what was sent, to the byte and no further. */
static void test_input_credit_is_counted(void **state)
{
    static const uint8_t chunk[PV_VM_AGENT_CHUNK_MAX_BYTES];
    struct bench *bench = *state;
    struct pv_vm_agent_frame frame;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    for (uint32_t sent = 0; sent < PV_VM_AGENT_INPUT_CREDIT_BYTES; sent += sizeof(chunk)) {
        say(bench, &bench->clients[0], PV_VM_AGENT_STDIN, 1, chunk, sizeof(chunk));
        expect(bench, &bench->guest, PV_VM_AGENT_STDIN, 1);
    }
    say_u32(bench, &bench->guest, PV_VM_AGENT_CREDIT, 1, 2);
    expect(bench, &bench->clients[0], PV_VM_AGENT_CREDIT, 1);
    say(bench, &bench->clients[0], PV_VM_AGENT_STDIN, 1, chunk, 2);
    expect(bench, &bench->guest, PV_VM_AGENT_STDIN, 1);
    say(bench, &bench->clients[0], PV_VM_AGENT_STDIN, 1, chunk, 1); /* one too many */
    assert_int_equal(hear(bench, &bench->clients[0], &frame), -2);
    expect(bench, &bench->guest, PV_VM_AGENT_ABANDON, 1);
}

/* More output than this is never granted at once: the sum would wrap. */
static void test_output_credit_has_a_cap(void **state)
{
    const uint32_t cap_bytes = (uint32_t)1 << 30;
    struct bench *bench = *state;
    struct pv_vm_agent_frame frame;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    say_u32(bench, &bench->clients[0], PV_VM_AGENT_CREDIT, 1,
            cap_bytes - PV_VM_AGENT_OUTPUT_CREDIT_BYTES);
    expect(bench, &bench->guest, PV_VM_AGENT_CREDIT, 1);
    say_u32(bench, &bench->clients[0], PV_VM_AGENT_CREDIT, 1, 1);
    assert_int_equal(hear(bench, &bench->clients[0], &frame), -2);
    expect(bench, &bench->guest, PV_VM_AGENT_ABANDON, 1);
}

/* A client that grants a lot and reads nothing is closed; its neighbour does not notice. */
static void test_what_waits_for_a_client_has_a_cap(void **state)
{
    static const uint8_t chunk[PV_VM_AGENT_CHUNK_MAX_BYTES];
    const size_t frames = PV_VM_RELAY_QUEUE_MAX_BYTES / (sizeof(chunk) + PV_VM_AGENT_HEADER_BYTES);
    struct bench *bench = *state;
    struct pv_vm_agent_frame frame;
    size_t heard_bytes = 0;
    int r;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    say(bench, &bench->clients[1], PV_VM_AGENT_EXEC, 1, "b", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 2);
    say_u32(bench, &bench->clients[0], PV_VM_AGENT_CREDIT, 1, (uint32_t)64 << 20);
    expect(bench, &bench->guest, PV_VM_AGENT_CREDIT, 1);
    /* Below the cap: some are in the socket. */
    say_many(bench, PV_VM_AGENT_STDOUT, 1, chunk, sizeof(chunk), frames);
    expect_nothing(bench, &bench->guest);
    assert_int_equal(bench->log_lines, 0);
    /* What a socket may hold, and more. */
    say_many(bench, PV_VM_AGENT_STDOUT, 1, chunk, sizeof(chunk), 64);
    expect(bench, &bench->guest, PV_VM_AGENT_ABANDON, 1);
    assert_int_equal(bench->log_lines, 1);
    while ((r = hear(bench, &bench->clients[0], &frame)) == PV_VM_AGENT_STDOUT) {
        heard_bytes += frame.payload_bytes;
    }
    assert_int_equal(r, -2);
    assert_true(heard_bytes < (size_t)4 << 20); /* only what the kernel had */
    say_exit(bench, 2, PV_VM_AGENT_EXIT_CODE, 0);
    expect_exit(bench, &bench->clients[1], 1, PV_VM_AGENT_EXIT_CODE, 0);
}

/* An agent that does not read, and a client that goes on all the same. */
static void test_what_waits_for_the_agent_has_a_cap(void **state)
{
    static const uint8_t payload[PV_VM_AGENT_PAYLOAD_MAX_BYTES];
    struct bench *bench = *state;
    struct pv_vm_agent_queue *queue = &bench->clients[0].queue;
    struct pv_vm_agent_frame frame;
    int r = 0;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    for (size_t sent = 0; r == 0 && sent < 2 * PV_VM_RELAY_QUEUE_MAX_BYTES;
         sent += sizeof(payload)) {
        assert_int_equal(
            pv_vm_agent_queue_frame(queue, PV_VM_AGENT_RESIZE, 1, payload, sizeof(payload)), 0);
        while (r == 0 && pv_vm_agent_queue_left_bytes(queue) > 0) {
            r = pv_vm_agent_queue_flush(queue, bench->clients[0].fd);
            loop_settle(bench->loop);
        }
    }
    assert_int_equal(r, -EPIPE);
    assert_int_equal(hear(bench, &bench->clients[0], &frame), -2);
    say(bench, &bench->clients[1], PV_VM_AGENT_PING, 0, NULL, 0);
    expect(bench, &bench->clients[1], PV_VM_AGENT_PONG, 0);
}

/* A guest that breaks the stream again and again: its lines have an end, and nothing is kept. */
static void test_an_agent_that_comes_and_goes_for_ever(void **state)
{
    struct bench *bench = *state;

    const int times = PV_BASE_LOG_GUEST_LINES_MAX + 2;
    uint8_t answers[4096];

    for (int i = 0; i < times; i++) {
        assert_int_equal(pv_vm_agent_queue_mark(&bench->guest.queue, PV_VM_AGENT_PONG, 0), 0);
        assert_int_equal(pv_vm_agent_queue_add(&bench->guest.queue, "\xff\xff\xff\xff????????", 12),
                         0);
        flush(bench, &bench->guest);
        assert_true(read(bench->guest.fd, answers, sizeof(answers)) < 128);
    }
    assert_int_equal(bench->ready_count, times);
    assert_int_equal(bench->lost_count, times);
    assert_int_equal(bench->log_lines, PV_BASE_LOG_GUEST_LINES_MAX + 1);
}

static void test_output_up_to_the_credit_and_no_further(void **state)
{
    struct bench *bench = *state;
    static const uint8_t chunk[PV_VM_AGENT_CHUNK_MAX_BYTES];
    struct pv_vm_agent_frame frame;
    uint32_t sent_bytes = 0;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    for (; sent_bytes < PV_VM_AGENT_OUTPUT_CREDIT_BYTES; sent_bytes += sizeof(chunk)) {
        say(bench, &bench->guest, PV_VM_AGENT_STDOUT, 1, chunk, sizeof(chunk));
        assert_int_equal(hear(bench, &bench->clients[0], &frame), PV_VM_AGENT_STDOUT);
    }
    say_u32(bench, &bench->clients[0], PV_VM_AGENT_CREDIT, 1, 4);
    expect(bench, &bench->guest, PV_VM_AGENT_CREDIT, 1);
    say(bench, &bench->guest, PV_VM_AGENT_STDERR, 1, chunk, 4);
    assert_int_equal(hear(bench, &bench->clients[0], &frame), PV_VM_AGENT_STDERR);
    say(bench, &bench->guest, PV_VM_AGENT_STDOUT, 1, chunk, 1);
    expect_exit(bench, &bench->clients[0], 1, PV_VM_AGENT_EXIT_LOST, 0);
}

static void test_ids_that_nobody_gave_are_ignored(void **state)
{
    struct bench *bench = *state;

    agent_comes(bench);
    say(bench, &bench->guest, PV_VM_AGENT_STDOUT, 0, "x", 1);
    say(bench, &bench->guest, PV_VM_AGENT_STDOUT, UINT32_MAX, "x", 1);
    say_exit(bench, 1, 0, 0);
    expect_nothing(bench, &bench->clients[0]);
    expect_nothing(bench, &bench->clients[1]);
    assert_true(pv_vm_relay_is_ready(bench->relay));
}

static void test_a_stream_that_is_none_starts_over(void **state)
{
    struct bench *bench = *state;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    assert_int_equal(pv_vm_agent_queue_add(&bench->guest.queue, "login: \xff\xff\xff\xff\xff", 12),
                     0);
    flush(bench, &bench->guest);
    expect_exit(bench, &bench->clients[0], 1, PV_VM_AGENT_EXIT_LOST, 0);
    assert_int_equal(bench->lost_count, 1);
    assert_false(pv_vm_relay_is_ready(bench->relay));
    expect(bench, &bench->guest, PV_VM_AGENT_PING, 0);
    agent_comes(bench);
    assert_int_equal(bench->ready_count, 2);
}

static void test_a_reboot(void **state)
{
    struct bench *bench = *state;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    pv_vm_relay_set_port_open(bench->relay, false);
    expect_exit(bench, &bench->clients[0], 1, PV_VM_AGENT_EXIT_LOST, 0);
    /* The half of a frame that the old agent left does not confuse the new one's. */
    assert_int_equal(pv_vm_agent_queue_add(&bench->guest.queue, "\1\2\3", 3), 0);
    agent_comes(bench);
    assert_true(pv_vm_relay_is_ready(bench->relay));
    assert_int_equal(bench->ready_count, 2);
}

static void test_the_vmm_goes(void **state)
{
    struct bench *bench = *state;

    agent_comes(bench);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    end_finish(&bench->guest);
    expect_exit(bench, &bench->clients[0], 1, PV_VM_AGENT_EXIT_LOST, 0);
    assert_int_equal(bench->hang_up_count, 1);
    say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, 2, "a", 1);
    expect_exit(bench, &bench->clients[0], 2, PV_VM_AGENT_EXIT_LOST, 0);
}

static void test_more_commands_than_there_is_room_for(void **state)
{
    struct bench *bench = *state;

    agent_comes(bench);
    for (uint32_t i = 1; i <= PV_VM_AGENT_COMMAND_MAX; i++) {
        say(bench, &bench->clients[0], PV_VM_AGENT_EXEC, i, "a", 1);
        expect(bench, &bench->guest, PV_VM_AGENT_EXEC, i);
    }
    say(bench, &bench->clients[1], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect_exit(bench, &bench->clients[1], 1, PV_VM_AGENT_EXIT_NOT_RUN, EAGAIN);
    say_exit(bench, 7, PV_VM_AGENT_EXIT_CODE, 0);
    say(bench, &bench->clients[1], PV_VM_AGENT_EXEC, 1, "a", 1);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, PV_VM_AGENT_COMMAND_MAX + 1);
}

static void test_more_clients_than_there_is_room_for(void **state)
{
    struct bench *bench = *state;
    int fds[PV_VM_RELAY_CLIENT_MAX + 1];
    int pair[2];

    for (int i = CLIENTS; i <= PV_VM_RELAY_CLIENT_MAX; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        fds[i] = pair[0];
        assert_int_equal(pv_vm_relay_add_client(bench->relay, pair[1]),
                         i < PV_VM_RELAY_CLIENT_MAX ? 0 : -EBUSY);
    }
    for (int i = CLIENTS; i <= PV_VM_RELAY_CLIENT_MAX; i++) {
        close(fds[i]);
    }
    loop_settle(bench->loop);
}

/* --- a session behind the relay ------------------------------------------------------------- */

struct session_end {
    int count;
    enum pv_vm_agent_exit how;
    uint32_t value;
};

static void on_session_end(void *user, enum pv_vm_agent_exit how, uint32_t value)
{
    struct session_end *end = user;

    end->count++;
    end->how = how;
    end->value = value;
}

static void test_a_session_carries_input_and_output(void **state)
{
    struct bench *bench = *state;
    static const char *const arguments[] = {"cat", NULL};
    struct session_end end = {0};
    struct pv_vm_session_options options = {
        .arguments = arguments, .on_end = on_session_end, .user = &end};
    struct pv_vm_session *session = NULL;
    struct pv_vm_agent_frame frame;
    char text[16] = "";
    int input[2];
    int output[2];
    int fds[2];

    agent_comes(bench);
    assert_int_equal(pipe(input), 0);
    assert_int_equal(pipe(output), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(pv_vm_relay_add_client(bench->relay, fds[1]), 0);
    options.loop = bench->loop;
    options.agent_fd = fds[0];
    options.input_fd = input[0];
    options.output_fd = output[1];
    options.error_fd = STDERR_FILENO;
    assert_int_equal(pv_vm_session_create(&options, &session), 0);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    assert_int_equal(write(input[1], "in", 2), 2);
    assert_int_equal(hear(bench, &bench->guest, &frame), PV_VM_AGENT_STDIN);
    assert_int_equal(frame.payload_bytes, 2);
    assert_memory_equal(frame.payload, "in", 2);
    close(input[1]);
    assert_int_equal(hear(bench, &bench->guest, &frame), PV_VM_AGENT_STDIN);
    assert_int_equal(frame.payload_bytes, 0);
    say(bench, &bench->guest, PV_VM_AGENT_STDOUT, 1, "out", 3);
    assert_int_equal(read(output[0], text, sizeof(text)), 3);
    assert_string_equal(text, "out");
    assert_int_equal(hear(bench, &bench->guest, &frame), PV_VM_AGENT_CREDIT);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 0, 0), 3);
    pv_vm_session_signal(session, 15);
    expect(bench, &bench->guest, PV_VM_AGENT_SIGNAL, 1);
    say_exit(bench, 1, PV_VM_AGENT_EXIT_SIGNAL, 15);
    loop_settle(bench->loop);
    assert_int_equal(end.count, 1);
    assert_int_equal(pv_vm_session_exit_status(end.how, end.value), 128 + 15);
    pv_vm_session_destroy(session);
    close(input[0]);
    close(output[0]);
    close(output[1]);
}

static void test_a_command_whose_output_nobody_reads_is_told(void **state)
{
    struct bench *bench = *state;
    static const char *const arguments[] = {"yes", NULL};
    struct session_end end = {0};
    struct pv_vm_session_options options = {.arguments = arguments,
                                            .input_fd = -1,
                                            .error_fd = STDERR_FILENO,
                                            .on_end = on_session_end,
                                            .user = &end};
    struct pv_vm_session *session = NULL;
    struct pv_vm_agent_frame frame;
    int output[2];
    int fds[2];

    signal(SIGPIPE, SIG_IGN);
    agent_comes(bench);
    assert_int_equal(pipe(output), 0);
    close(output[0]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(pv_vm_relay_add_client(bench->relay, fds[1]), 0);
    options.loop = bench->loop;
    options.agent_fd = fds[0];
    options.output_fd = output[1];
    assert_int_equal(pv_vm_session_create(&options, &session), 0);
    expect(bench, &bench->guest, PV_VM_AGENT_EXEC, 1);
    expect(bench, &bench->guest, PV_VM_AGENT_STDIN, 1);
    say(bench, &bench->guest, PV_VM_AGENT_STDOUT, 1, "lost", 4);
    assert_int_equal(hear(bench, &bench->guest, &frame), PV_VM_AGENT_SIGNAL);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 0, 0), SIGPIPE);
    expect(bench, &bench->guest, PV_VM_AGENT_CREDIT, 1);
    say(bench, &bench->guest, PV_VM_AGENT_STDOUT, 1, "more", 4); /* it does not care */
    expect(bench, &bench->guest, PV_VM_AGENT_CREDIT, 1);
    say_exit(bench, 1, PV_VM_AGENT_EXIT_CODE, 4);
    loop_settle(bench->loop);
    assert_int_equal(end.count, 1);
    assert_int_equal(pv_vm_session_exit_status(end.how, end.value), 4);
    pv_vm_session_destroy(session);
    close(output[1]);
}

static void test_exit_statuses(void **state)
{
    (void)state;
    assert_int_equal(pv_vm_session_exit_status(PV_VM_AGENT_EXIT_CODE, 7), 7);
    assert_int_equal(pv_vm_session_exit_status(PV_VM_AGENT_EXIT_NOT_RUN, ENOENT), 127);
    assert_int_equal(pv_vm_session_exit_status(PV_VM_AGENT_EXIT_NOT_RUN, EACCES), 126);
    assert_int_equal(pv_vm_session_exit_status(PV_VM_AGENT_EXIT_LOST, 0), 125);
    assert_int_equal(pv_vm_session_exit_status((enum pv_vm_agent_exit)77, 0), 125);
}

static bool is_answered(void *user)
{
    struct pollfd entry = {.fd = *(const int *)user, .events = POLLIN};

    return poll(&entry, 1, 0) == 1;
}

/* Who connects while there is no descriptor waits, and costs nothing meanwhile. */
static void test_no_descriptors_left(void **state)
{
    struct bench *bench = *state;
    char path[64];
    int listen_fd;
    int fd;

    (void)snprintf(path, sizeof(path), "/tmp/pv-relay-%d", (int)getpid());
    assert_int_equal(pv_os_socket_listen(path, &listen_fd), 0);
    assert_int_equal(pv_vm_relay_listen(bench->relay, listen_fd), 0);
    assert_int_equal(pv_os_socket_connect(path, &fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_true(loop_busy_without_fds_ns(bench->loop, UINT64_C(400000000)) < UINT64_C(200000000));
    assert_int_equal(write(fd, "this is no frame of the agent's protocol", 40), 40);
    loop_until(bench->loop, is_answered, &fd); /* it is served: hung up on */
    close(fd);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_two_clients_do_not_meet),
        BENCH_TEST(test_before_the_agent_comes),
        BENCH_TEST(test_a_client_that_leaves_takes_its_commands_along),
        BENCH_TEST(test_a_client_that_breaks_the_rules_is_alone),
        BENCH_TEST(test_hostile_kind),
        BENCH_TEST(test_hostile_kind_of_the_host),
        BENCH_TEST(test_hostile_empty_output),
        BENCH_TEST(test_hostile_exit_too_short),
        BENCH_TEST(test_hostile_exit_of_a_kind_that_only_we_make),
        BENCH_TEST(test_hostile_credit_too_long),
        BENCH_TEST(test_hostile_credit_for_nothing),
        BENCH_TEST(test_hostile_credit_of_zero),
        BENCH_TEST(test_a_command_starts_once),
        BENCH_TEST(test_input_credit_is_counted),
        BENCH_TEST(test_output_credit_has_a_cap),
        BENCH_TEST(test_what_waits_for_a_client_has_a_cap),
        BENCH_TEST(test_what_waits_for_the_agent_has_a_cap),
        BENCH_TEST(test_an_agent_that_comes_and_goes_for_ever),
        BENCH_TEST(test_output_up_to_the_credit_and_no_further),
        BENCH_TEST(test_ids_that_nobody_gave_are_ignored),
        BENCH_TEST(test_a_stream_that_is_none_starts_over),
        BENCH_TEST(test_a_reboot),
        BENCH_TEST(test_the_vmm_goes),
        BENCH_TEST(test_more_commands_than_there_is_room_for),
        BENCH_TEST(test_more_clients_than_there_is_room_for),
        BENCH_TEST(test_no_descriptors_left),
        BENCH_TEST(test_a_session_carries_input_and_output),
        BENCH_TEST(test_a_command_whose_output_nobody_reads_is_told),
        cmocka_unit_test(test_exit_statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
