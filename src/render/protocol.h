/* SPDX-License-Identifier: MIT */
/*
 * The messages between the device process and a render worker, over a SOCK_SEQPACKET pair: one
 * message per packet, structs of this build's own layout (both ends are one build; the first
 * message carries a version that is checked).
 *
 * Device to worker, in the order in which the guest's requests came; only requests with a cookie
 * are answered, by exactly one DONE. A command stream larger than a packet travels as a memfd.
 * The worker is trusted with its own guest program only: the device checks every field that comes
 * back, and a worker that breaks the protocol is killed.
 */
#ifndef PV_RENDER_PROTOCOL_H
#define PV_RENDER_PROTOCOL_H

#include <stdint.h>

#define PV_RENDER_PROTOCOL_VERSION 1u

/* Bytes of one packet, header and all. Streams of the control queue are a few hundred bytes. */
#define PV_RENDER_PACKET_MAX_BYTES 16384u
/* Bytes of a stream inside a SUBMIT packet; longer ones travel as a memfd. */
#define PV_RENDER_INLINE_MAX_BYTES 8192u

enum pv_render_message_kind {
    /* to the worker */
    PV_RENDER_INIT = 1, /* struct pv_render_init; fd: the window, if it has one */
    PV_RENDER_ATTACH,   /* struct pv_render_attach; fd unless in_window */
    PV_RENDER_LEAVE,    /* struct pv_render_leave; answered */
    PV_RENDER_SUBMIT,   /* struct pv_render_submit, then the stream; or fd with the stream */
    PV_RENDER_EXPORT,   /* struct pv_render_export; answered */
    PV_RENDER_PLACE,    /* struct pv_render_place; answered */
    PV_RENDER_ACCOUNT,  /* struct pv_render_account; fd: a struct pv_base_account. Before INIT */
    /* to the device */
    PV_RENDER_DONE = 64, /* struct pv_render_done; fd after an export that has one */
    PV_RENDER_FENCE,     /* struct pv_render_fence */
    PV_RENDER_LOST,      /* struct pv_render_lost */
    PV_RENDER_RING,      /* struct pv_render_ring */
    PV_RENDER_LOG,       /* struct pv_render_log */
};

struct pv_render_init {
    uint32_t kind;
    uint32_t version;
    uint32_t placement; /* enum pv_venus_placement */
    uint32_t has_window;
    uint64_t window_size_bytes;
    uint64_t memory_max_bytes; /* of all that share the account */
    char name[64];
    char log[128]; /* specification for the worker's log */
};

/* Where the worker's use is counted, together with that of all others of its VM. */
struct pv_render_account {
    uint32_t kind;
    uint32_t slot;
};

struct pv_render_attach {
    uint32_t kind;
    uint32_t resource_id;
    uint64_t offset_bytes;
    uint64_t size_bytes;
    uint32_t in_window;
    uint32_t is_shmem;
};

struct pv_render_leave {
    uint32_t kind;
    uint32_t resource_id;
    uint64_t cookie;
};

struct pv_render_submit {
    uint32_t kind;
    uint32_t size_bytes; /* of the stream */
    uint32_t is_fenced;
    uint32_t ring_index;
    uint64_t fence_id;
};

struct pv_render_export {
    uint32_t kind;
    uint32_t resource_id;
    uint64_t blob_id;
    uint64_t size_bytes;
    uint32_t is_mappable;
    uint32_t is_shareable;
    uint64_t cookie;
};

struct pv_render_place {
    uint32_t kind;
    uint32_t resource_id;
    uint64_t offset_bytes;
    uint64_t cookie;
};

struct pv_render_done {
    uint32_t kind;
    int32_t status; /* 0 or -errno */
    uint64_t cookie;
    uint64_t size_bytes; /* after an export */
};

struct pv_render_fence {
    uint32_t kind;
    uint32_t ring_index;
    uint64_t fence_id;
};

struct pv_render_lost {
    uint32_t kind;
    char reason[252]; /* NUL-terminated by the sender, and again by the receiver */
};

/* Where a ring's status word lies, so that FATAL can be set for a worker that died. */
struct pv_render_ring {
    uint32_t kind;
    uint32_t resource_id;
    uint64_t status_offset_bytes;
    uint32_t is_present;
    uint32_t padding;
};

/*
 * A line of the worker's log. Warnings and errors travel, so that all workers of a guest share the
 * device's budget of lines; what a user turned on with --log goes to stderr from the worker.
 */
struct pv_render_log {
    uint32_t kind;
    uint32_t level; /* enum pv_base_log_level */
    char line[240]; /* NUL-terminated by the sender, and again by the receiver */
};

#endif
