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
#define PV_DISPLAY_WIRE_VERSION 2u

/* Payload of one answer: twice as many contexts as there can be. */
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

/* Who answers. */
enum pv_display_server_kind {
    PV_DISPLAY_SERVER_DEVICE = 1, /* the virtio-gpu device of a VM */
    PV_DISPLAY_SERVER_VTEST = 2,  /* no screens, no window, no resources of a device */
};

struct pv_display_statistics {
    uint64_t memory_used_bytes; /* blobs and 2D resources of the device */
    uint64_t memory_all_bytes;  /* those, and what the workers allocated */
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
    uint32_t server_kind;  /* enum pv_display_server_kind */
};
static_assert(sizeof(struct pv_display_statistics) == 96, "statistics");

/* One context. What its worker counts is the worker's word: figures for people. */
struct pv_display_context {
    uint64_t memory_bytes;  /* all that it makes the host hold */
    uint64_t blob_bytes;    /* of these, blobs that it made and that still live */
    uint64_t submit_count;  /* streams on the control queue */
    uint64_t command_count; /* Vulkan commands since its start */
    uint64_t object_count;
    uint32_t context_id;
    uint32_t capset_id;
    uint32_t fence_count;
    uint32_t is_lost;
    uint32_t ring_count;
    uint32_t request_count; /* that its worker owes an answer to */
    uint32_t worker_pid;    /* in the device's own namespace; 0: none */
    uint32_t reserved;
    char name[64];
};
static_assert(sizeof(struct pv_display_context) == 136, "context");

#endif
