# SPDX-License-Identifier: MIT
"""model.py: wire fields, layout and chains, on the tiny registry and on the real one."""

import pytest

from generator import emit_decode, model, protocol, sizes


@pytest.fixture()
def builder(tiny, monkeypatch):
    monkeypatch.setattr(protocol, "MESA_25_EXTENSIONS", ("VK_EXT_thing",))
    monkeypatch.setattr(protocol, "NEWER_EXTENSIONS", ())
    monkeypatch.setattr(protocol, "STRUCTS", ())
    return model.Builder(tiny)


def test_a_struct_becomes_fields(builder):
    info = builder.struct("VkThingInfo")
    assert [f.kind for f in info.fields] == ["stype", "pnext", "scalar", "scalar", "array"]
    assert [f.offset for f in info.fields] == [0, 8, 16, 20, 24]
    assert (info.size, info.align) == (32, 8)
    assert info.fields[4].count == "{o}count"
    assert sizes.struct_min_wire(info, builder.structs) == 4 + 8 + 4 + 4 + 8


def test_chains_hold_what_extends(builder):
    builder.struct("VkThingInfo")
    builder.chains()
    assert builder.structs["VkThingInfo"].chain_names == ["VkThingMore"]
    more = builder.structs["VkThingMore"]
    assert (more.size, more.plain_members) == (24, 0)  # three u16 take 4 + 4 padded bytes


def test_a_create_command_has_its_kind(builder, tiny):
    command = builder.command(7, "vkCreateThing", tiny.commands["vkCreateThing"])
    assert (command.kind, command.first, command.out_type) == ("create", "VkDevice", "VkThing")
    assert [f.kind for f in command.fields] == ["handle", "ptr", "alloc", "ptr"]


def test_a_struct_that_contains_itself_is_refused(builder, tiny):
    tiny.structs["VkThingInfo"].members[4].type = "VkThingInfo"
    with pytest.raises(model.Unsupported, match="contains itself"):
        builder.struct("VkThingInfo")


def test_neighbours_are_copied_at_once(builder, tiny):
    builder.struct("VkThingInfo")
    built = model.Model(tiny, [], builder.structs, {}, [], [])
    body = emit_decode.Decode(built, "v", "VkThingInfo", True)
    for one in builder.structs["VkThingInfo"].fields[2:4]:
        body.field(one)
    body.flush()
    text = "\n".join(body.lines)
    assert "pv_wire_take(decoder, 8)" in text
    assert text.count("memcpy") == 1


def test_known_layouts(built):
    sizes = {"VkPhysicalDeviceProperties": 824, "VkImageMemoryBarrier2": 96, "VkSubmitInfo": 72}
    assert {n: built.structs[n].size for n in sizes} == sizes
    assert built.structs["VkViewport"].is_plain
    assert built.structs["VkPhysicalDeviceVulkan12Features"].plain_members == 4 * 47
    assert not built.structs["VkDescriptorImageInfo"].is_plain  # handles


def test_fds_never_enter_a_chain(built):
    names = built.structs["VkMemoryAllocateInfo"].chain_names
    assert "VkImportMemoryFdInfoKHR" not in names
    assert "VkImportMemoryResourceInfoMESA" in names


def test_handles_that_may_be_null(built):
    """As the registry says: drivers look into the others without asking."""
    def nullable(owner, name):
        return next(f for f in owner.fields if f.name == name).nullable

    commands = {c.name: c for c in built.commands}
    structs = built.structs
    assert not nullable(structs["VkDescriptorSetAllocateInfo"], "pSetLayouts")
    assert nullable(structs["VkPipelineLayoutCreateInfo"], "pSetLayouts")
    assert nullable(structs["VkBindImageMemoryInfo"], "memory")
    assert nullable(structs["VkRenderingAttachmentInfo"], "imageView")
    assert nullable(commands["vkCmdBindVertexBuffers"], "pBuffers")
    assert nullable(commands["vkQueueSubmit"], "fence")
    assert not nullable(commands["vkResetCommandPool"], "commandPool")
    assert not nullable(commands["vkCmdBindPipeline"], "pipeline")
