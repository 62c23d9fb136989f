# SPDX-License-Identifier: MIT
"""C statements that decode a list of wire fields, and that unwrap what was decoded."""

from generator.emit_body import Body
from generator.emit_c import indent, object_type
from generator.sizes import packed_size, struct_min_wire


def partial_is_empty(struct, structs):
    """Whether an output of this type leaves nothing on the wire of the request."""
    return struct_min_wire(struct, structs, partial=True) == 0


class Decode(Body):
    """Reads fields from decoder->in. is_partial: only what an output's skeleton holds."""

    run_pointer = "p"
    byte_type = "(uint8_t *)"

    def __init__(self, model, owner, type_name, is_struct, is_partial=False, is_custom=False):
        super().__init__(model, owner, type_name, is_struct)
        self.is_partial = is_partial
        self.is_custom = is_custom
        self.spans = {}  # of output blobs: bytes that the driver may touch
        self.last_lines = []  # for after all fields

    def run_begin(self, size):
        self.local("p", "const uint8_t *p;")
        return [
            f"p = pv_wire_take(decoder, {size});",
            "if (PV_UNLIKELY(p == NULL)) {",
            "    return false;",
            "}",
        ]

    def copy(self, place, address, size):
        return f"memcpy({place}, {address}, {size});"

    def check(self, call):
        return [f"if (!{call}) {{", "    return false;", "}"]

    def is_out(self, one):
        """Non-const pointers inside input structs travel in full like any input."""
        return one.is_out and (self.is_partial or not self.is_struct)

    def how(self, one, align):
        """Whether an array may stay in the stream; what a driver may write to may not."""
        return "borrow" if align <= 4 and not one.is_out else "copy"

    # --- single fields -----------------------------------------------------------------------

    def field(self, one):
        getattr(self, "field_" + one.kind)(one)

    def field_scalar(self, one):
        if self.is_partial and not one.is_count:
            return
        if one.elem.wire == one.elem.size:
            self.defer_copy(one, one.elem.size, one.elem.wire)
        else:
            self.defer(4, f"{self.lvalue(one)} = ({one.elem.type})pv_base_load_u32({{at}});")

    def field_handle(self, one):
        name = self.lvalue(one)
        if self.is_partial:
            self.defer(8, f"{name} = ({one.elem.type})(uintptr_t)pv_base_load_u64({{at}});")
            return
        self.local("handle", "uint64_t handle;")
        kind = object_type(self.model, one.elem.type)
        # Structs serve both kinds of commands, so they ask the decoder which handle is wanted.
        is_shared = self.is_struct or self.is_custom
        find = "pv_wire_handle_find" if is_shared else "pv_wire_host_find"
        required = "false" if one.nullable else "true"
        self.defer(
            8,
            f"if (!{find}(decoder, pv_base_load_u64({{at}}), {kind}, {required}, &handle)) {{",
            "    return false;",
            "}",
            f"{name} = ({one.elem.type})(uintptr_t)handle;",
        )

    def first(self, one):
        """The dispatchable handle that a command starts with."""
        kind = object_type(self.model, one.elem.type)
        value = "args->first" if self.is_custom else "args->first->handle"
        self.defer(
            8,
            f"args->first = pv_wire_first_find(decoder, pv_base_load_u64({{at}}), {kind});",
            "if (PV_UNLIKELY(args->first == NULL)) {",
            "    return false;",
            "}",
            f"args->{one.name} = ({one.elem.type})(uintptr_t){value};",
        )

    def call(self, struct, place):
        name = "pv_wire_decode_partial_" if self.is_partial else "pv_wire_decode_"
        return self.check(f"{name}{struct.name}(decoder, {place})")

    def field_struct(self, one):
        struct = self.structs[one.elem.type]
        if self.is_partial and partial_is_empty(struct, self.structs):
            return
        if struct.is_plain and not self.is_partial:
            self.defer_copy(one, struct.size, struct.size)
            return
        self.flush()
        self.lines += self.call(struct, f"&{self.lvalue(one)}")

    def field_union(self, one):
        self.flush()
        self.lines += self.call(self.structs[one.elem.type], f"&{self.lvalue(one)}")

    def _fixed_count(self, one):
        self.defer(
            8,
            f"if (PV_UNLIKELY(pv_base_load_u64({{at}}) != {one.dims})) {{",
            "    " + self.refuse("PV_BASE_FAULT_COUNT", "pv_base_load_u64({at})"),
            "}",
        )

    def field_chars(self, one):
        if self.is_partial:
            return
        self._fixed_count(one)
        self.defer_copy(one, one.dims, -(-one.dims // 4) * 4)

    def field_fixed(self, one):
        if one.elem.kind == "scalar":
            if not self.is_partial:
                self._fixed_count(one)
                size = one.dims * packed_size(one.elem)
                self.defer_copy(one, size, -(-size // 4) * 4)
            return
        self._fixed_count(one)
        name = self.lvalue(one)
        if one.elem.kind == "handle":
            if not self.is_partial:
                raise ValueError(f"{self.type_name}.{one.name}: fixed array of input handles")
            self.defer(
                8 * one.dims,
                f"for (uint32_t i = 0; i < {one.dims}; i++) {{",
                f"    {name}[i] = ({one.elem.type})(uintptr_t)pv_base_load_u64({{at}} + i * 8);",
                "}",
            )
            return
        struct = self.structs[one.elem.type]
        if self.is_partial and partial_is_empty(struct, self.structs):
            return
        if struct.is_plain and not self.is_partial:
            self.defer_copy(one, struct.size * one.dims, struct.size * one.dims)
            return
        self.flush()
        self.lines.append(f"for (uint32_t i = 0; i < {one.dims}; i++) {{")
        self.lines += indent(self.call(struct, f"&{name}[i]"))
        self.lines.append("}")

    def field_alloc(self, one):
        self.defer(
            8,
            "if (PV_UNLIKELY(pv_base_load_u64({at}) != 0)) {",
            "    " + self.refuse("PV_BASE_FAULT_POINTER"),
            "}",
        )

    def field_string(self, one):
        self.flush()
        required = "true" if one.required else "false"
        self.lines += self.check(
            f"pv_wire_string_decode(decoder, {required}, &{self.lvalue(one)})"
        )

    # --- pointers and arrays -----------------------------------------------------------------

    def _flag(self, one):
        flag = self.local(f"{one.name}_count", f"uint64_t {one.name}_count;")
        self.defer(8, f"{flag} = pv_base_load_u64({{at}});")
        self.flush()
        return flag

    def _alloc(self, one, expression):
        return [
            f"{self.lvalue(one)} = {expression};",
            f"if (PV_UNLIKELY({self.lvalue(one)} == NULL)) {{",
            "    return false;",
            "}",
        ]

    def field_ptr(self, one):
        flag = self._flag(one)
        name = self.lvalue(one)
        if one.required:
            self.lines += [
                f"if (PV_UNLIKELY({flag} == 0)) {{",
                "    " + self.refuse("PV_BASE_FAULT_POINTER"),
                "}",
            ]
        inner = self._pointee(one)
        if one.required:
            self.lines += ["{"] + indent(inner) + ["}"] if inner[0].startswith("Vk") else inner
            return
        self.lines += [f"{name} = NULL;", f"if ({flag} != 0) {{"] + indent(inner) + ["}"]

    def _pointee(self, one):
        elem = one.elem
        name = self.lvalue(one)
        if self.is_out(one):
            if elem.kind == "handle":
                return self.check(f"pv_wire_ids_decode(decoder, 1, &{name})")
            lines = self._alloc(one, f"pv_wire_zero_alloc(decoder, sizeof(*{name}))")
            if elem.kind == "scalar":
                if one.is_count:
                    lines += [
                        f"p = pv_wire_take(decoder, {elem.wire});",
                        "if (PV_UNLIKELY(p == NULL)) {",
                        "    return false;",
                        "}",
                        f"memcpy({name}, p, {elem.wire});",
                    ]
                return lines
            struct = self.structs[elem.type]
            if not partial_is_empty(struct, self.structs):
                lines += self.check(f"pv_wire_decode_partial_{struct.name}(decoder, {name})")
            return lines
        if elem.kind == "scalar":
            if elem.wire != elem.size:
                raise ValueError(f"{self.type_name}.{one.name}: pointer to a narrow scalar")
            return self._alloc(one, f"pv_wire_array_copy(decoder, 1, {elem.size})")
        if elem.kind not in ("struct", "union"):
            raise ValueError(f"{self.type_name}.{one.name}: pointer to {elem.kind}")
        struct = self.structs[elem.type]
        if struct.is_plain:
            return self._alloc(one, f"pv_wire_array_copy(decoder, 1, {struct.size})")
        return [
            f"{elem.type} *pointee = pv_wire_array_alloc(decoder, 1, sizeof(*pointee), 0);",
            "",
            "if (PV_UNLIKELY(pointee == NULL)",
            f"    || !pv_wire_decode_{elem.type}(decoder, pointee)) {{",
            "    return false;",
            "}",
            f"{name} = pointee;",
        ]

    def _counted(self, one):
        """Read the count, compare it, open the block for a non-empty array."""
        count = self._flag(one)
        expected = one.count.replace("{o}", f"{self.owner}->")
        required = "true" if one.required else "false"
        if one.concurrent_only:
            expected = (
                f"{self.owner}->sharingMode == VK_SHARING_MODE_CONCURRENT ? {expected} : 0"
            )
            required = "true"
        self.lines += self.check(
            f"pv_wire_count_check(decoder, {count}, {expected}, {required})"
        )
        return count

    def _open(self, one, count, inner):
        self.lines += [f"{self.lvalue(one)} = NULL;", f"if ({count} != 0) {{"]
        self.lines += indent(inner) + ["}"]

    def field_strings(self, one):
        count = self._counted(one)
        name = self.lvalue(one)
        self._open(one, count, self.check(f"pv_wire_strings_decode(decoder, {count}, &{name})"))

    def field_blob(self, one):
        count = self._counted(one)
        if self.is_out(one):
            span = self.spans.get(one.name)
            inner = self._alloc(one, f"pv_wire_out_blob_alloc(decoder, {count}, {span or 0})")
            if span:
                # The span needs arguments that are still to come.
                self.last_lines += [f"if ({count} != 0) {{"] + indent(inner) + ["}"]
                self.lines.append(f"{self.lvalue(one)} = NULL;")
                return
        else:
            inner = self._alloc(one, f"pv_wire_array_{self.how(one, 1)}(decoder, {count}, 1)")
        self._open(one, count, inner)

    def field_array(self, one):
        count = self._counted(one)
        self._open(one, count, self._elements(one, count))

    def _elements(self, one, count):
        elem = one.elem
        name = self.lvalue(one)
        if self.is_out(one):
            return self._out_elements(one, count)
        if elem.kind == "scalar":
            how = self.how(one, elem.align)
            return self._alloc(one, f"pv_wire_array_{how}(decoder, {count}, {elem.size})")
        if elem.kind == "handle":
            kind = object_type(self.model, elem.type)
            required = "false" if one.nullable else "true"
            return self.check(
                f"pv_wire_handles_decode(decoder, {count}, {kind}, {required}, &{name})"
            )
        struct = self.structs[elem.type]
        if struct.is_plain:
            how = self.how(one, struct.align)
            return self._alloc(one, f"pv_wire_array_{how}(decoder, {count}, {struct.size})")
        least = struct_min_wire(struct, self.structs)
        return (
            [
                f"{elem.type} *values =",
                f"    pv_wire_array_alloc(decoder, {count}, sizeof(*values), {least});",
                "",
                "if (PV_UNLIKELY(values == NULL)) {",
                "    return false;",
                "}",
                f"for (uint64_t i = 0; i < {count}; i++) {{",
            ]
            + indent(self.check(f"pv_wire_decode_{elem.type}(decoder, &values[i])"))
            + ["}", f"{name} = values;"]
        )

    def _out_elements(self, one, count):
        elem = one.elem
        name = self.lvalue(one)
        if elem.kind == "handle":
            return self.check(f"pv_wire_ids_decode(decoder, {count}, &{name})")
        if elem.kind == "scalar":
            least = packed_size(elem)
        else:
            struct = self.structs[elem.type]
            least = struct_min_wire(struct, self.structs)
        lines = self._alloc(
            one, f"pv_wire_out_array_alloc(decoder, {count}, sizeof(*{name}), {least})"
        )
        if elem.kind != "scalar" and not partial_is_empty(struct, self.structs):
            lines.append(f"for (uint64_t i = 0; i < {count}; i++) {{")
            lines += indent(
                self.check(f"pv_wire_decode_partial_{elem.type}(decoder, &{name}[i])")
            )
            lines.append("}")
        return lines


def unwrap_lines(model, owner, fields):
    """Statements that swap objects for host handles in decoded input."""
    lines = []
    for one in fields:
        name = f"{owner}->{one.name}"
        elem = one.elem
        if one.kind == "pnext":
            lines.append(f"pv_wire_chain_unwrap({name});")
        if one.is_out:
            continue
        if elem.kind == "handle":
            if one.kind == "handle":
                lines.append(
                    f"{name} = ({elem.type})(uintptr_t)pv_wire_object_handle("
                    f"(uint64_t)(uintptr_t){name});"
                )
            elif one.kind == "array":
                lines += [
                    f"pv_wire_handles_unwrap({name},",
                    f"                       {name} == NULL ? 0 : "
                    f"{one.count.replace('{o}', owner + '->')});",
                ]
            else:
                raise ValueError(f"{owner}.{one.name}: cannot unwrap")
        elif elem.kind == "struct" and model.structs[elem.type].has_handles:
            if one.kind == "struct":
                lines.append(f"pv_wire_unwrap_{elem.type}(&{name});")
            elif one.kind == "ptr":
                lines += [
                    f"if ({name} != NULL) {{",
                    f"    pv_wire_unwrap_{elem.type}(({elem.type} *)(uintptr_t){name});",
                    "}",
                ]
            elif one.kind == "array":
                count = one.count.replace("{o}", owner + "->")
                lines += [
                    f"for (uint64_t i = 0; {name} != NULL && i < {count}; i++) {{",
                    f"    pv_wire_unwrap_{elem.type}(({elem.type} *)(uintptr_t)&{name}[i]);",
                    "}",
                ]
            else:
                raise ValueError(f"{owner}.{one.name}: cannot unwrap")
    return lines
