# SPDX-License-Identifier: MIT
"""
pearvisor-gpu, the real device process, over its real sockets: 2D, blobs, contexts, screen, control
socket. The good case first, then its hostile twins; after each the device still answers.
"""
import errno
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

import gpu_wire as wire
import vhost_user as vu
from conftest import BUILD

WINDOW_BYTES = 64 << 20
SIZE = ["--size", "640x480", "--window", "64M", "--memory-limit", "64M"]


class Machine:
    """The device process with a driver on it."""

    def __init__(self, program, tmp_path, renderer):
        self.control_path = tmp_path / "control.sock"
        self.program = program(BUILD / "cli" / "pearvisor-gpu", "--vhost-user",
                               tmp_path / "gpu.sock", "--control", self.control_path,
                               "--renderer", renderer, *SIZE)
        self.front = vu.FrontEnd(tmp_path / "gpu.sock")
        self.front.negotiate()
        self.front.start()
        self.gpu = wire.Gpu(self.front)
        self.control = wire.Control(self.control_path)

    def end(self):
        assert self.gpu.still_answers()
        self.control.close()
        assert self.front.violations == []
        self.front.close()
        assert self.program.wait() == 0
        assert not self.control_path.exists()
        assert "Sanitizer" not in self.program.log()


@pytest.fixture
def machine(program, tmp_path):
    one = Machine(program, tmp_path, BUILD / "cli" / "pearvisor-render")
    yield one
    one.end()


@pytest.fixture
def gpu(machine):
    return machine.gpu


# What Linux asks at probe.

def test_probe(machine, gpu):
    assert struct.unpack("<4I", machine.front.config()) == (0, 0, 1, 1)
    info = gpu.send(wire.GET_CAPSET_INFO, struct.pack("<II", 0, 0), reply_bytes=40)
    kind, _, _, _, _, capset, version, size = struct.unpack_from("<IIQIIIII", info)
    assert (kind, capset, version) == (wire.OK_CAPSET_INFO, wire.VENUS, 0)
    answer = gpu.send(wire.GET_CAPSET, struct.pack("<II", wire.VENUS, 0), reply_bytes=24 + size)
    assert struct.unpack_from("<I", answer)[0] == wire.OK_CAPSET
    assert len(answer) == 24 + size and any(answer[24:])
    edid = gpu.send(wire.GET_EDID, struct.pack("<II", 0, 0), reply_bytes=1056)
    assert struct.unpack_from("<I", edid)[0] == wire.OK_EDID
    block = edid[32:32 + 128]
    assert sum(block) % 256 == 0
    assert block[56] | (block[58] >> 4) << 8 == 640
    display = gpu.send(wire.GET_DISPLAY_INFO, reply_bytes=408)
    assert struct.unpack_from("<6I", display, 24) == (0, 0, 640, 480, 1, 0)


def test_several_descriptors_and_direct_chains(gpu):
    """The header and its struct may be split anywhere."""
    for pieces in (1, 2, 3, 7, 40):
        body = struct.pack("<4I", 1, wire.BGRX, 8, 8)
        request = wire.HEADER.pack(wire.RESOURCE_CREATE_2D, 0, 0, 0, 0) + body
        answer = gpu.front.queues[0].command(request, 24, pieces=pieces)
        assert struct.unpack_from("<I", answer)[0] == wire.OK_NODATA
        assert gpu.unref(1) == wire.OK_NODATA


# A dumb buffer on the screen.

def show(gpu, side=64, resource=1, fill=b"\x10\x20\x30\xff"):
    addr = gpu.front.memory.put(fill * (side * side))
    assert gpu.create_2d(resource, side, side) == wire.OK_NODATA
    assert gpu.attach_backing(resource, [(addr, side * side * 4)]) == wire.OK_NODATA
    assert gpu.transfer(resource, (0, 0, side, side)) == wire.OK_NODATA
    assert gpu.set_scanout(0, resource, (0, 0, side, side)) == wire.OK_NODATA
    assert gpu.flush(resource, (0, 0, side, side)) == wire.OK_NODATA
    return addr


