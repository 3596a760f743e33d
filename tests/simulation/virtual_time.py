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

RESPONSE_TIMEOUT = 0.2  # real seconds that a cloud may take to answer; more in a test would be wasted


class VirtualTime:
    """The room behind both doors, at one sandbox. Use within :meth:`open`."""

    def __init__(self, sandbox: SandboxHandle, response_timeout: float = RESPONSE_TIMEOUT) -> None:
        self.sandbox = sandbox
        self._response_timeout = self.response_timeout = response_timeout
        self._virtual_seconds = 0.0

    @contextlib.contextmanager
    def open(self) -> Iterator[VirtualTime]:
        """Time is virtual inside."""
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
        """What this machine has noted about servers is no more: for a world that begins anew."""
        shutil.rmtree(os.path.expanduser(server_lock.STATE_DIR), ignore_errors=True)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic() + self._virtual_seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass for both sides."""
        self._virtual_seconds += seconds
        self.sandbox.admin.advance(seconds)

    def task(self, cloud: str, module: str, *, check_mode: bool = False, diff_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run one module with these options; its result."""
        self.response_timeout = self._response_timeout
        return self._task(cloud, module, check_mode, diff_mode, options)

    def task_without_timeout(self, cloud: str, module: str, **options: Any) -> dict[str, Any]:
        """The same, and the cloud may take as long as it likes for its answers."""
        self.response_timeout = 600.0
        return self._task(cloud, module, False, False, options)

    def _task(self, cloud: str, module: str, check_mode: bool, diff_mode: bool, options: dict[str, Any]) -> dict[str, Any]:
        spec = argspec.SPECS[module]
        validated = ArgumentSpecValidator(spec.options, **spec.rules).validate({**self._credentials(cloud), **options})
        assert not validated.error_messages, validated.error_messages
        return execution.execute(module, validated.validated_parameters, check_mode=check_mode, diff_mode=diff_mode, environ={})

    def _credentials(self, cloud: str) -> dict[str, Any]:
        sandbox = self.sandbox
        if cloud == "vpsorg":
            return {"provider": cloud, "api_token": sandbox.vpsorg_token, "api_url": sandbox.vpsorg_url}
        return {"provider": cloud, "access_key": sandbox.ilkbyte_access_key, "secret_key": sandbox.ilkbyte_secret_key, "api_url": sandbox.ilkbyte_url}
