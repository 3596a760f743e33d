# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills ansible-playbook before a task of a given name starts."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kill_at
type: notification
short_description: Kills ansible-playbook before a task
description: Used by the tests. The environment variable KILL_AT names the task.
"""


class CallbackModule(CallbackBase):
    """Kills its process before the task that KILL_AT names."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kill_at"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.get_name().rpartition(" : ")[2] == os.environ["KILL_AT"]:
            os.kill(os.getpid(), signal.SIGKILL)