def test_a_dumb_buffer_is_shown(machine, gpu):
    assert machine.control.ask(wire.FRAME)[0] == errno.ENODEV
    addr = show(gpu)
    width, height, kind, pixels, _ = machine.control.frame()
    assert (width, height, kind) == (64, 64, wire.BGRX)
    assert pixels == b"\x10\x20\x30\xff" * (64 * 64)
    gpu.front.memory.write(addr, b"\xaa" * 16)
    assert gpu.transfer(1, (0, 0, 64, 64)) == wire.OK_NODATA
    assert machine.control.frame()[3][:4] == b"\x10\x20\x30\xff"  # until it is flushed
    assert gpu.flush(1, (0, 0, 4, 1)) == wire.OK_NODATA
    assert machine.control.frame()[3][:20] == b"\xaa" * 16 + b"\x10\x20\x30\xff"
    assert gpu.unref(1) == wire.OK_NODATA
    assert machine.control.ask(wire.FRAME)[0] == errno.ENODEV


def test_screenshot(machine, gpu, tmp_path):
    path = tmp_path / "shot.png"
    command = [BUILD / "cli" / "pearvisor", "screenshot", "--control", machine.control_path]
    off = subprocess.run([*command, "-o", path], capture_output=True, timeout=20)
    assert off.returncode != 0 and b"screen is off" in off.stderr
    show(gpu, side=128)
    subprocess.run([*command, "-o", path], check=True, timeout=20)
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)
    assert [p.name for p in tmp_path.iterdir() if "shot" in p.name] == ["shot.png"]
    subprocess.run([*command, tmp_path / "again.png"], check=True, timeout=20)
    for wrong in (["--scanout", "1", "-o", path], ["-o", tmp_path / "no" / "where.png"], []):
        bad = subprocess.run([*command, *wrong], capture_output=True, timeout=20)
        assert bad.returncode != 0 and bad.stderr


def test_cursor(machine, gpu):
    show(gpu)
    assert gpu.create_2d(9, 64, 64) == wire.OK_NODATA
    assert gpu.cursor(wire.UPDATE_CURSOR, 0, 9, 5, -3) == b""
    assert machine.control.frame()[4] == (64, 5, -3)
    assert gpu.cursor(wire.MOVE_CURSOR, 0, 0, 7, 8) == b""
    assert machine.control.frame()[4] == (64, 7, 8)
    for scanout in (1, 16, 22, 0xFFFFFFFF):
        assert gpu.cursor(wire.UPDATE_CURSOR, scanout, 9) == b""
        assert gpu.cursor(wire.MOVE_CURSOR, scanout, 9) == b""
    assert gpu.cursor(wire.UPDATE_CURSOR, 0, 0) == b""
    assert machine.control.frame()[4][0] == 0


@pytest.mark.parametrize("width, height", [(0, 16), (16, 0), (0xFFFFFFFF, 1), (0x8000, 0x8000),
                                           (16385, 1)])
def test_create_2d_refuses_sizes(gpu, width, height):
    assert gpu.create_2d(1, width, height) == wire.INVALID_PARAMETER
    assert gpu.still_answers()


def test_2d_hostile_twins(gpu):
    addr = show(gpu, side=16)
    size = 16 * 16 * 4
    assert gpu.create_2d(1, 16, 16) == wire.INVALID_RESOURCE_ID
    assert gpu.create_2d(0, 16, 16) == wire.INVALID_RESOURCE_ID
    assert gpu.create_2d(2, 16, 16, kind=99) == wire.INVALID_PARAMETER
    assert gpu.attach_backing(1, [(addr, size)]) == wire.UNSPEC  # a second time
    assert gpu.detach_backing(1) == wire.OK_NODATA
    assert gpu.detach_backing(1) == wire.UNSPEC
    assert gpu.attach_backing(1, [(0xFEE00000, 4096)]) == wire.INVALID_PARAMETER
    assert gpu.attach_backing(1, [(addr, 0)]) == wire.INVALID_PARAMETER
    assert gpu.attach_backing(1, [(addr, 4096)], count=2) == wire.INVALID_PARAMETER
    assert gpu.attach_backing(1, [(addr, 4096)], count=0xFFFFFFFF) == wire.INVALID_PARAMETER
    assert gpu.attach_backing(1, [(2 ** 64 - 4096, 8192)]) == wire.INVALID_PARAMETER
    assert gpu.transfer(1, (0, 0, 16, 16)) == wire.UNSPEC  # no backing
    assert gpu.attach_backing(1, [(addr, size)]) == wire.OK_NODATA
    assert gpu.transfer(1, (0, 0, 17, 1)) == wire.INVALID_PARAMETER
    assert gpu.transfer(1, (0xFFFFFFFF, 0, 2, 1)) == wire.INVALID_PARAMETER
    assert gpu.transfer(1, (0, 0, 16, 16), offset=1) == wire.INVALID_PARAMETER
    assert gpu.transfer(1, (0, 0, 16, 16), offset=2 ** 64 - 1) == wire.INVALID_PARAMETER
    assert gpu.set_scanout(1, 1, (0, 0, 16, 16)) == wire.INVALID_SCANOUT_ID
    assert gpu.set_scanout(0, 1, (8, 8, 16, 16)) == wire.INVALID_PARAMETER
    assert gpu.set_scanout(0, 1, (0xFFFFFFF8, 0, 16, 16)) == wire.INVALID_PARAMETER
    assert gpu.flush(1, (0, 0, 17, 17)) == wire.INVALID_PARAMETER
    assert gpu.flush(7, (0, 0, 1, 1)) == wire.INVALID_RESOURCE_ID


