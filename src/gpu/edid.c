/* SPDX-License-Identifier: MIT */
/*
 * An EDID that tools find nothing to complain about: sRGB primaries and white point, one timing
 * with reduced blanking, range limits around that timing and nothing else (the display has one
 * frequency, so no formula for others is claimed).
 */
#include "gpu/edid.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Reduced blanking: fixed horizontal parts, vertical front porch, shortest vertical blank. */
#define H_BLANK_PX       160u
#define H_FRONT_PX       48u
#define H_SYNC_PX        32u
#define V_FRONT_LINES    3u
#define V_BACK_MIN_LINES 6u
#define V_BLANK_MIN_US   460u
#define REFRESH_HZ       60u
#define CLOCK_STEP_HZ    250000u /* the formula's granularity */
#define CLOCK_UNIT_HZ    10000u  /* the descriptor's */
#define CLOCK_MAX_HZ     655350000u
#define DOTS_PER_INCH    96u

struct timing {
    uint32_t width_px;
    uint32_t height_px;
    uint32_t v_sync_lines;
    uint32_t v_blank_lines;
    uint32_t clock_hz;
    uint32_t line_hz;    /* lines a second, rounded to nearest */
    uint32_t refresh_hz; /* rounded to nearest */
};

/* The formula's way of telling a display which aspect ratio a mode has. */
static uint32_t v_sync_lines_of(uint32_t width_px, uint32_t height_px)
{
    static const struct {
        uint32_t width;
        uint32_t height;
        uint32_t lines;
    } aspects[] = {{4, 3, 4}, {16, 9, 5}, {16, 10, 6}, {5, 4, 7}, {15, 9, 7}};

    for (size_t i = 0; i < sizeof(aspects) / sizeof(aspects[0]); i++) {
        if (width_px * aspects[i].height == height_px * aspects[i].width) {
            return aspects[i].lines;
        }
    }
    return 10;
}

static struct timing timing_of(uint32_t width_px, uint32_t height_px)
{
    struct timing timing = {
        .width_px = width_px,
        .height_px = height_px,
        .v_sync_lines = v_sync_lines_of(width_px, height_px),
    };
    const uint32_t line_px = width_px + H_BLANK_PX;
    /* Length of a line if the blank took just its shortest time, in picoseconds. */
    const uint64_t line_ps =
        (UINT64_C(1000000000000) / REFRESH_HZ - V_BLANK_MIN_US * UINT64_C(1000000)) / height_px;
    uint32_t blank_lines = (uint32_t)(V_BLANK_MIN_US * UINT64_C(1000000) / line_ps) + 1;
    uint64_t frame_px;
    uint64_t clock_hz;

    if (blank_lines < V_FRONT_LINES + timing.v_sync_lines + V_BACK_MIN_LINES) {
        blank_lines = V_FRONT_LINES + timing.v_sync_lines + V_BACK_MIN_LINES;
    }
    timing.v_blank_lines = blank_lines;
    frame_px = (uint64_t)line_px * (height_px + blank_lines);
    clock_hz = frame_px * REFRESH_HZ / CLOCK_STEP_HZ * CLOCK_STEP_HZ;
    if (clock_hz > CLOCK_MAX_HZ) {
        clock_hz = CLOCK_MAX_HZ; /* a slower display, rather than none */
    }
    timing.clock_hz = (uint32_t)clock_hz;
    timing.line_hz = (uint32_t)((clock_hz + line_px / 2) / line_px);
    timing.refresh_hz = (uint32_t)((clock_hz + frame_px / 2) / frame_px);
    return timing;
}

static uint32_t millimetres(uint32_t px)
{
    return (px * 254u + DOTS_PER_INCH * 5u) / (DOTS_PER_INCH * 10u);
}

static void write_timing(const struct timing *timing, uint8_t *ret_bytes)
{
    const uint32_t clock = timing->clock_hz / CLOCK_UNIT_HZ;
    const uint32_t width_mm = millimetres(timing->width_px);
    const uint32_t height_mm = millimetres(timing->height_px);

    ret_bytes[0] = (uint8_t)clock;
    ret_bytes[1] = (uint8_t)(clock >> 8);
    ret_bytes[2] = (uint8_t)timing->width_px;
    ret_bytes[3] = (uint8_t)H_BLANK_PX;
    ret_bytes[4] = (uint8_t)(((timing->width_px >> 8) << 4) | (H_BLANK_PX >> 8));
    ret_bytes[5] = (uint8_t)timing->height_px;
    ret_bytes[6] = (uint8_t)timing->v_blank_lines;
    ret_bytes[7] =
        (uint8_t)(((timing->height_px >> 8) << 4) | ((timing->v_blank_lines >> 8) & 0xf));
    ret_bytes[8] = (uint8_t)H_FRONT_PX;
    ret_bytes[9] = (uint8_t)H_SYNC_PX;
    ret_bytes[10] = (uint8_t)((V_FRONT_LINES << 4) | timing->v_sync_lines);
    ret_bytes[11] = 0; /* the upper bits of the four before */
    ret_bytes[12] = (uint8_t)width_mm;
    ret_bytes[13] = (uint8_t)height_mm;
    ret_bytes[14] = (uint8_t)(((width_mm >> 8) << 4) | ((height_mm >> 8) & 0xf));
    ret_bytes[17] = 0x1a; /* digital separate sync: horizontal positive, vertical negative */
}

