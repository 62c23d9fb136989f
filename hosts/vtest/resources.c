/* SPDX-License-Identifier: MIT */
/*
 * Resources of a vtest client; see resources.h.
 */
#include "vtest/resources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "os/shm.h"
#include "os/socket.h"
#include "vtest/protocol.h"

/* A resource that the client has been given. */
struct pv_vtest_resource {
    struct pv_base_object object;
    bool is_shmem; /* the server holds its descriptor */
    struct pv_vtest_resource *previous;
    struct pv_vtest_resource *next;
};

/* A new resource under connection->next_resource_id. Returns 0, -ENOSPC or -ENOMEM. */
static int resource_add(struct pv_vtest_connection *connection, bool is_shmem)
{
    struct pv_vtest_resource *resource;
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
    struct pv_vtest_resource *resource;

    if (object == NULL) {
        return false;
    }
    resource = PV_CONTAINER_OF(object, struct pv_vtest_resource, object);
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
    return pv_vtest_connection_reply(connection, PV_VTEST_RESOURCE_CREATE_BLOB, &resource_id, 1,
                                     fd);
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

int pv_vtest_resource_serve_create_blob(struct pv_vtest_connection *connection,
                                        const struct pv_vtest_message *message)
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
    blob_id = pv_vtest_message_pair(&words[4]);
    if (!pv_base_u64_align_up(pv_vtest_message_pair(&words[2]), pv_os_page_bytes(), &size_bytes)
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
                                                  pv_vtest_message_pair(&words[2]), words[1],
                                                  resource_id);
    if (r < 0) {
        connection->blob_pending = false;
    }
    return r == -EIO ? reply_without_memory(connection, r) : r;
}

int pv_vtest_resource_serve_unref(struct pv_vtest_connection *connection,
                                  const struct pv_vtest_message *message)
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

int pv_vtest_resource_done(struct pv_vtest_connection *connection, uint64_t cookie, int status,
                           const struct pv_gpu_exported *exported)
{
    int fd = exported != NULL ? exported->fd : -1;
    int r;

    if (!connection->blob_pending || cookie != connection->blob_resource_id) {
        pv_os_fds_close(&fd, 1);
        return 0;
    }
    connection->blob_pending = false;
    r = fd < 0 ? reply_without_memory(connection, status)
               : blob_reply(connection, connection->blob_resource_id, fd);
    return r < 0 ? r : 1;
}

void pv_vtest_resources_finish(struct pv_vtest_connection *connection)
{
    while (connection->resource_list != NULL) {
        (void)resource_remove(connection, (uint32_t)connection->resource_list->object.id);
    }
    pv_base_id_table_destroy(connection->resources);
}
