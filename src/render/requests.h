/* SPDX-License-Identifier: MIT */
/*
 * Requests of the device to a worker: one packet each, in the order of the calls. They implement
 * the members of struct pv_gpu_context_ops (gpu/context.h) that have their name, so see there for
 * arguments. Each returns 0, -EIO when the context is lost (or cannot be reached, and is about to
 * be), or -errno when this one request is impossible; no event is called from inside.
 *
 * Threads: the loop's.
 */
#ifndef PV_RENDER_REQUESTS_H
#define PV_RENDER_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/context_internal.h"

/* The first packets: where use is counted, what the backend's options say, and the window. */
PV_NODISCARD int pv_render_request_init(struct pv_gpu_context *context);

/* Not answered. A shared-memory resource is remembered in the ledger too, for its rings. */
PV_NODISCARD int pv_render_request_attach(struct pv_gpu_context *context, uint32_t resource_id,
                                          const struct pv_gpu_memory *memory);

/* Answered by `done` with cookie. */
PV_NODISCARD int pv_render_request_leave(struct pv_gpu_context *context, uint32_t resource_id,
                                         uint64_t cookie);

/* bytes are borrowed for the call: inline in the packet, or copied to a file if they are many. */
PV_NODISCARD int pv_render_request_submit(struct pv_gpu_context *context, const void *bytes,
                                          size_t size_bytes, bool fenced, uint32_t ring_index,
                                          uint64_t fence_id);

/* Answered by `done` with cookie. */
PV_NODISCARD int pv_render_request_export_blob(struct pv_gpu_context *context, uint32_t resource_id,
                                               uint64_t blob_id, uint64_t size_bytes,
                                               uint32_t blob_flags, uint64_t cookie);

/* Answered by `done` with cookie. */
PV_NODISCARD int pv_render_request_place(struct pv_gpu_context *context, uint32_t resource_id,
                                         uint64_t offset_bytes, uint64_t cookie);

#endif
