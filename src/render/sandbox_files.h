/* SPDX-License-Identifier: MIT */
/*
 * Which paths a Vulkan driver needs: those that all need, and those that the user's environment and
 * the installed driver manifests name.
 */
#ifndef PV_RENDER_SANDBOX_FILES_H
#define PV_RENDER_SANDBOX_FILES_H

#include "os/isolation.h"
#include "render/sandbox.h"

/* Paths of one worker; more than these are not let through. */
#define PV_RENDER_SANDBOX_PATHS_MAX 256

struct pv_render_sandbox_files {
    struct pv_os_isolation_path paths[PV_RENDER_SANDBOX_PATHS_MAX];
    size_t count;
    char *owned[PV_RENDER_SANDBOX_PATHS_MAX]; /* texts of this list's own */
    size_t owned_count;
    const char *hidden[16]; /* NULL-terminated: folders that no driver needs */
};

/* Fill a list that is zero. Texts of `options` must outlive it. Any thread. */
void pv_render_sandbox_files_init(struct pv_render_sandbox_files *files,
                                  const struct pv_render_sandbox_options *options);

/* Free what init allocated. */
void pv_render_sandbox_files_finish(struct pv_render_sandbox_files *files);

#endif
