# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Saves what the restore of a failed upgrade would discard, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...module_utils._redaction import Redactor
from .record import write_private

MAX_LOG_CHARS = 2_000_000  # characters; the end counts
NOT_SERIALIZABLE = "omitted: it can't be written as JSON"
CENSORED = "hidden, since the task has no_log: true"
# How Ansible logs in and becomes root; a log or a result may quote them.
SECRET_VARIABLES = (
    "ansible_password", "ansible_ssh_pass", "ansible_ssh_password", "ansible_become_password", "ansible_become_pass",
    "ansible_ssh_private_key", "ansible_ssh_private_key_passphrase", "ansible_sudo_pass",
)


def save_diagnostics(
    directory: Path, failed_task: Mapping[str, Any] | None, failed_result: Mapping[str, Any] | None, server_log: str | None, redactor: Redactor,
) -> list[str]:
    """Write the failed task with its result, and the server's logs. Return the paths of the files."""
    files = []
    if failed_task is not None:
        hidden = bool(failed_task.get("no_log")) or "censored" in (failed_result or {})
        summary = {
            "task": str(failed_task.get("name") or ""),
            "action": str(failed_task.get("action") or ""),
            "result": CENSORED if hidden else failed_result,
        }
        files.append((directory / "failed_task.json", _as_json(summary, redactor)))
    if server_log:
        # Cut afterwards: the redactor does not know the end of a secret that was cut in two.
        files.append((directory / "server.log", redactor.redact_text(server_log)[-MAX_LOG_CHARS:]))
    for path, text in files:
        write_private(path, text)
    return [str(path) for path, dummy in files]


def _as_json(summary: dict[str, Any], redactor: Redactor) -> str:
    """A module on a server that is not the user's any more may return what no JSON can be made of."""
    try:
        return json.dumps(redactor.redact(json.loads(json.dumps(summary, default=str))), indent=2) + "\n"
    except (TypeError, ValueError, RecursionError):
        return json.dumps({**summary, "result": NOT_SERIALIZABLE}, default=str, indent=2) + "\n"
