# SPDX-License-Identifier: GPL-3.0-or-later
"""The channels through which a secret could leave a run: what it prints and writes, and what its processes show."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from support.guarded_upgrade import GUARD_PROGRAM
from support.playbook_runner import Run
from support.secret_search import Hit, Searcher

# Files of the test itself, which contain the secrets.
TEST_OWN_FILES = re.compile(r"play\.yml|plan|variables\d+\.json|given\..*")
SAMPLE_SECONDS = 0.03


class ProcessWatch:
    """Records the command line and the environment of every process of a run.

    `command_lines` are all that were seen on this machine, those on the sandbox's servers included. `environments` are
    those of the run's processes, by program.
    """

    def __init__(self, marker: str) -> None:
        """`marker` is a variable's value in the environment of the run, which identifies its processes."""
        self._marker = marker.encode()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._earlier_pids = set(_pids())
        self.command_lines: set[bytes] = set()
        self.environments: set[tuple[bytes, bytes]] = set()

    def __enter__(self) -> ProcessWatch:
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            for pid in _pids():
                if pid not in self._earlier_pids:
                    with contextlib.suppress(OSError):
                        self._record(Path("/proc") / pid)
            time.sleep(SAMPLE_SECONDS)

    def _record(self, process: Path) -> None:
        command = (process / "cmdline").read_bytes()
        self.command_lines.add(command)
        environment = (process / "environ").read_bytes()
        if self._marker in environment or self._marker in command:
            self.environments.add((command.replace(b"\0", b" ")[:200], environment))


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []


def files_below(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file that a run has left, with its name in front of its content."""
    for path in directory.rglob("*"):
        if not TEST_OWN_FILES.fullmatch(path.name) and path.is_file():
            with contextlib.suppress(OSError):
                yield path, os.fsencode(path) + b"\n" + path.read_bytes()


def search_run(searcher: Searcher, run: Run, directories: list[Path], watch: ProcessWatch | None = None, *, inherited: bool = False) -> None:
    """Search all channels of a run.

    `directories` hold its home, its temporary files and its own files. With `inherited`, the user has set the credentials in the
    environment of ansible-playbook, so its children have them, except a guard.
    """
    searcher.search("stdout", run.stdout)
    searcher.search("stderr", run.stderr)
    for directory in directories:
        for path, data in files_below(directory):
            searcher.search(f"file {path.relative_to(directory)}", data)
    if watch is not None:
        for command in watch.command_lines:
            searcher.search("process list", command.replace(b"\0", b" "))
        for command, environment in watch.environments:
            if inherited and GUARD_PROGRAM.encode() not in command:
                continue  # they have them from the user
            searcher.search(f"environment of {command.decode(errors='replace')}", environment.replace(b"\0", b"\n"))


def report_search(searcher: Searcher, record_property: Callable[[str, object], None]) -> None:
    """Record what was searched, and fail the test if a secret was found."""
    record_property("secrets searched", searcher.searched)
    record_property("secrets characters", searcher.characters)
    record_property("secrets hits", len(searcher.hits))
    assert searcher.searched
    if searcher.hits:
        pytest.fail(format_hits(searcher.hits), pytrace=False)


def format_hits(hits: Iterable[Hit]) -> str:
    """The hits as text, for a failed test: how many in each channel, and the first in each form."""
    first: dict[tuple[str, str], Hit] = {}
    counts: Counter[str] = Counter()
    for hit in hits:
        counts[hit.channel] += 1
        first.setdefault((hit.channel, hit.form), hit)
    return "\n".join([f"{counts.total()} hits: {dict(counts)}", *map(str, list(first.values())[:10])])
