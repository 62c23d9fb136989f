# SPDX-License-Identifier: MIT
"""Records seeds for the fuzzers from real runs of the wire tests: what each test sends becomes one
input per target.

    PV_BUILD=build/clang-san python3 tests/fuzz/record.py FOLDER [pytest arguments]

FOLDER gets one folder per target; tests/fuzz/run merges them into a corpus. The forms of inputs are
those of tests/fuzz/fuzz_*.c: a change there is a change here.
"""
import hashlib
import os
import pathlib
import stat
import struct
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

import gpu_wire  # noqa: E402
import render_wire  # noqa: E402
import vhost_user  # noqa: E402
import vtest_wire  # noqa: E402

MAX_BYTES = 6000
MAX_ACTIONS = 120
# The first byte of an input: what stands in front is in the recording already.
OPTIONS = {"control": b"", "vhost_user": b"\1", "vtest": b"\1", "worker": b"\1", "ring": b"\1"}
# As in fuzz_vhost_user.c.
REQUESTS = [1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 21, 24, 25, 34, 44]
SET_MEM_TABLE, SET_VRING_KICK, SET_BACKEND_REQ_FD = 5, 12, 21


class Seeds:
    """The inputs of the test that runs."""

    def __init__(self, folder):
        self.folder = folder
        self.begin()

    def begin(self):
        self.actions = {name: [] for name in OPTIONS}

    def add(self, target, action):
        self.actions[target].append(action)

    def end(self):
        for target, actions in self.actions.items():
            data = OPTIONS[target]
            for action in actions[:MAX_ACTIONS]:
                if len(data) + len(action) <= MAX_BYTES:
                    data += action
            if len(actions) > 0:
                folder = self.folder / target
                folder.mkdir(parents=True, exist_ok=True)
                (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def part(data):
    return struct.pack("<H", len(data)) + data


def size(value):
    """fuzz_size: five low bits say small, or a u32 or u64 follows."""
    if value < 32:
        return bytes([value << 3])
    if value < 1 << 32:
        return struct.pack("<BI", 5, value)
    return struct.pack("<BQ", 7, value)


def kind_of(fd, request):
    """A descriptor as fuzz_vhost_user.c makes it."""
    mode = os.fstat(fd).st_mode
    if request == SET_VRING_KICK:
        return bytes([224])
    if request == SET_MEM_TABLE:
        return bytes([192])
    if stat.S_ISREG(mode):
        return bytes([0]) + size(os.fstat(fd).st_size % (1 << 30))
    if stat.S_ISSOCK(mode):
        return bytes([4]) + size(0)
    if stat.S_ISDIR(mode):
        return bytes([5]) + size(0)
    return bytes([1]) + size(0)


def vhost_action(number, payload, fds, flags):
    if number == SET_BACKEND_REQ_FD and fds:
        return b"\0\2"
    which = (bytes([REQUESTS.index(number)]) if number in REQUESTS
             else struct.pack("<BI", 240, number & 0xFFFFFFFF))
    fds = list(fds)[:10]
    flags = 1 | flags if flags < 16 else 0
    return (b"\x0c" + which + bytes([flags, len(fds)]) + part(payload[:1024])
            + b"".join(kind_of(fd, number) for fd in fds))


def worker_action(packet, fds):
    how = b"\0"
    if fds:
        mode = os.fstat(fds[0]).st_mode
        how = (bytes([239]) + size(os.fstat(fds[0]).st_size) if stat.S_ISREG(mode)
               else bytes([233]) + size(0))
    return b"\0" + part(packet[:16000]) + how


def ring_record(kind, data, aux=0):
    return struct.pack("<BBH", kind, aux, len(data)) + data


def patch(owner, name, before):
    """Call before(self, *arguments) in front of a method."""
    method = getattr(owner, name)

    def patched(self, *arguments, **how):
        before(self, *arguments, **how)
        return method(self, *arguments, **how)

    setattr(owner, name, patched)


def install(seeds):
    def on_gpu(_, kind, body=b"", reply_bytes=24, flags=0, fence=0, context=0, ring=0, queue=0,
               **how):
        request = gpu_wire.HEADER.pack(kind, flags, fence, context, ring) + body
        choice = (3 if queue else 0) | (4 if how.get("indirect") else 0)
        room = reply_bytes if reply_bytes < 128 else 128
        seeds.add("control", bytes([8, choice, room]) + part(request[:1024]))

    def on_vhost(_, number, payload=b"", fds=(), flags=0, size_bytes=None):
        if size_bytes is None or size_bytes == len(payload):
            seeds.add("vhost_user", vhost_action(number, payload, fds, flags))
        else:
            head = vhost_user.HEADER.pack(number, 1 | flags, size_bytes)
            seeds.add("vhost_user", b"\2" + part(head + payload))

    def on_vtest(_, data):
        for at in range(0, min(len(data), 2048), 255):
            piece = data[at:at + 255]
            seeds.add("vtest", bytes([0, len(piece)]) + piece)

    def on_packet(_, packet, fds=()):
        seeds.add("worker", worker_action(packet, list(fds)))

    def on_submit(_, stream, *arguments, **how):
        seeds.add("ring", ring_record(0, stream[:8192], 255 if len(stream) % 4 else 0))

    def on_attach(_, size_bytes, resource=None, *arguments, **how):
        pages = max(1, min(16, size_bytes // 4096)) - 1
        seeds.add("ring", ring_record(5, bytes([0xC0 | pages, (resource or _.next_resource) & 255])))

    def on_ring(_, stream):
        seeds.add("ring", ring_record(1, stream[:8192]))

    patch(gpu_wire.Gpu, "send", on_gpu)
    patch(gpu_wire.Gpu, "start", on_gpu)
    patch(vhost_user.FrontEnd, "send", on_vhost)
    patch(vtest_wire.Client, "send_bytes", on_vtest)
    patch(render_wire.Worker, "send", on_packet)
    patch(render_wire.Worker, "submit", on_submit)
    patch(render_wire.Worker, "attach", on_attach)
    patch(render_wire.Ring, "write", on_ring)


class Plugin:
    def __init__(self, seeds):
        self.seeds = seeds

    def pytest_runtest_logstart(self):
        self.seeds.begin()

    def pytest_runtest_logfinish(self):
        self.seeds.end()


def main():
    folder = pathlib.Path(sys.argv[1])
    seeds = Seeds(folder)
    install(seeds)
    arguments = sys.argv[2:] or [str(ROOT / "tests/wire")]
    status = pytest.main(["-q", "-p", "no:cacheprovider", *arguments], plugins=[Plugin(seeds)])
    for target in OPTIONS:
        count = len(list((folder / target).glob("*"))) if (folder / target).is_dir() else 0
        print(f"{target}: {count} inputs")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
