# SPDX-License-Identifier: MIT
"""
pearvisor-render with a host driver behind it: objects, memory, blobs and the window, by commands
made by hand. The driver is lavapipe (PV_HOST_ICD); without it these tests are skipped.
"""
import mmap
import os
import struct
import time

import pytest

import render_wire as wire
from conftest import BUILD, Program
from render_wire import PAGE, Guest, Ring, Worker

OUT_OF_HOST_MEMORY, OUT_OF_DEVICE_MEMORY, INITIALIZATION_FAILED = -1, -2, -3
ENOENT, EIO, EEXIST, EINVAL = -2, -5, -17, -22
LIMIT = 64 << 20
WINDOW = 16 << 20


def environment(icd):
    """The driver's own leaks are not ours; faults still are."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("VK_")}
    env["VK_DRIVER_FILES"] = env["VK_ICD_FILENAMES"] = str(icd)
    env["ASAN_OPTIONS"] = "detect_leaks=0"
    if os.environ.get("PV_MESA_LIBRARY_PATH"):
        env["LD_LIBRARY_PATH"] = os.environ["PV_MESA_LIBRARY_PATH"]
    return env


@pytest.fixture
def start(tmp_path):
    icd = os.environ.get("PV_HOST_ICD")
    if not icd:
        pytest.skip("PV_HOST_ICD is not set")
    started = []

    def one(icd=icd, account=None, **options):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        worker = Worker(lambda fd: Program([BUILD / "cli" / "pearvisor-render", fd], folder,
                                           pass_fds=[fd], env=environment(icd)))
        started.append(worker)
        if account is not None:
            worker.account(account, slot=len(started))
        return worker.init(**{"memory": LIMIT, **options})

    yield one
    try:
        for worker in started:
            worker.end()
    finally:
        for worker in started:
            worker.program.end()


@pytest.fixture
def guest(start):
    return Guest(start()).start()


def test_no_driver(start, tmp_path):
    """An instance cannot be made; that is an answer, and one line of the log."""
    ring = Guest(start(icd=tmp_path / "nowhere.json"))
    assert ring.result(wire.create_instance(1)) < 0
    assert ring.version()
    assert ring.result(wire.create_instance(1)) < 0
    assert not ring.worker.is_lost()
    assert "no host instance" in ring.worker.lines[0]


def test_memory_up_to_the_limit(guest):
    kind = guest.visible_type()
    piece = 16 << 20
    for i in range(4):
        assert guest.result(wire.allocate_memory(3, 100 + i, piece, kind)) == 0
    for size in (piece, 1 << 40, 1 << 63, (1 << 64) - 1, (1 << 64) - PAGE):
        assert guest.result(wire.allocate_memory(3, 200, size, kind)) == OUT_OF_DEVICE_MEMORY
    assert guest.result(wire.create_buffer(3, 300)) == 0
    guest.push(wire.free_memory(3, 100))
    assert guest.result(wire.allocate_memory(3, 200, piece, kind)) == 0
    assert guest.version() and not guest.worker.is_lost()


def test_one_limit_for_all_workers(start):
    """Ten programs get no more than one; what a killed one had is there again."""
    fd = wire.sealed_file((wire.ACCOUNT_BYTES + PAGE - 1) // PAGE * PAGE)
    piece = LIMIT // 16
    guests = [Guest(start(account=fd)).start() for _ in range(4)]
    kind = guests[0].visible_type()
    got = [sum(guest.result(wire.allocate_memory(3, 100 + i, piece, kind)) == 0 for i in range(20))
           for guest in guests]
    assert got == [16, 0, 0, 0]
    assert [wire.counted(fd, 1 + i)[0] for i in range(4)] == [LIMIT, 0, 0, 0]
    guests[0].push(wire.free_memory(3, 100) + wire.free_memory(3, 101))
    assert guests[0].drained()
    assert guests[3].result(wire.allocate_memory(3, 100, 2 * piece, kind)) == 0
    assert guests[2].result(wire.allocate_memory(3, 100, PAGE, kind)) == OUT_OF_DEVICE_MEMORY
    objects = wire.counted(fd, 4)[3]
    guests[3].push(wire.create_buffer(3, 300, reply=False))
    assert guests[3].drained()
    assert wire.counted(fd, 4)[3] == objects + 1
    os.close(fd)


def test_allocations_without_an_answer(guest):
    """Mesa names the memory at once: it is there, poisoned, and can be freed and not exported."""
    kind = guest.visible_type()
    guest.push(wire.allocate_memory(3, 200, LIMIT * 2, kind, reply=False))
    assert guest.drained()
    assert guest.worker.export(9, 200, PAGE)[0] < 0
    guest.push(wire.free_memory(3, 200))
    assert guest.drained()
    assert guest.worker.export(9, 200, PAGE)[0] == ENOENT
    assert not guest.worker.is_lost()


def test_exports(guest):
    worker, kind = guest.worker, guest.visible_type()
    assert guest.result(wire.allocate_memory(3, 100, 3 * PAGE - 8, kind)) == 0
    for blob in (0, 1, 3, 4, 99, 1 << 63):
        assert worker.export(9, blob, PAGE)[0] == ENOENT
    for size in (4 * PAGE, 1 << 63, (1 << 64) - 1):
        assert worker.export(9, 100, size)[0] == EINVAL
    status, size, fd = worker.export(9, 100, 3 * PAGE - 8)
    assert (status, size) == (0, 3 * PAGE) and os.fstat(fd).st_size >= size
    with pytest.raises(OSError):
        os.ftruncate(fd, 0)
    assert worker.export(9, 100, PAGE)[0] == EEXIST
    assert worker.export(10, 100, PAGE)[0] == EEXIST
    worker.attach(PAGE, resource=9, fd=fd)  # the exporter attaches its own blob again
    guest.push(wire.free_memory(3, 100))
    assert guest.drained()
    os.pwrite(fd, b"still there", 0)
    assert worker.leave(9) == 0 and worker.leave(9) == ENOENT
    assert not worker.is_lost()


def test_the_window(start):
    window_fd = wire.sealed_file(WINDOW)
    worker = start(placement=wire.IN_WINDOW, window_fd=window_fd, window_size=WINDOW)
    guest = Guest(worker).start()
    kind = guest.visible_type()
    for memory in (100, 101):
        assert guest.result(wire.allocate_memory(3, memory, 4 * PAGE, kind)) == 0
    status, size, fd = worker.export(9, 100, 4 * PAGE)
    assert (status, size) == (0, 4 * PAGE)
    for offset in (1, PAGE - 1, WINDOW, WINDOW - PAGE, 1 << 63, (1 << 64) - PAGE):
        assert worker.place(9, offset) == EINVAL
    assert worker.place(9, 8 * PAGE) == 0
    assert worker.place(9, 16 * PAGE) == EEXIST
    assert worker.leave(9) == 0
    assert worker.place(9, 8 * PAGE) == ENOENT
    with mmap.mmap(window_fd, WINDOW) as memory:
        memory[8 * PAGE:8 * PAGE + 4] = b"new!"
    assert guest.result(wire.create_buffer(3, 300)) == 0
    # Shared memory inside the window, as a guest's rings are.
    worker.attach(PAGE, resource=20, offset=64 * PAGE, in_window=1)
    worker.attach(PAGE, resource=21, offset=WINDOW, in_window=1)
    worker.attach(2 * WINDOW, resource=22, in_window=1)
    guest.push(wire.set_reply(20, 0, 64) + wire.instance_version())
    assert guest.drained()
    assert struct.unpack("<i", os.pread(window_fd, 4, 64 * PAGE))[0] == wire.INSTANCE_VERSION
    assert [worker.leave(resource) for resource in (20, 21, 22)] == [0, ENOENT, ENOENT]
    assert not worker.is_lost()
    os.close(window_fd)


def test_imports(start):
    """Memory made from another's resource, and from what is none."""
    guest = Guest(start()).start()
    kind = guest.visible_type()
    resource, _ = guest.worker.attach(4 * PAGE, is_shmem=0)
    assert guest.worker.answers()  # so that it is known before the ring names it

    def imported(resource, size, handle):
        nodes = [(1000384002, struct.pack("<I", resource))]
        return guest.result(wire.allocate_memory(3, handle, size, kind, nodes=nodes))

    assert imported(resource, 4 * PAGE, 100) == 0
    for bad, size in ((resource, 5 * PAGE), (resource, 1 << 62), (77, PAGE)):
        assert imported(bad, size, 101) < 0
    assert guest.worker.leave(resource) == 0
    guest.push(wire.free_memory(3, 100))
    assert guest.drained() and not guest.worker.is_lost()
    guest.push(wire.allocate_memory(3, 102, PAGE, kind, nodes=[(1000384002, struct.pack("<I", 0))]))
    assert guest.fatal()


