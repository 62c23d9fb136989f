/* SPDX-License-Identifier: MIT */
/* One VM around one command; see the header. */
#include "vm/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/signals.h"
#include "vm/session.h"

#define NS_PER_MS ((uint64_t)1000000)

struct run {
    const struct pv_vm_run_options *options;
    struct pv_vm_run_result result;
    struct pv_os_loop *loop;
    struct pv_os_signals *signals;
    struct pv_vm_machine *machine;
    struct pv_vm_session *session;
    struct pv_os_timer *timeout;
    int error; /* 0 or -errno of the session's start */
};

static void send_size(struct run *run)
{
    uint32_t columns;
    uint32_t rows;

    if (run->session != NULL && run->options->wants_terminal && run->options->terminal_size != NULL
        && run->options->terminal_size(run->options->user, &columns, &rows)) {
        pv_vm_session_resize(run->session, columns, rows);
    }
}

static void on_signal(void *user, int number)
{
    struct run *run = user;

    if (number == SIGWINCH) {
        send_size(run);
        return;
    }
    if (run->result.signal_number == 0) {
        run->result.signal_number = number;
    }
    pv_vm_machine_stop(run->machine);
}

static void on_timeout(void *user)
{
    struct run *run = user;

    if (!run->result.has_command_ended) {
        run->result.has_timed_out = true;
        pv_vm_machine_stop(run->machine);
    }
}

static void on_command_end(void *user, enum pv_vm_agent_exit how, uint32_t value)
{
    struct run *run = user;

    run->result.has_command_ended = true;
    run->result.how = how;
    run->result.value = value;
    if (run->options->on_command_end != NULL) {
        run->options->on_command_end(run->options->user);
    }
    if (!run->options->keep_alive) {
        pv_vm_machine_stop(run->machine);
    }
}

static int start_command(struct run *run)
{
    const struct pv_vm_run_options *options = run->options;
    struct pv_vm_session_options session = {
        .loop = run->loop,
        .arguments = options->command,
        .variables = options->variables,
        .directory = options->directory,
        .wants_terminal = options->wants_terminal,
        .input_fd = options->input_fd,
        .output_fd = options->output_fd,
        .error_fd = options->error_fd,
        .on_end = on_command_end,
        .user = run,
    };
    int fds[2];
    int r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return -errno;
    }
    session.agent_fd = fds[0];
    r = pv_vm_relay_add_client(pv_vm_machine_get_relay(run->machine), fds[1]);
    if (r != 0) {
        close(fds[0]);
        return r;
    }
    r = pv_vm_session_create(&session, &run->session);
    if (r == 0) {
        send_size(run);
        if (options->timeout_ms > 0) {
            pv_os_timer_set(run->timeout, options->timeout_ms * NS_PER_MS);
        }
    }
    return r;
}

static void on_ready(void *user)
{
    struct run *run = user;

    if (run->result.was_ready) {
        return; /* the guest has rebooted */
    }
    run->result.was_ready = true;
    if (run->options->on_ready != NULL) {
        run->options->on_ready(run->options->user);
    }
    if (run->options->command != NULL) {
        run->error = start_command(run);
        if (run->error != 0) {
            pv_vm_machine_stop(run->machine);
        }
    }
}

static void on_stopped(void *user, enum pv_vm_machine_end end)
{
    struct run *run = user;

    run->result.end = end;
    pv_os_loop_stop(run->loop);
}

static int start(struct run *run)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
    struct pv_vm_machine_options machine = run->options->machine;
    int r = pv_os_loop_create(&run->loop);

    signal(SIGPIPE, SIG_IGN);
    if (r == 0) {
        r = pv_os_signals_watch(run->loop, signals, PV_ARRAY_LEN(signals), on_signal, run,
                                &run->signals);
    }
    if (r == 0) {
        r = pv_os_timer_create(run->loop, on_timeout, run, &run->timeout);
    }
    if (r == 0) {
        machine.loop = run->loop;
        machine.on_ready = on_ready;
        machine.on_stopped = on_stopped;
        machine.user = run;
        r = pv_vm_machine_create(&machine, &run->machine);
    }
    return r;
}

int pv_vm_run(const struct pv_vm_run_options *options, struct pv_vm_run_result *ret_result)
{
    struct run run = {.options = options};
    int r = start(&run);

    if (r == 0) {
        r = pv_os_loop_run(run.loop);
    }
    pv_vm_session_destroy(run.session);
    pv_vm_machine_destroy(run.machine);
    pv_os_timer_destroy(run.timeout);
    pv_os_signals_destroy(run.signals);
    pv_os_loop_destroy(run.loop);
    if (r == 0) {
        r = run.error;
    }
    if (r == 0) {
        *ret_result = run.result;
    }
    return r;
}
