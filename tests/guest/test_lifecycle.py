# SPDX-License-Identifier: MIT
"""
What a machine may do to the device while a guest draws: pause, reset, reboot, take the driver away,
die. Stock QEMU, stock guest; nothing hangs, nothing is left, the picture is the same afterwards.
"""
import os
import re
import signal
import subprocess
import time

import pytest

from support.agent_client import AgentGone
from support.machine import cpu_s, fd_count, wait_until
from support.session import CUBE, Session

BOOT_TIMEOUT_S = 240
PICTURE = ["pv-kms", "--scene", "cube", "--frames", "60"]

VIRTIO_DRIVER = """
set -e
name=$(basename /sys/class/drm/card0/device/virtio*)
driver=/sys/bus/virtio/drivers/virtio_gpu
"""
PCI_DRIVER = """
set -e
name=$(basename $(readlink -f /sys/class/drm/card0/device))
driver=/sys/bus/pci/drivers/virtio-pci
"""
UNBIND = """
echo $name > $driver/unbind
[ ! -e /sys/class/drm/card0 ]
"""
BIND = """
echo $name > $driver/bind
for i in $(seq 100); do [ -e /dev/dri/card0 ] && [ -e /dev/dri/renderD128 ] && exit 0; sleep 0.1; done
exit 1
"""


def digest(vm):
    """Draw the cube on the screen; the digest of its last frame."""
    return re.search(r"digest ([0-9a-f]+)", vm.check(PICTURE)).group(1)


@pytest.fixture(scope="module")
def digests():
    return []


@pytest.fixture
def expected(vm, digests):
    """What digest() said before anything had happened."""
    if not digests:
        digests.append(digest(vm))
    return digests[0]


def start_drawing(vm, agent):
    """Cubes without end, on the screen. Returns the command."""
    before = vm.workers()
    command = agent.start(f"trap 'kill 0' TERM; while :; do {' '.join(PICTURE)}; done")
    vm.new_worker(before)
    return command


def stop_drawing(command):
    command.signal(signal.SIGTERM)
    command.wait(60)


@pytest.fixture
def drawing(vm):
    """The guest draws on its screen all through the test, unless the test ends it."""
    with vm.agent() as agent:
        yield start_drawing(vm, agent)


@pytest.fixture
def computing(vm):
    """One program that uses its context all through the test."""
    before = vm.workers()
    with vm.agent() as agent:
        command = agent.start(["pv-map-race", "--trials", "100000"])
        vm.new_worker(before)
        time.sleep(1)
        assert not command.is_done
        yield command


def test_stop_and_continue_many_times(vm, expected, drawing):
    assert expected
    for _ in range(100):
        vm.qmp("stop", "cont")
        time.sleep(0.01)
    assert vm.qmp("query-status")[0]["running"]
    stop_drawing(drawing)
    vm.assert_at_rest()
    assert digest(vm) == expected


def test_pause_while_a_program_computes(vm, computing):
    """The back end is stopped and started again with rings half full, and loses nothing."""
    for pause_s in (0, 0.2, 3):
        vm.qmp("stop")
        time.sleep(pause_s)
        vm.qmp("cont")
        time.sleep(1)
    assert not computing.is_done, bytes(computing.stderr)
    stop_drawing(computing)
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


def test_idle_in_a_pause(vm):
    vm.qmp("stop")
    before = cpu_s(vm.device_pid)
    time.sleep(2)
    used = cpu_s(vm.device_pid) - before
    vm.qmp("cont")
    assert used < 0.05


@pytest.mark.parametrize("driver, times", [(VIRTIO_DRIVER, 10), (PCI_DRIVER, 3)],
                         ids=["virtio", "pci"])
def test_driver_taken_away_and_given_back(vm, expected, driver, times):
    fds = fd_count(vm.device_pid)
    for _ in range(times):
        vm.check(driver + UNBIND + BIND)
    vm.assert_draws()
    assert digest(vm) == expected
    vm.assert_at_rest()
    assert fd_count(vm.device_pid) <= fds + 2


def test_driver_taken_away_while_a_program_computes(vm, computing, expected):
    """The program ends, and the next has a device. Stock 6.12 grumbles in its log about it; and as
    long as a program has the old card open, the new one would get another number."""
    name = vm.check(VIRTIO_DRIVER + UNBIND + "echo $name").strip()
    assert computing.wait(60) != 0
    vm.check(f"name={name}; driver=/sys/bus/virtio/drivers/virtio_gpu" + BIND)
    vm.assert_draws()
    assert digest(vm) == expected
    vm.assert_at_rest()


