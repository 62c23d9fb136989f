# SPDX-License-Identifier: MIT
"""
Workers that stop answering, flood or lie (bad_worker.py), under the real vtest server: the client of
one is alone with that, and everybody else is served as ever. Each lie by itself, and the deadline,
are in tests/unit/render/test_context.c.
"""
import os
import signal
import time

import pytest

import vtest_wire as wire
from conftest import BUILD, ROOT, check_log, start
from support.holdings import holdings
from support.machine import children, cpu_s, wait_until
from vtest_wire import Client, Closed

WORKER = ROOT / "tests" / "faults" / "bad_worker.py"
# One turn of the loop for a flood, and the answer, on a machine with other work.
ANSWER_LIMIT_S = 5


@pytest.fixture
def server(tmp_path):
    path = tmp_path / "s"
    env = {**os.environ, "PV_REAL_RENDERER": str(BUILD / "cli" / "pearvisor-render")}
    process = start(tmp_path, BUILD / "cli" / "pearvisor", "vtest", "--socket", path,
                    "--renderer", WORKER, env=env)
    wait_until(path.exists, 20, "the server")
    process.path = path
    serve_somebody(process)
    before = holdings(process.pid)
    yield process
    serve_somebody(process)
    wait_until(lambda: not children(process.pid), 20, "the end of the workers")
    assert holdings(process.pid)["fds"] <= before["fds"]
    process.terminate()
    assert process.wait(20) == 128 + signal.SIGTERM
    lines = check_log(tmp_path)
    assert len(lines) < 1100, "the log was flooded"  # PV_BASE_LOG_GUEST_LINES_MAX and a few


def serve_somebody(server):
    """A client with a good worker does its work in time."""
    begin = time.monotonic()
    client = Client(server.path).hello(name=b"good\0")
    sync = client.sync()
    client.blob(4096)
    client.submit((b"", [(sync, 3)], 0))
    assert wire.readable(client.wait_fd([(sync, 3)]))
    client.close()
    # The first one of a sanitizer build takes a second by itself.
    assert time.monotonic() - begin < ANSWER_LIMIT_S


def use(client):
    """Everything that needs the worker. True when it came to an end, False when it was dropped."""
    client.socket.settimeout(3)
    try:
        sync = client.sync()
        client.blob(4096)
        client.submit((b"", [(sync, 1)], 0))
        client.blob(8192, blob=5)
        client.send(wire.UNREF, 1)
        return client.is_open()
    except (Closed, TimeoutError, AssertionError):
        return False


@pytest.mark.parametrize("how", ["silent", "deaf", "log_flood", "fence_flood", "descriptor_flood",
                                 "many_descriptors", "wrong_ring", "no_packet", "long_packet",
                                 "lies_of_success", "leaves"])
def test_bad_worker(server, how):
    client = Client(server.path).hello(name=how.encode() + b"\0")
    use(client)
    serve_somebody(server)
    client.close()


@pytest.mark.parametrize("how", ["log_flood", "silent"])
def test_many_bad_workers(server, how):
    clients = [Client(server.path).hello(name=how.encode() + b"\0") for _ in range(6)]
    time.sleep(0.5)
    serve_somebody(server)
    before = cpu_s(server.pid)
    for client in clients:
        client.close()
    wait_until(lambda: not children(server.pid), 20, "the end of the workers")
    assert cpu_s(server.pid) - before < 5
