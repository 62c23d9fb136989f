# SPDX-License-Identifier: MIT
"""parse.py on the tiny registry."""


def test_names_and_aliases(tiny):
    assert tiny.header_version == 7
    assert set(tiny.structs) == {"VkThingInfo", "VkThingMore"}
    assert tiny.struct_aliases == {"VkThingMoreKHR": "VkThingMore"}
    assert tiny.commands["vkCreateThing"].aliases == ["vkCreateThingEXT"]


def test_members(tiny):
    flags, count, things = tiny.structs["VkThingInfo"].members[2:]
    assert (flags.type, flags.pointers) == ("VkThingFlags", 0)
    assert count.optional == "true"
    assert (things.len, things.pointers, things.is_const) == ("count", 1, True)
    assert tiny.structs["VkThingMore"].members[2].dims == ["VK_COUNT"]
    assert tiny.structs["VkThingMore"].extends == ["VkThingInfo"]


def test_handles(tiny):
    assert tiny.handles["VkDevice"].is_dispatchable
    assert not tiny.handles["VkThing"].is_dispatchable
    assert tiny.handles["VkThing"].object_type == "VK_OBJECT_TYPE_THING"


def test_extension_enumerators_get_their_numbers(tiny):
    assert tiny.values["VK_STRUCTURE_TYPE_THING_INFO"] == 5
    assert tiny.values["VK_STRUCTURE_TYPE_THING_MORE"] == 1000010001
    assert (tiny.extensions[0].number, tiny.extensions[0].spec_version) == (11, 2)
