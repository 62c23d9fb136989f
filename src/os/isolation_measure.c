/* SPDX-License-Identifier: MIT */
/*
 * Measuring what a driver needs; see isolation.h.
 *
 * The filter does not refuse: it holds each call that is not in the list, and each that opens a
 * path, until a second process has looked at it (seccomp's user notification). That one writes a
 * line for what it has not seen before and lets the call go on. It is forked before the filter is
 * loaded, and ends when the listener says that nobody is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/isolation_parts.h"
#include "os/socket.h"

/* Different lines that one run may write; a driver that needs more is not to be listed by hand. */
#define LINE_MAX_COUNT 1000
#define LINE_BYTES     (PATH_MAX + 128)

struct watcher {
    const struct pv_os_isolation_options *options;
    char *lines[LINE_MAX_COUNT];
    size_t line_count;
};

static void say_once(struct watcher *watcher, const char *line)
{
    for (size_t i = 0; i < watcher->line_count; i++) {
        if (strcmp(watcher->lines[i], line) == 0) {
            return;
        }
    }
    if (watcher->line_count < LINE_MAX_COUNT) {
        watcher->lines[watcher->line_count] = strdup(line);
        watcher->line_count += watcher->lines[watcher->line_count] != NULL ? 1 : 0;
        (void)fprintf(stderr, "sandbox would refuse: %s\n", line);
    }
}

/* A text of the watched process. Reads page by page, because the next page may not be there. */
static bool read_text(pid_t thread, uint64_t address, char *ret_text, size_t text_bytes)
{
    size_t used = 0;

    while (used < text_bytes) {
        const size_t in_page = 4096 - (size_t)((address + used) % 4096);
        const size_t want = in_page < text_bytes - used ? in_page : text_bytes - used;
        const struct iovec own = {ret_text + used, want};
        const struct iovec other = {(void *)(uintptr_t)(address + used), want};
        const ssize_t count = process_vm_readv(thread, &own, 1, &other, 1, 0);

        if (count <= 0) {
            return false;
        }
        if (memchr(ret_text + used, '\0', (size_t)count) != NULL) {
            return true;
        }
        used += (size_t)count;
    }
    return false;
}

static bool is_covered(const struct watcher *watcher, const char *path, bool for_writing)
{
    for (size_t i = 0; i < watcher->options->path_count; i++) {
        const struct pv_os_isolation_path *rule = &watcher->options->paths[i];
        char *real = realpath(rule->path, NULL);
        const size_t length = real != NULL ? strlen(real) : 0;
        const bool lies_in = length > 0 && strncmp(path, real, length) == 0
                             && (path[length] == '\0' || path[length] == '/' || length == 1);

        free(real);
        if (lies_in && (!for_writing || rule->access == PV_OS_ISOLATION_WRITE)) {
            return true;
        }
    }
    return false;
}

/* A name of /proc/self, said by another process. */
static void own_to_theirs(pid_t process, char path[PATH_MAX])
{
    char rest[PATH_MAX];

    if (strncmp(path, "/proc/self", 10) == 0 && (path[10] == '/' || path[10] == '\0')) {
        (void)snprintf(rest, sizeof(rest), "%s", path + 10);
        (void)snprintf(path, PATH_MAX, "/proc/%d%.4000s", process, rest);
    }
}

