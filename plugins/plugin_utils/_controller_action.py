# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection's actions share that do their work in the controller's own process."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._text import sanitize

display = Display()

# Whoever reads these reads them with a program, and may have both streams in one.
MACHINE_READABLE_CALLBACKS = frozenset({"json", "jsonl", "null"})


def wants_progress(environ: Mapping[str, str], stdout_callback: str) -> bool:
    """Whether a person watches: not with C(REWIND_PROGRESS=0), and not where the output is JSON."""
    disabled = environ.get("REWIND_PROGRESS", "").strip().lower() in ("0", "no", "off", "false")
    return not disabled and stdout_callback.rpartition(".")[2] not in MACHINE_READABLE_CALLBACKS


class ControllerAction(ActionBase):
    """Base of actions that work here."""

    @contextlib.contextmanager
    def _task_environment(self, name_pattern: re.Pattern[str] | None = None) -> Iterator[None]:
        """The task's C(environment), as its module would see it. Each task has a process of its own.

        :arg name_pattern: what the names that are taken over look like; all of them where not given.
        """
        requested: dict[str, Any] = {}
        self._compute_environment_string(requested)
        original = dict(os.environ)
        os.environ.update({name: str(value) for name, value in requested.items() if name_pattern is None or name_pattern.fullmatch(name)})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(original)

    def _progress_callback(self, task_vars: dict[str, Any]) -> Callable[[str], None]:
        """Shows one line of progress, on standard error. None where nobody wants it: see L(wants_progress)."""
        if not wants_progress(os.environ, C.DEFAULT_STDOUT_CALLBACK):
            return lambda text: None
        host = task_vars.get("inventory_hostname", "localhost")
        return lambda text: display.display(sanitize(f"{host}: {text}"), stderr=True)
