/* SPDX-License-Identifier: MIT */
/*
 * Listening and the list of clients; see server.h.
 */
#include "vtest/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/listener.h"
#include "os/socket.h"
#include "vtest/connection.h"

struct client {
    struct client *next;
    struct pv_vtest_connection *connection;
};

struct pv_vtest_server {
    struct pv_vtest_server_options options;
    char *path;
    int fd;
    struct pv_os_listener *listener;
    struct client *clients;
    uint32_t client_count;
    uint32_t next_id;
};

static void on_closed(void *user, struct pv_vtest_connection *connection)
{
    struct pv_vtest_server *server = user;

    for (struct client **link = &server->clients; *link != NULL; link = &(*link)->next) {
        struct client *client = *link;

        if (client->connection == connection) {
            *link = client->next;
            free(client);
            server->client_count--;
            break;
        }
    }
    pv_vtest_connection_destroy(connection);
}

static int add_client(struct pv_vtest_server *server, int fd)
{
    const struct pv_vtest_connection_options options = {
        .loop = server->options.loop,
        .log = server->options.log,
        .contexts = server->options.contexts,
        .backend = server->options.backend,
        .capset = server->options.capset,
        .capset_words = server->options.capset_words,
        .id = server->next_id++,
        .closed = on_closed,
        .user = server,
    };
    struct client *client = calloc(1, sizeof(*client));
    int r = client != NULL ? 0 : -ENOMEM;

    if (r == 0 && server->client_count >= PV_VTEST_CLIENT_MAX) {
        r = -ENOSPC;
    }
    if (r == 0) {
        r = pv_vtest_connection_create(&options, fd, &client->connection);
    }
    if (r < 0) {
        free(client);
        return r;
    }
    client->next = server->clients;
    server->clients = client;
    server->client_count++;
    return 0;
}

static void on_client(void *user, int fd)
{
    struct pv_vtest_server *server = user;
    const int r = add_client(server, fd);

    if (r < 0) {
        close(fd);
        pv_base_log_guest(server->options.log, "vtest.server", PV_BASE_LOG_WARN,
                          "a client was turned away: %s", strerror(-r));
    }
}

int pv_vtest_server_create(const struct pv_vtest_server_options *options,
                           struct pv_vtest_server **ret_server)
{
    struct pv_vtest_server *server;
    int r;

    if (options->size_bytes != sizeof(*options)) {
        return -EINVAL;
    }
    server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return -ENOMEM;
    }
    server->options = *options;
    server->fd = -1;
    server->next_id = 1;
    server->path = strdup(options->path);
    r = server->path != NULL ? pv_os_socket_listen(options->path, &server->fd) : -ENOMEM;
    if (r == 0) {
        r = pv_os_listener_create(options->loop, server->fd, options->log, "vtest.server",
                                  on_client, server, &server->listener);
    }
    if (r < 0) {
        pv_vtest_server_destroy(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

size_t pv_vtest_server_get_figures(const struct pv_vtest_server *server,
                                   struct pv_vtest_figures *ret_figures, size_t max)
{
    size_t count = 0;

    for (const struct client *client = server->clients; client != NULL && count < max;
         client = client->next) {
        pv_vtest_connection_get_figures(client->connection, &ret_figures[count++]);
    }
    return count;
}

void pv_vtest_server_destroy(struct pv_vtest_server *server)
{
    if (server == NULL) {
        return;
    }
    while (server->clients != NULL) {
        on_closed(server, server->clients->connection);
    }
    pv_os_listener_destroy(server->listener);
    if (server->fd >= 0) {
        (void)unlink(server->path);
        close(server->fd);
    }
    free(server->path);
    free(server);
}
