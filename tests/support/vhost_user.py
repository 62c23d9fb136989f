# SPDX-License-Identifier: MIT
"""
A vhost-user front end for tests: what QEMU is to our back end, and what a guest driver is to our
virtqueues. Every layout is declared here anew, from the specification and from what QEMU 11.1 was
seen to send, so that a mistake in our C structs is not mirrored.

    front = FrontEnd(socket_path)
    front.negotiate()                     as QEMU does while it realizes the device
    front.start()                         as at DRIVER_OK; elements flow afterwards
    answer = front.queues[0].command(b"...", reply_bytes=24)
    front.stop()                          as at a pause and at a reset
    front.close()

The back-end channel is served by a thread with QEMU's habits: it reads a whole request under the
lock that starting and stopping takes, and a request that it gets while the device is stopped would
have killed QEMU: it is recorded in `violations`.
"""
import array
import mmap
import os
import select
import socket
import struct
import threading
import time

# Requests of the front end.
GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE = 1, 2, 3, 4, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
SET_BACKEND_REQ_FD, GET_CONFIG, SET_CONFIG, RESET_DEVICE, GET_SHMEM_CONFIG = 21, 24, 25, 34, 44
# Requests of the back end.
CONFIG_CHANGE, SHMEM_MAP, SHMEM_UNMAP = 2, 9, 10

VERSION, REPLY, NEED_REPLY = 1, 4, 8
HEADER = struct.Struct("<III")
REGION = struct.Struct("<QQQQ")
MAP_REQUEST = struct.Struct("<B7xQQQQ")

PROTOCOL_MQ, PROTOCOL_REPLY_ACK, PROTOCOL_BACKEND_REQ, PROTOCOL_CONFIG = 0, 3, 5, 9
PROTOCOL_BACKEND_SEND_FD, PROTOCOL_SHMEM = 10, 22
FEATURE_INDIRECT, FEATURE_EVENT_IDX, FEATURE_PROTOCOL, FEATURE_VERSION_1 = 28, 29, 30, 32

# Where the memory of the "guest" lies: addresses of the front end differ from the guest's.
RAM_ADDR = 0x100000
RAM_BYTES = 16 << 20
USER_OFFSET = 0x7F00_0000_0000
PAGE = 4096


class Closed(Exception):
    """The back end closed the connection."""


def bits(value):
    """The numbers of the bits that are set."""
    return {i for i in range(64) if value >> i & 1}


