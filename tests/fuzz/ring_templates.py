# SPDX-License-Identifier: MIT
"""Valid commands for the mutator of the ring target, and seeds for its corpus, from the model.

    ring_templates.py REGISTRY OUT.c             a table of commands, each several times
    ring_templates.py REGISTRY --seeds FOLDER    inputs (ring_records.h): families of objects that
                                                 are made in order, and every command behind them
    ring_templates.py REGISTRY --recorded FOLDER FILE...   inputs from what record_render wrote

The encoder is the generator tests' (generator/tests/corpus.py), with contents that a program could
have sent: small numbers, existing memory types, ids of objects that other templates make.
"""

import pathlib
import random
import struct
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "generator/tests")]

import corpus  # noqa: E402
from generator import model, parse  # noqa: E402

ROUNDS = 6
# Nodes of one pNext chain; commands whose longest chain has more get as many rounds as it takes.
NODES = 5
FIRST_ID, IDS = 32, 4  # of ring_records.h
FIXED = {1: 1, 2: 2, 3: 3, 4: 4}  # VkObjectType of what stands in front, and its id
SUBMIT, RING, STREAM = 0, 1, 2

# Values that let a command get further; each a choice.
HINTS = {
    "allocationSize": (4096, 65536, 8192), "size": (256, 4096, 65536), "memoryTypeIndex": (0,),
    "memoryOffset": (0, 64, 4096), "offset": (0, 4, 64), "width": (1, 64), "height": (1, 64),
    "depth": (1,), "mipLevels": (1,), "arrayLayers": (1,), "samples": (1,), "imageType": (1,),
    "format": (44, 37, 50), "tiling": (0, 1), "usage": (1, 3, 7, 16, 32), "layers": (1,),
    "queueFamilyIndex": (0,), "queueIndex": (0,), "queueCount": (1,), "ringIdx": (1, 2, 3),
    "timeout": (0, 1), "levelCount": (1,), "layerCount": (1,), "resourceId": (1, 2, 3),
    "queryType": (0, 1, 2), "range": (256, 2**64 - 1), "maxSets": (1, 8), "codeSize": (16,),
    "maxReportingPeriodMicroseconds": (10000,), "apiVersion": (1 << 22 | 3 << 12,),
    "handleTypes": (0, 1, 128), "handleType": (1, 128), "flags": (0, 0, 0, 1, 2),
    "ring": (16, 17), "seqno": (0, 1), "position": (0, 64),
}


