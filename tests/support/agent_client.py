# SPDX-License-Identifier: MIT
"""Talk to a guest's agent: run commands in a VM that `pearvisor run` keeps.

The frames are declared here again, from the description in src/vm/agent_wire.h, so that a mistake
in the C code is not mirrored. One connection serves one thread; open more for more at once.
"""

import os
import socket
import struct
import subprocess
import time

EXEC, STDIN, SIGNAL, ABANDON, RESIZE, PING, POWER_OFF, CREDIT = range(1, 9)
STARTED, STDOUT, STDERR, EXIT, PONG = range(0x80, 0x85)
EXIT_CODE, EXIT_SIGNAL, EXIT_NOT_RUN, EXIT_LOST = range(4)
HEADER = struct.Struct("<IHHI")
SYNC_MARK = b"PearVisor\r\n\x1a"
OUTPUT_CREDIT = 256 << 10
INPUT_CREDIT = 64 << 10
CHUNK = 16 << 10


class AgentGone(Exception):
    """The connection ended, or the guest went away while the command ran."""


class Command:
    """A command that has been asked for; wait() brings it to its end."""

    def __init__(self, agent, number):
        self.agent = agent
        self.number = number
        self.pid = None
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.input_credit = INPUT_CREDIT
        self.how = None
        self.value = None

    @property
    def is_done(self):
        return self.how is not None

    @property
    def returncode(self):
        """As subprocess has it: exit status, or minus the signal. 127 or 126: could not start."""
        if self.how == EXIT_CODE:
            return self.value
        if self.how == EXIT_SIGNAL:
            return -self.value
        return 127 if self.value == 2 else 126

    def signal(self, number):
        self.agent.send(SIGNAL, self.number, struct.pack("<I", number))

    def write(self, data):
        """Send input; waits for the guest to take it. b"" is the end of file."""
        if not data:
            self.agent.send(STDIN, self.number)
        while data and not self.is_done:
            while self.input_credit == 0 and not self.is_done:
                self.agent.receive()
            part = data[: min(CHUNK, self.input_credit)]
            self.input_credit -= len(part)
            self.agent.send(STDIN, self.number, part)
            data = data[len(part):]

    def wait(self, timeout=60):
        """Serve the connection until this command has ended. Raises TimeoutExpired."""
        end = time.monotonic() + timeout
        while not self.is_done:
            left = end - time.monotonic()
            if left <= 0 or not self.agent.receive(left):
                self.agent.send(ABANDON, self.number)
                raise subprocess.TimeoutExpired(f"guest command {self.number}", timeout,
                                                bytes(self.stdout), bytes(self.stderr))
        if self.how == EXIT_LOST:
            raise AgentGone("the guest went away while the command ran")
        return self.returncode

    def wait_started(self, timeout=60):
        end = time.monotonic() + timeout
        while self.pid is None and not self.is_done and time.monotonic() < end:
            self.agent.receive(end - time.monotonic())
        return self.pid


class Agent:
    def __init__(self, path, connect_timeout=10):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(connect_timeout)
        self.sock.connect(os.fspath(path))
        self.commands = {}
        self.pongs = 0
        self.next_number = 1
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, kind, number, payload=b""):
        self.sock.settimeout(60)
        try:
            self.sock.sendall(HEADER.pack(len(payload), kind, 0, number) + payload)
        except OSError as error:
            raise AgentGone(str(error)) from error

    def receive(self, timeout=60):
        """Take at least one frame. Returns False when none came in time."""
        while len(self.buffer) < 12 or len(self.buffer) < 12 + HEADER.unpack_from(self.buffer)[0]:
            self.sock.settimeout(timeout)
            try:
                data = self.sock.recv(1 << 16)
            except TimeoutError:
                return False
            except OSError as error:
                raise AgentGone(str(error)) from error
            if not data:
                raise AgentGone("connection closed")
            self.buffer += data
        size, kind, _, number = HEADER.unpack_from(self.buffer)
        payload = bytes(self.buffer[12:12 + size])
        del self.buffer[:12 + size]
        self.take(kind, number, payload)
        return True

    def take(self, kind, number, payload):
        if kind == PONG:
            self.pongs += 1
            return
        command = self.commands.get(number)
        if command is None:
            return
        if kind == STARTED:
            (command.pid,) = struct.unpack("<I", payload)
        elif kind in (STDOUT, STDERR):
            (command.stdout if kind == STDOUT else command.stderr).extend(payload)
            self.send(CREDIT, number, struct.pack("<I", len(payload)))
        elif kind == CREDIT:
            command.input_credit += struct.unpack("<I", payload)[0]
        elif kind == EXIT:
            command.how, command.value = struct.unpack("<II", payload)
            del self.commands[number]

    def start(self, arguments, env=None, cwd="", tty=False):
        """Start a command (a list, or a string for the shell); returns at once."""
        if isinstance(arguments, str):
            arguments = ["/bin/sh", "-c", arguments]
        command = Command(self, self.next_number)
        self.next_number += 1
        self.commands[command.number] = command
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        strings = b"".join(os.fsencode(s) + b"\0" for s in [cwd, *arguments, *variables])
        self.send(EXEC, command.number,
                  struct.pack("<III", int(tty), len(arguments), len(variables)) + strings)
        return command

    def run(self, arguments, input=b"", timeout=60, check=False, **options):
        """Run a command to its end; returns a subprocess.CompletedProcess with text output."""
        command = self.start(arguments, **options)
        if input:
            command.write(input)
        command.write(b"")
        code = command.wait(timeout)
        done = subprocess.CompletedProcess(arguments, code,
                                           command.stdout.decode(errors="replace"),
                                           command.stderr.decode(errors="replace"))
        if check:
            done.check_returncode()
        return done

    def ping(self, timeout=10):
        before = self.pongs
        self.send(PING, 0, struct.pack("<I", 1) + SYNC_MARK)
        end = time.monotonic() + timeout
        while self.pongs == before and time.monotonic() < end:
            self.receive(max(0.01, end - time.monotonic()))
        return self.pongs > before
