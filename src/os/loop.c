/* SPDX-License-Identifier: MIT */
/*
 * The event loop on Linux: epoll, timerfd and an eventfd for stop. Removed sources are freed only
 * after the batch of events in hand, because that batch may still name them.
 */
#include "os/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BATCH_EVENTS 32

struct pv_os_source {
    struct pv_os_loop *loop;
    struct pv_os_source *previous;
    struct pv_os_source *next;
    int fd;
    bool removed;
    pv_os_source_fn *callback;
    void *user;
};

struct pv_os_timer {
    int fd;
    struct pv_os_source *source;
    pv_os_timer_fn *callback;
    void *user;
};

struct pv_os_loop {
    int epoll_fd;
    int stop_fd;
    bool stop;
    struct pv_os_source *sources; /* all that are watched */
    struct pv_os_source *removed; /* waiting to be freed */
};

static void on_stop(void *user, uint32_t events)
{
    struct pv_os_loop *loop = user;
    uint64_t count;

    (void)events;
    if (read(loop->stop_fd, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
        loop->stop = true;
    }
}

int pv_os_loop_create(struct pv_os_loop **ret_loop)
{
    struct pv_os_loop *loop = calloc(1, sizeof(*loop));
    struct pv_os_source *source;
    int r;

    if (loop == NULL) {
        return -ENOMEM;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->stop_fd < 0) {
        r = -errno;
        pv_os_loop_destroy(loop);
        return r;
    }
    r = pv_os_loop_add(loop, loop->stop_fd, PV_OS_LOOP_READ, on_stop, loop, &source);
    if (r < 0) {
        pv_os_loop_destroy(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

static void free_removed(struct pv_os_loop *loop)
{
    while (loop->removed != NULL) {
        struct pv_os_source *source = loop->removed;

        loop->removed = source->next;
        free(source);
    }
}

void pv_os_loop_destroy(struct pv_os_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    while (loop->sources != NULL) {
        pv_os_source_remove(loop->sources);
    }
    free_removed(loop);
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    if (loop->stop_fd >= 0) {
        close(loop->stop_fd);
    }
    free(loop);
}

int pv_os_loop_run(struct pv_os_loop *loop)
{
    loop->stop = false;
    while (!loop->stop) {
        struct epoll_event events[BATCH_EVENTS];
        const int count = epoll_wait(loop->epoll_fd, events, BATCH_EVENTS, -1);

        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        for (int i = 0; i < count; i++) {
            struct pv_os_source *source = events[i].data.ptr;
            uint32_t bits = 0;

            if (source->removed) {
                continue;
            }
            if (events[i].events & (EPOLLIN | EPOLLPRI)) {
                bits |= PV_OS_LOOP_READ;
            }
            if (events[i].events & EPOLLOUT) {
                bits |= PV_OS_LOOP_WRITE;
            }
            if (events[i].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
                bits |= PV_OS_LOOP_HUP;
            }
            source->callback(source->user, bits);
        }
        free_removed(loop);
    }
    return 0;
}

void pv_os_loop_stop(struct pv_os_loop *loop)
{
    const uint64_t one = 1;

    /* The counter cannot overflow in practice; a full one means that stop is pending anyway. */
    if (write(loop->stop_fd, &one, sizeof(one)) < 0) {
        return;
    }
}

static uint32_t epoll_bits(uint32_t events)
{
    uint32_t bits = 0;

    if (events & PV_OS_LOOP_READ) {
        bits |= EPOLLIN;
    }
    if (events & PV_OS_LOOP_WRITE) {
        bits |= EPOLLOUT;
    }
    return bits;
}

int pv_os_loop_add(struct pv_os_loop *loop, int fd, uint32_t events, pv_os_source_fn *callback,
                   void *user, struct pv_os_source **ret_source)
{
    struct pv_os_source *source = calloc(1, sizeof(*source));
    struct epoll_event event = {.events = epoll_bits(events), .data.ptr = source};

    if (source == NULL) {
        return -ENOMEM;
    }
    source->loop = loop;
    source->fd = fd;
    source->callback = callback;
    source->user = user;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        const int r = -errno;

        free(source);
        return r;
    }
    source->next = loop->sources;
    if (loop->sources != NULL) {
        loop->sources->previous = source;
    }
    loop->sources = source;
    *ret_source = source;
    return 0;
}

void pv_os_source_set_events(struct pv_os_source *source, uint32_t events)
{
    struct epoll_event event = {.events = epoll_bits(events), .data.ptr = source};

    /* Fails only for an fd that is no longer watched; then there is nothing to change. */
    (void)epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

void pv_os_source_remove(struct pv_os_source *source)
{
    struct pv_os_loop *loop;

    if (source == NULL) {
        return;
    }
    loop = source->loop;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    if (source->previous != NULL) {
        source->previous->next = source->next;
    } else {
        loop->sources = source->next;
    }
    if (source->next != NULL) {
        source->next->previous = source->previous;
    }
    source->removed = true;
    source->next = loop->removed;
    loop->removed = source;
}

static void on_timer(void *user, uint32_t events)
{
    struct pv_os_timer *timer = user;
    uint64_t count;

    (void)events;
    if (read(timer->fd, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
        timer->callback(timer->user);
    }
}

int pv_os_timer_create(struct pv_os_loop *loop, pv_os_timer_fn *callback, void *user,
                       struct pv_os_timer **ret_timer)
{
    struct pv_os_timer *timer = calloc(1, sizeof(*timer));
    int r;

    if (timer == NULL) {
        return -ENOMEM;
    }
    timer->callback = callback;
    timer->user = user;
    timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer->fd < 0) {
        r = -errno;
        free(timer);
        return r;
    }
    r = pv_os_loop_add(loop, timer->fd, PV_OS_LOOP_READ, on_timer, timer, &timer->source);
    if (r < 0) {
        close(timer->fd);
        free(timer);
        return r;
    }
    *ret_timer = timer;
    return 0;
}

void pv_os_timer_set(struct pv_os_timer *timer, uint64_t delay_ns)
{
    /* An all-zero value would clear the timer, so the soonest is one nanosecond. */
    const uint64_t ns = delay_ns > 0 ? delay_ns : 1;
    const struct itimerspec value = {
        .it_value = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)},
    };

    (void)timerfd_settime(timer->fd, 0, &value, NULL);
}

void pv_os_timer_clear(struct pv_os_timer *timer)
{
    const struct itimerspec value = {0};

    (void)timerfd_settime(timer->fd, 0, &value, NULL);
}

void pv_os_timer_destroy(struct pv_os_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    pv_os_source_remove(timer->source);
    close(timer->fd);
    free(timer);
}
