# SPDX-License-Identifier: MIT
"""
hosts/vhost-user over its real socket: order of messages, life of the device, hostile messages.
The device behind it is tests/support/fake_device.c.
"""
import os
import select
import signal
import socket
import struct
import threading
import time

import pytest

import vhost_user as vu
from conftest import BUILD

WINDOW_BYTES = 64 << 20
ECHO, HOLD, RELEASE, RELEASE_LATER, COUNTS, CONFIG, PEEK = range(0xFA4E0000, 0xFA4E0007)
COUNTS_LAYOUT = struct.Struct("<8IQ")
COUNTS_NAMES = ("starts", "pauses", "resumes", "resets", "elements", "held", "events_clear",
                "window_is_mapped", "features")


def counts(front, queue=0):
    answer = front.queues[queue].command(struct.pack("<I", COUNTS), COUNTS_LAYOUT.size)
    return dict(zip(COUNTS_NAMES, COUNTS_LAYOUT.unpack(answer)))


def echo(front, text=b"hello", queue=0, **how):
    request = struct.pack("<I", ECHO) + text
    return front.queues[queue].command(request, len(request), **how)[4:]


class Device:
    def __init__(self, program, tmp_path, window_bytes=WINDOW_BYTES, *more):
        self.path = tmp_path / "device.sock"
        self.program = program(BUILD / "tests" / "fake-device", self.path, window_bytes, *more)
        self.fronts = []

    def front(self, **how):
        front = vu.FrontEnd(self.path, **how)
        self.fronts.append(front)
        return front


@pytest.fixture
def device(program, tmp_path):
    one = Device(program, tmp_path)
    yield one
    for front in one.fronts:
        assert front.violations == [], "requests that would have killed QEMU"
        front.close()


@pytest.fixture
def front(device):
    one = device.front()
    one.negotiate()
    return one


@pytest.fixture
def running(front):
    front.start()
    return front


# The good case.

def test_offers_what_qemu_needs(front):
    assert {0, 1, 2, 3, 4, 28, 29, 30, 32} <= vu.bits(front.offered)
    assert vu.bits(front.offered_protocol) == {0, 3, 5, 9, 10, 22}
    assert front.queue_count == 2
    assert front.window_sizes == (0, WINDOW_BYTES)


def test_config_space_is_readable_before_the_start(front):
    assert struct.unpack("<4I", front.config()) == (0, 0, 1, 1)
    assert len(front.config(20)) == 20
    assert front.config(256)[16:] == bytes(240)


def test_answers_requests_after_the_start(running):
    assert echo(running) == b"hello"
    assert echo(running, b"cursor", queue=1) == b"cursor"
    c = counts(running)
    assert (c["starts"], c["resets"], c["window_is_mapped"]) == (1, 0, 1)
    assert c["features"] == running.features & ~(1 << 30)
    assert running.window == (1, 0, 0, WINDOW_BYTES, 1)


@pytest.mark.parametrize("event_idx", [True, False])
@pytest.mark.parametrize("indirect", [True, False])
def test_every_ring_flavour(device, event_idx, indirect):
    front = device.front(event_idx=event_idx, indirect=indirect)
    front.negotiate()
    front.start()
    for i in range(200):
        assert echo(front, b"%d" % i, pieces=3) == b"%d" % i


def test_elements_wait_for_the_outcome_of_the_map(front):
    front.back.delay_s = 0.3
    front.start(wait=False)
    queue = front.queues[0]
    begin = time.monotonic()
    assert echo(front) == b"hello"
    assert time.monotonic() - begin > 0.2
    front.back.delay_s = 0


def test_window_in_the_memory_table_is_no_guest_memory(running):
    answer = running.queues[0].command(struct.pack("<IQ", PEEK, 0x40_0000_0000), 16)
    assert answer == b""
    answer = running.queues[0].command(struct.pack("<IQ", PEEK, running.memory.addr), 16)
    assert len(answer) == 16


def test_requests_out_of_order(running):
    queue = running.queues[0]
    heads = [queue.send(struct.pack("<I", HOLD) + b"%d" % i, 16) for i in range(5)]
    queue.kick()
    assert counts(running)["held"] == 5
    release = queue.send(struct.pack("<I", RELEASE), 0)
    queue.kick()
    queue.wait(release)
    for i, head in enumerate(heads):
        assert queue.wait(head) == b"%d" % i


