# SPDX-License-Identifier: MIT
"""Shared pieces of the generator's tests: where the registry is, and a tiny one for each step."""

import os
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from generator import model, parse  # noqa: E402

SYSTEM_REGISTRY = "/usr/share/vulkan/registry/vk.xml"

# The smallest registry that has one of everything.
TINY = """<registry><types>
<type category="define">#define <name>VK_HEADER_VERSION</name> 7</type>
<type category="basetype">typedef <type>uint32_t</type> <name>VkFlags</name>;</type>
<type category="bitmask">typedef <type>VkFlags</type> <name>VkThingFlags</name>;</type>
<type category="handle" objtypeenum="VK_OBJECT_TYPE_DEVICE"><type>VK_DEFINE_HANDLE</type>(
<name>VkDevice</name>)</type>
<type category="handle" objtypeenum="VK_OBJECT_TYPE_THING" parent="VkDevice">
<type>VK_DEFINE_NON_DISPATCHABLE_HANDLE</type>(<name>VkThing</name>)</type>
<type category="struct" name="VkThingInfo"><member values="VK_STRUCTURE_TYPE_THING_INFO">
<type>VkStructureType</type> <name>sType</name></member><member>const <type>void</type>*
<name>pNext</name></member><member><type>VkThingFlags</type> <name>flags</name></member>
<member optional="true"><type>uint32_t</type> <name>count</name></member>
<member len="count">const <type>VkThing</type>* <name>pThings</name></member></type>
<type category="struct" name="VkThingMore" structextends="VkThingInfo"><member
values="VK_STRUCTURE_TYPE_THING_MORE"><type>VkStructureType</type> <name>sType</name></member>
<member>const <type>void</type>* <name>pNext</name></member>
<member><type>uint16_t</type> <name>small</name>[<enum>VK_COUNT</enum>]</member></type>
<type category="struct" name="VkThingMoreKHR" alias="VkThingMore"/>
<type category="enum" name="VkStructureType"/>
</types>
<enums name="API Constants" type="constants"><enum value="3" name="VK_COUNT"/></enums>
<enums name="VkStructureType" type="enum"><enum value="5" name="VK_STRUCTURE_TYPE_THING_INFO"/>
</enums>
<commands><command><proto><type>VkResult</type> <name>vkCreateThing</name></proto>
<param><type>VkDevice</type> <name>device</name></param>
<param>const <type>VkThingInfo</type>* <name>pInfo</name></param>
<param optional="true">const <type>VkAllocationCallbacks</type>* <name>pAllocator</name></param>
<param><type>VkThing</type>* <name>pThing</name></param></command>
<command name="vkCreateThingEXT" alias="vkCreateThing"/></commands>
<feature api="vulkan" name="VK_VERSION_1_0" number="1.0"><require><type name="VkThingInfo"/>
<command name="vkCreateThing"/></require></feature>
<extensions><extension name="VK_EXT_thing" number="11" type="device" supported="vulkan"><require>
<enum value="2" name="VK_EXT_THING_SPEC_VERSION"/><type name="VkThingMore"/>
<enum offset="1" extends="VkStructureType" name="VK_STRUCTURE_TYPE_THING_MORE"/>
</require></extension></extensions></registry>"""


@pytest.fixture()
def tiny():
    return parse.parse_root(ElementTree.fromstring(TINY))


@pytest.fixture(scope="session")
def registry_path():
    path = os.environ.get("PV_VK_REGISTRY", SYSTEM_REGISTRY)
    if not pathlib.Path(path).exists():
        pytest.skip(f"no Vulkan registry at {path}; set PV_VK_REGISTRY")
    return path


@pytest.fixture(scope="session")
def built(registry_path):
    return model.build(parse.parse_file(registry_path))
