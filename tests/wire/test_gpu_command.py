# SPDX-License-Identifier: MIT
"""
`pearvisor gpu` as a command: what a user may get wrong (one sentence, a status that is not 0), and
how it ends.
"""
import os
import signal
import socket
import time

import pytest

import vhost_user as vu
from conftest import BUILD

PEARVISOR = BUILD / "cli" / "pearvisor"


def wait_for(path):
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refuse(program, *arguments, says, status=None):
    one = program(PEARVISOR, "gpu", *arguments)
    got = one.wait()
    assert got not in (0, -signal.SIGSEGV, -signal.SIGABRT), one.log()
    assert status is None or got == status
    assert says in one.log()
    return one.log()


@pytest.mark.parametrize("arguments", [[], ["--window", "1G"], ["--vhost-user"], ["--nonsense"],
                                       ["--vhost-user", "x", "more"]])
def test_arguments_that_make_no_sense(program, arguments):
    refuse(program, *arguments, says="", status=2)


@pytest.mark.parametrize("option,value", [
    ("--window", "3G"), ("--window", "0"), ("--window", "-1"), ("--window", "lots"),
    ("--window", "1K"), ("--window", "99999999999999999999"), ("--memory-limit", "1"),
    ("--size", "640"), ("--size", "640x"), ("--size", "1x1"), ("--size", "99999x99999"),
    ("--log", "=x="),
])
def test_values_that_make_no_sense(program, tmp_path, option, value):
    log = refuse(program, "--vhost-user", tmp_path / "s", option, value, says=option, status=2)
    assert log.count("\n") == 1, log
    assert not (tmp_path / "s").exists()


def test_help(program):
    one = program(PEARVISOR, "gpu", "--help")
    assert one.wait() == 0
    assert "--vhost-user" in one.log()


def test_renderer_that_is_not_there(program, tmp_path):
    log = refuse(program, "--vhost-user", tmp_path / "s", "--renderer", tmp_path / "no", says="no")
    assert log.count("\n") == 1, log


def test_socket_path_in_use(program, tmp_path):
    path = tmp_path / "s"
    first = program(PEARVISOR, "gpu", "--vhost-user", path)
    wait_for(path)
    log = refuse(program, "--vhost-user", path, says=str(path))
    assert log.count("\n") == 1, log
    assert first.is_alive() and path.exists()
    front = vu.FrontEnd(path)
    front.negotiate()
    front.close()
    assert first.wait() == 0


def test_socket_file_left_over_is_replaced(program, tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    one = program(PEARVISOR, "gpu", "--vhost-user", path)
    front = vu.FrontEnd(path)
    front.negotiate()
    front.close()
    assert one.wait() == 0


@pytest.mark.parametrize("kind", ["file", "folder", "no such folder", "too long"])
def test_socket_path_that_cannot_be(program, tmp_path, kind):
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    elif kind == "no such folder":
        path = tmp_path / "none" / "s"
    else:
        path = tmp_path / ("x" * 120)
    log = refuse(program, "--vhost-user", path, says=str(path))
    assert log.count("\n") == 1, log
    assert kind != "file" or path.read_text() == "precious"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("connected", [False, True])
def test_signals_end_it_cleanly(program, tmp_path, number, connected):
    path = tmp_path / "s"
    one = program(PEARVISOR, "gpu", "--vhost-user", path)
    wait_for(path)
    front = None
    if connected:
        front = vu.FrontEnd(path)
        front.negotiate()
        front.start()
    os.kill(one.process.pid, number)
    one.wait()
    assert not path.exists()
    assert "anitizer" not in one.log()
    if front:
        assert front.is_closed_by_peer()
        front.close()
