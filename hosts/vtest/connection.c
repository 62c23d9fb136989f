/* SPDX-License-Identifier: MIT */
/*
 * One vtest client; see connection.h. Messages are parsed from a buffer of received bytes; a
 * request whose answer needs the worker (a blob of device memory) stops the parsing until it comes,
 * because replies carry no number and go in order.
 */
#include "vtest/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/id_table.h"
#include "os/shm.h"
#include "os/socket.h"
#include "vtest/outgoing.h"
#include "vtest/protocol.h"
#include "vtest/sync.h"

#define HEADER_BYTES 8u
#define NAME_BYTES   64u
/* Bytes asked of the socket at once. */
#define RECEIVE_BYTES 65536u

/* Counters to write when a fence retires. */
struct fence {
    struct fence *next;
    uint64_t id;
    uint32_t ring_index;
    uint32_t count;
    struct pv_vtest_sync_target targets[];
};

/* A resource that the client has been given. */
struct resource {
    struct pv_base_object object;
    bool is_shmem; /* the server holds its descriptor */
    struct resource *previous;
    struct resource *next;
};

struct pv_vtest_connection {
    struct pv_vtest_connection_options options;
    int fd;
    struct pv_os_source *source;
    struct pv_vtest_outgoing outgoing;
    struct pv_vtest_syncs *syncs;
    struct pv_gpu_context *context; /* NULL before CONTEXT_INIT */
    char name[NAME_BYTES];
    bool has_renderer;
    uint32_t version;
    uint32_t next_resource_id;
    struct pv_base_id_table *resources; /* those that exist */
    struct resource *resource_list;
    uint32_t resource_count;
    uint32_t shmem_count;
    uint64_t next_fence_id;
    struct fence *fences;
    uint32_t fence_sync_count; /* of all fences */
    bool lost;                 /* the context is gone; wait for the client to notice */
    bool blob_pending;         /* an export is under way: its answer comes before all else */
    uint32_t blob_resource_id;
    uint64_t blob_size_bytes;
    uint8_t *input; /* received, not yet parsed */
    size_t input_bytes;
    size_t input_capacity_bytes;
};

/* A message in hand: its payload as words, private to us. */
struct message {
    const uint32_t *words;
    uint32_t word_count;
};

static uint64_t word_pair(const uint32_t *words)
{
    return (uint64_t)words[0] | (uint64_t)words[1] << 32;
}

static int reply(struct pv_vtest_connection *connection, uint32_t command, const uint32_t *words,
                 uint32_t word_count, int fd)
{
    return pv_vtest_outgoing_reply(&connection->outgoing, command, words, word_count, fd);
}

/* ---- blobs ---- */

/* A new resource under connection->next_resource_id. Returns 0, -ENOSPC or -ENOMEM. */
static int resource_add(struct pv_vtest_connection *connection, bool is_shmem)
{
    struct resource *resource;
    int r;

    if (connection->resource_count >= PV_VTEST_RESOURCE_MAX
        || (is_shmem && connection->shmem_count >= PV_VTEST_SHMEM_MAX)
        || connection->next_resource_id == UINT32_MAX) {
        return -ENOSPC;
    }
    resource = calloc(1, sizeof(*resource));
    if (resource == NULL) {
        return -ENOMEM;
    }
    resource->object.id = connection->next_resource_id;
    resource->is_shmem = is_shmem;
    r = pv_base_id_table_add(connection->resources, &resource->object);
    if (r < 0) {
        free(resource);
        return r;
    }
    resource->next = connection->resource_list;
    if (resource->next != NULL) {
        resource->next->previous = resource;
    }
    connection->resource_list = resource;
    connection->next_resource_id++;
    connection->resource_count++;
    connection->shmem_count += is_shmem;
    return 0;
}

/* Returns whether there was one. */
static bool resource_remove(struct pv_vtest_connection *connection, uint32_t id)
{
    struct pv_base_object *object = pv_base_id_table_remove(connection->resources, id);
    struct resource *resource;

    if (object == NULL) {
        return false;
    }
    resource = PV_CONTAINER_OF(object, struct resource, object);
    if (resource->previous != NULL) {
        resource->previous->next = resource->next;
    } else {
        connection->resource_list = resource->next;
    }
    if (resource->next != NULL) {
        resource->next->previous = resource->previous;
    }
    connection->resource_count--;
    connection->shmem_count -= resource->is_shmem;
    free(resource);
    return true;
}

static int blob_reply(struct pv_vtest_connection *connection, uint32_t resource_id, int fd)
{
    return reply(connection, PV_VTEST_RESOURCE_CREATE_BLOB, &resource_id, 1, fd);
}

