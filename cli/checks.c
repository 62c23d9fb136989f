/* SPDX-License-Identifier: MIT */
/* What a value on the command line must be; see the header. */
#include "cli/checks.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm/accel.h"
#include "vm/runtime.h"

bool pv_cli_check_accel(const char *option, const char *value)
{
    struct pv_vm_accel accel;

    if (strcmp(value, "auto") == 0 || strcmp(value, "tcg") == 0) {
        return true;
    }
    if (strcmp(value, "kvm") != 0) {
        (void)fprintf(stderr, "pearvisor: %s is auto, kvm or tcg, not '%s'\n", option, value);
        return false;
    }
    if (!pv_vm_accel_has_device(&accel)) {
        (void)fprintf(stderr, "pearvisor: %s kvm does not work here: %s\n", option, accel.reason);
        return false;
    }
    return true;
}

bool pv_cli_check_vm_name(const char *option, const char *value)
{
    if (pv_vm_runtime_is_name(value)) {
        return true;
    }
    (void)fprintf(stderr,
                  "pearvisor: %s wants up to %d letters, digits, '-', '_' and '.', the first not a "
                  "dot, not '%s'\n",
                  option, PV_VM_RUNTIME_NAME_MAX, value);
    return false;
}

/* The folder part of a path, as access wants it. Returns whether it fits. */
static bool folder_of(const char *path, char ret_folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int length;

    if (slash == NULL) {
        length = snprintf(ret_folder, PATH_MAX, ".");
    } else {
        length = snprintf(ret_folder, PATH_MAX, "%.*s/", (int)(slash - path), path);
    }
    return length > 0 && length < PATH_MAX;
}

bool pv_cli_check_output(const char *option, const char *value)
{
    char folder[PATH_MAX];
    struct stat status;
    int error = 0;

    if (value[0] == '\0') {
        error = ENOENT;
    } else if (stat(value, &status) == 0 && S_ISDIR(status.st_mode)) {
        error = EISDIR;
    } else if (!folder_of(value, folder)) {
        error = ENAMETOOLONG;
    } else if (access(folder, W_OK | X_OK) != 0
               || (access(value, F_OK) == 0 && access(value, W_OK) != 0)) {
        error = errno;
    }
    if (error != 0) {
        (void)fprintf(stderr, "pearvisor: %s: cannot write '%s': %s\n", option, value,
                      strerror(error));
    }
    return error == 0;
}
