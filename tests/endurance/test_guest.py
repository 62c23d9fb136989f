# SPDX-License-Identifier: MIT
"""One VM for a long time: workers killed, a cube that turns, reboots, pauses. Nothing piles up."""

import os
import random
import signal
import subprocess
import time

from support.agent_client import AgentGone
from support.gpu_wire import Control
from support.holdings import change, holdings
from support.machine import BOOT_TIMEOUT_S, wait_until
from support.session import CUBE, Session

# Allocators keep some; a page for each of a thousand contexts would be 4000 KiB.
DEVICE_GROWTH_KIB = 2048
WORKER_GROWTH_KIB = 4096
LOOPS = 10
PROGRAMS = "while :; do pv-compute --only mix; pv-copy --only $1; done >/dev/null 2>&1"


def device_state(vm):
    """What the device holds on the host, and what it says that it holds for the guest."""
    control = Control(vm.runtime / "vm" / "control.sock")
    said = control.statistics()
    control.close()
    kept = {name: said[name] for name in ("memory_used", "window_used", "resources", "contexts")}
    return {**holdings(vm.device_pid), **kept}


def boot_id(vm):
    try:
        return vm.check(["cat", "/proc/sys/kernel/random/boot_id"], timeout=30)
    except (OSError, AgentGone, subprocess.TimeoutExpired, AssertionError):
        return None


def test_killed_workers(vm, times, figures):
    """Programs start and end in the guest, and random workers of theirs are killed. A program ends
    some seconds after its worker, when Mesa looks at its ring."""
    chance = random.Random(4)
    kills = times(10, 1000)
    vm.assert_draws()
    vm.assert_at_rest()
    before = device_state(vm)
    killed = set()
    with vm.agent() as agent:
        loops = [agent.start(f"ulimit -c 0; trap 'kill 0' TERM; set -- {name}; {PROGRAMS}")
                 for name, _ in zip(["fill", "small"] * LOOPS, range(LOOPS))]
        while len(killed) < kills:
            time.sleep(chance.uniform(0.05, 0.6))
            workers = [pid for pid in vm.workers() if pid not in killed]
            if workers:
                victim = chance.choice(workers)
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # it has ended meanwhile
                killed.add(victim)
            agent.receive(0.01)
            assert vm.is_alive() and not any(loop.is_done for loop in loops)
        for loop in loops:
            loop.signal(signal.SIGTERM)
        for loop in loops:
            loop.wait(120)
    vm.assert_at_rest()
    vm.assert_draws()
    vm.assert_at_rest()
    after = device_state(vm)
    served = len([pid for pid in vm.seen if pid not in (vm.device_pid, vm.qemu_pid)])
    figures(f"{len(killed)} workers killed of {served} seen; waiting tasks 0; "
            f"device: {change(before, after)}")
    assert after["fds"] <= before["fds"] and after["threads"] <= before["threads"]
    for name in ("memory_used", "window_used", "resources", "contexts"):
        assert after[name] <= before[name], name
    assert after["anon_kib"] - before["anon_kib"] < DEVICE_GROWTH_KIB


def test_a_cube_that_turns(vm, times, figures):
    """After the first part neither the device nor a worker grows, and nobody has anything to say."""
    warm_up_s, watched_s = times(15, 60), times(15, 240)
    session = Session(vm)
    workers = vm.workers()
    cube = session.start([*CUBE, "wayland"])
    worker = vm.new_worker(workers)
    names = {"device": vm.device_pid, "compositor's worker": session.worker, "cube's": worker}
    time.sleep(warm_up_s)
    said = len(vm.log())
    first = {name: holdings(pid) for name, pid in names.items()}
    frames = frame_count(vm)
    end = time.monotonic() + watched_s
    while time.monotonic() < end:
        session.agent.receive(5)
        assert not cube.is_done and session.is_alive()
    last = {name: holdings(pid) for name, pid in names.items()}
    frames = frame_count(vm) - frames
    figures(f"{watched_s} s after {warm_up_s} s, {frames} frames; "
            + "; ".join(f"{name}: {change(first[name], last[name])}" for name in names)
            + f"; log bytes {len(vm.log()) - said}")
    assert frames > watched_s / 2, "the cube does not turn"
    session.end(cube)
    assert session.close() == 0
    assert vm.log()[said:] == ""
    for name in names:
        assert last[name]["fds"] <= first[name]["fds"], name
        assert last[name]["threads"] <= first[name]["threads"], name
    assert last["device"]["anon_kib"] - first["device"]["anon_kib"] < DEVICE_GROWTH_KIB
    for name in ("compositor's worker", "cube's"):
        assert last[name]["pss_kib"] - first[name]["pss_kib"] < WORKER_GROWTH_KIB, name


