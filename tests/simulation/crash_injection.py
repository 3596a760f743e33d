# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a task with SIGKILL at a chosen request, and runs it again."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ground_truth import ActualServer, servers
from task_spec import TaskSpec
from virtual_time import VirtualTime

MAX_WAIT = 60.0  # real seconds


@dataclass(frozen=True)
class CrashCase:
    """A task and the initial state. `makes` and `restores` are the numbers of snapshots and restores that an uninterrupted run needs."""

    name: str
    spec: TaskSpec
    setup: tuple[tuple[str, dict[str, Any]], ...] = ()
    makes: int = 1
    restores: int = 0


def set_up(virtual_time: VirtualTime, case: CrashCase) -> None:
    admin = virtual_time.sandbox.admin
    virtual_time.clear_local_state()
    admin.reset()
    for call, arguments in case.setup:
        getattr(admin, call)(**arguments)
    admin.clear_request_log()


def run(virtual_time: VirtualTime, spec: TaskSpec) -> dict[str, Any]:
    return virtual_time.task(spec.cloud, spec.module, server=spec.server, **spec.options)


def actual_server(virtual_time: VirtualTime, spec: TaskSpec) -> ActualServer:
    return servers(virtual_time.sandbox.admin.servers(spec.cloud), spec.cloud)[spec.server]


def state(server: ActualServer) -> tuple[Any, ...]:
    """The state that must not depend on kills."""
    return server.power_state, sorted((item.name, item.status, item.schedule) for item in server.snapshots)


def kill_at(virtual_time: VirtualTime, spec: TaskSpec, number: int, apply: bool) -> bool:
    """Run the task in a child process and kill it at its request `number`, counted from 0.

    With `apply`, the provider executes that request. Returns False if the task ended before.
    """
    admin = virtual_time.sandbox.admin
    admin.fault("hang", cloud=spec.cloud, skip=number, apply=apply)
    child = os.fork()
    if child == 0:
        _run_and_exit(lambda: virtual_time.task_without_timeout(spec.cloud, spec.module, server=spec.server, **spec.options))
    try:
        deadline = time.monotonic() + MAX_WAIT
        while not any(row.get("hanging") for row in admin.requests()):
            ended, dummy = os.waitpid(child, os.WNOHANG)
            if ended:
                child = 0
                return False
            assert time.monotonic() < deadline, f"it neither sent request {number} nor ended"
            time.sleep(0.002)
        return True
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        admin.clear_faults()


def _run_and_exit(work: Callable[[], Any]) -> None:
    """Runs in the child, where nothing of pytest may run."""
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        os._exit(1)
