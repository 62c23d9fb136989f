/* SPDX-License-Identifier: MIT */
/*
 * Listening and the list of clients; see server.h.
 */
#include "vtest/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    struct pv_os_source *source;
    struct pv_os_timer *pause; /* accepting again, after there were no descriptors */
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

/* How long nobody is accepted when there are no descriptors. */
#define PAUSE_NS UINT64_C(100000000)

static void on_pause_over(void *user)
{
    struct pv_vtest_server *server = user;

    pv_os_source_set_events(server->source, PV_OS_LOOP_READ);
}

static void on_listen(void *user, uint32_t events)
{
    struct pv_vtest_server *server = user;
    int fd;
    int r = pv_os_socket_accept(server->fd, &fd);

    (void)events;
    if (r == 0) {
        r = add_client(server, fd);
        if (r < 0) {
            close(fd);
        }
    }
    if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS) {
        /* The client stays in the queue, so the socket stays readable: look again later. */
        pv_os_source_set_events(server->source, 0);
        pv_os_timer_set(server->pause, PAUSE_NS);
    }
    if (r < 0 && r != -EAGAIN && r != -ECONNABORTED) {
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
        r = pv_os_fd_set_nonblocking(server->fd, true);
    }
    if (r == 0) {
        r = pv_os_timer_create(options->loop, on_pause_over, server, &server->pause);
    }
    if (r == 0) {
        r = pv_os_loop_add(options->loop, server->fd, PV_OS_LOOP_READ, on_listen, server,
                           &server->source);
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
    pv_os_source_remove(server->source);
    pv_os_timer_destroy(server->pause);
    if (server->fd >= 0) {
        (void)unlink(server->path);
        close(server->fd);
    }
    free(server->path);
    free(server);
}
