/* SPDX-License-Identifier: MIT */
/*
 * One command in a guest, joined to file descriptors of this process: what `pearvisor run -- CMD`
 * and `pearvisor exec` show their user. A client of the relay (relay.h).
 *
 * The process must ignore SIGPIPE: an output that nobody reads becomes that signal for the command
 * in the guest, not for us.
 *
 * Threads: all functions and the callback on the loop's thread.
 */
#ifndef PV_VM_SESSION_H
#define PV_VM_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "os/loop.h"
#include "vm/agent_wire.h"

struct pv_vm_session;

struct pv_vm_session_options {
    struct pv_os_loop *loop;      /* borrowed, outlives the session */
    int agent_fd;                 /* connected to a relay; owned by the session, on failure too */
    const char *const *arguments; /* NULL-terminated; borrowed for the call, as the next two are */
    const char *const *variables; /* NAME=VALUE; NULL-terminated or NULL */
    const char *directory;        /* in the guest; NULL: the agent's choice */
    bool wants_terminal;          /* stdout and stderr come mixed, through a terminal */
    int input_fd;  /* borrowed, must stay open: read when readable; -1: end of file at once */
    int output_fd; /* borrowed; written in small pieces when writable */
    int error_fd;
    /* The command has ended and its output is written. Called once; may destroy the session. */
    void (*on_end)(void *user, enum pv_vm_agent_exit how, uint32_t value);
    void *user;
};

/* Start the command. Returns 0, -E2BIG for too many arguments, -EINVAL for none, or -errno. */
PV_NODISCARD int pv_vm_session_create(const struct pv_vm_session_options *options,
                                      struct pv_vm_session **ret_session);

/* The command is killed if it runs. Accepts NULL. */
void pv_vm_session_destroy(struct pv_vm_session *session);

/*
 * Whether the command was lost because no agent was there to take it: the guest is not ready yet,
 * or reboots. Worth asking when on_end says PV_VM_AGENT_EXIT_LOST.
 */
bool pv_vm_session_was_too_early(const struct pv_vm_session *session);

/* Send a signal to the command. */
void pv_vm_session_signal(struct pv_vm_session *session, int signal_number);

/* Tell the command's terminal its size. */
void pv_vm_session_resize(struct pv_vm_session *session, uint32_t columns, uint32_t rows);

/*
 * The exit status that a shell would report: the command's own, 128 + the signal, 127 (not found)
 * or 126 (cannot run), 125 when the guest went away.
 */
int pv_vm_session_exit_status(enum pv_vm_agent_exit how, uint32_t value);

#endif
