/* SPDX-License-Identifier: MIT */
/*
 * Commands of a vtest client; see commands.h. Those with a file of their own: resources.c and
 * submit.c.
 */
#include "vtest/commands.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "vtest/protocol.h"
#include "vtest/resources.h"
#include "vtest/submit.h"

/* ---- start-up ---- */

int pv_vtest_command_create_renderer(struct pv_vtest_connection *connection, const uint8_t *bytes,
                                     size_t size_bytes)
{
    if (connection->has_renderer || size_bytes == 0) {
        return -EPROTO;
    }
    pv_base_text_copy(connection->name, sizeof(connection->name), (const char *)bytes, size_bytes);
    connection->has_renderer = true;
    return 0;
}

static int serve_context_init(struct pv_vtest_connection *connection,
                              const struct pv_vtest_message *message)
{
    if (message->word_count != 1 || message->words[0] != PV_VTEST_CAPSET_VENUS
        || connection->context != NULL) {
        return -EPROTO;
    }
    return connection->options.contexts->create(
        connection->options.backend, connection->options.id, PV_VTEST_CAPSET_VENUS,
        connection->name, &pv_vtest_connection_events, connection, &connection->context);
}

static int serve_get_param(struct pv_vtest_connection *connection,
                           const struct pv_vtest_message *message)
{
    const bool known =
        message->word_count == 1 && message->words[0] == PV_VTEST_PARAM_MAX_TIMELINE_COUNT;
    const uint32_t words[2] = {known, known ? 64 : 0};

    return message->word_count != 1
               ? -EPROTO
               : pv_vtest_connection_reply(connection, PV_VTEST_GET_PARAM, words, 2, -1);
}

static int serve_get_capset(struct pv_vtest_connection *connection,
                            const struct pv_vtest_message *message)
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
    return pv_vtest_connection_reply(connection, PV_VTEST_GET_CAPSET, words, count, -1);
}

static int serve_protocol_version(struct pv_vtest_connection *connection,
                                  const struct pv_vtest_message *message)
{
    if (message->word_count != 1) {
        return -EPROTO;
    }
    connection->version = message->words[0] < PV_VTEST_PROTOCOL_VERSION ? message->words[0]
                                                                        : PV_VTEST_PROTOCOL_VERSION;
    return pv_vtest_connection_reply(connection, PV_VTEST_PROTOCOL_VERSION_EXCHANGE,
                                     &connection->version, 1, -1);
}

static int serve_busy_wait(struct pv_vtest_connection *connection,
                           const struct pv_vtest_message *message)
{
    const uint32_t busy = 0;

    return message->word_count != 2
               ? -EPROTO
               : pv_vtest_connection_reply(connection, PV_VTEST_RESOURCE_BUSY_WAIT, &busy, 1, -1);
}

/* ---- counters ---- */

static int serve_sync_create(struct pv_vtest_connection *connection,
                             const struct pv_vtest_message *message)
{
    uint32_t id;
    int r;

    if (message->word_count != 2) {
        return -EPROTO;
    }
    r = pv_vtest_syncs_add(connection->syncs, pv_vtest_message_pair(message->words), &id);
    return r < 0 ? r : pv_vtest_connection_reply(connection, PV_VTEST_SYNC_CREATE, &id, 1, -1);
}

static int serve_sync_unref(struct pv_vtest_connection *connection,
                            const struct pv_vtest_message *message)
{
    if (message->word_count != 1 || !pv_vtest_syncs_remove(connection->syncs, message->words[0])) {
        return -EPROTO;
    }
    return 0;
}

static int serve_sync_read(struct pv_vtest_connection *connection,
                           const struct pv_vtest_message *message)
{
    uint64_t value;
    uint32_t words[2];

    if (message->word_count != 1
        || !pv_vtest_syncs_read(connection->syncs, message->words[0], &value)) {
        return -EPROTO;
    }
    words[0] = (uint32_t)value;
    words[1] = (uint32_t)(value >> 32);
    return pv_vtest_connection_reply(connection, PV_VTEST_SYNC_READ, words, 2, -1);
}

static int serve_sync_write(struct pv_vtest_connection *connection,
                            const struct pv_vtest_message *message)
{
    if (message->word_count != 3
        || !pv_vtest_syncs_write(connection->syncs, message->words[0],
                                 pv_vtest_message_pair(&message->words[1]))) {
        return -EPROTO;
    }
    return 0;
}

static int serve_sync_wait(struct pv_vtest_connection *connection,
                           const struct pv_vtest_message *message)
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

        targets[i] = (struct pv_vtest_sync_target){words[0], pv_vtest_message_pair(&words[1])};
    }
    r = pv_vtest_syncs_wait(connection->syncs, (message->words[0] & PV_VTEST_WAIT_FLAG_ANY) != 0,
                            message->words[1], targets, count, &fd);
    return r < 0 ? r : pv_vtest_connection_reply(connection, PV_VTEST_SYNC_WAIT, NULL, 0, fd);
}

/* ---- which is which ---- */

int pv_vtest_command_serve(struct pv_vtest_connection *connection, uint32_t command,
                           const struct pv_vtest_message *message)
{
    if (!connection->has_renderer
        || (command >= PV_VTEST_GET_PARAM && connection->version < PV_VTEST_PROTOCOL_VERSION)) {
        return -EPROTO;
    }
    switch (command) {
    case PV_VTEST_RESOURCE_UNREF:
        return pv_vtest_resource_serve_unref(connection, message);
    case PV_VTEST_RESOURCE_BUSY_WAIT:
        return serve_busy_wait(connection, message);
    case PV_VTEST_PING_PROTOCOL_VERSION:
        return pv_vtest_connection_reply(connection, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0, -1);
    case PV_VTEST_PROTOCOL_VERSION_EXCHANGE:
        return serve_protocol_version(connection, message);
    case PV_VTEST_GET_PARAM:
        return serve_get_param(connection, message);
    case PV_VTEST_GET_CAPSET:
        return serve_get_capset(connection, message);
    case PV_VTEST_CONTEXT_INIT:
        return serve_context_init(connection, message);
    case PV_VTEST_RESOURCE_CREATE_BLOB:
        return pv_vtest_resource_serve_create_blob(connection, message);
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
        return pv_vtest_submit_serve(connection, message);
    default:
        return -EPROTO;
    }
}
