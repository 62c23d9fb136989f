/* SPDX-License-Identifier: MIT */
/*
 * Probing every physical device of the host and building the view that a guest would have of it.
 */
#include "doctor/probe.h"

#include <stdlib.h>

#include "doctor/facts_json.h"
#include "doctor/view_json.h"
#include "os/shm.h"
#include "venus_wire/info.h"
#include "vkhost/loader.h"
#include "vkhost/probe.h"
#include "vkhost/view.h"

/* Both are too large for a stack. */
struct buffers {
    struct pv_vkhost_facts facts;
    struct pv_vkhost_view view;
    struct pv_vkhost_view_codec_extension extensions[];
};

static json_t *device_probe(const struct pv_vkhost_instance *instance, VkPhysicalDevice handle,
                            struct buffers *buffers)
{
    const struct pv_vkhost_view_options options = {
        .codec_extensions = buffers->extensions,
        .codec_extension_count = pv_wire_extension_count,
        .api_version_max = PV_WIRE_VK_XML_VERSION,
        .page_bytes = pv_os_page_bytes(),
    };
    char reason[256] = "";
    const bool is_probed = pv_vkhost_probe_run(instance, handle, &buffers->facts, reason) == 0;
    const bool is_usable =
        is_probed && pv_vkhost_view_build(&buffers->view, &buffers->facts, &options, reason) == 0;

    return json_pack("{s:b, s:s, s:o, s:o, s:o, s:o}", "usable", (int)is_usable, "reason", reason,
                     "facts", pv_doctor_facts_to_json(&buffers->facts), "view",
                     is_usable ? pv_doctor_view_to_json(&buffers->view) : json_null(), "versions",
                     is_usable ? pv_doctor_versions_to_json(&buffers->facts, &buffers->view)
                               : json_null(),
                     "items", pv_doctor_items_to_json(&buffers->facts));
}

static json_t *devices_probe(const struct pv_vkhost_instance *instance, json_t **ret_error)
{
    struct buffers *buffers =
        calloc(1, sizeof(*buffers) + pv_wire_extension_count * sizeof(buffers->extensions[0]));
    VkPhysicalDevice handles[PV_VKHOST_LOADER_DEVICES_MAX];
    json_t *array = json_array();
    uint32_t count = 0;
    VkResult result;

    if (buffers == NULL) {
        return array;
    }
    for (size_t i = 0; i < pv_wire_extension_count; i++) {
        buffers->extensions[i].name = pv_wire_extensions[i].name;
        buffers->extensions[i].spec_version = pv_wire_extensions[i].spec_version;
    }
    result = pv_vkhost_instance_devices_list(instance, handles, &count);
    if (result != VK_SUCCESS) {
        *ret_error = json_sprintf("the drivers list no devices (VkResult %d)", (int)result);
    }
    for (uint32_t i = 0; i < count; i++) {
        json_array_append_new(array, device_probe(instance, handles[i], buffers));
    }
    free(buffers);
    return array;
}

json_t *pv_doctor_probe_run(void)
{
    struct pv_vkhost_loader loader = {0};
    struct pv_vkhost_instance instance = {0};
    json_t *devices = NULL;
    json_t *error = NULL;
    json_t *version = json_null();
    char reason[256] = "";
    VkResult result;

    if (pv_vkhost_loader_open(NULL, &loader, reason) != 0) {
        error = json_string(reason);
    } else {
        version = json_sprintf("%u.%u.%u", VK_API_VERSION_MAJOR(loader.api_version),
                               VK_API_VERSION_MINOR(loader.api_version),
                               VK_API_VERSION_PATCH(loader.api_version));
        result = pv_vkhost_instance_create(&loader, loader.api_version, "pearvisor-probe", NULL, 0,
                                           &instance);
        if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
            error = json_string("there is no Vulkan driver");
        } else if (result != VK_SUCCESS) {
            error = json_sprintf("no Vulkan instance can be created (VkResult %d)", (int)result);
        } else {
            devices = devices_probe(&instance, &error);
            pv_vkhost_instance_destroy(&instance);
        }
    }
    pv_vkhost_loader_close(&loader);
    return json_pack("{s:o, s:o, s:o}", "error", error != NULL ? error : json_null(),
                     "loader_version", version, "devices",
                     devices != NULL ? devices : json_array());
}
