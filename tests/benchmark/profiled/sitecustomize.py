# SPDX-License-Identifier: GPL-3.0-or-later
"""Times places of the collection in Ansible's workers: with this folder in PYTHONPATH, and BENCHMARK_PROFILE naming a folder for notes.

Each thread's own processor time counts, so that a place in a pool of threads is told as well. A place that is no more is passed by.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import time
from importlib import _bootstrap

OURS = "ansible_collections.rewind.vps.plugins."
PLACES = {
    OURS + "module_utils._redaction": ("Redactor.__init__", "Redactor.redact", "Redactor.redact_text"),
    OURS + "module_utils._text": ("to_valid_utf8",),
    OURS + "module_utils._argspec": ("normalize_params",),
    OURS + "module_utils._http.session": ("HttpSession.__init__", "HttpSession.request", "HttpSession._read"),
    OURS + "module_utils._http.client": ("ApiClient._send_with_retries", "ApiClient._parse_response"),
    OURS + "module_utils._execute": ("execute", "_execute"),
    OURS + "module_utils._wait.polling": ("wait_until",),
    OURS + "module_utils._state.server_lock": ("state_directory", "LocalState.all", "LocalState.try_acquire", "LocalState.release", "LocalState.put"),
    OURS + "module_utils._state.operation_lock": ("_open_state", "_acquire"),
    OURS + "module_utils._state.pending_changes": ("list_consistent", "record_created"),
    OURS + "module_utils._module.snapshot": ("run",),
    OURS + "module_utils._module.snapshot_info": ("run",),
    OURS + "module_utils._provider.base": ("Snapshot.to_result",),
    OURS + "module_utils._provider.vpsorg": (
        "VpsOrg.list_servers", "VpsOrg.list_snapshots", "VpsOrg.get_server", "VpsOrg.create_snapshot", "VpsOrg._snapshot", "VpsOrg._server",
    ),
    OURS + "module_utils._provider.ilkbyte": (
        "Ilkbyte.list_servers", "Ilkbyte.list_snapshots", "Ilkbyte.get_server", "Ilkbyte.create_snapshot",
    ),
    OURS + "plugin_utils._action": ("InProcessAction._module_reason", "InProcessAction._run_in_process", "InProcessAction._injects_invocation"),
    "ansible.module_utils.common.arg_spec": ("ArgumentSpecValidator.validate",),
    "ansible.playbook.task": ("Task.post_validate",),
    "ansible.executor.task_executor": (
        "TaskExecutor._get_connection", "TaskExecutor._get_action_handler_with_module_context", "TaskExecutor._execute_internal",
    ),
    "ansible.executor.task_queue_manager": ("FinalQueue.send_task_result",),
    "requests.sessions": ("Session.__init__", "Session.prepare_request", "Session.send"),
    "urllib3.connectionpool": ("HTTPConnectionPool.urlopen",),
}
WORKER = "ansible.executor.process.worker"

spent: dict[str, list[float]] = {}  # place: calls, seconds, seconds without the places inside
lock = threading.Lock()
inside = threading.local()  # stack: for each place that this thread is in, its name and the seconds of the places inside it


def _timed(place, function):
    @functools.wraps(function)
    def wrapper(*arguments, **keywords):
        stack = inside.__dict__.setdefault("stack", [])
        within_itself = any(name == place for name, _below in stack)
        stack.append([place, 0.0])
        began = time.thread_time()
        try:
            return function(*arguments, **keywords)
        finally:
            seconds = time.thread_time() - began
            below = stack.pop()[1]
            if stack:
                stack[-1][1] += seconds
            with lock:
                figures = spent.setdefault(place, [0, 0.0, 0.0])
                figures[0] += 1
                figures[1] += 0.0 if within_itself else seconds
                figures[2] += seconds - below

    return wrapper


def _time_places(module) -> None:
    for place in PLACES.pop(module.__name__, ()):
        owner = module
        *path, name = place.split(".")
        for step in path:
            owner = getattr(owner, step, None)
        found = getattr(owner, "__dict__", {}).get(name)
        if callable(found):
            setattr(owner, name, _timed(f"{module.__name__.removeprefix(OURS)}: {place}", found))


def _note_at_end(worker_class) -> None:
    run = worker_class.run

    def noting(self):
        spent.clear()
        try:
            return run(self)
        finally:
            note = json.dumps({"cpu": time.process_time(), "places": spent})
            path = os.path.join(os.environ["BENCHMARK_PROFILE"], str(os.getpid()))
            with open(f"{path}.new", "w", encoding="utf-8") as file:
                file.write(note)
            os.rename(f"{path}.new", f"{path}.json")  # Ansible may end a worker at any moment once it has its result

    worker_class.run = noting


_find_and_load = _bootstrap._find_and_load


def _find_load_and_time(name, import_):
    module = _find_and_load(name, import_)
    if name in PLACES and name in sys.modules:
        _time_places(sys.modules[name])
    if name == WORKER and not hasattr(sys.modules[name], "benchmark_notes"):
        sys.modules[name].benchmark_notes = True
        _note_at_end(sys.modules[name].WorkerProcess)
    return module


if os.environ.get("BENCHMARK_PROFILE"):
    _bootstrap._find_and_load = _find_load_and_time
