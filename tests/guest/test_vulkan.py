# SPDX-License-Identifier: MIT
"""Vulkan in the guest: what it says of itself, and our own programs against the host driver."""

import json
import re
import subprocess

import pytest

from support import programs


def test_summary_names_venus_and_the_host_driver(vm):
    native = programs.run_native("pv-compute", "--only", "mix").info["device-name"]
    summary = vm.check(["vulkaninfo", "--summary"])
    name = re.search(r"deviceName\s*= (.*)", summary).group(1)
    assert name.startswith("Virtio-GPU Venus"), name
    # "llvmpipe (LLVM 15.0.6, 256 bits)" through Venus: "(lavapipe (LLVM 15.0.6, 256 bits))"
    assert native[native.index("("):] in name if "(" in native else native in name
    assert "DRIVER_ID_MESA_VENUS" in summary


def test_version_is_the_one_that_doctor_tells(vm):
    doctor = subprocess.run([programs.binary("pearvisor"), "doctor", "--json"], env=vm.env,
                            capture_output=True, text=True, timeout=60, check=False)
    devices = json.loads(doctor.stdout)["vulkan"]["devices"]
    summary = vm.check(["vulkaninfo", "--summary"])
    version = re.search(r"apiVersion\s*= (\S+)", summary).group(1)
    assert version == devices[0]["versions"]["guest"]


@pytest.fixture(scope="module")
def info(shared, request):
    return {}


@pytest.fixture
def vulkaninfo(vm, info):
    if "text" not in info:
        info["text"] = vm.check(["vulkaninfo"])
    return info["text"]


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\s*VK_KHR_swapchain\s*:",
        r"^\s*VK_KHR_external_memory_fd\s*:",
        r"^\s*VK_EXT_external_memory_dma_buf\s*:",
        r"^\s*VK_EXT_image_drm_format_modifier\s*:",
        r"^\s*synchronization2\s*= true",
        r"^\s*timelineSemaphore\s*= true",
        r"^\s*dynamicRendering\s*= true",
        r"^\s*apiVersion\s*= 1\.([3-9]|\d\d)\.",
    ],
)
def test_vulkaninfo_has(vulkaninfo, pattern):
    assert re.search(pattern, vulkaninfo, re.M), vulkaninfo


def run_in_guest(vm, program, *arguments):
    done = vm.run([program, *arguments])
    return programs.Result([program, *arguments], done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("program", programs.COMPARED)
def test_same_results_as_native(vm, program):
    programs.assert_same(programs.run_native(program), run_in_guest(vm, program))
    vm.assert_at_rest()


def test_export_works(vm):
    """What can be exported depends on the path; in a guest nothing is missing."""
    programs.assert_passed(run_in_guest(vm, "pv-export"))


@pytest.mark.parametrize("case, trials", [("shader", 200), ("fill", 200), ("count", 60)])
def test_first_map_of_memory_loses_no_write(vm, case, trials):
    result = run_in_guest(vm, "pv-map-race", "--only", case, "--trials", str(trials))
    programs.assert_passed(result)


def test_several_programs_at_once(vm):
    names = ["pv-compute", "pv-render", "pv-copy", "pv-query"]
    with vm.agent() as agent:
        started = [agent.start([name]) for name in names]
        for name, command in zip(names, started):
            assert command.wait(180) == 0, bytes(command.stderr)
            native = programs.run_native(name).cases
            lines = command.stdout.decode().splitlines()
            assert [line for line in lines if line.startswith("case ")] == native
    vm.assert_at_rest()


def test_opengl_without_a_window_is_zink_on_venus(vm):
    text = vm.run(["eglinfo", "-B", "-p", "gbm"]).stdout or vm.run(["eglinfo", "-B"]).stdout
    assert re.search(r"profile renderer: zink Vulkan .*Venus.*MESA_VENUS", text), text
