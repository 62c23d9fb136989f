/* SPDX-License-Identifier: MIT */
/*
 * Questions about the device; see info.h.
 */
#include "gpu/info.h"

#include "gpu/edid.h"
#include "gpu/request.h"
#include "gpu/state.h"

void pv_gpu_info_handle_display(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_device *device = request->device;
    struct pv_gpu_resp_display_info response = {0};

    (void)resource;
    /* Side by side, as far as anybody asks. */
    for (uint32_t i = 0, x = 0; i < device->scanout_count; i++) {
        response.modes[i] = (struct pv_gpu_display_one){
            .rect = {.x = x,
                     .width = device->scanouts[i].width_px,
                     .height = device->scanouts[i].height_px},
            .enabled = 1,
        };
        x += device->scanouts[i].width_px;
    }
    pv_gpu_request_finish(request, PV_GPU_OK_DISPLAY_INFO, &response, sizeof(response));
}

void pv_gpu_info_handle_edid(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_device *device = request->device;
    const uint32_t index = request->command.get_edid.scanout_id;
    struct pv_gpu_resp_edid response = {.size_bytes = PV_GPU_EDID_BYTES};

    (void)resource;
    if (index >= device->scanout_count) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_SCANOUT_ID, "no scanout %u", index);
        return;
    }
    pv_gpu_edid_write(device->scanouts[index].width_px, device->scanouts[index].height_px, index,
                      response.edid);
    pv_gpu_request_finish(request, PV_GPU_OK_EDID, &response, sizeof(response));
}

void pv_gpu_info_handle_capset_info(struct pv_gpu_request *request,
                                    struct pv_gpu_resource *resource)
{
    const struct pv_gpu_device *device = request->device;
    const uint32_t index = request->command.get_capset_info.index;
    struct pv_gpu_resp_capset_info response = {0};

    (void)resource;
    if (index != 0 || device->capset_bytes == 0) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "no capset number %u", index);
        return;
    }
    response.id = device->capset_id;
    response.max_version = device->capset_version;
    response.max_size_bytes = (uint32_t)device->capset_bytes;
    pv_gpu_request_finish(request, PV_GPU_OK_CAPSET_INFO, &response, sizeof(response));
}

void pv_gpu_info_handle_capset(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_device *device = request->device;
    const struct pv_gpu_cmd_get_capset *command = &request->command.get_capset;

    (void)resource;
    if (device->capset_bytes == 0 || command->capset_id != device->capset_id
        || command->version > device->capset_version) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "no capset %u of version %u",
                            command->capset_id, command->version);
        return;
    }
    pv_gpu_request_finish(request, PV_GPU_OK_CAPSET, device->capset, device->capset_bytes);
}
