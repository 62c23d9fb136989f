# SPDX-License-Identifier: MIT
"""Make tests/support importable, and start programs in which a call fails."""

import os
import pathlib
import random
import struct
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "support"))

BUILD = pathlib.Path(os.environ.get("PV_BUILD", ROOT / "build" / "clang-san"))
CLASSES = ["none", "alloc", "map", "thread", "send", "receive", "descriptor", "vulkan", "lost"]
REPORT = struct.Struct(f"<QQQ{len(CLASSES)}Q40s")  # struct inject_report of support/inject.h

# How many of a class's calls are tried; PV_FAULTS_ALL=1 tries every one, PV_FAULTS=class:N that
# one.
SAMPLE = 1


class Fault:
    """One call of a program that fails; env is for whoever starts it."""

    def __init__(self, folder, program, kind, number):
        self.path = folder / "report"
        self.path.write_bytes(bytes(REPORT.size))
        self.name = f"{program} {kind}:{number}"
        self.env = {"PV_INJECT": f"{kind}:{number}", "PV_INJECT_PROGRAM": program,
                    "PV_INJECT_REPORT": str(self.path)}

    def report(self):
        """(calls so far, of these failed, what was called)"""
        calls, fired, *_, what = REPORT.unpack(self.path.read_bytes())
        return calls, fired, what.split(b"\0")[0].decode()


    def all_calls(self):
        """Calls of each class, whatever fails."""
        return dict(zip(CLASSES, REPORT.unpack(self.path.read_bytes())[3:-1]))


@pytest.fixture(scope="session")
def counts():
    """Calls that a program makes in a life without a fault, by program and life."""
    return {}


@pytest.fixture
def every_fault(tmp_path, counts):
    """
    every_fault(program, kind, life): live once without a fault to count calls, then with each, or with
    some, failing. life(fault, folder) raises for what must not be.
    """

    def loop(program, kind, life):
        number = 0
        failures = []

        def once(at):
            nonlocal number
            number += 1
            folder = tmp_path / f"{number}"
            folder.mkdir()
            fault = Fault(folder, program, kind, at)
            try:
                life(fault, folder)
            except (AssertionError, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
                failures.append(f"{fault.name} {fault.report()}: {error!r}, see {folder}")
            return fault

        if (program, life) not in counts:
            counts[program, life] = once(1 << 60).all_calls()
        calls = counts[program, life][kind]
        assert calls > 0 and not failures, failures
        wanted = os.environ.get("PV_FAULTS", "")
        tried = range(1, calls + 1)
        if not os.environ.get("PV_FAULTS_ALL"):
            # The same ones each time, as long as the program makes as many calls.
            tried = random.Random(f"{program} {kind} {calls}").sample(tried, min(SAMPLE, calls))
        if wanted:
            tried = [int(wanted.split(":")[1])] if wanted.startswith(kind + ":") else []
        for at in tried:
            once(at)
        print(f"{program} {kind}: {calls} calls, {len(tried)} of them failed once each")
        assert not failures, "\n".join(failures)

    return loop


def start(folder, *arguments, env):
    """A program with its output in folder/log."""
    with open(folder / "log", "wb") as log:
        return subprocess.Popen([str(word) for word in arguments], stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, env=env)


def check_log(folder):
    """Lines of the log; none of them may be a sanitizer's."""
    text = (folder / "log").read_text(errors="replace")
    assert "Sanitizer" not in text and "runtime error" not in text, text
    return text.splitlines()
