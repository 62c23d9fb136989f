/* SPDX-License-Identifier: MIT */
/* How a run ended, for its user; see the header. */
#include "cli/run_report.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/log_tail.h"
#include "vm/session.h"

/* The last lines of a log in the VM's folder, or elsewhere, for a user whose VM failed. */
static void show_log(const struct pv_vm_runtime *runtime, const char *path, const char *name,
                     const char *title)
{
    char in_folder[PV_VM_RUNTIME_PATH_MAX];

    if (path != NULL) {
        pv_cli_log_tail_print(path, title);
    } else if (pv_vm_runtime_file(runtime, name, in_folder) == 0) {
        pv_cli_log_tail_print(in_folder, title);
    }
}

int pv_cli_run_report(const struct pv_cli_run_options *options, const struct pv_vm_runtime *runtime,
                      const struct pv_vm_run_result *result)
{
    if (result->has_timed_out) {
        fprintf(stderr, "pearvisor: the command did not end within %u s\n", options->timeout_s);
        return PV_CLI_TIMEOUT;
    }
    switch (result->end) {
    case PV_VM_MACHINE_NOT_BOOTED:
        fprintf(stderr, "pearvisor: the guest did not boot\n");
        show_log(runtime, options->serial, PV_VM_MACHINE_SERIAL_LOG, "the guest's console");
        return PV_CLI_FAILED;
    case PV_VM_MACHINE_QEMU_DIED:
        fprintf(stderr, "pearvisor: QEMU ended unexpectedly\n");
        show_log(runtime, NULL, PV_VM_MACHINE_QEMU_LOG, "QEMU");
        return PV_CLI_FAILED;
    case PV_VM_MACHINE_DEVICE_DIED:
        fprintf(stderr, "pearvisor: the GPU device process ended unexpectedly; "
                        "the VM was stopped\n");
        return PV_CLI_FAILED;
    case PV_VM_MACHINE_HOST_TROUBLE:
        fprintf(stderr, "pearvisor: the VM could not be started\n");
        return PV_CLI_FAILED;
    case PV_VM_MACHINE_STOPPED:
        break;
    }
    if (result->has_command_ended) {
        if (result->how == PV_VM_AGENT_EXIT_NOT_RUN) {
            fprintf(stderr, "pearvisor: the guest cannot run '%s': %s\n", options->command[0],
                    strerror((int)result->value));
        } else if (result->how == PV_VM_AGENT_EXIT_LOST && result->value != 0) {
            fprintf(stderr, "pearvisor: the command was given up: %s\n",
                    strerror((int)result->value));
        } else if (result->how == PV_VM_AGENT_EXIT_LOST) {
            fprintf(stderr, "pearvisor: the guest went away while the command ran\n");
        }
        return pv_vm_session_exit_status(result->how, result->value);
    }
    if (result->signal_number != 0) {
        return options->keep_alive && options->command[0] == NULL ? 0 : 128 + result->signal_number;
    }
    if (options->keep_alive) {
        return 0; /* the guest was powered off from inside */
    }
    fprintf(stderr, "pearvisor: the guest powered off before the command ended\n");
    return PV_CLI_FAILED;
}
