# SPDX-License-Identifier: MIT
"""venus_wire/structs.h, structs_*.c and chains.c: the codec of each struct that commands reach."""

import re

from generator import policy
from generator.emit_c import CFile, indent
from generator.emit_decode import Decode, partial_is_empty, unwrap_lines
from generator.emit_encode import Encode
from generator.sizes import min_wire


def _function(prototype, body, locals_, tail):
    lines = [prototype, "{"]
    if not any("v->" in line or "(v" in line for line in body):
        body = ["(void)v;"] + body
    lines += indent(list(locals_))
    if locals_:
        lines.append("")
    return lines + indent(body) + indent(tail) + ["}", ""]


def _chain_ref(struct):
    return f"&chain_{struct.name}" if struct.chain_names else "&chain_empty"


def _check(struct):
    if struct.name not in policy.STRUCT_CHECKS:
        return []
    condition, fault = policy.STRUCT_CHECKS[struct.name]
    return [f"if (!({condition})) {{", f"    return pv_wire_refuse(decoder, {fault}, 0);", "}"]


def _members(struct):
    return [f for f in struct.fields if f.kind not in ("stype", "pnext")]


def _decode_union(model, struct, out):
    out.add(f"bool pv_wire_decode_{struct.name}(struct pv_wire_decoder *decoder, {struct.name} *v)")
    lines = ["uint32_t tag;"]
    cases = []
    declared = {}
    for tag, arm in struct.arms.items():
        body = Decode(model, "v", struct.name, True)
        body.field(arm)
        body.flush()
        declared.update(body.locals)
        cases += [f"case {tag}:"] + indent(body.lines + ["return true;"])
    lines += list(declared.values())
    lines += [
        "",
        "memset(v, 0, sizeof(*v));",
        "if (!pv_base_reader_u32(&decoder->in, &tag)) {",
        "    return false;",
        "}",
        "switch (tag) {",
    ]
    lines += cases + ["default:"]
    lines += ["    return pv_wire_refuse(decoder, PV_BASE_FAULT_TAG, tag);", "}"]
    out.add("{", *indent(lines), "}", "")


def _decode_members(model, struct, out, partial, signature, casts):
    """A function that decodes what follows sType and pNext, if anything does. Says whether."""
    body = Decode(model, "v", struct.name, True, is_partial=partial)
    for one in _members(struct):
        body.field(one)
    body.flush()
    lines = body.lines + ([] if partial else _check(struct))
    if lines:
        declared = casts + list(body.locals.values())
        out.add(*_function(signature, lines, declared, ["return true;"]))
    return bool(lines)


def _decode_chained(model, struct, out, partial, prefix):
    """A struct with sType and pNext: its header, then its members."""
    name = struct.name
    partial_text = "true" if partial else "false"
    header = (
        f"pv_wire_header_decode(decoder, v, {struct.s_type}, {_chain_ref(struct)}, {partial_text})"
    )
    is_plain = struct.plain_members and not partial
    has_members = not is_plain and _decode_members(
        model,
        struct,
        out,
        partial,
        f"bool {prefix}_members(struct pv_wire_decoder *decoder, void *value)",
        [f"{name} *v = value;"],
    )
    out.add(f"bool {prefix}(struct pv_wire_decoder *decoder, {name} *v)", "{")
    if is_plain:
        out.add(
            "    const uint8_t *p;",
            "",
            f"    if (!{header}) {{",
            "        return false;",
            "    }",
            f"    p = pv_wire_take(decoder, {struct.plain_members});",
            "    if (PV_UNLIKELY(p == NULL)) {",
            "        return false;",
            "    }",
            f"    memcpy((uint8_t *)v + 16, p, {struct.plain_members});",
            "    return true;",
        )
    elif has_members:
        out.add(f"    return {header}", f"           && {prefix}_members(decoder, v);")
    else:
        out.add(f"    return {header};")
    out.add("}", "")


def _decode(model, struct, out, partial):
    infix = "partial_" if partial else ""
    prefix = f"pv_wire_decode_{infix}{struct.name}"
    if struct.s_type:
        _decode_chained(model, struct, out, partial, prefix)
    elif partial or not struct.is_plain:
        signature = f"bool {prefix}(struct pv_wire_decoder *decoder, {struct.name} *v)"
        _decode_members(model, struct, out, partial, signature, [])


