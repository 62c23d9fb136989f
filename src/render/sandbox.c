/* SPDX-License-Identifier: MIT */
/* Putting the tables and the stages together; see sandbox.h. */
#include "render/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/sandbox_calls.h"
#include "render/sandbox_files.h"

static void report_none(struct pv_os_isolation_report *ret_report)
{
    memset(ret_report, 0, sizeof(*ret_report));
    for (size_t i = 0; i < PV_OS_ISOLATION_STAGE_COUNT; i++) {
        (void)snprintf(ret_report->stages[i].detail, sizeof(ret_report->stages[i].detail),
                       "turned off");
    }
}

int pv_render_sandbox_enter(const struct pv_render_sandbox_options *options,
                            struct pv_os_isolation_report *ret_report)
{
    struct pv_os_isolation_options isolation = {.size_bytes = sizeof(isolation)};
    struct pv_render_sandbox_files *files;
    int r;

    report_none(ret_report);
    if (options->size_bytes != sizeof(*options)) {
        return -EINVAL;
    }
    if (options->mode == PV_RENDER_SANDBOX_NONE) {
        return 0;
    }
    files = calloc(1, sizeof(*files));
    if (files == NULL) {
        return -ENOMEM;
    }
    pv_render_sandbox_files_init(files, options);
    isolation.paths = files->paths;
    isolation.path_count = files->count;
    isolation.hidden = files->hidden;
    isolation.calls = pv_render_sandbox_calls;
    isolation.ioctl_types = pv_render_sandbox_ioctls;
    isolation.ioctl_type_count = pv_render_sandbox_ioctl_count;
    isolation.kept_fds = options->kept_fds;
    isolation.kept_count = options->kept_count;
    isolation.is_measuring = options->mode == PV_RENDER_SANDBOX_MEASURE;
    r = pv_os_isolation_enter(&isolation, ret_report);
    if (r == 0 && options->mode == PV_RENDER_SANDBOX_STRICT
        && !pv_os_isolation_is_complete(ret_report)) {
        r = -EPERM;
    }
    pv_render_sandbox_files_finish(files);
    free(files);
    return r;
}
