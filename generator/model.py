# SPDX-License-Identifier: MIT
"""Decides what is supported and how it travels; knows no C beyond names, sizes and offsets.

Input is the parsed registry plus protocol.py and policy.py. Output is a Model: commands with their
kind, structs with their members as wire fields, and the pNext nodes that each struct may carry.
"""

import re

from generator import command_numbers, policy, protocol
from generator.shapes import CommandModel, Elem, Field, Model, StructModel
from generator.sizes import SCALARS, field_size, field_wire

class Unsupported(Exception):
    """A type that has no encoding; the message says why."""


def is_optional(member):
    """Whether NULL or zero is allowed for the member itself, not for its elements."""
    return member.optional.split(",")[0] == "true"


class Builder:
    def __init__(self, registry):
        self.registry = registry
        self.structs = {}
        self.refused = dict(protocol.REFUSED_STRUCTS)
        self.raw = dict(registry.structs)
        for struct in protocol.STRUCTS:
            self.raw[struct.name] = struct
        for name, value in protocol.S_TYPES.items():
            registry.values[name] = value
        self.building = []
        self.supported_names = self._supported_structs()

    # --- what is carried -------------------------------------------------------------------

    def _supported_structs(self):
        names = {s.name for s in protocol.STRUCTS}
        types = []
        for feature in self.registry.features:
            if feature.name in protocol.CORE_FEATURES:
                types += feature.types
        by_name = {e.name: e for e in self.registry.extensions}
        for name in protocol.MESA_25_EXTENSIONS + protocol.NEWER_EXTENSIONS:
            if name in by_name:
                types += by_name[name].types
        for name in types:
            name = self.canonical(name)
            if name in self.raw:
                names.add(name)
        return names

    def canonical(self, name):
        while name in self.registry.struct_aliases:
            name = self.registry.struct_aliases[name]
        return name

    def canonical_type(self, name):
        while name in self.registry.type_aliases:
            name = self.registry.type_aliases[name]
        return self.canonical(name)

    # --- types -----------------------------------------------------------------------------

    def elem(self, type_name):
        registry = self.registry
        name = self.canonical_type(type_name)
        if name in SCALARS:
            size, wire = SCALARS[name]
            return Elem("char" if name == "char" else "scalar", type_name, size, size, wire)
        if name in registry.handles:
            return Elem("handle", name, 8, 8, 8)
        if name in registry.enums64:
            return Elem("scalar", type_name, 8, 8, 8)
        if name in registry.enums:
            return Elem("scalar", type_name, 4, 4, 4)
        if name in registry.bitmasks:
            inner = self.elem(registry.bitmasks[name])
            return Elem("scalar", type_name, inner.size, inner.align, inner.wire)
        if name in registry.basetypes and registry.basetypes[name] in SCALARS:
            size, wire = SCALARS[registry.basetypes[name]]
            return Elem("scalar", type_name, size, size, wire)
        if name == "void":
            return Elem("void", "void", 1, 1, 1)
        if name in self.raw:
            struct = self.struct(name)
            kind = "union" if struct.is_union else "struct"
            return Elem(kind, name, struct.size, struct.align, max(struct.fixed_wire, 0))
        raise Unsupported(f"type {type_name}")

    def dimension(self, member):
        total = 1
        for dim in member.dims:
            total *= dim if isinstance(dim, int) else int(self.registry.constants[dim], 0)
        return total

    def count_expression(self, member, siblings):
        """(C expression, name of the member that holds the count)"""
        text = member.len.split(",")[0]
        names = {s.name: s for s in siblings}
        if text in names:
            count = names[text]
            if count.pointers:
                return f"*{{o}}{text}", text
            return f"{{o}}{text}", text
        match = re.fullmatch(r"(\w+)->(\w+)", text)
        if match and match[1] in names:
            return f"{{o}}{match[1]}->{match[2]}", match[1]
        match = re.fullmatch(r"\(?(\w+)( \+ \d+\))? / (\d+)", text)
        if match and match[1] in names:
            return "(uint64_t)" + re.sub(rf"\b{match[1]}\b", f"{{o}}{match[1]}", text), match[1]
        raise Unsupported(f"length {member.len} of {member.name}")

    def wire_field(self, member, siblings):
        """The Field of one member or parameter."""
        name = member.name
        if name == "sType" and member.values:
            return Field(name, "stype", Elem("scalar", "VkStructureType", 4, 4, 4), member)
        if name == "pNext" and member.pointers == 1 and member.type == "void":
            return Field(name, "pnext", Elem("void", "void", 8, 8, 8), member)
        if member.type == "VkAllocationCallbacks":
            return Field(name, "alloc", Elem("void", "void", 8, 8, 8), member)
        if member.bits:
            raise Unsupported("bit fields")
        nullable = member.no_auto_validity or is_optional(member)
        if member.pointers == 2:
            return self._strings_field(member, siblings)
        elem = self.elem(member.type)
        if member.pointers == 0:
            if elem.kind == "void":
                raise Unsupported("void")
            if member.dims:
                kind = "chars" if elem.kind == "char" else "fixed"
                return Field(name, kind, elem, member, dims=self.dimension(member))
            return Field(name, elem.kind, elem, member, nullable=nullable)
        return self._pointer_field(member, siblings, elem)

    def _strings_field(self, member, siblings):
        if member.type != "char" or not member.len.endswith("null-terminated"):
            raise Unsupported(f"array of pointers {member.name}")
        count, count_of = self.count_expression(member, siblings)
        return Field(
            member.name,
            "strings",
            Elem("char", "char", 8, 8, 8),
            member,
            count=count,
            count_of=count_of,
            required=not is_optional(member),
        )

    def _pointer_field(self, member, siblings, elem):
        name = member.name
        optional = is_optional(member)
        is_out = not member.is_const
        if elem.kind == "char" and member.len == "null-terminated":
            return Field(name, "string", elem, member, required=not optional)
        if member.len and member.len != "1":
            count, count_of = self.count_expression(member, siblings)
            return Field(
                name,
                "blob" if elem.kind == "void" else "array",
                elem,
                member,
                count=count,
                count_of=count_of,
                required=not optional and not member.no_auto_validity,
                nullable=member.no_auto_validity or member.optional.endswith(",true"),
                is_out=is_out,
                concurrent_only=member.name == "pQueueFamilyIndices"
                and any(s.name == "sharingMode" for s in siblings),
            )
        if elem.kind == "void":
            raise Unsupported(f"untyped pointer {name}")
        return Field(
            name,
            "ptr",
            elem,
            member,
            required=not optional and not member.no_auto_validity,
            is_out=is_out,
        )

    def fields(self, members):
        result = [self.wire_field(m, members) for m in members]
        counts = {f.count_of for f in result if f.kind in ("array", "blob") and f.is_out}
        for one in result:
            one.is_count = one.name in counts
            if one.kind == "ptr" and any(o.count_of == one.name for o in result):
                one.required = True
        return result

    # --- structs ---------------------------------------------------------------------------

    def struct(self, name):
        if name in self.structs:
            return self.structs[name]
        if name in self.refused:
            raise Unsupported(self.refused[name])
        if name in self.building:
            raise Unsupported(f"{name} contains itself")
        self.building.append(name)
        try:
            struct = self._build_struct(self.raw[name])
        except Unsupported as error:
            self.refused[name] = str(error)
            raise
        finally:
            self.building.pop()
        self.structs[name] = struct
        return struct

    def _build_struct(self, raw):
        struct = StructModel(
            raw.name,
            [],
            s_type=raw.s_type,
            returned_only=raw.returned_only,
            allow_duplicate=raw.allow_duplicate,
            is_union=raw.category == "union",
        )
        if struct.is_union and raw.name not in protocol.UNION_TAGS:
            raise Unsupported("union without tags in the protocol")
        if raw.s_type:
            struct.s_type_value = self.registry.values[raw.s_type]
        struct.fields = self.fields(raw.members)
        self._layout(struct)
        if struct.is_union:
            by_name = {f.name: f for f in struct.fields}
            struct.arms = {t: by_name[n] for t, n in protocol.UNION_TAGS[raw.name].items()}
            return struct
        self._plainness(struct)
        return struct

    def _layout(self, struct):
        offset = 0
        for one in struct.fields:
            size, align = field_size(one)
            offset = 0 if struct.is_union else -(-offset // align) * align
            one.offset = offset
            struct.size = max(struct.size, offset + size)
            struct.align = max(struct.align, align)
            offset += size
        struct.size = -(-struct.size // struct.align) * struct.align

    def _plainness(self, struct):
        wire = 0
        is_plain = not struct.s_type
        varies = False
        members_plain = bool(struct.s_type)
        members = 16
        for one in struct.fields:
            size, _ = field_size(one)
            if one.kind in ("stype", "pnext"):
                varies = varies or one.kind == "pnext"
                continue
            sub = self.structs.get(one.elem.type)
            plain = (one.kind == "scalar" and one.elem.wire == one.elem.size) or (
                one.kind == "struct" and sub.is_plain
            )
            if struct.s_type:
                members_plain = members_plain and plain and one.offset == members
                members = one.offset + size
            else:
                is_plain = is_plain and plain and one.offset == wire
            length = field_wire(one, self.structs)
            if length < 0:
                varies = True
            wire += max(length, 0)
        if struct.s_type:
            if members_plain and members > 16:
                struct.plain_members = members - 16
        else:
            struct.is_plain = is_plain and wire == struct.size
            struct.fixed_wire = -1 if varies else wire

    def chains(self):
        """Fill in which structs each pNext may hold; only carried ones, by sType."""
        owners = {}
        for name in sorted(self.supported_names):
            raw = self.raw[name]
            for owner in raw.extends:
                owners.setdefault(self.canonical(owner), set()).add(name)
        todo = list(self.structs)
        while todo:
            name = todo.pop()
            struct = self.structs[name]
            if not struct.s_type:
                continue
            nodes = []
            for node in sorted(owners.get(name, ())):
                is_known = node in self.structs
                try:
                    nodes.append(self.struct(node))
                except Unsupported:
                    continue
                if not is_known:
                    todo = list(self.structs)
            struct.chain_names = [n.name for n in sorted(nodes, key=lambda n: n.s_type_value)]
        self._check_depth()

    def _below(self, struct):
        for one in struct.fields:
            if one.elem.kind in ("struct", "union") and one.kind in (
                "struct",
                "union",
                "fixed",
                "ptr",
                "array",
            ):
                yield self.structs[one.elem.type], one
        for name in struct.chain_names:
            yield self.structs[name], None

    def _check_depth(self):
        """Decoding recurses along types: a cycle would let a guest exhaust the stack."""
        state = {}

        def visit(name, path):
            if state.get(name) == "open":
                raise ValueError(f"structs contain each other: {path + [name]}")
            if name in state:
                return
            state[name] = "open"
            for sub, _ in self._below(self.structs[name]):
                visit(sub.name, path + [name])
            state[name] = "done"

        for name in list(self.structs):
            visit(name, [])

    def mark_uses(self, commands):
        def mark(struct, use):
            if use in struct.uses:
                return
            struct.uses.add(use)
            for sub, _ in self._below(struct):
                mark(sub, use)

        for command in commands:
            if command.kind == "refused":
                continue
            for one in command.fields:
                if one.elem.kind not in ("struct", "union"):
                    continue
                struct = self.structs[one.elem.type]
                mark(struct, "out" if one.is_out else "in")
                if command.kind == "custom" and not one.is_out:
                    mark(struct, "unwrap")

    def mark_handles(self):
        changed = True
        while changed:
            changed = False
            for struct in self.structs.values():
                has = any(f.elem.kind == "handle" for f in struct.fields) or any(
                    sub.has_handles for sub, _ in self._below(struct)
                )
                if has and not struct.has_handles:
                    struct.has_handles = True
                    changed = True

    # --- commands --------------------------------------------------------------------------

    def command(self, number, name, raw):
        kind, reason = "forward", ""
        if name in policy.REFUSED:
            kind, reason = "refused", policy.REFUSED[name]
        elif name in policy.CUSTOM:
            kind, reason = "custom", policy.CUSTOM[name]
        is_new = number >= command_numbers.FIRST_NEW_COMMAND
        if kind == "refused":
            return CommandModel(name, number, "", [], kind, reason, is_new)
        if raw is None:
            raise ValueError(f"{name}: not in the registry and not refused")
        command = CommandModel(
            name, number, raw.return_type, self.fields(raw.params), kind, reason, is_new
        )
        handle = self.registry.handles.get(raw.params[0].type)
        if handle is not None and handle.is_dispatchable:
            command.first = handle.name
        if kind == "forward":
            self._object_kind(command)
        command.group = next(g for g, p in policy.GROUPS if re.fullmatch(p, name))
        for one in command.fields:
            one.is_out = one.is_out and one.kind not in ("alloc",)
        return command

    def _object_kind(self, command):
        """Create and destroy commands have one shape each; others stay as they are."""
        last = command.fields[-1]
        if command.name.startswith("vkCreate"):
            if last.kind != "ptr" or last.elem.kind != "handle" or not command.first:
                raise ValueError(f"{command.name}: not of the create shape")
            command.kind, command.out_type = "create", last.elem.type
        elif command.name.startswith("vkDestroy"):
            kinds = [f.kind for f in command.fields]
            if kinds != ["handle", "handle", "alloc"]:
                raise ValueError(f"{command.name}: not of the destroy shape")
            command.kind, command.out_type = "destroy", command.fields[1].elem.type
        elif any(f.is_out and f.elem.kind == "handle" for f in command.fields):
            raise ValueError(f"{command.name}: returns handles and has no handler")


def _order(structs):
    """Names so that each struct comes after those it holds."""
    done = []
    seen = set()

    def visit(name):
        if name in seen:
            return
        seen.add(name)
        struct = structs[name]
        for one in struct.fields:
            if one.elem.type in structs:
                visit(one.elem.type)
        done.append(name)

    for name in sorted(structs):
        visit(name)
    return done


def build(registry):
    """The Model of a parsed registry. Raises ValueError when policy and registry disagree."""
    builder = Builder(registry)
    mesa = {c.name: c for c in protocol.MESA_COMMANDS}
    commands = []
    for number, name in enumerate(command_numbers.COMMANDS):
        if name is None:
            continue
        raw = mesa.get(name) or registry.commands.get(name)
        commands.append(builder.command(number, name, raw))
    builder.chains()
    builder.mark_uses(commands)
    builder.mark_handles()
    # Carried structs that no command reaches are reported, not emitted.
    for name in sorted(builder.supported_names):
        if name not in builder.structs:
            try:
                builder.struct(name)
            except Unsupported:
                pass
    by_name = {e.name: e for e in registry.extensions}
    extensions = [
        (e, by_name[e].number, by_name[e].spec_version)
        for e in protocol.MESA_25_EXTENSIONS + protocol.NEWER_EXTENSIONS
        if e in by_name
    ] + list(protocol.PRIVATE_EXTENSIONS)
    used = {n: s for n, s in builder.structs.items() if s.uses}
    return Model(
        registry=registry,
        commands=commands,
        structs=builder.structs,
        refused_structs={n: r for n, r in builder.refused.items() if n in builder.supported_names},
        extensions=sorted(extensions, key=lambda e: e[1]),
        order=[n for n in _order(builder.structs) if n in used],
    )
