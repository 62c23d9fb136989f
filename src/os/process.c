/* SPDX-License-Identifier: MIT */
/*
 * Child processes on Linux: fork, so that the parent-death signal can be set (posix_spawn has no
 * way to), a pidfd for the end, and a pipe that brings the errno of a failed exec back.
 */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"

#define NS_PER_MS 1000000u

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Put fd in the place of a standard file. dup2 drops close-on-exec; the same number keeps it. */
static bool child_place(int fd, int place)
{
    if (fd == place) {
        return fcntl(fd, F_SETFD, 0) == 0;
    }
    return dup2(fd, place) >= 0;
}

static bool child_set_files(const struct pv_os_process_options *options)
{
    int input_fd = options->input_fd;

    if (input_fd == 0) {
        input_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    if (input_fd < 0 || !child_place(input_fd, STDIN_FILENO)) {
        return false;
    }
    if ((options->output_fd != 0 && !child_place(options->output_fd, STDOUT_FILENO))
        || (options->error_fd != 0 && !child_place(options->error_fd, STDERR_FILENO))) {
        return false;
    }
    for (size_t i = 0; i < options->kept_count; i++) {
        if (fcntl(options->kept_fds[i], F_SETFD, 0) != 0) {
            return false;
        }
    }
    return true;
}

/* In the child: never returns. */
static _Noreturn void child_run(const struct pv_os_process_options *options, pid_t parent,
                                int error_fd)
{
    sigset_t none;
    int error;

    if (options->has_session) {
        setsid(); /* a new process group too */
    } else {
        setpgid(0, 0);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    /* The parent may have died before this took effect; then nobody would ever kill us. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && child_set_files(options)) {
        for (size_t i = 0; options->variables != NULL && options->variables[i] != NULL; i++) {
            putenv((char *)(uintptr_t)options->variables[i]);
        }
        execvp(options->arguments[0], (char *const *)(uintptr_t)options->arguments);
    }
    error = errno != 0 ? errno : ECHILD;
    while (write(error_fd, &error, sizeof(error)) < 0 && errno == EINTR) {
    }
    _exit(127);
}

int pv_os_process_spawn(const struct pv_os_process_options *options,
                        struct pv_os_process *ret_process)
{
    const pid_t parent = getpid();
    int error_pipe[2];
    int error = 0;
    ssize_t count;
    pid_t pid;

    if (pipe2(error_pipe, O_CLOEXEC) != 0) {
        return -errno;
    }
    pid = fork();
    if (pid == 0) {
        child_run(options, parent, error_pipe[1]);
    }
    if (pid < 0) {
        error = errno;
    }
    close(error_pipe[1]);
    if (pid > 0) {
        do {
            count = read(error_pipe[0], &error, sizeof(error));
        } while (count < 0 && errno == EINTR);
        if (count != (ssize_t)sizeof(error)) {
            error = 0; /* closed by a successful exec */
        }
    }
    close(error_pipe[0]);
    if (error == 0) {
        const int exit_fd = open_pidfd(pid);

        if (exit_fd >= 0) {
            *ret_process = (struct pv_os_process){.pid = pid, .exit_fd = exit_fd};
            return 0;
        }
        error = errno;
        kill(-pid, SIGKILL);
    }
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    return -error;
}

void pv_os_process_signal(const struct pv_os_process *process, int signal_number)
{
    if (process->pid > 0) {
        kill(-process->pid, signal_number);
    }
}

int pv_os_process_reap(struct pv_os_process *process, int timeout_ms,
                       struct pv_os_process_end *ret_end)
{
    struct pollfd entry = {.fd = process->exit_fd, .events = POLLIN};
    int status;

