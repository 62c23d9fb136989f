# SPDX-License-Identifier: MIT
"""`pearvisor image` with a recipe of our own: what it says, and where what a build says goes."""
import subprocess

import pytest

from conftest import BUILD


@pytest.fixture
def image(tmp_path):
    """Runs `pearvisor image`; .recipe is the program that builds the image "small"."""
    recipe = tmp_path / "data/image/small/build"
    recipe.parent.mkdir(parents=True)
    (tmp_path / "data/programs.cpio").touch()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path),
                   "PEARVISOR_DATA_DIR": str(tmp_path / "data"),
                   "PEARVISOR_CACHE_DIR": str(tmp_path / "cache")}

    def write(*lines):
        recipe.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
        recipe.chmod(0o755)

    def run(*arguments):
        return subprocess.run([BUILD / "cli/pearvisor", "image", *map(str, arguments)],
                              env=environment, timeout=60, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)

    run.write = write
    write("echo one", "echo two >&2", 'touch "$1/kernel" "$1/modules" "$1/root"')
    return run


def test_a_build_tells_its_progress(image):
    result = image("build", "small")
    assert result.returncode == 0
    assert result.stderr == "one\ntwo\n"
    assert result.stdout.startswith("image small-") and result.stdout.endswith(" is built\n")
    again = image("build", "small")
    assert not again.stderr and again.stdout.endswith(" is up to date\n")
    assert image("--force", "build", "small").stdout.endswith(" is built\n")
    assert "up to date" in image("list").stdout
    assert image("rm", "small").returncode == 0
    assert "not built" in image("list").stdout


def test_a_build_with_a_log(image, tmp_path):
    log = tmp_path / "log"
    result = image("build", "--log", log, "small")
    assert result.returncode == 0 and not result.stderr
    assert log.read_text() == "one\ntwo\n"
    log.unlink()
    assert image("build", "--log", log, "small").returncode == 0
    assert not log.exists()  # there was nothing to do


def test_a_build_that_fails_shows_the_end_of_its_log(image, tmp_path):
    image.write("seq 30", r"printf '\033[2J\n'", "exit 3")
    result = image("build", "--log", tmp_path / "log", "small")
    lines = result.stderr.splitlines()
    assert result.returncode == 125
    assert lines[0] == "The last that the build said:"
    assert lines[1:20] == [f"  {n}" for n in range(12, 31)]
    assert lines[20] == "  .[2J"
    assert lines[21].startswith("pearvisor: the image was not built")


def test_a_log_that_cannot_be(image, tmp_path):
    result = image("build", "--log", tmp_path / "none/log", "small")
    assert result.returncode == 125
    assert result.stderr == f"pearvisor: --log: cannot write '{tmp_path}/none/log'\n"
