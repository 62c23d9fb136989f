/* SPDX-License-Identifier: MIT */
/*
 * One vtest client; see connection.h. Messages are parsed from a buffer of received bytes; a
 * request whose answer needs the worker (a blob of device memory) stops the parsing until it comes,
 * because replies carry no number and go in order. What messages mean is in commands.c.
 */
#include "vtest/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/socket.h"
#include "vtest/commands.h"
#include "vtest/connection_internal.h"
#include "vtest/protocol.h"
#include "vtest/resources.h"
#include "vtest/submit.h"

#define HEADER_BYTES 8u
/* Bytes asked of the socket at once. */
#define RECEIVE_BYTES 65536u
/* Counters of waits looked at for one client in one turn of the loop: some milliseconds. One look
 * more may be under way, of PV_VTEST_WAIT_SYNCS_TOTAL_MAX. */
#define TURN_WORK_MAX 65536u
/* When a worker that has not come to its long streams is asked again: after the first of these,
 * each time after twice as long, up to the second. (Each time the message is copied anew.) */
#define THROTTLE_MIN_NS UINT64_C(1000000)
#define THROTTLE_MAX_NS UINT64_C(64000000)

static void connection_end(struct pv_vtest_connection *connection, int error, const char *why)
{
    pv_base_log_guest(connection->options.log, "vtest.connection",
                      error == 0 ? PV_BASE_LOG_INFO : PV_BASE_LOG_WARN, "client %u (%s): %s%s%s",
                      connection->options.id, connection->name, why, error != 0 ? ": " : "",
                      error != 0 ? strerror(-error) : "");
    connection->options.closed(connection->options.user, connection);
}

/* ---- framing ---- */

/* Bytes of the payload that a header announces, or SIZE_MAX when it is too long. */
static size_t payload_bytes(const uint32_t *header)
{
    const uint64_t unit = header[1] == PV_VTEST_CREATE_RENDERER ? 1 : 4;
    const uint64_t size_bytes = header[0] * unit;

    return size_bytes > PV_VTEST_MESSAGE_MAX_BYTES ? SIZE_MAX : (size_t)size_bytes;
}

/* Leave what has arrived for a later turn of the loop. */
static void throttle(struct pv_vtest_connection *connection, uint64_t delay_ns)
{
    pv_vtest_syncs_look(connection->syncs); /* `later` is the timer for that, too */
    connection->is_throttled = true;
    pv_os_timer_set(connection->later, delay_ns);
}

/* Serve the first complete message of the input. 1: served, 0: not complete or not yet, or -errno.
 */
static int parse_one(struct pv_vtest_connection *connection, size_t *position)
{
    const uint8_t *bytes = connection->input + *position;
    const size_t left_bytes = connection->input_bytes - *position;
    uint32_t header[2];
    size_t size_bytes;
    uint32_t *words;
    int r;

    if (left_bytes < HEADER_BYTES) {
        return 0;
    }
    memcpy(header, bytes, sizeof(header));
    size_bytes = payload_bytes(header);
    if (size_bytes == SIZE_MAX) {
        return -EMSGSIZE;
    }
    if (left_bytes - HEADER_BYTES < size_bytes) {
        return 0;
    }
    *position += HEADER_BYTES + size_bytes;
    if (header[1] == PV_VTEST_CREATE_RENDERER) {
        r = pv_vtest_command_create_renderer(connection, bytes + HEADER_BYTES, size_bytes);
        return r < 0 ? r : 1;
    }
    /* Aligned copy: a name of odd length may have shifted everything behind it. */
    words = malloc(size_bytes + sizeof(*words));
    if (words == NULL) {
        return -ENOMEM;
    }
    memcpy(words, bytes + HEADER_BYTES, size_bytes);
    r = pv_vtest_command_serve(connection, header[1], &(struct pv_vtest_message){words, header[0]});
    free(words);
    if (r == -EAGAIN && header[1] == PV_VTEST_SUBMIT_CMD2) {
        /* The worker has enough to do: the message stays, and the client's socket fills up. */
        *position -= HEADER_BYTES + size_bytes;
        connection->throttle_ns = connection->throttle_ns == 0 ? THROTTLE_MIN_NS
                                  : connection->throttle_ns < THROTTLE_MAX_NS
                                      ? 2 * connection->throttle_ns
                                      : THROTTLE_MAX_NS;
        throttle(connection, connection->throttle_ns);
        return 0;
    }
    connection->throttle_ns = 0;
    return r < 0 ? r : 1;
}

/* Replies go in order, and a client that does not fetch them gets no more of them made. */
static bool is_held_up(const struct pv_vtest_connection *connection)
{
    return connection->blob_pending || connection->is_throttled
           || pv_vtest_outgoing_is_waiting(&connection->outgoing);
}

static void parse_input(struct pv_vtest_connection *connection)
{
    size_t position = 0;
    size_t work = 0;
    int r = 1;

    while (r == 1 && !is_held_up(connection)) {
        r = parse_one(connection, &position);
        work += pv_vtest_syncs_take_work(connection->syncs);
        if (work > TURN_WORK_MAX) {
            throttle(connection, 0); /* others first */
        }
    }
    memmove(connection->input, connection->input + position, connection->input_bytes - position);
    connection->input_bytes -= position;
    if (r < 0) {
        connection_end(connection, r, "disconnected, bad or impossible request");
        return;
    }
    pv_os_source_set_events(
        connection->source,
        (is_held_up(connection) ? 0 : PV_OS_LOOP_READ)
            | (pv_vtest_outgoing_is_waiting(&connection->outgoing) ? PV_OS_LOOP_WRITE : 0));
}

