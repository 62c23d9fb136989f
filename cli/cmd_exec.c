/* SPDX-License-Identifier: MIT */
/* pearvisor exec: run a command in a guest that `pearvisor run` keeps. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/guest.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/usage.h"
#include "os/loop.h"
#include "os/signals.h"
#include "os/socket.h"
#include "vm/machine.h"
#include "vm/session.h"

#define TIMEOUT_MAX_S 4000000u

struct exec {
    struct pv_os_loop *loop;
    struct pv_vm_session *session;
    struct pv_cli_terminal terminal;
    bool has_timed_out;
    bool was_too_early; /* there is no agent yet */
    unsigned int signal_count;
    int signal_number; /* that made us leave; 0: none */
    enum pv_vm_agent_exit how;
    uint32_t value;
};

struct exec_options {
    const char *vm;
    const char *agent_socket;
    const char *directory;
    struct pv_cli_list variables;
    uint32_t timeout_s;
    bool terminal;
    char **command;
};

static void on_end(void *user, enum pv_vm_agent_exit how, uint32_t value)
{
    struct exec *exec = user;

    exec->how = how;
    exec->value = value;
    exec->was_too_early = pv_vm_session_was_too_early(exec->session);
    pv_os_loop_stop(exec->loop);
}

static void on_timeout(void *user)
{
    struct exec *exec = user;

    exec->has_timed_out = true;
    pv_os_loop_stop(exec->loop);
}

static void send_size(struct exec *exec)
{
    uint32_t columns;
    uint32_t rows;

    if (pv_cli_terminal_size(&columns, &rows)) {
        pv_vm_session_resize(exec->session, columns, rows);
    }
}

static void on_signal(void *user, int number)
{
    struct exec *exec = user;

    if (number == SIGWINCH) {
        send_size(exec);
    } else if (exec->signal_count++ == 0) {
        pv_vm_session_signal(exec->session, number);
    } else {
        /* The command, or the guest, does not care: leave, which kills the command. */
        exec->signal_number = number;
        pv_os_loop_stop(exec->loop);
    }
}

static bool check_variable(const char *option, const char *value)
{
    if (strchr(value, '=') != NULL) {
        return true;
    }
    (void)fprintf(stderr, "pearvisor: %s wants NAME=VALUE, not '%s'\n", option, value);
    return false;
}

static const char help[] =
    "usage: pearvisor exec [OPTIONS] [--] COMMAND...\n\n"
    "Runs COMMAND in a guest that 'pearvisor run --keep-alive' keeps, and returns its\n"
    "exit status (124 at a timeout, 125 when there is no such guest or it went away).\n";

static const struct pv_cli_option rows[] = {
    {.name = "vm",
     .value = "NAME",
     .help = "which guest; needed only if several run",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct exec_options, vm)},
    {.name = "agent-socket",
     .value = "PATH",
     .help = "the same by its socket",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct exec_options, agent_socket)},
    {.name = "tty",
     .help = "with a terminal",
     .kind = PV_CLI_OPTION_FLAG,
     .offset = offsetof(struct exec_options, terminal)},
    {.name = "env",
     .value = "NAME=VALUE",
     .help = "add to COMMAND's environment; again for the next one",
     .kind = PV_CLI_OPTION_LIST,
     .check = check_variable,
     .offset = offsetof(struct exec_options, variables)},
    {.name = "cwd",
     .value = "DIR",
     .help = "run it in DIR",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct exec_options, directory)},
    {.name = "timeout",
     .value = "SECONDS",
     .help = "give it that long",
     .kind = PV_CLI_OPTION_NUMBER,
     .min = 1,
     .max = TIMEOUT_MAX_S,
     .offset = offsetof(struct exec_options, timeout_s)},
};

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct exec_options *ret)
{
    const struct pv_cli_option_group groups[] = {{rows, PV_ARRAY_LEN(rows), ret},
                                                 PV_CLI_OPTION_GROUPS_END};
    const int r =
        pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_COMMAND, &ret->command);

    if (r == 0 && ret->command[0] == NULL) {
        return pv_cli_usage_error("exec", "name a command to run in the guest");
    }
    return r;
}