def test_ring_wraps_many_times(running):
    queue = running.queues[0]
    for _ in range(1100):
        heads = [queue.send(struct.pack("<I", ECHO), 4) for _ in range(60)]
        queue.kick()
        for head in heads:
            queue.wait(head)
        running.memory.used_bytes = 1 << 20
    assert queue.avail_idx == 1100 * 60 % 65536


def test_interrupts_are_fewer_than_answers(running):
    queue = running.queues[0]
    heads = [queue.send(struct.pack("<I", ECHO), 4) for _ in range(50)]
    queue.want_interrupt()
    queue.kick()
    for head in heads:
        queue.wait(head)
    assert queue.interrupts <= 5


# Pause, reset, end.

def test_pause_keeps_the_same_life(running):
    echo(running)
    for _ in range(10):
        running.stop()
        running.start()
    c = counts(running)
    assert (c["starts"], c["pauses"], c["resumes"], c["resets"]) == (1, 10, 10, 0)


def test_reset_is_seen_at_the_next_start(running):
    echo(running)
    for n in range(1, 6):
        running.reset()
        running.start()
        c = counts(running)
        assert (c["starts"], c["resets"]) == (n + 1, n)
        assert c["elements"] == 1


def test_request_in_flight_over_a_pause_is_answered_after_it(running):
    queue = running.queues[0]
    head = queue.send(struct.pack("<I", HOLD) + b"late", 16)
    queue.kick()
    assert counts(running)["held"] == 1
    queue.command(struct.pack("<II", RELEASE_LATER, 100))
    running.stop()
    used_before = running.memory.load("H", queue.used + 2)
    time.sleep(0.3)
    assert running.memory.load("H", queue.used + 2) == used_before, "wrote to a stopped ring"
    running.start()
    assert queue.wait(head) == b"late"
    assert counts(running)["resets"] == 0


def test_request_in_flight_over_a_reset_is_dropped(running):
    queue = running.queues[0]
    queue.send(struct.pack("<I", HOLD), 16)
    queue.kick()
    assert counts(running)["held"] == 1
    queue.command(struct.pack("<II", RELEASE_LATER, 50))
    running.reset()
    time.sleep(0.2)
    running.start()
    c = counts(running)
    assert (c["held"], c["resets"]) == (0, 1)
    assert echo(running) == b"hello"


def test_stop_before_the_map_is_looked_at(device):
    """Pitfall 2: QEMU gets to our request only after it has stopped the device."""
    front = device.front()
    front.negotiate()
    front.back.delay_s = 0.05
    for _ in range(20):
        front.start(wait=False)
        front.stop()
    assert front.violations == []
    front.back.delay_s = 0
    front.start(wait=False)
    assert echo(front) == b"hello"


def test_stop_and_start_in_a_loop(running):
    for i in range(300):
        running.start(wait=False) if i else None
        running.stop()
    running.start(wait=False)
    assert echo(running) == b"hello"
    assert counts(running)["resets"] == 0


def test_refused_first_map_means_no_window(device):
    front = device.front()
    front.negotiate()
    front.back.refuse_maps = True
    front.start(wait=False)
    assert counts(front)["window_is_mapped"] == 0
    assert "refuses to map" in device.program.log()


def test_without_back_channel(device):
    front = device.front()
    front.negotiate(with_back_channel=False)
    front.start()
    assert counts(front)["window_is_mapped"] == 0
    front.stop()
    front.start()
    assert counts(front)["resets"] == 0
    front.reset()
    front.start()
    assert counts(front)["resets"] == 1


def test_back_channel_lost(running):
    running.back.close()
    time.sleep(0.1)
    assert echo(running) == b"hello"
    running.stop()
    running.start(wait=False)
    c = counts(running)
    assert (c["resets"], c["window_is_mapped"]) == (0, 1)
    running.reset()
    running.start(wait=False)
    c = counts(running)
    assert (c["resets"], c["window_is_mapped"]) == (1, 0)


