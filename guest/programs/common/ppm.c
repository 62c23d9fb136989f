/* SPDX-License-Identifier: MIT */
/* Pictures as PPM files. */
#include "common/ppm.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/report.h"

void pv_prog_ppm_write(const char *path, const void *pixels, VkExtent2D extent_px, VkFormat format)
{
    const uint8_t *bytes = pixels;
    const size_t count = (size_t)extent_px.width * extent_px.height;
    const int red = format == VK_FORMAT_B8G8R8A8_UNORM ? 2 : 0;
    FILE *file = fopen(path, "wb");
    int failed;

    if (file == NULL) {
        pv_prog_fail("cannot write %s: %s", path, strerror(errno));
    }
    fprintf(file, "P6\n%u %u\n255\n", extent_px.width, extent_px.height);
    for (size_t i = 0; i < count; i++) {
        const uint8_t rgb[3] = {bytes[i * 4 + red], bytes[i * 4 + 1], bytes[i * 4 + 2 - red]};

        fwrite(rgb, 1, sizeof(rgb), file);
    }
    failed = ferror(file);
    if (fclose(file) != 0 || failed) {
        pv_prog_fail("cannot write %s: %s", path, strerror(errno));
    }
}
