# SPDX-License-Identifier: MIT
"""The programs through `pearvisor vtest`: bit-equal to the host driver, alone and many at once."""

import json
import pathlib
import sys

import pytest

from support import programs

CLIENTS = str(pathlib.Path(programs.__file__).with_name("vtest_clients.py"))

# After the warm-up nothing may pile up: allocators keep some, a leak of a page per client shows.
GROWTH_LIMIT_KIB = 4096


@pytest.mark.parametrize("program", programs.COMPARED)
def test_same_results(program):
    programs.assert_same(programs.run_native(program), programs.run_vtest(program))


def test_device_is_venus_on_the_host_driver():
    result = programs.run_vtest("pv-compute", "--only", "mix")
    programs.assert_passed(result)
    assert result.info["device-name"].startswith("Virtio-GPU Venus")


def test_export_passes_or_skips():
    result = programs.run_vtest("pv-export")
    assert result.status in (0, programs.EXIT_SKIPPED), str(result)


def test_first_map_of_memory_loses_no_write():
    result = programs.run_vtest("pv-map-race", "--trials", "100")
    programs.assert_passed(result)


@pytest.mark.parametrize("status", [0, 1, 77])
def test_exit_status_is_the_commands(status):
    command, env = programs.vtest_command("sh", "-c", f"exit {status}")
    assert programs.finish(programs.start(command, env)).status == status


def run_clients(*arguments):
    """What vtest_clients.py says of one server."""
    command, env = programs.vtest_command(sys.executable, CLIENTS, *arguments)
    result = programs.finish(programs.start(command, env), timeout_s=600)
    assert result.status == 0, str(result)
    return json.loads(result.stdout)


def assert_nothing_left(report):
    before, after = report["before"], report["after"]
    assert after["descendants"] == before["descendants"] == []
    assert len(after["files"]) <= len(before["files"]), (before["files"], after["files"])
    assert after["threads"] <= before["threads"]
    growth_kib = after["resident_kib"] - before["resident_kib"]
    assert growth_kib < GROWTH_LIMIT_KIB


def assert_all_same(report, expected):
    for result in report["results"]:
        assert result["status"] == 0, result["stderr"]
        assert result["cases"] == expected


@pytest.mark.parametrize("program", ["pv-render", "pv-copy"])
def test_sixteen_at_once_on_one_server(program):
    expected = programs.run_native(program).cases
    report = run_clients("--total", "16", "--at-once", "16", "--", programs.binary(program))
    assert_all_same(report, expected)
    assert report["after"]["descendants"] == []


def test_sixteen_servers_at_once():
    names = [programs.COMPARED[n % len(programs.COMPARED)] for n in range(16)]
    expected = {name: programs.run_native(name) for name in set(names)}
    processes = [
        programs.start(*programs.vtest_command(programs.binary(name))) for name in names
    ]
    for name, process in zip(names, processes):
        programs.assert_same(expected[name], programs.finish(process, timeout_s=300))


def test_hundred_in_a_row_leave_nothing():
    expected = programs.run_native("pv-compute", "--only", "mix").cases
    report = run_clients(
        "--warm-up", "10", "--total", "100", "--", programs.binary("pv-compute"), "--only", "mix"
    )
    assert_all_same(report, expected)
    assert_nothing_left(report)
