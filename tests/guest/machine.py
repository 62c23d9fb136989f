# SPDX-License-Identifier: MIT
"""
A guest that `pearvisor run --keep-alive` keeps, with a hand on QEMU that users do not have: a second
QMP monitor, put there by a wrapper around QEMU. For tests of what a machine does to the device:
stop, reset, reboot, death.
"""
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("PV_BUILD", ROOT / "build" / "gcc"))
PEARVISOR = BUILD / "cli" / "pearvisor"

BOOT_S = 120
# What the device says at level debug when the guest's driver begins anew.
STARTS = "the device starts"


def children(pid):
    """All descendants of a process: {pid: name}."""
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = pathlib.Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            rest = text.rsplit(")", 1)[1].split()
            if rest[0] != "Z":
                parents[int(entry)] = int(rest[1])
                names[int(entry)] = text[text.index("(") + 1:text.rindex(")")]
    found = {}
    level = {pid}
    while level:
        level = {p for p, parent in parents.items() if parent in level}
        found.update({p: names[p] for p in level})
    return found


def wait_until(condition, timeout_s, what):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


class Machine:
    def __init__(self, name="accident"):
        self.name = name
        # short: sockets live below it
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pv-", dir="/tmp"))
        self.runtime = self.directory / "run"
        self.qmp_path = self.directory / "qmp"
        self.environment = dict(os.environ, PEARVISOR_RUNTIME_DIR=str(self.runtime))
        wrapper = self.directory / "qemu"
        qemu = os.environ.get("PV_QEMU") or shutil.which("qemu-system-x86_64")
        wrapper.write_text(
            "#!/bin/sh\n"
            "case $* in\n"
            "*vhost-user-test-device-pci,chardev*)\n"
            f"    exec {shlex.quote(qemu)} \"$@\" -qmp unix:{self.qmp_path},server=on,wait=off ;;\n"
            "esac\n"
            f"exec {shlex.quote(qemu)} \"$@\"\n")
        wrapper.chmod(0o755)
        self.log_path = self.directory / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [PEARVISOR, "run", "--keep-alive", "--name", name, "--qemu", wrapper,
                 "--serial", self.directory / "serial", "--log", "warn,vhost-user=debug,vm=debug"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        self.qmp = None
        self.wait_for_guest()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for_guest(self):
        """Until a command runs in the guest, after a start or a reset."""
        deadline = time.monotonic() + BOOT_S
        while True:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            if self.run("true", timeout_s=5).returncode == 0:
                return
            time.sleep(0.2)

    def run(self, command, timeout_s=60):
        return subprocess.run(
            [PEARVISOR, "exec", "--vm", self.name, "--timeout", str(timeout_s), "--", "sh", "-c",
             command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=self.environment, timeout=timeout_s + 30, check=False)

    def check(self, command, timeout_s=60):
        done = self.run(command, timeout_s)
        assert done.returncode == 0, (command, done, self.log()[-2000:])
        return done.stdout

    def command(self, name):
        """A QMP command."""
        if self.qmp is None:
            self.qmp = socket.socket(socket.AF_UNIX)
            self.qmp.settimeout(20)
            self.qmp.connect(str(self.qmp_path))
            self.qmp_file = self.qmp.makefile("rw")
            self.qmp_file.readline()
            self.command("qmp_capabilities")
        self.qmp_file.write(json.dumps({"execute": name}) + "\n")
        self.qmp_file.flush()
        while True:
            answer = json.loads(self.qmp_file.readline())
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, answer

    def reset_and_wait(self, how):
        """Reset by calling how, then until the next life runs commands."""
        starts = self.log().count(STARTS)
        how()
        wait_until(lambda: self.log().count(STARTS) > starts, BOOT_S, "a new start of the device")
        self.wait_for_guest()

    def pids(self, name):
        return [pid for pid, its in children(self.process.pid).items() if its.startswith(name)]

    def device_pid(self):
        (pid,) = self.pids("pearvisor-gpu")
        return pid

    def workers(self):
        return len(self.pids("pearvisor-rende"))  # names are cut to 15 characters

    def device_fds(self):
        return len(os.listdir(f"/proc/{self.device_pid()}/fd"))

    def descendants(self):
        return children(self.process.pid)

    def wait(self, timeout_s=20):
        return self.process.wait(timeout_s)

    def has_left_nothing(self, former):
        """None of these former processes runs, and the folder of the VM is gone."""
        alive = [pid for pid in former if os.path.exists(f"/proc/{pid}")
                 and "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()]
        return not alive and not (self.runtime / self.name).exists()

    def end(self):
        if self.qmp is not None:
            self.qmp.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
