/* SPDX-License-Identifier: MIT */
/*
 * Where things are on this machine: the only place, with the command line, that reads the
 * environment. All functions print one sentence to stderr when they fail.
 *
 *   PEARVISOR_CACHE_DIR    guest images; else XDG_CACHE_HOME/pearvisor, else ~/.cache/pearvisor
 *   PEARVISOR_RUNTIME_DIR  running VMs; else XDG_RUNTIME_DIR/pearvisor, else /tmp/pearvisor-UID
 *   PEARVISOR_DATA_DIR     recipes and guest programs; else beside the program: ../guest in a build
 *                          tree, ../share/pearvisor where it is installed
 *   PV_QEMU                the QEMU to use; else the one in PATH
 */
#ifndef PV_CLI_PLACES_H
#define PV_CLI_PLACES_H

#include <limits.h>
#include <stdbool.h>

#include "vm/arch.h"
#include "vm/image.h"
#include "vm/qemu.h"

struct pv_cli_places {
    char program[PATH_MAX]; /* this program */
    char cache[PATH_MAX];
    char runtime[PATH_MAX];
    char recipes[PATH_MAX];
    char programs[PATH_MAX]; /* cpio archive of what runs in guests */
};

/* cache_override: from --cache-dir, or NULL. Returns whether all were found. */
bool pv_cli_places_find(const char *cache_override, struct pv_cli_places *ret_places);

/* The architecture of this machine, or NULL (and a sentence) if it cannot have VMs. */
const struct pv_vm_arch *pv_cli_arch(void);

/* The store of images in these places. Borrows from both. */
struct pv_vm_image_store pv_cli_image_store(const struct pv_cli_places *places,
                                            const struct pv_vm_arch *arch);

/* Find an image, or say how to build it. */
bool pv_cli_image_find(const struct pv_cli_places *places, const struct pv_vm_arch *arch,
                       const char *name, struct pv_vm_image *ret_image);

/* Find a QEMU that will do, or say what is wrong. override: from --qemu, or NULL. */
bool pv_cli_qemu_find(const struct pv_vm_arch *arch, const char *override,
                      struct pv_vm_qemu *ret_qemu);

#endif
