# SPDX-License-Identifier: MIT
"""How large things are in C and on the wire."""

# name: (size in C, size on the wire when alone); 64-bit hosts only.
SCALARS = {
    "char": (1, 4),
    "int8_t": (1, 4),
    "uint8_t": (1, 4),
    "int16_t": (2, 4),
    "uint16_t": (2, 4),
    "int32_t": (4, 4),
    "uint32_t": (4, 4),
    "int": (4, 4),
    "float": (4, 4),
    "double": (8, 8),
    "int64_t": (8, 8),
    "uint64_t": (8, 8),
    "size_t": (8, 8),
}


def field_size(one):
    """(size, alignment) of a field in C."""
    if one.kind in ("scalar", "handle", "struct", "union", "stype"):
        return one.elem.size, one.elem.align
    if one.kind in ("fixed", "chars"):
        return one.elem.size * one.dims, one.elem.align
    if one.kind == "char":
        return 1, 1
    return 8, 8


def field_wire(one, structs):
    """Bytes on the wire of a whole field, -1 when that varies."""
    if one.kind in ("scalar", "handle", "stype"):
        return one.elem.wire
    if one.kind == "struct":
        return structs[one.elem.type].fixed_wire
    if one.kind == "chars":
        return 8 + -(-one.dims // 4) * 4
    if one.kind == "fixed":
        if one.elem.kind == "struct":
            each = structs[one.elem.type].fixed_wire
            return -1 if each < 0 else 8 + each * one.dims
        return 8 + -(-packed_size(one.elem) * one.dims // 4) * 4
    return -1


def packed_size(elem):
    """Bytes of one element inside an array."""
    return elem.size if elem.kind in ("scalar", "char", "void") else elem.wire


def min_wire(one, structs, partial=False):
    """The least that a field can take on the wire, full or as an output's skeleton."""
    if one.kind == "pnext":
        return 8
    if one.kind == "stype":
        return 4
    if partial:
        if one.kind in ("scalar", "chars") and not one.is_count:
            return 0
        if one.kind == "fixed" and one.elem.kind in ("scalar", "char"):
            return 0
    if one.kind in ("scalar", "handle", "char"):
        return one.elem.wire
    if one.kind == "struct":
        return struct_min_wire(structs[one.elem.type], structs, partial)
    if one.kind == "union":
        struct = structs[one.elem.type]
        return 4 + min(min_wire(arm, structs) for arm in struct.arms.values())
    if one.kind == "chars":
        return 8 + -(-one.dims // 4) * 4
    if one.kind == "fixed":
        if one.elem.kind in ("struct", "union"):
            return 8 + one.dims * struct_min_wire(structs[one.elem.type], structs, partial)
        return 8 + -(-packed_size(one.elem) * one.dims // 4) * 4
    return 8


def struct_min_wire(struct, structs, partial=False):
    if struct.is_union:
        return 4 + min(min_wire(arm, structs) for arm in struct.arms.values())
    return sum(min_wire(f, structs, partial) for f in struct.fields)