class GuestMemory:
    """RAM in a memfd, with a bump allocator; addresses are guest-physical."""

    def __init__(self, addr=RAM_ADDR, size_bytes=RAM_BYTES):
        self.addr = addr
        self.size_bytes = size_bytes
        self.fd = os.memfd_create("test-ram")
        os.ftruncate(self.fd, size_bytes)
        self.map = mmap.mmap(self.fd, size_bytes)
        self.used_bytes = 0

    def allocate(self, size_bytes, align=16):
        start = -(-self.used_bytes // align) * align
        if start + size_bytes > self.size_bytes:
            raise MemoryError("the test's guest memory is full")
        self.used_bytes = start + size_bytes
        return self.addr + start

    def read(self, addr, size_bytes):
        at = addr - self.addr
        return self.map[at:at + size_bytes]

    def write(self, addr, data):
        at = addr - self.addr
        self.map[at:at + len(data)] = data

    def put(self, data, align=16):
        addr = self.allocate(max(len(data), 1), align)
        self.write(addr, data)
        return addr

    def load(self, layout, addr):
        return struct.unpack("<" + layout, self.read(addr, struct.calcsize("<" + layout)))[0]

    def store(self, layout, addr, value):
        self.write(addr, struct.pack("<" + layout, value))

    def close(self):
        self.map.close()
        os.close(self.fd)


NEXT, WRITE, INDIRECT = 1, 2, 4


class Queue:
    """The driver's side of a split virtqueue."""

    def __init__(self, memory, index, size=64, event_idx=True, indirect=True):
        self.memory = memory
        self.index = index
        self.size = size
        self.event_idx = event_idx
        self.indirect = indirect
        self.kick_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.call_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.err_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.desc = memory.allocate(16 * size, 4096)
        self.avail = memory.allocate(6 + 2 * size, 4096)
        self.used = memory.allocate(6 + 8 * size, 4096)
        self.interrupts = 0
        self.reset()

    def reset(self):
        """What a driver does when it sets up its queue: everything zero."""
        self.memory.write(self.desc, bytes(16 * self.size))
        self.memory.write(self.avail, bytes(6 + 2 * self.size))
        self.memory.write(self.used, bytes(6 + 8 * self.size))
        self.free = list(range(self.size))
        self.avail_idx = 0
        self.used_idx = 0
        self.chains = {}
        self.done = {}

    # Descriptors.
    def write_descriptor(self, table, index, addr, size_bytes, flags=0, next_index=0):
        self.memory.write(table + 16 * index,
                          struct.pack("<QIHH", addr, size_bytes, flags, next_index))

    def write_chain(self, table, indices, parts):
        """parts: (addr, size, is_writable) each."""
        for position, (addr, size_bytes, writable) in enumerate(parts):
            last = position == len(parts) - 1
            self.write_descriptor(table, indices[position], addr, size_bytes,
                                  (WRITE if writable else 0) | (0 if last else NEXT),
                                  0 if last else indices[position + 1])

    def add(self, parts, indirect=None):
        """Put a chain of (addr, size, is_writable) into the ring; returns its head."""
        if self.indirect if indirect is None else indirect:
            table = self.memory.allocate(16 * len(parts))
            self.write_chain(table, list(range(len(parts))), parts)
            head = self.free.pop(0)
            self.chains[head] = ([head], parts)
            self.write_descriptor(self.desc, head, table, 16 * len(parts), INDIRECT)
        else:
            indices = [self.free.pop(0) for _ in parts]
            head = indices[0]
            self.chains[head] = (indices, parts)
            self.write_chain(self.desc, indices, parts)
        self.publish(head)
        return head

    def publish(self, head):
        """Make a head available without asking whether that is wise."""
        self.memory.store("H", self.avail + 4 + 2 * (self.avail_idx % self.size), head)
        self.avail_idx = (self.avail_idx + 1) & 0xFFFF
        self.memory.store("H", self.avail + 2, self.avail_idx)

    # Doorbells.
    def kick(self):
        os.eventfd_write(self.kick_fd, 1)

    def want_interrupt(self):
        if self.event_idx:
            self.memory.store("H", self.avail + 4 + 2 * self.size, self.used_idx)

    def collect(self):
        """Take what the device returned; heads go to self.done with the bytes written."""
        while self.memory.load("H", self.used + 2) != self.used_idx:
            at = self.used + 4 + 8 * (self.used_idx % self.size)
            head, size_bytes = struct.unpack("<II", self.memory.read(at, 8))
            self.used_idx = (self.used_idx + 1) & 0xFFFF
            indices, parts = self.chains.pop(head)
            self.free.extend(indices)
            answer, left = b"", size_bytes
            for addr, part_bytes, writable in parts:
                if writable and left:
                    take = min(left, part_bytes)
                    answer += self.memory.read(addr, take)
                    left -= take
            self.done[head] = answer

    def wait(self, head, timeout_s=5):
        """The answer to a request, or TimeoutError. Sleeps on the interrupt, as a driver does."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.want_interrupt()
            self.collect()
            if head in self.done:
                return self.done.pop(head)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"queue {self.index}: no answer for head {head}")
            if select.select([self.call_fd], [], [], left)[0]:
                os.eventfd_read(self.call_fd)
                self.interrupts += 1

    def send(self, request, reply_bytes=0, pieces=1, indirect=None):
        """Add a request, its bytes in so many readable pieces; returns its head. No kick."""
        parts = []
        step = -(-len(request) // pieces) if request else 0
        for at in range(0, len(request), step or 1):
            piece = request[at:at + step]
            parts.append((self.memory.put(piece), len(piece), False))
        if reply_bytes:
            parts.append((self.memory.allocate(reply_bytes), reply_bytes, True))
        return self.add(parts, indirect)

    def command(self, request, reply_bytes=0, timeout_s=5, **how):
        """A request and its answer."""
        head = self.send(request, reply_bytes, **how)
        self.kick()
        return self.wait(head, timeout_s)

    def is_broken(self, timeout_s=5):
        """Whether the device said that the queue is broken (within the time)."""
        return bool(select.select([self.err_fd], [], [], timeout_s)[0])

    def close(self):
        for fd in (self.kick_fd, self.call_fd, self.err_fd):
            os.close(fd)


class BackChannel(threading.Thread):
    """QEMU's end of the channel for the back end's requests."""

    def __init__(self, front):
        super().__init__(daemon=True)
        self.front = front
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.requests = []  # (number, payload) as handled
        self.refuse_maps = False
        self.delay_s = 0  # before a request is looked at
        self.news = threading.Condition()

    def run(self):
        try:
            while self.serve_one():
                pass
        except OSError:
            pass

    def receive(self, size_bytes, fds):
        data = b""
        while len(data) < size_bytes:
            part, ancillary, _, _ = self.ours.recvmsg(size_bytes - len(data),
                                                      socket.CMSG_SPACE(4 * 8))
            if not part:
                return None
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    got = array.array("i")
                    got.frombytes(payload[:len(payload) - len(payload) % 4])
                    fds.extend(got)
            data += part
        return data

    def serve_one(self):
        fds = []
        select.select([self.ours], [], [])
        if self.delay_s:
            time.sleep(self.delay_s)
        with self.front.big_lock:
            header = self.receive(HEADER.size, fds)
            if header is None:
                return False
            number, flags, size_bytes = HEADER.unpack(header)
            payload = self.receive(size_bytes, fds) if size_bytes else b""
            if payload is None:
                return False
            status = self.handle(number, payload, fds)
            if flags & NEED_REPLY and number in (CONFIG_CHANGE, SHMEM_MAP, SHMEM_UNMAP):
                self.ours.sendall(HEADER.pack(number, VERSION | REPLY, 8)
                                  + struct.pack("<Q", status))
        for fd in fds:
            os.close(fd)
        with self.news:
            self.requests.append((number, payload))
            self.news.notify_all()
        return True

    def handle(self, number, payload, fds):
        front = self.front
        if number not in (CONFIG_CHANGE, SHMEM_MAP, SHMEM_UNMAP):
            return 1  # QEMU prints a line and goes on
        if not front.is_started:
            front.violations.append(number)
            return 1
        if number != SHMEM_MAP:
            return 0
        request = MAP_REQUEST.unpack(payload)
        if self.refuse_maps or front.window is not None or not fds:
            return 1
        front.window = request
        front.window_fd = os.dup(fds[0])
        return 0

    def wait_for(self, number, count=1, timeout_s=5):
        """Wait until so many requests of a number have been handled."""
        with self.news:
            return self.news.wait_for(
                lambda: sum(1 for n, _ in self.requests if n == number) >= count, timeout_s)

    def count(self, number):
        with self.news:
            return sum(1 for n, _ in self.requests if n == number)

    def close(self):
        for end in (self.ours, self.theirs):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


class FrontEnd:
    """One vhost-user connection and the machine behind it."""

    def __init__(self, path, queue_count=2, queue_size=64, event_idx=True, indirect=True,
                 timeout_s=10):
        deadline = time.monotonic() + timeout_s
        while True:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self.socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        self.socket.settimeout(timeout_s)
        self.big_lock = threading.RLock()
        self.is_started = False
        self.violations = []
        self.window = None
        self.window_fd = -1
        self.event_idx = event_idx
        self.indirect = indirect
        self.features = 0
        self.protocol_features = 0
        self.memory = GuestMemory()
        self.queues = [Queue(self.memory, i, queue_size, event_idx, indirect)
                       for i in range(queue_count)]
        self.bases = [0] * queue_count
        self.back = BackChannel(self)

    # Messages.
    def send(self, number, payload=b"", fds=(), flags=0, size_bytes=None):
        """Send a message; size_bytes lies about the payload's length if given."""
        data = HEADER.pack(number, VERSION | flags,
                           len(payload) if size_bytes is None else size_bytes) + payload
        try:
            if fds:
                socket.send_fds(self.socket, [data], list(fds))
            else:
                self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed() from error

    def receive(self, size_bytes):
        data = b""
        while len(data) < size_bytes:
            try:
                part = self.socket.recv(size_bytes - len(data))
            except ConnectionResetError as error:
                raise Closed() from error
            if not part:
                raise Closed()
            data += part
        return data

    def receive_reply(self, number):
        got, flags, size_bytes = HEADER.unpack(self.receive(HEADER.size))
        assert got == number, (got, number)
        assert flags == VERSION | REPLY
        return self.receive(size_bytes)

    def ask(self, number, payload=b"", fds=()):
        """A message that has a reply of its own."""
        self.send(number, payload, fds)
        return self.receive_reply(number)

    def ask_u64(self, number, payload=b""):
        return struct.unpack("<Q", self.ask(number, payload))[0]

    def tell(self, number, payload=b"", fds=(), ack=False):
        """A message without a reply, or acknowledged by REPLY_ACK; returns its status then."""
        self.send(number, payload, fds, NEED_REPLY if ack else 0)
        if ack:
            return struct.unpack("<Q", self.receive_reply(number))[0]
        return None

    def tell_u64(self, number, value, fds=(), ack=False):
        return self.tell(number, struct.pack("<Q", value), fds, ack)

    def tell_state(self, number, index, value, ack=False):
        return self.tell(number, struct.pack("<II", index, value), (), ack)

    def still_answers(self):
        return self.ask_u64(GET_FEATURES) != 0

    def is_closed_by_peer(self, timeout_s=5):
        self.socket.settimeout(timeout_s)
        try:
            while self.socket.recv(4096):
                pass
            return True
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    # What QEMU does, in its order.
    def negotiate(self, with_back_channel=True):
        self.offered = self.ask_u64(GET_FEATURES)
        self.offered_protocol = self.ask_u64(GET_PROTOCOL_FEATURES)
        wanted = {PROTOCOL_MQ, PROTOCOL_REPLY_ACK, PROTOCOL_BACKEND_REQ, PROTOCOL_CONFIG,
                  PROTOCOL_BACKEND_SEND_FD, PROTOCOL_SHMEM}
        self.protocol_features = sum(1 << b for b in wanted & bits(self.offered_protocol))
        self.tell_u64(SET_PROTOCOL_FEATURES, self.protocol_features)
        self.queue_count = self.ask_u64(GET_QUEUE_NUM)
        if with_back_channel:
            self.tell(SET_BACKEND_REQ_FD, fds=[self.back.theirs.fileno()], ack=True)
            self.back.start()
        self.tell(SET_OWNER)
        self.ask_u64(GET_FEATURES)
        for queue in self.queues:
            self.tell_u64(SET_VRING_CALL, queue.index, [queue.call_fd])
            self.tell_u64(SET_VRING_ERR, queue.index, [queue.err_fd])
        if PROTOCOL_SHMEM in bits(self.protocol_features):
            reply = self.ask(GET_SHMEM_CONFIG)
            count, _ = struct.unpack_from("<II", reply)
            sizes = struct.unpack_from(f"<{(len(reply) - 8) // 8}Q", reply, 8)
            self.window_sizes = sizes
            assert count == sum(1 for size in sizes if size)

    def memory_table(self, extra=()):
        """SET_MEM_TABLE: our RAM, then extra (addr, size, user, offset, fd) entries."""
        regions = [(self.memory.addr, self.memory.size_bytes, self.memory.addr + USER_OFFSET, 0,
                    self.memory.fd), *extra]
        payload = struct.pack("<II", len(regions), 0)
        payload += b"".join(REGION.pack(*region[:4]) for region in regions)
        return self.tell(SET_MEM_TABLE, payload, [region[4] for region in regions], ack=True)

    def start(self, wanted_features=None, wait=True):
        """DRIVER_OK. Then, like QEMU, look after the map if there is a back-end channel."""
        if wanted_features is None:
            features = self.offered
            if not self.event_idx:
                features &= ~(1 << FEATURE_EVENT_IDX)
            if not self.indirect:
                features &= ~(1 << FEATURE_INDIRECT)
        else:
            features = wanted_features
        self.features = features
        maps_before = self.back.count(SHMEM_MAP)
        with self.big_lock:
            self.tell_u64(SET_FEATURES, features)
            self.memory_table()
            for queue in self.queues:
                i = queue.index
                self.tell_state(SET_VRING_NUM, i, queue.size)
                self.tell_state(SET_VRING_BASE, i, self.bases[i])
                self.tell(SET_VRING_ADDR,
                          struct.pack("<IIQQQQ", i, 0, queue.desc + USER_OFFSET,
                                      queue.used + USER_OFFSET, queue.avail + USER_OFFSET, 0))
                self.tell_u64(SET_VRING_KICK, i, [queue.kick_fd])
                self.tell_u64(SET_VRING_CALL, i, [queue.call_fd])
            self.is_started = True
            for queue in self.queues:
                self.tell_state(SET_VRING_ENABLE, queue.index, 1, ack=True)
        if wait and self.back.is_alive():
            assert self.back.wait_for(SHMEM_MAP, maps_before + 1), "the window was not mapped"
            if self.window is not None:
                # after a map QEMU repeats the table with our window in it
                self.window_table()

    def window_table(self):
        _, fd_offset, _, size_bytes, _ = self.window
        self.memory_table([(0x40_0000_0000, size_bytes, 0x7E00_0000_0000, fd_offset,
                            self.window_fd)])

    def stop(self):
        """Pause or reset: the messages are the same."""
        with self.big_lock:
            for queue in self.queues:
                self.tell_state(SET_VRING_ENABLE, queue.index, 0, ack=True)
            self.is_started = False
            for queue in self.queues:
                index, base = struct.unpack(
                    "<II", self.ask(GET_VRING_BASE, struct.pack("<II", queue.index, 0)))
                assert index == queue.index
                self.bases[index] = base

    def reset(self):
        """The guest resets the device: as stop, then QEMU empties the window."""
        self.stop()
        self.drop_window()
        self.bases = [0] * len(self.queues)
        for queue in self.queues:
            queue.reset()

    def drop_window(self):
        if self.window is not None:
            os.close(self.window_fd)
            self.window = None
            self.window_fd = -1

    def config(self, size_bytes=16):
        payload = struct.pack("<III", 0, size_bytes, 0) + bytes(size_bytes)
        reply = self.ask(GET_CONFIG, payload)
        assert struct.unpack_from("<III", reply) == (0, size_bytes, 0)
        return reply[12:]

    def write_config(self, data, offset=0):
        self.tell(SET_CONFIG, struct.pack("<III", offset, len(data), 0) + data, ack=True)

    def close(self):
        self.socket.close()
        self.back.close()
        self.drop_window()
        for queue in self.queues:
            queue.close()
        self.memory.close()
