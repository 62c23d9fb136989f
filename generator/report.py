# SPDX-License-Identifier: MIT
"""coverage.txt and coverage.json: what is generated, hand-written, refused, and why."""

import json


def collect(model):
    """The report as plain data."""
    commands = [
        {
            "number": c.number,
            "name": c.name,
            "kind": c.kind,
            "reason": c.reason,
            "newer_than_mesa_25_0_7": c.is_new,
        }
        for c in model.commands
    ]
    structs = [{"name": n, "uses": sorted(model.structs[n].uses)} for n in model.order]
    unreached = sorted(n for n, s in model.structs.items() if not s.uses)
    chains = {n: model.structs[n].chain_names for n in model.order if model.structs[n].chain_names}
    return {
        "commands": commands,
        "structs": structs,
        "structs_refused": dict(sorted(model.refused_structs.items())),
        "structs_unreached": unreached,
        "pnext": chains,
    }


def _text(data):
    kinds = {}
    for c in data["commands"]:
        kinds[c["kind"]] = kinds.get(c["kind"], 0) + 1
    generated = sum(kinds.get(k, 0) for k in ("forward", "create", "destroy"))
    lines = [
        "Coverage of the Venus protocol",
        "",
        f"commands: {generated} generated ({kinds.get('forward', 0)} forwarded, "
        f"{kinds.get('create', 0)} create, {kinds.get('destroy', 0)} destroy), "
        f"{kinds.get('custom', 0)} hand-written, {kinds.get('refused', 0)} refused",
        f"structs: {len(data['structs'])} generated, {len(data['structs_refused'])} refused, "
        f"{len(data['structs_unreached'])} reached by no command",
        f"pNext entries: {sum(len(v) for v in data['pnext'].values())} in "
        f"{len(data['pnext'])} chains",
        "",
        "Refused commands",
    ]
    for c in data["commands"]:
        if c["kind"] == "refused":
            lines.append(f"  {c['number']:3} {c['name']}: {c['reason']}")
    lines += ["", "Hand-written commands"]
    for c in data["commands"]:
        if c["kind"] == "custom":
            lines.append(f"  {c['number']:3} {c['name']}: {c['reason']}")
    lines += ["", "Refused structs"]
    lines += [f"  {n}: {r}" for n, r in data["structs_refused"].items()]
    lines += ["", "Structs that no carried command reaches"]
    lines += [f"  {n}" for n in data["structs_unreached"]]
    return "\n".join(lines) + "\n"


def _json(data):
    """One entry per line: readable, and differences are small."""
    parts = []
    for key, value in data.items():
        if isinstance(value, list):
            lines = ",\n".join("  " + json.dumps(one) for one in value)
            parts.append(f' "{key}": [\n{lines}\n ]')
        else:
            lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            parts.append(f' "{key}": {{\n{lines}\n }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def emit(model):
    """{path: text} of both forms."""
    data = collect(model)
    return {
        "coverage.txt": _text(data),
        "coverage.json": _json(data),
    }
