# SPDX-License-Identifier: MIT
"""
What a machine may do to the device while a guest draws: pause, reset, reboot, take the driver away,
die. Stock QEMU, stock guest; nothing hangs, nothing is left, the picture is the same afterwards.
"""
import os
import re
import signal
import time

import pytest

from machine import Machine, wait_until

FRAMES = 60
CUBE = f"pv-kms --scene cube --frames {FRAMES}"


@pytest.fixture(scope="module")
def machine():
    one = Machine()
    yield one
    one.end()


@pytest.fixture
def own_machine():
    one = Machine("brief")
    yield one
    one.end()


def digest(machine):
    """Draw the cube; the digest of its last frame."""
    out = machine.check(CUBE, 60)
    return re.search(r"digest ([0-9a-f]+)", out).group(1)


@pytest.fixture(scope="module")
def expected(machine):
    return digest(machine)


def start_drawing(machine):
    """Cubes without end, in the background."""
    machine.check(f"(while :; do {CUBE}; done) > /tmp/cubes 2>&1 < /dev/null & "
                  "echo $! > /tmp/cubes.pid")
    wait_until(lambda: machine.workers() > 0, 30, "a worker")


def stop_drawing(machine):
    machine.check("kill $(cat /tmp/cubes.pid); pkill pv-kms; "
                  "while pgrep pv-kms > /dev/null; do sleep 0.1; done", 20)


def test_stop_and_continue_many_times(machine, expected):
    start_drawing(machine)
    for _ in range(300):
        machine.command("stop")
        machine.command("cont")
        time.sleep(0.01)
    stop_drawing(machine)
    assert machine.command("query-status")["running"]
    assert digest(machine) == expected
    wait_until(lambda: machine.workers() == 0, 10, "the workers' end")


def test_a_long_pause(machine, expected):
    start_drawing(machine)
    machine.command("stop")
    time.sleep(3)
    assert machine.workers() > 0
    machine.command("cont")
    stop_drawing(machine)
    assert digest(machine) == expected


def test_idle_in_a_pause(machine, expected):
    def cpu_s():
        with open(f"/proc/{machine.device_pid()}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    assert expected
    machine.command("stop")
    before = cpu_s()
    time.sleep(2)
    used = cpu_s() - before
    machine.command("cont")
    assert used < 0.05


def test_driver_taken_away_and_given_back(machine, expected):
    driver = "/sys/bus/virtio/drivers/virtio_gpu"
    fds = machine.device_fds()
    for _ in range(10):
        machine.check(f"n=$(ls {driver} | grep ^virtio); echo $n > {driver}/unbind && "
                      f"echo $n > {driver}/bind")
    assert digest(machine) == expected
    wait_until(lambda: machine.workers() == 0, 10, "the workers' end")
    assert machine.device_fds() <= fds + 2


@pytest.mark.parametrize("round_number", range(2))
def test_reset_while_drawing(machine, expected, round_number):
    assert round_number < 2
    start_drawing(machine)
    machine.reset_and_wait(lambda: machine.command("system_reset"))
    wait_until(lambda: machine.workers() == 0, 10, "the old life's workers' end")
    assert digest(machine) == expected


def test_reboot_from_inside(machine, expected):
    start_drawing(machine)
    machine.reset_and_wait(lambda: machine.run("reboot -f", 10))
    wait_until(lambda: machine.workers() == 0, 10, "the old life's workers' end")
    assert digest(machine) == expected


def test_ctrl_c_leaves_nothing(own_machine):
    start_drawing(own_machine)
    former = own_machine.descendants()
    own_machine.process.send_signal(signal.SIGINT)
    own_machine.wait()
    wait_until(lambda: own_machine.has_left_nothing(former), 5, "everything gone")


@pytest.mark.parametrize("victim", ["qemu-system", "pearvisor-gpu", "runner"])
def test_sudden_death(own_machine, victim):
    start_drawing(own_machine)
    former = own_machine.descendants()
    if victim == "runner":
        own_machine.process.kill()
    else:
        pids = [pid for pid, name in former.items() if name.startswith((victim, "ld-linux"))
                ] if victim == "qemu-system" else own_machine.pids(victim)
        assert len(pids) == 1, former
        os.kill(pids[0], signal.SIGKILL)
    status = own_machine.wait()
    if victim != "runner":
        assert status == 125
        wait_until(lambda: own_machine.has_left_nothing(former), 6, "everything gone")
    else:
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in former), 6,
                   "everything gone")
