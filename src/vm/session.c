/* SPDX-License-Identifier: MIT */
/*
 * One command in a guest, joined to our file descriptors.
 *
 * Our own descriptors stay blocking, because they are shared with whoever started us: they are read
 * and written only when poll says so, in pieces that then cannot block. epoll refuses plain files;
 * those never block, so they are read as credit allows and written at once.
 */
#include "vm/session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/socket.h"

/* A pipe that is writable takes this much without blocking (PIPE_BUF). */
#define WRITE_PIECE_BYTES 4096

/* One of the command's two outputs on its way to a descriptor of ours. */
struct output {
    struct pv_vm_session *session;
    int fd;
    struct pv_os_source *source; /* NULL: a plain file, or broken */
    bool is_broken;              /* nobody reads it; bytes are dropped */
    struct pv_vm_agent_queue queue;
};

struct pv_vm_session {
    struct pv_vm_session_options options;
    struct pv_os_source *agent_source;
    struct pv_vm_agent_reader reader;
    struct pv_vm_agent_queue queue;
    struct pv_os_source *input_source;
    struct pv_os_timer *input_timer; /* for a plain file: the next piece */
    bool is_input_ended;
    uint32_t input_credit_bytes;
    struct output outputs[2];
    bool has_started;   /* the agent has it */
    bool was_too_early; /* nobody took it */
    bool has_ended;
    bool has_reported;
    enum pv_vm_agent_exit how;
    uint32_t value;
    struct pv_os_timer *end_timer; /* reports the end from the loop, not from inside a call */
};

/* Any number: the relay gives it a name of its own. */
#define COMMAND_ID 1
/* End of file as typed at a terminal: VEOF, Ctrl-D. */
#define TERMINAL_END          4
#define TERMINAL_END_AGAIN_NS UINT64_C(500000000)

static void agent_flush(struct pv_vm_session *session)
{
    if (session->agent_source == NULL) {
        return;
    }
    (void)!pv_vm_agent_queue_flush(&session->queue, session->options.agent_fd);
    pv_os_source_set_events(
        session->agent_source,
        PV_OS_LOOP_READ
            | (pv_vm_agent_queue_left_bytes(&session->queue) > 0 ? PV_OS_LOOP_WRITE : 0u));
}

static void stop_input(struct pv_vm_session *session)
{
    pv_os_source_remove(session->input_source);
    session->input_source = NULL;
    pv_os_timer_destroy(session->input_timer);
    session->input_timer = NULL;
}

/* Ends the session's work; the report follows when the outputs are written. */
static void end(struct pv_vm_session *session, enum pv_vm_agent_exit how, uint32_t value)
{
    if (!session->has_ended) {
        session->has_ended = true;
        session->how = how;
        session->value = value;
        stop_input(session);
        pv_os_source_remove(session->agent_source);
        session->agent_source = NULL;
    }
    if (pv_vm_agent_queue_left_bytes(&session->outputs[0].queue) == 0
        && pv_vm_agent_queue_left_bytes(&session->outputs[1].queue) == 0) {
        pv_os_timer_set(session->end_timer, 0);
    }
}

/* Our own trouble, a negative errno: part of what was said is lost, so the command is too. */
static void give_up(struct pv_vm_session *session, int error)
{
    end(session, PV_VM_AGENT_EXIT_LOST, (uint32_t)-error);
}

static void on_end_timer(void *user)
{
    struct pv_vm_session *session = user;

    if (!session->has_reported) {
        session->has_reported = true;
        session->options.on_end(session->options.user, session->how, session->value);
    }
}

/* --- output --------------------------------------------------------------------------------- */

static void grant(struct pv_vm_session *session, size_t bytes)
{
    if (bytes > 0 && !session->has_ended) {
        const int r =
            pv_vm_agent_queue_u32(&session->queue, PV_VM_AGENT_CREDIT, COMMAND_ID, (uint32_t)bytes);

        if (r != 0) {
            give_up(session, r);
        }
        agent_flush(session);
    }
}

/*
 * Nobody reads it any more. The command is told as a program of this machine would be; if it goes
 * on all the same, its output is dropped. (A watched hang-up would be reported without pause.)
 */
