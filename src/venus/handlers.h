/* SPDX-License-Identifier: MIT */
/*
 * The hand-written handlers: commands that need more than a call of the driver. Each gets decoded
 * arguments whose handles are objects (venus/object.h), does all the work including the driver
 * call, and leaves results in the arguments; the generated code then writes the reply. On bad guest
 * values it raises wire->fault. generator/policy.py says why each command is here.
 *
 * Threads: the thread of the decoder; no lock held.
 */
#ifndef PV_VENUS_HANDLERS_H
#define PV_VENUS_HANDLERS_H

#include "venus/state.h"
#include "venus_wire/commands.h"
#include "venus_wire/handlers.h"

extern const struct pv_wire_handlers pv_venus_handlers;

#define PV_VENUS_HANDLER(command)                                                                  \
    void pv_venus_##command(struct pv_wire_decoder *wire, struct pv_wire_##command *args)

PV_VENUS_HANDLER(vkAllocateCommandBuffers);
PV_VENUS_HANDLER(vkAllocateDescriptorSets);
PV_VENUS_HANDLER(vkAllocateMemory);
PV_VENUS_HANDLER(vkBindBufferMemory);
PV_VENUS_HANDLER(vkBindBufferMemory2);
PV_VENUS_HANDLER(vkBindImageMemory);
PV_VENUS_HANDLER(vkBindImageMemory2);
PV_VENUS_HANDLER(vkCmdPipelineBarrier);
PV_VENUS_HANDLER(vkCmdPipelineBarrier2);
PV_VENUS_HANDLER(vkCmdSetEvent2);
PV_VENUS_HANDLER(vkCmdWaitEvents);
PV_VENUS_HANDLER(vkCmdWaitEvents2);
PV_VENUS_HANDLER(vkCreateBuffer);
PV_VENUS_HANDLER(vkCreateComputePipelines);
PV_VENUS_HANDLER(vkCreateDevice);
PV_VENUS_HANDLER(vkCreateFence);
PV_VENUS_HANDLER(vkCreateGraphicsPipelines);
PV_VENUS_HANDLER(vkCreateImage);
PV_VENUS_HANDLER(vkCreateInstance);
PV_VENUS_HANDLER(vkCreateRingMESA);
PV_VENUS_HANDLER(vkCreateSemaphore);
PV_VENUS_HANDLER(vkDestroyBuffer);
PV_VENUS_HANDLER(vkDestroyDevice);
PV_VENUS_HANDLER(vkDestroyFence);
PV_VENUS_HANDLER(vkDestroyImage);
PV_VENUS_HANDLER(vkDestroyInstance);
PV_VENUS_HANDLER(vkDestroyRingMESA);
PV_VENUS_HANDLER(vkEnumerateDeviceExtensionProperties);
PV_VENUS_HANDLER(vkEnumerateInstanceExtensionProperties);
PV_VENUS_HANDLER(vkEnumerateInstanceVersion);
PV_VENUS_HANDLER(vkEnumeratePhysicalDeviceGroups);
PV_VENUS_HANDLER(vkEnumeratePhysicalDevices);
PV_VENUS_HANDLER(vkExecuteCommandStreamsMESA);
PV_VENUS_HANDLER(vkFreeCommandBuffers);
PV_VENUS_HANDLER(vkFreeDescriptorSets);
PV_VENUS_HANDLER(vkFreeMemory);
PV_VENUS_HANDLER(vkGetBufferMemoryRequirements);
PV_VENUS_HANDLER(vkGetBufferMemoryRequirements2);
PV_VENUS_HANDLER(vkGetDeviceBufferMemoryRequirements);
PV_VENUS_HANDLER(vkGetDeviceImageMemoryRequirements);
PV_VENUS_HANDLER(vkGetDeviceImageSubresourceLayout);
PV_VENUS_HANDLER(vkGetDeviceQueue2);
PV_VENUS_HANDLER(vkGetImageDrmFormatModifierPropertiesEXT);
PV_VENUS_HANDLER(vkGetImageMemoryRequirements);
PV_VENUS_HANDLER(vkGetImageMemoryRequirements2);
PV_VENUS_HANDLER(vkGetImageSubresourceLayout);
PV_VENUS_HANDLER(vkGetImageSubresourceLayout2);
PV_VENUS_HANDLER(vkGetMemoryResourcePropertiesMESA);
PV_VENUS_HANDLER(vkGetPhysicalDeviceExternalBufferProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceExternalFenceProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceExternalSemaphoreProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceFeatures);
PV_VENUS_HANDLER(vkGetPhysicalDeviceFeatures2);
PV_VENUS_HANDLER(vkGetPhysicalDeviceFormatProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceFormatProperties2);
PV_VENUS_HANDLER(vkGetPhysicalDeviceImageFormatProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceImageFormatProperties2);
PV_VENUS_HANDLER(vkGetPhysicalDeviceMemoryProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceMemoryProperties2);
PV_VENUS_HANDLER(vkGetPhysicalDeviceProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceProperties2);
PV_VENUS_HANDLER(vkGetPhysicalDeviceQueueFamilyProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceQueueFamilyProperties2);
PV_VENUS_HANDLER(vkGetPhysicalDeviceSparseImageFormatProperties);
PV_VENUS_HANDLER(vkGetPhysicalDeviceSparseImageFormatProperties2);
PV_VENUS_HANDLER(vkImportSemaphoreResourceMESA);
PV_VENUS_HANDLER(vkNotifyRingMESA);
PV_VENUS_HANDLER(vkQueueBindSparse);
PV_VENUS_HANDLER(vkQueueSubmit);
PV_VENUS_HANDLER(vkQueueSubmit2);
PV_VENUS_HANDLER(vkResetDescriptorPool);
PV_VENUS_HANDLER(vkResetFenceResourceMESA);
PV_VENUS_HANDLER(vkSeekReplyCommandStreamMESA);
PV_VENUS_HANDLER(vkSetReplyCommandStreamMESA);
PV_VENUS_HANDLER(vkSubmitVirtqueueSeqnoMESA);
PV_VENUS_HANDLER(vkWaitForFences);
PV_VENUS_HANDLER(vkWaitRingSeqnoMESA);
PV_VENUS_HANDLER(vkWaitSemaphoreResourceMESA);
PV_VENUS_HANDLER(vkWaitSemaphores);
PV_VENUS_HANDLER(vkWaitVirtqueueSeqnoMESA);
PV_VENUS_HANDLER(vkWriteRingExtraMESA);

#endif