# Handles.

BAD = {
    "wrong type": wire.destroy_buffer(3, 2),
    "device as buffer": wire.destroy_buffer(3, 3),
    "instance as device": wire.create_buffer(1, 300),
    "buffer as memory": wire.create_buffer(3, 300) + wire.free_memory(3, 300),
    "freed": wire.create_buffer(3, 300) + wire.destroy_buffer(3, 300) * 2,
    "freed device": wire.destroy_device(3) + wire.create_buffer(3, 300),
    "freed with its device": wire.create_buffer(3, 300) + wire.destroy_device(3)
                             + wire.destroy_buffer(3, 300),
    "never made": wire.destroy_buffer(3, 12345),
    "no device": wire.create_buffer(0, 300),
    "id 0": wire.create_buffer(3, 0),
    "id in use": wire.create_buffer(3, 300) * 2,
    "id of a device": wire.create_buffer(3, 3),
    "second instance": wire.create_instance(50),
    "second physical device": wire.enumerate_devices(1, [50]),
    "queue of ring 0": wire.get_queue(3, 50, ring=0),
    "queue of ring 64": wire.get_queue(3, 50, ring=64),
    "queue of a ring in use": wire.get_queue(3, 50, ring=1),
    "memory type": wire.allocate_memory(3, 300, PAGE, 32),
    "an instance's extension": wire.create_instance(50, extensions=1),
}


