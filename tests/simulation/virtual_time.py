# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module's work in this process, with time that passes only while somebody waits.

Whoever waits in the product moves the sandbox's clock by as much, so that a wait of ten minutes takes milliseconds. The
requests are real: over HTTP, to the sandbox's process.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.rewind.vps.plugins.module_utils import _argspec as argspec
from ansible_collections.rewind.vps.plugins.module_utils import _execute as execution
from ansible_collections.rewind.vps.plugins.module_utils._http import client
from ansible_collections.rewind.vps.plugins.module_utils._state import server_lock
from ansible_collections.rewind.vps.plugins.module_utils._wait import polling

if TYPE_CHECKING:
    from sandbox import SandboxHandle

ANSWER_SECONDS = 0.2  # real seconds that a cloud may take to answer; more in a test would be wasted


class Room:
    """The room behind both doors, at one sandbox. Use within :meth:`open`."""

    def __init__(self, sandbox: SandboxHandle, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.sandbox = sandbox
        self._answer_seconds = self.answer_seconds = answer_seconds
        self._passed = 0.0

    @contextlib.contextmanager
    def open(self) -> Iterator[Room]:
        """Time is virtual inside."""
        clock, sleeping = polling.Clock.__init__, client.ApiClient.__init__
        defaults, keywords, connect = clock.__defaults__, dict(sleeping.__kwdefaults__), execution.connect
        clock.__defaults__ = (self.monotonic, self.sleep, random.Random(0).uniform)
        sleeping.__kwdefaults__["sleep"] = self.sleep
        execution.connect = lambda options: connect({**options, "api_timeout": self.answer_seconds})
        try:
            yield self
        finally:
            clock.__defaults__ = defaults
            sleeping.__kwdefaults__.update(keywords)
            execution.connect = connect

    def forget(self) -> None:
        """What this machine has noted about servers is no more: for a world that begins anew."""
        shutil.rmtree(os.path.expanduser(server_lock.STATE_DIR), ignore_errors=True)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic() + self._passed

    def sleep(self, seconds: float) -> None:
        """Let time pass for both sides."""
        self._passed += seconds
        self.sandbox.admin.advance(seconds)

    def task(self, cloud: str, module: str, *, check_mode: bool = False, diff_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run one module with these options; its result."""
        self.answer_seconds = self._answer_seconds
        return self._task(cloud, module, check_mode, diff_mode, options)

    def patient_task(self, cloud: str, module: str, **options: Any) -> dict[str, Any]:
        """The same, and the cloud may take as long as it likes for its answers."""
        self.answer_seconds = 600.0
        return self._task(cloud, module, False, False, options)

    def _task(self, cloud: str, module: str, check_mode: bool, diff_mode: bool, options: dict[str, Any]) -> dict[str, Any]:
        spec = argspec.SPECS[module]
        validated = ArgumentSpecValidator(spec.options, **spec.rules).validate({**self._access(cloud), **options})
        assert not validated.error_messages, validated.error_messages
        return execution.execute(module, validated.validated_parameters, check_mode=check_mode, diff_mode=diff_mode, environ={})

    def _access(self, cloud: str) -> dict[str, Any]:
        sandbox = self.sandbox
        if cloud == "vpsorg":
            return {"provider": cloud, "api_token": sandbox.vpsorg_token, "api_url": sandbox.vpsorg_url}
        return {"provider": cloud, "access_key": sandbox.ilkbyte_access_key, "secret_key": sandbox.ilkbyte_secret_key, "api_url": sandbox.ilkbyte_url}
