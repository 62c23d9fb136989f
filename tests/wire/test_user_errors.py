# SPDX-License-Identifier: MIT
"""
What a user's mistake on the command line gets: one sentence that begins with who says it, and a
status that is not zero. The environment is empty, so nothing of this machine is found by accident.
"""
import subprocess

import pytest

from conftest import BUILD

USAGE = 2
FAILED = 125


def run(tmp_path, *arguments, **variables):
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path),
                   "XDG_RUNTIME_DIR": str(tmp_path), "PEARVISOR_CACHE_DIR": str(tmp_path),
                   # Without one, `vtest` has a second sentence to say.
                   "PV_VENUS_ICD": "/nonexistent/venus.json", **variables}
    return subprocess.run([BUILD / "cli/pearvisor", *arguments], env=environment, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def check_one_sentence(result, status):
    lines = result.stderr.splitlines()
    assert result.returncode == status, result.stderr
    assert len(lines) == 1 and lines[0].startswith("pearvisor"), result.stderr
    assert not result.stdout


@pytest.mark.parametrize("command", ["demo", "run", "doctor", "exec", "screenshot", "top", "gpu",
                                     "vtest", "image", "bench"])
def test_an_option_that_is_not_there(tmp_path, command):
    check_one_sentence(run(tmp_path, command, "--nonsense"), USAGE)


@pytest.mark.parametrize("command", ["demo", "run", "doctor", "exec", "screenshot", "top", "gpu",
                                     "vtest", "image", "bench"])
def test_help_is_no_error(tmp_path, command):
    result = run(tmp_path, command, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: pearvisor {command}")
    assert not result.stderr


@pytest.mark.parametrize("arguments", [
    [],
    ["nonsense"],
    ["demo", "surplus"],
    ["demo", "--frames", "1"],
    ["run"],
    ["run", "--memory", "0", "--", "true"],
    ["demo", "--accel", "foo"],
    ["demo", "--output", "/nonexistent/a.png"],
    ["demo", "--output", "/tmp"],
    ["run", "--memory", "255", "--", "true"],
    ["run", "--memory", "1048577", "--", "true"],
    ["run", "--memory", "99999999999999999999", "--", "true"],
    ["run", "--memory", "2G", "--", "true"],
    ["run", "--cpus", "0", "--", "true"],
    ["run", "--cpus", "65", "--", "true"],
    ["run", "--cpus", "-1", "--", "true"],
    ["run", "--accel", "xen", "--", "true"],
    ["run", "--window", "3Q", "--", "true"],
    ["run", "--window", "100M", "--", "true"],
    ["run", "--memory-limit", "lots", "--", "true"],
    ["run", "--name", "a/b", "--", "true"],
    ["run", "--name", "", "--", "true"],
    ["run", "--name", "..", "--", "true"],
    ["run", "--name", 41 * "a", "--", "true"],
    ["run", "--timeout", "0", "--", "true"],
    ["run", "--screenshot", "/nonexistent/a.png", "--", "true"],
    ["run", "--screenshot", "/tmp", "--", "true"],
    ["run", "--screenshot", "", "--", "true"],
    ["run", "--serial", "/nonexistent/a.log", "--", "true"],
    ["run", "--log", "x=y", "--", "true"],
    ["run", "--qemu", "", "--", "true"],
    ["run", "--image", "", "--", "true"],
    ["vtest", "--socket", "", "--", "true"],
    ["gpu", "--vhost-user", ""],
    ["screenshot", ""],
    ["screenshot", "/nonexistent/a.png"],
    ["doctor", "surplus"],
    ["exec"],
    ["exec", "--env", "NAME", "--", "true"],
    ["exec", *65 * ["--env=A=B"], "--", "true"],
    ["exec", "--cwd", "", "--", "true"],
    ["bench", "surplus"],
    ["bench", "--against", "native,else"],
    ["bench", "--rounds", "0"],
    ["screenshot"],
    ["screenshot", "a.png", "b.png"],
    ["screenshot", "--vm", "a", "--control", "b", "c.png"],
    ["screenshot", "--scanout", "16", "a.png"],
    ["screenshot", "--after", "0", "a.png"],
    ["screenshot", "a.png", "--scanout", "16"],
    ["run", "--screenshot-after", "many", "--", "true"],
    ["top", "surplus"],
    ["top", "--interval", "0"],
    ["top", "--interval", "3601"],
    ["top", "--count", "none"],
    ["top", "--vm", "a", "--control", "b"],
    ["gpu"],
    ["gpu", "--vhost-user"],
    ["gpu", "--vhost-user", "s", "surplus"],
    ["gpu", "--vhost-user", "s", "--size", "0x0"],
    ["gpu", "--vhost-user", "s", "--window", "100M"],
    ["gpu", "--vhost-user", "s", "--log", "loud"],
    ["gpu", "--vhost-user", "s", "--max-contexts", "0"],
    ["vtest", "--max-contexts", "257"],
    ["vtest", "--memory-limit", "1"],
    ["vtest", "--log", "loud", "--", "true"],
    ["image"],
    ["image", "build"],
    ["image", "build", "no-such"],
    ["image", "build", "--force", "no-such"],
    ["image", "rm", "no-such"],
], ids=lambda arguments: " ".join(arguments)[:60])
def test_arguments_that_make_no_sense(tmp_path, arguments):
    check_one_sentence(run(tmp_path, *arguments), USAGE)


@pytest.mark.parametrize("arguments", [
    ["run", "--image", "no-such", "--", "true"],
    ["run", "--image", "a/b", "--", "true"],
    ["run", "--cache-dir", "/nonexistent", "--", "true"],
    ["demo"],
    ["exec", "--", "true"],
    ["exec", *64 * ["--env=A=B"], "true", "--nonsense"],
    ["exec", "--vm", "no-such", "--", "true"],
    ["screenshot", "a.png"],
    ["screenshot", "--control", "/nonexistent/socket", "a.png"],
    ["top"],
    ["top", "--vm", "no-such", "--json"],
    ["top", "--control", "/nonexistent/socket"],
    ["gpu", "--vhost-user", "/nonexistent/socket"],
    ["vtest", "--control", "/nonexistent/socket", "--", "true"],
    ["gpu", "--vhost-user", "s", "--renderer", "/nonexistent/program"],
    ["vtest", "--renderer", "/nonexistent/program", "--", "true"],
    ["vtest", "--socket", "/nonexistent/socket", "--", "true"],
    ["vtest", "--", "/nonexistent/program"],
], ids=lambda arguments: " ".join(arguments)[:60])
def test_things_that_are_not_there(tmp_path, arguments):
    check_one_sentence(run(tmp_path, *arguments), FAILED)


def test_a_command_that_is_too_long(tmp_path):
    check_one_sentence(run(tmp_path, "run", "--", "echo", 70000 * "a", 70000 * "a"), USAGE)


def test_a_folder_without_guest_programs(tmp_path):
    check_one_sentence(run(tmp_path, "run", "--", "true",
                           PEARVISOR_DATA_DIR="/nonexistent"), FAILED)

