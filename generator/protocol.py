# SPDX-License-Identifier: MIT
"""What the registry does not say about the Venus protocol, as data.

The MESA transport commands with their structs, union tags, and which extensions the codec carries.
Field names follow VK_MESA_venus_protocol as Mesa 25.0.7 speaks it. The numbers of all commands
stand in command_numbers.py.
"""

from generator.parse import Command, Member, Struct

WIRE_FORMAT_VERSION = 1
COMMAND_SERIALIZATION_VERSION = 1
# Revision 2 is what Mesa 25.0.7 speaks. Revision 3 promises the host image copy commands of MESA
# and revision 4 the descriptor heap ones; both hand host pointers to the driver and have no handler
# here, so a guest must not be told that it may send them.
VENUS_PROTOCOL_VERSION = 2

# The API versions whose commands and structs the codec carries.
CORE_FEATURES = (
    "VK_VERSION_1_0",
    "VK_VERSION_1_1",
    "VK_VERSION_1_2",
    "VK_VERSION_1_3",
    "VK_VERSION_1_4",
)

# Extensions that the codec carries. First those that Mesa 25.0.7 can send.
MESA_25_EXTENSIONS = (
    "VK_EXT_4444_formats",
    "VK_EXT_attachment_feedback_loop_layout",
    "VK_EXT_border_color_swizzle",
    "VK_EXT_calibrated_timestamps",
    "VK_EXT_color_write_enable",
    "VK_EXT_conditional_rendering",
    "VK_EXT_conservative_rasterization",
    "VK_EXT_custom_border_color",
    "VK_EXT_depth_clip_control",
    "VK_EXT_depth_clip_enable",
    "VK_EXT_descriptor_indexing",
    "VK_EXT_dynamic_rendering_unused_attachments",
    "VK_EXT_extended_dynamic_state",
    "VK_EXT_extended_dynamic_state2",
    "VK_EXT_extended_dynamic_state3",
    "VK_EXT_external_memory_acquire_unmodified",
    "VK_EXT_external_memory_dma_buf",
    "VK_EXT_fragment_shader_interlock",
    "VK_EXT_graphics_pipeline_library",
    "VK_EXT_host_query_reset",
    "VK_EXT_image_2d_view_of_3d",
    "VK_EXT_image_drm_format_modifier",
    "VK_EXT_image_robustness",
    "VK_EXT_image_view_min_lod",
    "VK_EXT_index_type_uint8",
    "VK_EXT_inline_uniform_block",
    "VK_EXT_line_rasterization",
    "VK_EXT_load_store_op_none",
    "VK_EXT_memory_budget",
    "VK_EXT_multi_draw",
    "VK_EXT_mutable_descriptor_type",
    "VK_EXT_non_seamless_cube_map",
    "VK_EXT_pci_bus_info",
    "VK_EXT_pipeline_creation_cache_control",
    "VK_EXT_pipeline_creation_feedback",
    "VK_EXT_primitive_topology_list_restart",
    "VK_EXT_primitives_generated_query",
    "VK_EXT_private_data",
    "VK_EXT_provoking_vertex",
    "VK_EXT_queue_family_foreign",
    "VK_EXT_rasterization_order_attachment_access",
    "VK_EXT_robustness2",
    "VK_EXT_sampler_filter_minmax",
    "VK_EXT_scalar_block_layout",
    "VK_EXT_separate_stencil_usage",
    "VK_EXT_shader_demote_to_helper_invocation",
    "VK_EXT_shader_stencil_export",
    "VK_EXT_shader_subgroup_ballot",
    "VK_EXT_shader_viewport_index_layer",
    "VK_EXT_subgroup_size_control",
    "VK_EXT_texel_buffer_alignment",
    "VK_EXT_texture_compression_astc_hdr",
    "VK_EXT_tooling_info",
    "VK_EXT_transform_feedback",
    "VK_EXT_vertex_attribute_divisor",
    "VK_EXT_vertex_input_dynamic_state",
    "VK_EXT_ycbcr_2plane_444_formats",
    "VK_KHR_16bit_storage",
    "VK_KHR_8bit_storage",
    "VK_KHR_bind_memory2",
    "VK_KHR_buffer_device_address",
    "VK_KHR_copy_commands2",
    "VK_KHR_create_renderpass2",
    "VK_KHR_dedicated_allocation",
    "VK_KHR_depth_stencil_resolve",
    "VK_KHR_descriptor_update_template",
    "VK_KHR_device_group",
    "VK_KHR_device_group_creation",
    "VK_KHR_draw_indirect_count",
    "VK_KHR_driver_properties",
    "VK_KHR_dynamic_rendering",
    "VK_KHR_external_fence",
    "VK_KHR_external_fence_capabilities",
    "VK_KHR_external_fence_fd",
    "VK_KHR_external_memory",
    "VK_KHR_external_memory_capabilities",
    "VK_KHR_external_memory_fd",
    "VK_KHR_external_semaphore",
    "VK_KHR_external_semaphore_capabilities",
    "VK_KHR_external_semaphore_fd",
    "VK_KHR_format_feature_flags2",
    "VK_KHR_fragment_shading_rate",
    "VK_KHR_get_memory_requirements2",
    "VK_KHR_get_physical_device_properties2",
    "VK_KHR_image_format_list",
    "VK_KHR_imageless_framebuffer",
    "VK_KHR_maintenance1",
    "VK_KHR_maintenance2",
    "VK_KHR_maintenance3",
    "VK_KHR_maintenance4",
    "VK_KHR_maintenance5",
    "VK_KHR_multiview",
    "VK_KHR_pipeline_library",
    "VK_KHR_push_descriptor",
    "VK_KHR_relaxed_block_layout",
    "VK_KHR_sampler_mirror_clamp_to_edge",
    "VK_KHR_sampler_ycbcr_conversion",
    "VK_KHR_separate_depth_stencil_layouts",
    "VK_KHR_shader_atomic_int64",
    "VK_KHR_shader_clock",
    "VK_KHR_shader_draw_parameters",
    "VK_KHR_shader_float16_int8",
    "VK_KHR_shader_float_controls",
    "VK_KHR_shader_integer_dot_product",
    "VK_KHR_shader_non_semantic_info",
    "VK_KHR_shader_subgroup_extended_types",
    "VK_KHR_shader_terminate_invocation",
    "VK_KHR_spirv_1_4",
    "VK_KHR_storage_buffer_storage_class",
    "VK_KHR_synchronization2",
    "VK_KHR_timeline_semaphore",
    "VK_KHR_uniform_buffer_standard_layout",
    "VK_KHR_variable_pointers",
    "VK_KHR_vulkan_memory_model",
    "VK_KHR_zero_initialize_workgroup_memory",
    "VK_VALVE_mutable_descriptor_type",
)

