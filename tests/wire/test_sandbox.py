# SPDX-License-Identifier: MIT
"""
A worker that was taken over: the real pearvisor-render with a driver (tests/support/
hostile_driver.c) that tries to get out, when it is loaded, when it is called and on a thread of its
own. Then the same on hosts without some of the stages.
"""
import json
import os
import shutil
import socket
import subprocess

import pytest

import render_wire as wire
from conftest import BUILD, Program
from render_wire import Guest, Worker

DRIVER = BUILD / "tests" / "libhostile_driver.so"
PROBE = BUILD / "cli" / "pearvisor-probe"
STAGES = ["limits", "namespaces", "files", "privileges", "memory", "calls"]
SANITIZED = "san" in BUILD.name
# Sanitizers need processes of their own, so their builds let them be made.
EXEMPT = {"start a process"} if SANITIZED else set()


@pytest.fixture
def attack(tmp_path):
    """Run the hostile driver in a worker; what it said, and the folder that it was after."""
    workers = []

    def run(*arguments):
        target = tmp_path / "target"
        target.mkdir()
        manifest = tmp_path / "driver.json"
        manifest.write_text(json.dumps({
            "file_format_version": "1.0.0",
            "ICD": {"library_path": str(DRIVER), "api_version": "1.3.0"}}))
        env = {key: value for key, value in os.environ.items() if not key.startswith("VK_")}
        env["VK_DRIVER_FILES"] = env["VK_ICD_FILENAMES"] = str(manifest)
        env["PV_TEST_HOSTILE"] = str(target)
        env["SOME_SECRET"] = "xyzzy"
        env["ASAN_OPTIONS"] = "detect_leaks=0"
        if os.environ.get("PV_MESA_LIBRARY_PATH"):
            env["LD_LIBRARY_PATH"] = os.environ["PV_MESA_LIBRARY_PATH"]
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(target / "listener"))
        listener.listen()
        listener.setblocking(False)
        worker = Worker(lambda fd: Program([BUILD / "cli" / "pearvisor-render", fd, *arguments],
                                           tmp_path, pass_fds=[fd], env=env))
        workers.append(worker)
        worker.init()
        guest = Guest(worker)
        assert guest.result(wire.create_instance(1)) < 0
        assert guest.version(), "the worker lives on"
        said = [line for line in worker.program.log().splitlines() if line.startswith("hostile ")]
        try:
            listener.accept()
            reached = True
        except BlockingIOError:
            reached = False
        listener.close()
        return said, sorted(path.name for path in target.iterdir() if path.name != "listener"), \
            reached

    yield run
    for worker in workers:
        worker.program.end()


def moments(said):
    return {line.split()[1].rstrip(":") for line in said if line.endswith(": end")}


def test_a_hostile_driver_gets_nowhere(attack):
    said, left, reached = attack("--sandbox=full")
    assert moments(said) == {"load", "call", "thread"}
    done = [line for line in said if ": DONE: " in line]
    assert {line.split(": DONE: ")[1] for line in done} <= EXEMPT, done
    assert left == [] and not reached
    assert len([line for line in said if ": refused: " in line]) >= 3 * 20


def test_without_sandbox_it_does(attack):
    """So the attempts are real ones."""
    said, left, reached = attack("--sandbox=none")
    done = {line.split(": DONE: ")[1] for line in said if ": DONE: " in line}
    assert {"read /etc/passwd", "list /tmp", "write in /tmp", "open a local socket", "run a program",
            "start a process", "signal another process", "leave a file", "connect to a socket",
            "read a secret variable"} <= done
    assert "written-call" in left and "touched-call" in left and reached


def probe(*command, **how):
    """What pearvisor-probe says about its sandbox; no driver is needed for that."""
    env = {**os.environ, "VK_DRIVER_FILES": "/nowhere.json", "VK_ICD_FILENAMES": "/nowhere.json",
           "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([*command, str(PROBE)], env=env, capture_output=True, timeout=60,
                          check=False, **how)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)["sandbox"]


def states(sandbox):
    return {stage["name"]: stage["state"] for stage in sandbox["stages"]}


def could(sandbox):
    return {trial["name"] for trial in sandbox["trials"] if not trial["refused"]}


def tools(*names):
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"no {name}")
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespaces here to make such a host with")


def test_stages_and_trials():
    sandbox = probe()
    assert sandbox["mode"] == "full"
    assert list(states(sandbox)) == STAGES
    assert states(sandbox)["limits"] == states(sandbox)["calls"] == "holds"
    assert could(sandbox) <= EXEMPT


def test_as_another_user():
    if os.getuid() != 0:
        pytest.skip("not root")
    if not all(os.stat(path).st_mode & 0o001 for path in PROBE.parents):
        pytest.skip("the build is in a folder that is closed to others")
    sandbox = probe(user="nobody", group="nogroup", extra_groups=[])
    assert list(states(sandbox)) == STAGES
    assert could(sandbox) <= EXEMPT


def test_where_no_namespaces_can_be_made():
    """As in many containers: user namespaces are used up, and no capabilities."""
    tools("unshare", "setpriv")
    sandbox = probe("unshare", "-Ur", "sh", "-c",
                    "echo 0 >/proc/sys/user/max_user_namespaces && "
                    'exec setpriv --inh-caps=-all --bounding-set=-all "$@"', "sh")
    assert states(sandbox)["namespaces"] == "absent"
    assert states(sandbox)["calls"] == "holds"
    assert could(sandbox) <= EXEMPT


@pytest.mark.parametrize("mode, status", [("measure", 0), ("none", 0), ("no", 2), ("", 2)])
def test_modes_of_the_probe(mode, status):
    env = {**os.environ, "VK_DRIVER_FILES": "/nowhere.json", "VK_ICD_FILENAMES": "/nowhere.json",
           "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([PROBE, f"--sandbox={mode}"], env=env, capture_output=True, timeout=60,
                          check=False)
    assert done.returncode == status, done.stderr.decode()
    if status == 0:
        sandbox = json.loads(done.stdout)["sandbox"]
        assert sandbox["mode"] == mode and sandbox["trials"] == []
        assert states(sandbox)["calls"] == "absent"


def test_strict_or_nothing(tmp_path):
    """On a host that lacks a stage, --sandbox=strict is a worker that does not start."""
    tools("unshare", "setpriv")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = Program(["unshare", "-Ur", "sh", "-c",
                       "echo 0 >/proc/sys/user/max_user_namespaces && "
                       'exec setpriv --inh-caps=-all --bounding-set=-all "$@"', "sh",
                       BUILD / "cli" / "pearvisor-render", theirs.fileno(), "--sandbox=strict"],
                      tmp_path, pass_fds=[theirs.fileno()])
    theirs.close()
    assert program.wait() == 1
    assert "no sandbox as asked for" in program.log() and "namespaces (" in program.log()
    ours.close()
    program.end()


def test_the_device_gives_up_privileges(program, tmp_path):
    """pearvisor-gpu: no new privileges and no core file, which what it starts inherits."""
    vmm = tmp_path / "vmm"
    one = program(BUILD / "cli" / "pearvisor-gpu", "--vhost-user", vmm)
    while not vmm.exists():
        assert one.is_alive(), one.log()
    with open(f"/proc/{one.process.pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    with open(f"/proc/{one.process.pid}/limits", encoding="ascii") as file:
        assert next(line for line in file if line.startswith("Max core")).split()[4:6] == ["0", "0"]
