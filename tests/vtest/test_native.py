# SPDX-License-Identifier: MIT
"""The programs on the host driver alone: they pass, repeat themselves, and are valid Vulkan.

Without this a difference through PearVisor could be the program's own fault.
"""

import pytest

from support import programs


@pytest.mark.parametrize("program", programs.ALL)
def test_passes_and_repeats(program):
    first = programs.run_native(program)
    programs.assert_passed(first)
    assert programs.run_native(program).cases == first.cases


@pytest.mark.parametrize("program", programs.ALL)
def test_is_valid_vulkan(program):
    arguments = ["--trials", "2"] if program == "pv-map-race" else []
    result = programs.run_native(program, "--validate", *arguments)
    if "validation layer is not installed" in result.stderr:
        pytest.skip(result.stderr.strip())
    programs.assert_passed(result)


@pytest.mark.parametrize("scene", ["triangle", "cube"])
def test_kms_program_draws_off_screen(scene, tmp_path):
    picture = tmp_path / "picture.ppm"
    result = programs.run_native(
        "pv-kms", "--scene", scene, "--frames", "30", "--size", "320x200", "--offscreen", picture
    )
    programs.assert_passed(result)
    data = picture.read_bytes()
    assert data.startswith(b"P6\n320 200\n255\n")
    pixels = data[-320 * 200 * 3 :]
    background = bytes([0x20, 0x20, 0x40])
    drawn = sum(
        pixels[i : i + 3] != background for i in range(0, len(pixels), 3)
    )
    assert 320 * 200 / 10 < drawn < 320 * 200 * 9 / 10


@pytest.mark.parametrize(
    "arguments",
    [["--device", "200"], ["--device", "x"], ["--only", "nothing"], ["--no-such"], ["stray"]],
)
def test_user_errors_are_one_sentence(arguments):
    result = programs.run_native("pv-compute", *arguments)
    assert result.status == 1
    assert len(result.stderr.strip().splitlines()) == 1
