/* SPDX-License-Identifier: MIT */
/*
 * The list of freed memory of a device; see spare.h.
 */
#include "venus/spare.h"

#include <string.h>

#include "venus/device.h"
#include "venus/state.h"
#include "vkhost/chain.h"

void pv_venus_spares_init(struct pv_venus_spares *spares)
{
    (void)pthread_mutex_init(&spares->lock, NULL);
    spares->count = 0;
    spares->total_bytes = 0;
}

struct pv_venus_memory_kind pv_venus_memory_kind_get(const VkMemoryAllocateInfo *info,
                                                     bool is_shared, uint64_t size_bytes)
{
    struct pv_venus_memory_kind kind = {
        .can_be_spare =
            !is_shared && size_bytes != 0 && size_bytes <= PV_VENUS_SPARE_EACH_MAX_BYTES,
        .host_index = info->memoryTypeIndex,
        .priority = -1,
        .size_bytes = size_bytes,
    };

    for (const struct pv_vkhost_chain_node *node = info->pNext; node != NULL; node = node->next) {
        if (node->type == VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO) {
            kind.flags = ((const VkMemoryAllocateFlagsInfo *)(const void *)node)->flags;
        } else if (node->type == VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT) {
            kind.priority = ((const VkMemoryPriorityAllocateInfoEXT *)(const void *)node)->priority;
        } else {
            kind.can_be_spare = false;
        }
    }
    if ((kind.flags & ~(VkMemoryAllocateFlags)VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT) != 0) {
        kind.can_be_spare = false;
    }
    return kind;
}

static bool kinds_are_equal(const struct pv_venus_memory_kind *a,
                            const struct pv_venus_memory_kind *b)
{
    return a->host_index == b->host_index && a->flags == b->flags && !(a->priority < b->priority)
           && !(a->priority > b->priority) && a->size_bytes == b->size_bytes;
}

/* Take an entry off the list, with lock held. */
static struct pv_venus_spare remove_locked(struct pv_venus_spares *spares, uint32_t index)
{
    const struct pv_venus_spare spare = spares->list[index];

    spares->count--;
    spares->total_bytes -= spare.kind.size_bytes;
    memmove(&spares->list[index], &spares->list[index + 1],
            (spares->count - index) * sizeof(spares->list[0]));
    return spare;
}

static void refund(struct pv_venus_context *context, uint64_t size_bytes)
{
    pv_base_account_refund(&context->account->spares, context->account_slot, size_bytes);
}

/* Free the oldest ones until another one of size_bytes fits. Returns whether there was any. */
static bool shrink(struct pv_venus_device *device, uint32_t count_max, uint64_t total_max_bytes)
{
    struct pv_venus_spares *spares = &device->spares;
    bool any = false;

    for (;;) {
        struct pv_venus_spare oldest;

        pthread_mutex_lock(&spares->lock);
        if (spares->count <= count_max && spares->total_bytes <= total_max_bytes) {
            pthread_mutex_unlock(&spares->lock);
            return any;
        }
        oldest = remove_locked(spares, 0);
        pthread_mutex_unlock(&spares->lock);
        device->table.FreeMemory(pv_venus_device_handle(device), oldest.handle, NULL);
        pv_venus_resource_release_mapping(device->context, oldest.pages);
        refund(device->context, oldest.kind.size_bytes);
        any = true;
    }
}

bool pv_venus_spares_put(struct pv_venus_device *device, const struct pv_venus_spare *spare)
{
    struct pv_venus_context *context = device->context;
    struct pv_venus_spares *spares = &device->spares;
    const uint64_t size_bytes = spare->kind.size_bytes;
    bool is_kept = false;

    if (!spare->kind.can_be_spare
        || !pv_base_account_charge(&context->account->spares, context->account_slot, size_bytes,
                                   PV_VENUS_SPARE_VM_MAX_BYTES)) {
        return false;
    }
    (void)shrink(device, PV_VENUS_SPARE_COUNT_MAX - 1, PV_VENUS_SPARE_MAX_BYTES - size_bytes);
    pthread_mutex_lock(&spares->lock);
    if (spares->count < PV_VENUS_SPARE_COUNT_MAX
        && spares->total_bytes <= PV_VENUS_SPARE_MAX_BYTES - size_bytes
        && pv_venus_resource_retire_pages(context, spare->pages)) {
        spares->list[spares->count++] = *spare;
        spares->total_bytes += size_bytes;
        is_kept = true;
    }
    pthread_mutex_unlock(&spares->lock);
    if (!is_kept) {
        refund(context, size_bytes);
    }
    return is_kept;
}

bool pv_venus_spares_take(struct pv_venus_device *device, const struct pv_venus_memory_kind *kind,
                          struct pv_venus_spare *ret_spare)
{
    struct pv_venus_spares *spares = &device->spares;
    bool is_found = false;
    bool is_zero = false;

    if (!kind->can_be_spare) {
        return false;
    }
    pthread_mutex_lock(&spares->lock);
    /* The newest first: the caches may still know it. */
    for (uint32_t i = spares->count; i > 0 && !is_found; i--) {
        if (kinds_are_equal(&spares->list[i - 1].kind, kind)
            && pv_venus_resource_revive_pages(device->context, spares->list[i - 1].pages,
                                              &is_zero)) {
            *ret_spare = remove_locked(spares, i - 1);
            is_found = true;
        }
    }
    pthread_mutex_unlock(&spares->lock);
    if (!is_found) {
        return false;
    }
    refund(device->context, kind->size_bytes);
    if (!is_zero) {
        memset(ret_spare->pages->memory, 0, ret_spare->pages->size_bytes);
    }
    return true;
}

bool pv_venus_spares_drop(struct pv_venus_device *device)
{
    return shrink(device, 0, 0);
}

void pv_venus_spares_finish(struct pv_venus_device *device)
{
    (void)pv_venus_spares_drop(device);
    (void)pthread_mutex_destroy(&device->spares.lock);
}
