# SPDX-License-Identifier: MIT
"""Weston on Zink on Venus, and what runs in it: vkcube by Wayland and X, vkmark, OpenGL."""

import re
import time

import pytest
from PIL import Image, ImageChops

from support.machine import wait_until
from support.session import CUBE, CUBE_SIZE_PX, Session

DESKTOP = (0x20, 0x30, 0x40)  # weston-session's background
CLEAR = (51, 51, 51)  # vkcube's: 0.2 of full scale
SCENES = ["vertex", "texture", "shading", "desktop", "cube", "clear"]


class Holder:
    """The session of this module: one, unless a test broke it."""

    session = None


@pytest.fixture(scope="module")
def holder():
    one = Holder()
    yield one
    if one.session is not None:
        one.session.close()


@pytest.fixture
def session(vm, holder):
    old = holder.session
    if old is None or old.machine is not vm or not old.is_alive():
        if old is not None:
            if old.machine is vm:
                print("Weston ended; the last of its messages:", old.log()[-3000:])
            old.close()
        holder.session = None
        holder.session = Session(vm)
    return holder.session


def is_teal(color):
    """The colour of vkcube's texture, lit from anywhere: green and blue well above red."""
    red, green, blue = color
    return green > red + 20 and blue > red + 20 and abs(green - blue) < 30 and color != DESKTOP


def is_grey(color):
    """Faces of the cube beside the texture's picture; not the window's own grey."""
    return max(color) - min(color) <= 2 and color != CLEAR and 25 < color[0] < 250


def assert_shows_cube(picture):
    """The window has its size, and the cube in it has its two colours over a fair area."""
    colors = picture.getcolors(1 << 24)
    area = CUBE_SIZE_PX * CUBE_SIZE_PX
    desktop, clear, teal, grey = (
        sum(count for count, color in colors if test(color))
        for test in (lambda c: c == DESKTOP, lambda c: c == CLEAR, is_teal, is_grey)
    )
    print(f"pixels: desktop {desktop}, window {clear}, texture {teal}, cube {grey}")
    assert desktop > (picture.width * picture.height - area) * 0.7
    assert 0.3 * area < clear < 0.9 * area
    assert 0.02 * area < teal < 0.4 * area
    assert 0.05 * area < grey < 0.5 * area
    # The window is where anything differs from the desktop.
    box = ImageChops.difference(picture, Image.new("RGB", picture.size, DESKTOP)).getbbox()
    assert box[2] - box[0] >= CUBE_SIZE_PX and box[3] - box[1] >= CUBE_SIZE_PX, box


def assert_spins(vm, session, wsi, path):
    """Two pictures, both of a cube, which has moved meanwhile."""

    def is_empty():
        colors = dict((color, count) for count, color in vm.screenshot(path).getcolors(1 << 24))
        return colors.get(DESKTOP, 0) > 0.98 * 1280 * 800

    def look():
        assert not cube.is_done
        picture = vm.screenshot(path)
        colors = picture.getcolors(1 << 24)
        return picture if sum(n for n, color in colors if is_teal(color)) > 1000 else None

    # Weston fades windows out: the one before may still be seen.
    wait_until(is_empty, 60, "an empty screen")
    session.settle()
    cube = session.start([*CUBE, wsi])
    first = wait_until(look, 60, "a cube on the screen")
    time.sleep(1)
    second = vm.screenshot(path)
    assert_shows_cube(first)
    assert_shows_cube(second)
    assert ImageChops.difference(first, second).getbbox(), "the cube does not move"
    session.end(cube)


def frames_per_second(session, wsi, count):
    """Runs of 1 and of count frames; the difference leaves out how long vkcube takes to start.

    A run before them leaves out what is started once, such as Xwayland.
    """
    took_s = []
    for frames in (1, 1, count):
        session.settle()
        start = time.monotonic()
        done = session.run([*CUBE, wsi, "--c", str(frames)])
        took_s.append(time.monotonic() - start)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Virtio-GPU Venus" in done.stdout + done.stderr
    return f"{(count - 1) / (took_s[2] - took_s[1]):.1f}"


def test_weston_draws_by_zink_and_shows_dma_bufs(session):
    log = session.log()
    assert session.wsi_debug == ""
    assert re.search(r"GL renderer: zink Vulkan .*Virtio-GPU Venus.*MESA_VENUS", log), log
    assert "dmabuf support: modifiers" in log
    assert "using /dev/dri/card0" in log


def test_wayland_cube_draws_300_frames(session, record_property):
    record_property("frames/s", frames_per_second(session, "wayland", 300))


def test_wayland_cube_is_on_the_screen(vm, session, pictures):
    assert_spins(vm, session, "wayland", pictures / "vkcube-wayland.png")


def test_x_cube_draws_60_frames(session, record_property):
    record_property("frames/s", frames_per_second(session, "xcb", 60))


def test_x_cube_is_on_the_screen(vm, session, pictures):
    assert_spins(vm, session, "xcb", pictures / "vkcube-xcb.png")


def test_vkmark_ends_with_a_score(session, record_property):
    options = [word for scene in SCENES for word in ("-b", f"{scene}:duration=1.5")]
    done = session.run(["vkmark", "--winsys", "wayland", "-s", "500x500", *options], timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    for scene in SCENES:
        found = re.search(rf"^\[{scene}\].* FPS: ([1-9]\d*)", done.stdout, re.M)
        assert found, done.stdout
        record_property(f"{scene} frames/s", found.group(1))
    score = re.search(r"vkmark Score: ([1-9]\d*)", done.stdout)
    assert score, done.stdout
    record_property("score", score.group(1))


@pytest.mark.parametrize("program", ["es2_info", "glxinfo"])
def test_opengl_in_a_window_is_zink_on_venus(session, program):
    command = {"es2_info": ["es2_info"], "glxinfo": ["glxinfo", "-B"]}[program]
    session.settle()
    done = session.run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"zink Vulkan .*Venus.*MESA_VENUS", done.stdout), done.stdout


def test_session_ends_well(vm, session, holder):
    holder.session = None
    assert session.close() == 0
    vm.assert_at_rest()
    vm.assert_draws()
