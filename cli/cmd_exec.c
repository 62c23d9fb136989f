/* SPDX-License-Identifier: MIT */
/* pearvisor exec: run a command in a guest that `pearvisor run` keeps. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/numbers.h"
#include "os/loop.h"
#include "os/signals.h"
#include "os/socket.h"
#include "cli/places.h"
#include "cli/terminal.h"
#include "cli/usage.h"
#include "vm/machine.h"
#include "vm/runtime.h"
#include "vm/session.h"

#define VARIABLE_MAX 64

struct exec {
    struct pv_os_loop *loop;
    struct pv_vm_session *session;
    struct pv_cli_terminal terminal;
    bool has_timed_out;
    unsigned int signal_count;
    int signal_number; /* that made us leave; 0: none */
    enum pv_vm_agent_exit how;
    uint32_t value;
};

struct exec_options {
    const char *vm;
    const char *agent_socket;
    const char *directory;
    const char *variables[VARIABLE_MAX + 2]; /* one more for TERM, and the end */
    size_t variable_count;
    uint32_t timeout_s;
    bool terminal;
    char **command;
};

static void print_help(FILE *file)
{
    fprintf(file,
            "usage: pearvisor exec [OPTIONS] [--] COMMAND...\n\n"
            "Runs COMMAND in a guest that 'pearvisor run --keep-alive' keeps, and returns its\n"
            "exit status (124 at a timeout, 125 when there is no such guest or it went away).\n"
            "\n"
            "  --vm NAME            which guest; needed only if several run\n"
            "  --agent-socket PATH  the same by its socket\n"
            "  --tty                with a terminal\n"
            "  --env NAME=VALUE     add to COMMAND's environment\n"
            "  --cwd DIR            run it in DIR\n"
            "  --timeout SECONDS    give it that long\n");
}

static void on_end(void *user, enum pv_vm_agent_exit how, uint32_t value)
{
    struct exec *exec = user;

    exec->how = how;
    exec->value = value;
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

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct exec_options *ret)
{
    static const struct option options[] = {
        {"vm", required_argument, NULL, 'v'},  {"agent-socket", required_argument, NULL, 's'},
        {"tty", no_argument, NULL, 't'},       {"env", required_argument, NULL, 'e'},
        {"cwd", required_argument, NULL, 'd'}, {"timeout", required_argument, NULL, 'T'},
        {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0},
    };
    bool ok = true;
    int option;

    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        switch (option) {
        case 'v':
            ret->vm = optarg;
            break;
        case 's':
            ret->agent_socket = optarg;
            break;
        case 't':
            ret->terminal = true;
            break;
        case 'e':
            if (ret->variable_count == VARIABLE_MAX || strchr(optarg, '=') == NULL) {
                fprintf(stderr, "pearvisor: --env wants NAME=VALUE, at most %d times\n",
                        VARIABLE_MAX);
                ok = false;
            } else {
                ret->variables[ret->variable_count++] = optarg;
            }
            break;
        case 'd':
            ret->directory = optarg;
            break;
        case 'T':
            ok = pv_cli_number("--timeout", optarg, 1, 4000000, &ret->timeout_s) && ok;
            break;
        case 'h':
            print_help(stdout);
            return -1;
        default:
            ok = false;
            break;
        }
    }
    ret->command = argv + optind;
    if (ok && ret->command[0] == NULL) {
        return pv_cli_usage_error("exec", "name a command to run in the guest");
    }
    return ok ? 0 : PV_CLI_USAGE;
}

/* Returns a connected socket, or -1 after saying why not. */
static int connect_agent(const struct exec_options *options)
{
    struct pv_cli_places places;
    struct pv_vm_runtime runtime;
    char path[PV_VM_RUNTIME_PATH_MAX];
    const char *socket_path = options->agent_socket;
    int fd;
    int r;

    if (socket_path == NULL) {
        if (!pv_cli_places_find(NULL, &places)) {
            return -1;
        }
        r = pv_vm_runtime_find(places.runtime, options->vm, &runtime);
        if (r == 0) {
            r = pv_vm_runtime_file(&runtime, PV_VM_MACHINE_AGENT_SOCKET, path);
        }
        if (r != 0) {
            if (r == -ENOTUNIQ) {
                fprintf(stderr, "pearvisor: several guests run: name one with --vm\n");
            } else if (options->vm != NULL) {
                fprintf(stderr, "pearvisor: no guest %s runs\n", options->vm);
            } else {
                fprintf(stderr, "pearvisor: no guest runs: start one with "
                                "'pearvisor run --keep-alive'\n");
            }
            return -1;
        }
        socket_path = path;
    }
    r = pv_os_socket_connect(socket_path, &fd);
    if (r != 0) {
        fprintf(stderr, "pearvisor: no guest answers at %s: %s\n", socket_path, strerror(-r));
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
        fprintf(stderr, "pearvisor: the guest went away, or is not ready yet\n");
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
        options.variables[options.variable_count++] = "TERM=xterm-256color";
    }
    session.agent_fd = connect_agent(&options);
    if (session.agent_fd < 0) {
        return PV_CLI_FAILED;
    }
    session.arguments = (const char *const *)options.command;
    session.variables = options.variables;
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
