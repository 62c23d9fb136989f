/* SPDX-License-Identifier: MIT */
/* The cases of pv-compute that live in files of their own; see struct pv_prog_case. */
#ifndef PV_PROG_COMPUTE_CASES_H
#define PV_PROG_COMPUTE_CASES_H

#include "common/gpu.h"

/* Several descriptor sets: arrays, dynamic offsets, texel buffers, update templates. */
void pv_prog_compute_sets(struct pv_prog_gpu *gpu, const char *name);
/* Storage images, read and written. */
void pv_prog_compute_image(struct pv_prog_gpu *gpu, const char *name);
/* Buffers by device address; says "skip" without the feature. */
void pv_prog_compute_address(struct pv_prog_gpu *gpu, const char *name);
/* A pipeline cache that is read back and given to a second cache. */
void pv_prog_compute_cache(struct pv_prog_gpu *gpu, const char *name);

#endif
