# SPDX-License-Identifier: MIT
"""Run our own test programs (guest/programs) natively and through PearVisor, and compare.

Where things are comes from the environment, which scripts/check sets:

    PV_BUILD              build folder; holds pearvisor and the pv-* programs
    PV_HOST_ICD           manifest of the host driver (lavapipe)
    PV_VENUS_ICD          manifest of Mesa's Venus
    PV_MESA_LIBRARY_PATH  where the libraries of these drivers are; may be unset

A test that needs one that is not there is skipped with a sentence, never passed in silence.
"""

import os
import pathlib
import subprocess

import pytest

EXIT_SKIPPED = 77

# Programs whose "case" lines must be the same on every path to the same driver. pv-export is not
# among them: what can be exported depends on the path.
COMPARED = ["pv-compute", "pv-copy", "pv-render", "pv-query", "pv-timeline", "pv-map-race"]
ALL = COMPARED + ["pv-export"]

# Natively each takes a second or three; the rest is for slow machines and many at once.
TIMEOUT_S = 120


def required(name):
    """The value of an environment variable, or a skip."""
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"{name} is not set")
    return value


def binary(name):
    """The path of something that the build made, or a skip."""
    build = pathlib.Path(required("PV_BUILD"))
    for folder in ("cli", "guest/programs", "."):
        path = build / folder / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    pytest.skip(f"{build} has no {name}")


def environment(icd_variable):
    """Our own environment with one Vulkan driver alone, and no leftovers of other runs."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VK_", "VN_", "VTEST_", "MESA_"))
    }
    manifest = required(icd_variable)
    env["VK_DRIVER_FILES"] = manifest
    env["VK_ICD_FILENAMES"] = manifest  # the older name, for older loaders
    libraries = os.environ.get("PV_MESA_LIBRARY_PATH")
    if libraries:
        env["LD_LIBRARY_PATH"] = libraries
    return env


class Result:
    """How a program ended, and what it said."""

    def __init__(self, command, status, stdout, stderr):
        self.command = command
        self.status = status
        self.stdout = stdout
        self.stderr = stderr

    @property
    def cases(self):
        """The lines that two runs must have in common."""
        return [line for line in self.stdout.splitlines() if line.startswith("case ")]

    @property
    def info(self):
        """Key to text of the lines that are for people."""
        lines = (line.split(" ", 2) for line in self.stdout.splitlines())
        return {line[1]: line[2] for line in lines if line[0] == "info" and len(line) == 3}

    def __str__(self):
        return (
            f"{' '.join(self.command)}\nexit status {self.status}\n"
            f"--- stdout\n{self.stdout}--- stderr\n{self.stderr}"
        )


def start(command, env):
    """Start a command whose output finish() collects."""
    return subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, timeout_s=TIMEOUT_S):
    """The Result of a started command; one that hangs is killed and fails the test."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        result = Result(process.args, process.returncode, stdout, stderr)
        pytest.fail(f"no end within {timeout_s} s: {result}")
    return Result(process.args, process.returncode, stdout, stderr)


def native_command(program, *arguments):
    """Command and environment of a program on the host driver."""
    return [binary(program), *arguments], environment("PV_HOST_ICD")


def vtest_command(*command):
    """Command and environment of any command as a client of `pearvisor vtest`.

    The client gets Venus; the renderer takes the host driver from PV_HOST_ICD.
    """
    return [binary("pearvisor"), "vtest", "--", *command], environment("PV_VENUS_ICD")


def run_native(program, *arguments):
    return finish(start(*native_command(program, *arguments)))


def run_vtest(program, *arguments):
    return finish(start(*vtest_command(binary(program), *arguments)))


def assert_passed(result):
    """The program ran and was content; status 77 (nothing to test here) is a skip."""
    if result.status == EXIT_SKIPPED:
        pytest.skip(result.stderr.strip() or "the program skipped itself")
    assert result.status == 0, str(result)
    assert result.cases, f"no case ran: {result}"


def assert_same(native, other):
    """Both passed, with the same cases and digests, line by line."""
    assert_passed(native)
    assert_passed(other)
    assert other.cases == native.cases, f"natively\n{native}\nbut\n{other}"
