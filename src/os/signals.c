/* SPDX-License-Identifier: MIT */
/* Signals as a file descriptor and as calls; see the header. */
#include "os/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct pv_os_signals {
    int fd;
    struct pv_os_source *source;
    pv_os_signal_fn *callback;
    void *user;
};

int pv_os_signals_open(const int *numbers, size_t count, int *ret_fd)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) {
        sigaddset(&set, numbers[i]);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return -errno;
    }
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int pv_os_signals_next(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return -EAGAIN;
    }
    return (int)info.ssi_signo;
}

static void on_readable(void *user, uint32_t events)
{
    struct pv_os_signals *signals = user;
    int number;

    (void)events;
    while ((number = pv_os_signals_next(signals->fd)) > 0) {
        signals->callback(signals->user, number);
    }
}

int pv_os_signals_watch(struct pv_os_loop *loop, const int *numbers, size_t count,
                        pv_os_signal_fn *callback, void *user, struct pv_os_signals **ret_signals)
{
    struct pv_os_signals *signals = calloc(1, sizeof(*signals));
    int r;

    if (signals == NULL) {
        return -ENOMEM;
    }
    signals->callback = callback;
    signals->user = user;
    signals->fd = -1;
    r = pv_os_signals_open(numbers, count, &signals->fd);
    if (r == 0) {
        r = pv_os_loop_add(loop, signals->fd, PV_OS_LOOP_READ, on_readable, signals,
                           &signals->source);
    }
    if (r < 0) {
        pv_os_signals_destroy(signals);
        return r;
    }
    *ret_signals = signals;
    return 0;
}

void pv_os_signals_destroy(struct pv_os_signals *signals)
{
    if (signals == NULL) {
        return;
    }
    pv_os_source_remove(signals->source);
    if (signals->fd >= 0) {
        close(signals->fd);
    }
    free(signals);
}
