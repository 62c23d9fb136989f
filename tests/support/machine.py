# SPDX-License-Identifier: MIT
"""A guest that stays up for many tests: `pearvisor run --keep-alive`, looked at from the host.

Each Machine has a runtime folder of its own, so that what it leaves behind is seen and VMs of
others do not matter. QEMU is started through a script that gives it a second QMP socket, which is
how a test pauses a VM.
"""

import json
import os
import pathlib
import shlex
import socket
import subprocess
import time

from PIL import Image

from support import programs
from support.agent_client import Agent, AgentGone

# Under emulation, beside other work; a quiet machine takes 10 s.
BOOT_TIMEOUT_S = 240
END_TIMEOUT_S = 60
AT_REST_TIMEOUT_S = 30

# A task that waits in the kernel and cannot be killed, besides workers that just do their work.
STUCK = "ps -eo pid=,stat=,wchan:32=,comm= | awk '$2 ~ /^D/'"


def wait_until(condition, timeout_s, what):
    """Poll until condition() is true, and return what it returned."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}"
        time.sleep(0.1)


def stat_fields(pid):
    """Fields of /proc/PID/stat behind the name: state, parent, ...; None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rsplit(")", 1)[1].split()


def is_running(pid, started=None):
    """started: as started() said; another process may have the number by now."""
    fields = stat_fields(pid)
    return (fields is not None and fields[0] not in "ZX"
            and (started is None or started == int(fields[19])))


def started(pid):
    """When a process began, in clock ticks since boot; None when it is gone."""
    fields = stat_fields(pid)
    return fields and int(fields[19])


