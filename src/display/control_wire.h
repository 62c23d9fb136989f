/* SPDX-License-Identifier: MIT */
/*
 * What is said on a device's control socket (a local stream socket, its user's only). The client
 * asks, the device answers each question in order; both ends are of one version. Little-endian, all
 * fields at their natural alignment, reserved ones zero.
 *
 *     question  16 bytes   struct pv_display_question
 *     answer    16 bytes   struct pv_display_answer, then size_bytes of payload, with descriptors
 *                          attached to the first byte where the kind has some
 *
 * LIST        struct pv_display_scanout for each scanout
 * FRAME       struct pv_display_frame; descriptors: the frame's memory, then the cursor's if one is
 *             shown. Refused with ENODEV while the screen is off, ENOENT when there is no such one.
 * STATISTICS  struct pv_display_statistics, then struct pv_display_context for each context
 *
 * The memory behind the descriptors is described in gpu/sink.h.
 */
#ifndef PV_DISPLAY_CONTROL_WIRE_H
#define PV_DISPLAY_CONTROL_WIRE_H

#include <assert.h>
#include <stdint.h>

#define PV_DISPLAY_WIRE_MAGIC   0x43565650u /* "PVVC" */
#define PV_DISPLAY_WIRE_VERSION 1u

/* Payload of one answer: a thousand contexts and more. */
#define PV_DISPLAY_ANSWER_MAX_BYTES 131072u
#define PV_DISPLAY_FD_MAX           2u

enum pv_display_question_kind {
    PV_DISPLAY_LIST = 1,
    PV_DISPLAY_FRAME = 2,
    PV_DISPLAY_STATISTICS = 3,
};

struct pv_display_question {
    uint32_t magic;
    uint16_t version;
    uint16_t kind;
    uint32_t scanout_index; /* FRAME */
    uint32_t reserved;
};
static_assert(sizeof(struct pv_display_question) == 16, "question");

struct pv_display_answer {
    uint32_t magic;
    uint16_t version;
    uint16_t kind;
    uint32_t error; /* 0, or an errno value; then there is no payload */
    uint32_t size_bytes;
};
static_assert(sizeof(struct pv_display_answer) == 16, "answer");

struct pv_display_scanout {
    uint32_t index;
    uint32_t width_px; /* 0: off */
    uint32_t height_px;
    uint32_t format;
};
static_assert(sizeof(struct pv_display_scanout) == 16, "scanout");

/* One shared memory with two buffers, see gpu/sink.h. */
struct pv_display_memory {
    uint64_t size_bytes;
    uint64_t buffers_offset_bytes;
    uint64_t buffer_bytes;
    uint32_t width_px; /* 0: not there, and no descriptor for it */
    uint32_t height_px;
    uint32_t stride_bytes;
    uint32_t format;
};
static_assert(sizeof(struct pv_display_memory) == 40, "memory");

struct pv_display_frame {
    struct pv_display_memory frame;
    struct pv_display_memory cursor;
    int32_t cursor_x_px; /* of the image's left upper corner */
    int32_t cursor_y_px;
    uint32_t cursor_hot_x_px;
    uint32_t cursor_hot_y_px;
};
static_assert(sizeof(struct pv_display_frame) == 96, "frame");

struct pv_display_statistics {
    uint64_t memory_used_bytes;
    uint64_t memory_limit_bytes;
    uint64_t window_used_bytes;
    uint64_t window_size_bytes;
    uint64_t command_count;
    uint64_t error_count;
    uint64_t frame_count;
    uint32_t context_count;
    uint32_t empty_context_count;
    uint32_t lost_context_count;
    uint32_t resource_count;
    uint32_t held_count;
    uint32_t fence_count;
    uint32_t listed_count; /* contexts that follow */
    uint32_t reserved;
};
static_assert(sizeof(struct pv_display_statistics) == 88, "statistics");

struct pv_display_context {
    uint64_t memory_bytes;
    uint64_t submit_count;
    uint32_t context_id;
    uint32_t capset_id;
    uint32_t fence_count;
    uint32_t is_lost;
    char name[64];
};
static_assert(sizeof(struct pv_display_context) == 96, "context");

#endif
