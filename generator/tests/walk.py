# SPDX-License-Identifier: MIT
"""Reads command bytes by walking the model: the emitted decoder's meaning, in a page of Python."""

import struct


class Walk:
    """After command(): position in the bytes, and scalars and ids by member name."""

    def __init__(self, built, data):
        self.built = built
        self.data = data
        self.at = 0
        self.seen = {}

    def take(self, size):
        assert size <= len(self.data) - self.at, f"short at {self.at}"
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def command(self):
        number = self.number(4)
        self.number(4)
        command = next(c for c in self.built.commands if c.number == number)
        for one in command.fields:
            self.field(one, one.is_out)
        return command.name

    def struct(self, one, partial):
        if one.is_union:
            self.field(one.arms[self.number(4)], False)
            return
        if one.s_type:
            assert self.number(4) == one.s_type_value, f"{one.name} at {self.at}"
            nodes = []
            while self.number(8):
                s_type = self.number(4)
                chain = [self.built.structs[n] for n in one.chain_names]
                nodes.append(next(n for n in chain if n.s_type_value == s_type))
            for node in reversed(nodes):
                self.members(node, partial)
        self.members(one, partial)

    def members(self, one, partial):
        for field in one.fields:
            if field.kind not in ("stype", "pnext"):
                self.field(field, partial)

    def element(self, elem, partial):
        if elem.kind in ("struct", "union"):
            self.struct(self.built.structs[elem.type], partial)
        elif elem.kind == "handle":
            return self.number(8)
        elif not partial:
            return self.number(elem.wire)
        return None

    def field(self, one, partial):
        elem = one.elem
        if one.kind in ("scalar", "handle", "struct", "union"):
            if one.kind != "scalar" or not partial or one.is_count:
                self.seen[one.name] = self.element(elem, partial and not one.is_count)
            return
        if one.kind in ("fixed", "chars"):
            if partial and elem.kind in ("scalar", "char"):
                return
            assert self.number(8) == one.dims
            count = one.dims
        elif one.kind == "strings":
            for _ in range(self.number(8)):
                size = self.number(8)
                self.take(size + -size % 4)
            return
        else:
            count = self.number(8)
        if one.kind == "ptr":
            if count:
                self.seen[one.name] = self.element(elem, partial and not one.is_count)
        elif elem.kind in ("scalar", "char", "void"):
            if not partial:
                self.take(count * elem.size + -(count * elem.size) % 4)
        else:
            for _ in range(count):
                self.element(elem, partial)


def words(*values):
    """Bytes from ints (u32), ("q", int) pairs (u64), floats, and bytes as they are."""
    out = b""
    for value in values:
        if isinstance(value, bytes):
            out += value
        elif isinstance(value, float):
            out += struct.pack("<f", value)
        elif isinstance(value, tuple):
            out += struct.pack("<Q", value[1])
        else:
            out += struct.pack("<I", value)
    return out


def q(value):
    """A 64-bit value for words()."""
    return ("q", value)
