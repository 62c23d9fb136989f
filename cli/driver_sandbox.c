/* SPDX-License-Identifier: MIT */
/* Environment and sandbox of programs with a driver; see the header. */
#include "cli/driver_sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Mesa (lavapipe, radv, anv, ...), NVIDIA, AMDVLK. */
static const char *const cache_variables[][2] = {
    {"MESA_SHADER_CACHE_DISABLE", "true"},
    {"__GL_SHADER_DISK_CACHE", "0"},
    {"AMD_SHADER_DISK_CACHE_PATH", "/nonexistent"},
};

/* How variables begin that loader, drivers, C library and sanitizers read; ours for tests. */
static const char *const kept_variables[] = {
    "VK_",     "LD_",    "MESA_", "LIBGL_", "GALLIUM_", "LP_",    "LVP_",   "DRI_",   "DRIRC",
    "EGL_",    "GBM_",   "RADV_", "ACO_",   "AMD_",     "AMDGPU", "ANV_",   "INTEL_", "NVK_",
    "NOUVEAU", "NIR_",   "TU_",   "FD_",    "V3D",      "PAN_",   "PANVK_", "HK_",    "AGX_",
    "ZINK_",   "SPIRV_", "UTIL_", "LLVM_",  "__GL",     "__NV",   "__VK",   "NV_",    "NVIDIA_",
    "CUDA_",   "XDG_",   "HOME=", "PATH=",  "LANG",     "LC_",    "TZ=",    "GLIBC_", "MALLOC_",
    "ASAN_",   "UBSAN_", "LSAN_", "TSAN_",  "PV_"};

static bool is_kept(const char *variable)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(kept_variables); i++) {
        if (strncmp(variable, kept_variables[i], strlen(kept_variables[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Users keep keys and tokens in their environment. Overwritten too, for it stays in memory. */
static void forget_variables(void)
{
    size_t kept = 0;

    for (size_t i = 0; environ[i] != NULL; i++) {
        if (is_kept(environ[i])) {
            environ[kept++] = environ[i];
        } else {
            memset(environ[i], 0, strlen(environ[i]));
        }
    }
    environ[kept] = NULL;
}

int pv_cli_driver_sandbox_enter(enum pv_render_sandbox_mode mode, const int *kept_fds,
                                size_t kept_count, struct pv_os_isolation_report *ret_report)
{
    const struct pv_render_sandbox_options options = {
        .size_bytes = sizeof(options),
        .mode = mode,
        .library_path = getenv("LD_LIBRARY_PATH"),
        .driver_files = getenv("VK_DRIVER_FILES"),
        .icd_filenames = getenv("VK_ICD_FILENAMES"),
        .add_driver_files = getenv("VK_ADD_DRIVER_FILES"),
        .layer_path = getenv("VK_LAYER_PATH"),
        .home = getenv("HOME"),
        .kept_fds = kept_fds,
        .kept_count = kept_count,
    };

    if (mode != PV_RENDER_SANDBOX_NONE) {
        forget_variables();
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(cache_variables); i++) {
        if (setenv(cache_variables[i][0], cache_variables[i][1], 1) < 0) {
            return -ENOMEM;
        }
    }
    return pv_render_sandbox_enter(&options, ret_report);
}
