# SPDX-License-Identifier: MIT
"""A desktop in the guest: weston-session, kept up until close() for any number of clients."""

import re
import subprocess
import time

START_TIMEOUT_S = 180
CUBE_SIZE_PX = 500
CUBE = ["vkcube", "--width", str(CUBE_SIZE_PX), "--height", str(CUBE_SIZE_PX), "--wsi"]


class Session:
    """Weston on the guest's screen. run() and start() are for its clients."""

    def __init__(self, machine):
        self.machine = machine
        workers = machine.workers()
        self.agent = machine.agent()
        # The session lasts as long as its command, which ends with its input.
        self.command = self.agent.start(
            ["weston-session", "--shell=desktop", "--", "sh", "-c",
             'echo "display $WAYLAND_DISPLAY $DISPLAY $MESA_VK_WSI_DEBUG."; exec cat'])
        end = time.monotonic() + START_TIMEOUT_S
        pattern = re.compile(rb"^display (\S+) (\S*) (\S*)\.$", re.M)
        found = None
        while found is None and not self.command.is_done and time.monotonic() < end:
            self.agent.receive(1)
            found = pattern.search(self.command.stdout)
        if found is None:
            text = bytes(self.command.stdout + self.command.stderr).decode(errors="replace")
            self.close()
            raise AssertionError(f"no session: {text}")
        self.wsi_debug = found[3].decode()
        self.env = {"WAYLAND_DISPLAY": found[1].decode(), "DISPLAY": found[2].decode()}
        # Weston's own context is the first that came; Xwayland starts with the first X client.
        self.worker = [pid for pid in machine.workers() if pid not in workers][0]

    def is_alive(self):
        return not self.command.is_done and self.machine.run(["pgrep", "-x", "weston"]).returncode == 0

    def settle(self):
        """
        Wait until no Xwayland is about to end. Weston starts one for the first X client, and it ends
        with the last; a client that comes just then is turned away, and Weston may not survive it.
        """
        end = time.monotonic() + 10
        while (time.monotonic() < end
               and self.machine.run(["pgrep", "-x", "Xwayland"]).returncode == 0):
            time.sleep(0.2)

    def log(self):
        return self.machine.check(["cat", "/tmp/weston.log"])

    def run(self, command, timeout=180):
        return self.machine.run(command, timeout, env=self.env)

    def start(self, command):
        """Start a client and return it at once; wait() for it on the session's connection."""
        return self.agent.start(command, env=self.env)

    def end(self, command, timeout=60):
        """End a client that runs for ever, and see that the end is the one asked for."""
        command.signal(15)
        assert command.wait(timeout) == -15, bytes(command.stderr)

    def close(self):
        """End the session; returns its exit status, or None when it did not end."""
        try:
            if not self.command.is_done:
                self.command.write(b"")
            return self.command.wait(60)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.agent.close()  # kills what still runs
