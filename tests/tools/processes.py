# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts programs, passes signals on to them, and ends when they end: nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

Heard = Optional[Callable[[str], None]]


class Interrupted(Exception):
    """A signal asked the tools to stop; the program that ran has ended, with a status of its own."""

    def __init__(self, number: int, program_status: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number
        self.program_status = program_status


def run(command: Sequence[object], *, env: Mapping[str, str], cwd: Path, on_line: Heard = None) -> int:
    """Run a program in the foreground and return its exit status.

    on_line is called with every line that the program prints to standard output or error, which is then printed here
    instead of going straight to the terminal. Raises Interrupted after a signal.
    """
    received = []
    child: subprocess.Popen | None = None

    def pass_on(number: int, _frame: object) -> None:
        received.append(number)
        # A terminal has already sent its Ctrl-C to the child, and two of them mean "stop without cleaning up".
        from_terminal = number == signal.SIGINT and os.isatty(0)
        if child and not from_terminal:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        child = subprocess.Popen(
            [str(word) for word in command],
            env=dict(env),
            cwd=str(cwd),
            stdout=subprocess.PIPE if on_line else None,
            stderr=subprocess.STDOUT if on_line else None,
        )
        if on_line and child.stdout:
            for raw in child.stdout:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                print(line, flush=True)
                on_line(line)
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    status = status if status >= 0 else 128 - status
    if received:
        raise Interrupted(received[0], status)
    return status


def mend_standard_streams() -> None:
    """Give this process and its children the three standard streams in the state that Ansible insists on."""
    for descriptor in (0, 1, 2):
        try:
            os.set_blocking(descriptor, True)
        except OSError:
            # Closed, as some schedulers do: the next file opened would take the number and be read as keyboard input.
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            os.set_inheritable(descriptor, True)