    if (process->pid <= 0) {
        return -ESRCH;
    }
    if (poll(&entry, 1, timeout_ms) <= 0 || waitpid(process->pid, &status, WNOHANG) <= 0) {
        return -ETIMEDOUT;
    }
    close(process->exit_fd);
    *process = (struct pv_os_process){.exit_fd = -1};
    ret_end->by_signal = WIFSIGNALED(status);
    ret_end->value = ret_end->by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

void pv_os_process_kill(struct pv_os_process *process)
{
    struct pv_os_process_end end;

    pv_os_process_signal(process, SIGKILL);
    while (process->pid > 0 && pv_os_process_reap(process, -1, &end) == -ETIMEDOUT) {
    }
}

/* Read until the end, a needle or the deadline. Returns 1 for a needle, 0 or -ETIMEDOUT. */
static int collect(int fd, uint64_t end_ns, const char *const *needles, char *text,
                   size_t text_bytes)
{
    size_t used = 0;

    for (;;) {
        const uint64_t now_ns = pv_os_clock_now_ns();
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        char dropped[512];
        const bool is_full = used + 1 >= text_bytes;
        ssize_t count;

        if (now_ns >= end_ns) {
            return -ETIMEDOUT;
        }
        if (poll(&entry, 1, (int)((end_ns - now_ns) / NS_PER_MS + 1)) <= 0) {
            continue;
        }
        count = is_full ? read(fd, dropped, sizeof(dropped))
                        : read(fd, text + used, text_bytes - 1 - used);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return 0;
        }
        used += is_full ? 0 : (size_t)count;
        text[used] = '\0';
        for (size_t i = 0; needles != NULL && needles[i] != NULL; i++) {
            if (strstr(text, needles[i]) != NULL) {
                return 1;
            }
        }
    }
}

int pv_os_process_run(const struct pv_os_process_options *options, int timeout_ms,
                      const char *const *needles, char *ret_text, size_t text_bytes,
                      struct pv_os_process_end *ret_end)
{
    const uint64_t end_ns = pv_os_clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    struct pv_os_process_options own = *options;
    struct pv_os_process process = {.exit_fd = -1};
    int output[2];
    int r;

    ret_text[0] = '\0';
    if (pipe2(output, O_CLOEXEC) != 0) {
        return -errno;
    }
    own.input_fd = 0;
    own.output_fd = output[1];
    own.error_fd = output[1];
    r = pv_os_process_spawn(&own, &process);
    close(output[1]);
    if (r == 0) {
        r = collect(output[0], end_ns, needles, ret_text, text_bytes);
        if (r == 1) {
            *ret_end = (struct pv_os_process_end){.by_signal = true, .value = SIGKILL};
            r = 0;
        } else if (r == 0) {
            const uint64_t now_ns = pv_os_clock_now_ns();

            r = pv_os_process_reap(
                &process, now_ns < end_ns ? (int)((end_ns - now_ns) / NS_PER_MS + 1) : 0, ret_end);
        }
        pv_os_process_kill(&process);
    }
    close(output[0]);
    return r;
}

/* The name in parentheses may hold anything, so what follows is found from the end. */
static bool parse_ticks(char *text, uint64_t *ret_ticks)
{
    const char *rest = strrchr(text, ')');
    unsigned long long user_ticks;
    unsigned long long system_ticks;

    if (rest == NULL
        || sscanf(rest + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &user_ticks,
                  &system_ticks)
               != 2) {
        return false;
    }
    *ret_ticks = (uint64_t)user_ticks + system_ticks;
    return true;
}

int pv_os_process_cpu_ns(pid_t pid, uint64_t *ret_cpu_ns)
{
    const long ticks_per_s = sysconf(_SC_CLK_TCK);
    char path[64];
    char text[1024];
    uint64_t ticks;
    ssize_t got;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    got = read(fd, text, sizeof(text) - 1);
    if (got < 0) {
        got = errno == ESRCH ? -ENOENT : -errno;
    }
    (void)close(fd);
    if (got < 0) {
        return (int)got;
    }
    text[got] = '\0';
    if (ticks_per_s <= 0 || !parse_ticks(text, &ticks)) {
        return -EIO;
    }
    *ret_cpu_ns = ticks * (UINT64_C(1000000000) / (uint64_t)ticks_per_s);
    return 0;
}

int pv_os_process_own_path(char *ret_path, size_t path_bytes)
{
    const ssize_t length = readlink("/proc/self/exe", ret_path, path_bytes);

    if (length < 0) {
        return -errno;
    }
    if ((size_t)length >= path_bytes) {
        return -ENAMETOOLONG;
    }
    ret_path[length] = '\0';
    return 0;
}

int pv_os_boot_id(char *ret_text, size_t text_bytes)
{
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (fd < 0) {
        return -errno;
    }
    length = read(fd, ret_text, text_bytes - 1);
    close(fd);
    if (length <= 0) {
        return -EIO;
    }
    ret_text[length] = '\0';
    ret_text[strcspn(ret_text, "\n")] = '\0';
    return 0;
}
