/* SPDX-License-Identifier: MIT */
/*
 * Loading profiles, and views built from them.
 */
#include "support/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "doctor/facts_json.h"
#include "venus_wire/info.h"

void pv_test_profile_load(const char *name, struct pv_vkhost_facts *ret_facts)
{
    const char *folder = getenv("PV_TEST_PROFILES");
    char path[4096];
    json_t *json;

    assert_non_null(folder);
    snprintf(path, sizeof(path), "%s/%s.json", folder, name);
    json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    assert_int_equal(pv_doctor_facts_from_json(json, ret_facts), 0);
    json_decref(json);
}

void pv_test_profile_make(const VkMemoryPropertyFlags *types, uint32_t type_count,
                          uint32_t import_bits, struct pv_vkhost_facts *ret_facts)
{
    struct pv_vkhost_facts *facts = ret_facts;

    memset(facts, 0, sizeof(*facts));
    snprintf(facts->properties.deviceName, sizeof(facts->properties.deviceName), "made up");
    facts->properties.apiVersion = VK_API_VERSION_1_3;
    facts->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    facts->memory.memoryHeapCount = 1;
    facts->memory.memoryHeaps[0].size = UINT64_C(8) << 30;
    facts->memory.memoryHeaps[0].flags = VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
    facts->memory.memoryTypeCount = type_count;
    for (uint32_t i = 0; i < type_count; i++) {
        facts->memory.memoryTypes[i].propertyFlags = types[i];
    }
    facts->import_alignment_bytes = 4096;
    facts->import_type_bits = import_bits;
    facts->has_features2 = true;
    facts->queue_family_count = 1;
    facts->queue_families[0].queueFlags = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_TRANSFER_BIT;
    facts->queue_families[0].queueCount = 1;
}

int pv_test_profile_view_try(const struct pv_vkhost_facts *facts, struct pv_vkhost_view *ret_view,
                             char *reason)
{
    struct pv_vkhost_view_codec_extension *extensions =
        calloc(pv_wire_extension_count, sizeof(*extensions));
    const struct pv_vkhost_view_options options = {
        .codec_extensions = extensions,
        .codec_extension_count = pv_wire_extension_count,
        .api_version_max = PV_WIRE_VK_XML_VERSION,
        .page_bytes = 4096,
    };
    int r;

    assert_non_null(extensions);
    for (size_t i = 0; i < pv_wire_extension_count; i++) {
        extensions[i].name = pv_wire_extensions[i].name;
        extensions[i].spec_version = pv_wire_extensions[i].spec_version;
    }
    r = pv_vkhost_view_build(ret_view, facts, &options, reason);
    free(extensions);
    return r;
}

void pv_test_profile_view(const struct pv_vkhost_facts *facts, struct pv_vkhost_view *ret_view)
{
    assert_int_equal(pv_test_profile_view_try(facts, ret_view, NULL), 0);
}
