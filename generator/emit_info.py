# SPDX-License-Identifier: MIT
"""venus_wire/info.h and .c: facts for the capset and the log, and clean-up of host objects."""

from generator import protocol
from generator.emit_c import CFile


def mask_words(model):
    words = [0] * 32
    words[0] |= 1  # "the mask is valid"
    for _, number, _ in model.extensions:
        words[number // 32] |= 1 << (number % 32)
    return words


def _header(model, stamp):
    out = CFile(
        "venus_wire/info.h",
        "What the codec carries: versions and extensions for the capset, names for the log.",
        stamp,
        ["<stddef.h>", "<stdint.h>", "", "<vulkan/vulkan_core.h>", "", '"base/fault.h"'],
    )
    out.add(
        f"#define PV_WIRE_FORMAT_VERSION {protocol.WIRE_FORMAT_VERSION}u",
        "/* Of the registry that the codec was generated from. */",
        "#define PV_WIRE_VK_XML_VERSION "
        f"VK_MAKE_API_VERSION(0, 1, 4, {model.registry.header_version})",
        f"#define PV_WIRE_COMMAND_SERIALIZATION_VERSION {protocol.COMMAND_SERIALIZATION_VERSION}u",
        "/* Not 3 or 4: those promise the host image copy and descriptor heap commands of MESA,",
        " * which hand host pointers to the driver and have no handler here. */",
        f"#define PV_WIRE_VENUS_PROTOCOL_VERSION {protocol.VENUS_PROTOCOL_VERSION}u",
        "",
        "#define PV_WIRE_EXTENSION_MASK_WORDS 32",
        "/* Bit N: the structs of extension number N are carried; bit 0 marks the mask valid. */",
        "extern const uint32_t pv_wire_extension_mask[PV_WIRE_EXTENSION_MASK_WORDS];",
        "",
        "struct pv_wire_extension {",
        "    const char *name;",
        "    uint32_t number;",
        "    uint32_t spec_version;",
        "};",
        "",
        "/* Carried extensions, ascending by name. */",
        "extern const struct pv_wire_extension pv_wire_extensions[];",
        "extern const size_t pv_wire_extension_count;",
        "",
        "/* The entry of that name, NULL when it is not carried. Any thread. */",
        "const struct pv_wire_extension *pv_wire_extension_find(const char *name);",
        "",
        "/* Name of a command for the log, \"unknown\" for holes; static storage. */",
        "const char *pv_wire_command_name(uint32_t number);",
        "",
        "/* Name of a handle's type without Vk, \"object\" when unknown; static storage. */",
        "const char *pv_wire_object_type_name(uint32_t vk_object_type);",
        "",
        "/* One output struct of vkGetPhysicalDeviceFeatures2 or ...Properties2. */",
        "struct pv_wire_query_struct {",
        "    int32_t s_type;",
        "    uint32_t size_bytes;",
        "    const char *name;",
        "};",
        "extern const struct pv_wire_query_struct pv_wire_feature_structs[];",
        "extern const size_t pv_wire_feature_struct_count;",
        "extern const struct pv_wire_query_struct pv_wire_property_structs[];",
        "extern const size_t pv_wire_property_struct_count;",
        "",
        "/*",
        " * Destroy a host object that the guest left behind, by the right call of the driver.",
        " * vk_table: struct pv_vk_device_table of its device. parent: the VkDevice. Does nothing",
        " * for handle 0, for types that die with their pool, and when the driver lacks the call.",
        " */",
        "void pv_wire_object_destroy_host(uint32_t vk_object_type, const void *vk_table,",
        "                                 uint64_t parent, uint64_t handle);",
    )
    return out


def _query_structs(model, owner, kind, out):
    out.add(f"const struct pv_wire_query_struct pv_wire_{kind}_structs[] = {{")
    names = model.structs[owner].chain_names
    for name in names:
        s = model.structs[name]
        out.add(f'    {{(int32_t){s.s_type}, sizeof({name}), "{name}"}},')
    out.add("};", f"const size_t pv_wire_{kind}_struct_count = {len(names)};", "")


def _destroyers(model):
    """(handle, destroying command) of all objects that are destroyed one by one."""
    found = []
    for name in sorted(model.registry.commands):
        command = model.registry.commands[name]
        if not name.startswith(("vkDestroy", "vkFreeMemory")) or len(command.params) != 3:
            continue
        if command.params[0].type != "VkDevice":
            continue
        handle = command.params[1].type
        used = {c.name for c in model.commands if c.kind != "refused"}
        if name in used:
            found.append((handle, name))
    return found


def _extensions(model, out):
    out.add("const uint32_t pv_wire_extension_mask[PV_WIRE_EXTENSION_MASK_WORDS] = {")
    words = mask_words(model)
    for i in range(0, 32, 8):
        out.add("    " + " ".join(f"0x{w:08x}u," for w in words[i : i + 8]))
    out.add("};", "", "const struct pv_wire_extension pv_wire_extensions[] = {")
    for name, number, version in sorted(model.extensions):
        out.add(f'    {{"{name}", {number}, {version}}},')
    out.add("};", f"const size_t pv_wire_extension_count = {len(model.extensions)};", "")
    out.add(
        "const struct pv_wire_extension *pv_wire_extension_find(const char *name)",
        "{",
        "    size_t low = 0;",
        "    size_t high = pv_wire_extension_count;",
        "",
        "    while (low < high) {",
        "        const size_t middle = low + (high - low) / 2;",
        "        const int order = strcmp(name, pv_wire_extensions[middle].name);",
        "",
        "        if (order == 0) {",
        "            return &pv_wire_extensions[middle];",
        "        }",
        "        if (order > 0) {",
        "            low = middle + 1;",
        "        } else {",
        "            high = middle;",
        "        }",
        "    }",
        "    return NULL;",
        "}",
        "",
    )


def _names(model, out):
    out.add(
        "static const char *const command_names[PV_WIRE_COMMAND_COUNT] = {",
    )
    for command in model.commands:
        out.add(f'    [{command.number}] = "{command.name}",')
    out.add(
        "};",
        "",
        "const char *pv_wire_command_name(uint32_t number)",
        "{",
        "    if (number >= PV_WIRE_COMMAND_COUNT || command_names[number] == NULL) {",
        '        return "unknown";',
        "    }",
        "    return command_names[number];",
        "}",
        "",
        "const char *pv_wire_object_type_name(uint32_t vk_object_type)",
        "{",
        "    switch (vk_object_type) {",
    )
    used = {f.elem.type for c in model.commands for f in c.fields if f.elem.kind == "handle"}
    for handle in sorted(used):
        out.add(
            f"    case {model.registry.handles[handle].object_type}:",
            f'        return "{handle[2:]}";',
        )
    out.add("    default:", '        return "object";', "    }", "}", "")


def _destroy_host(model, out):
    out.add(
        "void pv_wire_object_destroy_host(uint32_t vk_object_type, const void *vk_table,",
        "                                 uint64_t parent, uint64_t handle)",
        "{",
        "    const struct pv_vk_device_table *vk = vk_table;",
        "    const VkDevice device = (VkDevice)(uintptr_t)parent;",
        "",
        "    if (handle == 0) {",
        "        return;",
        "    }",
        "    switch (vk_object_type) {",
    )
    for handle, name in _destroyers(model):
        out.add(
            f"    case {model.registry.handles[handle].object_type}:",
            f"        if (vk->{name[2:]} != NULL) {{",
            f"            vk->{name[2:]}(device, ({handle})(uintptr_t)handle, NULL);",
            "        }",
            "        break;",
        )
    out.add("    default:", "        break;", "    }", "}")


def _source(model, stamp):
    out = CFile(
        "venus_wire/info.c",
        "See info.h.",
        stamp,
        [
            '"venus_wire/info.h"',
            "",
            "<string.h>",
            "",
            '"venus_wire/commands.h"',
            '"vkhost_tables/tables.h"',
        ],
    )
    _extensions(model, out)
    _names(model, out)
    _query_structs(model, "VkPhysicalDeviceFeatures2", "feature", out)
    _query_structs(model, "VkPhysicalDeviceProperties2", "property", out)
    _destroy_host(model, out)
    return out


def emit(model, stamp):
    """Both files, as CFile objects."""
    return [_header(model, stamp), _source(model, stamp)]