def test_backing_that_points_into_the_window(gpu):
    """The window is in QEMU's memory table; the device must not read its own memory through it."""
    assert gpu.create_2d(1, 16, 16) == wire.OK_NODATA
    assert gpu.attach_backing(1, [(0x40_0000_0000, 4096)]) == wire.INVALID_PARAMETER


def test_memory_limit(machine, gpu):
    assert gpu.create_2d(1, 4096, 4096) == wire.OK_NODATA  # 64 MiB: all of it
    assert gpu.create_2d(2, 16, 16) == wire.OUT_OF_MEMORY
    assert gpu.create_context(1) == wire.OK_NODATA
    assert gpu.create_blob(3, 4096, context=1) == wire.OUT_OF_MEMORY
    assert machine.control.statistics()["memory_used"] == 64 << 20
    assert gpu.unref(1) == wire.OK_NODATA
    assert gpu.create_blob(3, 4096, context=1) == wire.OK_NODATA


# Blobs and the window.

def test_a_blob_in_the_window(machine, gpu):
    assert gpu.create_context(1) == wire.OK_NODATA
    assert gpu.create_blob(5, 0x3000, context=1) == wire.OK_NODATA
    with gpu.window() as window:
        window[0x7000:0x7004] = b"junk"
        assert gpu.map_blob(5, 0x7000) == wire.OK_MAP_INFO
        assert window[0x7000:0x7004] == bytes(4)
        window[0x7000:0x7004] = b"mine"
        assert machine.control.statistics()["window_used"] == 0x3000
        # Scanned out from where it is.
        assert gpu.set_scanout_blob(0, 5, (0, 0, 16, 16), 16, 16, wire.RGBA, 64) == wire.OK_NODATA
        assert gpu.flush(5, (0, 0, 16, 16)) == wire.OK_NODATA
        assert machine.control.frame()[3][:4] == b"mine"
        assert gpu.unmap_blob(5) == wire.OK_NODATA
        assert window[0x7000:0x7004] == bytes(4)
    assert gpu.unref(5) == wire.OK_NODATA
    assert machine.control.statistics()["window_used"] == 0


def test_blob_hostile_twins(gpu):
    assert gpu.create_context(1) == wire.OK_NODATA
    assert gpu.create_blob(5, 0x2000, context=2) == wire.INVALID_CONTEXT_ID
    assert gpu.create_blob(5, 0x2000, context=1, flags=0) == wire.INVALID_PARAMETER
    assert gpu.create_blob(5, 0x2000, context=1, flags=0xFF) == wire.INVALID_PARAMETER
    assert gpu.create_blob(5, 0x2001, context=1) == wire.INVALID_PARAMETER
    assert gpu.create_blob(5, 0, context=1) == wire.INVALID_PARAMETER
    assert gpu.create_blob(5, 2 ** 64 - 4096, context=1) == wire.OUT_OF_MEMORY
    assert gpu.create_blob(5, 0x2000, context=1, memory=3) == wire.INVALID_PARAMETER
    assert gpu.create_blob(5, 0x2000, context=1, blob=9) == wire.INVALID_CONTEXT_ID
    assert gpu.create_blob(5, 0x2000, context=1) == wire.OK_NODATA
    assert gpu.create_blob(5, 0x2000, context=1) == wire.INVALID_RESOURCE_ID
    assert gpu.unmap_blob(5) == wire.INVALID_PARAMETER
    for offset in (1, WINDOW_BYTES, WINDOW_BYTES - 0x1000, 2 ** 64 - 0x1000):
        assert gpu.map_blob(5, offset) == wire.INVALID_PARAMETER
    assert gpu.map_blob(5, WINDOW_BYTES - 0x2000) == wire.OK_MAP_INFO
    assert gpu.map_blob(5, 0) == wire.INVALID_PARAMETER
    assert gpu.create_blob(6, 0x2000, context=1) == wire.OK_NODATA
    assert gpu.map_blob(6, WINDOW_BYTES - 0x3000) == wire.INVALID_PARAMETER
    assert gpu.map_blob(99, 0) == wire.INVALID_RESOURCE_ID
    assert gpu.unref(5) == wire.OK_NODATA  # mapped
    assert gpu.unref(5) == wire.INVALID_RESOURCE_ID
    assert gpu.map_blob(6, WINDOW_BYTES - 0x2000) == wire.OK_MAP_INFO


