/* SPDX-License-Identifier: MIT */
/*
 * Building the view: version, name, extension list, queue families, memory.
 *
 * The guest's extension list is (what the driver lists and the codec carries and no row hides) plus
 * the rows of kind EXTENSION, each once, with the lower of the known versions.
 */
#include "vkhost/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vkhost/items.h"

static void name_build(const struct pv_vkhost_facts *facts, char ret_name[])
{
    static const char refused[] = "llvmpipe";
    static const char shown[] = "lavapipe"; /* the same length, so the rest stays in place */
    char *found;

    _Static_assert(sizeof(refused) == sizeof(shown), "replaced in place");
    memcpy(ret_name, facts->properties.deviceName, VK_MAX_PHYSICAL_DEVICE_NAME_SIZE);
    ret_name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE - 1] = '\0';
    if (!pv_vkhost_items_is_on(PV_VKHOST_ITEM_ID_DEVICE_NAME, facts)) {
        return;
    }
    while ((found = strstr(ret_name, refused)) != NULL) {
        memcpy(found, shown, sizeof(shown) - 1);
    }
}

/* The lower of two versions; VK_MAKE_API_VERSION numbers compare like that, patch included. */
static uint32_t version_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void extension_add(struct pv_vkhost_view *view, const char *name, uint32_t spec_version)
{
    VkExtensionProperties *extension = &view->extensions[view->extension_count];

    if (view->extension_count == PV_VKHOST_EXTENSIONS_MAX
        || pv_vkhost_view_has_extension(view, name)) {
        return;
    }
    memset(extension, 0, sizeof(*extension));
    snprintf(extension->extensionName, sizeof(extension->extensionName), "%s", name);
    extension->specVersion = spec_version;
    view->extension_count++;
}

/* NULL when the codec cannot carry it. */
static const struct pv_vkhost_view_codec_extension *
codec_extension_find(const struct pv_vkhost_view_options *options, const char *name)
{
    for (size_t i = 0; i < options->codec_extension_count; i++) {
        if (strcmp(options->codec_extensions[i].name, name) == 0) {
            return &options->codec_extensions[i];
        }
    }
    return NULL;
}

static void extensions_build(struct pv_vkhost_view *view,
                             const struct pv_vkhost_view_options *options)
{
    uint32_t item_count;
    const struct pv_vkhost_item *items = pv_vkhost_items_get(&item_count);
    const struct pv_vkhost_view_codec_extension *codec;

    for (uint32_t i = 0; i < item_count; i++) {
        if (items[i].kind == PV_VKHOST_ITEM_EXTENSION
            && pv_vkhost_item_is_on(&items[i], view->facts)) {
            codec = codec_extension_find(options, items[i].name);
            if (codec != NULL) {
                extension_add(view, items[i].name,
                              version_min(items[i].spec_version, codec->spec_version));
            }
        }
    }
    for (uint32_t i = 0; i < view->facts->extension_count; i++) {
        const VkExtensionProperties *host = &view->facts->extensions[i];

        codec = codec_extension_find(options, host->extensionName);
        if (codec != NULL
            && pv_vkhost_items_find(PV_VKHOST_ITEM_HIDDEN, host->extensionName) == NULL) {
            extension_add(view, host->extensionName,
                          version_min(host->specVersion, codec->spec_version));
        }
    }
}

/*
 * Families keep their indices, so only the last ones can be left out: those that could not take a
 * transfer command without what is hidden. (Mesa records a fill on every family it is shown.)
 */
static uint32_t queue_families_count(const struct pv_vkhost_facts *facts)
{
    const VkQueueFlags transfer_flags =
        VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT;
    uint32_t count = facts->queue_family_count;

    while (count > 0 && (facts->queue_families[count - 1].queueFlags & transfer_flags) == 0) {
        count--;
    }
    return count;
}

int pv_vkhost_view_build(struct pv_vkhost_view *ret_view, const struct pv_vkhost_facts *facts,
                         const struct pv_vkhost_view_options *options, char ret_reason[256])
{
    struct pv_vkhost_view *view = ret_view;
    const char *reason = NULL;
    uint64_t page_bytes = options->page_bytes;
    int r;

    memset(view, 0, sizeof(*view));
    view->facts = facts;
    view->api_version = facts->properties.apiVersion;
    if (options->api_version_max != 0) {
        view->api_version = version_min(view->api_version, options->api_version_max);
    }
    view->pages_can_move = facts->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    view->device_type = pv_vkhost_items_is_on(PV_VKHOST_ITEM_ID_DEVICE_TYPE, facts)
                            ? VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU
                            : facts->properties.deviceType;
    name_build(facts, view->device_name);
    view->queue_family_count = queue_families_count(facts);

    if (page_bytes < facts->import_alignment_bytes) {
        page_bytes = facts->import_alignment_bytes;
    }
    r = pv_vkhost_memory_map_init(&view->memory, facts, options->memory_limit_bytes, page_bytes);
    if (view->api_version < VK_API_VERSION_1_1) {
        reason = "it is older than Vulkan 1.1";
        r = -ENOTSUP;
    } else if (facts->import_alignment_bytes == 0) {
        reason = "its driver lacks VK_EXT_external_memory_host";
        r = -ENOTSUP;
    } else if (r != 0) {
        reason = "its driver imports no shared memory into a host-visible, coherent memory type";
    } else if (view->queue_family_count == 0) {
        reason = "no queue family takes transfer commands";
        r = -ENOTSUP;
    }
    if (r != 0) {
        if (ret_reason != NULL && reason != NULL) {
            snprintf(ret_reason, 256, "%.128s cannot serve a guest: %s", view->device_name, reason);
        }
        return r;
    }
    extensions_build(view, options);
    return 0;
}

bool pv_vkhost_view_has_extension(const struct pv_vkhost_view *view, const char *name)
{
    for (uint32_t i = 0; i < view->extension_count; i++) {
        if (strcmp(view->extensions[i].extensionName, name) == 0) {
            return true;
        }
    }
    return false;
}
