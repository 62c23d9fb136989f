/* SPDX-License-Identifier: MIT */
/*
 * The relay between one agent and many clients.
 *
 * Data: a list of clients, and a table of commands, each with its client, the client's id for it,
 * and the id that the guest knows it by (a counter, so an old id never names a new command).
 *
 * Buffers are bounded by credit, which is counted here for both directions: a client's queue holds
 * at most the output credit of its commands, the port's queue at most their input credit. Frames
 * may be tiny, though, and a client may grant more than it reads, so that both have a cap as well.
 */
#include "vm/relay.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/listener.h"
#include "os/socket.h"
#include "vm/agent_wire.h"

#define TOPIC "vm.agent"

/* More credit than this is never outstanding, so the sum cannot overflow. */
#define CREDIT_MAX_BYTES ((uint32_t)1 << 30)

struct client {
    struct pv_vm_relay *relay;
    struct client *next;
    int fd;
    struct pv_os_source *source;
    struct pv_vm_agent_reader reader;
    struct pv_vm_agent_queue queue;
    bool wants_pong;
    bool is_broken; /* to be closed when nobody works on it */
};

struct command {
    struct client *client; /* NULL: free entry */
    uint32_t client_id;
    uint32_t guest_id;
    uint32_t output_credit_bytes; /* that the guest may still send */
    uint32_t input_owed_bytes;    /* sent to the guest, and not granted again by it */
    bool has_started;
};

struct pv_vm_relay {
    struct pv_vm_relay_options options;
    struct pv_os_source *port_source;
    struct pv_vm_agent_reader reader;
    struct pv_vm_agent_queue queue;
    bool is_ready;
    int listen_fd;
    struct pv_os_listener *listener;
    struct client *clients;
    unsigned int client_count;
    struct command commands[PV_VM_AGENT_COMMAND_MAX];
    uint32_t next_guest_id;
};

static struct command *find_by_guest(struct pv_vm_relay *relay, uint32_t guest_id)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (relay->commands[i].client != NULL && relay->commands[i].guest_id == guest_id) {
            return &relay->commands[i];
        }
    }
    return NULL;
}

static struct command *find_by_client(struct pv_vm_relay *relay, const struct client *client,
                                      uint32_t client_id)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (relay->commands[i].client == client && relay->commands[i].client_id == client_id) {
            return &relay->commands[i];
        }
    }
    return NULL;
}

static struct command *find_free(struct pv_vm_relay *relay)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (relay->commands[i].client == NULL) {
            return &relay->commands[i];
        }
    }
    return NULL;
}

/* --- the port ------------------------------------------------------------------------------- */

static void port_flush(struct pv_vm_relay *relay)
{
    if (relay->port_source == NULL) {
        return;
    }
    /* An error shows as a hang-up of the source; nothing is to be done here. */
    (void)!pv_vm_agent_queue_flush(&relay->queue, relay->options.port_fd);
    pv_os_source_set_events(
        relay->port_source,
        PV_OS_LOOP_READ
            | (pv_vm_agent_queue_left_bytes(&relay->queue) > 0 ? PV_OS_LOOP_WRITE : 0u));
}

/* Returns 0 or -errno, after a line in the log. */
static int port_send(struct pv_vm_relay *relay, uint16_t kind, uint32_t guest_id,
                     const void *payload, size_t payload_bytes)
{
    const int r = pv_vm_agent_queue_frame(&relay->queue, kind, guest_id, payload, payload_bytes);

    if (r != 0) {
        pv_base_log_error(relay->options.log, TOPIC, "no memory for a message to the agent");
    }
    port_flush(relay);
    return r;
}

/* The command goes on in the guest if the agent is not told; its output is nobody's. */
static void port_send_abandon(struct pv_vm_relay *relay, uint32_t guest_id)
{
    (void)port_send(relay, PV_VM_AGENT_ABANDON, guest_id, NULL, 0);
}

/* --- clients -------------------------------------------------------------------------------- */