/* Shared memory for rings, replies and streams. */
static int create_shmem(struct pv_vtest_connection *connection, uint32_t resource_id,
                        uint64_t size_bytes)
{
    struct pv_gpu_memory memory = {.size_bytes = size_bytes, .is_shmem = true};
    int r = pv_os_shm_create("pearvisor-vtest", size_bytes, &memory.fd);

    if (r < 0) {
        return r;
    }
    r = connection->options.contexts->attach(connection->context, resource_id, &memory);
    if (r < 0 && r != -EIO) {
        close(memory.fd);
        return r;
    }
    return blob_reply(connection, resource_id, memory.fd);
}

/*
 * The memory is poisoned, or the context lost: the client has no way to hear of it here, so it gets
 * pages that nobody else sees and learns from what it does next.
 */
static int reply_without_memory(struct pv_vtest_connection *connection, int error)
{
    int fd;
    int r;

    pv_base_log_guest(connection->options.log, "vtest.connection", PV_BASE_LOG_WARN,
                      "client %u (%s): blob without memory: %s", connection->options.id,
                      connection->name, strerror(-error));
    r = pv_os_shm_create("pearvisor-vtest", connection->blob_size_bytes, &fd);
    return r < 0 ? r : blob_reply(connection, connection->blob_resource_id, fd);
}

static int serve_create_blob(struct pv_vtest_connection *connection, const struct message *message)
{
    const uint32_t *words = message->words;
    const uint32_t resource_id = connection->next_resource_id;
    uint64_t size_bytes;
    uint64_t blob_id;
    int r;

    if (message->word_count != 6 || connection->context == NULL
        || words[0] != PV_VTEST_BLOB_TYPE_HOST3D || (words[1] & ~PV_VTEST_BLOB_FLAGS_ALL) != 0) {
        return -EPROTO;
    }
    blob_id = word_pair(&words[4]);
    if (!pv_base_u64_align_up(word_pair(&words[2]), pv_os_page_bytes(), &size_bytes)
        || size_bytes == 0 || size_bytes > PV_VTEST_BLOB_MAX_BYTES) {
        return -EPROTO;
    }
    r = resource_add(connection, blob_id == 0);
    if (r < 0) {
        return r;
    }
    if (blob_id == 0) {
        return words[1] == PV_VTEST_BLOB_FLAG_MAPPABLE
                   ? create_shmem(connection, resource_id, size_bytes)
                   : -EPROTO;
    }
    connection->blob_pending = true;
    connection->blob_resource_id = resource_id;
    connection->blob_size_bytes = size_bytes;
    r = connection->options.contexts->export_blob(connection->context, resource_id, blob_id,
                                                  word_pair(&words[2]), words[1], resource_id);
    if (r < 0) {
        connection->blob_pending = false;
    }
    return r == -EIO ? reply_without_memory(connection, r) : r;
}

static int serve_unref(struct pv_vtest_connection *connection, const struct message *message)
{
    int r;

    if (message->word_count != 1 || connection->context == NULL) {
        return -EPROTO;
    }
    if (!resource_remove(connection, message->words[0])) {
        return 0; /* nothing to give up */
    }
    /* No reply follows; the outcome only matters for windows, which vtest has none of. */
    r = connection->options.contexts->leave(connection->context, message->words[0], 0);
    return r == -EIO ? 0 : r;
}

/* ---- counters ---- */

static int serve_sync_create(struct pv_vtest_connection *connection, const struct message *message)
{
    uint32_t id;
    int r;

    if (message->word_count != 2) {
        return -EPROTO;
    }
    r = pv_vtest_syncs_add(connection->syncs, word_pair(message->words), &id);
    return r < 0 ? r : reply(connection, PV_VTEST_SYNC_CREATE, &id, 1, -1);
}

static int serve_sync_unref(struct pv_vtest_connection *connection, const struct message *message)
{
    if (message->word_count != 1 || !pv_vtest_syncs_remove(connection->syncs, message->words[0])) {
        return -EPROTO;
    }
    return 0;
}

static int serve_sync_read(struct pv_vtest_connection *connection, const struct message *message)
{
    uint64_t value;
    uint32_t words[2];

    if (message->word_count != 1
        || !pv_vtest_syncs_read(connection->syncs, message->words[0], &value)) {
        return -EPROTO;
    }
    words[0] = (uint32_t)value;
    words[1] = (uint32_t)(value >> 32);
    return reply(connection, PV_VTEST_SYNC_READ, words, 2, -1);
}

