# SPDX-License-Identifier: MIT
"""python3 -m generator --registry vk.xml --out DIR: emit everything into DIR."""

import argparse
import hashlib
import pathlib
import sys

from generator import emit_commands, emit_info, emit_structs, emit_tables, model, parse, report


def inputs_stamp(registry_path):
    """sha256 over the registry and the generator's own sources, in a fixed order."""
    digest = hashlib.sha256()
    own = sorted(pathlib.Path(__file__).parent.glob("*.py"))
    for path in [pathlib.Path(registry_path)] + own:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return "sha256 " + digest.hexdigest()


OLDEST_HEADER_VERSION = 309  # of Vulkan 1.4; Debian 13's


def generate(registry_path):
    """{relative path: text} of all emitted files. Raises OSError or ValueError."""
    registry = parse.parse_file(registry_path)
    if registry.header_version < OLDEST_HEADER_VERSION:
        raise ValueError(
            f"revision {registry.header_version} is older than {OLDEST_HEADER_VERSION}: "
            "give --registry a newer vk.xml, such as that of Debian 13's libvulkan-dev"
        )
    built = model.build(registry)
    stamp = inputs_stamp(registry_path)
    files = emit_tables.emit(registry, stamp)
    files += emit_structs.emit(built, stamp)
    files += emit_commands.emit(built, stamp)
    files += emit_info.emit(built, stamp)
    texts = {f.path: f.text() for f in files}
    texts.update(report.emit(built))
    return texts


def main():
    parser = argparse.ArgumentParser(prog="generator", description=__doc__)
    parser.add_argument("--registry", required=True, help="vk.xml, revision 1.4.309 or later")
    parser.add_argument("--out", required=True, help="folder to write to; made if absent")
    parser.add_argument("--list", action="store_true", help="print the paths, write nothing")
    parser.add_argument("--report", help="a file for the list of paths, once all are written")
    options = parser.parse_args()
    try:
        texts = generate(options.registry)
    except OSError as error:
        sys.exit(f"generator: cannot read the registry: {error}")
    except ValueError as error:
        sys.exit(f"generator: {options.registry}: {error}")
    if options.list:
        print("\n".join(sorted(texts)))
        return
    for path, text in sorted(texts.items()):
        target = pathlib.Path(options.out) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
    if options.report:
        pathlib.Path(options.report).write_text("\n".join(sorted(texts)) + "\n")


if __name__ == "__main__":
    main()