static void judge_open(struct watcher *watcher, pid_t process, const struct seccomp_notif *call,
                       uint64_t name_address, uint64_t flags)
{
    const bool for_writing = (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != O_RDONLY;
    char line[LINE_BYTES];
    char path[PATH_MAX];
    char *real;

    if (!read_text((pid_t)call->pid, name_address, path, sizeof(path))) {
        return;
    }
    own_to_theirs(process, path);
    real = realpath(path, NULL);
    /* What does not exist and is not made would not be found either way. */
    if ((real != NULL || (flags & O_CREAT) != 0) && path[0] == '/'
        && !is_covered(watcher, real != NULL ? real : path, for_writing)) {
        (void)snprintf(line, sizeof(line), "open %s%s", real != NULL ? real : path,
                       for_writing ? " (to write)" : "");
        say_once(watcher, line);
    }
    free(real);
}

static void judge(struct watcher *watcher, pid_t process, const struct seccomp_notif *call)
{
    const struct seccomp_data *data = &call->data;
    char line[LINE_BYTES];

    if (data->nr == SYS_openat) {
        judge_open(watcher, process, call, data->args[1], data->args[2]);
        return;
    }
#ifdef SYS_open
    if (data->nr == SYS_open) {
        judge_open(watcher, process, call, data->args[0], data->args[1]);
        return;
    }
#endif
    /* Only these are told apart by an argument; addresses would make each line another one. */
    if (data->nr == SYS_ioctl || data->nr == SYS_prctl) {
        (void)snprintf(line, sizeof(line), "%s %#llx", pv_os_isolation_call_name(data->nr),
                       (unsigned long long)data->args[data->nr == SYS_ioctl ? 1 : 0]);
    } else {
        (void)snprintf(line, sizeof(line), "%s (number %d)", pv_os_isolation_call_name(data->nr),
                       data->nr);
    }
    say_once(watcher, line);
}

static void watch(struct watcher *watcher, pid_t process, int listener_fd)
{
    struct seccomp_notif *call;
    struct seccomp_notif_resp *answer;

    if (seccomp_notify_alloc(&call, &answer) < 0) {
        return; /* closing the listener makes held calls fail with ENOSYS */
    }
    for (;;) {
        struct pollfd entry = {.fd = listener_fd, .events = POLLIN};

        if ((poll(&entry, 1, -1) < 0 && errno != EINTR)
            || (entry.revents & (POLLHUP | POLLERR)) != 0) {
            break;
        }
        memset(call, 0, sizeof(*call));
        if ((entry.revents & POLLIN) == 0 || seccomp_notify_receive(listener_fd, call) < 0) {
            continue; /* the caller was killed meanwhile */
        }
        judge(watcher, process, call);
        memset(answer, 0, sizeof(*answer));
        answer->id = call->id;
        answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        (void)seccomp_notify_respond(listener_fd, answer);
    }
    seccomp_notify_free(call, answer);
}

static _Noreturn void watcher_run(const struct pv_os_isolation_options *options, pid_t process,
                                  int socket)
{
    struct watcher watcher = {.options = options};
    size_t count = 0;
    int listener_fd = -1;
    char byte;

    /* Not ours to hold: the device waits for the end of the worker's socket. */
    for (size_t i = 0; i < options->kept_count; i++) {
        close(options->kept_fds[i]);
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == process
        && pv_os_socket_receive(socket, &byte, sizeof(byte), &listener_fd, 1, &count) > 0
        && count == 1) {
        watch(&watcher, process, listener_fd);
    }
    _exit(0);
}

int pv_os_isolation_measure_start(const struct pv_os_isolation_options *options, int *ret_socket)
{
    const pid_t process = getpid();
    int theirs;
    int r = pv_os_socket_pair(ret_socket, &theirs);
    pid_t child;

    if (r < 0) {
        return r;
    }
    child = fork();
    if (child == 0) {
        close(*ret_socket);
        watcher_run(options, process, theirs);
    }
    r = child < 0 ? -errno : 0;
    close(theirs);
    if (r < 0) {
        close(*ret_socket);
        return r;
    }
    /* Where Yama lets only parents look into children. */
    (void)prctl(PR_SET_PTRACER, child, 0, 0, 0);
    return 0;
}

int pv_os_isolation_measure_hand_over(int socket, int listener_fd)
{
    const char byte = 0;
    const ssize_t sent = pv_os_socket_send(socket, &byte, sizeof(byte), &listener_fd, 1);

    close(listener_fd);
    close(socket);
    return sent < 0 ? (int)sent : 0;
}