static void output_break(struct output *output)
{
    output->is_broken = true;
    pv_os_source_remove(output->source);
    output->source = NULL;
    pv_vm_session_signal(output->session, SIGPIPE);
}

/* Write one piece. Returns the bytes taken from the queue; 0 when nothing can be written now. */
static size_t output_write_piece(struct output *output)
{
    const size_t left_bytes = pv_vm_agent_queue_left_bytes(&output->queue);
    size_t piece_bytes = left_bytes < WRITE_PIECE_BYTES ? left_bytes : WRITE_PIECE_BYTES;
    ssize_t count;

    if (output->is_broken) {
        piece_bytes = left_bytes;
    } else {
        count = write(output->fd, output->queue.bytes + output->queue.start, piece_bytes);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            return 0;
        }
        if (count < 0) {
            output_break(output);
            piece_bytes = left_bytes;
        } else {
            piece_bytes = (size_t)count;
        }
    }
    output->queue.start += piece_bytes;
    return piece_bytes;
}

static void on_output(void *user, uint32_t events)
{
    struct output *output = user;
    struct pv_vm_session *session = output->session;

    if (pv_vm_agent_queue_left_bytes(&output->queue) > 0) {
        if (events & (PV_OS_LOOP_WRITE | PV_OS_LOOP_HUP)) {
            grant(session, output_write_piece(output));
        }
    } else if (events & PV_OS_LOOP_HUP) {
        output_break(output);
    }
    if (pv_vm_agent_queue_left_bytes(&output->queue) == 0) {
        if (output->source != NULL) {
            pv_os_source_set_events(output->source, 0);
        }
        if (session->has_ended) {
            end(session, session->how, session->value);
        }
    }
}

static void output_take(struct output *output, const struct pv_vm_agent_frame *frame)
{
    const int r = pv_vm_agent_queue_add(&output->queue, frame->payload, frame->payload_bytes);

    if (r != 0) {
        give_up(output->session, r);
        return;
    }
    if (output->source != NULL) {
        pv_os_source_set_events(output->source, PV_OS_LOOP_WRITE);
        return;
    }
    while (pv_vm_agent_queue_left_bytes(&output->queue) > 0) {
        grant(output->session, output_write_piece(output));
    }
}

/* --- input ---------------------------------------------------------------------------------- */

/* A terminal has no end but what is typed there. A shell that sets its terminal up meanwhile loses
 * it, so it is typed again until the command ends or reads no more. */
static void send_terminal_end(struct pv_vm_session *session)
{
    const uint8_t end_of_file = TERMINAL_END;
    int r;

    if (session->input_credit_bytes == 0) {
        return;
    }
    session->input_credit_bytes--;
    r = pv_vm_agent_queue_frame(&session->queue, PV_VM_AGENT_STDIN, COMMAND_ID, &end_of_file, 1);
    if (r != 0) {
        give_up(session, r);
        return;
    }
    pv_os_timer_set(session->input_timer, TERMINAL_END_AGAIN_NS);
    agent_flush(session);
}

static void input_read(struct pv_vm_session *session)
{
    uint8_t chunk[PV_VM_AGENT_CHUNK_MAX_BYTES];
    size_t wanted_bytes = sizeof(chunk);
    ssize_t count;
    int r;

    if (wanted_bytes > session->input_credit_bytes) {
        wanted_bytes = session->input_credit_bytes;
    }
    if (wanted_bytes == 0 || session->is_input_ended) {
        return;
    }
    count = read(session->options.input_fd, chunk, wanted_bytes);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        session->is_input_ended = true;
        if (session->options.wants_terminal) {
            pv_os_source_remove(session->input_source);
            session->input_source = NULL;
            send_terminal_end(session);
            return;
        }
        stop_input(session);
        count = 0;
    }
    session->input_credit_bytes -= (uint32_t)count;
    r = pv_vm_agent_queue_frame(&session->queue, PV_VM_AGENT_STDIN, COMMAND_ID, chunk,
                                (size_t)count);
    if (r != 0) {
        give_up(session, r);
    }
    agent_flush(session);
    if (session->input_credit_bytes == 0 && session->input_source != NULL) {
        pv_os_source_set_events(session->input_source, 0);
    }
}

