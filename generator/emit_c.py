# SPDX-License-Identifier: MIT
"""Text of emitted C files: the comment on top, include guards, function bodies with indentation."""

LINES_MAX = 4000


class CFile:
    """Collects the lines of one file."""

    def __init__(self, path, purpose, stamp, includes=()):
        self.path = path
        self.lines = ["/* SPDX-License-Identifier: MIT */", "/*"]
        self.lines += [f" * {line}" if line else " *" for line in purpose.splitlines()]
        self.lines += [" *", f" * Generated from {stamp}", " * by generator/; do not edit.", " */"]
        self.guard = ""
        if path.endswith(".h"):
            self.guard = "PV_" + path[:-2].replace("/", "_").upper() + "_H"
            self.lines += [f"#ifndef {self.guard}", f"#define {self.guard}"]
        self.lines.append("")
        for include in includes:
            self.lines.append(f"#include {include}" if include else "")
        if includes:
            self.lines.append("")

    def add(self, *lines):
        for line in lines:
            self.lines += line.split("\n")

    def text(self):
        lines = list(self.lines)
        while lines and not lines[-1]:
            lines.pop()
        if self.guard:
            lines += ["", "#endif"]
        if len(lines) > LINES_MAX:
            raise ValueError(f"{self.path}: {len(lines)} lines, at most {LINES_MAX} are allowed")
        return "\n".join(lines) + "\n"


def indent(lines, depth=1):
    return [("    " * depth + line) if line else line for line in lines]


def object_type(model, handle):
    return model.registry.handles[handle].object_type
