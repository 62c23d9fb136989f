# SPDX-License-Identifier: MIT
"""Counts test cases from a runner's own report, for scripts/check.

Usage: count.py {junit FILE | meson BUILDDIR}...
Prints "passed failed skipped". A report that is not there counts nothing: the caller knows the status.

meson reports one result for a whole program. The cases inside are counted from what the program printed:
TAP lines, or cmocka's line for each case. A program that prints neither counts as one case; one that
meson calls failed but whose output shows no failed case (it crashed, it hung) adds one failed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree

TAP = re.compile(r"^(not )?ok \d+\b([^\n]*)", re.M)
CMOCKA = re.compile(r"\[( RUN      |       OK |  FAILED  |  SKIPPED |  ERROR   )\] (\w+)$")


def count_junit(path):
    if not path.is_file():
        return 0, 0, 0
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def count_cmocka(text):
    """A case is a RUN line and the result that follows it; no result: the program died in it."""
    counts = {"OK": 0, "FAILED": 0, "SKIPPED": 0}
    running = None
    for line in text.splitlines():
        found = CMOCKA.search(line)
        if not found:
            continue
        word, name = found.group(1).strip(), found.group(2)
        if word == "RUN":
            counts["FAILED"] += running is not None
            running = name
        elif name == running:
            counts["FAILED" if word == "ERROR" else word] += 1
            running = None
    counts["FAILED"] += running is not None
    return (counts["OK"], counts["FAILED"], counts["SKIPPED"]) if any(counts.values()) else None


def count_output(text):
    """Cases that one program's output tells of, or None."""
    tap = TAP.findall(text)
    if not tap:
        return count_cmocka(text)
    skipped = sum("# SKIP" in rest.upper() for _, rest in tap)
    failed = sum(bool(not_ok) and "# SKIP" not in rest.upper() for not_ok, rest in tap)
    return len(tap) - failed - skipped, failed, skipped


def count_meson(builddir):
    log = builddir / "meson-logs" / "testlog.json"
    if not log.is_file():
        return 0, 0, 0
    totals = [0, 0, 0]
    for line in log.read_text(errors="replace").splitlines():
        entry = json.loads(line)
        result = entry["result"]
        counts = count_output(entry.get("stdout") or "")
        good = result in ("OK", "EXPECTEDFAIL")
        if result == "SKIP":
            counts = counts or (0, 0, 1)
        elif counts is None:
            counts = (1, 0, 0) if good else (0, 1, 0)
        elif not good and counts[1] == 0:
            counts = (counts[0], 1, counts[2])
        totals = [total + count for total, count in zip(totals, counts)]
    return tuple(totals)


def main(arguments):
    counters = {"junit": count_junit, "meson": count_meson}
    counts = [counters[kind](pathlib.Path(path))
              for kind, path in zip(arguments[::2], arguments[1::2])]
    print(*(sum(column) for column in zip(*counts)))


if __name__ == "__main__":
    main(sys.argv[1:])
