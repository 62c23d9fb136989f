# SPDX-License-Identifier: MIT
"""
A render worker as its device process sees it, and Venus commands by hand:

    with Worker(program) as worker:
        worker.init()
        ring = Ring(worker)
        assert ring.version() > 0

The packets are those of src/render/protocol.h and the commands those of the Venus protocol, both
declared anew: a test must not agree with the code under test by sharing its mistakes.
"""
import fcntl
import mmap
import os
import select
import socket
import struct
import time

DEADLINE_S = 10
PAGE = 4096

INIT, ATTACH, LEAVE, SUBMIT, EXPORT, PLACE, ACCOUNT = range(1, 8)
DONE, FENCE, LOST, RING, LOG = range(64, 69)

INIT_MESSAGE = struct.Struct("<4I2Q64s128s")
ATTACH_MESSAGE = struct.Struct("<2I2Q2I")
LEAVE_MESSAGE = struct.Struct("<2IQ")
SUBMIT_MESSAGE = struct.Struct("<4IQ")
EXPORT_MESSAGE = struct.Struct("<2I2Q2IQ")
PLACE_MESSAGE = struct.Struct("<2I2Q")
ACCOUNT_MESSAGE = struct.Struct("<2I")
SLOTS = 257
# Three kinds of bytes, a word for each slot and padding; then the figures.
ACCOUNT_BYTES = 3 * (SLOTS + 7) * 8 + SLOTS * (65 + 2 + 5) * 8
ANSWERS = {
    DONE: struct.Struct("<Ii2Q"),
    FENCE: struct.Struct("<2IQ"),
    LOST: struct.Struct("<I252s"),
    RING: struct.Struct("<2IQ2I"),
    LOG: struct.Struct("<2I240s"),
}
IN_FILES, IN_WINDOW = 0, 1

IDLE, FATAL, ALIVE = 1, 2, 4


def sealed_file(size, seals=fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW):
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(fd, size)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def counted(fd, slot):
    """(memory, copies, commands, objects, rings) of a slot."""
    word = lambda index: struct.unpack("<Q", os.pread(fd, 8, index * 8))[0]
    figures = 3 * (SLOTS + 7) + slot * 72
    commands = struct.unpack("<65Q", os.pread(fd, 65 * 8, figures * 8))
    return (word(slot), word(SLOTS + 7 + slot), sum(commands), word(figures + 65),
            word(figures + 66))


class Gone(Exception):
    """The worker has closed its socket."""