# Later guests pass these through as structs and plain commands; they need no handler.
NEWER_EXTENSIONS = (
    "VK_EXT_astc_decode_mode",
    "VK_EXT_attachment_feedback_loop_dynamic_state",
    "VK_EXT_blend_operation_advanced",
    "VK_EXT_buffer_device_address",
    "VK_EXT_depth_bias_control",
    "VK_EXT_depth_clamp_control",
    "VK_EXT_depth_clamp_zero_one",
    "VK_EXT_depth_range_unrestricted",
    "VK_EXT_filter_cubic",
    "VK_EXT_global_priority",
    "VK_EXT_global_priority_query",
    "VK_EXT_image_sliced_view_of_3d",
    "VK_EXT_legacy_dithering",
    "VK_EXT_legacy_vertex_attributes",
    "VK_EXT_mesh_shader",
    "VK_EXT_multisampled_render_to_single_sampled",
    "VK_EXT_nested_command_buffer",
    "VK_EXT_pipeline_protected_access",
    "VK_EXT_pipeline_robustness",
    "VK_EXT_post_depth_coverage",
    "VK_EXT_rgba10x6_formats",
    "VK_EXT_sample_locations",
    "VK_EXT_shader_atomic_float",
    "VK_EXT_shader_atomic_float2",
    "VK_EXT_shader_image_atomic_int64",
    "VK_EXT_shader_replicated_composites",
    "VK_EXT_shader_subgroup_vote",
    "VK_EXT_ycbcr_image_arrays",
    "VK_KHR_calibrated_timestamps",
    "VK_KHR_compute_shader_derivatives",
    "VK_KHR_cooperative_matrix",
    "VK_KHR_depth_clamp_zero_one",
    "VK_KHR_dynamic_rendering_local_read",
    "VK_KHR_fragment_shader_barycentric",
    "VK_KHR_global_priority",
    "VK_KHR_index_type_uint8",
    "VK_KHR_line_rasterization",
    "VK_KHR_load_store_op_none",
    "VK_KHR_maintenance6",
    "VK_KHR_maintenance7",
    "VK_KHR_maintenance8",
    "VK_KHR_shader_expect_assume",
    "VK_KHR_shader_float_controls2",
    "VK_KHR_shader_maximal_reconvergence",
    "VK_KHR_shader_quad_control",
    "VK_KHR_shader_relaxed_extended_instruction",
    "VK_KHR_shader_subgroup_rotate",
    "VK_KHR_shader_subgroup_uniform_control_flow",
    "VK_KHR_vertex_attribute_divisor",
    "VK_KHR_workgroup_memory_explicit_layout",
)

