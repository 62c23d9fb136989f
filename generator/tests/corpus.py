# SPDX-License-Identifier: MIT
"""Writes valid command streams with random contents, from the model.

Food for the robustness test and for fuzzers: every command that is carried, several times, with
optional pointers there and absent and pNext chains of all lengths. It shares the model with the
codec, so it proves nothing about the format; test_sizes.py and the recorded streams do that.

File format: records of u32 command number, u32 size in bytes, bytes. The file starts with
u32 number of object types, then for each u32 VkObjectType, u32 first of IDS_PER_TYPE ids.
"""

import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from generator import model, parse  # noqa: E402

IDS_PER_TYPE = 4
FIRST_NEW_ID = 1 << 20


def object_ids(built):
    """{VkObjectType value: first of IDS_PER_TYPE ids} of the objects that a test must make."""
    owners = list(built.commands) + [built.structs[n] for n in built.order]
    handles = {f.elem.type for o in owners for f in o.fields if f.elem.kind == "handle"}
    types = sorted(built.registry.values[built.registry.handles[h].object_type] for h in handles)
    return {t: 16 + IDS_PER_TYPE * i for i, t in enumerate(types)}


class Encoder:
    """Encodes one command; remembers counts by member name while a struct is open."""

    def __init__(self, built, rng):
        self.built = built
        self.rng = rng
        self.ids = object_ids(built)
        self.next_id = FIRST_NEW_ID
        self.out = bytearray()
        self.depth = 0

    def u32(self, value):
        self.out += struct.pack("<I", value & 0xFFFFFFFF)

    def u64(self, value):
        self.out += struct.pack("<Q", value & 0xFFFFFFFFFFFFFFFF)

    def junk(self, size):
        self.out += self.rng.randbytes(size) + bytes(-size % 4)

    def handle(self, elem, is_new=False):
        if is_new:
            self.next_id += 1
            self.u64(self.next_id)
            return
        number = self.built.registry.values[self.built.registry.handles[elem.type].object_type]
        self.u64(self.ids[number] + self.rng.randrange(IDS_PER_TYPE))

    def element(self, elem, partial):
        if elem.kind == "handle":
            self.handle(elem, is_new=partial)
        elif elem.kind in ("struct", "union"):
            self.struct(self.built.structs[elem.type], partial)
        elif not partial:
            self.junk(elem.size)

    def union(self, one):
        tag = self.rng.choice(sorted(one.arms))
        self.u32(tag)
        self.fields([one.arms[tag]], False, {})

    def chain(self, one, partial):
        nodes = list(one.chain_names) if self.depth < 3 else []
        self.rng.shuffle(nodes)
        nodes = nodes[: self.rng.choice((0, 0, 1, 2, 8))]
        for name in nodes:
            self.u64(1)
            self.u32(self.built.structs[name].s_type_value)
        self.u64(0)
        for name in reversed(nodes):
            self.members(self.built.structs[name], partial)

    def members(self, one, partial):
        fields = [f for f in one.fields if f.kind not in ("stype", "pnext")]
        self.fields(fields, partial, self.counts(one.fields), one.name)

    def struct(self, one, partial):
        self.depth += 1
        if one.is_union:
            self.union(one)
        else:
            if one.s_type:
                self.u32(one.s_type_value)
                self.chain(one, partial)
            self.members(one, partial)
        self.depth -= 1

    def counts(self, fields):
        """A value for each member that holds the length of others."""
        values = {}
        for one in fields:
            if one.count_of:
                small = self.rng.randrange(4)
                if "/ 4" in one.count:
                    small *= 4
                elif "+ 31" in one.count:
                    small = 1 << self.rng.randrange(7)
                values.setdefault(one.count_of, small)
            if one.name == "pMapEntries":
                values["mapEntryCount"] = 0  # random entries would lie outside the data
            if one.name == "sharingMode":
                values["sharingMode"] = self.rng.randrange(2)
        return values

    def length(self, one, counts):
        value = counts[one.count_of]
        if "/ 4" in one.count:
            return value // 4
        return (value + 31) // 32 if "+ 31" in one.count else value

    def fields(self, fields, partial, counts, owner=""):
        for one in fields:
            self.field(one, partial, counts, owner)

    def field(self, one, partial, counts, owner):
        elem = one.elem
        is_out = one.is_out and (partial or not owner)
        if one.kind == "scalar":
            if partial and not one.is_count:
                return
            if one.name == "stride":
                self.out += struct.pack("<Q", 64)[: elem.wire]
            elif one.name in counts:
                self.out += struct.pack("<Q", counts[one.name])[: elem.wire]
            else:
                self.junk(elem.wire)
        elif one.kind in ("handle", "struct", "union"):
            self.element(elem, partial)
        elif one.kind in ("fixed", "chars"):
            if partial and elem.kind in ("scalar", "char"):
                return
            self.u64(one.dims)
            if elem.kind in ("scalar", "char"):
                self.junk(elem.size * one.dims)
            else:
                for _ in range(one.dims):
                    self.element(elem, partial)
        elif one.kind == "alloc":
            self.u64(0)
        elif one.kind == "string":
            self.string(one.required)
        elif one.kind == "ptr":
            self.pointer(one, is_out, counts)
        else:
            self.array(one, is_out, counts, owner)

    def string(self, required):
        if not required and self.rng.random() < 0.5:
            self.u64(0)
            return
        text = b"abcdefgh"[: self.rng.randrange(8)] + b"\0"
        self.u64(len(text))
        self.out += text + bytes(-len(text) % 4)

    def pointer(self, one, is_out, counts):
        there = one.required or self.rng.random() < 0.7
        self.u64(1 if there else 0)
        if not there:
            return
        if one.is_count and one.elem.kind == "scalar":
            self.out += struct.pack("<Q", counts[one.name])[: one.elem.wire]
        elif one.elem.kind == "struct" and one.name in counts:
            counts[one.name] = self.info(self.built.structs[one.elem.type], counts[one.name])
        elif one.elem.kind == "scalar" and is_out:
            return
        else:
            self.element(one.elem, is_out)

    def info(self, one, count):
        """An allocate info whose first 32-bit count gives the length of the outputs."""
        start = len(self.out)
        self.depth += 3  # no chain: the count is easy to find
        self.struct(one, False)
        self.depth -= 3
        if one.name == "VkDescriptorSetAllocateInfo":
            return struct.unpack_from("<I", self.out, start + 20)[0]
        struct.pack_into("<I", self.out, len(self.out) - 4, count)
        return count

    def array(self, one, is_out, counts, owner):
        count = self.length(one, counts)
        if one.concurrent_only and counts.get("sharingMode") != 1:
            count = 0
        if not one.required and not one.concurrent_only and self.rng.random() < 0.3:
            count = 0
        self.u64(count)
        elem = one.elem
        if one.kind == "strings":
            for _ in range(count):
                self.string(True)
        elif elem.kind in ("scalar", "void"):
            if not is_out:
                self.junk(elem.size * count)
        else:
            for _ in range(count):
                self.element(elem, is_out)


def commands(built, rounds, seed=1):
    """Yields (number, bytes) of valid commands that ask for a reply."""
    for command in built.commands:
        if command.kind == "refused":
            continue
        for index in range(rounds):
            encoder = Encoder(built, random.Random(f"{seed} {command.name} {index}"))
            counts = encoder.counts(command.fields)
            if command.name == "vkGetQueryPoolResults":
                counts["queryCount"] = 3
            encoder.u32(command.number)
            encoder.u32(1)
            encoder.fields(command.fields, False, counts)
            yield command.number, bytes(encoder.out)


def main():
    registry, path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    built = model.build(parse.parse_file(registry))
    with open(path, "wb") as out:
        ids = object_ids(built)
        out.write(struct.pack("<I", len(ids)))
        for number, first in ids.items():
            out.write(struct.pack("<II", number, first))
        for number, text in commands(built, rounds):
            out.write(struct.pack("<II", number, len(text)) + text)


if __name__ == "__main__":
    main()
