# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the processes of a directory machine when it is powered off or the sandbox has ended. Standard library only.

Without a PID namespace only an inherited environment variable identifies a machine's processes. This program waits for the end of its standard
input (power off, or any end of the sandbox), then kills all of them.
"""

from __future__ import annotations

import os
import signal
import sys
import time

KILL_TIMEOUT = 5.0


def processes_on(disk: bytes) -> list[int]:
    """Return the processes with the disk's variable, and those whose working directory is on the disk."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                is_marked = b"REWIND_DISK=" + disk in file.read().split(b"\0")
            working_directory = os.fsencode(os.readlink(f"/proc/{name}/cwd")) + b"/"
        except OSError:
            continue
        if is_marked or working_directory.startswith(disk + b"/"):
            found.append(int(name))
    return found


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    deadline = time.monotonic() + KILL_TIMEOUT
    while (processes := processes_on(os.fsencode(sys.argv[1]))) and time.monotonic() < deadline:
        for pid in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)