def children(pid):
    """Process ids of the live children, oldest first."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        fields = stat_fields(entry.name) if entry.name.isdigit() else None
        if fields and int(fields[1]) == pid and fields[0] not in "ZX":
            found.append((int(fields[19]), int(entry.name)))
    return [number for _, number in sorted(found)]


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def cpu_s(pid):
    """Processor time that a process has used."""
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fd_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def process_name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def host_environment(folder):
    """Environment of a pearvisor whose VMs live in folder and draw with the host driver."""
    env = programs.environment("PV_HOST_ICD")
    env["PEARVISOR_RUNTIME_DIR"] = str(folder)
    return env


class Machine:
    """One VM. Use start(), then run(), agent(), screenshot(); stop() is always the end."""

    def __init__(self, folder, options=(), env=()):
        self.folder = pathlib.Path(folder)
        self.runtime = self.folder / "run"
        self.qmp_path = self.folder / "qmp"
        self.options = list(options)
        self.env = {**host_environment(self.runtime), **dict(env)}
        self.process = None
        self.seen = {}  # every process that was ever part of it: when it began

    def start(self):
        qemu = self.folder / "qemu"
        real = shlex.quote(programs.required("PV_QEMU"))
        qemu.write_text(
            "#!/bin/sh\n"
            f'case "$*" in *-kernel*) exec {real} "$@" -qmp unix:{self.qmp_path},server=on,wait=off;;'
            f' *) exec {real} "$@";; esac\n'
        )
        qemu.chmod(0o755)
        command = [programs.binary("pearvisor"), "run", "--keep-alive", "--name", "vm",
                   "--qemu", qemu, *self.options]
        with open(self.folder / "output", "wb") as output, open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=log)
        try:
            wait_until(lambda: self.process.poll() is not None or "ready" in self.output(),
                       BOOT_TIMEOUT_S, "a booted guest")
            assert self.process.poll() is None, self.log()
        except BaseException:
            self.stop()
            raise
        self.note_processes()
        return self

    def output(self):
        return (self.folder / "output").read_text()

    def log(self):
        """What pearvisor, its device and the workers said."""
        return (self.folder / "log").read_text(errors="replace")

    def see(self, pids):
        """Remember them for left()."""
        for pid in pids:
            began = started(pid)
            if began:
                self.seen[pid] = began

    def left(self):
        """Processes of this machine that run."""
        return [pid for pid, began in self.seen.items() if is_running(pid, began)]

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    # Its processes on the host.
    def note_processes(self):
        self.see(descendants(self.process.pid))

    def child(self, name):
        found = [pid for pid in children(self.process.pid) if process_name(pid) == name]
        assert len(found) == 1, (name, found)
        return found[0]

    @property
    def device_pid(self):
        return self.child("pearvisor-gpu")

    @property
    def qemu_pid(self):
        found = [pid for pid in children(self.process.pid) if pid != self.device_pid]
        assert len(found) == 1, found
        return found[0]

    def workers(self):
        """Render workers, oldest first: one for each context of the guest."""
        found = children(self.device_pid)
        self.see(found)
        return found

    def new_worker(self, before, timeout_s=60):
        """The worker that was not there before, once there is one."""
        return wait_until(lambda: [pid for pid in self.workers() if pid not in before], timeout_s,
                          "a new render worker")[-1]

    # In the guest.
    def agent(self):
        return Agent(self.runtime / "vm" / "agent.sock")

    def answers(self):
        try:
            with self.agent() as agent:
                return agent.ping(5)
        except (OSError, AgentGone):
            return False

    def run(self, command, timeout=180, **options):
        """Run a command (list, or string for the shell) to its end; a CompletedProcess."""
        with self.agent() as agent:
            return agent.run(command, timeout=timeout, **options)

    def check(self, command, timeout=180, **options):
        """The same, for one that must succeed; returns its standard output."""
        done = self.run(command, timeout, **options)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def assert_draws(self):
        """The smallest proof that the guest's GPU works."""
        assert "Virtio-GPU Venus" in self.check(["pv-compute", "--only", "mix"])

    def assert_at_rest(self, worker_count=0):
        """No task waits in the guest's kernel, and only so many workers are left on the host."""
        end = time.monotonic() + AT_REST_TIMEOUT_S
        while True:
            stuck = self.check(STUCK)
            workers = self.workers()
            if not stuck and len(workers) == worker_count:
                return
            assert time.monotonic() < end, f"guest tasks:\n{stuck}\nworkers: {workers}"
            time.sleep(0.3)

    def top(self):
        """What `pearvisor top` shows of it, over the second that the call takes."""
        done = subprocess.run([programs.binary("pearvisor"), "top", "--json", "--vm", "vm"],
                              env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    # The screen, and QEMU.
    def screenshot(self, path):
        done = subprocess.run(
            [programs.binary("pearvisor"), "screenshot", "--vm", "vm", "-o", path], env=self.env,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        with Image.open(path) as image:
            return image.convert("RGB")

    def qmp(self, *commands):
        """Execute commands on QEMU's monitor; returns their answers."""
        answers = []
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(self.qmp_path))
            stream = sock.makefile("rw")
            stream.readline()
            for command in ("qmp_capabilities", *commands):
                stream.write(json.dumps({"execute": command}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
                assert "return" in answer, answer
                answers.append(answer["return"])
        return answers[1:]

    # The end.
    def wait(self, timeout_s=END_TIMEOUT_S):
        """Wait for pearvisor to end by itself; returns its exit status."""
        return self.process.wait(timeout_s)

    def stop(self):
        """Ctrl-C, or worse if that does not help. Returns the exit status."""
        if self.is_alive():
            self.note_processes()
            self.process.send_signal(2)
            try:
                self.process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                for pid in [*self.left(), self.process.pid]:
                    try:
                        os.kill(pid, 9)
                    except ProcessLookupError:
                        pass
                self.process.wait(END_TIMEOUT_S)
        return self.process.returncode

    def assert_nothing_left(self):
        """After the end: no process, no socket, no folder."""
        assert self.process.poll() is not None
        wait_until(lambda: not self.left(), 10,
                   f"the end of {[(pid, process_name(pid)) for pid in self.left()]}")
        left = [str(path) for path in self.runtime.rglob("*")]
        assert left == [], left
