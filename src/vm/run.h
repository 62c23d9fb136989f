/* SPDX-License-Identifier: MIT */
/*
 * One VM from start to stop around one command: what `pearvisor run` does.
 *
 * Threads: pv_vm_run blocks its thread and calls the callbacks on it. It takes over SIGINT,
 * SIGTERM, SIGHUP and SIGWINCH of the process: the first of the first three stops the VM politely,
 * the next one at once. SIGPIPE is ignored from then on.
 */
#ifndef PV_VM_RUN_H
#define PV_VM_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "vm/agent_wire.h"
#include "vm/machine.h"

struct pv_vm_run_options {
    /* loop and callbacks are filled in by pv_vm_run; all else is the caller's. */
    struct pv_vm_machine_options machine;
    const char *const *command;   /* NULL-terminated; NULL: none, keep the VM until a signal */
    const char *const *variables; /* for the command; NULL-terminated or NULL */
    const char *directory;        /* for the command; NULL: default */
    bool wants_terminal;
    bool keep_alive; /* the VM outlives the command, until a signal */
    int input_fd;    /* -1: none */
    int output_fd;
    int error_fd;
    uint32_t timeout_ms; /* for the command, from its start; 0: none */
    /* All may be NULL. */
    void (*on_ready)(void *user);       /* the first time that the agent answers */
    void (*on_command_end)(void *user); /* the VM still runs */
    /* Size of the user's terminal, for a command with one. Returns false if there is none. */
    bool (*terminal_size)(void *user, uint32_t *ret_columns, uint32_t *ret_rows);
    void *user;
};

struct pv_vm_run_result {
    enum pv_vm_machine_end end;
    bool was_ready;
    bool has_command_ended;
    enum pv_vm_agent_exit how; /* set when has_command_ended */
    uint32_t value;
    bool has_timed_out;
    int signal_number; /* that stopped it; 0: none */
};

/* Returns 0 with *ret_result when the VM has stopped, or -errno when it could not be started. */
PV_NODISCARD int pv_vm_run(const struct pv_vm_run_options *options,
                           struct pv_vm_run_result *ret_result);

#endif