static void on_later(void *user)
{
    struct pv_vtest_connection *connection = user;

    pv_vtest_syncs_look(connection->syncs);
    if (connection->is_throttled) {
        connection->is_throttled = false;
        parse_input(connection);
    }
}

/* ---- events of the context ---- */

static void on_fence_retired(void *user, uint32_t ring_index, uint64_t fence_id)
{
    pv_vtest_submit_fence_retired(user, ring_index, fence_id);
}

static void on_done(void *user, uint64_t cookie, int status, const struct pv_gpu_exported *exported)
{
    struct pv_vtest_connection *connection = user;
    const int r = pv_vtest_resource_done(connection, cookie, status, exported);

    if (r < 0) {
        connection_end(connection, r, "no answer could be given");
    } else if (r == 1) {
        parse_input(connection);
    }
}

static void on_lost(void *user, const char *reason)
{
    struct pv_vtest_connection *connection = user;

    (void)reason; /* logged by whoever lost it */
    connection->lost = true;
}

const struct pv_gpu_context_events pv_vtest_connection_events = {
    .fence_retired = on_fence_retired,
    .done = on_done,
    .lost = on_lost,
};

/* ---- the socket ---- */

static int receive(struct pv_vtest_connection *connection)
{
    int fds[1];
    size_t fd_count;
    ssize_t received;

    if (connection->input_capacity_bytes - connection->input_bytes < RECEIVE_BYTES) {
        const size_t capacity = connection->input_capacity_bytes + RECEIVE_BYTES;
        uint8_t *grown;

        if (capacity > PV_VTEST_MESSAGE_MAX_BYTES + 2 * RECEIVE_BYTES) {
            return -EMSGSIZE;
        }
        grown = realloc(connection->input, capacity);
        if (grown == NULL) {
            return -ENOMEM;
        }
        connection->input = grown;
        connection->input_capacity_bytes = capacity;
    }
    received = pv_os_socket_receive(connection->fd, connection->input + connection->input_bytes,
                                    RECEIVE_BYTES, fds, 0, &fd_count);
    if (received == -EAGAIN) {
        return 0;
    }
    if (received <= 0) {
        return received == 0 ? -ECONNRESET : (int)received;
    }
    connection->input_bytes += (size_t)received;
    return 0;
}

static void on_socket(void *user, uint32_t events)
{
    struct pv_vtest_connection *connection = user;
    int r;

    if (connection->lost && (events & (PV_OS_LOOP_READ | PV_OS_LOOP_HUP)) != 0) {
        connection_end(connection, 0, "closed after its context was lost");
        return;
    }
    if ((events & PV_OS_LOOP_WRITE) != 0 && pv_vtest_outgoing_flush(&connection->outgoing) < 0) {
        connection_end(connection, 0, "has gone");
        return;
    }
    if (is_held_up(connection)) {
        if ((events & PV_OS_LOOP_HUP) != 0) {
            connection_end(connection, 0, "has gone");
        }
        return;
    }
    r = (events & (PV_OS_LOOP_READ | PV_OS_LOOP_HUP)) != 0 ? receive(connection) : 0;
    if (r < 0) {
        connection_end(connection, r == -ECONNRESET || r == -EPIPE ? 0 : r, "has gone");
        return;
    }
    parse_input(connection);
}

int pv_vtest_connection_create(const struct pv_vtest_connection_options *options, int fd,
                               struct pv_vtest_connection **ret_connection)
{
    struct pv_vtest_connection *connection = calloc(1, sizeof(*connection));
    int r;

    if (connection == NULL) {
        return -ENOMEM;
    }
    connection->options = *options;
    connection->next_resource_id = 1;
    connection->next_fence_id = 1;
    pv_vtest_outgoing_init(&connection->outgoing, fd);
    r = pv_vtest_syncs_create(&connection->syncs);
    if (r == 0) {
        r = pv_base_id_table_create(&connection->resources);
    }
    if (r == 0) {
        r = pv_os_timer_create(options->loop, on_later, connection, &connection->later);
    }
    if (r == 0) {
        r = pv_os_loop_add(options->loop, fd, PV_OS_LOOP_READ, on_socket, connection,
                           &connection->source);
    }
    if (r < 0) {
        pv_os_timer_destroy(connection->later);
        pv_base_id_table_destroy(connection->resources);
        pv_vtest_syncs_destroy(connection->syncs);
        free(connection);
        return r;
    }
    connection->fd = fd;
    *ret_connection = connection;
    return 0;
}

void pv_vtest_connection_get_figures(const struct pv_vtest_connection *connection,
                                     struct pv_vtest_figures *ret_figures)
{
    *ret_figures = (struct pv_vtest_figures){
        .id = connection->options.id,
        .name = connection->name,
        .has_context = connection->context != NULL,
        .lost = connection->lost,
    };
    if (connection->context != NULL && connection->options.contexts->get_usage != NULL) {
        connection->options.contexts->get_usage(connection->context, &ret_figures->usage);
    }
}

void pv_vtest_connection_destroy(struct pv_vtest_connection *connection)
{
    if (connection == NULL) {
        return;
    }
    pv_os_source_remove(connection->source);
    pv_os_timer_destroy(connection->later);
    if (connection->context != NULL) {
        connection->options.contexts->destroy(connection->context);
    }
    pv_vtest_submit_finish(connection);
    pv_vtest_resources_finish(connection);
    pv_vtest_outgoing_finish(&connection->outgoing);
    pv_vtest_syncs_destroy(connection->syncs);
    close(connection->fd);
    free(connection->input);
    free(connection);
}
