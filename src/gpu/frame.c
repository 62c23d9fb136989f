/* SPDX-License-Identifier: MIT */
/*
 * The writing half of a frame; see frame.h and sink.h.
 */
#include "gpu/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "gpu/twod.h"
#include "os/shm.h"
#include "os/socket.h"

static uint64_t buffer_bytes(uint32_t width_px, uint32_t height_px)
{
    uint64_t bytes = (uint64_t)width_px * height_px * PV_GPU_PIXEL_BYTES;

    (void)!pv_base_u64_align_up(bytes, pv_os_page_bytes(), &bytes);
    return bytes;
}

uint64_t pv_gpu_frame_size_bytes(uint32_t width_px, uint32_t height_px)
{
    return pv_os_page_bytes() + 2 * buffer_bytes(width_px, height_px);
}

int pv_gpu_frame_create(uint32_t width_px, uint32_t height_px, uint32_t format,
                        struct pv_gpu_frame **ret_frame)
{
    struct pv_gpu_frame *frame = calloc(1, sizeof(*frame));
    void *memory;
    int r;

    if (frame == NULL) {
        return -ENOMEM;
    }
    frame->view = (struct pv_gpu_frame_view){
        .fd = -1,
        .size_bytes = pv_gpu_frame_size_bytes(width_px, height_px),
        .buffers_offset_bytes = pv_os_page_bytes(),
        .buffer_bytes = buffer_bytes(width_px, height_px),
        .width_px = width_px,
        .height_px = height_px,
        .stride_bytes = width_px * PV_GPU_PIXEL_BYTES,
        .format = format,
    };
    r = pv_os_shm_create_read_only("pearvisor-frame", (size_t)frame->view.size_bytes,
                                   &frame->view.fd, &memory);
    if (r < 0) {
        pv_gpu_frame_destroy(frame);
        return r;
    }
    frame->shared = memory;
    frame->shared->magic = PV_GPU_FRAME_MAGIC;
    *ret_frame = frame;
    return 0;
}

void pv_gpu_frame_destroy(struct pv_gpu_frame *frame)
{
    if (frame != NULL) {
        pv_os_shm_unmap(frame->shared, (size_t)frame->view.size_bytes);
        pv_os_fds_close(&frame->view.fd, 1);
        free(frame);
    }
}

static uint8_t *buffer_of(const struct pv_gpu_frame *frame, uint64_t number)
{
    return (uint8_t *)frame->shared + frame->view.buffers_offset_bytes
           + (number & 1) * frame->view.buffer_bytes;
}

uint8_t *pv_gpu_frame_begin(struct pv_gpu_frame *frame)
{
    const uint8_t *shown = buffer_of(frame, frame->number);
    uint8_t *hidden = buffer_of(frame, frame->number + 1);
    const struct pv_gpu_rect *stale = &frame->stale;

    /* Readers must see the announcement before any byte that follows it. */
    atomic_store_explicit(&frame->shared->begun, frame->number + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t row = 0; row < stale->height; row++) {
        const size_t offset_bytes = (size_t)(stale->y + row) * frame->view.stride_bytes
                                    + (size_t)stale->x * PV_GPU_PIXEL_BYTES;

        memcpy(hidden + offset_bytes, shown + offset_bytes,
               (size_t)stale->width * PV_GPU_PIXEL_BYTES);
    }
    frame->stale = (struct pv_gpu_rect){0};
    return hidden;
}

void pv_gpu_frame_publish(struct pv_gpu_frame *frame, const struct pv_gpu_rect *damage)
{
    frame->number++;
    frame->stale = *damage;
    atomic_store_explicit(&frame->shared->finished, frame->number, memory_order_release);
}

void pv_gpu_frame_cancel(struct pv_gpu_frame *frame, const struct pv_gpu_rect *damage)
{
    /* The number stays announced; the next picture takes it again. */
    frame->stale = *damage;
}
