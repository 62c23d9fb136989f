# SPDX-License-Identifier: MIT
"""
pearvisor top against the real device, a vtest server, and servers that lie: figures agree with what
happened, a terminal gets nothing that a guest wrote, and nothing waits for ever.
"""
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import threading
import time

import pytest

import gpu_wire as wire
import vhost_user as vu
import vtest_wire
from conftest import BUILD

PEARVISOR = BUILD / "cli" / "pearvisor"
LIMIT = 64 << 20


def top(*arguments, **how):
    return subprocess.run([PEARVISOR, "top", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False, **how)


def figures(path, *arguments):
    result = top("--control", path, "--json", *arguments)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def device(program, tmp_path):
    """A device with a driver on it, which ends well."""
    path = tmp_path / "control.sock"
    process = program(BUILD / "cli" / "pearvisor-gpu", "--vhost-user", tmp_path / "gpu.sock",
                      "--control", path, "--renderer", BUILD / "cli" / "pearvisor-render",
                      "--memory-limit", "64M", "--max-contexts", "2")
    front = vu.FrontEnd(tmp_path / "gpu.sock")
    front.negotiate()
    front.start()
    yield wire.Gpu(front), path
    front.close()
    assert process.wait() == 0
    assert "Sanitizer" not in process.log()


def test_contexts_of_a_device(device):
    gpu, path = device
    empty, = figures(path)
    assert empty["kind"] == "vm" and empty["contexts"] == []
    assert empty["memory_bytes"] == 0 and empty["memory_limit_bytes"] == LIMIT
    assert gpu.create_context(1, wire.VENUS, b'a "b" \x1b[31m') == wire.OK_NODATA
    assert gpu.create_context(2, 0, b"kms") == wire.OK_NODATA
    assert gpu.create_blob(5, 0x3000, context=1) == wire.OK_NODATA
    now, = figures(path)
    one, = (row for row in now["contexts"] if row["id"] == 1)
    assert one["name"] == 'a "b" ?[31m' and one["vulkan"] and not one["lost"]
    assert one["memory_bytes"] == one["blob_bytes"] == now["memory_bytes"] == 0x3000
    assert one["commands"] == one["objects"] == one["rings"] == 0
    assert 0 <= one["cpu_percent"] < 150 and os.path.exists(f"/proc/{one['pid']}")
    text = top("--control", path).stdout
    assert re.search(rf"^ +{one['pid']} +\d+\.\d +0 +12\.0K +0 +0 +0 +1 a \"b\" \?\[31m$", text,
                     re.M), text
    assert "contexts 1, lost 0, without Vulkan 1, memory 12.0K of 64.0M" in text
    assert "kms" not in text


def test_contexts_at_the_cap(device):
    """As --max-contexts says, and 64 MiB for all of them together."""
    gpu, path = device
    assert gpu.create_context(1, wire.VENUS) == wire.OK_NODATA
    assert gpu.create_context(2, wire.VENUS) == wire.OK_NODATA
    assert gpu.create_context(3, wire.VENUS) != wire.OK_NODATA
    assert gpu.create_blob(5, LIMIT // 2, context=1) == wire.OK_NODATA
    assert gpu.create_blob(6, LIMIT // 2, context=2) == wire.OK_NODATA
    assert gpu.create_blob(7, 4096, context=2) == wire.OUT_OF_MEMORY
    assert gpu.destroy_context(2) == wire.OK_NODATA
    assert gpu.create_context(3, wire.VENUS) == wire.OK_NODATA
    now, = figures(path)
    assert sorted(row["id"] for row in now["contexts"]) == [1, 3]
    assert now["memory_bytes"] == LIMIT


def test_again_and_again(device):
    _, path = device
    begun = time.monotonic()
    assert len(figures(path, "--interval", "1", "--count", "3")) == 3
    assert 2.5 < time.monotonic() - begun < 20
    assert top("--control", path, "--interval", "1", "--count", "2").stdout.count("PID") == 2


def test_a_vtest_server(program, tmp_path):
    path = tmp_path / "control.sock"
    server = program(PEARVISOR, "vtest", "--socket", tmp_path / "vtest.sock", "--control", path)
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert figures(path)[0]["kind"] == "vtest"
    client = vtest_wire.Client(tmp_path / "vtest.sock").hello()
    now, = figures(path)
    row, = now["contexts"]
    assert row["rings"] == 0 and row["memory_bytes"] == 0 and row["pid"] > 0
    assert "device" not in now
    client.close()
    while figures(path)[0]["contexts"]:
        assert time.monotonic() < deadline + 10
    server.process.terminate()
    server.wait()
    assert not path.exists()


def on_a_terminal(path, columns, lines, seconds):
    """What top writes to a terminal of that size, and its end by Ctrl-C."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.system(f"stty rows {lines} cols {columns}")
        os.execv(PEARVISOR, ["pearvisor", "top", "--control", str(path)])
    written = b""
    deadline = time.monotonic() + seconds
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                os.write(fd, b"\x03")
                deadline += 10
            if select.select([fd], [], [], max(left, 0.1))[0]:
                written += os.read(fd, 65536)
    except OSError:
        pass  # the other end is closed
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return written.decode(), status


def test_a_terminal(device):
    gpu, path = device
    assert gpu.create_context(1, wire.VENUS, b"\x1b]0;evil\x07") == wire.OK_NODATA
    written, status = on_a_terminal(path, 60, 8, 4)
    assert os.WIFSIGNALED(status)
    pages = written.split("\x1b[H")[2:]
    assert len(pages) >= 2 and written.startswith("\x1b[H\x1b[2J")
    for page in pages[:-1]:
        assert page.endswith("\x1b[J")
        lines = page.removesuffix("\x1b[J").split("\x1b[K\r\n")
        assert lines[-1] == "" and len(lines) - 1 <= 7
        assert all(len(line) <= 60 and line.isprintable() for line in lines)
    assert "?]0;evil?" in top("--control", path).stdout


# Servers that lie.

@pytest.fixture
def liar(tmp_path):
    """A server that answers each question as it is told to."""
    path = tmp_path / "liar.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve_with(answer):
        def serve():
            peer, _ = listener.accept()
            with peer:
                while len(question := peer.recv(16)) == 16:
                    if not answer(peer, question):
                        return

        threading.Thread(target=serve, daemon=True).start()
        return path

    yield serve_with
    listener.close()


def statistics_answer(payload, version=2, error=0, size=None):
    return wire.ANSWER.pack(wire.MAGIC, version, wire.STATISTICS, error,
                            len(payload) if size is None else size) + payload


def test_names_that_are_not_text(liar):
    """A server that does not clean names: top does."""
    name = bytes(range(1, 32)) + b"\x7f\x9b\xff\xc3(" + b"x" * 28
    row = wire.CONTEXT_LAYOUT.pack(*[2**64 - 1] * 5, *[2**32 - 1] * 3, 0, *[2**32 - 1] * 4, name)
    payload = wire.STATISTICS_LAYOUT.pack(*[2**64 - 1] * 8, *[2**32 - 1] * 7, 1) + row * 3
    for arguments in ([], ["--json"]):
        result = top("--control", liar(lambda peer, _: peer.send(statistics_answer(payload)) > 0),
                     *arguments)
        assert result.returncode == 0, result.stderr
        assert result.stdout.replace("\n", "").isprintable()
        assert len(result.stdout) < 10000


@pytest.mark.parametrize("answer", [
    b"", b"\0" * 16, b"junk" * 100, statistics_answer(bytes(95)), statistics_answer(b"", size=2**31),
    statistics_answer(bytes(96), version=1), statistics_answer(b"", error=22),
    statistics_answer(b"", error=2**31),
], ids=["closes", "zeroes", "junk", "short", "large", "old", "refuses", "no-error"])
def test_answers_that_make_no_sense(liar, answer):
    path = liar(lambda peer, _: answer and peer.send(answer) and False)
    result = top("--control", path)
    assert result.returncode == 125 and not result.stdout
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("pearvisor: ")


def test_a_device_that_ends_meanwhile(liar):
    answers = [statistics_answer(wire.STATISTICS_LAYOUT.pack(*[0] * 16))] * 2

    def answer(peer, _):
        if answers:
            peer.send(answers.pop())
            return True
        return False

    result = top("--control", liar(answer), "--interval", "1")
    assert result.returncode == 125 and "the device has ended" in result.stderr
    assert result.stdout.count("PID") == 1
