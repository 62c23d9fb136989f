/* SPDX-License-Identifier: MIT */
/* Our own programs and the drivers that they use; see the header. */
#include "cli/host_programs.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "os/process.h"

/* A variable that is set and not empty, or NULL. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

bool pv_cli_program_find(const char *name, char ret_path[PATH_MAX])
{
    char folder[PATH_MAX];
    char *slash;
    int length;

    if (pv_os_process_own_path(folder, sizeof(folder)) != 0) {
        fprintf(stderr, "pearvisor: cannot find the path of this program\n");
        return false;
    }
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    length = snprintf(ret_path, PATH_MAX, "%s/%s", folder, name);
    if (length < 0 || length >= PATH_MAX || access(ret_path, X_OK) != 0) {
        fprintf(stderr, "pearvisor: there is no %s beside this program in %s\n", name, folder);
        return false;
    }
    return true;
}

bool pv_cli_renderer_find(const char *override, char ret_path[PATH_MAX])
{
    if (override == NULL) {
        return pv_cli_program_find("pearvisor-render", ret_path);
    }
    if (strlen(override) >= PATH_MAX || access(override, X_OK) != 0) {
        fprintf(stderr, "pearvisor: there is no render worker at %.200s\n", override);
        return false;
    }
    strcpy(ret_path, override);
    return true;
}

/* Both names of the variable: loaders before 1.3.207 know only the older. */
void pv_cli_host_driver_choose(void)
{
    const char *icd = variable("PV_HOST_ICD");

    if (icd != NULL) {
        if (access(icd, R_OK) != 0) {
            (void)fprintf(stderr, "pearvisor: PV_HOST_ICD names '%s', which cannot be read: %s\n",
                          icd, strerror(errno));
        }
        (void)setenv("VK_DRIVER_FILES", icd, 1);
        (void)setenv("VK_ICD_FILENAMES", icd, 1);
    }
}

const char *pv_cli_venus_icd_find(const char *override)
{
    static const char *const candidates[] = {
        "/usr/share/vulkan/icd.d/virtio_icd.json",
        "/usr/share/vulkan/icd.d/virtio_icd.x86_64.json",
        "/usr/share/vulkan/icd.d/virtio_icd.aarch64.json",
    };

    if (override != NULL) {
        return override;
    }
    if (variable("PV_VENUS_ICD") != NULL) {
        return variable("PV_VENUS_ICD");
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(candidates); i++) {
        if (access(candidates[i], R_OK) == 0) {
            return candidates[i];
        }
    }
    return NULL;
}
