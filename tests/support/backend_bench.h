/* SPDX-License-Identifier: MIT */
/*
 * The device's half of the message boundary with one context, and the test in its worker's place:
 * the worker is no process but the other end of its socket.
 */
#ifndef PV_TESTS_BACKEND_BENCH_H
#define PV_TESTS_BACKEND_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/loop.h"
#include "render/context.h"

#define DONE_MAX 8192

struct backend_bench {
    struct pv_os_loop *loop;
    struct pv_render_backend *backend;
    struct pv_gpu_context *context;
    int worker_fd; /* the fake worker's end; -1: closed */
    unsigned done_count;
    struct {
        uint64_t cookie;
        int status;
        int fd;
        uint64_t size_bytes;
    } done[DONE_MAX];
    unsigned fence_count;
    uint64_t last_fence;
    unsigned lost_count;
    char reason[256];
    bool destroys; /* the next event destroys the context */
};

/* One per program: cases run one after the other, each with a bench of its own in it. */
extern struct backend_bench bench;
extern const struct pv_gpu_context_events backend_events;

/* A backend with one context, which has sent its INIT. deadline_ns: as in the options. */
void backend_start(uint64_t deadline_ns);
/* The same with a real process as the worker: it is started with the number of its socket. */
void backend_start_program(const char *renderer);
/* For cmocka. */
int backend_setup(void **state);
int backend_teardown(void **state);

/* Serve until the context is lost; the reason must be fit to be printed. */
void backend_until_lost(void);
/* Serve until that many requests have been answered. */
void backend_until_done(unsigned count);

/* Requests of the device. */
void ask_leave(uint64_t cookie);
void ask_export(uint64_t cookie);
/* After a loss: each of them is refused, and nothing arrives any more. */
void backend_assert_refuses_all(void);

/* What the worker says; descriptors are borrowed. */
void worker_say_with(const void *message, size_t size_bytes, const int *fds, size_t fd_count);
void worker_say(const void *message, size_t size_bytes);
void worker_say_done(uint64_t cookie, int status, uint64_t size_bytes, int fd);
void worker_say_ring(uint32_t resource_id, uint64_t offset_bytes, bool present);
/* It ends. */
void worker_close(void);

#endif
