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

_START_TIME_FIELD = 19  # field 22 of /proc/PID/stat, counted from the state (proc(5))
_DEAD_STATES = ("Z", "X", "x")  # a zombie has ended


def identity(pid: int) -> dict[str, Any]:
    """Return `pid` and `started`, which together identify one process; `started` is None if it does not exist."""
    return {"pid": pid, "started": _start_time(pid)}


def is_alive(process: dict[str, Any] | None) -> bool:
    """Whether the process with this identity still runs, in this boot of this machine."""
    if not process or not isinstance(process.get("pid"), int) or not process.get("started"):
        return False
    return _start_time(process["pid"]) == process["started"]


def controlling_terminal(pid: int) -> str | None:
    """The path of the terminal that a process was started in; None where it has none."""
    try:
        response = subprocess.run(["ps", "-o", "tty=", "-p", str(pid)], capture_output=True, text=True, check=False, env=_minimal_environment())
    except OSError:  # a small system may have no ps
        return None
    name = response.stdout.strip()
    path = f"/dev/{name}"
    return path if name.strip("?-") and os.path.exists(path) else None


def _start_time(pid: int) -> str | None:
    if not Path("/proc/self/stat").exists():
        return _start_time_from_ps(pid)
    try:
        # The name in brackets may hold anything, so from its end.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in _DEAD_STATES:
        return None
    boot = "?"
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{fields[_START_TIME_FIELD]} since boot {boot}"


def _minimal_environment() -> dict[str, str]:
    """Of programs that are started here: nothing of the task's, in which there may be credentials."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC0"}


def _start_time_from_ps(pid: int) -> str | None:
    # One -o for each: where ps goes by the standard, everything behind the first = is a heading.
    response = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False,
        env=_minimal_environment(),
    ).stdout.strip()
    state, dummy, started = response.partition(" ")
    return started.strip() or None if state and not state.startswith("Z") else None
