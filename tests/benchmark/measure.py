# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program and measures it and everything that it starts: time, CPU and memory."""

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
    """What a program and all that it started and waited for used."""

    seconds: float
    cpu: float  # seconds, user and system
    largest_mb: float  # of the largest process
    tree_mb: float | None  # of all processes at one time, shared memory counted once, sampled up to five times a second; Linux only


@dataclass(frozen=True)
class Ended:
    """A finished program."""

    status: int
    output: str
    usage: Usage


def run(command: Sequence[object], *, environment: Mapping[str, str], directory: Path, limit: float = LIMIT_SECONDS) -> Ended:
    """Run a program in the foreground.

    Raises:
        TimeoutError: it took longer than `limit` seconds; it and all that it started have been killed.
    """
    with tempfile.TemporaryFile() as output:
        started_at = time.monotonic()
        process = subprocess.Popen([str(argument) for argument in command], env=dict(environment), cwd=directory, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        timed_out = threading.Event()
        timer = threading.Timer(limit, lambda: (timed_out.set(), _kill(process.pid)))
        timer.daemon = True
        timer.start()
        try:
            with _sample_memory(process.pid) as samples:
                status, used = _wait(process)
        except BaseException:
            _kill(process.pid)
            raise
        finally:
            timer.cancel()
        seconds = time.monotonic() - started_at
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if timed_out.is_set():
        raise TimeoutError(f"{command} took longer than {limit:.0f} s:\n{text[-2000:]}")
    in_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    tree = max(samples) / MEGABYTE if samples else None
    return Ended(status, text, Usage(seconds, used.ru_utime + used.ru_stime, in_bytes / MEGABYTE, tree))


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage]:
    # wait4 counts this child and its own children only; getrusage would count every program since the start.
    dummy, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used


def _kill(pid: int) -> None:
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


@contextlib.contextmanager
def _sample_memory(pid: int) -> Iterator[list[int]]:
    """The memory of a process tree over time, in bytes."""
    samples: list[int] = []
    finished = threading.Event()

    def sample() -> None:
        pause = SAMPLE_SECONDS
        while not finished.wait(pause):
            started = time.thread_time()
            size = tree_bytes(pid)
            # With many processes a sample is slow. It must not take the CPU that is measured.
            pause = max(SAMPLE_SECONDS, 50 * (time.thread_time() - started))
            if size:
                samples.append(size)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        finished.set()
        thread.join()


def tree_bytes(pid: int) -> int:
    """The memory of a process and its descendants, with each shared page divided among them; 0 if unknown."""
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
