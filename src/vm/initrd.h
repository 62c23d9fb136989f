/* SPDX-License-Identifier: MIT */
/*
 * The initial RAM disk of a run: the image's modules, then our first stage and guest programs.
 * The kernel unpacks concatenated cpio archives one after the other, so no image has to be built
 * again when our programs change. Any thread; blocks.
 */
#ifndef PV_VM_INITRD_H
#define PV_VM_INITRD_H

#include "base/compiler.h"

/* Write both archives, one behind the other, to path. Returns 0 or -errno (-ENOENT: no archive). */
PV_NODISCARD int pv_vm_initrd_write(const char *path, const char *modules_path,
                                    const char *programs_path);

#endif