static void client_flush(struct client *client)
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
static void client_push(struct client *client, int r)
{
    if (r != 0) {
        client->is_broken = true;
        return;
    }
    client_flush(client);
    if (!client->is_broken
        && pv_vm_agent_queue_left_bytes(&client->queue) > PV_VM_RELAY_QUEUE_MAX_BYTES) {
        pv_base_log_guest(client->relay->options.log, TOPIC, PV_BASE_LOG_WARN,
                          "a client is closed: it lets more than %zu bytes wait",
                          PV_VM_RELAY_QUEUE_MAX_BYTES);
        client->is_broken = true;
    }
}

static void client_send(struct client *client, uint16_t kind, uint32_t id, const void *payload,
                        size_t payload_bytes)
{
    if (!client->is_broken) {
        client_push(client,
                    pv_vm_agent_queue_frame(&client->queue, kind, id, payload, payload_bytes));
    }
}

static void client_send_exit(struct client *client, uint32_t id, uint32_t how, uint32_t value)
{
    if (!client->is_broken) {
        client_push(client,
                    pv_vm_agent_queue_u32x2(&client->queue, PV_VM_AGENT_EXIT, id, how, value));
    }
}

static void client_send_pong(struct client *client)
{
    client->wants_pong = false;
    if (!client->is_broken) {
        client_push(client, pv_vm_agent_queue_mark(&client->queue, PV_VM_AGENT_PONG, 0));
    }
}

static void client_destroy(struct client *client)
{
    struct pv_vm_relay *relay = client->relay;
    struct client **link = &relay->clients;

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
            port_send_abandon(relay, relay->commands[i].guest_id);
        }
    }
    pv_os_source_remove(client->source);
    close(client->fd);
    pv_vm_agent_reader_finish(&client->reader);
    pv_vm_agent_queue_finish(&client->queue);
    free(client);
}

static void destroy_broken_clients(struct pv_vm_relay *relay)
{
    struct client *client = relay->clients;

    while (client != NULL) {
        struct client *next = client->next;

        if (client->is_broken) {
            client_destroy(client);
        }
        client = next;
    }
}

static void client_exec(struct client *client, const struct pv_vm_agent_frame *frame)
{
    struct pv_vm_relay *relay = client->relay;
    struct command *command;
    int r;

    if (find_by_client(relay, client, frame->id) != NULL) {
        client->is_broken = true; /* two commands of one name */
        return;
    }
    if (!relay->is_ready) {
        client_send_exit(client, frame->id, PV_VM_AGENT_EXIT_LOST, 0);
        return;
    }
    command = find_free(relay);
    if (command == NULL) {
        client_send_exit(client, frame->id, PV_VM_AGENT_EXIT_NOT_RUN, EAGAIN);
        return;
    }
    *command = (struct command){.client = client,
                                .client_id = frame->id,
                                .guest_id = ++relay->next_guest_id,
                                .output_credit_bytes = PV_VM_AGENT_OUTPUT_CREDIT_BYTES};
    r = port_send(relay, PV_VM_AGENT_EXEC, command->guest_id, frame->payload, frame->payload_bytes);
    if (r != 0) {
        *command = (struct command){0};
        client_send_exit(client, frame->id, PV_VM_AGENT_EXIT_LOST, (uint32_t)-r);
    }
}

static void client_serve_frame(struct client *client, const struct pv_vm_agent_frame *frame)
{
    struct pv_vm_relay *relay = client->relay;
    struct command *command;

    if (frame->kind == PV_VM_AGENT_PING) {
        client->wants_pong = true;
        if (relay->is_ready) {
            client_send_pong(client);
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
        port_send_abandon(relay, command->guest_id);
        *command = (struct command){0};
        return;
    default:
        client->is_broken = true;
        return;
    }
    if (port_send(relay, frame->kind, command->guest_id, frame->payload, frame->payload_bytes)
        != 0) {
        client->is_broken = true; /* input with a hole in it is worse than none */
    }
}

static void on_client(void *user, uint32_t events)
{
    struct client *client = user;
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
    destroy_broken_clients(relay);
}

int pv_vm_relay_add_client(struct pv_vm_relay *relay, int fd)
{
    struct client *client = NULL;
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
        pv_base_log_warn(relay->options.log, TOPIC, "a client was turned away: error %d", -r);
    }
}

