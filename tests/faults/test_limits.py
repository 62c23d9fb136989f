# SPDX-License-Identifier: MIT
"""
No room on the disk, and no descriptors: whoever needs them is refused in one line, nothing half is
left, and what runs goes on.
"""
import os
import resource
import signal
import stat
import subprocess

import pytest

import gpu_wire as wire
import vhost_user as vu
from conftest import BUILD, check_log, start
from support.holdings import holdings
from support.machine import children, wait_until
from vtest_wire import Client, Closed

PEARVISOR = BUILD / "cli" / "pearvisor"
RENDER = BUILD / "cli" / "pearvisor-render"


def small_files():
    """In the child: no file may grow past a page, which is what a full disk looks like."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def few_descriptors(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def run(*arguments, **how):
    return subprocess.run([str(word) for word in arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False, **how)


class Device:
    """The device process with a front end on it."""

    def __init__(self, folder, **how):
        self.folder = folder
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [BUILD / "cli" / "pearvisor-gpu", "--vhost-user", folder / "g", "--control",
                 folder / "c", "--renderer", RENDER, "--size", "640x480", "--window", "64M",
                 "--memory-limit", "64M"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **how)
        wait_until((folder / "c").exists, 20, "the device")
        self.front = vu.FrontEnd(folder / "g")
        self.front.negotiate()
        self.front.start()
        self.gpu = wire.Gpu(self.front)

    def show_picture(self):
        addr = self.front.memory.allocate(640 * 480 * 4, 4096)
        for at in range(0, 640 * 480 * 4, 4):
            # Every pixel another one, so that no compression makes the file small.
            self.front.memory.store("I", addr + at, at * 2654435761 & 0xFFFFFFFF)
        assert self.gpu.create_2d(1, 640, 480) == wire.OK_NODATA
        assert self.gpu.attach_backing(1, [(addr, 640 * 480 * 4)]) == wire.OK_NODATA
        assert self.gpu.transfer(1, (0, 0, 640, 480)) == wire.OK_NODATA
        assert self.gpu.set_scanout(0, 1, (0, 0, 640, 480)) == wire.OK_NODATA
        assert self.gpu.flush(1, (0, 0, 640, 480)) == wire.OK_NODATA

    def end(self):
        assert self.gpu.still_answers()
        self.front.close()
        assert self.process.wait(20) == 0
        return check_log(self.folder)


# ---- the disk ----

@pytest.mark.parametrize("old", [None, b"an older picture"], ids=["new", "replaced"])
def test_screenshot_on_a_full_disk(tmp_path, old):
    device = Device(tmp_path)
    device.show_picture()
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / "a.png"
    if old:
        path.write_bytes(old)
    command = [PEARVISOR, "screenshot", "--control", tmp_path / "c", "-o", path]
    failed = run(*command, preexec_fn=small_files)
    assert failed.returncode > 0
    assert failed.stderr.count("\n") == 1 and str(path) in failed.stderr, failed.stderr
    assert [one.name for one in folder.iterdir()] == (["a.png"] if old else [])
    assert not old or path.read_bytes() == old
    good = run(*command)
    assert good.returncode == 0 and path.read_bytes().startswith(b"\x89PNG"), good.stderr
    device.end()


def test_screenshot_to_a_full_device(tmp_path):
    """Into the device, not in its place."""
    full = tmp_path / "full"
    try:
        os.mknod(full, stat.S_IFCHR | 0o600, os.makedev(1, 7))
        full.open("wb").close()
    except OSError:
        pytest.skip("cannot make devices here")
    device = Device(tmp_path)
    device.show_picture()
    failed = run(PEARVISOR, "screenshot", "--control", tmp_path / "c", "-o", full)
    assert failed.returncode > 0 and failed.stderr.count("\n") == 1, failed
    assert stat.S_ISCHR(full.stat().st_mode)
    device.end()


def test_a_log_that_is_full(tmp_path):
    """What cannot be said is not said; the server serves."""
    path = tmp_path / "s"
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen([PEARVISOR, "vtest", "--socket", path, "--renderer", RENDER,
                                    "--log", "debug"], stdin=subprocess.DEVNULL, stdout=full,
                                   stderr=full)
    try:
        wait_until(path.exists, 20, "the server")
        for _ in range(3):
            client = Client(path).hello()
            client.blob(4096)
            client.send(99)  # what it has to say about this is lost
            client.close()
        client = Client(path).hello()
        assert client.is_open()
        client.close()
    finally:
        process.terminate()
        status = process.wait(20)
    assert status == 128 + signal.SIGTERM


def test_image_build_on_a_full_disk(tmp_path):
    """One sentence, and the folder is as it was: the next build begins anew."""
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    failed = run(PEARVISOR, "image", "build", "debian-13", env=env, preexec_fn=small_files)
    assert failed.returncode > 0
    assert failed.stderr.strip().splitlines()[-1].startswith("pearvisor: "), failed.stderr
    images = tmp_path / "cache" / "pearvisor" / "images"
    left = [one for one in images.rglob("*") if one.is_file() and one.stat().st_size] if (
        images.exists()) else []
    assert not [one for one in left if one.suffix in (".img", ".qcow2", ".ext4")], left


# ---- descriptors ----

def test_vtest_without_descriptors(tmp_path):
    """Clients up to the limit, and more of them: those that are in go on; when they leave, others get
    in."""
    path = tmp_path / "s"
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([PEARVISOR, "vtest", "--socket", path, "--renderer", RENDER],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   preexec_fn=few_descriptors(40))
    try:
        wait_until(path.exists, 20, "the server")
        Client(path).hello().close()
        wait_until(lambda: not children(process.pid), 20, "rest")
        before = holdings(process.pid)["fds"]
        clients, refused = [], 0
        while refused < 3:
            client = Client(path)
            client.socket.settimeout(2)
            try:
                is_in = client.hello().is_open()
            except (Closed, TimeoutError):
                is_in = False
            if is_in:
                clients.append(client)
            else:
                client.close()
                refused += 1
        assert len(clients) >= 3
        assert process.poll() is None
        assert all(client.is_open() for client in clients)
        assert clients[0].sync_read(clients[0].sync(5)) == 5
        for client in clients:
            client.close()
        wait_until(lambda: not children(process.pid), 20, "the end of the workers")
        client = Client(path).hello()
        client.blob(4096)
        client.close()
        wait_until(lambda: holdings(process.pid)["fds"] <= before, 10, "all descriptors back")
    finally:
        process.terminate()
        status = process.wait(20)
    assert status == 128 + signal.SIGTERM
    lines = check_log(tmp_path)
    assert 0 < len(lines) < 20, lines


def test_device_without_descriptors(tmp_path):
    """Contexts and resources are refused; what there is goes on, and room is used again."""
    device = Device(tmp_path, preexec_fn=few_descriptors(48))
    before = holdings(device.process.pid)["fds"]
    made = []
    for number in range(1, 60):
        if device.gpu.create_context(number, wire.VENUS) != wire.OK_NODATA:
            break
        made.append(number)
    assert 3 <= len(made) < 59
    # Descriptors are used up by whoever comes; 2D resources have one each.
    pictures = [number for number in range(1, 60)
                if device.gpu.create_2d(number, 16, 16) == wire.OK_NODATA]
    assert len(pictures) < 59
    assert device.gpu.still_answers()
    for number in made:
        assert device.gpu.destroy_context(number) == wire.OK_NODATA
    for number in pictures:
        assert device.gpu.unref(number) == wire.OK_NODATA
    assert device.gpu.create_context(99, wire.VENUS) == wire.OK_NODATA
    assert device.gpu.destroy_context(99) == wire.OK_NODATA
    wait_until(lambda: holdings(device.process.pid)["fds"] <= before, 10, "all descriptors back")
    lines = device.end()
    assert 0 < len([line for line in lines if "context" in line]) < 5, lines
