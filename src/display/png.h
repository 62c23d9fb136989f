/* SPDX-License-Identifier: MIT */
/*
 * A screen as a PNG file: the frame with the cursor over it. For programs that are clients; the
 * device never links this. Any thread.
 */
#ifndef PV_DISPLAY_PNG_H
#define PV_DISPLAY_PNG_H

#include <stdint.h>

#include "base/compiler.h"
#include "display/client.h"

/*
 * The colours of a screen: width * height * 3 bytes, red first; freed by the caller. The frame's
 * alpha is ignored (a screen has nothing behind it). The cursor's is used in every format: Linux
 * makes cursor images as format 2 (BGRX), whose fourth byte is alpha all the same; colours are
 * premultiplied, as its planes have them.
 *
 * Returns 0, -EINVAL for a format that is none, or -ENOMEM.
 */
PV_NODISCARD int pv_display_screen_compose(const struct pv_display_screen *screen,
                                           uint8_t **ret_colours);

/*
 * Write a screen to a file at path: to a new file beside it, which then takes its place, so that
 * nobody sees half a picture. Returns 0 or -errno.
 */
PV_NODISCARD int pv_display_png_write(const char *path, const struct pv_display_screen *screen);

#endif
