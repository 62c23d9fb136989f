#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pack the first stage and the guest programs into a cpio archive for the initial RAM disk.

usage: pack.py OUTPUT INIT PROGRAM...

INIT becomes /init, each PROGRAM /pearvisor/bin/NAME. The format is "newc", the one that Linux
unpacks. Nothing about the build machine goes in (times, owners), so equal inputs give equal bytes.
"""

import os
import sys


def entry(number, name, mode, data=b""):
    """One member of the archive, with its padding."""
    raw_name = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw_name), 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    packed = header + raw_name
    packed += b"\0" * (-len(packed) % 4)
    return packed + data + b"\0" * (-len(data) % 4)


def pack(init, programs):
    members = [("pearvisor", 0o040755, b""), ("pearvisor/bin", 0o040755, b"")]
    for path, name in [(init, "init")] + [
            (path, "pearvisor/bin/" + os.path.basename(path)) for path in sorted(programs)]:
        with open(path, "rb") as file:
            members.append((name, 0o100755, file.read()))
    archive = b"".join(entry(number, *member) for number, member in enumerate(members, 1))
    return archive + entry(0, "TRAILER!!!", 0)


def main():
    output, init, *programs = sys.argv[1:]
    with open(output + ".new", "wb") as file:
        file.write(pack(init, programs))
    os.replace(output + ".new", output)


if __name__ == "__main__":
    main()