def _encode(model, struct, out):
    name = struct.name
    if struct.is_plain:
        return
    body = Encode(model, "v", name, True)
    if not struct.plain_members:
        for one in _members(struct):
            body.field(one)
        body.flush()
    if struct.s_type:
        if body.lines:
            out.add(
                *_function(
                    f"void pv_wire_encode_{name}_members(struct pv_base_writer *writer, "
                    "const void *value)",
                    body.lines,
                    [f"const {name} *v = value;"] + list(body.locals.values()),
                    [],
                )
            )
        out.add(
            f"void pv_wire_encode_{name}(struct pv_base_writer *writer, const {name} *v)",
            "{",
            "    pv_wire_header_encode(writer, v);",
        )
        if struct.plain_members:
            out.add(
                "    pv_base_writer_bytes_padded(writer, (const uint8_t *)v + 16, "
                f"{struct.plain_members});"
            )
        elif body.lines:
            out.add(f"    pv_wire_encode_{name}_members(writer, v);")
        out.add("}", "")
        return
    out.add(
        *_function(
            f"void pv_wire_encode_{name}(struct pv_base_writer *writer, const {name} *v)",
            body.lines,
            body.locals.values(),
            [],
        )
    )


def _unwrap(model, struct, out):
    if not struct.has_handles:
        return
    lines = unwrap_lines(model, "v", struct.fields)
    out.add(
        f"void pv_wire_unwrap_{struct.name}({struct.name} *v)", "{", *indent(lines), "}", ""
    )
    if _is_node(model, struct):
        out.add(
            f"void pv_wire_unwrap_{struct.name}_node(void *value)",
            "{",
            f"    {struct.name} *v = value;",
            "",
            *indent([line for line in lines if "pv_wire_chain_unwrap" not in line]),
            "}",
            "",
        )


def _nodes(model):
    names = set()
    for name in model.order:
        names.update(model.structs[name].chain_names)
    return names


def _is_node(model, struct):
    return struct.name in _nodes(model)


def _has_members(struct, partial, structs):
    if partial:
        return any(True for _ in _members(struct)) and not _partial_members_empty(struct, structs)
    return not struct.plain_members and bool(_members(struct))


def _partial_members_empty(struct, structs):
    return all(min_wire(f, structs, True) == 0 for f in _members(struct))


def _static_asserts(model, out):
    for name in model.order:
        struct = model.structs[name]
        out.add(f"_Static_assert(sizeof({name}) == {struct.size}, \"layout\");")
        if struct.fields:
            last = struct.fields[-1]
            out.add(
                f"_Static_assert(offsetof({name}, {last.name}) == {last.offset}, \"layout\");"
            )


def _header(model, stamp):
    out = CFile(
        "venus_wire/structs.h",
        "Codec of each Vulkan struct that a command reaches.\n\n"
        "decode: input, in full. decode_partial: output, as its skeleton in the request; the\n"
        "struct must be zero before. encode: output, in full, for the reply. unwrap: objects\n"
        "become host handles, in place. Functions ending in _members take what follows pNext and\n"
        "those ending in _node one node without the rest of its chain: both are for the tables.\n"
        "All obey the contract of venus_wire/codec.h.",
        stamp,
        ['"venus_wire/codec.h"', '"venus_wire/mesa.h"'],
    )
    nodes = _nodes(model)
    for name in model.order:
        s = model.structs[name]
        decode = "struct pv_wire_decoder *decoder"
        if "in" in s.uses and not s.is_plain:
            out.add(f"bool pv_wire_decode_{name}({decode}, {name} *v);")
            if s.s_type and _has_members(s, False, model.structs):
                out.add(f"bool pv_wire_decode_{name}_members({decode}, void *value);")
        if "out" in s.uses:
            if not partial_is_empty(s, model.structs):
                out.add(f"bool pv_wire_decode_partial_{name}({decode}, {name} *v);")
            if s.s_type and _has_members(s, True, model.structs):
                out.add(f"bool pv_wire_decode_partial_{name}_members({decode}, void *value);")
            if not s.is_plain:
                out.add(
                    f"void pv_wire_encode_{name}(struct pv_base_writer *writer, const {name} *v);"
                )
                if s.s_type and not s.plain_members and _members(s):
                    out.add(
                        f"void pv_wire_encode_{name}_members(struct pv_base_writer *writer, "
                        "const void *value);"
                    )
        if "unwrap" in s.uses and s.has_handles:
            out.add(f"void pv_wire_unwrap_{name}({name} *v);")
            if name in nodes:
                out.add(f"void pv_wire_unwrap_{name}_node(void *value);")
    return out