def test_config_change_waits_for_the_start(running):
    running.queues[0].command(struct.pack("<II", CONFIG, 1))
    assert running.back.wait_for(vu.CONFIG_CHANGE)
    assert struct.unpack_from("<I", running.config())[0] == 1
    running.write_config(struct.pack("<4I", 1, 1, 1, 1))
    assert struct.unpack_from("<I", running.config())[0] == 0
    assert counts(running)["events_clear"] == 1


def test_config_change_races_with_stop(running):
    for _ in range(50):
        running.queues[0].send(struct.pack("<II", CONFIG, 1))
        running.queues[0].kick()
        running.stop()
        running.start()
    assert running.back.wait_for(vu.CONFIG_CHANGE)


def test_config_changes_all_the_time(program, tmp_path):
    """A request is on its way at many a stop: it is withdrawn, and the channel lives."""
    one = Device(program, tmp_path, WINDOW_BYTES, "warn", "20")
    front = one.front()
    front.negotiate()
    withdrawn = lambda: {number for number, _ in front.back.requests if number > 0x100}
    rounds = 0
    while rounds < 100 or (rounds < 5000 and not withdrawn()):
        front.start(wait=False)
        front.stop()
        rounds += 1
    front.start(wait=False)
    assert echo(front) == b"hello"
    done = front.back.count(vu.CONFIG_CHANGE)
    assert front.back.wait_for(vu.CONFIG_CHANGE, done + 10)
    front.socket.close()
    assert one.program.wait() == 0
    assert front.violations == []
    assert withdrawn() and withdrawn() <= {0x100 | vu.CONFIG_CHANGE, 0x100 | vu.SHMEM_MAP}


def test_reset_device_message(running):
    running.tell(vu.RESET_DEVICE, ack=True)
    with running.big_lock:
        running.is_started = False
    for queue in running.queues:
        running.ask(vu.GET_VRING_BASE, struct.pack("<II", queue.index, 0))
        queue.reset()
    running.bases = [0, 0]
    running.start()
    c = counts(running)
    assert (c["starts"], c["resets"], c["window_is_mapped"]) == (2, 1, 1)


@pytest.mark.parametrize("when", ["connected", "negotiated", "started", "holding", "stopped"])
def test_end_of_the_front_end(device, when):
    front = device.front()
    if when == "connected":
        front.still_answers()
    else:
        front.negotiate()
    if when in ("started", "holding", "stopped"):
        front.start()
    if when == "holding":
        front.queues[0].send(struct.pack("<I", HOLD), 16)
        front.queues[0].kick()
        assert counts(front)["held"] == 1
    if when == "stopped":
        front.stop()
    front.socket.close()
    assert device.program.wait() == 0
    assert device.program.log() == ""
    assert not device.path.exists()


def test_somebody_who_only_looks_does_not_end_it(device):
    for _ in range(3):
        front = device.front()
        front.socket.close()
    late = device.front()
    late.negotiate()
    late.start()
    assert echo(late) == b"hello"


def test_socket_file_goes_with_the_front_end(front, device):
    assert not device.path.exists()


def test_nothing_grows_over_many_lives(running, device):
    echo(running)
    before = device.program.fd_count()
    for _ in range(100):
        running.reset()
        running.start()
        running.memory.used_bytes = 1 << 20
    assert counts(running)["starts"] == 101
    assert device.program.fd_count() == before


def test_idle_costs_nothing(running, device):
    echo(running)
    time.sleep(0.2)
    before = device.program.cpu_s()
    time.sleep(1)
    assert device.program.cpu_s() - before < 0.02
    assert device.program.thread_count() == 1


def test_kick_storm(running):
    stop = threading.Event()

    def storm():
        while not stop.is_set():
            for queue in running.queues:
                os.eventfd_write(queue.kick_fd, 1)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for i in range(100):
            assert echo(running, b"%d" % i) == b"%d" % i
        running.stop()
        running.start()
        assert echo(running) == b"hello"
    finally:
        stop.set()
        thread.join()


# Hostile queues over the wire; tests/unit/virtio has each case by itself.

def test_broken_queue_leaves_the_other_alone(running, device):
    queue = running.queues[0]
    queue.publish(queue.size + 5)
    queue.kick()
    assert queue.is_broken()
    assert echo(running, queue=1) == b"hello"
    assert device.program.log().count("\n") == 1
    running.reset()
    running.start()
    assert echo(running) == b"hello"


