# SPDX-License-Identifier: MIT
"""
pearvisor vtest over its socket, as Mesa's Venus driver uses it and as nobody should. The good case
first, then its hostile twins; after each the server still serves the next client.
"""
import fcntl
import mmap
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

import render_wire as venus
import vtest_wire as wire
from conftest import BUILD
from vtest_wire import Client, Closed, message, readable, wide, words

PAGE = 4096
PEARVISOR = BUILD / "cli" / "pearvisor"


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def until(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Server:
    def __init__(self, program, path, *options):
        self.path = path
        self.program = program(PEARVISOR, "vtest", "--socket", path, *options)
        self.clients = []
        until(self.listens)

    def listens(self):
        try:
            Client(self.path).close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def client(self):
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def serves(self):
        """A new client gets through its start-up, and a ring of it works."""
        client = self.client().hello()
        assert client.sync_read(client.sync(5)) == 5
        client.close()

    def end(self):
        self.serves()
        for client in self.clients:
            client.close()
        pid = self.program.process.pid
        until(lambda: children(pid) == [])
        self.program.process.terminate()
        assert self.program.wait() == 128 + signal.SIGTERM
        assert not self.path.exists()
        log = self.program.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture
def server(program, tmp_path):
    one = Server(program, tmp_path / "vtest.sock")
    yield one
    one.end()


@pytest.fixture
def client(server):
    return server.client().hello()


def is_dropped(client):
    """The server has ended the connection, whatever is sent."""
    client.socket.settimeout(10)
    try:
        while True:
            client.receive(1)
    except Closed:
        return True


# The good case.

def test_start_up(server):
    client = server.client()
    client.create_renderer(b"vkcube\0")
    client.send_bytes(message(wire.PING) + message(wire.BUSY_WAIT, words(0, 0)))
    assert client.receive(20) == words(0, wire.PING, 1, wire.BUSY_WAIT, 0)
    assert client.ask(wire.VERSION, 3) == (3,)
    assert client.ask(wire.GET_PARAM, 1) == (1, 64)
    valid, *capset = client.ask(wire.GET_CAPSET, wire.VENUS, 0)
    assert valid == 1 and len(capset) == 40
    assert capset[0] == 1 and capset[4] and capset[37] and capset[38]
    assert capset[1] >> 22 == 1 and capset[5] & 1
    client.send(wire.CONTEXT_INIT, wire.VENUS)
    resource, fd = client.blob(131268)
    assert resource >= 1 and os.fstat(fd).st_size >= 131268
    assert client.blob(PAGE)[0] == resource + 1


def test_one_byte_at_a_time(server):
    client = server.client()
    data = (message(wire.CREATE_RENDERER, b"abcde\0", 6) + message(wire.PING)
            + message(wire.VERSION, words(3)) + message(wire.SYNC_CREATE, words(7, 0)))
    for i in range(len(data)):
        client.send_bytes(data[i:i + 1])
    assert client.reply(wire.PING) == ()
    assert client.reply(wire.VERSION) == (3,)
    assert client.sync_read(client.reply(wire.SYNC_CREATE)[0]) == 7


def test_a_ring_and_a_fence(client):
    resource, fd = client.blob(4 * PAGE)
    sync = client.sync(0)
    with mmap.mmap(fd, 4 * PAGE) as memory:
        stream = (venus.set_reply(resource, 3 * PAGE, PAGE) + venus.instance_version()
                  + venus.create_ring(99, resource=resource))
        client.submit((stream, [(sync, 3)], 0))
        assert readable(client.wait_fd([(sync, 3)]))
        assert struct.unpack_from("<i", memory, 3 * PAGE)[0] == venus.INSTANCE_VERSION
        memory[192:192 + 16] = venus.instance_version(reply=False)
        struct.pack_into("<I", memory, 64, 16)
        client.submit((venus.notify_ring(99), [], 0))
        until(lambda: struct.unpack_from("<I", memory)[0] == 16)
    client.send(wire.UNREF, resource)
    assert client.is_open()


def test_several_batches(client):
    syncs = [client.sync() for _ in range(3)]
    nothing = venus.instance_version(reply=False)
    client.submit((nothing, [(syncs[0], 1)], 0), (b"", [(syncs[1], 2), (syncs[2], 3)], 1),
                  (nothing * 700, [], 63))
    assert readable(client.wait_fd([(syncs[0], 1), (syncs[1], 2), (syncs[2], 3)]))
    client.send_bytes(message(wire.SUBMIT, words(0)))
    client.submit((nothing * 20000, [(syncs[0], 9)], 0))
    assert readable(client.wait_fd([(syncs[0], 9)]))


# Start-up, out of order.

@pytest.mark.parametrize("first", [
    message(wire.PING), message(wire.BUSY_WAIT, words(0, 0)), message(wire.VERSION, words(3)),
    message(wire.GET_PARAM, words(1)), message(wire.CONTEXT_INIT, words(4)), message(0), message(99),
    message(wire.CREATE_RENDERER, b"", 0), message(wire.SYNC_CREATE, words(0, 0)),
    words(0xFFFFFFFF, wire.CREATE_RENDERER), words(0xFFFFFFFF, wire.PING), words(1 << 21, 24),
], ids=lambda data: data.hex()[:24])
def test_first_messages(server, first):
    client = server.client()
    client.send_bytes(first)
    assert is_dropped(client)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_old_versions(server, version):
    for data in (message(wire.GET_PARAM, words(1)), message(wire.CONTEXT_INIT, words(4)),
                 message(wire.SYNC_CREATE, words(0, 0)), message(wire.SUBMIT, words(0))):
        client = server.client().hello(version=version, context=False)
        client.send_bytes(data)
        assert is_dropped(client)


def test_new_versions(server):
    assert server.client().hello(version=4).is_open()
    assert server.client().hello(version=0xFFFFFFFF).is_open()


@pytest.mark.parametrize("name", [b"\0", b"no end", b"x" * 5000 + b"\0", b"\xff\n\x1b[31m\0",
                                  b"%s%n%s\0", b"a\0b\0"], ids=lambda name: name.hex()[:12])
def test_names(server, name):
    client = server.client().hello(name=name)
    assert client.sync_read(client.sync(1)) == 1
    client.close()
    log = server.program.log()
    assert "\x1b" not in log and "\xff" not in log


def test_twice(server):
    for command, payload in ((wire.CREATE_RENDERER, b"again\0  "), (wire.CONTEXT_INIT, words(4))):
        client = server.client().hello()
        client.send_bytes(message(command, payload))
        assert is_dropped(client)


@pytest.mark.parametrize("capset", [0, 1, 2, 3, 5, 6, 0xFFFFFFFF])
def test_other_capsets(server, capset):
    client = server.client().hello(context=False)
    assert client.ask(wire.GET_CAPSET, capset, 0)[0] == 0
    assert client.ask(wire.GET_CAPSET, 4, 1)[0] == 0
    assert client.ask(wire.GET_PARAM, capset | 2)[0] == 0
    client.send(wire.CONTEXT_INIT, capset)
    assert is_dropped(client)


def test_before_a_context(server):
    for data in (message(wire.CREATE_BLOB, words(2, 1, PAGE, 0, 0, 0)), message(wire.UNREF, words(1)),
                 message(wire.SUBMIT, words(0))):
        client = server.client().hello(context=False)
        client.send_bytes(data)
        assert is_dropped(client)


# Every message at every length.

SIZES = {wire.UNREF: 1, wire.BUSY_WAIT: 2, wire.VERSION: 1, wire.GET_PARAM: 1, wire.GET_CAPSET: 2,
         wire.CREATE_BLOB: 6, wire.SYNC_CREATE: 2, wire.SYNC_UNREF: 1, wire.SYNC_READ: 1,
         wire.SYNC_WRITE: 3}


def test_lengths(server):
    for command, size in SIZES.items():
        for length in {0, 1, 2, 3, 4, 5, 6, 7, 100} - {size}:
            client = server.client().hello(context=False)
            client.send_bytes(message(command, bytes(4 * length)))
            assert is_dropped(client), (command, length)
            client.close()


@pytest.mark.parametrize("length", [0, 1, 3, 4, 6, 7])
def test_lengths_of_waits(client, length):
    client.sync()
    client.send_bytes(message(wire.SYNC_WAIT, words(0, 0, 1, 0, 0, 1, 0, 0)[:4 * length]))
    assert is_dropped(client)


@pytest.mark.parametrize("command", [0, 1, 2, 4, 5, 6, 9, 12, 13, 14, 25, 26, 0x7FFFFFFF, 0xFFFFFFFF])
def test_unknown_messages(client, command):
    client.send(command, 0, 0, 0)
    assert is_dropped(client)


def test_messages_that_never_end(server):
    halves = []
    for data in (b"\1", words(4), words(100, wire.SUBMIT), words(100000, wire.SUBMIT) + bytes(99999),
                 words(64, wire.CREATE_RENDERER) + b"ab"):
        halves.append(server.client())
        halves[-1].send_bytes(data)
    server.serves()
    long = server.client().hello()
    long.send_bytes(words(1 << 20, wire.SUBMIT))
    with pytest.raises((Closed, AssertionError)):
        for _ in range(64):
            long.send_bytes(bytes(1 << 16))
        assert not long.is_open()  # the message was complete, and zero batches: fine as well


# Counters.

def test_syncs(client):
    big = (1 << 64) - 1
    sync = client.sync(big)
    assert client.sync_read(sync) == big
    client.sync_write(sync, 3)
    assert client.sync_read(sync) == 3
    client.send(wire.SYNC_UNREF, sync)
    client.send(wire.SYNC_READ, sync)
    assert is_dropped(client)


@pytest.mark.parametrize("sync", [0, 2, 0x7FFFFFFF, 0xFFFFFFFF])
def test_unknown_syncs(server, sync):
    for data in (message(wire.SYNC_READ, words(sync)), message(wire.SYNC_UNREF, words(sync)),
                 message(wire.SYNC_WRITE, words(sync, 0, 0)),
                 message(wire.SYNC_WAIT, words(0, 0, sync, 0, 0)),
                 message(wire.SYNC_WAIT, words(1, 0, 1, 0, 0, sync, 0, 0))):
        client = server.client().hello()
        assert client.sync() == 1
        client.send_bytes(data)
        assert is_dropped(client)


def test_unknown_syncs_behind_a_fence(client):
    """Known when it is submitted or not, it may be gone when the fence retires."""
    sync = client.sync()
    client.submit((b"", [(0, 1), (77, 1), (0xFFFFFFFF, 1), (sync, 5)], 0))
    assert readable(client.wait_fd([(sync, 5)]))


def test_waits(client):
    a, b = client.sync(5), client.sync(0)
    assert readable(client.wait_fd([(a, 5)]), 1)
    assert readable(client.wait_fd([(a, 0), (b, 0)], timeout=0), 1)
    assert readable(client.wait_fd([]), 1)
    assert readable(client.wait_fd([], flags=wire.ANY), 1)
    assert readable(client.wait_fd([(a, 5), (b, 1)], flags=wire.ANY), 1)
    both = client.wait_fd([(a, 5), (b, 1)])
    any_of = client.wait_fd([(a, 6), (b, 1)], flags=wire.ANY)
    never = client.wait_fd([(a, 6)], timeout=0)
    brief = client.wait_fd([(b, 1)], timeout=30)
    assert not readable(both, 0.05) and not readable(any_of, 0) and not readable(never, 0)
    client.sync_write(a, 2)  # down again: nobody is woken
    client.sync_write(b, 1)
    assert readable(any_of) and not readable(both, 0.02)
    client.sync_write(a, 5)
    assert readable(both)
    assert not readable(never, 0) and not readable(brief, 0)


def test_a_counter_that_goes_while_it_is_waited_for(client):
    sync = client.sync()
    fd = client.wait_fd([(sync, 1)])
    client.send(wire.SYNC_UNREF, sync)
    assert readable(fd)


@pytest.mark.parametrize("count", [1024, 1025, 60000])
def test_many_targets(client, count):
    sync = client.sync(1)
    client.send_bytes(message(wire.SYNC_WAIT, words(0, 0) + words(sync, 1, 0) * count))
    if count <= 1024:
        assert client.reply(wire.SYNC_WAIT) == () and readable(client.receive_fd())
    else:
        assert is_dropped(client)


def test_the_most_syncs(client):
    """One client may have many, not without end."""
    client.socket.setblocking(False)
    data = message(wire.SYNC_CREATE, words(0, 0)) * 70000
    sent, closed = 0, False
    deadline = time.monotonic() + 20
    while not closed and time.monotonic() < deadline:
        try:
            if sent < len(data):
                sent += client.socket.send(data[sent:sent + 65536])
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            closed = True
        try:
            closed = closed or client.socket.recv(1 << 16) == b""
        except BlockingIOError:
            time.sleep(0.001)
        except ConnectionResetError:
            closed = True
    assert closed


# Submissions.

@pytest.mark.parametrize("payload", [
    b"", words(1), words(1, 1, 7, 0, 7, 0), words(2, 1, 7, 0, 7, 0, 0), words(0xFFFFFFFF),
    words(0xFFFFFFFF, *[1, 7, 0, 7, 0, 0]), words(0x2AAAAAAB, 1, 7, 0, 7, 0, 0),
    words(1, 0, 7, 0, 7, 0, 0), words(1, 2, 7, 0, 7, 0, 0), words(1, 3, 7, 0, 7, 0, 0),
    words(1, 1, 7, 1, 7, 0, 0), words(1, 1, 8, 0, 7, 0, 0), words(1, 1, 0xFFFFFFFF, 1, 7, 0, 0),
    words(1, 1, 1, 0xFFFFFFFF, 7, 0, 0), words(1, 1, 0xFFFFFFFF, 0xFFFFFFFF, 7, 0, 0),
    words(1, 1, 7, 0, 8, 0, 0), words(1, 1, 7, 0, 7, 1, 0), words(1, 1, 7, 0, 5, 1, 0),
    words(1, 1, 7, 0, 0, 0x55555556, 0), words(1, 1, 7, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0),
    words(1, 1, 7, 0, 7, 0, 64), words(1, 1, 7, 0, 7, 0, 0xFFFFFFFF),
], ids=lambda payload: payload.hex()[:40])
def test_batches_out_of_range(client, payload):
    client.send_bytes(message(wire.SUBMIT, payload))
    assert is_dropped(client)


def test_batches_that_share_their_words(server):
    """One message of 4 MiB must not become thousands of copies of itself."""
    room = (4 << 20) // 4
    count = 40000
    shared = room - 1 - 6 * count
    at = 1 + 6 * count
    for batch in ((1, at, shared, at, 0, 0), (1, at, 0, at, shared // 3, 0)):
        client = server.client().hello()
        payload = words(count) + words(*batch) * count
        client.send_bytes(message(wire.SUBMIT, payload.ljust(4 * room, b"\0")))
        assert is_dropped(client)
        server.serves()
    status = open(f"/proc/{server.program.process.pid}/status", encoding="ascii").read()
    resident = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(resident.split()[1]) < 512 << 10


def test_a_bad_stream_costs_its_client_only(server):
    good, bad = server.client().hello(), server.client().hello()
    sync = bad.sync()
    bad.submit((venus.command(-1), [(sync, 1)], 0))
    fd = bad.wait_fd([(sync, 1)])
    assert readable(fd)  # the wait ends, and then the client learns
    assert not bad.is_open() or is_dropped(bad)
    assert good.is_open() and good.sync_read(good.sync(1)) == 1


# Blobs.

def test_blobs(client):
    for size in (1, PAGE - 1, PAGE, PAGE + 1, 1 << 20):
        _, fd = client.blob(size)
        with mmap.mmap(fd, size) as memory:
            assert memory[:] == bytes(size)
            memory[-1] = 7
        for broken in (0, size * 2 + PAGE):
            with pytest.raises(OSError):
                os.ftruncate(fd, broken)
        with pytest.raises(OSError):
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


@pytest.mark.parametrize("change", [dict(size=0), dict(size=(1 << 64) - 1), dict(size=1 << 63),
                                    dict(size=(64 << 30) + 1), dict(kind=0), dict(kind=1),
                                    dict(kind=3), dict(kind=0xFFFFFFFF), dict(flags=0),
                                    dict(flags=2), dict(flags=8), dict(flags=0xFFFFFFFF)], ids=str)
def test_bad_blobs(client, change):
    with pytest.raises(Closed):
        client.blob(**{"size": PAGE, **change})


@pytest.mark.parametrize("blob", [1, 1 << 40, (1 << 64) - 1])
def test_unknown_blobs(client, blob):
    """There is no error reply: the client gets an id and pages that nobody else sees."""
    for flags in (0, 1, 3, 7):
        resource, fd = client.blob(PAGE, flags=flags, blob=blob)
        assert resource > 0 and os.fstat(fd).st_size >= PAGE
    assert client.is_open()


def test_blobs_and_more_in_one_go(client):
    """Replies keep their order, also behind one that has to be waited for."""
    blob = message(wire.CREATE_BLOB, words(2, 1, PAGE, 0, 5, 0))
    client.send_bytes((blob + message(wire.PING)) * 20)
    for i in range(20):
        assert client.reply(wire.CREATE_BLOB) == (i + 1,)
        client.receive_fd()
        assert client.reply(wire.PING) == ()


@pytest.mark.parametrize("resource", [0, 1, 77, 0xFFFFFFFF])
def test_unref_of_nothing(client, resource):
    client.send(wire.UNREF, resource)
    assert client.is_open()
    assert client.blob(PAGE)[0] == 1


def test_many_blobs_come_and_go(server, client):
    for _ in range(10):
        resources = [client.blob(PAGE)[0] for _ in range(50)]
        for fd in client.fds:
            os.close(fd)
        client.fds = []
        client.send_bytes(b"".join(message(wire.UNREF, words(r)) for r in resources))
    assert client.is_open()
    until(lambda: server.program.fd_count() < 40)


def test_the_most_shared_memory(server):
    """The server holds a descriptor of each; one client cannot have all of them."""
    client = server.client().hello()
    for i in range(1024):
        resource, fd = client.blob(PAGE)
        assert resource == i + 1
        os.close(client.fds.pop())
    client.send(wire.UNREF, 5)
    client.send(wire.UNREF, 5)  # gives up nothing
    client.blob(PAGE)
    client.send(wire.CREATE_BLOB, 2, 1, PAGE, 0, 0, 0)
    assert is_dropped(client)
    server.serves()
    until(lambda: server.program.fd_count() < 40)


# Clients that misbehave.

def test_descriptors_from_a_client(server, client):
    assert client.is_open()
    before = server.program.fd_count()
    with open("/dev/null", "rb") as file:
        for _ in range(5):
            other = server.client().hello()
            try:
                socket.send_fds(other.socket, [message(wire.PING)], [file.fileno()] * 3)
                other.reply(wire.PING)
            except (Closed, OSError):
                pass
            other.close()
    until(lambda: server.program.fd_count() <= before)
    assert client.is_open()


def test_a_client_that_never_reads(server):
    """It is held up or dropped; what it does not fetch does not fill the server."""
    good = server.client().hello()
    for data in (message(wire.SYNC_WAIT, words(0, 0)), message(wire.GET_CAPSET, words(4, 0)),
                 message(wire.CREATE_BLOB, words(2, 1, PAGE, 0, 0, 0))):
        deaf = server.client().hello()
        deaf.socket.setblocking(False)
        try:
            for _ in range(2000):
                deaf.socket.send(data * 100)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        assert good.is_open() and good.blob(PAGE)[0] > 0
        time.sleep(0.3)
        assert server.program.fd_count() < 800
        deaf.close()
    until(lambda: server.program.fd_count() < 60)


def test_many_open_waits(server):
    """Each open wait holds a descriptor of the server: there is an end to them."""
    client, good = server.client().hello(), server.client().hello()
    sync = client.sync()
    count = 0
    with pytest.raises(Closed):
        while count < 5000:
            os.close(client.wait_fd([(sync, 1)]))
            client.fds.pop()
            count += 1
    assert 64 <= count <= 512
    assert good.is_open()


def test_clients_that_go_in_the_middle(server):
    for data in (b"", message(wire.CREATE_RENDERER, b"x\0", 2),
                 message(wire.CREATE_BLOB, words(2, 1, PAGE, 0, 9, 0))):
        client = server.client()
        if data and data[4] == wire.CREATE_BLOB:
            client.hello()
        client.send_bytes(data)
        client.close()
    waiting = server.client().hello()
    waiting.wait_fd([(waiting.sync(), 1)])
    waiting.close()


def test_two_clients(server):
    a, b = server.client().hello(), server.client().hello()
    a.sync(11)
    b.sync(22)
    assert (a.sync_read(1), b.sync_read(1)) == (11, 22)
    ra, fa = a.blob(PAGE)
    rb, fb = b.blob(PAGE)
    assert ra == rb == 1
    os.pwrite(fa, b"secret", 0)
    assert os.pread(fb, 6, 0) == bytes(6)
    b.send(wire.UNREF, 1)
    sync = a.sync()
    a.submit((venus.set_reply(1, 0, 64) + venus.instance_version(), [(sync, 1)], 0))
    assert readable(a.wait_fd([(sync, 1)]))
    assert struct.unpack("<i", os.pread(fa, 4, 0))[0] == venus.INSTANCE_VERSION


def test_a_killed_worker_ends_its_client_only(server):
    pid = server.program.process.pid
    victim = server.client().hello()
    sync, resource = victim.sync(), victim.blob(4 * PAGE)
    (worker,) = children(pid)
    other = server.client().hello()
    memory = mmap.mmap(resource[1], 4 * PAGE)
    victim.submit((venus.create_ring(9, resource=resource[0]), [(sync, 1)], 0))
    assert readable(victim.wait_fd([(sync, 1)]))
    victim.submit((venus.wait_ring(9, 0), [(sync, 2)], 0))
    os.kill(worker, signal.SIGKILL)
    until(lambda: struct.unpack_from("<I", memory, 128)[0] & venus.FATAL)
    memory.close()
    until(lambda: not victim.is_open())
    assert other.is_open() and other.blob(PAGE)[0] == 1
    assert "is lost" in server.program.log()


def test_requests_behind_a_dead_worker(server):
    """Whatever was sent in one go with the worker's end is answered: a client waits for ever."""
    for _ in range(5):
        victim = server.client().hello()
        sync = victim.sync()
        until(lambda: children(server.program.process.pid))
        submit = message(wire.SUBMIT, wire.batches((b"", [(sync, 1)], 1)))
        data = submit + message(wire.CREATE_BLOB, words(2, 1, PAGE, 0, 0, 0)) + message(
            wire.CREATE_BLOB, words(2, 1, PAGE, 0, 9, 0)) + message(
            wire.SYNC_WAIT, words(0, wire.FOREVER, sync, 1, 0)) + message(wire.PING)
        for worker in children(server.program.process.pid):
            os.kill(worker, signal.SIGSTOP)
        victim.send_bytes(data)
        for worker in children(server.program.process.pid):
            os.kill(worker, signal.SIGKILL)
        for command in (wire.CREATE_BLOB, wire.CREATE_BLOB):
            victim.reply(command)
            victim.receive_fd()
        assert victim.reply(wire.SYNC_WAIT) == ()
        assert readable(victim.receive_fd())
        assert victim.reply(wire.PING) == ()
        victim.close()
        until(lambda: children(server.program.process.pid) == [])


def test_nothing_is_left_of_many_clients(server):
    server.serves()
    pid = server.program.process.pid
    until(lambda: children(pid) == [])
    before = server.program.fd_count()
    for i in range(200):
        client = Client(server.path)
        if i % 10 == 0:
            client.hello().blob(PAGE)
        elif i % 2:
            client.create_renderer()
        client.close()
    until(lambda: children(pid) == [] and server.program.fd_count() <= before)


def test_a_crowd(server):
    """More clients than there may be: the late ones are turned away, the first ones stay."""
    first = server.client().hello()
    crowd = [Client(server.path) for _ in range(300)]
    assert first.is_open()
    until(lambda: "turned away" in server.program.log())
    for client in crowd:
        client.close()
    until(lambda: server.program.fd_count() < 60)


# What can be wrong before the first client.

def run(*arguments, **how):
    return subprocess.run([PEARVISOR, "vtest", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=10, **how)


def one_sentence(result):
    assert result.returncode not in (0, None) and result.returncode > 0
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("pearvisor: ")
    return lines[0]


def test_paths(server, tmp_path):
    assert "in use" in one_sentence(run("--socket", server.path))
    assert server.path.exists()
    assert "too long" in one_sentence(run("--socket", tmp_path / ("x" * 108)))
    assert "No such" in one_sentence(run("--socket", tmp_path / "no" / "where"))
    file = tmp_path / "file"
    file.write_text("mine")
    one_sentence(run("--socket", file))
    assert file.read_text() == "mine"
    one_sentence(run("--socket", ""))
    assert "render worker" in one_sentence(run("--renderer", tmp_path / "nothing", "--", "true"))


def test_a_stale_socket_is_taken_over(program, tmp_path):
    path = tmp_path / "s"
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(path))
    old.close()
    Server(program, path).end()


def test_the_socket_is_the_users_own(server):
    assert os.stat(server.path).st_mode & 0o777 == 0o600


def test_a_renderer_that_is_not_one(program, tmp_path):
    server = Server(program, tmp_path / "s", "--renderer", "/bin/true")
    client = server.client().hello()
    until(lambda: "lost" in server.program.log())  # maybe before anything else could be asked
    assert client.socket.send(message(wire.PING)) == 8
    assert is_dropped(client)
    server.program.process.terminate()
    assert server.program.wait() == 128 + signal.SIGTERM
    assert len(server.program.log().splitlines()) == 1


def test_no_vulkan_driver(program, tmp_path, monkeypatch):
    monkeypatch.setenv("PV_HOST_ICD", str(tmp_path / "nowhere.json"))
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")  # the loader's own
    server = Server(program, tmp_path / "s")
    client = server.client().hello()
    resource, fd = client.blob(PAGE)
    sync = client.sync()
    client.submit((venus.set_reply(resource, 0, PAGE) + venus.create_instance(1), [(sync, 1)], 0))
    assert readable(client.wait_fd([(sync, 1)]))
    number, result = struct.unpack("<ii", os.pread(fd, 8, 0))
    assert number == venus.CREATE_INSTANCE and result < 0
    assert client.is_open()
    until(lambda: "no host instance" in server.program.log())
    server.end()


def test_workers_of_a_server_whose_stderr_is_a_socket(tmp_path):
    """Over ssh, or under a journal: a worker has nothing of it that it could read."""
    if os.getuid() != 0:
        pytest.skip("files of workers are root's to see")
    ours, theirs = socket.socketpair()
    path = tmp_path / "s"
    process = subprocess.Popen([PEARVISOR, "vtest", "--socket", path], stdin=subprocess.DEVNULL,
                               stdout=theirs, stderr=theirs)
    try:
        until(path.exists)
        client = Client(path).hello()
        until(lambda: children(process.pid))
        (worker,) = children(process.pid)
        until(lambda: os.readlink(f"/proc/{worker}/exe").endswith("pearvisor-render"))
        files = [os.readlink(f"/proc/{worker}/fd/{number}") for number in range(3)]
        assert files[0] == files[1] == "/dev/null"
        assert files[2].startswith("pipe:")
        client.close()
    finally:
        process.terminate()
        assert process.wait(10) == 128 + signal.SIGTERM
        ours.close()
        theirs.close()