# The two private extensions are in no registry: (name, number, revision).
PRIVATE_EXTENSIONS = (
    ("VK_EXT_command_serialization", 384, COMMAND_SERIALIZATION_VERSION),
    ("VK_MESA_venus_protocol", 385, VENUS_PROTOCOL_VERSION),
)

# Structs of carried extensions that have no encoding, with the reason.
REFUSED_STRUCTS = {
    "VkImportMemoryFdInfoKHR": "file descriptors never cross; the guest drops it and sends "
    "VkImportMemoryResourceInfoMESA",
    "VkMemoryGetFdInfoKHR": "argument of vkGetMemoryFdKHR, which has no handler",
    "VkMemoryFdPropertiesKHR": "result of vkGetMemoryFdPropertiesKHR, which has no handler",
    "VkFenceGetFdInfoKHR": "argument of vkGetFenceFdKHR, which has no handler",
    "VkImportFenceFdInfoKHR": "argument of vkImportFenceFdKHR, which has no handler",
    "VkSemaphoreGetFdInfoKHR": "argument of vkGetSemaphoreFdKHR, which has no handler",
    "VkImportSemaphoreFdInfoKHR": "argument of vkImportSemaphoreFdKHR, which has no handler",
    "VkPhysicalDeviceLayeredApiPropertiesListKHR": "holds VkPhysicalDeviceProperties2, which may "
    "hold it again without end",
    "VkPhysicalDeviceLayeredApiVulkanPropertiesKHR": "see VkPhysicalDeviceLayeredApiProperties"
    "ListKHR",
    "VkMemoryToImageCopy": "host pointer; host image copy is not offered",
    "VkImageToMemoryCopy": "host pointer; host image copy is not offered",
    "VkCopyMemoryToImageInfo": "host pointer; host image copy is not offered",
    "VkCopyImageToMemoryInfo": "host pointer; host image copy is not offered",
}

# Unions: tag on the wire -> arm.
UNION_TAGS = {
    "VkClearColorValue": {0: "float32", 1: "int32", 2: "uint32"},
    "VkClearValue": {0: "color", 1: "depthStencil"},
}


def _member(text, **extra):
    """A member from "const VkX *pX" or "uint32_t n"."""
    words = text.replace("*", " * ").split()
    is_const = words[0] == "const"
    words = words[1:] if is_const else words
    return Member(
        name=words[-1],
        type=words[0],
        pointers=words.count("*"),
        is_const=is_const,
        declaration=text,
        **extra,
    )


def _struct(name, number, extends, *members, returned_only=False):
    s_type = [] if number is None else [_member("VkStructureType sType", values=s_type_name(name))]
    if number is not None:
        s_type.append(_member("const void *pNext" if not returned_only else "void *pNext"))
    return Struct(
        name=name,
        category="struct",
        members=s_type + [_member(m) for m in members],
        extends=extends,
        returned_only=returned_only,
        s_type=s_type_name(name) if number is not None else "",
    )


def s_type_name(name):
    """VkRingCreateInfoMESA -> VK_STRUCTURE_TYPE_RING_CREATE_INFO_MESA."""
    text = ""
    for before, letter in zip(name[1:], name[2:]):
        if letter.isupper() and not before.isupper():
            text += "_"
        text += letter.upper()
    return "VK_STRUCTURE_TYPE_" + text.lstrip("K_")


