# SPDX-License-Identifier: MIT
"""Make tests/support importable, and start programs in which a call fails."""

import os
import pathlib
import struct
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "support"))

BUILD = pathlib.Path(os.environ.get("PV_BUILD", ROOT / "build" / "clang-san"))
REPORT = struct.Struct("<QQQ40s")  # struct inject_report of support/inject.h

# The Nth calls that are tried of each class, spread over all; PV_FAULTS_ALL=1 tries every one,
# PV_FAULTS=class:N that one.
SAMPLE = 2


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
        calls, fired, _, what = REPORT.unpack(self.path.read_bytes())
        return calls, fired, what.split(b"\0")[0].decode()


@pytest.fixture
def every_fault(tmp_path):
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
            return fault.report()

        calls, _, _ = once(1 << 60)
        assert calls > 0 and not failures, failures
        wanted = os.environ.get("PV_FAULTS", "")
        step = 1 if os.environ.get("PV_FAULTS_ALL") else max(1, calls // SAMPLE)
        # Not always the first ones: where a sample begins comes from how many there are.
        tried = range(1 if step == 1 else 1 + calls % step, calls + 1, step)
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