static int serve_sync_write(struct pv_vtest_connection *connection, const struct message *message)
{
    if (message->word_count != 3
        || !pv_vtest_syncs_write(connection->syncs, message->words[0],
                                 word_pair(&message->words[1]))) {
        return -EPROTO;
    }
    return 0;
}

static int serve_sync_wait(struct pv_vtest_connection *connection, const struct message *message)
{
    struct pv_vtest_sync_target targets[PV_VTEST_WAIT_SYNCS_MAX];
    const uint32_t count = message->word_count >= 2 ? (message->word_count - 2) / 3 : 0;
    int fd;
    int r;

    if (message->word_count < 2 || message->word_count != 2 + count * 3
        || count > PV_VTEST_WAIT_SYNCS_MAX) {
        return -EPROTO;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *words = &message->words[2 + i * 3];

        targets[i] = (struct pv_vtest_sync_target){words[0], word_pair(&words[1])};
    }
    r = pv_vtest_syncs_wait(connection->syncs, (message->words[0] & PV_VTEST_WAIT_FLAG_ANY) != 0,
                            message->words[1], targets, count, &fd);
    return r < 0 ? r : reply(connection, PV_VTEST_SYNC_WAIT, NULL, 0, fd);
}

/* ---- submissions ---- */

/* The batch of a fence has retired, or never will: its counters move. */
static void fence_end(struct pv_vtest_connection *connection, struct fence **link)
{
    struct fence *fence = *link;

    *link = fence->next;
    connection->fence_sync_count -= fence->count;
    pv_vtest_syncs_write_all(connection->syncs, fence->targets, fence->count);
    free(fence);
}

static int submit_batch(struct pv_vtest_connection *connection, const struct message *message,
                        const uint32_t *batch)
{
    const uint32_t sync_count = batch[4];
    const uint32_t ring_index = batch[5];
    struct fence *fence;
    int r;

    if (batch[0] != PV_VTEST_SUBMIT_FLAG_RING_IDX || ring_index >= 64
        || !pv_base_range_is_inside(batch[1], batch[2], message->word_count)
        || !pv_base_range_is_inside(batch[3], (uint64_t)sync_count * 3, message->word_count)) {
        return -EPROTO;
    }
    if (sync_count == 0) {
        return connection->options.contexts->submit(connection->context, &message->words[batch[1]],
                                                    (size_t)batch[2] * 4, false, 0, 0);
    }
    if (sync_count > PV_VTEST_FENCE_SYNCS_MAX - connection->fence_sync_count) {
        return -ENOSPC;
    }
    fence = calloc(1, sizeof(*fence) + sizeof(fence->targets[0]) * sync_count);
    if (fence == NULL) {
        return -ENOMEM;
    }
    fence->id = connection->next_fence_id++;
    fence->ring_index = ring_index;
    fence->count = sync_count;
    for (uint32_t i = 0; i < sync_count; i++) {
        const uint32_t *words = &message->words[batch[3] + i * 3];

        fence->targets[i] = (struct pv_vtest_sync_target){words[0], word_pair(&words[1])};
    }
    fence->next = connection->fences;
    connection->fences = fence;
    connection->fence_sync_count += sync_count;
    r = connection->options.contexts->submit(connection->context, &message->words[batch[1]],
                                             (size_t)batch[2] * 4, true, ring_index, fence->id);
    if (r < 0) {
        fence_end(connection, &connection->fences);
    }
    return r;
}

/* Batches share no words: else one message would become thousands of copies of itself. */
static bool batches_fit(const struct message *message, uint32_t batch_count)
{
    uint64_t words = 1 + (uint64_t)batch_count * PV_VTEST_BATCH_WORDS;

    for (uint32_t i = 0; i < batch_count && words <= message->word_count; i++) {
        const uint32_t *batch = &message->words[1 + i * PV_VTEST_BATCH_WORDS];

        words += batch[2] + (uint64_t)batch[4] * 3;
    }
    return words <= message->word_count;
}

static int serve_submit(struct pv_vtest_connection *connection, const struct message *message)
{
    const uint32_t batch_count = message->word_count > 0 ? message->words[0] : 0;

    if (connection->context == NULL || message->word_count == 0
        || batch_count > (message->word_count - 1) / PV_VTEST_BATCH_WORDS
        || !batches_fit(message, batch_count)) {
        return -EPROTO;
    }
    for (uint32_t i = 0; i < batch_count; i++) {
        const int r =
            submit_batch(connection, message, &message->words[1 + i * PV_VTEST_BATCH_WORDS]);

        if (r < 0 && r != -EIO) {
            return r;
        }
    }
    return 0;
}

/* ---- events of the context ---- */

