/* SPDX-License-Identifier: MIT */
/*
 * The sandbox of a process that loads the host's Vulkan driver for a guest: os/isolation.h, with
 * the paths and system calls that drivers need.
 *
 * All of it is entered before the driver is loaded and before a byte from the device or a guest is
 * read. Later would be too late: Landlock and namespaces hold for the thread that takes them and
 * for those it starts, and drivers start threads when an instance or a device is made. What a
 * driver opens late (its compiler, /sys, /proc) is let through by path.
 *
 * Drivers' shader caches on disk are turned off by whoever calls this, before: a cache that several
 * workers write is a way from one guest program into another, and from there into the host's own
 * programs, because it holds machine code (docs/decisions/0024-no-shader-cache.md).
 */
#ifndef PV_RENDER_SANDBOX_H
#define PV_RENDER_SANDBOX_H

#include <stddef.h>

#include "base/compiler.h"
#include "os/isolation.h"
#include "render/sandbox_mode.h"

/* Values of environment variables, as found; NULL where not set. Borrowed for the call. */
struct pv_render_sandbox_options {
    size_t size_bytes; /* of this struct */
    enum pv_render_sandbox_mode mode;
    const char *library_path;     /* LD_LIBRARY_PATH */
    const char *driver_files;     /* VK_DRIVER_FILES */
    const char *icd_filenames;    /* VK_ICD_FILENAMES, its older name */
    const char *add_driver_files; /* VK_ADD_DRIVER_FILES */
    const char *layer_path;       /* VK_LAYER_PATH */
    const char *home;             /* HOME */
    const int *kept_fds;          /* descriptors that stay open, above 2 */
    size_t kept_count;
};

/*
 * Enter the sandbox. In mode "none" this only fills the report.
 *
 * ret_report   always set
 *
 * Returns 0; -EPERM in mode "strict" when a stage does not hold; -ENOMEM; or -errno when measuring
 * cannot be done.
 * Threads: the only one of the process.
 */
PV_NODISCARD int pv_render_sandbox_enter(const struct pv_render_sandbox_options *options,
                                         struct pv_os_isolation_report *ret_report);

#endif
