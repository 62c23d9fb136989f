/* SPDX-License-Identifier: MIT */
/*
 * Start, feed, drain and end one command.
 *
 * A command ends for the host when its own process has ended and what it wrote has been sent, not
 * when the last holder of its pipes has gone: a program may leave a daemon behind.
 */
#include "guest/agent/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END, WRITE_END };

/* What two pipes hold at most when their command ends. What comes after that many bytes was written
 * by something that the command left running, and nobody waits for that. */
#define TAIL_MAX_BYTES ((size_t)2 * 64 << 10)

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void release(struct command *command)
{
    close_fd(&command->input_fd);
    close_fd(&command->output_fd[0]);
    close_fd(&command->output_fd[1]);
    pv_vm_agent_queue_finish(&command->input);
    *command = (struct command){.input_fd = -1, .output_fd = {-1, -1}};
}

/* The three standard files of the child, and our ends of them. */
struct channels {
    int child[3];
    int ours[3];
};

static void channels_close(struct channels *channels)
{
    for (int i = 0; i < 3; i++) {
        close_fd(&channels->child[i]);
        close_fd(&channels->ours[i]);
    }
}

static int channels_open_pipes(struct channels *channels)
{
    for (int i = 0; i < 3; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) != 0) {
            return -errno;
        }
        channels->child[i] = ends[i == 0 ? READ_END : WRITE_END];
        channels->ours[i] = ends[i == 0 ? WRITE_END : READ_END];
    }
    return 0;
}

static int channels_open_terminal(struct channels *channels)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];

    if (master < 0) {
        return -errno;
    }
    channels->ours[1] = master;
    channels->ours[0] = fcntl(master, F_DUPFD_CLOEXEC, 3);
    if (channels->ours[0] < 0 || grantpt(master) != 0 || unlockpt(master) != 0
        || ptsname_r(master, name, sizeof(name)) != 0) {
        return -errno;
    }
    for (int i = 0; i < 3; i++) {
        channels->child[i] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (channels->child[i] < 0) {
            return -errno;
        }
    }
    return 0;
}

/* In the child: never returns. Reports what went wrong as an errno number through error_fd. */
static void child_run(const struct pv_vm_agent_command *wanted, const struct channels *channels,
                      int error_fd)
{
    sigset_t none;
    int error;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    if (wanted->flags & PV_VM_AGENT_EXEC_TTY) {
        ioctl(channels->child[0], TIOCSCTTY, 0);
    }
    for (int i = 0; i < 3; i++) {
        dup2(channels->child[i], i);
    }
    for (char **variable = wanted->variables; *variable != NULL; variable++) {
        putenv(*variable);
    }
    if (chdir(wanted->directory[0] != '\0' ? wanted->directory : "/root") == 0) {
        execvp(wanted->arguments[0], wanted->arguments);
    }
    error = errno;
    if (write(error_fd, &error, sizeof(error)) < 0) {
        _exit(126);
    }
    _exit(127);
}

/* Fork and wait until the child runs its program. Returns the process id, or -errno. */
static pid_t spawn(const struct pv_vm_agent_command *wanted, const struct channels *channels)
{
    int error_pipe[2];
    int error = 0;
    ssize_t count;
    pid_t pid;

    if (pipe2(error_pipe, O_CLOEXEC) != 0) {
        return -errno;
    }
    pid = fork();
    if (pid == 0) {
        child_run(wanted, channels, error_pipe[WRITE_END]);
    }
    if (pid < 0) {
        error = errno;
    }
    close(error_pipe[WRITE_END]);
    if (pid > 0) {
        do {
            count = read(error_pipe[READ_END], &error, sizeof(error));
        } while (count < 0 && errno == EINTR);
        if (count == (ssize_t)sizeof(error)) {
            waitpid(pid, NULL, 0);
        } else {
            error = 0;
        }
    }
    close(error_pipe[READ_END]);
    return error != 0 ? -error : pid;
}

int command_start(struct command *command, uint32_t id, const uint8_t *payload,
                  size_t payload_bytes, struct pv_vm_agent_queue *port)
{
    struct channels channels = {{-1, -1, -1}, {-1, -1, -1}};
    struct pv_vm_agent_command wanted;
    pid_t pid;
    int r = pv_vm_agent_command_unpack(payload, payload_bytes, &wanted);

    if (r == 0) {
        const bool is_terminal = (wanted.flags & PV_VM_AGENT_EXEC_TTY) != 0;

        r = is_terminal ? channels_open_terminal(&channels) : channels_open_pipes(&channels);
        pid = r == 0 ? spawn(&wanted, &channels) : r;
        free(wanted.arguments);
        r = pid < 0 ? (int)pid : 0;
        if (r == 0) {
            *command = (struct command){
                .is_used = true,
                .id = id,
                .pid = pid,
                .input_fd = channels.ours[0],
                .output_fd = {channels.ours[1], channels.ours[2]},
                .is_terminal = is_terminal,
                .output_credit_bytes = PV_VM_AGENT_OUTPUT_CREDIT_BYTES,
            };
            for (int i = 0; i < 3; i++) {
                if (channels.ours[i] >= 0) {
                    fcntl(channels.ours[i], F_SETFL, O_NONBLOCK);
                }
                channels.ours[i] = -1;
            }
            (void)!pv_vm_agent_queue_u32(port, PV_VM_AGENT_STARTED, id, (uint32_t)pid);
        }
    }
    channels_close(&channels);
    if (r != 0) {
        (void)!pv_vm_agent_queue_u32x2(port, PV_VM_AGENT_EXIT, id, PV_VM_AGENT_EXIT_NOT_RUN,
                                       (uint32_t)-r);
    }
    return r;
}