def test_queue_at_an_unbacked_address_is_broken(front):
    front.queues[0].desc = 0x9999_0000_0000
    front.start()
    assert front.queues[0].is_broken()
    assert echo(front, queue=1) == b"hello"


@pytest.mark.parametrize("size", [0, 3, 65536, 0xFFFFFFFF])
def test_queue_of_a_size_that_cannot_be(front, size):
    keep = front.queues[0].size
    front.queues[0].size = size
    front.start()
    assert front.queues[0].is_broken()
    front.queues[0].size = keep
    assert echo(front, queue=1) == b"hello"


def test_memory_taken_away_under_a_running_queue(running):
    running.memory_table()
    assert echo(running) == b"hello"
    running.tell(vu.SET_MEM_TABLE, struct.pack("<II", 0, 0), ack=True)
    running.queues[0].kick()
    assert running.queues[0].is_broken()
    assert running.still_answers()


# Hostile messages: one log line, the connection ends, the program ends with status 1.

def assert_refused(device, front):
    assert front.is_closed_by_peer()
    assert device.program.wait() == 1
    lines = device.program.log().splitlines()
    assert len(lines) == 1 and "the front end sent" in lines[0], lines


FIXED = {
    vu.GET_FEATURES: 0, vu.SET_FEATURES: 8, vu.SET_OWNER: 0, vu.RESET_OWNER: 0,
    vu.SET_VRING_NUM: 8, vu.SET_VRING_ADDR: 40, vu.SET_VRING_BASE: 8, vu.GET_VRING_BASE: 8,
    vu.SET_VRING_KICK: 8, vu.SET_VRING_CALL: 8, vu.SET_VRING_ERR: 8,
    vu.GET_PROTOCOL_FEATURES: 0, vu.SET_PROTOCOL_FEATURES: 8, vu.GET_QUEUE_NUM: 0,
    vu.SET_VRING_ENABLE: 8, vu.SET_BACKEND_REQ_FD: 0, vu.RESET_DEVICE: 0,
    vu.GET_SHMEM_CONFIG: 0,
}


@pytest.mark.parametrize("number", FIXED)
def test_message_one_byte_longer(device, front, number):
    front.send(number, bytes(FIXED[number] + 1))
    assert_refused(device, front)


@pytest.mark.parametrize("number", [n for n, size in FIXED.items() if size])
@pytest.mark.parametrize("missing", ["one", "all"])
def test_message_shorter(device, front, number, missing):
    front.send(number, bytes(FIXED[number] - 1 if missing == "one" else 0))
    assert_refused(device, front)


@pytest.mark.parametrize("number", [0, 6, 7, 19, 20, 26, 36, 39, 40, 45, 99, 0xFFFFFFFF])
def test_unknown_request(device, front, number):
    front.send(number, bytes(8))
    assert_refused(device, front)


@pytest.mark.parametrize("size_bytes", [513, 4096, 0x7FFFFFFF, 0xFFFFFFFF])
def test_payload_longer_than_any(device, front, size_bytes):
    front.send(vu.SET_FEATURES, b"", size_bytes=size_bytes)
    assert_refused(device, front)


@pytest.mark.parametrize("flags", [0, 2, 3, 1 | 4])
def test_header_flags(device, front, flags):
    front.socket.sendall(vu.HEADER.pack(vu.GET_FEATURES, flags, 0))
    assert_refused(device, front)


def test_message_in_pieces(front):
    data = vu.HEADER.pack(vu.GET_CONFIG, vu.VERSION, 28) + struct.pack("<III", 0, 16, 0) + bytes(16)
    for byte in data:
        front.socket.sendall(bytes([byte]))
        time.sleep(0.001)
    assert len(front.receive_reply(vu.GET_CONFIG)) == 28


def test_end_inside_a_message(device, front):
    front.socket.sendall(vu.HEADER.pack(vu.SET_FEATURES, vu.VERSION, 8) + b"123")
    front.socket.close()
    assert device.program.wait() == 0


