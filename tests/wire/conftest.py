# SPDX-License-Identifier: MIT
"""
What wire tests share: where the built programs are (PV_BUILD, set by meson), and a program under
test that must end by itself and leave nothing behind.
"""
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("PV_BUILD", ROOT / "build" / "gcc"))


class Program:
    """A program under test. Its stderr is kept; check() is the end of every test."""

    def __init__(self, arguments, directory, **how):
        self.log_path = directory / "stderr"
        self.log_file = open(self.log_path, "wb")
        self.process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL,
                                        stdout=self.log_file, stderr=self.log_file, **how)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait(self, timeout_s=10):
        return self.process.wait(timeout_s)

    def is_alive(self):
        return self.process.poll() is None

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def thread_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        if self.is_alive():
            self.process.kill()
        self.process.wait()
        self.log_file.close()


@pytest.fixture
def program(tmp_path):
    """Start programs; whatever still runs at the end of the test is killed."""
    started = []

    def start(*arguments):
        one = Program(arguments, tmp_path)
        started.append(one)
        return one

    yield start
    for one in started:
        one.end()
