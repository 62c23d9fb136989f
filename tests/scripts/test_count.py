# SPDX-License-Identifier: MIT
"""scripts/lib/count.py counts what ran, and never takes a crash for a pass."""
import importlib.util
import json
import pathlib

import pytest

PATH = pathlib.Path(__file__).resolve().parents[2] / "scripts/lib/count.py"
spec = importlib.util.spec_from_file_location("count", PATH)
count = importlib.util.module_from_spec(spec)
spec.loader.exec_module(count)

TWO = "[==========] Running 2 test(s).\n[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n"


@pytest.mark.parametrize("result, stdout, expected", [
    ("OK", TWO + "[       OK ] b\n[==========] 2 test(s) run.\n", (2, 0, 0)),
    ("FAIL", TWO + "[  FAILED  ] b\n[==========] 2 test(s) run.\n", (1, 1, 0)),
    ("FAIL", TWO + "[  FAILED  ] b\n[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] b\n",
     (1, 1, 0)),
    ("OK", TWO + "[  SKIPPED ] b\n", (1, 0, 1)),
    ("TIMEOUT", TWO, (1, 1, 0)),
    ("FAIL", TWO + "[       OK ] b\n", (2, 1, 0)),  # a leak that the sanitizer saw at the end
    ("OK", "1..3\nok 1 - a\nok 2 - b # SKIP no GPU\nok 3 - c\n", (2, 0, 1)),
    ("FAIL", "1..2\nok 1 - a\nnot ok 2 - b\n", (1, 1, 0)),
    ("OK", "", (1, 0, 0)),
    ("SKIP", "", (0, 0, 1)),
    ("FAIL", "", (0, 1, 0)),
    ("ERROR", None, (0, 1, 0)),
])
def test_meson(tmp_path, result, stdout, expected):
    (tmp_path / "meson-logs").mkdir()
    entry = {"name": "x", "result": result, "stdout": stdout}
    (tmp_path / "meson-logs/testlog.json").write_text(json.dumps(entry) + "\n")
    assert count.count_meson(tmp_path) == expected


def test_junit(tmp_path):
    file = tmp_path / "x.xml"
    file.write_text("<testsuites><testsuite><testcase name='a'/><testcase name='b'><failure/>"
                    "</testcase><testcase name='c'><error/></testcase><testcase name='d'><skipped/>"
                    "</testcase></testsuite></testsuites>")
    assert count.count_junit(file) == (1, 2, 1)


def test_missing_reports_count_nothing(tmp_path):
    assert count.count_junit(tmp_path / "x.xml") == (0, 0, 0)
    assert count.count_meson(tmp_path) == (0, 0, 0)
