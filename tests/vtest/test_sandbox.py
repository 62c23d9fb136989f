# SPDX-License-Identifier: MIT
"""The workers' sandbox under real programs: its modes change no result, and its lists are complete.

`--sandbox=measure` names what a driver asked for beyond the lists; with the driver that the lists
were made for that is what stands here, and nothing else.
"""

import pytest

from support import programs

# lavapipe moves its threads between processors, and does without where it may not: the filter
# cannot tell a thread of this process from one of another.
KNOWN = {"sched_setaffinity"}


def run(mode, program, *arguments):
    command, env = programs.vtest_command(programs.binary(program), *arguments)
    command[2:2] = [f"--sandbox={mode}"]
    return programs.finish(programs.start(command, env))


@pytest.mark.parametrize("program", [p for p in programs.COMPARED if p != "pv-map-race"])
def test_lists_are_complete(program):
    result = run("measure", program)
    programs.assert_passed(result)
    refused = {
        line.split(": ", 1)[1].split(" (number")[0]
        for line in result.stderr.splitlines()
        if line.startswith("sandbox would refuse: ")
    }
    assert refused <= KNOWN, str(result)


def test_modes_change_no_result():
    results = {mode: run(mode, "pv-render") for mode in ("full", "none")}
    programs.assert_same(results["none"], results["full"])


def test_unknown_mode_is_one_sentence():
    result = run("some", "pv-copy")
    assert result.status == 2
    assert result.stderr.splitlines() == [
        "pearvisor: --sandbox wants full, strict, measure or none, not 'some'"
    ]
