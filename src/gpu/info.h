/* SPDX-License-Identifier: MIT */
/*
 * Questions about the device: displays, EDIDs and capability sets. No resource is named in any.
 */
#ifndef PV_GPU_INFO_H
#define PV_GPU_INFO_H

struct pv_gpu_request;
struct pv_gpu_resource;

/* GET_DISPLAY_INFO, GET_EDID, GET_CAPSET_INFO, GET_CAPSET. resource: NULL. */
void pv_gpu_info_handle_display(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_info_handle_edid(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_info_handle_capset_info(struct pv_gpu_request *request,
                                    struct pv_gpu_resource *resource);
void pv_gpu_info_handle_capset(struct pv_gpu_request *request, struct pv_gpu_resource *resource);

#endif
