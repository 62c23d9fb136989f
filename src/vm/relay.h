/* SPDX-License-Identifier: MIT */
/*
 * Shares the one port to a guest's agent among many clients.
 *
 * The process that runs a VM owns the port. Its own command, `pearvisor exec` and tests are
 * clients: each talks the agent's protocol (agent_wire.h) over a socket of its own, with ids of its
 * own. The relay renames the ids, keeps clients from each other's commands, and tells clients when
 * the guest has gone (EXIT of kind LOST). PING is answered by the relay as soon as the agent is
 * there.
 *
 * What comes from the port is the guest's and hostile: a frame that names no command of ours, is
 * of the wrong kind or exceeds its credit costs at most that command. What waits for one client has
 * a cap, whoever is the cause; a client behind it is closed.
 *
 * Threads: all functions and callbacks on the loop's thread.
 */
#ifndef PV_VM_RELAY_H
#define PV_VM_RELAY_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/log.h"
#include "os/loop.h"

struct pv_vm_relay;

/* Clients at the same time; more are turned away. */
#define PV_VM_RELAY_CLIENT_MAX 32

/*
 * 32 MiB: bytes that may wait for one client, and for the agent. Output in flight of all commands
 * that there can be is half of that; more means that the reader does not read while a client or the
 * guest goes on.
 */
#define PV_VM_RELAY_QUEUE_MAX_BYTES ((size_t)32 << 20)

struct pv_vm_relay_options {
    struct pv_os_loop *loop;        /* borrowed, outlives the relay */
    struct pv_base_log *log;        /* borrowed or NULL */
    int port_fd;                    /* stream socket to the port; borrowed, becomes non-blocking */
    void (*on_ready)(void *user);   /* the agent answers: at first, and after each reboot */
    void (*on_lost)(void *user);    /* it is gone again, and all commands with it */
    void (*on_hang_up)(void *user); /* the port itself is closed: the VMM has gone */
    void *user;
};

/*
 * Serve a port. The agent is asked for a sign of life when the VMM says that the port is open, see
 * pv_vm_relay_set_port_open. Returns 0, -ENOMEM, or -errno; the options are copied.
 */
PV_NODISCARD int pv_vm_relay_create(const struct pv_vm_relay_options *options,
                                    struct pv_vm_relay **ret_relay);

/* Closes all clients. Accepts NULL. */
void pv_vm_relay_destroy(struct pv_vm_relay *relay);

/* Accept clients on a listening socket (owned by the relay from now on, on failure too). */
PV_NODISCARD int pv_vm_relay_listen(struct pv_vm_relay *relay, int listen_fd);

/* Serve a connected client (the relay owns fd from now on, on failure too). */
PV_NODISCARD int pv_vm_relay_add_client(struct pv_vm_relay *relay, int fd);

/* Whether the agent answers. */
bool pv_vm_relay_is_ready(const struct pv_vm_relay *relay);

/* The VMM says that a program in the guest opened or closed the port. */
void pv_vm_relay_set_port_open(struct pv_vm_relay *relay, bool is_open);

/* Ask the agent to power the guest off. */
void pv_vm_relay_power_off(struct pv_vm_relay *relay);

#endif
