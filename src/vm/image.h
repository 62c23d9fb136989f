/* SPDX-License-Identifier: MIT */
/*
 * Guest images: built from a recipe by its own program, kept in a cache folder, never written to.
 *
 * A recipe is a folder of plain files with a program "build OUTPUT_DIR" (guest/image/NAME). The
 * image lands in CACHE/images/NAME-ARCH by one rename, with a hash over the recipe beside it, so
 * that a changed recipe is noticed. Two builds of one image wait for each other.
 *
 * Threads: any; the functions block.
 */
#ifndef PV_VM_IMAGE_H
#define PV_VM_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define PV_VM_IMAGE_PATH_MAX 4096
#define PV_VM_IMAGE_NAME_MAX 64

/* Where images and recipes are. Borrowed strings. */
struct pv_vm_image_store {
    const char *cache_path;
    const char *recipes_path;
    const char *arch_name; /* Debian name */
};

struct pv_vm_image {
    char folder[PV_VM_IMAGE_PATH_MAX];
    char kernel[PV_VM_IMAGE_PATH_MAX];
    char modules[PV_VM_IMAGE_PATH_MAX]; /* first part of the initial RAM disk */
    char root[PV_VM_IMAGE_PATH_MAX];
    bool is_outdated; /* the recipe has changed since it was built, or is gone */
};

/* Returns 0, -ENOENT when it has not been built, -EINVAL for a name that is none, or -errno. */
PV_NODISCARD int pv_vm_image_find(const struct pv_vm_image_store *store, const char *name,
                                  struct pv_vm_image *ret_image);

/*
 * Build an image unless it is there and up to date, or always with force. ret_built says whether
 * there was work to do.
 *
 * log_path  where the recipe's program tells of its progress: a file that is made anew when there
 *           is work to do; NULL: our stderr
 *
 * Returns 0, -ENOENT without such a recipe, -EINVAL for a name that is none, -EIO when the recipe's
 * program failed (it has said why), -EINTR when it was interrupted, -EBADF for a log_path that
 * cannot be written, or another -errno.
 */
PV_NODISCARD int pv_vm_image_build(const struct pv_vm_image_store *store, const char *name,
                                   bool force, const char *log_path, bool *ret_built);

/* Remove an image. A VM that runs from it goes on. Returns 0, -ENOENT, -EINVAL or -errno. */
PV_NODISCARD int pv_vm_image_remove(const struct pv_vm_image_store *store, const char *name);

/*
 * Call visit for each recipe and whether its image is built. size_bytes: what it takes on disk.
 * Returns 0 or -errno.
 */
PV_NODISCARD int pv_vm_image_list(const struct pv_vm_image_store *store,
                                  void (*visit)(void *user, const char *name, bool is_built,
                                                bool is_outdated, uint64_t size_bytes),
                                  void *user);

#endif
