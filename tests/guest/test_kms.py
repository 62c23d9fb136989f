# SPDX-License-Identifier: MIT
"""Our KMS program, which stops at a fixed frame: the host's picture of the screen against the
same frame drawn by the host driver alone."""

import re

import pytest
from PIL import Image, ImageChops, ImageStat

from support import programs
from support.machine import wait_until

FRAMES = 30
DIFFERENCE_LIMIT = 0.02  # of full scale, mean, per channel


def assert_same_picture(ours, expected):
    assert ours.size == expected.size
    mean = [value / 255 for value in ImageStat.Stat(ImageChops.difference(ours, expected)).mean]
    assert max(mean) < DIFFERENCE_LIMIT, mean
    return max(mean)


@pytest.mark.parametrize("scene", ["triangle", "cube"])
def test_screen_shows_the_native_picture(vm, pictures, tmp_path, record_property, scene):
    with vm.agent() as agent:
        command = agent.start(["pv-kms", "--scene", scene, "--frames", str(FRAMES), "--hold"])

        def is_holding():
            agent.receive(0.2)
            return b"holding" in command.stdout or command.is_done

        wait_until(is_holding, 120, "the last frame")
        assert not command.is_done, bytes(command.stderr)
        shown = vm.screenshot(pictures / f"kms-{scene}.png")
        command.write(b"")
        assert command.wait(60) == 0
    size = re.search(r"^info mode (\d+x\d+)", command.stdout.decode(), re.M).group(1)
    picture = tmp_path / "native.ppm"
    native = programs.run_native("pv-kms", "--scene", scene, "--frames", str(FRAMES),
                                 "--size", size, "--offscreen", str(picture))
    programs.assert_passed(native)
    # Not blank: the background takes part of it, and the rest has many colours.
    colors = shown.getcolors(1 << 24)
    assert max(colors)[0] < 0.9 * shown.width * shown.height
    assert len(colors) > 3
    with Image.open(picture) as expected:
        difference = assert_same_picture(shown, expected.convert("RGB"))
    record_property("mean difference", difference)
    # On the way to the screen not a bit is lost: the program's own digest of the last frame.
    guest_cases = [line for line in command.stdout.decode().splitlines() if "case" in line]
    assert guest_cases == native.cases
    vm.assert_at_rest()
