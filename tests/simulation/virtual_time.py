# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module's operation in this process, in time that passes only while the product waits.

A wait moves the sandbox's clock by as much, so ten minutes take milliseconds. The requests are real: over HTTP, to the
sandbox's process.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import shutil
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.rewind.vps.plugins.module_utils import _execute as execution
from ansible_collections.rewind.vps.plugins.module_utils._http import client
from ansible_collections.rewind.vps.plugins.module_utils._state import local_state
from ansible_collections.rewind.vps.plugins.module_utils._wait import polling

if TYPE_CHECKING:
    from sandbox import SandboxHandle

MODULE_UTILS = "ansible_collections.rewind.vps.plugins.module_utils"
RESPONSE_TIMEOUT = 0.5  # real seconds; late responses take longer, see strategies.py


class VirtualTime:
    """Runs operations against one sandbox. Use it within `open`."""

    def __init__(self, sandbox: SandboxHandle, response_timeout: float = RESPONSE_TIMEOUT) -> None:
        self.sandbox = sandbox
        self._response_timeout = self.response_timeout = response_timeout
        self._virtual_seconds = 0.0

    @contextlib.contextmanager
    def open(self) -> Iterator[VirtualTime]:
        """Make time virtual within the block."""
        clock_init, client_init = polling.Clock.__init__, client.ApiClient.__init__
        defaults, keywords, connect = clock_init.__defaults__, dict(client_init.__kwdefaults__), execution.connect
        clock_init.__defaults__ = (self.monotonic, self.sleep, random.Random(0).uniform)
        client_init.__kwdefaults__["sleep"] = self.sleep
        execution.connect = lambda options: connect({**options, "api_timeout": self.response_timeout})
        try:
            yield self
        finally:
            clock_init.__defaults__ = defaults
            client_init.__kwdefaults__.update(keywords)
            execution.connect = connect

    def clear_local_state(self) -> None:
        """Remove the tasks' local state, after a reset of the sandbox."""
        shutil.rmtree(os.path.expanduser(local_state.STATE_DIR), ignore_errors=True)

    def monotonic(self) -> float:
        """The virtual clock."""
        return time.monotonic() + self._virtual_seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass for the product and the sandbox."""
        self._virtual_seconds += seconds
        self.sandbox.admin.advance(seconds)

    def task(self, cloud: str, module: str, *, check_mode: bool = False, diff_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run one module with these options and return its result."""
        self.response_timeout = self._response_timeout
        return self._task(cloud, module, check_mode, diff_mode, options)

    def task_without_timeout(self, cloud: str, module: str, **options: Any) -> dict[str, Any]:
        """The same, without a limit for the provider's responses."""
        self.response_timeout = 600.0
        return self._task(cloud, module, False, False, options)

    def _task(self, cloud: str, module: str, check_mode: bool, diff_mode: bool, options: dict[str, Any]) -> dict[str, Any]:
        operation = importlib.import_module(f"{MODULE_UTILS}._module.{module}")
        validated = ArgumentSpecValidator(**operation.SPEC.to_kwargs()).validate({**self._credentials(cloud), **options})
        assert not validated.error_messages, validated.error_messages
        return execution.execute(operation, validated.validated_parameters, check_mode=check_mode, diff_mode=diff_mode, environ={})

    def _credentials(self, cloud: str) -> dict[str, Any]:
        sandbox = self.sandbox
        if cloud == "vpsorg":
            return {"provider": cloud, "api_token": sandbox.vpsorg_token, "api_url": sandbox.vpsorg_url}
        return {"provider": cloud, "access_key": sandbox.ilkbyte_access_key, "secret_key": sandbox.ilkbyte_secret_key, "api_url": sandbox.ilkbyte_url}
