/* SPDX-License-Identifier: MIT */
/* Running guests; see the header. */
#include "cli/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/places.h"

bool pv_cli_guest_find(const char *name, const char *socket_name,
                       char ret_path[PV_VM_RUNTIME_PATH_MAX])
{
    struct pv_cli_places places;
    struct pv_vm_runtime runtime;
    int r;

    if (!pv_cli_places_find(NULL, &places)) {
        return false;
    }
    r = pv_vm_runtime_find(places.runtime, name, &runtime);
    if (r == 0) {
        r = pv_vm_runtime_file(&runtime, socket_name, ret_path);
    }
    if (r == -ENOTUNIQ) {
        (void)fprintf(stderr, "pearvisor: several guests run: name one with --vm\n");
    } else if (r < 0 && name != NULL) {
        (void)fprintf(stderr, "pearvisor: no guest %s runs\n", name);
    } else if (r < 0) {
        (void)fprintf(stderr, "pearvisor: no guest runs: start one with "
                              "'pearvisor run --keep-alive'\n");
    }
    return r == 0;
}

const char *pv_cli_guest_why(int error)
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
