/* SPDX-License-Identifier: MIT */
/*
 * The other end of the control socket: asks a device for its screens and figures.
 *
 * The device may be stopped, or not be one of ours: every answer is checked, nothing waits longer
 * than PV_DISPLAY_CLIENT_TIMEOUT_MS. After an error the client is of no more use.
 * Threads: one per client.
 */
#ifndef PV_DISPLAY_CLIENT_H
#define PV_DISPLAY_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "display/control_wire.h"

#define PV_DISPLAY_CLIENT_TIMEOUT_MS 5000u

/* Sides of a picture that a client takes. */
#define PV_DISPLAY_SIDE_MAX_PX 16384u

struct pv_display_client;

/* A copy of a picture, whole rows of width * 4 bytes. All zero: none. */
struct pv_display_picture {
    uint32_t width_px;
    uint32_t height_px;
    uint32_t format; /* enum pv_gpu_format */
    uint64_t number; /* of this picture of its frame; 0: nothing was drawn yet */
    uint8_t *pixels; /* owned */
};

/* A screen as it was shown at one moment. */
struct pv_display_screen {
    struct pv_display_picture frame;
    struct pv_display_picture cursor; /* pixels NULL: none */
    int32_t cursor_x_px;
    int32_t cursor_y_px;
};

/* Returns 0 with a connected client, or -errno (-ENOENT, -ECONNREFUSED: nobody listens there). */
PV_NODISCARD int pv_display_client_connect(const char *socket_path,
                                           struct pv_display_client **ret_client);

/* Accepts NULL. */
void pv_display_client_destroy(struct pv_display_client *client);

/* Scanouts of the device, up to max. Returns how many, or -errno. */
int pv_display_client_list(struct pv_display_client *client,
                           struct pv_display_scanout *ret_scanouts, size_t max);

/*
 * Copy a screen. Returns 0 with pictures for pv_display_screen_finish; -ENOENT when there is no
 * such scanout; -ENODEV while it is off; -EAGAIN when the guest draws faster than we copy;
 * -EPROTO for an answer that makes no sense; or another -errno.
 */
PV_NODISCARD int pv_display_client_get_screen(struct pv_display_client *client,
                                              uint32_t scanout_index,
                                              struct pv_display_screen *ret_screen);

/*
 * Figures, and up to max contexts, whose names are made printable ASCII: guests chose them. Returns
 * how many contexts, or -errno.
 */
int pv_display_client_get_statistics(struct pv_display_client *client,
                                     struct pv_display_statistics *ret_statistics,
                                     struct pv_display_context *ret_contexts, size_t max);

/* Frees the pictures. Accepts an all-zero one. */
void pv_display_screen_finish(struct pv_display_screen *screen);

#endif
