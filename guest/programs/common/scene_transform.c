/* SPDX-License-Identifier: MIT */
/*
 * Matrices of the scenes. Only additions, multiplications and divisions of doubles, compiled
 * without contraction: every CPU gives the same bits.
 */
#include "common/scene_transform.h"

#include <string.h>

/* One turn of the angle whose half has the tangent `half_tangent`, applied `count` times. */
static void turn(double half_tangent, uint32_t count, double *ret_cosine, double *ret_sine)
{
    const double square = half_tangent * half_tangent;
    const double step_cosine = (1.0 - square) / (1.0 + square);
    const double step_sine = 2.0 * half_tangent / (1.0 + square);
    double cosine = 1.0;
    double sine = 0.0;

    for (uint32_t i = 0; i < count; i++) {
        const double next = cosine * step_cosine - sine * step_sine;

        sine = sine * step_cosine + cosine * step_sine;
        cosine = next;
    }
    *ret_cosine = cosine;
    *ret_sine = sine;
}

/* How far the shorter side of the target stretches: 1 for a square. */
static void aspect(VkExtent2D extent_px, double *ret_x, double *ret_y)
{
    const double width = extent_px.width;
    const double height = extent_px.height;

    *ret_x = width > height ? height / width : 1.0;
    *ret_y = height > width ? width / height : 1.0;
}

void pv_prog_scene_transform_flat(VkExtent2D extent_px, uint32_t frame, float ret_matrix[16])
{
    double cosine;
    double sine;
    double x;
    double y;

    turn(1.0 / 64.0, frame, &cosine, &sine);
    aspect(extent_px, &x, &y);
    memset(ret_matrix, 0, 16 * sizeof(float));
    ret_matrix[0] = (float)(cosine * x);
    ret_matrix[1] = (float)(sine * y);
    ret_matrix[4] = (float)(-sine * x);
    ret_matrix[5] = (float)(cosine * y);
    ret_matrix[10] = 1.0f;
    ret_matrix[15] = 1.0f;
}

void pv_prog_scene_transform_solid(VkExtent2D extent_px, uint32_t frame, float ret_matrix[16])
{
    const double near = 1.0;
    const double far = 10.0;
    const double distance = 4.5;
    const double zoom = 2.1;
    double cy;
    double sy;
    double cx;
    double sx;
    double x;
    double y;

    /* 20 steps ahead, or frame 0 would show one face and a flat square. */
    turn(1.0 / 64.0, frame + 20, &cy, &sy);
    turn(1.0 / 96.0, frame + 20, &cx, &sx);
    aspect(extent_px, &x, &y);
    /* rotation = Rx * Ry, columns as rows below; then view z = distance + z, depth 0 .. 1. */
    const double rotation[3][3] = {
        {cy, sx * sy, -cx * sy},
        {0.0, cx, sx},
        {sy, -sx * cy, cx * cy},
    };
    const double depth_scale = far / (far - near);

    for (int column = 0; column < 3; column++) {
        const double *r = rotation[column];

        ret_matrix[column * 4 + 0] = (float)(r[0] * zoom * x);
        ret_matrix[column * 4 + 1] = (float)(r[1] * zoom * y);
        ret_matrix[column * 4 + 2] = (float)(r[2] * depth_scale);
        ret_matrix[column * 4 + 3] = (float)r[2];
    }
    ret_matrix[12] = 0.0f;
    ret_matrix[13] = 0.0f;
    ret_matrix[14] = (float)((distance - near) * depth_scale);
    ret_matrix[15] = (float)distance;
}
