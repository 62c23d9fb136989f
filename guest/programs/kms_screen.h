/* SPDX-License-Identifier: MIT */
/*
 * One screen through the kernel's mode setting: a connector, its preferred mode, a CRTC, and
 * framebuffers made of dma-bufs. Used by pv-kms.
 *
 * The legacy calls are enough: a virtio-gpu of Linux 6.12 has no vertical blank and takes neither
 * modifiers nor more than one plane.
 *
 * Threads: one.
 */
#ifndef PV_PROG_KMS_SCREEN_H
#define PV_PROG_KMS_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <xf86drmMode.h>

#include "common/linear_image.h"

struct pv_prog_kms_screen {
    int fd;
    uint32_t connector_id;
    uint32_t crtc_id;
    drmModeModeInfo mode;
    drmModeCrtc *saved; /* what was shown before; NULL if unknown */
    bool flip_pending;
};

struct pv_prog_kms_buffer {
    uint32_t handle; /* GEM */
    uint32_t framebuffer_id;
};

/*
 * Open a card and choose what to show on.
 *
 * path        such as /dev/dri/card0
 *
 * Ends the program with status 77 if there is no such card or nothing is connected to it, with
 * status 1 on other trouble.
 */
void pv_prog_kms_screen_open(const char *path, struct pv_prog_kms_screen *ret_screen);

/* Show again what was there before, if anything, and close the card. */
void pv_prog_kms_screen_close(struct pv_prog_kms_screen *screen);

/*
 * Make a framebuffer of a LINEAR B8G8R8A8 image.
 *
 * layout      of the image, borrowed for the call
 * fd          its dma-buf, stays the caller's
 */
void pv_prog_kms_buffer_create(const struct pv_prog_kms_screen *screen,
                               const struct pv_prog_linear_layout *layout, int fd,
                               struct pv_prog_kms_buffer *ret_buffer);

/* Remove a framebuffer that is not shown any more; a zeroed one is fine. */
void pv_prog_kms_buffer_destroy(const struct pv_prog_kms_screen *screen,
                                struct pv_prog_kms_buffer *buffer);

/* Set the mode and show a buffer at once. */
void pv_prog_kms_screen_set(struct pv_prog_kms_screen *screen,
                            const struct pv_prog_kms_buffer *buffer);

/* Start a page flip; the one before is over (pv_prog_kms_screen_wait). */
void pv_prog_kms_screen_flip(struct pv_prog_kms_screen *screen,
                             const struct pv_prog_kms_buffer *buffer);

/* Wait for the end of a pending page flip, if any; five seconds without it are a failure. */
void pv_prog_kms_screen_wait(struct pv_prog_kms_screen *screen);

#endif
