# SPDX-License-Identifier: MIT
"""
Endurance tests: the same again and again, and nothing piles up. Short by default, which is what
scripts/check runs; PV_ENDURANCE=long (scripts/endurance) has the full counts, PV_ENDURANCE=0.2 a
fifth of them. Each says its figures in one line at the end.
"""

import os
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import programs  # noqa: E402
from support.machine import Machine  # noqa: E402

SHARE = os.environ.get("PV_ENDURANCE", "0")
SHARE = 1.0 if SHARE == "long" else float(SHARE)


def pytest_terminal_summary(terminalreporter):
    for kind in ("passed", "failed"):
        for report in terminalreporter.getreports(kind):
            for name, value in report.user_properties:
                terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {name} {value}")


@pytest.fixture
def times():
    """times(short, long): how often, or how long, in this run."""
    return lambda short, long: max(short, round(long * SHARE))


@pytest.fixture
def figures(record_property):
    """figures(text) with what was seen; call it before what it asserts."""
    start = time.monotonic()
    return lambda text: record_property("figures", f"{text}; {time.monotonic() - start:.0f} s")


@pytest.fixture(scope="session")
def image():
    subprocess.run([programs.binary("pearvisor"), "image", "build", "debian-13"],
                   stdin=subprocess.DEVNULL, timeout=900, check=True)


@pytest.fixture(scope="session")
def shared(image, tmp_path_factory):
    """Machines that stay until the end; nothing may be left of them then."""
    machines = []
    yield machines
    for machine in machines:
        machine.stop()
        machine.assert_nothing_left()


@pytest.fixture
def vm(shared, tmp_path_factory):
    """A booted guest: one for all short forms, for each long one its own."""
    if SHARE > 0 or not shared or not shared[-1].answers():
        while shared:
            machine = shared.pop()
            machine.stop()
            machine.assert_nothing_left()
        shared.append(Machine(tmp_path_factory.mktemp("vm")).start())
    return shared[-1]