class Encoder(corpus.Encoder):
    """Remembers where handles lie, and prefers sane values."""

    def __init__(self, built, rng, round_index):
        super().__init__(built, rng)
        self.round_index = round_index
        self.types = sorted(self.ids)
        self.fixes = []
        self.hint = ""
        self.sane = rng.random() < 0.8

    def field(self, one, partial, counts, owner):
        self.hint = one.name
        super().field(one, partial, counts, owner)

    def chain(self, one, partial):
        """Each round another part of what a chain may hold, so that all of it comes somewhere."""
        names = list(one.chain_names) if self.depth < 3 else []
        parts = -(-len(names) // NODES)
        nodes = []
        if parts > 0 and (self.round_index > 0 or parts > ROUNDS):
            at = self.round_index % parts * NODES
            nodes = names[at:at + NODES]
        for name in nodes:
            self.u64(1)
            self.u32(self.built.structs[name].s_type_value)
        self.u64(0)
        for name in reversed(nodes):
            self.members(self.built.structs[name], partial)

    def handle(self, elem, is_new=False):
        number = self.built.registry.values[self.built.registry.handles[elem.type].object_type]
        if self.hint == "basePipelineHandle" and self.rng.random() < 0.9:
            self.u64(0)  # or no pipeline could be the first
            return
        self.fixes.append((len(self.out), self.types.index(number), is_new))
        self.u64(first_id(self.types, number))

    def junk(self, size):
        if size in (4, 8):
            choices = HINTS.get(self.hint) if self.sane else None
            value = self.rng.choice(choices or (0, 0, 0, 1, 1, 2, 3, 4, 16, 2**32 - 1))
            self.out += struct.pack("<Q", value & (2**64 - 1))[:size]
        else:
            self.out += bytes(size) + bytes(-size % 4)


def first_id(types, number):
    return FIXED.get(number, FIRST_ID + IDS * types.index(number))


def rounds_of(built, command, rounds):
    lengths = [len(built.structs[one.elem.type].chain_names) for one in command.fields
               if one.elem.kind == "struct"]
    return max([rounds] + [-(-length // NODES) for length in lengths])


def templates(built, rounds):
    """Yields (command, bytes, fixes)."""
    for command in built.commands:
        if command.kind == "refused":
            continue
        for index in range(rounds_of(built, command, rounds)):
            rng = random.Random(f"template {command.name} {index}")
            encoder = Encoder(built, rng, index)
            counts = encoder.counts(command.fields)
            encoder.u32(command.number)
            encoder.u32(index & 1)
            encoder.fields(command.fields, False, counts)
            if len(encoder.out) <= 2048:
                yield command, bytes(encoder.out), encoder.fixes


def write_table(built, path):
    rows, fixes, data = [], [], bytearray()
    for command, text, handles in templates(built, ROUNDS):
        makes = any(is_new for _, _, is_new in handles)
        rows.append(f"    {{{len(data)}, {len(text)}, {len(fixes)}, {len(handles)}, {int(makes)}}},"
                    f" /* {command.name} */")
        fixes += [f"{{{at}, {kind}, {int(is_new)}}}," for at, kind, is_new in handles]
        data += text
    types = sorted(corpus.object_ids(built))
    ids = [first_id(types, number) for number in types]
    lines = [
        "/* SPDX-License-Identifier: MIT */",
        "/* Written by ring_templates.py; see ring_mutator.h. */",
        '#include "fuzz/ring_mutator.h"',
        "",
        "const struct ring_template ring_templates[] = {", *rows, "};",
        f"const size_t ring_template_count = {len(rows)};",
        "const struct ring_template_fix ring_template_fixes[] = {", *fixes, "};",
        "const uint8_t ring_template_bytes[] = {",
        *(",".join(map(str, data[i:i + 32])) + "," for i in range(0, len(data), 32)), "};",
        f"const uint16_t ring_template_ids[] = {{{', '.join(map(str, ids))}}};",
    ]
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def record(kind, payload, aux=0):
    return struct.pack("<BBH", kind, aux, len(payload)) + payload


def makers(built):
    """One template for each type of object, in the order in which they need each other."""
    found = {}
    for command, text, fixes in templates(built, 24):
        if len(text) > 512:
            continue
        made = [kind for _, kind, is_new in fixes if is_new]
        needs = {kind for _, kind, is_new in fixes if not is_new}
        if len(made) == 1 and (made[0] not in found or len(text) < len(found[made[0]][0])):
            found[made[0]] = (text, needs)
    order, done = [], {0, 1, 2, 3}
    while True:
        ready = [k for k in found if k not in done and found[k][1] <= done]
        if not ready:
            return order
        for kind in sorted(ready):
            order.append(found[kind][0])
            done.add(kind)


def write_seeds(built, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    family = makers(built)
    for index, (command, text, fixes) in enumerate(templates(built, 3)):
        kind, aux = ((SUBMIT, 0), (RING, index % 4), (STREAM, index % 16))[index % 3]
        front = b"".join(record(SUBMIT, one) for one in family)
        name = f"{command.name}-{index}"
        second = bytearray(text)  # what the family has made is not made again
        for at, one, is_new in fixes:
            if is_new and one > 3:
                (number,) = struct.unpack_from("<Q", text, at)
                struct.pack_into("<Q", second, at, number + 1)
        queued = any(one == 3 for _, one, is_new in fixes if not is_new)
        options = b"\4" if queued else b"\0"
        (folder / name).write_bytes(options + front + record(kind, bytes(second), aux))
        (folder / (name + "-alone")).write_bytes(options + record(kind, text, aux))


def recorded_commands(path):
    data = pathlib.Path(path).read_bytes()
    at = 0
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        yield data[at + 4:at + 4 + size]
        at += 4 + size


def batches(commands):
    """Records of some commands each."""
    payload, out = b"", b""
    for one in commands:
        if len(payload) + len(one) > 4000:
            out, payload = out + record(SUBMIT, payload), b""
        payload += one
    return out + record(SUBMIT, payload)


def write_recorded(built, folder, paths):
    """Windows of a recording, each behind the commands before it that make objects."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = {command.number: command.name for command in built.commands}
    for path in paths:
        front, window, index = [], [], 0
        kept = []
        for text in recorded_commands(path):
            number = struct.unpack_from("<I", text)[0]
            name = names.get(number, "")
            if name == "vkSetReplyCommandStreamMESA":
                text = text[:16] + struct.pack("<IQQ", 1, 0x20000, 0x10000)
            elif name.endswith("MESA") and ("Ring" in name or "Seqno" in name or "Stream" in name):
                continue
            if len(text) <= 2048:
                kept.append((name, text))
        for name, text in kept:
            window.append(text)
            if sum(map(len, window)) > 2000:
                data = b"\1" + batches(front + window)
                if len(data) <= 12000:
                    (folder / f"{pathlib.Path(path).name}-{index}").write_bytes(data)
                index += 1
                window = []
            if name.startswith(("vkCreate", "vkAllocate", "vkGetDeviceQueue", "vkEnumerate",
                                "vkSetReply", "vkBindBuffer", "vkBindImage")):
                if sum(map(len, front)) + len(text) <= 8000:
                    front.append(text)


def main():
    built = model.build(parse.parse_file(sys.argv[1]))
    if sys.argv[2] == "--seeds":
        write_seeds(built, sys.argv[3])
    elif sys.argv[2] == "--recorded":
        write_recorded(built, sys.argv[3], sys.argv[4:])
    else:
        write_table(built, sys.argv[2])


if __name__ == "__main__":
    main()
