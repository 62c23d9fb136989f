#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make a profile (facts as JSON) from the text that vulkaninfo prints for one device.

For drivers that cannot be probed where they are: what vulkaninfo does not tell (imports, memory of
sample resources, format features) is given on the command line. A driver that can be run is better
recorded with pearvisor-probe.

Usage: from_vulkaninfo.py vulkaninfo.txt [KEY=JSON ...] > profile.json
"""
import json
import re
import sys

TYPES = {"CPU": "cpu", "DISCRETE_GPU": "discrete", "INTEGRATED_GPU": "integrated",
         "VIRTUAL_GPU": "virtual", "OTHER": "other"}
QUEUES = ("GRAPHICS", "COMPUTE", "TRANSFER", "SPARSE_BINDING", "PROTECTED", "VIDEO_DECODE",
          "VIDEO_ENCODE", "OPTICAL_FLOW")


def sections(text):
    """Map each heading (most are underlined) to its lines."""
    lines = text.split("\n")
    found = {}
    current = None
    for i, line in enumerate(lines):
        rule = lines[i + 1].strip() if i + 1 < len(lines) else ""
        underlined = rule and set(rule) <= {"-", "="}
        if line and not line[0].isspace() and (underlined or line.startswith("Device Ext")):
            current = found.setdefault(line.split(":")[0], [])
        elif current is not None:
            current.append(line)
    return found


def values(lines):
    """`name = value` lines of a section, first occurrence wins."""
    found = {}
    for line in lines:
        match = re.match(r"\s*(\w+)\s+= (.*)", line)
        if match:
            found.setdefault(match.group(1), match.group(2).strip())
    return found


def queue_families(lines):
    families = []
    for line in lines:
        match = re.match(r"\s*(queueCount|queueFlags|timestampValidBits)\s+= (.*)", line)
        if not match:
            continue
        name, value = match.groups()
        if name == "queueCount":
            families.append({"count": int(value)})
        elif name == "queueFlags":
            families[-1]["flags"] = [flag for flag in QUEUES if "QUEUE_" + flag in value]
        else:
            families[-1]["timestamp_bits"] = int(value)
    return families


def memory(lines):
    heaps, types, usable = [], [], {"OPTIMAL": [], "LINEAR": []}
    target = None
    tiling = None
    for line in lines:
        text = line.strip()
        if re.match(r"memoryHeaps\[\d+\]", text):
            heaps.append({"device_local": False})
            target = heaps[-1]
        elif re.match(r"memoryTypes\[\d+\]", text):
            types.append({"flags": []})
            target = types[-1]
        elif text.startswith("size ") and target is not None:
            target["size_bytes"] = int(text.split("=")[1].split()[0])
        elif text.startswith("heapIndex"):
            target["heap"] = int(text.split("=")[1])
        elif text == "MEMORY_HEAP_DEVICE_LOCAL_BIT":
            target["device_local"] = True
        elif text.startswith("MEMORY_PROPERTY_"):
            target["flags"].append(re.sub("^MEMORY_PROPERTY_|_BIT(?=$|_)", "", text))
        elif text.startswith("IMAGE_TILING_"):
            tiling = text[len("IMAGE_TILING_"):].rstrip(":")
        elif text == "color images":
            usable[tiling].append(len(types) - 1)
    return heaps, types, usable


def profile(text):
    parts = sections(text)
    device = values(parts["VkPhysicalDeviceProperties"])
    core11 = values(parts.get("VkPhysicalDeviceVulkan11Properties", []))
    core12 = values(parts.get("VkPhysicalDeviceVulkan12Properties", []))
    host = values(parts.get("VkPhysicalDeviceExternalMemoryHostPropertiesEXT", []))
    extensions = {}
    for line in parts["Device Extensions"]:
        match = re.match(r"\s*(VK_\w+)\s*: extension revision (\d+)", line)
        if match:
            extensions[match.group(1)] = int(match.group(2))
    heaps, types, usable = memory(parts["VkPhysicalDeviceMemoryProperties"])
    return {
        "device_name": device["deviceName"],
        "device_type": TYPES[device["deviceType"].replace("PHYSICAL_DEVICE_TYPE_", "")],
        "api_version": device["apiVersion"].split()[0],
        "driver_name": core12.get("driverName", ""),
        "driver_info": core12.get("driverInfo", ""),
        "max_allocation_bytes": int(core11.get("maxMemoryAllocationSize", "0"), 0),
        "timeline_semaphore": bool(re.search(r"timelineSemaphore\s+= true", text)),
        "synchronization2": bool(re.search(r"synchronization2\s+= true", text)),
        "format_feature_flags2": "VK_KHR_format_feature_flags2" in extensions,
        "memory_heaps": heaps,
        "memory_types": types,
        "linear_types": usable["LINEAR"],
        "optimal_types": usable["OPTIMAL"],
        "import_alignment_bytes": int(host.get("minImportedHostPointerAlignment", "0"), 0),
        "queue_families": queue_families(parts["VkQueueFamilyProperties"]),
        "extensions": extensions,
    }


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    with open(arguments[0], encoding="utf-8", errors="replace") as file:
        result = profile(file.read())
    for pair in arguments[1:]:
        key, _, value = pair.partition("=")
        result[key] = json.loads(value)
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