# Offset from 1000384000 of each MESA struct type that we carry.
S_TYPE_BASE = 1000384000
_STRUCTS = (
    (
        0,
        "VkRingCreateInfoMESA",
        [],
        ("VkFlags flags", "uint32_t resourceId", "size_t offset", "size_t size")
        + ("uint64_t idleTimeout", "size_t headOffset", "size_t tailOffset")
        + ("size_t statusOffset", "size_t bufferOffset", "size_t bufferSize")
        + ("size_t extraOffset", "size_t extraSize"),
    ),
    (1, "VkMemoryResourcePropertiesMESA", [], ("uint32_t memoryTypeBits",)),
    (2, "VkImportMemoryResourceInfoMESA", ["VkMemoryAllocateInfo"], ("uint32_t resourceId",)),
    (
        3,
        "VkMemoryResourceAllocationSizePropertiesMESA",
        ["VkMemoryResourcePropertiesMESA"],
        ("uint64_t allocationSize",),
    ),
    (
        4,
        "VkImportSemaphoreResourceInfoMESA",
        [],
        ("VkSemaphore semaphore", "uint32_t resourceId"),
    ),
    (5, "VkDeviceQueueTimelineInfoMESA", ["VkDeviceQueueInfo2"], ("uint32_t ringIdx",)),
    (
        6,
        "VkRingMonitorInfoMESA",
        ["VkRingCreateInfoMESA"],
        ("uint32_t maxReportingPeriodMicroseconds",),
    ),
    (7, "VkRingPriorityInfoMESA", ["VkRingCreateInfoMESA"], ("int32_t priority",)),
    (
        None,
        "VkCommandStreamDescriptionMESA",
        [],
        ("uint32_t resourceId", "size_t offset", "size_t size"),
    ),
    (
        None,
        "VkCommandStreamDependencyMESA",
        [],
        ("uint32_t srcCommandStream", "uint32_t dstCommandStream"),
    ),
)
_RETURNED = ("VkMemoryResourcePropertiesMESA", "VkMemoryResourceAllocationSizePropertiesMESA")

STRUCTS = tuple(
    _struct(name, number, extends, *members, returned_only=name in _RETURNED)
    for number, name, extends, members in _STRUCTS
)
S_TYPES = {
    s_type_name(name): S_TYPE_BASE + number
    for number, name, _, _ in _STRUCTS
    if number is not None
}


def _command(name, return_type, *params):
    return Command(name=name, return_type=return_type, params=list(params))


MESA_COMMANDS = (
    _command(
        "vkSetReplyCommandStreamMESA",
        "void",
        _member("const VkCommandStreamDescriptionMESA *pStream"),
    ),
    _command("vkSeekReplyCommandStreamMESA", "void", _member("size_t position")),
    _command(
        "vkExecuteCommandStreamsMESA",
        "void",
        _member("uint32_t streamCount"),
        _member("const VkCommandStreamDescriptionMESA *pStreams", len="streamCount"),
        _member("const size_t *pReplyPositions", len="streamCount", optional="true"),
        _member("uint32_t dependencyCount"),
        _member("const VkCommandStreamDependencyMESA *pDependencies", len="dependencyCount"),
        _member("VkFlags flags"),
    ),
    _command(
        "vkCreateRingMESA",
        "void",
        _member("uint64_t ring"),
        _member("const VkRingCreateInfoMESA *pCreateInfo"),
    ),
    _command("vkDestroyRingMESA", "void", _member("uint64_t ring")),
    _command(
        "vkNotifyRingMESA",
        "void",
        _member("uint64_t ring"),
        _member("uint32_t seqno"),
        _member("VkFlags flags"),
    ),
    _command(
        "vkWriteRingExtraMESA",
        "void",
        _member("uint64_t ring"),
        _member("size_t offset"),
        _member("uint32_t value"),
    ),
    _command(
        "vkGetMemoryResourcePropertiesMESA",
        "VkResult",
        _member("VkDevice device"),
        _member("uint32_t resourceId"),
        _member("VkMemoryResourcePropertiesMESA *pMemoryResourceProperties"),
    ),
    _command(
        "vkResetFenceResourceMESA", "void", _member("VkDevice device"), _member("VkFence fence")
    ),
    _command(
        "vkWaitSemaphoreResourceMESA",
        "void",
        _member("VkDevice device"),
        _member("VkSemaphore semaphore"),
    ),
    _command(
        "vkImportSemaphoreResourceMESA",
        "void",
        _member("VkDevice device"),
        _member("const VkImportSemaphoreResourceInfoMESA *pImportSemaphoreResourceInfo"),
    ),
    _command(
        "vkSubmitVirtqueueSeqnoMESA", "void", _member("uint64_t ring"), _member("uint64_t seqno")
    ),
    _command("vkWaitVirtqueueSeqnoMESA", "void", _member("uint64_t seqno")),
    _command("vkWaitRingSeqnoMESA", "void", _member("uint64_t ring"), _member("uint64_t seqno")),
)
