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
#include "vm/relay_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/socket.h"

static struct pv_vm_relay_command *find_by_guest(struct pv_vm_relay *relay, uint32_t guest_id)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (relay->commands[i].client != NULL && relay->commands[i].guest_id == guest_id) {
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

int pv_vm_relay_port_send(struct pv_vm_relay *relay, uint16_t kind, uint32_t guest_id,
                          const void *payload, size_t payload_bytes)
{
    const int r = pv_vm_agent_queue_frame(&relay->queue, kind, guest_id, payload, payload_bytes);

    if (r != 0) {
        pv_base_log_error(relay->options.log, PV_VM_RELAY_TOPIC,
                          "no memory for a message to the agent");
    }
    port_flush(relay);
    return r;
}

void pv_vm_relay_port_abandon(struct pv_vm_relay *relay, uint32_t guest_id)
{
    (void)pv_vm_relay_port_send(relay, PV_VM_AGENT_ABANDON, guest_id, NULL, 0);
}

/* --- what the guest says ---------------------------------------------------------------------- */

static void lose_commands(struct pv_vm_relay *relay)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        struct pv_vm_relay_command command = relay->commands[i];

        relay->commands[i] = (struct pv_vm_relay_command){0};
        if (command.client != NULL) {
            pv_vm_relay_client_send_exit(command.client, command.client_id, PV_VM_AGENT_EXIT_LOST,
                                         0);
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
    for (struct pv_vm_relay_client *client = relay->clients; client != NULL;
         client = client->next) {
        if (client->wants_pong) {
            pv_vm_relay_client_send_pong(client);
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
static bool guest_serve_command(struct pv_vm_relay_command *command,
                                const struct pv_vm_agent_frame *frame)
{
    struct pv_vm_relay_client *client = command->client;
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
        *command = (struct pv_vm_relay_command){0};
        break;
    default:
        return false;
    }
    pv_vm_relay_client_send(client, frame->kind, client_id, frame->payload, frame->payload_bytes);
    return true;
}

static void guest_serve_frame(struct pv_vm_relay *relay, const struct pv_vm_agent_frame *frame)
{
    struct pv_vm_relay_command *command;

    if (frame->kind == PV_VM_AGENT_PONG || frame->kind == PV_VM_AGENT_SYNC) {
        become_ready(relay);
        return;
    }
    command = find_by_guest(relay, frame->id);
    if (command == NULL) {
        return; /* abandoned a moment ago, or made up; either way nobody's */
    }
    if (!guest_serve_command(command, frame)) {
        const struct pv_vm_relay_command lost = *command;

        pv_base_log_guest(relay->options.log, PV_VM_RELAY_TOPIC, PV_BASE_LOG_WARN,
                          "command %u given up: the guest sent a message of kind %u and %u bytes "
                          "that breaks the rules",
                          frame->id, frame->kind, frame->payload_bytes);
        *command = (struct pv_vm_relay_command){0};
        pv_vm_relay_port_abandon(relay, lost.guest_id);
        pv_vm_relay_client_send_exit(lost.client, lost.client_id, PV_VM_AGENT_EXIT_LOST, 0);
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
            pv_base_log_guest(relay->options.log, PV_VM_RELAY_TOPIC, PV_BASE_LOG_WARN,
                              "the guest sent what is no message; asking it to start over");
            become_lost(relay);
            (void)!pv_vm_agent_queue_mark(&relay->queue, PV_VM_AGENT_PING, 0);
            port_flush(relay);
        }
    }
    pv_vm_relay_destroy_broken_clients(relay);
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
        pv_vm_relay_client_destroy(relay->clients);
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
        pv_vm_relay_destroy_broken_clients(relay);
    } else if (!relay->is_ready && relay->port_source != NULL) {
        (void)!pv_vm_agent_queue_mark(&relay->queue, PV_VM_AGENT_PING, 0);
        port_flush(relay);
    }
}

void pv_vm_relay_power_off(struct pv_vm_relay *relay)
{
    if (relay->port_source != NULL) {
        (void)pv_vm_relay_port_send(relay, PV_VM_AGENT_POWER_OFF, 0, NULL, 0);
    }
}
