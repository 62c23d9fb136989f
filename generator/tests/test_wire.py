# SPDX-License-Identifier: MIT
"""Commands as stock Mesa writes them, by hand from the rules of the format, against the model.

Each line gives the size that the whole command takes on the wire, the bytes, and some values that
must come out. The model is what the C code is printed from, so a wrong rule fails here.
"""

import pytest
from walk import Walk, q, words

CB, ID = q(77), q(5)
NO, ONE = q(0), q(1)
BARRIER = (0x100, 0x200)  # access masks


def command(number, *values):
    return words(number, 0, *values)


def clear():
    return words(0, 2, q(4), 1, 2, 3, 4)


def description(resource):
    return words(resource, q(64), q(4096))


def image_barrier():
    return words(45, NO, *BARRIER, 1, 2, 3, 4, ID, 1, 0, 1, 0, 1)


def buffer_barrier():
    return words(44, NO, *BARRIER, 1, 2, ID, q(0), q(64))


def pipeline_barrier(memory=b"", buffer=b"", image=b""):
    lists = []
    for one in (memory, buffer, image):
        lists += [1 if one else 0, ONE if one else NO, one]
    return command(126, CB, 1, 2, 0, *lists)


def write_set(image=b"", buffer=b""):
    lists = [ONE, image] if image else [NO]
    lists += [ONE, buffer] if buffer else [NO]
    return words(35, NO, ID, 3, 0, 1, 6, *lists, NO)


def submit(*command_buffers):
    ids = [q(i) for i in command_buffers]
    return command(
        18, ID, 1, ONE, 4, NO, 0, NO, NO, len(ids), q(len(ids)), *ids, 0, NO, q(9)
    )


def submit2():
    buffer = words(1000314006, NO, q(11), 0)
    info = words(1000314004, NO, 0, 0, NO, 1, ONE, buffer, 0, NO)
    return command(206, ID, 1, ONE, info, NO)


def ring(*chain):
    """vkCreateRingMESA; chain: (sType, value) of each pNext node, outermost first."""
    headers = [v for s_type, _ in chain for v in (ONE, s_type)]
    members = [value for _, value in reversed(chain)]
    sizes = [q(n) for n in (0, 131268)] + [q(1000000)]
    sizes += [q(n) for n in (0, 64, 128, 192, 131072, 131264, 4)]
    return command(188, q(0x7F001234), ONE, 1000384000, *headers, NO, *members, 0, 7, *sizes)


