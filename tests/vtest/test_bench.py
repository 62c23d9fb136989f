# SPDX-License-Identifier: MIT
"""`pearvisor bench` runs and says what it should. How long things take is no test."""

import json

import pytest

from support import programs

FIGURES = {
    "first-frame", "submit-wait-empty", "submit-wait", "fence-status", "query-results", "round-trip",
    "round-trip-late", "small-copies", "barriers", "draws", "states", "upload", "allocate-4m",
    "allocate-64k", "descriptor-updates", "buffers", "compute", "fill",
}


def bench(*arguments):
    _, env = programs.native_command("pv-bench")
    return programs.finish(
        programs.start([programs.binary("pearvisor"), "bench", *arguments], env), timeout_s=300)


def test_quick_run_measures_both_ways(tmp_path):
    written = tmp_path / "figures.json"
    result = bench("--quick", "--no-idle", "--json", "--output", written)
    assert result.status == 0, str(result)
    report = json.loads(result.stdout)
    assert json.loads(written.read_text()) == report
    assert [way["way"] for way in report["ways"]] == ["native", "vtest"]
    assert report["ways"][1]["device"].startswith("Virtio-GPU Venus")
    assert {figure["figure"] for figure in report["figures"]} == FIGURES
    for figure in report["figures"]:
        for way in ("native", "vtest"):
            assert len(figure["rounds_ns"][way]) == 1
            assert figure["median_ns"][way] > 0


def test_idle_programs_are_watched():
    result = bench("--quick", "--only", "first-frame", "--against", "vtest", "--json")
    assert result.status == 0, str(result)
    seen = {entry["process"]: entry for entry in json.loads(result.stdout)["idle"]}
    assert set(seen) == {"pearvisor", "pv-bench", "pearvisor-rende"}
    assert all(entry["private_kib"] > 0 for entry in seen.values())


@pytest.mark.parametrize("arguments", [["--against", "moon"], ["--rounds", "0"], ["stray"]])
def test_user_errors_are_one_sentence(arguments):
    result = bench(*arguments)
    assert result.status == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_failure_of_the_program_is_said():
    result = bench("--quick", "--no-idle", "--only", "nothing")
    assert result.status == 125
    assert 'there is no case "nothing"' in result.stderr


def test_peer_that_does_not_start_is_no_failure():
    result = bench("--quick", "--no-idle", "--only", "status", "--against", "native,peer",
                   "--peer", "/bin/false", "--json")
    assert result.status == 0, str(result)
    assert "does not listen" in json.loads(result.stdout)["ways"][1]["complaint"]
