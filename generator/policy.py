# SPDX-License-Identifier: MIT
"""What happens to each command after decoding: one line each, with the reason.

A command that is named nowhere here is generated: vkCreateX and vkDestroyX manage the object table
around the driver call, everything else is forwarded to the driver as it came.
"""

# Decoded and answered by generated code, acted on by a handler in src/venus.
CUSTOM = {
    # instance and physical device: the guest sees the synthesised view, not the driver
    "vkEnumerateInstanceVersion": "the view caps the version",
    "vkEnumerateInstanceExtensionProperties": "only the private extensions are shown",
    "vkCreateInstance": "one per context, made by the renderer itself",
    "vkDestroyInstance": "frees what the guest left behind",
    "vkEnumeratePhysicalDevices": "binds guest ids to host devices once",
    "vkEnumeratePhysicalDeviceGroups": "host handles are mapped back to guest ids",
    "vkEnumerateDeviceExtensionProperties": "the view's list",
    "vkGetPhysicalDeviceFeatures": "view",
    "vkGetPhysicalDeviceFeatures2": "view",
    "vkGetPhysicalDeviceProperties": "view",
    "vkGetPhysicalDeviceProperties2": "view",
    "vkGetPhysicalDeviceFormatProperties": "view: modifiers",
    "vkGetPhysicalDeviceFormatProperties2": "view: modifiers",
    "vkGetPhysicalDeviceImageFormatProperties": "view: external images",
    "vkGetPhysicalDeviceImageFormatProperties2": "view: external images",
    "vkGetPhysicalDeviceQueueFamilyProperties": "view",
    "vkGetPhysicalDeviceQueueFamilyProperties2": "view",
    "vkGetPhysicalDeviceMemoryProperties": "view: memory types",
    "vkGetPhysicalDeviceMemoryProperties2": "view: memory types",
    "vkGetPhysicalDeviceSparseImageFormatProperties": "view",
    "vkGetPhysicalDeviceSparseImageFormatProperties2": "view",
    "vkGetPhysicalDeviceExternalBufferProperties": "view: our own memory",
    "vkGetPhysicalDeviceExternalFenceProperties": "view: emulated sync files",
    "vkGetPhysicalDeviceExternalSemaphoreProperties": "view: emulated sync files",
    # device and queues
    "vkCreateDevice": "edits extensions and features, loads the device table",
    "vkDestroyDevice": "frees what the guest left behind",
    "vkGetDeviceQueue2": "binds a queue to a fence timeline",
    "vkQueueSubmit": "queue lock, emulated semaphores",
    "vkQueueSubmit2": "queue lock, emulated semaphores",
    "vkQueueBindSparse": "queue lock, memory offsets",
    # memory: pages are ours, so offsets, types and sizes are translated
    "vkAllocateMemory": "our pages, imported",
    "vkFreeMemory": "our pages, imported",
    "vkBindBufferMemory": "offset inside our allocation",
    "vkBindBufferMemory2": "offset inside our allocation",
    "vkBindImageMemory": "offset inside our allocation",
    "vkBindImageMemory2": "offset inside our allocation",
    "vkGetBufferMemoryRequirements": "view: memory types",
    "vkGetBufferMemoryRequirements2": "view: memory types",
    "vkGetImageMemoryRequirements": "view: memory types",
    "vkGetImageMemoryRequirements2": "view: memory types",
    "vkGetDeviceBufferMemoryRequirements": "view: memory types",
    "vkGetDeviceImageMemoryRequirements": "view: memory types",
    "vkGetMemoryResourcePropertiesMESA": "our resources",
    # buffers and images: external and modifier structs are ours
    "vkCreateBuffer": "external structs are stripped",
    "vkDestroyBuffer": "tracks its memory",
    "vkCreateImage": "modifier tiling becomes LINEAR",
    "vkDestroyImage": "tracks its memory",
    "vkGetImageSubresourceLayout": "memory planes of modifier images",
    "vkGetImageSubresourceLayout2": "memory planes of modifier images",
    "vkGetDeviceImageSubresourceLayout": "memory planes of modifier images",
    "vkGetImageDrmFormatModifierPropertiesEXT": "emulated",
    # fences and semaphores: external ones are emulated
    "vkCreateFence": "external structs are stripped",
    "vkDestroyFence": "may still be waited on",
    "vkWaitForFences": "must not block for ever",
    "vkResetFenceResourceMESA": "emulated payloads",
    "vkCreateSemaphore": "external structs are stripped",
    "vkWaitSemaphores": "must not block for ever",
    "vkWaitSemaphoreResourceMESA": "emulated payloads",
    "vkImportSemaphoreResourceMESA": "emulated payloads",
    # what is allocated from pools, in arrays
    "vkResetDescriptorPool": "owns its sets",
    "vkAllocateDescriptorSets": "many ids, all or nothing",
    "vkFreeDescriptorSets": "many ids",
    "vkAllocateCommandBuffers": "many ids, all or nothing",
    "vkFreeCommandBuffers": "many ids",
    "vkCreateGraphicsPipelines": "many ids, each may fail alone",
    "vkCreateComputePipelines": "many ids, each may fail alone",
    # barriers: queue family FOREIGN has no meaning to the host driver
    "vkCmdPipelineBarrier": "transfers to and from FOREIGN",
    "vkCmdPipelineBarrier2": "transfers to and from FOREIGN",
    "vkCmdWaitEvents": "transfers to and from FOREIGN",
    "vkCmdWaitEvents2": "transfers to and from FOREIGN",
    "vkCmdSetEvent2": "transfers to and from FOREIGN",
    # transport
    "vkSetReplyCommandStreamMESA": "transport",
    "vkSeekReplyCommandStreamMESA": "transport",
    "vkExecuteCommandStreamsMESA": "transport",
    "vkCreateRingMESA": "transport",
    "vkDestroyRingMESA": "transport",
    "vkNotifyRingMESA": "transport",
    "vkWriteRingExtraMESA": "transport",
    "vkSubmitVirtqueueSeqnoMESA": "transport",
    "vkWaitVirtqueueSeqnoMESA": "transport",
    "vkWaitRingSeqnoMESA": "transport",
}

