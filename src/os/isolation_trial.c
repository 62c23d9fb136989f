/* SPDX-License-Identifier: MIT */
/* Trying what isolation forbids; see isolation_trial.h. */
#include "os/isolation_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

struct trials {
    struct pv_os_isolation_trial *list;
    size_t count;
};

/* result: negative with errno set where the attempt was refused. */
static void note(struct trials *trials, const char *name, long result)
{
    const int error = result < 0 ? errno : 0;

    if (trials->count < PV_OS_ISOLATION_TRIAL_MAX) {
        trials->list[trials->count++] = (struct pv_os_isolation_trial){name, result < 0, error};
    }
}

static void try_open(struct trials *trials, const char *name, const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);

    note(trials, name, fd);
    if (fd >= 0) {
        close(fd);
    }
}

static void try_create(struct trials *trials, const char *name, const char *folder)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/pearvisor-trial-%d", folder, (int)getpid());
    try_open(trials, name, path, O_WRONLY | O_CREAT | O_EXCL);
    (void)unlink(path);
}

static void try_socket(struct trials *trials, const char *name, int family, int type)
{
    const int fd = socket(family, type | SOCK_CLOEXEC, 0);

    note(trials, name, fd);
    if (fd >= 0) {
        close(fd);
    }
}

static void try_processes(struct trials *trials)
{
    const pid_t parent = getppid();
    char byte;
    struct iovec here = {&byte, 1};
    struct iovec there = {&byte, 1};
    static char *const none[] = {NULL};
    pid_t child = fork();
    long r;

    if (child == 0) {
        _exit(0);
    }
    note(trials, "start a process", child);
    if (child > 0) {
        (void)waitpid(child, NULL, 0);
    }
    /* Nothing has this name, so that nothing is run where exec is not refused. */
    r = execve("/pearvisor-trial/none", none, none);
    if (r < 0 && errno != EPERM && errno != EACCES) {
        r = 0;
    }
    note(trials, "run a program", r);
    note(trials, "signal another process", kill(parent, 0));
    r = ptrace(PTRACE_SEIZE, parent, NULL, NULL);
    note(trials, "trace another process", r);
    if (r == 0) {
        (void)ptrace(PTRACE_DETACH, parent, NULL, NULL);
    }
    r = process_vm_readv(parent, &here, 1, &there, 1, 0);
    if (r < 0 && errno == EFAULT) {
        r = 0; /* nothing there, but it was looked at */
    }
    note(trials, "read another process", r);
}

size_t pv_os_isolation_try(const char *home,
                           struct pv_os_isolation_trial ret_trials[PV_OS_ISOLATION_TRIAL_MAX])
{
    struct trials trials = {.list = ret_trials};
    long r;

    try_open(&trials, "read /etc/shadow", "/etc/shadow", O_RDONLY);
    try_open(&trials, "read /etc/passwd", "/etc/passwd", O_RDONLY);
    try_open(&trials, "list the home folder", home != NULL ? home : "/root",
             O_RDONLY | O_DIRECTORY);
    try_open(&trials, "list /tmp", "/tmp", O_RDONLY | O_DIRECTORY);
    try_create(&trials, "write in /tmp", "/tmp");
    try_create(&trials, "write in /dev/shm", "/dev/shm");
    try_create(&trials, "write in the working folder", ".");
    try_open(&trials, "look at process 1", "/proc/1/status", O_RDONLY);
    try_socket(&trials, "open an internet socket", AF_INET, SOCK_STREAM);
    try_socket(&trials, "open a local socket", AF_UNIX, SOCK_STREAM);
    try_socket(&trials, "open a kernel socket", AF_NETLINK, SOCK_RAW);
    try_processes(&trials);
    note(&trials, "make a namespace", unshare(CLONE_NEWUSER | CLONE_NEWNS));
    note(&trials, "mount a file system", mount("none", "/mnt", "tmpfs", 0, NULL));
    /* A bad address instead of a letter: where it is not refused, nothing is typed. */
    r = ioctl(STDERR_FILENO, TIOCSTI, NULL);
    if (r < 0 && errno != EPERM) {
        r = 0;
    }
    note(&trials, "type into the terminal", r);
    /* Not by reading, which would take what the user types, or stop us in the background. */
    r = fcntl(STDERR_FILENO, F_GETFL);
    if (r >= 0 && ((r & O_ACCMODE) == O_WRONLY || !isatty(STDERR_FILENO))) {
        errno = EBADF;
        r = -1;
    }
    note(&trials, "read the terminal", r);
    return trials.count;
}
