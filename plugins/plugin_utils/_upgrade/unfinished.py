# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last check of a run: it reports every guarded server without an outcome, and does not exit with status 0 then.

A server can leave a play without a failure, and an error can end the whole run. No task runs after that, so the process of
ansible-playbook checks this itself when it exits.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ...module_utils._errors import RewindError
from ...module_utils._files import write_private
from . import record as states
from .record import RunRecord, describe_state, make_private_directory

EXIT_STATUS = 2  # as for failed hosts


def remember_run(directory: str, record_path: str) -> None:
    """Note a guarded run for the end of ansible-playbook, in its temporary directory."""
    path = Path(record_path)
    make_private_directory(_notes(directory))
    write_private(_notes(directory) / path.parent.name, record_path)


def unfinished_messages(directory: str) -> list[str]:
    """Return a message for each remembered run without a reported outcome."""
    messages = []
    for note in sorted(_notes(directory).glob("*")):
        try:
            record = RunRecord.load(Path(note.read_text("utf-8")))
        except (OSError, RewindError) as error:
            messages.append(f"The outcome of a guarded upgrade is unknown: its run record can't be read ({error})")
            continue
        except Exception as error:  # Python would print its text, which may hold anything
            messages.append(f"The outcome of a guarded upgrade is unknown: internal error in rewind.vps ({type(error).__name__})")
            continue
        if not record.data.get("acknowledged") and record.state != states.AWAITING:
            messages.append(_message(record))
    return messages


def _message(record: RunRecord) -> str:
    host = record.data["host"]
    if record.state in states.UNARMED_STATES:
        what = "Nothing was upgraded on it"
    elif record.state in (states.CONFIRMED, states.RESTORED, states.ENDED):
        what = "Nothing more is changed on it; its state is in the run record"
    else:
        what = f"Its guard restores snapshot {record.snapshot['name']} now"
    return (
        f"NO OUTCOME: {host} left the play while its guarded upgrade was {describe_state(record)}. {what} ({record.path}). "
        "The run was interrupted or ended by an error, or a task such as meta: end_host ended the play for this server. "
        f"Next: ansible-playbook rewind.vps.recover -e target={host}, which waits for the guard, verifies the server and reports the outcome."
    )


def watch_exit(directory: str, show: Callable[[str], None]) -> None:
    """Have this process show the messages when it exits, with a status that is not 0.

    It does nothing in a process of a task, whose end is not the end of the run.
    """
    original, process = sys.exit, os.getpid()
    if multiprocessing.parent_process() is not None or hasattr(original, "rewind_watch"):
        return

    def exit_after_check(status=None):
        messages = unfinished_messages(directory) if os.getpid() == process else []
        for message in messages:
            show(message)
        original((status or EXIT_STATUS) if messages else status)

    exit_after_check.rewind_watch = True
    sys.exit = exit_after_check


def _notes(directory: str) -> Path:
    return Path(directory) / "rewind.vps"
