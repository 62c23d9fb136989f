/* SPDX-License-Identifier: MIT */
/*
 * The relay's clients: what they ask, and what is sent to them.
 */
#include "vm/relay_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/socket.h"

/* More credit than this is never outstanding, so the sum cannot overflow. */
#define CREDIT_MAX_BYTES ((uint32_t)1 << 30)

static struct pv_vm_relay_command *find_by_client(struct pv_vm_relay *relay,
                                                  const struct pv_vm_relay_client *client,
                                                  uint32_t client_id)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (relay->commands[i].client == client && relay->commands[i].client_id == client_id) {
            return &relay->commands[i];
        }
    }
    return NULL;
}

static struct pv_vm_relay_command *find_free(struct pv_vm_relay *relay)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (relay->commands[i].client == NULL) {
            return &relay->commands[i];
        }
    }
    return NULL;
}

static void client_flush(struct pv_vm_relay_client *client)
{
    if (client->is_broken) {
        return;
    }
    if (pv_vm_agent_queue_flush(&client->queue, client->fd) != 0) {
        client->is_broken = true;
        return;
    }
    pv_os_source_set_events(
        client->source,
        PV_OS_LOOP_READ
            | (pv_vm_agent_queue_left_bytes(&client->queue) > 0 ? PV_OS_LOOP_WRITE : 0u));
}

/* After a frame was appended, with the result of that. */
static void client_push(struct pv_vm_relay_client *client, int r)
{
    if (r != 0) {
        client->is_broken = true;
        return;
    }
    client_flush(client);
    if (!client->is_broken
        && pv_vm_agent_queue_left_bytes(&client->queue) > PV_VM_RELAY_QUEUE_MAX_BYTES) {
        pv_base_log_guest(client->relay->options.log, PV_VM_RELAY_TOPIC, PV_BASE_LOG_WARN,
                          "a client is closed: it lets more than %zu bytes wait",
                          PV_VM_RELAY_QUEUE_MAX_BYTES);
        client->is_broken = true;
    }
}

void pv_vm_relay_client_send(struct pv_vm_relay_client *client, uint16_t kind, uint32_t id,
                             const void *payload, size_t payload_bytes)
{
    if (!client->is_broken) {
        client_push(client,
                    pv_vm_agent_queue_frame(&client->queue, kind, id, payload, payload_bytes));
    }
}

void pv_vm_relay_client_send_exit(struct pv_vm_relay_client *client, uint32_t id, uint32_t how,
                                  uint32_t value)
{
    if (!client->is_broken) {
        client_push(client,
                    pv_vm_agent_queue_u32x2(&client->queue, PV_VM_AGENT_EXIT, id, how, value));
    }
}

void pv_vm_relay_client_send_pong(struct pv_vm_relay_client *client)
{
    client->wants_pong = false;
    if (!client->is_broken) {
        client_push(client, pv_vm_agent_queue_mark(&client->queue, PV_VM_AGENT_PONG, 0));
    }
}

void pv_vm_relay_client_destroy(struct pv_vm_relay_client *client)
{
    struct pv_vm_relay *relay = client->relay;
    struct pv_vm_relay_client **link = &relay->clients;

    while (*link != NULL && *link != client) {
        link = &(*link)->next;
    }
    if (*link == client) {
        *link = client->next;
        relay->client_count--;
    }
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (relay->commands[i].client == client) {
            relay->commands[i].client = NULL;
            pv_vm_relay_port_abandon(relay, relay->commands[i].guest_id);
        }
    }
    pv_os_source_remove(client->source);
    close(client->fd);
    pv_vm_agent_reader_finish(&client->reader);
    pv_vm_agent_queue_finish(&client->queue);
    free(client);
}

void pv_vm_relay_destroy_broken_clients(struct pv_vm_relay *relay)
{
    struct pv_vm_relay_client *client = relay->clients;

    while (client != NULL) {
        struct pv_vm_relay_client *next = client->next;

        if (client->is_broken) {
            pv_vm_relay_client_destroy(client);
        }
        client = next;
    }
}

static void client_exec(struct pv_vm_relay_client *client, const struct pv_vm_agent_frame *frame)
{
    struct pv_vm_relay *relay = client->relay;
    struct pv_vm_relay_command *command;
    int r;

    if (find_by_client(relay, client, frame->id) != NULL) {
        client->is_broken = true; /* two commands of one name */
        return;
    }
    if (!relay->is_ready) {
        pv_vm_relay_client_send_exit(client, frame->id, PV_VM_AGENT_EXIT_LOST, 0);
        return;
    }
    command = find_free(relay);
    if (command == NULL) {
        pv_vm_relay_client_send_exit(client, frame->id, PV_VM_AGENT_EXIT_NOT_RUN, EAGAIN);
        return;
    }
    *command = (struct pv_vm_relay_command){.client = client,
                                            .client_id = frame->id,
                                            .guest_id = ++relay->next_guest_id,
                                            .output_credit_bytes = PV_VM_AGENT_OUTPUT_CREDIT_BYTES};
    r = pv_vm_relay_port_send(relay, PV_VM_AGENT_EXEC, command->guest_id, frame->payload,
                              frame->payload_bytes);
    if (r != 0) {
        *command = (struct pv_vm_relay_command){0};
        pv_vm_relay_client_send_exit(client, frame->id, PV_VM_AGENT_EXIT_LOST, (uint32_t)-r);
    }
}

