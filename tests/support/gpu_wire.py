# SPDX-License-Identifier: MIT
"""
virtio-gpu as a driver speaks it, declared anew from the specification, over a vhost-user front end:

    gpu = Gpu(front)                      a started FrontEnd
    assert gpu.create_2d(1, 64, 64) == OK_NODATA
    answer = gpu.send(GET_DISPLAY_INFO, reply_bytes=408)

Each command is one method that returns the type of the answer; send() gives all of it. The control
socket of the device is here too (Control).
"""
import array
import mmap
import os
import socket
import struct

GET_DISPLAY_INFO, RESOURCE_CREATE_2D, RESOURCE_UNREF, SET_SCANOUT = 0x100, 0x101, 0x102, 0x103
RESOURCE_FLUSH, TRANSFER_TO_HOST_2D, ATTACH_BACKING, DETACH_BACKING = 0x104, 0x105, 0x106, 0x107
GET_CAPSET_INFO, GET_CAPSET, GET_EDID, ASSIGN_UUID = 0x108, 0x109, 0x10A, 0x10B
CREATE_BLOB, SET_SCANOUT_BLOB = 0x10C, 0x10D
CTX_CREATE, CTX_DESTROY, CTX_ATTACH, CTX_DETACH = 0x200, 0x201, 0x202, 0x203
SUBMIT_3D, MAP_BLOB, UNMAP_BLOB = 0x207, 0x208, 0x209
UPDATE_CURSOR, MOVE_CURSOR = 0x300, 0x301

OK_NODATA, OK_DISPLAY_INFO, OK_CAPSET_INFO, OK_CAPSET = 0x1100, 0x1101, 0x1102, 0x1103
OK_EDID, OK_UUID, OK_MAP_INFO = 0x1104, 0x1105, 0x1106
UNSPEC, OUT_OF_MEMORY, INVALID_SCANOUT_ID, INVALID_RESOURCE_ID = 0x1200, 0x1201, 0x1202, 0x1203
INVALID_CONTEXT_ID, INVALID_PARAMETER = 0x1204, 0x1205

FENCE, RING_IDX = 1, 2
GUEST, HOST3D = 1, 2
MAPPABLE, SHAREABLE = 1, 2
BGRA, BGRX, RGBA = 1, 2, 67
VENUS = 4

HEADER = struct.Struct("<IIQIB3x")


class Gpu:
    def __init__(self, front):
        self.front = front

    def send(self, kind, body=b"", reply_bytes=24, flags=0, fence=0, context=0, ring=0, queue=0,
             **how):
        request = HEADER.pack(kind, flags, fence, context, ring) + body
        return self.front.queues[queue].command(request, reply_bytes, **how)

    def ask(self, *arguments, **how):
        """The type of the answer."""
        return struct.unpack_from("<I", self.send(*arguments, **how))[0]

    def start(self, kind, body=b"", reply_bytes=24, flags=0, fence=0, context=0, ring=0):
        """Send, and do not wait: returns the head for front.queues[0].wait."""
        request = HEADER.pack(kind, flags, fence, context, ring) + body
        head = self.front.queues[0].send(request, reply_bytes)
        self.front.queues[0].kick()
        return head

    def still_answers(self):
        return self.ask(GET_DISPLAY_INFO, reply_bytes=408) == OK_DISPLAY_INFO

    def create_2d(self, resource, width, height, kind=BGRX):
        return self.ask(RESOURCE_CREATE_2D, struct.pack("<4I", resource, kind, width, height))

    def unref(self, resource):
        return self.ask(RESOURCE_UNREF, struct.pack("<II", resource, 0))

    def attach_backing(self, resource, entries, count=None):
        body = struct.pack("<II", resource, len(entries) if count is None else count)
        body += b"".join(struct.pack("<QII", addr, size, 0) for addr, size in entries)
        return self.ask(ATTACH_BACKING, body)

    def detach_backing(self, resource):
        return self.ask(DETACH_BACKING, struct.pack("<II", resource, 0))

    def transfer(self, resource, rect, offset=0):
        return self.ask(TRANSFER_TO_HOST_2D, struct.pack("<4IQII", *rect, offset, resource, 0))

    def set_scanout(self, scanout, resource, rect):
        return self.ask(SET_SCANOUT, struct.pack("<4III", *rect, scanout, resource))

    def set_scanout_blob(self, scanout, resource, rect, width, height, kind, stride, offset=0):
        return self.ask(SET_SCANOUT_BLOB,
                        struct.pack("<4I6I8I", *rect, scanout, resource, width, height, kind, 0,
                                    stride, 0, 0, 0, offset, 0, 0, 0))

    def flush(self, resource, rect):
        return self.ask(RESOURCE_FLUSH, struct.pack("<4III", *rect, resource, 0))

    def cursor(self, kind, scanout, resource, x=0, y=0):
        body = struct.pack("<8I", scanout, x & 0xFFFFFFFF, y & 0xFFFFFFFF, 0, resource, 0, 0, 0)
        return self.send(kind, body, reply_bytes=0, queue=1)

    def create_context(self, context, capset=0, name=b"test"):
        body = struct.pack("<II64s", len(name), capset, name)
        return self.ask(CTX_CREATE, body, context=context, timeout_s=20)

    def destroy_context(self, context):
        return self.ask(CTX_DESTROY, context=context)

    def attach(self, context, resource):
        return self.ask(CTX_ATTACH, struct.pack("<II", resource, 0), context=context)

    def detach(self, context, resource):
        return self.ask(CTX_DETACH, struct.pack("<II", resource, 0), context=context)

    def create_blob(self, resource, size, context=0, memory=HOST3D, flags=MAPPABLE, blob=0,
                    entries=(), count=None):
        body = struct.pack("<4IQQ", resource, memory, flags,
                           len(entries) if count is None else count, blob, size)
        body += b"".join(struct.pack("<QII", addr, length, 0) for addr, length in entries)
        return self.ask(CREATE_BLOB, body, context=context)

    def map_blob(self, resource, offset):
        answer = self.send(MAP_BLOB, struct.pack("<IIQ", resource, 0, offset), reply_bytes=32)
        return struct.unpack_from("<I", answer)[0]

    def unmap_blob(self, resource):
        return self.ask(UNMAP_BLOB, struct.pack("<II", resource, 0))

    def submit(self, context, stream=b"", **how):
        return self.ask(SUBMIT_3D, struct.pack("<II", len(stream), 0) + stream, context=context,
                        **how)

    def window(self):
        """The host-visible window as the guest sees it."""
        _, fd_offset, _, size_bytes, _ = self.front.window
        return mmap.mmap(self.front.window_fd, size_bytes, offset=fd_offset)