def test_guest_blob_larger_than_its_memory(gpu):
    addr = gpu.front.memory.put(bytes(4096), align=4096)
    assert gpu.create_blob(1, 8192, memory=wire.GUEST, flags=0,
                           entries=[(addr, 4096)]) == wire.INVALID_PARAMETER
    assert gpu.create_blob(1, 4096, memory=wire.GUEST, flags=0,
                           entries=[(addr, 4096)], count=16385) == wire.INVALID_PARAMETER
    assert gpu.create_blob(1, 4096, memory=wire.GUEST, flags=0,
                           entries=[(addr, 4096)]) == wire.OK_NODATA
    # offset + stride * height in 32 bits would come out small
    for stride, offset in ((64, 4096 - 1023), (0x10000000, 0), (64, 0xFFFFFFC0)):
        assert gpu.set_scanout_blob(0, 1, (0, 0, 16, 16), 16, 16, wire.BGRX, stride,
                                    offset) == wire.INVALID_PARAMETER
    assert gpu.set_scanout_blob(0, 1, (0, 0, 16, 16), 16, 16, wire.BGRX, 64) == wire.OK_NODATA
    assert gpu.flush(1, (0, 0, 16, 16)) == wire.OK_NODATA


# Contexts with real workers.

def test_a_context_has_a_worker(machine, gpu):
    assert gpu.create_context(1, wire.VENUS, b"vkcube") == wire.OK_NODATA
    row = machine.control.contexts()[1]
    assert row["name"] == "vkcube" and row["capset"] == wire.VENUS and not row["lost"]
    assert row["pid"] in children(machine.program.process.pid)
    assert machine.control.statistics()["contexts"] == 1
    assert gpu.create_blob(2, 0x1000, context=1) == wire.OK_NODATA
    assert gpu.map_blob(2, 0) == wire.OK_MAP_INFO
    assert gpu.attach(1, 2) == wire.OK_NODATA
    assert gpu.submit(1) == wire.OK_NODATA
    assert gpu.submit(1, flags=wire.FENCE | wire.RING_IDX, fence=7) == wire.OK_NODATA
    assert gpu.detach(1, 2) == wire.OK_NODATA
    assert gpu.unmap_blob(2) == wire.OK_NODATA
    assert gpu.unref(2) == wire.OK_NODATA
    assert gpu.destroy_context(1) == wire.OK_NODATA
    assert machine.control.statistics()["contexts"] == 0


def test_blob_of_a_memory_object_that_is_not_there(gpu):
    assert gpu.create_context(1, wire.VENUS) == wire.OK_NODATA
    answer = gpu.create_blob(3, 0x1000, context=1, blob=12345)
    assert answer in (wire.UNSPEC, wire.INVALID_PARAMETER)
    assert gpu.map_blob(3, 0) == wire.UNSPEC
    assert gpu.unref(3) == wire.OK_NODATA
    assert gpu.destroy_context(1) == wire.OK_NODATA


