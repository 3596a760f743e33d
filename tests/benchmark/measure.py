# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program and tells what it took: seconds, processor, memory, of it and of everything that it started."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.playbook_runner import descendants

SAMPLE_SECONDS = 0.2
LIMIT_SECONDS = 3600.0
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """What a program and all that it started and waited for took.

    :ivar seconds: from its start to its end.
    :ivar cpu: seconds of processor, user and system.
    :ivar biggest_mb: the most memory that one process had at any time.
    :ivar tree_mb: the most that all had at one time, shared memory counted once (looked at five times a second); None where the
        system doesn't tell.
    """

    seconds: float
    cpu: float
    biggest_mb: float
    tree_mb: float | None


@dataclass(frozen=True)
class Ended:
    """A program that has ended: exit status, all that it printed, what it took."""

    status: int
    output: str
    usage: Usage


def run(command: Sequence[object], *, environment: Mapping[str, str], directory: Path, limit: float = LIMIT_SECONDS) -> Ended:
    """Run a program in the foreground.

    :raises TimeoutError: it took longer than ``limit`` seconds; it and all that it started are gone then.
    """
    with tempfile.TemporaryFile() as output:
        started_at = time.monotonic()
        process = subprocess.Popen([str(word) for word in command], env=dict(environment), cwd=directory, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        too_long = threading.Event()
        alarm = threading.Timer(limit, lambda: (too_long.set(), _kill(process.pid)))
        alarm.daemon = True
        alarm.start()
        try:
            with _watched(process.pid) as peak:
                status, used = _wait(process)
        except BaseException:
            _kill(process.pid)
            raise
        finally:
            alarm.cancel()
        seconds = time.monotonic() - started_at
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    if too_long.is_set():
        raise TimeoutError(f"{command} took longer than {limit:.0f} s:\n{said[-2000:]}")
    in_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    tree = max(peak) / MEGABYTE if peak else None
    return Ended(status, said, Usage(seconds, used.ru_utime + used.ru_stime, in_bytes / MEGABYTE, tree))


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage]:
    # wait4 tells of this child and its own children alone; getrusage would count every program since the start.
    dummy, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used


def _kill(pid: int) -> None:
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """The memory of a process tree, again and again, in bytes."""
    found: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(SAMPLE_SECONDS):
            size = tree_bytes(pid)
            if size:
                found.append(size)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def tree_bytes(pid: int) -> int:
    """The memory of a process and all below it, each shared page counted by halves, thirds and so on; 0 where nobody tells."""
    total = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        with contextlib.suppress(OSError, ValueError):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text("ascii")
            total += 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        with contextlib.suppress(OSError, ValueError):
            for task in os.listdir(f"/proc/{one}/task"):
                waiting += [int(child) for child in Path(f"/proc/{one}/task/{task}/children").read_text("ascii").split()]
    return total
