# SPDX-License-Identifier: MIT
"""What a process holds: memory, descriptors, threads. For tests that something leaves nothing."""

import os
import pathlib


def holdings(pid):
    """
    Of a live process. anon_kib: memory of its own. pss_kib: that, and its share of what others map
    too, for the device the guest's memory as far as it has looked at it.
    """
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    pss = [line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")]
    return {
        "anon_kib": int(fields["RssAnon"].split()[0]),
        "pss_kib": int(pss[0]),
        "rss_kib": int(fields["VmRSS"].split()[0]),
        "fds": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(fields["Threads"]),
    }


def change(before, after):
    """One line: what each figure was and is."""
    return ", ".join(f"{name} {before[name]} -> {after[name]}" for name in before)
