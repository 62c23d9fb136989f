/* SPDX-License-Identifier: MIT */
/*
 * One vtest connection on the fake runner of contexts, with the test in the client's place.
 */
#ifndef PV_TESTS_CLIENT_BENCH_H
#define PV_TESTS_CLIENT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/fake_context.h"
#include "vtest/connection_internal.h"
#include "vtest/protocol.h"

#define CLIENT_CAPSET_WORDS 40u

struct client_bench {
    struct pv_os_loop *loop;
    struct fake_contexts contexts;
    uint32_t capset[CLIENT_CAPSET_WORDS];
    struct pv_vtest_connection *connection; /* NULL once it has closed */
    int peer;                               /* the client's end; -1: closed */
    unsigned int closed_count;
    unsigned int fds_before;
};

struct client_reply {
    uint32_t command;
    uint32_t word_count;
    uint32_t words[256];
};

/* A connection that has heard nothing yet. */
void client_open(struct client_bench *bench);
/* Ends what is left, and sees that no descriptor is. */
void client_close(struct client_bench *bench);
/* Name, version and CONTEXT_INIT, as Mesa begins. */
void client_begin(struct client_bench *bench);

/* For cmocka: *state is a bench that has been opened, or begun too. Teardown is for both. */
int client_setup_open(void **state);
int client_setup_begun(void **state);
int client_teardown(void **state);

/* Send raw bytes, and let the connection serve them. */
void client_say_bytes(struct client_bench *bench, const void *bytes, size_t size_bytes);
/* One message: header and words. */
void client_say(struct client_bench *bench, uint32_t command, const uint32_t *words,
                uint32_t word_count);
/* RESOURCE_CREATE_BLOB. */
void client_say_blob(struct client_bench *bench, uint32_t flags, uint64_t size_bytes,
                     uint64_t blob_id);

/* Take the next reply. Returns false when there is none. */
bool client_receive(struct client_bench *bench, struct client_reply *ret_reply);
/* Take the descriptor behind a reply. */
int client_receive_fd(struct client_bench *bench);
/* A counter with that value; its id. */
uint32_t client_create_sync(struct client_bench *bench, uint64_t value);
uint64_t client_read_sync(struct client_bench *bench, uint32_t id);

void client_hang_up(struct client_bench *bench);

#endif