def _node_list(model):
    """Structs of the table of pNext nodes, by sType."""
    return sorted((model.structs[n] for n in _nodes(model)), key=lambda s: s.s_type_value)


def _table(model, stamp):
    out = CFile(
        "venus_wire/chains.c",
        "The table of all structs that may stand in a pNext chain.",
        stamp,
        ['"venus_wire/structs.h"'],
    )
    nodes = _node_list(model)
    _static_asserts(model, out)
    out.add("", "const struct pv_wire_struct_info pv_wire_struct_infos[] = {")
    for s in nodes:
        parts = [
            f".s_type = (int32_t){s.s_type}",
            f".size_bytes = sizeof({s.name})",
            f'.name = "{s.name}"',
        ]
        if s.plain_members:
            parts.append(f".plain_bytes = {s.plain_members}")
        if s.allow_duplicate:
            parts.append(".repeats = true")
        if "in" in s.uses and _has_members(s, False, model.structs):
            parts.append(f".decode = pv_wire_decode_{s.name}_members")
        if "out" in s.uses and _has_members(s, True, model.structs):
            parts.append(f".decode_partial = pv_wire_decode_partial_{s.name}_members")
        if "out" in s.uses and not s.plain_members and _members(s):
            parts.append(f".encode = pv_wire_encode_{s.name}_members")
        if "unwrap" in s.uses and s.has_handles and unwrap_lines(model, "v", _members(s)):
            parts.append(f".unwrap = pv_wire_unwrap_{s.name}_node")
        out.add("    {", *[f"        {p}," for p in parts], "    },")
    out.add("};", "")
    out.add(f"const uint32_t pv_wire_struct_info_count = {len(nodes)};")
    return out


def _chains(model, structs, out):
    index = {s.name: i for i, s in enumerate(_node_list(model))}
    if any(s.s_type and not s.chain_names for s in structs):
        out.add("static const struct pv_wire_chain chain_empty = {NULL, 0};", "")
    for s in structs:
        if not s.chain_names:
            continue
        numbers = [str(index[n]) for n in s.chain_names]
        out.add(f"static const uint16_t nodes_{s.name}[] = {{")
        for i in range(0, len(numbers), 16):
            out.add("    " + ", ".join(numbers[i : i + 16]) + ",")
        out.add("};")
        out.add(
            f"static const struct pv_wire_chain chain_{s.name} = {{nodes_{s.name}, "
            f"{len(numbers)}}};",
            "",
        )


def emit(model, stamp):
    """All struct files, as CFile objects."""
    files = [_header(model, stamp), _table(model, stamp)]
    groups = {}
    for name in model.order:
        group = next(g for g, p in policy.STRUCT_GROUPS if re.fullmatch(p, name))
        groups.setdefault(group, []).append(model.structs[name])
    for group, structs in sorted(groups.items()):
        out = CFile(
            f"venus_wire/{group}.c",
            "Struct codecs; see structs.h.",
            stamp,
            ['"venus_wire/structs.h"'],
        )
        used = [s for s in structs if s.s_type]
        _chains(model, used, out)
        for s in structs:
            if s.is_union:
                if "in" in s.uses:
                    _decode_union(model, s, out)
                continue
            if "in" in s.uses:
                _decode(model, s, out, False)
            if "out" in s.uses:
                if not partial_is_empty(s, model.structs):
                    _decode(model, s, out, True)
                _encode(model, s, out)
            if "unwrap" in s.uses:
                _unwrap(model, s, out)
        files.append(out)
    return files