def boot_id(vm):
    """Another one after each boot; None while the guest is down."""
    try:
        return vm.check(["cat", "/proc/sys/kernel/random/boot_id"], timeout=30)
    except (OSError, AgentGone, subprocess.TimeoutExpired):
        return None


def ask_guest(command):
    """Something that makes a guest go down while its command runs."""

    def ask(vm):
        with pytest.raises(AgentGone):
            vm.run(f"{command}; sleep 100", timeout=120)

    return ask


@pytest.mark.parametrize(
    "how",
    [lambda vm: vm.qmp("system_reset"), ask_guest("reboot"), ask_guest("reboot -f")],
    ids=["reset", "orderly", "at-once"],
)
def test_reboot_while_drawing(vm, expected, drawing, how):
    assert drawing and expected
    workers = vm.workers()
    before = boot_id(vm)
    assert before
    how(vm)

    def is_back():
        assert vm.is_alive(), vm.log()
        return boot_id(vm) not in (None, before)

    wait_until(is_back, BOOT_TIMEOUT_S, "the guest after its reboot")
    assert not set(workers) & set(vm.workers()), "workers of the old life"
    vm.assert_draws()
    assert digest(vm) == expected
    vm.assert_at_rest()


@pytest.mark.parametrize(
    "victim, sentence",
    [("qemu", "pearvisor: QEMU ended unexpectedly"),
     ("device", "pearvisor: the GPU device process ended unexpectedly")],
    ids=["qemu", "device"],
)
def test_sudden_death(doomed_vm, victim, sentence):
    with doomed_vm.agent() as agent:
        start_drawing(doomed_vm, agent)
        os.kill(doomed_vm.qemu_pid if victim == "qemu" else doomed_vm.device_pid, signal.SIGKILL)
        assert doomed_vm.wait() == 125
    assert sentence in doomed_vm.log()
    doomed_vm.assert_nothing_left()


def check_memory_limit(vm):
    """One limit for all programs: of two that need more than half of it, the second is told so and
    the first goes on. Mesa does not wait for an allocation's answer unless it is asked to; one that
    did not wait hears of it when it maps the memory, or not at all."""
    upload = ["pv-bench", "--only", "upload", "--time", "1000", "--repeat"]
    with vm.agent() as agent:
        before = vm.workers()
        first = agent.start([*upload, "101"])
        worker = vm.new_worker(before)

        def first_shown():
            found = [one for one in vm.top()["contexts"] if one["pid"] == worker]
            assert found or first.wait(5) is None, bytes(first.stderr)
            return found[0]

        def is_steady():
            """It works, and has had what it needs for some seconds."""
            seen = [first_shown() for _ in range(5)]
            held = {(one["memory_bytes"], one["blob_bytes"]) for one in seen}
            return (len(held) == 1 and seen[0]["memory_bytes"] >= 32 << 20
                    and seen[-1]["commands_per_second"] > 0)

        wait_until(is_steady, 60, "all of the first one's memory")
        second = vm.run([*upload, "3"], env={"VN_PERF": "no_async_mem_alloc"})
        assert second.returncode != 0
        assert "VkResult -2 from vkAllocateMemory" in second.stderr, second.stderr  # out of device's
        vm.run([*upload, "3"])
        one = first_shown()
        assert one["commands_per_second"] > 0 and not one["lost"], one
        assert not first.is_done, bytes(first.stderr)
        first.signal(signal.SIGKILL)
        first.wait(60)
    vm.assert_at_rest()
    done = vm.run([*upload, "3"], env={"VN_PERF": "no_async_mem_alloc"})
    assert done.returncode == 0, done.stderr


def test_sudden_death_of_the_runner_then_ctrl_c(doomed_vm):
    """Its children die with it; the folder it leaves does not keep the name from the next VM, which
    has little memory. Ctrl-C ends that one, drawing as it is, and leaves nothing."""
    with doomed_vm.agent() as agent:
        start_drawing(doomed_vm, agent)
        doomed_vm.process.kill()
        doomed_vm.wait()
    wait_until(lambda: not doomed_vm.left(), 10,
               "the end of its children")
    doomed_vm.options += ["--memory-limit", "80M"]
    doomed_vm.start()
    check_memory_limit(doomed_vm)
    with doomed_vm.agent() as agent:
        start_drawing(doomed_vm, agent)
        assert doomed_vm.stop() in (0, 128 + signal.SIGINT)
    doomed_vm.assert_nothing_left()
