# SPDX-License-Identifier: MIT
"""
pearvisor-render, the real worker, over its message socket: messages, rings and transport commands.
The good case first, then its hostile twins. Whatever comes, the worker still answers, or has told
that its context is lost, or has ended by itself with a sentence; it never hangs and never crashes.
"""
import fcntl
import os
import struct
import time

import pytest

import render_wire as wire
from conftest import BUILD, Program
from render_wire import PAGE, Ring, Worker

ENOENT, EIO, EEXIST, EINVAL = -2, -5, -17, -22


@pytest.fixture
def start(tmp_path):
    """Start workers; each is ended, and must end well, when the test is over."""
    started = []

    def one(init=True, **options):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        worker = Worker(lambda fd: Program([BUILD / "cli" / "pearvisor-render", fd], folder,
                                           pass_fds=[fd]))
        started.append(worker)
        return worker.init(**options) if init else worker

    yield one
    try:
        for worker in started:
            worker.end()
    finally:
        for worker in started:
            worker.program.end()


@pytest.fixture
def worker(start):
    return start()


# The good case.

def test_a_ring_from_its_first_command_to_its_end(worker):
    ring = Ring(worker, monitor_us=3000000)
    version = ring.version()
    assert version >= 1 << 22 | 3 << 12
    ring.until(lambda: ring.status() & wire.ALIVE, "no ALIVE")
    ring.until(lambda: ring.status() & wire.IDLE, "no IDLE")
    time.sleep(0.05)  # past its short looks, so that only a notification wakes it
    assert ring.version() == version
    worker.fence()
    worker.submit(wire.write_extra(ring.id, 0, 0x12345678))
    worker.fence()
    assert ring.word("extra") == 0x12345678
    worker.submit(wire.submit_seqno(ring.id, 1))
    ring.push(wire.wait_seqno(1) + wire.instance_version(reply=False))
    assert ring.drained()
    worker.submit(wire.wait_ring(ring.id, ring.tail))
    assert not worker.is_lost()
    worker.submit(wire.destroy_ring(ring.id))
    fields, _ = worker.wait_for(wire.RING)
    assert fields[1:4] == (ring.resource, 128, 0)
    assert worker.leave(ring.resource) == 0
    assert worker.leave(ring.resource) == ENOENT
    assert worker.export(9, 77, PAGE)[0] == ENOENT
    assert worker.place(9, 0) == ENOENT
    assert not worker.is_lost()


def test_a_ring_wraps(worker):
    """More bytes than the buffer holds, in commands that cross its end."""
    ring = Ring(worker, buffer_size=64, extra=192 + 64)
    for _ in range(20):
        ring.push(wire.instance_version(reply=False) * 3)
        assert ring.drained()
    ring.push(wire.set_reply(ring.resource, ring.reply_at, 64))
    ring.push(wire.instance_version())
    assert ring.drained()
    assert struct.unpack_from("<i", ring.memory, ring.reply_at)[0] == wire.INSTANCE_VERSION


def test_the_largest_buffer(worker):
    size = 16 << 20
    ring = Ring(worker, pages=2 * 4200, buffer_size=size, extra=192 + size, size=size + PAGE)
    ring.push(wire.instance_version(reply=False) * 5000)
    assert ring.drained() and ring.word("head") == 80000


def test_indirect_streams(worker):
    ring = Ring(worker)
    resource, fd = worker.attach(2 * PAGE)
    os.pwrite(fd, wire.set_reply(ring.resource, ring.reply_at, 64), 0)
    os.pwrite(fd, wire.instance_version() + wire.instance_version(), PAGE)
    ring.push(wire.execute((resource, 0, 36), (resource, 8, 0), (resource, PAGE, 32)))
    assert ring.drained()
    got = struct.unpack_from("<iiQIiiQI", ring.memory, ring.reply_at)
    assert got[0] == got[4] == wire.INSTANCE_VERSION and got[3] == got[7] != 0
    # The reply stream outlives the command that set it; here it is full.
    assert "reply" in ring.fatal(wire.instance_version() * 2)


