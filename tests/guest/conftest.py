# SPDX-License-Identifier: MIT
"""What guest tests share: one VM for all that can have it, and where pictures are kept."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support import programs  # noqa: E402
from support.machine import Machine  # noqa: E402

# What one test may break comes after what others need.
ORDER = ["test_bad_input", "test_vulkan", "test_kms", "test_desktop", "test_worker", "test_lifecycle"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: ORDER.index(item.path.stem) if item.path.stem in ORDER else -1)


def pytest_terminal_summary(terminalreporter):
    """Figures that tests recorded and do not assert."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {name} {value}")


@pytest.fixture(scope="session", autouse=True)
def image():
    """The guest image, as its recipe is now; takes minutes if there is none, else nothing."""
    subprocess.run([programs.binary("pearvisor"), "image", "build", "debian-13"],
                   stdin=subprocess.DEVNULL, timeout=900, check=True)


@pytest.fixture(scope="session")
def pictures():
    """Folder for pictures of the guest's screen; they stay, to be looked at."""
    folder = ROOT / "build" / "check" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """The list of VMs that served as `vm`: one, unless a test broke it."""
    machines = []
    yield machines
    for machine in machines:
        machine.stop()
        machine.assert_nothing_left()


@pytest.fixture
def vm(shared, tmp_path_factory):
    """A booted guest without a desktop. Booted anew only if the last one does not answer."""
    if not shared or not shared[-1].is_alive() or not shared[-1].answers():
        if shared:
            shared[-1].stop()
        machine = Machine(tmp_path_factory.mktemp("vm"))
        shared.append(machine)
        machine.start()
    return shared[-1]


@pytest.fixture
def doomed_vm(tmp_path_factory):
    """A VM of the test's own, which it may end in any way; nothing of it may be left."""
    machine = Machine(tmp_path_factory.mktemp("doomed")).start()
    yield machine
    machine.stop()
    machine.assert_nothing_left()
