# SPDX-License-Identifier: MIT
"""
The real programs with one call of theirs failing (tests/support/inject.h): the vtest server and its
workers with stock Mesa and lavapipe, the device process with a front end and a driver, `pearvisor
run` with fake-qemu. Whatever fails: no crash, no hang, nothing left; at the start one line says why,
and later the server or the device goes on for everybody else.
"""
import os
import signal
import socket
import subprocess
import time

import pytest

import gpu_wire as wire
import vhost_user as vu
from conftest import BUILD, check_log, start
from support import programs
from support.machine import children, wait_until

FAULTY = BUILD / "tests" / "faults"
KINDS = ["alloc", "map", "thread", "send", "receive", "descriptor"]
CLIENT_LIMIT_S = 40
# A client that has not connected, or whose connection is closed, lives no longer.
CLOSED_LIMIT_S = 10


# ---- vtest ----

class VtestServer:
    def __init__(self, fault, folder):
        self.folder = folder
        self.path = folder / "s"
        env = {**programs.environment("PV_HOST_ICD"), **fault.env}
        self.process = start(folder, FAULTY / "faulty-pearvisor", "vtest", "--socket", self.path,
                             "--renderer", FAULTY / "faulty-pearvisor-render", env=env)
        wait_until(lambda: self.listens() or self.process.poll() is not None, 20, "the server")

    def listens(self):
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(self.path))
            except OSError:
                return False
        return True

    def client(self):
        """Exit status of a program on it."""
        env = programs.environment("PV_VENUS_ICD")
        # What the guest's driver leaks in a client is not our finding.
        env.update(VN_DEBUG="vtest", VTEST_SOCKET_NAME=str(self.path),
                   ASAN_OPTIONS="detect_leaks=0")
        command = [programs.binary("pv-compute"), "--only", "mix"]
        with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            start = served = time.monotonic()
            # Mesa 25.0 reads for ever where the server has closed a connection that it waits on.
            while process.poll() is None and time.monotonic() - served < CLOSED_LIMIT_S:
                if self.has_clients():
                    served = time.monotonic()
                if time.monotonic() - start > CLIENT_LIMIT_S:
                    process.kill()
                    raise AssertionError("a client waits, and its connection is open")
                time.sleep(0.02)
            if process.poll() is None:
                process.kill()
            return process.wait()

    def has_clients(self):
        """Whether the server holds more sockets than the one that listens."""
        sockets = 0
        try:
            for fd in os.scandir(f"/proc/{self.process.pid}/fd"):
                try:
                    sockets += os.readlink(fd.path).startswith("socket:")
                except FileNotFoundError:
                    pass
        except OSError:
            return False  # it has ended
        return sockets > 1

    def end(self):
        wait_until(lambda: not children(self.process.pid), 20, "the end of the workers")
        self.process.terminate()
        return self.process.wait(20)


