# SPDX-License-Identifier: MIT
"""What can happen to a VM as a whole while it draws: reboot, driver unbound, paused, and the
death of each process on the host. Nothing hangs, and nothing is left."""

import os
import signal
import subprocess
import time

import pytest

from support.agent_client import AgentGone
from support.machine import wait_until
from support.session import CUBE, Session

LOAD = ["pv-map-race", "--trials", "100000"]  # draws until it is ended

PCI_ADDRESS = "basename $(readlink -f /sys/class/drm/card0/device)"
UNBIND_VIRTIO = """
set -e
name=$(basename /sys/class/drm/card0/device/virtio*)
driver=/sys/bus/virtio/drivers/virtio_gpu
"""
UNBIND_PCI = f"""
set -e
name=$({PCI_ADDRESS})
driver=/sys/bus/pci/drivers/virtio-pci
"""
REBIND = """
echo $name > $driver/unbind
[ ! -e /sys/class/drm/card0 ]
echo $name > $driver/bind
for i in $(seq 100); do [ -e /dev/dri/renderD128 ] && exit 0; sleep 0.1; done
exit 1
"""


@pytest.fixture
def load(vm):
    """A program that draws while the accident happens."""
    before = vm.workers()
    with vm.agent() as agent:
        command = agent.start(LOAD)
        vm.new_worker(before)
        time.sleep(1)
        assert not command.is_done
        yield command


@pytest.mark.parametrize("script", [UNBIND_VIRTIO, UNBIND_PCI], ids=["virtio", "pci"])
def test_driver_is_unbound_and_bound_again(vm, script):
    for _ in range(2):
        vm.check(script + REBIND)
        vm.assert_draws()
    vm.check(["pv-kms", "--frames", "10"])
    vm.assert_at_rest()


def test_pause_while_a_program_draws(vm, load):
    """The back end is stopped and started again with rings half full, and loses nothing."""
    for pause_s in (0.2, 0, 3):
        vm.qmp("stop")
        time.sleep(pause_s)
        vm.qmp("cont")
        time.sleep(1)
    assert vm.qmp("query-status")[0]["status"] == "running"
    assert not load.is_done, bytes(load.stderr)
    load.signal(signal.SIGTERM)
    assert load.wait(60) == -signal.SIGTERM
    vm.assert_at_rest()
    vm.assert_draws()


def test_pause_while_a_cube_is_on_the_screen(vm):
    session = Session(vm)
    cube = session.start([*CUBE, "wayland", "--c", "200"])
    vm.new_worker([session.worker])
    for pause_s in (0.1, 0.5, 2):
        time.sleep(0.7)
        vm.qmp("stop")
        time.sleep(pause_s)
        vm.qmp("cont")
    assert cube.wait(120) == 0, bytes(cube.stderr)
    assert session.close() == 0
    vm.assert_at_rest()


def test_driver_is_unbound_while_a_program_draws(vm, load):
    """The program ends, and the next has a device. Stock 6.12 grumbles in its log about it."""
    vm.check(UNBIND_VIRTIO + REBIND)
    assert load.wait(60) != 0
    vm.assert_draws()
    vm.assert_at_rest()


def boot_id(vm):
    """Another one after each boot; None while the guest is down."""
    try:
        return vm.check(["cat", "/proc/sys/kernel/random/boot_id"], timeout=30)
    except (OSError, AgentGone, subprocess.TimeoutExpired):
        return None


def reboot(vm, command):
    """Reboot the guest by a command, and wait until it is back."""
    before = boot_id(vm)
    assert before
    with pytest.raises(AgentGone):
        vm.run(f"{command}; sleep 100", timeout=120)

    def is_back():
        assert vm.is_alive(), vm.log()
        return boot_id(vm) not in (None, before)

    wait_until(is_back, 240, "the guest after its reboot")


@pytest.mark.parametrize("command", ["reboot", "echo b > /proc/sysrq-trigger"],
                         ids=["orderly", "at-once"])
def test_reboot_while_a_program_draws(vm, load, command):
    workers = vm.workers()
    reboot(vm, command)
    assert not set(workers) & set(vm.workers())
    vm.assert_draws()
    vm.check(["pv-kms", "--frames", "10"])
    vm.assert_at_rest()


@pytest.fixture
def drawing(doomed_vm):
    """A VM of the test's own whose GPU is busy."""
    before = doomed_vm.workers()
    with doomed_vm.agent() as agent:
        agent.start(LOAD)
        doomed_vm.new_worker(before)
        time.sleep(1)
        yield doomed_vm


def test_qemu_is_killed(drawing):
    os.kill(drawing.qemu_pid, signal.SIGKILL)
    assert drawing.wait() == 125
    assert "pearvisor: QEMU ended unexpectedly" in drawing.log()
    drawing.assert_nothing_left()


def test_device_is_killed(drawing):
    os.kill(drawing.device_pid, signal.SIGKILL)
    assert drawing.wait() == 125
    assert "pearvisor: the GPU device process ended unexpectedly" in drawing.log()
    drawing.assert_nothing_left()


def test_pearvisor_is_killed(drawing):
    """Its children die with it; the folder it leaves does not keep the name from the next."""
    drawing.process.kill()
    drawing.wait()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in drawing.seen), 10,
               "the end of its children")
    drawing.start()
    drawing.assert_draws()
    assert drawing.stop() in (0, 128 + signal.SIGINT)
    drawing.assert_nothing_left()
