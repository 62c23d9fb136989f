# SPDX-License-Identifier: MIT
"""vkhost_tables/tables.h and .c: function pointers of the host driver, and their loading."""

from generator.emit_c import CFile

GLOBAL = (
    "vkCreateInstance",
    "vkEnumerateInstanceVersion",
    "vkEnumerateInstanceExtensionProperties",
    "vkEnumerateInstanceLayerProperties",
)


def _available(registry):
    """Names of commands that vulkan_core.h declares: nothing of a platform, nothing provisional."""
    names = set()
    for feature in registry.features:
        names.update(feature.commands)
    for extension in registry.extensions:
        if not extension.platform and not extension.is_provisional:
            names.update(extension.commands)
    return names


def split(registry):
    """Three lists of commands: global, instance level, device level."""
    available = _available(registry)
    device_types = {"VkDevice", "VkQueue", "VkCommandBuffer"}
    instance, device = [], []
    for name in sorted(registry.commands):
        command = registry.commands[name]
        if not available & {name, *command.aliases} or name in GLOBAL:
            continue
        if name in ("vkGetInstanceProcAddr",):
            continue
        if command.params[0].type in device_types and name != "vkGetDeviceProcAddr":
            device.append(command)
        else:
            instance.append(command)
    return [registry.commands[n] for n in GLOBAL], instance, device


def _names(registry, command):
    """The name and its aliases, those that the headers declare."""
    available = _available(registry)
    return [n for n in [command.name] + sorted(command.aliases) if n in available]


def _entries(registry, commands, kind, out):
    out.add(f"static const struct entry {kind}_entries[] = {{")
    for command in commands:
        member = command.name[2:]
        for name in _names(registry, command):
            out.add(f'    {{offsetof(struct pv_vk_{kind}_table, {member}), "{name}"}},')
    out.add("};", "")


def _header(registry, kinds, stamp):
    out = CFile(
        "vkhost_tables/tables.h",
        "Function pointers of the host's Vulkan driver, one member per command, named without\n"
        "the vk prefix. Members stay NULL when the driver has neither the command nor an alias.",
        stamp,
        ["<vulkan/vulkan_core.h>"],
    )
    for kind, commands in kinds.items():
        out.add(f"struct pv_vk_{kind}_table {{")
        for command in commands:
            out.add(f"    PFN_{_names(registry, command)[0]} {command.name[2:]};")
        out.add("};", "")
    out.add(
        "/* Fill a table; all members are written. Any thread. */",
        "void pv_vk_global_table_load(struct pv_vk_global_table *table,",
        "                             PFN_vkGetInstanceProcAddr get);",
        "void pv_vk_instance_table_load(struct pv_vk_instance_table *table, VkInstance instance,",
        "                               PFN_vkGetInstanceProcAddr get);",
        "void pv_vk_device_table_load(struct pv_vk_device_table *table, VkDevice device,",
        "                             PFN_vkGetDeviceProcAddr get);",
    )
    return out


def _loaders(out):
    for kind, handle, call in (
        ("global", "", "get(NULL, entry->name)"),
        ("instance", "VkInstance instance, ", "get(instance, entry->name)"),
        ("device", "VkDevice device, ", "get(device, entry->name)"),
    ):
        getter = "PFN_vkGetDeviceProcAddr" if kind == "device" else "PFN_vkGetInstanceProcAddr"
        out.add(
            f"void pv_vk_{kind}_table_load(struct pv_vk_{kind}_table *table, {handle}{getter} get)",
            "{",
            "    memset(table, 0, sizeof(*table));",
            f"    for (size_t i = 0; i < sizeof({kind}_entries) / sizeof({kind}_entries[0]); "
            "i++) {",
            f"        const struct entry *entry = &{kind}_entries[i];",
            "",
            f"        entry_store(table, entry, entry_load(table, entry), {call});",
            "    }",
            "}",
            "",
        )


def _source(registry, kinds, stamp):
    out = CFile(
        "vkhost_tables/tables.c",
        "Loading of the driver's function pointers; see tables.h.",
        stamp,
        ["<stddef.h>", "<stdint.h>", "<string.h>", "", '"vkhost_tables/tables.h"'],
    )
    out.add(
        "/* Where a command's pointer goes. The first name that the driver knows wins. */",
        "struct entry {",
        "    uint16_t offset;",
        "    const char *name;",
        "};",
        "",
        "static void entry_store(void *table, const struct entry *entry, PFN_vkVoidFunction there,",
        "                        PFN_vkVoidFunction found)",
        "{",
        "    if (there == NULL) {",
        "        memcpy((uint8_t *)table + entry->offset, &found, sizeof(found));",
        "    }",
        "}",
        "",
        "static PFN_vkVoidFunction entry_load(const void *table, const struct entry *entry)",
        "{",
        "    PFN_vkVoidFunction there;",
        "",
        "    memcpy(&there, (const uint8_t *)table + entry->offset, sizeof(there));",
        "    return there;",
        "}",
        "",
    )
    for kind, commands in kinds.items():
        _entries(registry, commands, kind, out)
    _loaders(out)
    return out


def emit(registry, stamp):
    """Both files, as CFile objects."""
    kinds = dict(zip(("global", "instance", "device"), split(registry)))
    return [_header(registry, kinds, stamp), _source(registry, kinds, stamp)]
