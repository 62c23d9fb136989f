/* SPDX-License-Identifier: MIT */
/*
 * Pipelines: made in arrays, where each element may fail on its own. A failed element answers id 0
 * when the guest waits for the answer, and is poisoned when it does not.
 */
#include "venus/device.h"
#include "venus/handlers.h"

/* One call: compile times, not this number, limit what a guest can do with it. */
#define PIPELINES_MAX 65536u

static VkPipeline *handles_alloc(struct pv_wire_decoder *wire, uint32_t count)
{
    VkPipeline *handles = NULL;

    if (count <= PIPELINES_MAX) {
        handles = pv_base_arena_alloc(&wire->arena, sizeof(*handles) * count);
    }
    if (handles == NULL) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_LIMIT, count);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        handles[i] = VK_NULL_HANDLE;
    }
    return handles;
}

static void register_all(struct pv_wire_decoder *wire, struct pv_venus_device *device,
                         uint32_t count, const VkPipeline *handles, uint64_t *ids)
{
    for (uint32_t i = 0; i < count; i++) {
        const bool failed = handles[i] == VK_NULL_HANDLE;

        if (failed && pv_wire_reply_is_wanted(wire)) {
            ids[i] = 0;
            continue;
        }
        if (pv_venus_object_create(pv_venus_decoder_of(wire), sizeof(struct pv_venus_object),
                                   ids[i], VK_OBJECT_TYPE_PIPELINE, (uint64_t)(uintptr_t)handles[i],
                                   failed, &device->object)
            == NULL) {
            /* The context is lost now; those not registered yet go back to the driver. */
            for (uint32_t k = i; k < count; k++) {
                device->table.DestroyPipeline(pv_venus_device_handle(device), handles[k], NULL);
            }
            return;
        }
    }
}

/* Both kinds have the same arguments, of other types. */
#define CREATE_PIPELINES(Kind)                                                                     \
    void pv_venus_vkCreate##Kind##Pipelines(struct pv_wire_decoder *wire,                          \
                                            struct pv_wire_vkCreate##Kind##Pipelines *args)        \
    {                                                                                              \
        struct pv_venus_device *device = pv_venus_device_of(args->device);                         \
        VkPipeline *handles = handles_alloc(wire, args->createInfoCount);                          \
                                                                                                   \
        if (handles == NULL) {                                                                     \
            return;                                                                                \
        }                                                                                          \
        args->ret = VK_ERROR_DEVICE_LOST;                                                          \
        if (!wire->poisoned) {                                                                     \
            pv_wire_unwrap_vkCreate##Kind##Pipelines(args);                                        \
            args->ret = device->table.Create##Kind##Pipelines(args->device, args->pipelineCache,   \
                                                              args->createInfoCount,               \
                                                              args->pCreateInfos, NULL, handles);  \
        }                                                                                          \
        register_all(wire, device, args->createInfoCount, handles, args->pPipelines);              \
    }

CREATE_PIPELINES(Graphics)
CREATE_PIPELINES(Compute)
