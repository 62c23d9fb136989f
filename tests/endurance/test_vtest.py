# SPDX-License-Identifier: MIT
"""Programs of this host on one vtest server: very many, many at once, and workers that are killed."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from support import programs
from support.holdings import change, holdings
from support.machine import children, is_running, started, wait_until
from support.vtest_wire import Client

CLIENTS = str(pathlib.Path(programs.__file__).with_name("vtest_clients.py"))

# Allocators keep some, more after a short warm-up; a page for each of a thousand clients would be
# 4000 KiB.
GROWTH_LIMIT_KIB = 2048
# A program ends when its worker was killed; Mesa looks at its ring's status every few seconds.
END_LIMIT_S = 30
CLIENTS_MAX = 64
MIX = [["pv-compute", "--only", "mix"], ["pv-copy"], ["pv-query"], ["pv-map-race", "--trials", "8"]]


def run_clients(*arguments):
    command, env = programs.vtest_command(sys.executable, CLIENTS, *arguments, "--",
                                          programs.binary("pv-compute"), "--only", "mix")
    result = programs.finish(programs.start(command, env), timeout_s=3000)
    assert result.status == 0, str(result)
    report = json.loads(result.stdout)
    before, after = report["before"], report["after"]
    bad = [one for one in report["results"] if one["status"] != 0]
    line = (f"{len(report['results'])} programs, {len(bad)} failed, left: processes "
            f"{len(after['descendants'])}, descriptors {len(before['files'])} -> "
            f"{len(after['files'])}, resident KiB {before['resident_kib']} -> "
            f"{after['resident_kib']}")
    return line, bad, before, after


def check_clients(figures, *arguments):
    line, bad, before, after = run_clients(*arguments)
    figures(line)
    assert not bad, bad[0]["stderr"]
    assert after["descendants"] == []
    assert len(after["files"]) <= len(before["files"]), after["files"]
    assert after["threads"] <= before["threads"]
    assert after["resident_kib"] - before["resident_kib"] < GROWTH_LIMIT_KIB


def test_programs_in_a_row(times, figures):
    check_clients(figures, "--warm-up", "20", "--total", str(times(40, 1000)))


def test_programs_at_once(times, figures):
    """The warm-up is as wide and as long: what the server keeps for so many clients is there
    before. (They are together by chance, more or less of them.)"""
    width, total = times(16, 64), str(times(32, 512))
    check_clients(figures, "--warm-up", total, "--total", total, "--at-once", str(width))


class Server:
    """A vtest server and programs that come and go on it."""

    def __init__(self, folder):
        self.path = folder / "vtest.sock"
        self.log_path = folder / "log"
        self.log_file = open(self.log_path, "wb")
        _, self.env = programs.vtest_command()
        command = [programs.binary("pearvisor"), "vtest", "--socket", str(self.path)]
        self.process = subprocess.Popen(
            command, env=programs.environment("PV_HOST_ICD"), stdin=subprocess.DEVNULL,
            stdout=self.log_file, stderr=self.log_file)
        self.env.update(VN_DEBUG="vtest", VTEST_SOCKET_NAME=str(self.path))
        wait_until(self.path.exists, 10, "the server")
        self.clients = []
        self.good = self.ended = 0

    def start(self, command):
        process = subprocess.Popen(
            [programs.binary(command[0]), *command[1:]], env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.clients.append((process, time.monotonic()))

    def collect(self):
        """Take the programs that have ended; fail for one that does not."""
        for process, since in list(self.clients):
            if process.poll() is not None:
                self.clients.remove((process, since))
                self.ended += 1
                self.good += process.returncode == 0
            assert time.monotonic() - since < 60 + END_LIMIT_S, process.args

    def workers(self):
        return children(self.process.pid)

    def rest(self):
        """What the server holds when nobody is on it."""
        wait_until(lambda: not self.workers(), 30, "the end of the workers")
        time.sleep(0.5)
        return holdings(self.process.pid)

    def run(self, count):
        """Some programs, one after the other, each to a good end."""
        for i in range(count):
            self.start(MIX[i % len(MIX)])
            process, _ = self.clients.pop()
            assert process.wait(60) == 0

    def end(self):
        for process, _ in self.clients:
            process.kill()
            process.wait()
        self.process.terminate()
        status = self.process.wait(30)
        self.log_file.close()
        return status


def kill_workers(server, kills, width, chance):
    """Kill random workers while about width programs have one; all have ended on return. Returns
    who the workers were, and when each began. (A program ends some seconds after its worker, when it looks.)"""
    seen, killed = {}, 0
    while killed < kills:
        if len(server.workers()) < width and len(server.clients) < CLIENTS_MAX:
            server.start(chance.choice(MIX))
            server.start(chance.choice(MIX))
        time.sleep(chance.uniform(0.05, 0.25))
        workers = server.workers()
        seen.update((pid, started(pid)) for pid in workers)
        if workers:
            try:
                os.kill(chance.choice(workers), signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass  # it has ended meanwhile
        server.collect()
    wait_until(lambda: server.collect() or not server.clients, 120, "the end of the programs")
    server.run(len(MIX))
    return seen


def test_killed_workers(tmp_path, times, figures):
    """SIGKILL for random workers at random times; the server lives, and nothing of them is left.
    The first ones are warm-up: what the server keeps for so many clients is there before."""
    chance = random.Random(4)
    kills, width = times(24, 1000), 8
    server = Server(tmp_path)
    try:
        kill_workers(server, times(8, 64), width, chance)
        before = server.rest()
        server.good = server.ended = 0
        seen = kill_workers(server, kills, width, chance)
        after = server.rest()
        with open(server.log_path, encoding="utf-8") as log:
            lost = log.read().count("is lost")
        figures(f"{kills} workers killed, {server.ended} programs ended, {server.good} of them well; "
                f"server: {change(before, after)}; log lines {lost}")
        client = Client(server.path).hello()
        assert client.is_open()
        client.close()
        assert not any(began and is_running(pid, began) for pid, began in seen.items())
        assert after["fds"] <= before["fds"] and after["threads"] <= before["threads"]
        assert after["rss_kib"] - before["rss_kib"] < GROWTH_LIMIT_KIB
    finally:
        status = server.end()
    assert status == 128 + signal.SIGTERM