static void client_serve_frame(struct pv_vm_relay_client *client,
                               const struct pv_vm_agent_frame *frame)
{
    struct pv_vm_relay *relay = client->relay;
    struct pv_vm_relay_command *command;

    if (frame->kind == PV_VM_AGENT_PING) {
        client->wants_pong = true;
        if (relay->is_ready) {
            pv_vm_relay_client_send_pong(client);
        }
        return;
    }
    if (pv_vm_agent_queue_left_bytes(&relay->queue) > PV_VM_RELAY_QUEUE_MAX_BYTES) {
        client->is_broken = true; /* the agent does not read, and more and more comes */
        return;
    }
    if (frame->kind == PV_VM_AGENT_EXEC) {
        client_exec(client, frame);
        return;
    }
    if (frame->kind == PV_VM_AGENT_POWER_OFF) {
        pv_vm_relay_power_off(relay);
        return;
    }
    command = find_by_client(relay, client, frame->id);
    if (command == NULL) {
        return; /* it has ended meanwhile */
    }
    switch (frame->kind) {
    case PV_VM_AGENT_CREDIT: {
        const uint32_t more_bytes = pv_vm_agent_frame_u32(frame, 0, 0);

        if (more_bytes > CREDIT_MAX_BYTES - command->output_credit_bytes) {
            client->is_broken = true;
            return;
        }
        command->output_credit_bytes += more_bytes;
        break;
    }
    case PV_VM_AGENT_STDIN:
        if (frame->payload_bytes > PV_VM_AGENT_INPUT_CREDIT_BYTES - command->input_owed_bytes) {
            client->is_broken = true;
            return;
        }
        command->input_owed_bytes += frame->payload_bytes;
        break;
    case PV_VM_AGENT_SIGNAL:
    case PV_VM_AGENT_RESIZE:
        break;
    case PV_VM_AGENT_ABANDON:
        pv_vm_relay_port_abandon(relay, command->guest_id);
        *command = (struct pv_vm_relay_command){0};
        return;
    default:
        client->is_broken = true;
        return;
    }
    if (pv_vm_relay_port_send(relay, frame->kind, command->guest_id, frame->payload,
                              frame->payload_bytes)
        != 0) {
        client->is_broken = true; /* input with a hole in it is worse than none */
    }
}

static void on_client(void *user, uint32_t events)
{
    struct pv_vm_relay_client *client = user;
    struct pv_vm_relay *relay = client->relay;
    struct pv_vm_agent_frame frame;
    int r;

    if (events & PV_OS_LOOP_WRITE) {
        client_flush(client);
    }
    if (events & (PV_OS_LOOP_READ | PV_OS_LOOP_HUP)) {
        r = pv_vm_agent_reader_fill(&client->reader, client->fd);
        if (r != -EAGAIN && r <= 0) {
            client->is_broken = true;
        }
        while (!client->is_broken && (r = pv_vm_agent_reader_next(&client->reader, &frame)) != 0) {
            if (r < 0) {
                client->is_broken = true;
            } else {
                client_serve_frame(client, &frame);
            }
        }
    }
    pv_vm_relay_destroy_broken_clients(relay);
}

int pv_vm_relay_add_client(struct pv_vm_relay *relay, int fd)
{
    struct pv_vm_relay_client *client = NULL;
    int r = pv_os_fd_set_nonblocking(fd, true);

    if (r == 0 && relay->client_count >= PV_VM_RELAY_CLIENT_MAX) {
        r = -EBUSY;
    }
    if (r == 0) {
        client = calloc(1, sizeof(*client));
        r = client != NULL ? 0 : -ENOMEM;
    }
    if (r == 0) {
        client->relay = relay;
        client->fd = fd;
        r = pv_os_loop_add(relay->options.loop, fd, PV_OS_LOOP_READ, on_client, client,
                           &client->source);
    }
    if (r != 0) {
        free(client);
        close(fd);
        return r;
    }
    client->next = relay->clients;
    relay->clients = client;
    relay->client_count++;
    return 0;
}

static void on_connection(void *user, int fd)
{
    struct pv_vm_relay *relay = user;
    const int r = pv_vm_relay_add_client(relay, fd);

    if (r != 0) {
        pv_base_log_warn(relay->options.log, PV_VM_RELAY_TOPIC,
                         "a client was turned away: error %d", -r);
    }
}

int pv_vm_relay_listen(struct pv_vm_relay *relay, int listen_fd)
{
    const int r = pv_os_listener_create(relay->options.loop, listen_fd, relay->options.log,
                                        PV_VM_RELAY_TOPIC, on_connection, relay, &relay->listener);

    if (r != 0) {
        close(listen_fd);
        return r;
    }
    relay->listen_fd = listen_fd;
    return 0;
}