static void write_text(uint8_t tag, const char *text, uint8_t *ret_bytes)
{
    size_t length = strlen(text);

    if (length > 13) {
        length = 13;
    }
    ret_bytes[3] = tag;
    memset(ret_bytes + 5, ' ', 13);
    memcpy(ret_bytes + 5, text, length);
    if (length < 13) {
        ret_bytes[5 + length] = '\n';
    }
}

static void write_range_limits(const struct timing *timing, uint8_t *ret_bytes)
{
    const uint32_t line_khz = timing->line_hz / 1000;
    const uint32_t clock_10mhz = (timing->clock_hz + 9999999) / 10000000;

    ret_bytes[3] = 0xfd;
    ret_bytes[5] = (uint8_t)(timing->refresh_hz > 1 ? timing->refresh_hz - 1 : 1);
    ret_bytes[6] = (uint8_t)(timing->refresh_hz + 1);
    /* kHz; past 255 the descriptor counts from 255 on, by a flag per limit. */
    ret_bytes[4] = (uint8_t)((line_khz + 1 > 255 ? 0x08 : 0) | (line_khz > 255 ? 0x04 : 0));
    ret_bytes[7] = (uint8_t)(line_khz > 255 ? line_khz - 255 : line_khz);
    ret_bytes[8] = (uint8_t)(line_khz + 1 > 255 ? line_khz + 1 - 255 : line_khz + 1);
    ret_bytes[9] = (uint8_t)clock_10mhz;
    ret_bytes[10] = 0x01; /* limits only: no timing formula */
    ret_bytes[11] = '\n';
    memset(ret_bytes + 12, ' ', 6);
}

/* sRGB primaries and the D65 white point, in 1/1024 of the CIE 1931 coordinates. */
static void write_chromaticity(uint8_t *ret_bytes)
{
    static const uint32_t points[8] = {655, 338, 307, 614, 154, 61, 320, 337};

    for (size_t i = 0; i < 8; i++) {
        ret_bytes[2 + i] = (uint8_t)(points[i] >> 2);
        ret_bytes[i / 4] = (uint8_t)(ret_bytes[i / 4] | ((points[i] & 3) << (6 - 2 * (i % 4))));
    }
}

static uint8_t centimetres(uint32_t px)
{
    const uint32_t cm = (millimetres(px) + 5) / 10;

    return (uint8_t)(cm > 255 ? 255 : cm);
}

void pv_gpu_edid_write(uint32_t width_px, uint32_t height_px, uint32_t scanout_index,
                       uint8_t ret_edid[PV_GPU_EDID_BYTES])
{
    static const uint8_t start[8] = {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
    const struct timing timing = timing_of(width_px, height_px);
    uint8_t *bytes = ret_edid;
    uint8_t sum = 0;

    memset(bytes, 0, PV_GPU_EDID_BYTES);
    memcpy(bytes, start, sizeof(start));
    /* Manufacturer "PXV", which nobody has, in three letters of 5 bits; product 1; serial; 2025. */
    bytes[8] = (uint8_t)((('P' - '@') << 2) | (('X' - '@') >> 3));
    bytes[9] = (uint8_t)((('X' - '@') << 5) | ('V' - '@'));
    bytes[10] = 1;
    bytes[12] = (uint8_t)(scanout_index + 1);
    bytes[16] = 1;
    bytes[17] = 2025 - 1990;
    bytes[18] = 1;
    bytes[19] = 4;
    bytes[20] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
    bytes[21] = centimetres(width_px);
    bytes[22] = centimetres(height_px);
    bytes[23] = 120;  /* gamma 2.2 */
    bytes[24] = 0x06; /* RGB 4:4:4, sRGB, the preferred timing is the native one */
    write_chromaticity(bytes + 25);
    for (size_t i = 38; i < 54; i++) {
        bytes[i] = 1; /* no standard timings */
    }
    write_timing(&timing, bytes + 54);
    write_range_limits(&timing, bytes + 72);
    write_text(0xfc, "PearVisor", bytes + 90);
    bytes[111] = 0x10; /* an unused descriptor */
    for (size_t i = 0; i < PV_GPU_EDID_BYTES - 1; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    bytes[127] = (uint8_t)(0u - sum);
}
