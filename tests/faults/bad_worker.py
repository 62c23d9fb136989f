#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A render worker that misbehaves, for --renderer. What it does is in the name of the program that it
is to serve (PV_RENDER_INIT carries it); any other name gets the real worker, PV_REAL_RENDERER.
"""
import os
import socket
import struct
import sys
import time

DONE, FENCE, LOST, RING, LOG = range(64, 69)
DONE_MESSAGE, FENCE_MESSAGE = struct.Struct("<Ii2Q"), struct.Struct("<2IQ")
RING_MESSAGE, LOG_MESSAGE = struct.Struct("<2IQ2I"), struct.Struct("<2I240s")


def flood(sock, packet):
    while True:
        sock.send(packet)


def silent(sock):
    time.sleep(600)


def deaf(sock):
    """Reads for ever and answers nothing."""
    while sock.recv(65536):
        pass


def log_flood(sock):
    flood(sock, LOG_MESSAGE.pack(LOG, 1, b"all is well " * 20))


def fence_flood(sock):
    flood(sock, FENCE_MESSAGE.pack(FENCE, 0, 1))


def descriptor_flood(sock):
    fd = os.open("/dev/null", os.O_RDONLY)
    while True:
        socket.send_fds(sock, [DONE_MESSAGE.pack(DONE, 0, 7, 4096)], [fd])


def many_descriptors(sock):
    fd = os.open("/dev/null", os.O_RDONLY)
    socket.send_fds(sock, [DONE_MESSAGE.pack(DONE, 0, 7, 4096)], [fd] * 200)
    deaf(sock)


def wrong_ring(sock):
    sock.send(RING_MESSAGE.pack(RING, 77, 1 << 63, 1, 0))
    deaf(sock)


def no_packet(sock):
    sock.send(b"\xff" * 3)
    deaf(sock)


def long_packet(sock):
    sock.send(bytes(60000))
    deaf(sock)


def lies_of_success(sock):
    """Says yes to every request, and has done nothing: no file comes with an export."""
    while True:
        data = sock.recv(65536)
        if not data:
            return
        (kind,) = struct.unpack_from("<I", data)
        if kind in (3, 5, 6):  # LEAVE, EXPORT, PLACE; where each has its cookie
            cookie = struct.unpack_from("<Q", data, {3: 8, 5: 32, 6: 16}[kind])[0]
            sock.send(DONE_MESSAGE.pack(DONE, 0, cookie, 1 << 40))


def leaves(sock):
    sys.exit(3)


def main():
    sock = socket.socket(fileno=int(sys.argv[1]))
    data = sock.recv(65536, socket.MSG_PEEK)
    name = data[32:96].split(b"\0")[0].decode(errors="replace")
    how = globals().get(name.replace("-", "_"))
    if not name.startswith("x") and callable(how):
        how(sock)
        return
    real = os.environ["PV_REAL_RENDERER"]
    os.set_inheritable(sock.fileno(), True)
    os.execv(real, [real, str(sock.detach()), *sys.argv[2:]])


if __name__ == "__main__":
    main()
