# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tools say to the person who runs them: short lines on standard output."""

from __future__ import annotations

import sys


class Problem(Exception):
    """The command cannot go on; the text says what is wrong and what to do about it."""


def say(text: str) -> None:
    """Print one line at once, so that it stands before the output of the program that is started next."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print one line to standard error."""
    print(text, file=sys.stderr, flush=True)