_MAPPED = "mapped pointers do not cross: the guest maps the blob instead"
_FD = "file descriptors do not cross: the MESA resource commands replace it"
_TEMPLATE = "its data has no encoding: the guest writes plain descriptor updates"
_LAYERS = "the guest has layers of its own; ours are not for it"
_PRIVATE = "kept by the guest driver, object handles inside would be the guest's"
_WAIT = "would block the ring: the guest waits for a fence instead"
_RAY = "ray tracing is not offered: its build inputs are arrays of arrays and host addresses"
_HOST_COPY = "host pointers: host image copy is not offered"
_NEWER = "the registry that we build from does not know it, and its extension is not offered"

# Decoding stops with a fault; stock Mesa 25.0.7 sends none of these.
REFUSED = {
    "vkGetInstanceProcAddr": "returns a function pointer",
    "vkGetDeviceProcAddr": "returns a function pointer",
    "vkEnumerateInstanceLayerProperties": _LAYERS,
    "vkEnumerateDeviceLayerProperties": _LAYERS,
    "vkGetDeviceQueue": "cannot name a fence timeline: vkGetDeviceQueue2 is sent instead",
    "vkQueueWaitIdle": _WAIT,
    "vkDeviceWaitIdle": _WAIT,
    "vkMapMemory": _MAPPED,
    "vkUnmapMemory": _MAPPED,
    "vkFlushMappedMemoryRanges": _MAPPED,
    "vkInvalidateMappedMemoryRanges": _MAPPED,
    "vkMapMemory2": _MAPPED,
    "vkUnmapMemory2": _MAPPED,
    "vkUpdateDescriptorSetWithTemplate": _TEMPLATE,
    "vkCmdPushDescriptorSetWithTemplate": _TEMPLATE,
    "vkCmdPushDescriptorSetWithTemplate2": _TEMPLATE,
    "vkGetMemoryFdKHR": _FD,
    "vkGetMemoryFdPropertiesKHR": _FD,
    "vkImportFenceFdKHR": _FD,
    "vkGetFenceFdKHR": _FD,
    "vkImportSemaphoreFdKHR": _FD,
    "vkGetSemaphoreFdKHR": _FD,
    "vkGetPhysicalDeviceToolProperties": "answered by the guest driver",
    "vkCreatePrivateDataSlot": _PRIVATE,
    "vkDestroyPrivateDataSlot": _PRIVATE,
    "vkSetPrivateData": _PRIVATE,
    "vkGetPrivateData": _PRIVATE,
    "vkCopyMemoryToImage": _HOST_COPY,
    "vkCopyImageToMemory": _HOST_COPY,
    "vkCopyImageToImage": _HOST_COPY,
    "vkTransitionImageLayout": _HOST_COPY,
    "vkCopyImageToMemoryMESA": _HOST_COPY,
    "vkCopyMemoryToImageMESA": _HOST_COPY,
    "vkCreateDeferredOperationKHR": _RAY,
    "vkDestroyDeferredOperationKHR": _RAY,
    "vkGetDeferredOperationMaxConcurrencyKHR": _RAY,
    "vkGetDeferredOperationResultKHR": _RAY,
    "vkDeferredOperationJoinKHR": _RAY,
    "vkCreateAccelerationStructureKHR": _RAY,
    "vkDestroyAccelerationStructureKHR": _RAY,
    "vkCmdBuildAccelerationStructuresKHR": _RAY,
    "vkCmdBuildAccelerationStructuresIndirectKHR": _RAY,
    "vkBuildAccelerationStructuresKHR": _RAY,
    "vkCopyAccelerationStructureKHR": _RAY,
    "vkCopyAccelerationStructureToMemoryKHR": _RAY,
    "vkCopyMemoryToAccelerationStructureKHR": _RAY,
    "vkWriteAccelerationStructuresPropertiesKHR": _RAY,
    "vkCmdCopyAccelerationStructureKHR": _RAY,
    "vkCmdCopyAccelerationStructureToMemoryKHR": _RAY,
    "vkCmdCopyMemoryToAccelerationStructureKHR": _RAY,
    "vkGetAccelerationStructureDeviceAddressKHR": _RAY,
    "vkCmdWriteAccelerationStructuresPropertiesKHR": _RAY,
    "vkGetDeviceAccelerationStructureCompatibilityKHR": _RAY,
    "vkGetAccelerationStructureBuildSizesKHR": _RAY,
    "vkCmdTraceRaysKHR": _RAY,
    "vkCreateRayTracingPipelinesKHR": _RAY,
    "vkGetRayTracingShaderGroupHandlesKHR": _RAY,
    "vkGetRayTracingCaptureReplayShaderGroupHandlesKHR": _RAY,
    "vkCmdTraceRaysIndirectKHR": _RAY,
    "vkGetRayTracingShaderGroupStackSizeKHR": _RAY,
    "vkCmdSetRayTracingPipelineStackSizeKHR": _RAY,
    "vkCmdTraceRaysIndirect2KHR": _RAY,
    "vkWriteSamplerDescriptorMESA": _NEWER,
    "vkWriteResourceDescriptorMESA": _NEWER,
    "vkWriteSamplerDescriptorsEXT": _NEWER,
    "vkWriteResourceDescriptorsEXT": _NEWER,
    "vkCmdBindSamplerHeapEXT": _NEWER,
    "vkCmdBindResourceHeapEXT": _NEWER,
    "vkCmdPushDataEXT": _NEWER,
    "vkGetImageOpaqueCaptureDataEXT": _NEWER,
    "vkGetPhysicalDeviceDescriptorSizeEXT": _NEWER,
    "vkRegisterCustomBorderColorEXT": _NEWER,
    "vkUnregisterCustomBorderColorEXT": _NEWER,
}