def vtest_life(fault, folder):
    server = VtestServer(fault, folder)
    try:
        if server.process.poll() is not None:
            assert server.process.returncode == 125, server.process.returncode
            assert fault.report()[1] == 1
            assert len(check_log(folder)) == 1, check_log(folder)
            return
        # One client at most pays for the call that failed.
        statuses = [server.client() for _ in range(2)]
        fired = fault.report()[1]
        assert statuses.count(0) >= (1 if fired else 2), statuses
        assert statuses[1] == 0 or server.client() == 0
        assert server.process.poll() is None
        assert server.end() == 128 + signal.SIGTERM
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
    assert not server.path.exists()
    check_log(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("program", ["faulty-pearvisor", "faulty-pearvisor-render"])
def test_vtest(every_fault, program, kind):
    if (program, kind) == ("faulty-pearvisor", "map"):
        pytest.skip("the server maps nothing")
    every_fault(program, kind, vtest_life)


# ---- the device process ----

def guest_life(gpu, front, base):
    """What a guest does, with ids from base on. Its answers may be refusals."""
    front.config()
    gpu.ask(wire.GET_DISPLAY_INFO, reply_bytes=408)
    gpu.create_2d(base, 64, 64)
    addr = front.memory.allocate(64 * 64 * 4, 4096)
    gpu.attach_backing(base, [(addr, 64 * 64 * 4)])
    gpu.transfer(base, (0, 0, 64, 64))
    gpu.set_scanout(0, base, (0, 0, 64, 64))
    gpu.flush(base, (0, 0, 64, 64))
    gpu.create_context(base, wire.VENUS)
    gpu.create_blob(base + 1, 65536, context=base)
    gpu.map_blob(base + 1, base << 16)
    gpu.attach(base, base + 1)
    gpu.submit(base, b"", fence=5)
    gpu.unmap_blob(base + 1)
    gpu.unref(base + 1)
    gpu.destroy_context(base)
    gpu.unref(base)


def device_life(fault, folder):
    env = {**os.environ, **fault.env}
    process = start(folder, FAULTY / "faulty-pearvisor-gpu", "--vhost-user", folder / "g", "--control",
                    folder / "c", "--renderer", FAULTY / "faulty-pearvisor-render", "--size", "640x480",
                    "--window", "64M", "--memory-limit", "64M", env=env)
    try:
        wait_until(lambda: (folder / "c").exists() or process.poll() is not None, 20, "the device")
        told = drive_device(fault, folder, process)
        status = process.wait(20)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    lines = check_log(folder)
    assert status == 0 or (fault.report()[1] == 1 and status > 0 and lines), (status, lines, told)
    assert not (folder / "g").exists() and not (folder / "c").exists()


def drive_device(fault, folder, process):
    """Returns what went wrong for the front end, which is only allowed with a fault."""
    front = None
    try:
        front = vu.FrontEnd(folder / "g")
        front.negotiate()
        try:
            front.start()
        except AssertionError as error:  # the window was not mapped
            assert fault.report()[1] == 1 and check_log(folder), error
            return error
        gpu = wire.Gpu(front)
        guest_life(gpu, front, 10)
        # What comes afterwards finds the device in order; at most one request pays for the fault.
        assert gpu.still_answers() or gpu.still_answers()
        assert front.violations == []
        return None
    except (OSError, vu.Closed, TimeoutError) as error:
        assert fault.report()[1] == 1, error
        if front is not None:
            front.close()
            front = None
        if (folder / "g").exists() and process.poll() is None:
            # It had no room for this one, and serves the next.
            return drive_device(fault, folder, process)
        # Only a device that has ended leaves a guest without an answer.
        assert process.wait(5) != 0, error
        return error
    finally:
        if front is not None:
            front.close()


@pytest.mark.parametrize("kind", KINDS)
def test_device(every_fault, kind):
    if kind == "thread":
        pytest.skip("the device starts a process for each context, and no thread")
    every_fault("faulty-pearvisor-gpu", kind, device_life)


# ---- pearvisor run ----

RECIPE = "#!/bin/sh\nfor name in vmlinuz modules.cpio root.img; do echo x > $1/$name; done\n"
QEMU = """#!/bin/sh
case "$*" in
--version) echo "QEMU emulator version 99.0" ;;
-device*,help) echo "  virtio-id=<uint16>" ;;
*) exec "{fake}" "$@" ;;
esac
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Environment and QEMU of a `pearvisor run` whose guest is fake-qemu's."""
    folder = tmp_path_factory.mktemp("places")
    recipe = folder / "data" / "image" / "small"
    recipe.mkdir(parents=True)
    (folder / "data" / "programs.cpio").write_text("x")
    for path, text in ((recipe / "build", RECIPE),
                       (folder / "qemu", QEMU.format(fake=BUILD / "tests" / "unit" / "fake-qemu"))):
        path.write_text(text)
        path.chmod(0o755)
    env = {**os.environ, "PEARVISOR_DATA_DIR": str(folder / "data"),
           "PEARVISOR_CACHE_DIR": str(folder / "cache")}
    subprocess.run([BUILD / "cli" / "pearvisor", "image", "build", "small"], env=env, check=True)
    return env, folder / "qemu"


def processes_about(folder):
    """Command lines of all processes that name it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
        except OSError:
            continue
        if os.fsencode(folder) in line:
            found.append(line)
    return found


@pytest.mark.parametrize("kind", ["alloc", "thread", "send", "descriptor"])
def test_run(every_fault, places, kind):
    env, qemu = places

    def run_life(fault, folder):
        # A folder of its own, short enough for a socket in it.
        runtime = folder / "r"
        with open(folder / "out", "wb") as output, open(folder / "log", "wb") as log:
            status = subprocess.run(
                [FAULTY / "faulty-pearvisor", "run", "--image", "small", "--qemu", qemu, "--accel",
                 "tcg", "--device-command", f'exec "{BUILD}/tests/unit/fake-qemu" device "$1"', "--",
                 "hello"],
                env={**env, **fault.env, "PEARVISOR_RUNTIME_DIR": str(runtime)},
                stdin=subprocess.DEVNULL, stdout=output, stderr=log, timeout=60,
                check=False).returncode
        sentences = [line for line in check_log(folder) if line.startswith("pearvisor: ")]
        if status == 7:
            assert (folder / "out").read_text() == "hello\n"
        else:
            assert fault.report()[1] == 1 and status in (125, 126), status
            assert len(sentences) == 1, sentences
        assert not processes_about(runtime), processes_about(runtime)
        assert not runtime.exists() or not list(runtime.iterdir())

    every_fault("faulty-pearvisor", kind, run_life)
