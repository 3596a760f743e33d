# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all types of checks share.

A type of check is a module of this package with these names, and a line in `registry.py`:

- `NAME`: the key that selects it in an entry of `guarded_upgrade_checks`.
- `OPTIONS`: the argument spec of its keys, `NAME` first; with a `description` for the role's README.
- `PASSES_IF`: for the README.
- `normalize(values)`: returns the values as `label` and `observe` take them; raises ValueError with what is wrong.
- `label(values)`: names the check in messages, without secrets.
- `observe(values, target, seconds)`: makes the check once, and returns an Observation. `None` for a type that Ansible runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import Any

from ....module_utils._text import sanitize
from ..server_access import ServerAccess, ServerUnavailable

REQUIRED, WARN = "required", "warn"  # levels: a failure rolls back, or is reported only

Check = dict[str, Any]  # `type`, `label`, `level`, `baseline`, `options`

MAX_OUTPUT_BYTES = 4000  # of a command; the end counts
MAX_TEXT_CHARS = 300  # of an observation
TIMED_OUT = 124  # status of timeout(1)
_STATUS = re.compile("check-status ([0-9]+)")

# `timeout` is not on every system. Without it the connection's limit ends the command.
_SCRIPT = """limit() {{ "$@"; }}
timeout 5 true 2>/dev/null && limit() {{ timeout {seconds} "$@"; }}
{{ limit sh -c {command} 2>&1; status=$?; echo; echo "check-status $status"; }} | tail -c {size}
"""


@dataclass(frozen=True)
class Observation:
    """What one attempt has found: whether the check passes, and what was seen, for a person."""

    passed: bool
    text: str


@dataclass(frozen=True)
class Target:
    """The server that is checked.

    Attributes:
        address: Where the controller reaches it.
    """

    server: ServerAccess
    address: str

    def run(self, command: str, seconds: float) -> tuple[int, list[str]]:
        """Run a shell command on the server; return its status and the lines of its output and errors.

        Raises:
            ServerUnavailable: The server can't be reached, or does not run the command.
        """
        script = _SCRIPT.format(seconds=max(1, int(seconds)), command=quote(command), size=MAX_OUTPUT_BYTES)
        lines = [line.strip() for line in self.server.run(script, seconds + 10).splitlines()]
        lines = [line for line in lines if line]
        found = _STATUS.fullmatch(lines[-1]) if lines else None
        if found is None:
            raise ServerUnavailable(f"a check did not complete; its output ends with: {lines[-1] if lines else 'nothing'}")
        return int(found[1]), lines[:-1]


def failed_command(status: int, lines: list[str], seconds: float) -> Observation:
    """Return the observation of a command that has not ended with 0: its last line, which names the cause in most programs."""
    if status == TIMED_OUT:
        return Observation(False, f"no result within {seconds:.0f} s")
    return Observation(False, f"status {status}{f': {one_line(lines[-1])}' if lines else ''}")


def one_line(text: str) -> str:
    return sanitize(" ".join(text.split()))[:MAX_TEXT_CHARS]
