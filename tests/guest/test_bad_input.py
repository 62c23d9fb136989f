# SPDX-License-Identifier: MIT
"""Mistakes of users: one sentence, a status that is not zero, and nothing left behind."""

import socket
import subprocess

import pytest

from support import programs
from support.machine import Machine, host_environment

FAILED = 125
USAGE = 2


@pytest.fixture
def folder(tmp_path_factory):
    """A runtime folder; its path is short enough for sockets."""
    return tmp_path_factory.mktemp("bad") / "run"


def pearvisor(folder, *arguments, env=()):
    command = [programs.binary("pearvisor"), *map(str, arguments)]
    done = subprocess.run(command, env={**host_environment(folder), **dict(env)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          check=False)
    return programs.Result(command, done.returncode, done.stdout, done.stderr)


def assert_one_sentence(result, status, *words):
    assert result.status == status, str(result)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, str(result)
    for word in words:
        assert word in lines[0], str(result)


def test_image_is_missing(folder, tmp_path):
    result = pearvisor(folder, "run", "--cache-dir", tmp_path / "none", "--", "true")
    assert_one_sentence(result, FAILED, "no image 'debian-13'", "pearvisor image build debian-13")
    assert_one_sentence(pearvisor(folder, "run", "--image", "other", "--", "true"), FAILED, "other")
    assert_one_sentence(pearvisor(folder, "image", "build", "other"), USAGE, "other")


def test_qemu_is_missing(folder):
    result = pearvisor(folder, "run", "--qemu", "/nonexistent", "--", "true")
    assert_one_sentence(result, FAILED, "/nonexistent", "scripts/setup")


def test_qemu_is_too_old(folder, tmp_path):
    old = tmp_path / "qemu"
    old.write_text("#!/bin/sh\necho QEMU emulator version 7.2.15\n")
    old.chmod(0o755)
    result = pearvisor(folder, "run", "--qemu", old, "--", "true")
    assert_one_sentence(result, FAILED, "7.2", "11.1")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--image", "../debian-13", "--", "true"],
        ["exec", "--vm", "none", "--", "true"],
        ["screenshot", "--vm", "none", "-o", "none.png"],
    ],
    ids=" ".join,
)
def test_names_that_are_none(folder, arguments):
    """The other mistakes in options, which need no image, are in tests/wire."""
    assert_one_sentence(pearvisor(folder, *arguments), FAILED)


def test_socket_path_is_taken(folder, tmp_path):
    """By a process that listens there, and by something that is no socket."""
    path = tmp_path / "gpu"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert_one_sentence(pearvisor(folder, "gpu", "--vhost-user", path), FAILED, str(path))
        assert path.is_socket()
    path.unlink()
    path.write_text("precious")
    assert_one_sentence(pearvisor(folder, "gpu", "--vhost-user", path), FAILED, str(path))
    assert path.read_text() == "precious"


def test_name_of_a_running_vm(vm):
    result = pearvisor(vm.runtime, "run", "--name", "vm", "--", "true")
    assert_one_sentence(result, FAILED, "'vm' runs already")
    result = pearvisor(vm.runtime, "screenshot", "--vm", "vm", "-o", "/nonexistent/picture.png")
    assert_one_sentence(result, USAGE, "/nonexistent/picture.png")
    assert vm.answers()


@pytest.fixture
def blind_vm(tmp_path_factory):
    """A VM on a host without a Vulkan driver."""
    machine = Machine(tmp_path_factory.mktemp("blind"),
                      env={name: "/nonexistent/icd.json" for name in
                           ("PV_HOST_ICD", "VK_DRIVER_FILES", "VK_ICD_FILENAMES")}).start()
    yield machine
    machine.stop()
    machine.assert_nothing_left()


def test_host_has_no_vulkan_driver(blind_vm):
    """Vulkan programs end, soon and with an error; the screen and the VM work."""
    done = blind_vm.run(["vulkaninfo", "--summary"], timeout=60)
    assert "Virtio-GPU Venus" not in done.stdout
    done = blind_vm.run(["pv-compute", "--only", "mix"], timeout=60)
    assert done.returncode not in (0, None)
    assert blind_vm.screenshot(blind_vm.folder / "screen.png").size[0] > 0
    blind_vm.assert_at_rest()
    assert blind_vm.answers()


def test_log_shows_the_command_flow(folder):
    """--log venus=debug: one line for each command, by its name."""
    result = pearvisor(folder, "run", "--log", "venus=debug", "--", "pv-compute", "--only", "mix")
    assert result.status == 0, result.stderr[-4000:]
    lines = [line for line in result.stderr.splitlines() if "venus" in line]
    for command in ("vkCreateInstance", "vkEnumeratePhysicalDevices", "vkCreateDevice",
                    "vkAllocateMemory", "vkCmdDispatch", "vkQueueSubmit", "vkDestroyInstance"):
        found = [line for line in lines if command in line]
        assert found, f"{command} is not in\n" + "\n".join(lines[:50])
