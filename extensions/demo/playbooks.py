# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs `ansible-playbook` on the sandbox's servers and shows its output."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.ansible_output import filter_lines, strip_ansi
from demo.console import DemoConsole
from sandbox import SandboxHandle

PROGRESS_INTERVAL = 2.0  # seconds without output until progress is shown
STOP_TIMEOUT = 10.0

_FOREIGN_PREFIXES = ("ANSIBLE_", "ILKBYTE_", "REWIND_", "VPS_API_")
_PADDING = re.compile(r" \*{3,}(?=(\x1b\[[0-9;]*m)*$)")
_RECAP = re.compile(r"(\S+)\s+: ok=\d+ .*unreachable=(\d+)\s+failed=(\d+)")


@dataclass(frozen=True)
class PlaybookResult:
    """The exit status of ansible-playbook, and the hosts that failed or were unreachable."""

    status: int
    failed: list[str]


class Playbooks:
    """Runs playbooks in the checkout, so the commands shown are the commands run. As a context it ends the guards.

    Args:
        root: The checkout.
        scratch: An empty directory for Ansible's files.
        state_dir: The directory for the role's run records; by default it is below ~/.local/state.
        describe_progress: Text to show while there is no output; None for nothing.
    """

    def __init__(self, sandbox: SandboxHandle, console: DemoConsole, root: Path, scratch: Path, state_dir: Path,
                 describe_progress: Callable[[], str | None]) -> None:
        self._console = console
        self._root = root
        self._state_dir = state_dir
        self._describe_progress = describe_progress
        self._environment = _environment(sandbox, root, scratch, state_dir, in_colours=console.in_colours)

    def __enter__(self) -> Playbooks:
        return self

    def __exit__(self, *problem: object) -> None:
        _kill_guards(self._state_dir)

    def run(self, name: str, *options: str) -> PlaybookResult:
        """Run a playbook with these options of ansible-playbook."""
        arguments = [f"extensions/demo/{name}", *options]
        self._console.command(["ansible-playbook", *arguments])
        # A new session, so Ctrl-C reaches Ansible only through this process.
        child = subprocess.Popen(
            [sys.executable, "-m", "ansible", "playbook", *arguments], cwd=self._root, env=self._environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace")
        try:
            failed = []
            for line in filter_lines(self._lines(child)):
                self._console.output(_PADDING.sub("", line.rstrip()))
                failed += _failed_host(strip_ansi(line))
            return PlaybookResult(child.wait(), failed)
        finally:
            _stop(child)

    def _lines(self, child: subprocess.Popen[str]) -> Iterator[str]:
        """Yield output lines as they arrive. Without output for a while, show progress."""
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_collect, args=(child, lines), daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=PROGRESS_INTERVAL)
            except queue.Empty:
                if progress := self._describe_progress():
                    self._console.progress(progress)
                continue
            if line is None:
                return
            yield line


def _collect(child: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            lines.put(line)
    lines.put(None)


def _failed_host(line: str) -> list[str]:
    recap = _RECAP.fullmatch(line.split("skipped=")[0].strip())
    return [recap[1]] if recap and (int(recap[2]) or int(recap[3])) else []


def _stop(child: subprocess.Popen[str]) -> None:
    """Interrupt a running playbook, so Ansible ends its own processes; then kill the rest."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_TIMEOUT)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _kill_guards(state_dir: Path) -> None:
    """Kill the guards: a guard outlives its run, and would retry for an hour without the sandbox."""
    for path in state_dir.glob("*/*/run.json"):
        guard = json.loads(path.read_text("utf-8")).get("guard")
        # Only if it listens: otherwise the PID may belong to another process.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(guard["socket"])
            os.kill(guard["pid"], signal.SIGKILL)


def _environment(sandbox: SandboxHandle, root: Path, scratch: Path, state_dir: Path, *, in_colours: bool) -> dict[str, str]:
    """Return Ansible's environment. It has the credentials, because command lines are visible to all users."""
    # The user's own credentials and Ansible settings must not take part.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)}
    return {
        **inherited,
        "LC_ALL": "C.UTF-8",  # Ansible requires UTF-8
        "ANSIBLE_COLLECTIONS_PATH": str(_collections(root, scratch)),
        "ANSIBLE_CONFIG": str(root / "tests" / "ansible.cfg"),
        "ANSIBLE_HOME": str(scratch / "ansible"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch / "cp"),
        "VPS_API_TOKEN": sandbox.vpsorg_token,
        "ILKBYTE_ACCESS_KEY": sandbox.ilkbyte_access_key,
        "ILKBYTE_SECRET_KEY": sandbox.ilkbyte_secret_key,
        "ANSIBLE_INVENTORY": f"{sandbox.inventory},{_write_state_dir_variables(scratch, state_dir)}",
        "ANSIBLE_PIPELINING": "true",  # fewer round trips
        "TMPDIR": str(scratch),  # the guards' sockets
        ("ANSIBLE_FORCE_COLOR" if in_colours else "ANSIBLE_NOCOLOR"): "true",
    }


def _write_state_dir_variables(scratch: Path, state_dir: Path) -> Path:
    """Write another inventory, so nothing is written to the user's home."""
    path = scratch / "state_dir.yml"
    path.write_text(json.dumps({"all": {"vars": {"guarded_upgrade_state_dir": str(state_dir)}}}), encoding="utf-8")
    return path


def _collections(root: Path, scratch: Path) -> Path:
    """Create a directory in which Ansible finds the checkout as rewind.vps."""
    namespace = scratch / "collections" / "ansible_collections" / "rewind"
    namespace.mkdir(parents=True)
    (namespace / "vps").symlink_to(root)
    return scratch / "collections"