@pytest.mark.parametrize("number", [vu.SET_VRING_KICK, vu.SET_VRING_CALL, vu.SET_VRING_ERR,
                                    vu.SET_BACKEND_REQ_FD])
def test_descriptor_missing(device, front, number):
    front.send(number, b"" if number == vu.SET_BACKEND_REQ_FD else struct.pack("<Q", 0))
    assert_refused(device, front)


@pytest.mark.parametrize("number", [vu.GET_FEATURES, vu.SET_FEATURES, vu.SET_VRING_KICK,
                                    vu.SET_BACKEND_REQ_FD])
def test_descriptors_too_many(device, front, number):
    fds = [os.eventfd(0) for _ in range(2)]
    front.send(number, bytes(FIXED[number]), fds)
    assert_refused(device, front)
    for fd in fds:
        os.close(fd)


def test_descriptors_more_than_any_message_has(device, front):
    fds = [os.eventfd(0) for _ in range(40)]
    front.send(vu.SET_MEM_TABLE, struct.pack("<II", 0, 0), fds)
    assert_refused(device, front)
    for fd in fds:
        os.close(fd)


def test_kick_without_doorbell_is_refused(device, front):
    front.tell_u64(vu.SET_VRING_KICK, 0x100)
    assert_refused(device, front)


@pytest.mark.parametrize("number", [vu.SET_VRING_NUM, vu.SET_VRING_BASE, vu.GET_VRING_BASE,
                                    vu.SET_VRING_ENABLE])
@pytest.mark.parametrize("index", [2, 255, 0x80000000, 0xFFFFFFFF])
def test_vring_index(device, front, number, index):
    front.tell_state(number, index, 0)
    assert_refused(device, front)


@pytest.mark.parametrize("value", [2, 0xFF, 0x200, 1 << 63])
def test_vring_index_with_doorbell(device, front, value):
    fd = os.eventfd(0)
    front.tell_u64(vu.SET_VRING_CALL, value, [fd])
    assert_refused(device, front)
    os.close(fd)


def test_vring_address_index(device, front):
    front.tell(vu.SET_VRING_ADDR, struct.pack("<IIQQQQ", 2, 0, 0, 0, 0, 0))
    assert_refused(device, front)


def test_vring_base_past_16_bits(device, front):
    front.tell_state(vu.SET_VRING_BASE, 0, 65536)
    assert_refused(device, front)


def test_features_not_offered(device, front):
    front.tell_u64(vu.SET_FEATURES, 1 << 40)
    assert_refused(device, front)


def test_protocol_features_not_offered(device, front):
    front.tell_u64(vu.SET_PROTOCOL_FEATURES, 1 << 15)
    assert_refused(device, front)


def table(*regions, count=None):
    payload = struct.pack("<II", len(regions) if count is None else count, 0)
    return payload + b"".join(vu.REGION.pack(*region) for region in regions)


RAM = (0x100000, 0x10000, 0x7F0000000000, 0)


@pytest.mark.parametrize("payload,fd_count", [
    (table(RAM), 0),
    (table(RAM, RAM), 1),
    (table(), 1),
    (table(RAM, count=2), 1),
    (table(RAM, count=0), 1),
    (table(RAM, count=0xFFFFFFFF), 1),
    (table(*[RAM] * 9), 8),
    (table(RAM)[:-1], 1),
    (table((0, 0, 0, 0)), 1),
    (table((0xFFFFFFFFFFFFF000, 0x2000, 0, 0)), 1),
    (table((0, 0x1000, 0xFFFFFFFFFFFFF000, 0)), 1),
    (table((0, 0x1000000000, 0, 0)), 1),
    (table((0, 0x10000, 0, 0xFFFFFFFFFFFFF000)), 1),
    (table((0, 0x10000, 0, 1 << 20)), 1),
    (table((0, 0x8000000000000000, 0, 0)), 1),
    (table(RAM, (0x10F000, 0x10000, 0, 0)), 2),
])
def test_memory_table_that_cannot_be(device, front, payload, fd_count):
    fds = []
    for _ in range(fd_count):
        fds.append(os.memfd_create("ram"))
        os.ftruncate(fds[-1], 1 << 20)
    front.send(vu.SET_MEM_TABLE, payload, fds)
    assert front.is_closed_by_peer()
    assert device.program.wait() == 1
    assert "the front end sent" in device.program.log()
    for fd in fds:
        os.close(fd)


