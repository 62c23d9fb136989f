/* SPDX-License-Identifier: MIT */
/*
 * Blob resources: creation, and their place in the window.
 *
 * Linux maps a mappable blob right after it has created it, before it attaches it to its context,
 * and does not wait for either answer. So MAP_BLOB of a blob that its worker is still exporting
 * waits, and the context that made a blob is attached to it from the start.
 *
 * After UNMAP the pages are gone for good: the resource is dead, and only UNREF is left.
 */
#ifndef PV_GPU_BLOB_H
#define PV_GPU_BLOB_H

struct pv_gpu_exported;
struct pv_gpu_request;
struct pv_gpu_resource;

/* RESOURCE_CREATE_BLOB (resource: NULL), RESOURCE_MAP_BLOB, RESOURCE_UNMAP_BLOB. */
void pv_gpu_blob_handle_create(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_blob_handle_map(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_blob_handle_unmap(struct pv_gpu_request *request, struct pv_gpu_resource *resource);

/*
 * The worker has exported the memory, or not (status -errno). request: the creation, NULL if it has
 * been answered. exported: its fd is taken; NULL when status is an error. May free the resource
 * (what waits may give it up).
 */
void pv_gpu_blob_end_export(struct pv_gpu_resource *resource, struct pv_gpu_request *request,
                            int status, const struct pv_gpu_exported *exported);

/* The worker has moved the pages to the window, or not. May free the resource. */
void pv_gpu_blob_end_place(struct pv_gpu_resource *resource, struct pv_gpu_request *request,
                           int status);

/* All contexts have left the window range. May free the resource. */
void pv_gpu_blob_end_unmap(struct pv_gpu_resource *resource, struct pv_gpu_request *request);

#endif