def frame_count(vm):
    control = Control(vm.runtime / "vm" / "control.sock")
    frames = control.statistics()["frames"]
    control.close()
    return frames


def reboot(vm, how):
    """Reboot and wait for the guest's agent. Returns how long that took."""
    before, start = boot_id(vm), time.monotonic()
    assert before
    if how == "reset":
        vm.qmp("system_reset")
    else:
        try:
            vm.run("reboot -f; sleep 100", timeout=120)
        except AgentGone:
            pass
    wait_until(lambda: vm.is_alive() and boot_id(vm) not in (None, before), BOOT_TIMEOUT_S,
               f"the guest after: {how}")
    return time.monotonic() - start


def test_reboots(vm, times, figures):
    """By turns from outside and from inside; a program draws when it happens."""
    count = times(2, 50)
    vm.assert_draws()
    vm.assert_at_rest()
    before = device_state(vm)
    took_s = []
    for number in range(count):
        with vm.agent() as agent:
            drawing = agent.start("while :; do pv-compute --only mix; done")
            vm.new_worker([])
            took_s.append(reboot(vm, "reset" if number % 2 else "reboot -f"))
            assert drawing
    vm.assert_draws()
    vm.assert_at_rest()
    after = device_state(vm)
    figures(f"{count} reboots, {min(took_s):.0f} to {max(took_s):.0f} s each; "
            f"device: {change(before, after)}")
    assert after["fds"] <= before["fds"] and after["threads"] <= before["threads"]
    assert after["memory_used"] <= before["memory_used"]
    assert after["anon_kib"] - before["anon_kib"] < DEVICE_GROWTH_KIB


def pause_often(vm, count, commands):
    """Pauses of all lengths, while the commands run; none of them may end."""
    chance = random.Random(4)
    for _ in range(count):
        time.sleep(chance.uniform(0, 0.5))
        vm.qmp("stop")
        time.sleep(chance.choice([0, 0, 0.05, 0.3]))
        vm.qmp("cont")
        commands[0].agent.receive(0.01)
        assert not any(command.is_done for command in commands)


def goes_on(vm, command, timeout_s=60):
    """Whether a loop that writes a line each time writes another one."""
    said, end = len(command.stdout), time.monotonic() + timeout_s
    while len(command.stdout) == said and not command.is_done and time.monotonic() < end:
        command.agent.receive(1)
    if len(command.stdout) == said:
        print(bytes(command.stdout[-200:]), bytes(command.stderr[-2000:]))
        print(vm.check("ps -eo pid,ppid,stat,wchan:32,args | grep -v '\\['; dmesg | tail -30"))
    return len(command.stdout) > said and not command.is_done


def test_pauses(vm, times, figures):
    """QEMU stops and goes on while one program computes and others draw, start and end."""
    count = times(20, 200)
    vm.assert_draws()
    vm.assert_at_rest()
    before = device_state(vm)
    with vm.agent() as agent:
        computing = agent.start(["pv-map-race", "--trials", "1000000"])
        loops = [agent.start(f"while {program} >/dev/null; do echo; done") for program in (
            "pv-kms --scene cube --frames 30", "pv-copy --only small")]
        vm.new_worker([])
        pause_often(vm, count, [computing, *loops])
        alive = [goes_on(vm, loop) for loop in loops] + [not computing.is_done]
    vm.assert_at_rest()
    vm.assert_draws()
    vm.assert_at_rest()
    after = device_state(vm)
    figures(f"{count} pauses; programs that go on: {sum(alive)} of {len(alive)}; "
            f"device: {change(before, after)}")
    assert all(alive)
    assert after["fds"] <= before["fds"] and after["memory_used"] <= before["memory_used"]
    assert after["anon_kib"] - before["anon_kib"] < DEVICE_GROWTH_KIB
