/* SPDX-License-Identifier: MIT */
/*
 * The vhost-user host with the fake device behind it and the test in QEMU's place, in one process:
 * what is inside the host can be looked at between two messages.
 */
#ifndef PV_TESTS_FRONT_BENCH_H
#define PV_TESTS_FRONT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/fake_device.h"
#include "support/fake_guest.h"
#include "vhost-user/host_internal.h"

#define FRONT_WINDOW_BYTES UINT64_C(65536)
#define FRONT_QUEUE_SIZE   256u
/* Where the front end says that it sees guest memory. */
#define FRONT_USER_ADDR UINT64_C(0x7f0000000000)

struct front_bench {
    struct pv_os_loop *loop;
    struct fake_device device;
    struct pv_vhost_user_host *host;
    char path[64];
    int window_fd;
    int peer;      /* our end of the front channel; -1: closed */
    int back_peer; /* our end of the back channel; -1: none */
    struct fake_guest guest;
    int kick_fds[2]; /* the front end's own; the host has duplicates */
    int call_fds[2];
    unsigned int closed_count;
    int closed_status;
    unsigned int fds_before;
};

/* A host that listens, with a window or without; nobody is connected. */
void front_open(struct front_bench *bench, bool has_window);
/* Ends what is left, and sees that nothing is. */
void front_close(struct front_bench *bench);

void front_connect(struct front_bench *bench);

/* Send a message with descriptors (borrowed), and let the host serve it. */
void front_say(struct front_bench *bench, uint32_t request, const void *payload, size_t size_bytes,
               const int *fds, size_t fd_count);
void front_say_u64(struct front_bench *bench, uint32_t request, uint64_t value);
void front_say_state(struct front_bench *bench, uint32_t request, uint32_t index, uint32_t value);

/* Send a message and take its reply. Returns bytes of its payload, -1 when none came. */
int front_ask(struct front_bench *bench, uint32_t request, const void *payload, size_t size_bytes,
              void *ret_payload, size_t max_bytes);

/* Features, memory, doorbells and addresses of both queues; nothing is enabled yet. */
void front_set_up(struct front_bench *bench);
void front_give_back_channel(struct front_bench *bench);
void front_enable(struct front_bench *bench);
/* What QEMU does at a stop: rings off, their positions asked for. Returns that of queue 0. */
uint32_t front_stop(struct front_bench *bench);
/* The positions told before a start: base for queue 0. */
void front_set_base(struct front_bench *bench, uint32_t base);

/* Take the map that the host offers and answer it. */
void front_answer_map(struct front_bench *bench, uint64_t status);
/* The same as far as the reply. */
void front_take_map(struct front_bench *bench);

/* Make a request of one word for the fake device available in queue 0; no bell rings. */
void front_publish(struct front_bench *bench, uint32_t word);
/* The ring as a driver makes it anew after a reset. */
void front_clear_queue(struct front_bench *bench);
void front_kick(struct front_bench *bench);

#endif
