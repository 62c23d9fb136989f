/* SPDX-License-Identifier: MIT */
/* What guests see; see the header. */
#include "doctor/view_json.h"

#include "doctor/vulkan_json.h"
#include "vkhost/items.h"

static const char *const backing_names[] = {"none", "import", "device"};

static json_t *backing_to_json(const struct pv_vkhost_memory_backing *backing)
{
    if (backing->kind == PV_VKHOST_MEMORY_NONE) {
        return json_pack("{s:s}", "kind", backing_names[backing->kind]);
    }
    return json_pack("{s:s, s:i}", "kind", backing_names[backing->kind], "host_type",
                     (int)backing->host_index);
}

json_t *pv_doctor_items_to_json(const struct pv_vkhost_facts *facts)
{
    json_t *array = json_array();
    uint32_t count;
    const struct pv_vkhost_item *items = pv_vkhost_items_get(&count);

    for (uint32_t i = 0; i < count; i++) {
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "kind",
                             pv_vkhost_item_kind_name(items[i].kind), "name", items[i].name, "on",
                             (int)pv_vkhost_item_is_on(&items[i], facts), "trigger",
                             items[i].trigger, "how", items[i].how, "why", items[i].why));
    }
    return array;
}

json_t *pv_doctor_view_to_json(const struct pv_vkhost_view *view)
{
    json_t *json = json_object();
    json_t *types = json_array();

    for (uint32_t i = 0; i < view->memory.type_count; i++) {
        const struct pv_vkhost_memory_type *type = &view->memory.types[i];

        json_array_append_new(
            types,
            json_pack("{s:i, s:o, s:o, s:o}", "heap", (int)type->heap_index, "flags",
                      pv_doctor_words_to_json(PV_DOCTOR_WORDS_MEMORY, type->flags), "plain",
                      backing_to_json(&type->plain), "external", backing_to_json(&type->external)));
    }
    json_object_set_new(json, "device_name", json_string(view->device_name));
    json_object_set_new(json, "device_type", pv_doctor_device_type_to_json(view->device_type));
    json_object_set_new(json, "pages_can_move", json_boolean(view->pages_can_move));
    json_object_set_new(json, "api_version", pv_doctor_version_to_json(view->api_version));
    json_object_set_new(json, "queue_family_count", json_integer(view->queue_family_count));
    json_object_set_new(json, "memory_heaps", pv_doctor_heaps_to_json(&view->memory.properties));
    json_object_set_new(json, "memory_types", types);
    json_object_set_new(json, "extensions",
                        pv_doctor_extensions_to_json(view->extensions, view->extension_count));
    return json;
}

/*
 * Where the Venus driver of stock guests stops by itself: it is built for this version of the
 * registry, whatever it is offered. Source: Mesa 25.0.7, vn_protocol_driver_info.h.
 */
#define GUEST_DRIVER      "Mesa 25.0.7"
#define GUEST_VERSION_MAX VK_MAKE_API_VERSION(0, 1, 3, 269)

json_t *pv_doctor_versions_to_json(const struct pv_vkhost_facts *facts,
                                   const struct pv_vkhost_view *view)
{
    const char *limit = "";
    uint32_t guest = view->api_version;

    if (guest > GUEST_VERSION_MAX) {
        guest = GUEST_VERSION_MAX;
        limit = "the Venus driver of " GUEST_DRIVER " stops there";
    }
    if (guest >= VK_API_VERSION_1_3
        && !pv_vkhost_view_has_extension(view, "VK_KHR_synchronization2")) {
        guest = VK_API_VERSION_1_2;
        limit = "the host has no VK_KHR_synchronization2";
    }
    return json_pack("{s:o, s:o, s:o, s:s}", "host",
                     pv_doctor_version_to_json(facts->properties.apiVersion), "offered",
                     pv_doctor_version_to_json(view->api_version), "guest",
                     pv_doctor_version_to_json(guest), "guest_limit", limit);
}
