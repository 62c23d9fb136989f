# SPDX-License-Identifier: MIT
"""Counts test cases from a runner's own report, for scripts/check.

Usage: count.py junit FILE | count.py meson BUILDDIR
Prints "passed failed skipped". A report that is not there counts nothing: the caller knows the status.

meson reports one result for a whole program. The cases inside are counted from what the program printed:
TAP lines, or cmocka's own closing lines. A program that prints neither counts as one case; one that
meson calls failed but whose output shows no failed case (it crashed, it hung) adds one failed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree

TAP = re.compile(r"^(not )?ok \d+\b([^\n]*)", re.M)
CMOCKA = {
    "passed": re.compile(r"^\[  PASSED  \] (\d+) test", re.M),
    "failed": re.compile(r"^\[  FAILED  \] \[?[^\]\n]*\]? ?(\d+) test", re.M),
    "skipped": re.compile(r"^\[  SKIPPED \] (\d+) test", re.M),
}
CMOCKA_RAN = re.compile(r"^\[==========\][^\n]* (\d+) test\(s\) run", re.M)


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


def count_output(text):
    """Cases that one program's output tells of, or None."""
    tap = TAP.findall(text)
    if tap:
        skipped = sum("# SKIP" in rest.upper() for _, rest in tap)
        failed = sum(bool(not_ok) and "# SKIP" not in rest.upper() for not_ok, rest in tap)
        return len(tap) - failed - skipped, failed, skipped
    if CMOCKA_RAN.search(text):
        passed = sum(map(int, CMOCKA["passed"].findall(text)))
        skipped = sum(map(int, CMOCKA["skipped"].findall(text)))
        ran = sum(map(int, CMOCKA_RAN.findall(text)))
        return passed, max(ran - passed - skipped, 0), skipped
    return None


def count_meson(builddir):
    log = builddir / "meson-logs" / "testlog.json"
    if not log.is_file():
        return 0, 0, 0
    totals = [0, 0, 0]
    for line in log.read_text(errors="replace").splitlines():
        entry = json.loads(line)
        result = entry["result"]
        counts = count_output(entry.get("stdout") or "") or count_output(entry.get("stderr") or "")
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
    counter = {"junit": count_junit, "meson": count_meson}[arguments[0]]
    print(*counter(pathlib.Path(arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