static void connection_end(struct pv_vtest_connection *connection, int error, const char *why)
{
    pv_base_log_guest(connection->options.log, "vtest.connection",
                      error == 0 ? PV_BASE_LOG_INFO : PV_BASE_LOG_WARN, "client %u (%s): %s%s%s",
                      connection->options.id, connection->name, why, error != 0 ? ": " : "",
                      error != 0 ? strerror(-error) : "");
    connection->options.closed(connection->options.user, connection);
}

static void on_fence_retired(void *user, uint32_t ring_index, uint64_t fence_id)
{
    struct pv_vtest_connection *connection = user;

    for (struct fence **link = &connection->fences; *link != NULL; link = &(*link)->next) {
        if ((*link)->id == fence_id && (*link)->ring_index == ring_index) {
            fence_end(connection, link);
            return;
        }
    }
}

static void parse_input(struct pv_vtest_connection *connection);

static void on_done(void *user, uint64_t cookie, int status, const struct pv_gpu_exported *exported)
{
    struct pv_vtest_connection *connection = user;
    int fd = exported != NULL ? exported->fd : -1;
    int r;

    if (!connection->blob_pending || cookie != connection->blob_resource_id) {
        pv_os_fds_close(&fd, 1);
        return;
    }
    connection->blob_pending = false;
    r = fd < 0 ? reply_without_memory(connection, status)
               : blob_reply(connection, connection->blob_resource_id, fd);
    if (r < 0) {
        connection_end(connection, r, "no answer could be given");
        return;
    }
    parse_input(connection);
}

static void on_lost(void *user, const char *reason)
{
    struct pv_vtest_connection *connection = user;

    (void)reason; /* logged by whoever lost it */
    connection->lost = true;
}

static const struct pv_gpu_context_events context_events = {
    .fence_retired = on_fence_retired,
    .done = on_done,
    .lost = on_lost,
};

/* ---- start-up ---- */

static int serve_create_renderer(struct pv_vtest_connection *connection, const uint8_t *bytes,
                                 size_t size_bytes)
{
    const size_t copied = size_bytes < NAME_BYTES - 1 ? size_bytes : NAME_BYTES - 1;

    if (connection->has_renderer || size_bytes == 0) {
        return -EPROTO;
    }
    memcpy(connection->name, bytes, copied);
    for (size_t i = 0; i < copied && connection->name[i] != '\0'; i++) {
        if (connection->name[i] < ' ' || connection->name[i] > '~') {
            connection->name[i] = '?';
        }
    }
    connection->has_renderer = true;
    return 0;
}

static int serve_context_init(struct pv_vtest_connection *connection, const struct message *message)
{
    if (message->word_count != 1 || message->words[0] != PV_VTEST_CAPSET_VENUS
        || connection->context != NULL) {
        return -EPROTO;
    }
    return connection->options.contexts->create(connection->options.backend, connection->options.id,
                                                PV_VTEST_CAPSET_VENUS, connection->name,
                                                &context_events, connection, &connection->context);
}

static int serve_get_param(struct pv_vtest_connection *connection, const struct message *message)
{
    const bool known =
        message->word_count == 1 && message->words[0] == PV_VTEST_PARAM_MAX_TIMELINE_COUNT;
    const uint32_t words[2] = {known, known ? 64 : 0};

    return message->word_count != 1 ? -EPROTO : reply(connection, PV_VTEST_GET_PARAM, words, 2, -1);
}

static int serve_get_capset(struct pv_vtest_connection *connection, const struct message *message)
{
    uint32_t words[1 + 64] = {0};
    uint32_t count = 1;

    if (message->word_count != 2 || connection->options.capset_words > 64) {
        return -EPROTO;
    }
    if (message->words[0] == PV_VTEST_CAPSET_VENUS && message->words[1] == 0) {
        words[0] = 1;
        memcpy(&words[1], connection->options.capset,
               sizeof(uint32_t) * connection->options.capset_words);
        count += connection->options.capset_words;
    }
    return reply(connection, PV_VTEST_GET_CAPSET, words, count, -1);
}

static int serve_protocol_version(struct pv_vtest_connection *connection,
                                  const struct message *message)
{
    if (message->word_count != 1) {
        return -EPROTO;
    }
    connection->version = message->words[0] < PV_VTEST_PROTOCOL_VERSION ? message->words[0]
                                                                        : PV_VTEST_PROTOCOL_VERSION;
    return reply(connection, PV_VTEST_PROTOCOL_VERSION_EXCHANGE, &connection->version, 1, -1);
}

