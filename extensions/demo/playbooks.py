# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs `ansible-playbook` on the sandbox's servers and shows what it prints."""

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

PROGRESS_INTERVAL = 2.0  # without a line of output, until it is said what is going on
STOP_TIMEOUT = 10.0

_FOREIGN_PREFIXES = ("ANSIBLE_", "ILKBYTE_", "REWIND_", "VPS_API_")
_PADDING = re.compile(r" \*{3,}(?=(\x1b\[[0-9;]*m)*$)")
_RECAP = re.compile(r"(\S+)\s+: ok=\d+ .*unreachable=(\d+)\s+failed=(\d+)")


@dataclass(frozen=True)
class PlaybookResult:
    """How a playbook ended: ansible-playbook's exit status, and the hosts that failed or could not be reached."""

    status: int
    failed: list[str]


class Playbooks:
    """The demo's playbooks, run in the checkout so that the commands shown are the commands run.

    :param root: the checkout.
    :param scratch: an empty folder for Ansible's own files.
    :param state_dir: where the role keeps its receipts; in a user's own runs that is below ~/.local/state.
    :param describe_progress: what to say while nothing is printed; None for nothing.

    Left as a context, it leaves no guard behind.
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
        """Run a playbook with these options of ansible-playbook's."""
        arguments = [f"extensions/demo/{name}", *options]
        self._console.command(["ansible-playbook", *arguments])
        # A session of its own: Ctrl-C then reaches Ansible once, through us, and not twice.
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
        """The lines of output as they come. Where none comes for a while, it is shown what is going on."""
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
    """Harmless where it has ended. Ansible tidies up at an interrupt: it takes its own processes along."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_TIMEOUT)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _kill_guards(state_dir: Path) -> None:
    """A guard outlives its run on purpose, and would try for an hour to reach a sandbox that is gone."""
    for path in state_dir.glob("*/*/run.json"):
        guard = json.loads(path.read_text("utf-8")).get("guard")
        # Only where it listens, for else the number may be another process's by now.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(guard["socket"])
            os.kill(guard["pid"], signal.SIGKILL)


def _environment(sandbox: SandboxHandle, root: Path, scratch: Path, state_dir: Path, *, in_colours: bool) -> dict[str, str]:
    """The variables of Ansible's processes. Credentials go this way, since a command line is everybody's to read."""
    # Whoever runs this may have real clouds and an Ansible of their own set up: neither has a part in this.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)}
    return {
        **inherited,
        "LC_ALL": "C.UTF-8",  # Ansible takes no locale without UTF-8
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
    """One more inventory: nothing of the demo's goes into the user's home."""
    path = scratch / "state_dir.yml"
    path.write_text(json.dumps({"all": {"vars": {"guarded_upgrade_state_dir": str(state_dir)}}}), encoding="utf-8")
    return path


def _collections(root: Path, scratch: Path) -> Path:
    """A folder in which Ansible finds the checkout as rewind.vps."""
    namespace = scratch / "collections" / "ansible_collections" / "rewind"
    namespace.mkdir(parents=True)
    (namespace / "vps").symlink_to(root)
    return scratch / "collections"