def test_seek(worker):
    ring = Ring(worker)
    seek = wire.command(wire.SEEK_REPLY, struct.pack("<Q", 100))
    reply = ring.call(seek + wire.instance_version(), 160)
    assert reply[:100] == b"\xee" * 100
    assert struct.unpack_from("<i", reply, 100)[0] == wire.INSTANCE_VERSION


def test_a_submitted_stream_replies_too(worker):
    """The message thread has a reply stream of its own."""
    ring = Ring(worker)
    worker.submit(wire.set_reply(ring.resource, ring.reply_at, 64) + wire.instance_version())
    worker.fence()
    assert struct.unpack_from("<i", ring.memory, ring.reply_at)[0] == wire.INSTANCE_VERSION
    assert not worker.is_lost()


def test_a_long_stream_comes_as_a_file(worker):
    stream = wire.instance_version(reply=False) * 5000
    fd = wire.sealed_file(len(stream))
    os.pwrite(fd, stream, 0)
    worker.submit(stream, fds=[fd], fence=7)
    worker.wait_for(wire.FENCE, lambda fields: fields[1:] == (0, 7))
    os.close(fd)
    assert not worker.is_lost()


def test_fences_of_all_timelines_retire(worker):
    """Without a queue behind it, a timeline has nothing to wait for."""
    for ring in (0, 1, 63, 64, 0xFFFFFFFF):
        worker.fence(ring)
    assert not worker.is_lost()


# Messages that no device sends.

