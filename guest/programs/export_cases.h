/* SPDX-License-Identifier: MIT */
/*
 * What the files of pv-export share: an item of memory that one device exports and another
 * imports, and the cases about sync files (export_sync.c).
 */
#ifndef PV_PROG_EXPORT_CASES_H
#define PV_PROG_EXPORT_CASES_H

#include <stdint.h>
#include <vulkan/vulkan.h>

#include "common/gpu.h"
#include "common/linear_image.h"

/* The optional extensions of pv-export, as bits of gpu->optional_found. */
enum pv_prog_export_extension {
    PV_PROG_EXPORT_MEMORY_FD,
    PV_PROG_EXPORT_DMA_BUF,
    PV_PROG_EXPORT_MODIFIER,
    PV_PROG_EXPORT_FOREIGN,
    PV_PROG_EXPORT_SEMAPHORE_FD,
    PV_PROG_EXPORT_FENCE_FD,
    PV_PROG_EXPORT_EXTENSION_COUNT,
};
extern const char *const pv_prog_export_extensions[PV_PROG_EXPORT_EXTENSION_COUNT];

/* Open a device with whatever it has of the extensions above. */
void pv_prog_export_gpu_open(uint32_t device_index, bool validate, bool quiet,
                             struct pv_prog_gpu *ret_gpu);

/* What travels with the fd; plain data, the same in two processes of one program. */
struct pv_prog_export_item {
    VkExternalMemoryHandleTypeFlagBits handle_type;
    bool is_image;                       /* or else a buffer */
    struct pv_prog_linear_layout layout; /* of an image; of a buffer only size_bytes */
    VkDeviceSize buffer_bytes;           /* of the buffer, at most layout.size_bytes */
    uint32_t memory_type;                /* of an opaque fd: the importer must use the same */
};

/* What the importer saw, and what it wrote instead. */
struct pv_prog_export_answer {
    uint64_t digest;    /* of the contents that it found */
    uint32_t left_word; /* every pixel or word now holds this */
};

/*
 * The importer's part: import, look, write every pixel or word, let go.
 *
 * gpu         a device of its own, in this process or another
 * item        borrowed for the call
 * fd          stays the caller's
 */
struct pv_prog_export_answer pv_prog_export_consume(struct pv_prog_gpu *gpu,
                                                    const struct pv_prog_export_item *item, int fd);

/* Semaphores and fences as sync files; "skip" without the extensions. */
void pv_prog_export_semaphore(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_export_fence(struct pv_prog_gpu *gpu, const char *name);

/* Note that a case really ran; if none did, the program ends with status 77. */
void pv_prog_export_count(void);

#endif
