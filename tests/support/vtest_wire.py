# SPDX-License-Identifier: MIT
"""
The vtest protocol as Mesa's Venus driver speaks it, declared anew:

    client = Client(path).hello()
    resource, fd = client.blob(4096)

Numbers are 32-bit words of the host's order; a descriptor comes with one byte of its own behind
the reply. A server that has had enough closes the connection (Closed).
"""
import array
import os
import select
import socket
import struct

UNREF, BUSY_WAIT, CREATE_RENDERER, PING, VERSION = 3, 7, 8, 10, 11
GET_PARAM, GET_CAPSET, CONTEXT_INIT, CREATE_BLOB = 15, 16, 17, 18
SYNC_CREATE, SYNC_UNREF, SYNC_READ, SYNC_WRITE, SYNC_WAIT, SUBMIT = range(19, 25)

VENUS = 4
ANY = 1
FOREVER = 0xFFFFFFFF
DEADLINE_S = 10


class Closed(Exception):
    """The server has closed the connection."""


def words(*values):
    return struct.pack(f"<{len(values)}I", *(value & 0xFFFFFFFF for value in values))


def wide(value):
    return value & 0xFFFFFFFF, value >> 32


def message(command, payload=b"", length=None):
    return words(len(payload) // 4 if length is None else length, command) + payload


def batches(*parts):
    """A SUBMIT payload of batches (stream, [(sync, value)], ring)."""
    at = 1 + 6 * len(parts)
    streams = [stream for stream, _, _ in parts]
    syncs_at = at + sum(len(stream) // 4 for stream in streams)
    head, tail = words(len(parts)), b""
    for stream, syncs, ring in parts:
        head += words(1, at, len(stream) // 4, syncs_at, len(syncs), ring)
        at += len(stream) // 4
        syncs_at += 3 * len(syncs)
        tail += b"".join(words(sync, *wide(value)) for sync, value in syncs)
    return head + b"".join(streams) + tail


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))  # waits while the listening queue is full
        self.socket.settimeout(DEADLINE_S)
        self.fds = []

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def send(self, command, *values):
        self.send_bytes(message(command, words(*values)))

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed() from error

    def receive(self, size):
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed()
            data += piece
        return data

    def reply(self, command):
        length, got = struct.unpack("<2I", self.receive(8))
        assert got == command
        return struct.unpack(f"<{length}I", self.receive(4 * length))

    def receive_fd(self):
        data, ancillary, _, _ = self.socket.recvmsg(1, socket.CMSG_LEN(64))
        if not data:
            raise Closed()
        fds = array.array("i")
        for _, _, payload in ancillary:
            fds.frombytes(payload)
        assert len(fds) == 1
        self.fds.append(fds[0])
        return fds[0]

    def ask(self, command, *values):
        self.send(command, *values)
        return self.reply(command)

    # Start-up as Mesa does it.

    def create_renderer(self, name=b"test\0"):
        self.send_bytes(message(CREATE_RENDERER, name, len(name)))

    def hello(self, version=3, context=True, name=b"test\0"):
        self.create_renderer(name)
        self.send_bytes(message(PING) + message(BUSY_WAIT, words(0, 0)))
        assert self.reply(PING) == ()
        assert self.reply(BUSY_WAIT) == (0,)
        assert self.ask(VERSION, version) == (min(version, 3),)
        if version >= 3:
            assert self.ask(GET_PARAM, 1) == (1, 64)
        if context:
            self.send(CONTEXT_INIT, VENUS)
        return self

    # The rest.

    def blob(self, size, kind=2, flags=1, blob=0):
        """Returns (resource id, fd)."""
        (resource,) = self.ask(CREATE_BLOB, kind, flags, *wide(size), *wide(blob))
        return resource, self.receive_fd()

    def sync(self, value=0):
        return self.ask(SYNC_CREATE, *wide(value))[0]

    def sync_read(self, sync):
        low, high = self.ask(SYNC_READ, sync)
        return low | high << 32

    def sync_write(self, sync, value):
        self.send(SYNC_WRITE, sync, *wide(value))

    def wait_fd(self, targets, timeout=FOREVER, flags=0):
        """Targets are (sync, value); returns the descriptor that tells."""
        self.send(SYNC_WAIT, flags, timeout, *(word for sync, value in targets
                                               for word in (sync, *wide(value))))
        assert self.reply(SYNC_WAIT) == ()
        return self.receive_fd()

    def submit(self, *parts):
        self.send_bytes(message(SUBMIT, batches(*parts)))

    def is_open(self):
        """Whether requests are still answered."""
        try:
            self.send_bytes(message(PING))
            return self.reply(PING) == ()
        except Closed:
            return False


def readable(fd, timeout_s=DEADLINE_S):
    """Whether fd can be read within the time, and says nothing but that."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    events = poll.poll(timeout_s * 1000)
    assert not events or events[0][1] == select.POLLIN
    return bool(events)
