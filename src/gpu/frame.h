/* SPDX-License-Identifier: MIT */
/*
 * A picture in shared memory that readers in other processes never see torn: the writing half of
 * what gpu/sink.h describes. Two buffers; each picture is written into the one that is not shown,
 * after what the last picture changed has been carried over.
 */
#ifndef PV_GPU_FRAME_H
#define PV_GPU_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "gpu/sink.h"

struct pv_gpu_frame {
    struct pv_gpu_frame_view view;
    struct pv_gpu_frame_shared *shared; /* the mapping */
    uint64_t number;                    /* of the last whole picture */
    struct pv_gpu_rect stale;           /* where the hidden buffer differs from the shown one */
};

/* Bytes that a frame of that size takes (sides at most PV_GPU_SIDE_MAX_PX). */
uint64_t pv_gpu_frame_size_bytes(uint32_t width_px, uint32_t height_px);

/* A black frame. Returns 0 or -errno. Sides 1 .. PV_GPU_SIDE_MAX_PX. */
PV_NODISCARD int pv_gpu_frame_create(uint32_t width_px, uint32_t height_px, uint32_t format,
                                     struct pv_gpu_frame **ret_frame);

/* Readers keep what they have mapped. Accepts NULL. */
void pv_gpu_frame_destroy(struct pv_gpu_frame *frame);

/* Begin a picture: the buffer to write to, equal to the shown one. publish or cancel follows. */
uint8_t *pv_gpu_frame_begin(struct pv_gpu_frame *frame);

/* Show it; damage: the part that was written (inside the frame). */
void pv_gpu_frame_publish(struct pv_gpu_frame *frame, const struct pv_gpu_rect *damage);

/* Do not show it; damage: the part that may have been written. */
void pv_gpu_frame_cancel(struct pv_gpu_frame *frame, const struct pv_gpu_rect *damage);

#endif