CASES = [
    ("vkCmdDraw", 32, command(106, CB, 3, 1, 0, 0), {"vertexCount": 3, "commandBuffer": 77}),
    ("vkCmdDrawIndexed", 36, command(107, CB, 3, 1, 0, 5, 0), {"vertexOffset": 5}),
    ("vkCmdBindPipeline", 28, command(93, CB, 0, ID), {"pipeline": 5}),
    (
        "vkCmdBindDescriptorSets",
        64,
        command(103, CB, 0, ID, 0, 1, ONE, q(6), 0, NO),
        {"descriptorSetCount": 1, "dynamicOffsetCount": 0},
    ),
    (
        "vkCmdBindDescriptorSets",
        68,
        command(103, CB, 0, ID, 0, 1, ONE, q(6), 1, ONE, 256),
        {"dynamicOffsetCount": 1},
    ),
    ("vkCmdPushConstants", 108, command(132, CB, ID, 1, 0, 64, q(64), bytes(64)), {"size": 64}),
    ("vkCmdBindVertexBuffers", 56, command(105, CB, 0, 1, ONE, ID, ONE, q(64)), {}),
    ("vkCmdBindIndexBuffer", 36, command(104, CB, ID, q(128), 1), {"offset": 128}),
    ("vkCmdPipelineBarrier", 128, pipeline_barrier(image=image_barrier()), {}),
    ("vkCmdPipelineBarrier", 116, pipeline_barrier(buffer=buffer_barrier()), {}),
    ("vkCmdPipelineBarrier", 84, pipeline_barrier(memory=words(46, NO, *BARRIER)), {}),
    (
        "vkUpdateDescriptorSets",
        124,
        command(79, ID, 1, ONE, write_set(buffer=words(ID, q(0), q(64))), 0, NO),
        {},
    ),
    (
        "vkUpdateDescriptorSets",
        120,
        command(79, ID, 1, ONE, write_set(image=words(ID, q(6), 5)), 0, NO),
        {},
    ),
    ("vkCmdSetViewport", 56, command(94, CB, 0, 1, ONE, bytes(24)), {"viewportCount": 1}),
    ("vkCmdSetScissor", 48, command(95, CB, 0, 1, ONE, bytes(16)), {"scissorCount": 1}),
    ("vkCmdDispatch", 28, command(110, CB, 4, 5, 6), {"groupCountZ": 6}),
    ("vkCmdCopyBuffer", 68, command(112, CB, ID, q(6), 1, ONE, bytes(24)), {"regionCount": 1}),
    ("vkBeginCommandBuffer", 48, command(90, CB, ONE, 42, NO, 1, NO), {}),
    ("vkEndCommandBuffer", 16, command(91, CB), {}),
    ("vkCmdEndRenderPass", 16, command(135, CB), {}),
    (
        "vkCmdBeginRenderPass",
        116,
        command(133, CB, ONE, 43, NO, ID, q(6), 0, 0, 64, 64, 1, ONE, clear(), 0),
        {"contents": 0},
    ),
    ("vkQueueSubmit", 100, submit(11), {"submitCount": 1, "fence": 9}),
    ("vkQueueSubmit", 108, submit(11, 12), {"submitCount": 1, "fence": 9}),
    ("vkQueueSubmit2", 112, submit2(), {"submitCount": 1, "fence": 0}),
    ("vkWaitForFences", 48, command(39, ID, 1, ONE, q(9), 1, q(2**64 - 1)), {"waitAll": 1}),
    (
        "vkWaitSemaphores",
        84,
        command(173, ID, ONE, 1000207004, NO, 0, 1, ONE, q(9), ONE, q(3), q(0)),
        {"timeout": 0},
    ),
    ("vkSetReplyCommandStreamMESA", 36, command(178, ONE, description(3)), {}),
    (
        "vkExecuteCommandStreamsMESA",
        64,
        command(180, 1, ONE, description(3), NO, 0, NO, 0),
        {"streamCount": 1, "dependencyCount": 0},
    ),
    ("vkWaitRingSeqnoMESA", 24, command(253, q(1), q(2)), {"seqno": 2}),
    ("vkSubmitVirtqueueSeqnoMESA", 24, command(251, q(1), q(2)), {"seqno": 2}),
    ("vkNotifyRingMESA", 24, command(190, q(1), 2, 0), {"seqno": 2}),
    ("vkWaitVirtqueueSeqnoMESA", 16, command(252, q(1)), {"seqno": 1}),
    ("vkDestroyRingMESA", 16, command(189, q(1)), {"ring": 1}),
    ("vkCreateRingMESA", 140, ring((1000384006, 3000000)), {"ring": 0x7F001234}),
    ("vkCreateRingMESA", 156, ring((1000384006, 3000000), (1000384007, 5)), {}),
    # outputs are only skeletons
    ("vkEnumerateInstanceVersion", 16, command(137, ONE), {}),
    (
        "vkGetPhysicalDeviceMemoryProperties2",
        52,
        command(152, ID, ONE, 1000059006, NO, q(32), q(16)),
        {},
    ),
    ("vkEnumeratePhysicalDevices", 52, command(2, ID, ONE, 2, q(2), q(8), q(9)), {}),
    ("vkGetPipelineCacheData", 48, command(63, ID, q(6), ONE, q(4096), q(4096)), {}),
    ("vkGetCalibratedTimestampsKHR", 60, command(236, ID, 1, ONE, 1000184000, NO, 0, ONE, ONE), {}),
    # narrow scalars take 4 bytes
    ("vkCmdSetLineStipple", 24, command(237, CB, 2, 0xAAAA), {"lineStipplePattern": 0xAAAA}),
    # fixed arrays carry their length
    ("vkCmdSetBlendConstants", 40, command(98, CB, q(4), bytes(16)), {}),
]


@pytest.mark.parametrize("name,size,data,values", CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_command(built, name, size, data, values):
    walk = Walk(built, data)
    assert walk.command() == name
    assert walk.at == len(data) == size
    for key, value in values.items():
        assert walk.seen[key] == value, key