def test_memory_table_with_a_descriptor_that_is_no_memory(device, front):
    fd = os.eventfd(0)
    front.send(vu.SET_MEM_TABLE, table(RAM), [fd])
    assert front.is_closed_by_peer()
    assert device.program.wait() == 1
    os.close(fd)


@pytest.mark.parametrize("offset,size", [(0, 257), (257, 0), (250, 16), (0, 0xFFFFFFFF),
                                         (0xFFFFFFFF, 1), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_config_read_out_of_range(device, front, offset, size):
    front.send(vu.GET_CONFIG, struct.pack("<III", offset, size, 0) + bytes(16))
    assert_refused(device, front)


@pytest.mark.parametrize("offset,size,sent", [(0, 16, 15), (0, 15, 16), (250, 16, 16),
                                              (0xFFFFFFFF, 16, 16), (0, 0xFFFFFFFF, 0)])
def test_config_write_out_of_range(device, front, offset, size, sent):
    front.send(vu.SET_CONFIG, struct.pack("<III", offset, size, 0) + bytes(sent))
    assert_refused(device, front)


def test_config_write_past_the_device_is_cut(front):
    front.write_config(bytes(256))
    front.write_config(b"\xff" * 16, offset=240)
    front.write_config(b"\xff" * 8, offset=12)
    assert front.still_answers()


@pytest.mark.parametrize("kind", ["file", "pipe", "socket", "closed pipe"])
def test_doorbells_of_other_kinds(front, tmp_path, kind):
    """A front end may hand over anything; nothing blocks, the other queue goes on."""
    keep = []
    if kind == "file":
        keep.append(os.open(tmp_path / "plain", os.O_RDWR | os.O_CREAT))
    elif kind == "socket":
        pair = socket.socketpair()
        keep += [pair[0].detach(), pair[1].detach()]
    else:
        keep += list(os.pipe())
        if kind == "closed pipe":
            os.close(keep.pop(0))
    queue = front.queues[0]
    own = queue.kick_fd, queue.call_fd
    queue.kick_fd = queue.call_fd = keep[0]
    front.start()
    queue.send(struct.pack("<I", ECHO), 4)
    if kind == "socket":
        os.write(keep[1], b"12345678")
    else:
        os.eventfd_write(front.queues[1].kick_fd, 1)
    time.sleep(0.05)
    queue.kick_fd, queue.call_fd = own
    assert echo(front, queue=1) == b"hello"
    assert front.still_answers()
    for fd in keep:
        os.close(fd)


# The back-end channel's other end may lie as well.

@pytest.mark.parametrize("reply", [
    vu.HEADER.pack(vu.SHMEM_MAP, 5, 7) + bytes(8),
    vu.HEADER.pack(vu.SHMEM_MAP, 1, 8) + bytes(8),
    vu.HEADER.pack(vu.SHMEM_UNMAP, 5, 8) + bytes(8),
    vu.HEADER.pack(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF) + bytes(8),
])
def test_reply_that_fits_no_request(device, reply):
    front = device.front()
    front.negotiate(with_back_channel=False)
    ours, theirs = socket.socketpair()
    front.tell(vu.SET_BACKEND_REQ_FD, fds=[theirs.fileno()], ack=True)
    theirs.close()
    front.start()
    ours.recv(12, socket.MSG_WAITALL)
    ours.recv(40, socket.MSG_WAITALL)
    ours.sendall(reply)
    assert echo(front) == b"hello"
    assert counts(front)["window_is_mapped"] == 0
    ours.close()


# User errors.

def test_socket_path_in_use(device, front, program, tmp_path):
    second = tmp_path / "second.sock"
    first = program(BUILD / "tests" / "fake-device", second, 0)
    deadline = time.monotonic() + 5
    while not second.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    again = program(BUILD / "tests" / "fake-device", second, 0)
    assert again.wait() == 2
    assert first.is_alive()


def test_window_of_a_size_that_is_no_power_of_two(program, tmp_path):
    one = program(BUILD / "tests" / "fake-device", tmp_path / "s", 3 << 20)
    assert one.wait() == 2