def test_a_stream_of_nonsense_costs_its_context_only(machine, gpu):
    assert gpu.create_context(1, wire.VENUS) == wire.OK_NODATA
    assert gpu.create_context(2, wire.VENUS) == wire.OK_NODATA
    gpu.submit(1, b"\xff" * 64)
    deadline = time.monotonic() + 10
    while machine.control.statistics()["lost_contexts"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert gpu.submit(1, b"abcd") == wire.UNSPEC
    assert gpu.submit(1, flags=wire.FENCE | wire.RING_IDX, fence=8) == wire.UNSPEC
    assert gpu.submit(2, flags=wire.FENCE | wire.RING_IDX, fence=9) == wire.OK_NODATA
    assert gpu.destroy_context(1) == wire.OK_NODATA
    assert gpu.create_context(1, wire.VENUS) == wire.OK_NODATA


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def test_a_killed_worker_costs_its_context_only(machine, gpu):
    assert gpu.create_context(1, wire.VENUS) == wire.OK_NODATA
    first = children(machine.program.process.pid)
    assert gpu.create_context(2, wire.VENUS) == wire.OK_NODATA
    assert gpu.create_blob(4, 0x1000, context=1) == wire.OK_NODATA
    assert gpu.map_blob(4, 0) == wire.OK_MAP_INFO
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while machine.control.statistics()["lost_contexts"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert gpu.unmap_blob(4) == wire.OK_NODATA
    assert gpu.unref(4) == wire.OK_NODATA
    assert gpu.submit(2, flags=wire.FENCE | wire.RING_IDX, fence=9) == wire.OK_NODATA
    assert gpu.destroy_context(1) == wire.OK_NODATA
    assert gpu.destroy_context(2) == wire.OK_NODATA


def test_a_renderer_that_is_not_one(program, tmp_path):
    one = Machine(program, tmp_path, "/bin/true")
    answer = one.gpu.create_context(1, wire.VENUS)
    assert answer in (wire.OK_NODATA, wire.UNSPEC)
    assert one.gpu.submit(1, b"abcd") in (wire.OK_NODATA, wire.UNSPEC, wire.INVALID_CONTEXT_ID)
    one.gpu.destroy_context(1)
    one.end()


def test_context_hostile_twins(gpu):
    assert gpu.create_context(0) == wire.INVALID_CONTEXT_ID
    assert gpu.create_context(1, capset=1) == wire.INVALID_PARAMETER
    assert gpu.create_context(1) == wire.OK_NODATA
    assert gpu.create_context(1) == wire.INVALID_CONTEXT_ID
    assert gpu.attach(1, 5) == wire.INVALID_RESOURCE_ID
    assert gpu.attach(2, 5) in (wire.INVALID_RESOURCE_ID, wire.INVALID_CONTEXT_ID)
    assert gpu.destroy_context(2) == wire.INVALID_CONTEXT_ID
    for size in (1, 2, 3, 8, 0xFFFFFFFC):
        assert gpu.ask(wire.SUBMIT_3D, struct.pack("<II", size, 0) + b"abcd",
                       context=1) == wire.INVALID_PARAMETER
    assert gpu.ask(wire.SUBMIT_3D, struct.pack("<II", 0, 0), context=1, ring=64,
                   flags=wire.FENCE | wire.RING_IDX) == wire.INVALID_PARAMETER
    assert gpu.destroy_context(1) == wire.OK_NODATA


# Anything at all.

COMMANDS = [*range(0x100, 0x10E), *range(0x200, 0x20A)]


@pytest.mark.parametrize("kind", COMMANDS, ids=hex)
def test_every_length_and_filling(gpu, kind):
    gpu.create_context(1)
    gpu.create_2d(1, 8, 8)
    for filling in (0x00, 0x01, 0xFF):
        for length in (0, 1, 4, 7, 8, 16, 24, 40, 71, 72, 73, 200):
            gpu.send(kind, bytes([filling]) * length, reply_bytes=64)
    assert gpu.still_answers()


def test_unknown_commands_and_short_headers(gpu):
    for kind in (0, 1, 0x10E, 0x204, 0x205, 0x206, 0x20A, 0x300, 0x1100, 0xFFFFFFFF):
        assert gpu.ask(kind, bytes(64)) == wire.UNSPEC
    for length in range(24):
        answer = gpu.front.queues[0].command(bytes(length) if length else b"", 24)
        assert struct.unpack_from("<I", answer)[0] == wire.INVALID_PARAMETER


def test_answers_without_room(gpu):
    assert gpu.send(wire.GET_DISPLAY_INFO, reply_bytes=0) == b""
    assert gpu.send(wire.GET_DISPLAY_INFO, reply_bytes=23) in (b"", bytes(23))
    assert gpu.ask(wire.GET_DISPLAY_INFO, reply_bytes=100) == wire.UNSPEC


# Lives.

def test_reset_forgets_all(machine, gpu):
    show(gpu)
    assert gpu.create_context(1, wire.VENUS) == wire.OK_NODATA
    assert gpu.create_blob(5, 0x1000, context=1) == wire.OK_NODATA
    assert gpu.map_blob(5, 0) == wire.OK_MAP_INFO
    with gpu.window() as window:
        window[:4] = b"old!"
        machine.front.reset()
        machine.front.start()
        assert gpu.still_answers()
        figures = machine.control.statistics()
        assert figures["resources"] == figures["contexts"] == figures["memory_used"] == 0
        assert window[:4] == bytes(4)
    assert machine.control.ask(wire.FRAME)[0] == errno.ENODEV
    assert gpu.create_context(1, wire.VENUS) == wire.OK_NODATA
    show(gpu)


def test_reset_with_everything_in_flight(machine, gpu):
    for life in range(3):
        for context in (1, 2, 3):
            gpu.start(wire.CTX_CREATE, struct.pack("<II64s", 0, wire.VENUS, b""), context=context)
            gpu.start(wire.CREATE_BLOB,
                      struct.pack("<4IQQ", context, wire.HOST3D, 1, 0, 77, 0x1000), context=context)
            gpu.start(wire.MAP_BLOB, struct.pack("<IIQ", context, 0, 0x1000 * context), 32)
            gpu.start(wire.SUBMIT_3D, struct.pack("<II", 0, 0), context=context,
                      flags=wire.FENCE | wire.RING_IDX, fence=context)
        machine.front.reset()
        machine.front.start()
        assert gpu.still_answers()
        assert machine.control.statistics()["resources"] == 0


def test_nothing_is_left_of_many_lives(machine, gpu):
    def life():
        show(gpu)
        gpu.create_context(1, wire.VENUS)
        gpu.create_blob(5, 0x1000, context=1)
        gpu.map_blob(5, 0)
        machine.front.reset()
        machine.front.start()
        assert gpu.still_answers()

    life()
    before = machine.program.fd_count()
    for _ in range(5):
        life()
    deadline = time.monotonic() + 5
    while machine.program.fd_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert machine.program.fd_count() <= before


# The control socket.

def test_control_questions(machine, gpu):
    error, payload, _ = machine.control.ask(wire.LIST)
    assert error == 0 and struct.unpack("<4I", payload) == (0, 0, 0, 0)
    show(gpu)
    assert struct.unpack("<4I", machine.control.ask(wire.LIST)[1]) == (0, 64, 64, wire.BGRX)
    figures = machine.control.statistics()
    assert figures["resources"] == 1 and figures["frames"] == 1 and figures["held"] == 0
    assert figures["memory_limit"] == 64 << 20 and figures["window_size"] == WINDOW_BYTES


def test_control_hostile_twins(machine, gpu):
    assert machine.control.ask(wire.FRAME, scanout=1)[0] == errno.ENOENT
    assert machine.control.ask(wire.FRAME, scanout=0xFFFFFFFF)[0] == errno.ENOENT
    assert machine.control.ask(99)[0] == errno.EINVAL
    assert machine.control.ask(wire.LIST, version=1)[0] == errno.EPROTONOSUPPORT
    bad = wire.Control(machine.control_path)
    with pytest.raises((ConnectionError, OSError)):
        bad.ask(wire.LIST, magic=1)
    bad.close()
    half = wire.Control(machine.control_path)
    half.socket.sendall(b"PVV")
    deaf = wire.Control(machine.control_path)  # asks and never listens
    deaf.socket.setblocking(False)
    try:
        for _ in range(100000):
            deaf.socket.send(wire.QUESTION.pack(wire.MAGIC, 2, wire.STATISTICS, 0, 0))
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        pass
    assert machine.control.ask(wire.LIST)[0] == 0
    crowd = [wire.Control(machine.control_path) for _ in range(100)]
    assert machine.control.ask(wire.LIST)[0] == 0
    for one in [half, deaf, *crowd]:
        one.close()
    again = wire.Control(machine.control_path)
    assert again.ask(wire.LIST)[0] == 0
    again.close()


def test_descriptors_sent_to_the_control_socket(machine, gpu):
    assert machine.control.ask(wire.LIST)[0] == 0
    before = machine.program.fd_count()
    for _ in range(20):
        bad = wire.Control(machine.control_path)
        with open("/dev/null", "rb") as file:
            socket.send_fds(bad.socket, [b"x"], [file.fileno()] * 10)
        bad.close()
    assert machine.control.ask(wire.LIST)[0] == 0
    deadline = time.monotonic() + 5
    while machine.program.fd_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert machine.program.fd_count() <= before