/* Returns a connected socket, or -1 after saying why not. */
static int connect_agent(const struct exec_options *options)
{
    char found[PV_VM_RUNTIME_PATH_MAX];
    const char *path = options->agent_socket;
    int fd;
    int r;

    if (path == NULL) {
        if (!pv_cli_guest_find(options->vm, PV_VM_MACHINE_AGENT_SOCKET, found)) {
            return -1;
        }
        path = found;
    }
    r = pv_os_socket_connect(path, &fd);
    if (r != 0) {
        fprintf(stderr, "pearvisor: no guest answers at %s: %s\n", path, strerror(-r));
        return -1;
    }
    return fd;
}

static int serve(const struct exec_options *options, struct exec *exec)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
    struct pv_os_signals *watch = NULL;
    struct pv_os_timer *timeout = NULL;
    int r =
        pv_os_signals_watch(exec->loop, signals, PV_ARRAY_LEN(signals), on_signal, exec, &watch);

    if (r == 0) {
        r = pv_os_timer_create(exec->loop, on_timeout, exec, &timeout);
    }
    if (r == 0) {
        if (options->timeout_s > 0) {
            pv_os_timer_set(timeout, (uint64_t)options->timeout_s * 1000000000);
        }
        if (options->terminal) {
            send_size(exec);
            pv_cli_terminal_enter(&exec->terminal);
        }
        r = pv_os_loop_run(exec->loop);
        pv_cli_terminal_leave(&exec->terminal);
    }
    pv_os_timer_destroy(timeout);
    pv_os_signals_destroy(watch);
    return r;
}

static int conclude(const struct exec_options *options, const struct exec *exec)
{
    if (exec->has_timed_out) {
        fprintf(stderr, "pearvisor: the command did not end within %u s\n", options->timeout_s);
        return PV_CLI_TIMEOUT;
    }
    if (exec->signal_number != 0) {
        return 128 + exec->signal_number;
    }
    if (exec->how == PV_VM_AGENT_EXIT_NOT_RUN) {
        fprintf(stderr, "pearvisor: the guest cannot run '%s': %s\n", options->command[0],
                strerror((int)exec->value));
    } else if (exec->how == PV_VM_AGENT_EXIT_LOST) {
        fprintf(stderr, "pearvisor: the guest %s\n",
                exec->was_too_early ? "is not ready yet" : "went away");
    }
    return pv_vm_session_exit_status(exec->how, exec->value);
}

int pv_cli_exec(int argc, char **argv)
{
    struct exec_options options = {0};
    struct exec exec = {0};
    struct pv_vm_session_options session = {
        .input_fd = STDIN_FILENO,
        .output_fd = STDOUT_FILENO,
        .error_fd = STDERR_FILENO,
        .on_end = on_end,
        .user = &exec,
    };
    int r = parse(argc, argv, &options);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    if (options.terminal) {
        options.variables.texts[options.variables.count++] = "TERM=xterm-256color";
    }
    session.agent_fd = connect_agent(&options);
    if (session.agent_fd < 0) {
        return PV_CLI_FAILED;
    }
    session.arguments = (const char *const *)options.command;
    session.variables = options.variables.texts;
    session.directory = options.directory;
    session.wants_terminal = options.terminal;
    signal(SIGPIPE, SIG_IGN);
    r = pv_os_loop_create(&exec.loop);
    if (r == 0) {
        session.loop = exec.loop;
        r = pv_vm_session_create(&session, &exec.session);
    }
    if (r == 0) {
        r = serve(&options, &exec);
    }
    pv_vm_session_destroy(exec.session);
    pv_os_loop_destroy(exec.loop);
    if (r != 0) {
        fprintf(stderr, "pearvisor: the command cannot be run: %s\n", strerror(-r));
        return PV_CLI_FAILED;
    }
    return conclude(&options, &exec);
}
