# SPDX-License-Identifier: MIT
"""C statements that encode a list of wire fields."""

from generator.emit_body import Body
from generator.sizes import packed_size


class Encode(Body):
    """Writes fields in full."""

    run_pointer = "q"
    byte_type = "(const uint8_t *)"

    def run_begin(self, size):
        self.local("q", "uint8_t *q;")
        return [
            f"q = pv_base_writer_reserve(writer, {size});",
            "if (PV_UNLIKELY(q == NULL)) {",
            "    return;",
            "}",
        ]

    def copy(self, place, address, size):
        return f"memcpy({address}, {place}, {size});"

    def field(self, one):
        getattr(self, "field_" + one.kind)(one)

    def store64(self, expression):
        self.defer(8, f"pv_wire_store_u64({{at}}, {expression});")

    def field_scalar(self, one):
        if one.elem.wire == one.elem.size:
            self.defer_copy(one, one.elem.size, one.elem.wire)
        else:
            self.defer(4, f"pv_wire_store_u32({{at}}, {self.lvalue(one)});")

    def field_handle(self, one):
        self.store64(f"(uint64_t)(uintptr_t){self.lvalue(one)}")

    def field_struct(self, one):
        struct = self.structs[one.elem.type]
        if struct.is_plain:
            self.defer_copy(one, struct.size, struct.size)
            return
        self.flush()
        self.lines.append(f"pv_wire_encode_{struct.name}(writer, &{self.lvalue(one)});")

    def field_union(self, one):
        raise ValueError(f"{self.type_name}.{one.name}: union in an output")

    def field_chars(self, one):
        self.store64(str(one.dims))
        self.defer_copy(one, one.dims, -(-one.dims // 4) * 4)
        if one.dims % 4:
            raise ValueError(f"{self.type_name}.{one.name}: odd string size")

    def field_fixed(self, one):
        elem = one.elem
        name = self.lvalue(one)
        self.store64(str(one.dims))
        if elem.kind == "scalar":
            size = packed_size(elem) * one.dims
            if size % 4:
                raise ValueError(f"{self.type_name}.{one.name}: odd array size")
            self.defer_copy(one, size, size)
        elif elem.kind == "handle":
            self.defer(
                8 * one.dims,
                f"for (uint32_t i = 0; i < {one.dims}; i++) {{",
                f"    pv_wire_store_u64({{at}} + i * 8, (uint64_t)(uintptr_t){name}[i]);",
                "}",
            )
        else:
            struct = self.structs[elem.type]
            if struct.is_plain:
                self.defer_copy(one, struct.size * one.dims, struct.size * one.dims)
                return
            self.flush()
            self.lines += [
                f"for (uint32_t i = 0; i < {one.dims}; i++) {{",
                f"    pv_wire_encode_{struct.name}(writer, &{name}[i]);",
                "}",
            ]

    def field_ptr(self, one):
        elem = one.elem
        name = self.lvalue(one)
        self.flush()
        self.lines.append(f"pv_base_writer_u64(writer, {name} != NULL);")
        if elem.kind == "handle":
            inner = f"pv_base_writer_u64(writer, *{name});"
        elif elem.kind == "scalar":
            inner = f"pv_base_writer_bytes_padded(writer, {name}, {elem.size});"
        else:
            struct = self.structs[elem.type]
            inner = f"pv_wire_encode_{elem.type}(writer, {name});"
            if struct.is_plain:
                inner = f"pv_base_writer_bytes_padded(writer, {name}, {struct.size});"
        self.lines += [f"if ({name} != NULL) {{", "    " + inner, "}"]

    def field_blob(self, one):
        self.field_array(one)

    def field_array(self, one):
        elem = one.elem
        name = self.lvalue(one)
        self.flush()
        count = self.local(f"{one.name}_count", f"uint64_t {one.name}_count;")
        expected = one.count.replace("{o}", f"{self.owner}->")
        self.lines += [
            f"{count} = pv_wire_u64_min({expected}, pv_wire_out_capacity({name}));",
            f"pv_base_writer_u64(writer, {count});",
        ]
        struct = self.structs.get(elem.type)
        if elem.kind in ("scalar", "void") or elem.kind == "handle" or struct.is_plain:
            size = elem.size if elem.kind != "struct" else struct.size
            self.lines.append(
                f"pv_base_writer_bytes_padded(writer, {name}, (size_t){count} * {size});"
            )
            return
        self.lines += [
            f"for (uint64_t i = 0; i < {count}; i++) {{",
            f"    pv_wire_encode_{elem.type}(writer, &{name}[i]);",
            "}",
        ]