# Checks that drivers do not make and that memory safety needs; (condition that must hold, fault).
# v is the decoded struct, args the decoded command.
STRUCT_CHECKS = {
    "VkShaderModuleCreateInfo": ("v->codeSize % 4 == 0", "PV_BASE_FAULT_RANGE"),
    "VkSpecializationInfo": ("pv_wire_specialization_is_inside(v)", "PV_BASE_FAULT_RANGE"),
}

# Set after decoding, because the elements were packed anew.
OVERRIDES = {
    "vkCmdDrawMultiEXT": "args->stride = (uint32_t)sizeof(VkMultiDrawInfoEXT);",
    "vkCmdDrawMultiIndexedEXT": "args->stride = (uint32_t)sizeof(VkMultiDrawIndexedInfoEXT);",
}

# Output blobs whose true size follows from other arguments too: bytes that the driver may touch.
# A guest that understates dataSize must not make the driver write past our memory.
BLOB_SPAN = {
    ("vkGetQueryPoolResults", "pData"): "pv_wire_query_span(args->queryCount, args->stride)",
}

# Emitted files for commands: the first pattern (regular expression, whole name) that fits.
GROUPS = (
    ("cmd_draw", r"vkCmd(Draw|Dispatch).*"),
    ("cmd_copy", r"vkCmd(Copy|Blit|Resolve|Fill|Update|Clear).*"),
    ("cmd_bind", r"vkCmd(Bind|Push).*"),
    ("cmd_sync", r"vkCmd(PipelineBarrier|WaitEvents|SetEvent|ResetEvent).*"),
    ("cmd_query", r"vkCmd.*(Query|Timestamp|TransformFeedback|Conditional).*"),
    ("cmd_set", r"vkCmdSet.*"),
    ("cmd_render", r"vkCmd.*"),
    ("physical_device", r"vk(GetPhysicalDevice|EnumerateDevice).*"),
    ("instance", r"vk.*(Instance|EnumeratePhysicalDevice).*"),
    ("transport", r"vk.*(Stream|Streams|Ring|RingExtra|Seqno)MESA"),
    ("command_buffer", r"vk.*Command(Pool|Buffer).*"),
    ("descriptor", r"vk.*Descriptor.*"),
    ("pipeline", r"vk.*(Pipeline|ShaderModule).*"),
    ("render_pass", r"vk.*(RenderPass|Framebuffer|RenderArea|RenderingArea).*"),
    ("query_pool", r"vk.*QueryPool.*"),
    ("sync", r"vk.*(Fence|Semaphore|Event).*"),
    ("sampler", r"vk.*Sampler.*"),
    ("image", r"vk.*Image.*"),
    ("buffer", r"vk.*Buffer.*"),
    ("memory", r"vk.*Memory.*"),
    ("queue", r"vk.*Queue.*"),
    ("device", r"vk.*"),
)

# Emitted files for struct codecs, likewise by struct name.
STRUCT_GROUPS = (
    ("structs_features", r"Vk.*Features.*"),
    ("structs_properties", r"Vk(PhysicalDevice.*Properties.*|.*(Limits|Properties).*)"),
    ("structs_pipeline", r"Vk.*(Pipeline|Shader|Specialization|Stencil|Vertex|Color).*"),
    ("structs_render", r"Vk.*(Render|Attachment|Subpass|Framebuffer).*"),
    ("structs_image", r"Vk.*(Image|Sampler|Subresource|Copy|Blit|Region).*"),
    ("structs_memory", r"Vk.*(Memory|Buffer|Sparse|Bind).*"),
    ("structs_other", r"Vk.*"),
)
