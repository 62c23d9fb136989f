/* SPDX-License-Identifier: MIT */
/*
 * The EDID of a scanout: what a monitor would tell about itself, for one mode.
 */
#ifndef PV_GPU_EDID_H
#define PV_GPU_EDID_H

#include <stdint.h>

#define PV_GPU_EDID_BYTES 128u

/*
 * Write an EDID 1.4 base block whose preferred timing is width_px x height_px (each
 * PV_GPU_MODE_MIN_PX .. PV_GPU_MODE_MAX_PX) at 60 Hz, or as near to it as the largest pixel clock
 * of a timing block lets it be. scanout_index makes the serial number.
 * Source: VESA E-EDID 1.4 section 3, CVT 1.2 section 5.4 (reduced blanking).
 */
void pv_gpu_edid_write(uint32_t width_px, uint32_t height_px, uint32_t scanout_index,
                       uint8_t ret_edid[PV_GPU_EDID_BYTES]);

#endif
