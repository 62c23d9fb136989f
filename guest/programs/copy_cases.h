/* SPDX-License-Identifier: MIT */
/* The cases of pv-copy that live in files of their own; see struct pv_prog_case. */
#ifndef PV_PROG_COPY_CASES_H
#define PV_PROG_COPY_CASES_H

#include "common/gpu.h"

/* copy_image.c: copies between buffers and images, blits, clears. */
void pv_prog_copy_buffer_image(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_layers(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_image_image(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_blit(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_clear(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_clear_depth(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_linear(struct pv_prog_gpu *gpu, const char *name);

/* copy_memory.c: what memory can be used for, and how it is mapped. */
void pv_prog_copy_types(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_remap(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_persistent(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_small(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_copy_suballocated(struct pv_prog_gpu *gpu, const char *name);

#endif