static void on_input(void *user, uint32_t events)
{
    struct pv_vm_session *session = user;

    if (session->input_credit_bytes > 0) {
        input_read(session);
    } else if (events & PV_OS_LOOP_HUP) {
        /* Data may be left in the pipe: look again when credit comes, not without pause. */
        pv_os_source_remove(session->input_source);
        session->input_source = NULL;
        pv_os_timer_set(session->input_timer, 10u * 1000 * 1000);
    }
}

static void on_input_timer(void *user)
{
    struct pv_vm_session *session = user;

    if (session->is_input_ended) {
        send_terminal_end(session);
        return;
    }
    input_read(session);
    if (!session->is_input_ended && session->input_timer != NULL
        && session->input_credit_bytes > 0) {
        pv_os_timer_set(session->input_timer, 0);
    }
}

static void input_take_credit(struct pv_vm_session *session, uint32_t bytes)
{
    if (bytes > UINT32_MAX - session->input_credit_bytes) {
        return; /* nonsense; the input simply stalls */
    }
    session->input_credit_bytes += bytes;
    if (session->input_source != NULL) {
        pv_os_source_set_events(session->input_source, PV_OS_LOOP_READ);
    } else if (session->input_timer != NULL && !session->is_input_ended) {
        pv_os_timer_set(session->input_timer, 0);
    }
}

/* --- the agent -------------------------------------------------------------------------------- */

static void serve_frame(struct pv_vm_session *session, const struct pv_vm_agent_frame *frame)
{
    switch (frame->kind) {
    case PV_VM_AGENT_STDOUT:
        output_take(&session->outputs[0], frame);
        break;
    case PV_VM_AGENT_STDERR:
        output_take(&session->outputs[1], frame);
        break;
    case PV_VM_AGENT_CREDIT:
        input_take_credit(session, pv_vm_agent_frame_u32(frame, 0, 0));
        break;
    case PV_VM_AGENT_STARTED:
        session->has_started = true;
        break;
    case PV_VM_AGENT_EXIT:
        session->was_too_early = !session->has_started;
        end(session, pv_vm_agent_frame_u32(frame, 0, PV_VM_AGENT_EXIT_LOST),
            pv_vm_agent_frame_u32(frame, 4, 0));
        break;
    default:
        break; /* PONG: of no interest here */
    }
}

static void on_agent(void *user, uint32_t events)
{
    struct pv_vm_session *session = user;
    struct pv_vm_agent_frame frame;
    int r;

    if (events & PV_OS_LOOP_WRITE) {
        agent_flush(session);
    }
    if ((events & (PV_OS_LOOP_READ | PV_OS_LOOP_HUP)) == 0) {
        return;
    }
    r = pv_vm_agent_reader_fill(&session->reader, session->options.agent_fd);
    if (r != -EAGAIN && r <= 0) {
        end(session, PV_VM_AGENT_EXIT_LOST, 0);
        return;
    }
    while (!session->has_ended && (r = pv_vm_agent_reader_next(&session->reader, &frame)) != 0) {
        if (r < 0) {
            end(session, PV_VM_AGENT_EXIT_LOST, 0);
        } else {
            serve_frame(session, &frame);
        }
    }
}

/* --- life ---------------------------------------------------------------------------------------
 */

/* Watch our three descriptors. Plain files cannot be watched: -EPERM. */
static int join_descriptors(struct pv_vm_session *session)
{
    struct pv_os_loop *loop = session->options.loop;
    int r = 0;

    for (int i = 0; i < 2 && r == 0; i++) {
        struct output *output = &session->outputs[i];

        output->session = session;
        output->fd = i == 0 ? session->options.output_fd : session->options.error_fd;
        r = pv_os_loop_add(loop, output->fd, 0, on_output, output, &output->source);
        if (r == -EEXIST) {
            /* Both go to one descriptor (2>&1 by number): write the second without waiting. */
            r = 0;
        }
        r = r == -EPERM ? 0 : r;
    }
    if (r == 0) {
        r = pv_os_timer_create(loop, on_end_timer, session, &session->end_timer);
    }
    if (r == 0 && session->options.input_fd < 0) {
        session->is_input_ended = true;
        return pv_vm_agent_queue_frame(&session->queue, PV_VM_AGENT_STDIN, COMMAND_ID, NULL, 0);
    }
    if (r == 0) {
        r = pv_os_timer_create(loop, on_input_timer, session, &session->input_timer);
    }
    if (r == 0) {
        r = pv_os_loop_add(loop, session->options.input_fd, PV_OS_LOOP_READ, on_input, session,
                           &session->input_source);
        if (r == -EPERM) {
            pv_os_timer_set(session->input_timer, 0);
            r = 0;
        }
    }
    return r;
}

