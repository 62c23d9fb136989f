/* SPDX-License-Identifier: MIT */
/*
 * Figures of a device and of its contexts, for `pearvisor top` and for tests.
 */
#include <string.h>

#include "base/account.h"
#include "gpu/device.h"
#include "gpu/guest_context.h"
#include "gpu/resource.h"
#include "gpu/state.h"

void pv_gpu_device_get_statistics(const struct pv_gpu_device *device,
                                  struct pv_gpu_statistics *ret_statistics)
{
    struct pv_gpu_statistics statistics = {
        .resource_count = device->resource_count,
        .held_count = device->held_count,
        .fence_count = device->fence_count,
        .memory_used_bytes = device->memory_used_bytes,
        .memory_limit_bytes = device->memory_limit_bytes,
        .memory_all_bytes = device->account != NULL ? pv_base_account_sum(&device->account->memory)
                                                    : device->memory_used_bytes,
        .window_used_bytes = device->window.used_bytes,
        .window_size_bytes = device->window.size_bytes,
        .command_count = device->command_count,
        .error_count = device->error_count,
        .frame_count = device->frame_count,
    };

    for (size_t i = 0; i < PV_GPU_CONTEXT_BUCKETS; i++) {
        for (const struct pv_gpu_guest_context *context = device->contexts[i]; context != NULL;
             context = context->next) {
            if (context->capset_id == 0) {
                statistics.empty_context_count++;
            } else {
                statistics.context_count++;
                statistics.lost_context_count += context->is_lost ? 1 : 0;
            }
        }
    }
    *ret_statistics = statistics;
}

/* In one pass: a guest can have 256 contexts and 65536 resources. */
static void sum_memory(const struct pv_gpu_device *device,
                       struct pv_gpu_context_statistics *contexts, size_t count)
{
    for (size_t i = 0; i < PV_GPU_RESOURCE_BUCKETS; i++) {
        for (const struct pv_gpu_resource *resource = device->resources[i]; resource != NULL;
             resource = resource->next) {
            if (resource->owner != NULL && resource->owner->listed_index < count) {
                struct pv_gpu_context_statistics *one = &contexts[resource->owner->listed_index];

                one->memory_bytes += resource->charged_bytes;
                one->unpaid_bytes += resource->charged_by_worker ? 0 : resource->charged_bytes;
            }
        }
    }
}

size_t pv_gpu_device_get_contexts(const struct pv_gpu_device *device,
                                  struct pv_gpu_context_statistics *ret_contexts, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < PV_GPU_CONTEXT_BUCKETS; i++) {
        for (struct pv_gpu_guest_context *context = device->contexts[i]; context != NULL;
             context = context->next) {
            struct pv_gpu_context_statistics *one = &ret_contexts[count];

            context->listed_index = SIZE_MAX;
            if (count == max) {
                continue;
            }
            context->listed_index = count++;
            *one = (struct pv_gpu_context_statistics){
                .context_id = context->id,
                .capset_id = context->capset_id,
                .lost = context->is_lost,
                .submit_count = context->submit_count,
                .fence_count = context->fence_count,
            };
            memcpy(one->name, context->name, sizeof(one->name));
            if (context->worker != NULL && device->context_ops->get_usage != NULL) {
                device->context_ops->get_usage(context->worker, &one->usage);
            }
        }
    }
    sum_memory(device, ret_contexts, count);
    return count;
}
