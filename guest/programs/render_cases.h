/* SPDX-License-Identifier: MIT */
/* The cases of pv-render that draw a grid of cells (render_grid.c, render_threads.c). */
#ifndef PV_PROG_RENDER_CASES_H
#define PV_PROG_RENDER_CASES_H

#include "common/gpu.h"

void pv_prog_render_push(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_render_indirect(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_render_descriptors(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_render_long(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_render_huge(struct pv_prog_gpu *gpu, const char *name);
void pv_prog_render_threads(struct pv_prog_gpu *gpu, const char *name);

#endif