static int serve_busy_wait(struct pv_vtest_connection *connection, const struct message *message)
{
    const uint32_t busy = 0;

    return message->word_count != 2 ? -EPROTO
                                    : reply(connection, PV_VTEST_RESOURCE_BUSY_WAIT, &busy, 1, -1);
}

static int serve(struct pv_vtest_connection *connection, uint32_t command,
                 const struct message *message)
{
    if (!connection->has_renderer
        || (command >= PV_VTEST_GET_PARAM && connection->version < PV_VTEST_PROTOCOL_VERSION)) {
        return -EPROTO;
    }
    switch (command) {
    case PV_VTEST_RESOURCE_UNREF:
        return serve_unref(connection, message);
    case PV_VTEST_RESOURCE_BUSY_WAIT:
        return serve_busy_wait(connection, message);
    case PV_VTEST_PING_PROTOCOL_VERSION:
        return reply(connection, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0, -1);
    case PV_VTEST_PROTOCOL_VERSION_EXCHANGE:
        return serve_protocol_version(connection, message);
    case PV_VTEST_GET_PARAM:
        return serve_get_param(connection, message);
    case PV_VTEST_GET_CAPSET:
        return serve_get_capset(connection, message);
    case PV_VTEST_CONTEXT_INIT:
        return serve_context_init(connection, message);
    case PV_VTEST_RESOURCE_CREATE_BLOB:
        return serve_create_blob(connection, message);
    case PV_VTEST_SYNC_CREATE:
        return serve_sync_create(connection, message);
    case PV_VTEST_SYNC_UNREF:
        return serve_sync_unref(connection, message);
    case PV_VTEST_SYNC_READ:
        return serve_sync_read(connection, message);
    case PV_VTEST_SYNC_WRITE:
        return serve_sync_write(connection, message);
    case PV_VTEST_SYNC_WAIT:
        return serve_sync_wait(connection, message);
    case PV_VTEST_SUBMIT_CMD2:
        return serve_submit(connection, message);
    default:
        return -EPROTO;
    }
}

/* ---- framing ---- */

/* Bytes of the payload that a header announces, or SIZE_MAX when it is too long. */
static size_t payload_bytes(const uint32_t *header)
{
    const uint64_t unit = header[1] == PV_VTEST_CREATE_RENDERER ? 1 : 4;
    const uint64_t size_bytes = header[0] * unit;

    return size_bytes > PV_VTEST_MESSAGE_MAX_BYTES ? SIZE_MAX : (size_t)size_bytes;
}

/* Serve the first complete message of the input. 1: served, 0: not complete, or -errno. */
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
        r = serve_create_renderer(connection, bytes + HEADER_BYTES, size_bytes);
        return r < 0 ? r : 1;
    }
    /* Aligned copy: a name of odd length may have shifted everything behind it. */
    words = malloc(size_bytes + sizeof(*words));
    if (words == NULL) {
        return -ENOMEM;
    }
    memcpy(words, bytes + HEADER_BYTES, size_bytes);
    r = serve(connection, header[1], &(struct message){words, header[0]});
    free(words);
    return r < 0 ? r : 1;
}

/* Replies go in order, and a client that does not fetch them gets no more of them made. */
static bool is_held_up(const struct pv_vtest_connection *connection)
{
    return connection->blob_pending || pv_vtest_outgoing_is_waiting(&connection->outgoing);
}

static void parse_input(struct pv_vtest_connection *connection)
{
    size_t position = 0;
    int r = 1;

    while (r == 1 && !is_held_up(connection)) {
        r = parse_one(connection, &position);
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
        r = pv_os_loop_add(options->loop, fd, PV_OS_LOOP_READ, on_socket, connection,
                           &connection->source);
    }
    if (r < 0) {
        pv_base_id_table_destroy(connection->resources);
        pv_vtest_syncs_destroy(connection->syncs);
        free(connection);
        return r;
    }
    connection->fd = fd;
    *ret_connection = connection;
    return 0;
}

void pv_vtest_connection_destroy(struct pv_vtest_connection *connection)
{
    if (connection == NULL) {
        return;
    }
    pv_os_source_remove(connection->source);
    if (connection->context != NULL) {
        connection->options.contexts->destroy(connection->context);
    }
    while (connection->fences != NULL) {
        struct fence *fence = connection->fences;

        connection->fences = fence->next;
        free(fence);
    }
    while (connection->resource_list != NULL) {
        (void)resource_remove(connection, (uint32_t)connection->resource_list->object.id);
    }
    pv_base_id_table_destroy(connection->resources);
    pv_vtest_outgoing_finish(&connection->outgoing);
    pv_vtest_syncs_destroy(connection->syncs);
    close(connection->fd);
    free(connection->input);
    free(connection);
}
