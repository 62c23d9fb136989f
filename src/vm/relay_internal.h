/* SPDX-License-Identifier: MIT */
/*
 * The inside of the relay, for relay.c (the agent's side) and relay_client.c (the clients').
 *
 * Threads: the loop's.
 */
#ifndef PV_VM_RELAY_INTERNAL_H
#define PV_VM_RELAY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/listener.h"
#include "vm/agent_wire.h"
#include "vm/relay.h"

#define PV_VM_RELAY_TOPIC "vm.agent"

struct pv_vm_relay_client {
    struct pv_vm_relay *relay;
    struct pv_vm_relay_client *next;
    int fd;
    struct pv_os_source *source;
    struct pv_vm_agent_reader reader;
    struct pv_vm_agent_queue queue;
    bool wants_pong;
    bool is_broken; /* to be closed when nobody works on it */
};

struct pv_vm_relay_command {
    struct pv_vm_relay_client *client; /* NULL: free entry */
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
    struct pv_vm_relay_client *clients;
    unsigned int client_count;
    struct pv_vm_relay_command commands[PV_VM_AGENT_COMMAND_MAX];
    uint32_t next_guest_id;
};

/* relay.c: a message to the agent. Returns 0 or -errno, after a line in the log. */
int pv_vm_relay_port_send(struct pv_vm_relay *relay, uint16_t kind, uint32_t guest_id,
                          const void *payload, size_t payload_bytes);

/* relay.c: have the agent end a command. It goes on in the guest if the agent is not told; its
 * output is nobody's. */
void pv_vm_relay_port_abandon(struct pv_vm_relay *relay, uint32_t guest_id);

/* relay_client.c: messages to a client; one that cannot take them, or lets too much wait, is broken
 * from then on and gets no more. */
void pv_vm_relay_client_send(struct pv_vm_relay_client *client, uint16_t kind, uint32_t id,
                             const void *payload, size_t payload_bytes);
void pv_vm_relay_client_send_exit(struct pv_vm_relay_client *client, uint32_t id, uint32_t how,
                                  uint32_t value);
void pv_vm_relay_client_send_pong(struct pv_vm_relay_client *client);

/* relay_client.c: close a client and abandon its commands. */
void pv_vm_relay_client_destroy(struct pv_vm_relay_client *client);

/* relay_client.c: the same for all broken ones; when nobody works on one. */
void pv_vm_relay_destroy_broken_clients(struct pv_vm_relay *relay);

#endif