int pv_vm_relay_listen(struct pv_vm_relay *relay, int listen_fd)
{
    const int r = pv_os_listener_create(relay->options.loop, listen_fd, relay->options.log, TOPIC,
                                        on_connection, relay, &relay->listener);

    if (r != 0) {
        close(listen_fd);
        return r;
    }
    relay->listen_fd = listen_fd;
    return 0;
}

/* --- what the guest says ---------------------------------------------------------------------- */

static void lose_commands(struct pv_vm_relay *relay)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        struct command command = relay->commands[i];

        relay->commands[i] = (struct command){0};
        if (command.client != NULL) {
            client_send_exit(command.client, command.client_id, PV_VM_AGENT_EXIT_LOST, 0);
        }
    }
}

static void become_ready(struct pv_vm_relay *relay)
{
    if (relay->is_ready) {
        return;
    }
    relay->is_ready = true;
    /* The agent, too, takes nothing for a message before it has met the mark. */
    (void)!pv_vm_agent_queue_mark(&relay->queue, PV_VM_AGENT_PING, 0);
    port_flush(relay);
    for (struct client *client = relay->clients; client != NULL; client = client->next) {
        if (client->wants_pong) {
            client_send_pong(client);
        }
    }
    relay->options.on_ready(relay->options.user);
}

static void become_lost(struct pv_vm_relay *relay)
{
    const bool was_ready = relay->is_ready;

    relay->is_ready = false;
    pv_vm_agent_reader_lose(&relay->reader);
    pv_vm_agent_queue_finish(&relay->queue);
    lose_commands(relay);
    if (was_ready) {
        relay->options.on_lost(relay->options.user);
    }
}

/* One frame of a known command. Returns false when it breaks the rules. */
static bool guest_serve_command(struct command *command, const struct pv_vm_agent_frame *frame)
{
    struct client *client = command->client;
    const uint32_t client_id = command->client_id;

    switch (frame->kind) {
    case PV_VM_AGENT_STDOUT:
    case PV_VM_AGENT_STDERR:
        if (frame->payload_bytes == 0 || frame->payload_bytes > command->output_credit_bytes) {
            return false;
        }
        command->output_credit_bytes -= frame->payload_bytes;
        break;
    case PV_VM_AGENT_STARTED:
        if (frame->payload_bytes != 4 || command->has_started) {
            return false;
        }
        command->has_started = true;
        break;
    case PV_VM_AGENT_CREDIT: {
        const uint32_t more_bytes = pv_vm_agent_frame_u32(frame, 0, 0);

        /* Room comes back for bytes that were sent, so that these frames have an end. */
        if (frame->payload_bytes != 4 || more_bytes == 0
            || more_bytes > command->input_owed_bytes) {
            return false;
        }
        command->input_owed_bytes -= more_bytes;
        break;
    }
    case PV_VM_AGENT_EXIT:
        if (frame->payload_bytes != 8
            || pv_vm_agent_frame_u32(frame, 0, UINT32_MAX) > PV_VM_AGENT_EXIT_NOT_RUN) {
            return false;
        }
        *command = (struct command){0};
        break;
    default:
        return false;
    }
    client_send(client, frame->kind, client_id, frame->payload, frame->payload_bytes);
    return true;
}

static void guest_serve_frame(struct pv_vm_relay *relay, const struct pv_vm_agent_frame *frame)
{
    struct command *command;

    if (frame->kind == PV_VM_AGENT_PONG || frame->kind == PV_VM_AGENT_SYNC) {
        become_ready(relay);
        return;
    }
    command = find_by_guest(relay, frame->id);
    if (command == NULL) {
        return; /* abandoned a moment ago, or made up; either way nobody's */
    }
    if (!guest_serve_command(command, frame)) {
        const struct command lost = *command;

        pv_base_log_guest(relay->options.log, TOPIC, PV_BASE_LOG_WARN,
                          "command %u given up: the guest sent a message of kind %u and %u bytes "
                          "that breaks the rules",
                          frame->id, frame->kind, frame->payload_bytes);
        *command = (struct command){0};
        port_send_abandon(relay, lost.guest_id);
        client_send_exit(lost.client, lost.client_id, PV_VM_AGENT_EXIT_LOST, 0);
    }
}

