# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints all results as one JSON text, as ansible.posix.json does."""

from __future__ import annotations

import json
from typing import Any

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: runner_json
type: stdout
short_description: Results as JSON
description: Prints every result when the run is over.
"""


class CallbackModule(CallbackBase):
    """Keeps results until the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "runner_json"

    def __init__(self) -> None:
        super().__init__()
        self._results: list[Any] = []

    def v2_runner_on_ok(self, result: Any) -> None:
        self._results.append(dict(result.result if hasattr(type(result), "result") else result._result))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self.v2_runner_on_ok(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._display.display(json.dumps(self._results, cls=AnsibleJSONEncoder, indent=4, sort_keys=True))