class Worker:
    """The process and our end of its socket. start(fd, kept_fd) makes the process."""

    def __init__(self, start):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.program = start(theirs.fileno())
        theirs.close()
        self.socket.settimeout(DEADLINE_S)
        self.seen = []  # packets that came while another was waited for
        self.lines = []  # of its log, as the device gets them
        self.open_fds = []
        self.next_resource = 1
        self.next_cookie = 100

    def send(self, packet, fds=()):
        socket.send_fds(self.socket, [packet], list(fds))

    def receive(self):
        """The next packet but log lines as (fields, fd or -1)."""
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 1024, 4)
            except ConnectionResetError:
                data, fds = b"", []
            if not data:
                raise Gone()
            kind = struct.unpack_from("<I", data)[0]
            fields = ANSWERS[kind].unpack(data)
            assert len(fds) <= 1
            self.open_fds += fds
            if kind != LOG:
                return fields, (fds[0] if fds else -1)
            line = fields[2].split(b"\0")[0].decode()
            assert line.isprintable() and len(fields[2]) > len(line)
            self.lines.append(line)

    def wait_for(self, kind, match=lambda fields: True):
        for i, (fields, fd) in enumerate(self.seen):
            if fields[0] == kind and match(fields):
                del self.seen[i]
                return fields, fd
        while True:
            fields, fd = self.receive()
            if fields[0] == kind and match(fields):
                return fields, fd
            self.seen.append((fields, fd))

    def init(self, version=1, placement=IN_FILES, window_fd=-1, window_size=0, memory=1 << 30,
             name=b"test", log=b"", has_window=None, fds=None):
        if has_window is None:
            has_window = int(window_fd >= 0)
        if fds is None:
            fds = [window_fd] if window_fd >= 0 else []
        self.send(INIT_MESSAGE.pack(INIT, version, placement, has_window, window_size, memory,
                                    name, log), fds)
        return self

    def account(self, fd=None, slot=1, fds=None):
        """Where it shall count; fd: of a file that others count in, too."""
        if fd is None and fds is None:
            fd = sealed_file((ACCOUNT_BYTES + PAGE - 1) // PAGE * PAGE)
            self.open_fds.append(fd)
        self.send(ACCOUNT_MESSAGE.pack(ACCOUNT, slot), [fd] if fds is None else fds)
        return fd

    def attach(self, size, resource=None, offset=0, in_window=0, is_shmem=1, fd=None, fds=None):
        """Attach new shared memory, or fd. Returns (resource id, our fd)."""
        if resource is None:
            resource = self.next_resource
            self.next_resource += 1
        if fd is None:
            fd = sealed_file(size)
            self.open_fds.append(fd)
        if fds is None:
            fds = [] if in_window else [fd]
        self.send(ATTACH_MESSAGE.pack(ATTACH, resource, offset, size, in_window, is_shmem), fds)
        return resource, fd

    def submit(self, stream, size=None, fence=None, ring=0, fds=()):
        size = len(stream) if size is None else size
        self.send(SUBMIT_MESSAGE.pack(SUBMIT, size, int(fence is not None), ring, fence or 0)
                  + (b"" if fds else stream), fds)

    def fence(self, ring=0):
        """Returns when the worker has come to a fence after all that was sent before."""
        number = self.next_cookie
        self.next_cookie += 1
        self.submit(b"", fence=number, ring=ring)
        self.wait_for(FENCE, lambda fields: fields[1:] == (ring, number))

    def ask(self, packet_of):
        """Send packet_of(cookie) and return DONE as (status, size, fd)."""
        cookie = self.next_cookie
        self.next_cookie += 1
        self.send(packet_of(cookie))
        fields, fd = self.wait_for(DONE, lambda fields: fields[2] == cookie)
        return fields[1], fields[3], fd

    def leave(self, resource):
        return self.ask(lambda cookie: LEAVE_MESSAGE.pack(LEAVE, resource, cookie))[0]

    def export(self, resource, blob, size, mappable=1, shareable=0):
        return self.ask(lambda cookie: EXPORT_MESSAGE.pack(EXPORT, resource, blob, size, mappable,
                                                           shareable, cookie))

    def place(self, resource, offset):
        return self.ask(lambda cookie: PLACE_MESSAGE.pack(PLACE, resource, offset, cookie))[0]

    def answers(self):
        """Whether messages are still served; a lost context answers as well."""
        return self.leave(0xFFFFFF) == -2

    def lost(self):
        """The one sentence of a context that has been lost."""
        reason = self.wait_for(LOST)[0][1].split(b"\0")[0].decode()
        assert reason and "\n" not in reason
        return reason

    def is_lost(self):
        assert self.answers()
        return any(fields[0] == LOST for fields, _ in self.seen)

    def refuses(self):
        """The worker has met something that no device sends: it says so and ends."""
        try:
            while True:
                self.receive()
        except Gone:
            pass
        assert self.program.wait(DEADLINE_S) == 1
        said = self.program.log().splitlines()
        assert said[-1].startswith("pearvisor-render: ")
        self.check_log()

    def check_log(self):
        log = self.program.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log

    def end(self):
        """Whatever happened, the worker ends by itself when the device goes."""
        self.socket.close()
        for fd in self.open_fds:
            os.close(fd)
        status = self.program.wait(DEADLINE_S)
        self.check_log()
        assert status in (0, 1), self.program.log()


# Commands.

REPLY = 1
CREATE_INSTANCE, DESTROY_INSTANCE, ENUMERATE_PHYSICAL_DEVICES = 0, 1, 2
MEMORY_PROPERTIES, CREATE_DEVICE, DESTROY_DEVICE = 8, 11, 12
ALLOCATE_MEMORY, FREE_MEMORY, CREATE_FENCE, DESTROY_FENCE = 21, 22, 35, 36
CREATE_BUFFER, DESTROY_BUFFER, INSTANCE_VERSION, FEATURES2, GET_QUEUE2 = 50, 51, 137, 147, 155
SET_REPLY, SEEK_REPLY, EXECUTE, CREATE_RING, DESTROY_RING, NOTIFY_RING = 178, 179, 180, 188, 189, 190
WRITE_EXTRA, SUBMIT_SEQNO, WAIT_SEQNO, WAIT_RING = 191, 251, 252, 253

RING_MONITOR_INFO, RING_PRIORITY_INFO = 1000384006, 1000384007


def command(number, body=b"", reply=False):
    return struct.pack("<iI", number, REPLY if reply else 0) + body


def set_reply(resource, offset, size):
    return command(SET_REPLY, struct.pack("<QIQQ", 1, resource, offset, size))


def execute(*streams, count=None, flags=0):
    """Streams are (resource, offset, size)."""
    count = len(streams) if count is None else count
    return command(EXECUTE, struct.pack("<IQ", count, len(streams))
                   + b"".join(struct.pack("<IQQ", *stream) for stream in streams)
                   + struct.pack("<QIQI", 0, 0, 0, flags))


def instance_version(reply=True):
    return command(INSTANCE_VERSION, struct.pack("<Q", 1), reply)


def destroy_ring(ring):
    return command(DESTROY_RING, struct.pack("<Q", ring))


def notify_ring(ring, seqno=0):
    return command(NOTIFY_RING, struct.pack("<QII", ring, seqno, 0))


def write_extra(ring, offset, value):
    return command(WRITE_EXTRA, struct.pack("<QQI", ring, offset, value))


def submit_seqno(ring, seqno):
    return command(SUBMIT_SEQNO, struct.pack("<QQ", ring, seqno))


def wait_seqno(seqno):
    return command(WAIT_SEQNO, struct.pack("<Q", seqno))


def wait_ring(ring, seqno):
    return command(WAIT_RING, struct.pack("<QQ", ring, seqno))


def chain(*nodes):
    """A pNext chain of (sType, body): headers from the first on, bodies from the last on."""
    return (b"".join(struct.pack("<QI", 1, kind) for kind, _ in nodes) + struct.pack("<Q", 0)
            + b"".join(body for _, body in reversed(nodes)))


LAYOUT = {
    "flags": 0, "resource": 1, "offset": 0, "size": 192 + 4096 + 64, "idle_ns": 1000000,
    "head": 0, "tail": 64, "status": 128, "buffer": 192, "buffer_size": 4096,
    "extra": 192 + 4096, "extra_size": 4,
}


def create_ring(ring, next_chain=chain(), kind=1000384000, **changes):
    layout = {**LAYOUT, **changes}
    return command(CREATE_RING, struct.pack("<QQI", ring, 1, kind) + next_chain
                   + struct.pack("<2I10Q", *(layout[name] for name in LAYOUT)))


class Ring:
    """A ring in shared memory of its own, with a reply stream in the second half of it."""

    NEXT = 0x1000

    def __init__(self, worker, pages=8, create=True, monitor_us=0, **layout):
        self.worker = worker
        self.resource, fd = worker.attach(pages * PAGE)
        self.memory = mmap.mmap(fd, pages * PAGE)
        # Native 32-bit items are read and written at once, as the other side's atomics need it;
        # struct goes byte by byte.
        self.words = memoryview(self.memory).cast("I")
        self.layout = {**LAYOUT, "resource": self.resource, **layout}
        self.reply_at = pages * PAGE // 2
        self.reply_size = pages * PAGE - self.reply_at
        Ring.NEXT += 0x10
        self.id = Ring.NEXT
        self.tail = 0
        if create:
            nodes = [(RING_MONITOR_INFO, struct.pack("<I", monitor_us))] if monitor_us else []
            worker.submit(create_ring(self.id, chain(*nodes), **self.layout))
            fields, _ = worker.wait_for(RING)
            assert fields[1:4] == (self.resource, self.layout["offset"] + self.layout["status"], 1)

    def word(self, name):
        return self.words[(self.layout["offset"] + self.layout[name]) // 4]

    def set_word(self, name, value):
        self.words[(self.layout["offset"] + self.layout[name]) // 4] = value & 0xFFFFFFFF

    def status(self):
        return self.word("status")

    def write(self, stream):
        """Put commands in the buffer; they are run once push() has moved the tail."""
        size = self.layout["buffer_size"]
        base = self.layout["offset"] + self.layout["buffer"]
        for i in range(0, len(stream), 4):
            at = base + (self.tail + i) % size
            self.memory[at:at + 4] = stream[i:i + 4]
        self.tail = (self.tail + len(stream)) & 0xFFFFFFFF

    def push(self, stream, notify=True):
        self.write(stream)
        self.set_word("tail", self.tail)
        if notify and self.status() & IDLE:
            self.worker.submit(notify_ring(self.id, self.tail))

    def until(self, condition, what="the ring"):
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.worker.program.log()}"
            time.sleep(0.001)

    def drained(self):
        self.until(lambda: self.word("head") == self.tail or self.status() & FATAL)
        return not self.status() & FATAL

    def call(self, stream, size=64):
        """Run a command that replies; returns size bytes of the reply."""
        self.memory[self.reply_at:self.reply_at + size] = b"\xee" * size
        self.push(set_reply(self.resource, self.reply_at, self.reply_size) + stream)
        assert self.drained(), self.worker.program.log()
        return self.memory[self.reply_at:self.reply_at + size]

    def version(self):
        number, result, present, version = struct.unpack_from("<iiQI", self.call(instance_version()))
        assert (number, result, present) == (INSTANCE_VERSION, 0, 1)
        return version

    def fatal(self, stream=None):
        """The ring becomes FATAL (after stream) and the device is told why."""
        if stream is not None:
            self.push(stream)
        self.until(lambda: self.status() & FATAL, "no FATAL")
        return self.worker.lost()


def wait_readable(fd, timeout_s):
    return bool(select.select([fd], [], [], timeout_s)[0])


# Objects of the host's driver. Handles are numbers that the guest chooses.

ONE, NULL = struct.pack("<Q", 1), bytes(8)


def handle_out(handle):
    return struct.pack("<QQ", 1, handle)


def create_instance(handle, reply=True, **changes):
    values = {"layers": 0, "extensions": 0, **changes}
    return command(CREATE_INSTANCE, ONE + struct.pack("<I", 1) + chain() + struct.pack(
        "<IQIQIQ", 0, 0, values["layers"], 0, values["extensions"], 0) + NULL + handle_out(handle),
        reply)


def destroy_instance(handle, reply=False):
    return command(DESTROY_INSTANCE, struct.pack("<Q", handle) + NULL, reply)


def enumerate_devices(instance, handles=(), reply=True):
    return command(ENUMERATE_PHYSICAL_DEVICES, struct.pack("<QQIQ", instance, 1, len(handles) or 1,
                                                           len(handles))
                   + struct.pack(f"<{len(handles)}Q", *handles), reply)


def memory_properties(physical):
    return command(MEMORY_PROPERTIES, struct.pack("<QQQQ", physical, 1, 32, 16), True)


def create_device(physical, handle, reply=True):
    queue = struct.pack("<I", 2) + chain() + struct.pack("<IIIQf", 0, 0, 1, 1, 1.0)
    return command(CREATE_DEVICE, struct.pack("<Q", physical) + ONE + struct.pack("<I", 3) + chain()
                   + struct.pack("<IIQ", 0, 1, 1) + queue + struct.pack("<IQIQQ", 0, 0, 0, 0, 0)
                   + NULL + handle_out(handle), reply)


def destroy_device(handle, reply=False):
    return command(DESTROY_DEVICE, struct.pack("<Q", handle) + NULL, reply)


def get_queue(device, handle, ring=1, reply=False):
    return command(GET_QUEUE2, struct.pack("<Q", device) + ONE + struct.pack("<I", 1000145003)
                   + chain((1000384005, struct.pack("<I", ring))) + struct.pack("<III", 0, 0, 0)
                   + handle_out(handle), reply)


def allocate_memory(device, handle, size, kind, reply=True, nodes=()):
    return command(ALLOCATE_MEMORY, struct.pack("<Q", device) + ONE + struct.pack("<I", 5)
                   + chain(*nodes) + struct.pack("<QI", size, kind) + NULL + handle_out(handle),
                   reply)


def free_memory(device, handle, reply=False):
    return command(FREE_MEMORY, struct.pack("<QQ", device, handle) + NULL, reply)


def create_buffer(device, handle, size=256, reply=True):
    return command(CREATE_BUFFER, struct.pack("<Q", device) + ONE + struct.pack("<I", 12) + chain()
                   + struct.pack("<IQIIIQ", 0, size, 3, 0, 0, 0) + NULL + handle_out(handle), reply)


def destroy_buffer(device, handle, reply=False):
    return command(DESTROY_BUFFER, struct.pack("<QQ", device, handle) + NULL, reply)


def create_fence(device, handle, reply=True):
    return command(CREATE_FENCE, struct.pack("<Q", device) + ONE + struct.pack("<I", 8) + chain()
                   + struct.pack("<I", 0) + NULL + handle_out(handle), reply)


class Guest(Ring):
    """A ring with an instance (1), its first physical device (2) and a device (3)."""

    INSTANCE, PHYSICAL, DEVICE, QUEUE = 1, 2, 3, 4

    def start(self):
        assert self.result(create_instance(self.INSTANCE)) == 0
        assert self.result(enumerate_devices(self.INSTANCE, [self.PHYSICAL])) in (0, 5)
        assert self.result(create_device(self.PHYSICAL, self.DEVICE)) == 0
        self.push(get_queue(self.DEVICE, self.QUEUE))
        assert self.drained()
        return self

    def result(self, stream):
        """The VkResult of a command that has one."""
        return struct.unpack_from("<ii", self.call(stream))[1]

    def visible_type(self):
        """The number of a memory type that can be mapped."""
        reply = self.call(memory_properties(self.PHYSICAL), 512)
        count, _ = struct.unpack_from("<IQ", reply, 12)
        flags = [struct.unpack_from("<I", reply, 24 + 8 * i)[0] for i in range(count)]
        return next(i for i, flag in enumerate(flags) if flag & 2)
