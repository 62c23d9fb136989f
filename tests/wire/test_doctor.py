# SPDX-License-Identifier: MIT
"""
pearvisor doctor and pearvisor-probe: on the host driver of PV_HOST_ICD, without any, and with wrong
arguments. That a crashing driver takes only the probe along is in tests/unit/doctor/test_report.c.
"""
import json
import os
import subprocess

import pytest

from conftest import BUILD

# What Mesa 25.0.7 wants before it shows a swapchain and Vulkan 1.3.
GATES = {"VK_EXT_external_memory_dma_buf", "VK_KHR_external_memory_fd",
         "VK_EXT_image_drm_format_modifier", "VK_EXT_queue_family_foreign",
         "VK_KHR_external_semaphore_fd", "VK_KHR_external_fence_fd", "VK_KHR_synchronization2",
         "VK_KHR_timeline_semaphore"}


def run(program, *arguments, icd=None):
    environment = dict(os.environ)
    if icd is not None:
        environment["PV_HOST_ICD"] = str(icd)
        environment["VK_DRIVER_FILES"] = environment["VK_ICD_FILENAMES"] = str(icd)
    if icd == os.environ.get("PV_HOST_ICD"):
        environment["LD_LIBRARY_PATH"] = os.environ.get("PV_MESA_LIBRARY_PATH", "")
    return subprocess.run([BUILD / "cli" / program, *arguments], env=environment, timeout=60,
                          capture_output=True, text=True, check=False)


@pytest.fixture(name="host_icd")
def fixture_host_icd():
    icd = os.environ.get("PV_HOST_ICD")
    if not icd:
        pytest.skip("PV_HOST_ICD is not set")
    return icd


def test_probe_of_the_host_driver(host_icd):
    result = run("pearvisor-probe", icd=host_icd)
    assert result.returncode == 0
    devices = json.loads(result.stdout)["devices"]
    assert devices and devices[0]["usable"]
    facts, view = devices[0]["facts"], devices[0]["view"]
    assert facts["import_types"], "nothing can be imported"
    assert GATES <= set(view["extensions"])
    assert "VK_EXT_external_memory_host" not in view["extensions"]
    assert view["device_type"] != "cpu" and "llvmpipe" not in view["device_name"]
    assert ["DEVICE_LOCAL"] in [memory_type["flags"] for memory_type in view["memory_types"]]


def test_doctor_reports_as_json(host_icd):
    result = run("pearvisor", "doctor", "--json", icd=host_icd)
    report = json.loads(result.stdout)
    assert result.returncode == (0 if report["ready"] else 1)
    assert {check["name"] for check in report["checks"]} == {"sandbox", "vulkan", "qemu",
                                                             "image", "accelerator"}
    vulkan = [check for check in report["checks"] if check["name"] == "vulkan"]
    assert [check["state"] for check in vulkan] == ["ok"]
    # The host's version of Vulkan and the guests' are not the same, and both are told.
    versions = report["vulkan"]["devices"][0]["versions"]
    assert versions["host"] == report["vulkan"]["devices"][0]["facts"]["api_version"]
    assert f"host {versions['host']}, guests see {versions['guest']}" in vulkan[0]["text"]


def test_doctor_prints_the_table(host_icd):
    result = run("pearvisor", "doctor", icd=host_icd)
    assert "VK_EXT_image_drm_format_modifier" in result.stdout
    assert "memory types of the guest" in result.stdout
    brief = run("pearvisor", "doctor", "--brief", icd=host_icd)
    assert "VK_EXT_image_drm_format_modifier" not in brief.stdout


def test_no_driver():
    result = run("pearvisor", "doctor", "--json", icd="/nonexistent/icd.json")
    report = json.loads(result.stdout)
    assert result.returncode == 1 and not report["ready"]
    vulkan = [check for check in report["checks"] if check["name"] == "vulkan"]
    assert [check["state"] for check in vulkan] == ["missing"]
    assert vulkan[0]["fix"]


def test_no_qemu():
    result = run("pearvisor", "doctor", "--json", "--qemu", "/nonexistent/qemu")
    report = json.loads(result.stdout)
    assert result.returncode == 1
    qemu = [check for check in report["checks"] if check["name"] == "qemu"]
    assert [check["state"] for check in qemu] == ["missing"]


@pytest.mark.parametrize("arguments", [["--nonsense"], ["surplus"], ["--image"]])
def test_wrong_arguments(arguments):
    result = run("pearvisor", "doctor", *arguments)
    assert result.returncode == 2
    assert result.stderr
    assert not result.stdout


def test_probe_takes_no_arguments():
    assert run("pearvisor-probe", "x").returncode == 2
