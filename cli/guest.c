/* SPDX-License-Identifier: MIT */
/* Control sockets of running devices; see the header. */
#include "cli/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/places.h"
#include "vm/machine.h"

bool pv_cli_control_find(const char *name, char ret_path[PV_VM_RUNTIME_PATH_MAX])
{
    struct pv_cli_places places;
    struct pv_vm_runtime runtime;
    int r;

    if (!pv_cli_places_find(NULL, &places)) {
        return false;
    }
    r = pv_vm_runtime_find(places.runtime, name, &runtime);
    if (r == 0) {
        r = pv_vm_runtime_file(&runtime, PV_VM_MACHINE_CONTROL_SOCKET, ret_path);
    }
    if (r == -ENOTUNIQ) {
        (void)fprintf(stderr, "pearvisor: several guests run; choose one with --vm NAME\n");
    } else if (r < 0) {
        (void)fprintf(stderr, "pearvisor: no guest %s%sruns\n", name != NULL ? name : "",
                      name != NULL ? " " : "");
    }
    return r == 0;
}

const char *pv_cli_control_why(int error)
{
    switch (error) {
    case -EPROTO:
    case -EPROTONOSUPPORT:
        return "the device speaks another version of the protocol";
    case -ETIMEDOUT:
        return "the device does not answer";
    case -ECONNRESET:
    case -EPIPE:
        return "the device has ended";
    default:
        return strerror(-error);
    }
}
