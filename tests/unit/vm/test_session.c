/* SPDX-License-Identifier: MIT */
/*
 * vm/session.c: one command's input and output on descriptors of ours, with credit counted in both
 * directions, and an end that comes once, after the output. The test plays the relay; how relay and
 * session work together is in test_relay.c.
 */
#include <errno.h>
#include <fcntl.h>
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

#include "support/loop_bench.h"
#include "vm/session.h"

#define COMMAND_ID 1
#define PIPE_BYTES 4096

static const char *const command[] = {"program", "argument", NULL};

struct bench {
    struct pv_os_loop *loop;
    struct pv_vm_session *session;
    struct pv_vm_session_options options;
    int relay_fd;
    struct pv_vm_agent_reader reader;
    struct pv_vm_agent_queue queue;
    int input[2]; /* pipes: to read from, to write to */
    int output[2];
    int end_count;
    enum pv_vm_agent_exit how;
    uint32_t value;
    bool destroys_in_callback;
};

static void on_end(void *user, enum pv_vm_agent_exit how, uint32_t value)
{
    struct bench *bench = user;

    bench->end_count++;
    bench->how = how;
    bench->value = value;
    if (bench->destroys_in_callback) {
        pv_vm_session_destroy(bench->session);
        bench->session = NULL;
    }
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    int fds[2];

    assert_non_null(bench);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pv_os_loop_create(&bench->loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(pipe(bench->input), 0);
    assert_int_equal(pipe(bench->output), 0);
    assert_int_equal(fcntl(bench->output[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(fcntl(bench->output[0], F_SETFL, O_NONBLOCK), 0);
    bench->relay_fd = fds[0];
    bench->options = (struct pv_vm_session_options){.loop = bench->loop,
                                                    .agent_fd = fds[1],
                                                    .arguments = command,
                                                    .input_fd = bench->input[0],
                                                    .output_fd = bench->output[1],
                                                    .error_fd = bench->output[1],
                                                    .on_end = on_end,
                                                    .user = bench};
    *state = bench;
    return 0;
}

static void close_if_open(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    pv_vm_session_destroy(bench->session);
    pv_vm_session_destroy(NULL);
    pv_os_loop_destroy(bench->loop);
    pv_vm_agent_reader_finish(&bench->reader);
    pv_vm_agent_queue_finish(&bench->queue);
    close_if_open(bench->relay_fd);
    for (int i = 0; i < 2; i++) {
        close_if_open(bench->input[i]);
        close_if_open(bench->output[i]);
    }
    free(bench);
    return 0;
}

static void flush(struct bench *bench)
{
    while (pv_vm_agent_queue_left_bytes(&bench->queue) > 0) {
        assert_int_equal(pv_vm_agent_queue_flush(&bench->queue, bench->relay_fd), 0);
        loop_settle(bench->loop);
    }
    loop_settle(bench->loop);
}

static void say(struct bench *bench, uint16_t kind, const void *payload, size_t payload_bytes)
{
    assert_int_equal(
        pv_vm_agent_queue_frame(&bench->queue, kind, COMMAND_ID, payload, payload_bytes), 0);
    flush(bench);
}

static void say_u32(struct bench *bench, uint16_t kind, uint32_t value)
{
    assert_int_equal(pv_vm_agent_queue_u32(&bench->queue, kind, COMMAND_ID, value), 0);
    flush(bench);
}

static void say_exit(struct bench *bench, uint32_t how, uint32_t value)
{
    assert_int_equal(
        pv_vm_agent_queue_u32x2(&bench->queue, PV_VM_AGENT_EXIT, COMMAND_ID, how, value), 0);
    flush(bench);
}

/* The session's next frame: its kind, or -1 when there is none. */
static int hear(struct bench *bench, struct pv_vm_agent_frame *ret_frame)
{
    int r;

    loop_settle(bench->loop);
    r = pv_vm_agent_reader_next(&bench->reader, ret_frame);
    if (r == 0) {
        (void)!pv_vm_agent_reader_fill(&bench->reader, bench->relay_fd);
        r = pv_vm_agent_reader_next(&bench->reader, ret_frame);
    }
    assert_true(r >= 0);
    return r == 1 ? ret_frame->kind : -1;
}

static void begin(struct bench *bench)
{
    struct pv_vm_agent_frame frame;

    assert_int_equal(pv_vm_session_create(&bench->options, &bench->session), 0);
    bench->options.agent_fd = -1; /* the session's */
    assert_int_equal(hear(bench, &frame), PV_VM_AGENT_EXEC);
    assert_int_equal(frame.id, COMMAND_ID);
}

/* Bytes of input that the session sends now. */
static size_t hear_input(struct bench *bench)
{
    struct pv_vm_agent_frame frame;
    size_t bytes = 0;
    int kind;

    while ((kind = hear(bench, &frame)) == PV_VM_AGENT_STDIN) {
        bytes += frame.payload_bytes;
    }
    assert_int_equal(kind, -1);
    return bytes;
}

static void test_what_is_asked_of_the_agent(void **state)
{
    static const char *const variables[] = {"A=b", NULL};
    struct bench *bench = *state;
    struct pv_vm_agent_frame frame;
    struct pv_vm_agent_command got;

    bench->options.variables = variables;
    bench->options.directory = "/srv";
    bench->options.wants_terminal = true;
    assert_int_equal(pv_vm_session_create(&bench->options, &bench->session), 0);
    assert_int_equal(hear(bench, &frame), PV_VM_AGENT_EXEC);
    assert_int_equal(pv_vm_agent_command_unpack(frame.payload, frame.payload_bytes, &got), 0);
    assert_int_equal(got.flags, PV_VM_AGENT_EXEC_TTY);
    assert_string_equal(got.directory, "/srv");
    assert_string_equal(got.arguments[0], "program");
    assert_string_equal(got.arguments[1], "argument");
    assert_null(got.arguments[2]);
    assert_string_equal(got.variables[0], "A=b");
    assert_null(got.variables[1]);
    free(got.arguments);
    pv_vm_session_resize(bench->session, 80, 25);
    assert_int_equal(hear(bench, &frame), PV_VM_AGENT_RESIZE);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 0, 0), 80);
    assert_int_equal(pv_vm_agent_frame_u32(&frame, 4, 0), 25);
}

/* A session that cannot be is refused at once, and takes its socket along all the same. */
static void check_refused(struct bench *bench, int expected)
{
    char byte;

    assert_int_equal(pv_vm_session_create(&bench->options, &bench->session), expected);
    assert_null(bench->session);
    assert_int_equal(read(bench->relay_fd, &byte, 1), 0);
    loop_settle(bench->loop);
    assert_int_equal(bench->end_count, 0);
}

static void test_no_arguments(void **state)
{
    static const char *const nothing[] = {NULL};
    struct bench *bench = *state;

    bench->options.arguments = nothing;
    check_refused(bench, -EINVAL);
}

static void test_too_many_arguments(void **state)
{
    struct bench *bench = *state;
    char *text = calloc(1, PV_VM_AGENT_PAYLOAD_MAX_BYTES + 1);
    const char *const arguments[] = {text, NULL};

    assert_non_null(text);
    memset(text, 'x', PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    bench->options.arguments = arguments;
    check_refused(bench, -E2BIG);
    free(text);
}

static void test_an_input_that_is_no_descriptor(void **state)
{
    struct bench *bench = *state;

    bench->options.input_fd = 1000000;
    check_refused(bench, -EBADF);
}

static void test_input_stops_at_its_credit(void **state)
{
    struct bench *bench = *state;
    char chunk[PIPE_BYTES] = {0};
    struct pv_vm_agent_frame frame;
    size_t heard_bytes = 0;

    begin(bench);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(write(bench->input[1], chunk, sizeof(chunk)), sizeof(chunk));
        heard_bytes += hear_input(bench);
    }
    assert_int_equal(heard_bytes, PV_VM_AGENT_INPUT_CREDIT_BYTES);
    assert_int_equal(write(bench->input[1], chunk, 100), 100);
    assert_int_equal(hear_input(bench), 0);
    say_u32(bench, PV_VM_AGENT_CREDIT, 60);
    assert_int_equal(hear_input(bench), 60);
    /* The writer leaves: the rest still comes, and then the end. */
    close(bench->input[1]);
    bench->input[1] = -1;
    assert_int_equal(hear_input(bench), 0);
    say_u32(bench, PV_VM_AGENT_CREDIT, 1000);
    assert_int_equal(hear(bench, &frame), PV_VM_AGENT_STDIN);
    assert_int_equal(frame.payload_bytes, 40);
    assert_int_equal(hear(bench, &frame), PV_VM_AGENT_STDIN);
    assert_int_equal(frame.payload_bytes, 0);
    assert_int_equal(hear(bench, &frame), -1);
}

/* The end of input at a terminal is typed there, and once more while nobody has taken it for that.
 */
static void test_a_terminal_has_no_end(void **state)
{
    struct bench *bench = *state;
    struct pv_vm_agent_frame frame;
    int count = 0;

    bench->options.wants_terminal = true;
    begin(bench);
    close(bench->input[1]);
    bench->input[1] = -1;
    for (int tries = 0; tries < 1000 && count < 2; tries++) {
        usleep(10000);
        if (hear(bench, &frame) == PV_VM_AGENT_STDIN) {
            assert_int_equal(frame.payload_bytes, 1);
            assert_int_equal(frame.payload[0], 4);
            count++;
        }
    }
    assert_int_equal(count, 2);
    say_exit(bench, PV_VM_AGENT_EXIT_CODE, 0);
    assert_int_equal(hear(bench, &frame), -1);
    assert_int_equal(bench->end_count, 1);
}

static void test_credit_that_is_nonsense(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    say(bench, PV_VM_AGENT_CREDIT, "\1", 1);        /* too short: none */
    say_u32(bench, PV_VM_AGENT_CREDIT, UINT32_MAX); /* would overflow */
    say_u32(bench, PV_VM_AGENT_CREDIT, 0);
    assert_int_equal(write(bench->input[1], "x", 1), 1);
    assert_int_equal(hear_input(bench), 1);
    assert_int_equal(bench->end_count, 0);
}

/* epoll does not take plain files; their contents arrive all the same, and their end. */
static void test_plain_files(void **state)
{
    struct bench *bench = *state;
    FILE *input = tmpfile();
    FILE *output = tmpfile();
    struct pv_vm_agent_frame frame;
    char text[8] = "";

    assert_non_null(input);
    assert_non_null(output);
    assert_true(fputs("from a file", input) >= 0);
    assert_int_equal(fflush(input), 0);
    rewind(input);
    bench->options.input_fd = fileno(input);
    bench->options.output_fd = fileno(output);
    begin(bench);
    assert_int_equal(hear(bench, &frame), PV_VM_AGENT_STDIN);
    assert_int_equal(frame.payload_bytes, 11);
    assert_int_equal(hear(bench, &frame), PV_VM_AGENT_STDIN);
    assert_int_equal(frame.payload_bytes, 0);
    say(bench, PV_VM_AGENT_STDOUT, "out", 3);
    assert_int_equal(hear(bench, &frame), PV_VM_AGENT_CREDIT);
    assert_int_equal(pread(fileno(output), text, sizeof(text), 0), 3);
    assert_string_equal(text, "out");
    say_exit(bench, PV_VM_AGENT_EXIT_CODE, 0);
    assert_int_equal(bench->end_count, 1);
    pv_vm_session_destroy(bench->session);
    bench->session = NULL;
    (void)fclose(input);
    (void)fclose(output);
}

/* Credit for output is granted when it is written, not when it arrives; the end waits for it. */
static void test_a_slow_reader(void **state)
{
    struct bench *bench = *state;
    uint8_t chunk[2 * PIPE_BYTES] = {0};
    struct pv_vm_agent_frame frame;
    size_t granted_bytes = 0;

    begin(bench);
    say(bench, PV_VM_AGENT_STDOUT, chunk, sizeof(chunk));
    while (hear(bench, &frame) == PV_VM_AGENT_CREDIT) {
        granted_bytes += pv_vm_agent_frame_u32(&frame, 0, 0);
    }
    assert_int_equal(granted_bytes, PIPE_BYTES);
    say_exit(bench, PV_VM_AGENT_EXIT_CODE, 5);
    assert_int_equal(bench->end_count, 0);
    assert_int_equal(read(bench->output[0], chunk, sizeof(chunk)), PIPE_BYTES);
    loop_settle(bench->loop);
    assert_int_equal(bench->end_count, 1);
    assert_int_equal(bench->how, PV_VM_AGENT_EXIT_CODE);
    assert_int_equal(bench->value, 5);
    assert_int_equal(read(bench->output[0], chunk, sizeof(chunk)), PIPE_BYTES);
}

static void test_nothing_counts_after_the_end(void **state)
{
    struct bench *bench = *state;
    char byte;

    begin(bench);
    assert_int_equal(pv_vm_agent_queue_u32x2(&bench->queue, PV_VM_AGENT_EXIT, COMMAND_ID,
                                             PV_VM_AGENT_EXIT_SIGNAL, 9),
                     0);
    assert_int_equal(
        pv_vm_agent_queue_frame(&bench->queue, PV_VM_AGENT_STDOUT, COMMAND_ID, "late", 4), 0);
    assert_int_equal(pv_vm_agent_queue_u32x2(&bench->queue, PV_VM_AGENT_EXIT, COMMAND_ID,
                                             PV_VM_AGENT_EXIT_CODE, 0),
                     0);
    flush(bench);
    assert_int_equal(bench->end_count, 1);
    assert_int_equal(bench->how, PV_VM_AGENT_EXIT_SIGNAL);
    assert_int_equal(bench->value, 9);
    assert_true(read(bench->output[0], &byte, 1) < 0);
    pv_vm_session_signal(bench->session, SIGTERM); /* nobody there; nothing happens */
    loop_settle(bench->loop);
}

static void test_the_relay_goes(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    close(bench->relay_fd);
    bench->relay_fd = -1;
    loop_settle(bench->loop);
    assert_int_equal(bench->end_count, 1);
    assert_int_equal(bench->how, PV_VM_AGENT_EXIT_LOST);
    assert_false(pv_vm_session_was_too_early(bench->session));
}

/* Who was told of a start has lost a command; who was not came before there was an agent. */
static void test_lost_before_and_after_the_start(void **state)
{
    for (int started = 0; started < 2; started++) {
        struct bench *bench = *state;

        begin(bench);
        if (started == 1) {
            say_u32(bench, PV_VM_AGENT_STARTED, 100);
        }
        say_exit(bench, PV_VM_AGENT_EXIT_LOST, 0);
        assert_int_equal(bench->how, PV_VM_AGENT_EXIT_LOST);
        assert_int_equal(pv_vm_session_was_too_early(bench->session), started == 0);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
}

static void test_what_is_no_frame(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    assert_int_equal(send(bench->relay_fd, "\xff\xff\xff\xff????????", 12, 0), 12);
    loop_settle(bench->loop);
    assert_int_equal(bench->end_count, 1);
    assert_int_equal(bench->how, PV_VM_AGENT_EXIT_LOST);
}

static void test_frames_of_no_interest(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    say_u32(bench, PV_VM_AGENT_STARTED, 100);
    say(bench, PV_VM_AGENT_PONG, NULL, 0);
    say(bench, 0x7777, "what", 4);
    say(bench, PV_VM_AGENT_STDOUT, NULL, 0);
    assert_int_equal(bench->end_count, 0);
    say(bench, PV_VM_AGENT_EXIT, NULL, 0); /* too short to say how: it is lost */
    assert_int_equal(bench->end_count, 1);
    assert_int_equal(bench->how, PV_VM_AGENT_EXIT_LOST);
}

static void test_destroyed_in_its_callback(void **state)
{
    struct bench *bench = *state;

    bench->destroys_in_callback = true;
    begin(bench);
    say_exit(bench, PV_VM_AGENT_EXIT_CODE, 0);
    assert_int_equal(bench->end_count, 1);
    assert_null(bench->session);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_what_is_asked_of_the_agent),
        BENCH_TEST(test_no_arguments),
        BENCH_TEST(test_too_many_arguments),
        BENCH_TEST(test_an_input_that_is_no_descriptor),
        BENCH_TEST(test_input_stops_at_its_credit),
        BENCH_TEST(test_a_terminal_has_no_end),
        BENCH_TEST(test_credit_that_is_nonsense),
        BENCH_TEST(test_plain_files),
        BENCH_TEST(test_a_slow_reader),
        BENCH_TEST(test_nothing_counts_after_the_end),
        BENCH_TEST(test_the_relay_goes),
        BENCH_TEST(test_lost_before_and_after_the_start),
        BENCH_TEST(test_what_is_no_frame),
        BENCH_TEST(test_frames_of_no_interest),
        BENCH_TEST(test_destroyed_in_its_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
