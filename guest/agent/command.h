/* SPDX-License-Identifier: MIT */
/*
 * One command that the agent runs for the host: its process, its pipes (or terminal), and what may
 * be sent and received for it. Single-threaded, driven by the agent's poll loop.
 */
#ifndef PV_GUEST_COMMAND_H
#define PV_GUEST_COMMAND_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vm/agent_wire.h"

struct command {
    bool is_used;
    uint32_t id; /* the host's name for it */
    pid_t pid;   /* also its session and first process group; 0 once reaped */
    int status;  /* of waitpid, once reaped */
    int input_fd;
    int output_fd[2];    /* stdout and stderr, or the terminal and -1; -1 when closed */
    bool is_terminal;    /* input_fd is a duplicate of output_fd[0] */
    bool is_input_ended; /* close input_fd when `input` is empty */
    uint32_t output_credit_bytes;
    size_t tail_bytes; /* sent since the process ended */
    struct pv_vm_agent_queue input;
};

/*
 * Start what an EXEC payload asks for. `command` is unused and becomes used on success only; on
 * failure an EXIT frame of kind NOT_RUN has been queued to `port`. Returns 0 or -errno.
 */
int command_start(struct command *command, uint32_t id, const uint8_t *payload,
                  size_t payload_bytes, struct pv_vm_agent_queue *port);

/* Take bytes of STDIN; none means the end. A sender that exceeds its credit loses the command. */
void command_input(struct command *command, const uint8_t *bytes, size_t size_bytes,
                   struct pv_vm_agent_queue *port);

/* Send a signal to the whole session of the command. */
void command_signal(const struct command *command, int signal_number);

/* Set the size of the terminal, if it has one. */
void command_resize(const struct command *command, uint32_t columns, uint32_t rows);

/* How many poll entries command_poll_fill writes at most. */
#define COMMAND_POLL_MAX 3

/* Fill entries for poll; fd -1 where nothing is waited for. Always writes COMMAND_POLL_MAX. */
void command_poll_fill(const struct command *command, struct pollfd *ret_entries);

/* Move bytes as poll allowed. has_port_room: whether output may be queued to the port now. */
void command_poll_serve(struct command *command, const struct pollfd *entries, bool has_port_room,
                        struct pv_vm_agent_queue *port);

/*
 * When the process has been reaped and its output is drained, send EXIT and free the command.
 * Children that it left behind keep running, without anybody to read them.
 */
void command_finish_if_done(struct command *command, struct pv_vm_agent_queue *port);

/* Kill the session and forget the command without a word to the host. */
void command_abandon(struct command *command);

#endif