static void on_port(void *user, uint32_t events)
{
    struct pv_vm_relay *relay = user;
    struct pv_vm_agent_frame frame;
    int r;

    if (events & PV_OS_LOOP_WRITE) {
        port_flush(relay);
    }
    if ((events & (PV_OS_LOOP_READ | PV_OS_LOOP_HUP)) == 0) {
        return;
    }
    r = pv_vm_agent_reader_fill(&relay->reader, relay->options.port_fd);
    if (r != -EAGAIN && r <= 0) {
        pv_os_source_remove(relay->port_source);
        relay->port_source = NULL;
        become_lost(relay);
        relay->options.on_hang_up(relay->options.user);
        return;
    }
    while ((r = pv_vm_agent_reader_next(&relay->reader, &frame)) != 0) {
        if (r > 0) {
            guest_serve_frame(relay, &frame);
        } else {
            pv_base_log_guest(relay->options.log, TOPIC, PV_BASE_LOG_WARN,
                              "the guest sent what is no message; asking it to start over");
            become_lost(relay);
            (void)!pv_vm_agent_queue_mark(&relay->queue, PV_VM_AGENT_PING, 0);
            port_flush(relay);
        }
    }
    destroy_broken_clients(relay);
}

/* --- life ---------------------------------------------------------------------------------------
 */

int pv_vm_relay_create(const struct pv_vm_relay_options *options, struct pv_vm_relay **ret_relay)
{
    struct pv_vm_relay *relay = calloc(1, sizeof(*relay));
    int r;

    if (relay == NULL) {
        return -ENOMEM;
    }
    relay->options = *options;
    relay->listen_fd = -1;
    pv_vm_agent_reader_lose(&relay->reader);
    /* Its buffer now, while it can be told that there is none: an agent that cannot be read later
     * looks like a guest that does not boot. */
    r = pv_vm_agent_reader_push(&relay->reader, "", 0);
    if (r == 0) {
        r = pv_os_fd_set_nonblocking(options->port_fd, true);
    }
    if (r == 0) {
        r = pv_os_loop_add(options->loop, options->port_fd, PV_OS_LOOP_READ, on_port, relay,
                           &relay->port_source);
    }
    if (r != 0) {
        pv_vm_relay_destroy(relay);
        return r;
    }
    *ret_relay = relay;
    return 0;
}

void pv_vm_relay_destroy(struct pv_vm_relay *relay)
{
    if (relay == NULL) {
        return;
    }
    while (relay->clients != NULL) {
        client_destroy(relay->clients);
    }
    pv_os_listener_destroy(relay->listener);
    if (relay->listen_fd >= 0) {
        close(relay->listen_fd);
    }
    pv_os_source_remove(relay->port_source);
    pv_vm_agent_reader_finish(&relay->reader);
    pv_vm_agent_queue_finish(&relay->queue);
    free(relay);
}

bool pv_vm_relay_is_ready(const struct pv_vm_relay *relay)
{
    return relay->is_ready;
}

void pv_vm_relay_set_port_open(struct pv_vm_relay *relay, bool is_open)
{
    if (!is_open) {
        become_lost(relay);
        destroy_broken_clients(relay);
    } else if (!relay->is_ready && relay->port_source != NULL) {
        (void)!pv_vm_agent_queue_mark(&relay->queue, PV_VM_AGENT_PING, 0);
        port_flush(relay);
    }
}

void pv_vm_relay_power_off(struct pv_vm_relay *relay)
{
    if (relay->port_source != NULL) {
        (void)port_send(relay, PV_VM_AGENT_POWER_OFF, 0, NULL, 0);
    }
}