MESSAGES = {
    wire.ATTACH: wire.ATTACH_MESSAGE.pack(wire.ATTACH, 5, 0, PAGE, 0, 1),
    wire.LEAVE: wire.LEAVE_MESSAGE.pack(wire.LEAVE, 5, 1),
    wire.SUBMIT: wire.SUBMIT_MESSAGE.pack(wire.SUBMIT, 0, 0, 0, 0),
    wire.EXPORT: wire.EXPORT_MESSAGE.pack(wire.EXPORT, 5, 1, PAGE, 1, 0, 1),
    wire.PLACE: wire.PLACE_MESSAGE.pack(wire.PLACE, 5, 0, 1),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_nothing_before_init(start, kind):
    worker = start(init=False)
    worker.send(MESSAGES[kind])
    worker.refuses()


@pytest.mark.parametrize("kind", MESSAGES)
def test_short_and_long_messages(start, kind):
    for packet in (MESSAGES[kind][:-1], MESSAGES[kind][:4], MESSAGES[kind] + b"\0"):
        worker = start()
        with open("/dev/zero", "rb") as file:
            worker.send(packet, [file.fileno()] if kind == wire.ATTACH else [])
        worker.refuses()


@pytest.mark.parametrize("packet", [b"\1", b"\1\0\0", bytes(4), struct.pack("<I", 7), b"\xff" * 64,
                                    struct.pack("<I", wire.DONE) + bytes(20)], ids=bytes.hex)
def test_unknown_messages(start, packet):
    worker = start()
    worker.send(packet)
    worker.refuses()


def test_packets_beyond_the_limit(start):
    worker = start()
    worker.send(MESSAGES[wire.SUBMIT] + bytes(16384))
    worker.refuses()


def test_init_hostile_twins(start):
    with open("/dev/zero", "rb") as zero:
        for options in (dict(version=0), dict(version=2), dict(version=0xFFFFFFFF),
                        dict(has_window=1), dict(fds=[zero.fileno()]),
                        dict(fds=[zero.fileno()] * 2, has_window=1), dict(log=b"a=b=c"),
                        dict(log=b"x" * 128)):
            start(**options).refuses()
    worker = start()
    worker.init()
    worker.refuses()
    worker = start(init=False)
    worker.send(wire.INIT_MESSAGE.pack(wire.INIT, 1, 0, 0, 0, 0, b"", b"")[:-4])
    worker.refuses()
    assert start(name=b"n" * 64).answers()


# ACCOUNT.

def test_an_account(start):
    worker = start(init=False)
    fd = worker.account(slot=256)
    worker.init()
    ring = Ring(worker)
    assert ring.version()
    memory, copies, commands, objects, rings = wire.counted(fd, 256)
    assert (memory, copies, objects, rings) == (0, len(ring.memory[192:]) and 4096, 0, 1)
    assert commands > 0
    worker.submit(wire.destroy_ring(ring.id))
    worker.fence()
    assert wire.counted(fd, 256)[1] == 0 and wire.counted(fd, 256)[4] == 0
    for other in (0, 1, 255):
        assert wire.counted(fd, other) == (0, 0, 0, 0, 0)


def test_account_hostile_twins(start):
    large = (wire.ACCOUNT_BYTES + PAGE - 1) // PAGE * PAGE
    for options in (dict(slot=wire.SLOTS), dict(slot=0xFFFFFFFF), dict(fds=[]),
                    dict(fd=wire.sealed_file(large - PAGE)), dict(fd=wire.sealed_file(large, 0))):
        worker = start(init=False)
        worker.account(**options)
        worker.refuses()
    worker = start(init=False)
    worker.account()
    worker.account()
    worker.refuses()
    worker = start()
    worker.account()
    worker.refuses()


def test_a_device_that_goes_at_once(start):
    start(init=False)
    start()
    worker = start()
    Ring(worker)


def test_the_program_alone(tmp_path):
    for arguments in ([], ["0"], ["99"], ["x"], ["-1"], ["3", "4"]):
        program = Program([BUILD / "cli" / "pearvisor-render", *arguments], tmp_path)
        assert program.wait() == 2
        assert len(program.log().splitlines()) == 1
        program.end()


# ATTACH and LEAVE.

def test_descriptors_where_none_belong(start):
    with open("/dev/zero", "rb") as file:
        extra = file.fileno()
        for send in (lambda worker: worker.attach(PAGE, fds=[]),
                     lambda worker: worker.attach(PAGE, in_window=1, fds=[extra]),
                     lambda worker: worker.attach(PAGE, fds=[extra, extra])):
            worker = start()
            send(worker)
            worker.refuses()
        worker = start()
        worker.send(MESSAGES[wire.LEAVE], [extra])  # closed unused
        assert worker.answers()


@pytest.mark.parametrize("offset, size", [(0, 0), (0, 1), (1, PAGE), (0, PAGE - 4), (PAGE, PAGE),
                                          (0, 2 * PAGE), (1 << 63, PAGE), (0, 1 << 63),
                                          ((1 << 64) - PAGE, PAGE), ((1 << 64) - PAGE, 2 * PAGE)])
def test_attach_refuses_ranges(worker, offset, size):
    fd = wire.sealed_file(PAGE)
    worker.attach(size, resource=5, offset=offset, fd=fd)
    os.close(fd)
    assert worker.leave(5) == ENOENT
    assert "resource 5 cannot be attached" in worker.lines[0]
    assert not worker.is_lost()


def test_attach_refuses_files_that_may_shrink(worker):
    """A file that somebody cuts later would end this process when it reads there."""
    for seals in (0, fcntl.F_SEAL_GROW):
        fd = wire.sealed_file(PAGE, seals)
        worker.attach(PAGE, resource=5, fd=fd)
        assert worker.leave(5) == ENOENT
        os.close(fd)
    with open("/dev/zero", "rb") as file:
        worker.attach(PAGE, resource=5, fd=file.fileno())
    read_end, write_end = os.pipe()
    worker.attach(PAGE, resource=5, fd=read_end)
    os.close(read_end)
    os.close(write_end)
    assert worker.leave(5) == ENOENT


def test_attach_without_a_window(worker):
    worker.attach(PAGE, resource=5, in_window=1, fd=-1)
    assert worker.leave(5) == ENOENT


def test_attach_twice_and_read_only(worker):
    worker.attach(PAGE, resource=5)
    worker.attach(2 * PAGE, resource=5)
    assert worker.leave(5) == 0
    assert worker.leave(5) == ENOENT
    fd = wire.sealed_file(PAGE, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    worker.attach(PAGE, resource=6, fd=fd)
    os.close(fd)
    assert worker.leave(6) in (0, ENOENT)
    for resource in (0, 0xFFFFFFFF):
        worker.attach(PAGE, resource=resource)
        assert worker.leave(resource) in (0, ENOENT)
    assert not worker.is_lost()


def test_leave_of_a_live_rings_memory(worker):
    """The ring keeps its own reference; only the name has gone."""
    ring = Ring(worker)
    version = ring.version()
    assert worker.leave(ring.resource) == 0
    ring.push(wire.instance_version(reply=False))
    assert ring.drained()
    worker.attach(PAGE, resource=ring.resource)
    assert worker.answers() and version
    worker.submit(wire.destroy_ring(ring.id))
    worker.wait_for(wire.RING)
    assert not worker.is_lost()


# SUBMIT.

@pytest.mark.parametrize("length, told", [(0, 4), (4, 0), (4, 8), (8, 4), (4, 0xFFFFFFFF),
                                          (1 << 13, (1 << 13) - 4)])
def test_submit_refuses_sizes(start, length, told):
    worker = start()
    worker.submit(bytes(length), size=told)
    worker.refuses()


@pytest.mark.parametrize("told", [65, 1 << 20])
def test_submit_refuses_short_files(start, told):
    worker = start()
    fd = wire.sealed_file(64)
    worker.submit(b"", size=told, fds=[fd])
    os.close(fd)
    worker.refuses()


# Streams.

def lose(start, stream, fence=True):
    """A stream that ends its context: one sentence, and messages are still answered."""
    worker = start()
    worker.submit(stream, fence=1)
    reason = worker.lost()
    worker.wait_for(wire.FENCE)  # retired all the same
    assert worker.export(1, 1, PAGE)[0] == EIO
    worker.submit(wire.instance_version(reply=False), fence=2)
    worker.wait_for(wire.FENCE)
    worker.attach(PAGE, resource=5)
    assert worker.leave(5) == ENOENT
    assert not any(fields[0] == wire.LOST for fields, _ in worker.seen)  # told once
    return reason


@pytest.mark.parametrize("length", [1, 2, 3, 5, 15, 17])
def test_streams_that_are_not_words(start, length):
    assert "multiple of 4" in lose(start, wire.instance_version(reply=False)[:length].ljust(length))


@pytest.mark.parametrize("number", [-1, 195, 346, 1000, 1 << 30, -1 << 31, 113])
def test_unknown_commands(start, number):
    assert lose(start, wire.command(number, bytes(64)))


@pytest.mark.parametrize("flags", [2, 3, 0xFFFFFFFF])
def test_flags_of_commands(start, flags):
    """Only one bit has a meaning; a reply without a stream is the guest's fault."""
    stream = struct.pack("<iIQ", wire.INSTANCE_VERSION, flags, 1)
    if flags & 1:
        assert "reply" in lose(start, stream)
    else:
        worker = start()
        worker.submit(stream)
        assert worker.answers()


def test_every_truncation(start):
    """The streams of set-up, cut after each word."""
    for stream in (wire.create_ring(5, wire.chain((wire.RING_MONITOR_INFO, bytes(4)))),
                   wire.execute((1, 0, 64)), wire.set_reply(1, 0, 64), wire.notify_ring(1, 0)):
        cuts = range(4, len(stream), 4)
        for length in [cuts[0], cuts[1], cuts[len(cuts) // 2], cuts[-2], cuts[-1]]:
            assert lose(start, stream[:length])


@pytest.mark.parametrize("count", [0, 2, 0xFFFF, 0x10000, 0xFFFFFFFF])
def test_counts_that_are_not_there(start, count):
    assert lose(start, wire.execute((1, 0, 64), count=count))


@pytest.mark.parametrize("count", [2, 0x10000, 1 << 32, 1 << 61, 1 << 63, (1 << 64) - 1])
def test_array_lengths_that_overflow(start, count):
    stream = bytearray(wire.execute((1, 0, 64), count=count & 0xFFFFFFFF))
    struct.pack_into("<Q", stream, 12, count)
    assert lose(start, bytes(stream))


def test_chains(start):
    monitor = (wire.RING_MONITOR_INFO, struct.pack("<I", 1000000))
    priority = (wire.RING_PRIORITY_INFO, struct.pack("<i", 3))
    for nodes in ([monitor, monitor], [monitor] * 64, [monitor] * 1000, [(0, b"")],
                  [(1000384000, b"")], [(0xFFFFFFFF, b"")], [(1000384006 + 100, bytes(4))],
                  [priority, (3, bytes(4))], [(wire.RING_MONITOR_INFO, bytes(4))]):
        assert lose(start, wire.create_ring(5, wire.chain(*nodes)))
    for kind in (0, 1, 1000384001, 0xFFFFFFFF):
        assert lose(start, wire.create_ring(5, kind=kind))
    assert lose(start, wire.command(wire.CREATE_RING, struct.pack("<QQ", 5, 0)))


def test_good_chains(worker):
    assert worker.answers()
    ring = Ring(worker, create=False)
    worker.submit(wire.create_ring(ring.id, wire.chain(
        (wire.RING_PRIORITY_INFO, struct.pack("<i", 3)),
        (wire.RING_MONITOR_INFO, struct.pack("<I", 1))), **ring.layout))
    assert ring.version()
    for _ in range(5):  # as often as it is cleared
        ring.set_word("status", ring.status() & ~wire.ALIVE)
        ring.until(lambda: ring.status() & wire.ALIVE, "no ALIVE")


# Channels.

def test_ring_commands_on_the_wrong_channel(start):
    for make in (lambda ring: wire.create_ring(ring.id + 1, **ring.layout),
                 lambda ring: wire.destroy_ring(ring.id), lambda ring: wire.notify_ring(ring.id),
                 lambda ring: wire.write_extra(ring.id, 0, 1),
                 lambda ring: wire.submit_seqno(ring.id, 1), lambda ring: wire.wait_ring(ring.id, 0)):
        ring = Ring(start())
        assert "not allowed here" in ring.fatal(make(ring))
    assert "not allowed here" in lose(start, wire.wait_seqno(0))


def test_rings_that_do_not_exist(start):
    for stream in (wire.destroy_ring(5), wire.notify_ring(5), wire.write_extra(5, 0, 0),
                   wire.submit_seqno(5, 1), wire.wait_ring(5, 0), wire.notify_ring(0),
                   wire.notify_ring((1 << 64) - 1)):
        assert "no object" in lose(start, stream)


def test_nested_streams(start):
    """A stream may not call another one, itself least of all."""
    for outer in (0, 1):
        ring = Ring(start())
        resource, fd = ring.worker.attach(PAGE)
        os.pwrite(fd, wire.execute((resource, 0, 64)), 0)
        stream = wire.execute((resource, 0, 64))
        if outer:
            ring.push(stream)
        else:
            ring.worker.submit(stream)
        ring.fatal()


@pytest.mark.parametrize("offset, size", [(0, 2), (2, 4), (0, PAGE + 4), (PAGE, 4), (1 << 63, 4),
                                          (4, (1 << 64) - 4), (0, 1 << 40)])
def test_ranges_of_indirect_streams(start, offset, size):
    ring = Ring(start())
    resource, _ = ring.worker.attach(PAGE)
    assert ring.fatal(wire.execute((resource, offset, size)))


def test_indirect_streams_limits(start):
    ring = Ring(start())
    size = (64 << 20) + PAGE
    resource, _ = ring.worker.attach(size)
    assert "limit" in ring.fatal(wire.execute((resource, 0, size)))


def test_replies_beyond_their_stream(start):
    for size in (0, 4, 19):
        ring = Ring(start())
        ring.memory[ring.reply_at:] = b"\xee" * ring.reply_size
        assert "reply" in ring.fatal(wire.set_reply(ring.resource, ring.reply_at, size)
                                     + wire.instance_version())
        assert ring.memory[ring.reply_at + size:] == b"\xee" * (ring.reply_size - size)
    ring = Ring(start())
    assert "reply" in ring.fatal(wire.instance_version())
    for seek in (65, 1 << 63, (1 << 64) - 1):
        ring = Ring(start())
        assert ring.fatal(wire.set_reply(ring.resource, ring.reply_at, 64)
                          + wire.command(wire.SEEK_REPLY, struct.pack("<Q", seek))
                          + wire.instance_version())


@pytest.mark.parametrize("offset, size", [(0, 8 * PAGE + 1), (8 * PAGE, 1), (8 * PAGE + 1, 0),
                                          (1 << 63, 1 << 63), (16, (1 << 64) - 16)])
def test_ranges_of_reply_streams(start, offset, size):
    ring = Ring(start())
    assert ring.fatal(wire.set_reply(ring.resource, offset, size))


def test_a_reply_stream_at_any_byte(worker):
    """A stream may start anywhere; its fields are never touched as words."""
    ring = Ring(worker)
    for shift in (1, 2, 3, 5):
        ring.push(wire.set_reply(ring.resource, ring.reply_at + shift, 64) + wire.instance_version())
        assert ring.drained()
        assert struct.unpack_from("<i", ring.memory, ring.reply_at + shift)[0] == 137


def test_replies_over_the_ring_itself(worker):
    """A guest that aims replies at its own head, tail and commands hurts itself only."""
    ring = Ring(worker)
    for target in ("head", "tail", "status", "buffer"):
        ring.push(wire.set_reply(ring.resource, ring.layout[target], 64) + wire.instance_version())
        time.sleep(0.02)
        assert worker.answers()


# Layouts.

OFFSETS = ["head", "tail", "status", "buffer", "extra"]


def layout_is_lost(start, **changes):
    worker = start()
    ring = Ring(worker, create=False)
    worker.submit(wire.create_ring(ring.id, **{**ring.layout, **changes}))
    assert worker.lost()
    assert not any(fields[0] == wire.RING for fields, _ in worker.seen)
    return worker


@pytest.mark.parametrize("field", [*OFFSETS, "offset"])
def test_layout_offsets(start, field):
    for value in (1, 2, 8 * PAGE, (1 << 32) + 64, 1 << 63, (1 << 64) - 4, (1 << 64) - 1):
        layout_is_lost(start, **{field: value})


@pytest.mark.parametrize("field, values", [
    ("size", (0, 1, 4, 192, 192 + 4096, 8 * PAGE + 1, 1 << 63, (1 << 64) - 1)),
    ("buffer_size", (0, 1, 2, 3, 5, 4095, 4097, 12, 8192, 1 << 25, 1 << 32, 1 << 63, (1 << 64) - 1)),
    ("extra_size", (1, 3, 1 << 32, 1 << 63, (1 << 64) - 4, (1 << 64) - 1)),
    ("resource", (0, 2, 0xFFFFFFFF)),
])
def test_layout_sizes(start, field, values):
    for value in values:
        layout_is_lost(start, **{field: value})


@pytest.mark.parametrize("changes", [
    dict(head=64), dict(head=128), dict(tail=0), dict(tail=128), dict(status=64), dict(head=192),
    dict(tail=192 + 4092), dict(status=192 + 4096), dict(extra=192), dict(buffer=128),
    dict(buffer=0), dict(extra=0), dict(extra=64), dict(extra=188, extra_size=8),
], ids=str)
def test_layout_parts_overlap(start, changes):
    layout_is_lost(start, **changes)


def test_layouts_that_are_odd_but_good(start):
    for changes in (dict(head=8, tail=0, status=4, buffer=16, extra=16 + 4096),
                    dict(extra=0, extra_size=0, head=4), dict(extra=192 + 4096, extra_size=0),
                    dict(idle_ns=0), dict(idle_ns=(1 << 64) - 1), dict(flags=0xFFFFFFFF),
                    dict(offset=PAGE), dict(offset=4), dict(buffer_size=64),
                    dict(size=8 * PAGE)):
        ring = Ring(start(), **changes)
        assert ring.version()
        assert not ring.worker.is_lost()


def test_a_ring_that_never_idles(worker):
    """The longest timeout means: never go idle."""
    ring = Ring(worker, idle_ns=(1 << 64) - 1)
    time.sleep(0.05)
    assert not ring.status() & wire.IDLE
    assert ring.version()


@pytest.mark.parametrize("head, status", [(4, 0), (0xFFFFFFFF, 0), (0, wire.IDLE), (0, wire.FATAL),
                                          (0, 0xFFFFFFFF)])
def test_memory_that_is_not_fresh(start, head, status):
    worker = start()
    ring = Ring(worker, create=False)
    ring.set_word("head", head)
    ring.set_word("status", status)
    worker.submit(wire.create_ring(ring.id, **ring.layout))
    assert worker.lost()


def test_ids_of_rings(start):
    worker = start()
    ring = Ring(worker, create=False)
    worker.submit(wire.create_ring(0, **ring.layout))
    assert worker.lost()
    worker = start()
    ring = Ring(worker)
    worker.submit(wire.create_ring(ring.id, **Ring(worker, create=False).layout))
    assert ring.fatal()


def test_the_most_rings_and_one_more(worker):
    rings = [Ring(worker) for _ in range(64)]
    assert rings[0].version() == rings[63].version()
    worker.submit(wire.destroy_ring(rings[7].id))
    worker.wait_for(wire.RING, lambda fields: fields[3] == 0)
    rings[7] = Ring(worker)
    assert rings[7].version()
    one_more = Ring(worker, create=False)
    worker.submit(wire.create_ring(one_more.id, **one_more.layout))
    assert "limit" in rings[0].fatal()
    for ring in rings:
        assert ring.status() & wire.FATAL


def test_rings_in_one_memory(worker):
    """Two rings may even share their words: the guest's own trouble, and nobody else's."""
    ring = Ring(worker)
    worker.submit(wire.create_ring(ring.id + 1, **ring.layout))
    ring.push(wire.instance_version(reply=False) * 4)
    time.sleep(0.05)
    assert worker.answers()


# Tails.

@pytest.mark.parametrize("tail", [4096 + 4, 1, 2, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF])
def test_tails_out_of_range(start, tail):
    ring = Ring(start())
    ring.set_word("tail", tail)
    ring.worker.submit(wire.notify_ring(ring.id))
    assert "tail" in ring.fatal()


def test_a_tail_that_runs_backwards(worker):
    ring = Ring(worker)
    ring.push(wire.instance_version(reply=False) * 8)
    assert ring.drained()
    ring.set_word("tail", ring.tail - 16)
    worker.submit(wire.notify_ring(ring.id))
    assert "tail" in ring.fatal()


def test_a_tail_inside_a_command(worker):
    ring = Ring(worker)
    ring.write(wire.instance_version(reply=False))
    ring.set_word("tail", 12)
    worker.submit(wire.notify_ring(ring.id))
    assert "stream ends" in ring.fatal()


def test_a_head_and_status_that_the_guest_writes(worker):
    """Both are the host's to write; what stands there is never believed."""
    ring = Ring(worker)
    version = ring.version()
    for word, value in (("head", 0), ("head", 0xFFFFFFFF), ("status", 0), ("status", 0xFFFFFFF8)):
        ring.set_word(word, value)
        ring.push(wire.instance_version(reply=False))
        ring.worker.submit(wire.notify_ring(ring.id))
        ring.until(lambda: ring.word("head") == ring.tail)
    ring.set_word("status", 0)
    assert ring.version() == version and not worker.is_lost()


# Waits.

def test_a_ring_waits_for_an_attach(worker):
    """The ring may be faster than the message that names its memory."""
    ring = Ring(worker)
    fd = wire.sealed_file(PAGE)
    ring.push(wire.set_reply(500, 0, 64) + wire.instance_version())
    time.sleep(0.1)
    assert ring.word("head") == 0 and worker.answers()
    worker.attach(PAGE, resource=500, fd=fd)
    assert ring.drained()
    assert struct.unpack("<i", os.pread(fd, 4, 0))[0] == wire.INSTANCE_VERSION
    os.close(fd)
    assert not worker.is_lost()


def test_an_attach_that_never_comes(start):
    waiting = [Ring(start()) for _ in range(2)]
    waiting[0].push(wire.set_reply(500, 0, 64))
    waiting[1].push(wire.execute((500, 0, 64)))
    other = Ring(waiting[0].worker)
    began = time.monotonic()
    assert other.version() and waiting[0].worker.answers()  # only that ring waits
    for ring in waiting:
        assert "resource" in ring.fatal()
    assert time.monotonic() - began < 7
    assert other.status() & wire.FATAL


def test_the_end_of_a_context_whose_ring_waits(start):
    """The device goes: nothing is waited for."""
    for stream in (wire.set_reply(500, 0, 64), wire.wait_seqno(1)):
        ring = Ring(start())
        ring.push(stream)
        time.sleep(0.05)
        began = time.monotonic()
        ring.worker.socket.close()
        assert ring.worker.program.wait(5) == 0
        assert time.monotonic() - began < 4


def test_a_ring_that_is_destroyed_while_it_waits_for_an_attach(worker):
    ring = Ring(worker)
    ring.push(wire.set_reply(500, 0, 64))
    time.sleep(0.05)
    began = time.monotonic()
    worker.submit(wire.destroy_ring(ring.id))
    assert worker.answers() and time.monotonic() - began < 4


def test_a_seqno_that_never_comes(start):
    """The ring waits, the messages do not; its end ends the wait."""
    ring = Ring(start())
    ring.push(wire.wait_seqno(5) + wire.instance_version(reply=False))
    for seqno in (0, 1, 4):
        ring.worker.submit(wire.submit_seqno(ring.id, seqno))
    assert ring.worker.answers()
    assert ring.word("head") == 0
    ring.worker.submit(wire.destroy_ring(ring.id))
    ring.worker.wait_for(wire.RING, lambda fields: fields[3] == 0)
    assert ring.worker.answers()
    far = Ring(start())
    far.push(wire.wait_seqno((1 << 64) - 1))
    far.worker.submit(wire.submit_seqno(far.id, (1 << 64) - 1))
    assert far.drained() and not far.worker.is_lost()


def test_each_waits_for_the_other(start):
    """The control queue waits for a ring that waits for the control queue."""
    ring = Ring(start())
    ring.push(wire.wait_seqno(1))
    ring.worker.submit(wire.wait_ring(ring.id, ring.tail))
    assert ring.fatal()
    ring = Ring(start())  # and the other way round
    ring.worker.submit(wire.wait_ring(ring.id, 16))
    assert ring.fatal()


@pytest.mark.parametrize("seqno", [4, 0x7FFFFFFF, 1 << 32 | 4])
def test_a_ring_position_that_nobody_wrote(start, seqno):
    ring = Ring(start())
    ring.worker.submit(wire.wait_ring(ring.id, seqno))
    assert ring.fatal()


def test_a_wait_for_a_sleeping_ring(worker):
    """The tail has moved and nobody has notified: the wait itself wakes the ring."""
    ring = Ring(worker)
    ring.until(lambda: ring.status() & wire.IDLE)
    time.sleep(0.05)
    ring.push(wire.instance_version(reply=False), notify=False)
    worker.submit(wire.wait_ring(ring.id, ring.tail))
    assert worker.answers()
    assert ring.drained() and not worker.is_lost()


def test_a_tail_that_is_taken_back_while_it_is_waited_for(worker):
    """What was promised will not come: a fault, not a wait for ever."""
    ring = Ring(worker)
    slow = Ring(worker)
    slow.push(wire.set_reply(500, 0, 64))  # up to 5 s in hand
    slow.set_word("tail", slow.tail + 64)
    worker.submit(wire.wait_ring(slow.id, slow.tail + 64))
    time.sleep(0.1)
    slow.set_word("tail", slow.tail)
    assert ring.fatal()
    assert worker.answers()