@pytest.mark.parametrize("name", BAD)
def test_handles(guest, name):
    guest.push(wire.set_reply(guest.resource, guest.reply_at, guest.reply_size) + BAD[name])
    assert guest.fatal()
    assert guest.worker.answers()


def test_nothing_is_freed_twice(guest):
    """Handles of 0 are legal to destroy; a device takes along what was left on it."""
    guest.push(wire.destroy_buffer(3, 0) + wire.free_memory(3, 0))
    for i in range(20):
        assert guest.result(wire.create_buffer(3, 300 + i)) == 0
        assert guest.result(wire.create_fence(3, 400 + i)) == 0
        assert guest.result(wire.allocate_memory(3, 500 + i, PAGE, guest.visible_type())) == 0
    guest.push(wire.destroy_device(3) + wire.destroy_instance(1))
    assert guest.drained()
    assert guest.start().version() and not guest.worker.is_lost()


# Several rings at once.

def test_an_instance_that_is_not_ready(start):
    """Another ring names what a first one is about to make: no such object, never a crash."""
    for step in range(8):
        worker = start()
        maker, other = Ring(worker), Ring(worker)
        maker.push(wire.create_instance(1, reply=False)
                   + wire.enumerate_devices(1, [2], reply=False)
                   + wire.create_device(2, 3, reply=False)
                   + wire.get_queue(3, 4), notify=True)
        time.sleep(0.001 * 3 ** (step % 5))
        other.push(wire.set_reply(other.resource, other.reply_at, 4096)
                   + [wire.enumerate_devices(1), wire.create_device(2, 30),
                      wire.create_buffer(3, 300), wire.destroy_instance(1)][step % 4])
        other.until(lambda: other.status() & wire.FATAL or other.word("head") == other.tail)
        assert worker.answers()


def test_two_rings_make_and_break(start):
    """Each makes and destroys what the other uses: whoever is late is at fault."""
    for victim in ("device", "instance", "memory"):
        worker = start()
        guest = Guest(worker).start()
        other = Ring(worker)
        kind = guest.visible_type()
        work = wire.create_buffer(3, 300, reply=False) + wire.destroy_buffer(3, 300)
        end = {"device": wire.destroy_device(3), "instance": wire.destroy_instance(1),
               "memory": b"".join(wire.allocate_memory(3, 600 + i, PAGE, kind, reply=False)
                                  + wire.free_memory(3, 600 + i) for i in range(12))}[victim]
        other.push(work * 20)
        guest.push(end)
        for ring in (guest, other):
            ring.until(lambda: ring.status() & wire.FATAL or ring.word("head") == ring.tail)
        assert worker.answers()


def test_fences_behind_a_queue(guest):
    for _ in range(50):
        guest.worker.fence(1)
    guest.push(wire.destroy_device(3))
    guest.worker.fence(1)
    assert guest.drained()
    guest.worker.fence(1)
    assert not guest.worker.is_lost()
