/* SPDX-License-Identifier: MIT */
/*
 * A screen as a PNG file; see png.h. libpng's simplified interface, which returns errors and needs
 * no jumps.
 */
#include "display/png.h"

#include <errno.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/sink.h"
#include "os/fd.h"
#include "os/random.h"

#define PIXEL_BYTES  4u
#define COLOUR_BYTES 3u

/* Where the colours are in the four bytes of a pixel. */
struct layout {
    uint8_t red;
    uint8_t green;
    uint8_t blue;
    uint8_t alpha; /* or the byte that is ignored */
};

static bool layout_of(uint32_t format, struct layout *ret_layout)
{
    switch (format) {
    case PV_GPU_FORMAT_BGRA:
    case PV_GPU_FORMAT_BGRX:
        *ret_layout = (struct layout){2, 1, 0, 3};
        return true;
    case PV_GPU_FORMAT_ARGB:
    case PV_GPU_FORMAT_XRGB:
        *ret_layout = (struct layout){1, 2, 3, 0};
        return true;
    case PV_GPU_FORMAT_RGBA:
    case PV_GPU_FORMAT_RGBX:
        *ret_layout = (struct layout){0, 1, 2, 3};
        return true;
    case PV_GPU_FORMAT_ABGR:
    case PV_GPU_FORMAT_XBGR:
        *ret_layout = (struct layout){3, 2, 1, 0};
        return true;
    default:
        return false;
    }
}

/* One colour over another; premultiplied, so it may not exceed its alpha, but a guest can err. */
static uint8_t over(uint32_t above, uint32_t below, uint32_t alpha)
{
    const uint32_t sum = above + (below * (255 - alpha) + 127) / 255;

    return (uint8_t)(sum > 255 ? 255 : sum);
}

static void put_cursor(const struct pv_display_screen *screen, const struct layout *layout,
                       uint8_t *colours)
{
    const struct pv_display_picture *cursor = &screen->cursor;

    for (uint32_t row = 0; row < cursor->height_px; row++) {
        for (uint32_t column = 0; column < cursor->width_px; column++) {
            const int64_t x = (int64_t)screen->cursor_x_px + column;
            const int64_t y = (int64_t)screen->cursor_y_px + row;
            const uint8_t *pixel =
                cursor->pixels + ((size_t)row * cursor->width_px + column) * PIXEL_BYTES;
            const uint8_t alpha = pixel[layout->alpha];
            uint8_t *colour;

            if (x < 0 || x >= screen->frame.width_px || y < 0 || y >= screen->frame.height_px) {
                continue;
            }
            colour = colours + ((size_t)y * screen->frame.width_px + (size_t)x) * COLOUR_BYTES;
            colour[0] = over(pixel[layout->red], colour[0], alpha);
            colour[1] = over(pixel[layout->green], colour[1], alpha);
            colour[2] = over(pixel[layout->blue], colour[2], alpha);
        }
    }
}

int pv_display_screen_compose(const struct pv_display_screen *screen, uint8_t **ret_colours)
{
    const struct pv_display_picture *frame = &screen->frame;
    const size_t count = (size_t)frame->width_px * frame->height_px;
    struct layout layout;
    struct layout cursor_layout;
    uint8_t *colours;

    if (!layout_of(frame->format, &layout)
        || (screen->cursor.pixels != NULL && !layout_of(screen->cursor.format, &cursor_layout))) {
        return -EINVAL;
    }
    colours = malloc(count * COLOUR_BYTES);
    if (colours == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *pixel = frame->pixels + i * PIXEL_BYTES;

        colours[i * COLOUR_BYTES] = pixel[layout.red];
        colours[i * COLOUR_BYTES + 1] = pixel[layout.green];
        colours[i * COLOUR_BYTES + 2] = pixel[layout.blue];
    }
    if (screen->cursor.pixels != NULL) {
        put_cursor(screen, &cursor_layout, colours);
    }
    *ret_colours = colours;
    return 0;
}

static int write_file(FILE *file, const struct pv_display_screen *screen, const uint8_t *colours)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = screen->frame.width_px,
        .height = screen->frame.height_px,
        .format = PNG_FORMAT_RGB,
    };
    const int good = png_image_write_to_stdio(&image, file, 0, colours, 0, NULL);

    png_image_free(&image);
    return good != 0 && fflush(file) == 0 ? 0 : -EIO;
}

/* A new file beside path, with the access rights that the user's files have. Returns 0 with both
 * outputs for the caller, or -errno. */
static int open_temporary(const char *path, char **ret_name, FILE **ret_file)
{
    const size_t name_bytes = strlen(path) + sizeof(".0123456789abcdef");
    char *name = malloc(name_bytes);
    uint64_t number = 0;
    FILE *file;
    int r = name == NULL ? -ENOMEM : pv_os_random_fill(&number, sizeof(number));

    if (r == 0) {
        (void)snprintf(name, name_bytes, "%s.%016llx", path, (unsigned long long)number);
        file = fopen(name, "wbx");
        r = file == NULL ? -errno : 0;
    }
    if (r < 0) {
        free(name);
        return r;
    }
    *ret_name = name;
    *ret_file = file;
    return 0;
}

int pv_display_png_write(const char *path, const struct pv_display_screen *screen)
{
    uint8_t *colours = NULL;
    char *temporary = NULL;
    FILE *file = NULL;
    int r = pv_display_screen_compose(screen, &colours);

    if (r < 0) {
        return r;
    }
    if (pv_os_path_is_special(path)) {
        /* Nothing to be replaced by a file, whoever may. */
        file = fopen(path, "wb");
        r = file == NULL ? -errno : 0;
    } else {
        r = open_temporary(path, &temporary, &file);
    }
    if (r < 0) {
        free(colours);
        return r;
    }
    r = write_file(file, screen, colours);
    if (fclose(file) != 0 && r == 0) {
        r = -errno;
    }
    if (r == 0 && temporary != NULL && rename(temporary, path) < 0) {
        r = -errno;
    }
    if (r < 0 && temporary != NULL) {
        (void)remove(temporary);
    }
    free(temporary);
    free(colours);
    return r;
}
