# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which process a run is, so that its guard notices when it is gone, even if its number is given to another."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

_STARTED = 19  # field 22 of /proc/PID/stat, counted from the state (proc(5))
_GONE = ("Z", "X", "x")  # a zombie has ended; somebody only hasn't asked how


def identity(pid: int) -> dict[str, Any]:
    """C(pid) and C(started), which no other process has had together; C(started) is None where there is no such process."""
    return {"pid": pid, "started": _started(pid)}


def is_alive(process: dict[str, Any] | None) -> bool:
    """Whether the process that C(identity) has described still runs, on this boot of this machine."""
    if not process or not isinstance(process.get("pid"), int) or not process.get("started"):
        return False
    return _started(process["pid"]) == process["started"]


def terminal_of(pid: int) -> str | None:
    """The path of the terminal that a process was started in; None where it has none."""
    try:
        response = subprocess.run(["ps", "-o", "tty=", "-p", str(pid)], capture_output=True, text=True, check=False, env=_environment())
    except OSError:  # a small system may have no ps
        return None
    name = response.stdout.strip()
    path = f"/dev/{name}"
    return path if name.strip("?-") and os.path.exists(path) else None


def _started(pid: int) -> str | None:
    if not Path("/proc/self/stat").exists():
        return _started_by_ps(pid)
    try:
        # The name in brackets may hold anything, so from its end.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in _GONE:
        return None
    boot = "?"
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{fields[_STARTED]} since boot {boot}"


def _environment() -> dict[str, str]:
    """Of programs that are started here: nothing of the task's, in which there may be credentials."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC0"}


def _started_by_ps(pid: int) -> str | None:
    # One -o for each: where ps goes by the standard, everything behind the first = is a heading.
    response = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False,
        env=_environment(),
    ).stdout.strip()
    state, dummy, started = response.partition(" ")
    return started.strip() or None if state and not state.startswith("Z") else None