QUESTION = struct.Struct("<IHHII")
ANSWER = struct.Struct("<IHHII")
MEMORY = struct.Struct("<QQQ4I")
MAGIC = 0x43565650
LIST, FRAME, STATISTICS = 1, 2, 3
STATISTICS_NAMES = ("memory_used", "memory_all", "memory_limit", "window_used", "window_size",
                    "commands", "errors", "frames", "contexts", "empty_contexts", "lost_contexts",
                    "resources", "held", "fences", "listed", "kind")
STATISTICS_LAYOUT = struct.Struct("<8Q8I")
CONTEXT_NAMES = ("memory", "blobs", "submits", "commands", "objects", "id", "capset", "fences",
                 "lost", "rings", "requests", "pid", "reserved", "name")
CONTEXT_LAYOUT = struct.Struct("<5Q8I64s")


class Control:
    """A client of the control socket, good or bad."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(str(path))

    def close(self):
        self.socket.close()

    def receive(self, size_bytes, fds):
        data = b""
        while len(data) < size_bytes:
            part, ancillary, _, _ = self.socket.recvmsg(size_bytes - len(data), 64)
            if not part:
                raise ConnectionError("closed")
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    got = array.array("i")
                    got.frombytes(payload)
                    fds.extend(got)
            data += part
        return data

    def ask(self, kind, scanout=0, magic=MAGIC, version=2):
        """(error, payload, descriptors)"""
        self.socket.sendall(QUESTION.pack(magic, version, kind, scanout, 0))
        fds = []
        _, _, _, error, size_bytes = ANSWER.unpack(self.receive(ANSWER.size, fds))
        return error, self.receive(size_bytes, fds), fds

    def statistics(self):
        error, payload, _ = self.ask(STATISTICS)
        assert error == 0
        return dict(zip(STATISTICS_NAMES, STATISTICS_LAYOUT.unpack_from(payload)))

    def contexts(self):
        """One dictionary for each context, by its id."""
        error, payload, _ = self.ask(STATISTICS)
        assert error == 0
        rows = (dict(zip(CONTEXT_NAMES, row))
                for row in CONTEXT_LAYOUT.iter_unpack(payload[STATISTICS_LAYOUT.size:]))
        return {row["id"]: row | {"name": row["name"].split(b"\0")[0].decode()} for row in rows}

    def frame(self, scanout=0):
        """(width, height, format, pixels, (cursor width, x, y))"""
        error, payload, fds = self.ask(FRAME, scanout)
        assert error == 0, error
        size, start, buffer_bytes, width, height, stride, kind = MEMORY.unpack_from(payload)
        cursor_width = MEMORY.unpack_from(payload, 40)[3]
        x, y = struct.unpack_from("<ii", payload, 80)
        with mmap.mmap(fds[0], size, access=mmap.ACCESS_READ) as memory:
            finished = struct.unpack_from("<Q", memory, 16)[0]
            at = start + (finished & 1) * buffer_bytes
            pixels = memory[at:at + stride * height]
        for fd in fds:
            os.close(fd)
        return width, height, kind, pixels, (cursor_width, x, y)
