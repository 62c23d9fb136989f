# SPDX-License-Identifier: MIT
"""Run a program many times as clients of one vtest server, and look at the server meanwhile.

Started by a test as `pearvisor vtest -- python3 vtest_clients.py ...`, so that its own parent is
the server. Prints one JSON object: the outputs of the clients, and what the server held after the
warm-up and at the end (open files, descendants besides us, resident memory).
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

SETTLE_S = 5.0  # how long a worker may take to go away after its client


def status_kib(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def parents():
    """pid to parent pid, of every process."""
    table = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it ended meanwhile
            table[int(entry.name)] = int(fields[1])
    return table


def descendants(root):
    """Processes below `root`, besides this one and what is below it."""
    table = parents()
    found = []
    for pid in table:
        line = [pid]
        while line[-1] in table and table[line[-1]] != 0 and line[-1] != root:
            line.append(table[line[-1]])
        if line[-1] == root and pid != root and os.getpid() not in line:
            found.append(pid)
    return found


def open_files(pid):
    return sorted(
        os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")
    )


def look(server):
    """What the server holds, once it has come to rest."""
    files = None
    end = time.monotonic() + SETTLE_S
    while time.monotonic() < end:
        before, files = files, open_files(server)
        if not descendants(server) and before is not None and len(before) == len(files):
            break
        time.sleep(0.1)
    return {
        "files": files,
        "descendants": [
            pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in descendants(server)
        ],
        "resident_kib": status_kib(server, "VmRSS"),
        "threads": status_kib(server, "Threads"),
    }


def start(command):
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(command, total, at_once):
    """Statuses and outputs of `total` runs, never more than `at_once` of them together."""
    results = []
    while len(results) < total:
        count = min(at_once, total - len(results))
        for process in [start(command) for _ in range(count)]:
            stdout, stderr = process.communicate(timeout=300)
            cases = [line for line in stdout.splitlines() if line.startswith("case ")]
            results.append({"status": process.returncode, "cases": cases, "stderr": stderr})
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--total", type=int, required=True)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=0, help="runs before the first look")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    server = os.getppid()
    results = run(arguments.command, arguments.warm_up, arguments.at_once)
    before = look(server)
    results += run(arguments.command, arguments.total, arguments.at_once)
    json.dump({"results": results, "before": before, "after": look(server)}, sys.stdout)


if __name__ == "__main__":
    main()
