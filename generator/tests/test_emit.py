# SPDX-License-Identifier: MIT
"""What is printed: the same bytes each time, small enough files, all that was promised."""

import json
import re

from generator import __main__ as generator
from generator import command_numbers, emit_info, protocol
from generator.emit_c import LINES_MAX


def test_two_runs_give_equal_bytes(registry_path):
    assert generator.generate(registry_path) == generator.generate(registry_path)


def test_files_are_stamped_and_bounded(registry_path):
    for path, text in generator.generate(registry_path).items():
        assert len(text.splitlines()) <= LINES_MAX, path
        if path.endswith((".c", ".h")):
            assert text.startswith("/* SPDX-License-Identifier: MIT */\n"), path
            assert "Generated from sha256 " in text, path


def test_every_command_is_accounted_for(registry_path):
    report = json.loads(generator.generate(registry_path)["coverage.json"])
    by_number = {c["number"]: c for c in report["commands"]}
    holes = [n for n, name in enumerate(command_numbers.COMMANDS) if name is None]
    assert holes == [195]
    assert sorted(by_number) == [n for n in range(len(command_numbers.COMMANDS)) if n != 195]
    for command in by_number.values():
        if command["kind"] in ("refused", "custom"):
            assert len(command["reason"]) >= 3, command["name"]
    old = [c for c in by_number.values() if not c["newer_than_mesa_25_0_7"]]
    refused = [c["name"] for c in old if c["kind"] == "refused"]
    assert len(old) == 282
    assert len(refused) == 24, refused  # justified in policy.py; none is sent by Mesa 25.0.7


def test_refused_structs_have_reasons(registry_path):
    report = json.loads(generator.generate(registry_path)["coverage.json"])
    for name, reason in report["structs_refused"].items():
        assert len(reason) > 10, name
    carried = {s["name"] for s in report["structs"]}
    assert not carried & set(report["structs_refused"])


def test_handlers_and_dispatchers_match(registry_path):
    texts = generator.generate(registry_path)
    report = json.loads(texts["coverage.json"])
    handlers = set(re.findall(r"\(\*(vk\w+)\)", texts["venus_wire/handlers.h"]))
    assert handlers == {c["name"] for c in report["commands"] if c["kind"] == "custom"}
    dispatched = set(re.findall(r"= pv_wire_dispatch_(vk\w+),", texts["venus_wire/dispatch.c"]))
    assert dispatched == {c["name"] for c in report["commands"] if c["kind"] != "refused"}


def test_tables_hold_what_the_host_side_needs(registry_path):
    header = generator.generate(registry_path)["vkhost_tables/tables.h"]
    for name in (
        "GetMemoryHostPointerPropertiesEXT",
        "GetMemoryFdKHR",
        "GetImageDrmFormatModifierPropertiesEXT",
        "QueueSubmit2",
        "GetDeviceProcAddr",
        "EnumerateInstanceVersion",
    ):
        assert re.search(rf"PFN_vk\w+ {name};", header), name
    assert "Win32" not in header


def test_mask_covers_the_carried_extensions(built):
    words = emit_info.mask_words(built)
    assert words[0] & 1
    for name, number, _ in built.extensions:
        assert words[number // 32] >> (number % 32) & 1, name
    assert len(built.extensions) == 118 + len(protocol.NEWER_EXTENSIONS)