static int send_command(struct pv_vm_session *session)
{
    const struct pv_vm_session_options *options = &session->options;
    uint8_t *payload = malloc(PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    int r;

    if (payload == NULL) {
        return -ENOMEM;
    }
    r = pv_vm_agent_command_pack(options->wants_terminal ? PV_VM_AGENT_EXEC_TTY : 0,
                                 options->directory != NULL ? options->directory : "",
                                 options->arguments, options->variables, payload);
    if (r > 0) {
        r = pv_vm_agent_queue_frame(&session->queue, PV_VM_AGENT_EXEC, COMMAND_ID, payload,
                                    (size_t)r);
    }
    free(payload);
    return r;
}

int pv_vm_session_create(const struct pv_vm_session_options *options,
                         struct pv_vm_session **ret_session)
{
    struct pv_vm_session *session = calloc(1, sizeof(*session));
    int r;

    if (session == NULL) {
        close(options->agent_fd);
        return -ENOMEM;
    }
    session->options = *options;
    session->input_credit_bytes = PV_VM_AGENT_INPUT_CREDIT_BYTES;
    r = pv_os_fd_set_nonblocking(options->agent_fd, true);
    if (r == 0) {
        r = send_command(session);
    }
    if (r == 0) {
        r = pv_os_loop_add(options->loop, options->agent_fd, PV_OS_LOOP_READ, on_agent, session,
                           &session->agent_source);
    }
    if (r == 0) {
        r = join_descriptors(session);
    }
    if (r != 0) {
        pv_vm_session_destroy(session);
        return r;
    }
    agent_flush(session);
    *ret_session = session;
    return 0;
}

void pv_vm_session_destroy(struct pv_vm_session *session)
{
    if (session == NULL) {
        return;
    }
    stop_input(session);
    pv_os_source_remove(session->agent_source);
    close(session->options.agent_fd); /* the relay kills what still runs */
    pv_vm_agent_reader_finish(&session->reader);
    pv_vm_agent_queue_finish(&session->queue);
    for (int i = 0; i < 2; i++) {
        pv_os_source_remove(session->outputs[i].source);
        pv_vm_agent_queue_finish(&session->outputs[i].queue);
    }
    pv_os_timer_destroy(session->end_timer);
    free(session);
}

bool pv_vm_session_was_too_early(const struct pv_vm_session *session)
{
    return session->was_too_early && session->how == PV_VM_AGENT_EXIT_LOST;
}

void pv_vm_session_signal(struct pv_vm_session *session, int signal_number)
{
    const int r = pv_vm_agent_queue_u32(&session->queue, PV_VM_AGENT_SIGNAL, COMMAND_ID,
                                        (uint32_t)signal_number);

    if (r != 0) {
        give_up(session, r);
    }
    agent_flush(session);
}

void pv_vm_session_resize(struct pv_vm_session *session, uint32_t columns, uint32_t rows)
{
    (void)!pv_vm_agent_queue_u32x2(&session->queue, PV_VM_AGENT_RESIZE, COMMAND_ID, columns, rows);
    agent_flush(session);
}

int pv_vm_session_exit_status(enum pv_vm_agent_exit how, uint32_t value)
{
    switch (how) {
    case PV_VM_AGENT_EXIT_CODE:
        return (int)(value & 0xff);
    case PV_VM_AGENT_EXIT_SIGNAL:
        return 128 + (int)(value & 0x7f);
    case PV_VM_AGENT_EXIT_NOT_RUN:
        return value == ENOENT ? 127 : 126;
    case PV_VM_AGENT_EXIT_LOST:
        break;
    }
    return 125;
}