static void write_input(struct command *command, struct pv_vm_agent_queue *port)
{
    const size_t before_bytes = pv_vm_agent_queue_left_bytes(&command->input);
    const int r = pv_vm_agent_queue_flush(&command->input, command->input_fd);
    size_t left_bytes = pv_vm_agent_queue_left_bytes(&command->input);

    if (r != 0) { /* nobody reads it any more */
        pv_vm_agent_queue_finish(&command->input);
        left_bytes = 0;
        command->is_input_ended = true;
    }
    if (before_bytes > left_bytes) {
        (void)!pv_vm_agent_queue_u32(port, PV_VM_AGENT_CREDIT, command->id,
                                     (uint32_t)(before_bytes - left_bytes));
    }
    if (left_bytes == 0 && command->is_input_ended) {
        if (command->is_terminal && r == 0) {
            const char end_of_file = 4;

            (void)!write(command->input_fd, &end_of_file, 1);
        }
        close_fd(&command->input_fd);
    }
}

void command_input(struct command *command, const uint8_t *bytes, size_t size_bytes,
                   struct pv_vm_agent_queue *port)
{
    if (command->input_fd < 0 || command->is_input_ended) {
        /* Thrown away, but the sender must not wait for room for ever. */
        if (size_bytes > 0) {
            (void)!pv_vm_agent_queue_u32(port, PV_VM_AGENT_CREDIT, command->id,
                                         (uint32_t)size_bytes);
        }
        return;
    }
    if (size_bytes == 0) {
        command->is_input_ended = true;
    } else if (size_bytes
                   > PV_VM_AGENT_INPUT_CREDIT_BYTES - pv_vm_agent_queue_left_bytes(&command->input)
               || pv_vm_agent_queue_add(&command->input, bytes, size_bytes) != 0) {
        command_abandon(command);
        return;
    }
    write_input(command, port);
}

void command_signal(const struct command *command, int signal_number)
{
    if (command->pid > 0) {
        kill(-command->pid, signal_number);
    }
}

void command_resize(const struct command *command, uint32_t columns, uint32_t rows)
{
    const struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

    if (command->is_terminal && command->output_fd[0] >= 0) {
        ioctl(command->output_fd[0], TIOCSWINSZ, &size);
    }
}

void command_poll_fill(const struct command *command, struct pollfd *ret_entries)
{
    const bool has_input = pv_vm_agent_queue_left_bytes(&command->input) > 0;

    ret_entries[0] = (struct pollfd){has_input ? command->input_fd : -1, POLLOUT, 0};
    for (int i = 0; i < 2; i++) {
        const bool may_send = command->is_used && command->output_credit_bytes > 0;

        ret_entries[1 + i] = (struct pollfd){may_send ? command->output_fd[i] : -1, POLLIN, 0};
    }
}

/* Send one chunk of stdout (0) or stderr (1). Returns whether there may be more. */
static bool read_output(struct command *command, int which, struct pv_vm_agent_queue *port)
{
    uint8_t chunk[PV_VM_AGENT_CHUNK_MAX_BYTES];
    size_t wanted_bytes = sizeof(chunk);
    ssize_t count;

    if (command->output_fd[which] < 0) {
        return false;
    }
    if (wanted_bytes > command->output_credit_bytes) {
        wanted_bytes = command->output_credit_bytes;
    }
    if (wanted_bytes == 0) {
        return true;
    }
    count = read(command->output_fd[which], chunk, wanted_bytes);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return errno == EINTR;
    }
    if (count <= 0) { /* the end, or EIO from a terminal whose last user has gone */
        close_fd(&command->output_fd[which]);
        return false;
    }
    command->output_credit_bytes -= (uint32_t)count;
    (void)!pv_vm_agent_queue_frame(port, which == 0 ? PV_VM_AGENT_STDOUT : PV_VM_AGENT_STDERR,
                                   command->id, chunk, (size_t)count);
    return true;
}

void command_poll_serve(struct command *command, const struct pollfd *entries, bool has_port_room,
                        struct pv_vm_agent_queue *port)
{
    if (entries[0].revents != 0 && command->input_fd >= 0) {
        write_input(command, port);
    }
    for (int i = 0; i < 2; i++) {
        if (entries[1 + i].revents != 0 && has_port_room) {
            read_output(command, i, port);
        }
    }
}

void command_finish_if_done(struct command *command, struct pv_vm_agent_queue *port)
{
    if (!command->is_used || command->pid != 0) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        while (command->tail_bytes < TAIL_MAX_BYTES) {
            const uint32_t credit_bytes = command->output_credit_bytes;
            const bool has_more = read_output(command, i, port);

            command->tail_bytes += credit_bytes - command->output_credit_bytes;
            if (!has_more) {
                break;
            }
            if (command->output_credit_bytes == 0) {
                return; /* goes on when the host grants more */
            }
        }
    }
    if (WIFSIGNALED(command->status)) {
        (void)!pv_vm_agent_queue_u32x2(port, PV_VM_AGENT_EXIT, command->id, PV_VM_AGENT_EXIT_SIGNAL,
                                       (uint32_t)WTERMSIG(command->status));
    } else {
        (void)!pv_vm_agent_queue_u32x2(port, PV_VM_AGENT_EXIT, command->id, PV_VM_AGENT_EXIT_CODE,
                                       (uint32_t)WEXITSTATUS(command->status));
    }
    release(command);
}

void command_abandon(struct command *command)
{
    command_signal(command, SIGKILL);
    release(command);
}
