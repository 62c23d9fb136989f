# SPDX-License-Identifier: MIT
"""C statements over a list of wire fields: what decoding and encoding have in common.

Fields whose size on the wire never varies are gathered into runs: one bounds check, then loads.
"""


class Body:
    """Statements over one owner: a struct (v) or the arguments of a command (args)."""

    def __init__(self, model, owner, type_name, is_struct):
        self.model = model
        self.structs = model.structs
        self.owner = owner
        self.type_name = type_name
        self.is_struct = is_struct
        self.lines = []
        self.locals = {}
        self.pending = []
        self.pending_bytes = 0

    def local(self, name, declaration):
        self.locals[name] = declaration
        return name

    def lvalue(self, one):
        return f"{self.owner}->{one.name}"

    def defer_copy(self, one, size, wire):
        """A member whose bytes in memory and on the wire are the same."""
        self.pending.append(("copy", one, size, self.pending_bytes))
        self.pending_bytes += wire

    def defer(self, wire, *lines):
        """Statements on the bytes at {at} of the run."""
        at = f"+ {self.pending_bytes}" if self.pending_bytes else ""
        at = f"{self.run_pointer} {at}".strip()
        self.pending.append(("code", [line.replace("{at}", at) for line in lines]))
        self.pending_bytes += wire

    def refuse(self, kind, detail="0"):
        return f"return pv_wire_refuse(decoder, {kind}, {detail});"

    def _copies(self, items):
        """Merge neighbours that are neighbours in memory too."""
        groups = []
        for item in items:
            last = groups[-1] if groups else None
            if (
                self.is_struct
                and item[0] == "copy"
                and last
                and last[0] == "copy"
                and last[1].offset + last[2] == item[1].offset
                and last[3] + last[2] == item[3]
            ):
                last[2] += item[2]
                last[4] += 1
            elif item[0] == "copy":
                groups.append(["copy", item[1], item[2], item[3], 1])
            else:
                groups.append(list(item))
        return groups

    def flush(self):
        if not self.pending:
            return
        self.lines += self.run_begin(self.pending_bytes)
        for group in self._copies(self.pending):
            if group[0] == "code":
                self.lines += group[1]
                continue
            _, one, size, at, count = group
            address = f"{self.run_pointer} + {at}" if at else self.run_pointer
            name = self.lvalue(one)
            is_array = one.kind in ("fixed", "chars")
            place = name if is_array else f"&{name}"
            if count > 1:
                place = f"({self.byte_type}{self.owner} + offsetof({self.type_name}, {one.name}))"
            self.lines.append(self.copy(place, address, size))
        self.pending = []
        self.pending_bytes = 0
