# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets up the sandbox before each task, and records the task's result and requests.

A start of ansible-playbook costs more than a task, so a test runs many cases at once. See playbook_runner.py.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import traceback
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: runner_results
type: aggregate
short_description: Sets up the sandbox between tasks and records their results
description: Reads the file that RUNNER_PLAN names, and appends one JSON object a task to the file that it names.
requirements: [enabling in configuration]
"""


class CallbackModule(CallbackBase):
    """Writes one line for each task: name, status, result, entries of the request log that the task caused."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "runner_results"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        with open(os.environ["RUNNER_PLAN"], encoding="utf-8") as file:
            self._plan = json.load(file)
        sys.path.insert(0, self._plan["extensions"])
        from sandbox.admin_client import AdminClient

        self._admin = AdminClient(self._plan["admin_url"])
        self._entries_read = 0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._guarded(self._set_up, task.get_name())
        gc.freeze()  # the task is a forked process, which else would walk, and so copy, all objects of this one

    def v2_runner_on_ok(self, result: Any) -> None:
        self._guarded(self._record, "ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._guarded(self._record, "failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._guarded(self._record, "skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._guarded(self._record, "unreachable", result)

    def _set_up(self, name: str) -> None:
        for call, arguments in self._plan["setup"].get(name, []):
            getattr(self._admin, call)(**arguments)
            if call == "reset":  # the local state is about the servers before the reset
                shutil.rmtree(os.path.expanduser("~/.local/state/rewind.vps/locks"), ignore_errors=True)
        entries = self._admin.request_log()
        self._entries_read = entries[-1]["n"] if entries else 0

    def _record(self, status: str, result: Any) -> None:
        task = getattr(result, "task", None) or result._task
        entries = [entry for entry in self._admin.request_log() if entry["n"] > self._entries_read]
        shown = result.result if hasattr(type(result), "result") else result._result
        self._write({"name": task.get_name(), "status": status, "result": dict(shown), "entries": entries})

    def _guarded(self, work: Any, *arguments: Any) -> None:
        # Ansible turns a callback's exception into a warning, and a test would go on without its setup.
        try:
            work(*arguments)
        except Exception:
            self._write({"broken": traceback.format_exc()})

    def _write(self, line: dict[str, Any]) -> None:
        with open(self._plan["results"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
